//! The match of a flow being read. Open vSwitch keeps one value for what several fields share (the
//! ports of TCP, UDP and SCTP, the addresses of IPv4 and ARP …); which field goes to the wire follows
//! from the protocol.

use std::collections::BTreeMap;

use super::check::Packet;
use super::fields;
use super::piece::Piece;
use super::values::{self, Masked, ones};
use super::{Lookup, ParseError};
use crate::openflow::Writer;
use crate::openflow::matching::VLAN_PRESENT;
use crate::openflow::oxm::{self, FIELDS, Field, FieldValue};

/// Keywords that say Ethernet type and IP protocol.
const PROTOCOLS: [(&str, u16, u8); 18] = [
    ("ip", 0x0800, 0),
    ("ipv4", 0x0800, 0),
    ("ip4", 0x0800, 0),
    ("arp", 0x0806, 0),
    ("icmp", 0x0800, 1),
    ("tcp", 0x0800, 6),
    ("udp", 0x0800, 17),
    ("sctp", 0x0800, 132),
    ("ipv6", 0x86dd, 0),
    ("ip6", 0x86dd, 0),
    ("icmp6", 0x86dd, 58),
    ("icmpv6", 0x86dd, 58),
    ("tcp6", 0x86dd, 6),
    ("udp6", 0x86dd, 17),
    ("sctp6", 0x86dd, 132),
    ("rarp", 0x8035, 0),
    ("mpls", 0x8847, 0),
    ("mplsm", 0x8848, 0),
];

/// Ethernet type and IP protocol that a keyword stands for; the latter 0 for any.
pub fn protocol(name: &str) -> Option<(u16, u8)> {
    PROTOCOLS.iter().find(|(known, ..)| *known == name).map(|(_, eth_type, ip_proto)| (*eth_type, *ip_proto))
}

/// True if a keyword stands for this Ethernet type and IP protocol together.
pub fn has_keyword(eth_type: u16, ip_proto: u8) -> bool {
    ip_proto != 0 && PROTOCOLS.iter().any(|known| (known.1, known.2) == (eth_type, ip_proto))
}

/// Every keyword.
pub fn protocol_names() -> impl Iterator<Item = &'static str> {
    PROTOCOLS.iter().map(|(name, ..)| *name)
}

/// What was read of a match so far.
#[derive(Clone, Default, Debug)]
pub(super) struct Fields(BTreeMap<u8, Masked>);

impl Fields {
    fn get(&self, field: &'static Field) -> Masked {
        self.0.get(&field.shared().rank).copied().unwrap_or(Masked { value: 0, mask: 0 })
    }

    /// Sets the bits of `field` that `bits` has to what `found` says of them.
    fn put(&mut self, field: &'static Field, found: Masked, bits: u128) {
        let place = self.0.entry(field.shared().rank).or_insert(Masked { value: 0, mask: 0 });
        place.value = place.value & !bits | found.value & found.mask & bits;
        place.mask = place.mask & !bits | found.mask & bits;
    }

    /// Reads one part; false if `key` is no field and no protocol.
    pub(super) fn part(&mut self, key: Piece<'_>, value: Piece<'_>, names: &dyn Lookup) -> Result<bool, ParseError> {
        if let Some(&(_, eth_type, ip_proto)) = PROTOCOLS.iter().find(|(name, ..)| *name == key.text) {
            self.put(&oxm::ETH_TYPE, Masked { value: eth_type.into(), mask: 0xffff }, u128::MAX);
            if ip_proto != 0 {
                self.put(&oxm::IP_PROTO, Masked { value: ip_proto.into(), mask: 0xff }, u128::MAX);
            }
            return Ok(true);
        }
        match key.text {
            "eth" => self.put(&oxm::PACKET_TYPE, Masked { value: 0, mask: 0xffff_ffff }, u128::MAX),
            "dl_vlan" => self.dl_vlan(value)?,
            "dl_vlan_pcp" => self.pcp(values::number_of(value, 3, "a priority from 0 to 7")?),
            name => match Field::by_name(name) {
                Some(field) => self.field(field, value, names)?,
                None if name.contains('[') => self.subfield(key, value)?,
                None => return Ok(false),
            },
        }
        Ok(true)
    }

    fn dl_vlan(&mut self, value: Piece<'_>) -> Result<(), ParseError> {
        let vid = values::number_u16(value)?;
        let found = if vid == 0xffff {
            Masked { value: 0, mask: 0xffff }
        } else {
            Masked { value: u128::from(vid & 0xfff | VLAN_PRESENT), mask: 0x1fff }
        };
        let bits = if vid == 0xffff { u128::MAX } else { 0x1fff };
        self.put(&oxm::VLAN_TCI, found, bits);
        Ok(())
    }

    fn pcp(&mut self, pcp: u128) {
        self.put(&oxm::VLAN_TCI, Masked { value: pcp << 13 | 0x1000, mask: 0xf000 }, 0xf000);
    }

    fn subfield(&mut self, key: Piece<'_>, value: Piece<'_>) -> Result<(), ParseError> {
        let subfield = fields::subfield(key)?;
        let number = values::number_of(value, subfield.bits, "a number that fits into these bits")?;
        let mask = ones(subfield.bits) << subfield.offset;
        self.store(subfield.field, Masked { value: number << subfield.offset, mask }, mask);
        Ok(())
    }

    fn field(&mut self, field: &'static Field, value: Piece<'_>, names: &dyn Lookup) -> Result<(), ParseError> {
        let none = Piece { text: "0/0", at: value.at };
        if field.is_variable() && self.0.contains_key(&field.rank) {
            return Err(value.error("each tunnel option once"));
        }
        let found = values::field_value(if value.is_empty() { none } else { value }, field, names)?;
        let all = ones(u16::from(field.bytes) * 8);
        // A field of a frame says that there is one.
        let of_frame = matches!(field.name, "eth_src" | "eth_dst" | "eth_type") || !Packet::default().has(field);
        if of_frame && self.get(&oxm::PACKET_TYPE).mask == 0 {
            self.put(&oxm::PACKET_TYPE, Masked { value: 0, mask: 0xffff_ffff }, u128::MAX);
        }
        match field.name {
            "vlan_pcp" if found.mask != 0 => self.pcp(found.value & 7),
            "vlan_vid" => self.put(field, Masked { mask: found.mask & 0x1fff, ..found }, 0x1fff),
            "nw_tos" => self.put(field, found, 0xfc),
            "ip_dscp" => self.put(field, Masked { value: found.value << 2, mask: found.mask << 2 }, 0xfc),
            // 16 bits of a port number are kept; on the wire the reserved ones are the highest of 32.
            "in_port" if found.mask != 0 => {
                let port = if found.value >= 0xff00 { found.value | 0xffff_0000 } else { found.value };
                self.put(field, Masked { value: port, mask: ones(32) }, ones(32));
            }
            "tun_flags" => self.put(field, Masked { mask: found.mask & 1, ..found }, all),
            // Open vSwitch takes the value for the mask here.
            "tun_erspan_ver" | "tun_erspan_dir" | "tun_erspan_hwid" | "tun_gtpu_flags" | "tun_gtpu_msgtype" => {
                self.put(field, Masked { mask: found.value & found.mask, ..found }, all);
            }
            _ => self.store(field, found, all),
        }
        Ok(())
    }

    /// Wide registers are kept as the narrow ones that they consist of.
    fn store(&mut self, field: &'static Field, found: Masked, bits: u128) {
        let parts = match field.name {
            name if name.starts_with("xreg") => 2,
            name if name.starts_with("xxreg") => 4,
            _ => return self.put(field, found, bits),
        };
        let number: usize = field.name.trim_start_matches(|c: char| c.is_ascii_alphabetic()).parse().unwrap_or(0);
        for part in 0..parts {
            let shift = 32 * (parts - 1 - part) as u32;
            let narrow = |wide: u128| wide >> shift & 0xffff_ffff;
            let register = FIELDS.get(usize::from(oxm::REG0.rank) + number * parts + part);
            if let Some(register) = register {
                let found = Masked { value: narrow(found.value), mask: narrow(found.mask) };
                self.put(register, found, narrow(bits));
            }
        }
    }

    /// What the match says of its packets.
    pub(super) fn packet(&self, table: u8) -> Packet {
        let value = |field| self.get(field).value;
        let packet_type = value(&oxm::PACKET_TYPE) as u32;
        Packet {
            packet_type,
            eth_type: if packet_type >> 16 == 1 { packet_type as u16 } else { value(&oxm::ETH_TYPE) as u16 },
            ip_proto: value(&oxm::IP_PROTO) as u8,
            fragment: value(&oxm::IP_FRAG) as u8,
            icmp_type: value(&oxm::TCP_SRC) as u8,
            icmp_code: value(&oxm::TCP_DST) as u8,
            tci: [value(&oxm::VLAN_TCI) as u16, 0],
            ct_state: value(&oxm::CT_STATE) as u32,
            ct_state_mask: self.get(&oxm::CT_STATE).mask as u32,
            table,
        }
    }

    /// The OXM TLVs in canonical order.
    pub(super) fn encode(&self) -> Vec<u8> {
        let packet = self.packet(0);
        let mut writer = Writer::new();
        for &field in FIELDS {
            if let Some(value) = self.wire(field, &packet) {
                value.encode(&mut writer);
            }
        }
        writer.into_vec()
    }

    /// The field as the wire has it, if it is there.
    fn wire(&self, field: &'static Field, packet: &Packet) -> Option<FieldValue> {
        let Masked { value, mask } = self.get(field);
        let there = match field.name {
            "in_port" | "vlan_tci" | "nw_tos" => false,
            "vlan_vid" => return vlan_vid(field, value, mask),
            "vlan_pcp" => {
                let pcp = mask >> 13 & 7 != 0 && value & 0x1fff != 0;
                return pcp.then(|| FieldValue::new(field, value >> 13));
            }
            "ip_dscp" => {
                return (mask & 0xfc != 0 && packet.is_ip()).then(|| FieldValue::new(field, value >> 2));
            }
            "packet_type" => {
                let of_frame = [&oxm::ETH_SRC, &oxm::ETH_DST, &oxm::ETH_TYPE, &oxm::VLAN_TCI];
                value != 0 || of_frame.iter().all(|field| self.get(field).mask == 0)
            }
            "ct_tp_src" | "ct_tp_dst" => self.get(&oxm::CT_NW_PROTO).mask != 0,
            "eth_src" | "eth_dst" | "eth_type" => true,
            name if name.starts_with("ct_") => true,
            _ => packet.has(field),
        };
        let all = ones(u16::from(field.bytes) * 8);
        let mask = mask & all;
        if !there || mask == 0 {
            None
        } else if mask == all || !field.maskable {
            Some(FieldValue::new(field, value & all))
        } else {
            Some(FieldValue::masked(field, value, mask))
        }
    }
}

fn vlan_vid(field: &'static Field, value: u128, mask: u128) -> Option<FieldValue> {
    match mask & 0x1fff {
        0 => None,
        0x1fff => Some(FieldValue::new(field, value & 0x1fff)),
        mask => Some(FieldValue::masked(field, value & 0x1fff, mask)),
    }
}
