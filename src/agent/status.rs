//! What `heddle status` shows.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::counters::Counters;
use super::flow_restore::Restoration;
use super::host::Host;
use super::outage::Outage;
use super::refusal_status::{RefusalStatus, Teller, why_refused};
use super::refusals::RefusalHistory;
use super::responders::Responders;
use crate::ovsdb::Ofport;
use crate::pipeline::Bridge;
use crate::responder::learning;

/// The role of a learning bridge.
const LEARNING: &str = "learning";

/// How the daemon stands with the database of Open vSwitch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DatabaseState {
    /// Learning bridges need none.
    Unused,
    /// It is out of reach.
    Disconnected,
    /// Connected; another Heddle serves it, and this one waits for its end.
    StandingBy,
    /// Connected, and this Heddle serves it.
    Connected,
}

/// The daemon's state; `heddle status --json` prints it as it is.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Status {
    /// This node.
    pub node: String,
    /// The topology file; nothing as long as there is none, and learning bridges alone are served.
    pub topology: Option<String>,
    /// Why the file is not what is in force, if it was refused.
    pub topology_problem: Option<String>,
    /// Why the host's own file is not what is in force, if it was refused.
    pub config_problem: Option<String>,
    /// Why the files of `[tls]` are not what is in force, if they were refused.
    pub tls_problem: Option<String>,
    /// The database's address.
    pub ovsdb: String,
    /// True while the database is connected.
    pub ovsdb_connected: bool,
    /// True while another Heddle serves the database: this one writes nothing, and takes over when that one ends.
    pub standing_by: bool,
    /// What is wanted of the database, or of a switch, and cannot be done.
    pub problems: Vec<String>,
    /// The bridges.
    pub bridges: Vec<BridgeStatus>,
    /// Networks in use here.
    pub networks: Vec<NetworkStatus>,
    /// The ports that the topology has on this node.
    pub ports: Vec<PortStatus>,
    /// Interfaces on the integration bridge that are not served: what they send is dropped.
    pub unserved: Vec<UnservedStatus>,
    /// How many connections were sent away or given up since the start, by reason.
    pub refused_connections: BTreeMap<String, u64>,
    /// Where the latest of each reason came from.
    pub latest_refused: BTreeMap<String, String>,
}

/// What the daemon knows beside its [`Host`].
#[derive(Clone, Copy)]
pub struct Standing<'a> {
    /// How it stands with the database.
    pub database: DatabaseState,
    /// Why the topology file was refused.
    pub topology_problem: Option<&'a str>,
    /// Why the host's own file was refused.
    pub config_problem: Option<&'a str>,
    /// Why the files of `[tls]` were refused.
    pub tls_problem: Option<&'a str>,
    /// Why the last change of the database failed.
    pub transaction_problem: Option<&'a str>,
    /// What was counted.
    pub counters: &'a Counters,
    /// Since when flows are refused.
    pub refusals: &'a RefusalHistory,
    /// The time on the same clock.
    pub now: Duration,
}

/// One bridge.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct BridgeStatus {
    /// Its name.
    pub name: String,
    /// `integration`, `tunnel`, `learning`, or `physical` and the physical network.
    pub role: String,
    /// Its datapath id, while it is connected.
    pub datapath_id: Option<String>,
    /// Where it connects from, while it is connected.
    pub connected_from: Option<String>,
    /// For how many seconds it has not been connected, if it is not; one that never was: since the daemon started.
    pub disconnected_seconds: Option<u64>,
    /// Why it is not, if it did not simply close its connection.
    pub disconnected_reason: Option<String>,
    /// How often its connection has ended since the daemon started.
    pub disconnections: u64,
    /// Wanted flows.
    pub wanted: usize,
    /// Flows that the switch has confirmed.
    pub installed: usize,
    /// Flows that the switch refuses to add, or to delete.
    pub rejected: Vec<RefusalStatus>,
    /// Why flows change one by one, if the switch refuses bundles.
    pub without_bundles: Option<String>,
    /// Flows that differed when the bridge connected.
    pub differences: Option<usize>,
    /// FLOW_MODs sent since it connected.
    pub flow_mods: u64,
    /// Flows put right after somebody else changed them.
    pub repaired: u64,
    /// What a learning bridge has learnt since it connected.
    pub learning: Option<learning::Counters>,
}

/// A network in use on this node.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct NetworkStatus {
    /// Its name.
    pub name: String,
    /// Its VLAN on this node.
    pub local_vlan: u16,
    /// The largest packet of its ports in bytes.
    pub mtu: Option<u16>,
    /// What is answered in it.
    pub answers: Responders,
}

/// A port of this node.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct PortStatus {
    /// Its name in the topology.
    pub name: String,
    /// Its network.
    pub network: String,
    /// Its interface, if there is one.
    pub interface: Option<String>,
    /// Its number, if the switch gave it one.
    pub ofport: Option<u32>,
    /// The VLAN of its network on this node.
    pub local_vlan: Option<u16>,
    /// `installed`, `programming`, `refused` or `waiting`.
    pub state: PortState,
    /// What it waits for, or why it is refused.
    pub reason: Option<String>,
    /// True while it is kept on the dead VLAN, because the switch has not confirmed, or refuses, a flow that guards it.
    pub closed: bool,
    /// The flows that the switch refuses, and that it is without.
    pub refused: Vec<RefusalStatus>,
    /// The MTU of its interface, if the switch knows it.
    pub mtu: Option<i64>,
    /// What keeps no packet from being forwarded and yet is not as it should be.
    pub warning: Option<String>,
}

/// How far a port is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PortState {
    /// All its flows are in effect.
    Installed,
    /// Its flows are on their way, or a bridge is not connected.
    Programming,
    /// The switch refuses a flow of it.
    Refused,
    /// Its interface is missing or has no number yet.
    Waiting,
}

/// An interface that is not served.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct UnservedStatus {
    /// The interface.
    pub interface: String,
    /// Why.
    pub reason: String,
}

impl Status {
    /// True if nothing stands in the way of what is wanted; ports whose interface is not there yet do not.
    pub fn is_good(&self) -> bool {
        (self.ovsdb_connected || self.topology.is_none())
            && !self.standing_by
            && self.topology_problem.is_none()
            && self.config_problem.is_none()
            && self.tls_problem.is_none()
            && self.problems.is_empty()
            && self.bridges.iter().all(|bridge| bridge.connected_from.is_some() && bridge.rejected.is_empty())
    }

    /// The status of a host.
    pub fn of(host: &Host, standing: Standing<'_>) -> Self {
        let Standing { database, .. } = standing;
        let teller = Teller::new(host, standing);
        let config = host.config();
        let uses_database = database != DatabaseState::Unused;
        let mut unserved: Vec<UnservedStatus> = host
            .binder()
            .rows()
            .filter_map(|(uuid, row)| {
                let reason = match &row.claim {
                    Err(reason) => reason.to_string(),
                    Ok(port) if host.binder().bindings().get(port).is_some_and(|binding| binding.row != uuid) => {
                        format!("another interface is port {port} already")
                    }
                    Ok(_) => return None,
                };
                Some(UnservedStatus { interface: row.interface_name.clone(), reason })
            })
            .collect();
        unserved.sort_by(|a, b| a.interface.cmp(&b.interface));
        Self {
            node: config.node.to_string(),
            topology: uses_database.then(|| config.topology.display().to_string()),
            topology_problem: standing.topology_problem.map(str::to_owned),
            config_problem: standing.config_problem.map(str::to_owned),
            tls_problem: standing.tls_problem.map(str::to_owned),
            ovsdb: config.ovsdb.remote.to_string(),
            ovsdb_connected: matches!(database, DatabaseState::StandingBy | DatabaseState::Connected),
            standing_by: database == DatabaseState::StandingBy,
            problems: problems(host).chain(standing.transaction_problem.map(str::to_owned)).collect(),
            bridges: bridges(host, standing, &teller)
                .filter(|bridge| uses_database || bridge.role == LEARNING)
                .collect(),
            networks: networks(host),
            ports: ports(host, &teller),
            unserved,
            refused_connections: standing
                .counters
                .strangers
                .iter()
                .map(|(reason, of)| (reason.to_owned(), of.count))
                .collect(),
            latest_refused: standing
                .counters
                .strangers
                .iter()
                .map(|(reason, of)| (reason.to_owned(), of.latest.clone()))
                .collect(),
        }
    }
}

fn problems(host: &Host) -> impl Iterator<Item = String> {
    let of_database = host.problems().iter().map(ToString::to_string);
    let of_flows = host.desired().refused().map(|flow| format!("a flow cannot be sent: {flow}"));
    let restored = host.awaits_restoration().then(|| Restoration::Began.to_string());
    of_database.chain(of_flows).chain(restored)
}

fn networks(host: &Host) -> Vec<NetworkStatus> {
    let view = host.view();
    let status = host.binder().local_vlans().iter().map(|(name, vlan)| {
        let network = view.topology.network(name);
        NetworkStatus {
            name: name.to_string(),
            local_vlan: vlan.vid(),
            mtu: network.map(|network| view.topology.mtu_of(network)),
            answers: network.map(|network| Responders::of(network, view.layout)).unwrap_or_default(),
        }
    });
    status.collect()
}

fn mtu(host: &Host, network: &str) -> Option<u16> {
    Some(host.topology().mtu_of(host.topology().network(network)?))
}

fn bridges(host: &Host, standing: Standing<'_>, teller: &Teller<'_>) -> impl Iterator<Item = BridgeStatus> {
    let never = Outage::default();
    let outage = |bridge| standing.counters.bridge(bridge).map_or(&never, |counters| &counters.outage);
    let lasts = |bridge| outage(bridge).lasts(standing.now).map(|lasts| lasts.as_secs());
    let status = host.bridges().iter().map(|(name, bridge, state)| BridgeStatus {
        name: name.to_string(),
        role: match bridge {
            Bridge::Integration => "integration".to_owned(),
            Bridge::Tunnel => "tunnel".to_owned(),
            Bridge::Physical(physical_network) => format!("physical {physical_network}"),
            Bridge::Learning(_) => LEARNING.to_owned(),
        },
        datapath_id: state.connected.as_ref().map(|connected| connected.datapath_id.to_string()),
        connected_from: state.connected.as_ref().map(|connected| connected.peer.clone()),
        disconnected_seconds: lasts(bridge),
        disconnected_reason: lasts(bridge).and_then(|_| outage(bridge).reason.clone()),
        disconnections: outage(bridge).count,
        wanted: state.progress.wanted,
        installed: state.progress.installed,
        rejected: state.progress.rejected.iter().map(|rejected| teller.tell((bridge, rejected))).collect(),
        without_bundles: state.progress.without_bundles.map(|refusal| refusal.to_string()),
        differences: state.differences,
        flow_mods: state.progress.flow_mods,
        repaired: state.progress.repaired,
        learning: matches!(bridge, Bridge::Learning(_)).then(|| state.learning),
    });
    let mut status: Vec<BridgeStatus> = status.collect();
    for name in &host.config().learning.named {
        if status.iter().all(|bridge| bridge.name != **name) {
            status.push(BridgeStatus { name: name.to_string(), role: LEARNING.to_owned(), ..BridgeStatus::default() });
        }
    }
    status.into_iter()
}

fn ports(host: &Host, teller: &Teller<'_>) -> Vec<PortStatus> {
    let binder = host.binder();
    let refusals = host.refusals();
    let mut ports: Vec<PortStatus> = host
        .topology()
        .local_ports(&host.config().node)
        .map(|port| {
            let binding = binder.bindings().get(&port.name);
            let row = binding.and_then(|binding| binder.row(binding.row));
            let refused: Vec<RefusalStatus> =
                refusals.of_port(&port.name).map(|refused| teller.tell(refused)).collect();
            let closed = binding.is_some() && host.is_unguarded(&port.name);
            let (state, reason) = match (binding, row) {
                (Some(_), _) if host.is_installed(&port.name) => (PortState::Installed, None),
                (Some(_), Some(row)) if row.ofport.port_no().is_none() => {
                    (PortState::Waiting, Some(no_number(row.ofport).to_owned()))
                }
                (Some(_), _) if !refused.is_empty() => (PortState::Refused, Some(why_refused(closed, &refused))),
                (Some(_), _) => (PortState::Programming, None),
                (None, _) if binder.is_starved(&port.name) => {
                    (PortState::Waiting, Some("all 4094 local VLANs of this node are in use".to_owned()))
                }
                (None, _) => {
                    (PortState::Waiting, Some("no interface on the integration bridge has its name".to_owned()))
                }
            };
            let interface = binding.and_then(|binding| host.database()?.interface(binding.interface));
            let actual = interface.and_then(|interface| interface.mtu);
            let too_small =
                actual.zip(mtu(host, &port.network)).filter(|(actual, wanted)| *actual < i64::from(*wanted));
            PortStatus {
                mtu: actual,
                warning: too_small.map(|(actual, wanted)| {
                    format!("its interface passes packets of up to {actual} bytes, its network's are up to {wanted}")
                }),
                name: port.name.to_string(),
                network: port.network.to_string(),
                interface: row.map(|row| row.interface_name.clone()),
                ofport: row.and_then(|row| row.ofport.port_no()).map(|port_no| port_no.0),
                local_vlan: binding.and(binder.local_vlans().get(&port.network)).map(|vlan| vlan.vid()),
                state,
                reason,
                closed,
                refused,
            }
        })
        .collect();
    ports.sort_by(|a, b| a.name.cmp(&b.name));
    ports
}

fn no_number(ofport: Ofport) -> &'static str {
    match ofport {
        Ofport::Failed => "the switch cannot open the interface (ofport -1)",
        _ => "the switch has not given it a port number yet",
    }
}
