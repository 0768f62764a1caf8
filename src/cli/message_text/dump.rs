//! Bytes as text.

use super::Out;

/// Sixteen bytes a line: offset, hexadecimal digits, printable characters.
pub fn dump(out: &mut Out, bytes: &[u8]) {
    for (line, chunk) in bytes.chunks(16).enumerate() {
        put!(out, "{:08x}  ", line * 16);
        for (i, byte) in chunk.iter().enumerate() {
            put!(out, "{byte:02x}{}", if i == 7 { '-' } else { ' ' });
        }
        for _ in chunk.len()..16 {
            put!(out, "   ");
        }
        out.push(b'|');
        out.extend(chunk.iter().map(|&byte| if (0x20..0x7f).contains(&byte) { byte } else { b'.' }));
        out.resize(out.len() + 16 - chunk.len(), b' ');
        put!(out, "|\n");
    }
}

/// Text as it is, with other bytes as three octal digits.
pub(super) fn printable(out: &mut Out, bytes: &[u8]) {
    for &byte in bytes {
        match byte {
            b'\\' | b'"' | 0..0x20 | 0x7f.. => put!(out, "\\{byte:03o}"),
            _ => out.push(byte),
        }
    }
}
