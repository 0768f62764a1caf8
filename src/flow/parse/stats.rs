//! Lines of `ovs-ofctl dump-flows`: a flow with its counters.

use super::piece::Piece;
use super::values::number_u64;
use super::{Lookup, ParseError, ParsedFlow, flow};
use crate::openflow::FlowStats;

/// A counter of which nothing is known (`ofp_flow_stats`, OpenFlow 1.3.5 §7.3.5.2).
const UNKNOWN: u64 = u64::MAX;

/// What a dump says of a flow besides the flow itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Counters {
    duration_sec: u32,
    duration_nsec: u32,
    packet_count: u64,
    byte_count: u64,
}

/// A flow and its counters that were read. Counters that the text does not have are unknown ones.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ParsedStats {
    flow: ParsedFlow,
    counters: Counters,
}

impl ParsedStats {
    /// The entry of a FLOW statistics reply that says the same.
    pub fn to_flow_stats(&self) -> FlowStats<'_> {
        let flow = self.flow.to_flow_mod();
        FlowStats {
            table: flow.table,
            duration_sec: self.counters.duration_sec,
            duration_nsec: self.counters.duration_nsec,
            priority: flow.priority,
            idle_timeout: flow.idle_timeout,
            hard_timeout: flow.hard_timeout,
            flags: flow.flags,
            cookie: flow.cookie,
            packet_count: self.counters.packet_count,
            byte_count: self.counters.byte_count,
            match_tlvs: flow.match_tlvs,
            instructions: flow.instructions,
            instructions_offset: 0,
        }
    }

    /// True if the text says how many packets hit the flow.
    pub const fn has_counters(&self) -> bool {
        self.counters.packet_count != UNKNOWN
    }
}

/// Reads a flow as `ovs-ofctl dump-flows` prints it, with or without counters.
pub fn flow_stats(text: &str, names: &dyn Lookup) -> Result<ParsedStats, ParseError> {
    let counters = counters(Piece::new(text))?;
    Ok(ParsedStats { flow: flow(text, names)?, counters })
}

fn counters(text: Piece<'_>) -> Result<Counters, ParseError> {
    let mut found = Counters { duration_sec: 0, duration_nsec: 0, packet_count: UNKNOWN, byte_count: UNKNOWN };
    let mut rest = text;
    while let Some((key, value)) = rest.next_pair() {
        match key.text {
            "duration" => (found.duration_sec, found.duration_nsec) = duration(value)?,
            "n_packets" => found.packet_count = counter(value)?,
            "n_bytes" => found.byte_count = counter(value)?,
            "actions" => break,
            _ => {}
        }
    }
    Ok(found)
}

fn counter(piece: Piece<'_>) -> Result<u64, ParseError> {
    if piece.text == "?" { Ok(UNKNOWN) } else { number_u64(piece) }
}

/// Seconds with up to nine decimals and an `s`.
fn duration(piece: Piece<'_>) -> Result<(u32, u32), ParseError> {
    let read = || {
        let seconds = piece.text.strip_suffix('s')?;
        let (whole, decimals) = seconds.split_once('.').unwrap_or((seconds, ""));
        let nanoseconds = format!("{decimals:0<9}");
        Some((whole.parse().ok()?, nanoseconds.parse().ok().filter(|_| nanoseconds.len() == 9)?))
    };
    read().ok_or_else(|| piece.error("seconds, as 12.345s"))
}

#[cfg(test)]
mod tests {
    use super::super::NoNames;
    use super::*;

    #[test]
    fn a_dumped_line_keeps_its_counters() {
        let line = " cookie=0x7, duration=12.045s, table=3, n_packets=5, n_bytes=420, idle_age=9, hard_age=65534, \
                    reset_counts priority=9,in_port=1 actions=output:2";
        let read = flow_stats(line, &NoNames).unwrap();
        let flow = read.to_flow_stats();
        assert_eq!((flow.duration_sec, flow.duration_nsec), (12, 45_000_000));
        assert_eq!((flow.packet_count, flow.byte_count), (5, 420));
        assert_eq!((flow.table.0, flow.priority, flow.cookie.0, flow.flags.0), (3, 9, 7, 4));
        assert!(read.has_counters());
    }

    #[test]
    fn counters_that_are_not_there_are_unknown() {
        for line in ["priority=9 actions=drop", "duration=3s, n_packets=?, n_bytes=? actions=drop"] {
            let read = flow_stats(line, &NoNames).unwrap();
            assert_eq!((read.to_flow_stats().packet_count, read.has_counters()), (u64::MAX, false), "{line}");
        }
    }

    #[test]
    fn a_counter_that_is_none_is_told_with_its_column() {
        for (line, column) in [
            ("duration=12 actions=drop", 10),
            ("duration=1.0123456789s actions=drop", 10),
            ("table=0, n_packets=many actions=drop", 20),
        ] {
            assert_eq!(flow_stats(line, &NoNames).unwrap_err().column, column, "{line}");
        }
    }
}
