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
use std::sync::Arc;
use std::time::Duration;

use heddle::flow::parse::{self, NoNames};
use heddle::openflow::frame::Framing;
use heddle::openflow::numbers::{NEIGHBOR_SOLICITATION, ROUTER_SOLICITATION};
use heddle::openflow::packet::{PacketIn, PacketInReason, PacketOut};
use heddle::openflow::{FlowMod, MacAddr, Message, MessageType, PortNo, Writer, Xid, message};
use heddle::packet::build::{Frame, Ipv4Header, Ipv6Header, Ports};
use heddle::packet::{Arp, VlanTag};
use heddle::pipeline::learning;
use heddle::switch::session::{Event, Session};
use heddle::switch::{Ownership, Wanted};
use heddle::tls::Names;
use packet_in::packet_in;
use serde_json::{Value, json};
use simulator::Simulator;

#[path = "../tests/support/packet_in.rs"]
#[allow(unreachable_pub, reason = "shared with tests")]
mod packet_in;
#[path = "../tests/support/simulator.rs"]
#[allow(dead_code, unreachable_pub, reason = "shared with tests, which use the rest")]
mod simulator;

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
    seeds.others(repository)?;
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
            self.write("packet_in", &packet_in(PortNo(port), PacketInReason::ACTION, frame))?;
        }
        Ok(())
    }

    fn parts(&self, flow: &FlowMod<'_>) -> io::Result<()> {
        self.write("match", flow.match_tlvs)?;
        self.write("actions", flow.instructions)?;
        // The actions of an instruction follow its header.
        self.write("actions", flow.instructions.get(8..).unwrap_or_default())
    }

    /// For the targets beyond flows and packets.
    fn others(&self, repository: &Path) -> io::Result<()> {
        for ownership in [Ownership::All, Ownership::Learning] {
            self.write("session", &conversation(ownership))?;
        }
        self.write("database", snapshot().as_bytes())?;
        let certificate = certificate();
        assert!(Names::of(&certificate).is("compute1"), "it cannot be read");
        self.write("names", &certificate)?;
        for (target, texts) in [("http", &REQUESTS[..]), ("question", &QUESTIONS), ("arguments", &ARGUMENTS)] {
            for text in texts {
                self.write(target, text.as_bytes())?;
            }
        }
        for folder in ["flows", "packaging", "tests"] {
            for path in files(&repository.join(folder), "toml")? {
                let target = if path.ends_with("heddle.toml") { "config" } else { "topology" };
                self.write(target, &fs::read(path)?)?;
            }
        }
        self.write("config", CONFIG.as_bytes())
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

/// What a switch says to a session: who it is, its flows, what becomes of the bundle, what others do.
fn conversation(ownership: Ownership) -> Vec<u8> {
    let mut switch = Simulator::new();
    let mut out = Writer::new();
    let mut session = Session::new(&mut out).expect("a HELLO is short");
    let mut said = Vec::new();
    switch.greet();
    for step in 0..12 {
        switch.receive(out.as_slice(), usize::MAX);
        out.clear();
        if step == 9 {
            let flow = learning::flows().sorted().first().map(Arc::clone).expect("it wants three");
            switch.others_delete(&flow.key());
        }
        let answer = switch.take_output();
        let mut rest = answer.as_slice();
        while let Framing::Frame(frame) = Framing::of(rest) {
            rest = &rest[frame.len()..];
            let now = Duration::from_millis(step);
            if let Ok(Some(Event::Identified(_))) = session.on_message(frame, now, &mut out) {
                let wanted = Wanted { ownership, flows: learning::flows(), learnt: Vec::new(), generation: 1 };
                session.adopt(wanted, now, &mut out).expect("what is asked of every bridge is short");
            }
        }
        session.write(&mut out).expect("three short flows");
        said.extend(answer);
    }
    said
}

/// A database with the integration bridge and a port on it, then a change.
fn snapshot() -> String {
    let uuid = |n: u32| format!("{n:08x}-0000-4000-8000-000000000000");
    let set = |n: u32| json!(["uuid", uuid(n)]);
    let map = json!(["map", []]);
    let none = json!(["set", []]);
    let row = |n: u32, new: Value| json!({ uuid(n): { "new": new } });
    let interface = |ofport: u32| {
        json!({
            "name": "web1", "type": "", "ofport": ofport, "external_ids": ["map", [["iface-id", "web1"]]],
            "options": map, "admin_state": "up", "link_state": "up", "error": none, "mac_in_use": none, "mtu": 1500,
            "mtu_request": none,
        })
    };
    let tables = json!({
        "Open_vSwitch": row(1, json!({
            "bridges": set(2), "cur_cfg": 1, "next_cfg": 1, "ovs_version": "3.1.0", "other_config": map,
            "external_ids": map,
        })),
        "Bridge": row(2, json!({
            "name": "br-int", "datapath_id": "0000000000000007", "datapath_type": "", "ports": set(3),
            "controller": set(5), "fail_mode": "secure", "protocols": ["set", ["OpenFlow13"]], "other_config": map,
            "external_ids": map,
        })),
        "Port": row(3, json!({
            "name": "web1", "interfaces": set(4), "tag": 4095, "vlan_mode": none, "trunks": none, "external_ids": map,
            "other_config": map,
        })),
        "Interface": row(4, interface(1)),
        "Controller": row(5, json!({
            "target": "tcp:127.0.0.1:6633", "connection_mode": "out-of-band", "is_connected": true,
            "inactivity_probe": 5000, "max_backoff": 1000, "controller_rate_limit": none, "external_ids": map,
        })),
    });
    let changes = json!({ "Interface": row(4, interface(2)), "Port": { uuid(3): {} } });
    let first = json!({ "id": 1, "result": tables, "error": null });
    format!("{first}{}", json!({ "id": null, "method": "update", "params": ["heddle", changes] }))
}

/// A certificate (RFC 5280 §4.1) of Ed25519 that nobody has signed, with a common name and two alternative ones.
fn certificate() -> Vec<u8> {
    let der = |tag: u8, parts: &[&[u8]]| {
        let content = parts.concat();
        let length = match u8::try_from(content.len()).expect("no part of it is longer") {
            short @ 0..=0x7f => vec![short],
            long => vec![0x81, long],
        };
        [&[tag], length.as_slice(), &content].concat()
    };
    let sequence = |parts: &[&[u8]]| der(0x30, parts);
    let oid = |bytes: &[u8]| der(6, &[bytes]);
    let (version, serial, algorithm) =
        (der(0xa0, &[&[2, 1, 2]]), der(2, &[&[1]]), sequence(&[&oid(&[0x2b, 0x65, 0x70])]));
    let moment = der(0x17, &[b"260101000000Z"]);
    let key = sequence(&[&algorithm, &der(3, &[&[0]])]);
    let attribute = sequence(&[&oid(&[0x55, 4, 3]), &der(0x0c, &[b"compute1 id:6f2c"])]);
    let subject = sequence(&[&der(0x31, &[&attribute])]);
    let names = sequence(&[&der(0x82, &[b"compute1"]), &der(0x87, &[&[192, 0, 2, 1]])]);
    let alternatives = sequence(&[&oid(&[0x55, 0x1d, 0x11]), &der(4, &[&names])]);
    let extensions = der(0xa3, &[&sequence(&[&alternatives])]);
    let (issuer, validity) = (sequence(&[]), sequence(&[&moment, &moment]));
    let fields: [&[u8]; 8] = [&version, &serial, &algorithm, &issuer, &validity, &subject, &key, &extensions];
    sequence(&[&sequence(&fields), &algorithm, &der(3, &[&[0]])])
}

const REQUESTS: [&str; 3] = [
    "GET /metrics HTTP/1.1\r\nHost: localhost:9633\r\nAccept: application/openmetrics-text\r\n\r\n",
    "HEAD /readyz?verbose HTTP/1.0\r\n\r\n",
    "POST /healthz HTTP/1.1\r\nContent-Length: 1\r\n\r\nx",
];

const QUESTIONS: [&str; 2] = ["status\n", "punts\n"];

const ARGUMENTS: [&str; 8] = [
    "table==0 && (nw_dst~172.18.0.0/24 || !tcp) && packets>10",
    "actions~\"resubmit\" && cookie==0x4ed1/0xffff",
    "tcp:192.0.2.1:6633",
    "ptcp:6633:127.0.0.1",
    "unix:/run/openvswitch/db.sock",
    "ssl:127.0.0.1:6640",
    "/run/openvswitch/br-int.mgmt",
    "[br-int]\n0 = \"LOCAL_SWITCHING\"",
];

const CONFIG: &str = r#"
node = "compute1"
topology = "/etc/heddle/topology.toml"
[openflow]
listen = ["127.0.0.1:6633", "ssl:[::1]:6653"]
insecure = true
[ovsdb]
remote = "unix:/var/run/openvswitch/db.sock"
flow_restore_timeout = 60
[bridges]
integration = "br-int"
tunnel = "br-tun"
physical = { physnet = "br-phys" }
datapath_type = "system"
[tunnel]
l2_population = true
arp_responder = "controller"
nd_responder = false
[learning]
bridges = ["s1", "*"]
[limits]
packet_in_per_port = 200
packet_in_per_bridge = 2000
log_per_port = 1
log_per_bridge = 2
[metrics]
listen = "127.0.0.1:9633"
[tls]
private_key = "key.pem"
certificate = "cert.pem"
ca_certificate = "ca.pem"
peer_names = ["compute1"]
"#;
