//! Two traces of one packet in a form in which they compare: what `ovs-appctl ofproto/trace` printed, and what
//! `ofctl-dump trace --json` did.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// A flow that was hit: bridge, table, priority and cookie; without the last two, a table miss.
pub type Hop = (String, u8, Option<(u16, u64)>);

/// A copy of the packet that leaves: where, and its header fields.
pub type Output = (String, BTreeMap<String, String>);

/// What both programs say of a leg.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Leg {
    pub hops: Vec<Hop>,
    /// The parts of the final flow; empty if it is unchanged.
    pub last: BTreeSet<String>,
    pub outputs: BTreeSet<Output>,
}

/// What Open vSwitch says; `ports` are its datapath ports by number, as `BRIDGE PORT`.
pub fn of_open_vswitch(text: &str, ports: &BTreeMap<String, String>) -> Vec<Leg> {
    let legs = text.split("\nFlow: ").map(|leg| leg.strip_prefix("Flow: ").unwrap_or(leg));
    legs.map(|leg| open_vswitch_leg(leg, ports)).collect()
}

fn open_vswitch_leg(text: &str, ports: &BTreeMap<String, String>) -> Leg {
    let first = text.lines().next().unwrap_or_default();
    let after = |key: &str| text.lines().find_map(|line| line.strip_prefix(key));
    let mut reader = StepReader::default();
    text.lines().for_each(|line| reader.line(line));
    let mut outputs = reader.tunnels;
    let mut packet = Packet::new(first);
    packet.run(after("Datapath actions: ").unwrap_or_default(), ports, &mut outputs);
    let last = after("Final flow: ").filter(|last| *last != "unchanged" && *last != first);
    Leg { hops: reader.hops, last: last.map(parts).unwrap_or_default(), outputs }
}

/// What a tracked packet shows of the first one of its connection; `ofproto/trace` leaves it out.
const FIRST_OF_CONNECTION: [&str; 3] = ["ct_nw_", "ct_ipv6_", "ct_tp_"];

/// The parts of a flow that say something of the packet; what Open vSwitch numbers for itself says nothing.
fn parts(flow: &str) -> BTreeSet<String> {
    let parts = flow.split(',').filter(|part| !part.starts_with("recirc_id=") && *part != "eth");
    let parts = parts.filter(|part| !FIRST_OF_CONNECTION.iter().any(|field| part.starts_with(field)));
    parts.filter(|part| *part != "vlan_tci1=0x0000").map(str::to_owned).collect()
}

/// Follows which bridge the lines of a trace are about.
#[derive(Default)]
struct StepReader {
    /// How far bridges are indented, and what they are called.
    bridges: Vec<(usize, String)>,
    output: String,
    hops: Vec<Hop>,
    /// Ports of tunnels, whose packets do not stand in the datapath actions if nobody answers for the peer.
    tunnels: BTreeSet<Output>,
}

impl StepReader {
    fn line(&mut self, line: &str) {
        let text = line.trim_start();
        let indent = line.len() - text.len();
        if let Some(name) = text.strip_prefix("bridge(\"").and_then(|rest| rest.strip_suffix("\")")) {
            self.bridges.push((indent, name.to_owned()));
            return;
        }
        let bridge = |reader: &Self| reader.bridges.last().map_or_else(String::new, |(_, name)| name.clone());
        if let Some(port) = text.strip_prefix("output:").or_else(|| text.strip_prefix("-> output port is ")) {
            self.output = port.to_owned();
        } else if text.starts_with("-> output to native tunnel") {
            let output = format!("{} {}", bridge(self), self.output);
            self.tunnels.insert((output, BTreeMap::new()));
        } else if let Some((table, hit)) =
            text.split_once(". ").and_then(|(table, hit)| Some((table.parse().ok()?, hit)))
        {
            while self.bridges.len() > 1 && self.bridges.last().is_some_and(|(at, _)| indent < *at) {
                self.bridges.pop();
            }
            self.hops.push((bridge(self), table, hit_of(hit)));
        }
    }
}

fn hit_of(text: &str) -> Option<(u16, u64)> {
    let (_, rest) = text.rsplit_once("priority ")?;
    let (priority, cookie) = rest.split_once(", cookie 0x").unwrap_or((rest, "0"));
    Some((priority.parse().unwrap(), u64::from_str_radix(cookie, 16).unwrap()))
}

/// The header fields of a packet, by the names that they have in a flow.
#[derive(Clone)]
struct Packet {
    fields: BTreeMap<String, String>,
    /// VLAN ids, the outermost first.
    tags: Vec<String>,
}

/// What is no header.
const METADATA: [&str; 7] = ["reg", "metadata", "ct_", "in_port", "tun_", "recirc_id", "pkt_mark"];

impl Packet {
    fn new(flow: &str) -> Self {
        let mut packet = Self { fields: BTreeMap::new(), tags: Vec::new() };
        for (key, value) in flow.split(',').filter_map(|part| part.split_once('=')) {
            match key {
                "dl_vlan" => packet.tags.insert(0, value.to_owned()),
                "dl_vlan1" => packet.tags.push(value.to_owned()),
                "vlan_tci" | "vlan_tci1" | "dl_vlan_pcp" | "dl_vlan_pcp1" | "tcp_flags" | "mpls_bos" => {}
                _ if METADATA.iter().any(|prefix| key.starts_with(prefix)) => {}
                _ => _ = packet.fields.insert(key.to_owned(), value.to_owned()),
            }
        }
        packet
    }

    fn output(&self) -> BTreeMap<String, String> {
        let mut fields = self.fields.clone();
        fields.insert("tags".to_owned(), self.tags.join(" "));
        fields
    }

    /// Runs datapath actions.
    fn run(&mut self, actions: &str, ports: &BTreeMap<String, String>, outputs: &mut BTreeSet<Output>) {
        for action in split(actions) {
            let (name, arguments) = action.split_once('(').unwrap_or((action, ""));
            let arguments = arguments.strip_suffix(')').unwrap_or(arguments);
            match name {
                _ if ports.contains_key(action) => _ = outputs.insert((ports[action].clone(), self.output())),
                "userspace" if arguments.contains("controller(") => {
                    outputs.insert(("CONTROLLER".to_owned(), self.output()));
                }
                "push_vlan" => {
                    let vid = split(arguments).find_map(|part| part.strip_prefix("vid=")).unwrap();
                    self.tags.insert(0, vid.to_owned());
                }
                "pop_vlan" => _ = self.tags.remove(0),
                "set" => self.set(arguments),
                "clone" => self.clone().run(arguments, ports, outputs),
                "check_pkt_len" => {
                    for part in split(arguments).filter_map(|part| part.split_once('(')) {
                        self.clone().run(part.1.strip_suffix(')').unwrap(), ports, outputs);
                    }
                }
                "push_mpls" => self.push_mpls(arguments),
                "trunc" | "ct" | "ct_clear" | "recirc" | "drop" | "meter" | "sample" | "hash" | "pop_mpls"
                | "userspace" => {}
                _ => panic!("a datapath action that this test does not know: {action}"),
            }
        }
    }

    fn set(&mut self, arguments: &str) {
        let (layer, values) = arguments.split_once('(').unwrap();
        for (key, value) in split(values.strip_suffix(')').unwrap()).filter_map(|part| part.split_once('=')) {
            let value = value.split('/').next().unwrap_or_default();
            let number = |value: &str| {
                let hex = value.strip_prefix("0x").map(|digits| u32::from_str_radix(digits, 16));
                hex.unwrap_or_else(|| value.parse()).unwrap()
            };
            match (layer, key) {
                ("ipv4", "tos") | ("ipv6", "tclass") => {
                    self.fields.insert("nw_tos".into(), (number(value) & 0xfc).to_string());
                    self.fields.insert("nw_ecn".into(), (number(value) & 3).to_string());
                }
                ("tunnel" | "skb_mark" | "skb_priority", _) | ("mpls", "bos") => {}
                // Said only where they are not zero.
                ("nd_ext", _) if number(value) == 0 => _ = self.fields.remove(key),
                ("nd_ext", _) => _ = self.fields.insert(key.into(), number(value).to_string()),
                _ => _ = self.fields.insert(flow_name(layer, key), value.to_owned()),
            }
        }
    }

    fn push_mpls(&mut self, arguments: &str) {
        let gone = |key: &String| !key.starts_with("dl_");
        let keys: Vec<String> = self.fields.keys().filter(|key| gone(key)).cloned().collect();
        keys.iter().for_each(|key| _ = self.fields.remove(key));
        for (key, value) in split(arguments).filter_map(|part| part.split_once('=')) {
            let name = match key {
                "label" => "mpls_label",
                "tc" => "mpls_tc",
                "ttl" => "mpls_ttl",
                _ => continue,
            };
            self.fields.insert(name.to_owned(), value.to_owned());
        }
    }
}

/// What a flow calls a field of the datapath.
fn flow_name(layer: &str, key: &str) -> String {
    match (layer, key) {
        ("eth", "src") => "dl_src",
        ("eth", "dst") => "dl_dst",
        ("ipv4", "src") => "nw_src",
        ("ipv4", "dst") => "nw_dst",
        ("ipv4", "ttl") | ("ipv6", "hlimit") => "nw_ttl",
        ("ipv6", "src") => "ipv6_src",
        ("ipv6", "dst") => "ipv6_dst",
        ("ipv6", "label") => "ipv6_label",
        ("tcp" | "udp" | "sctp", "src") => "tp_src",
        ("tcp" | "udp" | "sctp", "dst") => "tp_dst",
        ("arp", "sip") => "arp_spa",
        ("arp", "tip") => "arp_tpa",
        ("arp", "op") => "arp_op",
        ("arp", "sha") => "arp_sha",
        ("arp", "tha") => "arp_tha",
        ("icmpv6" | "icmp", "type") => "icmp_type",
        ("icmpv6" | "icmp", "code") => "icmp_code",
        ("nd", "target") => "nd_target",
        ("nd", "sll") => "nd_sll",
        ("nd", "tll") => "nd_tll",
        ("mpls", "label") => "mpls_label",
        ("mpls", "tc") => "mpls_tc",
        ("mpls", "ttl") => "mpls_ttl",
        _ => panic!("a datapath field that this test does not know: {layer}({key})"),
    }
    .to_owned()
}

/// Parts between the commas outside of parentheses.
fn split(text: &str) -> impl Iterator<Item = &str> {
    let mut depth = 0;
    text.split(move |c: char| {
        depth += i32::from(c == '(') - i32::from(c == ')');
        c == ',' && depth == 0
    })
    .filter(|part| !part.is_empty())
}

/// What `ofctl-dump trace --json` says.
pub fn of_ofctl_dump(text: &str) -> Vec<Leg> {
    let trace: Value = serde_json::from_str(text).unwrap();
    trace["legs"].as_array().unwrap().iter().map(ofctl_dump_leg).collect()
}

fn ofctl_dump_leg(leg: &Value) -> Leg {
    let tables = leg["steps"].as_array().unwrap().iter().filter(|step| step["step"] == "table");
    let mut found = Leg { hops: tables.map(hop).collect(), ..Leg::default() };
    if leg["final_flow"] != leg["flow"] {
        found.last = parts(leg["final_flow"].as_str().unwrap());
    }
    for output in leg["outputs"].as_array().unwrap() {
        let (bridge, to) = (output["bridge"].as_str().unwrap(), output["to"].as_str().unwrap());
        let tunnel = to.starts_with("tunnel ");
        let to = if to.starts_with("CONTROLLER") {
            "CONTROLLER".to_owned()
        } else {
            let (_, port) = to.split_once(' ').unwrap_or(("", to));
            format!("{bridge} {port}")
        };
        let fields = if tunnel { BTreeMap::new() } else { Packet::new(output["flow"].as_str().unwrap()).output() };
        found.outputs.insert((to, fields));
    }
    found
}

fn hop(step: &Value) -> Hop {
    let hit = &step["hit"];
    let hit = hit["priority"].as_u64().map(|priority| {
        let cookie = hit["cookie"].as_str().unwrap().trim_start_matches("0x");
        (priority as u16, u64::from_str_radix(cookie, 16).unwrap())
    });
    (step["bridge"].as_str().unwrap().to_owned(), step["table"].as_u64().unwrap() as u8, hit)
}
