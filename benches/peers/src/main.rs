//! Decoding of FLOW_STATS replies: Heddle and the crate rovs-openflow on the same bytes, in turn, on one core.
//!
//! `cargo run --release FILE [SECONDS]` writes FILE first: the replies that 100,000 flows of br-tun make, which
//! `osken_decode.py FILE` reads too. Each reader is held to the number of entries; the best round is printed, as
//! entries per second.

#[path = "../../../tests/support/apply.rs"]
#[allow(dead_code, unreachable_pub, reason = "shared with tests")]
mod apply;

use std::hint::black_box;
use std::time::{Duration, Instant};

use heddle::openflow::match_fields::{Form, MatchFields, Strictness};
use heddle::openflow::multipart::MultipartType;
use heddle::openflow::{FlowStats, Instruction, Message, MessageType, Reader, Writer, Xid, message};
use rovs_openflow::FlowStatsEntry;

const FLOWS: usize = 100_000;
/// What Open vSwitch puts into one reply, about.
const REPLY: usize = 60_000;

/// A reader of messages; it returns how many entries it found.
type Decode = fn(&[Vec<u8>]) -> usize;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().expect("usage: heddle-peers FILE [SECONDS]");
    let seconds = arguments.next().map_or(3, |seconds| seconds.parse().expect("seconds"));
    let replies = replies();
    std::fs::write(&path, replies.concat()).expect("a file that can be written");
    let readers: [(&str, Decode); 5] = [
        ("heddle, entries", heddle_entries),
        ("heddle, entries with instructions", heddle_instructions),
        ("heddle, entries with match and instructions", heddle_typed),
        ("rovs-openflow, entries with match", rovs_entries),
        ("rovs-openflow, with match and instructions", rovs_typed),
    ];
    let mut best = [Duration::MAX; 5];
    let end = Instant::now() + Duration::from_secs(seconds);
    while Instant::now() < end {
        for ((name, decode), best) in readers.iter().zip(&mut best) {
            let began = Instant::now();
            let found = black_box(decode(black_box(&replies)));
            *best = (*best).min(began.elapsed());
            assert_eq!(found, FLOWS, "{name}");
        }
    }
    for ((name, _), best) in readers.iter().zip(best) {
        println!("{name:46}{:8.2} M/s", FLOWS as f64 / best.as_secs_f64() / 1e6);
    }
}

/// The flows as a switch dumps them.
fn replies() -> Vec<Vec<u8>> {
    let flows = apply::flows(FLOWS);
    let mut replies = Vec::new();
    let mut rest = flows.as_slice();
    while !rest.is_empty() {
        let mut writer = Writer::new();
        message(&mut writer, MessageType::MULTIPART_REPLY, Xid(1), |writer| {
            writer.u16(MultipartType::FLOW.0);
            writer.zeros(6);
            while let [flow, others @ ..] = rest {
                if writer.len() > REPLY {
                    break;
                }
                flow.to_stats().encode(writer)?;
                rest = others;
            }
            Ok(())
        })
        .expect("a reply shorter than 65,535 bytes");
        replies.push(writer.into_vec());
    }
    replies
}

/// The entries of a reply, each given to `each`.
fn entries(reply: &[u8], mut each: impl FnMut(FlowStats<'_>)) {
    let mut body = Message::decode(reply).expect("a message").body;
    body.skip(8, "multipart").expect("a multipart header");
    while !body.is_empty() {
        each(FlowStats::decode(&mut body).expect("an entry"));
    }
}

fn heddle_entries(replies: &[Vec<u8>]) -> usize {
    let mut found = 0;
    for reply in replies {
        entries(reply, |entry| {
            black_box(entry);
            found += 1;
        });
    }
    found
}

fn heddle_instructions(replies: &[Vec<u8>]) -> usize {
    let mut found = 0;
    for reply in replies {
        entries(reply, |entry| {
            let instructions = Reader::new(entry.instructions);
            black_box(Instruction::decode_list(instructions).expect("instructions"));
            black_box(entry);
            found += 1;
        });
    }
    found
}

fn heddle_typed(replies: &[Vec<u8>]) -> usize {
    let mut found = 0;
    for reply in replies {
        entries(reply, |entry| {
            let fields = MatchFields::decode(Reader::new(entry.match_tlvs), Form::Oxm, Strictness::Strict);
            black_box(fields.expect("a match"));
            let instructions = Reader::new(entry.instructions);
            black_box(Instruction::decode_list(instructions).expect("instructions"));
            black_box(entry);
            found += 1;
        });
    }
    found
}

/// The entries of a reply, each given to `each`, as the peer's own reader of replies does it.
fn peer_entries(reply: &[u8], mut each: impl FnMut(FlowStatsEntry)) {
    let mut rest = &reply[16..];
    while !rest.is_empty() {
        let (entry, length) = FlowStatsEntry::decode(rest).expect("an entry");
        each(entry);
        rest = &rest[length..];
    }
}

fn rovs_entries(replies: &[Vec<u8>]) -> usize {
    let mut found = 0;
    for reply in replies {
        peer_entries(reply, |entry| {
            black_box(entry);
            found += 1;
        });
    }
    found
}

fn rovs_typed(replies: &[Vec<u8>]) -> usize {
    let mut found = 0;
    for reply in replies {
        peer_entries(reply, |entry| {
            black_box(entry.decoded_instructions().expect("instructions"));
            black_box(entry);
            found += 1;
        });
    }
    found
}
