//! Fields where actions name them: by header, with a run of bits, with a value.

use super::names::{self, Names};
use super::put::{self, Out};
use crate::openflow::PortNo;
use crate::openflow::oxm::{EXPERIMENTER, Field, Flags, Format, Tlv};

/// What a header on the wire names.
#[derive(Clone, Copy)]
pub(super) enum Known {
    /// A field of the registry.
    Field(&'static Field),
    /// The header as it stands, and the experimenter's id or 0.
    Unknown(u32, u32),
}

impl Known {
    fn new(header: u32, experimenter: u32) -> Self {
        let (class, number) = ((header >> 16) as u16, (header >> 9) as u8 & 0x7f);
        let field = match class {
            EXPERIMENTER => Field::by_experimenter(experimenter, number),
            _ => Field::by_code(class, number),
        };
        field.map_or(Self::Unknown(header, experimenter), Self::Field)
    }

    /// The field of a match or `set_field`.
    pub(super) fn of(tlv: &Tlv<'_>) -> Self {
        let length = tlv.value.len() + tlv.mask.map_or(0, <[u8]>::len) + if tlv.class == EXPERIMENTER { 4 } else { 0 };
        let masked = u32::from(tlv.mask.is_some());
        let header = u32::from(tlv.class) << 16 | u32::from(tlv.number) << 9 | masked << 8 | length as u32;
        match Self::new(header, tlv.experimenter) {
            Self::Field(field) if !field.has_width(tlv.value.len()) => Self::Unknown(header, tlv.experimenter),
            known => known,
        }
    }

    /// Open vSwitch's name of the field.
    pub(super) fn name(self, out: &mut Out) {
        match self {
            Self::Field(field) => put::text(out, field.name),
            Self::Unknown(header, experimenter) => {
                put::hex_padded(out, header.into(), 8);
                if experimenter != 0 {
                    put::text(out, ".");
                    put::hex_padded(out, experimenter.into(), 8);
                }
            }
        }
    }

    /// The name of its header and a run of bits: `NXM_OF_VLAN_TCI[0..11]`.
    pub(super) fn bits(self, out: &mut Out, offset: u16, bits: u16) {
        match self {
            Self::Field(field) => put::text(out, field.nxm.name),
            Self::Unknown(..) => self.name(out),
        }
        out.push(b'[');
        if !self.is_all(offset, bits) {
            put::decimal(out, offset.into());
            if bits != 1 {
                put::text(out, "..");
                put::decimal(out, (u64::from(offset) + u64::from(bits)).saturating_sub(1));
            }
        }
        out.push(b']');
    }

    fn is_variable(self) -> bool {
        matches!(self, Self::Field(field) if field.is_variable())
    }

    /// True if the run is the whole field.
    pub(super) fn is_all(self, offset: u16, bits: u16) -> bool {
        matches!(self, Self::Field(field) if offset == 0 && bits == field.bits)
    }
}

/// The flags of a format that has some.
pub(super) fn flags(format: Format) -> Flags {
    format.flags().unwrap_or(Flags { names: &[], allowed: 0 })
}

/// The value of a field, and its mask unless that is full, as `set_field` and `learn` show them.
pub(super) fn value(out: &mut Out, names: &dyn Names, known: Known, value: &[u8], mask: Option<&[u8]>) {
    let mask = match mask {
        Some(mask) if mask.iter().all(|&byte| byte == 0) => return put::text(out, "ANY"),
        // A tunnel option's mask leaves out the bytes in front that the value has not.
        Some(mask) if !known.is_variable() && mask.iter().all(|&byte| byte == 0xff) => None,
        mask => mask,
    };
    let format = match known {
        Known::Field(field) => field.format,
        _ => Format::Hexadecimal,
    };
    let (number, mask_number) = (put::number(value), mask.map_or(u128::MAX, put::number));
    match format {
        Format::Port if mask.is_none() => {
            let port = if value.len() == 2 { PortNo::of_16(number as u16) } else { PortNo(number as u32) };
            names::port(out, names, port);
        }
        Format::Decimal | Format::Port => {
            put::decimal(out, number as u64);
            mask_after_slash(out, mask, put::hex_bytes);
        }
        Format::Hexadecimal => {
            put::hex_bytes(out, value);
            mask_after_slash(out, mask, put::hex_bytes);
        }
        Format::Ethernet => {
            put::mac(out, value);
            mask_after_slash(out, mask, put::mac);
        }
        Format::Ipv4 => ipv4(out, number as u32, mask_number as u32),
        Format::Ipv6 => ipv6(out, number, mask_number),
        Format::ConnectionState | Format::TcpFlags | Format::TunnelFlags => {
            let all = if format == Format::ConnectionState { 0xffff } else { flags(format).allowed.into() };
            put::flags_masked(out, flags(format).names, number as u32, mask_number as u32 & all, all);
        }
        Format::Fragment => put::text(out, fragment(number as u8, mask_number as u8)),
        Format::PacketType => packet_type(out, number as u32),
    }
}

fn mask_after_slash(out: &mut Out, mask: Option<&[u8]>, print: fn(&mut Out, &[u8])) {
    if let Some(mask) = mask {
        out.push(b'/');
        print(out, mask);
    }
}

/// An IPv4 address and its mask, unless that is full.
pub(super) fn ipv4(out: &mut Out, address: u32, mask: u32) {
    put::ipv4(out, address);
    if mask != u32::MAX {
        out.push(b'/');
        match put::prefix_len(mask.into(), 32) {
            Some(len) => put::decimal(out, len.into()),
            None => put::ipv4(out, mask),
        }
    }
}

/// An IPv6 address and its mask, unless that is full.
pub(super) fn ipv6(out: &mut Out, address: u128, mask: u128) {
    put::ipv6(out, address);
    if mask != u128::MAX {
        out.push(b'/');
        match put::prefix_len(mask, 128) {
            Some(len) => put::decimal(out, len.into()),
            None => put::ipv6(out, mask),
        }
    }
}

/// What `ip_frag` says; its bit 0 is "a fragment", bit 1 "not the first".
pub(super) const fn fragment(value: u8, mask: u8) -> &'static str {
    match (mask & 3, value & mask & 3) {
        (3, 0) | (1, 0) => "no",
        (3, 1) => "first",
        (3, 3) | (2, 2) => "later",
        (1, _) => "yes",
        (2, _) => "not_later",
        _ => "<error>",
    }
}

/// `packet_type`: name space and type within it.
pub(crate) fn packet_type(out: &mut Out, value: u32) {
    if value == 0 {
        return put::text(out, "eth");
    }
    put::text(out, "packet_type=(");
    for (number, end) in [(value >> 16, b','), (value & 0xffff, b')')] {
        if number > 9 {
            put::hex(out, number.into())
        } else {
            put::decimal(out, number.into())
        }
        out.push(end);
    }
}
