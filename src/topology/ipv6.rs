//! How the hosts of an IPv6 subnet come by their addresses, and who routes for them.
//!
//! | `ipv6_ra_mode` | `ipv6_address_mode` | advertised here | DHCPv6 of this subnet |
//! |---|---|---|---|
//! | – | – | nothing | with `enable_dhcp` the fixed addresses |
//! | – | `slaac` | nothing: by another router | none |
//! | – | `dhcpv6-stateful` | nothing: by another router | the fixed addresses |
//! | – | `dhcpv6-stateless` | nothing: by another router | settings without addresses |
//! | `slaac` | – or `slaac` | the prefix, for addresses | none |
//! | `dhcpv6-stateful` | – | the prefix; M: ask DHCPv6 for addresses | none: by another server |
//! | `dhcpv6-stateful` | `dhcpv6-stateful` | the same | the fixed addresses |
//! | `dhcpv6-stateless` | – | the prefix, for addresses; O: ask DHCPv6 for settings | none: by another server |
//! | `dhcpv6-stateless` | `dhcpv6-stateless` | the same | settings without addresses |
//!
//! Two modes that differ contradict each other. As in Neutron, but for one thing: what takes no DHCP of Heddle's takes no
//! `enable_dhcp` either.

use std::net::{IpAddr, Ipv6Addr};

use super::document::{self, At, Report, Value};
use super::{Fault, Network, Port, Subnet, Topology};
use crate::openflow::MacAddr;

/// The one length of a prefix of which hosts make addresses by themselves (RFC 4291 §2.5.1).
const AUTONOMOUS_LENGTH: u8 = 64;

/// A value of `ipv6_ra_mode` or `ipv6_address_mode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ipv6Mode {
    /// `slaac`: hosts make addresses by themselves.
    Slaac,
    /// `dhcpv6-stateful`: addresses and settings come from DHCPv6.
    Dhcpv6Stateful,
    /// `dhcpv6-stateless`: hosts make addresses by themselves, settings come from DHCPv6.
    Dhcpv6Stateless,
}

impl Ipv6Mode {
    /// As the file has it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Slaac => "slaac",
            Self::Dhcpv6Stateful => "dhcpv6-stateful",
            Self::Dhcpv6Stateless => "dhcpv6-stateless",
        }
    }

    /// Reads a mode.
    pub(super) fn read(value: &Value<'_>, at: &At<'_>, report: &mut Report) -> Option<Self> {
        let of_name = |name: &str| {
            [Self::Slaac, Self::Dhcpv6Stateful, Self::Dhcpv6Stateless].into_iter().find(|mode| mode.name() == name)
        };
        document::parsed(value, at, report, Fault::BadIpv6Mode, of_name)
    }

    /// True if hosts make addresses by themselves.
    pub const fn is_autonomous(self) -> bool {
        matches!(self, Self::Slaac | Self::Dhcpv6Stateless)
    }
}

/// What DHCPv6 gives the hosts of a subnet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dhcpv6 {
    /// Addresses and settings.
    Stateful,
    /// Settings.
    Stateless,
}

/// A router as hosts know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ipv6Router {
    /// Its link-local address.
    pub address: Ipv6Addr,
    /// Its Ethernet address, if it is a port of the topology.
    pub mac: Option<MacAddr>,
}

impl Subnet {
    /// What Heddle's DHCPv6 gives the hosts of this subnet; `None`: it has nothing to say about it.
    pub fn dhcpv6(&self) -> Option<Dhcpv6> {
        if !self.dhcp.enable_dhcp || self.cidr.is_ipv4() {
            return None;
        }
        match (self.ipv6_ra_mode, self.ipv6_address_mode) {
            (None, None) | (_, Some(Ipv6Mode::Dhcpv6Stateful)) => Some(Dhcpv6::Stateful),
            (_, Some(Ipv6Mode::Dhcpv6Stateless)) => Some(Dhcpv6::Stateless),
            (_, Some(Ipv6Mode::Slaac)) | (Some(_), None) => None,
        }
    }
}

impl Network {
    /// True if Heddle speaks for the routers of one of its subnets.
    pub fn advertises_routers(&self) -> bool {
        self.subnets.iter().any(|subnet| subnet.ipv6_ra_mode.is_some())
    }

    /// True if Heddle has something to say by DHCPv6 here.
    pub fn answers_dhcpv6(&self) -> bool {
        self.subnets.iter().any(|subnet| subnet.dhcpv6().is_some())
    }
}

impl Topology {
    /// The router of an IPv6 subnet: the gateway, if it is a link-local address or one of a port.
    pub fn ipv6_router(&self, network: &Network, subnet: &Subnet) -> Option<Ipv6Router> {
        match subnet.gateway_ip? {
            IpAddr::V6(address) if address.is_unicast_link_local() => {
                let mac = MacAddr::of_link_local_ipv6(address);
                let port = mac.and_then(|mac| self.port_by_mac(&network.name, mac));
                Some(Ipv6Router { address, mac: port.map(|port| port.mac_address) })
            }
            address => {
                let mac = self.port_by_address(&network.name, address)?.mac_address;
                Some(Ipv6Router { address: mac.link_local_ipv6(), mac: Some(mac) })
            }
        }
    }

    /// True if a port is the router of a subnet for whose routers Heddle speaks.
    pub fn is_ipv6_router(&self, port: &Port) -> bool {
        let Some(network) = self.network(&port.network) else { return false };
        let mut advertised = network.subnets.iter().filter(|subnet| subnet.ipv6_ra_mode.is_some());
        advertised.any(|subnet| {
            let router = self.ipv6_router(network, subnet);
            router.is_some_and(|router| router.mac == Some(port.mac_address))
        })
    }

    /// True if a port is told about routers by Heddle: not one that is a router itself, which has its own routes.
    pub fn hears_routers(&self, port: &Port) -> bool {
        self.network(&port.network).is_some_and(|network| network.advertises_routers()) && !self.is_ipv6_router(port)
    }
}

/// The modes of a subnet. The subnet itself is checked.
pub(super) fn check(subnet: &Subnet, at: &At<'_>, report: &mut Report) {
    let modes = [("ipv6_ra_mode", subnet.ipv6_ra_mode), ("ipv6_address_mode", subnet.ipv6_address_mode)];
    for (key, mode) in modes {
        let Some(mode) = mode else { continue };
        if subnet.cidr.is_ipv4() {
            report.push(&at.key(key), Fault::ModeOfIpv4(subnet.cidr));
        } else if mode.is_autonomous() && subnet.cidr.prefix() != AUTONOMOUS_LENGTH {
            report.push(&at.key(key), Fault::NotAutonomous { mode: mode.name(), cidr: subnet.cidr });
        }
    }
    let (ra_mode, address_mode) = (subnet.ipv6_ra_mode, subnet.ipv6_address_mode);
    if let (Some(ra_mode), Some(address_mode)) = (ra_mode, address_mode)
        && ra_mode != address_mode
    {
        let fault = Fault::ModesDiffer { found: address_mode.name(), expected: ra_mode.name() };
        report.clash(&at.key("ipv6_address_mode"), fault, &at.key("ipv6_ra_mode"));
    }
    let by_dhcp = address_mode.filter(|mode| *mode != Ipv6Mode::Slaac);
    if let Some(mode) = by_dhcp.filter(|_| !subnet.dhcp.enable_dhcp) {
        report.push(&at.key("ipv6_address_mode"), Fault::DhcpOff { mode: mode.name() });
    }
}
