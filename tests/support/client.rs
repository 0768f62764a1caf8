//! One OpenFlow connection to a bridge's management socket.

use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use heddle::openflow::frame::FrameBuffer;
use heddle::openflow::hello::Hello;
use heddle::openflow::{EncodeError, Message, MessageType, Writer, Xid, barrier};

/// A message that has come whole.
pub fn parse(bytes: &[u8]) -> Message<'_> {
    Message::decode(bytes).unwrap()
}

/// See the module.
pub struct Client {
    stream: UnixStream,
    deadline: Duration,
    buffer: FrameBuffer,
    ready: Vec<Vec<u8>>,
}

impl Client {
    /// Connects and greets; a message that is waited for may take so long.
    pub fn connect(socket: &Path, deadline: Duration) -> Self {
        let stream = UnixStream::connect(socket).unwrap();
        let mut client = Self { stream, deadline, buffer: FrameBuffer::new(), ready: Vec::new() };
        client.send(|w| Hello::OURS.encode(w, Xid(1)));
        let hello = client.receive();
        assert!(Hello::decode(&parse(&hello)).unwrap().supports(4));
        client
    }

    /// Sends what `encode` appends, in one write.
    pub fn send(&mut self, encode: impl FnOnce(&mut Writer) -> Result<(), EncodeError>) {
        let mut writer = Writer::new();
        encode(&mut writer).unwrap();
        self.stream.write_all(writer.as_slice()).unwrap();
    }

    /// The next message.
    pub fn receive(&mut self) -> Vec<u8> {
        self.receive_within(self.deadline).expect("a message before the deadline")
    }

    /// The next message, if one comes within that time.
    pub fn receive_within(&mut self, patience: Duration) -> Option<Vec<u8>> {
        self.stream.set_read_timeout(Some(patience.max(Duration::from_micros(1)))).unwrap();
        while self.ready.is_empty() {
            let count = match self.stream.read(self.buffer.spare()) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => return None,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                read => read.expect("the switch speaks"),
            };
            assert!(count > 0, "the switch closed the connection");
            self.buffer.filled(count);
            self.ready = self.buffer.frames().map(|frame| frame.unwrap().to_vec()).collect();
        }
        Some(self.ready.remove(0))
    }

    /// Everything up to the answer to a barrier that is sent now.
    pub fn until_barrier(&mut self) -> Vec<Vec<u8>> {
        self.send(|w| {
            barrier::encode_request(w, Xid(0xbbbb));
            Ok(())
        });
        let mut before = Vec::new();
        loop {
            let bytes = self.receive();
            let header = parse(&bytes).header;
            if (header.message_type, header.xid) == (MessageType::BARRIER_REPLY, Xid(0xbbbb)) {
                return before;
            }
            before.push(bytes);
        }
    }
}
