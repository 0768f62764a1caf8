//! Connection tracking: `ct` and `nat` (`ovs-actions(7)`).

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::openflow::flags::flags;
use crate::openflow::{DecodeError, EncodeError, ErrorCode, Reader, TableId, Writer};

use super::decode::Refused;
use super::subfield::{encode_short_header, short_header};
use super::{Action, Subfield};

flags! {
    /// `NX_CT_F_*`.
    CtFlags(u16) {
        /// The connection is kept.
        COMMIT = 0 => "commit",
        /// It is made anew where there is one the other way round.
        FORCE = 1 => "force",
    }
}

flags! {
    /// `NX_NAT_F_*`.
    NatFlags(u16) {
        /// The source is translated.
        SRC = 0 => "src",
        /// The destination is translated.
        DST = 1 => "dst",
        /// The same address for a host every time.
        PERSISTENT = 2 => "persistent",
        /// The port by a hash.
        PROTO_HASH = 3 => "hash",
        /// The port at random.
        PROTO_RANDOM = 4 => "random",
    }
}

impl NatFlags {
    const ALL: u16 = 0x1f;
}

/// `NXAST_CT`.
///
/// | byte | field          |                                              |
/// |-----:|----------------|----------------------------------------------|
/// |   10 | `flags`        |                                              |
/// |   12 | `zone_src`     | header, or 0 where the zone is a number      |
/// |   16 | `zone`         | the number, or offset and width of `zone_src` |
/// |   18 | `recirc_table` | 255: the packet does not come back           |
/// |   19 | padding        | 3 bytes                                      |
/// |   22 | `alg`          | port of the protocol's helper, or 0          |
/// |   24 | `actions`      | `nat`, and what sets the connection's fields |
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Conntrack {
    /// Whether the connection is kept.
    pub flags: CtFlags,
    /// In which zone.
    pub zone: CtZone,
    /// Where the packet goes on once it was tracked; [`TableId::ALL`]: nowhere.
    pub recirc_table: TableId,
    /// 21: FTP; 69: TFTP; 0: none.
    pub alg: u16,
    /// What happens with the connection.
    pub actions: Vec<Action>,
}

/// The zone of a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CtZone {
    /// A number.
    Number(u16),
    /// What stands in these 16 bits.
    Field(Subfield),
}

impl Conntrack {
    pub(super) fn encode(&self, writer: &mut Writer) -> Result<(), EncodeError> {
        writer.u16(self.flags.0);
        match self.zone {
            CtZone::Number(zone) => {
                writer.u32(0);
                writer.u16(zone);
            }
            CtZone::Field(src) => {
                encode_short_header(src.field, writer);
                writer.u16(src.packed());
            }
        }
        writer.u8(self.recirc_table.0);
        writer.zeros(3);
        writer.u16(self.alg);
        self.actions.iter().try_for_each(|action| action.encode(writer))
    }

    /// Reads what follows the subtype; `depth` lists of actions stand around it.
    pub(super) fn decode(body: &mut Reader<'_>, depth: u8) -> Result<Self, Refused> {
        let start = *body;
        let flags = CtFlags(body.u16("ct.flags")?);
        let bad = |what, found, expected, code| Refused::from(start.error(what, found, expected, code));
        if flags.contains(CtFlags::FORCE) && !flags.contains(CtFlags::COMMIT) {
            return Err(bad("ct.flags", flags.0.into(), "commit beside force", ErrorCode::BAC_BAD_ARGUMENT));
        }
        let mut zone_src = *body;
        let header = body.u32("ct.zone_src")?;
        let zone = body.u16("ct.zone")?;
        let zone = match header {
            0 => CtZone::Number(zone),
            _ => {
                let src = Subfield::unpacked(short_header(&mut zone_src)?, zone).checked(&zone_src)?;
                if src.bits != 16 {
                    return Err(bad("ct.zone_src", src.bits.into(), "16 bits", ErrorCode::BAC_BAD_SET_LEN));
                }
                CtZone::Field(src)
            }
        };
        let recirc_table = TableId(body.u8("ct.recirc_table")?);
        body.skip(3, "ct.pad")?;
        let alg = body.u16("ct.alg")?;
        let actions = Action::decode_nested(body, depth)?;
        if !flags.contains(CtFlags::COMMIT) && !actions.iter().all(is_plain_nat) {
            let expected = "commit, or no other action than nat without arguments";
            return Err(bad("ct.flags", flags.0.into(), expected, ErrorCode::BAC_BAD_ARGUMENT));
        }
        Ok(Self { flags, zone, recirc_table, alg, actions })
    }
}

/// `nat` without arguments, the one action that a connection takes without being kept.
fn is_plain_nat(action: &Action) -> bool {
    matches!(action, Action::Nat(nat) if nat.flags == NatFlags(0) && nat.addresses.is_none())
}

/// `NXAST_NAT`.
///
/// | byte | field           |                                                 |
/// |-----:|-----------------|-------------------------------------------------|
/// |   10 | padding         | 2 bytes                                         |
/// |   12 | `flags`         |                                                 |
/// |   14 | `range_present` | which of the following are there                |
/// |   16 | range           | lowest and highest address, lowest and highest port |
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Nat {
    /// What is translated and how; none: as the connection was before.
    pub flags: NatFlags,
    /// To which addresses.
    pub addresses: Option<NatAddresses>,
    /// To which ports.
    pub ports: Option<PortRange>,
}

/// Addresses from the first to the second, or the first alone.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NatAddresses {
    /// Of IPv4.
    Ipv4(Ipv4Addr, Option<Ipv4Addr>),
    /// Of IPv6.
    Ipv6(Ipv6Addr, Option<Ipv6Addr>),
}

/// Ports from the first to the second, or the first alone.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PortRange {
    /// The lowest; not 0.
    pub min: u16,
    /// The highest.
    pub max: Option<u16>,
}

const IPV4_MIN: u16 = 1;
const IPV4_MAX: u16 = 2;
const IPV6_MIN: u16 = 4;
const IPV6_MAX: u16 = 8;
const PROTO_MIN: u16 = 16;
const PROTO_MAX: u16 = 32;

/// `bit` if there is a second end.
fn upper<T>(end: Option<T>, bit: u16) -> u16 {
    end.map_or(0, |_| bit)
}

impl Nat {
    pub(super) fn encode(&self, writer: &mut Writer) {
        writer.zeros(2);
        writer.u16(self.flags.0);
        let addresses = match self.addresses {
            None => 0,
            Some(NatAddresses::Ipv4(_, max)) => IPV4_MIN | upper(max, IPV4_MAX),
            Some(NatAddresses::Ipv6(_, max)) => IPV6_MIN | upper(max, IPV6_MAX),
        };
        writer.u16(addresses | self.ports.map_or(0, |ports| PROTO_MIN | upper(ports.max, PROTO_MAX)));
        match self.addresses {
            None => {}
            Some(NatAddresses::Ipv4(min, max)) => {
                [Some(min), max].into_iter().flatten().for_each(|address| writer.bytes(&address.octets()));
            }
            Some(NatAddresses::Ipv6(min, max)) => {
                [Some(min), max].into_iter().flatten().for_each(|address| writer.bytes(&address.octets()));
            }
        }
        if let Some(ports) = self.ports {
            [Some(ports.min), ports.max].into_iter().flatten().for_each(|port| writer.u16(port));
        }
    }

    /// Reads what follows the subtype.
    pub(super) fn decode(body: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let start = *body;
        body.skip(2, "nat.pad")?;
        let flags = NatFlags(body.u16("nat.flags")?);
        let present = body.u16("nat.range_present")?;
        let bad = |what, found, expected| start.error(what, u64::from(found), expected, ErrorCode::BAC_BAD_ARGUMENT);
        let both = |one, other| flags.contains(one) && flags.contains(other);
        if flags.0 & !NatFlags::ALL != 0
            || both(NatFlags::SRC, NatFlags::DST)
            || both(NatFlags::PROTO_HASH, NatFlags::PROTO_RANDOM)
        {
            return Err(bad("nat.flags", flags.0, "known ones, not both of src and dst or of hash and random"));
        }
        // Whatever is missing or wrong in a range is a bad argument.
        let out_of_range = |_| bad("nat.range_present", present, "a range whose ends are there, the lower one first");
        let addresses = decode_addresses(body, present).ok_or(()).map_err(out_of_range)?;
        let ports = decode_ports(body, present).ok_or(()).map_err(out_of_range)?;
        if ports.is_some() && addresses.is_none() {
            return Err(bad("nat.range_present", present, "addresses beside ports"));
        }
        Ok(Self { flags, addresses, ports })
    }
}

/// The ends of a range of which `min` and `max` say whether they are there. `None`: it is none.
fn ends<T: PartialOrd + Copy>(
    (min, max): (bool, bool),
    zero: T,
    mut next: impl FnMut() -> Option<T>,
) -> Option<Option<(T, Option<T>)>> {
    if !min {
        return (!max).then_some(None);
    }
    let low = next().filter(|low| *low != zero)?;
    let high = if max { Some(next().filter(|high| *high >= low)?) } else { None };
    Some(Some((low, high)))
}

fn decode_addresses(body: &mut Reader<'_>, present: u16) -> Option<Option<NatAddresses>> {
    let there = |bit| present & bit != 0;
    let (v4, v6) = ((there(IPV4_MIN), there(IPV4_MAX)), (there(IPV6_MIN), there(IPV6_MAX)));
    if v4.0 || v4.1 {
        if v6.0 || v6.1 {
            return None;
        }
        let found = ends(v4, Ipv4Addr::UNSPECIFIED, || body.array::<4>("nat.ipv4").ok().map(Ipv4Addr::from))?;
        return Some(found.map(|(min, max)| NatAddresses::Ipv4(min, max)));
    }
    let found = ends(v6, Ipv6Addr::UNSPECIFIED, || body.array::<16>("nat.ipv6").ok().map(Ipv6Addr::from))?;
    Some(found.map(|(min, max)| NatAddresses::Ipv6(min, max)))
}

fn decode_ports(body: &mut Reader<'_>, present: u16) -> Option<Option<PortRange>> {
    let there = (present & PROTO_MIN != 0, present & PROTO_MAX != 0);
    let found = ends(there, 0, || body.u16("nat.proto").ok())?;
    Some(found.map(|(min, max)| PortRange { min, max }))
}
