//! Bridges and ports as they should be: what a [plan](super::plan::plan) is made from. Pure data.

use std::net::IpAddr;

/// What a bridge is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Ours, with the ports of virtual machines and containers; created if absent.
    Integration,
    /// Ours, with the tunnels; created if absent.
    Tunnel,
    /// The operator's: must be there, and keeps its other controllers.
    Physical,
}

impl Role {
    /// True for the bridges that Heddle creates.
    pub fn is_owned(self) -> bool {
        matches!(self, Self::Integration | Self::Tunnel)
    }
}

/// A bridge as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DesiredBridge {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub role: Role,
    /// `system` or `netdev`, for its creation; an existing bridge keeps its own.
    pub datapath_type: String,
    /// Targets such as `tcp:127.0.0.1:6633`.
    pub controllers: Vec<String>,
    /// Packets a second that it may send up to each, if there is a limit. Open vSwitch holds its ports to fair shares.
    pub controller_rate_limit: Option<i64>,
}

/// A port of ours as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DesiredPort {
    /// The name of its bridge.
    pub bridge: String,
    /// Its name, and that of its interface.
    pub name: String,
    /// What it is.
    pub kind: PortKind,
}

/// What a port of ours is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PortKind {
    /// One end of a patch cable.
    Patch {
        /// The name of the other end; a name that does not exist leaves the cable open.
        peer: String,
    },
    /// A VXLAN tunnel to one peer.
    Vxlan {
        /// The peer.
        remote_ip: IpAddr,
        /// This host.
        local_ip: IpAddr,
    },
}

impl PortKind {
    /// `Interface.type`.
    pub(crate) fn interface_type(&self) -> &'static str {
        match self {
            Self::Patch { .. } => "patch",
            Self::Vxlan { .. } => "vxlan",
        }
    }

    /// `Interface.options`. The tunnel key comes from and goes to the flows.
    pub(crate) fn options(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::Patch { peer } => vec![("peer", peer.clone())],
            Self::Vxlan { remote_ip, local_ip } => vec![
                ("df_default", "true".to_owned()),
                ("egress_pkt_mark", "0".to_owned()),
                ("in_key", "flow".to_owned()),
                ("local_ip", local_ip.to_string()),
                ("out_key", "flow".to_owned()),
                ("remote_ip", remote_ip.to_string()),
            ],
        }
    }
}

/// Names the tunnel port to a peer: `vxlan-` and the address in hexadecimal digits as Neutron has it, or for IPv6
/// `vxlan6-` and 32 bits of FNV-1a over the octets, as an interface's name has 15 characters at most.
pub fn tunnel_port_name(remote: IpAddr) -> String {
    match remote {
        IpAddr::V4(address) => format!("vxlan-{:08x}", u32::from(address)),
        IpAddr::V6(address) => {
            let hash = address
                .octets()
                .iter()
                .fold(0x811c_9dc5_u32, |hash, &octet| (hash ^ u32::from(octet)).wrapping_mul(0x0100_0193));
            format!("vxlan6-{hash:08x}")
        }
    }
}

/// True for the names that [`tunnel_port_name`] gives, Neutron's IPv4 ones among them.
pub(crate) fn is_tunnel_port_name(name: &str) -> bool {
    let digits = name.strip_prefix("vxlan-").or_else(|| name.strip_prefix("vxlan6-"));
    digits.is_some_and(|digits| digits.len() == 8 && digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')))
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use super::*;

    #[test]
    fn tunnel_ports_are_named_after_their_peer_within_15_characters() {
        assert_eq!(tunnel_port_name(Ipv4Addr::new(192, 168, 10, 2).into()), "vxlan-c0a80a02");
        let name = tunnel_port_name("2001:db8::2".parse::<Ipv6Addr>().unwrap().into());
        assert_eq!(name, "vxlan6-715b09ad");
        assert!(name.len() <= 15);
        assert!(is_tunnel_port_name(&name) && is_tunnel_port_name("vxlan-c0a80a02"));
        for other in ["vxlan-c0a80a0", "vxlan-C0A80A02", "vxlan-c0a80a021", "vxlan6-", "gre-c0a80a02", "vxlan-+0a80a02"]
        {
            assert!(!is_tunnel_port_name(other), "{other}");
        }
    }
}
