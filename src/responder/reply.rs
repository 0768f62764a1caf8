//! A PACKET_OUT on its way into the buffer of what is to be sent.

use super::{Query, Verdict};
use crate::openflow::header::{MessageType, VERSION};
use crate::openflow::packet::NO_BUFFER;
use crate::openflow::{Action, EncodeError, PortNo, TableId, Writer};

/// Where a packet goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Destination {
    /// Back through the port that the question came in through.
    InPort,
    /// Out of a port, whatever came in.
    Port(PortNo),
    /// On through the flows of a table of the bridge, as if it came from the port of the question.
    Resubmit(TableId),
}

/// Appends PACKET_OUTs that answer a [`Query`].
///
/// Their xid is 0, which no request of a session has: an error about one concerns no flow.
#[derive(Debug)]
pub struct Reply<'a> {
    out: &'a mut Writer,
    in_port: PortNo,
    sound: bool,
}

impl<'a> Reply<'a> {
    /// Answers to `query`, appended to `out`.
    pub fn new(query: &Query<'_>, out: &'a mut Writer) -> Self {
        Self { out, in_port: query.in_port, sound: true }
    }

    /// Packets of Heddle's own accord, which come from no port.
    pub fn unasked(out: &'a mut Writer) -> Self {
        Self { out, in_port: PortNo::CONTROLLER, sound: true }
    }

    /// Sends the frame that `build` writes.
    #[inline]
    pub fn send(&mut self, to: Destination, build: impl FnOnce(&mut Writer) -> Result<(), EncodeError>) {
        let begin = self.out.begin();
        let sent = packet_out(self.out, self.in_port, to, build);
        if sent.is_err() {
            self.out.undo(begin);
            self.sound = false;
        }
    }

    /// Sends the packet itself on through the flows of a table, as if it had not come up.
    #[inline]
    pub fn pass_on(&mut self, query: &Query<'_>, table: TableId) -> Verdict {
        self.send(Destination::Resubmit(table), |writer| {
            writer.bytes(query.frame);
            Ok(())
        });
        Verdict::PassedOn
    }

    /// False if a packet was too long for a message and was left out.
    pub const fn is_sound(&self) -> bool {
        self.sound
    }
}

#[inline]
fn packet_out(
    out: &mut Writer,
    in_port: PortNo,
    to: Destination,
    build: impl FnOnce(&mut Writer) -> Result<(), EncodeError>,
) -> Result<(), EncodeError> {
    let message = out.begin();
    let [i0, i1, i2, i3] = in_port.0.to_be_bytes();
    let [b0, b1, b2, b3] = NO_BUFFER.to_be_bytes();
    // Header, buffer_id, in_port, actions_len, padding.
    out.bytes(&[
        VERSION,
        MessageType::PACKET_OUT.0,
        0,
        0,
        0,
        0,
        0,
        0,
        b0,
        b1,
        b2,
        b3,
        i0,
        i1,
        i2,
        i3,
        0,
        16,
        0,
        0,
        0,
        0,
        0,
        0,
    ]);
    match to {
        Destination::InPort => output(out, PortNo::IN_PORT),
        Destination::Port(port) => output(out, port),
        Destination::Resubmit(table) => Action::resubmit(table).encode(out)?,
    }
    build(out)?;
    out.end(message, 2, "packet_out")
}

/// `OFPAT_OUTPUT`, 16 bytes, the `max_len` of which means nothing here.
#[inline]
fn output(out: &mut Writer, port: PortNo) {
    let [p0, p1, p2, p3] = port.0.to_be_bytes();
    out.bytes(&[0, 0, 0, 16, p0, p1, p2, p3, 0, 0, 0, 0, 0, 0, 0, 0]);
}
