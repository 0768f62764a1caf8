//! Instructions (OpenFlow 1.3.5 §7.2.4).

use super::action::Action;
use super::{DecodeError, EncodeError, ErrorCode, Reader, TableId, Writer};

const OFPIT_GOTO_TABLE: u16 = 1;
const OFPIT_WRITE_METADATA: u16 = 2;
const OFPIT_WRITE_ACTIONS: u16 = 3;
const OFPIT_APPLY_ACTIONS: u16 = 4;
const OFPIT_CLEAR_ACTIONS: u16 = 5;
const OFPIT_METER: u16 = 6;

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
    Other(Box<[u8]>),
}

impl Instruction {
    /// Reads instructions to the end of `reader`. Errors carry `BIC_*` or, inside actions, `BAC_*`.
    pub fn decode_list(mut reader: Reader<'_>) -> Result<Vec<Self>, DecodeError> {
        let mut instructions = Vec::new();
        while !reader.is_empty() {
            instructions.push(Self::decode(&mut reader)?);
        }
        Ok(instructions)
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let start = *reader;
        let instruction_type = reader.u16("instruction.type")?;
        let length = reader.u16("instruction.len")?;
        let bad_len = |expected| start.error("instruction.len", u64::from(length), expected, ErrorCode::BIC_BAD_LEN);
        if length < 8 || length % 8 != 0 {
            return Err(bad_len("a multiple of 8 and at least 8"));
        }
        let mut body = reader
            .child(usize::from(length) - 4, "instruction.body")
            .map_err(|_| bad_len("no more than what is left of the flow"))?;
        let instruction = match instruction_type {
            OFPIT_GOTO_TABLE => {
                let table = TableId(body.u8("goto_table.table_id")?);
                body.skip(3, "goto_table.pad")?;
                Self::GotoTable(table)
            }
            OFPIT_WRITE_METADATA => {
                body.skip(4, "write_metadata.pad")?;
                Self::WriteMetadata {
                    metadata: body.u64("write_metadata.metadata")?,
                    mask: body.u64("write_metadata.mask")?,
                }
            }
            OFPIT_WRITE_ACTIONS | OFPIT_APPLY_ACTIONS | OFPIT_CLEAR_ACTIONS => {
                body.skip(4, "instruction.pad")?;
                let actions = Action::decode_list(body)?;
                body = Reader::new(&[]);
                match instruction_type {
                    OFPIT_WRITE_ACTIONS => Self::WriteActions(actions),
                    OFPIT_APPLY_ACTIONS => Self::ApplyActions(actions),
                    _ if actions.is_empty() => Self::ClearActions,
                    _ => return Err(bad_len("8, for an instruction without actions")),
                }
            }
            OFPIT_METER => Self::Meter(body.u32("meter.meter_id")?),
            _ => {
                let mut whole = start;
                return Ok(Self::Other(whole.bytes(usize::from(length), "instruction")?.into()));
            }
        };
        if body.is_empty() { Ok(instruction) } else { Err(bad_len("the length of its type")) }
    }
}

/// Appends the instructions "apply `actions`, then go to `next`", each only if there is something of
/// it; neither drops the packet. This order is the one in which Open vSwitch sends them back.
pub fn encode_apply(actions: &[Action], next: Option<TableId>, writer: &mut Writer) -> Result<(), EncodeError> {
    if !actions.is_empty() {
        let mark = writer.begin();
        writer.u16(OFPIT_APPLY_ACTIONS);
        writer.u16(0);
        writer.zeros(4);
        for action in actions {
            action.encode(writer)?;
        }
        writer.end(mark, 2, "instruction")?;
    }
    if let Some(table) = next {
        writer.u16(OFPIT_GOTO_TABLE);
        writer.u16(8);
        writer.u8(table.0);
        writer.zeros(3);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::openflow::PortNo;

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
    fn rejects_wrong_lengths_and_keeps_unknown_instructions() {
        assert!(Instruction::decode_list(Reader::new(&[0, 1, 0, 16, 58, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])).is_err());
        let error = Instruction::decode_list(Reader::at(&[0, 4, 0, 6, 0, 0, 0, 0], 72)).unwrap_err();
        assert_eq!(
            error.to_string(),
            "instruction.len at byte 72: found 6, expected a multiple of 8 and at least 8 (OFPBIC_BAD_LEN)"
        );
        let unknown = [0x12, 0x34, 0, 8, 1, 2, 3, 4];
        assert_eq!(Instruction::decode_list(Reader::new(&unknown)), Ok(vec![Instruction::Other(unknown.into())]));
    }
}
