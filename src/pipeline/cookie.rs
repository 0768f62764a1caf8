//! The cookie says why a flow exists: `0x4ed1` (16 bits, "ours") · kind (8) · 0 (8) · object (32).

use crate::openflow::Cookie;

/// The upper 16 bits of every cookie of ours.
const OURS: u64 = 0x4ed1;

/// Bits that tell whether a flow is ours, as a cookie mask.
pub const OURS_MASK: u64 = 0xffff_0000_0000_0000;
/// Bits that tell ours and the kind, as a cookie mask.
pub const KIND_MASK: u64 = 0xffff_ff00_0000_0000;
/// Any cookie of ours, to look for with [`OURS_MASK`].
pub const ANY_OF_OURS: Cookie = Cookie(OURS << 48);

/// What an object number stands for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ObjectKind {
    /// No object: the flow belongs to the bridge.
    Bridge,
    /// A physical network.
    PhysicalNetwork,
    /// A network.
    Network,
    /// A port.
    Port,
    /// A node.
    Node,
    /// A security group.
    SecurityGroup,
}

impl ObjectKind {
    /// As people call it.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Bridge => "bridge",
            Self::PhysicalNetwork => "physical network",
            Self::Network => "network",
            Self::Port => "port",
            Self::Node => "node",
            Self::SecurityGroup => "security group",
        }
    }
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $object:ident, $words:literal;)*) => {
        /// Which kind of rule a flow belongs to.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        #[repr(u8)]
        pub enum Kind { $(#[doc = $words] $(#[$doc])* $name = $code,)* }

        impl Kind {
            /// Every kind.
            pub const ALL: &'static [Kind] = &[$(Self::$name),*];

            /// The kind with this code.
            pub const fn from_code(code: u8) -> Option<Self> {
                match code { $($code => Some(Self::$name),)* _ => None }
            }

            /// What its object number stands for.
            pub const fn object_kind(self) -> ObjectKind {
                match self { $(Self::$name => ObjectKind::$object,)* }
            }

            /// One sentence; `{}` stands for the object.
            pub const fn words(self) -> &'static str {
                match self { $(Self::$name => $words,)* }
            }
        }
    };
}

kinds! {
    TableMiss = 0x01, Bridge, "what happens to a packet that no other flow of this table wants";
    Canary = 0x02, Bridge, "never hit; its absence tells that the switch lost its flows";
    DeadVlan = 0x03, Bridge, "drops VLAN 4095, where ports that the topology does not know are kept";
    PhysicalGuard = 0x04, PhysicalNetwork, "drops what crosses the patch of {} without belonging to a network: no loop, no stray VLAN";
    FromTunnelBridge = 0x05, Bridge, "takes in what br-tun has decapsulated and tagged with its local VLAN";
    Normal = 0x06, Bridge, "switches by MAC address within the local VLAN";
    NetworkFromPhysical = 0x08, Network, "from the wire into {}: segmentation id to local VLAN";
    NetworkToPhysical = 0x09, Network, "from {} to the wire: local VLAN to segmentation id";
    PortOpen = 0x10, Port, "lets {} send anything: its port security is off";
    PortArp = 0x11, Port, "ARP that {} sends must pass the check of its sender address";
    PortAdvertisement = 0x12, Port, "neighbour advertisements that {} sends must pass the check of their target";
    PortMac = 0x13, Port, "everything else that {} sends must pass the check of its source MAC";
    PortArpAllowed = 0x14, Port, "ARP from an address that {} owns";
    PortAdvertisementAllowed = 0x15, Port, "neighbour advertisements for an address that {} owns";
    PortMacAllowed = 0x16, Port, "frames from a MAC address that {} owns";
    PortDhcp = 0x17, Port, "DHCP that {} sends to any server, or to the one that Heddle is";
    PortDhcpToHeddle = 0x18, Port, "DHCP of {} itself: Heddle answers it";
    PortDhcpForeign = 0x19, Port, "DHCP from a MAC address that is not that of {}: nobody answers it";
    PortDhcpServer = 0x1a, Port, "answers ARP requests that {} sends for the address of its DHCP server";
    PortDhcpv6 = 0x1b, Port, "DHCPv6 that {} sends to any server";
    PortDhcpv6ToHeddle = 0x1c, Port, "DHCPv6 of {} itself: Heddle answers it";
    PortSolicitation = 0x1d, Port, "router solicitations of {}";
    PortSolicitationToHeddle = 0x1e, Port, "router solicitations of {}: Heddle answers them in the place of the routers";
    PortDhcpv6Foreign = 0x1f, Port, "DHCPv6 from a MAC address that is not that of {}: nobody answers it";
    FromIntegration = 0x20, Bridge, "what br-int sends towards the tunnels";
    FromPeer = 0x21, Node, "VXLAN packets from {}";
    Unicast = 0x22, Bridge, "unicast: look for the node behind the MAC address";
    Flooded = 0x23, Bridge, "broadcast and multicast: to every node of the network";
    ArpRequest = 0x24, Bridge, "ARP requests: look for an answer before anything leaves this host";
    ArpProbe = 0x25, Bridge, "duplicate address detection: never answered here, asks every node of the network";
    NetworkFromTunnel = 0x26, Network, "VNI of {} to its local VLAN";
    LearnFromTunnel = 0x27, Bridge, "learns which tunnel a MAC address came through, then hands the packet to br-int";
    PortUnicast = 0x28, Port, "unicast to {} on its node";
    PortArpAnswer = 0x29, Port, "answers ARP requests for {} in its place";
    PortArpLocal = 0x2a, Port, "{} is on this host and answers ARP itself: its requests need not leave";
    PortArpAnnounce = 0x2b, Port, "the address of {} announced by its user (gratuitous ARP): never answered, told to every node of the network";
    NetworkFlood = 0x2c, Network, "broadcast, multicast and unknown unicast of {} to every node that has ports of it";
    FirewallForget = 0x40, Bridge, "what arrives with the connection state of somebody else loses it first";
    FirewallInvalid = 0x41, Bridge, "refuses packets that belong to no connection as it is known";
    FirewallAccepted = 0x42, Bridge, "accepted from a port: on to the switch";
    FirewallFragment = 0x5c, Bridge, "reads what the first fragment of a packet carries, which fragments do not show";
    PortFiltered = 0x43, Port, "what {} sends goes through its firewall";
    PortUnfiltered = 0x44, Port, "what {} sends passes: its port security is off";
    PortReached = 0x45, Port, "what is sent to {} goes through its firewall";
    PortArpOut = 0x46, Port, "ARP and RARP that {} sends with an address that it owns";
    PortNeighbourOut = 0x47, Port, "neighbour discovery and multicast reports that {} sends with an address that it owns, or as long as it has none";
    PortAdvertised = 0x48, Port, "half of an answer of {} to neighbour discovery: its target, or its sender, is an address that it owns";
    PortDhcpOut = 0x49, Port, "DHCP requests of {}";
    PortServerOut = 0x4a, Port, "refuses answers of a DHCP server, advertisements of a router and of others' addresses from {}, and what hides that it is one";
    PortSender = 0x4b, Port, "packets of {} from an address that it owns: to the rules of its security groups";
    PortForged = 0x4c, Port, "refuses everything else that {} sends: from addresses that it does not own";
    PortCut = 0x4d, Port, "refuses packets of connections of {} that no rule allows any more";
    PortAnswer = 0x4e, Port, "answers to what a rule of {} allowed, and ICMP errors about it";
    PortNoRule = 0x4f, Port, "refuses what no rule of {} allows";
    PortRevoked = 0x50, Port, "marks a connection of {} that no rule allows any more: it is cut";
    PortAccepted = 0x51, Port, "accepted from {}: its connection is kept, or the mark taken off it that a rule had allowed no more";
    PortNeighbourIn = 0x52, Port, "ARP, neighbour discovery and router advertisements to {}";
    PortDhcpIn = 0x53, Port, "answers of DHCP servers to {}";
    PortTracked = 0x54, Port, "packets to {}: to the rules of its security groups";
    PortDelivered = 0x55, Port, "accepted to {}: its connection is kept, and it goes there";
    PortFragment = 0x56, Port, "later fragments of connections of {}: they pass if the first one does";
    PairReached = 0x59, Network, "what is sent to a MAC address of an address pair of {} goes through the firewall of each port that has it";
    PortInvalid = 0x5a, Port, "refuses packets of {} that belong to no connection as it is known";
    PortBegins = 0x5b, Port, "what {} begins, or others begin with it, and a rule allows";
    GroupRule = 0x57, SecurityGroup, "a rule of {}";
    RemoteAddress = 0x58, Bridge, "an address of a member of a security group, or of an address group: half of the rules that name it as their other side";
    ArpToHeddle = 0x2d, Network, "ARP requests of {}: Heddle answers for ports on other nodes, or sends them on";
    Learnt = 0x2f, Bridge, "learnt by the switch from a packet that came through a tunnel";
    Solicitation = 0x30, Bridge, "neighbour solicitations: look for an answer before anything leaves this host";
    SolicitationToHeddle = 0x31, Network, "neighbour solicitations of {} that no flow answers: Heddle does, or sends them on";
    PortNdAnswer = 0x32, Port, "answers neighbour solicitations for {} in its place: from here on they are advertisements";
    Advertise = 0x33, Bridge, "completes an advertisement that was a solicitation and sends it back";
    PortNdLocal = 0x34, Port, "{} is on this host and advertises itself: its solicitations need not leave";
    Unheard = 0x70, Bridge, "packets between stations of which one is not known go up: this is a learning bridge";
    Reserved = 0x71, Bridge, "what neighbouring bridges tell each other (LLDP, spanning tree) goes no further";
    NoStation = 0x72, Bridge, "drops what claims to come from a group address";
    Bridged = 0x7f, Bridge, "between two stations that this learning bridge has heard";
}

impl Kind {
    /// True for flows whose absence would open something: what they stop, or lead to its check, passes by other flows.
    pub const fn is_guard(self) -> bool {
        use Kind::{PairReached, PortAdvertisement, PortArp, PortReached, PortRevoked, PortServerOut};
        matches!(self, PortArp | PortAdvertisement | PortReached | PairReached | PortServerOut | PortRevoked)
    }

    /// True for flows that are there only where the firewall is on.
    pub const fn is_firewall(self) -> bool {
        matches!(self as u8, 0x40..=0x5f)
    }
}

/// The cookie of a flow of `kind` for the object named `object` (nothing for the bridge itself).
pub fn cookie(kind: Kind, object: &str) -> Cookie {
    let object = if matches!(kind.object_kind(), ObjectKind::Bridge) { 0 } else { object_number(object) };
    Cookie(OURS << 48 | (kind as u64) << 40 | u64::from(object))
}

/// Stable over restarts and files: FNV-1a of the object's name. Two objects may share a number;
/// nothing but an explanation depends on it.
pub fn object_number(name: &str) -> u32 {
    name.bytes().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

/// Takes a cookie apart. `None`: not ours. A kind that this version does not know is `Err` of its code.
pub fn decode(cookie: Cookie) -> Option<(Result<Kind, u8>, u32)> {
    if cookie.0 >> 48 != OURS {
        return None;
    }
    let code = (cookie.0 >> 40) as u8;
    Some((Kind::from_code(code).ok_or(code), cookie.0 as u32))
}

/// True for a flow that a learning bridge wrote as its answer to a packet: it goes by its timeouts.
pub fn is_bridged(cookie: Cookie) -> bool {
    matches!(decode(cookie), Some((Ok(Kind::Bridged), _)))
}

/// True for a flow whose absence would open something.
pub fn is_guard(cookie: Cookie) -> bool {
    matches!(decode(cookie), Some((Ok(kind), _)) if kind.is_guard())
}

/// True for a flow that `learn` made: the switch's own, never swept.
pub fn is_learnt(cookie: Cookie) -> bool {
    matches!(decode(cookie), Some((Ok(Kind::Learnt), _)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_decodes_to_its_reason() {
        for &kind in Kind::ALL {
            let made = cookie(kind, "web1");
            let object = if kind.object_kind() == ObjectKind::Bridge { 0 } else { object_number("web1") };
            assert_eq!(decode(made), Some((Ok(kind), object)));
            assert_eq!(kind.words().contains("{}"), kind.object_kind() != ObjectKind::Bridge, "{kind:?}");
        }
        assert_eq!(decode(Cookie(0)), None);
        assert_eq!(decode(Cookie(0x4ed1_ff00_0000_0001)), Some((Err(0xff), 1)));
    }

    #[test]
    fn only_learnt_flows_are_learnt() {
        let learnt: Vec<_> = Kind::ALL.iter().filter(|&&kind| is_learnt(cookie(kind, "x"))).collect();
        assert_eq!(learnt, [&Kind::Learnt]);
    }
}
