//! Numbers and addresses as text, appended to a byte buffer without the formatting machinery.

/// Where text goes.
pub(super) type Out = Vec<u8>;

pub(super) fn text(out: &mut Out, text: &str) {
    out.extend_from_slice(text.as_bytes());
}

const fn digit(nibble: u8) -> u8 {
    if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 }
}

/// `number` in `BASE`, at least `width` digits wide.
fn digits<const BASE: u64>(out: &mut Out, mut number: u64, width: usize) {
    let mut buffer = [b'0'; 24];
    let mut used = 0;
    for place in buffer.iter_mut().rev() {
        *place = digit((number % BASE) as u8);
        number /= BASE;
        used += 1;
        if number == 0 {
            break;
        }
    }
    let used = used.max(width.min(buffer.len()));
    out.extend_from_slice(&buffer[buffer.len() - used..]);
}

pub(super) fn decimal(out: &mut Out, number: u64) {
    digits::<10>(out, number, 1);
}

pub(super) fn decimal_padded(out: &mut Out, number: u64, width: usize) {
    digits::<10>(out, number, width);
}

/// `0x2a`, at least `width` digits wide.
pub(super) fn hex_padded(out: &mut Out, number: u64, width: usize) {
    text(out, "0x");
    digits::<16>(out, number, width);
}

/// `0x2a`, and `0x0` for zero.
pub(super) fn hex(out: &mut Out, number: u64) {
    hex_padded(out, number, 1);
}

/// `0x2a`, but a bare `0` for zero.
pub(super) fn hex_or_zero(out: &mut Out, number: u64) {
    if number == 0 { out.push(b'0') } else { hex(out, number) }
}

/// Two digits for each byte.
pub(super) fn hex_pairs(out: &mut Out, bytes: &[u8]) {
    for byte in bytes {
        out.extend_from_slice(&[digit(byte >> 4), digit(byte & 15)]);
    }
}

/// A number of any length: `0x` and no leading zeros, a bare `0` for zero.
pub(super) fn hex_bytes(out: &mut Out, bytes: &[u8]) {
    let start = bytes.iter().position(|&byte| byte != 0).unwrap_or(bytes.len());
    match bytes.get(start..).unwrap_or_default() {
        [] => out.push(b'0'),
        [first, rest @ ..] => {
            hex(out, u64::from(*first));
            hex_pairs(out, rest);
        }
    }
}

/// Two digits for each byte and `separator` between them.
pub(super) fn hex_separated(out: &mut Out, bytes: &[u8], separator: u8) {
    for (i, byte) in bytes.iter().enumerate() {
        if i > 0 {
            out.push(separator);
        }
        hex_pairs(out, &[*byte]);
    }
}

/// `fa:16:3e:00:00:01`.
pub(super) fn mac(out: &mut Out, bytes: &[u8]) {
    hex_separated(out, bytes, b':');
}

/// `192.0.2.1`.
pub(super) fn ipv4(out: &mut Out, address: u32) {
    let [a, b, c, d] = address.to_be_bytes();
    for (i, octet) in [a, b, c, d].into_iter().enumerate() {
        if i > 0 {
            out.push(b'.');
        }
        decimal(out, u64::from(octet));
    }
}

/// As `inet_ntop` of the C library prints it: the longest run of two or more zero groups becomes
/// `::`, and an address of which only the last 32 bits are set, or that maps an IPv4 address, ends
/// dotted.
pub(crate) fn ipv6(out: &mut Out, address: u128) {
    let groups: [u16; 8] = std::array::from_fn(|i| (address >> (112 - 16 * i)) as u16);
    let (mut best, mut best_len, mut run) = (8, 1, 0);
    for (i, group) in groups.iter().enumerate() {
        run = if *group == 0 { run + 1 } else { 0 };
        if run > best_len {
            (best, best_len) = (i + 1 - run, run);
        }
    }
    if best == 0 && (best_len == 6 || best_len == 5 && address >> 32 & 0xffff == 0xffff) {
        text(out, if best_len == 6 { "::" } else { "::ffff:" });
        return ipv4(out, address as u32);
    }
    for (i, group) in groups.into_iter().enumerate() {
        if (best..best + best_len).contains(&i) && best < 8 {
            if i == best {
                out.push(b':');
            }
            continue;
        }
        if i > 0 {
            out.push(b':');
        }
        digits::<16>(out, u64::from(group), 1);
    }
    if best < 8 && best + best_len == 8 {
        out.push(b':');
    }
}

/// Number of leading ones if `mask` of `bits` bits is nothing else.
pub(super) fn prefix_len(mask: u128, bits: u32) -> Option<u32> {
    let aligned = mask << (128 - bits);
    let ones = aligned.leading_ones();
    (aligned.count_ones() == ones).then_some(ones)
}

/// The big-endian number in `bytes`, at most the last 16 of them.
pub(super) fn number(bytes: &[u8]) -> u128 {
    bytes.iter().fold(0, |number, &byte| number << 8 | u128::from(byte))
}

/// `a|b|0x80`: the names of the set bits, `0` for none.
pub(crate) fn flags(out: &mut Out, names: &[&str], bits: u32) {
    if bits == 0 {
        return out.push(b'0');
    }
    let mut unknown = bits;
    let start = out.len();
    for (i, name) in names.iter().enumerate().filter(|(_, name)| !name.is_empty()) {
        if bits >> i & 1 == 1 {
            if out.len() > start {
                out.push(b'|');
            }
            text(out, name);
            unknown &= !(1 << i);
        }
    }
    if unknown != 0 {
        if out.len() > start {
            out.push(b'|');
        }
        hex(out, u64::from(unknown));
    }
}

/// `+a-b`: set and clear bits of `mask`; all of `full` reads as [`flags`] does.
pub(super) fn flags_masked(out: &mut Out, names: &[&str], bits: u32, mask: u32, full: u32) {
    if mask == full {
        return flags(out, names, bits);
    }
    if mask == 0 {
        return text(out, "0/0");
    }
    for i in (0..32).filter(|i| mask >> i & 1 == 1) {
        out.push(if bits >> i & 1 == 1 { b'+' } else { b'-' });
        text(out, names.get(i).copied().filter(|name| !name.is_empty()).unwrap_or("[Unknown]"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(print: impl FnOnce(&mut Out)) -> String {
        let mut out = Vec::new();
        print(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn numbers_print_as_c_prints_them() {
        assert_eq!(printed(|out| decimal(out, u64::MAX)), "18446744073709551615");
        assert_eq!(printed(|out| hex_or_zero(out, 0)), "0");
        assert_eq!(printed(|out| hex_padded(out, 0x800, 4)), "0x0800");
        assert_eq!(printed(|out| hex_bytes(out, &[0, 0x0a, 0, 1])), "0xa0001");
        assert_eq!(printed(|out| hex_bytes(out, &[0, 0])), "0");
    }

    #[test]
    fn ipv6_addresses_print_as_the_c_library_prints_them() {
        for text in [
            "::",
            "::1",
            "fe80::f816:3eff:fe00:101",
            "1::",
            "ff02::1:2",
            "1:0:2::3",
            "2001:db8:0:1:1:1:1:1",
            "::ffff:10.0.0.1",
            "::10.0.0.1",
            "fec0:0:1234:f045:8fff:1111:fe4e:571",
            "1:2:3:4:5:6:7:8",
            "::2:3:4:5:6:7:8",
        ] {
            let address: std::net::Ipv6Addr = text.parse().unwrap();
            let expected = if text == "::2:3:4:5:6:7:8" { "0:2:3:4:5:6:7:8" } else { text };
            assert_eq!(printed(|out| ipv6(out, address.into())), expected);
        }
    }

    #[test]
    fn flags_print_with_their_names() {
        let names = ["new", "est", "", "rpl"];
        assert_eq!(printed(|out| flags(out, &names, 0b1011)), "new|est|rpl");
        assert_eq!(printed(|out| flags(out, &names, 0x41)), "new|0x40");
        assert_eq!(printed(|out| flags_masked(out, &names, 0b0010, 0b1010, 0xff)), "+est-rpl");
        assert_eq!(printed(|out| flags_masked(out, &names, 0, 0xff, 0xff)), "0");
    }
}
