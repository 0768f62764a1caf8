use proptest::prelude::*;

use super::super::testing::hex;
use super::*;

fn decoded(bytes: &str, strictness: Strictness) -> Result<Vec<u8>, ErrorCode> {
    canonical(Reader::new(&hex(bytes)), strictness).map_err(|error| error.code)
}

#[test]
fn a_match_in_any_form_becomes_the_one_that_open_vswitch_sends() {
    for (found, expected) in [
        // NXM_OF_IN_PORT, NXM_OF_ETH_TYPE, NXM_OF_IP_PROTO, NXM_OF_TCP_SRC
        ("000000020001 000006020800 00000c0106 000012020050", "8000000400000001 80000a020800 8000140106 80001a020050"),
        // A full mask
        ("80000a020800 800017080a000001ffffffff", "80000a020800 8000160 40a000001"),
        // An empty one
        ("80000a020800 8000170800000000 00000000", "80000a020800"),
        // The order, a tag from both of its parts
        ("8000040 80000000000000007 80000a0286dd", "80000a0286dd 8000040 80000000000000007"),
        ("00000802 f123", "80000c02 1123 80000e01 07"),
        // A wide register
        ("80010110 0000000100000002 0000000f0000000f", "00010108 00000001 0000000f 00010308 00000002 0000000f"),
        // A tunnel option with zeros in front
        ("00015004 00000123", "00015002 0123"),
        // Nothing but a frame
        ("80005804 00000000", "80005804 00000000"),
        ("80005804 00000000 80000a020800", "80000a020800"),
    ] {
        assert_eq!(decoded(found, Strictness::Strict), Ok(hex(expected)), "{found}");
    }
}

#[test]
fn what_open_vswitch_refuses_has_its_error() {
    for (bytes, code) in [
        ("8000", ErrorCode::BMC_BAD_LEN),
        ("80000a040800", ErrorCode::BMC_BAD_LEN),
        ("80000a010800 00", ErrorCode::BMC_BAD_FIELD),
        ("8000fe0100", ErrorCode::BMC_BAD_FIELD),
        ("ffff540600000001 0012", ErrorCode::BMC_BAD_FIELD),
        ("80000a020800 800017080a0000010a000000", ErrorCode::BMC_BAD_WILDCARDS),
        ("80000b0408000700", ErrorCode::BMC_BAD_WILDCARDS),
        ("80000b0408000800", ErrorCode::BMC_BAD_MASK),
        ("80000a020800 80001001 40", ErrorCode::BMC_BAD_VALUE),
        ("8000000400010000", ErrorCode::BMC_BAD_VALUE),
        ("80001604 0a000001", ErrorCode::BMC_BAD_PREREQ),
        ("80000a020800 80001a020050", ErrorCode::BMC_BAD_PREREQ),
        ("80000a020800 80000a020800", ErrorCode::BMC_DUP_FIELD),
        ("00010004 00000001 80010008 0000000100000002", ErrorCode::BMC_DUP_FIELD),
        ("00015001 01 00015001 01", ErrorCode::BMC_DUP_FIELD),
    ] {
        assert_eq!(decoded(bytes, Strictness::Strict), Err(code), "{bytes}");
    }
    assert_eq!(decoded("8000fe0100 80001604 0a000001", Strictness::Loose), Ok(hex("80005804 00000000")));
}

#[test]
fn tunnel_options_are_refused_beyond_their_room() {
    let option = |number: u8| [vec![0, 1, (40 + number) << 1, 64], vec![0xff; 64]].concat();
    let bytes: Vec<u8> = (0..4).flat_map(option).collect();
    assert_eq!(canonical(Reader::new(&bytes), Strictness::Strict), Ok(bytes.clone()));
    let bytes: Vec<u8> = (0..5).flat_map(option).collect();
    let error = canonical(Reader::new(&bytes), Strictness::Strict).unwrap_err();
    assert_eq!((error.code, error.offset), (ErrorCode::BMC_BAD_VALUE, 4 * 68));
}

#[test]
fn nicira_s_form_has_its_own_headers_and_a_cookie() {
    let bytes = hex("00000002 0003 00000602 0800 00000a01 b8 00013d10 0000000000000005 000000000000000f");
    let fields = MatchFields::decode(Reader::new(&bytes), Form::Nxm, Strictness::Strict).unwrap();
    let mut writer = Writer::new();
    fields.encode(Form::Nxm, &mut writer);
    assert_eq!(writer.as_slice(), bytes);
    assert_eq!(fields.to_oxm(), hex("80000004 00000003 80000a02 0800 80001001 2e"));
}

/// A field with any value and mask that a switch takes.
fn any_field() -> impl Strategy<Value = FieldValue> {
    // A TCI without OFPVID_PRESENT is no tag, and Open vSwitch makes one of its priority.
    let left_out = [oxm::IN_PORT_16.rank, oxm::VLAN_TCI.rank];
    let fields: Vec<&'static Field> = FIELDS.iter().copied().filter(|field| !left_out.contains(&field.rank)).collect();
    (proptest::sample::select(fields), any::<u128>(), any::<u128>(), 0..4_u8).prop_map(|(field, value, mask, kind)| {
        let value = (0..128).map(|shift| value >> shift).find(|value| field.allows(*value)).unwrap_or(1);
        match kind {
            0 if field.maskable => FieldValue::masked(field, value, mask & field.all_bits()),
            1 if field.maskable => FieldValue::masked(field, value, field.all_bits()),
            2 => FieldValue::masked(field, value, 0),
            _ => FieldValue::new(field, value),
        }
    })
}

fn loosely(values: &[FieldValue]) -> Option<Vec<u8>> {
    let mut writer = Writer::new();
    values.iter().for_each(|value| value.encode(&mut writer));
    canonical(Reader::new(writer.as_slice()), Strictness::Loose).ok()
}

proptest! {
    #[test]
    fn a_canonical_match_stays_as_it_is(values in proptest::collection::vec(any_field(), 0..8)) {
        if let Some(once) = loosely(&values) {
            prop_assert_eq!(canonical(Reader::new(&once), Strictness::Loose), Ok(once.clone()));
            let mut last = None;
            for tlv in oxm::Tlvs::new(Reader::new(&once)) {
                let found = FieldValue::from_tlv(&tlv.unwrap()).unwrap();
                prop_assert!(last < Some(found.field.rank), "in the order of the registry");
                last = Some(found.field.rank);
                let bits = found.mask().map_or(u128::MAX, oxm::number);
                if !found.field.is_variable() {
                    prop_assert_eq!(oxm::number(found.value()) & !bits, 0, "no bits beyond the mask");
                    prop_assert!(bits != 0 && found.mask().is_none_or(|_| bits != found.field.all_bits()));
                }
            }
        }
    }

    #[test]
    fn the_order_of_the_fields_makes_no_difference(values in proptest::collection::vec(any_field(), 0..6)) {
        let mut backwards = values.clone();
        backwards.reverse();
        if let (Some(forth), Some(back)) = (loosely(&values), loosely(&backwards)) {
            prop_assert_eq!(forth, back);
        }
    }

    #[test]
    fn no_bytes_make_the_decoder_panic(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
        for (form, strictness) in [(Form::Oxm, Strictness::Strict), (Form::Nxm, Strictness::Loose)] {
            if let Ok(fields) = MatchFields::decode(Reader::new(&bytes), form, strictness) {
                let _ = fields.to_oxm();
            }
        }
    }
}
