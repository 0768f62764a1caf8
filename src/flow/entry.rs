//! One flow entry.

use std::hash::{Hash, Hasher};

use crate::openflow::flow_mod::GROUP_ANY;
use crate::openflow::instruction::encode_apply;
use crate::openflow::packet::NO_BUFFER;
use crate::openflow::{
    Action, Cookie, DecodeError, EncodeError, FlowFlags, FlowMod, FlowModCommand, FlowStats, Instruction, Match,
    PortNo, Reader, TableId, Writer,
};

/// What makes two flows the same entry of a switch: table, priority, match (OpenFlow 1.3.5 §6.4).
/// Cookie, timeouts and instructions are not identity.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct FlowKey<'a> {
    /// The table.
    pub table: TableId,
    /// The priority; higher wins.
    pub priority: u16,
    /// OXM TLVs in canonical form.
    pub match_tlvs: &'a [u8],
}

impl Hash for FlowKey<'_> {
    /// In two steps: lookups by identity are what an audit spends its time on.
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u32(u32::from(self.table.0) << 16 | u32::from(self.priority));
        state.write(self.match_tlvs);
    }
}

/// A flow entry as a controller wants it or a switch holds it. Match and instructions are wire
/// bytes in one allocation.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Flow {
    /// Why it exists.
    pub cookie: Cookie,
    /// The table.
    pub table: TableId,
    /// The priority; higher wins.
    pub priority: u16,
    /// Seconds without a packet after which it goes; 0: never.
    pub idle_timeout: u16,
    /// Seconds after which it goes; 0: never.
    pub hard_timeout: u16,
    /// `OFPFF_*`.
    pub flags: FlowFlags,
    match_len: u16,
    bytes: Box<[u8]>,
}

impl Flow {
    /// A flow without timeouts that applies `actions` and then goes on at table `next`; with neither
    /// it drops. Errors: longer than a message can be.
    pub fn new(
        table: TableId,
        priority: u16,
        matching: &Match,
        cookie: Cookie,
        actions: &[Action],
        next: Option<TableId>,
    ) -> Result<Self, EncodeError> {
        let tlvs = matching.as_bytes();
        let mut writer = Writer::from_vec(Vec::with_capacity(tlvs.len() + 16 + 24 * actions.len()));
        writer.bytes(tlvs);
        encode_apply(actions, next, &mut writer)?;
        let bytes = writer.into_vec();
        if bytes.len() > Self::MAX_BYTES {
            return Err(EncodeError::TooLong { what: "flow", found: bytes.len() });
        }
        Ok(Self::from_bytes(table, priority, cookie, tlvs.len(), bytes.into_boxed_slice()))
    }

    /// Match and instructions at the most: what a FLOW_MOD within a bundle message leaves room for.
    const MAX_BYTES: usize = u16::MAX as usize - 128;

    fn from_bytes(table: TableId, priority: u16, cookie: Cookie, match_len: usize, bytes: Box<[u8]>) -> Self {
        Self {
            cookie,
            table,
            priority,
            idle_timeout: 0,
            hard_timeout: 0,
            flags: FlowFlags::default(),
            match_len: u16::try_from(match_len).unwrap_or(u16::MAX),
            bytes,
        }
    }

    /// The flow that a switch reports.
    pub fn from_stats(stats: &FlowStats<'_>) -> Self {
        let bytes = [stats.match_tlvs, stats.instructions].concat().into_boxed_slice();
        Self {
            idle_timeout: stats.idle_timeout,
            hard_timeout: stats.hard_timeout,
            flags: stats.flags,
            ..Self::from_bytes(stats.table, stats.priority, stats.cookie, stats.match_tlvs.len(), bytes)
        }
    }

    /// The flow as a switch reports it that has just got it: no time and no packets passed.
    pub fn to_stats(&self) -> FlowStats<'_> {
        self.to_add().to_stats()
    }

    /// Its identity.
    pub fn key(&self) -> FlowKey<'_> {
        FlowKey { table: self.table, priority: self.priority, match_tlvs: self.match_tlvs() }
    }

    /// OXM TLVs.
    pub fn match_tlvs(&self) -> &[u8] {
        &self.bytes[..usize::from(self.match_len)]
    }

    /// Encoded instructions.
    pub fn instructions(&self) -> &[u8] {
        &self.bytes[usize::from(self.match_len)..]
    }

    /// The instructions as values.
    pub fn decode_instructions(&self) -> Result<Vec<Instruction>, DecodeError> {
        Instruction::decode_list(Reader::new(self.instructions()))
    }

    /// True if `stats` is this very flow: same identity, cookie, timeouts, flags and instructions.
    pub fn is(&self, stats: &FlowStats<'_>) -> bool {
        self.key() == (FlowKey { table: stats.table, priority: stats.priority, match_tlvs: stats.match_tlvs })
            && (self.cookie, self.idle_timeout, self.hard_timeout, self.flags)
                == (stats.cookie, stats.idle_timeout, stats.hard_timeout, stats.flags)
            && self.instructions() == stats.instructions
    }

    /// The FLOW_MOD that adds it, or replaces the one of the same identity.
    pub fn to_add(&self) -> FlowMod<'_> {
        self.to_flow_mod(FlowModCommand::ADD)
    }

    /// The FLOW_MOD that deletes the flow of this identity.
    pub fn to_delete(&self) -> FlowMod<'_> {
        FlowMod { instructions: &[], flags: FlowFlags::default(), ..self.to_flow_mod(FlowModCommand::DELETE_STRICT) }
    }

    fn to_flow_mod(&self, command: FlowModCommand) -> FlowMod<'_> {
        FlowMod {
            cookie: self.cookie,
            cookie_mask: 0,
            table: self.table,
            command,
            idle_timeout: self.idle_timeout,
            hard_timeout: self.hard_timeout,
            priority: self.priority,
            buffer_id: NO_BUFFER,
            out_port: PortNo::ANY,
            out_group: GROUP_ANY,
            flags: self.flags,
            match_tlvs: self.match_tlvs(),
            instructions: self.instructions(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flow_is_what_the_switch_reports_of_it() {
        let matching = Match::new().in_port(PortNo(3));
        let flow = Flow::new(TableId(0), 9, &matching, Cookie(7), &[], Some(TableId(25))).unwrap();
        let stats = FlowStats {
            table: TableId(0),
            duration_sec: 4,
            duration_nsec: 0,
            priority: 9,
            idle_timeout: 0,
            hard_timeout: 0,
            flags: FlowFlags(0),
            cookie: Cookie(7),
            packet_count: 12,
            byte_count: 900,
            match_tlvs: flow.match_tlvs(),
            instructions: flow.instructions(),
            instructions_offset: 0,
        };
        assert!(flow.is(&stats));
        assert!(!flow.is(&FlowStats { cookie: Cookie(8), ..stats }));
        assert!(!flow.is(&FlowStats { instructions: &[], ..stats }));
        assert_eq!(Flow::from_stats(&stats), flow);
    }

    #[test]
    fn a_flow_too_long_for_a_message_is_refused() {
        let outputs: Vec<Action> = (1..5000).map(|port| Action::output(PortNo(port))).collect();
        let flow = Flow::new(TableId(22), 1, &Match::new(), Cookie(0), &outputs, None);
        assert!(matches!(flow, Err(EncodeError::TooLong { .. })));
    }
}
