//! Security groups held to their meaning: random packets of random machines under random rules, on real switches with
//! connection tracking, and what arrives is what the plain evaluator of `tests/support` says.
//!
//! Machines talk in rounds. A round has at most one packet of each conversation, so that the order in which switches
//! take them does not matter, and ends with an announcement of every machine to all others: what came before it is
//! through. Between rounds the rules change, while conversations go on.
//!
//! `HEDDLE_SEED` and `HEDDLE_CASES` (packets) choose another run, or a longer one.

mod lab;
mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use heddle::openflow::MacAddr;
use heddle::topology::{Direction, Name, Topology};
use lab::{Lab, RawMachines, Vxlan};
use support::dice::Dice;
use support::firewall::{Ruling, Seen};
use support::firewall_network::{Network, Verdict};
use support::firewall_packet::{Body, Packet, number_of};
use support::firewall_topology::{Model, PortModel, model, model_change, port_model};
use support::firewall_traffic::Traffic;

const SEED: u64 = 20_290_000;
const CASES: usize = 20_000;
/// What the first set of rules is called.
const FIRST_VERSION: u16 = 50_000;
/// What packets are to connections, and what rules say of that: without connections, and with them.
const OUTCOMES: [(Option<Seen>, Ruling); 12] = [
    (None, Ruling::Allowed),
    (None, Ruling::Refused),
    (Some(Seen::New), Ruling::Allowed),
    (Some(Seen::New), Ruling::Refused),
    (Some(Seen::Forward), Ruling::Allowed),
    (Some(Seen::Forward), Ruling::Cut),
    (Some(Seen::Revoked), Ruling::Allowed),
    (Some(Seen::Revoked), Ruling::Refused),
    (Some(Seen::Reply), Ruling::Allowed),
    (Some(Seen::RevokedReply), Ruling::Refused),
    (Some(Seen::Related), Ruling::Allowed),
    (Some(Seen::Invalid), Ruling::Refused),
];
/// Rounds between two changes of the rules.
const ROUNDS: usize = 5;
/// How long what is allowed may take.
const DEADLINE: Duration = Duration::from_secs(20);
/// Network and node of each machine. Both networks have the same addresses.
const MACHINES: [(u8, u8); 10] = [(0, 0), (1, 0), (0, 0), (1, 0), (0, 1), (1, 1), (0, 1), (1, 1), (0, 0), (1, 0)];

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |value| value.parse().unwrap_or_else(|e| panic!("{name}={value}: {e}")))
}

fn name(id: usize) -> String {
    format!("port{id}")
}

/// A packet that is on its way.
struct Case {
    from: Name,
    packet: Packet,
    /// Those of one conversation have this in common.
    about: String,
    frames: Vec<Vec<u8>>,
    verdict: Verdict,
    /// Who heard which of its frames.
    heard: Vec<(u8, Name)>,
}

struct Proof<'a> {
    seed: u64,
    lab: &'a Lab,
    machines: RawMachines,
    names: Vec<Name>,
    dice: Dice,
    model: Model,
    network: Network,
    traffic: Traffic,
    /// Number of the topology, which its flows tell.
    version: u16,
    cases: Vec<Case>,
    /// What rules said, and how often.
    tally: BTreeMap<(Direction, Option<Seen>, Ruling), usize>,
}

fn lab() -> Lab {
    let subnets = &["10.0.0.0/24", "2001:db8::/64"];
    let lab = Lab::new("proof")
        .network("net0", Vxlan(1001), subnets)
        .network("net1", Vxlan(1002), subnets)
        .network("marks", Vxlan(1003), subnets)
        .config_all("[tunnel]\narp_responder = false\nnd_responder = false")
        .host("node0")
        .host("node1");
    let lab = MACHINES.iter().enumerate().fold(lab, |lab, (id, (network, node))| {
        let (host, network) = (format!("node{node}"), format!("net{network}"));
        let ips = [format!("10.0.0.{}", id + 1), format!("2001:db8::{:x}", id + 1)];
        let mac = format!("fa:16:3e:00:00:{:02x}", id + 1);
        lab.vm_with(&host, &name(id), &network, |vm| vm.ips(&[&ips[0], &ips[1]]).mac(&mac).mute())
    });
    let mark = |lab: lab::LabBuilder, node| {
        let mac = format!("fa:16:3e:00:02:{node:02x}");
        lab.vm_with(&format!("node{node}"), &format!("mark{node}"), "marks", |vm| vm.ips(&[]).mac(&mac).mute())
    };
    let lab = mark(mark(lab, 0), 1).start();
    // What was said a minute ago still counts, however slow the machine is.
    let protocols = ["icmp_first", "icmp_reply", "udp_first", "udp_single", "udp_multiple", "tcp_syn_sent"];
    let more = ["tcp_syn_recv", "tcp_established", "tcp_fin_wait", "tcp_time_wait", "tcp_close", "tcp_last_ack"];
    let timeouts: Vec<String> = protocols.iter().chain(&more).map(|key| format!("{key}=86400")).collect();
    for host in lab.hosts() {
        let datapath = ["--id=@it", "create", "Datapath", "datapath_version=0"];
        host.vsctl(&[&datapath[..], &["--", "set", "Open_vSwitch", ".", "datapaths:netdev=@it"]].concat());
        for zone in 1..=3 {
            let zone = format!("zone={zone}");
            let words = ["add-zone-tp", "netdev", &zone].into_iter().chain(timeouts.iter().map(String::as_str));
            host.vsctl(&words.collect::<Vec<_>>());
        }
    }
    lab
}

/// Machines stay where they are, whatever else of the model is random.
fn pin(model: &mut Model, dice: &mut Dice) {
    for (id, &(network, node)) in (0..).zip(&MACHINES) {
        let port = model.ports.remove(&id).unwrap_or_else(|| dice.draw(port_model()));
        model.ports.insert(id, PortModel { network, node, ..port });
    }
}

impl<'a> Proof<'a> {
    fn new(lab: &'a Lab, seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let mut model = dice.draw(model());
        pin(&mut model, &mut dice);
        let names: Vec<String> = (0..MACHINES.len()).map(name).collect();
        let machines = RawMachines::open(names.iter().map(|name| lab.vm(name)));
        Self {
            seed,
            lab,
            machines,
            names: names.iter().map(|name| name.as_str().into()).collect(),
            dice,
            network: Network::new(Topology::default()),
            model,
            traffic: Traffic::default(),
            version: FIRST_VERSION,
            cases: Vec::new(),
            tally: BTreeMap::new(),
        }
    }

    /// The model becomes what both nodes enforce.
    fn apply(&mut self) {
        self.version += 1;
        let text = self.model.marked_text(self.version);
        let topology = Topology::parse(&text, "proof").unwrap_or_else(|error| panic!("{error}\n{text}"));
        self.network.topology = topology.into();
        self.lab.write_topology(&text);
        self.lab.hosts().iter().for_each(lab::Host::sighup_heddle);
        let mark = Model::mark(self.version);
        for host in self.lab.hosts() {
            host.wait_for_flow("br-int", "belongs to the new rules", |flow| flow.contains(&mark));
            host.wait_settled();
            // What the datapath has decided by the flows before.
            host.appctl(&["revalidator/purge"]);
        }
        // Everybody is known where they are.
        let first = self.cases.len();
        self.announce();
        self.exchange(first);
    }

    fn change_rules(&mut self) {
        for _ in 0..=self.dice.below(3) {
            let change = self.dice.draw(model_change());
            let other = self.dice.draw(model());
            change.apply(&mut self.model, other);
        }
        pin(&mut self.model, &mut self.dice);
        self.apply();
    }

    /// What every machine says next, and then an announcement of each.
    fn round(&mut self) {
        let first = self.cases.len();
        for sent in self.traffic.round(&mut self.dice, &self.network.topology, &self.names) {
            if !self.network.is_left_out(&sent.from, &sent.packet) {
                self.add(sent.from, sent.packet, sent.about);
            }
        }
        self.announce();
        self.exchange(first);
    }

    /// Sends what was added from this case on, and waits for it.
    fn exchange(&mut self, first: usize) {
        for case in &self.cases[first..] {
            case.frames.iter().for_each(|frame| self.machines.send(&case.from, frame));
        }
        self.listen(first);
    }

    fn add(&mut self, from: Name, packet: Packet, about: String) {
        let mut frames = packet.frames(u32::try_from(self.cases.len()).expect("a run is short"));
        let verdict = self.network.send(&from, &packet);
        if verdict.first_refused {
            frames.truncate(1);
        }
        for &ruling in &verdict.rulings {
            *self.tally.entry(ruling).or_default() += 1;
        }
        self.cases.push(Case { from, packet, about, frames, verdict, heard: Vec::new() });
    }

    /// ARP that every port may send, and that comes behind all that its port has sent before.
    fn announce(&mut self) {
        for name in self.names.clone() {
            let port = self.network.topology.port(&name).expect("a port of the topology").clone();
            let Some(std::net::IpAddr::V4(own)) = port.fixed_ips.first().copied() else { panic!("it has an address") };
            let body = Body::Arp { op: 1, sha: port.mac_address, spa: own, tpa: own };
            let packet = Packet { eth_src: port.mac_address, eth_dst: MacAddr::BROADCAST, body };
            self.add(name, packet, "announcements".into());
        }
    }

    /// Until all has arrived that should, from this case on; whatever should not have fails.
    fn listen(&mut self, first: usize) {
        let mut missing: BTreeSet<(usize, u8, Name)> = BTreeSet::new();
        for (number, case) in (first..).zip(&self.cases[first..]) {
            let frames = (0..).zip(&case.frames).map(|(index, _)| index);
            missing.extend(frames.flat_map(|index| case.verdict.to.iter().map(move |to| (number, index, to.clone()))));
        }
        let deadline = Instant::now() + DEADLINE;
        while !missing.is_empty() {
            let Some((name, frame)) = self.machines.hear(deadline) else {
                let (number, index, name) = missing.first().expect("something is missing");
                self.fail(*number, &format!("frame {index} does not come to {name}"));
            };
            let Some((number, index)) = number_of(&frame) else { continue };
            let (number, name) = (number as usize, Name::from(name));
            let case = &mut self.cases[number];
            case.heard.push((index, name.clone()));
            if !case.verdict.to.contains(&name) {
                self.fail(number, &format!("frame {index} comes to {name}"));
            }
            if case.frames[usize::from(index)] != frame {
                self.fail(number, &format!("frame {index} comes to {name} with other content"));
            }
            if !missing.remove(&(number, index, name.clone())) {
                self.fail(number, &format!("frame {index} comes to {name} once more"));
            }
        }
    }

    fn fail(&self, number: usize, what: &str) -> ! {
        let case = &self.cases[number];
        let mut story = String::new();
        for (number, case) in
            self.cases.iter().enumerate().take(number + 1).filter(|(_, other)| other.about == case.about)
        {
            let Case { from, packet, verdict, heard, .. } = case;
            story += &format!("  {number} {from}: {packet}\n      {:?} to {:?}", verdict.why, verdict.to);
            story += &format!(", heard by {heard:?}\n");
        }
        let rules = self.model.marked_text(self.version);
        let (seed, why, to) = (self.seed, &case.verdict.why, &case.verdict.to);
        panic!(
            "HEDDLE_SEED={seed}, packet {number} from {}: {}\n{what}\nevaluated: {why:?}, to {to:?}; heard by {:?}\n\
             version {}\n{rules}what was said before:\n{story}",
            case.from, case.packet, case.heard, self.version
        );
    }
}

#[test]
fn what_arrives_is_what_the_rules_mean() {
    let (seed, cases) = (setting("HEDDLE_SEED", SEED), setting("HEDDLE_CASES", CASES as u64) as usize);
    let lab = lab();
    let mut proof = Proof::new(&lab, seed);
    proof.apply();
    let started = Instant::now();
    while proof.cases.len() < cases {
        (0..ROUNDS).for_each(|_| proof.round());
        proof.change_rules();
    }
    proof.round();
    let delivered = proof.cases.iter().filter(|case| !case.verdict.to.is_empty()).count();
    let versions = proof.version - FIRST_VERSION;
    println!(
        "{} packets, {delivered} of them delivered, {versions} sets of rules, {:?}",
        proof.cases.len(),
        started.elapsed()
    );
    for (ruling, count) in &proof.tally {
        println!("{count:>6} {ruling:?}");
    }
    // A run in which something never happens proves nothing of it.
    for direction in Direction::ALL {
        for (seen, ruling) in OUTCOMES {
            assert!(proof.tally.contains_key(&(direction, seen, ruling)), "never: {direction:?} {seen:?} {ruling:?}");
        }
    }
}
