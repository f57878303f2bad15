//! TLS client configurations, which are made here alone.
//!
//! Each is made once and kept: resuming a TLS session needs the same verifier and client certificate. One that goes by
//! the system's roots is made anew once these have changed, and with it no session is resumed that went by the old
//! ones.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, WebPkiServerVerifier, verify_server_name};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::time_provider::TimeProvider;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, InconsistentKeys, OtherError, RootCertStore,
    SignatureScheme,
};

use super::error::Failure;
use super::roots;
use super::untrusted::Untrusted;
use crate::base::AtomicU64;

/// The most servers whose TLS sessions are remembered for resumption, per configuration.
const RESUMABLE: usize = 16;

/// What is wrong with an account's PEM files. The caller names the files.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TlsSettingsError {
    /// The file is not readable as PEM.
    #[error("{key}: not PEM: {reason}")]
    Pem {
        /// The configuration key that names the file.
        key: &'static str,
        /// The reader's words.
        reason: String,
    },
    /// The file is PEM, but without a certificate.
    #[error("{key}: no certificate in it")]
    NoCertificate {
        /// The configuration key that names the file.
        key: &'static str,
    },
    /// The file has a certificate that can't be read.
    #[error("{key}: certificate {nth} can't be used: {reason}")]
    Certificate {
        /// The configuration key that names the file.
        key: &'static str,
        /// The position of the certificate, from 1.
        nth: usize,
        /// Why it can't be read.
        reason: String,
    },
    /// The key file has no private key, or an encrypted one.
    #[error("key-file: no unencrypted private key in it")]
    NoKey,
    /// The private key can't be used.
    #[error("key-file: the key can't be used: {0}")]
    Key(String),
    /// The certificate and the private key aren't a pair.
    #[error("key-file: the key does not belong to the certificate in cert-file")]
    Mismatch,
}

/// The trust of a connection: the CA that the server must chain to, and what the agent shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trust {
    /// The account's CA, and the client certificate is shown.
    Own,
    /// The account's CA, and nothing is shown.
    Account,
    /// The repository CA, and nothing is shown.
    Repository,
}

/// The TLS of one account: its CAs, its client certificate, and the configurations made of them.
pub(super) struct Tls {
    provider: Arc<CryptoProvider>,
    clock: Arc<FlooredTime>,
    identity: Option<Arc<SingleCertAndKey>>,
    account: Option<Pinned>,
    repository: Option<Pinned>,
    made: Mutex<Made>,
}

/// The TLS configurations made so far, each on first use.
#[derive(Default)]
struct Made {
    own: Option<MadeOf>,
    account: Option<MadeOf>,
    repository: Option<MadeOf>,
}

/// A TLS configuration, and the roots that it goes by.
#[derive(Clone)]
struct MadeOf {
    roots: Arc<RootCertStore>,
    config: Arc<ClientConfig>,
}

/// The certificates of a CA file.
#[derive(Clone)]
struct Pinned {
    roots: Arc<RootCertStore>,
    certificates: Arc<[CertificateDer<'static>]>,
    /// The file of the certificates, as messages name it.
    file: String,
}

impl Tls {
    pub(super) fn new(
        ca: Option<(&[u8], Option<String>)>,
        repository_ca: Option<(&[u8], Option<String>)>,
        identity_pem: Option<(&[u8], &[u8])>,
        time_floor: Arc<AtomicU64>,
    ) -> Result<Self, TlsSettingsError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let identity = match identity_pem {
            Some((certificates, key)) => Some(identity(certificates, key, &provider)?),
            None => None,
        };
        Ok(Self {
            provider,
            clock: Arc::new(FlooredTime(time_floor)),
            identity,
            account: ca.map(|ca| Pinned::new("ca-file", ca)).transpose()?,
            repository: repository_ca.map(|ca| Pinned::new("repository-ca-file", ca)).transpose()?,
            made: Mutex::default(),
        })
    }

    /// The configuration for `trust`, by the roots that the system has now. These are read when one first needs them,
    /// and where they have changed.
    pub(super) async fn config(&self, trust: Trust) -> Result<Arc<ClientConfig>, Failure> {
        let made = self.made().of(trust, self.identity.is_some()).clone();
        let (roots, certificates) = match (self.pinned(trust), &made) {
            (Some(pinned), _) => (pinned.roots.clone(), pinned.certificates.clone()),
            (None, Some(made)) => (roots::of_system_or(&made.roots).await?, Arc::default()),
            (None, None) => (roots::of_system().await?, Arc::default()),
        };
        if let Some(made) = made.filter(|made| Arc::ptr_eq(&made.roots, &roots)) {
            return Ok(made.config);
        }
        let verifier: Arc<dyn ServerCertVerifier> = self.verifier(&roots, &certificates)?;
        let identity = if trust == Trust::Own { self.identity.clone() } else { None };
        let new = MadeOf { config: Arc::new(self.make(verifier, identity)?), roots };
        let mut made = self.made();
        let place = made.of(trust, self.identity.is_some());
        // Whoever was faster meanwhile has sessions to resume.
        Ok(match place {
            Some(made) if Arc::ptr_eq(&made.roots, &new.roots) => made.config.clone(),
            _ => place.insert(new).config.clone(),
        })
    }

    fn pinned(&self, trust: Trust) -> Option<&Pinned> {
        match trust {
            Trust::Own | Trust::Account => self.account.as_ref(),
            Trust::Repository => self.repository.as_ref(),
        }
    }

    /// The roots that a server's certificate is checked against, in words, and what to do where they lack its CA.
    pub(super) fn roots(&self, trust: Trust) -> String {
        match (self.pinned(trust), trust) {
            (Some(pinned), _) => format!("{}: add its CA's certificate there", pinned.file),
            (None, Trust::Own | Trust::Account) => {
                "this system's certificate authorities: name its CA's file by tls.ca-file".to_owned()
            }
            (None, Trust::Repository) => {
                "this system's certificate authorities: name its CA's file by tls.repository-ca-file"
                    .to_owned()
            }
        }
    }

    /// The configurations made so far. Held for a look, never over an await.
    fn made(&self) -> MutexGuard<'_, Made> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[expect(clippy::disallowed_methods, reason = "this is the one place")]
    fn make(
        &self,
        verifier: Arc<dyn ServerCertVerifier>,
        identity: Option<Arc<SingleCertAndKey>>,
    ) -> Result<ClientConfig, Failure> {
        let builder = ClientConfig::builder_with_details(self.provider.clone(), self.clock.clone())
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
            .map_err(|error| Failure::Tls(error.to_string()))?
            .dangerous()
            .with_custom_certificate_verifier(verifier);
        let mut config = match identity {
            Some(identity) => builder.with_client_cert_resolver(identity),
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        config.resumption = Resumption::in_memory_sessions(RESUMABLE);
        Ok(config)
    }

    fn verifier(
        &self,
        roots: &Arc<RootCertStore>,
        certificates: &Arc<[CertificateDer<'static>]>,
    ) -> Result<Arc<Verifier>, Failure> {
        let webpki = WebPkiServerVerifier::builder_with_provider(roots.clone(), self.provider.clone())
            .build()
            .map_err(|error| Failure::Tls(error.to_string()))?;
        Ok(Arc::new(Verifier { webpki, certificates: certificates.clone() }))
    }
}

impl Made {
    /// The place of the configuration for `trust`.
    fn of(&mut self, trust: Trust, has_identity: bool) -> &mut Option<MadeOf> {
        match trust {
            // Without a client certificate there is nothing to show: one configuration serves both.
            Trust::Own if has_identity => &mut self.own,
            Trust::Own | Trust::Account => &mut self.account,
            Trust::Repository => &mut self.repository,
        }
    }
}

fn certificates(key: &'static str, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsSettingsError> {
    let found: Vec<_> = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        .map_err(|error| TlsSettingsError::Pem { key, reason: error.to_string() })?;
    if found.is_empty() { Err(TlsSettingsError::NoCertificate { key }) } else { Ok(found) }
}

fn identity(
    certificates_pem: &[u8],
    key_pem: &[u8],
    provider: &CryptoProvider,
) -> Result<Arc<SingleCertAndKey>, TlsSettingsError> {
    let chain = certificates("cert-file", certificates_pem)?;
    let key = PrivateKeyDer::from_pem_slice(key_pem).map_err(|_| TlsSettingsError::NoKey)?;
    let pair = CertifiedKey::from_der(chain, key, provider).map_err(|error| match error {
        rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => TlsSettingsError::Mismatch,
        rustls::Error::InvalidCertificate(reason) => {
            TlsSettingsError::Certificate { key: "cert-file", nth: 1, reason: reason.to_string() }
        }
        other => TlsSettingsError::Key(other.to_string()),
    })?;
    Ok(Arc::new(SingleCertAndKey::from(pair)))
}

impl Pinned {
    fn new(key: &'static str, (pem, file): (&[u8], Option<String>)) -> Result<Self, TlsSettingsError> {
        let certificates = certificates(key, pem)?;
        let mut roots = RootCertStore::empty();
        for (index, certificate) in certificates.iter().enumerate() {
            roots.add(certificate.clone()).map_err(|error| TlsSettingsError::Certificate {
                key,
                nth: index + 1,
                reason: error.to_string(),
            })?;
        }
        let file = file.unwrap_or_else(|| format!("the account's {key}"));
        Ok(Self { roots: Arc::new(roots), certificates: certificates.into(), file })
    }
}

/// A clock that is never before the latest time the agent has known: a gateway without a battery wakes up in 1970.
#[derive(Debug)]
struct FlooredTime(Arc<AtomicU64>);

impl TimeProvider for FlooredTime {
    fn current_time(&self) -> Option<UnixTime> {
        let floor = UnixTime::since_unix_epoch(Duration::from_secs(self.0.load(Ordering::Relaxed)));
        Some(UnixTime::now().max(floor))
    }
}

/// The verifier of server certificates: webpki's checks, and two things more. An issuer that is not trusted is named.
/// And a self-signed CA certificate that the CA file has word for word may be the server's own, as `openssl req -x509`
/// makes them. Its dates and names still count.
#[derive(Debug)]
struct Verifier {
    webpki: Arc<WebPkiServerVerifier>,
    certificates: Arc<[CertificateDer<'static>]>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let verdict =
            self.webpki.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        match verdict {
            Err(error)
                if is_ca_as_server(&error) && self.certificates.iter().any(|one| one == end_entity) =>
            {
                verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
                Ok(ServerCertVerified::assertion())
            }
            Err(error)
                if is_ca_as_server(&error)
                    || error == rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer) =>
            {
                let last = intermediates.last().unwrap_or(end_entity);
                let untrusted = Arc::new(Untrusted(issuer(last)));
                Err(CertificateError::Other(OtherError(untrusted)).into())
            }
            verdict => verdict,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.webpki.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.webpki.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.webpki.supported_verify_schemes()
    }
}

/// The common name of a certificate's issuer, else its organisation. The server may have made it up.
fn issuer(certificate: &[u8]) -> Option<String> {
    const COMMON_NAME: &[u8] = &[6, 3, 0x55, 4, 3];
    const ORGANISATION: &[u8] = &[6, 3, 0x55, 4, 10];
    let name = sequence(certificate, 2)?;
    let value = |kind: &[u8]| {
        let at = name.windows(kind.len()).position(|window| window == kind)?;
        let (_, text, _) = element(name.get(at + kind.len()..)?)?;
        Some(String::from_utf8_lossy(text.get(..text.len().min(64))?).into_owned())
    };
    value(COMMON_NAME).or_else(|| value(ORGANISATION))
}

/// The end of a certificate's validity, in seconds since 1970, and before the year 10000; none where it can't be read.
pub(super) fn valid_until(certificate: &[u8]) -> Option<u64> {
    let (_, _, rest) = element(sequence(certificate, 3)?)?;
    let (tag, text, _) = element(rest)?;
    let text = std::str::from_utf8(text).ok()?;
    if !text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'Z') {
        return None;
    }
    // RFC 5280 4.1.2.5: years of two digits are 1950 to 2049.
    let (year, rest): (u64, _) = match tag {
        0x17 => {
            let (year, rest) = text.split_at_checked(2)?;
            let year: u64 = year.parse().ok()?;
            (if year < 50 { 2000 + year } else { 1900 + year }, rest)
        }
        _ => text.split_at_checked(4).and_then(|(year, rest)| Some((year.parse().ok()?, rest)))?,
    };
    let two = |at: usize, most: u64| {
        let number: u64 = rest.get(at..at + 2)?.parse().ok()?;
        (number <= most).then_some(number)
    };
    let (month, day) = (two(0, 12)?, two(2, 31)?);
    let seconds = two(4, 23)? * 3600 + two(6, 59)? * 60 + two(8, 59)?;
    if !(1970..10_000).contains(&year) || month == 0 || day == 0 {
        return None;
    }
    // Years that begin in March have their odd day at the end.
    let (year, month) = if month < 3 { (year - 1, month + 9) } else { (year, month - 3) };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day;
    days.checked_sub(719_469)?.checked_mul(86_400)?.checked_add(seconds)
}

/// The content of the sequence of this number in a certificate. Before the second, the issuer, are a version, if it is
/// not the first; a serial number; the algorithm of the signature, a sequence. The third is the validity.
fn sequence(certificate: &[u8], number: usize) -> Option<&[u8]> {
    let (_, certificate, _) = element(certificate)?;
    let (_, mut fields, _) = element(certificate)?;
    let mut sequences = 0;
    loop {
        let (tag, content, rest) = element(fields)?;
        sequences += usize::from(tag == 0x30);
        if sequences == number {
            return Some(content);
        }
        fields = rest;
    }
}

/// The end of the validity of the first certificate in a PEM file, in seconds since 1970.
#[must_use]
pub fn pem_valid_until(pem: &[u8]) -> Option<u64> {
    valid_until(&CertificateDer::from_pem_slice(pem).ok()?)
}

/// Reads a DER element: its tag and content, and what stands behind it.
fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = bytes.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        ..=0x7f => (usize::from(first), rest),
        0x81..=0x83 => {
            let (length, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            (length.iter().fold(0, |length, &byte| length << 8 | usize::from(byte)), rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}

/// Whether webpki refused a CA certificate as the server's own, which it does after it has checked the dates and before
/// it looks for an issuer.
fn is_ca_as_server(error: &rustls::Error) -> bool {
    let rustls::Error::InvalidCertificate(CertificateError::Other(other)) = error else { return false };
    matches!(other.0.downcast_ref(), Some(webpki::Error::CaUsedAsEndEntity))
}
