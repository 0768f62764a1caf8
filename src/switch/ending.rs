//! Why a connection ended, if not by the peer closing it.

use std::io;

use super::session::SessionError;
use crate::tls::HandshakeError;

/// See the module. "It" is the peer.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ConnectionError {
    /// It does not speak as a switch has to.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// It does not speak TLS as it has to here, or is not who it has to be.
    #[error(transparent)]
    Handshake(HandshakeError),
    /// The network, or its end.
    #[error("the connection failed: {0}")]
    Io(io::ErrorKind),
    /// We have ended ourselves.
    #[error("the daemon stops")]
    Stopping,
    /// It asks and asks.
    #[error("does not read what it asks for: {0} bytes of answers wait")]
    NotReading(usize),
    /// The agent does not want it.
    #[error("is no bridge of ours")]
    Dismissed,
    /// Somebody else needed its place before it was a bridge of ours.
    #[error("had to make room for a newer connection before it was known as a bridge of ours")]
    CrowdedOut,
}

impl From<io::Error> for ConnectionError {
    fn from(error: io::Error) -> Self {
        HandshakeError::of_stream(&error).map_or(Self::Io(error.kind()), Self::Handshake)
    }
}

impl ConnectionError {
    /// In a word, for metrics; none if it was not us who ended it.
    pub const fn reason(&self) -> Option<&'static str> {
        Some(match self {
            Self::Session(error) => error.reason(),
            Self::Handshake(error) => error.reason(),
            Self::NotReading(_) => "not_reading",
            Self::CrowdedOut => "crowded_out",
            Self::Io(_) | Self::Stopping | Self::Dismissed => return None,
        })
    }

    /// True if the peer does not answer any more.
    pub(super) const fn is_silence(&self) -> bool {
        use SessionError::{Replaced, Silent, Unanswering};
        matches!(self, Self::Session(Silent(_) | Unanswering(_) | Replaced))
    }
}
