//! What the registry says of a field.

use std::sync::LazyLock;

use hashbrown::HashMap;

use super::prerequisite::Prerequisite;
use super::registry::{self, EXPERIMENTER, FIELDS, MAX_OPTION};
use crate::openflow::Writer;

/// How a field's value reads as text (`ovs-fields(7)`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    /// A number in decimal.
    Decimal,
    /// A number in hexadecimal.
    Hexadecimal,
    /// An Ethernet address.
    Ethernet,
    /// An IPv4 address.
    Ipv4,
    /// An IPv6 address.
    Ipv6,
    /// A port number or name.
    Port,
    /// `ct_state`: flags with `+` and `-`.
    ConnectionState,
    /// `tcp_flags`.
    TcpFlags,
    /// `tun_flags`.
    TunnelFlags,
    /// `ip_frag`.
    Fragment,
    /// `packet_type`: name space and type.
    PacketType,
}

/// The flags that a value consists of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Flags {
    /// Their names from bit 0; those in brackets are bits without a meaning.
    pub names: &'static [&'static str],
    /// The bits that a match or an action may name.
    pub allowed: u16,
}

/// `CS_*` of `ct_state`.
const CONNECTION_STATE: Flags =
    Flags { names: &["new", "est", "rel", "rpl", "inv", "trk", "snat", "dnat"], allowed: 0xff };
/// The flags of a TCP header.
const TCP: Flags = Flags {
    names: &["fin", "syn", "rst", "psh", "ack", "urg", "ece", "cwr", "ns", "[200]", "[400]", "[800]"],
    allowed: 0xfff,
};
/// `FLOW_TNL_F_*`, of which only the first is for the user.
const TUNNEL: Flags = Flags { names: &["oam", "df", "csum", "key"], allowed: 1 };

impl Format {
    /// The flags of a value in this format.
    pub const fn flags(self) -> Option<Flags> {
        match self {
            Self::ConnectionState => Some(CONNECTION_STATE),
            Self::TcpFlags => Some(TCP),
            Self::TunnelFlags => Some(TUNNEL),
            _ => None,
        }
    }
}

/// A class of field numbers: `oxm_class`, and whose class it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Class {
    pub(super) class: u16,
    pub(super) experimenter: u32,
}

/// One of the headers by which a field goes over the wire.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FieldHeader {
    /// Its name in Open vSwitch, such as `NXM_OF_ETH_DST`.
    pub name: &'static str,
    /// `oxm_class`.
    pub class: u16,
    /// Whose field it is if the class is [`EXPERIMENTER`]: four more bytes of header; else 0.
    pub experimenter: u32,
    /// `oxm_field`, 0–127.
    pub number: u8,
}

impl FieldHeader {
    /// True if four bytes behind the header say whose field it is.
    pub const fn is_experimenter(&self) -> bool {
        self.class == EXPERIMENTER
    }

    /// Appends the header of a value of `bytes` bytes without a mask.
    pub fn encode(&self, bytes: u8, writer: &mut Writer) {
        writer.u16(self.class);
        writer.u8(self.number << 1);
        if self.is_experimenter() {
            writer.u8(bytes.saturating_add(4));
            writer.u32(self.experimenter);
        } else {
            writer.u8(bytes);
        }
    }
}

/// One match field.
#[derive(Debug)]
pub struct Field {
    /// Position in the registry, and in a canonical match.
    pub rank: u8,
    /// Rank of the field in whose place Open vSwitch keeps the value; its own if nothing else is there.
    pub(super) kept_in: u8,
    /// Open vSwitch's name, such as `eth_dst`.
    pub name: &'static str,
    /// Other names for it, such as `dl_dst`.
    pub aliases: &'static [&'static str],
    /// Its header in Nicira's `move`, `load` and `learn`.
    pub nxm: FieldHeader,
    /// Its header in a match or `set_field` of OpenFlow 1.3.
    pub oxm: FieldHeader,
    /// Other headers that mean the same.
    pub also: &'static [FieldHeader],
    /// Width of the value on the wire, in bytes; the most that it can be if [variable](Self::is_variable).
    pub bytes: u8,
    /// Bits that an action may name, counted from the least significant.
    pub bits: u16,
    /// How the value reads.
    pub format: Format,
    /// True if a match may look at some of its bits only.
    pub maskable: bool,
    /// True if actions may change it.
    pub writable: bool,
    /// What a packet has to be, to have the field.
    pub prerequisite: Prerequisite,
}

impl PartialEq for Field {
    fn eq(&self, other: &Self) -> bool {
        self.rank == other.rank
    }
}

impl Eq for Field {}

impl Field {
    /// The field with this class and number, by any of its codes.
    pub fn by_code(class: u16, number: u8) -> Option<&'static Self> {
        registry::by_code(Class { class, experimenter: 0 }, number)
    }

    /// The field of this experimenter with this number.
    pub fn by_experimenter(experimenter: u32, number: u8) -> Option<&'static Self> {
        registry::by_code(Class { class: EXPERIMENTER, experimenter }, number)
    }

    /// The field of this name or alias, such as `eth_dst` or `dl_dst`.
    pub fn by_name(name: &str) -> Option<&'static Self> {
        static BY_NAME: LazyLock<HashMap<&str, &Field>> = LazyLock::new(|| {
            let names = |field: &&'static Field| [field.name].into_iter().chain(field.aliases.iter().copied());
            FIELDS.iter().flat_map(|field| names(field).map(|name| (name, *field))).collect()
        });
        BY_NAME.get(name).copied()
    }

    /// The field with a header of this name, such as `NXM_OF_ETH_DST`.
    pub fn by_header_name(name: &str) -> Option<&'static Self> {
        static BY_HEADER_NAME: LazyLock<HashMap<&str, &Field>> = LazyLock::new(|| {
            FIELDS.iter().flat_map(|field| field.headers().map(|header| (header.name, *field))).collect()
        });
        BY_HEADER_NAME.get(name).copied()
    }

    /// Its headers, without repetition.
    pub fn headers(&self) -> impl Iterator<Item = &FieldHeader> {
        let oxm = (self.oxm != self.nxm).then_some(&self.oxm);
        [&self.nxm].into_iter().chain(oxm).chain(self.also)
    }

    /// True for a tunnel option, `tun_metadata0` to `tun_metadata63`: how wide it is, the switch's table of
    /// options says.
    pub const fn is_variable(&self) -> bool {
        self.bytes as usize == MAX_OPTION
    }

    /// True if a value of the field can be this long, in bytes.
    pub const fn has_width(&self, len: usize) -> bool {
        len == self.bytes as usize || self.is_variable() && len < self.bytes as usize
    }

    /// All bits of the value on the wire.
    pub const fn all_bits(&self) -> u128 {
        if self.bytes >= 16 { u128::MAX } else { (1 << (self.bytes * 8)) - 1 }
    }

    /// True if `value` makes sense, as the value of a match, masked or not, or of `set_field`; else Open
    /// vSwitch answers `BMC_BAD_VALUE`.
    pub fn allows(&self, value: u128) -> bool {
        let beyond = match self.format {
            Format::Port if self.bytes == 4 => return !(0xff00..0xffff_ff00).contains(&value),
            Format::ConnectionState | Format::TcpFlags | Format::TunnelFlags => {
                !u128::from(self.format.flags().map_or(0, |flags| flags.allowed))
            }
            _ if *self == registry::VLAN_VID => !0x1fff,
            _ if *self == registry::IP_TOS => !0xfc,
            _ if *self == registry::ARP_OP => !0xff,
            _ if *self == registry::NSH_TTL => !0x3f,
            _ if *self == registry::NSH_MDTYPE => return matches!(value, 1 | 2),
            _ if self.has_unchecked_bits() || self.bits >= 128 => return true,
            _ => !((1 << self.bits) - 1),
        };
        value & beyond == 0
    }

    /// Open vSwitch does not look at the unused bits of ERSPAN's fields.
    fn has_unchecked_bits(&self) -> bool {
        [&registry::TUN_ERSPAN_IDX, &registry::TUN_ERSPAN_VER, &registry::TUN_ERSPAN_DIR, &registry::TUN_ERSPAN_HWID]
            .contains(&self)
    }

    /// True if a match may look at these bits only: all, none, or any if the field is [maskable](Self::maskable).
    pub const fn allows_mask(&self, mask: u128) -> bool {
        self.maskable || mask == 0 || mask == self.all_bits()
    }

    /// The mask that Open vSwitch keeps for this one: without bits that it does not know, and all ones where
    /// all of the known bits count.
    pub fn canonical_mask(&self, mask: u128) -> u128 {
        let known = match self {
            _ if *self == registry::VLAN_VID => 0x1fff,
            _ if *self == registry::IP_FRAG => 0x03,
            _ if *self == registry::IPV6_LABEL && mask & 0xf_ffff == 0xf_ffff => 0xf_ffff,
            _ if *self == registry::TUN_FLAGS => return mask & 1,
            _ => return mask & self.all_bits(),
        };
        if mask & known == known { self.all_bits() } else { mask & known }
    }

    /// The rank of [`shared`](Self::shared).
    pub const fn shared_rank(&self) -> u8 {
        self.kept_in
    }

    /// The field in whose place Open vSwitch keeps the value: `ip_src` for `arp_spa`.
    pub fn shared(&self) -> &'static Self {
        FIELDS.get(usize::from(self.kept_in)).copied().unwrap_or(&registry::PACKET_TYPE)
    }

    /// Appends the header by which Nicira's actions name this field: 4 bytes, or 8 for an
    /// experimenter's.
    pub fn encode_nxm_header(&self, writer: &mut Writer) {
        self.nxm.encode(self.bytes, writer);
    }

    /// The header of a Nicira subfield of this field, without a mask.
    pub const fn nxm_header(&self) -> u32 {
        (self.nxm.class as u32) << 16 | (self.nxm.number as u32) << 9 | self.bytes as u32
    }
}
