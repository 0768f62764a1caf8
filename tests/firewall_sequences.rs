//! Security groups that come and go: flows made step by step, through random changes of ports, groups and addresses, are
//! those of a start from nothing.

mod support;

use std::collections::BTreeSet;

use heddle::agent::preview::Preview;
use heddle::config::Config;
use heddle::flow::FlowTable;
use heddle::openflow::PortNo;
use heddle::pipeline::{Bindings, Bridge, Desired, Layout, LocalVlan, Object, View, all_flows};
use heddle::topology::Topology;
use proptest::prelude::*;
use support::dice::Dice;
use support::firewall_topology::{Model, ModelChange, model, model_change};

/// Steps of a long life.
const STEPS: usize = 2_000;
/// Steps between two comparisons with a start from nothing; what is added and deleted is looked at in each.
const STRIDE: usize = 10;

/// `br-int` of `node0`, as the agent keeps it.
struct Bridged {
    layout: Layout,
    desired: Desired,
    installed: FlowTable,
    topology: Topology,
    bindings: Bindings,
}

impl Bridged {
    fn new() -> Self {
        let (topology, bindings) = (Topology::default(), Bindings::default());
        let layout = Preview::new(&topology, &Config::defaults("node0")).layout;
        Self { layout, desired: Desired::new(), installed: FlowTable::new(), topology, bindings }
    }

    /// The topology becomes this one, and each port of it is plugged in.
    fn step(&mut self, topology: Topology) {
        let bindings = bindings(&topology);
        let view = View { topology: &topology, layout: &self.layout, bindings: &bindings };
        let (before, bound) = (&self.topology, &self.bindings);
        let mut dirty = view.objects_of_changes(before, &Topology::diff(before, &topology));
        for name in bound.local_vlans.keys().chain(bindings.local_vlans.keys()) {
            if bound.local_vlans.get(name) != bindings.local_vlans.get(name) {
                dirty.extend(view.objects_of_network(name));
            }
        }
        let ports = bound.ports.keys().chain(bindings.ports.keys());
        let moved = ports.filter(|name| bound.ports.get(*name) != bindings.ports.get(*name));
        dirty.extend(moved.flat_map(|name| view.objects_of_binding(name)));
        dirty.extend((before.nodes().count() == 0).then_some(Object::Host));
        let changes = self.desired.update(&view, dirty).remove(&Bridge::Integration).unwrap_or_default();
        for flow in &changes.delete {
            assert!(self.installed.remove(&flow.key()).is_some(), "deletes what was not there: {flow:?}");
        }
        for flow in &changes.add {
            assert!(self.installed.insert(flow.clone()).as_ref() != Some(flow), "adds what was there: {flow:?}");
        }
        assert_eq!(self.desired.refused().count(), 0);
        (self.topology, self.bindings) = (topology, bindings);
    }

    /// Flows that differ from those of a start from nothing.
    fn differences(&self) -> Vec<String> {
        let view = View { topology: &self.topology, layout: &self.layout, bindings: &self.bindings };
        let wanted = texts(&all_flows(&view)[&Bridge::Integration]);
        texts(&self.installed).symmetric_difference(&wanted).cloned().collect()
    }
}

fn texts(table: &FlowTable) -> BTreeSet<String> {
    table.sorted().iter().map(|flow| format!("{flow:?}")).collect()
}

/// Each port plugged in; networks with ports have a local VLAN.
fn bindings(topology: &Topology) -> Bindings {
    let mut bindings = Bindings { patch_tun: Some(PortNo(1)), patch_int: Some(PortNo(1)), ..Bindings::default() };
    for port in topology.local_ports("node0") {
        let id: u32 = port.name["port".len()..].parse().unwrap();
        bindings.ports.insert(port.name.clone(), PortNo(10 + id));
        let vlan: u16 = port.network["net".len()..].parse().unwrap();
        bindings.local_vlans.insert(port.network.clone(), LocalVlan::new(vlan + 1).unwrap());
    }
    bindings
}

/// A topology that says of security that there is none to say.
fn empty(mut model: Model) -> Model {
    model.groups.values_mut().for_each(Vec::clear);
    model.default = Some(Vec::new());
    model.offices = [Vec::new(), Vec::new()];
    model.ports.clear();
    model
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn changes_step_by_step_come_to_the_same_as_starting_over(
        mut model in model(), others in prop::collection::vec((model_change(), model()), 1..8),
    ) {
        let mut bridged = Bridged::new();
        for (change, other) in others {
            change.apply(&mut model, other);
            bridged.step(model.topology());
            prop_assert_eq!(bridged.differences(), Vec::<String>::new());
        }
    }
}

#[test]
fn a_long_life_ends_in_the_same_flows_as_a_start_from_nothing() {
    let mut dice = Dice::new(0x5eed);
    let mut model = dice.draw(model());
    let mut bridged = Bridged::new();
    let mut most = 0;
    for step in 0..STEPS {
        // Rarely all at once: then nothing would be old.
        let change = match dice.draw(model_change()) {
            ModelChange::Ports | ModelChange::Everything if !dice.percent(5) => ModelChange::Port(dice.below(7) as u8),
            change => change,
        };
        let other = dice.draw(support::firewall_topology::model());
        change.apply(&mut model, other);
        bridged.step(model.topology());
        most = most.max(bridged.installed.len());
        if step % STRIDE == 0 {
            assert_eq!(bridged.differences(), Vec::<String>::new(), "after step {step}");
        }
    }
    assert!(most > 300, "{most} flows at the most: too few rules and ports to prove anything");
    // Without ports, members and rules nothing is left of them.
    let empty = empty(model);
    bridged.step(empty.topology());
    let mut fresh = Bridged::new();
    fresh.step(empty.topology());
    assert_eq!(texts(&bridged.installed), texts(&fresh.installed));
}
