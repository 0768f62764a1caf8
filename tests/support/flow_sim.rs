//! What would these flows do with this packet? The software switch of `heddle::flow::sim`, held to more: flows of
//! one priority that both match, and flows that lead in a circle, are mistakes.

use std::sync::Arc;

use heddle::flow::FlowTable;
pub use heddle::flow::sim::Packet;
use heddle::flow::sim::{Bridge, Destination, Network, Step, Tables, trace};
use heddle::openflow::{PortNo, oxm};

/// The flows of one bridge.
pub struct Sim {
    network: Network,
}

impl Sim {
    pub fn new(table: &FlowTable) -> Self {
        let tables = Tables::new(table.sorted().iter().map(Arc::clone)).unwrap();
        Self { network: Network::new(vec![Bridge { tables, ..Bridge::default() }]) }
    }

    /// What comes out where. `NORMAL` stands for itself.
    pub fn send(&self, in_port: PortNo, packet: Packet) -> Vec<(PortNo, Packet)> {
        let trace = trace(&self.network, 0, packet.with(&oxm::IN_PORT, u128::from(in_port.0)), &[]);
        let mut out = Vec::new();
        for leg in trace.legs {
            assert_eq!(leg.fault, None, "the switch gives up");
            assert_unrivalled(&leg.steps);
            out.extend(leg.deliveries.into_iter().map(|delivery| match delivery.to {
                Destination::Port(port) => (port, delivery.packet),
                Destination::Normal => (PortNo::NORMAL, delivery.packet),
                Destination::Controller(_) => (PortNo::CONTROLLER, delivery.packet),
                other => panic!("not of this pipeline: {other:?}"),
            }));
        }
        out
    }
}

fn assert_unrivalled(steps: &[Step]) {
    for step in steps {
        if let Step::Table { hit: Some(hit), .. } = step {
            assert!(hit.rival.is_none(), "two flows match: {:?} and {:?}", hit.flow, hit.rival);
        }
        assert_unrivalled(step.inner(0).1);
    }
}
