//! `[openflow]`, `[ovsdb]`, `[tls]`: who is at the other end, and whether anybody may listen on the way.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use super::DEFAULT_PORT;
use crate::ovsdb::Remote;
use crate::tls;
use crate::topology::Fault;
use crate::topology::document::{self, At, Report, Value};

/// How bridges reach Heddle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenFlow {
    /// Where Heddle listens: at least one address, each once.
    pub listen: Vec<Listen>,
    /// Plain TCP is allowed on addresses that others reach.
    pub insecure: bool,
}

/// An address to listen on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listen {
    /// What is spoken there.
    pub transport: Transport,
    /// The address.
    pub address: SocketAddr,
}

/// What carries the messages, in the words of Open vSwitch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// `tcp:`
    Tcp,
    /// `ssl:`, TCP with TLS.
    Ssl,
}

/// How Heddle reaches the database of Open vSwitch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ovsdb {
    /// The server.
    pub remote: Remote,
    /// Plain TCP to another host is allowed.
    pub insecure: bool,
    /// After so many seconds nobody is taken to restore flows any more (`flow-restore-wait`); 0 is never.
    pub flow_restore_timeout: u32,
}

impl fmt::Display for Transport {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Tcp => "tcp",
            Self::Ssl => "ssl",
        })
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}", self.transport, self.address)
    }
}

impl Listen {
    /// True if what is said there can be heard by others than this host.
    pub fn is_exposed(&self) -> bool {
        self.transport == Transport::Tcp && !self.address.ip().to_canonical().is_loopback()
    }

    fn parse(text: &str) -> Option<Self> {
        let (transport, address) = match (text.strip_prefix("ssl:"), text.strip_prefix("tcp:")) {
            (Some(address), _) => (Transport::Ssl, address),
            (None, address) => (Transport::Tcp, address.unwrap_or(text)),
        };
        Some(Self { transport, address: listen_address(address, DEFAULT_PORT)? })
    }
}

impl OpenFlow {
    pub(super) fn read(&mut self, value: &Value<'_>, at: &At<'_>, report: &mut Report) {
        self.insecure = read_insecure(value, at, report);
        for (key, value) in document::table(value, at, report).into_iter().flatten() {
            let at = at.key(key.get_ref());
            match &**key.get_ref() {
                "listen" => self.read_listen(value, &at, report),
                "insecure" => {}
                _ => report.push(&at, Fault::UnknownKey { known: &["listen", "insecure"] }),
            }
        }
    }

    fn read_listen(&mut self, value: &Value<'_>, at: &At<'_>, report: &mut Report) {
        let Some(values) = document::array(value, at, report) else { return };
        self.listen.clear();
        for (index, value) in values.iter().enumerate() {
            let at_this = at.index(index);
            let Some(listen) = document::parsed(value, &at_this, report, Fault::BadListen, Listen::parse) else {
                continue;
            };
            if let Some(first) = self.listen.iter().position(|other| other.address == listen.address) {
                report.clash(&at_this, Fault::ListenTwice(listen.address), &at.index(first));
            }
            if listen.is_exposed() && !self.insecure {
                report.push(&at_this, Fault::ExposedListen(listen.address));
            }
            self.listen.push(listen);
        }
        if values.is_empty() {
            report.push(at, Fault::NoListen);
        }
    }
}

impl Ovsdb {
    pub(super) fn read(&mut self, value: &Value<'_>, at: &At<'_>, report: &mut Report) {
        self.insecure = read_insecure(value, at, report);
        for (key, value) in document::table(value, at, report).into_iter().flatten() {
            let at = at.key(key.get_ref());
            match &**key.get_ref() {
                "remote" => {
                    let read = |text: &str| text.parse().ok();
                    let Some(remote) = document::parsed::<Remote>(value, &at, report, Fault::BadRemote, read) else {
                        continue;
                    };
                    if remote.is_exposed() && !self.insecure {
                        report.push(&at, Fault::ExposedRemote(remote.to_string().into()));
                    }
                    self.remote = remote;
                }
                "insecure" => {}
                "flow_restore_timeout" => {
                    let seconds = document::number(value, &at, report, "seconds", (0, 86_400));
                    self.flow_restore_timeout = seconds.unwrap_or(self.flow_restore_timeout);
                }
                _ => report.push(&at, Fault::UnknownKey { known: &["remote", "insecure", "flow_restore_timeout"] }),
            }
        }
    }
}

/// `insecure` of a section, before what is judged by it.
fn read_insecure(section: &Value<'_>, at: &At<'_>, report: &mut Report) -> bool {
    let value = section.get_ref().as_table().and_then(|table| table.get("insecure"));
    value.and_then(|value| document::boolean(value, &at.key("insecure"), report)).unwrap_or(false)
}

/// `[tls]`; `None` if something is wrong with it.
pub(super) fn read_tls(value: &Value<'_>, at: &At<'_>, report: &mut Report) -> Option<tls::Settings> {
    const KNOWN: &[&str] = &["private_key", "certificate", "ca_certificate", "peer_names"];
    let mut files: [Option<PathBuf>; 3] = [const { None }; 3];
    let mut peer_names = Vec::new();
    for (key, value) in document::table(value, at, report)? {
        let at = at.key(key.get_ref());
        match &**key.get_ref() {
            "peer_names" => peer_names = read_peer_names(value, &at, report),
            name => match KNOWN.iter().position(|known| *known == name).and_then(|index| files.get_mut(index)) {
                Some(file) => *file = Some(read_path(value, &at, report)?),
                None => report.push(&at, Fault::UnknownKey { known: KNOWN }),
            },
        }
    }
    let mut file = |key: &'static str, found: Option<PathBuf>| {
        if found.is_none() {
            report.push(at, Fault::Missing { key, expected: "the path of a file in PEM" });
        }
        found
    };
    let [private_key, certificate, ca_certificate] = files;
    let private_key = file("private_key", private_key);
    let certificate = file("certificate", certificate);
    let ca_certificate = file("ca_certificate", ca_certificate);
    Some(tls::Settings {
        private_key: private_key?,
        certificate: certificate?,
        ca_certificate: ca_certificate?,
        peer_names,
    })
}

fn read_path(value: &Value<'_>, at: &At<'_>, report: &mut Report) -> Option<PathBuf> {
    let path = document::string(value, at, report)?;
    if path.is_empty() {
        report.push(at, Fault::NoPemFile);
    }
    Some(path.into())
}

fn read_peer_names(value: &Value<'_>, at: &At<'_>, report: &mut Report) -> Vec<String> {
    let mut names = Vec::new();
    for (index, value) in document::array(value, at, report).into_iter().flatten().enumerate() {
        let at = at.index(index);
        if let Some(name) = document::string(value, &at, report) {
            crate::topology::check_name(name, &at, report);
            names.push(name.to_owned());
        }
    }
    names
}

/// An address with or without a port: `192.0.2.1`, `192.0.2.1:6653`, `::1`, `[::1]`, `[::1]:6653`.
pub(super) fn listen_address(text: &str, default_port: u16) -> Option<SocketAddr> {
    let bracketed = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok().map(IpAddr::V6);
    let alone = || text.parse().ok().or_else(bracketed).map(|address| SocketAddr::new(address, default_port));
    text.parse().ok().or_else(alone)
}
