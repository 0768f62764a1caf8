//! Why a handshake failed, in words for an operator.

use std::fmt;
use std::io;
use std::time::Duration;

use tokio_rustls::rustls::pki_types::UnixTime;
use tokio_rustls::rustls::{AlertDescription, CertificateError, Error, PeerIncompatible};

use super::verify::WrongName;

/// There is no session. "It" is the peer.
#[derive(Clone, Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the message of each says what it is")]
pub enum HandshakeError {
    #[error("its certificate expired {0} ago")]
    Expired(Span),
    #[error("its certificate is not valid yet; are both clocks right?")]
    NotYetValid,
    #[error("its certificate was not signed by an authority in [tls] ca_certificate")]
    UnknownIssuer,
    #[error(transparent)]
    WrongName(WrongName),
    #[error("its certificate is refused: {}", about_certificate(.0))]
    BadCertificate(CertificateError),
    #[error("it presents no certificate")]
    NoCertificate,
    #[error("it does not speak TLS; is its end tcp: or ptcp: where ours is ssl:?")]
    NotTls,
    #[error("it speaks TLS; is its end ssl: or pssl: where ours is plain TCP?")]
    NotPlain,
    #[error("it refuses our certificate, [tls] certificate: {}", in_words(*.0))]
    Refused(AlertDescription),
    #[error("it has no version or cipher of TLS in common with us: {0:?}")]
    Incompatible(PeerIncompatible),
    #[error("it did not finish the TLS handshake within {0:?}")]
    TimedOut(Duration),
    #[error("it closed the connection during the TLS handshake; does it speak TLS?")]
    Closed,
    #[error("{0:?} is no host name and no address")]
    BadHost(String),
    #[error("the TLS handshake failed: {0}")]
    Tls(Error),
    #[error("the connection failed during the TLS handshake: {0}")]
    Io(io::ErrorKind),
}

impl HandshakeError {
    /// In a word, for metrics.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Expired(_) => "certificate_expired",
            Self::NotYetValid => "certificate_not_yet_valid",
            Self::UnknownIssuer => "certificate_of_unknown_ca",
            Self::WrongName(_) => "certificate_for_another_name",
            Self::BadCertificate(_) => "certificate_bad",
            Self::NoCertificate => "certificate_missing",
            Self::NotTls => "not_tls",
            Self::NotPlain => "tls_on_plain_tcp",
            Self::Refused(_) => "our_certificate_refused",
            Self::TimedOut(_) => "tls_timeout",
            Self::Incompatible(_) | Self::Closed | Self::BadHost(_) | Self::Tls(_) | Self::Io(_) => "tls_failed",
        }
    }

    /// What an error of a stream says about certificates; `None` if it is an ordinary one. With TLS 1.3 the server's
    /// verdict on the client's certificate comes when the client is done with the handshake.
    pub fn of_stream(error: &io::Error) -> Option<Self> {
        error.get_ref()?.downcast_ref::<Error>().map(|error| error.clone().into())
    }
}

impl From<io::Error> for HandshakeError {
    fn from(error: io::Error) -> Self {
        match Self::of_stream(&error) {
            Some(of_tls) => of_tls,
            None if error.kind() == io::ErrorKind::UnexpectedEof => Self::Closed,
            None => Self::Io(error.kind()),
        }
    }
}

impl From<Error> for HandshakeError {
    fn from(error: Error) -> Self {
        match error {
            Error::InvalidCertificate(error) => Self::of_certificate(error),
            Error::NoCertificatesPresented => Self::NoCertificate,
            Error::InvalidMessage(_) => Self::NotTls,
            Error::PeerIncompatible(why) => Self::Incompatible(why),
            Error::AlertReceived(alert) if is_about_certificates(alert) => Self::Refused(alert),
            other => Self::Tls(other),
        }
    }
}

impl HandshakeError {
    fn of_certificate(error: CertificateError) -> Self {
        match error {
            CertificateError::ExpiredContext { time, not_after } => Self::Expired(Span::between(not_after, time)),
            CertificateError::NotValidYetContext { .. } => Self::NotYetValid,
            // A bad signature: an authority of the same name that is another.
            CertificateError::UnknownIssuer | CertificateError::BadSignature => Self::UnknownIssuer,
            CertificateError::Other(ref other) => match other.0.downcast_ref::<WrongName>() {
                Some(wrong) => Self::WrongName(wrong.clone()),
                None => Self::BadCertificate(error),
            },
            other => Self::BadCertificate(other),
        }
    }
}

/// What rustls wraps is webpki's.
pub(super) fn about_certificate(error: &CertificateError) -> String {
    match error {
        CertificateError::Other(other) => other.0.to_string(),
        other => other.to_string(),
    }
}

/// [`about_certificate`], or what else is wrong.
pub(super) fn about(error: &Error) -> String {
    match error {
        Error::InvalidCertificate(error) => about_certificate(error),
        other => other.to_string(),
    }
}

fn is_about_certificates(alert: AlertDescription) -> bool {
    matches!(
        alert,
        AlertDescription::NoCertificate
            | AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnknownCA
            | AlertDescription::AccessDenied
            | AlertDescription::DecryptError
            | AlertDescription::CertificateRequired
    )
}

fn in_words(alert: AlertDescription) -> String {
    match alert {
        AlertDescription::UnknownCA => "it was not signed by the authority that the peer knows".to_owned(),
        AlertDescription::CertificateExpired => "it has expired, says the peer".to_owned(),
        AlertDescription::CertificateRequired | AlertDescription::NoCertificate => "the peer saw none".to_owned(),
        other => format!("alert {other:?}"),
    }
}

/// A length of time for people, in days: what is said of a peer that tries again and again stays the same.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Span(Duration);

impl Span {
    pub(super) fn between(earlier: UnixTime, later: UnixTime) -> Self {
        Self(Duration::from_secs(later.as_secs().saturating_sub(earlier.as_secs())))
    }
}

impl fmt::Display for Span {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_secs() / 86_400 {
            0 => out.write_str("less than a day"),
            1 => out.write_str("a day"),
            days => write!(out, "{days} days"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_told_in_days() {
        let at = |seconds| UnixTime::since_unix_epoch(Duration::from_secs(seconds));
        let since = |seconds| Span::between(at(0), at(seconds)).to_string();
        assert_eq!([0, 86_399, 86_400, 200_000].map(since), ["less than a day", "less than a day", "a day", "2 days"]);
    }
}
