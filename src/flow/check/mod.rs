//! Whether actions make sense together, within each other and for the packets that a match takes: what Open
//! vSwitch 3.1 holds a flow against before it takes it, with the errors that it answers.
//!
//! [`verify`] looks at the actions alone, as a switch's dump is read; [`consistency`] at the match too, as a
//! FLOW_MOD is. Both the text and the bytes of flows are held against the same two.

pub mod consistency;
#[cfg(test)]
mod tests;
pub mod verify;

use crate::openflow::oxm::Packet;
use crate::openflow::{DecodeError, ErrorCode, FlowMod, Instruction, Reader};

/// What is wrong with actions.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("expected {expected} ({code})")]
pub struct Violation {
    /// The OpenFlow error that a switch answers with.
    pub code: ErrorCode,
    /// What should have been there.
    pub expected: &'static str,
}

impl Violation {
    const fn new(code: ErrorCode, expected: &'static str) -> Self {
        Self { code, expected }
    }

    /// The same about the bytes that begin at the next one of `reader`.
    pub fn at(self, reader: &Reader<'_>) -> DecodeError {
        reader.error("actions", reader.remaining() as u64, self.expected, self.code)
    }
}

/// Reads the instructions of a flow and holds them against each other.
pub fn instructions(reader: Reader<'_>) -> Result<Vec<Instruction>, DecodeError> {
    let list = Instruction::decode_list(reader)?;
    verify::instructions(&list).map_err(|violation| violation.at(&reader))?;
    Ok(list)
}

/// Reads the instructions of a FLOW_MOD, which stand at `offset` of their message, and holds them against each
/// other and against its match.
pub fn flow_mod(flow: &FlowMod<'_>, offset: usize) -> Result<Vec<Instruction>, DecodeError> {
    let reader = Reader::at(flow.instructions, offset);
    let list = instructions(reader)?;
    let packet = consistency::packet(flow.match_tlvs, flow.table)?;
    consistency::instructions(&list, packet).map_err(|violation| violation.at(&reader))?;
    Ok(list)
}

/// Reads instructions as those of a flow with this match.
pub fn instructions_for(reader: Reader<'_>, packet: Packet) -> Result<Vec<Instruction>, DecodeError> {
    let list = instructions(reader)?;
    consistency::instructions(&list, packet).map_err(|violation| violation.at(&reader))?;
    Ok(list)
}
