//! Tests of the registry and of fields on the wire.

use super::*;
use crate::openflow::{ErrorCode, Reader, Writer};

#[test]
fn no_two_fields_share_a_code_or_a_name() {
    let names = |field: &'static Field| [field.name].into_iter().chain(field.aliases.iter().copied());
    for (i, a) in FIELDS.iter().enumerate() {
        assert_eq!(usize::from(a.rank), i);
        assert!(usize::from(a.bytes) <= MAX_VALUE && a.bits <= u16::from(a.bytes) * 8, "{}", a.name);
        assert_eq!(a.shared().shared(), a.shared(), "{}", a.name);
        for b in FIELDS.iter().skip(i + 1) {
            let codes = |header: &FieldHeader| (header.class, header.experimenter, header.number);
            assert!(names(a).all(|name| names(b).all(|other| name != other)), "{}", b.name);
            for header in a.headers() {
                assert!(
                    b.headers().all(|other| codes(header) != codes(other) && header.name != other.name),
                    "{}",
                    b.name
                );
            }
        }
    }
}

#[test]
fn every_field_is_found_by_its_names_and_codes() {
    for &field in FIELDS {
        let mut writer = Writer::new();
        FieldValue::new(field, 1).encode(&mut writer);
        let tlv = Tlv::decode(&mut Reader::new(writer.as_slice())).unwrap();
        assert_eq!(FieldValue::from_tlv(&tlv), Some(FieldValue::new(field, 1)), "{}", field.name);
        assert_eq!(Field::by_name(field.name), Some(field));
        for header in field.headers() {
            assert_eq!(Field::by_header_name(header.name), Some(field));
            let found = match header.class {
                EXPERIMENTER => Field::by_experimenter(header.experimenter, header.number),
                class => Field::by_code(class, header.number),
            };
            assert_eq!(found, Some(field), "{}", header.name);
        }
    }
    assert_eq!(Field::by_name("dl_dst"), Some(&ETH_DST));
    assert_eq!(Field::by_name("nothing"), None);
}

#[test]
fn a_tunnel_option_is_as_wide_as_its_value() {
    let encoded = |value: FieldValue| {
        let mut writer = Writer::new();
        value.encode(&mut writer);
        writer.into_vec()
    };
    assert_eq!(encoded(FieldValue::new(&TUN_METADATA3, 0x1234)), [0, 1, 43 << 1, 2, 0x12, 0x34]);
    assert_eq!(encoded(FieldValue::new(&TUN_METADATA0, 0)), [0, 1, 40 << 1, 0]);
    let masked = FieldValue::masked(&TUN_METADATA0, 3, 0xffff);
    assert_eq!(encoded(masked), [0, 1, 40 << 1 | 1, 4, 0, 3, 0xff, 0xff]);
    let wide = [7; MAX_VALUE];
    assert_eq!(FieldValue::of_bytes(&TUN_METADATA63, &wide, None).value(), wide);
}

#[test]
fn packets_have_the_fields_whose_prerequisites_they_meet() {
    let tcp = Packet { eth_type: 0x0800, ip_proto: 6, ..Packet::default() };
    assert!(tcp.has(&TCP_SRC) && tcp.has(&IPV4_SRC) && tcp.has(&REG0));
    assert!(!tcp.has(&UDP_SRC) && !tcp.has(&IPV6_SRC) && !tcp.has(&VLAN_PCP));
    assert!(!Packet { fragment: 3, ..tcp }.has(&TCP_SRC));
    let bare = Packet { packet_type: 0x1_0800, ..Packet::default() };
    assert!(bare.has(&IPV4_DST) && !bare.has(&ETH_DST));
    let tracked = Packet { ct_state: 0x20, ct_state_mask: 0x30, ..Packet::default() };
    assert!(tracked.has(&CT_NW_SRC) && !Packet { ct_state_mask: 0x20, ..tracked }.has(&CT_NW_SRC));
}

#[test]
fn a_masked_value_has_zeros_where_the_mask_has() {
    let mut writer = Writer::new();
    FieldValue::masked(&ETH_DST, 0x0123_4567_89ab, 0x0100_0000_0000).encode(&mut writer);
    assert_eq!(writer.as_slice(), [0x80, 0, 7, 12, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0]);
    let tlv = Tlv::decode(&mut Reader::new(writer.as_slice())).unwrap();
    assert_eq!(FieldValue::from_tlv(&tlv), Some(FieldValue::masked(&ETH_DST, 0x0100_0000_0000, 0x0100_0000_0000)));
}

#[test]
fn rejects_a_value_past_the_end_of_the_match() {
    for end in 1..8 {
        let bytes = [0x80, 0, 0, 4, 0, 0, 0, 9];
        assert!(Tlv::decode(&mut Reader::new(&bytes[..end])).is_err());
    }
    let error = Tlv::decode(&mut Reader::at(&[0x80, 0, 1, 3, 0, 0, 0], 40)).unwrap_err();
    assert_eq!((error.offset, error.code), (40, ErrorCode::BMC_BAD_FIELD));
}
