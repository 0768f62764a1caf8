//! Whatever happens, in whatever order: topologies edited, ports plugged, connections lost, flows refused and changed by
//! others, answers that never come, against simulated switches. After it is quiet every bridge holds what is wanted; and
//! after every step on the way each holds what was wanted at some one moment, and no broadcast gets into a network that is
//! not its sender's.
//!
//! `HEDDLE_SEED=N` runs one seed; `HEDDLE_SOAK_SECONDS=N` goes on with new seeds for so long. A failure says the seed, the
//! step, what is wrong and what happened last.

mod support;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fmt::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

use heddle::config::Config;
use heddle::flow::Flow;
use heddle::flow::text::{Cookies, Numbers, Printer};
use heddle::openflow::bundle::BundleControlType;
use heddle::openflow::{Action, Cookie, ErrorCode, Match, PortNo, TableId};
use heddle::pipeline::{Bridge, cookie};
use support::broadcasts::{End, Segment, Wires, segment};
use support::dice::Dice;
use support::model;
use support::one_host::{ALL, OneHost, Reuse};
use support::scene::Scene;

/// Seeds of a run without `HEDDLE_SEED` and `HEDDLE_SOAK_SECONDS`.
const SEEDS: std::ops::Range<u64> = 0..10;
/// What happens to a host before it is left alone.
const STEPS: usize = 400;
/// Seconds after which a host that is left alone has to be as wanted: what was refused is tried again by then.
const QUIET_WITHIN: usize = 100;
/// Events that a failure tells.
const TOLD: usize = 12;
const NODE: &str = "node0";

/// A flow's identity, to remember.
type Key = (u8, u16, Vec<u8>);

fn key(flow: &Flow) -> Key {
    (flow.table.0, flow.priority, flow.match_tlvs().to_vec())
}

fn text(flow: &Flow) -> String {
    let mut text = Vec::new();
    Printer::new(&Numbers).wanted(flow, Cookies::Shown, &mut text).expect("a Vec takes everything");
    String::from_utf8_lossy(&text).into_owned()
}

/// What is known of one bridge since it was quiet.
#[derive(Default)]
struct Seen {
    /// The oldest moment of which it may still hold what was wanted.
    floor: usize,
    /// Flows that others touched or that it refused: they may be anything until it is quiet.
    tainted: HashSet<Key>,
    /// It was full, or took changes one by one: only what comes of it in the end counts.
    disturbed: bool,
    changes: u64,
}

struct Run {
    dice: Dice,
    scene: Scene,
    one: OneHost,
    seen: BTreeMap<String, Seen>,
    /// The networks that ports were in since it was quiet.
    networks: BTreeMap<String, BTreeSet<String>>,
    /// The segments that networks had since it was quiet.
    segments: BTreeMap<String, BTreeSet<Segment>>,
    events: Vec<String>,
}

impl Run {
    fn new(seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let scene = Scene::new(&mut dice);
        let mut config = Config::defaults(NODE);
        for number in 0..2 {
            config.bridges.physical.insert(format!("phys{number}").into(), format!("br-phys{number}").into());
        }
        let one = OneHost::new(config, scene.topology());
        let mut run = Self {
            dice,
            scene,
            one,
            seen: BTreeMap::new(),
            networks: BTreeMap::new(),
            segments: BTreeMap::new(),
            events: Vec::new(),
        };
        run.remember_topology();
        run
    }

    fn note(&mut self, event: impl Into<String>) {
        self.events.push(event.into());
    }

    fn remember_topology(&mut self) {
        let topology = self.one.host.topology().clone();
        for port in topology.ports() {
            self.networks.entry(port.name.to_string()).or_default().insert(port.network.to_string());
        }
        for network in topology.networks() {
            self.segments.entry(network.name.to_string()).or_default().extend(segment(&network.kind));
        }
    }

    /// Everything from the start to the end.
    fn whole(&mut self) -> Result<(), String> {
        self.one.reconnect_database();
        for round in 0..2 {
            for _ in 0..STEPS {
                self.step(round)?;
            }
            self.rest()?;
        }
        Ok(())
    }

    fn switch_name(&mut self) -> Option<String> {
        let names = self.one.names();
        (!names.is_empty()).then(|| self.dice.pick(&names))
    }

    /// One thing happens.
    fn step(&mut self, round: usize) -> Result<(), String> {
        let choice = self.dice.below(100);
        let name = self.switch_name();
        match (choice, name) {
            (0..8, _) => _ = self.one.tell_news(),
            (8..12, _) => _ = self.one.write_database(),
            (12..18, _) => _ = self.one.commit(),
            (18..24, _) => {
                let reuse = if self.dice.below(2) == 0 { Reuse::Freed } else { Reuse::Never };
                self.one.configure(reuse);
            }
            (24..80, Some(name)) => return self.move_messages(&name),
            (80..84, _) => {
                let what = self.scene.edit(&mut self.dice);
                self.note(what);
                self.one.set_topology(self.scene.topology());
                self.remember_topology();
            }
            (84..90, _) => {
                let port = format!("port{}", self.dice.below(model::PORTS.into()));
                if self.dice.below(3) > 0 {
                    self.note(format!("{port} is plugged"));
                    self.one.plug(&port);
                } else {
                    self.note(format!("{port} is unplugged"));
                    self.one.unplug(&port);
                }
            }
            (90..92, _) => self.one.tick(),
            (92, _) => {
                self.note("the database's connection ends and comes back");
                self.one.reconnect_database();
            }
            (93, _) if self.one.fail_transaction() => self.note("a transaction fails"),
            (94 | 95, Some(name)) if self.dice.below(2) == 0 => {
                self.note(format!("all but {name} get on"));
                self.one.settle(&[&name]);
            }
            (94, Some(name)) => {
                self.note(format!("{name} is disconnected"));
                self.one.disconnect(&name);
            }
            (96..99, Some(name)) if round > 0 => self.disturb(&name),
            (99, Some(name)) if self.dice.below(4) == 0 => {
                self.note(format!("{name} restarts"));
                self.one.disconnect(&name);
                self.one.switches.get_mut(&name).expect("it is there").simulator.restart();
            }
            _ => {}
        }
        self.check()
    }

    /// Messages come further, between the agent and one switch.
    fn move_messages(&mut self, name: &str) -> Result<(), String> {
        match self.dice.below(6) {
            0 => _ = self.one.connect(name),
            1 => _ = self.one.obey(name),
            2 => _ = self.one.send(name),
            3 => {
                let messages = self.dice.below(30);
                self.one.hear(name, messages);
            }
            _ => {
                for _ in 0..self.dice.below(30) {
                    self.one.process(name);
                    self.check()?;
                }
            }
        }
        self.check()
    }

    /// Somebody or something stands in Heddle's way on one switch.
    fn disturb(&mut self, name: &str) {
        let choice = self.dice.below(9);
        let Self { dice, one, seen, events, .. } = self;
        let seen = seen.entry(name.to_owned()).or_default();
        let simulator = &mut one.switches.get_mut(name).expect("it is there").simulator;
        let flows = simulator.flows.sorted();
        let flow = (!flows.is_empty()).then(|| dice.pick(&flows));
        match (choice, flow) {
            (0 | 1, Some(flow)) => {
                events.push(format!("somebody deletes on {name}: {}", text(&flow)));
                seen.tainted.insert(key(&flow));
                simulator.others_delete(&flow.key());
            }
            (2, Some(flow)) if flow.table.0 != 0 => {
                events.push(format!("somebody changes on {name}: {}", text(&flow)));
                let mut other = Flow::clone(&flow);
                other.cookie = Cookie(flow.cookie.0 ^ 1);
                seen.tainted.insert(key(&flow));
                simulator.others_modify(&Arc::new(other));
            }
            (3, _) => {
                let matching = Match::new().in_port(PortNo(4000 + dice.below(9) as u32));
                let actions = [Action::output(PortNo(1))];
                let cookie = Cookie(dice.below(8) as u64);
                let flow = Flow::new(TableId(200), 5, &matching, cookie, &actions, None);
                let flow = Arc::new(flow.expect("it can be written"));
                events.push(format!("somebody adds on {name}: {}", text(&flow)));
                seen.tainted.insert(key(&flow));
                simulator.others_add(&flow);
            }
            (4, Some(flow)) => {
                events.push(format!("{name} refuses flows of priority {}", flow.priority));
                simulator.refused.insert(flow.priority);
            }
            (5, _) if dice.below(3) == 0 => {
                events.push(format!("{name} is full"));
                simulator.capacity = simulator.flows.len() + dice.below(5);
                seen.disturbed = true;
            }
            (7, _) if dice.below(3) == 0 => {
                events.push(format!("{name} deletes no flow any more"));
                simulator.keeps = true;
                seen.disturbed = true;
            }
            (8, _) if dice.below(3) == 0 => {
                let refused = dice.pick(&[BundleControlType::OPEN_REQUEST, BundleControlType::COMMIT_REQUEST]);
                events.push(format!("{name} refuses bundles: {refused:?}"));
                simulator.bundle_error = Some((refused, ErrorCode::BFC_TIMEOUT));
                seen.disturbed = true;
            }
            (6, _) if dice.below(2) == 0 => {
                events.push(format!("{name} pauses its monitor"));
                simulator.pause();
            }
            (6, _) => {
                simulator.resume();
                events.push(format!("{name} tells what it has missed"));
            }
            _ => {}
        }
    }

    /// All faults end, and time passes until everybody is content.
    fn rest(&mut self) -> Result<(), String> {
        self.note("all faults end");
        for switch in self.one.switches.values_mut() {
            switch.simulator.refused.clear();
            switch.simulator.capacity = usize::MAX;
            switch.simulator.keeps = false;
            switch.simulator.bundle_error = None;
            switch.simulator.resume();
        }
        for _ in 0..QUIET_WITHIN {
            self.settle()?;
            if self.difference().is_none() {
                return self.settled();
            }
            self.one.tick();
        }
        Err(format!("after {QUIET_WITHIN} s of quiet: {}", self.difference().unwrap_or_default()))
    }

    /// Until nobody has anything to say.
    fn settle(&mut self) -> Result<(), String> {
        for _ in 0..10_000 {
            let mut busy = self.one.tell_news() | self.one.write_database() | self.one.commit();
            busy |= self.one.configure(Reuse::Never);
            for name in self.one.names() {
                busy |= self.one.connect(&name) | self.one.obey(&name) | self.one.send(&name);
                while self.one.is_behind(&name) {
                    self.one.process(&name);
                    self.check()?;
                    busy = true;
                }
                busy |= self.one.hear(&name, ALL);
            }
            self.check()?;
            if !busy {
                return Ok(());
            }
        }
        Err("it never comes to rest".into())
    }

    /// The first thing that is not as wanted.
    fn difference(&self) -> Option<String> {
        let host = &self.one.host;
        for (name, bridge, state) in host.bridges().iter() {
            let Some(switch) = self.one.switches.get(&**name) else { return Some(format!("there is no {name}")) };
            let wanted = host.bridges().wanted(bridge, host.desired(), 0);
            for flow in wanted.flows.sorted() {
                if switch.simulator.flows.get(&flow.key()) != Some(&flow) {
                    return Some(format!("{name} lacks {}", text(&flow)));
                }
            }
            let ours =
                |flow: &&Arc<Flow>| !matches!(bridge, Bridge::Physical(_)) || cookie::decode(flow.cookie).is_some();
            let more = switch.simulator.flows.iter().filter(ours).find(|flow| wanted.flows.get(&flow.key()).is_none());
            if let Some(flow) = more {
                return Some(format!("{name} has still {}", text(flow)));
            }
            if !state.progress.rejected.is_empty() {
                return Some(format!("{name} counts as refusing {}", text(&state.progress.rejected[0].flow)));
            }
        }
        let database = self.one.database.snapshot();
        for port in host.topology().local_ports(NODE) {
            let name = format!("tap-{}", port.name);
            let Some((_, interface)) = database.interface_named(&name) else { continue };
            let marked = interface.external_ids.get("heddle-installed").is_some_and(|mark| mark == "true");
            if !(host.is_installed(&port.name) && marked) {
                return Some(format!("{} is not installed (marked: {marked})", port.name));
            }
        }
        None
    }

    /// From now on only what is wanted now counts.
    fn settled(&mut self) -> Result<(), String> {
        self.seen.clear();
        self.one.forget_moments();
        self.networks.clear();
        self.segments.clear();
        self.remember_topology();
        self.check()
    }

    // What must never be seen.

    fn check(&mut self) -> Result<(), String> {
        let mut changed = false;
        for name in self.one.names() {
            let changes = self.one.switches[&name].simulator.changes;
            let seen = self.seen.entry(name.clone()).or_default();
            if std::mem::replace(&mut seen.changes, changes) != changes {
                changed = true;
                self.check_moment(&name)?;
            }
        }
        // Whoever deletes a flow that keeps packets in, or refuses it, lets them out.
        let left_alone = |seen: &Seen| seen.tainted.is_empty() && !seen.disturbed;
        let is_watched = changed && self.seen.values().all(left_alone);
        if is_watched { self.check_broadcasts() } else { Ok(()) }
    }

    /// The bridge holds what was wanted at one moment, and not at one before that of the last time.
    fn check_moment(&mut self, name: &str) -> Result<(), String> {
        let simulator = &self.one.switches[name].simulator;
        let seen = self.seen.get_mut(name).expect("it was just looked at");
        if seen.disturbed || !simulator.bundles {
            return Ok(());
        }
        let refused = &simulator.refused;
        let wanted = self.one.moments.get(name).map(|moments| moments.wanted.as_slice()).unwrap_or_default();
        for table in wanted {
            seen.tainted.extend(table.iter().filter(|flow| refused.contains(&flow.priority)).map(|flow| key(flow)));
        }
        let is_clean = |flow: &&Arc<Flow>| !seen.tainted.contains(&key(flow));
        let ours = |flow: &&Arc<Flow>| !name.starts_with("br-phys") || cookie::decode(flow.cookie).is_some();
        let held: BTreeMap<Key, &Arc<Flow>> =
            simulator.flows.iter().filter(is_clean).filter(ours).map(|flow| (key(flow), flow)).collect();
        // A switch begins with nothing, and so does one that restarts.
        if held.is_empty() {
            return Ok(());
        }
        let mut closest: Option<String> = None;
        for (moment, wanted) in wanted.iter().enumerate().skip(seen.floor) {
            let missing = wanted.iter().filter(is_clean).find(|flow| held.get(&key(flow)) != Some(flow));
            let more = held.values().find(|flow| wanted.get(&flow.key()).is_none());
            match (missing, more) {
                (None, None) => {
                    seen.floor = moment;
                    return Ok(());
                }
                (Some(flow), _) => closest = Some(format!("lacks {}", text(flow))),
                (None, Some(flow)) => closest = Some(format!("has {}", text(flow))),
            }
        }
        Err(format!("{name} holds what was wanted at no one moment: it {}", closest.unwrap_or_default()))
    }

    /// What each local port broadcasts stays in a network that is or was its own, and so does what comes in.
    fn check_broadcasts(&self) -> Result<(), String> {
        let wires = Wires::new(&self.one);
        for sender in wires.ports.keys() {
            let Some(port) = self.one.host.topology().port(sender) else { continue };
            let own = &self.networks[&**sender];
            for end in wires.broadcast(port) {
                let is_fine = match &end {
                    End::Port(listener) => self.networks.get(listener).is_some_and(|theirs| !theirs.is_disjoint(own)),
                    End::Segment(segment) => own.iter().any(|network| self.segments[network].contains(segment)),
                };
                if !is_fine {
                    return Err(format!("a broadcast of {sender}, which is in {own:?}, reaches {end:?}"));
                }
            }
        }
        let vnis: BTreeSet<&Segment> = self.segments.values().flatten().collect();
        for segment in vnis {
            let Segment::Vxlan(vni) = segment else { continue };
            let is_there = |network: &String| self.segments[network].contains(segment);
            for end in wires.leave_tunnels(*vni) {
                if let End::Port(listener) = &end
                    && !self.networks.get(listener).is_some_and(|theirs| theirs.iter().any(is_there))
                {
                    return Err(format!("a broadcast with VNI {vni} from a tunnel reaches {listener}"));
                }
            }
        }
        Ok(())
    }
}

/// Runs one seed; panics with the shortest account of what went wrong.
fn run(seed: u64) {
    let mut run = Run::new(seed);
    if let Err(wrong) = run.whole() {
        let mut account =
            format!("HEDDLE_SEED={seed}: {wrong}\nafter {} events, of which the last:\n", run.events.len());
        for event in run.events.iter().rev().take(TOLD).rev() {
            writeln!(account, "  {event}").expect("a String takes everything");
        }
        panic!("{account}");
    }
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{variable} is a number")))
}

#[test]
fn whatever_happens_in_whatever_order_every_bridge_ends_as_wanted_and_no_moment_is_forbidden() {
    if let Some(seed) = number("HEDDLE_SEED") {
        return run(seed);
    }
    SEEDS.for_each(run);
    let soak = Duration::from_secs(number("HEDDLE_SOAK_SECONDS").unwrap_or(0));
    let began = Instant::now();
    (SEEDS.end..).take_while(|_| began.elapsed() < soak).for_each(run);
}
