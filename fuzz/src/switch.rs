//! A switch that says anything: no session panics, and what is answered are whole messages.

use std::time::Duration;

use heddle::openflow::frame::Framing;
use heddle::openflow::{Message, Writer};
use heddle::pipeline::learning;
use heddle::switch::session::{Event, Session};
use heddle::switch::{Ownership, Wanted};

/// Messages from a peer that is taken for a bridge as soon as it says which, once of each kind.
pub fn session(stream: &[u8]) {
    for ownership in [Ownership::All, Ownership::Ours, Ownership::Learning] {
        converse(stream, ownership);
    }
}

fn converse(mut stream: &[u8], ownership: Ownership) {
    let mut out = Writer::new();
    let mut session = Session::new(&mut out).expect("our HELLO is short");
    let mut now = Duration::ZERO;
    while let Framing::Frame(frame) = Framing::of(stream) {
        stream = &stream[frame.len()..];
        now += Duration::from_millis(200);
        let Ok(event) = session.on_message(frame, now, &mut out) else { break };
        if let Some(Event::Identified(_)) = event {
            let wanted = Wanted { ownership, flows: learning::flows(), learnt: Vec::new(), generation: 1 };
            session.adopt(wanted, now, &mut out).expect("what is asked of every bridge is short");
        }
        if session.on_tick(now, &mut out).is_err() {
            break;
        }
        session.write(&mut out).expect("three short flows");
        let _ = (session.progress(), session.missing(), session.take_bridged());
    }
    assert_messages(out.as_slice());
}

fn assert_messages(mut out: &[u8]) {
    while let Framing::Frame(frame) = Framing::of(out) {
        Message::decode(frame).expect("a whole message decodes");
        out = &out[frame.len()..];
    }
    assert!(out.is_empty(), "{} bytes of no message", out.len());
}
