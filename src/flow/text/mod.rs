//! Flows as text: what `ovs-ofctl -O OpenFlow13` 3.1 prints for the same bytes.
//!
//! Printing goes to a byte buffer that the caller keeps: of a match straight from the TLVs of the wire, of
//! actions from their values. What this version does not know prints as hexadecimal and loses nothing. `tests/flow_text.rs` and `tests/ofctl_dump.rs` hold the texts against those of the
//! real programs.

mod actions;
mod controller;
mod field;
mod flow_mod;
mod learn;
mod matching;
mod names;
mod nicira;
mod nicira_ct;
mod oxm;
mod put;
#[cfg(test)]
mod tests;

pub(crate) use field::packet_type;
pub(crate) use matching::keyword;
pub use names::{Names, Numbers};
pub use oxm::oxm;
pub(crate) use put::{flags as flag_names, ipv6 as ipv6_address};

use std::ops::Range;

use super::entry::Flow;
use crate::openflow::{Action, Cookie, DecodeError, FlowFlags, FlowStats, PortNo, Reader, TableId};

/// Priority of a flow for which none was asked; not printed.
const DEFAULT_PRIORITY: u16 = 0x8000;

/// Prints flows with the names of one switch. Holds memory that the next flow uses again.
pub struct Printer<'n> {
    names: &'n dyn Names,
    places: Vec<(u16, u16)>,
}

/// Whether a flow's own cookie stands in front of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cookies {
    /// Left out.
    Hidden,
    /// `cookie=0x…, ` in front.
    Shown,
}

impl<'n> Printer<'n> {
    /// Prints with these names; [`Numbers`] for none.
    pub fn new(names: &'n dyn Names) -> Self {
        Self { names, places: Vec::new() }
    }

    /// A flow with its counters, as in a line of `ovs-ofctl dump-flows` without the leading blank.
    /// Returns where in `out` the text of the match stands.
    /// Errors: bytes that are no match or no actions; `out` then ends in the middle of the flow.
    pub fn with_stats(&mut self, flow: &FlowStats<'_>, out: &mut Vec<u8>) -> Result<Range<usize>, DecodeError> {
        put::text(out, "cookie=");
        put::hex(out, flow.cookie.0);
        put::text(out, ", duration=");
        duration(out, flow.duration_sec, flow.duration_nsec);
        put::text(out, ", table=");
        names::table(out, self.names, flow.table);
        for (name, count) in [(", n_packets=", flow.packet_count), (", n_bytes=", flow.byte_count)] {
            put::text(out, name);
            if count == u64::MAX { out.push(b'?') } else { put::decimal(out, count) }
        }
        put::text(out, ", ");
        self.rest(&Entry::from(flow), out)
    }

    /// A flow as in a line of `ovs-ofctl --no-stats dump-flows` without the leading blank.
    /// Result and errors as above.
    pub fn without_stats(&mut self, flow: &FlowStats<'_>, out: &mut Vec<u8>) -> Result<Range<usize>, DecodeError> {
        if flow.cookie.0 != 0 {
            self.cookie(flow.cookie, out);
        }
        if flow.table.0 != 0 || self.names.table(flow.table).is_some() {
            self.table(flow.table, out);
        }
        self.rest(&Entry::from(flow), out)
    }

    /// A wanted flow as a line that `ovs-ofctl add-flows` takes and that says everything: table and
    /// priority always stand there. Result and errors as above.
    pub fn wanted(&mut self, flow: &Flow, cookies: Cookies, out: &mut Vec<u8>) -> Result<Range<usize>, DecodeError> {
        if cookies == Cookies::Shown {
            self.cookie(flow.cookie, out);
        }
        self.table(flow.table, out);
        self.rest(&Entry::from(flow), out)
    }

    /// A match: OXM TLVs without `ofp_match`'s header, as `in_port=1,dl_vlan=7`.
    pub fn matching(&mut self, tlvs: &[u8], out: &mut Vec<u8>) -> Result<(), DecodeError> {
        matching::print(out, self.names, tlvs, &mut self.places)?;
        if out.last() == Some(&b',') {
            out.pop();
        }
        Ok(())
    }

    /// A priority and a match, as `priority=7,in_port=1`; nothing for a match of everything at the
    /// default priority.
    pub fn prioritized(&mut self, priority: u16, tlvs: &[u8], out: &mut Vec<u8>) -> Result<(), DecodeError> {
        if priority != DEFAULT_PRIORITY {
            put::text(out, "priority=");
            put::decimal(out, priority.into());
            out.push(b',');
        }
        matching::print(out, self.names, tlvs, &mut self.places)?;
        if out.last() == Some(&b',') {
            out.pop();
        }
        Ok(())
    }

    /// A port by its name or number.
    pub fn port(&self, port: PortNo, out: &mut Vec<u8>) {
        names::port(out, self.names, port);
    }

    /// A table by its name or number.
    pub fn table_id(&self, table: TableId, out: &mut Vec<u8>) {
        names::table(out, self.names, table);
    }

    /// Instructions as they stand behind `actions=`.
    pub fn instructions(&self, instructions: Reader<'_>, out: &mut Vec<u8>) -> Result<(), DecodeError> {
        actions::instructions(out, self.names, instructions)
    }

    /// A list of actions; none is `drop`.
    pub fn actions(&self, list: Reader<'_>, out: &mut Vec<u8>) -> Result<(), DecodeError> {
        actions::list_or_drop(out, self.names, &Action::decode_list(list)?);
        Ok(())
    }

    fn cookie(&self, cookie: Cookie, out: &mut Vec<u8>) {
        put::text(out, "cookie=");
        put::hex(out, cookie.0);
        put::text(out, ", ");
    }

    fn table(&self, table: TableId, out: &mut Vec<u8>) {
        put::text(out, "table=");
        names::table(out, self.names, table);
        put::text(out, ", ");
    }

    /// Timeouts, flags, priority and match, actions.
    fn rest(&mut self, entry: &Entry<'_>, out: &mut Vec<u8>) -> Result<Range<usize>, DecodeError> {
        for (name, timeout) in [("idle_timeout=", entry.idle_timeout), ("hard_timeout=", entry.hard_timeout)] {
            if timeout != 0 {
                put::text(out, name);
                put::decimal(out, timeout.into());
                put::text(out, ", ");
            }
        }
        flags(out, entry.flags);
        let start = out.len();
        if entry.priority != DEFAULT_PRIORITY || entry.complete {
            put::text(out, "priority=");
            put::decimal(out, entry.priority.into());
            out.push(b',');
        }
        let match_start = out.len();
        matching::print(out, self.names, entry.match_tlvs, &mut self.places)?;
        let match_text = match_start..out.len();
        if out.len() > start {
            out.pop();
            out.push(b' ');
        }
        put::text(out, "actions=");
        actions::instructions(out, self.names, entry.instructions)?;
        Ok(match_text)
    }
}

/// What prints of a flow whatever else does.
struct Entry<'a> {
    idle_timeout: u16,
    hard_timeout: u16,
    flags: FlowFlags,
    priority: u16,
    /// The default priority prints too.
    complete: bool,
    match_tlvs: &'a [u8],
    instructions: Reader<'a>,
}

impl<'a> From<&FlowStats<'a>> for Entry<'a> {
    fn from(flow: &FlowStats<'a>) -> Self {
        Self {
            idle_timeout: flow.idle_timeout,
            hard_timeout: flow.hard_timeout,
            flags: flow.flags,
            priority: flow.priority,
            complete: false,
            match_tlvs: flow.match_tlvs,
            instructions: Reader::at(flow.instructions, flow.instructions_offset),
        }
    }
}

impl<'a> From<&'a Flow> for Entry<'a> {
    fn from(flow: &'a Flow) -> Self {
        Self {
            idle_timeout: flow.idle_timeout,
            hard_timeout: flow.hard_timeout,
            flags: flow.flags,
            priority: flow.priority,
            complete: true,
            match_tlvs: flow.match_tlvs(),
            instructions: Reader::new(flow.instructions()),
        }
    }
}

/// The names of a flow's flags, each with a blank behind it.
pub fn flags(out: &mut Vec<u8>, flags: FlowFlags) {
    for (bit, name) in FlowFlags::NAMES.iter().enumerate() {
        if flags.0 >> bit & 1 == 1 {
            put::text(out, name);
            out.push(b' ');
        }
    }
}

/// Seconds, with no decimals, three, or as many as it takes, and an `s`.
pub fn duration(out: &mut Vec<u8>, seconds: u32, nanoseconds: u32) {
    put::decimal(out, seconds.into());
    if nanoseconds > 0 {
        out.push(b'.');
        if nanoseconds.is_multiple_of(1_000_000) {
            put::decimal_padded(out, u64::from(nanoseconds / 1_000_000), 3);
        } else {
            put::decimal_padded(out, nanoseconds.into(), 9);
            while out.last() == Some(&b'0') {
                out.pop();
            }
        }
    }
    out.push(b's');
}
