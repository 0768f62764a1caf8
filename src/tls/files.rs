//! The three PEM files of `[tls]`, checked one by one and against each other, so that what is wrong is said of the file
//! that it is wrong in, and before any peer connects.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio_rustls::rustls::client::{Resumption, verify_server_cert_signed_by_trust_anchor};
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use tokio_rustls::rustls::server::{NoServerSessionStorage, ParsedCertificate, WebPkiClientVerifier};
use tokio_rustls::rustls::sign::{CertifiedKey, SigningKey, SingleCertAndKey};
use tokio_rustls::rustls::{CertificateError, ClientConfig, Error, InconsistentKeys, RootCertStore, ServerConfig};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::error::{Span, about};
use super::verify::{ClientVerifier, PeerNames, ServerVerifier};
use super::{Configs, Settings};

/// The largest file that is read.
const MAX_FILE: u64 = 1 << 20;

/// A file of `[tls]` cannot be used.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
#[error("{}: {problem}", .file.display())]
pub struct LoadError {
    /// Which file.
    pub file: PathBuf,
    /// Why.
    pub problem: FileProblem,
}

/// What is wrong with a file of `[tls]`.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the message of each says what it is")]
pub enum FileProblem {
    #[error("cannot read it: {0}")]
    Io(io::ErrorKind),
    #[error("cannot read it: not a file")]
    NotAFile,
    #[error("found more than {MAX_FILE} bytes, expected at most that many")]
    TooLarge,
    #[error("not PEM: {0}")]
    NotPem(String),
    #[error("found no certificate, expected \"-----BEGIN CERTIFICATE-----\"")]
    NoCertificate,
    #[error("found no private key, expected \"-----BEGIN PRIVATE KEY-----\" (not encrypted)")]
    NoKey,
    #[error("the private key cannot be used: {}", about(.0))]
    BadKey(Error),
    #[error("the private key does not belong to the certificate in {}", .0.display())]
    NotItsKey(PathBuf),
    #[error("the certificate cannot be used: {}", about(.0))]
    BadCertificate(Error),
    #[error("the certificate expired {0} ago")]
    Expired(Span),
    #[error("the certificate is not valid yet; is the clock right?")]
    NotYetValid,
}

/// Reads everything, and makes of it what sessions need.
pub(super) fn load(settings: &Settings) -> Result<Configs, LoadError> {
    let provider = Arc::new(ring::default_provider());
    let roots = Arc::new(authorities(&settings.ca_certificate)?);
    let identity = Arc::new(SingleCertAndKey::from(identity(settings, &provider)?));
    let names = PeerNames(settings.peer_names.clone());
    let algorithms = provider.signature_verification_algorithms;
    let of_authorities = |error: &dyn std::fmt::Display| {
        let error = Error::General(error.to_string());
        refuse(&settings.ca_certificate)(FileProblem::BadCertificate(error))
    };

    let chain = WebPkiClientVerifier::builder_with_provider(roots.clone(), provider.clone()).build();
    let chain = chain.map_err(|error| of_authorities(&error))?;
    let client_verifier = Arc::new(ClientVerifier { chain, names: names.clone() });
    let mut server = ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|error| of_authorities(&error))?
        .with_client_cert_verifier(client_verifier)
        .with_cert_resolver(identity.clone());
    server.session_storage = Arc::new(NoServerSessionStorage {});
    server.send_tls13_tickets = 0;

    let mut client = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| of_authorities(&error))?
        .dangerous() // rustls' word for any verifier but its own; see `verify`
        .with_custom_certificate_verifier(Arc::new(ServerVerifier { roots, algorithms, names }))
        .with_client_cert_resolver(identity);
    client.resumption = Resumption::disabled();
    Ok(Configs { acceptor: TlsAcceptor::from(Arc::new(server)), connector: TlsConnector::from(Arc::new(client)) })
}

fn refuse(file: &Path) -> impl Fn(FileProblem) -> LoadError {
    move |problem| LoadError { file: file.to_owned(), problem }
}

fn read(file: &Path) -> Result<Vec<u8>, FileProblem> {
    let io = |error: io::Error| FileProblem::Io(error.kind());
    // Opening a pipe would wait for its other end.
    let metadata = std::fs::metadata(file).map_err(io)?;
    if !metadata.is_file() {
        return Err(FileProblem::NotAFile);
    }
    let mut bytes = Vec::new();
    File::open(file).map_err(io)?.take(MAX_FILE + 1).read_to_end(&mut bytes).map_err(io)?;
    if bytes.len() as u64 > MAX_FILE { Err(FileProblem::TooLarge) } else { Ok(bytes) }
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, FileProblem> {
    let bytes = read(file)?;
    let found: Result<Vec<_>, pem::Error> = CertificateDer::pem_slice_iter(&bytes).collect();
    let found = found.map_err(|error| FileProblem::NotPem(error.to_string()))?;
    if found.is_empty() { Err(FileProblem::NoCertificate) } else { Ok(found) }
}

fn private_key(file: &Path, provider: &CryptoProvider) -> Result<Arc<dyn SigningKey>, FileProblem> {
    let key = PrivateKeyDer::from_pem_slice(&read(file)?).map_err(|error| match error {
        pem::Error::NoItemsFound => FileProblem::NoKey,
        other => FileProblem::NotPem(other.to_string()),
    })?;
    provider.key_provider.load_private_key(key).map_err(FileProblem::BadKey)
}

fn authorities(file: &Path) -> Result<RootCertStore, LoadError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(file).map_err(refuse(file))? {
        roots.add(certificate).map_err(|error| refuse(file)(FileProblem::BadCertificate(error)))?;
    }
    Ok(roots)
}

/// Our own certificate with its key.
fn identity(settings: &Settings, provider: &CryptoProvider) -> Result<CertifiedKey, LoadError> {
    let Settings { private_key: key_file, certificate: file, .. } = settings;
    let chain = certificates(file).map_err(refuse(file))?;
    let key = private_key(key_file, provider).map_err(refuse(key_file))?;
    if let Some(certificate) = chain.first() {
        check_validity(certificate, provider).map_err(refuse(file))?;
    }
    let certified = CertifiedKey::new(chain, key);
    match certified.keys_match() {
        Ok(()) | Err(Error::InconsistentKeys(InconsistentKeys::Unknown)) => Ok(certified),
        Err(Error::InconsistentKeys(_)) => Err(refuse(key_file)(FileProblem::NotItsKey(file.clone()))),
        Err(error) => Err(refuse(file)(FileProblem::BadCertificate(error))),
    }
}

/// Whether a peer could accept the certificate today. Who signed it is for the peer to judge: `ovs-pki` has one
/// authority for controllers and another for switches.
fn check_validity(certificate: &CertificateDer<'_>, provider: &CryptoProvider) -> Result<(), FileProblem> {
    let parsed = ParsedCertificate::try_from(certificate).map_err(FileProblem::BadCertificate)?;
    let algorithms = provider.signature_verification_algorithms.all;
    let nobody = RootCertStore::empty();
    match verify_server_cert_signed_by_trust_anchor(&parsed, &nobody, &[], UnixTime::now(), algorithms) {
        Err(Error::InvalidCertificate(CertificateError::ExpiredContext { time, not_after })) => {
            Err(FileProblem::Expired(Span::between(not_after, time)))
        }
        Err(Error::InvalidCertificate(CertificateError::NotValidYetContext { .. })) => Err(FileProblem::NotYetValid),
        _ => Ok(()),
    }
}
