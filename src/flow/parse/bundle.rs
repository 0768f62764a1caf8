//! Lines of a bundle (`ovs-ofctl bundle`): flows, groups and packet-outs.

use super::group::{ParsedGroup, group_at};
use super::packet_out::{ParsedPacketOut, packet_out_at};
use super::piece::Piece;
use super::{Lookup, ParseError, ParsedFlow, flow_mod_at};

/// A message of a bundle.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ParsedMessage {
    /// `flow …`
    Flow(ParsedFlow),
    /// `group …`
    Group(ParsedGroup),
    /// `packet-out …`
    PacketOut(ParsedPacketOut),
}

#[derive(Clone, Copy)]
enum Kind {
    Flow,
    Group,
    PacketOut,
}

const KINDS: [(&str, Kind); 3] = [("flow", Kind::Flow), ("group", Kind::Group), ("packet-out", Kind::PacketOut)];

/// Reads a line of a bundle: `flow add …`, `group delete …`, `packet-out …`.
pub fn bundle(text: &str, names: &dyn Lookup) -> Result<ParsedMessage, ParseError> {
    let start = Piece::new(text).trim_start();
    let (word, _) = start.word(", \t\r\n");
    let rest = start.split(word.text.len()).1;
    match word.command(&KINDS).ok_or_else(|| word.error("flow, group or packet-out"))? {
        Kind::Flow => flow_mod_at(rest, names).map(ParsedMessage::Flow),
        Kind::Group => group_at(rest, names).map(ParsedMessage::Group),
        Kind::PacketOut => packet_out_at(rest, names).map(ParsedMessage::PacketOut),
    }
}

#[cfg(test)]
mod tests {
    use super::super::NoNames;
    use super::*;

    #[test]
    fn each_line_is_a_message_of_its_own() {
        let parsed = bundle("flow modify table=1 actions=drop", &NoNames).unwrap();
        assert!(matches!(parsed, ParsedMessage::Flow(_)));
        assert!(matches!(bundle("group delete", &NoNames).unwrap(), ParsedMessage::Group(_)));
        let text = "packet-out in_port=1 packet=50540000000a5054000000091234 actions=2";
        assert!(matches!(bundle(text, &NoNames).unwrap(), ParsedMessage::PacketOut(_)));
        assert_eq!(bundle(" meter=1", &NoNames).unwrap_err().column, 2);
        assert_eq!(bundle("flow in_port=x actions=drop", &NoNames).unwrap_err().column, 14);
    }
}
