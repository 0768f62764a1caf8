use super::*;
use crate::openflow::oxm;
use crate::openflow::testing::hex;
use crate::openflow::{Reader, Writer};

fn encoded(action: &Action) -> Vec<u8> {
    let mut writer = Writer::new();
    action.encode(&mut writer).unwrap();
    writer.into_vec()
}

fn register(offset: u16, bits: u16) -> Subfield {
    Subfield { field: &oxm::REG0, offset, bits }
}

fn of_standard() -> Vec<Action> {
    vec![
        Action::output(PortNo(7)),
        Action::Output { port: PortNo::CONTROLLER, max_len: 0xffff },
        Action::SetVlanVid(9),
        Action::SetVlanPcp(6),
        Action::SetEthSrc(MacAddr([2, 0, 0, 0, 0, 1])),
        Action::SetEthDst(MacAddr([2, 0, 0, 0, 0, 2])),
        Action::SetNwSrc(Ipv4Addr::new(192, 0, 2, 1)),
        Action::SetNwDst(Ipv4Addr::new(192, 0, 2, 2)),
        Action::SetNwTos(0x30),
        Action::SetNwEcn(2),
        Action::SetTpSrc(80),
        Action::SetTpDst(443),
        Action::CopyTtlOut,
        Action::CopyTtlIn,
        Action::SetMplsLabel(10),
        Action::SetMplsTc(3),
        Action::SetMplsTtl(64),
        Action::DecMplsTtl,
        Action::PushVlan(0x8100),
        Action::PopVlan,
        Action::PushMpls(0x8848),
        Action::PopMpls(0x0800),
        Action::SetQueue(3),
        Action::Group(9),
        Action::SetNwTtl(5),
        Action::DecNwTtl,
        Action::set_field(&oxm::TUN_ID, 1001),
        Action::set_field(&oxm::NSH_TTL, 3),
        Action::PushPbb(0x88e7),
        Action::PopPbb,
    ]
}

fn of_nicira() -> Vec<Action> {
    let nat = Nat {
        flags: NatFlags::SRC | NatFlags::PROTO_HASH,
        addresses: Some(NatAddresses::Ipv4(Ipv4Addr::new(10, 0, 0, 1), Some(Ipv4Addr::new(10, 0, 0, 9)))),
        ports: Some(PortRange { min: 1000, max: None }),
    };
    let load_mark = Action::Load { value: 1, dst: Subfield::all(&oxm::CT_MARK) };
    let sample = |port| {
        let (collector_set_id, obs_domain_id, obs_point_id) = (1, 2, 3);
        Action::Sample(Box::new(Sample { probability: 9, collector_set_id, obs_domain_id, obs_point_id, port }))
    };
    let bundle = |dst| {
        let (algorithm, fields) = (BundleAlgorithm(1), HashFields(1));
        Action::Bundle(Box::new(Bundle { algorithm, fields, basis: 7, dst, members: [1, 2, 0xffff].into() }))
    };
    vec![
        Action::CopyField { src: Subfield::all(&oxm::ETH_SRC), dst: Subfield::all(&oxm::ETH_DST) },
        Action::ResubmitPort(4),
        Action::Resubmit { in_port: 0xfff8, table: TableId(71) },
        Action::ResubmitCt { in_port: 1, table: TableId(255) },
        Action::SetTunnel(5),
        Action::SetTunnel64(1 << 40),
        Action::PopQueue,
        Action::move_all(&oxm::ETH_SRC, &oxm::ETH_DST),
        Action::Move { src: register(0, 8), dst: Subfield { field: &oxm::NSH_C1, offset: 8, bits: 8 } },
        Action::Load { value: 5, dst: register(4, 12) },
        Action::Load2(FieldValue::masked(&oxm::NSH_C2, 1, 0xff)),
        Action::Load2(FieldValue::new(&oxm::NSH_FLAGS, 1)),
        Action::Note([1, 2, 3, 4, 5, 6].into()),
        Action::Multipath(Box::new(Multipath {
            fields: HashFields(0),
            basis: 50,
            algorithm: MultipathAlgorithm(1),
            max_link: 11,
            arg: 0,
            dst: register(0, 4),
        })),
        bundle(None),
        bundle(Some(register(0, 16))),
        Action::OutputReg { src: Subfield::all(&oxm::REG1), max_len: 128 },
        Action::OutputReg2 { src: Subfield { field: &oxm::NSH_C1, offset: 0, bits: 16 }, max_len: 128 },
        Action::Exit,
        Action::FinTimeout { idle_timeout: 5, hard_timeout: 0 },
        Action::Controller { max_len: 128, id: 7, reason: 2 },
        Action::Controller2(Box::new(Controller {
            max_len: 64,
            id: 3,
            reason: 0,
            userdata: [1, 2, 3].into(),
            pause: true,
            meter_id: 9,
        })),
        Action::Controller2(Box::default()),
        Action::DecTtlCntIds([1, 32768, 12345].into()),
        Action::WriteMetadata { metadata: 1, mask: 3 },
        Action::StackPush(register(0, 8)),
        Action::StackPop(Subfield::all(&oxm::NSH_SI)),
        sample(SamplePort::Unsaid),
        sample(SamplePort::At(56)),
        sample(SamplePort::Directed(56, Direction::Egress)),
        Action::Conjunction { id: 7, clause: 0, n_clauses: 2 },
        Action::Ct(Box::new(Conntrack {
            flags: CtFlags::COMMIT,
            zone: CtZone::Field(register(16, 16)),
            recirc_table: TableId(4),
            alg: 21,
            actions: vec![Action::Nat(Box::new(nat)), load_mark],
        })),
        Action::OutputTrunc { port: 2, max_len: 100 },
        Action::Clone(vec![Action::PopVlan, Action::Clone(vec![Action::output(PortNo(1))])]),
        Action::CtClear,
        Action::Encap(Box::new(Encap {
            header_size: 0,
            packet_type: PT_NSH,
            properties: vec![
                EncapProperty::NshMdType(2),
                EncapProperty::NshTlv { class: 0x1000, kind: 10, data: [1, 2, 3, 4, 5].into() },
            ],
        })),
        Action::Decap(PT_USE_NEXT_PROTO),
        Action::DecNshTtl,
        Action::CheckPktLarger { length: 1500, dst: register(0, 1) },
        Action::DeleteField(&oxm::NSH_C1),
        Action::DebugSlow,
        Action::DebugRecirc,
    ]
}

#[test]
fn actions_decode_to_what_was_encoded() {
    for action in of_standard().into_iter().chain(of_nicira()) {
        let bytes = encoded(&action);
        assert_eq!(bytes.len() % 8, 0, "{action:?}");
        assert_eq!(Action::decode_list(Reader::new(&bytes)), Ok(vec![action.clone()]));
        for end in 1..bytes.len() {
            let error = Action::decode_list(Reader::new(&bytes[..end])).unwrap_err();
            assert_eq!(error.code, ErrorCode::BAC_BAD_LEN, "{action:?} {end}");
        }
    }
}

#[test]
fn the_bytes_are_those_that_ovs_ofctl_sends() {
    for (action, expected) in [
        (Action::move_all(&oxm::ARP_SHA, &oxm::ARP_THA), "ffff0018 00002320 0006 0030 0000 0000 00012206 00012406"),
        (Action::DeleteField(&oxm::TUN_ID), "ffff0018 00002320 0032 00012008 000000000000 00000000"),
        (Action::StackPush(register(1, 3)), "ffff0018 00002320 001b 0001 00010004 0003 000000000000"),
        (
            Action::OutputReg { src: Subfield::all(&oxm::REG0), max_len: 0xffff },
            "ffff0018 00002320 000f 001f 00010004 ffff 000000000000",
        ),
    ] {
        assert_eq!(encoded(&action), hex(expected), "{action:?}");
    }
}

#[test]
fn an_unknown_action_survives_with_the_error_that_open_vswitch_gives() {
    for (bytes, code) in [
        ("000b0010 000a00000000000000000037", ErrorCode::BAC_BAD_TYPE),
        ("00630010 112233445566778899aabbcc", ErrorCode::BAC_BAD_TYPE),
        ("ffff0010 00002320 1234 010203040506", ErrorCode::BAC_BAD_EXP_TYPE),
        ("ffff0010 4f4e4600 1234 010203040506", ErrorCode::BAC_BAD_EXP_TYPE),
        ("ffff0010 00001234 1234 010203040506", ErrorCode::BAC_BAD_EXPERIMENTER),
        ("00190018 8000090c00000000123400000000ffff 00000000", ErrorCode::BAC_BAD_SET_MASK),
        ("00190018 8000fe0000000010000000010000000000000000", ErrorCode::BAC_BAD_SET_TYPE),
        ("ffff0018 00002320 0007 001f 0001fe04 0000000000000001", ErrorCode::BAC_BAD_SET_TYPE),
        ("ffff0018 00002320 0006 0020 0000 0000 0001fe04 00010004", ErrorCode::BMC_BAD_FIELD),
    ] {
        let bytes = hex(bytes);
        let actions = Action::decode_list(Reader::new(&bytes)).unwrap();
        assert_eq!(actions, [Action::Other { code, bytes: bytes.clone().into() }]);
        assert_eq!(encoded(&actions[0]), bytes);
    }
}

#[test]
fn what_no_switch_takes_is_refused_with_its_error() {
    for (bytes, code) in [
        ("00000008 00000001", ErrorCode::BAC_BAD_LEN),
        ("00000010 ffffff00 0000 000000000000", ErrorCode::BAC_BAD_OUT_PORT),
        ("00010008 10000000", ErrorCode::BAC_BAD_ARGUMENT),
        ("00080008 30000000", ErrorCode::BAC_BAD_ARGUMENT),
        ("00110008 08000000", ErrorCode::BAC_BAD_ARGUMENT),
        ("ffff0010 00002320 000e fff8 47 010000", ErrorCode::BAC_BAD_ARGUMENT),
        ("ffff0010 00002320 0022 02 02 00000001", ErrorCode::NXBAC_BAD_CONJUNCTION),
        ("ffff0010 00002320 0027 0001 0000000d", ErrorCode::BAC_BAD_ARGUMENT),
        ("ffff0018 00002320 0007 0800 00010004 0000000000000001", ErrorCode::BAC_BAD_SET_LEN),
        ("ffff0018 00002320 0007 0003 00010004 0000000000000010", ErrorCode::BAC_BAD_ARGUMENT),
        ("ffff0018 00002320 0007 001f 0001d204 0000000000000001", ErrorCode::BAC_BAD_SET_ARGUMENT),
        ("00190010 80000807 010203040506 0700", ErrorCode::BAC_BAD_SET_LEN),
        // What the header says comes before whether its bytes are there.
        ("00190010 80004c09 0000000000000000", ErrorCode::BAC_BAD_SET_LEN),
        ("00190010 80000004 00000001 00000000", ErrorCode::BAC_BAD_SET_ARGUMENT),
        // An action that is not known comes before a later one that is broken.
        ("00630008 00000000 00000008 00000001", ErrorCode::BAC_BAD_TYPE),
        ("00190010 80000c02 0001 000000000000", ErrorCode::BAC_BAD_SET_ARGUMENT),
        ("00190010 80000a02 0800 000000000000", ErrorCode::BAC_BAD_SET_ARGUMENT),
        ("00190010 80001001 40 00000000000000", ErrorCode::BAC_BAD_SET_ARGUMENT),
        ("ffff0018 00002320 0023 0002 00000000 0000 ff 000000 0000", ErrorCode::BAC_BAD_ARGUMENT),
        ("ffff0018 00002320 0023 0000 00010004 0007 ff 000000 0000", ErrorCode::BAC_BAD_SET_LEN),
        ("ffff0018 00002320 0024 0000 0001 0012 0a000001 0000 0000", ErrorCode::BAC_BAD_ARGUMENT),
        ("ffff0018 00002320 0025 000000050000 0000000000000000", ErrorCode::NXBRC_MUST_BE_ZERO),
        ("ffff0018 00002320 0025 000000000000 0009000400000000", ErrorCode::TFFC_BAD_TYPE),
        ("ffff0018 00002320 0025 000000000000 0000000300000000", ErrorCode::TFFC_BAD_LEN),
        ("ffff0018 00002320 001d 0000 00000001 00000002 00000003", ErrorCode::BAC_BAD_ARGUMENT),
        ("ffff0010 00002320 002e 0000 00010800", ErrorCode::NXBAC_BAD_HEADER_TYPE),
        ("ffff0018 00002320 002e 0000 0001894f 0005010501000000", ErrorCode::NXBAC_UNKNOWN_ED_PROP),
        ("ffff0018 00002320 0015 0005 00000000 0001000200030004", ErrorCode::BAC_BAD_LEN),
    ] {
        let bytes = hex(bytes);
        let error = Action::decode_list(Reader::at(&bytes, 80)).unwrap_err();
        assert_eq!(error.code, code, "{error}");
        assert!((80..80 + bytes.len()).contains(&error.offset), "{error}");
    }
}

#[test]
fn actions_nest_only_so_deep() {
    let nest = |depth: u8| (0..depth).fold(Vec::new(), |inner, _| vec![Action::Clone(inner)]);
    let deepest = nest(MAX_DEPTH);
    assert_eq!(Action::decode_list(Reader::new(&encoded(&deepest[0]))), Ok(deepest));
    let error = Action::decode_list(Reader::new(&encoded(&nest(MAX_DEPTH + 1)[0]))).unwrap_err();
    assert_eq!(error.code, ErrorCode::BAC_TOO_MANY);
}

#[test]
fn a_masked_set_field_goes_out_as_the_action_that_has_masks() {
    let value = FieldValue::masked(&oxm::ETH_SRC, 1, 0xff);
    assert_eq!(encoded(&Action::SetField(value.clone())), encoded(&Action::Load2(value)));
}

#[test]
fn rejects_a_length_that_is_no_multiple_of_eight() {
    let error = Action::decode(&mut Reader::at(&[0, 0, 0, 6, 0, 0, 0, 0], 72)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "action.len at byte 72: found 6, expected a multiple of 8 and at least 8 (OFPBAC_BAD_LEN)"
    );
}
