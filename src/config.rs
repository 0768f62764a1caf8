//! `heddle.toml`: what a host says about itself. Every key has a default.
//!
//! [`Config::parse`] is pure; [`Config::load`] reads the file and the host's name.

mod endpoints;
mod learning;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use toml::de::DeTable;

use self::endpoints::listen_address;
pub use self::endpoints::{Listen, OpenFlow, Ovsdb, Transport};
pub use self::learning::Learning;
use crate::ovsdb::Remote;
use crate::tls;
use crate::topology::document::{self, At, Report, Value};
use crate::topology::{Fault, Name, Place, Problem, Refused, Step, Topology, check_device, check_name};

/// The file that is read if none is given.
pub const DEFAULT_FILE: &str = "/etc/heddle/heddle.toml";
/// The port that bridges connect to: that of Open vSwitch's tradition, older than the assigned 6653.
pub const DEFAULT_PORT: u16 = 6633;
/// The port of the metrics.
pub const DEFAULT_METRICS_PORT: u16 = 9633;
/// The largest file that is read.
const MAX_FILE: u64 = 1 << 20;

/// The settings of a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Which node of the topology this host is.
    pub node: Name,
    /// The topology file.
    pub topology: PathBuf,
    /// `[openflow]`
    pub openflow: OpenFlow,
    /// `[ovsdb]`
    pub ovsdb: Ovsdb,
    /// `[tls]`; with `ssl:` above there always is one.
    pub tls: Option<tls::Settings>,
    /// `[bridges]`
    pub bridges: Bridges,
    /// `[tunnel]`
    pub tunnel: Tunnel,
    /// `[learning]`
    pub learning: Learning,
    /// `[limits]`
    pub limits: Limits,
    /// `[metrics]`
    pub metrics: Metrics,
}

/// The bridges, each with a name of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bridges {
    /// Where the ports are plugged in.
    pub integration: Name,
    /// Where the tunnels start.
    pub tunnel: Name,
    /// Physical network → bridge.
    pub physical: BTreeMap<Name, Name>,
    /// Of the bridges that Heddle creates.
    pub datapath_type: DatapathType,
}

/// Which datapath of Open vSwitch carries a bridge (`Bridge.datapath_type`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DatapathType {
    /// The kernel's.
    System,
    /// The one in user space.
    Netdev,
}

impl DatapathType {
    /// The word in the file and in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Netdev => "netdev",
        }
    }
}

/// What br-tun knows beforehand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tunnel {
    /// Known remote Ethernet addresses as flows; without, they are learnt from packets only.
    pub l2_population: bool,
    /// ARP for known remote addresses.
    pub arp_responder: ResponderMode,
    /// The same for neighbour discovery of IPv6. Without a word, the switch answers if its datapath can, and nobody
    /// else: answers of Heddle's end while it is not there.
    pub nd_responder: Option<ResponderMode>,
}

/// Who answers when somebody asks for the MAC address behind a known remote address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResponderMode {
    /// `false`: its owner, wherever it is.
    Off,
    /// `true`: the switch if its datapath can, otherwise Heddle.
    On,
    /// `"controller"`: Heddle.
    Controller,
}

/// What monitoring is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metrics {
    /// Where HTTP is answered; nowhere if the file says `""`.
    pub listen: Option<SocketAddr>,
}

/// How many packets a second may come up; 0 is no limit. What is above is dropped, and counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// From one port; on the tunnel bridge from one MAC address.
    pub packet_in_per_port: u32,
    /// From all ports of a bridge together.
    pub packet_in_per_bridge: u32,
    /// Lines of the log of security groups about one port.
    pub log_per_port: u32,
    /// About all ports together.
    pub log_per_bridge: u32,
}

impl Config {
    /// The settings of a host without a file. `hostname` becomes the name of its node.
    pub fn defaults(hostname: &str) -> Config {
        Config {
            node: hostname.into(),
            topology: "/etc/heddle/topology.toml".into(),
            openflow: OpenFlow {
                listen: vec![Listen {
                    transport: Transport::Tcp,
                    address: SocketAddr::from(([127, 0, 0, 1], DEFAULT_PORT)),
                }],
                insecure: false,
            },
            ovsdb: Ovsdb {
                remote: Remote::Unix("/var/run/openvswitch/db.sock".into()),
                insecure: false,
                flow_restore_timeout: 60,
            },
            tls: None,
            bridges: Bridges {
                integration: "br-int".into(),
                tunnel: "br-tun".into(),
                physical: BTreeMap::from([("physnet".into(), "br-phys".into())]),
                datapath_type: DatapathType::System,
            },
            tunnel: Tunnel { l2_population: true, arp_responder: ResponderMode::On, nd_responder: None },
            learning: Learning::default(),
            limits: Limits {
                packet_in_per_port: 1_000,
                packet_in_per_bridge: 10_000,
                log_per_port: 100,
                log_per_bridge: 1_000,
            },
            metrics: Metrics { listen: Some(SocketAddr::from(([127, 0, 0, 1], DEFAULT_METRICS_PORT))) },
        }
    }

    /// Reads the text of a file. `file` is its name in messages and where a relative `topology` starts.
    pub fn parse(text: &str, file: &str, hostname: &str) -> Result<Config, Refused> {
        let text = document::without_byte_order_mark(text);
        let chunk = (0, text);
        let Some(root) = document::parse_chunk(chunk) else { return Err(document::not_toml(file, text)) };
        let mut config = Self::defaults(hostname);
        let mut report = Report::default();
        config.read(&root, &mut report);
        if !report.is_empty() {
            return Err(report.refuse(file, text, &[chunk]));
        }
        if let Some(directory) = Path::new(file).parent() {
            config.topology = directory.join(config.topology);
            if let Some(tls) = &mut config.tls {
                for file in [&mut tls.private_key, &mut tls.certificate, &mut tls.ca_certificate] {
                    *file = directory.join(&file);
                }
            }
        }
        Ok(config)
    }

    /// Reads a file, which must exist; without one, [`DEFAULT_FILE`], which may be absent.
    pub fn load(path: Option<&Path>) -> Result<Config, Refused> {
        let hostname = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let hostname = hostname.trim();
        let default = Path::new(DEFAULT_FILE);
        match path {
            None if matches!(default.try_exists(), Ok(false)) => Ok(Self::defaults(hostname)),
            _ => {
                let path = path.unwrap_or(default);
                Self::parse(&document::read_text(path, MAX_FILE)?, &path.to_string_lossy(), hostname)
            }
        }
    }

    /// If this host can do its part of a topology: it is a node there, and has a bridge for the physical network of
    /// each network with ports on it.
    pub fn check_topology(&self, topology: &Topology) -> Result<(), Refused> {
        let problem = |keys: &[&str], fault| Problem {
            file: topology.file().map(Into::into),
            ..Problem::new(Place(keys.iter().map(|key| Step::Key((*key).into())).collect()), fault)
        };
        let mut problems = Vec::new();
        if topology.node(&self.node).is_none() {
            problems.push(problem(&["nodes"], Fault::ThisNodeMissing(self.node.clone())));
        }
        for network in topology.networks_on(&self.node).filter_map(|name| topology.network(name)) {
            let Some(physical_network) = network.kind.physical_network().cloned() else { continue };
            if !self.bridges.physical.contains_key(&physical_network) {
                let keys = ["networks", &*network.name, "physical_network"];
                let position = topology.physical_network_position(&network.name);
                problems.push(Problem { position, ..problem(&keys, Fault::NoBridge { physical_network }) });
            }
        }
        problems.sort_by_key(|problem| problem.position);
        if problems.is_empty() { Ok(()) } else { Err(Refused { problems, more: 0 }) }
    }

    /// True if one of the addresses is `ssl:`.
    fn speaks_tls(&self) -> bool {
        matches!(self.ovsdb.remote, Remote::Ssl { .. })
            || self.openflow.listen.iter().any(|listen| listen.transport == Transport::Ssl)
    }

    fn read(&mut self, root: &DeTable<'_>, report: &mut Report) {
        const KNOWN: &[&str] =
            &["node", "topology", "openflow", "ovsdb", "tls", "bridges", "tunnel", "learning", "limits", "metrics"];
        if !root.contains_key("node") {
            check_name(&self.node, &At::ROOT, report);
        }
        for (key, value) in root {
            let at = At::ROOT.key(key.get_ref());
            match &**key.get_ref() {
                "node" => {
                    if let Some(name) = document::string(value, &at, report) {
                        check_name(name, &at, report);
                        self.node = name.into();
                    }
                }
                "topology" => match document::string(value, &at, report) {
                    Some("") => report.push(&at, Fault::NoPath),
                    Some(path) => self.topology = path.into(),
                    None => {}
                },
                "openflow" => self.openflow.read(value, &at, report),
                "ovsdb" => self.ovsdb.read(value, &at, report),
                "tls" => self.tls = endpoints::read_tls(value, &at, report),
                "bridges" => self.bridges.read(value, &at, report),
                "tunnel" => self.tunnel.read(value, &at, report),
                // Depends on the bridges.
                "learning" => {}
                "limits" => self.limits.read(value, &at, report),
                "metrics" => self.metrics.read(value, &at, report),
                _ => report.push(&at, Fault::UnknownKey { known: KNOWN }),
            }
        }
        self.bridges.check(report);
        if self.speaks_tls() && !root.contains_key("tls") {
            report.push(&At::ROOT.key("tls"), Fault::NoTls);
        }
        if let Some(value) = root.get("learning") {
            self.learning.read((value, &At::ROOT.key("learning")), &self.bridges, report);
        }
    }
}

impl Bridges {
    fn read(&mut self, value: &Value<'_>, at: &At<'_>, report: &mut Report) {
        const KNOWN: &[&str] = &["integration", "tunnel", "physical", "datapath_type"];
        for (key, value) in document::table(value, at, report).into_iter().flatten() {
            let at = at.key(key.get_ref());
            match &**key.get_ref() {
                "integration" => self.integration = bridge(value, &at, report).unwrap_or(self.integration.clone()),
                "tunnel" => self.tunnel = bridge(value, &at, report).unwrap_or(self.tunnel.clone()),
                "physical" => {
                    self.physical.clear();
                    for (name, value) in document::table(value, &at, report).into_iter().flatten() {
                        let at = at.key(name.get_ref());
                        check_name(name.get_ref(), &at, report);
                        let bridge = bridge(value, &at, report);
                        self.physical.extend(bridge.map(|bridge| (Name::from(&**name.get_ref()), bridge)));
                    }
                }
                "datapath_type" => {
                    let read = |text: &str| {
                        [DatapathType::System, DatapathType::Netdev].into_iter().find(|kind| kind.as_str() == text)
                    };
                    if let Some(found) = document::parsed(value, &at, report, Fault::BadDatapathType, read) {
                        self.datapath_type = found;
                    }
                }
                _ => report.push(&at, Fault::UnknownKey { known: KNOWN }),
            }
        }
    }

    /// Every bridge.
    pub fn iter(&self) -> impl Iterator<Item = &Name> {
        [&self.integration, &self.tunnel].into_iter().chain(self.physical.values())
    }

    /// Each bridge has one use.
    fn check(&self, report: &mut Report) {
        let bridges = At::ROOT.key("bridges");
        let physical = bridges.key("physical");
        let mut used = vec![(&self.integration, bridges.key("integration"))];
        let others = self.physical.iter().map(|(name, bridge)| (bridge, physical.key(name)));
        for (name, at) in std::iter::once((&self.tunnel, bridges.key("tunnel"))).chain(others) {
            if let Some((_, other)) = used.iter().find(|(other, _)| *other == name) {
                report.clash(&at, Fault::BridgeTaken(name.clone()), other);
            }
            used.push((name, at));
        }
    }
}

impl Limits {
    fn read(&mut self, value: &Value<'_>, at: &At<'_>, report: &mut Report) {
        const KNOWN: &[&str] = &["packet_in_per_port", "packet_in_per_bridge", "log_per_port", "log_per_bridge"];
        for (key, value) in document::table(value, at, report).into_iter().flatten() {
            let at = at.key(key.get_ref());
            let place = match &**key.get_ref() {
                "packet_in_per_port" => &mut self.packet_in_per_port,
                "packet_in_per_bridge" => &mut self.packet_in_per_bridge,
                "log_per_port" => &mut self.log_per_port,
                "log_per_bridge" => &mut self.log_per_bridge,
                _ => {
                    report.push(&at, Fault::UnknownKey { known: KNOWN });
                    continue;
                }
            };
            *place = document::number(value, &at, report, "packets a second", (0, 10_000_000)).unwrap_or(*place);
        }
    }
}

impl Tunnel {
    fn read(&mut self, value: &Value<'_>, at: &At<'_>, report: &mut Report) {
        const KNOWN: &[&str] = &["l2_population", "arp_responder", "nd_responder"];
        for (key, value) in document::table(value, at, report).into_iter().flatten() {
            let at = at.key(key.get_ref());
            match &**key.get_ref() {
                "l2_population" => {
                    self.l2_population = document::boolean(value, &at, report).unwrap_or(self.l2_population);
                }
                "arp_responder" => {
                    self.arp_responder = responder_mode(value, &at, report).unwrap_or(self.arp_responder);
                }
                "nd_responder" => self.nd_responder = responder_mode(value, &at, report),
                _ => report.push(&at, Fault::UnknownKey { known: KNOWN }),
            }
        }
    }
}

fn responder_mode(value: &Value<'_>, at: &At<'_>, report: &mut Report) -> Option<ResponderMode> {
    match (value.get_ref().as_bool(), value.get_ref().as_str()) {
        (Some(true), _) => return Some(ResponderMode::On),
        (Some(false), _) => return Some(ResponderMode::Off),
        (_, Some("controller")) => return Some(ResponderMode::Controller),
        (_, Some(other)) => report.push(at, Fault::BadResponder(other.into())),
        _ => document::wrong_type(value, at, report, "true, false or \"controller\""),
    }
    None
}

impl Metrics {
    fn read(&mut self, value: &Value<'_>, at: &At<'_>, report: &mut Report) {
        for (key, value) in document::table(value, at, report).into_iter().flatten() {
            let at = at.key(key.get_ref());
            match &**key.get_ref() {
                "listen" if value.get_ref().as_str() == Some("") => self.listen = None,
                "listen" => {
                    let read = |text: &str| listen_address(text, DEFAULT_METRICS_PORT);
                    if let Some(address) = document::parsed(value, &at, report, Fault::BadMetricsListen, read) {
                        self.listen = Some(address);
                    }
                }
                _ => report.push(&at, Fault::UnknownKey { known: &["listen"] }),
            }
        }
    }
}

fn bridge(value: &Value<'_>, at: &At<'_>, report: &mut Report) -> Option<Name> {
    let name = document::string(value, at, report)?;
    check_device(name, at, report);
    Some(name.into())
}

/// The two ends of the patch between the integration bridge and a physical bridge: `int-BRIDGE` in the integration
/// bridge and `phy-BRIDGE` in the other. What would be longer than an interface name may be ends in a hash instead.
pub fn patch_port_names(bridge: &str) -> (String, String) {
    let name = |prefix: &str| {
        let whole = format!("{prefix}{bridge}");
        if whole.len() <= PATCH_NAME {
            return whole;
        }
        let mut end = PATCH_NAME - 6;
        while !whole.is_char_boundary(end) {
            end -= 1;
        }
        format!("{}{:06x}", whole.get(..end).unwrap_or(prefix), fnv1a(bridge.as_bytes()) & 0x00ff_ffff)
    };
    (name("int-"), name("phy-"))
}

/// The longest name of an interface in bytes.
const PATCH_NAME: usize = 15;

/// The FNV-1a hash of 64 bits, folded to 32. It must never change: the names of ports in switches depend on it.
fn fnv1a(bytes: &[u8]) -> u32 {
    let hash = bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3));
    (hash ^ (hash >> 32)) as u32
}

#[cfg(test)]
mod tests;
