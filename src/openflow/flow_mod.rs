//! FLOW_MOD and the flow entries of a FLOW statistics reply. Match and instructions stay bytes here:
//! in canonical form equal flows have equal bytes, so that sending and comparing need no parsing.

use super::matching::Match;
use super::{Cookie, DecodeError, EncodeError, Entry, ErrorCode, PortNo, Reader, TableId, Writer};

/// `OFPFC_*` (OpenFlow 1.3.5 §7.3.4.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FlowModCommand(pub u8);

impl FlowModCommand {
    /// `OFPFC_ADD`: adds the flow, or replaces the one of the same table, priority and match.
    pub const ADD: Self = Self(0);
    /// `OFPFC_MODIFY`: gives all flows that the match contains other instructions.
    pub const MODIFY: Self = Self(1);
    /// `OFPFC_MODIFY_STRICT`: likewise, the flow of exactly this table, priority and match.
    pub const MODIFY_STRICT: Self = Self(2);
    /// `OFPFC_DELETE`: deletes all flows that the match contains.
    pub const DELETE: Self = Self(3);
    /// `OFPFC_DELETE_STRICT`: deletes the flow of exactly this table, priority and match.
    pub const DELETE_STRICT: Self = Self(4);
}

/// `OFPFF_*` flags of a flow.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Hash)]
pub struct FlowFlags(pub u16);

impl FlowFlags {
    /// The names that ovs-ofctl has for them, from bit 0.
    pub const NAMES: [&str; 5] =
        ["send_flow_rem", "check_overlap", "reset_counts", "no_packet_counts", "no_byte_counts"];
}

/// OFPT_FLOW_MOD without its header (OpenFlow 1.3.5 §7.3.4.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FlowMod<'a> {
    /// The new cookie of an added flow; in a delete, the cookie to look for.
    pub cookie: Cookie,
    /// In a delete: the bits of the cookie that count; 0 for any cookie.
    pub cookie_mask: u64,
    /// Which table.
    pub table: TableId,
    /// What to do.
    pub command: FlowModCommand,
    /// Seconds; 0 for none.
    pub idle_timeout: u16,
    /// Seconds; 0 for none.
    pub hard_timeout: u16,
    /// Higher wins.
    pub priority: u16,
    /// The packet that the switch keeps and that takes the new flow, or [`NO_BUFFER`](super::packet::NO_BUFFER).
    pub buffer_id: u32,
    /// In a delete: only flows with an output there; else [`PortNo::ANY`].
    pub out_port: PortNo,
    /// In a delete: only flows that lead to that group; else [`GROUP_ANY`].
    pub out_group: u32,
    /// Flags of an added flow.
    pub flags: FlowFlags,
    /// OXM TLVs.
    pub match_tlvs: &'a [u8],
    /// Encoded instructions.
    pub instructions: &'a [u8],
}

/// `OFPG_ANY`: no restriction to a group.
pub const GROUP_ANY: u32 = u32::MAX;

impl<'a> FlowMod<'a> {
    /// Appends the message's body.
    pub fn encode(&self, writer: &mut Writer) -> Result<(), EncodeError> {
        writer.u64(self.cookie.0);
        writer.u64(self.cookie_mask);
        writer.u8(self.table.0);
        writer.u8(self.command.0);
        writer.u16(self.idle_timeout);
        writer.u16(self.hard_timeout);
        writer.u16(self.priority);
        writer.u32(self.buffer_id);
        writer.u32(self.out_port.0);
        writer.u32(self.out_group);
        writer.u16(self.flags.0);
        writer.zeros(2);
        Match::encode_tlvs(self.match_tlvs, writer)?;
        writer.bytes(self.instructions);
        Ok(())
    }

    /// Reads the message's body.
    pub fn decode(mut reader: Reader<'a>) -> Result<Self, DecodeError> {
        let cookie = Cookie(reader.u64("flow_mod.cookie")?);
        let cookie_mask = reader.u64("flow_mod.cookie_mask")?;
        let table = TableId(reader.u8("flow_mod.table_id")?);
        let command = FlowModCommand(reader.u8("flow_mod.command")?);
        let idle_timeout = reader.u16("flow_mod.idle_timeout")?;
        let hard_timeout = reader.u16("flow_mod.hard_timeout")?;
        let priority = reader.u16("flow_mod.priority")?;
        let buffer_id = reader.u32("flow_mod.buffer_id")?;
        let out_port = PortNo(reader.u32("flow_mod.out_port")?);
        let out_group = reader.u32("flow_mod.out_group")?;
        let flags = FlowFlags(reader.u16("flow_mod.flags")?);
        reader.skip(2, "flow_mod.pad")?;
        let match_tlvs = Match::decode_tlvs(&mut reader)?;
        let instructions = reader.rest();
        Ok(Self {
            cookie,
            cookie_mask,
            table,
            command,
            idle_timeout,
            hard_timeout,
            priority,
            buffer_id,
            out_port,
            out_group,
            flags,
            match_tlvs,
            instructions,
        })
    }

    /// The flow that it adds, as a switch reports it that has just got it: no time and no packets passed.
    pub const fn to_stats(&self) -> FlowStats<'a> {
        FlowStats {
            table: self.table,
            duration_sec: 0,
            duration_nsec: 0,
            priority: self.priority,
            idle_timeout: self.idle_timeout,
            hard_timeout: self.hard_timeout,
            flags: self.flags,
            cookie: self.cookie,
            packet_count: 0,
            byte_count: 0,
            match_tlvs: self.match_tlvs,
            instructions: self.instructions,
            instructions_offset: 0,
        }
    }
}

/// One entry of an OFPMP_FLOW reply, `ofp_flow_stats` (OpenFlow 1.3.5 §7.3.5.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FlowStats<'a> {
    /// Table that holds the flow.
    pub table: TableId,
    /// Seconds since it was added.
    pub duration_sec: u32,
    /// Nanoseconds beyond `duration_sec`.
    pub duration_nsec: u32,
    /// Its priority.
    pub priority: u16,
    /// Seconds; 0 for none.
    pub idle_timeout: u16,
    /// Seconds; 0 for none.
    pub hard_timeout: u16,
    /// Its flags.
    pub flags: FlowFlags,
    /// Its cookie.
    pub cookie: Cookie,
    /// Packets that it matched; all ones if the switch does not know.
    pub packet_count: u64,
    /// Bytes of these packets; likewise.
    pub byte_count: u64,
    /// OXM TLVs.
    pub match_tlvs: &'a [u8],
    /// Encoded instructions.
    pub instructions: &'a [u8],
    /// Where the instructions begin, from the start of the message.
    pub instructions_offset: usize,
}

/// What is wrong with an entry that is longer than what is left, if its match begins there: that match, or else
/// the instructions, which are then too long. Open vSwitch looks at nothing else.
fn cut_entry(mut rest: Reader<'_>) -> Result<DecodeError, DecodeError> {
    rest.skip(46, "flow_stats")?;
    let cut =
        || rest.error("flow_stats.instructions", 0, "as many bytes as the entry's length says", ErrorCode::BIC_BAD_LEN);
    let mut at_match = rest;
    Ok(Match::decode_tlvs(&mut at_match).err().unwrap_or_else(cut))
}

impl<'a> FlowStats<'a> {
    /// Reads one entry.
    pub fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let start = *reader;
        let length = reader.u16("flow_stats.length")?;
        let bad_len = |expected| start.error("flow_stats.length", u64::from(length), expected, ErrorCode::BRC_BAD_LEN);
        let body = usize::from(length).checked_sub(2).ok_or_else(|| bad_len("at least 56"))?;
        let rest = *reader;
        let cut = |_| cut_entry(rest).unwrap_or_else(|_| bad_len("no more than what is left"));
        let mut entry = reader.child(body, "flow_stats").map_err(cut)?;
        let table = TableId(entry.u8("flow_stats.table_id")?);
        entry.skip(1, "flow_stats.pad")?;
        let duration_sec = entry.u32("flow_stats.duration_sec")?;
        let duration_nsec = entry.u32("flow_stats.duration_nsec")?;
        let priority = entry.u16("flow_stats.priority")?;
        let idle_timeout = entry.u16("flow_stats.idle_timeout")?;
        let hard_timeout = entry.u16("flow_stats.hard_timeout")?;
        let flags = FlowFlags(entry.u16("flow_stats.flags")?);
        entry.skip(4, "flow_stats.pad2")?;
        let cookie = Cookie(entry.u64("flow_stats.cookie")?);
        let packet_count = entry.u64("flow_stats.packet_count")?;
        let byte_count = entry.u64("flow_stats.byte_count")?;
        let match_tlvs = Match::decode_tlvs(&mut entry)?;
        Ok(Self {
            table,
            duration_sec,
            duration_nsec,
            priority,
            idle_timeout,
            hard_timeout,
            flags,
            cookie,
            packet_count,
            byte_count,
            match_tlvs,
            instructions: entry.rest(),
            instructions_offset: entry.offset(),
        })
    }

    /// Appends the entry.
    pub fn encode(&self, writer: &mut Writer) -> Result<(), EncodeError> {
        let mark = writer.begin();
        writer.u16(0);
        writer.u8(self.table.0);
        writer.zeros(1);
        writer.u32(self.duration_sec);
        writer.u32(self.duration_nsec);
        writer.u16(self.priority);
        writer.u16(self.idle_timeout);
        writer.u16(self.hard_timeout);
        writer.u16(self.flags.0);
        writer.zeros(4);
        writer.u64(self.cookie.0);
        writer.u64(self.packet_count);
        writer.u64(self.byte_count);
        Match::encode_tlvs(self.match_tlvs, writer)?;
        writer.bytes(self.instructions);
        writer.end(mark, 0, "flow_stats")
    }
}

impl<'a> Entry<'a> for FlowStats<'a> {
    fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        FlowStats::decode(reader)
    }

    fn encode(&self, writer: &mut Writer) -> Result<(), EncodeError> {
        FlowStats::encode(self, writer)
    }
}

/// Appends the body of an OFPMP_FLOW request for the flows of `table` whose cookie has `cookie` in
/// the bits of `cookie_mask` (OpenFlow 1.3.5 §7.3.5.2).
pub fn encode_flow_stats_request(
    table: TableId,
    cookie: Cookie,
    cookie_mask: u64,
    writer: &mut Writer,
) -> Result<(), EncodeError> {
    writer.u8(table.0);
    writer.zeros(3);
    writer.u32(PortNo::ANY.0);
    writer.u32(GROUP_ANY);
    writer.zeros(4);
    writer.u64(cookie.0);
    writer.u64(cookie_mask);
    Match::encode_tlvs(&[], writer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flow_entry_reads_as_it_was_written() {
        let (tlvs, instructions) = (Match::new().in_port(PortNo(1)), [0, 4, 0, 8, 0, 0, 0, 0]);
        let entry = FlowStats {
            table: TableId(3),
            duration_sec: 4,
            duration_nsec: 5,
            priority: 6,
            idle_timeout: 7,
            hard_timeout: 8,
            flags: FlowFlags(9),
            cookie: Cookie(10),
            packet_count: 11,
            byte_count: 12,
            match_tlvs: tlvs.as_bytes(),
            instructions: &instructions,
            instructions_offset: 64,
        };
        let mut writer = Writer::new();
        entry.encode(&mut writer).unwrap();
        assert_eq!(writer.len(), 72);
        let mut reader = Reader::new(writer.as_slice());
        assert_eq!(FlowStats::decode(&mut reader), Ok(entry));
        assert!(reader.is_empty());
        for end in 0..72 {
            assert!(FlowStats::decode(&mut Reader::new(&writer.as_slice()[..end])).is_err());
        }
    }

    #[test]
    fn an_entry_that_is_cut_is_refused_for_its_match_or_its_instructions() {
        let mut entry = vec![0, 72];
        entry.resize(48, 0);
        entry.extend([0, 1, 0, 4, 0, 0, 0, 0, 0, 4, 0, 24, 0, 0, 0, 0]);
        let code = |entry: &[u8]| FlowStats::decode(&mut Reader::new(entry)).unwrap_err().code;
        assert_eq!(code(&entry), ErrorCode::BIC_BAD_LEN);
        assert_eq!(code(&entry[..52]), ErrorCode::BMC_BAD_LEN);
        assert_eq!(code(&entry[..40]), ErrorCode::BRC_BAD_LEN);
    }

    #[test]
    fn a_flow_mod_has_the_bytes_of_ovs_ofctl() {
        // in_port=1,actions=output:2, without the header
        let hex = "000000000000000000000000000000000000000000008000ffffffffffffffffffffffff000000000001000c800000040000000100000000000400180000000000000010000000020000000000000000";
        let bytes: Vec<u8> =
            (0..hex.len() / 2).map(|i| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).unwrap()).collect();
        let decoded = FlowMod::decode(Reader::new(&bytes)).unwrap();
        assert_eq!(decoded.match_tlvs, Match::new().in_port(PortNo(1)).as_bytes());
        assert_eq!(decoded.priority, 0x8000);
        let mut writer = Writer::new();
        decoded.encode(&mut writer).unwrap();
        assert_eq!(writer.as_slice(), bytes);
        for end in 0..56 {
            assert!(FlowMod::decode(Reader::new(&bytes[..end])).is_err());
        }
    }
}
