//! HTTP authentication as an account configures it: Basic (RFC 7617) or Digest (RFC 7616).
//!
//! Nothing is sent before a server's first challenge; from then on nothing waits for one. What the server
//! offers chooses among Digest's hashes, never between Digest and Basic.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hyper::HeaderMap;
use hyper::header::{HeaderName, HeaderValue, WWW_AUTHENTICATE};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use sha2::Digest as _;

use super::challenge::{Challenge, challenges, parameters};
use crate::base::OrderedMap;
use crate::transport::Auth;
use crate::uri::Origin;

const AUTHENTICATION_INFO: HeaderName = HeaderName::from_static("authentication-info");

/// Why a 401 can't be answered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthProblem {
    /// The account has no user and password.
    #[error("the server asks for a user and password, the account has none")]
    NoCredentials,
    /// The server doesn't offer the account's scheme.
    #[error("the account has {configured}, the server offers {offered}")]
    NotOffered {
        /// The scheme that the account is configured with.
        configured: &'static str,
        /// The schemes that the server offers.
        offered: String,
    },
    /// The server offers Digest, but with no algorithm of MD5, SHA-256 and their -sess forms and qop `auth`.
    #[error("the server offers digest, but not MD5 or SHA-256 with qop auth")]
    DigestVariant,
    /// With Basic over plain http, a password would cross the network in the clear.
    #[error("basic authentication is only for https")]
    BasicInTheClear,
    /// The server refused the user and password.
    #[error("the server refuses the user or password")]
    Rejected,
    /// The user, realm or nonce can't be written into a header.
    #[error("user or challenge can't be written into a header")]
    Unwritable,
}

/// The HTTP authentication of an account: its credentials, and the challenges of its origins.
#[derive(Debug)]
pub(super) struct Authenticator {
    auth: Auth,
    schemes: OrderedMap<Origin, UsedScheme>,
}

#[derive(Debug)]
enum UsedScheme {
    Basic,
    Digest(DigestState),
}

impl Authenticator {
    pub(super) fn new(auth: Auth) -> Self {
        Self { auth, schemes: OrderedMap::new() }
    }

    /// The `Authorization` of a request to one of the account's own origins; none before its first challenge. `target`
    /// is the request target as sent. Counts a Digest nonce's use.
    pub(super) fn authorization(
        &mut self,
        origin: &Origin,
        method: &str,
        target: &str,
    ) -> Result<Option<HeaderValue>, AuthProblem> {
        let text = match (self.schemes.get_mut(origin), &self.auth) {
            (Some(UsedScheme::Basic), Auth::Basic { user, password }) if origin.secure => {
                let plain = [user.as_bytes(), b":", password.expose()].concat();
                format!("Basic {}", BASE64_STANDARD.encode(plain))
            }
            (Some(UsedScheme::Digest(digest)), Auth::Digest { user, password }) => {
                digest.authorization(user, password.expose(), method, target)
            }
            _ => return Ok(None),
        };
        let mut value = HeaderValue::from_str(&text).or_else(|_| HeaderValue::from_bytes(text.as_bytes()));
        if let Ok(value) = &mut value {
            value.set_sensitive(true);
        }
        value.map(Some).map_err(|_| AuthProblem::Unwritable)
    }

    /// Takes in the challenge of a 401. `answered`: whether its request carried credentials. After `Ok` a second
    /// request may fare better.
    pub(super) fn challenged(
        &mut self,
        origin: &Origin,
        headers: &HeaderMap,
        answered: bool,
        cnonce: impl FnOnce() -> String,
    ) -> Result<(), AuthProblem> {
        // Forgotten unless there is something better: the next session starts afresh.
        let before = self.schemes.remove(origin);
        let offered = challenges(headers.get_all(WWW_AUTHENTICATE));
        let state = match &self.auth {
            Auth::None | Auth::Certificate { .. } => return Err(AuthProblem::NoCredentials),
            Auth::Basic { .. } if !origin.secure => return Err(AuthProblem::BasicInTheClear),
            Auth::Basic { .. } if answered => return Err(AuthProblem::Rejected),
            // Some servers forget the challenge; they get what the account says.
            Auth::Basic { .. } if offered.is_empty() => UsedScheme::Basic,
            Auth::Basic { .. } => {
                require_scheme(&offered, "basic")?;
                UsedScheme::Basic
            }
            Auth::Digest { .. } => {
                require_scheme(&offered, "digest")?;
                let next = DigestState::strongest(&offered, cnonce).ok_or(AuthProblem::DigestVariant)?;
                let same = matches!(&before, Some(UsedScheme::Digest(used)) if used.nonce == next.nonce);
                if answered && same && !next.stale {
                    return Err(AuthProblem::Rejected);
                }
                UsedScheme::Digest(next)
            }
        };
        self.schemes.insert(origin.clone(), state);
        Ok(())
    }

    /// Takes in a response that isn't a 401: a server may name the next nonce in it.
    pub(super) fn accepted(&mut self, origin: &Origin, headers: &HeaderMap) {
        let Some(info) = headers.get(AUTHENTICATION_INFO).map(parameters) else { return };
        if let (Some(UsedScheme::Digest(digest)), Some(nonce)) =
            (self.schemes.get_mut(origin), info.parameter("nextnonce"))
        {
            digest.renew(nonce);
        }
    }

    /// Whether any origin has asked for credentials.
    pub(super) fn is_challenged(&self) -> bool {
        !self.schemes.is_empty()
    }

    /// Forgets the challenge of `origin`, whose answer was refused.
    pub(super) fn forget(&mut self, origin: &Origin) {
        self.schemes.remove(origin);
    }
}

/// Looks for the scheme that the account is configured with among those that are offered.
///
/// # Errors
/// [`AuthProblem::NotOffered`]
fn require_scheme(offered: &[Challenge], scheme: &'static str) -> Result<(), AuthProblem> {
    if offered.iter().any(|challenge| challenge.scheme == scheme) {
        return Ok(());
    }
    let mut names: Vec<&str> = offered.iter().map(|challenge| challenge.scheme.as_str()).collect();
    names.dedup();
    names.truncate(4);
    let offered = if names.is_empty() { "nothing".to_owned() } else { names.join(", ") };
    Err(AuthProblem::NotOffered { configured: scheme, offered })
}

/// The hash of a Digest algorithm (RFC 7616 6.1), weakest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Hash {
    Md5,
    Sha256,
}

impl Hash {
    fn hex(self, parts: &[&[u8]]) -> String {
        let whole = parts.join(&b':');
        match self {
            Self::Md5 => hex(&md5::Md5::digest(whole)),
            Self::Sha256 => hex(&sha2::Sha256::digest(whole)),
        }
    }
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a String can't fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The state of Digest with one origin: a challenge, and how often its nonce was used.
#[derive(Clone, Debug)]
struct DigestState {
    realm: String,
    nonce: String,
    opaque: Option<String>,
    stale: bool,
    hash: Hash,
    /// Whether the algorithm is one of the `-sess` ones.
    is_sess: bool,
    /// The algorithm as its name is written; none where the server named none.
    algorithm: Option<&'static str>,
    cnonce: String,
    /// The nonce that a `-sess` key was made with; it outlives `nextnonce`.
    first_nonce: String,
    count: u32,
}

impl DigestState {
    fn strongest(offered: &[Challenge], cnonce: impl FnOnce() -> String) -> Option<Self> {
        // max_by_key takes the last of equals; the server's preference comes first.
        let (challenge, hash, is_sess, algorithm) = offered
            .iter()
            .rev()
            .filter(|challenge| challenge.scheme == "digest")
            .filter_map(|challenge| {
                let qop = challenge.parameter("qop")?;
                qop.split(',').any(|qop| qop.trim().eq_ignore_ascii_case("auth")).then_some(())?;
                challenge.parameter("nonce")?;
                let (hash, is_sess, algorithm) = match challenge.parameter("algorithm") {
                    None => (Hash::Md5, false, None),
                    Some(name) => match name.to_ascii_uppercase().as_str() {
                        "MD5" => (Hash::Md5, false, Some("MD5")),
                        "MD5-SESS" => (Hash::Md5, true, Some("MD5-sess")),
                        "SHA-256" => (Hash::Sha256, false, Some("SHA-256")),
                        "SHA-256-SESS" => (Hash::Sha256, true, Some("SHA-256-sess")),
                        _ => return None,
                    },
                };
                Some((challenge, hash, is_sess, algorithm))
            })
            .max_by_key(|(_, hash, ..)| *hash)?;
        let nonce = challenge.parameter("nonce")?.to_owned();
        Some(Self {
            realm: challenge.parameter("realm").unwrap_or_default().to_owned(),
            opaque: challenge.parameter("opaque").map(str::to_owned),
            stale: challenge.parameter("stale").is_some_and(|stale| stale.eq_ignore_ascii_case("true")),
            hash,
            is_sess,
            algorithm,
            cnonce: cnonce(),
            first_nonce: nonce.clone(),
            nonce,
            count: 0,
        })
    }

    fn renew(&mut self, nonce: &str) {
        nonce.clone_into(&mut self.nonce);
        self.count = 0;
    }

    fn authorization(&mut self, user: &str, password: &[u8], method: &str, target: &str) -> String {
        self.count = self.count.wrapping_add(1);
        let count = format!("{:08x}", self.count);
        let mut a1 = self.hash.hex(&[user.as_bytes(), self.realm.as_bytes(), password]);
        if self.is_sess {
            a1 = self.hash.hex(&[a1.as_bytes(), self.first_nonce.as_bytes(), self.cnonce.as_bytes()]);
        }
        let a2 = self.hash.hex(&[method.as_bytes(), target.as_bytes()]);
        let response = self.hash.hex(&[
            a1.as_bytes(),
            self.nonce.as_bytes(),
            count.as_bytes(),
            self.cnonce.as_bytes(),
            b"auth",
            a2.as_bytes(),
        ]);
        let username = if user.is_ascii() {
            format!("username={}", quoted(user))
        } else {
            format!("username*=UTF-8''{}", utf8_percent_encode(user, NON_ALPHANUMERIC))
        };
        let mut text = format!(
            "Digest {username}, realm={}, nonce={}, uri={}, response=\"{response}\", qop=auth, nc={count}, cnonce={}",
            quoted(&self.realm),
            quoted(&self.nonce),
            quoted(target),
            quoted(&self.cnonce),
        );
        if let Some(algorithm) = self.algorithm {
            text.push_str(", algorithm=");
            text.push_str(algorithm);
        }
        if let Some(opaque) = &self.opaque {
            text.push_str(", opaque=");
            text.push_str(&quoted(opaque));
        }
        text
    }
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Secret;

    const CNONCE: &str = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ";
    const MD5: &str = r#"Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm=MD5, nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS""#;

    fn sha256() -> String {
        MD5.replace("=MD5", "=SHA-256")
    }

    fn digest() -> Authenticator {
        let password = Secret::new(b"Circle of Life".to_vec());
        Authenticator::new(Auth::Digest { user: "Mufasa".to_owned(), password })
    }

    fn basic() -> Authenticator {
        let password = Secret::new(b"open sesame".to_vec());
        Authenticator::new(Auth::Basic { user: "Aladdin".to_owned(), password })
    }

    fn origin() -> Origin {
        "https://dm.example".parse().unwrap()
    }

    fn fields(fields: &[&str]) -> HeaderMap {
        fields.iter().map(|field| (WWW_AUTHENTICATE, field.parse().unwrap())).collect()
    }

    fn challenge(auth: &mut Authenticator, offers: &[&str], answered: bool) -> Result<(), AuthProblem> {
        auth.challenged(&origin(), &fields(offers), answered, || CNONCE.to_owned())
    }

    fn header(auth: &mut Authenticator) -> Option<String> {
        let value = auth.authorization(&origin(), "GET", "/dir/index.html").unwrap()?;
        assert!(value.is_sensitive());
        Some(value.to_str().unwrap().to_owned())
    }

    fn parameter(auth: &mut Authenticator, name: &str) -> String {
        let header = HeaderValue::from_str(&header(auth).unwrap()).unwrap();
        challenges([&header])[0].parameter(name).unwrap().to_owned()
    }

    /// The examples of RFC 7616 3.9.1.
    #[test]
    fn the_rfcs_own_examples() {
        let mut auth = digest();
        challenge(&mut auth, &[MD5], false).unwrap();
        assert_eq!(parameter(&mut auth, "response"), "8ca523f5e9506fed4657c9700eebdbec");

        let mut auth = digest();
        challenge(&mut auth, &[&sha256()], false).unwrap();
        let text = header(&mut auth).unwrap();
        for part in [
            r#"response="753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1""#,
            "nc=00000001,",
            "qop=auth,",
            "algorithm=SHA-256,",
            r#"opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS""#,
        ] {
            assert!(text.contains(part), "{text}");
        }
    }

    #[test]
    fn sess_keys_the_nonces_and_survives_nextnonce() {
        let mut auth = digest();
        challenge(&mut auth, &[&MD5.replace("=MD5", "=md5-SESS")], false).unwrap();
        let nonce = "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v";
        let md5 = |text: String| hex(&md5::Md5::digest(text));
        let a1 =
            md5(format!("{}:{nonce}:{CNONCE}", md5("Mufasa:http-auth@example.org:Circle of Life".into())));
        let a2 = md5("GET:/dir/index.html".into());
        let first = md5(format!("{a1}:{nonce}:00000001:{CNONCE}:auth:{a2}"));
        assert_eq!(parameter(&mut auth, "response"), first);

        let info = [(AUTHENTICATION_INFO, HeaderValue::from_static("nextnonce=\"second\""))];
        auth.accepted(&origin(), &info.into_iter().collect());
        let second = md5(format!("{a1}:second:00000001:{CNONCE}:auth:{a2}"));
        assert_eq!(parameter(&mut auth, "response"), second);
    }

    #[test]
    fn the_strongest_hash_is_taken_wherever_it_stands() {
        let sha256 = sha256();
        for offers in [[MD5, &sha256], [&sha256, MD5]] {
            let mut auth = digest();
            challenge(&mut auth, &offers, false).unwrap();
            assert_eq!(parameter(&mut auth, "algorithm"), "SHA-256");
        }
        let mut auth = digest();
        challenge(&mut auth, &[&MD5.replace("=MD5", "=SHA-1024"), MD5], false).unwrap();
        assert_eq!(parameter(&mut auth, "algorithm"), "MD5");
    }

    #[test]
    fn the_nonce_is_counted_and_a_new_one_starts_at_one() {
        let mut auth = digest();
        assert_eq!(header(&mut auth), None, "nothing before a challenge");
        challenge(&mut auth, &[MD5], false).unwrap();
        assert_eq!(parameter(&mut auth, "nc"), "00000001");
        assert_eq!(parameter(&mut auth, "nc"), "00000002");
        challenge(&mut auth, &[&MD5.replace("7ypf", "8zqg")], true).unwrap();
        assert_eq!(parameter(&mut auth, "nc"), "00000001");
    }

    #[test]
    fn the_same_nonce_again_is_a_refusal_unless_stale() {
        let mut auth = digest();
        challenge(&mut auth, &[MD5], false).unwrap();
        let stale = format!("{MD5}, stale=TRUE");
        assert_eq!(challenge(&mut auth, &[&stale], true), Ok(()));
        assert_eq!(challenge(&mut auth, &[MD5], true), Err(AuthProblem::Rejected));
        assert_eq!(header(&mut auth), None, "refused credentials are not offered again unasked");
    }

    #[test]
    fn digest_never_becomes_basic_nor_basic_digest() {
        let problem = challenge(&mut digest(), &["Basic realm=\"x\""], false).unwrap_err();
        assert_eq!(problem.to_string(), "the account has digest, the server offers basic");
        let problem = challenge(&mut basic(), &[MD5], false).unwrap_err();
        assert_eq!(problem.to_string(), "the account has basic, the server offers digest");
        assert!(challenge(&mut digest(), &[], false).is_err());
        let int_only = MD5.replace("auth, auth-int", "auth-int");
        assert_eq!(challenge(&mut digest(), &[&int_only], false), Err(AuthProblem::DigestVariant));
        let none = challenge(&mut Authenticator::new(Auth::None), &[MD5], false);
        assert_eq!(none, Err(AuthProblem::NoCredentials));
    }

    #[test]
    fn basic_is_for_https_and_tried_once() {
        let mut auth = basic();
        assert_eq!(header(&mut auth), None);
        challenge(&mut auth, &["Basic realm=\"x\""], false).unwrap();
        assert_eq!(header(&mut auth).unwrap(), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
        assert_eq!(challenge(&mut auth, &["Basic realm=\"x\""], true), Err(AuthProblem::Rejected));
        assert_eq!(header(&mut auth), None);

        let clear: Origin = "http://dm.example".parse().unwrap();
        let problem = auth.challenged(&clear, &fields(&["Basic realm=\"x\""]), false, String::new);
        assert_eq!(problem, Err(AuthProblem::BasicInTheClear));
        assert_eq!(auth.authorization(&clear, "GET", "/"), Ok(None));
    }

    #[test]
    fn what_one_origin_asked_for_is_not_sent_to_another() {
        let mut auth = basic();
        challenge(&mut auth, &["Basic realm=\"x\""], false).unwrap();
        let other: Origin = "https://dm.example:8443".parse().unwrap();
        assert_eq!(auth.authorization(&other, "GET", "/"), Ok(None));
    }

    #[test]
    fn a_user_is_quoted_or_percent_encoded() {
        let password = Secret::new(b"x".to_vec());
        let mut auth =
            Authenticator::new(Auth::Digest { user: "a\"b\\c".into(), password: password.clone() });
        challenge(&mut auth, &[MD5], false).unwrap();
        assert!(header(&mut auth).unwrap().starts_with(r#"Digest username="a\"b\\c", "#));
        let mut auth = Authenticator::new(Auth::Digest { user: "Jäsøn Doe".into(), password });
        challenge(&mut auth, &[MD5], false).unwrap();
        // RFC 7616 3.9.2 has this very user.
        assert!(header(&mut auth).unwrap().starts_with("Digest username*=UTF-8''J%C3%A4s%C3%B8n%20Doe, "));
    }
}
