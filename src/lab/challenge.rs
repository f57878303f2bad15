//! HTTP authentication seen from the server: Basic (RFC 7617) and Digest (RFC 7616).

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

use super::tape::Request;

/// The credentials that a server asks its clients for.
#[derive(Clone, Debug, Default)]
pub enum Challenge {
    /// The server asks for nothing.
    #[default]
    None,
    /// The server asks for user and password, in the clear (Basic).
    Basic {
        /// User name.
        user: String,
        /// Password.
        password: String,
    },
    /// The server asks for a digest over user and password (Digest).
    Digest {
        /// User name.
        user: String,
        /// Password.
        password: String,
        /// The algorithms offered, best first.
        algorithms: Vec<Algorithm>,
        /// How many requests a nonce is good for; later ones are told that it is stale.
        uses: u64,
    },
}

/// A hash that Digest may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// SHA-256.
    Sha256,
    /// MD5.
    Md5,
}

impl Algorithm {
    fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "SHA-256",
            Self::Md5 => "MD5",
        }
    }

    fn hex(self, text: &str) -> String {
        match self {
            Self::Sha256 => hex(&Sha256::digest(text)),
            Self::Md5 => hex(&md5::Md5::digest(text)),
        }
    }
}

/// Checks requests against a [`Challenge`]; remembers nonces.
#[derive(Debug, Default)]
pub struct Guard {
    challenge: Challenge,
    issued: u64,
    /// The counts (`nc`) seen with each nonce.
    nonces: BTreeMap<String, BTreeSet<u64>>,
}

const REALM: &str = "omadm-lab";

impl Guard {
    /// A guard that asks for `challenge`.
    #[must_use]
    pub fn new(challenge: Challenge) -> Self {
        Self { challenge, ..Self::default() }
    }

    /// Lets `request` pass, or says with which WWW-Authenticate fields it is turned away.
    ///
    /// # Errors
    /// The fields of the 401.
    pub fn admit(&mut self, request: &Request) -> Result<(), Vec<String>> {
        let authorization = request.header("authorization");
        match self.challenge.clone() {
            Challenge::None => Ok(()),
            Challenge::Basic { user, password } => {
                let wanted = format!("Basic {}", STANDARD.encode(format!("{user}:{password}")));
                if authorization == wanted { Ok(()) } else { Err(vec![format!("Basic realm=\"{REALM}\"")]) }
            }
            Challenge::Digest { user, password, algorithms, uses } => {
                match self.digest(request, authorization, &user, &password, &algorithms, uses) {
                    Verdict::Good => Ok(()),
                    Verdict::Stale => Err(self.digest_fields(&algorithms, true)),
                    Verdict::Bad => Err(self.digest_fields(&algorithms, false)),
                }
            }
        }
    }

    fn digest_fields(&mut self, algorithms: &[Algorithm], stale: bool) -> Vec<String> {
        self.issued += 1;
        let nonce = format!("lab-{:08x}", self.issued);
        self.nonces.insert(nonce.clone(), BTreeSet::new());
        let stale = if stale { ", stale=true" } else { "" };
        let field = |algorithm: &Algorithm| {
            format!(
                "Digest realm=\"{REALM}\", qop=\"auth\", algorithm={}, nonce=\"{nonce}\", opaque=\"b\"{stale}",
                algorithm.name()
            )
        };
        algorithms.iter().map(field).collect()
    }

    fn digest(
        &mut self,
        request: &Request,
        authorization: &str,
        user: &str,
        password: &str,
        algorithms: &[Algorithm],
        uses: u64,
    ) -> Verdict {
        let Some(fields) = authorization.strip_prefix("Digest ").map(fields) else { return Verdict::Bad };
        let field = |name: &str| fields.get(name).map(String::as_str).unwrap_or_default();
        let said = fields.get("algorithm").map_or("MD5", String::as_str);
        let Some(algorithm) = algorithms.iter().find(|offered| offered.name() == said) else {
            return Verdict::Bad;
        };
        let count = u64::from_str_radix(field("nc"), 16).unwrap_or(0);
        let a1 = algorithm.hex(&format!("{user}:{REALM}:{password}"));
        let a2 = algorithm.hex(&format!("{}:{}", request.method, request.target()));
        let wanted = algorithm.hex(&format!(
            "{a1}:{}:{}:{}:{}:{a2}",
            field("nonce"),
            field("nc"),
            field("cnonce"),
            field("qop")
        ));
        let right = field("username") == user
            && field("realm") == REALM
            && field("uri") == request.target()
            && field("qop") == "auth"
            && field("nc").len() == 8
            && !field("cnonce").is_empty()
            && field("response") == wanted;
        let Some(seen) = self.nonces.get_mut(field("nonce")) else { return Verdict::Stale };
        if !right || !seen.insert(count) {
            Verdict::Bad
        } else if count > uses {
            Verdict::Stale
        } else {
            Verdict::Good
        }
    }
}

enum Verdict {
    Good,
    Stale,
    Bad,
}

/// The fields of `a=b, c="d"` as a map.
fn fields(text: &str) -> BTreeMap<String, String> {
    let mut fields = BTreeMap::new();
    let mut rest = text;
    while let Some((name, after)) = rest.split_once('=') {
        let (value, after) = if let Some(quoted) = after.strip_prefix('"') {
            quoted.split_once('"').unwrap_or((quoted, ""))
        } else {
            let end = after.find(',').unwrap_or(after.len());
            after.split_at(end)
        };
        let name = name.trim_matches([' ', ',']).to_ascii_lowercase();
        fields.insert(name, value.trim().to_owned());
        rest = after;
    }
    fields
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digest_fields_are_split_at_commas_outside_quotes() {
        let fields = fields(r#"username="a, b", uri="/x?y=1,2", nc=00000001, qop=auth"#);
        assert_eq!(fields["username"], "a, b");
        assert_eq!(fields["uri"], "/x?y=1,2");
        assert_eq!((fields["nc"].as_str(), fields["qop"].as_str()), ("00000001", "auth"));
    }

    /// The example of RFC 7616 section 3.9.1, which fixes what is hashed and how.
    #[test]
    fn the_example_of_the_rfc_comes_out() {
        for (algorithm, response) in [
            (Algorithm::Md5, "8ca523f5e9506fed4657c9700eebdbec"),
            (Algorithm::Sha256, "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
        ] {
            let a1 = algorithm.hex("Mufasa:http-auth@example.org:Circle of Life");
            let a2 = algorithm.hex("GET:/dir/index.html");
            let nonce = "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v";
            let cnonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ";
            assert_eq!(algorithm.hex(&format!("{a1}:{nonce}:00000001:{cnonce}:auth:{a2}")), response);
        }
    }
}
