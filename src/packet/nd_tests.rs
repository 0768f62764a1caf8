//! Messages of our own, and what holds for every one that is cut off or contradicts itself.

use super::*;
use crate::openflow::testing::hex;

/// Behind the checksum: hop limit 64, M and O, 1800 s, reachable time and retransmission timer 1 s and 2 s; options.
const ADVERTISEMENT: &str = "86 00 0000 40 c0 0708 000003e8 000007d0
    01 01 fa163e000001
    05 01 0000 000005aa
    03 04 40 c0 00015180 00003840 00000000 20010db8000000000000000000000000
    19 05 0000 00000e10 20010db8000000000000000000000053 20010db8000000000000000000000054
    1f 04 0000 00000708 03 6c616e 07 6578616d706c65 00 03 6c616e 00 000000000000
    0e 01 010203040506";
const REDIRECTED: &str = "89 00 0000 00000000 fe800000000000000000000000000002 20010db8000000000000000000000099
    02 01 fa163e000002 04 02 000000000000 6000000000000000";

fn message(bytes: &[u8]) -> Icmpv6<'_> {
    Icmpv6::decode(Payload::new(bytes)).unwrap()
}

fn values(options: NdOptions<'_>) -> Result<Vec<NdValue<'_>>, PacketError> {
    options.map(|option| option?.value()).collect()
}

fn advertisement(bytes: &[u8]) -> RouterAdvertisement<'_> {
    message(bytes).router_advertisement().unwrap().unwrap()
}

#[test]
fn a_router_advertisement_says_what_the_link_is_like() {
    let bytes = hex(ADVERTISEMENT);
    let said = advertisement(&bytes);
    assert_eq!((said.hop_limit, said.flags), (64, RouterAdvertisement::MANAGED | RouterAdvertisement::OTHER));
    assert_eq!((said.router_lifetime, said.reachable_time, said.retrans_timer), (1800, 1000, 2000));
    let read = values(said.options).unwrap();
    let [link, mtu, prefix, rdnss, dnssl, other] = read[..] else { panic!("{read:?}") };
    assert_eq!(link, NdValue::SourceLinkAddress(MacAddr([0xfa, 0x16, 0x3e, 0, 0, 1])));
    assert_eq!((mtu, other), (NdValue::Mtu(1450), NdValue::Other));
    let expected = PrefixInformation {
        prefix_len: 64,
        flags: PrefixInformation::ON_LINK | PrefixInformation::AUTONOMOUS,
        valid_lifetime: 86_400,
        preferred_lifetime: 14_400,
        prefix: "2001:db8::".parse().unwrap(),
    };
    assert_eq!(prefix, NdValue::Prefix(expected));
    let NdValue::Rdnss { lifetime: 3600, servers } = rdnss else { panic!("{rdnss:?}") };
    assert_eq!(servers.map(|server| server.to_string()).collect::<Vec<_>>(), ["2001:db8::53", "2001:db8::54"]);
    let NdValue::Dnssl { lifetime: 1800, domains } = dnssl else { panic!("{dnssl:?}") };
    assert_eq!(domains.map(|name| name.unwrap().to_string()).collect::<Vec<_>>(), ["lan.example", "lan"]);
}

#[test]
fn a_redirect_says_over_whom_and_to_whom() {
    let bytes = hex(REDIRECTED);
    let said = message(&bytes).redirect().unwrap().unwrap();
    assert_eq!((said.target.to_string(), said.destination.to_string()), ("fe80::2".into(), "2001:db8::99".into()));
    let target = NdValue::TargetLinkAddress(MacAddr([0xfa, 0x16, 0x3e, 0, 0, 2]));
    assert_eq!(values(said.options).unwrap(), [target, NdValue::Other]);
}

#[test]
fn a_router_solicitation_has_nothing_but_options() {
    let bytes = hex("85 00 0000 00000000 01 01 fa163e000001");
    let options = message(&bytes).router_solicitation().unwrap();
    assert_eq!(values(options).unwrap(), [NdValue::SourceLinkAddress(MacAddr([0xfa, 0x16, 0x3e, 0, 0, 1]))]);
}

#[test]
fn a_message_is_read_as_what_its_type_and_code_say_and_nothing_else() {
    for icmp_type in 0..=255 {
        for code in [0, 1] {
            let mut bytes = hex(ADVERTISEMENT);
            bytes[..2].copy_from_slice(&[icmp_type, code]);
            let message = message(&bytes);
            let read = [
                (message.router_solicitation().is_some(), ROUTER_SOLICITATION),
                (message.router_advertisement().unwrap().is_some(), ROUTER_ADVERTISEMENT),
                (message.redirect().unwrap().is_some(), REDIRECT),
            ];
            assert!(read.iter().all(|(is, wanted)| *is == (icmp_type == *wanted && code == 0)), "{icmp_type} {code}");
            let neighbors = matches!(icmp_type, NEIGHBOR_SOLICITATION | NEIGHBOR_ADVERTISEMENT) && code == 0;
            assert_eq!(message.neighbor_discovery().unwrap().is_some(), neighbors);
        }
    }
}

#[test]
fn options_of_another_length_than_their_type_has_are_refused() {
    for (option, expected) in [
        (
            "01 02 fa163e000001 0000000000000000",
            "nd_option.length at byte 18: found 2, expected 1 (an Ethernet address)",
        ),
        ("05 02 0000 000005aa 0000000000000000", "nd_option.length at byte 18: found 2, expected 1"),
        ("03 01 40 c0 00015180", "nd_option.length at byte 18: found 1, expected 4"),
        ("19 02 0000 00000e10 20010db800000000", "nd_option.length at byte 18: found 2, expected an odd number"),
        ("05 00 0000 000005aa", "nd_option.length at byte 16: found 0, expected 1 at the least"),
        ("05 02 0000 000005aa", "nd_option at byte 16: found 8 bytes, expected 16"),
    ] {
        let bytes = hex(&format!("86 00 0000 40 c0 0708 000003e8 000007d0 {option}"));
        assert_eq!(values(advertisement(&bytes).options).unwrap_err().to_string(), expected);
    }
}

#[test]
fn every_strict_prefix_that_does_not_end_between_options_is_told_to_be_cut() {
    for (text, between) in [(ADVERTISEMENT, &[16, 24, 32, 64, 104, 136][..]), (REDIRECTED, &[40, 48][..])] {
        let bytes = hex(text);
        for end in 8..=bytes.len() {
            let message = message(&bytes[..end]);
            let read = message
                .router_advertisement()
                .and_then(|said| said.map_or(Ok(Vec::new()), |said| values(said.options)))
                .and_then(|_| message.redirect())
                .and_then(|said| said.map_or(Ok(Vec::new()), |said| values(said.options)));
            match read {
                Ok(_) => assert!(between.contains(&end) || end == bytes.len(), "{end}"),
                Err(PacketError::Truncated { offset, found, expected, .. }) => {
                    assert!(offset + found == end && expected > found && !between.contains(&end), "{end}");
                }
                Err(error) => panic!("{end}: {error}"),
            }
        }
    }
}
