//! Anybody may connect to the ports of Heddle and do as he likes: bridges that are connected do not notice, memory and
//! descriptors have a bound, and everything is counted.

#[path = "support/bystanders.rs"]
#[allow(unreachable_pub, reason = "beside other files of tests/support")]
mod bystanders;
#[path = "support/client.rs"]
#[allow(dead_code, unreachable_pub, reason = "shared with other tests, which use the rest")]
mod client;
mod lab;
#[path = "support/packet_in.rs"]
#[allow(unreachable_pub, reason = "shared with other tests")]
mod packet_in;
#[path = "support/peer.rs"]
#[allow(unreachable_pub, reason = "beside other files of tests/support")]
mod peer;
#[path = "support/pki.rs"]
mod pki;
#[path = "support/simulator.rs"]
#[allow(dead_code, unreachable_pub, reason = "shared with other tests, which use the rest")]
mod simulator;
#[path = "support/switch_server.rs"]
#[allow(dead_code, unreachable_pub, reason = "shared with other tests, which use the rest")]
mod switch_server;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::sync::{Barrier, mpsc};
use std::time::{Duration, Instant};

use bystanders::{Bystanders, GRANTED, Usage};
use heddle::openflow::echo::Echo;
use heddle::openflow::frame::FrameBuffer;
use heddle::openflow::multipart::{Multipart, MultipartType};
use heddle::openflow::packet::PacketInReason;
use heddle::openflow::port::Port;
use heddle::openflow::{Entry, MessageType, PortNo, Raw, Writer, Xid};
use heddle::switch::listener::MAX_STRANGERS;
use lab::*;
use nix::sys::socket::{setsockopt, sockopt};
use packet_in::packet_in;
use peer::{CONTROLLER, Peer};
use pki::{Authority, Pki};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// A learning bridge that Heddle takes, and that should not be trusted.
const EVIL: &str = "evil";

/// What strangers may have in use together: one more than have a place, and of each what it is read into and what waits
/// for it.
const STRANGERS: Usage =
    Usage { memory: (MAX_STRANGERS * ((128 << 10) + FrameBuffer::SMALL)) as u64, descriptors: MAX_STRANGERS + 1 };
/// What the clients of the test itself have in use.
const CLIENTS: usize = 8;

fn one_host(name: &str) -> LabBuilder {
    Lab::new(name)
        .network("red", Local, &["172.18.0.0/24"])
        .host("a")
        .vm("a", "r1", "red")
        .vm("a", "r2", "red")
        .config_all(&format!("[learning]\nbridges = [\"{}\", \"{EVIL}\"]", bystanders::PROBE.0))
}

const fn room(usage: Usage) -> Usage {
    Usage { memory: usage.memory + (8 << 20), descriptors: usage.descriptors + CLIENTS }
}

/// So many connections at once are more than most systems grant a process unasked.
fn raise_descriptors(wanted: usize) {
    let limit = getrlimit(Resource::Nofile);
    let wanted = (wanted as u64 + 512).max(limit.current.unwrap_or(u64::MAX));
    let maximum = limit.maximum.map(|maximum| maximum.max(wanted));
    setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum }).expect("root raises its limits");
}

/// How many connections were refused for this reason, and where the latest came from.
fn refused(host: &Host, reason: &str) -> (u64, String) {
    let status = host.try_status().unwrap_or_default();
    let latest = status["latest_refused"][reason].as_str().unwrap_or_default().to_owned();
    (status["refused_connections"][reason].as_u64().unwrap_or(0), latest)
}

/// Waits until status and metrics count so many refusals for these reasons together.
fn await_counted(host: &Host, reasons: &[&str], wanted: u64) {
    eventually(&format!("{wanted} refusals for {reasons:?}"), Duration::from_secs(60), || {
        reasons.iter().map(|reason| refused(host, reason).0).sum::<u64>() >= wanted
    });
    let metrics = scrape(host).expect("metrics are answered");
    for reason in reasons {
        let (count, latest) = refused(host, reason);
        if count > 0 {
            assert!(latest.starts_with("127.0.0.") || latest.starts_with("uid "), "{reason}: {latest}");
            let sample = format!("heddle_connections_refused_total{{reason=\"{reason}\"}}");
            assert!(metrics.contains(&sample), "{sample}\n{metrics}");
        }
    }
}

fn scrape(host: &Host) -> Option<String> {
    let mut stream = connect_to(host, "127.0.0.1:9633").ok()?;
    stream.set_read_timeout(Some(GRANTED)).ok()?;
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: heddle\r\n\r\n").ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok().filter(|_| text.starts_with("HTTP/1.1 200"))?;
    Some(text)
}

fn connect_to(host: &Host, address: &str) -> std::io::Result<TcpStream> {
    netns::inside(host.namespace(), || TcpStream::connect(address))
}

/// Opens so many connections on several threads, and keeps them all until `done`.
fn hold_connections(host: &Host, address: &str, count: usize, first: &[u8], done: impl FnOnce() + Send) {
    const THREADS: usize = 16;
    let (opened, end) = (Barrier::new(THREADS + 1), Barrier::new(THREADS + 1));
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                let held: Vec<TcpStream> = netns::inside(host.namespace(), || {
                    let connect = |_| {
                        let mut stream = TcpStream::connect(address).ok()?;
                        stream.write_all(first).ok().map(|()| stream)
                    };
                    (0..count / THREADS).filter_map(connect).collect()
                });
                opened.wait();
                end.wait();
                drop(held);
            });
        }
        opened.wait();
        done();
        end.wait();
    });
}

fn hello() -> Vec<u8> {
    vec![4, 0, 0, 8, 0, 0, 0, 1]
}

#[test]
fn thousands_that_connect_and_say_nothing_harm_nobody() {
    let count = scaled(2_000, 10_000);
    raise_descriptors(count);
    let lab = one_host("attack-silence").start();
    let host = lab.host("a");
    Bystanders::start(&lab).withstand(&format!("{count} silent connections"), room(STRANGERS), || {
        hold_connections(host, CONTROLLER, count, b"", || {
            await_counted(host, &["crowded_out", "unidentified"], count as u64);
        });
    });
    assert!(refused(host, "crowded_out").0 > 0);
}

#[test]
fn thousands_that_connect_one_after_another_harm_nobody() {
    let count = scaled(2_000, 10_000);
    let lab = one_host("attack-storm").start();
    let host = lab.host("a");
    Bystanders::start(&lab).withstand(&format!("{count} connections one after another"), room(STRANGERS), || {
        netns::inside(host.namespace(), || (0..count).for_each(|_| drop(TcpStream::connect(CONTROLLER))));
        // The kernel drops some, of which their peers believe that they were there, when too many wait to be accepted.
        await_counted(host, &["gone", "crowded_out"], count as u64 * 9 / 10);
    });
}

/// A byte a second: what counts is the whole introduction, not the silence between bytes.
#[test]
fn who_takes_a_second_for_every_byte_is_let_go_after_ten() {
    let lab = one_host("attack-slow").start();
    let host = lab.host("a");
    let slow = |bytes: &[u8]| {
        let (mut peer, began) = (Peer::connect(host), Instant::now());
        for byte in bytes.iter().cycle() {
            if !peer.say(&[*byte]) || began.elapsed() > 2 * GRANTED {
                break;
            }
            std::thread::sleep(Duration::from_secs(1));
        }
        began.elapsed()
    };
    // A HELLO with a long list of versions, and an answer that never becomes whole.
    let list = [&[4, 0, 1, 0, 0, 0, 0, 1, 0, 1, 0, 248][..], &[0; 244]].concat();
    let answer = [&hello()[..], &[4, 6, 0, 32, 0, 0, 0, 2], &[0; 24]].concat();
    Bystanders::start(&lab).withstand("a byte a second", room(STRANGERS), || {
        std::thread::scope(|scope| {
            let slow = &slow;
            let threads: Vec<_> =
                [&list, &answer].into_iter().cycle().take(40).map(|bytes| scope.spawn(move || slow(bytes))).collect();
            for thread in threads {
                let took = thread.join().unwrap();
                assert!(took < 2 * GRANTED, "it was heard out for {took:?}");
            }
        });
        await_counted(host, &["unidentified"], 40);
    });
}

#[test]
fn whatever_is_no_openflow_13_is_refused_by_its_kind() {
    let lab = one_host("attack-words").start();
    let host = lab.host("a");
    let after_hello = |bytes: &[u8]| [&hello()[..], bytes].concat();
    let features = [&[4, 6, 0, 32, 0, 0, 0, 2][..], &0x666_u64.to_be_bytes(), &[0, 0, 0, 0, 254], &[0; 11]].concat();
    let noise: Vec<u8> = (0..50_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8 | 1).collect();
    let said: [(&str, Vec<u8>, &str); 12] = [
        ("OpenFlow 1.0 alone", vec![1, 0, 0, 8, 0, 0, 0, 1], "wrong_version"),
        ("a version that nobody has", vec![0x99, 0, 0, 16, 0, 0, 0, 1, 0, 1, 0, 8, 0x80, 0, 0, 0], "wrong_version"),
        ("that version behind a HELLO", after_hello(&[0x99, 6, 0, 8, 0, 0, 0, 2]), "wrong_version"),
        ("no HELLO", vec![4, 2, 0, 8, 0, 0, 0, 1], "no_hello"),
        ("a request of HTTP", b"GET / HTTP/1.1\r\nHost: heddle\r\n\r\n".to_vec(), "too_long"),
        ("noise", noise.clone(), "too_long"),
        ("zeros", vec![0; 4096], "malformed"),
        ("a length of 4", vec![4, 0, 0, 4, 0, 0, 0, 1], "malformed"),
        ("a length of 0 behind a HELLO", after_hello(&[4, 6, 0, 0, 0, 0, 0, 2]), "malformed"),
        ("a length of 65,535", [&[4, 0, 0xff, 0xff, 0, 0, 0, 1][..], &[0; 100]].concat(), "too_long"),
        ("a short FEATURES_REPLY", after_hello(&[4, 6, 0, 12, 0, 0, 0, 2, 1, 2, 3, 4]), "malformed"),
        ("noise behind a FEATURES_REPLY", [after_hello(&features), vec![0; 64], noise].concat(), "malformed"),
    ];
    let rounds = scaled(20, 500);
    Bystanders::start(&lab).withstand("words that are no OpenFlow 1.3", room(STRANGERS), || {
        for _ in 0..rounds {
            for (what, bytes, reason) in &said {
                let mut peer = Peer::connect(host);
                // It may be closed before all is said.
                let _cut_short = peer.say(bytes);
                let heard = peer.hear_out();
                if *reason == "wrong_version" && heard.last() != Some(&MessageType::ERROR) {
                    panic!("{what}: heard {heard:?}, and no error");
                }
            }
        }
        for reason in ["wrong_version", "no_hello", "too_long", "malformed"] {
            let wanted = said.iter().filter(|(.., its)| *its == reason).count() * rounds;
            await_counted(host, &[reason], wanted as u64);
        }
    });
    let told = host.log_count(" WARN ");
    assert!(told < 60, "{told} warnings: an attack fills the log");
}

/// The bridge answers Heddle's echo requests: it stays, whoever else has its datapath id.
#[test]
fn who_says_that_he_is_a_connected_bridge_is_not_believed() {
    let lab = one_host("attack-impostor").start();
    let host = lab.host("a");
    let id = u64::from_str_radix(&host.column("Bridge", "br-int", "datapath_id"), 16).expect("it has one");
    Bystanders::start(&lab).withstand("impostors of br-int", room(STRANGERS), || {
        let mut impostors: Vec<Peer> = (0..20).map(|_| Peer::connect(host)).collect();
        impostors.iter_mut().for_each(|impostor| impostor.introduce("br-int", id));
        std::thread::scope(|scope| {
            for mut impostor in impostors {
                scope.spawn(move || impostor.answer_echoes());
            }
        });
        await_counted(host, &["connected_already"], 20);
    });
}

/// Who is no bridge of ours may send much, and without end: the description of his ports, packets.
#[test]
fn strangers_that_talk_without_end_are_cut_short() {
    let lab = one_host("attack-talk").start();
    let host = lab.host("a");
    let mut ports = Writer::new();
    (1..=900).for_each(|number| Port { port_no: PortNo(number), ..Port::default() }.encode(&mut ports).unwrap());
    let part = Multipart { multipart_type: MultipartType::PORT_DESC, flags: 1, body: Raw::new(ports.as_slice()) };
    let mut endless = Writer::new();
    part.encode_reply(&mut endless, Xid(3)).unwrap();
    let packet = packet_in(
        PortNo(1),
        PacketInReason::NO_MATCH,
        &frame::marked("fa:16:3e:00:00:01", "ff:ff:ff:ff:ff:ff", "who answers?"),
    );
    let peers = scaled(4, 40);
    Bystanders::start(&lab).withstand("strangers that talk without end", room(STRANGERS), || {
        for number in 0..peers {
            for (message, known) in [(endless.as_slice(), false), (&packet, true)] {
                let mut peer = Peer::connect(host);
                if known {
                    peer.introduce("stranger", 0x666 + number);
                } else {
                    let reply = [&[4, 6, 0, 32, 0, 0, 0, 2][..], &number.to_be_bytes(), &[0; 16]].concat();
                    assert!(peer.say(&[hello(), reply].concat()));
                }
                let mut sent = 0;
                while peer.say(message) {
                    sent += message.len();
                    assert!(sent < 64 << 20, "{sent} bytes were taken");
                }
            }
        }
        await_counted(host, &["too_much"], 2 * peers);
    });
}

/// One bridge's packets take their own task's time: those of others, and their flows, do not wait for it.
#[test]
fn a_bridge_that_floods_packets_holds_up_no_other() {
    let lab = one_host("attack-flood").start();
    let host = lab.host("a");
    let lasts = scaled(Duration::from_secs(5), Duration::from_secs(30));
    let mut sent = 0_u64;
    let packet = packet_in(
        PortNo(1),
        PacketInReason::NO_MATCH,
        &frame::marked("fa:16:3e:00:00:01", "ff:ff:ff:ff:ff:ff", "who answers?"),
    );
    let many = packet.repeat(100);
    // A megabyte of answers may wait for who does not read them.
    let room = room(Usage { memory: 16 << 20, descriptors: 1 });
    Bystanders::start(&lab).withstand("a bridge that floods packets", room, || {
        let mut peer = Peer::connect(host);
        peer.be_a_bridge(EVIL, 0x666);
        // Who answers no question is given up: one thread hears, the other speaks.
        let mut ears = Peer::over(peer.stream.try_clone().unwrap());
        ears.stream.set_read_timeout(None).unwrap();
        let (heard, questions) = mpsc::channel();
        let hearing = std::thread::spawn(move || {
            while let Some(message) = ears.hear() {
                if message.get(1) == Some(&MessageType::ECHO_REQUEST.0) {
                    heard.send(message).unwrap();
                }
            }
        });
        let began = Instant::now();
        while began.elapsed() < lasts {
            assert!(peer.say(&many), "heddle closed the connection");
            sent += 100;
            questions.try_iter().for_each(|question| peer.on_echo_request(&question));
        }
        peer.stream.shutdown(std::net::Shutdown::Both).unwrap();
        hearing.join().unwrap();
    });
    println!("{sent} packets in {lasts:?}");
    assert!(sent > 10_000, "this is no flood: {sent} packets");
}

#[test]
fn a_dump_without_end_costs_the_bridge_its_connection() {
    let lab = one_host("attack-dump").start();
    let host = lab.host("a");
    // A million flows are kept until they are compared.
    let room = room(Usage { memory: 256 << 20, descriptors: 1 });
    Bystanders::start(&lab).withstand("a dump of flows without end", room, || {
        let mut peer = Peer::connect(host);
        peer.introduce(EVIL, 0x666);
        let asked = peer.await_flow_dump();
        let mut number = 0_u32;
        while number < 1 << 22 {
            let mut flows = Writer::new();
            for _ in 0..1000 {
                // Length, table, priority, and our own cookie; no match and no instructions.
                let [_, table, high, low] = number.to_be_bytes();
                flows.bytes(&[0, 56, table, 0, 0, 0, 0, 0, 0, 0, 0, 0, high, low]);
                flows.zeros(10);
                flows.bytes(&[0x4e, 0xd1, 1, 0, 0, 0, 0, 0]);
                flows.zeros(16);
                flows.bytes(&[0, 1, 0, 4, 0, 0, 0, 0]);
                number += 1;
            }
            let body = Raw::new(flows.as_slice());
            let mut part = Writer::new();
            Multipart { multipart_type: MultipartType::FLOW, flags: 1, body }.encode_reply(&mut part, asked).unwrap();
            if !peer.say(part.as_slice()) {
                break;
            }
        }
        assert!(number < 1 << 22, "all {number} flows were taken");
        await_counted(host, &["dump_too_large"], 1);
    });
    host.wait_log("flows in ");
}

/// Who asks and does not read: as a stranger and as a bridge.
#[test]
fn who_asks_without_end_and_reads_nothing_is_given_up() {
    let lab = one_host("attack-deaf").start();
    let host = lab.host("a");
    let mut request = Writer::new();
    let asked = [0; 4000];
    Echo { data: &asked }.encode_request(&mut request, Xid(7)).unwrap();
    // What waits for a bridge of ours before it is given up, and what the kernel keeps.
    let room = room(Usage { memory: 16 << 20, descriptors: 1 });
    Bystanders::start(&lab).withstand("peers that ask and do not read", room, || {
        for is_bridge in [false, true, false, true] {
            let mut peer = Peer::connect(host);
            setsockopt(&peer.stream, sockopt::RcvBuf, &4096).unwrap();
            if is_bridge {
                peer.be_a_bridge(EVIL, 0x666);
            } else {
                assert!(peer.say(&hello()));
            }
            let mut sent = 0;
            while peer.say(request.as_slice()) {
                sent += request.as_slice().len();
                assert!(sent < 64 << 20, "{sent} bytes were taken");
            }
        }
        await_counted(host, &["not_reading"], 4);
    });
}

/// Half a ClientHello (RFC 8446 §4.1.2).
#[test]
fn half_a_tls_handshake_harms_nobody() {
    let pki = Pki::new();
    let tls = pki.settings(&pki.certify("heddle", Authority::Controller), Authority::Controller);
    let listen = "[openflow]\nlisten = [\"127.0.0.1:6633\", \"ssl:127.0.0.1:6634\"]";
    let lab = one_host("attack-tls").config_all(listen).config_all(&pki::toml(&tls)).start();
    let host = lab.host("a");
    let count = scaled(1_000, 10_000);
    raise_descriptors(count);
    let half = [&[22, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3][..], &[7; 32]].concat();
    // What rustls keeps of a handshake beside.
    let room = room(Usage { memory: STRANGERS.memory + (32 << 20), ..STRANGERS });
    Bystanders::start(&lab).withstand(&format!("{count} halves of a ClientHello"), room, || {
        hold_connections(host, "127.0.0.1:6634", count, &half, || {
            await_counted(host, &["tls_timeout", "crowded_out", "tls_failed"], count as u64 / 2);
        });
    });
    lab.vm("r1").assert_ping("r2");
}

/// The two ports for people and for monitoring: clients that say nothing, half or too much, and those that ask without
/// end.
#[test]
fn clients_of_status_and_metrics_harm_nobody_and_keep_nobody_from_asking() {
    let count = scaled(400, 5_000);
    raise_descriptors(2 * count);
    let lab = one_host("attack-clients").start();
    let host = lab.host("a");
    let socket = host.run_dir().join("heddle.sock");
    // Both serve 32 at a time.
    let room = room(Usage { memory: 32 << 20, descriptors: 2 * 33 });
    Bystanders::start(&lab).withstand(&format!("{count} clients of status and metrics each"), room, || {
        let half: Vec<UnixStream> = (0..64)
            .map(|_| {
                let mut client = UnixStream::connect(&socket).expect("the daemon answers");
                client.write_all(b"stat").unwrap();
                client
            })
            .collect();
        hold_connections(host, "127.0.0.1:9633", count, b"GET /metrics HTTP/1.1\r\nX: ", || {
            assert!(scrape(host).is_some(), "a scrape is answered meanwhile\n{}", logs());
            await_counted(host, &["metrics_client_crowded_out"], 1);
            await_counted(host, &["status_client_crowded_out", "status_client_slow"], 1);
        });
        drop(half);
        let mut client = UnixStream::connect(&socket).expect("the daemon answers");
        let _cut_short = client.write_all(&[b'x'; 1 << 20]);
        let mut long = connect_to(host, "127.0.0.1:9633").unwrap();
        let _cut_short = long.write_all(&[b'x'; 1 << 20]);
        let mut answer = Vec::new();
        let _reset = long.read_to_end(&mut answer);
        await_counted(host, &["status_client_malformed"], 1);
        await_counted(host, &["metrics_client_malformed"], 1);
        assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 431"), "{}", String::from_utf8_lossy(&answer));
        let (asked, lasts) = (Instant::now(), scaled(Duration::from_secs(3), Duration::from_secs(20)));
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| while asked.elapsed() < lasts && scrape(host).is_some() {});
            }
        });
    });
}

/// Heddle by hand, where few files may be open: connections leave room for all else.
#[test]
fn connections_leave_descriptors_for_database_and_files() {
    let lab = one_host("attack-few-files").start();
    let host = lab.host("a");
    host.stop_heddle();
    let heddle = program("heddle").display().to_string();
    host.start_heddle_by(&["prlimit", "--nofile=160:160", &heddle]);
    let room = room(Usage { descriptors: 160, ..STRANGERS });
    Bystanders::start(&lab).withstand("200 silent connections, with 160 files allowed", room, || {
        hold_connections(host, CONTROLLER, 208, b"", || {
            await_counted(host, &["crowded_out"], 100);
            host.restart_ovsdb();
            host.wait_log("database: ");
            eventually("the database is connected again", GRANTED, || {
                host.try_status().is_some_and(|status| status["ovsdb_connected"] == true)
            });
        });
    });
    assert!(Usage::of(host).descriptors < 160);
    assert_eq!(host.log_count("cannot accept"), 0);
}
