//! TLS 1.2 and 1.3 with certificates at both ends, as Open vSwitch has it (ovs-vsctl(8), "SSL Configuration").
//!
//! | file | subject |
//! |---|---|
//! | `files` | the three PEM files → keys and certificates that fit together |
//! | `verify` | whose certificate is good: the chain, then the name |
//! | `names` | the names in a certificate |
//! | `error` | why a handshake failed, in words for an operator |
//!
//! **Invariant:** who presents no certificate that `ca_certificate` has signed and that is valid now gets no session.
//! Sessions are never resumed: each is verified anew.
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing))]

mod error;
mod files;
mod names;
mod verify;

use std::io;
use std::path::PathBuf;
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::{TlsAcceptor, TlsConnector, client, server};

pub use self::error::HandshakeError;
pub use self::files::{FileProblem, LoadError};
pub use self::names::Names;

/// How long a handshake may take.
pub const HANDSHAKE_WITHIN: Duration = Duration::from_secs(5);

/// `[tls]` of `heddle.toml`: where keys and certificates are, in the words of `ovs-vsctl set-ssl`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Settings {
    /// Heddle's private key.
    pub private_key: PathBuf,
    /// Heddle's certificate, and after it those of intermediate authorities if there are any.
    pub certificate: PathBuf,
    /// The certificates of the authorities that sign those of peers.
    pub ca_certificate: PathBuf,
    /// A peer's certificate has to bear one of these names; without any, all that were signed will do.
    pub peer_names: Vec<String>,
}

/// Keys and certificates as they are in force. They can be replaced at any time; sessions live on.
#[derive(Debug)]
pub struct Credentials {
    settings: Settings,
    current: RwLock<Configs>,
}

/// What new sessions are made with.
#[derive(Clone)]
struct Configs {
    acceptor: TlsAcceptor,
    connector: TlsConnector,
}

impl std::fmt::Debug for Configs {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Configs").finish_non_exhaustive()
    }
}

impl Credentials {
    /// Reads the files.
    pub fn load(settings: Settings) -> Result<Self, LoadError> {
        let current = RwLock::new(files::load(&settings)?);
        Ok(Self { settings, current })
    }

    /// Reads the files again. If they are no good, what was read before stays in force.
    pub fn reload(&self) -> Result<(), LoadError> {
        let configs = files::load(&self.settings)?;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = configs;
        Ok(())
    }

    /// Where they come from.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    fn current(&self) -> Configs {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The handshake with who has connected to us.
    pub async fn accept<S>(&self, stream: S) -> Result<server::TlsStream<S>, HandshakeError>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        within_deadline(self.current().acceptor.accept(stream)).await
    }

    /// The handshake with the server that we have connected to.
    pub async fn connect<S>(&self, host: &str, stream: S) -> Result<client::TlsStream<S>, HandshakeError>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let name = ServerName::try_from(host.to_owned()).map_err(|_| HandshakeError::BadHost(host.to_owned()))?;
        within_deadline(self.current().connector.connect(name, stream)).await
    }
}

async fn within_deadline<T>(handshake: impl Future<Output = io::Result<T>>) -> Result<T, HandshakeError> {
    match timeout(HANDSHAKE_WITHIN, handshake).await {
        Ok(done) => done.map_err(HandshakeError::from),
        Err(_) => Err(HandshakeError::TimedOut(HANDSHAKE_WITHIN)),
    }
}
