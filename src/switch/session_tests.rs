use std::sync::Arc;

use super::super::simulator::{Simulator, message_of, named_port};
use super::super::testing::{ALL, Pair, add, flow, wanted, with_cookie};
use super::*;
use crate::openflow::frame::Framing;
use crate::openflow::{Entry, Match};
use crate::pipeline::cookie::{self, Kind};

const SECOND: Duration = Duration::from_secs(1);

/// The types of the messages in `bytes`.
fn types(bytes: &[u8]) -> Vec<MessageType> {
    let (mut types, mut rest) = (Vec::new(), bytes);
    while let Framing::Frame(frame) = Framing::of(rest) {
        types.push(Message::decode(frame).unwrap().header.message_type);
        rest = &rest[frame.len()..];
    }
    types
}

fn greeted() -> (Session, Writer) {
    let mut out = Writer::new();
    let session = Session::new(&mut out).unwrap();
    assert_eq!(types(out.as_slice()), [MessageType::HELLO]);
    out.clear();
    (session, out)
}

fn hello(hello: Hello) -> Vec<u8> {
    let mut writer = Writer::new();
    hello.encode(&mut writer, Xid(5)).unwrap();
    writer.into_vec()
}

#[test]
fn a_hello_with_or_without_a_list_of_versions_leads_to_the_question_who_it_is() {
    for versions in [Some(1 << 4), Some(1 << 1 | 1 << 4 | 1 << 6), None] {
        for version in [4, 6] {
            let (mut session, mut out) = greeted();
            let said = session.on_message(&hello(Hello { version, versions }), SECOND, &mut out);
            assert_eq!((said, types(out.as_slice())), (Ok(None), vec![MessageType::FEATURES_REQUEST]));
        }
    }
}

#[test]
fn a_peer_without_openflow_13_is_told_so_and_the_operator_what_to_set() {
    for (version, versions) in [(1, None), (3, None), (1, Some(1 << 1)), (6, Some(1 << 6))] {
        let (mut session, mut out) = greeted();
        let error = session.on_message(&hello(Hello { version, versions }), SECOND, &mut out).unwrap_err();
        assert_eq!(error, SessionError::NoOpenFlow13(version));
        assert!(error.to_string().contains("protocols="), "{error}");
        let answer = Message::decode(out.as_slice()).unwrap();
        let answer = ErrorMsg::decode(answer.body_of(MessageType::ERROR).unwrap()).unwrap();
        assert_eq!(answer.code, ErrorCode::HFC_INCOMPATIBLE);
    }
}

#[test]
fn a_peer_that_does_not_begin_with_a_hello_is_let_go() {
    let (mut session, mut out) = greeted();
    let said = session.on_message(&message_of(MessageType::ECHO_REQUEST, &[]), SECOND, &mut out);
    assert_eq!(said, Err(SessionError::NoHello(2)));
}

#[test]
fn a_peer_that_stays_silent_is_let_go_after_ten_seconds() {
    let (mut session, mut out) = greeted();
    assert_eq!(session.on_tick(9 * SECOND, &mut out), Ok(None));
    assert_eq!(session.on_tick(10 * SECOND, &mut out), Err(SessionError::Unidentified(10 * SECOND)));
    assert!(out.is_empty());
}

#[test]
fn a_peer_that_greets_and_never_says_who_it_is_is_let_go_too() {
    let (mut session, mut out) = greeted();
    session.on_message(&hello(Hello::OURS), SECOND, &mut out).unwrap();
    for second in 2..10 {
        session.on_message(&message_of(MessageType::ECHO_REQUEST, &[]), second * SECOND, &mut out).unwrap();
        session.on_tick(second * SECOND, &mut out).unwrap();
    }
    assert_eq!(session.on_tick(10 * SECOND, &mut out), Err(SessionError::Unidentified(10 * SECOND)));
}

#[test]
fn an_echo_request_is_answered_with_its_own_bytes() {
    let (mut session, mut out) = greeted();
    session.on_message(&hello(Hello::OURS), SECOND, &mut out).unwrap();
    out.clear();
    session.on_message(&message_of(MessageType::ECHO_REQUEST, b"are you there"), SECOND, &mut out).unwrap();
    let answer = Message::decode(out.as_slice()).unwrap();
    assert_eq!(answer.header.xid, Xid(0x7777_7777));
    assert_eq!(Echo::decode(answer.body_of(MessageType::ECHO_REPLY).unwrap()).data, b"are you there");
}

fn adopted() -> Pair {
    Pair::adopted(Simulator::new(), wanted([flow(1, 1)]))
}

#[test]
fn a_dead_peer_is_noticed_within_15_seconds() {
    let mut pair = adopted();
    let (mut out, mut asked) = (Writer::new(), 0);
    for second in 1..=15 {
        let ended = pair.session.on_tick(pair.now + second * SECOND, &mut out);
        asked += types(out.as_slice()).iter().filter(|&&said| said == MessageType::ECHO_REQUEST).count();
        out.clear();
        if let Err(error) = ended {
            assert_eq!((error, asked), (SessionError::Silent(second * SECOND), 1));
            return;
        }
    }
    panic!("after 15 s of silence the session goes on");
}

#[test]
fn a_peer_that_answers_lives_and_a_busy_daemon_asks_before_it_gives_up() {
    let mut pair = adopted();
    for _ in 0..60 {
        pair.settle_after(SECOND);
    }
    // The daemon slept for a minute: that is not the peer's silence.
    pair.settle_after(60 * SECOND);
    pair.settle_after(SECOND);
}

#[test]
fn a_daemon_that_stood_still_after_it_had_asked_gives_the_answer_its_time() {
    let mut pair = adopted();
    let mut out = Writer::new();
    for second in 1..=6 {
        pair.session.on_tick(pair.now + second * SECOND, &mut out).unwrap();
    }
    assert_eq!(types(out.as_slice()), [MessageType::ECHO_REQUEST]);
    assert_eq!(pair.session.on_tick(pair.now + 600 * SECOND, &mut out), Ok(None));
}

#[test]
fn a_switch_that_is_heard_and_does_not_answer_is_given_up_within_15_seconds() {
    let mut pair = adopted();
    let mut out = Writer::new();
    let asks = message_of(MessageType::ECHO_REQUEST, &[]);
    for second in 1..=15 {
        let now = pair.now + second * SECOND;
        pair.session.on_message(&asks, now, &mut out).unwrap();
        if let Err(error) = pair.session.on_tick(now, &mut out) {
            assert_eq!(error, SessionError::Unanswering(second * SECOND));
            return;
        }
    }
    panic!("after 15 s without an answer the session goes on");
}

#[test]
fn a_switch_that_reads_a_large_change_slowly_is_asked_among_it_and_shows_that_it_lives() {
    let mut pair = adopted();
    pair.log();
    pair.update(2, add((1..20_000).map(|priority| flow(priority, 1))));
    // 400 messages a second, of which each tells nothing: a bundle is silent until its commit.
    for _ in 0..40 {
        pair.settle_a_little(400);
    }
    assert!(!pair.log().contains(&"commit".to_owned()), "it takes longer than silence may last");
    pair.settle();
    assert_eq!(pair.progress.installed, 19_999);
}

#[test]
fn a_challenged_session_ends_unless_the_very_question_is_answered() {
    let mut pair = adopted();
    let mut out = Writer::new();
    pair.session.challenge(&mut out).unwrap();
    pair.session.challenge(&mut out).unwrap();
    assert_eq!(types(out.as_slice()), [MessageType::ECHO_REQUEST], "once");
    let answer = |xid| {
        let mut writer = Writer::new();
        Echo::default().encode_reply(&mut writer, xid).unwrap();
        writer.into_vec()
    };
    let xid = Message::decode(out.as_slice()).unwrap().header.xid;
    for second in 1..=6 {
        let now = pair.now + second * SECOND;
        pair.session.on_message(&answer(Xid(77)), now, &mut out).unwrap();
        pair.session.on_tick(now, &mut out).unwrap();
    }
    let mut late = adopted();
    late.session.challenge(&mut out).unwrap();
    assert_eq!(pair.session.on_tick(pair.now + 7 * SECOND, &mut out), Err(SessionError::Replaced));
    late.session.on_message(&answer(xid), SECOND, &mut out).unwrap();
    for second in 1..=10 {
        assert_eq!(late.session.on_tick(late.now + second * SECOND, &mut out), Ok(None));
    }
}

#[test]
fn unknown_messages_are_passed_over() {
    let mut pair = adopted();
    let mut out = Writer::new();
    let experimenter = message_of(MessageType::EXPERIMENTER, &[0, 0, 0, 9, 0, 0, 0, 1]);
    let unasked = message_of(MessageType::MULTIPART_REPLY, &[0, 1, 0, 0, 0, 0, 0, 0]);
    let error = message_of(MessageType::ERROR, &[0, 1, 0, 1]);
    let barrier = message_of(MessageType::BARRIER_REPLY, &[]);
    for bytes in [message_of(MessageType(200), b"?"), experimenter, unasked, error, barrier] {
        assert_eq!(pair.session.on_message(&bytes, SECOND, &mut out), Ok(None));
    }
    assert!(out.is_empty());
}

#[test]
fn malformed_messages_end_the_session_with_a_typed_error() {
    for (message_type, body) in [
        (MessageType::MULTIPART_REPLY, &[0][..]),
        (MessageType::ERROR, &[0]),
        (MessageType::EXPERIMENTER, &[0x4f]),
        (MessageType::EXPERIMENTER, &[0x4f, 0x4e, 0x46, 0, 0, 0, 8, 0xfc, 0]),
        (MessageType::PORT_STATUS, &[0]),
    ] {
        let mut pair = adopted();
        let ended = pair.session.on_message(&message_of(message_type, body), SECOND, &mut Writer::new());
        assert!(matches!(ended, Err(SessionError::Decode(_))), "{message_type}: {ended:?}");
    }
}

#[test]
fn a_message_of_another_version_ends_the_session_but_not_the_refusal_of_a_monitor() {
    let mut old = message_of(MessageType::ERROR, &[0, 1, 0, 6]);
    old[0] = 1;
    let mut pair = adopted();
    let mut out = Writer::new();
    assert_eq!(pair.session.on_message(&old, SECOND, &mut out), Ok(Some(Event::WithoutMonitor)));
    assert_eq!(pair.session.on_message(&old, SECOND, &mut out), Err(SessionError::NoOpenFlow13(1)));
    let mut echo = message_of(MessageType::ECHO_REQUEST, &[]);
    echo[0] = 5;
    assert_eq!(adopted().session.on_message(&echo, SECOND, &mut out), Err(SessionError::NoOpenFlow13(5)));
}

#[test]
fn a_dump_in_many_parts_is_complete_with_the_last() {
    let mut switch = Simulator::new();
    switch.part = 2;
    switch.flows = (1..=101).map(|priority| flow(priority, 1)).collect();
    let mut pair = Pair::adopted(switch, wanted((1..=100).map(|priority| flow(priority, 1))));
    assert_eq!(pair.log(), ["dump", "delete 101", "commit"]);
    let audits = pair.events.iter().filter(|event| matches!(event, Event::Audited { .. }));
    assert_eq!(audits.collect::<Vec<_>>(), [&Event::Audited { differences: 1 }]);
}

#[test]
fn a_refused_dump_or_identity_ends_the_session() {
    let error = |xid| {
        let mut writer = Writer::new();
        ErrorMsg { code: ErrorCode::BRC_EPERM, data: &[] }.encode(&mut writer, xid).unwrap();
        writer.into_vec()
    };
    let (mut session, mut out) = greeted();
    session.on_message(&hello(Hello::OURS), SECOND, &mut out).unwrap();
    let ended = session.on_message(&error(Xid(2)), SECOND, &mut out);
    assert!(matches!(ended, Err(SessionError::RefusedBasics { what: "FEATURES_REQUEST", .. })));

    let mut pair = Pair::new(Simulator::new());
    pair.settle();
    pair.session.adopt(wanted([]), SECOND, &mut out).unwrap();
    let dump = pair.session.audit_xid.unwrap();
    let ended = pair.session.on_message(&error(dump), SECOND, &mut out);
    assert!(matches!(ended, Err(SessionError::RefusedBasics { what: "the dump of its flows", .. })));
}

#[test]
fn nothing_is_sent_to_a_bridge_that_nobody_adopted() {
    let mut pair = Pair::new(Simulator::new());
    pair.settle();
    assert_eq!(pair.events, [Event::Identified(Identity { datapath_id: DatapathId(7), name: Some("br0".into()) })]);
    for _ in 0..20 {
        pair.settle_after(SECOND);
        pair.step(ALL);
    }
    assert_eq!(pair.log(), [""; 0]);
}

/// A session that has asked for the ports, and with which xid.
fn describing() -> (Session, Xid) {
    let (mut session, mut out) = greeted();
    session.on_message(&hello(Hello::OURS), SECOND, &mut out).unwrap();
    let features = [&7_u64.to_be_bytes()[..], &[0, 0, 0, 0, 254, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]].concat();
    out.clear();
    assert_eq!(session.on_message(&message_of(MessageType::FEATURES_REPLY, &features), SECOND, &mut out), Ok(None));
    assert_eq!(types(out.as_slice()), [MessageType::MULTIPART_REQUEST]);
    let xid = Message::decode(out.as_slice()).unwrap().header.xid;
    (session, xid)
}

#[test]
fn another_version_behind_the_hello_is_answered_with_an_error() {
    let (mut session, mut out) = greeted();
    session.on_message(&hello(Hello::OURS), SECOND, &mut out).unwrap();
    out.clear();
    let mut reply = message_of(MessageType::FEATURES_REPLY, &[7; 100]);
    reply[0] = 0x99;
    assert_eq!(session.on_message(&reply, SECOND, &mut out), Err(SessionError::NoOpenFlow13(0x99)));
    let error = Message::decode(out.as_slice()).unwrap();
    let error = ErrorMsg::decode(error.body_of(MessageType::ERROR).unwrap()).unwrap();
    assert_eq!((error.code, error.data), (ErrorCode::BRC_BAD_VERSION, &reply[..64]));
}

/// It answers echo requests, so that silence is not what ends it.
#[test]
fn a_switch_that_forgets_its_dump_is_given_up() {
    let (mut session, asked) = describing();
    let mut out = Writer::new();
    let mut ports = Writer::new();
    Multipart { multipart_type: MultipartType::PORT_DESC, flags: 0, body: Raw::new(&[]) }
        .encode_reply(&mut ports, asked)
        .unwrap();
    session.on_message(ports.as_slice(), SECOND, &mut out).unwrap();
    session.adopt(wanted([]), SECOND, &mut out).unwrap();
    for second in 2..31 {
        session.on_message(&message_of(MessageType::ECHO_REPLY, &[]), second * SECOND, &mut out).unwrap();
        assert_eq!(session.on_tick(second * SECOND, &mut out), Ok(None));
    }
    assert_eq!(session.on_tick(31 * SECOND, &mut out), Err(SessionError::NoDump(30 * SECOND)));
}

#[test]
fn a_switch_that_cannot_name_its_ports_is_known_by_its_datapath_id_alone() {
    let nameless = Some(Event::Identified(Identity { datapath_id: DatapathId(7), name: None }));
    let (mut session, asked) = describing();
    let mut refusal = Writer::new();
    ErrorMsg { code: ErrorCode::BRC_BAD_MULTIPART, data: &[] }.encode(&mut refusal, asked).unwrap();
    assert_eq!(session.on_message(refusal.as_slice(), SECOND, &mut Writer::new()).unwrap(), nameless);

    let (mut session, _) = describing();
    assert_eq!(session.on_tick(2 * SECOND, &mut Writer::new()), Ok(None));
    assert_eq!(session.on_tick(3 * SECOND, &mut Writer::new()), Ok(nameless.clone()), "it does not answer at all");

    let (mut session, asked) = describing();
    let mut cut = Writer::new();
    Multipart::last(MultipartType::PORT_DESC, &[1]).encode_reply(&mut cut, asked).unwrap();
    assert!(matches!(session.on_message(cut.as_slice(), SECOND, &mut Writer::new()), Err(SessionError::Decode(_))));

    let (mut session, asked) = describing();
    let mut ports = Writer::new();
    named_port(PortNo(1), b"tap1").encode(&mut ports).unwrap();
    let body = Raw::new(ports.as_slice());
    let mut reply = Writer::new();
    Multipart { multipart_type: MultipartType::PORT_DESC, flags: 0, body }.encode_reply(&mut reply, asked).unwrap();
    assert_eq!(session.on_message(reply.as_slice(), SECOND, &mut Writer::new()).unwrap(), nameless);
}

#[test]
fn a_port_that_goes_down_or_away_is_told() {
    let mut pair = adopted();
    let down = Port { state: PortState::LINK_DOWN, ..named_port(PortNo(1), b"tap1") };
    let off = Port { config: PortConfig::PORT_DOWN, ..named_port(PortNo(1), b"tap1") };
    let up = named_port(PortNo(1), b"tap1");
    let gone = Some(Event::PortGone(PortNo(1)));
    let cases = [
        (PortReason::MODIFY, down, &gone),
        (PortReason::MODIFY, off, &gone),
        (PortReason::MODIFY, up, &None),
        (PortReason::DELETE, up, &gone),
        (PortReason::ADD, up, &None),
    ];
    for (reason, port, expected) in cases {
        let mut writer = Writer::new();
        PortStatus { reason, port }.encode(&mut writer, Xid(0)).unwrap();
        let event = pair.session.on_message(writer.as_slice(), SECOND, &mut Writer::new()).unwrap();
        assert_eq!(event, *expected, "{reason:?} {port:?}");
    }
}

/// A flow that a learning bridge has learnt.
fn bridged(port: u32) -> Arc<Flow> {
    let actions = [Action::output(PortNo(port))];
    let cookie = cookie::cookie(Kind::Bridged, "");
    Arc::new(Flow::new(TableId(0), 1, &Match::new().in_port(PortNo(port)), cookie, &actions, None).unwrap())
}

#[test]
fn a_learning_bridge_keeps_what_it_has_learnt_and_tells_it_after_an_audit() {
    let strangers = with_cookie(7, 7, 7);
    let mut switch = Simulator::new();
    switch.flows = [bridged(1), bridged(2), strangers.clone(), flow(9, 9)].into_iter().collect();
    let wanted = Wanted { ownership: Ownership::Learning, ..wanted([flow(1, 1)]) };
    let mut pair = Pair::adopted(switch, wanted);
    pair.holds([bridged(1), bridged(2), strangers, flow(1, 1)]);
    let mut told = pair.session.take_bridged();
    told.sort_by_key(|flow| flow.match_tlvs().to_vec());
    assert_eq!(told, [&*bridged(1), &*bridged(2)].map(Flow::clone));
    assert!(pair.session.take_bridged().is_empty(), "told once");
}

#[test]
fn flows_that_were_learnt_go_where_no_bridge_learns_any_more() {
    let mut switch = Simulator::new();
    switch.flows = [bridged(1)].into_iter().collect();
    let wanted = Wanted { ownership: Ownership::Ours, ..wanted([flow(1, 1)]) };
    Pair::adopted(switch, wanted).holds([flow(1, 1)]);
}

#[test]
fn an_error_about_an_answer_to_a_packet_is_told() {
    let mut pair = adopted();
    let mut refusal = Writer::new();
    ErrorMsg { code: ErrorCode::FMFC_TABLE_FULL, data: &[] }.encode(&mut refusal, Xid(0)).unwrap();
    let told = pair.session.on_message(refusal.as_slice(), SECOND, &mut Writer::new()).unwrap();
    assert_eq!(told, Some(Event::Refused(ErrorCode::FMFC_TABLE_FULL)));
}
