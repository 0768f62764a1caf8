//! What a match says of a field, on its bytes.

use super::compare::Set;
use super::lex::Word;
use super::{FilterError, Operator};
use crate::cli::keyed::known_field;
use crate::flow::parse::{self, Lookup};
use crate::openflow::Reader;
use crate::openflow::matching::VLAN_PRESENT;
use crate::openflow::oxm::{self, Field, Format, Tlv, Tlvs};

/// What a key asks of a match.
#[derive(Clone, Copy, Debug)]
enum Target {
    /// The one of these fields that is there; values read as those of the first.
    Fields(&'static [&'static Field]),
    /// One field.
    Field(&'static Field),
    /// The type of service byte, which the wire has as six bits.
    TypeOfService,
    /// The VLAN id of a tagged packet.
    Vid,
    /// The priority of a tagged packet.
    Pcp,
    /// These bits of the tag; bit 12 says that there is one.
    Tci(u16),
    /// A keyword: Ethernet type and IP protocol, the latter 0 for one that has no keyword of its own.
    Protocol(u16, u8),
    /// `eth`: a packet with a frame.
    Frame,
}

static TRANSPORT_SOURCE: &[&Field] = &[&oxm::TCP_SRC, &oxm::UDP_SRC, &oxm::SCTP_SRC];
static TRANSPORT_DESTINATION: &[&Field] = &[&oxm::TCP_DST, &oxm::UDP_DST, &oxm::SCTP_DST];
static ICMP_TYPE: &[&Field] = &[&oxm::ICMPV4_TYPE, &oxm::ICMPV6_TYPE];
static ICMP_CODE: &[&Field] = &[&oxm::ICMPV4_CODE, &oxm::ICMPV6_CODE];
static IN_PORT: &[&Field] = &[&oxm::IN_PORT, &oxm::IN_PORT_16];

/// Keys that are no fields of the registry, protocols apart.
pub(super) const OTHER_KEYS: [&str; 3] = ["dl_vlan", "dl_vlan_pcp", "eth"];

impl Target {
    fn by_name(name: &str) -> Option<Self> {
        Some(match name {
            "tp_src" => Self::Fields(TRANSPORT_SOURCE),
            "tp_dst" => Self::Fields(TRANSPORT_DESTINATION),
            "icmp_type" => Self::Fields(ICMP_TYPE),
            "icmp_code" => Self::Fields(ICMP_CODE),
            "in_port" | "in_port_oxm" => Self::Fields(IN_PORT),
            "nw_tos" | "ip_tos" => Self::TypeOfService,
            "dl_vlan" => Self::Vid,
            "dl_vlan_pcp" | "vlan_pcp" => Self::Pcp,
            "vlan_vid" => Self::Tci(0x1fff),
            "vlan_tci" => Self::Tci(0xffff),
            "eth" => Self::Frame,
            _ => {
                if let Some((eth_type, ip_proto)) = parse::protocol(name) {
                    Self::Protocol(eth_type, ip_proto)
                } else {
                    Self::Field(known_field(name)?)
                }
            }
        })
    }

    /// The value in a match.
    fn of(self, tlvs: &[u8]) -> Option<Set> {
        match self {
            Self::Field(field) => find(tlvs, |tlv| tlv.field() == Some(field)).map(|tlv| set(&tlv, width(field, &tlv))),
            Self::Fields(fields) => {
                let tlv = find(tlvs, |tlv| tlv.field().is_some_and(|field| fields.contains(&field)))?;
                Some(set(&tlv, first(fields).bits))
            }
            Self::TypeOfService => {
                let tos = find(tlvs, |tlv| [Some(&oxm::IP_DSCP), Some(&oxm::IP_TOS)].contains(&tlv.field()))?;
                let number = tos.number_value();
                Some(Set::exactly(if tos.field() == Some(&oxm::IP_DSCP) { number << 2 } else { number & 0xfc }))
            }
            Self::Vid | Self::Pcp | Self::Tci(_) => self.of_tag(tag(tlvs)?),
            Self::Protocol(eth_type, ip_proto) => is_protocol(tlvs, eth_type, ip_proto).then_some(Set::exactly(1)),
            Self::Frame => find(tlvs, |tlv| tlv.field() == Some(&oxm::PACKET_TYPE) && tlv.number_value() == 0)
                .map(|_| Set::exactly(1)),
        }
    }

    fn of_tag(self, tag: Set) -> Option<Set> {
        let tagged = tag.value & tag.mask & u128::from(VLAN_PRESENT) != 0;
        match self {
            Self::Tci(bits) => Some(Set::new(tag.value, tag.mask).within(bits.count_ones() as u16)),
            Self::Vid if tagged && tag.mask & 0xfff == 0xfff => Some(Set::exactly(tag.value & 0xfff)),
            Self::Pcp if tagged && tag.mask & 0xe000 == 0xe000 => Some(Set::exactly(tag.value >> 13)),
            _ => None,
        }
    }

    /// Reads a value as a match has it.
    fn operand(self, value: Word<'_>, names: &dyn Lookup) -> Result<Set, FilterError> {
        let of_field = |field: &Field, bits: u16| {
            let (number, mask) = parse::field_value(value.text, field, names).map_err(|error| FilterError {
                column: value.at + error.column,
                found: format!("\"{}\"", error.found),
                expected: error.expected.to_owned(),
            })?;
            Ok(Set::new(number, mask).within(bits))
        };
        let below = |limit: u128, expected: &str| match parse::number(value.text) {
            Some(number) if number < limit => Ok(Set::exactly(number)),
            _ => Err(value.error(expected)),
        };
        match self {
            Self::Field(field) => of_field(field, field.bits),
            Self::Fields(fields) => of_field(first(fields), first(fields).bits),
            Self::TypeOfService => below(0x100, "a number from 0 to 255"),
            Self::Vid => below(0x1000, "a VLAN id from 0 to 4095; no tag is vlan_tci=0/0x1fff"),
            Self::Pcp => below(8, "a priority from 0 to 7"),
            Self::Tci(0xffff) => of_field(&oxm::VLAN_TCI, 16),
            Self::Tci(bits) => {
                let set = of_field(&oxm::VLAN_VID, bits.count_ones() as u16)?;
                // People mean a tag, and leave out the bit that says so.
                let id_alone = set.is_one() && (1..u128::from(VLAN_PRESENT)).contains(&set.value);
                Ok(if id_alone { Set { value: set.value | u128::from(VLAN_PRESENT), ..set } } else { set })
            }
            Self::Protocol(..) | Self::Frame => Err(value.error("true or false, or no value: this is a protocol")),
        }
    }

    /// The bits of the flags in `value`, if it names some without saying whether they are set.
    fn mentioned(self, value: Word<'_>, names: &dyn Lookup) -> Option<u128> {
        let Self::Field(field) = self else { return None };
        let flags = matches!(field.format, Format::ConnectionState | Format::TcpFlags | Format::TunnelFlags);
        if !flags || !value.text.starts_with(|c: char| c.is_ascii_alphabetic()) {
            return None;
        }
        parse::field_value(value.text, field, names).ok().map(|(bits, _)| bits)
    }
}

/// Bits of a value: those of the field, or as many as an option of a tunnel has on the wire.
fn width(field: &Field, tlv: &Tlv<'_>) -> u16 {
    if field.is_variable() { tlv.value.len() as u16 * 8 } else { field.bits }
}

fn first(fields: &'static [&'static Field]) -> &'static Field {
    fields.first().expect("no key stands for no field")
}

fn find<'t>(tlvs: &'t [u8], wanted: impl Fn(&Tlv<'t>) -> bool) -> Option<Tlv<'t>> {
    Tlvs::new(Reader::new(tlvs)).map_while(Result::ok).find(wanted)
}

/// What a field says in its lowest `bits` bits.
fn set(tlv: &Tlv<'_>, bits: u16) -> Set {
    let mask = tlv.mask.map_or(u128::MAX, |mask| mask.iter().fold(0, |number, &byte| number << 8 | u128::from(byte)));
    Set::new(tlv.number_value(), mask).within(bits)
}

/// The tag's 16 bits from the fields that have parts of it. `None`: none is there.
fn tag(tlvs: &[u8]) -> Option<Set> {
    let mut tag: Option<Set> = None;
    for tlv in Tlvs::new(Reader::new(tlvs)).map_while(Result::ok) {
        let Some(field) = tlv.field() else { continue };
        let part = if field == &oxm::VLAN_TCI {
            Set::new(tlv.number_value(), tlv.mask.map_or(0xffff, |_| set(&tlv, 16).mask & 0xffff))
        } else if field == &oxm::VLAN_VID {
            Set::new(tlv.number_value(), set(&tlv, 13).mask & 0x1fff)
        } else if field == &oxm::VLAN_PCP {
            let present = u128::from(VLAN_PRESENT);
            Set::new((tlv.number_value() & 7) << 13 | present, 0xe000 | present)
        } else {
            continue;
        };
        let whole = tag.get_or_insert(Set { value: 0, mask: 0 });
        *whole = Set { value: whole.value | part.value, mask: whole.mask | part.mask };
    }
    tag
}

/// True if the keyword of this match is the one of these types.
fn is_protocol(tlvs: &[u8], eth_type: u16, ip_proto: u8) -> bool {
    let number = |field| find(tlvs, |tlv| tlv.field() == Some(field)).map(|tlv| tlv.number_value());
    if number(&oxm::ETH_TYPE) != Some(eth_type.into()) {
        return false;
    }
    let found = number(&oxm::IP_PROTO).map_or(0, |number| number as u8);
    found == ip_proto || ip_proto == 0 && !parse::has_keyword(eth_type, found)
}

/// What a comparison asks of a value.
#[derive(Clone, Copy, Debug)]
enum Comparison {
    /// That it is there.
    There,
    /// How it compares.
    With(Operator, Set),
    /// That it says of these flags whether they are set.
    Mentions(u128),
}

/// A test of one field.
#[derive(Debug)]
pub(super) struct FieldTest {
    target: Target,
    comparison: Comparison,
}

impl FieldTest {
    /// `None`: `key` is no field.
    pub(super) fn new(
        key: Word<'_>,
        comparison: Option<(Operator, Word<'_>)>,
        names: &dyn Lookup,
    ) -> Result<Option<Self>, FilterError> {
        let Some(target) = Target::by_name(key.text) else { return Ok(None) };
        let comparison = match comparison {
            None => Comparison::There,
            Some((Operator::Contains, value)) if target.mentioned(value, names).is_some() => {
                Comparison::Mentions(target.mentioned(value, names).unwrap_or_default())
            }
            Some((operator, value)) => {
                let set = target.operand(value, names)?;
                if !set.is_one() && !matches!(operator, Operator::Equal | Operator::Contains) {
                    return Err(value.error("one value without a mask, to compare with < or >"));
                }
                Comparison::With(operator, set)
            }
        };
        Ok(Some(Self { target, comparison }))
    }

    pub(super) fn holds(&self, tlvs: &[u8]) -> bool {
        let Some(found) = self.target.of(tlvs) else { return false };
        match self.comparison {
            Comparison::There => true,
            Comparison::With(operator, set) => found.compare(operator, set),
            Comparison::Mentions(bits) => found.mask & bits == bits,
        }
    }
}
