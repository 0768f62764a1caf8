//! Messages that nobody asked for, as they come.

use std::ops::ControlFlow;

use super::{Client, ClientError};
use crate::openflow::echo::Echo;
use crate::openflow::{EncodeError, Header, Message, MessageType, Reader, Writer, Xid};

/// Who is at the other end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Peer {
    /// A switch: its echo requests are answered, and when it is silent for long it is asked whether it lives.
    Switch,
    /// A snoop socket, which lets through what a switch and its controller say to each other: nothing of it is
    /// for us to answer, and it may be silent for as long as they are.
    Snoop,
}

impl Client {
    /// Sends what `encode` writes, with an xid of its own.
    pub fn post(
        &mut self,
        encode: impl FnOnce(&mut Writer, Xid) -> Result<(), EncodeError>,
    ) -> Result<Xid, ClientError> {
        let xid = self.xid();
        let mut writer = Writer::new();
        encode(&mut writer, xid)?;
        self.send(&writer)?;
        Ok(xid)
    }

    /// Hands the bytes of each message to `on`, until it has seen enough. Errors: those of `on`, a connection that
    /// ends, bytes that are no messages.
    pub fn listen<E: From<ClientError>>(
        &mut self,
        peer: Peer,
        mut on: impl FnMut(&[u8]) -> Result<ControlFlow<()>, E>,
    ) -> Result<(), E> {
        let mut asked = false;
        loop {
            let mut answers = Writer::new();
            let mut enough = false;
            for frame in self.frames.frames() {
                let frame = frame.map_err(ClientError::from)?;
                if peer == Peer::Switch && answer_echo(frame, &mut answers)? {
                    continue;
                }
                enough = on(frame)?.is_break();
                if enough {
                    break;
                }
            }
            if !answers.is_empty() {
                self.send(&answers)?;
            }
            if enough {
                return Ok(());
            }
            match self.read() {
                Ok(()) => asked = false,
                Err(ClientError::Silent(_)) if peer == Peer::Snoop => {}
                Err(ClientError::Silent(_)) if !asked => {
                    asked = true;
                    self.post(|writer, xid| Echo::default().encode_request(writer, xid))?;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// True for a message that is about nothing but whether the peers live.
fn answer_echo(frame: &[u8], answers: &mut Writer) -> Result<bool, ClientError> {
    let header = Header::decode(&mut Reader::new(frame))?;
    if header.message_type == MessageType::ECHO_REQUEST {
        Echo::decode(Message::decode(frame)?.body).encode_reply(answers, header.xid)?;
    }
    Ok(matches!(header.message_type, MessageType::ECHO_REQUEST | MessageType::ECHO_REPLY))
}
