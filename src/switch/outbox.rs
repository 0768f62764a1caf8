//! What waits to be sent on a connection.

use std::mem;

use crate::openflow::Writer;

/// Two queues, so that what the session says never waits behind answers to packets: no longer than until what is
/// being sent has left, which is at most [`MAX_ANSWERS`](Outbox::MAX_ANSWERS) bytes.
#[derive(Default)]
pub(super) struct Outbox {
    /// Messages of the session: echo replies, flows, barriers.
    pub(super) session: Writer,
    /// Answers to packets.
    pub(super) answers: Writer,
    sending: Writer,
    sent: usize,
    /// Bytes that were sent may still be held back: TLS does so while the socket is full.
    unflushed: bool,
}

impl Outbox {
    /// With more answers than this waiting the switch does not read them: further packets go unanswered.
    const MAX_ANSWERS: usize = 1 << 20;
    /// With more than this waiting the session answers a peer that asks without end and does not read: it writes its
    /// own messages only while few wait.
    const MAX_REPLIES: usize = 4 << 20;
    /// The same for a peer that is no bridge of ours, or not yet.
    const MAX_REPLIES_TO_STRANGERS: usize = 128 << 10;

    /// Whether there is room for another answer to a packet.
    pub(super) fn takes_answers(&self) -> bool {
        self.answers.len() < Self::MAX_ANSWERS
    }

    /// Whether the session may go on answering a bridge of ours.
    pub(super) fn takes_replies(&self) -> bool {
        self.session.len() < Self::MAX_REPLIES
    }

    /// Whether it may go on answering a stranger.
    pub(super) fn takes_replies_to_stranger(&self) -> bool {
        self.session.len() < Self::MAX_REPLIES_TO_STRANGERS
    }

    /// What is to be sent next; empty if nothing waits.
    pub(super) fn pending(&mut self) -> &[u8] {
        if self.sent == self.sending.len() {
            self.sending.clear();
            self.sent = 0;
            let next = if self.session.is_empty() { &mut self.answers } else { &mut self.session };
            mem::swap(&mut self.sending, next);
        }
        self.sending.as_slice().get(self.sent..).unwrap_or_default()
    }

    /// True if nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.sent == self.sending.len() && self.session.is_empty() && self.answers.is_empty()
    }

    /// So many bytes of [`pending`](Self::pending) have left.
    pub(super) fn sent(&mut self, count: usize) {
        self.sent += count;
        self.unflushed = true;
    }

    /// Whether the stream has to be flushed.
    pub(super) fn is_unflushed(&self) -> bool {
        self.unflushed
    }

    /// Nothing is held back.
    pub(super) fn flushed(&mut self) {
        self.unflushed = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_session_overtakes_answers_between_messages_but_not_within_one() {
        let mut outbox = Outbox::default();
        outbox.answers.bytes(b"answer 1;");
        assert_eq!(outbox.pending(), b"answer 1;");
        outbox.sent(3);
        outbox.answers.bytes(b"answer 2;");
        outbox.session.bytes(b"echo;");
        assert_eq!(outbox.pending(), b"wer 1;");
        outbox.sent(6);
        assert_eq!(outbox.pending(), b"echo;");
        outbox.sent(5);
        assert_eq!(outbox.pending(), b"answer 2;");
        assert!(!outbox.is_empty());
        outbox.sent(9);
        assert!(outbox.is_empty());
        assert!(outbox.pending().is_empty());
    }
}
