//! Security groups on real switches with connection tracking: what is allowed gets through, the rest does not.

mod lab;

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use heddle::pipeline::cookie::Kind;
use lab::frame::{EVERYONE, arp, icmpv6, icmpv6_to, link_local, solicitation, solicitation_with};
use lab::{Frame, Lab, Vm, Vxlan, eventually, netns};

/// How long a connection that nothing stops may take.
const SOON: Duration = Duration::from_secs(5);
/// How long we wait for what must not come. What a test asserts does not depend on it: a packet that comes late would fail
/// the capture at its end.
const IN_VAIN: Duration = Duration::from_millis(600);

const WEB: &str = r#"
[security_groups.web]
rules = [
    { direction = "egress", protocol = "udp", port_range = "53" },
    { direction = "ingress", protocol = "tcp", port_range = "80-83" },
    { direction = "ingress", protocol = "udp", port_range = "5000" },
    { direction = "ingress", protocol = "icmp", icmp_type = 8, remote_group = "client" },
    { direction = "ingress", ethertype = "IPv6", protocol = "icmp", remote_address_group = "office" },
]
[security_groups.client]
rules = [
    { direction = "egress" },
    { direction = "egress", ethertype = "IPv6" },
]
[address_groups.office]
addresses = ["2001:db8::/120"]
"#;

/// `web` and `near` on host a, `far` on host b; `open` on a without port security.
fn lab(name: &str) -> Lab {
    Lab::new(name)
        .network("blue", Vxlan(1001), &["172.18.0.0/24", "2001:db8::/64"])
        .host("a")
        .host("b")
        .security(WEB)
        .vm_with("a", "web", "blue", |vm| vm.groups(&["web"]))
        .vm_with("a", "near", "blue", |vm| vm.groups(&["client"]))
        .vm_with("b", "far", "blue", |vm| vm.groups(&["client"]))
        .vm_with("a", "open", "blue", |vm| vm.port_security(false))
        .start()
}

fn socket_address(ip: &str, port: u16) -> SocketAddr {
    SocketAddr::new(ip.parse::<IpAddr>().unwrap(), port)
}

/// Someone who listens in a VM.
fn listen(vm: &Vm<'_>, port: u16) -> TcpListener {
    netns::inside(&vm.namespace(), || TcpListener::bind(("0.0.0.0", port)).expect("a free port"))
}

fn connect(from: &Vm<'_>, to: &Vm<'_>, port: u16, within: Duration) -> Option<TcpStream> {
    let address = socket_address(&to.ip(), port);
    netns::inside(&from.namespace(), || TcpStream::connect_timeout(&address, within).ok())
}

/// True if a byte goes through an open connection and comes back.
fn echoes(ends: &mut (TcpStream, TcpStream), within: Duration) -> bool {
    let (near, far) = ends;
    let through = |from: &mut TcpStream, to: &mut TcpStream| {
        to.set_read_timeout(Some(within)).unwrap();
        from.write_all(b"x").is_ok() && matches!(to.read(&mut [0; 64]), Ok(1..))
    };
    through(near, far) && through(far, near)
}

fn open_connection(from: &Vm<'_>, to: &Vm<'_>, listener: &TcpListener) -> (TcpStream, TcpStream) {
    let port = listener.local_addr().unwrap().port();
    let near = connect(from, to, port, SOON).expect("it is allowed");
    let (far, _) = listener.accept().expect("somebody connected");
    (near, far)
}

fn udp(vm: &Vm<'_>, port: u16) -> UdpSocket {
    netns::inside(&vm.namespace(), || UdpSocket::bind(("0.0.0.0", port)).expect("a free port"))
}

/// True if a datagram arrives.
fn delivers(from: &UdpSocket, to: (&UdpSocket, SocketAddr), payload: &[u8], within: Duration) -> bool {
    let (socket, address) = to;
    socket.set_read_timeout(Some(within)).unwrap();
    from.send_to(payload, address).expect("the kernel takes a datagram");
    let mut buffer = vec![0; 65536];
    let deadline = Instant::now() + within;
    while Instant::now() < deadline {
        match socket.recv(&mut buffer) {
            Ok(length) if buffer[..length] == *payload => return true,
            Ok(_) => {}
            Err(_) => break,
        }
    }
    false
}

#[test]
fn what_a_rule_allows_gets_in_from_near_and_far_and_the_rest_does_not() {
    let lab = lab("rules");
    let (web, near, far, open) = (lab.vm("web"), lab.vm("near"), lab.vm("far"), lab.vm("open"));
    let listeners = [79, 80, 83, 84].map(|port| listen(&web, port));
    let seen = web.capture();
    for client in [&near, &far, &open] {
        for port in [80, 83] {
            assert!(connect(client, &web, port, SOON).is_some(), "{port}");
        }
        for port in [79, 84] {
            assert!(connect(client, &web, port, IN_VAIN).is_none(), "{port}");
        }
    }
    for port in [79, 84] {
        assert_eq!(seen.text(&format!("tcp and dst port {port}")), "", "not a packet of port {port} has arrived");
    }
    // By a group, which `open` is not in; by an address group.
    near.assert_ping("web");
    far.assert_ping("web");
    open.assert_no_ping("web");
    for client in [&near, &far, &open] {
        client.assert_ping6("web");
    }
    // Nothing but DNS leaves the server, and answers.
    web.assert_no_ping("open");
    web.assert_no_ping("far");
    let (resolver, other) = (udp(&open, 53), udp(&open, 54));
    let client = udp(&web, 40000);
    let ip = |vm: &Vm<'_>, port| socket_address(&vm.ip(), port);
    assert!(delivers(&client, (&resolver, ip(&open, 53)), b"question", SOON));
    assert!(delivers(&resolver, (&client, ip(&web, 40000)), b"answer", SOON));
    assert!(!delivers(&client, (&other, ip(&open, 54)), b"question", IN_VAIN));
    // An answer is one to a question: from another port of the same machine it is none.
    assert!(!delivers(&other, (&client, ip(&web, 40000)), b"unasked", IN_VAIN));
    drop(listeners);
    let kinds = [
        Kind::PortFiltered,
        Kind::PortUnfiltered,
        Kind::PortReached,
        Kind::PortArpOut,
        Kind::PortNeighbourOut,
        Kind::PortSender,
        Kind::GroupRule,
        Kind::PortAnswer,
        Kind::FirewallAnswer,
        Kind::PortNoRule,
        Kind::PortAccepted,
        Kind::FirewallAccepted,
        Kind::PortNeighbourIn,
        Kind::PortTracked,
        Kind::PortDelivered,
    ];
    lab.host("a").assert_hit("br-int", &kinds);
}

#[test]
fn errors_about_an_allowed_connection_come_back() {
    let lab = lab("errors");
    for client in [lab.vm("near"), lab.vm("far")] {
        let socket = udp(&client, 40000);
        socket.set_read_timeout(Some(IN_VAIN)).unwrap();
        let nobody = socket_address(&lab.vm("web").ip(), 5000);
        socket.connect(nobody).unwrap();
        // The first may be lost: the server's kernel limits how often it sends errors.
        eventually("port unreachable comes back", SOON, || {
            let _ = socket.send(b"anybody there?");
            socket.recv(&mut [0; 16]).is_err_and(|error| error.kind() == std::io::ErrorKind::ConnectionRefused)
        });
    }
}

#[test]
fn fragments_of_an_allowed_packet_get_through() {
    let lab = lab("fragments");
    let server = udp(&lab.vm("web"), 5000);
    for (index, client) in [lab.vm("near"), lab.vm("far")].into_iter().enumerate() {
        let socket = udp(&client, 40000);
        let address = socket_address(&lab.vm("web").ip(), 5000);
        for size in [3000, 9000] {
            let payload = vec![index as u8; size];
            eventually("a datagram in fragments arrives", SOON, || {
                delivers(&socket, (&server, address), &payload, IN_VAIN)
            });
        }
    }
}

#[test]
fn a_connection_lives_as_long_as_a_rule_allows_it() {
    let lab = lab("rule-change");
    let (web, a) = (lab.vm("web"), lab.host("a"));
    let listener = listen(&web, 80);
    let mut connections = [lab.vm("near"), lab.vm("far")].map(|client| open_connection(&client, &web, &listener));
    assert!(connections.iter_mut().all(|ends| echoes(ends, SOON)));

    // Another rule changes nothing for it.
    lab.edit_topology(|topology| {
        topology.security =
            WEB.replacen("80-83", "22\" }, { direction = \"ingress\", protocol = \"tcp\", port_range = \"80-83", 1)
    });
    a.wait_for_flow("br-int", "allows port 22", |flow| flow.contains("tp_dst=22"));
    assert!(connections.iter_mut().all(|ends| echoes(ends, SOON)));

    // Without its rule it is cut, in both directions.
    lab.edit_topology(|topology| topology.security = WEB.replacen("80-83", "443", 1));
    a.wait_for_flow("br-int", "allows port 443", |flow| flow.contains("tp_dst=443"));
    for (near, far) in &mut connections {
        near.write_all(b"gone").unwrap();
        far.set_read_timeout(Some(IN_VAIN)).unwrap();
        assert!(far.read(&mut [0; 64]).is_err(), "what the client sends does not arrive");
        far.write_all(b"gone too").unwrap();
        near.set_read_timeout(Some(IN_VAIN)).unwrap();
        assert!(near.read(&mut [0; 64]).is_err(), "nor what the server sends");
    }

    a.assert_hit("br-int", &[Kind::PortRevoked, Kind::PortCut]);

    // With the rule it is back: TCP sends again what was lost.
    lab.edit_topology(|topology| topology.security = WEB.into());
    a.wait_for_flow("br-int", "allows port 80", |flow| flow.contains("tp_dst=0x50/0xfffc"));
    for (near, far) in &mut connections {
        far.set_read_timeout(Some(SOON)).unwrap();
        assert!(matches!(far.read(&mut [0; 64]), Ok(4)), "the client's bytes arrive after all");
        near.set_read_timeout(Some(SOON)).unwrap();
        assert!(matches!(near.read(&mut [0; 64]), Ok(8)), "and the server's");
    }
}

#[test]
fn membership_of_a_group_follows_ports_on_other_nodes() {
    let lab = lab("membership");
    let (far, a) = (lab.vm("far"), lab.host("a"));
    far.assert_ping("web");
    let of_far = format!("nw_src={}", far.ip());
    lab.edit_topology(|topology| topology.port("far").security_groups = None);
    eventually("the address of far leaves", SOON, || !a.flow_set("br-int").iter().any(|flow| flow.contains(&of_far)));
    far.assert_no_ping("web");
    lab.vm("near").assert_ping("web");
    lab.edit_topology(|topology| topology.port("far").security_groups = Some(vec!["client".into()]));
    a.wait_for_flow("br-int", "has the address of far", |flow| flow.contains(&of_far));
    far.assert_ping("web");
}

#[test]
fn a_port_speaks_for_itself_only_and_is_no_server_of_addresses() {
    let lab = lab("spoof");
    let (near, open) = (lab.vm("near"), lab.vm("open"));
    let (mac, ip, stranger) = (near.mac(), near.ip(), "fa:16:3e:00:99:99");
    let heard = open.capture();
    let far = lab.vm("far").capture();
    let request = |source: &str, sha: &str, spa: &str| {
        arp((source, EVERYONE), 1, (sha, spa), ("00:00:00:00:00:00", "172.18.0.250"))
    };
    near.send(&request(stranger, stranger, &ip));
    near.send(&request(&mac, stranger, &ip));
    near.send(&request(&mac, &mac, "172.18.0.99"));
    near.send(&icmpv6(134, &mac, &link_local(&mac), &[0; 12]));
    near.send(&icmpv6(128, &mac, "2001:db8::99", &[0; 4]));
    near.send(&icmpv6(128, stranger, &near.ip6(), &[0; 4]));
    near.send(&lab::frame::advertisement(&mac, &near.ip6(), (&mac, "2001:db8::99")));
    near.send(&lab::frame::advertisement(&mac, "2001:db8::99", (&mac, &near.ip6())));
    near.send(&solicitation(&mac, "::", "2001:db8::99"));
    near.send(&solicitation(stranger, "::", &near.ip6()));
    near.send(&solicitation_with(&[1, 1, 0xfa, 0x16, 0x3e, 0, 0x99, 0x99], (&mac, "::"), &near.ip6()));
    near.send(&icmpv6_to("ff02::16", 143, (stranger, "::"), &[0; 4]));
    near.send(&icmpv6_to("ff02::16", 143, (&mac, "2001:db8::99"), &[0; 4]));
    let offer = udp(&near, 67);
    offer.set_broadcast(true).unwrap();
    offer.send_to(b"take this address", "172.18.0.255:68").unwrap();
    // What is its own comes last, so that all before it would have come by.
    near.send(&lab::frame::advertisement(&mac, &near.ip6(), (&mac, &near.ip6())));
    near.send(&icmpv6(128, &mac, "fe80::77", &[0; 4]));
    near.send(&solicitation(&mac, "::", &near.ip6()));
    near.send(&solicitation(&mac, "::", "fe80::77"));
    near.send(&icmpv6_to("ff02::16", 143, (&mac, "::"), &[0; 4]));
    near.send(&icmpv6_to("ff02::2", 132, (&mac, "fe80::77"), &[0; 20]));
    near.send(&icmpv6_to("ff02::2", 133, (&mac, "::"), &[0; 4]));
    near.send(&request(&mac, &mac, &ip));
    for capture in [heard, far] {
        eventually("its own ARP request comes by", SOON, || {
            !capture.text(&format!("arp src host {ip} and ether src {mac}")).is_empty()
        });
        let arp = capture.text(&format!("arp and (ether src {mac} or ether src {stranger})"));
        assert_eq!(arp.lines().filter(|line| line.contains("172.18.0.250")).count(), 1, "{arp}");
        assert_eq!(capture.text("icmp6 and ip6[40] == 134"), "");
        assert_eq!(capture.text("udp and dst port 68"), "");
        assert_eq!(capture.text("ip6 host 2001:db8::99"), "");
        let advertised = format!("icmp6 and ip6[40] == 136 and ether src {mac} and dst host ff02::1");
        assert_eq!(capture.text(&advertised).lines().count(), 1, "{}", capture.text(&advertised));
        assert!(!capture.text(&format!("ip6 src host fe80::77 and ether src {mac}")).is_empty());
        let asks = |frame: &Frame, target: &str| frame.is_nd_of(135, target) && frame.is_from(&mac);
        let probes = |target: &str| capture.count(|frame| asks(frame, target));
        assert_eq!(probes("2001:db8::99"), 0);
        assert_eq!((probes(&near.ip6()), probes("fe80::77")), (1, 1), "of an address of its own, once");
        assert_eq!(capture.text(&format!("ip6 and ether src {stranger}")), "");
        for (icmp_type, source) in [(143, "::"), (132, "fe80::77"), (133, "::")] {
            let said = format!("ip6 src host {source} and ether src {mac} and icmp6 and ip6[40] == {icmp_type}");
            assert!(!capture.text(&said).is_empty(), "{said}");
        }
    }
    lab.host("a").assert_hit("br-int", &[Kind::PortForged, Kind::PortServerOut]);
}

#[test]
fn a_machine_finds_out_that_its_address_is_taken() {
    let (taken, free) = ("2001:db8::11", "2001:db8::77");
    let lab = Lab::new("duplicate")
        .network("blue", Vxlan(1001), &["172.18.0.0/24", "2001:db8::/64"])
        .host("a")
        .security(WEB)
        .vm_with("a", "owner", "blue", |vm| vm.ips(&["172.18.0.11", taken]).groups(&["client"]).dad())
        .vm_with("a", "second", "blue", |vm| vm.groups(&["client"]).dad().allow(taken, None).allow(free, None))
        .vm_with("a", "third", "blue", |vm| vm.groups(&["web"]).dad().allow(taken, None).unplugged())
        .start();
    let owner = lab.vm("owner");
    assert!(!owner.own_address(taken).contains("dadfailed"));
    lab.plug("third");
    for name in ["second", "third"] {
        let vm = lab.vm(name);
        let add = |ip: &str| assert!(vm.exec(&["ip", "addr", "add", &format!("{ip}/64"), "dev", "eth0"]).ok());
        add(taken);
        assert!(vm.own_address(taken).contains("dadfailed"), "{name}: the owner has it");
        for own in [vm.ip6(), link_local(&vm.mac())] {
            assert!(!vm.own_address(&own).contains("dadfailed"), "{name}: {own} is its own");
        }
    }
    let second = lab.vm("second");
    assert!(second.exec(&["ip", "addr", "add", &format!("{free}/64"), "dev", "eth0"]).ok());
    assert!(!second.own_address(free).contains("dadfailed"), "nobody has {free}");
}
