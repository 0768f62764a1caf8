//! Who may connect to port 6633, who is sent away and with which words, and what strangers cannot do.

mod lab;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use lab::*;
use nix::sys::signal::Signal;

const SOON: Duration = Duration::from_secs(5);
/// A dead peer is noticed within so long.
const DEAD: Duration = Duration::from_secs(15);

const HELLO: u8 = 0;
const ERROR: u8 = 1;
const ECHO_REQUEST: u8 = 2;
const ECHO_REPLY: u8 = 3;
const FEATURES_REQUEST: u8 = 5;
const FEATURES_REPLY: u8 = 6;

fn one_host(name: &str) -> LabBuilder {
    let lab = Lab::new(name).network("red", Local, &["172.18.0.0/24"]).host("a");
    lab.vm("a", "r1", "red").vm("a", "r2", "red")
}

/// A raw OpenFlow peer.
struct Peer {
    stream: TcpStream,
}

impl Peer {
    fn connect(host: &Host, address: &str) -> Self {
        let stream = netns::inside(host.namespace(), || TcpStream::connect(address)).expect("heddle listens");
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        Self { stream }
    }

    fn send(&mut self, version: u8, kind: u8, xid: u32, body: &[u8]) {
        let length = (8 + body.len()) as u16;
        let head = [&[version, kind][..], &length.to_be_bytes(), &xid.to_be_bytes()].concat();
        self.stream.write_all(&[&head[..], body].concat()).expect("heddle reads");
    }

    /// The next message: type, xid and body. None: Heddle has closed the connection.
    fn receive(&mut self) -> Option<(u8, u32, Vec<u8>)> {
        let mut head = [0; 8];
        self.stream.read_exact(&mut head).ok()?;
        let mut body = vec![0; usize::from(u16::from_be_bytes([head[2], head[3]])) - 8];
        self.stream.read_exact(&mut body).ok()?;
        Some((head[1], u32::from_be_bytes([head[4], head[5], head[6], head[7]]), body))
    }

    /// Says that it is the bridge with this datapath id.
    fn identify(&mut self, datapath_id: &str) {
        assert_eq!(self.receive().unwrap().0, HELLO);
        self.send(4, HELLO, 1, &[]);
        let (kind, xid, _) = self.receive().unwrap();
        assert_eq!(kind, FEATURES_REQUEST);
        let rest = [0, 0, 0, 0, 254, 0, 0, 0, 0, 0, 0, 0x4f, 0, 0, 0, 0];
        self.send(4, FEATURES_REPLY, xid, &[&netns::hex(datapath_id)[..], &rest].concat());
    }

    /// Waits until Heddle closes the connection, without another word.
    fn wait_closed(&mut self) -> Duration {
        let began = Instant::now();
        while self.receive().is_some() {}
        assert!(began.elapsed() < Duration::from_secs(25), "heddle did not close the connection");
        began.elapsed()
    }
}

fn connected_from(host: &Host, bridge: &str) -> String {
    let status = host.heddle_status();
    let rows = status["bridges"].as_array().unwrap().clone();
    let row = rows.into_iter().find(|row| row["name"] == bridge).expect("it is a bridge of heddle's");
    row["connected_from"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn it_listens_on_every_address_that_it_is_told() {
    let config = "[openflow]\nlisten = [\"127.0.0.1:6700\", \"127.0.0.1:6701\", \"127.0.0.2:6702\"]";
    let lab = one_host("listen").config_all(config).start();
    let host = lab.host("a");
    assert_eq!(host.vsctl(&["get-controller", "br-int"]).trim(), "tcp:127.0.0.1:6700");
    for address in ["127.0.0.1:6700", "127.0.0.1:6701", "127.0.0.2:6702"] {
        assert_eq!(Peer::connect(host, address).receive().unwrap().0, HELLO, "{address}");
    }
    lab.vm("r1").assert_ping("r2");
}

#[test]
fn an_echo_request_is_answered_with_its_own_words() {
    let lab = one_host("echo").start();
    let mut peer = Peer::connect(lab.host("a"), "127.0.0.1:6633");
    assert_eq!(peer.receive().unwrap().0, HELLO);
    peer.send(4, HELLO, 1, &[]);
    assert_eq!(peer.receive().unwrap().0, FEATURES_REQUEST);
    peer.send(4, ECHO_REQUEST, 0x1234, b"are you there?");
    assert_eq!(peer.receive(), Some((ECHO_REPLY, 0x1234, b"are you there?".to_vec())));
}

#[test]
fn a_switch_without_openflow_13_is_refused_with_words_that_help() {
    let lab = one_host("old").start();
    let host = lab.host("a");
    let mut peer = Peer::connect(host, "127.0.0.1:6633");
    assert_eq!(peer.receive().unwrap().0, HELLO);
    peer.send(1, HELLO, 1, &[]);
    let (kind, _, body) = peer.receive().unwrap();
    assert_eq!((kind, &body[..4]), (ERROR, &[0, 0, 0, 0][..]), "HELLO_FAILED, INCOMPATIBLE");
    peer.wait_closed();
    host.wait_log("protocols=OpenFlow10,OpenFlow13");
    let logged = host.log_count("protocols=");
    host.vsctl(&["add-br", "br-old", "--", "set", "Bridge", "br-old", "datapath_type=netdev", "protocols=OpenFlow10"]);
    host.vsctl(&["set-controller", "br-old", "tcp:127.0.0.1:6633"]);
    eventually("the log speaks of br-old too", SOON, || host.log_count("protocols=") > logged);
    lab.vm("r1").assert_ping("r2");
}

#[test]
fn a_bridge_that_is_not_ours_is_refused_and_the_log_says_what_to_do() {
    let lab = one_host("stranger").start();
    let host = lab.host("a");
    host.add_bridge("br-mine");
    host.vsctl(&["set-controller", "br-mine", "tcp:127.0.0.1:6633"]);
    host.wait_log("bridge br-mine is none of Heddle's: name it in [bridges] of heddle.toml");
    assert!(host.heddle_log().contains("ovs-vsctl del-controller br-mine"));
    assert!(host.dump_flows("br-mine").len() <= 1, "nothing was written to it");
    lab.vm("r1").assert_ping("r2");
}

#[test]
fn bridges_with_one_datapath_id_are_refused_and_the_one_that_was_there_stays() {
    let lab = one_host("twins").start();
    let host = lab.host("a");
    host.wait_settled();
    let (id, peer) = (host.column("Bridge", "br-int", "datapath_id"), connected_from(host, "br-int"));
    let mut impostor = Peer::connect(host, "127.0.0.1:6633");
    impostor.identify(&id);
    host.add_bridge("br-twin");
    let own = format!("other-config:datapath-id={id}");
    host.vsctl(&["set", "Bridge", "br-twin", &own, "--", "set-controller", "br-twin", "tcp:127.0.0.1:6633"]);
    host.wait_log(&format!("bridges br-int and br-twin have the same datapath id {id}"));
    assert!(host.heddle_log().contains("other-config:datapath-id="));
    assert!(host.dump_flows("br-twin").len() <= 1, "no flow of br-int went there");
    host.vsctl(&["del-br", "br-twin"]);
    impostor.wait_closed();
    assert_eq!(connected_from(host, "br-int"), peer);
    lab.vm("r1").assert_ping("r2");
}

#[test]
fn a_second_connection_of_a_connected_bridge_is_refused_and_named() {
    let lab = one_host("second").start();
    let host = lab.host("a");
    host.wait_settled();
    let (id, peer) = (host.column("Bridge", "br-int", "datapath_id"), connected_from(host, "br-int"));
    let mut impostor = Peer::connect(host, "127.0.0.1:6633");
    impostor.identify(&id);
    // It stays polite, so that silence is not what ends it.
    impostor.stream.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
    let refused = format!("bridge br-int (datapath id {id}) is connected already, from {peer}");
    eventually("the second connection is refused", Duration::from_secs(20), || {
        let _closed = impostor.stream.write_all(&[4, ECHO_REQUEST, 0, 8, 0, 0, 0, 9]);
        let _reply = impostor.receive();
        host.heddle_log().contains(&refused)
    });
    assert_eq!(connected_from(host, "br-int"), peer);
    lab.vm("r1").assert_ping("r2");
}

#[test]
fn a_peer_that_falls_silent_is_given_up_and_served_when_it_is_back() {
    let lab = one_host("silent").start();
    let host = lab.host("a");
    host.wait_settled();
    let mut mute = Peer::connect(host, "127.0.0.1:6633");
    host.signal_vswitchd(Signal::SIGSTOP);
    let stopped = Instant::now();
    host.wait_log_within("nothing heard for", DEAD);
    eventually("no bridge is connected", DEAD, || {
        ["br-int", "br-tun"].iter().all(|bridge| connected_from(host, bridge).is_empty())
    });
    assert!(stopped.elapsed() < DEAD);
    assert!(mute.wait_closed() < DEAD, "one that never says who it is goes too");
    host.signal_vswitchd(Signal::SIGCONT);
    host.wait_settled();
    lab.vm("r1").assert_ping("r2");
}

#[test]
fn noise_on_the_port_harms_nobody() {
    let lab = one_host("noise").vm("a", "r3", "red").start();
    let host = lab.host("a");
    host.wait_settled();
    let before = ["br-int", "br-tun"].map(|bridge| connected_from(host, bridge));
    let stream = lab.vm("r1").ping_stream("r2", Duration::from_millis(10));
    let hello = [4, HELLO, 0, 8, 0, 0, 0, 1];
    for noise in [
        b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".to_vec(),
        vec![0xff; 100_000],
        vec![0; 4096],
        [&hello[..], &[4, 5, 0, 7, 0, 0, 0, 1]].concat(),
        [&hello[..], &[4, FEATURES_REPLY, 0, 12, 0, 0, 0, 2, 1, 2, 3, 4]].concat(),
        [&hello[..], &[4, 19, 0xff, 0xff], &[7; 70_000]].concat(),
        (0..50_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect(),
    ] {
        let mut peer = Peer::connect(host, "127.0.0.1:6633");
        let _may_be_cut_short = peer.stream.write_all(&noise);
    }
    let many: Vec<Peer> = (0..200).map(|_| Peer::connect(host, "127.0.0.1:6633")).collect();
    lab.unplug("r3");
    lab.plug("r3");
    lab.wait_ready();
    drop(many);
    assert!(host.heddle_runs());
    assert_eq!(["br-int", "br-tun"].map(|bridge| connected_from(host, bridge)), before);
    let pings = stream.stop();
    assert!(pings.all(), "{pings:?}");
    lab.vm("r3").assert_ping("r2");
}

#[test]
fn an_address_that_is_taken_ends_it_with_a_clear_message() {
    let lab = one_host("taken").start_without_heddle();
    let host = lab.host("a");
    let _other = netns::inside(host.namespace(), || TcpListener::bind("127.0.0.1:6633")).unwrap();
    let output = host.heddle(&["run", "-c", &host.config_path()]);
    assert_eq!(output.code, 2);
    let message = output.stderr.lines().find(|line| line.starts_with("heddle: ")).unwrap_or_default();
    assert!(message.starts_with("heddle: cannot listen on 127.0.0.1:6633 for bridges"), "{}", output.stderr);
    assert!(message.ends_with("does another controller run there?"), "{message}");
}

#[test]
fn a_second_heddle_on_one_host_ends_with_a_clear_message_and_the_first_goes_on() {
    let lab = one_host("two").start();
    let host = lab.host("a");
    let config = std::fs::read_to_string(host.config_path()).unwrap();
    let second = host.dir().join("second.toml");
    std::fs::write(&second, format!("{config}\n[openflow]\nlisten = [\"127.0.0.1:6644\"]\n")).unwrap();
    let output = host.heddle(&["run", "-c", second.to_str().unwrap()]);
    assert_eq!(output.code, 2);
    assert!(output.stderr.contains("another heddle runs already"), "{}", output.stderr);
    assert_eq!(host.port_state("r1"), "installed");
    let log = host.heddle_log();
    assert!(log.contains("bridge connected") && !log.contains('\u{1b}'), "a log in a file has no colours: {log}");
}
