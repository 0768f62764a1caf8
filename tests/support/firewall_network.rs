//! Who gets what a port sends: the meaning of the rules on every node on the way, and the connections that each keeps.

use std::collections::BTreeMap;
use std::sync::Arc;

use heddle::openflow::MacAddr;
use heddle::topology::{Direction, Name, Port, Topology};

use super::firewall::{Base, Ruling, Seen, by_rules, enters, is_stateful, leaves, macs};
use super::firewall_connections::Connections;
use super::firewall_packet::{Body, Load, Packet};

/// Nodes with all ports plugged in, whose MAC addresses everybody knows.
#[derive(Clone)]
pub struct Network {
    pub topology: Arc<Topology>,
    /// By node and network.
    connections: BTreeMap<(Name, Name), Connections>,
}

/// What becomes of a packet.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Verdict {
    /// Who gets it, each once, sorted.
    pub to: Vec<Name>,
    /// What was found on the way, in words.
    pub why: Vec<String>,
    /// Only its first fragment is refused, by the port that sends it. Who hears the others can do nothing with them.
    pub first_refused: bool,
    /// See [`Connections::is_doubtful`].
    doubtful: bool,
    /// What it was to connections, where that mattered, and what rules said.
    pub rulings: Vec<(Direction, Option<Seen>, Ruling)>,
}

/// Who has a MAC address on a node.
enum Owners<'a> {
    /// These, and all that is sent to them meets their rules.
    Filtered(Vec<&'a Arc<Port>>),
    /// Whoever the switch finds.
    Switched,
}

impl Network {
    pub fn new(topology: Topology) -> Self {
        Self { topology: Arc::new(topology), connections: BTreeMap::new() }
    }

    /// The packet is one of the few that tests leave out. See [`Connections::is_doubtful`]; and of fragments, those where Open
    /// vSwitch's userspace datapath, which does not put them together for rules, treats the later ones unlike the first:
    /// - without connections, those of IPv6 do not tell their protocol;
    /// - those of a connection that no rule allows any more pass until a whole packet has cut it, and do not once a rule
    ///   allows it again, until a whole packet has mended it. Nobody can use what arrives.
    pub fn is_left_out(&self, from: &str, packet: &Packet) -> bool {
        let Body::Ip(ip) = &packet.body else { return false };
        if !(ip.fragments || matches!(ip.load, Load::Tcp(_))) {
            return false;
        }
        let verdict = self.clone().send(from, packet);
        let differ = |(_, seen, ruling): &(Direction, Option<Seen>, Ruling)| {
            *ruling == Ruling::Cut || *seen == Some(Seen::Revoked) || (seen.is_none() && ip.src.is_ipv6())
        };
        verdict.doubtful || (ip.fragments && verdict.rulings.iter().any(differ))
    }

    /// A port sends a packet.
    pub fn send(&mut self, from: &str, packet: &Packet) -> Verdict {
        let topology = self.topology.clone();
        let port = topology.port(from).expect("a port of the topology");
        let mut verdict = Verdict::default();
        let mut seen = None;
        let base = leaves(port, packet);
        match base {
            Base::Refused(why) | Base::RefusedFirst(why) => {
                verdict.why.push(format!("{from} may not send: {why}"));
                verdict.first_refused = matches!(base, Base::RefusedFirst(_));
                return verdict;
            }
            Base::Free | Base::Needed => {}
            Base::Rules => {
                if self.meets_rules((port, Direction::Egress), packet, &mut seen, &mut verdict) != Ruling::Allowed {
                    return verdict;
                }
            }
        }
        let near = match base {
            Base::Free => Owners::Switched,
            _ => owners(&topology, (&port.network, &port.node), packet.eth_dst),
        };
        match near {
            Owners::Filtered(ports) => {
                for to in ports.into_iter().filter(|to| to.name != port.name) {
                    self.reach(to, packet, seen, &mut verdict);
                }
            }
            Owners::Switched => {
                self.accept((&port.node, &port.network), packet, seen);
                self.switch(port, packet, &mut verdict);
            }
        }
        verdict.to.sort_unstable();
        verdict
    }

    /// What no node of the way stops any more reaches who has the address, or everybody.
    fn switch(&mut self, from: &Port, packet: &Packet, verdict: &mut Verdict) {
        let topology = self.topology.clone();
        let to_all = packet.eth_dst.is_multicast();
        let owner = topology.port_by_mac(&from.network, packet.eth_dst);
        assert!(to_all || owner.is_some(), "tests send to who is there");
        let has = |port: &&Arc<Port>| to_all || owner.is_some_and(|owner| owner.name == port.name);
        for node in topology.nodes_of(&from.network) {
            let here: Vec<&Arc<Port>> = topology.ports_on(&from.network, node).collect();
            let near = *node == from.node;
            match owners(&topology, (&from.network, node), packet.eth_dst) {
                Owners::Filtered(ports) if !near => {
                    ports.into_iter().for_each(|to| self.reach(to, packet, None, verdict));
                }
                _ => {
                    let heard = here.into_iter().filter(has).filter(|to| to.name != from.name);
                    verdict.to.extend(heard.map(|to| to.name.clone()));
                }
            }
        }
    }

    /// The packet comes to a port that is held to rules.
    fn reach(&mut self, to: &Port, packet: &Packet, mut seen: Option<Seen>, verdict: &mut Verdict) {
        match enters(to, packet) {
            Base::Refused(why) | Base::RefusedFirst(why) => verdict.why.push(format!("{} gets none: {why}", to.name)),
            Base::Free | Base::Needed => verdict.to.push(to.name.clone()),
            Base::Rules => {
                if self.meets_rules((to, Direction::Ingress), packet, &mut seen, verdict) == Ruling::Allowed {
                    self.accept((&to.node, &to.network), packet, seen);
                    verdict.to.push(to.name.clone());
                }
            }
        }
    }

    /// The rules of a port, and what is known of the packet's connection where it has come to.
    fn meets_rules(
        &mut self,
        (port, direction): (&Port, Direction),
        packet: &Packet,
        seen: &mut Option<Seen>,
        verdict: &mut Verdict,
    ) -> Ruling {
        let Body::Ip(ip) = &packet.body else { return Ruling::Refused };
        let topology = self.topology.clone();
        let stateful = is_stateful(&topology, port);
        let connections = self.connections.entry((port.node.clone(), port.network.clone())).or_default();
        if stateful && seen.is_none() {
            verdict.doubtful |= connections.is_doubtful(ip);
            *seen = Some(connections.see(ip));
        }
        let ruling = by_rules(&topology, (port, direction), packet, seen.unwrap_or(Seen::New));
        if ruling == Ruling::Cut {
            connections.revoke(ip, true);
        }
        let state = if stateful { format!("{:?}", seen.expect("just seen")) } else { "stateless".into() };
        verdict.why.push(format!("{} {}: {state}, {ruling:?}", port.name, direction.word()));
        verdict.rulings.push((direction, seen.filter(|_| stateful), ruling));
        ruling
    }

    /// All on this node agree: what it begins is kept, and what was cut goes on.
    fn accept(&mut self, (node, network): (&Name, &Name), packet: &Packet, seen: Option<Seen>) {
        let (Body::Ip(ip), Some(seen)) = (&packet.body, seen) else { return };
        let connections = self.connections.entry((node.clone(), network.clone())).or_default();
        match seen {
            Seen::New => connections.keep(ip),
            Seen::Revoked | Seen::RevokedReply => connections.revoke(ip, false),
            _ => {}
        }
    }
}

/// Whose own address it is, or else everybody who has it in a pair. Only ports that are held to rules count.
fn owners<'a>(topology: &'a Topology, (network, node): (&str, &Name), mac: MacAddr) -> Owners<'a> {
    let owner = topology.port_by_mac(network, mac).filter(|owner| owner.node == *node);
    let ports: Vec<_> = match owner {
        Some(owner) => vec![owner],
        None => topology.ports_on(network, node).filter(|port| macs(port).any(|own| own == mac)).collect(),
    };
    let filtered: Vec<_> = ports.into_iter().filter(|port| port.port_security).collect();
    if filtered.is_empty() { Owners::Switched } else { Owners::Filtered(filtered) }
}
