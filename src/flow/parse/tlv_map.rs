//! Mappings of tunnel options as text (`ovs-ofctl add-tlv-map`).

use super::ParseError;
use super::piece::Piece;
use super::values::{number_u8, number_u16};
use crate::openflow::tlv_table::{TlvMap, TlvTableCommand, TlvTableMod};

const COMMANDS: [(&str, TlvTableCommand); 3] =
    [("add", TlvTableCommand::Add), ("delete", TlvTableCommand::Delete), ("clear", TlvTableCommand::Clear)];

/// Reads `{class=CLASS,type=TYPE,len=LEN}->tun_metadataN,…` to add, or behind `delete` or `clear`.
pub fn tlv_map(text: &str) -> Result<TlvTableMod, ParseError> {
    let start = Piece::new(text).trim();
    let (word, _) = start.word("{ \t");
    let (command, mut rest) = match word.command(&COMMANDS) {
        Some(command) => (command, start.split(word.text.len()).1.trim_start()),
        None => (TlvTableCommand::Add, start),
    };
    let mut mappings = Vec::new();
    while !rest.is_empty() {
        let (mapping, after) = mapping(rest.strip_prefix(",").unwrap_or(rest))?;
        mappings.push(mapping);
        rest = after;
    }
    Ok(TlvTableMod { command, mappings })
}

fn mapping(text: Piece<'_>) -> Result<(TlvMap, Piece<'_>), ParseError> {
    let expected = "{class=CLASS,type=TYPE,len=LENGTH}->tun_metadataN";
    let part = |rest: Piece<'_>, prefix: &str, end: &str| {
        let inner = rest.strip_prefix(prefix).and_then(|rest| rest.split_once(end));
        inner.map(|(value, after)| (value.text.len(), value.at, after.at)).ok_or_else(|| rest.error(expected))
    };
    let cut = |(length, at, _): (usize, usize, usize)| text.split(at - text.at).1.split(length).0;
    let behind = |(_, _, at): (usize, usize, usize)| text.split(at - text.at).1;
    let class = part(text, "{class=", ",")?;
    let kind = part(behind(class), "type=", ",")?;
    let len = part(behind(kind), "len=", "}->tun_metadata")?;
    let rest = behind(len);
    let digits = rest.text.len() - rest.text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (index, after) = rest.split(digits);
    let mapping = TlvMap {
        option_class: number_u16(cut(class))?,
        option_type: number_u8(cut(kind))?,
        option_len: number_u8(cut(len))?,
        index: number_u16(index)?,
    };
    if !mapping.option_len.is_multiple_of(4) || mapping.option_len > 124 {
        return Err(cut(len).error("a length that is a multiple of 4, at most 124"));
    }
    if mapping.index > 63 {
        return Err(index.error("the number of an option from 0 to 63"));
    }
    Ok((mapping, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mappings_are_read_one_after_the_other() {
        let parsed =
            tlv_map("{class=0xffff,type=0,len=4}->tun_metadata0,{class=1,type=2,len=8}->tun_metadata63").unwrap();
        let first = TlvMap { option_class: 0xffff, option_type: 0, option_len: 4, index: 0 };
        let second = TlvMap { option_class: 1, option_type: 2, option_len: 8, index: 63 };
        assert_eq!(parsed, TlvTableMod { command: TlvTableCommand::Add, mappings: vec![first, second] });
        assert_eq!(tlv_map("clear").unwrap().command, TlvTableCommand::Clear);
    }

    #[test]
    fn what_is_no_mapping_is_refused_with_its_column() {
        for (text, column) in [
            ("{class=1,type=2}->tun_metadata0", 10),
            ("{class=x,type=2,len=4}->tun_metadata0", 8),
            ("{class=1,type=2,len=5}->tun_metadata0", 21),
            ("{class=1,type=2,len=4}->tun_metadata64", 37),
            ("{class=1,type=2,len=4}->tun_metadata0;", 38),
        ] {
            assert_eq!(tlv_map(text).unwrap_err().column, column, "{text}");
        }
    }
}
