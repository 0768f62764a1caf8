//! Who sends, to whom, and with which addresses.

use std::net::IpAddr;

use super::service::Service;
use crate::cli::filter::suggest::nearest;
use crate::openflow::MacAddr;
use crate::topology::{Ethertype, Name, Port, Topology, Traffic};

/// One side.
#[derive(Debug, Clone, Copy)]
pub(super) enum End<'a> {
    /// A port of the topology, and the address that the command line says it has.
    Port(&'a Port, Option<IpAddr>),
    /// An address that no port of the other side's network has.
    Outside(IpAddr),
}

/// Both sides; at least one is a port.
pub(super) struct Ends<'a> {
    pub(super) from: End<'a>,
    pub(super) to: End<'a>,
}

/// What is asked about, beside both sides.
pub(super) struct Wanted {
    pub(super) service: Service,
    pub(super) source_port: u16,
    pub(super) ethertypes: &'static [Ethertype],
}

/// Words of the command line that name no two sides of a packet.
#[derive(Debug, thiserror::Error)]
pub(in crate::cli) enum EndsError {
    /// Neither a port nor an address.
    #[error("{found:?} is neither a port of the topology nor an address{}", meant(.nearest))]
    Unknown {
        /// What was said.
        found: String,
        /// A port with nearly this name.
        nearest: Option<Name>,
    },
    /// Nobody of whom the topology knows anything.
    #[error("neither {from} nor {to} is a port: name the port that you ask about")]
    NoPort {
        /// Who sends.
        from: IpAddr,
        /// To whom.
        to: IpAddr,
    },
    /// The same port twice.
    #[error("{0} is on both sides: what a port sends to itself does not leave it")]
    Same(Name),
    /// An option for a port, where there is none.
    #[error("--{option} is for a port, and {end} is an address")]
    AddressTwice {
        /// Which option.
        option: &'static str,
        /// What stands there.
        end: IpAddr,
    },
    /// A packet from everybody.
    #[error("{0} is an address of many: nobody sends from it")]
    FromMany(IpAddr),
    /// There is no family to ask about.
    #[error(
        "no packet has these addresses and this service: {from} has {}, {to} has {}; --from-address and --to-address \
         say others", families(.of_from), families(.of_to)
    )]
    NoFamily {
        /// Who sends.
        from: String,
        /// The families of its addresses.
        of_from: Vec<Ethertype>,
        /// To whom.
        to: String,
        /// Likewise.
        of_to: Vec<Ethertype>,
    },
}

fn meant(nearest: &Option<Name>) -> String {
    nearest.as_ref().map_or_else(String::new, |name| format!("; did you mean {name}?"))
}

fn families(families: &[Ethertype]) -> String {
    match families {
        [] => "no address".to_owned(),
        some => some.iter().map(|family| family.word()).collect::<Vec<_>>().join(" and "),
    }
}

/// The families to ask about; neither wanted means both.
pub(super) const fn ethertypes(ipv4: bool, ipv6: bool) -> &'static [Ethertype] {
    match (ipv4, ipv6) {
        (true, false) => &[Ethertype::Ipv4],
        (false, true) => &[Ethertype::Ipv6],
        _ => &Ethertype::ALL,
    }
}

impl<'a> End<'a> {
    /// The port, if it is one.
    pub(super) const fn port(&self) -> Option<&'a Port> {
        match self {
            Self::Port(port, _) => Some(port),
            Self::Outside(_) => None,
        }
    }

    fn addresses(&self) -> Vec<IpAddr> {
        match self {
            Self::Port(_, Some(address)) | Self::Outside(address) => vec![*address],
            Self::Port(port, None) => port.fixed_ips.clone(),
        }
    }

    /// Its first address of a family.
    fn address(&self, ethertype: Ethertype) -> Option<IpAddr> {
        self.addresses().into_iter().find(|address| Ethertype::of((*address).into()) == ethertype)
    }

    fn ethertypes(&self) -> Vec<Ethertype> {
        Ethertype::ALL.into_iter().filter(|ethertype| self.address(*ethertype).is_some()).collect()
    }

    /// The Ethernet address that goes with an address: a port's, or of somebody outside the router's.
    fn mac(&self, address: IpAddr, other: &End<'_>, topology: &Topology) -> Option<MacAddr> {
        match (self, other) {
            (Self::Port(port, _), _) => Some(port.mac_of(address).unwrap_or(port.mac_address)),
            (Self::Outside(_), End::Port(port, _)) => router(port, address, topology).map(|router| router.mac_address),
            (Self::Outside(_), End::Outside(_)) => None,
        }
    }

    /// What it is called on the command line.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Port(port, _) => port.name.to_string(),
            Self::Outside(address) => address.to_string(),
        }
    }
}

/// The port that is the router of a port's subnet for addresses of this family.
fn router<'a>(port: &Port, address: IpAddr, topology: &'a Topology) -> Option<&'a Port> {
    let network = topology.network(&port.network)?;
    let of_family = network.subnets.iter().filter(|subnet| subnet.cidr.is_ipv4() == address.is_ipv4());
    let router = |gateway| topology.port_by_address(&network.name, gateway);
    of_family.filter_map(|subnet| subnet.gateway_ip).find_map(router).map(|port| &**port)
}

impl<'a> Ends<'a> {
    /// Reads both sides; of each the word, and the address if an option says one.
    pub(super) fn read(
        from: (&str, Option<IpAddr>),
        to: (&str, Option<IpAddr>),
        topology: &'a Topology,
    ) -> Result<Self, EndsError> {
        let (mut from, mut to) = (end(from, "from-address", topology)?, end(to, "to-address", topology)?);
        // An address may be that of a port of the other's network.
        match (from, to) {
            (End::Port(port, _), End::Outside(address)) => to = known(address, port, topology),
            (End::Outside(address), End::Port(port, _)) => from = known(address, port, topology),
            (End::Outside(from), End::Outside(to)) => return Err(EndsError::NoPort { from, to }),
            (End::Port(..), End::Port(..)) => {}
        }
        match (from.port(), to.port()) {
            (Some(from), Some(to)) if from.name == to.name => Err(EndsError::Same(from.name.clone())),
            _ => Ok(Self { from, to }),
        }
    }

    /// A packet of each family that was asked for and that both sides have.
    pub(super) fn packets(&self, topology: &Topology, wanted: &Wanted) -> Result<Vec<Traffic>, EndsError> {
        let packet = |ethertype: &Ethertype| {
            let (source, destination) = (self.from.address(*ethertype)?, self.to.address(*ethertype)?);
            Some(Traffic {
                source,
                destination,
                eth_src: self.from.mac(source, &self.to, topology),
                eth_dst: self.to.mac(destination, &self.from, topology),
                payload: wanted.service.payload(*ethertype, wanted.source_port)?,
            })
        };
        let packets: Vec<Traffic> = wanted.ethertypes.iter().filter_map(packet).collect();
        let to_many = |packet: &&Traffic| packet.source.is_multicast() || packet.source == IpAddr::from([255; 4]);
        match packets.iter().find(to_many) {
            Some(packet) => Err(EndsError::FromMany(packet.source)),
            None if packets.is_empty() => Err(EndsError::NoFamily {
                from: self.from.name(),
                of_from: self.from.ethertypes(),
                to: self.to.name(),
                of_to: self.to.ethertypes(),
            }),
            None => Ok(packets),
        }
    }
}

fn end<'a>(
    (word, address): (&str, Option<IpAddr>),
    option: &'static str,
    topology: &'a Topology,
) -> Result<End<'a>, EndsError> {
    if let Some(port) = topology.port(word) {
        return Ok(End::Port(port, address));
    }
    match (word.parse(), address) {
        (Ok(outside), None) => Ok(End::Outside(outside)),
        (Ok(end), Some(_)) => Err(EndsError::AddressTwice { option, end }),
        (Err(_), _) => {
            let nearest = nearest(word, topology.ports().map(|port| &*port.name)).map(Name::from);
            Err(EndsError::Unknown { found: word.to_owned(), nearest })
        }
    }
}

/// The port of a network that has an address, if there is one.
fn known<'a>(address: IpAddr, other: &Port, topology: &'a Topology) -> End<'a> {
    match topology.port_by_address(&other.network, address) {
        Some(port) => End::Port(port, Some(address)),
        None => End::Outside(address),
    }
}
