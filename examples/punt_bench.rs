//! What an answer to a packet costs the whole daemon: `cargo run --release --example punt_bench [ADDRESSES [SECONDS]]`.
//!
//! A real `heddle run` with a real database, and this program in the place of `br-int` and `br-tun`: it takes part in
//! the handshake, takes the flows, and then keeps a window of PACKET_INs unanswered: ARP requests and neighbor
//! solicitations for known addresses one after the other, DHCPDISCOVERs of one port. Heddle runs on the first core, this
//! program on the second. Printed are answers a second and CPU time of the daemon for each, medians of 3.

#[path = "../tests/support/packet_in.rs"]
#[allow(unreachable_pub, reason = "shared with other tests")]
mod packet_in;

use std::fmt::Write as _;
use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use heddle::openflow::error_msg::ErrorMsg;
use heddle::openflow::features::FeaturesReply;
use heddle::openflow::frame::FrameBuffer;
use heddle::openflow::hello::Hello;
use heddle::openflow::multipart::{Multipart, MultipartType};
use heddle::openflow::packet::PacketInReason;
use heddle::openflow::{DatapathId, ErrorCode, MacAddr, Message, MessageType, PortNo, Writer, Xid, barrier, echo};
use heddle::packet::arp::Arp;
use heddle::packet::build::{Frame, Ipv4Header, Ipv6Header, Ports};
use heddle::packet::{Ethernet, Payload, VlanTag};
use packet_in::packet_in;

const DEADLINE: Duration = Duration::from_secs(300);
const WINDOW: usize = 1024;
const ROUNDS: usize = 3;
/// Addresses of each version that a port has; a topology file may not be as long as one port for each would make it.
const PER_PORT: usize = 10;
const TAP: PortNo = PortNo(10);
const PATCH_INT: PortNo = PortNo(1);
const VM: MacAddr = MacAddr([0xfa, 0x16, 0x3e, 0xff, 0, 1]);

fn main() {
    let arguments: Vec<usize> = std::env::args().skip(1).map(|text| text.parse().expect("a number")).collect();
    let addresses = arguments.first().copied().unwrap_or(10_000) as u32;
    let seconds = Duration::from_secs(arguments.get(1).copied().unwrap_or(5) as u64);
    pin(std::process::id(), "1");
    let lab = Lab::start(addresses);
    println!("{addresses} addresses, window {WINDOW}; medians of {ROUNDS} rounds of {} s", seconds.as_secs());
    // One after the other: who is not measured would miss its echo requests.
    let mut integration = Bridge::connect(&lab, DatapathId(1));
    integration.settle();
    measure("dhcpv4", &mut integration, &lab, &[frame_in(TAP, discover)], seconds);
    drop(integration);
    let mut tunnel = Bridge::connect(&lab, DatapathId(2));
    tunnel.settle();
    let vlan = lab.tag();
    let arp = (0..addresses).map(|number| frame_in(PATCH_INT, |w| arp_request(vlan, number, w)));
    measure("arp", &mut tunnel, &lab, &arp.collect::<Vec<_>>(), seconds);
    let nd = (0..addresses).map(|number| frame_in(PATCH_INT, |w| solicitation(vlan, number, w)));
    measure("nd", &mut tunnel, &lab, &nd.collect::<Vec<_>>(), seconds);
}

fn measure(what: &str, bridge: &mut Bridge, lab: &Lab, packets: &[Vec<u8>], seconds: Duration) {
    bridge.load(packets, Duration::from_secs(1));
    let mut rounds: Vec<(f64, f64)> = (0..ROUNDS)
        .map(|_| {
            let (before, began) = (lab.cpu(), Instant::now());
            let answers = bridge.load(packets, seconds) as f64;
            (answers / began.elapsed().as_secs_f64(), (lab.cpu() - before).as_secs_f64() * 1e6 / answers)
        })
        .collect();
    let mut median = |of: fn(&(f64, f64)) -> f64| {
        rounds.sort_by(|a, b| of(a).total_cmp(&of(b)));
        of(&rounds[ROUNDS / 2])
    };
    println!("{what:8} {:>10.0} answers/s  {:>6.3} us of CPU each", median(|r| r.0), median(|r| r.1));
}

fn ipv4(number: u32) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(Ipv4Addr::new(10, 0, 1, 0)) + number)
}

fn ipv6(number: u32) -> Ipv6Addr {
    Ipv6Addr::from(u128::from(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 1, 0)) + u128::from(number))
}

fn tagged(dst: MacAddr, vlan: u16) -> Frame {
    Frame { dst, src: VM, tags: [Some(VlanTag { tpid: 0x8100, tci: vlan }), None] }
}

fn arp_request(vlan: u16, number: u32, writer: &mut Writer) {
    let spa = Ipv4Addr::new(10, 0, 0, 2);
    let packet = Arp { op: Arp::REQUEST, sha: VM, spa, tha: MacAddr::default(), tpa: ipv4(number) };
    tagged(MacAddr::BROADCAST, vlan).arp(&packet, writer);
}

fn solicitation(vlan: u16, number: u32, writer: &mut Writer) {
    let [.., x, y, z] = ipv6(number).octets();
    tagged(MacAddr([0x33, 0x33, 0xff, x, y, z]), vlan).ipv6(writer);
    let dst = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xff00 | u16::from(x), u16::from_be_bytes([y, z]));
    let header = Ipv6Header { src: Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 2), dst, hop_limit: 255 };
    let message = |w: &mut Writer| {
        w.bytes(&[135, 0, 0, 0, 0, 0, 0, 0]);
        w.bytes(&ipv6(number).octets());
        w.bytes(&[1, 1]);
        w.bytes(&VM.0);
        Ok(())
    };
    header.icmpv6(writer, message).expect("it is short");
}

fn discover(writer: &mut Writer) {
    Frame { dst: MacAddr::BROADCAST, src: VM, tags: [None, None] }.ipv4(writer);
    let header = Ipv4Header { src: Ipv4Addr::UNSPECIFIED, dst: Ipv4Addr::BROADCAST, ttl: 64 };
    let body = |w: &mut Writer| {
        w.bytes(&[1, 1, 6, 0, 0x12, 0x34, 0x56, 0x78, 0, 0, 0, 0]);
        w.zeros(16);
        w.bytes(&VM.0);
        w.zeros(10 + 192);
        w.bytes(&[0x63, 0x82, 0x53, 0x63, 53, 1, 1, 55, 6, 1, 3, 6, 15, 26, 121, 255]);
        w.zeros(44);
        Ok(())
    };
    header.udp(Ports { src: 68, dst: 67 }, writer, body).expect("it is short");
}

fn frame_in(in_port: PortNo, build: impl FnOnce(&mut Writer)) -> Vec<u8> {
    let mut frame = Writer::new();
    build(&mut frame);
    let data = frame.as_slice();
    assert!(Ethernet::decode(Payload::new(data)).is_ok());
    packet_in(in_port, PacketInReason::ACTION, data)
}

/// The database and the daemon.
struct Lab {
    folder: tempfile::TempDir,
    listen: u16,
    database: Option<Child>,
    heddle: Option<Child>,
}

impl Lab {
    fn start(addresses: u32) -> Self {
        let listen = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a free port").port();
        let mut lab = Self { folder: tempfile::tempdir().expect("a folder"), listen, database: None, heddle: None };
        fs::write(lab.path("topology.toml"), topology(addresses)).expect("the folder takes a file");
        fs::write(lab.path("heddle.toml"), lab.config()).expect("the folder takes a file");
        lab.run("ovsdb-tool", &["create", "conf.db", "/usr/share/openvswitch/vswitch.ovsschema"]);
        let database = lab.command("ovsdb-server").args(["--remote=punix:db.sock", "conf.db"]).spawn();
        lab.database = Some(database.expect("ovsdb-server is installed"));
        wait("the database", || UnixStream::connect(lab.path("db.sock")).is_ok());
        lab.vsctl(&["init"]);
        let program = std::env::current_exe().expect("the kernel knows what runs");
        let heddle = program.ancestors().nth(2).expect("two levels below the target").join("heddle");
        let started = lab
            .command("taskset")
            .args(["-c", "0", &heddle.to_string_lossy(), "run", "-c", "heddle.toml"])
            .env("HEDDLE_RUNDIR", lab.folder.path())
            .spawn();
        lab.heddle = Some(started.expect("build it first: cargo build --release"));
        wait("the bridges", || lab.get(&["br-exists", "br-tun"]).is_some());
        lab.plug();
        lab
    }

    /// What ovs-vswitchd would write.
    fn plug(&self) {
        self.vsctl(&["add-port", "br-int", "tap0"]);
        for (interface, number) in
            [("tap0", TAP), ("patch-tun", PortNo(1)), ("patch-int", PATCH_INT), ("vxlan-c0000202", PortNo(2))]
        {
            let exists = || self.get(&["get", "Interface", interface, "name"]).is_some();
            wait(interface, exists);
            self.vsctl(&["set", "Interface", interface, &format!("ofport={}", number.0)]);
        }
        for (bridge, id) in [("br-int", 1), ("br-tun", 2)] {
            self.vsctl(&["set", "Bridge", bridge, &format!("datapath_id=\"{id:016x}\"")]);
        }
        wait("the tag", || self.get(&["get", "Port", "tap0", "tag"]).is_some_and(|tag| tag.trim() != "[]"));
    }

    fn config(&self) -> String {
        format!(
            "node = \"one\"\ntopology = \"topology.toml\"\n[openflow]\nlisten = [\"127.0.0.1:{}\"]\n\
             [ovsdb]\nremote = \"unix:{}\"\n[bridges]\nphysical = {{}}\n\
             [tunnel]\narp_responder = \"controller\"\nnd_responder = \"controller\"\n\
             [limits]\npacket_in_per_port = 0\npacket_in_per_bridge = 0\n[metrics]\nlisten = \"\"\n",
            self.listen,
            self.path("db.sock").display(),
        )
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.current_dir(self.folder.path()).stdout(Stdio::null()).stderr(Stdio::inherit());
        command.env("RUST_LOG", "warn").env("OVS_RUNDIR", self.folder.path()).env("OVS_DBDIR", self.folder.path());
        command
    }

    fn run(&self, program: &str, arguments: &[&str]) {
        let status = self.command(program).args(arguments).status();
        assert!(status.is_ok_and(|status| status.success()), "{program} {arguments:?}");
    }

    fn vsctl(&self, arguments: &[&str]) {
        let database = format!("--db=unix:{}", self.path("db.sock").display());
        self.run("ovs-vsctl", &[&[database.as_str(), "--no-wait"][..], arguments].concat());
    }

    /// What `ovs-vsctl` prints, if it succeeds.
    fn get(&self, arguments: &[&str]) -> Option<String> {
        let database = format!("--db=unix:{}", self.path("db.sock").display());
        let mut command = self.command("ovs-vsctl");
        command.arg(database).arg("--no-wait").args(arguments).stderr(Stdio::null()).stdout(Stdio::piped());
        let output = command.output().ok().filter(|output| output.status.success())?;
        Some(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// The local VLAN that the daemon chose.
    fn tag(&self) -> u16 {
        let tag = self.get(&["get", "Port", "tap0", "tag"]).expect("tap0 is there");
        tag.trim().parse().expect("a tag is a number")
    }

    /// CPU time that the daemon has used.
    fn cpu(&self) -> Duration {
        let pid = self.heddle.as_ref().expect("it runs").id();
        let stat = fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("stat")).expect("it runs");
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let ticks: u64 = fields[11..13].iter().map(|ticks| ticks.parse::<u64>().expect("a number")).sum();
        Duration::from_millis(ticks * 10)
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        for child in [&mut self.heddle, &mut self.database].into_iter().flatten() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn topology(addresses: u32) -> String {
    let mut text = "[nodes.one]\ntunnel_ip = \"192.0.2.1\"\n[nodes.two]\ntunnel_ip = \"192.0.2.2\"\n\
                    [networks.blue]\ntype = \"vxlan\"\nsegmentation_id = 1001\n\
                    [networks.blue.subnets.v4]\ncidr = \"10.0.0.0/8\"\ngateway_ip = \"10.0.0.1\"\nenable_dhcp = true\n\
                    dns_nameservers = [\"10.0.0.1\"]\n\
                    [networks.blue.subnets.v6]\ncidr = \"2001:db8::/64\"\n"
        .to_owned();
    let _ = writeln!(
        text,
        "[ports.vm]\nnetwork = \"blue\"\nnode = \"one\"\ninterface = \"tap0\"\nmac_address = \"{VM}\"\n\
         fixed_ips = [\"10.0.0.2\", \"2001:db8::2\"]"
    );
    let numbers: Vec<u32> = (0..addresses).collect();
    for (port, numbers) in numbers.chunks(PER_PORT).enumerate() {
        let [.., a, b, c, d] = port.to_be_bytes();
        let addresses = numbers.iter().map(|&number| format!("\"{}\", \"{}\"", ipv4(number), ipv6(number)));
        let _ = writeln!(
            text,
            "[ports.p{port}]\nnetwork = \"blue\"\nnode = \"two\"\nmac_address = \"{}\"\nfixed_ips = [{}]",
            MacAddr([0xfa, 0x16, a, b, c, d]),
            addresses.collect::<Vec<_>>().join(", "),
        );
    }
    text
}

fn wait(what: &str, mut done: impl FnMut() -> bool) {
    let end = Instant::now() + DEADLINE;
    while !done() {
        assert!(Instant::now() < end, "gave up waiting for {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn pin(pid: u32, core: &str) {
    let status = Command::new("taskset").args(["-cp", core, &pid.to_string()]).stdout(Stdio::null()).status();
    assert!(status.is_ok_and(|status| status.success()), "taskset");
}

/// This program as a bridge.
struct Bridge {
    stream: TcpStream,
    input: FrameBuffer,
    datapath_id: DatapathId,
    next: usize,
}

impl Bridge {
    fn connect(lab: &Lab, datapath_id: DatapathId) -> Self {
        let mut stream = TcpStream::connect(("127.0.0.1", lab.listen)).expect("heddle listens");
        stream.set_nodelay(true).expect("a TCP socket");
        let mut hello = Writer::new();
        Hello::OURS.encode(&mut hello, Xid(1)).expect("it is short");
        stream.write_all(hello.as_slice()).expect("heddle reads");
        Self { stream, input: FrameBuffer::new(), datapath_id, next: 0 }
    }

    /// Answers what the daemon asks, until it has sent flows and has nothing to ask for two seconds.
    fn settle(&mut self) {
        let mut flow_mods = 0;
        self.stream.set_read_timeout(Some(Duration::from_secs(2))).expect("a duration");
        let end = Instant::now() + DEADLINE;
        loop {
            assert!(Instant::now() < end, "the daemon does not come to rest");
            let Ok(count) = self.stream.read(self.input.spare()) else {
                if flow_mods > 0 {
                    break;
                }
                continue;
            };
            assert!(count > 0, "the daemon closed the connection");
            self.input.filled(count);
            let mut out = Writer::new();
            for frame in self.input.frames() {
                let message = Message::decode(frame.expect("a message")).expect("a message");
                flow_mods += usize::from(message.header.message_type == MessageType::FLOW_MOD);
                answer(&message, self.datapath_id, &mut out);
            }
            self.stream.write_all(out.as_slice()).expect("heddle reads");
        }
        self.stream.set_read_timeout(None).expect("no duration");
    }

    /// Keeps a window of packets unanswered for so long; returns how many were answered.
    fn load(&mut self, packets: &[Vec<u8>], duration: Duration) -> usize {
        let end = Instant::now() + duration;
        let (mut open, mut answered, mut out) = (0, 0, Vec::new());
        loop {
            let go_on = Instant::now() < end;
            if !go_on && open == 0 {
                return answered;
            }
            out.clear();
            while go_on && open < WINDOW {
                out.extend_from_slice(&packets[self.next % packets.len()]);
                self.next += 1;
                open += 1;
            }
            self.stream.write_all(&out).expect("heddle reads");
            let count = self.stream.read(self.input.spare()).expect("heddle answers");
            assert!(count > 0, "the daemon closed the connection");
            self.input.filled(count);
            for frame in self.input.frames() {
                if frame.expect("a message")[1] == MessageType::PACKET_OUT.0 {
                    (open, answered) = (open - 1, answered + 1);
                }
            }
        }
    }
}

/// The least that a switch has to answer: it has no bundles and no flow monitor, and no flows yet.
fn answer(message: &Message<'_>, datapath_id: DatapathId, out: &mut Writer) {
    let xid = message.header.xid;
    let refused = |out: &mut Writer| {
        ErrorMsg { code: ErrorCode::BRC_BAD_EXPERIMENTER, data: &[] }.encode(out, xid).expect("it is short");
    };
    match message.header.message_type {
        MessageType::FEATURES_REQUEST => {
            let reply = FeaturesReply {
                datapath_id,
                n_buffers: 0,
                n_tables: 254,
                auxiliary_id: 0,
                capabilities: Default::default(),
                reserved: 0,
            };
            reply.encode(out, xid).expect("it is short");
        }
        MessageType::MULTIPART_REQUEST => {
            let request = Multipart::decode(message.body).expect("heddle writes messages");
            match request.multipart_type {
                MultipartType::EXPERIMENTER => refused(out),
                of => Multipart::last(of, &[]).encode_reply(out, xid).expect("it is short"),
            }
        }
        MessageType::EXPERIMENTER => refused(out),
        MessageType::BARRIER_REQUEST => barrier::encode_reply(out, xid),
        MessageType::ECHO_REQUEST => echo::Echo::decode(message.body).encode_reply(out, xid).expect("it is short"),
        _ => {}
    }
}
