//! FLOW_MODs, as `ovs-ofctl parse-flows` prints them.

use std::ops::Range;

use super::put::Out;
use super::{DEFAULT_PRIORITY, Printer, actions, flags, matching, names, put};
use crate::openflow::packet::NO_BUFFER;
use crate::openflow::{DecodeError, FlowMod, FlowModCommand, PortNo, Reader};

impl Printer<'_> {
    /// A FLOW_MOD behind its command: `ADD table:1 in_port=1 actions=drop`; of the messages too, `ovs-ofctl
    /// ofp-print` prints this. Returns where the text of the match stands. Errors: bytes that are no match or no actions.
    pub fn flow_mod(&mut self, flow: &FlowMod<'_>, out: &mut Vec<u8>) -> Result<Range<usize>, DecodeError> {
        match flow.command {
            FlowModCommand::ADD => put::text(out, "ADD"),
            FlowModCommand::MODIFY => put::text(out, "MOD"),
            FlowModCommand::MODIFY_STRICT => put::text(out, "MOD_STRICT"),
            FlowModCommand::DELETE => put::text(out, "DEL"),
            FlowModCommand::DELETE_STRICT => put::text(out, "DEL_STRICT"),
            FlowModCommand(other) => {
                put::text(out, "cmd:");
                put::decimal(out, other.into());
            }
        }
        if flow.table.0 != 0 || self.names.table(flow.table).is_some() {
            put::text(out, " table:");
            names::table(out, self.names, flow.table);
        }
        out.push(b' ');
        if flow.priority != DEFAULT_PRIORITY {
            put::text(out, "priority=");
            put::decimal(out, flow.priority.into());
            out.push(b',');
        }
        let start = out.len();
        matching::print(out, self.names, flow.match_tlvs, &mut self.places)?;
        let match_text = start..out.len();
        if out.last() == Some(&b',') {
            out.pop();
            out.push(b' ');
        }
        cookie(out, flow);
        for (name, timeout) in [("idle:", flow.idle_timeout), ("hard:", flow.hard_timeout)] {
            if timeout != 0 {
                put::text(out, name);
                put::decimal(out, timeout.into());
                out.push(b' ');
            }
        }
        if flow.buffer_id != NO_BUFFER {
            put::text(out, "buf:");
            put::hex(out, flow.buffer_id.into());
            out.push(b' ');
        }
        if flow.out_port != PortNo::ANY {
            put::text(out, "out_port:");
            names::port(out, self.names, flow.out_port);
            out.push(b' ');
        }
        flags(out, flow.flags);
        put::text(out, "actions=");
        actions::instructions(out, self.names, Reader::new(flow.instructions))?;
        Ok(match_text)
    }
}

/// The cookie that an added flow gets, or that the flows have which are meant.
fn cookie(out: &mut Out, flow: &FlowMod<'_>) {
    let added = flow.command == FlowModCommand::ADD;
    if added && matches!(flow.cookie.0, 0 | u64::MAX) || !added && flow.cookie_mask == 0 {
        return;
    }
    put::text(out, "cookie:");
    put::hex(out, flow.cookie.0);
    if !added {
        out.push(b'/');
        put::hex(out, flow.cookie_mask);
    }
    out.push(b' ');
}
