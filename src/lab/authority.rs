//! A throw-away certificate authority: made in memory, trusted by nobody but who is told of it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

/// A CA that signs servers for this machine's loopback, and clients.
#[derive(Debug)]
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
    pem: String,
    key_pem: String,
}

/// A certificate and its private key.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The certificate, PEM.
    pub certificate_pem: String,
    /// The private key, PEM (PKCS #8).
    pub key_pem: String,
    certificate: CertificateDer<'static>,
    key: Vec<u8>,
}

impl Authority {
    /// Makes a new authority, named `name`.
    ///
    /// # Errors
    /// No randomness, or a name that no certificate can hold.
    pub fn new(name: &str) -> Result<Self, rcgen::Error> {
        let params = params(name);
        let key = KeyPair::generate()?;
        let certificate = params.self_signed(&key)?;
        Ok(Self {
            pem: certificate.pem(),
            certificate: certificate.der().clone(),
            key_pem: key.serialize_pem(),
            issuer: Issuer::new(params, key),
        })
    }

    /// The authority of this `name` whose key and certificate were kept; none where they are not that.
    #[must_use]
    pub fn kept(name: &str, key_pem: &str, pem: &str) -> Option<Self> {
        let key = KeyPair::from_pem(key_pem).ok()?;
        let certificate = CertificateDer::from_pem_slice(pem.as_bytes()).ok()?;
        let public = key.public_key_raw();
        let is_its_key = certificate.windows(public.len()).any(|window| window == public);
        is_its_key.then(|| Self {
            pem: pem.to_owned(),
            certificate,
            key_pem: key_pem.to_owned(),
            issuer: Issuer::new(params(name), key),
        })
    }

    /// The private key of the CA, PEM: whoever has it can sign servers that the CA's accounts trust.
    #[must_use]
    pub fn key_pem(&self) -> &str {
        &self.key_pem
    }

    /// The certificate of the CA, PEM: what an account's `ca-file` holds.
    #[must_use]
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// The CA's certificate.
    #[must_use]
    pub fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// A server certificate for 127.0.0.1, ::1 and localhost.
    ///
    /// # Errors
    /// No randomness.
    pub fn server(&self) -> Result<Identity, rcgen::Error> {
        let mut params = CertificateParams::new(vec!["localhost".to_owned()])?;
        params.subject_alt_names.push(SanType::IpAddress(IpAddr::V4(Ipv4Addr::LOCALHOST)));
        params.subject_alt_names.push(SanType::IpAddress(IpAddr::V6(Ipv6Addr::LOCALHOST)));
        self.sign(params, "localhost", ExtendedKeyUsagePurpose::ServerAuth)
    }

    /// A server certificate for `host`, a name or an address.
    ///
    /// # Errors
    /// No randomness, or a host that is neither.
    pub fn server_for(&self, host: &str) -> Result<Identity, rcgen::Error> {
        let params = CertificateParams::new(vec![host.to_owned()])?;
        self.sign(params, host, ExtendedKeyUsagePurpose::ServerAuth)
    }

    /// A client certificate with the common name `name`.
    ///
    /// # Errors
    /// No randomness, or a name that no certificate can hold.
    pub fn client(&self, name: &str) -> Result<Identity, rcgen::Error> {
        self.sign(CertificateParams::default(), name, ExtendedKeyUsagePurpose::ClientAuth)
    }

    fn sign(
        &self,
        mut params: CertificateParams,
        name: &str,
        usage: ExtendedKeyUsagePurpose,
    ) -> Result<Identity, rcgen::Error> {
        params.distinguished_name.push(DnType::CommonName, name);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![usage];
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.issuer)?;
        Ok(Identity {
            certificate_pem: certificate.pem(),
            key_pem: key.serialize_pem(),
            certificate: certificate.into(),
            key: key.serialize_der(),
        })
    }
}

fn params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

impl Identity {
    /// The chain that a TLS peer shows.
    #[must_use]
    pub fn chain(&self) -> Vec<CertificateDer<'static>> {
        vec![self.certificate.clone()]
    }

    /// The private key as rustls takes it.
    #[must_use]
    pub fn key(&self) -> PrivateKeyDer<'static> {
        PrivatePkcs8KeyDer::from(self.key.clone()).into()
    }
}
