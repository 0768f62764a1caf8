//! Real traffic between two VMs, read by our views and by tshark, field by field. Left out, with a message, where
//! tshark or one of the programs that make the traffic is missing (`scripts/install-deps.sh`).

mod lab;

#[path = "support/packet_fields.rs"]
#[allow(unreachable_pub, reason = "as in every file of the support")]
mod packet_fields;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use lab::{Capture, Lab, Local, eventually, netns};
use packet_fields::{FIELDS, Fields};

const PROGRAMS: [&str; 5] = ["tshark", "tcpdump", "dnsmasq", "udhcpc", "dhclient"];

fn is_missing(program: &&str) -> bool {
    !["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"]
        .iter()
        .any(|directory| Path::new(directory).join(program).exists())
}

/// A program that ends when this is dropped.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _already_ended = self.0.kill();
        let _reaped = self.0.wait();
    }
}

/// A server for DHCP of both versions, which advertises itself as a router.
fn serve(lab: &Lab) -> Running {
    let leases = format!("--dhcp-leasefile={}", lab.dir().join("leases").display());
    let mut dnsmasq = lab.vm("server").command("dnsmasq");
    dnsmasq.args(["--keep-in-foreground", "--conf-file=/dev/null", "--port=0", "--interface=eth0", "--user=root"]);
    dnsmasq.args(["--pid-file=", &leases, "--no-ping", "--enable-ra", "--dhcp-range=172.18.0.100,172.18.0.150,1h"]);
    dnsmasq.args(["--dhcp-range=2001:db8::100,2001:db8::1ff,64,1h", "--dhcp-option=option:domain-search,lan.example"]);
    dnsmasq
        .args(["--dhcp-option=option6:dns-server,[2001:db8::53]", "--dhcp-option=option6:domain-search,lan.example"]);
    let child = dnsmasq.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    Running(child.expect("dnsmasq starts"))
}

/// One connection, a few bytes each way.
fn speak_tcp(lab: &Lab) {
    let (server, client) = (lab.vm("server"), lab.vm("client"));
    let listener = netns::inside(&server.namespace(), || TcpListener::bind("0.0.0.0:7000").expect("a free port"));
    let address = format!("{}:7000", server.ip());
    let mut asking = netns::inside(&client.namespace(), || TcpStream::connect(address).expect("the server listens"));
    let (mut answering, _) = listener.accept().expect("the client has connected");
    asking.write_all(b"question").expect("the connection is up");
    let mut heard = [0; 8];
    answering.read_exact(&mut heard).expect("the question arrives");
    answering.write_all(b"answer").expect("the connection is up");
    drop(answering);
    asking.read_to_string(&mut String::new()).expect("the answer arrives, and the end");
}

fn speak_dhcp(lab: &Lab) {
    let client = lab.vm("client");
    let lease = client.exec(&["udhcpc", "-i", "eth0", "-n", "-q", "-f", "-t", "10", "-T", "1", "-s", "/bin/true"]);
    assert!(lease.ok(), "udhcpc got no lease: {}{}", lease.stdout, lease.stderr);
    let files = ["leases6", "pid6"].map(|name| lab.dir().join(name).display().to_string());
    let [leases, pid] = &files;
    let lease = client.exec(&["dhclient", "-6", "-1", "-sf", "/bin/true", "-lf", leases, "-pf", pid, "eth0"]);
    assert!(lease.ok(), "dhclient got no lease: {}{}", lease.stdout, lease.stderr);
    // It stays to renew; RELEASE ends it.
    let released = client.exec(&["dhclient", "-6", "-r", "-sf", "/bin/true", "-lf", leases, "-pf", pid, "eth0"]);
    assert!(released.ok(), "{}", released.stderr);
}

/// The kernel looks for routers when its link comes up.
fn solicit_routers(lab: &Lab) {
    let client = lab.vm("client");
    let settings = [("ipv6/conf/eth0/accept_ra", "1"), ("ipv6/conf/eth0/router_solicitations", "3")];
    netns::sysctl(&client.namespace(), &settings);
    for state in ["down", "up"] {
        assert!(client.exec(&["ip", "link", "set", "eth0", state]).ok());
    }
}

/// What tshark reads of each packet in a file, without putting fragments together.
fn tshark(file: &Path) -> Vec<Fields> {
    let mut command = Command::new("tshark");
    command.args(["-n", "-T", "fields", "-E", "separator=/t", "-E", "occurrence=a", "-E", "aggregator=,"]);
    for preference in ["ip.defragment:FALSE", "ipv6.defragment:FALSE", "tcp.relative_sequence_numbers:FALSE"] {
        command.args(["-o", preference]);
    }
    for (name, _) in FIELDS {
        command.args(["-e", name]);
    }
    let output = command.arg("-r").arg(file).output().expect("tshark starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("tshark prints UTF-8");
    text.lines().map(Fields::from_tshark).collect()
}

/// Holds both readings of every packet to be equal, and counts what kinds of packets there were.
fn compare(capture: &Capture) -> BTreeSet<String> {
    let (frames, file) = capture.snapshot();
    let theirs = tshark(&file);
    assert_eq!(frames.len(), theirs.len(), "tshark reads every packet");
    let (mut kinds, mut differences) = (BTreeSet::new(), BTreeMap::new());
    for (frame, theirs) in frames.iter().zip(&theirs) {
        let ours = Fields::of(frame).unwrap_or_else(|error| panic!("{error}: {frame:02x?}"));
        let of_this = ours.kinds();
        // Of an error that quotes a packet tshark reads that one too.
        if ["icmp 3", "icmpv6 1"].iter().any(|error| of_this.contains(*error)) {
            continue;
        }
        for (name, values) in ours.differences(theirs) {
            differences.entry(name).or_insert_with(|| format!("{values:?} in {frame:02x?}"));
        }
        kinds.extend(of_this);
    }
    assert!(differences.is_empty(), "ours and tshark's, for each field the first: {differences:#?}");
    kinds
}

#[test]
fn real_traffic_is_read_as_tshark_reads_it() {
    let missing: Vec<_> = PROGRAMS.into_iter().filter(is_missing).collect();
    if !missing.is_empty() {
        eprintln!("left out: {} not installed here", missing.join(", "));
        return;
    }
    let lab = Lab::new("packets")
        .network("blue", Local, &["172.18.0.0/24", "2001:db8::/64"])
        .host("a")
        .vm("a", "server", "blue")
        .vm("a", "client", "blue")
        .vm("a", "trunk", "blue")
        .start_without_heddle();
    let host = lab.host("a");
    host.add_bridge("br-int");
    lab.plug_all();
    for access in ["tap-server", "tap-client"] {
        host.vsctl(&["set", "Port", access, "tag=7"]);
    }
    let (near, tagged) = (lab.vm("client").capture(), lab.vm("trunk").capture());

    let client = lab.vm("client");
    client.assert_ping("server");
    client.assert_ping6("server");
    for version in ["-4", "-6"] {
        let target = if version == "-4" { lab.vm("server").ip() } else { lab.vm("server").ip6() };
        assert!(client.exec(&["ping", version, "-c", "1", "-W", "5", "-s", "3000", &target]).ok(), "fragments pass");
    }
    speak_tcp(&lab);
    let _server = serve(&lab);
    speak_dhcp(&lab);
    solicit_routers(&lab);
    eventually("a router advertisement answers", Duration::from_secs(20), || {
        near.raw().iter().any(|frame| Fields::of(frame).is_ok_and(|fields| fields.kinds().contains("icmpv6 134")))
    });

    let kinds = compare(&near);
    for kind in [
        "arp 1",
        "arp 2",
        "icmp 8",
        "icmp 0",
        "fragment of ipv4",
        "fragment of ipv6",
        "icmpv6 128",
        "icmpv6 129",
        "icmpv6 133",
        "icmpv6 134",
        "icmpv6 135",
        "icmpv6 136",
        "tcp",
        "dhcp 1",
        "dhcp 2",
        "dhcp 3",
        "dhcp 5",
        "dhcpv6 1",
        "dhcpv6 2",
        "dhcpv6 3",
        "dhcpv6 7",
        "dhcpv6 8",
    ] {
        assert!(kinds.contains(kind), "no {kind} among {kinds:?}");
    }
    let kinds = compare(&tagged);
    for kind in ["tag 7", "arp 1", "icmpv6 135", "dhcp 1"] {
        assert!(kinds.contains(kind), "no {kind} among {kinds:?}");
    }
}
