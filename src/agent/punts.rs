//! What `heddle punts` shows: who sends up what, and what becomes of it, with the names of this moment.

use std::collections::HashMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::counters::{BridgeCounters, Counters, TalkerKey};
use super::host::Host;
use crate::openflow::{MacAddr, PortNo};
use crate::ovsdb::Database;
use crate::responder::{Latency, Source, Verdict};
use crate::topology::Name;

/// Counted since the daemon started; `heddle punts --json` prints it as it is.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct PuntsStatus {
    /// This node.
    pub node: String,
    /// How long the daemon runs, in seconds.
    pub uptime: f64,
    /// Bridges from which anything came up.
    pub bridges: Vec<BridgePunts>,
}

/// What came up from one bridge.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct BridgePunts {
    /// Its name.
    pub bridge: String,
    /// The uptime at which its connection told last: rates are differences of packets over differences of this.
    pub told_at: f64,
    /// All packets by kind and verdict, without those of which there were none.
    pub packets: Vec<KindPunts>,
    /// How long answers took: the buckets that are not empty.
    pub latency: Vec<Bucket>,
    /// How long half of them took at most, and 99 of 100, in seconds.
    pub answer_seconds: Option<Quantiles>,
    /// By sender, as far as remembered.
    pub talkers: Vec<TalkerPunts>,
}

/// Packets of one kind that met the same end.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct KindPunts {
    /// `arp`, `nd`, `dhcpv4`, `dhcpv6`, `router_solicitation`, `security_log`, `learning` or `other`.
    pub kind: String,
    /// `answered`, `passed_on`, `logged`, `ignored`, `limited` or `malformed`.
    pub verdict: String,
    /// How many.
    pub packets: u64,
}

/// What parts of the answers did not exceed, in seconds.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub struct Quantiles {
    /// Half of them.
    pub p50: f64,
    /// 99 of 100.
    pub p99: f64,
}

/// Answers that took about as long.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Bucket {
    /// At most so many nanoseconds; none in the last bucket.
    pub nanoseconds: Option<u64>,
    /// How many.
    pub answers: u64,
}

/// Packets of one sender and kind that met the same end.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct TalkerPunts {
    /// The interface of the bridge; its number if it has gone since.
    pub interface: Option<String>,
    /// The port of the topology.
    pub port: Option<String>,
    /// The MAC address, where many share an interface.
    pub mac_address: Option<String>,
    /// The kind of the packets.
    pub kind: String,
    /// What became of them.
    pub verdict: String,
    /// Why, if they were ignored or malformed.
    pub reason: Option<String>,
    /// How many.
    pub packets: u64,
}

impl PuntsStatus {
    /// As counted until now.
    pub fn of(host: &Host, counters: &Counters, uptime: Duration) -> Self {
        let names = Directory::of(host);
        let counted = host.bridges().iter().filter_map(|(name, bridge, _)| Some((name, counters.bridge(bridge)?)));
        let bridges = counted.filter(|(_, bridge)| bridge.punts.total() > 0);
        Self {
            node: host.config().node.to_string(),
            uptime: uptime.as_secs_f64(),
            bridges: bridges.map(|(name, bridge)| bridge_punts(name, bridge, &names)).collect(),
        }
    }
}

fn bridge_punts(name: &Name, bridge: &BridgeCounters, names: &Directory<'_>) -> BridgePunts {
    let counts = bridge.punts.iter().filter(|(_, _, packets)| *packets > 0);
    let mut talkers: Vec<TalkerPunts> = bridge
        .talkers
        .iter()
        .map(|(key, talker)| {
            let sender = names.sender(name, key.source);
            talker_punts(key, sender, (talker.verdict, talker.packets))
        })
        .collect();
    talkers.sort_by(|a, b| b.packets.cmp(&a.packets).then_with(|| a.port.cmp(&b.port)));
    BridgePunts {
        bridge: name.to_string(),
        told_at: bridge.told_at.as_secs_f64(),
        packets: counts
            .map(|(topic, outcome, packets)| KindPunts {
                kind: topic.name().to_owned(),
                verdict: outcome.name().to_owned(),
                packets,
            })
            .collect(),
        latency: buckets(&bridge.latency),
        answer_seconds: quantiles(&bridge.latency),
        talkers,
    }
}

fn talker_punts(key: &TalkerKey, sender: Sender, (verdict, packets): (Verdict, u64)) -> TalkerPunts {
    TalkerPunts {
        interface: sender.interface,
        port: sender.port,
        mac_address: sender.mac_address.map(|mac| mac.to_string()),
        kind: key.topic.name().to_owned(),
        verdict: key.outcome.name().to_owned(),
        reason: match verdict {
            Verdict::Ignored(reason) => Some(reason.to_owned()),
            Verdict::Malformed(error) => Some(error.to_string()),
            Verdict::Answered | Verdict::PassedOn | Verdict::Logged | Verdict::Limited => None,
        },
        packets,
    }
}

fn quantiles(latency: &Latency) -> Option<Quantiles> {
    let seconds = |part| latency.quantile(part).map(|duration| duration.as_secs_f64());
    Some(Quantiles { p50: seconds(0.5)?, p99: seconds(0.99)? })
}

fn buckets(latency: &Latency) -> Vec<Bucket> {
    let filled = latency.buckets().filter(|(_, answers)| *answers > 0);
    filled
        .map(|(bound, answers)| Bucket {
            nanoseconds: bound.and_then(|bound| bound.as_nanos().try_into().ok()),
            answers,
        })
        .collect()
}

/// Who sent a packet, by the names that there are.
struct Sender {
    interface: Option<String>,
    port: Option<String>,
    mac_address: Option<MacAddr>,
}

/// Which names stand for which numbers.
struct Directory<'a> {
    host: &'a Host,
    /// Interfaces by bridge and number.
    interfaces: HashMap<(&'a str, PortNo), &'a str>,
    /// Ports of the topology by their number on `br-int`.
    ports: HashMap<PortNo, &'a Name>,
    /// Networks by their local VLAN.
    networks: HashMap<u16, &'a Name>,
}

impl<'a> Directory<'a> {
    fn of(host: &'a Host) -> Self {
        let binder = host.binder();
        let ports = binder.bindings().iter().filter_map(|(name, binding)| Some((binding.ofport?, name)));
        let networks = binder.local_vlans().iter().map(|(name, vlan)| (vlan.vid(), name));
        let interfaces = host.database().into_iter().flat_map(interfaces);
        Self { host, interfaces: interfaces.collect(), ports: ports.collect(), networks: networks.collect() }
    }

    fn sender(&self, bridge: &str, source: Source) -> Sender {
        match source {
            Source::Port(number) => Sender {
                interface: Some(match self.interfaces.get(&(bridge, number)) {
                    Some(name) => (*name).to_owned(),
                    None => format!("port {}", number.0),
                }),
                port: self.port_of_integration(bridge, number).map(|name| name.to_string()),
                mac_address: None,
            },
            Source::Address(mac, vid) => {
                let topology = self.host.topology();
                let port = self.networks.get(&vid).and_then(|network| topology.port_by_mac(network, mac));
                Sender { interface: None, port: port.map(|port| port.name.to_string()), mac_address: Some(mac) }
            }
        }
    }

    fn port_of_integration(&self, bridge: &str, number: PortNo) -> Option<&Name> {
        let integration = bridge == &*self.host.config().bridges.integration;
        self.ports.get(&number).copied().filter(|_| integration)
    }
}

fn interfaces(database: &Database) -> impl Iterator<Item = ((&str, PortNo), &str)> {
    database.bridges().flat_map(move |(uuid, bridge)| {
        let interfaces = database.ports_of(uuid).filter_map(move |(port, _)| database.only_interface_of(port));
        interfaces.filter_map(|(_, interface)| {
            Some(((bridge.name.as_str(), interface.ofport.port_no()?), interface.name.as_str()))
        })
    })
}
