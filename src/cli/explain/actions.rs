//! Actions in words: what a flow does with its packets.

use super::matching::{decimal, listed};
use crate::cli::keyed::{Node, View};

/// What tables are called.
pub(super) type TableWords<'a> = &'a dyn Fn(&str) -> String;

/// What becomes of the packet: `gets reg5=0x3 and goes to table 72`.
pub(super) fn deeds(actions: &str, tables: TableWords<'_>) -> String {
    list(Node::actions(actions), tables)
}

fn list(actions: Node<'_>, tables: TableWords<'_>) -> String {
    let mut deeds: Vec<String> = Vec::new();
    let mut ports: Vec<String> = Vec::new();
    actions.children(&mut |name, node| {
        let port = (name == "output").then(|| Arguments::of(node)).and_then(|arguments| arguments.text("port"));
        match port.filter(|port| !is_reserved(port)) {
            Some(port) => ports.push(port),
            None => {
                deeds.extend(out(&mut ports));
                deeds.extend(deed(name, node, tables));
            }
        }
    });
    deeds.extend(out(&mut ports));
    listed(&deeds, "and")
}

/// Ports that are output to one after another make one deed.
fn out(ports: &mut Vec<String>) -> Option<String> {
    let ports = std::mem::take(ports);
    let noun = if ports.len() == 1 { "port" } else { "ports" };
    (!ports.is_empty()).then(|| format!("goes out at {noun} {}", listed(&ports, "and")))
}

fn is_reserved(port: &str) -> bool {
    ["NORMAL", "FLOOD", "ALL", "LOCAL", "IN_PORT", "CONTROLLER", "TABLE"].contains(&port)
}

/// The arguments of an action, as text.
struct Arguments<'t>(Vec<(&'t str, Node<'t>)>);

impl<'t> Arguments<'t> {
    fn of(node: Node<'t>) -> Self {
        let mut arguments = Vec::new();
        node.children(&mut |key, child| arguments.push((key, child)));
        Self(arguments)
    }

    fn node(&self, key: &str) -> Option<Node<'t>> {
        self.0.iter().find(|(name, _)| *name == key).map(|(_, node)| *node)
    }

    /// An argument that is there and not empty.
    fn text(&self, key: &str) -> Option<String> {
        let node = self.node(key)?;
        let text = match node.view() {
            View::Text(text) => text.into_owned(),
            _ => node.text().to_owned(),
        };
        (!text.is_empty()).then_some(text)
    }
}

/// `None`: of no consequence for the packet.
fn deed(name: &str, node: Node<'_>, tables: TableWords<'_>) -> Option<String> {
    let (arguments, text) = (Arguments::of(node), node.text());
    let argument = |key| arguments.text(key).unwrap_or_default();
    Some(match name {
        "drop" => "is dropped".into(),
        "output" => match argument("port").as_str() {
            "NORMAL" => "is switched by its MAC address (NORMAL)".into(),
            "FLOOD" | "ALL" => "is flooded".into(),
            "LOCAL" => "goes to the bridge's own port".into(),
            "IN_PORT" => "goes back to the port that it came from".into(),
            "TABLE" => "goes through the tables again".into(),
            _ => "goes to the controller".into(),
        },
        "controller" | "CONTROLLER" => "goes to the controller".into(),
        "goto_table" => format!("goes to {}", tables(text)),
        "resubmit" => resubmit(&arguments, tables),
        "group" => format!("goes through group {text}"),
        "meter" => format!("is limited by meter {text}"),
        "set_queue" => format!("takes queue {text}"),
        "enqueue" => format!("goes out at port {} through queue {}", argument("port"), argument("queue")),
        "push_vlan" => "gets a VLAN tag".into(),
        "pop_vlan" | "strip_vlan" => "loses its VLAN tag".into(),
        "dec_ttl" => "loses a hop of its TTL".into(),
        "set_field" => set(&argument("dst"), text.split_once("->").map_or(text, |(value, _)| value)),
        "load" => match arguments.node("src") {
            Some(src) => format!("gets {} from {}", called(&argument("dst")), called(src.text())),
            None => set(&argument("dst"), &argument("value")),
        },
        "move" => format!("gets {} from its {}", called(&argument("dst")), called(&argument("src"))),
        "check_pkt_larger" => {
            format!("keeps in {} whether it is longer than {} bytes", called(&argument("dst")), argument("pkt_len"))
        }
        "write_metadata" => format!("gets metadata={text}"),
        "ct" => tracked(&arguments, tables),
        "ct_clear" => "loses its connection state".into(),
        "learn" => format!("makes the switch learn a flow in {}", tables(&argument("table"))),
        "clone" => format!("is copied, and the copy {}", list(node, tables)),
        "write_actions" => format!("at the end of the tables {}", list(node, tables)),
        "clear_actions" => "forgets what it would do at the end of the tables".into(),
        "conjunction" => {
            let [id, number, count] = ["id", "k", "n"].map(argument);
            format!("meets condition {number} of {count} of rule {id}")
        }
        "note" => return None,
        _ if text.is_empty() => format!("undergoes {name}"),
        _ => format!("undergoes {name}({text})"),
    })
}

fn resubmit(arguments: &Arguments<'_>, tables: TableWords<'_>) -> String {
    let table = arguments.text("table").map_or_else(|| "this table again".to_owned(), |table| tables(&table));
    match arguments.text("port").filter(|port| port != "IN_PORT") {
        Some(port) => format!("goes to {table} as if from port {port}"),
        None => format!("goes to {table}"),
    }
}

fn tracked(arguments: &Arguments<'_>, tables: TableWords<'_>) -> String {
    let deed = if arguments.node("commit").is_some() { "is kept as a connection" } else { "is tracked" };
    let mut words = deed.to_owned();
    if let Some(zone) = arguments.text("zone") {
        words += &format!(" in zone {}", called(&zone));
    }
    if let Some(nat) = arguments.node("nat") {
        words += &translated(&Arguments::of(nat));
    }
    if let Some(exec) = arguments.node("exec") {
        words += &format!(" (which {})", list(exec, tables));
    }
    if let Some(table) = arguments.text("table") {
        words += &format!(" on its way to {}", tables(&table));
    }
    words
}

fn translated(nat: &Arguments<'_>) -> String {
    let addresses = nat.node("addrs").map(|addresses| addresses.text());
    match (nat.text("type").as_deref(), addresses) {
        (Some("src"), Some(addresses)) => format!(" with its source translated to {addresses}"),
        (Some("dst"), Some(addresses)) => format!(" with its destination translated to {addresses}"),
        (Some("src"), None) => " with its source translated".into(),
        (Some("dst"), None) => " with its destination translated".into(),
        _ => " with its addresses translated as before".into(),
    }
}

fn set(field: &str, value: &str) -> String {
    match called(field).as_str() {
        "VLAN id" => {
            // With the bit that says that there is a tag.
            let number = value.parse::<u16>().ok().map(|number| number & 0xfff);
            format!("gets VLAN {}", number.map_or_else(|| value.to_owned(), |number| number.to_string()))
        }
        "tunnel id" => format!("gets tunnel id {}", decimal(value)),
        "arp_op" if value == "2" => "becomes an ARP reply".into(),
        name if name.contains(' ') => format!("gets {name} {value}"),
        name => format!("gets {name}={value}"),
    }
}

/// Fields by the names that people have for them; registers keep theirs.
fn called(field: &str) -> String {
    let (name, bits) = field.trim_end_matches(']').split_once('[').unwrap_or((field, ""));
    let known = crate::cli::keyed::known_field(name).map_or(name, |field| field.name);
    let words = match known {
        "eth_src" => "source MAC",
        "eth_dst" => "destination MAC",
        "ip_src" | "ipv6_src" => "source address",
        "ip_dst" | "ipv6_dst" => "destination address",
        "tcp_src" | "udp_src" | "sctp_src" => "source port",
        "tcp_dst" | "udp_dst" | "sctp_dst" => "destination port",
        "arp_sha" => "sender MAC",
        "arp_spa" => "sender address",
        "arp_tha" => "target MAC",
        "arp_tpa" => "target address",
        "vlan_vid" => "VLAN id",
        "tun_id" => "tunnel id",
        "tun_dst" => "tunnel destination",
        known => known,
    };
    if bits.is_empty() { words.to_owned() } else { format!("{words}[{bits}]") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_read_as_what_becomes_of_the_packet() {
        for (text, words) in [
            ("drop", "is dropped"),
            ("output:1,output:\"int-br\",output:3", "goes out at ports 1, int-br and 3"),
            ("output:1", "goes out at port 1"),
            ("NORMAL", "is switched by its MAC address (NORMAL)"),
            ("CONTROLLER:65535", "goes to the controller"),
            ("controller(reason=no_match,id=3)", "goes to the controller"),
            ("LOCAL,IN_PORT", "goes to the bridge's own port and goes back to the port that it came from"),
            ("resubmit(,72)", "goes to table 72"),
            ("resubmit(4,72)", "goes to table 72 as if from port 4"),
            ("goto_table:5", "goes to table 5"),
            (
                "load:0x3->NXM_NX_REG5[],load:0x1->NXM_NX_REG6[0..15],resubmit(,71)",
                "gets reg5=0x3, gets reg6[0..15]=0x1 and goes to table 71",
            ),
            ("set_field:4097->vlan_vid,set_field:0x3e9->tun_id", "gets VLAN 1 and gets tunnel id 1001"),
            (
                "set_field:fa:16:3e:00:00:01->eth_dst,dec_ttl",
                "gets destination MAC fa:16:3e:00:00:01 and loses a hop of its TTL",
            ),
            ("move:NXM_OF_ETH_SRC[]->NXM_OF_ETH_DST[]", "gets destination MAC from its source MAC"),
            ("push_vlan:0x8100,pop_vlan", "gets a VLAN tag and loses its VLAN tag"),
            ("ct(table=72,zone=NXM_NX_REG6[0..15])", "is tracked in zone reg6[0..15] on its way to table 72"),
            (
                "ct(commit,zone=5,nat(src=10.0.0.1))",
                "is kept as a connection in zone 5 with its source translated to 10.0.0.1",
            ),
            ("ct(commit,nat)", "is kept as a connection with its addresses translated as before"),
            (
                "learn(table=20,NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[],output:NXM_OF_IN_PORT[]),output:2",
                "makes the switch learn a flow in table 20 and goes out at port 2",
            ),
            ("conjunction(5,1/2)", "meets condition 1 of 2 of rule 5"),
            ("group:5", "goes through group 5"),
            (
                "meter:1,clone(output:1,drop)",
                "is limited by meter 1 and is copied, and the copy goes out at port 1 and is dropped",
            ),
            ("note:00.01.00.00.00.00,output:1", "goes out at port 1"),
            ("exit", "undergoes exit"),
            ("check_pkt_larger(1500)->NXM_NX_REG0[0]", "keeps in reg0[0] whether it is longer than 1500 bytes"),
        ] {
            assert_eq!(deeds(text, &|table| format!("table {table}")), words, "{text}");
        }
    }
}
