//! `ofctl-dump trace` against `ofproto/trace` on the flows of Neutron's agent: its firewall with connection
//! tracking and conjunctions, distributed routing, meters. Skipped where those dumps are not.

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use support::switch::Switch;
use support::trace_lab::{Lab, add_flows, add_port};

/// Each has something that the others have not.
const SCENARIOS: [&str; 8] = [
    "secgroup-remote-group",
    "secgroup-egress-direct",
    "dvr-vxlan",
    "dvr-vlan",
    "qos",
    "dhcp-responder",
    "port-security",
    "vxlan-l2pop",
];
const BRIDGES: [&str; 3] = ["br-int", "br-tun", "br-phys"];

/// The folder with what Neutron's agent installs: `../shared/oracle`, or `HEDDLE_ORACLE`.
fn oracle() -> Option<PathBuf> {
    let folder = std::env::var_os("HEDDLE_ORACLE").map(PathBuf::from);
    let folder = folder.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/oracle"));
    let found = folder.is_dir();
    if !found {
        println!("{}: not found, skipped", folder.display());
    }
    found.then(|| folder.join("golden"))
}

/// Plugs in the ports of `ports.txt`. Returns what `NORMAL` goes by.
fn plug(switch: &Switch, ports: &str) -> Vec<String> {
    let (mut bridge, mut facts) = ("", Vec::new());
    for line in ports.lines() {
        if let Some(name) = line.strip_prefix("=== ") {
            bridge = name;
        }
        let Some(port) = line.strip_prefix("port ") else { continue };
        let value = |key: &str| port.split(' ').find_map(|part| part.strip_prefix(key)).unwrap_or_default();
        let (number, name) = (value("ofport="), value("name="));
        let tag = value("tag=").parse::<u16>().map_or_else(|_| "trunk".to_owned(), |tag| tag.to_string());
        facts.extend(["--tag".to_owned(), format!("{bridge}:{number}={tag}").replace(":65534=", ":LOCAL=")]);
        if number == "65534" {
            continue;
        }
        let option = |key: &str| {
            value("options={").trim_end_matches('}').split(',').find_map(|o| Some(o.strip_prefix(key)?.to_owned()))
        };
        let mut settings = vec![format!("type={}", value("type="))];
        settings.extend(option("peer=").map(|peer| format!("options:peer={peer}")));
        settings.extend(option("remote_ip=").map(|address| format!("options:remote_ip={address}")));
        settings.extend(option("remote_ip=").map(|_| "options:key=flow".to_owned()));
        add_port(
            switch,
            bridge,
            name,
            number.parse().unwrap(),
            &settings.iter().map(String::as_str).collect::<Vec<_>>(),
        );
        if tag != "trunk" {
            switch.vsctl(&["set", "Port", name, &format!("tag={tag}")]);
        }
    }
    facts
}

/// Packets that the flows of a bridge ask for: what their matches say, as far as it is of the packet. With a
/// protocol whose connections are tracked, and the states that the flows look at.
fn packets(flows: &str) -> BTreeSet<String> {
    let mut packets = BTreeSet::new();
    for line in flows.lines() {
        let (matching, _) = line.split_once(" actions=").unwrap();
        let fields: Vec<&str> = matching
            .split(',')
            .skip(1)
            .map(str::trim)
            .filter(|field| field.starts_with(|c: char| c.is_ascii_lowercase()))
            .collect();
        let given = |key: &str| fields.iter().any(|field| field.starts_with(key));
        if !(given("in_port=") || given("dl_vlan=") || given("tun_id=")) || given("vlan_tci=0x0000/0x1fff") {
            continue;
        }
        let protocol = fields.iter().find(|field| !field.contains('=')).copied().unwrap_or("tcp");
        let kept = fields.iter().filter(|field| {
            !["priority=", "reg", "ct_", "table="].iter().any(|other| field.starts_with(other))
                && !field.contains("=0x1000/")
        });
        let mut parts: Vec<String> = kept.map(|field| renamed(field, protocol)).collect();
        if !fields.iter().any(|field| !field.contains('=')) {
            parts.push("tcp".to_owned());
        }
        if !given("in_port=") {
            parts.insert(0, if given("tun_id=") { "in_port=2".to_owned() } else { "in_port=1".to_owned() });
        }
        packets.insert(parts.join(","));
    }
    packets
}

/// Packets of which conjunctions decide: their clauses are no flows of a port.
const OF_REMOTE_GROUPS: [&str; 5] = [
    "in_port=2,dl_vlan=1,dl_dst=fa:16:3e:00:01:01,tcp,nw_src=10.0.1.61,tcp_dst=8003",
    "in_port=2,dl_vlan=1,dl_dst=fa:16:3e:00:01:01,tcp,nw_src=10.0.1.62,tcp_dst=8009",
    "in_port=2,dl_vlan=1,dl_dst=fa:16:3e:00:01:01,tcp,nw_src=10.0.1.63,tcp_dst=8010",
    "in_port=2,dl_vlan=1,dl_dst=fa:16:3e:00:01:01,tcp,nw_src=10.0.1.61,tcp_dst=8011",
    "in_port=2,dl_vlan=1,dl_dst=fa:16:3e:00:01:01,tcp,nw_src=10.0.1.64,tcp_dst=8010",
];

/// A field of a dump as a packet has it: without a mask, and by the name that goes with the protocol.
fn renamed(field: &str, protocol: &str) -> String {
    let field = field.split('/').next().unwrap_or_default();
    let transport = protocol.trim_end_matches('6');
    let field = field.replace("tp_src=", &format!("{transport}_src=")).replace("tp_dst=", &format!("{transport}_dst="));
    if protocol == "icmp6" {
        field.replace("icmp_", "icmpv6_")
    } else if field == "ip" {
        "tcp".to_owned()
    } else if field == "ipv6" {
        "tcp6".to_owned()
    } else {
        field
    }
}

const STATES: [&[&str]; 4] = [&[], &["trk,est", "trk,est"], &["trk,est,rpl", "trk,new"], &["trk,inv"]];

/// One scenario on a switch of its own. Returns how many packets both agreed on, and how many of them come out.
fn agree(switch: Switch, folder: &Path) -> (usize, usize) {
    let read = |name: &str| fs::read_to_string(folder.join(name)).unwrap_or_default();
    let facts = plug(&switch, &read("ports.txt"));
    let meters = read("br-int.meters")
        .replace(" bands=\n", ",bands=")
        .replace("type=", "band=type=")
        .replace(",bands=band=", ",band=");
    for meter in meters.lines().filter(|line| line.starts_with("meter=")) {
        let meter = meter.replace(' ', ",");
        switch.run("ovs-ofctl", &["-OOpenFlow13", "add-meter", "unix:br-int.mgmt", &meter]);
    }
    for bridge in BRIDGES {
        add_flows(&switch, bridge, &read(&format!("{bridge}.flows")));
    }
    let mut lab = Lab::new(switch);
    lab.facts = facts;
    for bridge in ["br-int", "br-phys"] {
        let file = lab.switch.path(&format!("{bridge}.fdb"));
        fs::write(&file, lab.appctl(&["fdb/show", bridge])).unwrap();
        lab.facts.extend(["--fdb".to_owned(), format!("{bridge}={}", file.display())]);
    }
    for bridge in BRIDGES {
        for packet in packets(&read(&format!("{bridge}.flows"))) {
            let tracked = bridge == "br-int" && (packet.contains("tcp") || packet.contains("udp"));
            for states in STATES.iter().take(if tracked { STATES.len() } else { 1 }) {
                lab.compare(bridge, &packet, states);
            }
        }
    }
    if folder.ends_with("secgroup-remote-group") {
        for (packet, states) in
            OF_REMOTE_GROUPS.iter().flat_map(|packet| STATES.iter().map(move |states| (packet, states)))
        {
            lab.compare("br-int", packet, states);
        }
    }
    println!("{}:", folder.display());
    lab.end()
}

#[test]
fn the_flows_of_neutron_lead_where_open_vswitch_says() {
    let Some(oracle) = oracle() else { return };
    let mut total = (0, 0);
    for scenario in SCENARIOS {
        let Some(switch) = Switch::start(&BRIDGES) else { return };
        let (packets, delivered) = agree(switch, &oracle.join(scenario));
        total = (total.0 + packets, total.1 + delivered);
    }
    assert!(total.0 >= 250 && total.1 >= 80, "{total:?}");
}
