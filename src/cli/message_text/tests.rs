use super::*;

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

fn text(bytes: &[u8]) -> Result<String, String> {
    let mut out = Vec::new();
    message(bytes, &mut out).map_err(|error| error.to_string())?;
    Ok(String::from_utf8(out).unwrap())
}

#[test]
fn a_message_cut_at_any_byte_or_followed_by_one_is_told_to_be() {
    let whole =
        hex("040e0050 00000003 0000000000000000 0000000000000000 0000 0000 0000 8000 ffffffff ffffffff ffffffff 0000
         0000 0001000f 80000a02 0800 80001401 06 00 0004 0010 00000000 0016 0008 000004d2");
    for end in 0..whole.len() {
        let text = text(&whole[..end]).unwrap();
        let expected = match end {
            0 => "OpenFlow message is empty\n".to_owned(),
            1..8 => format!("OpenFlow packet too short (only {end} bytes):\n"),
            _ => format!("OFPT_FLOW_MOD (OF1.3) (xid=0x3):\n(***truncated to {end} bytes from 80***)\n"),
        };
        assert!(text.starts_with(&expected), "{end}: {text}");
    }
    let longer = [&whole[..], &[0]].concat();
    assert!(text(&longer).unwrap().starts_with("(***only uses 80 bytes out of 81***)\n00000000  04 0e"));
}

#[test]
fn no_length_within_a_message_makes_it_panic() {
    let whole =
        hex("04010064 00000003 0004 0009 040f0058 00000002 0000 00 00 000004d2 0028 0000 ffffffff ffffffff 00000000
         0000 0010 0000000a 0000 000000000000 0016 0008 00000001 0020 0001 ffffffff ffffffff 00000000
         0000 0010 0000000b 0000 000000000000");
    for place in 8..whole.len() {
        for value in [0, 1, 7, 8, 0x7f, 0xff] {
            let mut bytes = whole.clone();
            bytes[place] = value;
            let _ = text(&bytes);
        }
    }
}

#[test]
fn messages_within_messages_end_somewhere() {
    let mut bytes = hex("04020008 00000001");
    for _ in 0..1000 {
        let length = u16::try_from(bytes.len() + 12).unwrap();
        let mut outer = hex("0401 0000 00000001 0001 0001");
        outer[2..4].copy_from_slice(&length.to_be_bytes());
        bytes = [outer, bytes].concat();
    }
    assert_eq!(text(&bytes).unwrap_err(), "message type not printed yet: a message within 16 others");
}
