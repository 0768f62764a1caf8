//! Flow text in the syntax of `ovs-ofctl` (`ovs-ofctl(8)`, `ovs-actions(7)`), read into the bytes of a
//! FLOW_MOD: the inverse of [`super::text`].
//!
//! What is not understood is refused with its column, never guessed. Actions are held against the match
//! as `ovs-ofctl -O OpenFlow13` 3.1 does: a field has to be there to be read or written.
#![deny(clippy::unwrap_used, clippy::indexing_slicing, clippy::expect_used)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::expect_used))]

mod actions;
mod bundle;
mod ct;
mod encap;
mod fields;
mod forward;
mod group;
mod learn;
mod matching;
mod meter;
mod modify;
mod oxm;
mod packet_out;
mod piece;
mod select;
mod special;
mod stats;
#[cfg(test)]
mod tests;
mod tlv_map;
mod values;

pub use bundle::{ParsedMessage, bundle};
pub use group::{ParsedGroup, group};
pub use matching::{has_keyword, protocol, protocol_names};
pub use meter::{ParsedMeter, meter};
pub use oxm::oxm;
pub use packet_out::{ParsedPacketOut, packet_out};
pub use stats::{ParsedStats, flow_stats};
pub use tlv_map::tlv_map;

use piece::Piece;
use values::{number_u16, number_u32, number_u64};

use crate::openflow::flow_mod::GROUP_ANY;
use crate::openflow::oxm::Field;
use crate::openflow::packet::NO_BUFFER;
use crate::openflow::{Cookie, FlowFlags, FlowMod, FlowModCommand, PortNo, TableId};

/// Why a text is no flow.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("column {column}: found \"{found}\", expected {expected}")]
pub struct ParseError {
    /// Where, in bytes from 1.
    pub column: usize,
    /// What stands there.
    pub found: String,
    /// What could stand there.
    pub expected: &'static str,
}

/// The numbers behind names of ports and tables.
pub trait Lookup {
    /// The port of this name.
    fn port(&self, name: &str) -> Option<PortNo>;
    /// The table of this name.
    fn table(&self, name: &str) -> Option<TableId>;
}

/// Knows no names.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoNames;

impl Lookup for NoNames {
    fn port(&self, _: &str) -> Option<PortNo> {
        None
    }

    fn table(&self, _: &str) -> Option<TableId> {
        None
    }
}

/// A flow that was read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ParsedFlow {
    head: FlowMod<'static>,
    match_tlvs: Vec<u8>,
    instructions: Vec<u8>,
}

impl ParsedFlow {
    /// The FLOW_MOD that it makes.
    pub fn to_flow_mod(&self) -> FlowMod<'_> {
        FlowMod { match_tlvs: &self.match_tlvs, instructions: &self.instructions, ..self.head }
    }
}

/// Cuts a text into its keys and values: `key`, `key=value`, `key:value` or `key(value)`, with commas or blanks
/// between them.
pub fn pairs(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let mut rest = Piece::new(text);
    std::iter::from_fn(move || rest.next_pair()).map(|(key, value)| (key.text, value.text))
}

/// A number: decimal, `0x…` or octal.
pub fn number(text: &str) -> Option<u128> {
    values::plain_number(text)
}

/// Value and mask of `field` as its values read in a match, the mask in all bits of its bytes where there is none.
pub fn field_value(text: &str, field: &Field, names: &dyn Lookup) -> Result<(u128, u128), ParseError> {
    values::field_value(Piece::new(text), field, names).map(|found| (found.value, found.mask))
}

/// Longest match or instructions: together they fit a message.
const MAX_BYTES: usize = u16::MAX as usize - 128;

/// Reads a flow to add, as `ovs-ofctl parse-flow` does.
pub fn flow(text: &str, names: &dyn Lookup) -> Result<ParsedFlow, ParseError> {
    command(FlowModCommand::ADD, Piece::new(text), names)
}

const COMMANDS: [(&str, FlowModCommand); 5] = [
    ("delete", FlowModCommand::DELETE),
    ("delete_strict", FlowModCommand::DELETE_STRICT),
    ("modify", FlowModCommand::MODIFY),
    ("modify_strict", FlowModCommand::MODIFY_STRICT),
    ("add", FlowModCommand::ADD),
];

/// Reads a line of `ovs-ofctl add-flows FILE`: a flow, behind `add`, `modify`, `modify_strict`, `delete` or
/// `delete_strict`, without which it is added.
pub fn flow_mod(text: &str, names: &dyn Lookup) -> Result<ParsedFlow, ParseError> {
    flow_mod_at(Piece::new(text), names)
}

fn flow_mod_at(text: Piece<'_>, names: &dyn Lookup) -> Result<ParsedFlow, ParseError> {
    let start = text.trim_start();
    let (word, _) = start.word(", \t\r\n");
    match word.command(&COMMANDS) {
        Some(found) => command(found, start.split(word.text.len()).1, names),
        None => command(FlowModCommand::ADD, text, names),
    }
}

/// Reads a match into its OXM TLVs.
pub fn matching(text: &str, names: &dyn Lookup) -> Result<Vec<u8>, ParseError> {
    let mut fields = matching::Fields::default();
    let mut rest = Piece::new(text);
    while let Some((key, value)) = rest.next_pair() {
        if !fields.part(key, value, names)? {
            return Err(key.error("a match field or a protocol"));
        }
    }
    Ok(fields.encode())
}

/// Reads actions, for packets of any kind, into their bytes.
pub fn actions(text: &str, names: &dyn Lookup) -> Result<Vec<u8>, ParseError> {
    let mut rest = Piece::new(text);
    let pairs: Vec<_> = std::iter::from_fn(|| rest.next_pair()).collect();
    actions::list(&pairs, names)
}

fn command(command: FlowModCommand, text: Piece<'_>, names: &dyn Lookup) -> Result<ParsedFlow, ParseError> {
    let deletes = matches!(command, FlowModCommand::DELETE | FlowModCommand::DELETE_STRICT);
    let (mut rest, actions) = if deletes {
        (text, None)
    } else {
        let at = text.position("action").ok_or_else(|| text.error("a flow with actions=…"))?;
        let (rest, actions) = text.split(at);
        let (_, actions) = actions.split_once("=").ok_or_else(|| actions.error("= behind actions"))?;
        (rest, Some(actions))
    };
    let mut head = FlowMod {
        cookie: Cookie(0),
        cookie_mask: 0,
        table: TableId::ALL,
        command,
        idle_timeout: 0,
        hard_timeout: 0,
        priority: 0x8000,
        buffer_id: NO_BUFFER,
        out_port: PortNo::ANY,
        out_group: GROUP_ANY,
        flags: FlowFlags::default(),
        match_tlvs: &[],
        instructions: &[],
    };
    let mut fields = matching::Fields::default();
    while let Some((key, value)) = rest.next_pair() {
        if !flag(&mut head, key) && !fields.part(key, value, names)? {
            attribute(&mut head, key, value, names)?;
        }
    }
    if head.table == TableId::ALL && !deletes {
        head.table = TableId(0);
    }
    let packet = fields.packet(head.table.0);
    let match_tlvs = fields.checked(text, &packet)?;
    let instructions = actions.map(|actions| actions::instructions(actions, names, packet)).transpose()?;
    let instructions = instructions.unwrap_or_default();
    if match_tlvs.len() + instructions.len() > MAX_BYTES {
        return Err(text.error("a flow that fits a message"));
    }
    Ok(ParsedFlow { head, match_tlvs, instructions })
}

const fn is_delete(command: FlowModCommand) -> bool {
    matches!(command, FlowModCommand::DELETE | FlowModCommand::DELETE_STRICT)
}

/// Takes a flag; false if `key` is none.
fn flag(head: &mut FlowMod<'_>, key: Piece<'_>) -> bool {
    let bit = match key.text {
        "no_readonly_table" | "allow_hidden_fields" => return true,
        _ if is_delete(head.command) => return false,
        "send_flow_rem" => 1,
        "check_overlap" => 2,
        "reset_counts" => 4,
        "no_packet_counts" => 8,
        "no_byte_counts" => 16,
        _ => return false,
    };
    head.flags.0 |= bit;
    true
}

/// Takes what is neither flag nor match.
fn attribute(head: &mut FlowMod<'_>, key: Piece<'_>, value: Piece<'_>, names: &dyn Lookup) -> Result<(), ParseError> {
    let deletes = is_delete(head.command);
    if value.is_empty() {
        return Err(key.error("a match field, a flag, or an attribute with its value"));
    }
    match key.text {
        "table" => head.table = values::table(value, names)?,
        "out_port" if deletes => head.out_port = values::port(value, names)?,
        "out_group" if deletes => head.out_group = number_u32(value)?,
        "priority" if head.command != FlowModCommand::DELETE => head.priority = number_u16(value)?,
        "idle_timeout" if !deletes => head.idle_timeout = number_u16(value)?,
        "hard_timeout" if !deletes => head.hard_timeout = number_u16(value)?,
        // Only OpenFlow 1.4 has it on the wire.
        "importance" if head.command == FlowModCommand::ADD => _ = number_u16(value)?,
        "cookie" => cookie(head, value)?,
        "duration" | "n_packets" | "n_bytes" | "idle_age" | "hard_age" => {}
        _ => return Err(key.error("a match field, a flag, or an attribute of a flow")),
    }
    Ok(())
}

/// A flow that is added gets the cookie; of others it says which are meant, in the bits of its mask.
fn cookie(head: &mut FlowMod<'_>, value: Piece<'_>) -> Result<(), ParseError> {
    let (cookie, mask) = match value.split_once("/") {
        Some((_, mask)) if head.command == FlowModCommand::ADD => {
            return Err(mask.error("no mask: an added flow has one cookie"));
        }
        Some((cookie, mask)) => (number_u64(cookie)?, number_u64(mask)?),
        None if is_delete(head.command) => return Err(value.error("a cookie with a mask, as COOKIE/-1")),
        None => (number_u64(value)?, 0),
    };
    head.cookie = Cookie(if head.command == FlowModCommand::ADD { cookie } else { cookie & mask });
    head.cookie_mask = mask;
    Ok(())
}
