//! Somebody who connects to where bridges do, and says whatever a test wants.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use heddle::openflow::echo::Echo;
use heddle::openflow::frame::Framing;
use heddle::openflow::multipart::{Multipart, MultipartType};
use heddle::openflow::{Message, MessageType, Writer, Xid};

use super::lab::{Host, netns};
use super::switch_server::bridge;

/// Where bridges connect.
pub const CONTROLLER: &str = "127.0.0.1:6633";
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// See the module.
pub struct Peer {
    pub stream: TcpStream,
    input: Vec<u8>,
}

impl Peer {
    /// Connects from the host itself.
    pub fn connect(host: &Host) -> Self {
        let stream = netns::inside(host.namespace(), || TcpStream::connect(CONTROLLER)).expect("heddle listens");
        Self::over(stream)
    }

    /// Over a connection that is there.
    pub fn over(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(PATIENCE)).expect("a socket takes a deadline");
        stream.set_nodelay(true).expect("it is TCP");
        Self { stream, input: Vec::new() }
    }

    /// Sends bytes; false if Heddle has closed the connection.
    pub fn say(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).is_ok()
    }

    /// The next message; none if Heddle closes the connection first.
    pub fn hear(&mut self) -> Option<Vec<u8>> {
        loop {
            if let Framing::Frame(frame) = Framing::of(&self.input) {
                let message = frame.to_vec();
                self.input.drain(..message.len());
                return Some(message);
            }
            let mut chunk = [0; 4096];
            match self.stream.read(&mut chunk) {
                Ok(0) => return None,
                Ok(count) => self.input.extend_from_slice(&chunk[..count]),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => panic!("heddle is silent for {PATIENCE:?}"),
                Err(_) => return None,
            }
        }
    }

    /// All types of messages until Heddle closes the connection.
    pub fn hear_out(&mut self) -> Vec<MessageType> {
        let mut types = Vec::new();
        while let Some(message) = self.hear() {
            types.push(Message::decode(&message).expect("heddle sends messages").header.message_type);
        }
        types
    }

    /// Answers as a bridge of this name does, until Heddle has asked for its flows and got them.
    pub fn be_a_bridge(&mut self, name: &str, datapath_id: u64) {
        let mut switch = bridge(name, datapath_id);
        switch.greet();
        assert!(self.say(&switch.take_output()));
        while switch.flows.len() < 3 {
            let message = self.hear().expect("heddle takes the bridge");
            switch.receive(&message, 1);
            assert!(self.say(&switch.take_output()));
        }
    }

    /// Answers to the questions who it is, and says that the bridge has this name.
    pub fn introduce(&mut self, name: &str, datapath_id: u64) {
        let mut switch = bridge(name, datapath_id);
        switch.greet();
        assert!(self.say(&switch.take_output()));
        for _ in 0..3 {
            let Some(message) = self.hear() else { return };
            switch.receive(&message, 1);
            if !self.say(&switch.take_output()) {
                return;
            }
        }
    }

    /// Answers Heddle's questions whether it is there, until Heddle closes the connection.
    pub fn answer_echoes(&mut self) {
        while let Some(message) = self.hear() {
            self.on_echo_request(&message);
        }
    }

    /// Answers, if the message is the question whether it is there.
    pub fn on_echo_request(&mut self, message: &[u8]) {
        let message = Message::decode(message).expect("heddle sends messages");
        if message.header.message_type == MessageType::ECHO_REQUEST {
            let mut reply = Writer::new();
            Echo::decode(message.body).encode_reply(&mut reply, message.header.xid).expect("it fits");
            let _closed_meanwhile = self.say(reply.as_slice());
        }
    }

    /// Waits until Heddle asks for all flows; the xid of the question.
    pub fn await_flow_dump(&mut self) -> Xid {
        loop {
            let message = self.hear().expect("heddle takes the bridge");
            let message = Message::decode(&message).expect("heddle sends messages");
            let body = message.body_of(MessageType::MULTIPART_REQUEST).and_then(Multipart::decode);
            if body.is_ok_and(|request| request.multipart_type == MultipartType::FLOW) {
                return message.header.xid;
            }
        }
    }

    /// Asks for an echo; how long the answer took.
    pub fn echo(&mut self) -> Duration {
        let mut writer = Writer::new();
        Echo::default().encode_request(&mut writer, Xid(0xec)).expect("it is empty");
        let began = Instant::now();
        assert!(self.say(writer.as_slice()), "heddle has closed the connection");
        loop {
            let message = self.hear().expect("heddle answers");
            if Message::decode(&message).expect("heddle sends messages").header.message_type == MessageType::ECHO_REPLY
            {
                return began.elapsed();
            }
            self.on_echo_request(&message);
        }
    }
}
