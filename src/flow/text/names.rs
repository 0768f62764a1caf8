//! Names of ports and tables, and how `ovs-ofctl` writes them.

use super::put::{self, Out};
use crate::openflow::{PortNo, TableId};

/// Where the names of one switch come from.
pub trait Names {
    /// The name of a port, if it has one that no other port has.
    fn port(&self, port: PortNo) -> Option<&str>;
    /// The name of a table.
    fn table(&self, table: TableId) -> Option<&str>;
}

/// No names: everything prints as numbers.
#[derive(Clone, Copy, Debug, Default)]
pub struct Numbers;

impl Names for Numbers {
    fn port(&self, _: PortNo) -> Option<&str> {
        None
    }

    fn table(&self, _: TableId) -> Option<&str> {
        None
    }
}

const fn reserved(port: PortNo) -> Option<&'static str> {
    Some(match port.0 {
        0xffff_fff7 => "UNSET",
        0xffff_fff8 => "IN_PORT",
        0xffff_fff9 => "TABLE",
        0xffff_fffa => "NORMAL",
        0xffff_fffb => "FLOOD",
        0xffff_fffc => "ALL",
        0xffff_fffd => "CONTROLLER",
        0xffff_fffe => "LOCAL",
        0xffff_ffff => "ANY",
        _ => return None,
    })
}

/// A reserved port by its name, another by the name it has, or by number.
pub(super) fn port(out: &mut Out, names: &dyn Names, port: PortNo) {
    match reserved(port).map(|name| (name, false)).or_else(|| names.port(port).map(|name| (name, true))) {
        Some((name, false)) => put::text(out, name),
        Some((name, true)) => quoted(out, name),
        // Open vSwitch keeps 16 bits of a port number: the upper range prints without its offset.
        None if port.0 >= PortNo::MAX.0 => put::decimal(out, u64::from(port.0 & 0xffff)),
        None => put::decimal(out, u64::from(port.0)),
    }
}

/// A table by name or number.
pub(super) fn table(out: &mut Out, names: &dyn Names, table: TableId) {
    match names.table(table) {
        Some(name) => quoted(out, name),
        None => put::decimal(out, u64::from(table.0)),
    }
}

/// A name as it is if it is a letter followed by letters and digits, else as a JSON string.
fn quoted(out: &mut Out, name: &str) {
    let plain = name.starts_with(|c: char| c.is_ascii_alphabetic()) && name.bytes().all(|b| b.is_ascii_alphanumeric());
    if plain {
        return put::text(out, name);
    }
    out.push(b'"');
    for byte in name.bytes() {
        match byte {
            b'"' => put::text(out, "\\\""),
            b'\\' => put::text(out, "\\\\"),
            0x08 => put::text(out, "\\b"),
            0x0c => put::text(out, "\\f"),
            b'\n' => put::text(out, "\\n"),
            b'\r' => put::text(out, "\\r"),
            b'\t' => put::text(out, "\\t"),
            0..0x20 => {
                put::text(out, "\\u00");
                put::hex_pairs(out, &[byte]);
            }
            _ => out.push(byte),
        }
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_quoted_as_ovs_ofctl_quotes_them() {
        let cases = [("tap1", "tap1"), ("int-br", "\"int-br\""), ("6a62", "\"6a62\""), ("a\"b\n", "\"a\\\"b\\n\"")];
        for (name, expected) in cases {
            let mut out = Vec::new();
            quoted(&mut out, name);
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
    }

    #[test]
    fn reserved_ports_have_names_and_the_others_numbers() {
        for (number, expected) in [(3, "3"), (0xffff_fffe, "LOCAL"), (0xffff_ff05, "65285"), (0xffff_fff7, "UNSET")] {
            let mut out = Vec::new();
            port(&mut out, &Numbers, PortNo(number));
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
    }
}
