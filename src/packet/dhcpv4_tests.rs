//! Messages of our own, and what holds for every one that is cut off or contradicts itself.

use super::*;
use crate::openflow::testing::hex;

/// The fixed part of a DISCOVER with these fields, and the cookie.
fn fixed(sname: &str, file: &str) -> Vec<u8> {
    let mut bytes = hex("01 01 06 00 12345678 0003 8000 0a000009 0a00000a 0a00000b 0a00000c fa163e000001");
    for (field, end) in [("", 44), (sname, 108), (file, 236)] {
        bytes.extend(hex(field));
        bytes.resize(end, 0);
    }
    bytes.extend(MAGIC_COOKIE.to_be_bytes());
    bytes
}

fn message(options: &str) -> Vec<u8> {
    [fixed("", ""), hex(options)].concat()
}

fn options(bytes: &[u8]) -> Result<Vec<(u8, &[u8])>, PacketError> {
    let message = Dhcpv4::decode(Payload::new(bytes))?;
    message.options().map(|option| option.map(|option| (option.code, option.data.bytes()))).collect()
}

const DISCOVER: &str = "350101 3d0701fa163e000001 3204 0a000005 3704 0103060f 00 0c027631 ff 0000";

#[test]
fn a_discover_says_who_wants_what() {
    let bytes = message(DISCOVER);
    let message = Dhcpv4::decode(Payload::new(&bytes)).unwrap();
    assert_eq!((message.op, message.hops, message.xid, message.secs), (Dhcpv4::REQUEST, 0, 0x1234_5678, 3));
    assert_eq!(message.chaddr, MacAddr([0xfa, 0x16, 0x3e, 0, 0, 1]));
    assert!(message.wants_broadcast());
    let addresses = [message.ciaddr, message.yiaddr, message.siaddr, message.giaddr];
    assert_eq!(addresses.map(|address| address.octets()[3]), [9, 10, 11, 12]);
    let read = options(&bytes).unwrap();
    assert_eq!(
        read,
        [
            (option::MESSAGE_TYPE, &[1][..]),
            (option::CLIENT_IDENTIFIER, &[1, 0xfa, 0x16, 0x3e, 0, 0, 1]),
            (option::REQUESTED_ADDRESS, &[10, 0, 0, 5]),
            (option::PARAMETER_LIST, &[1, 3, 6, 15]),
            (option::HOST_NAME, b"v1"),
        ]
    );
}

#[test]
fn values_are_read_only_from_options_of_their_length() {
    let bytes = message("350101 3204 0a000005 3902 0240 3304 00000e10 ff");
    let read: Vec<_> = Dhcpv4::decode(Payload::new(&bytes)).unwrap().options().map(Result::unwrap).collect();
    let [message_type, address, size, lease] = read[..] else { panic!("{read:?}") };
    assert_eq!(message_type.message_type(), Ok(MessageType::DISCOVER));
    assert_eq!(address.ipv4(), Ok(Ipv4Addr::new(10, 0, 0, 5)));
    assert_eq!((size.u16(), lease.u32()), (Ok(576), Ok(3600)));
    let error = size.ipv4().unwrap_err();
    assert_eq!(error.to_string(), "dhcpv4.option.length at byte 251: found 2, expected 4 (an address)");
    assert!(address.u16().is_err() && lease.message_type().is_err() && size.u32().is_err());
}

#[test]
fn file_and_sname_hold_options_where_option_52_says_so() {
    let (sname, file) = ("0c0173 ff 0c0178", "43 02 6162 00 ff");
    let own = (option::MESSAGE_TYPE, &[1][..]);
    let (in_file, in_sname) = ((option::BOOTFILE_NAME, &b"ab"[..]), (option::HOST_NAME, &b"s"[..]));
    for (value, behind) in [("01", vec![in_file]), ("02", vec![in_sname]), ("03", vec![in_file, in_sname])] {
        let bytes = [fixed(sname, file), hex(&format!("3401 {value} 350101 ff 0c0178"))].concat();
        let overload = (option::OVERLOAD, &[value.as_bytes()[1] - b'0'][..]);
        assert_eq!(options(&bytes).unwrap(), [vec![overload, own], behind].concat(), "{value}");
    }
    let bytes = [fixed(sname, file), hex("350101 ff")].concat();
    assert_eq!(options(&bytes).unwrap(), [own]);
}

#[test]
fn option_52_within_an_overloaded_field_overloads_nothing() {
    let bytes = [fixed("0c0173", "34 01 03"), hex("340101 ff")].concat();
    assert_eq!(options(&bytes).unwrap(), [(option::OVERLOAD, &[1][..]), (option::OVERLOAD, &[3])]);
}

#[test]
fn what_cannot_be_is_refused() {
    for (place, value, expected) in [
        (1, 6, "dhcpv4.htype at byte 0: found 6, expected 1 (Ethernet)"),
        (2, 8, "dhcpv4.hlen at byte 0: found 8, expected 6 (an Ethernet address)"),
        (236, 0, "dhcpv4.cookie at byte 0: found 8541027, expected 1669485411 (0x63825363)"),
        (241, 200, "dhcpv4.option at byte 240: found 32 bytes, expected 202"),
    ] {
        let mut bytes = message(DISCOVER);
        bytes[place] = value;
        assert_eq!(options(&bytes).unwrap_err().to_string(), expected);
    }
    for (bad, expected) in [
        ("340104", "dhcpv4.overload at byte 242: found 4, expected 1 to 3"),
        ("34020101", "dhcpv4.option.length at byte 242: found 2, expected 1 (a number)"),
    ] {
        let bytes = message(&format!("{bad} 0c0178"));
        let mut options = Dhcpv4::decode(Payload::new(&bytes)).unwrap().options();
        assert_eq!(options.next().unwrap().unwrap_err().to_string(), expected);
        assert_eq!(options.next(), None);
    }
}

#[test]
fn every_strict_prefix_that_does_not_end_between_options_is_told_to_be_cut() {
    let bytes = message(DISCOVER);
    // Options need no end; it and the padding behind it may be missing.
    let between = [240, 243, 252, 258, 264, 265, 269, 270, 271];
    for end in 0..bytes.len() {
        match options(&bytes[..end]) {
            Ok(_) => assert!(between.contains(&end), "{end}"),
            Err(PacketError::Truncated { offset, found, expected, .. }) => {
                assert!(offset + found == end && expected > found && !between.contains(&end), "{end}");
            }
            Err(error) => panic!("{end}: {error}"),
        }
    }
}
