//! Instructions (OpenFlow 1.3.5 §7.2.4).
//!
//! ```text
//! | type | len | body, a multiple of 8 bytes with the header |
//! ```

use super::action::Action;
use super::{DecodeError, EncodeError, ErrorCode, Reader, TableId, Writer};

const OFPIT_GOTO_TABLE: u16 = 1;
const OFPIT_WRITE_METADATA: u16 = 2;
const OFPIT_WRITE_ACTIONS: u16 = 3;
const OFPIT_APPLY_ACTIONS: u16 = 4;
const OFPIT_CLEAR_ACTIONS: u16 = 5;
const OFPIT_METER: u16 = 6;
const OFPIT_EXPERIMENTER: u16 = 0xffff;

/// One instruction of a flow.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Instruction {
    /// `OFPIT_GOTO_TABLE`.
    GotoTable(TableId),
    /// `OFPIT_WRITE_METADATA`.
    WriteMetadata {
        /// The bits.
        metadata: u64,
        /// Which bits.
        mask: u64,
    },
    /// `OFPIT_WRITE_ACTIONS`.
    WriteActions(Vec<Action>),
    /// `OFPIT_APPLY_ACTIONS`.
    ApplyActions(Vec<Action>),
    /// `OFPIT_CLEAR_ACTIONS`.
    ClearActions,
    /// `OFPIT_METER`.
    Meter(u32),
    /// Any other, header included.
    Other {
        /// The error with which Open vSwitch 3.1 refuses it.
        code: ErrorCode,
        /// All of it.
        bytes: Box<[u8]>,
    },
}

/// The header of an instruction, and a reader for all of it.
type Framed<'a> = (u16, Reader<'a>);

/// Takes the next instruction of `reader`; `BIC_BAD_LEN`.
fn next<'a>(reader: &mut Reader<'a>) -> Result<Framed<'a>, DecodeError> {
    let (start, mut head) = (*reader, *reader);
    let left = start.remaining() as u64;
    let short = |_| start.error("instruction", left, "an instruction's header", ErrorCode::BIC_BAD_LEN);
    let kind = head.u16("instruction.type").map_err(short)?;
    let length = head.u16("instruction.len").map_err(short)?;
    let bad_len = |expected| start.error("instruction.len", u64::from(length), expected, ErrorCode::BIC_BAD_LEN);
    if length < 8 || length % 8 != 0 {
        return Err(bad_len("a multiple of 8 and at least 8"));
    }
    let whole = reader
        .child(usize::from(length), "instruction")
        .map_err(|_| bad_len("no more than what is left of the flow"))?;
    let good = match kind {
        OFPIT_GOTO_TABLE | OFPIT_CLEAR_ACTIONS | OFPIT_METER => length == 8,
        OFPIT_WRITE_METADATA => length == 24,
        _ => true,
    };
    if good { Ok((kind, whole)) } else { Err(bad_len("the length of its type")) }
}

/// Looks at the instructions, not into them. Returns the one of an unknown type, whose error comes before any
/// that stands behind it.
fn check_headers(mut reader: Reader<'_>) -> Result<Option<DecodeError>, DecodeError> {
    let (mut seen, mut unknown) = (0_u8, None);
    while !reader.is_empty() {
        let (kind, whole) = match next(&mut reader) {
            Ok(framed) => framed,
            Err(error) => return Err(unknown.unwrap_or(error)),
        };
        let bit = 1_u8.checked_shl(kind.into()).filter(|_| kind <= OFPIT_METER).unwrap_or(0);
        if seen & bit != 0 {
            let twice = || whole.error("instruction.type", kind.into(), "each type once", ErrorCode::BIC_DUP_INST);
            return Err(unknown.unwrap_or_else(twice));
        }
        seen |= bit;
        if unknown.is_none() && !(OFPIT_GOTO_TABLE..=OFPIT_METER).contains(&kind) {
            unknown = Some(whole.error("instruction.type", kind.into(), "a known type", unknown_code(kind)));
        }
    }
    Ok(unknown)
}

const fn unknown_code(kind: u16) -> ErrorCode {
    if kind == OFPIT_EXPERIMENTER { ErrorCode::BIC_BAD_EXPERIMENTER } else { ErrorCode::BIC_UNKNOWN_INST }
}

impl Instruction {
    /// Its place among the instructions of a flow when they are carried out, from 0 (OpenFlow 1.3.5 §5.9).
    pub const fn rank(&self) -> u8 {
        match self {
            Self::Meter(_) => 0,
            Self::ApplyActions(_) => 1,
            Self::ClearActions => 2,
            Self::WriteActions(_) => 3,
            Self::WriteMetadata { .. } => 4,
            Self::GotoTable(_) => 5,
            Self::Other { .. } => 6,
        }
    }

    /// Reads instructions to the end of `reader`, each type once. Errors carry `BIC_*` or, inside actions,
    /// `BAC_*`; as in Open vSwitch, those of the instructions come first.
    pub fn decode_list(reader: Reader<'_>) -> Result<Vec<Self>, DecodeError> {
        let mut unknown = check_headers(reader)?;
        let (mut reader, mut instructions) = (reader, Vec::new());
        while !reader.is_empty() {
            let instruction = Self::decode(next(&mut reader)?);
            // A broken action matters less than an instruction that is not known.
            instructions.push(instruction.map_err(|error| unknown.take().unwrap_or(error))?);
        }
        Ok(instructions)
    }

    fn decode((kind, whole): Framed<'_>) -> Result<Self, DecodeError> {
        let mut body = whole;
        body.skip(4, "instruction.header")?;
        Ok(match kind {
            OFPIT_GOTO_TABLE => Self::GotoTable(TableId(body.u8("goto_table.table_id")?)),
            OFPIT_WRITE_METADATA => {
                body.skip(4, "write_metadata.pad")?;
                let metadata = body.u64("write_metadata.metadata")?;
                Self::WriteMetadata { metadata, mask: body.u64("write_metadata.mask")? }
            }
            OFPIT_WRITE_ACTIONS | OFPIT_APPLY_ACTIONS => {
                body.skip(4, "instruction.pad")?;
                let actions = Action::decode_list(body)?;
                if kind == OFPIT_APPLY_ACTIONS { Self::ApplyActions(actions) } else { Self::WriteActions(actions) }
            }
            OFPIT_CLEAR_ACTIONS => Self::ClearActions,
            OFPIT_METER => Self::Meter(body.u32("meter.meter_id")?),
            _ => Self::Other { code: unknown_code(kind), bytes: whole.rest().into() },
        })
    }

    /// Appends the instruction. Errors: longer than 65,535 bytes.
    pub fn encode(&self, writer: &mut Writer) -> Result<(), EncodeError> {
        match self {
            Self::GotoTable(table) => framed(writer, OFPIT_GOTO_TABLE, |writer| {
                writer.u8(table.0);
                writer.zeros(3);
                Ok(())
            }),
            Self::WriteMetadata { metadata, mask } => framed(writer, OFPIT_WRITE_METADATA, |writer| {
                writer.zeros(4);
                writer.u64(*metadata);
                writer.u64(*mask);
                Ok(())
            }),
            Self::WriteActions(actions) => encode_actions(writer, OFPIT_WRITE_ACTIONS, actions),
            Self::ApplyActions(actions) => encode_actions(writer, OFPIT_APPLY_ACTIONS, actions),
            Self::ClearActions => encode_actions(writer, OFPIT_CLEAR_ACTIONS, &[]),
            Self::Meter(meter) => framed(writer, OFPIT_METER, |writer| {
                writer.u32(*meter);
                Ok(())
            }),
            Self::Other { bytes, .. } => {
                writer.bytes(bytes);
                Ok(())
            }
        }
    }
}

fn framed(
    writer: &mut Writer,
    kind: u16,
    body: impl FnOnce(&mut Writer) -> Result<(), EncodeError>,
) -> Result<(), EncodeError> {
    let mark = writer.begin();
    writer.u16(kind);
    writer.u16(0);
    body(writer)?;
    writer.end(mark, 2, "instruction")
}

fn encode_actions(writer: &mut Writer, kind: u16, actions: &[Action]) -> Result<(), EncodeError> {
    framed(writer, kind, |writer| {
        writer.zeros(4);
        actions.iter().try_for_each(|action| action.encode(writer))
    })
}

/// Appends the instructions "apply `actions`, then go to `next`", each only if there is something of
/// it; neither drops the packet. This order is the one in which Open vSwitch sends them back.
pub fn encode_apply(actions: &[Action], next: Option<TableId>, writer: &mut Writer) -> Result<(), EncodeError> {
    if !actions.is_empty() {
        encode_actions(writer, OFPIT_APPLY_ACTIONS, actions)?;
    }
    next.map_or(Ok(()), |table| Instruction::GotoTable(table).encode(writer))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::openflow::PortNo;
    use crate::openflow::testing::hex;

    #[test]
    fn apply_and_goto_decode_to_what_was_encoded() {
        let actions = [Action::PopVlan, Action::output(PortNo(2))];
        let mut writer = Writer::new();
        encode_apply(&actions, Some(TableId(58)), &mut writer).unwrap();
        let bytes = writer.into_vec();
        let expected = vec![Instruction::ApplyActions(actions.to_vec()), Instruction::GotoTable(TableId(58))];
        assert_eq!(Instruction::decode_list(Reader::new(&bytes)), Ok(expected));
        for end in (1..bytes.len()).filter(|&end| end != 32) {
            assert!(Instruction::decode_list(Reader::new(&bytes[..end])).is_err(), "{end}");
        }
    }

    #[test]
    fn every_instruction_decodes_to_what_was_encoded() {
        let instructions = vec![
            Instruction::Meter(7),
            Instruction::ApplyActions(Vec::new()),
            Instruction::ClearActions,
            Instruction::WriteActions(vec![Action::Group(1)]),
            Instruction::WriteMetadata { metadata: 5, mask: 0xff },
            Instruction::GotoTable(TableId(9)),
            Instruction::Other { code: ErrorCode::BIC_UNKNOWN_INST, bytes: [0x12, 0x34, 0, 8, 1, 2, 3, 4].into() },
            Instruction::Other { code: ErrorCode::BIC_BAD_EXPERIMENTER, bytes: [255, 255, 0, 8, 0, 0, 0, 9].into() },
        ];
        let mut writer = Writer::new();
        instructions.iter().for_each(|instruction| instruction.encode(&mut writer).unwrap());
        assert_eq!(Instruction::decode_list(Reader::new(writer.as_slice())), Ok(instructions));
    }

    #[test]
    fn rejects_what_is_no_list_of_instructions() {
        for (bytes, offset, code) in [
            ("0001001000000000 0000000000000000", 72, ErrorCode::BIC_BAD_LEN),
            ("0002001000000000 0000000000000000", 72, ErrorCode::BIC_BAD_LEN),
            ("0005001000000000 0000000000000000", 72, ErrorCode::BIC_BAD_LEN),
            ("0005000800000000 0005000800000000", 80, ErrorCode::BIC_DUP_INST),
            // The second instruction's error comes before the first one's action.
            ("0004001000000000 6363000800000000 0001000900000000 00", 88, ErrorCode::BIC_BAD_LEN),
            ("0004001000000000 0000000800000001", 80, ErrorCode::BAC_BAD_LEN),
            // Likewise that of an instruction of an unknown type, before what is wrong with any length behind it.
            ("0004001000000000 6363000700000000 1234000800000000", 88, ErrorCode::BIC_UNKNOWN_INST),
            ("ffff000800000000 0005001000000000 0000000000000000", 72, ErrorCode::BIC_BAD_EXPERIMENTER),
        ] {
            let bytes = hex(bytes);
            let error = Instruction::decode_list(Reader::at(&bytes, 72)).unwrap_err();
            assert_eq!((error.offset, error.code), (offset, code), "{error}");
        }
        let error = Instruction::decode_list(Reader::at(&[0, 4, 0, 6, 0, 0, 0, 0], 72)).unwrap_err();
        assert_eq!(
            error.to_string(),
            "instruction.len at byte 72: found 6, expected a multiple of 8 and at least 8 (OFPBIC_BAD_LEN)"
        );
    }
}
