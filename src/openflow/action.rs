//! Actions (OpenFlow 1.3.5 §7.2.5) and the Nicira extension actions of `ovs-actions(7)`.
//!
//! An action that is not known here survives as [`Action::Other`], byte for byte.

use super::learn::Learn;
use super::oxm::{EXPERIMENTER, Field, FieldValue, Tlv};
use super::{DecodeError, EncodeError, ErrorCode, PortNo, Reader, TableId, Writer};

const OFPAT_OUTPUT: u16 = 0;
const OFPAT_PUSH_VLAN: u16 = 17;
const OFPAT_POP_VLAN: u16 = 18;
const OFPAT_SET_QUEUE: u16 = 21;
const OFPAT_GROUP: u16 = 22;
const OFPAT_DEC_NW_TTL: u16 = 24;
const OFPAT_SET_FIELD: u16 = 25;
const OFPAT_EXPERIMENTER: u16 = 0xffff;

/// The experimenter id of Nicira's extensions.
pub const NICIRA: u32 = 0x0000_2320;

const NXAST_REG_MOVE: u16 = 6;
const NXAST_REG_LOAD: u16 = 7;
const NXAST_RESUBMIT_TABLE: u16 = 14;
const NXAST_LEARN: u16 = 16;

/// A run of bits within a field: `NXM_OF_VLAN_TCI[0..11]`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Subfield {
    /// The field.
    pub field: &'static Field,
    /// The lowest bit, from 0.
    pub offset: u16,
    /// Number of bits, at least 1.
    pub bits: u16,
}

impl Subfield {
    /// All of a field.
    pub fn all(field: &'static Field) -> Self {
        Self { field, offset: 0, bits: field.bits }
    }

    /// True if no bit of the field is left out.
    pub fn is_all(&self) -> bool {
        self.offset == 0 && self.bits == self.field.bits
    }

    /// Reads the header of a subfield whose offset and width stand elsewhere. `None`: a field that the
    /// registry does not know.
    pub(super) fn decode_field(reader: &mut Reader<'_>) -> Result<Option<&'static Field>, DecodeError> {
        let header = reader.u32("subfield.header")?;
        let (class, number) = ((header >> 16) as u16, (header >> 9) as u8 & 0x7f);
        let (field, length) = match class {
            EXPERIMENTER => (Field::by_experimenter(reader.u32("subfield.experimenter")?, number), 4),
            _ => (Field::by_code(class, number), 0),
        };
        Ok(field.filter(|field| u32::from(field.bytes) + length == header & 0xff && header & 0x100 == 0))
    }
}

/// One action.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Action {
    /// `OFPAT_OUTPUT`: `output:PORT`, `NORMAL`, `IN_PORT`, `CONTROLLER:MAX_LEN` …
    Output {
        /// Where to.
        port: PortNo,
        /// Bytes of the packet that go to the controller; of no meaning for another port.
        max_len: u16,
    },
    /// `OFPAT_PUSH_VLAN`: `push_vlan:ETHERTYPE`.
    PushVlan(u16),
    /// `OFPAT_POP_VLAN`: `pop_vlan`.
    PopVlan,
    /// `OFPAT_SET_QUEUE`: `set_queue:QUEUE`.
    SetQueue(u32),
    /// `OFPAT_GROUP`: `group:GROUP`.
    Group(u32),
    /// `OFPAT_DEC_NW_TTL`: `dec_ttl`.
    DecNwTtl,
    /// `OFPAT_SET_FIELD`: `set_field:VALUE[/MASK]->FIELD`.
    SetField(FieldValue),
    /// `NXAST_REG_MOVE`: `move:SRC->DST`.
    Move {
        /// From where.
        src: Subfield,
        /// To where; as wide as `src`.
        dst: Subfield,
    },
    /// `NXAST_REG_LOAD`: `load:VALUE->DST`.
    Load {
        /// The number.
        value: u64,
        /// To where, at most 64 bits.
        dst: Subfield,
    },
    /// `NXAST_RESUBMIT_TABLE`: `resubmit(PORT,TABLE)`.
    Resubmit {
        /// Port number of OpenFlow 1.0; 0xfff8 keeps the packet's.
        in_port: u16,
        /// Table; 255 is the current one.
        table: TableId,
    },
    /// `NXAST_LEARN`: `learn(…)`.
    Learn(Box<Learn>),
    /// Any other, header included.
    Other(Box<[u8]>),
}

impl Action {
    /// `output:PORT`.
    pub const fn output(port: PortNo) -> Self {
        Self::Output { port, max_len: 0 }
    }

    /// `resubmit(,TABLE)`.
    pub const fn resubmit(table: TableId) -> Self {
        Self::Resubmit { in_port: 0xfff8, table }
    }

    /// `move:SRC[]->DST[]`, all of two equally wide fields.
    pub fn move_all(src: &'static Field, dst: &'static Field) -> Self {
        Self::Move { src: Subfield::all(src), dst: Subfield::all(dst) }
    }

    /// `set_field:NUMBER->FIELD`.
    pub fn set_field(field: &'static Field, number: u128) -> Self {
        Self::SetField(FieldValue::new(field, number))
    }

    /// Appends the action. Errors: longer than 65,535 bytes.
    pub fn encode(&self, writer: &mut Writer) -> Result<(), EncodeError> {
        let mark = writer.begin();
        match self {
            Self::Output { port, max_len } => {
                writer.u16(OFPAT_OUTPUT);
                writer.u16(0);
                writer.u32(port.0);
                writer.u16(*max_len);
                writer.zeros(6);
            }
            Self::PushVlan(ethertype) => {
                writer.u16(OFPAT_PUSH_VLAN);
                writer.u16(0);
                writer.u16(*ethertype);
                writer.zeros(2);
            }
            Self::PopVlan => plain(writer, OFPAT_POP_VLAN),
            Self::DecNwTtl => plain(writer, OFPAT_DEC_NW_TTL),
            Self::SetQueue(queue) => {
                writer.u16(OFPAT_SET_QUEUE);
                writer.u16(0);
                writer.u32(*queue);
            }
            Self::Group(group) => {
                writer.u16(OFPAT_GROUP);
                writer.u16(0);
                writer.u32(*group);
            }
            Self::SetField(value) => {
                writer.u16(OFPAT_SET_FIELD);
                writer.u16(0);
                value.encode(writer);
                writer.pad8(mark);
            }
            Self::Move { src, dst } => {
                nicira(writer, NXAST_REG_MOVE);
                writer.u16(src.bits);
                writer.u16(src.offset);
                writer.u16(dst.offset);
                src.field.encode_nxm_header(writer);
                dst.field.encode_nxm_header(writer);
                writer.pad8(mark);
            }
            Self::Load { value, dst } => {
                nicira(writer, NXAST_REG_LOAD);
                writer.u16(dst.offset << 6 | dst.bits.saturating_sub(1));
                writer.u32(dst.field.nxm_header());
                writer.u64(*value);
            }
            Self::Resubmit { in_port, table } => {
                nicira(writer, NXAST_RESUBMIT_TABLE);
                writer.u16(*in_port);
                writer.u8(table.0);
                writer.zeros(3);
            }
            Self::Learn(learn) => {
                nicira(writer, NXAST_LEARN);
                learn.encode(writer);
                writer.pad8(mark);
            }
            Self::Other(bytes) => {
                writer.bytes(bytes);
                return Ok(());
            }
        }
        writer.end(mark, 2, "action")
    }

    /// Reads one action. Errors carry `BAC_*`.
    pub fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let start = *reader;
        let action_type = reader.u16("action.type")?;
        let length = reader.u16("action.len")?;
        let bad_len = |expected| start.error("action.len", u64::from(length), expected, ErrorCode::BAC_BAD_LEN);
        if length < 8 || length % 8 != 0 {
            return Err(bad_len("a multiple of 8 and at least 8"));
        }
        let mut body = reader
            .child(usize::from(length) - 4, "action.body")
            .map_err(|_| bad_len("no more than what is left of the actions"))?;
        let decoded = match action_type {
            OFPAT_EXPERIMENTER => Self::decode_experimenter(&mut body)?,
            _ => Self::decode_standard(action_type, &mut body)?,
        };
        match decoded {
            Some(action) if body.rest().iter().all(|&byte| byte == 0) => Ok(action),
            _ => {
                let mut whole = start;
                Ok(Self::Other(whole.bytes(usize::from(length), "action")?.into()))
            }
        }
    }

    /// `None`: not known here; the caller keeps the bytes.
    fn decode_standard(action_type: u16, body: &mut Reader<'_>) -> Result<Option<Self>, DecodeError> {
        Ok(Some(match action_type {
            OFPAT_OUTPUT => {
                let port = PortNo(body.u32("output.port")?);
                Self::Output { port, max_len: body.u16("output.max_len")? }
            }
            OFPAT_PUSH_VLAN => Self::PushVlan(body.u16("push_vlan.ethertype")?),
            OFPAT_POP_VLAN => Self::PopVlan,
            OFPAT_DEC_NW_TTL => Self::DecNwTtl,
            OFPAT_SET_QUEUE => Self::SetQueue(body.u32("set_queue.queue_id")?),
            OFPAT_GROUP => Self::Group(body.u32("group.group_id")?),
            OFPAT_SET_FIELD => match FieldValue::from_tlv(&Tlv::decode(body)?) {
                Some(value) => Self::SetField(value),
                None => return Ok(None),
            },
            _ => return Ok(None),
        }))
    }

    fn decode_experimenter(body: &mut Reader<'_>) -> Result<Option<Self>, DecodeError> {
        if body.u32("action.experimenter")? != NICIRA {
            return Ok(None);
        }
        Ok(match body.u16("nx_action.subtype")? {
            NXAST_REG_MOVE => {
                let bits = body.u16("move.n_bits")?;
                let (src_offset, dst_offset) = (body.u16("move.src_ofs")?, body.u16("move.dst_ofs")?);
                let (src, dst) = (Subfield::decode_field(body)?, Subfield::decode_field(body)?);
                src.zip(dst).map(|(src, dst)| Self::Move {
                    src: Subfield { field: src, offset: src_offset, bits },
                    dst: Subfield { field: dst, offset: dst_offset, bits },
                })
            }
            NXAST_REG_LOAD => {
                let place = body.u16("load.ofs_nbits")?;
                let field = Subfield::decode_field(body)?;
                let value = body.u64("load.value")?;
                field.map(|field| Self::Load {
                    value,
                    dst: Subfield { field, offset: place >> 6, bits: (place & 0x3f) + 1 },
                })
            }
            NXAST_RESUBMIT_TABLE => {
                let in_port = body.u16("resubmit.in_port")?;
                Some(Self::Resubmit { in_port, table: TableId(body.u8("resubmit.table")?) })
            }
            NXAST_LEARN => Learn::decode(body)?.map(|learn| Self::Learn(Box::new(learn))),
            _ => None,
        })
    }

    /// Reads actions to the end of `reader`.
    pub fn decode_list(mut reader: Reader<'_>) -> Result<Vec<Self>, DecodeError> {
        let mut actions = Vec::new();
        while !reader.is_empty() {
            actions.push(Self::decode(&mut reader)?);
        }
        Ok(actions)
    }
}

fn plain(writer: &mut Writer, action_type: u16) {
    writer.u16(action_type);
    writer.u16(0);
    writer.zeros(4);
}

fn nicira(writer: &mut Writer, subtype: u16) {
    writer.u16(OFPAT_EXPERIMENTER);
    writer.u16(0);
    writer.u32(NICIRA);
    writer.u16(subtype);
}

#[cfg(test)]
mod tests {
    use super::super::oxm;
    use super::*;

    fn encoded(action: &Action) -> Vec<u8> {
        let mut writer = Writer::new();
        action.encode(&mut writer).unwrap();
        writer.into_vec()
    }

    #[test]
    fn actions_decode_to_what_was_encoded() {
        let actions = [
            Action::output(PortNo(7)),
            Action::Output { port: PortNo::CONTROLLER, max_len: 0xffff },
            Action::PushVlan(0x8100),
            Action::PopVlan,
            Action::DecNwTtl,
            Action::SetQueue(3),
            Action::Group(9),
            Action::set_field(&oxm::TUN_ID, 1001),
            Action::SetField(FieldValue::masked(&oxm::ETH_SRC, 1, 0xff)),
            Action::move_all(&oxm::ETH_SRC, &oxm::ETH_DST),
            Action::Load { value: 5, dst: Subfield { field: &oxm::REG0, offset: 4, bits: 12 } },
            Action::Resubmit { in_port: 0xfff8, table: TableId(71) },
        ];
        for action in actions {
            let bytes = encoded(&action);
            assert_eq!(bytes.len() % 8, 0, "{action:?}");
            assert_eq!(Action::decode_list(Reader::new(&bytes)), Ok(vec![action.clone()]));
            for end in 1..bytes.len() {
                assert!(Action::decode_list(Reader::new(&bytes[..end])).is_err(), "{action:?} {end}");
            }
        }
    }

    #[test]
    fn the_bytes_are_those_that_ovs_ofctl_sends() {
        // move:NXM_NX_ARP_SHA[]->NXM_NX_ARP_THA[]
        let bytes = encoded(&Action::move_all(&oxm::ARP_SHA, &oxm::ARP_THA));
        let expected = [0xff, 0xff, 0, 0x18, 0, 0, 0x23, 0x20, 0, 6, 0, 0x30, 0, 0, 0, 0, 0, 1, 0x22, 6, 0, 1, 0x24, 6];
        assert_eq!(bytes, expected);
    }

    #[test]
    fn an_unknown_action_survives() {
        let bytes = [0xff, 0xff, 0, 16, 0, 0, 0x23, 0x20, 0x12, 0x34, 1, 2, 3, 4, 5, 6];
        let actions = Action::decode_list(Reader::new(&bytes)).unwrap();
        assert_eq!(actions, [Action::Other(bytes.into())]);
        assert_eq!(encoded(&actions[0]), bytes);
    }

    #[test]
    fn rejects_a_length_that_is_no_multiple_of_eight() {
        let error = Action::decode(&mut Reader::at(&[0, 0, 0, 6, 0, 0, 0, 0], 72)).unwrap_err();
        assert_eq!(
            error.to_string(),
            "action.len at byte 72: found 6, expected a multiple of 8 and at least 8 (OFPBAC_BAD_LEN)"
        );
    }
}
