//! The message by which a switch sends a frame up.

use heddle::openflow::packet::{NO_BUFFER, PacketIn, PacketInReason};
use heddle::openflow::{Cookie, Match, PortNo, RawMatch, Reader, TableId, Writer, Xid};

/// Of a frame that has come in by a port; whole, from table 0, with no cookie.
pub fn packet_in(in_port: PortNo, reason: PacketInReason, frame: &[u8]) -> Vec<u8> {
    let mut flow_match = Writer::new();
    Match::encode_tlvs(Match::new().in_port(in_port).as_bytes(), &mut flow_match).expect("one field fits");
    let packet_in = PacketIn {
        buffer_id: NO_BUFFER,
        total_len: u16::try_from(frame.len()).expect("a frame fits a message"),
        reason,
        table_id: TableId(0),
        cookie: Cookie(0),
        flow_match: RawMatch::decode(&mut Reader::new(flow_match.as_slice())).expect("it was just encoded"),
        data: frame,
    };
    let mut writer = Writer::new();
    packet_in.encode(&mut writer, Xid(0)).expect("a frame fits a message");
    writer.into_vec()
}
