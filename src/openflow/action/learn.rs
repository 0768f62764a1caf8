//! The `learn` action: a flow that adds flows (`ovs-actions(7)`, `NXAST_LEARN` and `NXAST_LEARN2` in
//! `nicira-ext.h`).

use crate::openflow::flags::flags;
use crate::openflow::{Cookie, DecodeError, ErrorCode, Reader, TableId, Writer};

use super::Subfield;
use super::decode::{Refused, zeros};
use super::subfield::{encode_short_header, header, short_header, writable};

flags! {
    /// `NX_LEARN_F_*`.
    LearnFlags(u16) {
        /// The learnt flow tells when it goes.
        SEND_FLOW_REM = 0 => "send_flow_rem",
        /// The learnt flows go with the flow that learns.
        DELETE_LEARNED = 1 => "delete_learned",
        /// Whether a flow was learnt is written to a bit; in `NXAST_LEARN2`.
        WRITE_RESULT = 2 => "write_result",
    }
}

/// What the learnt flow will be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Learn {
    /// Seconds without a packet after which the learnt flow goes; 0: never.
    pub idle_timeout: u16,
    /// Seconds after which it goes in any case; 0: never.
    pub hard_timeout: u16,
    /// Its priority.
    pub priority: u16,
    /// Its cookie.
    pub cookie: Cookie,
    /// `SEND_FLOW_REM` and `DELETE_LEARNED`.
    pub flags: LearnFlags,
    /// Its table.
    pub table: TableId,
    /// Idle timeout once a FIN or RST was seen.
    pub fin_idle_timeout: u16,
    /// Hard timeout once a FIN or RST was seen.
    pub fin_hard_timeout: u16,
    /// What `NXAST_LEARN2` says more; without, it is `NXAST_LEARN`.
    pub extension: Option<Learn2>,
    /// Its match and actions.
    pub specs: Vec<Spec>,
}

/// The part that only `NXAST_LEARN2` has.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Learn2 {
    /// How many flows at the most; 0: any number.
    pub limit: u32,
    /// The bit that says whether the limit let the flow be.
    pub result_dst: Option<Subfield>,
}

/// Where a value comes from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Source {
    /// From the packet that is being learnt.
    Field(Subfield),
    /// A constant: its bytes, right-aligned in whole 16-bit words.
    Immediate(Box<[u8]>),
}

/// One part of the learnt flow.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Spec {
    /// The flow matches `dst` on the value.
    Match {
        /// The value.
        src: Source,
        /// What is matched.
        dst: Subfield,
    },
    /// The flow loads the value into `dst`.
    Load {
        /// The value.
        src: Source,
        /// What is written.
        dst: Subfield,
    },
    /// The flow outputs to the port in this field.
    Output(Subfield),
}

const SRC_IMMEDIATE: u16 = 1 << 13;
const DST_LOAD: u16 = 1 << 11;
const DST_OUTPUT: u16 = 2 << 11;
const DST_MASK: u16 = 3 << 11;
const BITS_MASK: u16 = 0x7ff;

impl Spec {
    /// Matches `subfield` on the packet's own value of it.
    pub fn match_same(subfield: Subfield) -> Self {
        Self::Match { src: Source::Field(subfield), dst: subfield }
    }

    /// Loads a constant; `subfield` is at most 64 bits wide.
    pub fn load_number(value: u64, subfield: Subfield) -> Self {
        let length = immediate_len(subfield.bits);
        let bytes = value.to_be_bytes();
        let start = bytes.len().saturating_sub(length);
        Self::Load { src: Source::Immediate(bytes.get(start..).unwrap_or_default().into()), dst: subfield }
    }

    fn encode(&self, writer: &mut Writer) {
        let (code, bits) = match self {
            Self::Match { dst, .. } => (0, dst.bits),
            Self::Load { dst, .. } => (DST_LOAD, dst.bits),
            Self::Output(src) => (DST_OUTPUT, src.bits),
        };
        let immediate = match self {
            Self::Match { src: Source::Immediate(_), .. } | Self::Load { src: Source::Immediate(_), .. } => {
                SRC_IMMEDIATE
            }
            _ => 0,
        };
        writer.u16(code | immediate | bits);
        match self {
            Self::Match { src, dst } | Self::Load { src, dst } => {
                match src {
                    Source::Field(src) => encode_subfield(src, writer),
                    Source::Immediate(bytes) => writer.bytes(bytes),
                }
                encode_subfield(dst, writer);
            }
            Self::Output(src) => encode_subfield(src, writer),
        }
    }

    fn decode(header: u16, reader: &mut Reader<'_>) -> Result<Self, Refused> {
        let bits = header & BITS_MASK;
        if header & DST_MASK == DST_OUTPUT {
            return decode_subfield(bits, reader).map(Self::Output);
        }
        let src = if header & SRC_IMMEDIATE != 0 {
            Source::Immediate(reader.bytes(immediate_len(bits), "learn.immediate")?.into())
        } else {
            Source::Field(decode_subfield(bits, reader)?)
        };
        let dst = decode_subfield(bits, reader)?;
        Ok(match header & DST_MASK {
            DST_LOAD => Self::Load { src, dst },
            _ => Self::Match { src, dst },
        })
    }
}

const fn immediate_len(bits: u16) -> usize {
    (bits as usize).div_ceil(16) * 2
}

fn encode_subfield(subfield: &Subfield, writer: &mut Writer) {
    encode_short_header(subfield.field, writer);
    writer.u16(subfield.offset);
}

fn decode_subfield(bits: u16, reader: &mut Reader<'_>) -> Result<Subfield, Refused> {
    let field = short_header(reader)?;
    Ok(Subfield { field, offset: reader.u16("learn.ofs")?, bits })
}

impl Learn {
    /// A flow of priority 32768 in table 1 that is the same for every packet.
    pub const fn new() -> Self {
        Self {
            idle_timeout: 0,
            hard_timeout: 0,
            priority: 0x8000,
            cookie: Cookie(0),
            flags: LearnFlags(0),
            table: TableId(1),
            fin_idle_timeout: 0,
            fin_hard_timeout: 0,
            extension: None,
            specs: Vec::new(),
        }
    }

    /// Appends what follows the action's subtype.
    pub(super) fn encode(&self, writer: &mut Writer) {
        let result_dst = self.extension.and_then(|extension| extension.result_dst);
        writer.u16(self.idle_timeout);
        writer.u16(self.hard_timeout);
        writer.u16(self.priority);
        writer.u64(self.cookie.0);
        writer.u16(self.flags.0 | result_dst.map_or(0, |_| LearnFlags::WRITE_RESULT.0));
        writer.u8(self.table.0);
        writer.u8(0);
        writer.u16(self.fin_idle_timeout);
        writer.u16(self.fin_hard_timeout);
        if let Some(extension) = self.extension {
            writer.u32(extension.limit);
            writer.u16(result_dst.map_or(0, |dst| dst.offset));
            writer.zeros(2);
        }
        if let Some(dst) = result_dst {
            dst.field.encode_nxm_header(writer);
        }
        self.specs.iter().for_each(|spec| spec.encode(writer));
    }

    /// Reads what follows the subtype of `NXAST_LEARN`.
    pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Self, Refused> {
        let mut learn = Self::decode_head(reader, LearnFlags::SEND_FLOW_REM | LearnFlags::DELETE_LEARNED)?;
        learn.decode_specs(reader)?;
        Ok(learn)
    }

    /// Reads what follows the subtype of `NXAST_LEARN2`.
    pub(super) fn decode2(reader: &mut Reader<'_>) -> Result<Self, Refused> {
        let known = LearnFlags::SEND_FLOW_REM | LearnFlags::DELETE_LEARNED | LearnFlags::WRITE_RESULT;
        let mut learn = Self::decode_head(reader, known)?;
        let limit = reader.u32("learn.limit")?;
        let start = *reader;
        let offset = reader.u16("learn.result_dst_ofs")?;
        zeros(&mut reader.child(2, "learn.pad2")?, "learn.pad2", ErrorCode::NXBAC_MUST_BE_ZERO)?;
        let result_dst = if learn.flags.contains(LearnFlags::WRITE_RESULT) {
            learn.flags.0 &= !LearnFlags::WRITE_RESULT.0;
            let field = header(reader)?;
            writable(field, &start)?;
            Some(Subfield { field, offset, bits: 1 })
        } else if offset != 0 {
            let expected = "0: no result is written";
            let error = start.error("learn.result_dst_ofs", offset.into(), expected, ErrorCode::BAC_BAD_ARGUMENT);
            return Err(error.into());
        } else {
            None
        };
        learn.extension = Some(Learn2 { limit, result_dst });
        learn.decode_specs(reader)?;
        Ok(learn)
    }

    fn decode_head(reader: &mut Reader<'_>, known: LearnFlags) -> Result<Self, DecodeError> {
        let mut learn = Self {
            idle_timeout: reader.u16("learn.idle_timeout")?,
            hard_timeout: reader.u16("learn.hard_timeout")?,
            priority: reader.u16("learn.priority")?,
            cookie: Cookie(reader.u64("learn.cookie")?),
            ..Self::new()
        };
        let start = *reader;
        let bad = |what, found: u16, expected| start.error(what, found.into(), expected, ErrorCode::BAC_BAD_ARGUMENT);
        learn.flags = LearnFlags(reader.u16("learn.flags")?);
        learn.table = TableId(reader.u8("learn.table_id")?);
        zeros(&mut reader.child(1, "learn.pad")?, "learn.pad", ErrorCode::BAC_BAD_ARGUMENT)?;
        learn.fin_idle_timeout = reader.u16("learn.fin_idle_timeout")?;
        learn.fin_hard_timeout = reader.u16("learn.fin_hard_timeout")?;
        if learn.table == TableId::ALL {
            return Err(bad("learn.table_id", 255, "a table from 0 to 254"));
        }
        if !known.contains(learn.flags) {
            return Err(bad("learn.flags", learn.flags.0, "known ones"));
        }
        Ok(learn)
    }

    fn decode_specs(&mut self, reader: &mut Reader<'_>) -> Result<(), Refused> {
        while reader.remaining() >= 2 {
            let start = *reader;
            let header = reader.u16("learn.spec")?;
            if header == 0 {
                break;
            }
            let output_of_number = header & DST_MASK == DST_OUTPUT && header & SRC_IMMEDIATE != 0;
            if header & 0xc000 != 0 || header & DST_MASK == DST_MASK || header & BITS_MASK == 0 || output_of_number {
                let expected = "a flow_mod spec";
                return Err(start.error("learn.spec", header.into(), expected, ErrorCode::BAC_BAD_ARGUMENT).into());
            }
            self.specs.push(Spec::decode(header, reader)?);
        }
        Ok(zeros(reader, "learn.pad3", ErrorCode::BAC_BAD_ARGUMENT)?)
    }
}

impl Default for Learn {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::openflow::action::Action;
    use crate::openflow::oxm;

    #[test]
    fn a_learn_action_decodes_to_what_was_encoded() {
        let vlan = Subfield { field: &oxm::VLAN_TCI, offset: 0, bits: 12 };
        let learn = Learn {
            idle_timeout: 0,
            hard_timeout: 300,
            priority: 1,
            cookie: Cookie(0xc00c1e),
            flags: LearnFlags(0),
            table: TableId(20),
            fin_idle_timeout: 0,
            fin_hard_timeout: 0,
            extension: None,
            specs: vec![
                Spec::match_same(vlan),
                Spec::Match { src: Source::Field(Subfield::all(&oxm::ETH_SRC)), dst: Subfield::all(&oxm::ETH_DST) },
                Spec::load_number(0, Subfield::all(&oxm::VLAN_TCI)),
                Spec::Load { src: Source::Field(Subfield::all(&oxm::TUN_ID)), dst: Subfield::all(&oxm::TUN_ID) },
                Spec::Output(Subfield::all(&oxm::IN_PORT)),
            ],
        };
        let action = Action::Learn(Box::new(learn));
        let mut writer = Writer::new();
        action.encode(&mut writer).unwrap();
        let bytes = writer.into_vec();
        assert_eq!(Action::decode_list(Reader::new(&bytes)), Ok(vec![action]));
        for end in 1..bytes.len() {
            assert!(Action::decode_list(Reader::new(&bytes[..end])).is_err());
        }
    }

    #[test]
    fn rejects_an_impossible_spec() {
        let mut bytes = vec![0xff, 0xff, 0, 40, 0, 0, 0x23, 0x20, 0, 16];
        bytes.resize(40, 0);
        bytes[32] = 0xc0;
        assert_eq!(Action::decode_list(Reader::new(&bytes)).unwrap_err().offset, 32);
    }
}
