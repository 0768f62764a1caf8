//! Echo replies never wait behind packets: a connection over a real socket, at the other end of which is this test in
//! the place of a switch.

#[path = "support/packet_in.rs"]
#[allow(unreachable_pub, reason = "shared with other tests")]
mod packet_in;

use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use heddle::flow::FlowTable;
use heddle::openflow::echo::Echo;
use heddle::openflow::features::FeaturesReply;
use heddle::openflow::frame::FrameBuffer;
use heddle::openflow::hello::Hello;
use heddle::openflow::multipart::{Multipart, MultipartType};
use heddle::openflow::packet::PacketInReason;
use heddle::openflow::{DatapathId, EncodeError, MacAddr, Message, MessageType, PortNo, Writer, Xid};
use heddle::packet::build::Frame;
use heddle::responder::Responder;
use heddle::switch::{Command, ConnectionId, News, Ownership, Wanted, drive};
use packet_in::packet_in;
use tokio::sync::mpsc;

const DEADLINE: Duration = Duration::from_secs(20);
const PACKETS: usize = 300;

/// A switch's end of a connection. It never waits, so that whoever is at the other end goes on only when it is let.
struct Switch {
    stream: UnixStream,
    input: FrameBuffer,
}

impl Switch {
    /// Sends what `encode` appends, in one write.
    fn send(&mut self, encode: impl FnOnce(&mut Writer) -> Result<(), EncodeError>) {
        let mut writer = Writer::new();
        encode(&mut writer).unwrap();
        let sent = self.stream.write(writer.as_slice()).unwrap();
        assert_eq!(sent, writer.len(), "it fits the socket's buffer");
    }

    /// The messages that have come in.
    fn received(&mut self) -> Vec<(MessageType, Xid, Option<MultipartType>)> {
        match self.stream.read(self.input.spare()) {
            Ok(count) => self.input.filled(count),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => panic!("{error}"),
        }
        let messages = self.input.frames().map(|frame| {
            let message = Message::decode(frame.unwrap()).unwrap();
            let message_type = message.header.message_type;
            let multipart = (message_type == MessageType::MULTIPART_REQUEST)
                .then(|| Multipart::decode(message.body).unwrap().multipart_type);
            (message_type, message.header.xid, multipart)
        });
        messages.collect()
    }

    /// Lets the other end go on until `enough` messages of a kind have come in; returns these.
    async fn until<T>(
        &mut self,
        what: &str,
        pick: impl Fn(&(MessageType, Xid, Option<MultipartType>)) -> Option<T>,
        count: usize,
    ) -> Vec<T> {
        let (end, mut found) = (Instant::now() + DEADLINE, Vec::new());
        while found.len() < count {
            assert!(Instant::now() < end, "gave up waiting for {what}");
            tokio::task::yield_now().await;
            found.extend(self.received().iter().filter_map(&pick));
        }
        found
    }
}

fn stranger(number: usize) -> Vec<u8> {
    let [.., a, b] = number.to_be_bytes();
    let mut frame = Writer::new();
    Frame { dst: MacAddr::BROADCAST, src: MacAddr([2, 0, 0, 0, a, b]), tags: [None, None] }.ipv4(&mut frame);
    frame.zeros(46);
    packet_in(PortNo(1), PacketInReason::NO_MATCH, frame.as_slice())
}

#[tokio::test]
async fn an_echo_request_behind_many_packets_is_answered_before_them() {
    let (ours, theirs) = UnixStream::pair().unwrap();
    for stream in [&ours, &theirs] {
        stream.set_nonblocking(true).unwrap();
    }
    let (sender, mut reports) = mpsc::channel(64);
    let theirs = tokio::net::UnixStream::from_std(theirs).unwrap();
    let connection = tokio::spawn(drive(theirs, "the switch".into(), ConnectionId(1), sender));
    let mut switch = Switch { stream: ours, input: FrameBuffer::new() };
    switch.send(|writer| Hello::OURS.encode(writer, Xid(1)));
    let of_type =
        |wanted: MessageType| move |(found, xid, _): &(MessageType, Xid, _)| (*found == wanted).then_some(*xid);
    let asked = switch.until("FEATURES_REQUEST", of_type(MessageType::FEATURES_REQUEST), 1).await;
    let features = FeaturesReply {
        datapath_id: DatapathId(1),
        n_buffers: 0,
        n_tables: 254,
        auxiliary_id: 0,
        capabilities: Default::default(),
        reserved: 0,
    };
    switch.send(|writer| features.encode(writer, asked[0]));
    let multipart = |wanted| move |(_, xid, found): &(_, Xid, Option<_>)| (*found == Some(wanted)).then_some(*xid);
    let asked = switch.until("the question for its ports", multipart(MultipartType::PORT_DESC), 1).await;
    switch.send(|writer| Multipart::last(MultipartType::PORT_DESC, &[]).encode_reply(writer, asked[0]));
    let report = tokio::time::timeout(DEADLINE, reports.recv()).await.expect("identified in time").unwrap();
    let News::Identified { commands, .. } = report.news else { panic!("it tells who it is first") };
    let flows = FlowTable::new();
    let wanted = Wanted { ownership: Ownership::Learning, flows, learnt: Vec::new(), generation: 1 };
    assert!(commands.send(Command::Respond(Box::new(Responder::learning()))).is_ok());
    assert!(commands.send(Command::Adopt(Box::new(wanted))).is_ok());
    let asked = switch.until("the dump of its flows", multipart(MultipartType::FLOW), 1).await;
    switch.send(|writer| Multipart::last(MultipartType::FLOW, &[]).encode_reply(writer, asked[0]));

    // One write, before the other end gets to read any of it.
    switch.send(|writer| {
        (0..PACKETS).for_each(|number| writer.bytes(&stranger(number)));
        Echo { data: b"alive?" }.encode_request(writer, Xid(0xec0))
    });
    let answers = |(found, xid, _): &(MessageType, Xid, _)| {
        matches!(*found, MessageType::ECHO_REPLY | MessageType::PACKET_OUT).then_some((*found, *xid))
    };
    let answers = switch.until("the answers", answers, PACKETS + 1).await;
    assert_eq!(answers[0], (MessageType::ECHO_REPLY, Xid(0xec0)));
    assert!(answers[1..].iter().all(|(found, _)| *found == MessageType::PACKET_OUT));
    assert_eq!(answers.len(), PACKETS + 1);
    connection.abort();
}
