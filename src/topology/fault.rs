//! What can be wrong with a file or a value, and where.

use std::fmt;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use ipnetwork::IpNetwork;

use super::document::clip;
use super::{MtuLimit, Name};
use crate::openflow::MacAddr;

/// A file that is not used because of what is wrong in it: at least one problem, in the order of the file.
/// Prints one problem per line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    pub(crate) problems: Vec<Problem>,
    pub(crate) more: usize,
}

impl Refused {
    /// The first problems, never empty.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// How many problems there are beyond [`Refused::problems`].
    pub fn more(&self) -> usize {
        self.more
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            let newline = if index == 0 { "" } else { "\n" };
            write!(out, "{newline}{problem}")?;
        }
        if self.more > 0 { write!(out, "\nand {} more", self.more) } else { Ok(()) }
    }
}

impl std::error::Error for Refused {}

/// A port that does not fit into the topology: at least one problem. Prints them on one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    pub(crate) problems: Vec<Problem>,
}

impl Conflict {
    /// What is wrong with the port, never empty.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }
}

impl fmt::Display for Conflict {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            write!(out, "{separator}{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Conflict {}

/// A place in a text file, both counted from 1; the column counts characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The line.
    pub line: u32,
    /// The column.
    pub column: u32,
}

/// One step from a TOML value to a value inside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Into a table.
    Key(Box<str>),
    /// Into an array, counted from 0.
    Index(usize),
}

/// A value of a file by its keys, such as `ports.web1.fixed_ips[0]`. Without steps: the whole file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Place(pub Vec<Step>);

impl fmt::Display for Place {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bare = |key: &str| !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
        for (index, step) in self.0.iter().enumerate() {
            let dot = if index == 0 { "" } else { "." };
            match step {
                Step::Key(key) if bare(key) => write!(out, "{dot}{}", clip(key))?,
                Step::Key(key) => write!(out, "{dot}{:?}", clip(key))?,
                Step::Index(number) => write!(out, "[{number}]")?,
            }
        }
        Ok(())
    }
}

/// One thing that is wrong: where, and what. Prints as `file:line:column: place: found …, expected …`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file; none for a value that comes from no file.
    pub file: Option<Arc<str>>,
    /// The line and column of the value, of its key if the key is wrong, of the table's header if the value is missing.
    pub position: Option<Position>,
    /// The value.
    pub place: Place,
    /// What is wrong with it.
    pub fault: Fault,
    /// The value that stands against it, if two cannot be together: the first of both in the file.
    pub other: Option<(Place, Option<Position>)>,
}

impl Problem {
    pub(crate) fn new(place: Place, fault: Fault) -> Self {
        Self { file: None, position: None, place, fault, other: None }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = &self.file {
            write!(out, "{file}:")?;
            if let Some(Position { line, column }) = self.position {
                write!(out, "{line}:{column}:")?;
            }
            write!(out, " ")?;
        }
        if !self.place.0.is_empty() {
            write!(out, "{}: ", self.place)?;
        }
        write!(out, "{}", self.fault)?;
        match &self.other {
            Some((place, Some(Position { line, .. }))) => write!(out, "; {place} is at line {line}"),
            Some((place, None)) => write!(out, "; the other is {place}"),
            None => Ok(()),
        }
    }
}

/// What is wrong, in the form "found …, expected …".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the message of each says what it is")]
pub enum Fault {
    // The file.
    #[error("cannot read it: {0}")]
    Io(io::ErrorKind),
    #[error("found more than {limit} bytes, expected at most that many")]
    TooLarge { limit: u64 },
    #[error("found the byte 0x{0:02x}, expected text in UTF-8")]
    NotUtf8(u8),
    #[error("not TOML: {0}")]
    Syntax(Box<str>),

    // Its shape.
    #[error("found an unknown key, expected {}", Listed(.known))]
    UnknownKey { known: &'static [&'static str] },
    #[error("found no {key}, expected {expected}")]
    Missing { key: &'static str, expected: &'static str },
    #[error("found {found}, expected {expected}")]
    WrongType { found: &'static str, expected: &'static str },
    #[error("found no node, expected at least one [nodes.NAME]")]
    NoNodes,

    // Single values.
    #[error("found {0:?}, expected a name of 1 to 255 bytes without control characters")]
    BadName(Box<str>),
    #[error("found {0:?}, expected an interface name: 1 to 15 bytes, no white space, '/' or ':', not \".\" or \"..\"")]
    BadDevice(Box<str>),
    #[error("found {0:?}, expected an Ethernet address such as fa:16:3e:00:00:01")]
    BadMac(Box<str>),
    #[error("found {0}, expected a unicast Ethernet address")]
    MacNotUnicast(MacAddr),
    #[error("found {0:?}, expected an IP address such as 192.0.2.1 or 2001:db8::1")]
    BadAddress(Box<str>),
    #[error("found {0}, expected a unicast address")]
    AddressNotUnicast(IpAddr),
    #[error("found {0:?}, expected a block of addresses such as 172.18.0.0/24 or 2001:db8::/64")]
    BadCidr(Box<str>),
    #[error("found {found}, which has host bits set, expected the network address: {expected}")]
    HostBits { found: IpNetwork, expected: IpNetwork },
    #[error("found {0:?}, expected \"local\", \"flat\", \"vlan\" or \"vxlan\"")]
    BadType(Box<str>),
    #[error("found {0:?}, expected \"slaac\", \"dhcpv6-stateful\" or \"dhcpv6-stateless\"")]
    BadIpv6Mode(Box<str>),
    #[error("found {0:?}, expected a domain name such as example.org")]
    BadDomainName(Box<str>),
    #[error("found {0:?}, expected a host name or an IP address")]
    BadHost(Box<str>),
    #[error("found {0:?}, expected a file name of 1 to 255 printable ASCII characters without spaces")]
    BadFileName(Box<str>),
    #[error("found a list of {found}, expected at most {most}")]
    TooMany { found: usize, most: usize },
    #[error("found {found}, expected {what} from {low} to {high}")]
    OutOfRange { found: Box<str>, what: &'static str, low: u32, high: u32 },
    #[error("found one in a network of type {kind}, expected none")]
    NotAllowed { kind: &'static str },

    // One value against another.
    #[error("found no tunnel_ip, expected one: the node has ports of a VXLAN network")]
    NoTunnelIp,
    #[error("found {0}, expected an address that no other node has")]
    TunnelIpTaken(IpAddr),
    #[error("found {0}, expected a VNI that no other network has")]
    VniTaken(u32),
    #[error("found {id}, expected a VLAN id that no other network has on {physical_network:?}")]
    VlanTaken { id: u16, physical_network: Name },
    #[error("found {0:?}, expected a physical network without another flat network")]
    FlatTaken(Name),
    #[error("found {found}, expected a block that does not overlap {other}")]
    Overlap { found: IpNetwork, other: IpNetwork },
    #[error("found {found}, expected an address of the subnet {cidr}")]
    OutsideSubnet { found: IpAddr, cidr: IpNetwork },
    #[error("found enable_dhcp without a server's address, expected dhcp_server_ip or gateway_ip")]
    NoDhcpServer,
    #[error("found {0}, expected an address that is not the DHCP server's")]
    ServerAddress(IpAddr),
    #[error("found {found}, expected an {family} address like those of the subnet")]
    WrongFamily { found: IpAddr, family: &'static str },
    #[error("found {0} again, expected one route to each destination")]
    RouteTwice(IpNetwork),
    #[error("found a mode of IPv6 in the subnet {0}, expected none")]
    ModeOfIpv4(IpNetwork),
    #[error("found {mode:?} in the subnet {cidr}, expected a /64: hosts make addresses of no other (RFC 4291 §2.5.1)")]
    NotAutonomous { mode: &'static str, cidr: IpNetwork },
    #[error("found {found:?}, expected {expected:?} or none: both modes say how hosts come by addresses")]
    ModesDiffer { found: &'static str, expected: &'static str },
    #[error("found {mode:?} with DHCP off, expected enable_dhcp = true beside it")]
    DhcpOff { mode: &'static str },
    #[error("found {found}, expected neither the network address nor the broadcast address of {cidr}")]
    Reserved { found: IpAddr, cidr: IpNetwork },
    #[error("found {found}, expected at most {limit}")]
    MtuTooLarge { found: u16, limit: MtuLimit },
    #[error("found room for packets of {limit}, expected {least} or more")]
    MtuTooSmall { limit: MtuLimit, least: u16 },
    #[error("found {0:?}, expected the name of a network in this file")]
    UnknownNetwork(Name),
    #[error("found {0:?}, expected the name of a node in this file")]
    UnknownNode(Name),
    #[error("found {mac}, expected an address that no other port of network {network:?} has")]
    MacTaken { mac: MacAddr, network: Name },
    #[error("found {address}, expected an address that no other port of network {network:?} has")]
    AddressTaken { address: IpAddr, network: Name },
    #[error("found {address}, expected an address inside a subnet of network {network:?}")]
    OutsideSubnets { address: IpAddr, network: Name },
    #[error("found {address}, but network {network:?} has no subnet, expected no fixed address")]
    NoSubnets { address: IpAddr, network: Name },
    #[error("found {interface:?}, expected an interface that no other port of node {node:?} has")]
    InterfaceTaken { interface: Name, node: Name },

    // Security groups.
    #[error("found {0:?}, expected \"ingress\" or \"egress\"")]
    BadDirection(Box<str>),
    #[error("found {0:?}, expected \"IPv4\" or \"IPv6\"")]
    BadEthertype(Box<str>),
    #[error("found {0:?}, expected \"drop\", \"accept\" or \"all\"")]
    BadLog(Box<str>),
    #[error("found {0:?}, expected a protocol: \"any\", a name such as \"tcp\" or \"icmp\", or a number from 0 to 255")]
    BadProtocol(Box<str>),
    #[error("found {0}, which is a protocol of IPv6, in a rule for IPv4; expected ethertype = \"IPv6\"")]
    ProtocolOfIpv6(&'static str),
    #[error("found {0:?}, expected a port or a range of ports from 1 to 65535 such as \"22\" or \"8000-8010\"")]
    BadPortRange(Box<str>),
    #[error("found {first}-{last}, expected the lower port first: {last}-{first}")]
    ReversedPortRange { first: u16, last: u16 },
    #[error("found ports without a protocol, expected protocol = \"tcp\", \"udp\" or \"sctp\" with them")]
    PortsWithoutProtocol,
    #[error("found ports for protocol {0}, expected none: only tcp, udp and sctp have ports to look at")]
    NoPorts(Box<str>),
    #[error("found it for protocol {0}, expected protocol = \"icmp\" with it")]
    NoIcmp(Box<str>),
    #[error("found {found} in a rule for {ethertype}, expected addresses of that family")]
    OtherFamily { found: IpNetwork, ethertype: &'static str },
    #[error("found another other side, expected one of remote_ip_prefix, remote_group and remote_address_group")]
    SeveralRemotes,
    #[error("found {0:?}, expected the name of a security group in this file")]
    UnknownGroup(Name),
    #[error("found {0:?}, expected the name of an address group in this file")]
    UnknownAddressGroup(Name),
    #[error("found {0:?} again, expected each group once")]
    GroupTwice(Box<str>),
    #[error("found a stateful and a stateless group, expected groups of a port to be all the one or all the other")]
    MixedStates,
    #[error("found security groups in a topology without any, expected the table [security_groups] in its file")]
    NoFirewall,

    // heddle.toml.
    #[error(
        "found {0:?}, expected ADDRESS or ADDRESS:PORT such as \"127.0.0.1:6633\" or \"[::1]:6633\", or ssl: and that"
    )]
    BadListen(Box<str>),
    #[error(
        "found {0}, which others than this host reach, without TLS; expected \"ssl:{0}\" and [tls], or insecure = true in \
         [openflow]"
    )]
    ExposedListen(std::net::SocketAddr),
    #[error(
        "found {0:?}, which is beyond this host, without TLS; expected ssl: and [tls], or insecure = true in [ovsdb]"
    )]
    ExposedRemote(Box<str>),
    #[error("found none and ssl: above, expected private_key, certificate and ca_certificate")]
    NoTls,
    #[error("found an empty path, expected that of a file in PEM")]
    NoPemFile,
    #[error("found {0:?}, expected ADDRESS or ADDRESS:PORT such as \"127.0.0.1:9633\", or \"\" for none")]
    BadMetricsListen(Box<str>),
    #[error("found an empty list, expected at least one address to listen on")]
    NoListen,
    #[error("found {0} again, expected each address once")]
    ListenTwice(std::net::SocketAddr),
    #[error("found {0:?}, expected \"unix:PATH\", \"tcp:HOST:PORT\" or \"ssl:HOST:PORT\", an IPv6 address in brackets")]
    BadRemote(Box<str>),
    #[error("found {0:?}, expected \"system\" or \"netdev\"")]
    BadDatapathType(Box<str>),
    #[error("found an empty path, expected that of the topology file")]
    NoPath,
    #[error("found {0:?}, expected a bridge that is used for nothing else")]
    BridgeTaken(Name),
    #[error("found {0:?}, expected true, false or \"controller\"")]
    BadResponder(Box<str>),
    #[error("found {0:?} again, expected each bridge once")]
    BridgeTwice(Name),
    #[error(
        "found no node {0:?}, which is this host's name, expected [nodes.{0}] here or another `node` in heddle.toml"
    )]
    ThisNodeMissing(Name),
    #[error(
        "found {physical_network:?}, which this host has no bridge for, though ports of the network are on it; expected \
         {physical_network:?} = \"BRIDGE\" under [bridges] physical in heddle.toml"
    )]
    NoBridge { physical_network: Name },
}

/// Prints `a, b or c`.
struct Listed<'a>(&'a [&'a str]);

impl fmt::Display for Listed<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, word) in self.0.iter().enumerate() {
            let before = if index == 0 {
                ""
            } else if index + 1 == self.0.len() {
                " or "
            } else {
                ", "
            };
            write!(out, "{before}{word}")?;
        }
        Ok(())
    }
}
