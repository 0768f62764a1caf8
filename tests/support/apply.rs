//! Flows like those of a busy `br-tun`, and a session that brings a bridge to them: what the benchmarks of
//! the switch layer share.

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::sync::Arc;

use tokio::net::UnixStream;
use tokio::sync::mpsc;

use heddle::flow::{Flow, FlowTable};
use heddle::openflow::{MacAddr, PortNo};
use heddle::pipeline::{AnsweredBy, Answering, Bindings, Bridge, Layout, LocalVlan, View, all_flows};
use heddle::switch::{Command, ConnectionId, News, Ownership, Progress, Wanted, drive};
use heddle::topology::{Port, Topology};

const NODES: usize = 50;
const NETWORKS: usize = 100;

/// `count` flows of `br-tun`: remote ports of 100 VXLAN networks on 50 nodes, by MAC and by ARP answer.
pub fn flows(count: usize) -> Vec<Arc<Flow>> {
    let nodes = (0..=NODES).map(|node| format!("[nodes.h{node}]\ntunnel_ip = \"192.0.2.{}\"\n", node + 1));
    let networks = (0..NETWORKS).map(|network| {
        let id = network + 1;
        format!("[networks.n{network}]\ntype = \"vxlan\"\nsegmentation_id = {id}\nsubnets.s.cidr = \"10.0.0.0/8\"\n")
    });
    let mut topology = Topology::parse(&nodes.chain(networks).collect::<String>(), "topology.toml").unwrap();
    for number in 0..count / 2 {
        let [_, a, b, c] = (number as u32 + 1).to_be_bytes();
        let port = Port {
            name: format!("p{number}").into(),
            network: format!("n{}", number % NETWORKS).into(),
            node: format!("h{}", number % NODES + 1).into(),
            interface: None,
            mac_address: MacAddr([0xfa, 0x16, 0x3e, a, b, c]),
            fixed_ips: vec![IpAddr::V4(Ipv4Addr::new(10, a, b, c))],
            port_security: true,
            allowed_address_pairs: Vec::new(),
            security_groups: None,
            boot: None,
        };
        topology.insert_port(port).unwrap();
    }
    let in_flows = Answering { by: AnsweredBy::Flows, default: true };
    let layout = Layout {
        node: "h0".into(),
        physical_networks: Vec::new(),
        l2_population: true,
        arp_responder: in_flows,
        nd_responder: in_flows,
    };
    let vlan = |network: usize| LocalVlan::new(network as u16 + 1).unwrap();
    let bindings = Bindings {
        patch_int: Some(PortNo(1)),
        tunnels: (1..=NODES).map(|node| (format!("h{node}").into(), PortNo(node as u32 + 1))).collect(),
        local_vlans: (0..NETWORKS).map(|network| (format!("n{network}").into(), vlan(network))).collect(),
        ..Bindings::default()
    };
    let view = View { topology: &topology, layout: &layout, bindings: &bindings };
    let mut flows = all_flows(&view).remove(&Bridge::Tunnel).unwrap().sorted();
    flows.truncate(count);
    assert_eq!(flows.len(), count);
    flows
}

/// Connects to a bridge's management socket and waits until `flows` are confirmed. Returns what the session
/// said last, and how many differences the audit found.
pub async fn apply(socket: &Path, flows: FlowTable) -> (Progress, usize) {
    let stream = UnixStream::connect(socket).await.unwrap();
    let (sender, mut reports) = mpsc::channel(16);
    let session = tokio::spawn(drive(stream, "the bridge".into(), ConnectionId(1), sender));
    let wanted = Wanted { ownership: Ownership::All, flows, learnt: Vec::new(), generation: 1 };
    let (mut wanted, mut commands, mut found) = (Some(wanted), None, 0);
    loop {
        match reports.recv().await.expect("the session goes on").news {
            News::Identified { commands: sender, .. } => {
                assert!(sender.send(Command::Adopt(Box::new(wanted.take().expect("one bridge")))).is_ok());
                commands = Some(sender);
            }
            News::Audited { differences, .. } => found = differences,
            News::Progress(progress) if progress.generation == 1 => {
                drop(commands);
                session.abort();
                return (*progress, found);
            }
            News::Progress(_) | News::Punts(_) | News::SecurityLog(_) | News::Learning(_) | News::Crowded { .. } => {}
            News::Closed { .. } => panic!("the session ended"),
        }
    }
}
