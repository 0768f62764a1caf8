//! The `learn` action: a flow that adds flows (`ovs-actions(7)`, `NXAST_LEARN` in `nicira-ext.h`).

use super::action::Subfield;
use super::{Cookie, DecodeError, ErrorCode, Reader, TableId, Writer};

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
    /// `NX_LEARN_F_*`.
    pub flags: u16,
    /// Its table.
    pub table: TableId,
    /// Idle timeout once a FIN or RST was seen.
    pub fin_idle_timeout: u16,
    /// Hard timeout once a FIN or RST was seen.
    pub fin_hard_timeout: u16,
    /// Its match and actions.
    pub specs: Vec<Spec>,
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

    /// `None` inside: a field that the registry does not know.
    fn decode(header: u16, reader: &mut Reader<'_>) -> Result<Option<Self>, DecodeError> {
        let bits = header & BITS_MASK;
        if header & DST_MASK == DST_OUTPUT {
            return Ok(decode_subfield(bits, reader)?.map(Self::Output));
        }
        let src = if header & SRC_IMMEDIATE != 0 {
            Some(Source::Immediate(reader.bytes(immediate_len(bits), "learn.immediate")?.into()))
        } else {
            decode_subfield(bits, reader)?.map(Source::Field)
        };
        let dst = decode_subfield(bits, reader)?;
        Ok(src.zip(dst).map(|(src, dst)| match header & DST_MASK {
            DST_LOAD => Self::Load { src, dst },
            _ => Self::Match { src, dst },
        }))
    }
}

const fn immediate_len(bits: u16) -> usize {
    (bits as usize).div_ceil(16) * 2
}

fn encode_subfield(subfield: &Subfield, writer: &mut Writer) {
    subfield.field.encode_nxm_header(writer);
    writer.u16(subfield.offset);
}

fn decode_subfield(bits: u16, reader: &mut Reader<'_>) -> Result<Option<Subfield>, DecodeError> {
    let field = Subfield::decode_field(reader)?;
    let offset = reader.u16("learn.ofs")?;
    Ok(field.map(|field| Subfield { field, offset, bits }))
}

impl Learn {
    /// Appends what follows the action's subtype.
    pub(super) fn encode(&self, writer: &mut Writer) {
        writer.u16(self.idle_timeout);
        writer.u16(self.hard_timeout);
        writer.u16(self.priority);
        writer.u64(self.cookie.0);
        writer.u16(self.flags);
        writer.u8(self.table.0);
        writer.u8(0);
        writer.u16(self.fin_idle_timeout);
        writer.u16(self.fin_hard_timeout);
        for spec in &self.specs {
            spec.encode(writer);
        }
    }

    /// Reads what follows the action's subtype. `None`: it names a field that the registry does not know.
    pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Option<Self>, DecodeError> {
        let mut learn = Self {
            idle_timeout: reader.u16("learn.idle_timeout")?,
            hard_timeout: reader.u16("learn.hard_timeout")?,
            priority: reader.u16("learn.priority")?,
            cookie: Cookie(reader.u64("learn.cookie")?),
            flags: reader.u16("learn.flags")?,
            table: TableId(reader.u8("learn.table_id")?),
            fin_idle_timeout: 0,
            fin_hard_timeout: 0,
            specs: Vec::new(),
        };
        reader.skip(1, "learn.pad")?;
        learn.fin_idle_timeout = reader.u16("learn.fin_idle_timeout")?;
        learn.fin_hard_timeout = reader.u16("learn.fin_hard_timeout")?;
        while reader.remaining() >= 2 {
            let start = *reader;
            let header = reader.u16("learn.spec")?;
            if header == 0 {
                break;
            }
            if header & 0xc000 != 0 || header & DST_MASK == DST_MASK || header & BITS_MASK == 0 {
                return Err(start.error("learn.spec", header.into(), "a flow_mod spec", ErrorCode::BAC_BAD_ARGUMENT));
            }
            match Spec::decode(header, reader)? {
                Some(spec) => learn.specs.push(spec),
                None => return Ok(None),
            }
        }
        Ok(Some(learn))
    }
}

#[cfg(test)]
mod tests {
    use super::super::action::Action;
    use super::super::oxm;
    use super::*;

    #[test]
    fn a_learn_action_decodes_to_what_was_encoded() {
        let vlan = Subfield { field: &oxm::VLAN_TCI, offset: 0, bits: 12 };
        let learn = Learn {
            idle_timeout: 0,
            hard_timeout: 300,
            priority: 1,
            cookie: Cookie(0xc00c1e),
            flags: 0,
            table: TableId(20),
            fin_idle_timeout: 0,
            fin_hard_timeout: 0,
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
