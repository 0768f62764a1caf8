//! Where a database server listens, in the syntax of ovsdb(7): `unix:PATH`, `tcp:HOST:PORT`, `tcp:[IPv6]:PORT`, and
//! the same with `ssl:`.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// An OVSDB server that Heddle connects to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Remote {
    /// A Unix domain socket.
    Unix(PathBuf),
    /// A TCP port.
    Tcp {
        /// A name or an address; an IPv6 address stands here without its brackets.
        host: String,
        /// The port, never 0.
        port: u16,
    },
    /// A TCP port with TLS.
    Ssl {
        /// As above.
        host: String,
        /// The port, never 0.
        port: u16,
    },
}

impl Remote {
    /// True if what is said can be heard by others than this host: TCP beyond loopback, without TLS.
    pub fn is_exposed(&self) -> bool {
        match self {
            Self::Tcp { host, .. } => {
                let is_loopback = |address: std::net::IpAddr| address.to_canonical().is_loopback();
                host != "localhost" && !host.parse().is_ok_and(is_loopback)
            }
            Self::Unix(_) | Self::Ssl { .. } => false,
        }
    }
}

/// Text that names no OVSDB server.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseRemoteError {
    /// Neither `unix:` nor `tcp:` nor `ssl:`.
    #[error("found {0:?}, expected unix:PATH, tcp:HOST:PORT or ssl:HOST:PORT")]
    Scheme(String),
    /// `unix:` with nothing after it.
    #[error("unix: without a path")]
    NoPath,
    /// Nothing, or white space, before the port.
    #[error("found {0:?}, expected a host before the port")]
    NoHost(String),
    /// No port, or not 1–65535.
    #[error("found {0:?}, expected HOST:PORT with a port of 1 to 65535")]
    Port(String),
    /// An IPv6 address without brackets, or brackets around something else.
    #[error("found {0:?}, expected an IPv6 address in brackets, as in [2001:db8::1]:6640")]
    Brackets(String),
}

impl FromStr for Remote {
    type Err = ParseRemoteError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some(path) = text.strip_prefix("unix:") {
            return if path.is_empty() { Err(ParseRemoteError::NoPath) } else { Ok(Self::Unix(path.into())) };
        }
        let scheme = ["tcp:", "ssl:"].into_iter().find_map(|scheme| Some((scheme, text.strip_prefix(scheme)?)));
        let Some((scheme, address)) = scheme else { return Err(ParseRemoteError::Scheme(text.to_owned())) };
        let (host, port) = address.rsplit_once(':').ok_or_else(|| ParseRemoteError::Port(text.to_owned()))?;
        if host.is_empty() || host.contains(char::is_whitespace) {
            return Err(ParseRemoteError::NoHost(text.to_owned()));
        }
        let host = match host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            Some(inner) if inner.parse::<std::net::Ipv6Addr>().is_ok() => inner,
            None if !host.contains([':', '[', ']']) => host,
            _ => return Err(ParseRemoteError::Brackets(text.to_owned())),
        };
        match port.parse() {
            Ok(port) if port != 0 && scheme == "ssl:" => Ok(Self::Ssl { host: host.to_owned(), port }),
            Ok(port) if port != 0 => Ok(Self::Tcp { host: host.to_owned(), port }),
            _ => Err(ParseRemoteError::Port(text.to_owned())),
        }
    }
}

impl fmt::Display for Remote {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, host, port) = match self {
            Self::Unix(path) => return write!(out, "unix:{}", path.display()),
            Self::Tcp { host, port } => ("tcp", host, port),
            Self::Ssl { host, port } => ("ssl", host, port),
        };
        if host.contains(':') { write!(out, "{scheme}:[{host}]:{port}") } else { write!(out, "{scheme}:{host}:{port}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_remote_reads_as_it_prints() {
        for text in [
            "unix:/var/run/openvswitch/db.sock",
            "tcp:127.0.0.1:6640",
            "tcp:db.example:1",
            "tcp:[2001:db8::1]:6640",
            "ssl:127.0.0.1:6640",
            "ssl:[::1]:6640",
        ] {
            assert_eq!(text.parse::<Remote>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn only_tcp_beyond_loopback_is_exposed() {
        let exposed = |text: &str| text.parse::<Remote>().unwrap().is_exposed();
        for text in ["tcp:192.0.2.1:6640", "tcp:db.example:1", "tcp:[2001:db8::1]:6640", "tcp:0.0.0.0:6640"] {
            assert!(exposed(text), "{text}");
        }
        for text in [
            "unix:/x",
            "tcp:127.9.0.1:1",
            "tcp:[::1]:1",
            "tcp:[::ffff:127.0.0.1]:1",
            "tcp:localhost:1",
            "ssl:192.0.2.1:1",
        ] {
            assert!(!exposed(text), "{text}");
        }
    }

    #[test]
    fn text_that_names_no_server_is_refused_with_its_own_error() {
        use ParseRemoteError as E;
        let refused = |text: &str| text.parse::<Remote>().unwrap_err();
        for text in ["", "pssl:127.0.0.1:6640", "/var/run/db.sock"] {
            assert_eq!(refused(text), E::Scheme(text.into()));
        }
        assert_eq!(refused("unix:"), E::NoPath);
        for text in ["tcp::6640", "tcp:a host:6640", "ssl::6640"] {
            assert_eq!(refused(text), E::NoHost(text.into()));
        }
        for text in ["tcp:127.0.0.1", "tcp:127.0.0.1:", "tcp:127.0.0.1:0", "tcp:127.0.0.1:65536", "tcp:h:x"] {
            assert_eq!(refused(text), E::Port(text.into()));
        }
        for text in ["tcp:2001:db8::1:6640", "tcp:[127.0.0.1]:6640", "tcp:[::1:6640", "tcp:[x]:1"] {
            assert_eq!(refused(text), E::Brackets(text.into()));
        }
    }
}
