//! Somebody else changes our flows, a hundred times a second: each change is undone, and costs no more than that.

#[path = "support/client.rs"]
#[allow(dead_code, unreachable_pub, reason = "shared with other tests, which use the rest")]
mod client;
mod lab;

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

use client::{Client, parse};
use heddle::flow::Flow;
use heddle::openflow::echo::Echo;
use heddle::openflow::experimenter::Experimenter;
use heddle::openflow::flow_monitor::{FlowMonitorFlags, FlowMonitorRequest, FlowUpdate, FlowUpdateFull};
use heddle::openflow::multipart::Multipart;
use heddle::openflow::{Cookie, Entries, FlowFlags, FlowMod, FlowModCommand, FlowStats, MessageType, Xid, message};
use lab::*;

/// A change is to be undone within a second. More is granted to a machine that does other things as well.
const GRANTED: Duration = Duration::from_secs(10);
/// Between two changes.
const PAUSE: Duration = Duration::from_millis(10);

/// Table, priority and match.
type Key = (u8, u16, Vec<u8>);

/// Changes flows over a connection of its own, and sees in its flow monitor when each is undone: of its own changes
/// that tells in short, of Heddle's in full.
struct Meddler {
    client: Client,
    flows: Vec<Flow>,
    /// What it has changed, and nobody has undone yet.
    changed: HashMap<Key, Instant>,
    undone: u32,
    longest: Duration,
}

impl Meddler {
    fn start(host: &Host, bridge: &str) -> Self {
        let client = Client::connect(&host.mgmt(bridge), GRANTED);
        let mut meddler =
            Self { client, flows: Vec::new(), changed: HashMap::new(), undone: 0, longest: Duration::ZERO };
        let all = FlowMonitorFlags::INITIAL
            | FlowMonitorFlags::ADD
            | FlowMonitorFlags::DELETE
            | FlowMonitorFlags::MODIFY
            | FlowMonitorFlags::ACTIONS;
        meddler.client.send(|w| FlowMonitorRequest::all(3, all).encode_message(w, Xid(2)));
        for bytes in meddler.client.until_barrier() {
            meddler.flows.extend(full_updates(&bytes).iter().map(Flow::from_stats));
        }
        meddler
    }

    /// Deletes, modifies and adds in turn.
    fn change(&mut self, number: usize) {
        let flow = self.flows[number % self.flows.len()].clone();
        let change = match number % 3 {
            0 if !flow.instructions().is_empty() => {
                FlowMod { command: FlowModCommand::MODIFY_STRICT, instructions: &[], ..flow.to_add() }
            }
            1 => FlowMod { priority: flow.priority.wrapping_add(1), cookie: Cookie(0x77), ..flow.to_add() },
            _ => flow.to_delete(),
        };
        let key: Key = (change.table.0, change.priority, change.match_tlvs.to_vec());
        let known = |flow: &Flow| flow.key().table == change.table && flow.priority == change.priority;
        let taken = change.priority != flow.priority
            && self.flows.iter().any(|other| known(other) && other.match_tlvs() == change.match_tlvs);
        if taken || self.changed.contains_key(&key) {
            return;
        }
        self.client.send(|w| message(w, MessageType::FLOW_MOD, Xid(number as u32), |w| change.encode(w)));
        self.changed.insert(key, Instant::now());
    }

    /// Looks for so long at what comes.
    fn watch(&mut self, patience: Duration) {
        let end = Instant::now() + patience;
        while let Some(bytes) = self.client.receive_within(end.saturating_duration_since(Instant::now())) {
            let message = parse(&bytes);
            match message.header.message_type {
                MessageType::ECHO_REQUEST => {
                    let (echo, xid) = (Echo::decode(message.body), message.header.xid);
                    self.client.send(|w| echo.encode_reply(w, xid));
                }
                MessageType::MULTIPART_REPLY => {
                    for update in full_updates(&bytes) {
                        self.on_update(&update);
                    }
                }
                MessageType::ERROR => panic!("the switch refuses a change: {bytes:02x?}"),
                _ => {}
            }
        }
    }

    fn on_update(&mut self, update: &FlowStats<'_>) {
        let key = (update.table.0, update.priority, update.match_tlvs.to_vec());
        if let Some(since) = self.changed.remove(&key) {
            self.undone += 1;
            self.longest = self.longest.max(since.elapsed());
        }
    }
}

/// The updates of others' changes.
fn full_updates(bytes: &[u8]) -> Vec<FlowStats<'_>> {
    let multipart = Multipart::decode(parse(bytes).body_of(MessageType::MULTIPART_REPLY).unwrap()).unwrap();
    let body = Experimenter::decode(multipart.body.reader()).unwrap().body;
    let updates = Entries::<FlowUpdate<'_>>::new(body.reader()).map(|update| update.unwrap());
    let full = updates.filter_map(|update| match update {
        FlowUpdate::Full(update) => Some(stats(&update)),
        FlowUpdate::Abbrev { .. } => None,
    });
    full.collect()
}

fn stats<'a>(update: &FlowUpdateFull<'a>) -> FlowStats<'a> {
    FlowStats {
        table: update.table_id,
        duration_sec: 0,
        duration_nsec: 0,
        priority: update.priority,
        idle_timeout: update.idle_timeout,
        hard_timeout: update.hard_timeout,
        flags: FlowFlags::default(),
        cookie: update.cookie,
        packet_count: 0,
        byte_count: 0,
        match_tlvs: update.flow_match.oxm_fields().rest(),
        instructions: update.instructions.bytes(),
        instructions_offset: 0,
    }
}

fn flow_mods(host: &Host, bridge: &str) -> u64 {
    let status = host.heddle_status();
    let bridges = status["bridges"].as_array().unwrap();
    let row = bridges.iter().find(|row| row["name"] == bridge).unwrap();
    row["flow_mods"].as_u64().unwrap()
}

#[test]
fn a_hundred_changes_a_second_are_each_undone_and_cost_what_they_change() {
    let lab = every_network("others").start_settled();
    let host = lab.host("a");
    let flows: Vec<BTreeSet<String>> = BRIDGES.map(|bridge| host.flow_set(bridge)).into();
    for bridge in ["br-int", "br-tun"] {
        let before = flow_mods(host, bridge);
        let traffic = lab.traffic_on(&["local", "flat", "VLAN", "VXLAN"]);
        let mut meddler = Meddler::start(host, bridge);
        let (began, cpu) = (Instant::now(), host.heddle_cpu());
        let lasts = scaled(Duration::from_secs(5), Duration::from_secs(60));
        let mut number = 0;
        while began.elapsed() < lasts {
            meddler.change(number);
            number += 1;
            let next = began + PAUSE * number as u32;
            meddler.watch(next.saturating_duration_since(Instant::now()));
        }
        let last = Instant::now();
        while !meddler.changed.is_empty() {
            assert!(last.elapsed() < GRANTED, "never undone: {:?}", meddler.changed);
            meddler.watch(PAUSE);
        }
        let (took, used) = (began.elapsed().as_secs_f64(), host.heddle_cpu() - cpu);
        let (undone, sent) = (meddler.undone, flow_mods(host, bridge) - before);
        let losses = traffic.stop();
        println!("{bridge}: {undone} changes in {took:.1} s undone by {sent} FLOW_MODs; {used:.2} s of processor time");
        report(&format!("Others: 100 changes a second to the flows of {bridge}"), &losses, meddler.longest);
        assert!(undone as f64 > took * 20.0, "this is no hundred changes a second: {undone} in {took} s");
        assert!(sent <= 2 * u64::from(undone) + 20, "{sent} FLOW_MODs undo {undone} changes");
        assert!(used < took / 2.0, "{used} s of processor time in {took} s");
        losses.assert_no_duplicate();
    }
    host.wait_settled();
    for (bridge, flows) in BRIDGES.into_iter().zip(&flows) {
        host.assert_flows(bridge, flows);
    }
}
