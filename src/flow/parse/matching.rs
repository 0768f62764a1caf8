//! The match of a flow being read.

use super::fields;
use super::piece::Piece;
use super::values;
use super::{Lookup, ParseError};
use crate::openflow::match_fields::MatchFields;
use crate::openflow::matching::VLAN_PRESENT;
use crate::openflow::oxm::{self, Field, Masked, Packet};

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
pub(super) struct Fields(MatchFields);

impl Fields {
    /// Reads one part; false if `key` is no field and no protocol.
    pub(super) fn part(&mut self, key: Piece<'_>, value: Piece<'_>, names: &dyn Lookup) -> Result<bool, ParseError> {
        if let Some(&(_, eth_type, ip_proto)) = PROTOCOLS.iter().find(|(name, ..)| *name == key.text) {
            self.0.set(&oxm::ETH_TYPE, Masked::exact(eth_type.into(), &oxm::ETH_TYPE));
            if ip_proto != 0 {
                self.0.set(&oxm::IP_PROTO, Masked::exact(ip_proto.into(), &oxm::IP_PROTO));
            }
            return Ok(true);
        }
        match key.text {
            "eth" => self.0.set(&oxm::PACKET_TYPE, Masked::exact(0, &oxm::PACKET_TYPE)),
            "dl_vlan" => self.dl_vlan(value)?,
            "dl_vlan_pcp" => {
                let pcp =
                    values::number_or_any(value, 8)?.map_or(Masked::NONE, |pcp| Masked::exact(pcp & 7, &oxm::VLAN_PCP));
                self.0.set(&oxm::VLAN_PCP, pcp);
            }
            name => match Field::by_name(name) {
                Some(field) if field.is_variable() => self.option(field, (key, value))?,
                Some(field) => self.field(field, value, names)?,
                None if name.contains('[') => self.subfield(key, value)?,
                None => return Ok(false),
            },
        }
        Ok(true)
    }

    fn dl_vlan(&mut self, value: Piece<'_>) -> Result<(), ParseError> {
        match values::number_or_any(value, 16)? {
            None => self.0.set(&oxm::VLAN_VID, Masked::NONE),
            Some(0xffff) => self.0.set(&oxm::VLAN_TCI, Masked::exact(0, &oxm::VLAN_TCI)),
            Some(vid) => {
                self.0.set(&oxm::VLAN_VID, Masked::exact(vid & 0xfff | u128::from(VLAN_PRESENT), &oxm::VLAN_VID));
            }
        }
        Ok(())
    }

    /// Some bits of a field.
    fn subfield(&mut self, key: Piece<'_>, value: Piece<'_>) -> Result<(), ParseError> {
        let subfield = fields::subfield(key)?;
        let number = values::number_of(value, subfield.bits, "a number that fits into these bits")?;
        let mask = values::ones(subfield.bits) << subfield.offset;
        self.0.set_bits(subfield.field, Masked { value: number << subfield.offset, mask }, mask);
        Ok(())
    }

    fn option(&mut self, field: &'static Field, (key, value): (Piece<'_>, Piece<'_>)) -> Result<(), ParseError> {
        if self.0.has_option(field) {
            return Err(key.error("each tunnel option once"));
        }
        let option = values::option(value, field)?;
        if !self.0.has_room_for(&option) {
            return Err(value.error("at most 256 bytes of tunnel options"));
        }
        self.0.set_option(option);
        Ok(())
    }

    fn field(&mut self, field: &'static Field, value: Piece<'_>, names: &dyn Lookup) -> Result<(), ParseError> {
        // As Open vSwitch reads it: no value is the value "0/0", which some fields do not take.
        let value = if value.is_empty() { Piece { text: "0/0", at: value.at } } else { value };
        let mut found = values::field_value(value, field, names)?;
        // Of these Open vSwitch takes as many bits as they have, of all others the value as it stands.
        if [&oxm::MPLS_LABEL, &oxm::MPLS_TC, &oxm::MPLS_BOS, &oxm::IP_ECN, &oxm::NSH_SPI].contains(&field) {
            found.value &= values::ones(field.bits);
        }
        self.0.set(field, found);
        Ok(())
    }

    /// The OXM TLVs in canonical order of the match at `text`, which says `packet` of its packets; an error, in the
    /// part that says it, if a switch refuses one of them.
    pub(super) fn checked(&self, text: Piece<'_>, packet: &Packet) -> Result<Vec<u8>, ParseError> {
        self.0.to_checked_oxm(packet).map_err(|field| {
            let mut rest = text;
            let mut keys = std::iter::from_fn(|| rest.next_pair().map(|(key, _)| key));
            let says =
                |key: &Piece<'_>| fields::by_name(key.text).is_some_and(|named| named.shared() == field.shared());
            let part = keys.find(says).unwrap_or(text);
            part.error("a field whose prerequisites the match has, with a value that it can have")
        })
    }

    /// What the match says of its packets.
    pub(super) fn packet(&self, table: u8) -> Packet {
        self.0.packet(table)
    }

    /// The OXM TLVs in canonical order.
    pub(super) fn encode(&self) -> Vec<u8> {
        self.0.to_oxm()
    }
}
