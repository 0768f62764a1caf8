//! What the numbers in cookies stand for, and which of our bridges one is.

use std::io;
use std::path::{Path, PathBuf};

use crate::flow::table_names::BridgeRole;
use crate::openflow::Cookie;
use crate::pipeline::ObjectNames;
use crate::pipeline::cookie::ObjectKind;
use crate::topology::{DEFAULT_GROUP, Topology};

/// Which objects the numbers in cookies stand for: the names that stand in a topology file, also in one that does not
/// validate, and if it does, what it says of them. The default knows none.
#[derive(Debug, Default)]
pub struct Objects {
    names: ObjectNames,
    topology: Option<Topology>,
}

/// A topology file that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum TopologyError {
    /// The system refused.
    #[error("{path}: {error}")]
    Io {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// Not TOML.
    #[error("{path}: {error}")]
    Toml {
        /// Which file.
        path: PathBuf,
        /// Where and why.
        error: Box<toml::de::Error>,
    },
}

impl Objects {
    /// Reads the names in a topology file.
    pub fn read(path: &Path) -> Result<Self, TopologyError> {
        let text = std::fs::read_to_string(path).map_err(|error| TopologyError::Io { path: path.into(), error })?;
        Self::parse(&text).map_err(|error| TopologyError::Toml { path: path.into(), error: Box::new(error) })
    }

    /// The topology of this host: that of `/etc/heddle/heddle.toml`. Nothing if there is none.
    pub fn of_this_host() -> Option<Self> {
        const CONFIGURATION: &str = "/etc/heddle/heddle.toml";
        const DEFAULT_TOPOLOGY: &str = "/etc/heddle/topology.toml";
        let configuration: toml::Table = std::fs::read_to_string(CONFIGURATION).ok()?.parse().ok()?;
        let topology = configuration.get("topology").and_then(toml::Value::as_str).unwrap_or(DEFAULT_TOPOLOGY);
        Self::read(Path::new(topology)).ok()
    }

    /// The names of all objects of this kind with this number; two names may share one.
    pub fn names(&self, kind: ObjectKind, number: u32) -> &[String] {
        self.names.names(kind, number)
    }

    /// The topology, if the file validates.
    pub fn topology(&self) -> Option<&Topology> {
        self.topology.as_ref()
    }

    /// What a flow of ours is for; `None`: it is another's.
    pub fn purpose(&self, cookie: Cookie) -> Option<String> {
        self.names.purpose(cookie)
    }

    pub(super) fn parse(text: &str) -> Result<Self, toml::de::Error> {
        let mut objects = match Topology::parse(text, "topology") {
            Ok(topology) => Self::of(topology),
            Err(_) => Self::of_names(&text.parse()?),
        };
        // The group of ports that name none may stand in no file.
        objects.names.add(ObjectKind::SecurityGroup, DEFAULT_GROUP);
        Ok(objects)
    }

    /// All that a topology has.
    fn of(topology: Topology) -> Self {
        Self { names: ObjectNames::of(&topology), topology: Some(topology) }
    }

    /// The names in a file that does not validate.
    fn of_names(topology: &toml::Table) -> Self {
        let mut objects = Self::default();
        for (section, kind) in [
            ("networks", ObjectKind::Network),
            ("ports", ObjectKind::Port),
            ("nodes", ObjectKind::Node),
            ("security_groups", ObjectKind::SecurityGroup),
        ] {
            for (name, value) in topology.get(section).and_then(toml::Value::as_table).into_iter().flatten() {
                objects.names.add(kind, name);
                if let Some(physical_network) = value.get("physical_network").and_then(toml::Value::as_str) {
                    objects.names.add(ObjectKind::PhysicalNetwork, physical_network);
                }
            }
        }
        objects
    }
}

/// Which of our bridges has ports of these names; a bridge without any of them is told by its own.
pub fn bridge_role<'a>(ports: impl IntoIterator<Item = &'a str>, bridge: &str) -> Option<BridgeRole> {
    let by_port = ports.into_iter().find_map(|port| match port {
        "patch-int" => Some(BridgeRole::Tunnel),
        "patch-tun" => Some(BridgeRole::Integration),
        "antrea-gw0" | "antrea-tun0" => Some(BridgeRole::Antrea),
        _ if is_of_ovn(port) => Some(BridgeRole::Ovn),
        _ if port.starts_with("int-") => Some(BridgeRole::Integration),
        _ if port.starts_with("phy-") => Some(BridgeRole::Physical),
        _ => None,
    });
    by_port.or(match bridge {
        "br-int" => Some(BridgeRole::Integration),
        "br-tun" => Some(BridgeRole::Tunnel),
        "br-phys" => Some(BridgeRole::Physical),
        _ => None,
    })
}

/// A tunnel that ovn-controller made, as `ovn-9f3b2c-0`, or its patch to a physical network.
fn is_of_ovn(port: &str) -> bool {
    let tunnel = port.strip_prefix("ovn-").and_then(|rest| rest.rsplit_once('-'));
    port.starts_with("patch-br-int-to-") || tunnel.is_some_and(|(_, number)| number.parse::<u8>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bridge_is_known_by_its_ports_whatever_its_name() {
        assert_eq!(bridge_role(["tap1", "int-ext"], "mine"), Some(BridgeRole::Integration));
        assert_eq!(bridge_role(["eth0", "phy-ext"], "br-int"), Some(BridgeRole::Physical));
        assert_eq!(bridge_role(["vxlan-c0000202"], "br-tun"), Some(BridgeRole::Tunnel));
        assert_eq!(bridge_role(["ovn-9f3b2c-0"], "br-int"), Some(BridgeRole::Ovn));
        assert_eq!(bridge_role(["patch-br-int-to-provnet-1", "tap1"], "br-int"), Some(BridgeRole::Ovn));
        assert_eq!(bridge_role(["antrea-gw0"], "br-int"), Some(BridgeRole::Antrea));
        assert_eq!(bridge_role(["eth0", "ovn-nbctl"], "lan"), None);
    }
}
