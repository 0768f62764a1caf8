//! Random changes of ports, groups and plugs on real switches: what a host ends with is what it has after a start with
//! empty bridges and the last topology.

mod lab;
mod support;

use std::collections::BTreeSet;

use lab::{Host, Lab, LabBuilder, Vxlan};
use support::dice::Dice;
use support::firewall_topology::{Model, PORTS, model, model_change};

const STEPS: u16 = 30;
/// Steps between two starts with empty bridges.
const STRIDE: u16 = 10;
const BRIDGES: [&str; 2] = ["br-int", "br-tun"];

/// The machines of a model, half of them on each host, and a port on each that tells the version.
fn lab() -> Lab {
    let lab = Lab::new("sequences")
        .network("net0", Vxlan(1001), &["10.0.0.0/24", "2001:db8::/64"])
        .network("net1", Vxlan(1002), &["10.0.0.0/24", "2001:db8::/64"])
        .network("marks", Vxlan(1003), &["10.0.0.0/24"])
        .host("node0")
        .host("node1");
    let machine =
        |lab: LabBuilder, id: u8| lab.vm_with(&format!("node{}", id % 2), &format!("port{id}"), "net0", |vm| vm.mute());
    let mark = |lab: LabBuilder, node: u8| {
        lab.vm_with(&format!("node{node}"), &format!("mark{node}"), "marks", |vm| vm.mute())
    };
    (0..2).fold((0..PORTS).fold(lab, machine), mark).start()
}

/// The topology becomes this one on both hosts.
fn apply(lab: &Lab, model: &Model, version: u16) {
    lab.write_topology(&model.marked_text(version));
    lab.hosts().iter().for_each(Host::sighup_heddle);
    for host in lab.hosts() {
        let mark = Model::mark(version);
        host.wait_for_flow("br-int", "belongs to the new topology", |flow| flow.contains(&mark));
        host.wait_settled();
    }
}

fn flows(host: &Host) -> Vec<BTreeSet<String>> {
    BRIDGES.map(|bridge| host.flow_set(bridge)).into()
}

/// Both bridges lose their flows, and Heddle its memory.
fn start_from_nothing(host: &Host) {
    host.stop_heddle();
    BRIDGES.iter().for_each(|bridge| drop(host.ofctl(&["del-flows", bridge])));
    host.start_heddle();
    host.wait_settled();
}

#[test]
fn random_changes_end_in_the_flows_of_a_start_with_empty_bridges() {
    let lab = lab();
    let mut dice = Dice::new(0x5eed);
    let mut model = dice.draw(model());
    for step in 1..=STEPS {
        let change = dice.draw(model_change());
        let other = dice.draw(support::firewall_topology::model());
        change.apply(&mut model, other);
        let vm = format!("port{}", dice.below(PORTS.into()));
        match lab.vm(&vm).spec().plugged {
            true if dice.percent(40) => lab.unplug(&vm),
            true => {}
            false => lab.plug(&vm),
        }
        apply(&lab, &model, 50_000 + step);
        if step % STRIDE > 0 {
            continue;
        }
        for host in lab.hosts() {
            let before = flows(host);
            start_from_nothing(host);
            for (bridge, (before, after)) in BRIDGES.iter().zip(before.iter().zip(flows(host))) {
                let differences: Vec<_> = before.symmetric_difference(&after).collect();
                assert!(differences.is_empty(), "{bridge} of {} after step {step}: {differences:#?}", host.name());
            }
        }
    }
}
