use super::super::testing::hex;
use super::*;

/// One message of every kind: what it is, and its bytes without the header's length, which follows from them.
const VECTORS: &[(&str, &str)] = &[
    ("Hello", "0400 00000001 0001000800000010"),
    ("Hello", "0600 00000001 0001000800000072 0063000561000000"),
    ("Error", "0401 00000001 0004 0009 0414000800000001"),
    ("EchoRequest", "0402 00000001 41"),
    ("EchoReply", "0403 00000001"),
    ("FeaturesRequest", "0405 00000001"),
    ("FeaturesReply", "0406 00000001 00000000000000ab 00000000 fe 00 0000 0000004f 00000000"),
    ("GetConfigRequest", "0407 00000001"),
    ("GetConfigReply", "0408 00000001 0000 0080"),
    ("SetConfig", "0409 00000001 0001 ffff"),
    ("PacketIn", "040a 00000001 ffffffff 0002 00 00 0000000000000000 0001000400000000 0000 4142"),
    (
        "FlowRemoved",
        "040b 00000001 0000000000000000 8000 00 00 00000000 00000000 0000 0000 0000000000000000
     0000000000000000 0001000400000000",
    ),
    (
        "PortStatus",
        "040c 00000001 02 00000000000000 00000001 00000000 aa55aa550013 0000 70310000000000000000000000000000
     00000000 00000004 00000000 00000000 00000000 00000000 00000000 00000000",
    ),
    ("PacketOut", "040d 00000001 ffffffff fffffffd 0000 000000000000 41"),
    (
        "FlowMod",
        "040e 00000001 0000000000000000 0000000000000000 00 00 0000 0000 8000 00000007 ffffffff 00000008 0000 0000
     0001000400000000",
    ),
    ("GroupMod", "040f 00000001 0000 00 00 00000001 0010 0000 ffffffff ffffffff 00000000"),
    ("PortMod", "0410 00000001 00000001 00000000 aa55aa550013 0000 00000001 00000001 00000000 00000000"),
    ("TableMod", "0411 00000001 ff 000000 00000003"),
    ("MultipartRequest", "0412 00000001 0000 0000 00000000"),
    (
        "MultipartRequest",
        "0412 00000001 0001 0000 00000000 ff000000 ffffffff ffffffff 00000000 0000000000000000
     0000000000000000 0001000400000000",
    ),
    (
        "MultipartRequest",
        "0412 00000001 0002 0000 00000000 ff000000 ffffffff ffffffff 00000000 0000000000000000
     0000000000000000 0001000400000000",
    ),
    ("MultipartRequest", "0412 00000001 0003 0000 00000000"),
    ("MultipartRequest", "0412 00000001 0004 0000 00000000 ffffffff 00000000"),
    ("MultipartRequest", "0412 00000001 0005 0000 00000000 ffffffff ffffffff"),
    ("MultipartRequest", "0412 00000001 0006 0000 00000000 fffffffc 00000000"),
    ("MultipartRequest", "0412 00000001 0007 0000 00000000"),
    ("MultipartRequest", "0412 00000001 0008 0000 00000000"),
    ("MultipartRequest", "0412 00000001 0009 0000 00000000 ffffffff 00000000"),
    ("MultipartRequest", "0412 00000001 000a 0000 00000000 ffffffff 00000000"),
    ("MultipartRequest", "0412 00000001 000b 0000 00000000"),
    ("MultipartRequest", "0412 00000001 000c 0001 00000000"),
    ("MultipartRequest", "0412 00000001 000d 0000 00000000"),
    (
        "MultipartRequest",
        "0412 00000001 ffff 0000 00000000 4f4e4600 0000074e 00000001 000e 0004 ffffffff ff 000000
     0001000400000000",
    ),
    ("MultipartRequest", "0412 00000001 ffff 0000 00000000 00002320 00000003"),
    ("MultipartRequest", "0412 00000001 ffff 0000 00000000 00002320 00000004"),
    ("MultipartRequest", "0412 00000001 ffff 0000 00000000 000000ff 00000001 41"),
    ("MultipartRequest", "0412 00000001 0063 0000 00000000 41"),
    (
        "MultipartReply",
        "0413 00000001 0001 0001 00000000 0038 00 00 00000001 00000002 8000 0000 0000 0001 00000000
     0000000000000003 0000000000000004 0000000000000005 0001000400000000",
    ),
    ("MultipartReply", "0413 00000001 0002 0000 00000000 0000000000000003 0000000000000102 00000002 00000000"),
    ("MultipartReply", "0413 00000001 0003 0000 00000000 00000000 00000001 0000000000000002 0000000000000003"),
    (
        "MultipartReply",
        "0413 00000001 0005 0000 00000000 00000002 00000003 0000000000000004 0000000000000005
     0000000000000006 00000007 00000008",
    ),
    (
        "MultipartReply",
        "0413 00000001 0006 0000 00000000 0028 0000 00000001 00000000 00000000 0000000000000000
     0000000000000000 00000000 00000000",
    ),
    (
        "MultipartReply",
        "0413 00000001 0008 0000 00000000 0000000f 00000007 00000001 00000002 00000003 00000004 00000005
     00000006 00000007 00000008",
    ),
    (
        "MultipartReply",
        "0413 00000001 0009 0000 00000000 00000001 0028 000000000000 00000000 0000000000000000
     0000000000000000 00000000 00000000",
    ),
    ("MultipartReply", "0413 00000001 000b 0000 00000000 00000001 00000002 0000000f 04 05 0000"),
    ("MultipartReply", "0413 00000001 ffff 0000 00000000 4f4e4600 0000074e 0008 0003 00000007"),
    ("MultipartReply", "0413 00000001 0007 0000 00000000 0018 00 00 00000001 0010 0000 ffffffff ffffffff 00000000"),
    ("MultipartReply", "0413 00000001 000a 0000 00000000 0018 0001 00000001 0001 0010 00000002 00000000 00000000"),
    ("MultipartReply", "0413 00000001 0063 0000 00000000 41"),
    ("BarrierRequest", "0414 00000001"),
    ("BarrierReply", "0415 00000001"),
    ("QueueGetConfigRequest", "0416 00000001 ffffffff 00000000"),
    (
        "QueueGetConfigReply",
        "0417 00000001 00000001 00000000 00000007 00000001 0020 000000000000 0001 0010 00000000 01f4
     000000000000",
    ),
    ("RoleRequest", "0418 00000001 00000002 00000000 0000000000000009"),
    ("RoleReply", "0419 00000001 00000002 00000000 0000000000000009"),
    ("GetAsyncRequest", "041a 00000001"),
    ("GetAsyncReply", "041b 00000001 00000005 00000001 00000007 00000006 0000000f 00000000"),
    ("SetAsync", "041c 00000001 00000005 00000001 00000007 00000006 0000000f 00000000"),
    ("MeterMod", "041d 00000001 0000 000a 00000001 0001 0010 00000002 00000000 00000000"),
    ("Experimenter", "0404 00000001 4f4e4600 000008fc 00000007 0004 0003"),
    ("Experimenter", "0404 00000001 4f4e4600 000008fd 00000007 0000 0003 0414000800000001"),
    ("Experimenter", "0404 00000001 4f4e4600 0000074e 00000001"),
    ("Experimenter", "0404 00000001 4f4e4600 0000074f"),
    ("Experimenter", "0404 00000001 4f4e4600 00000750"),
    ("Experimenter", "0404 00000001 4f4e4600 00000777 00000003 01 000000 0000000000000007"),
    ("Experimenter", "0404 00000001 4f4e4600 0000092e 040f001000000001 0000 00 00 00000001"),
    ("Experimenter", "0404 00000001 00002320 0000000a 00000001"),
    ("Experimenter", "0404 00000001 00002320 0000000b 00000002"),
    ("Experimenter", "0404 00000001 00002320 0000000f 01 00000000000000"),
    ("Experimenter", "0404 00000001 00002320 00000010 00000002"),
    (
        "Experimenter",
        "0404 00000001 00002320 00000011 ffffffff 0002 01 00 0000000000000000 0000 000000000000 0000 4142",
    ),
    ("Experimenter", "0404 00000001 00002320 00000012"),
    ("Experimenter", "0404 00000001 00002320 00000013 00000005 00000001 00000007 00000006 0000000f 00000000"),
    ("Experimenter", "0404 00000001 00002320 00000014 000000000000 007b"),
    ("Experimenter", "0404 00000001 00002320 00000018 0000 000000000000 ffff 01 04 0002 0000"),
    ("Experimenter", "0404 00000001 00002320 00000019"),
    ("Experimenter", "0404 00000001 00002320 0000001a 00000100 0040 00000000000000000000 ffff 01 04 0002 0000"),
    ("Experimenter", "0404 00000001 00002320 0000001b 0000 0008 00000005"),
    ("Experimenter", "0404 00000001 00002320 0000001d 000000000000 000d"),
    ("Experimenter", "0404 00000001 00002320 0000001c 0000 0006 4142 0000"),
    ("Experimenter", "0404 00000001 00002320 0000001e 0000 0006 4142 0000"),
    ("Experimenter", "0404 00000001 00002320 00000020 06 00000000000000 0002 0006 0005 0000"),
    ("Experimenter", "0404 00000001 00002320 00000063 41"),
    ("Experimenter", "0404 00000001 000000ff 00000001 41"),
    ("Other", "0463 00000001 41"),
    ("Other", "0114 00000001"),
];

fn message_of(text: &str) -> Vec<u8> {
    let bytes = hex(text);
    with_length([&bytes[..2], &[0, 0], &bytes[2..]].concat())
}

fn with_length(mut bytes: Vec<u8>) -> Vec<u8> {
    let length = u16::try_from(bytes.len()).unwrap();
    bytes[2..4].copy_from_slice(&length.to_be_bytes());
    bytes
}

fn again(message: &AnyMessage<'_>) -> Vec<u8> {
    let mut writer = Writer::new();
    message.encode(&mut writer).unwrap();
    writer.into_vec()
}

#[test]
fn every_kind_of_message_reads_as_what_it_is_and_comes_back_the_same() {
    for (variant, text) in VECTORS {
        let bytes = message_of(text);
        let message = AnyMessage::decode(&bytes).unwrap();
        let name = format!("{:?}", message.body);
        assert!(name.split([' ', '(', '{']).next() == Some(variant), "{text} is {name}");
        assert_eq!(again(&message), bytes, "{text}");
    }
}

#[test]
fn every_prefix_and_one_byte_more_is_refused_or_another_whole_message() {
    for (_, text) in VECTORS {
        let bytes = message_of(text);
        for length in (0..bytes.len()).chain([bytes.len() + 1]) {
            let mut cut = bytes.clone();
            cut.resize(length, 0);
            let error = AnyMessage::decode(&cut).unwrap_err();
            assert_eq!(error.code, ErrorCode::BRC_BAD_LEN, "{text} at {length}");
            if length < 8 {
                continue;
            }
            let cut = with_length(cut);
            match AnyMessage::decode(&cut) {
                Ok(message) => assert_eq!(again(&message), cut, "{text} at {length}"),
                Err(error) => assert!(error.offset <= length, "{text} at {length}: {error}"),
            }
        }
    }
}

#[test]
fn a_message_without_a_body_takes_none() {
    for text in ["0405 00000001", "0407 00000001", "0414 00000001", "041a 00000001", "0412 00000001 0003 0000 00000000"]
    {
        let longer = with_length([message_of(text), vec![0]].concat());
        let error = AnyMessage::decode(&longer).unwrap_err();
        assert_eq!((error.code, error.found), (ErrorCode::BRC_BAD_LEN, 1), "{text}");
    }
}
