//! CT_FLUSH: forget connections (`NXT_CT_FLUSH`, an extension of Nicira's in Open vSwitch 3.1,
//! `include/openflow/nicira-ext.h`).
//!
//! | byte | field          |                                                             |
//! |-----:|----------------|-------------------------------------------------------------|
//! |   16 | `ip_proto`     | 0 for any, then 7 bytes of zero                             |
//! |   24 | [`Property`]s  | 0 and 1 hold the two directions of a connection, 2 the zone |

use std::net::Ipv6Addr;

use super::error::NICIRA;
use super::experimenter::experimenter_message;
use super::property::{Property, aligned_property, bad_length, property};
use super::{DecodeError, EncodeError, Entries, Entry, ErrorCode, Reader, Writer, Xid};

/// `NXT_CT_FLUSH`: the `exp_type`.
pub const CT_FLUSH: u32 = 32;

const ORIG_TUPLE: u16 = 0;
const REPLY_TUPLE: u16 = 1;
const ZONE_ID: u16 = 2;

/// `NXT_CT_FLUSH` (`struct nx_ct_flush`) as it stands on the wire: unknown properties survive.
/// [`connections`](Self::connections) says what it means.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CtFlush<'a> {
    /// Byte 16: IP protocol, or 0.
    pub ip_proto: u8,
    /// Byte 24.
    pub properties: Vec<Property<'a>>,
}

/// Which connections a [`CtFlush`] is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Connections {
    /// Of that zone; without one of every zone, or of zone 0 if there are tuples.
    pub zone_id: Option<u16>,
    /// IP protocol, or 0.
    pub ip_proto: u8,
    /// Which kind of addresses the tuple that came last has, if it has one.
    pub family: Option<Family>,
    /// The direction of the first packet.
    pub original: CtTuple,
    /// The other direction.
    pub reply: CtTuple,
}

/// Kind of an address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Family {
    /// IPv4.
    Ipv4,
    /// IPv6.
    Ipv6,
}

/// One direction of a connection (`enum nx_ct_flush_tuple_tlv_type`); 0 is what was not said.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CtTuple {
    /// Source address, an IPv4 one mapped.
    pub source: Ipv6Addr,
    /// Destination address, an IPv4 one mapped.
    pub destination: Ipv6Addr,
    /// Source port, or identifier of ICMP: one place in Open vSwitch, the last one counts.
    pub source_port_or_icmp_id: u16,
    /// Destination port, or type and code of ICMP: likewise.
    pub destination_port_or_icmp: [u8; 2],
}

impl Default for CtTuple {
    fn default() -> Self {
        Self {
            source: Ipv6Addr::UNSPECIFIED,
            destination: Ipv6Addr::UNSPECIFIED,
            source_port_or_icmp_id: 0,
            destination_port_or_icmp: [0; 2],
        }
    }
}

impl<'a> CtFlush<'a> {
    /// Decodes what follows the experimenter header; `NXBRC_MUST_BE_ZERO` if the padding is not.
    pub fn decode(body: Reader<'a>) -> Result<Self, DecodeError> {
        let (ip_proto, properties) = Self::decode_head(body)?;
        Ok(Self { ip_proto, properties: properties.collect::<Result<_, _>>()? })
    }

    fn decode_head(mut body: Reader<'a>) -> Result<(u8, Entries<'a, Property<'a>>), DecodeError> {
        let ip_proto = body.u8("ct_flush.ip_proto")?;
        let at = body;
        let pad = body.array::<7>("ct_flush.pad")?;
        if let Some(&byte) = pad.iter().find(|&&byte| byte != 0) {
            return Err(at.error("ct_flush.pad", byte.into(), "0", ErrorCode::NXBRC_MUST_BE_ZERO));
        }
        Ok((ip_proto, Entries::new(body)))
    }

    /// Appends the message.
    pub fn encode(&self, writer: &mut Writer, xid: Xid) -> Result<(), EncodeError> {
        experimenter_message(writer, (NICIRA, CT_FLUSH), xid, |w| {
            w.u8(self.ip_proto);
            w.zeros(7);
            self.properties.iter().try_for_each(|property| property.encode(w))
        })
    }

    /// What the message says.
    pub fn connections(&self) -> Result<Connections, DecodeError> {
        Connections::of(self.ip_proto, self.properties.iter().copied().map(Ok))
    }
}

impl Connections {
    /// Decodes what follows the experimenter header. Unknown properties say nothing; `TFFC_BAD_LEN`
    /// (`OFPBPC_BAD_LEN`) for one that is too short, `TFFC_BAD_ARGUMENT` (`OFPBPC_BAD_VALUE`) for two kinds of
    /// addresses.
    pub fn decode(body: Reader<'_>) -> Result<Self, DecodeError> {
        let (ip_proto, properties) = CtFlush::decode_head(body)?;
        Self::of(ip_proto, properties)
    }

    fn of<'a>(
        ip_proto: u8,
        properties: impl Iterator<Item = Result<Property<'a>, DecodeError>>,
    ) -> Result<Self, DecodeError> {
        let mut connections = Self { ip_proto, ..Self::default() };
        for property in properties {
            let property = property?;
            match property.property_type {
                ORIG_TUPLE => connections.original.add(&property, &mut connections.family)?,
                REPLY_TUPLE => connections.reply.add(&property, &mut connections.family)?,
                ZONE_ID => connections.zone_id = Some(property.u16("ct_flush.zone_id")?),
                _ => {}
            }
        }
        Ok(connections)
    }
}

impl CtTuple {
    fn add(&mut self, tuple: &Property<'_>, family: &mut Option<Family>) -> Result<(), DecodeError> {
        for part in Entries::<Property<'_>>::new(tuple.aligned()?.reader()) {
            let part = part?;
            let value = part.value()?;
            let [icmp_type, icmp_code] = &mut self.destination_port_or_icmp;
            match part.property_type {
                0 => self.source = address(value.reader(), family)?,
                1 => self.destination = address(value.reader(), family)?,
                2 | 4 => self.source_port_or_icmp_id = part.u16("ct_tuple.source_port")?,
                3 => self.destination_port_or_icmp = part.u16("ct_tuple.destination_port")?.to_be_bytes(),
                5 => *icmp_type = part.u8("ct_tuple.icmp_type")?,
                6 => *icmp_code = part.u8("ct_tuple.icmp_code")?,
                _ => {}
            }
        }
        Ok(())
    }

    /// Appends the property `property_type` that says this, or nothing if there is nothing to say.
    fn encode(&self, writer: &mut Writer, property_type: u16, ip_proto: u8) -> Result<(), EncodeError> {
        if *self == Self::default() && !is_icmp(ip_proto) {
            return Ok(());
        }
        let mut parts = Writer::new();
        for (part, address) in [(0, self.source), (1, self.destination)] {
            if !address.is_unspecified() {
                property(&mut parts, part, |w| w.bytes(&address.octets()))?;
            }
        }
        let id = self.source_port_or_icmp_id;
        let [high, low] = self.destination_port_or_icmp;
        if is_icmp(ip_proto) {
            property(&mut parts, 4, |w| w.u16(id))?;
            property(&mut parts, 5, |w| w.u8(high))?;
            property(&mut parts, 6, |w| w.u8(low))?;
        } else {
            for (part, port) in [(2, id), (3, u16::from_be_bytes([high, low]))] {
                if port != 0 {
                    property(&mut parts, part, |w| w.u16(port))?;
                }
            }
        }
        aligned_property(writer, property_type, |w| w.bytes(parts.as_slice()))
    }
}

/// True for ICMP and ICMPv6, whose connections have no ports.
pub const fn is_icmp(ip_proto: u8) -> bool {
    matches!(ip_proto, 1 | 58)
}

/// An address, of the kind of the one before it if both are given. An unspecified one is of none, and the next
/// may then be of either: so does Open vSwitch.
fn address(mut value: Reader<'_>, family: &mut Option<Family>) -> Result<Ipv6Addr, DecodeError> {
    let at = value;
    let address = Ipv6Addr::from(value.array::<16>("ct_tuple.address").map_err(bad_length)?);
    let found = match (address.is_unspecified(), address.to_ipv4_mapped()) {
        (true, _) => None,
        (false, Some(_)) => Some(Family::Ipv4),
        (false, None) => Some(Family::Ipv6),
    };
    if family.is_some() && found.is_some() && *family != found {
        let expected = "an address of the same kind as the one before it";
        return Err(at.error("ct_tuple.address", 0, expected, ErrorCode::TFFC_BAD_ARGUMENT));
    }
    *family = found;
    Ok(address)
}

impl Connections {
    /// Appends the `NXT_CT_FLUSH` that says this.
    pub fn encode(&self, writer: &mut Writer, xid: Xid) -> Result<(), EncodeError> {
        experimenter_message(writer, (NICIRA, CT_FLUSH), xid, |w| {
            w.u8(self.ip_proto);
            w.zeros(7);
            self.original.encode(w, ORIG_TUPLE, self.ip_proto)?;
            self.reply.encode(w, REPLY_TUPLE, self.ip_proto)?;
            self.zone_id.map_or(Ok(()), |zone_id| property(w, ZONE_ID, |w| w.u16(zone_id)))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::experimenter::Experimenter;
    use super::super::testing::{XID, encoded, hex, refuses_cut_and_excess};
    use super::*;
    use crate::openflow::Message;

    fn decode(body: Reader<'_>) -> Result<CtFlush<'_>, DecodeError> {
        CtFlush::decode(Experimenter::decode(body)?.body.reader())
    }

    const TCP: &str = "04040068 12345678 00002320 00000020 06 00000000000000
         0000 0048 00000000
         0000 0014 00000000000000000000ffff0a0a0001 00000000
         0001 0014 00000000000000000000ffff0a0a0002 00000000
         0002 0006 0050 0000  0003 0006 1f90 0000
         0002 0006 0005 0000";

    #[test]
    fn connections_read_as_they_were_written() {
        let bytes = hex(TCP);
        let flush = decode(Message::decode(&bytes).unwrap().body).unwrap();
        let connections = flush.connections().unwrap();
        let original = CtTuple {
            source: "::ffff:10.10.0.1".parse().unwrap(),
            destination: "::ffff:10.10.0.2".parse().unwrap(),
            source_port_or_icmp_id: 80,
            destination_port_or_icmp: 8080u16.to_be_bytes(),
        };
        let reply = CtTuple::default();
        let family = Some(Family::Ipv4);
        assert_eq!(connections, Connections { zone_id: Some(5), ip_proto: 6, family, original, reply });
        assert_eq!(encoded(|w| flush.encode(w, XID)), bytes);
        assert_eq!(encoded(|w| connections.encode(w, XID)), bytes);
        refuses_cut_and_excess(&bytes, &[24, 96], decode);
    }

    #[test]
    fn a_tuple_that_contradicts_itself_is_refused() {
        let mixed = hex("00 00000000000000 0000 0038 00000000
             0000 0014 00000000000000000000ffff0a0a0001 00000000
             0001 0014 20010db8000000000000000000000001 00000000");
        let error = CtFlush::decode(Reader::at(&mixed, 16)).unwrap().connections().unwrap_err();
        assert_eq!((error.code, error.offset), (ErrorCode::TFFC_BAD_ARGUMENT, 60));
        let short = hex("00 00000000000000 0000 0010 00000000 0002 0005 00 000000");
        let error = CtFlush::decode(Reader::at(&short, 16)).unwrap().connections().unwrap_err();
        assert_eq!(error.code, ErrorCode::TFFC_BAD_LEN);
        let padded = hex("00 00000000000001");
        let error = CtFlush::decode(Reader::at(&padded, 16)).unwrap_err();
        assert_eq!((error.code, error.offset), (ErrorCode::NXBRC_MUST_BE_ZERO, 17));
    }
}
