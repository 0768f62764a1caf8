use super::super::experimenter::Experimenter;
use super::super::multipart::Multipart;
use super::super::testing::{XID, encoded, hex, refuses_cut_and_excess};
use super::*;
use crate::openflow::{Entries, Message};

fn decode<'a, T: Entry<'a>>(body: Reader<'a>) -> Result<Vec<T>, DecodeError> {
    let multipart = Multipart::decode(body)?;
    Entries::new(Experimenter::decode(multipart.body.reader())?.body.reader()).collect()
}

#[test]
fn a_monitor_request_reads_as_it_was_written() {
    let bytes = hex("04120030 12345678 ffff 0000 00000000 4f4e4600 0000074e
         00000009 003f 0004 ffffffff ff 000000 0001 0004 00000000");
    let requests: Vec<FlowMonitorRequest<'_>> = decode(Message::decode(&bytes).unwrap().body).unwrap();
    assert_eq!(requests, [FlowMonitorRequest::all(9, FlowMonitorFlags(0x3f))]);
    assert_eq!(encoded(|w| requests[0].encode_message(w, XID)), bytes);
    refuses_cut_and_excess(&bytes, &[24], decode::<FlowMonitorRequest<'_>>);
    assert_eq!(requests[0].flags.names().last(), Some("own"));
}

#[test]
fn updates_read_as_they_were_written() {
    let bytes = hex("04130060 12345678 ffff 0000 00000000 4f4e4600 0000074e
         0040 0001 0002 8000 0001 0002 000c 14 00 00000000000000ab
         0001 000c 80000004 00000006 00000000 0004 0018 00000000 0000 0010 00000001 0000 000000000000
         0008 0003 00000042");
    let updates: Vec<FlowUpdate<'_>> = decode(Message::decode(&bytes).unwrap().body).unwrap();
    let [FlowUpdate::Full(full), FlowUpdate::Abbrev { xid: Xid(0x42) }] = updates[..] else { panic!("{updates:?}") };
    assert_eq!((full.event, full.reason, full.priority), (FlowEvent::Deleted, 2, 0x8000));
    assert_eq!((full.idle_timeout, full.hard_timeout), (1, 2));
    assert_eq!((full.table_id, full.cookie), (TableId(20), Cookie(0xab)));
    assert_eq!(full.flow_match.oxm_fields().rest(), hex("80000004 00000006"));
    assert_eq!((full.instructions.bytes().len(), full.instructions.reader().offset()), (24, 64));
    assert_eq!(encoded(|w| encode_updates(w, XID, &updates)), bytes);
    refuses_cut_and_excess(&bytes, &[24, 88], decode::<FlowUpdate<'_>>);
}

#[test]
fn rejects_updates_that_do_not_fit() {
    for (entry, code, offset) in [
        ("0000 0003 00000042", ErrorCode::BRC_BAD_LEN, 24),
        ("0007 0003 00000042", ErrorCode::BRC_BAD_LEN, 24),
        ("0010 0003 00000042", ErrorCode::BRC_BAD_LEN, 24),
        ("0010 0003 00000042 0000000000000000", ErrorCode::BRC_BAD_LEN, 32),
        ("0008 0004 00000042", ErrorCode::NXBRC_FM_BAD_EVENT, 26),
        ("0008 0000 00000042", ErrorCode::BRC_BAD_LEN, 32),
        ("0020 0000 0000 8000 0000 0000 0008 00 00 0000000000000000 0001 0004 00000000", ErrorCode::BRC_BAD_LEN, 36),
        (
            "0020 0000 0000 8000 0000 0000 0010 00 00 0000000000000000 0001 0010 00000000 0000000000000000",
            ErrorCode::BMC_BAD_LEN,
            50,
        ),
    ] {
        let entry = hex(entry);
        let mut bytes = hex("04130000 12345678 ffff 0000 00000000 4f4e4600 0000074e");
        bytes.extend(entry);
        let length = bytes.len() as u16;
        bytes[2..4].copy_from_slice(&length.to_be_bytes());
        let error = decode::<FlowUpdate<'_>>(Message::decode(&bytes).unwrap().body).unwrap_err();
        assert_eq!((error.code, error.offset), (code, offset), "{error}");
    }
}

#[test]
fn a_cancel_reads_as_it_was_written() {
    let bytes = hex("04040014 12345678 4f4e4600 0000074e 00000009");
    let decode = |body: Reader<'_>| FlowMonitorCancel::decode(Experimenter::decode(body)?.body.reader());
    let cancel = decode(Message::decode(&bytes).unwrap().body).unwrap();
    assert_eq!(cancel.monitor_id, 9);
    assert_eq!(encoded(|w| cancel.encode(w, XID)), bytes);
    refuses_cut_and_excess(&bytes, &[], decode);
}
