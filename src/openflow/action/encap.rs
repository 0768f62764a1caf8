//! `encap`: a header before the packet (`ovs-actions(7)`, `include/openvswitch/ofp-ed-props.h`).

use crate::openflow::{DecodeError, ErrorCode, Reader, Writer};

use super::{PT_ETH, PT_MPLS, PT_MPLS_MC, PT_NSH};

/// `NXAST_ENCAP`.
///
/// | byte | field          |                                                   |
/// |-----:|----------------|---------------------------------------------------|
/// |   10 | `hdr_size`     | 0: not said                                       |
/// |   12 | `new_pkt_type` |                                                   |
/// |   16 | properties     | class (2), type, length, value, padding to 8 bytes |
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Encap {
    /// Bytes of the new header; 0: not said.
    pub header_size: u16,
    /// What the packet is then: [`PT_ETH`], [`PT_NSH`], [`PT_MPLS`], [`PT_MPLS_MC`].
    pub packet_type: u32,
    /// What the new header holds.
    pub properties: Vec<EncapProperty>,
}

/// A property of a new header.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum EncapProperty {
    /// `OFPPPT_PROP_NSH_MDTYPE`: the metadata type, 1 or 2.
    NshMdType(u8),
    /// `OFPPPT_PROP_NSH_TLV`: a metadata TLV, in type 2.
    NshTlv {
        /// Its class.
        class: u16,
        /// Its type.
        kind: u8,
        /// Its value.
        data: Box<[u8]>,
    },
}

/// `OFPPPC_NSH`.
const CLASS_NSH: u16 = 4;
const NSH_MD_TYPE: u8 = 1;
const NSH_TLV: u8 = 2;

impl Encap {
    pub(super) fn encode(&self, writer: &mut Writer) {
        writer.u16(self.header_size);
        writer.u32(self.packet_type);
        self.properties.iter().for_each(|property| property.encode(writer));
    }

    /// Reads what follows the subtype.
    pub(super) fn decode(body: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let header_size = body.u16("encap.hdr_size")?;
        let start = *body;
        let packet_type = body.u32("encap.new_pkt_type")?;
        if ![PT_ETH, PT_NSH, PT_MPLS, PT_MPLS_MC].contains(&packet_type) {
            let (found, expected) = (packet_type.into(), "Ethernet, NSH or MPLS");
            return Err(start.error("encap.new_pkt_type", found, expected, ErrorCode::NXBAC_BAD_HEADER_TYPE));
        }
        let mut properties = Vec::new();
        while !body.is_empty() {
            properties.push(EncapProperty::decode(body)?);
        }
        Ok(Self { header_size, packet_type, properties })
    }
}

impl EncapProperty {
    fn encode(&self, writer: &mut Writer) {
        let mark = writer.begin();
        writer.u16(CLASS_NSH);
        match self {
            Self::NshMdType(md_type) => {
                writer.u8(NSH_MD_TYPE);
                writer.u8(5);
                writer.u8(*md_type);
            }
            Self::NshTlv { class, kind, data } => {
                writer.u8(NSH_TLV);
                writer.u8((8 + data.len().next_multiple_of(8)) as u8);
                writer.u16(*class);
                writer.u8(*kind);
                writer.u8(data.len() as u8);
                writer.bytes(data);
            }
        }
        writer.pad8(mark);
    }

    fn decode(body: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let start = *body;
        let class = body.u16("encap.prop.class")?;
        let kind = body.u8("encap.prop.type")?;
        let length = body.u8("encap.prop.len")?;
        let bad = |what, expected, code| start.error(what, length.into(), expected, code);
        let bad_len = || bad("encap.prop.len", "4 at the least, and no more than what is left", ErrorCode::BAC_BAD_LEN);
        let size = usize::from(length).checked_sub(4).ok_or_else(bad_len)?;
        let padding = usize::from(length).next_multiple_of(8) - usize::from(length);
        let mut value = body.child(size + padding, "encap.prop").map_err(|_| bad_len())?;
        let malformed = || bad("encap.prop", "the length of its type", ErrorCode::NXBAC_BAD_ED_PROP);
        match (class, kind) {
            (CLASS_NSH, NSH_MD_TYPE) if length > 8 => Err(malformed()),
            (CLASS_NSH, NSH_MD_TYPE) => Ok(Self::NshMdType(value.u8("encap.nsh.md_type")?)),
            (CLASS_NSH, NSH_TLV) => {
                let class = value.u16("encap.nsh.tlv_class")?;
                let kind = value.u8("encap.nsh.tlv_type").map_err(|_| malformed())?;
                let count = usize::from(value.u8("encap.nsh.tlv_len").map_err(|_| malformed())?);
                if usize::from(length) != 8 + count.next_multiple_of(8) {
                    return Err(malformed());
                }
                Ok(Self::NshTlv { class, kind, data: value.bytes(count, "encap.nsh.data")?.into() })
            }
            _ => Err(bad("encap.prop.class", "a known property", ErrorCode::NXBAC_UNKNOWN_ED_PROP)),
        }
    }
}
