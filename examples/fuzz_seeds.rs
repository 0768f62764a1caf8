//! Writes what fuzzing starts from: `fuzz_seeds DIRECTORY` makes a folder for each target.
//!
//! From the flows of this repository, and from the corpora where they are (`HEDDLE_CORPORA`, or `../shared/corpora`
//! beside the repository).

use std::collections::hash_map::DefaultHasher;
use std::fs;
use std::hash::{Hash, Hasher};
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};

use heddle::flow::parse::{self, NoNames};
use heddle::openflow::numbers::{NEIGHBOR_SOLICITATION, ROUTER_SOLICITATION};
use heddle::openflow::packet::{NO_BUFFER, PacketIn, PacketInReason, PacketOut};
use heddle::openflow::{
    Cookie, FlowMod, MacAddr, Match, Message, MessageType, PortNo, RawMatch, Reader, TableId, Writer, Xid, message,
};
use heddle::packet::build::{Frame, Ipv4Header, Ipv6Header, Ports};
use heddle::packet::{Arp, VlanTag};
use serde_json::Value;

/// Longer ones only slow the fuzzer down.
const LONGEST: usize = 4096;

fn main() -> io::Result<()> {
    let Some(directory) = std::env::args_os().nth(1) else {
        eprintln!("usage: fuzz_seeds DIRECTORY");
        std::process::exit(2);
    };
    let seeds = Seeds { directory: directory.into() };
    for frame in questions() {
        seeds.question(&frame)?;
    }
    let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
    for path in files(&repository.join("flows"), "flows")? {
        for line in fs::read_to_string(path)?.lines() {
            seeds.text(line)?;
        }
    }
    let corpora = std::env::var_os("HEDDLE_CORPORA").map_or(repository.join("../shared/corpora"), PathBuf::from);
    if !corpora.is_dir() {
        println!("corpora: not found, skipped");
        return Ok(());
    }
    for path in files(&corpora, "jsonl")? {
        for row in fs::read_to_string(path)?.lines() {
            seeds.row("", &serde_json::from_str(row)?)?;
        }
    }
    Ok(())
}

/// The files below `directory` with this extension.
fn files(directory: &Path, extension: &str) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(files(&path, extension)?);
        } else if path.extension().is_some_and(|its| its == extension) {
            found.push(path);
        }
    }
    Ok(found)
}

struct Seeds {
    directory: PathBuf,
}

impl Seeds {
    fn write(&self, target: &str, bytes: &[u8]) -> io::Result<()> {
        if bytes.is_empty() || bytes.len() > LONGEST {
            return Ok(());
        }
        let mut hasher = DefaultHasher::new();
        bytes.hash(&mut hasher);
        let folder = self.directory.join(target);
        fs::create_dir_all(&folder)?;
        fs::write(folder.join(format!("{:016x}", hasher.finish())), bytes)
    }

    /// Every string in a row of the corpora: bytes in hexadecimal, or text.
    fn row(&self, key: &str, value: &Value) -> io::Result<()> {
        match value {
            Value::Object(members) => members.iter().try_for_each(|(key, value)| self.row(key, value)),
            Value::Array(items) => items.iter().try_for_each(|value| self.row(key, value)),
            Value::String(text) if key.contains("hex") => self.bytes(&from_hex(text)),
            Value::String(text) if ["input", "flow", "dumped", "normalised", "expected"].contains(&key) => {
                self.text(text)
            }
            _ => Ok(()),
        }
    }

    fn bytes(&self, bytes: &[u8]) -> io::Result<()> {
        let Ok(whole) = Message::decode(bytes) else {
            // A match begins with its type, 1, and its length; all else are actions or instructions.
            return match bytes {
                [0, 1, _, length, tlvs @ ..] => {
                    self.write("match", tlvs.get(..usize::from(*length).saturating_sub(4)).unwrap_or(tlvs))
                }
                _ => self.write("actions", bytes),
            };
        };
        self.write("message", bytes)?;
        if let Ok(packet) = whole.body_of(MessageType::PACKET_OUT).and_then(PacketOut::decode) {
            self.write("packet", packet.data)?;
        }
        if let Ok(packet) = whole.body_of(MessageType::PACKET_IN).and_then(PacketIn::decode) {
            self.write("packet_in", bytes)?;
            self.write("packet", packet.data)?;
        }
        match whole.body_of(MessageType::FLOW_MOD).and_then(FlowMod::decode) {
            Ok(flow) => self.parts(&flow),
            Err(_) => Ok(()),
        }
    }

    /// A frame, and the PACKET_INs by which it comes up from the first ports.
    fn question(&self, frame: &[u8]) -> io::Result<()> {
        self.write("packet", frame)?;
        for port in 1..=4 {
            let mut flow_match = Writer::new();
            let fields = Match::new().in_port(PortNo(port));
            Match::encode_tlvs(fields.as_bytes(), &mut flow_match).expect("one field fits");
            let packet_in = PacketIn {
                buffer_id: NO_BUFFER,
                total_len: u16::try_from(frame.len()).unwrap_or(u16::MAX),
                reason: PacketInReason::ACTION,
                table_id: TableId(0),
                cookie: Cookie(0),
                flow_match: RawMatch::decode(&mut Reader::new(flow_match.as_slice())).expect("it was just encoded"),
                data: frame,
            };
            let mut writer = Writer::new();
            packet_in.encode(&mut writer, Xid(0)).expect("a frame fits a message");
            self.write("packet_in", writer.as_slice())?;
        }
        Ok(())
    }

    fn parts(&self, flow: &FlowMod<'_>) -> io::Result<()> {
        self.write("match", flow.match_tlvs)?;
        self.write("actions", flow.instructions)?;
        // The actions of an instruction follow its header.
        self.write("actions", flow.instructions.get(8..).unwrap_or_default())
    }

    fn text(&self, line: &str) -> io::Result<()> {
        self.write("text", line.as_bytes())?;
        let Ok(flow) = parse::flow_mod(line, &NoNames) else { return Ok(()) };
        let flow = flow.to_flow_mod();
        let mut writer = Writer::new();
        if message(&mut writer, MessageType::FLOW_MOD, Xid(1), |writer| flow.encode(writer)).is_ok() {
            self.write("message", writer.as_slice())?;
        }
        self.parts(&flow)
    }
}

/// What a machine asks in the topology of `fuzz/src/packet_in.rs`, with the tag that it has on the way to other hosts
/// and without.
fn questions() -> Vec<Vec<u8>> {
    let (near, far) = (MacAddr([0xfa, 0x16, 0x3e, 0, 0, 1]), Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 8));
    let (src, multicast) = (near.link_local_ipv6(), Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 1, 2));
    let mut found = Vec::new();
    let mut ask = |write: &dyn Fn(&Frame, &mut Writer)| {
        for tag in [None, Some(VlanTag { tpid: 0x8100, tci: 1 })] {
            let mut writer = Writer::new();
            write(&Frame { dst: MacAddr::BROADCAST, src: near, tags: [tag, None] }, &mut writer);
            found.push(writer.into_vec());
        }
    };
    ask(&|frame, w| {
        let (spa, tpa) = (Ipv4Addr::new(10, 0, 0, 7), Ipv4Addr::new(10, 0, 0, 8));
        frame.arp(&Arp { op: Arp::REQUEST, sha: near, spa, tha: MacAddr::default(), tpa }, w);
    });
    for (icmp_type, target) in [(NEIGHBOR_SOLICITATION, Some(far)), (ROUTER_SOLICITATION, None)] {
        ask(&|frame, w| {
            frame.ipv6(w);
            let sent = Ipv6Header { src, dst: multicast, hop_limit: 255 }.icmpv6(w, |w| {
                w.bytes(&[icmp_type, 0, 0, 0, 0, 0, 0, 0]);
                target.iter().for_each(|target| w.bytes(&target.octets()));
                w.bytes(&[1, 1]);
                w.bytes(&near.0);
                Ok(())
            });
            sent.expect("it is short");
        });
    }
    for message_type in [1, 3, 4, 7, 8] {
        ask(&|frame, w| dhcpv4(message_type, near, frame, w));
    }
    for message_type in [1, 3, 4, 5, 6, 8, 9, 11] {
        ask(&|frame, w| {
            frame.ipv6(w);
            let sent = Ipv6Header { src, dst: multicast, hop_limit: 1 }.udp(Ports { src: 546, dst: 547 }, w, |w| {
                // Client identifier, IA_NA, what is wanted.
                w.bytes(&[message_type, 1, 2, 3, 0, 1, 0, 10, 0, 3, 0, 1]);
                w.bytes(&near.0);
                w.bytes(&[0, 3, 0, 12, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 6, 0, 4, 0, 23, 0, 24]);
                Ok(())
            });
            sent.expect("it is short");
        });
    }
    found
}

fn dhcpv4(message_type: u8, near: MacAddr, frame: &Frame, writer: &mut Writer) {
    frame.ipv4(writer);
    let ip = Ipv4Header { src: Ipv4Addr::UNSPECIFIED, dst: Ipv4Addr::BROADCAST, ttl: 64 };
    let sent = ip.udp(Ports { src: 68, dst: 67 }, writer, |w| {
        w.bytes(&[1, 1, 6, 0, 1, 2, 3, 4]);
        w.zeros(20);
        w.bytes(&near.0);
        w.zeros(10 + 64 + 128);
        w.bytes(&[0x63, 0x82, 0x53, 0x63, 53, 1, message_type, 50, 4, 10, 0, 0, 7]);
        w.bytes(&[55, 12, 1, 3, 6, 15, 26, 28, 42, 51, 54, 119, 121, 66, 255]);
        Ok(())
    });
    sent.expect("it is short");
}

/// The bytes; none if it is no hexadecimal.
fn from_hex(text: &str) -> Vec<u8> {
    let digits: Option<Vec<u8>> = text.chars().map(|c| c.to_digit(16).map(|digit| digit as u8)).collect();
    match digits {
        Some(digits) if digits.len() % 2 == 0 => digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect(),
        _ => Vec::new(),
    }
}
