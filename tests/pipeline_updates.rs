//! A change costs what it changes, and comes to the same as starting over: random changes, step by step, against
//! `all_flows`.

mod support;

use std::collections::{BTreeMap, BTreeSet};

use heddle::flow::{Flow, FlowTable, LearntScope};
use heddle::openflow::{Instruction, PortNo};
use heddle::pipeline::{
    AnsweredBy, Answering, Bindings, Bridge, Desired, Layout, LocalVlan, Object, PatchPorts, View, all_flows,
};
use heddle::topology::{Name, Topology};
use proptest::prelude::*;
use support::model::{Model, NETWORKS, NODES, NetworkModel, PORTS, PortModel, model, network_model, port_model};

/// One thing that happens to a host, or to the topology.
#[derive(Clone, Debug)]
enum Change {
    Port(u8, Option<PortModel>),
    Network(u8, NetworkModel),
    Bound(u8, Option<u8>),
    Tunnel(u8, Option<u8>),
    LocalVlan(u8, Option<u8>),
    Physical(u8, Option<u8>),
    PatchTun(Option<u8>),
    PatchInt(Option<u8>),
    /// Two networks in use swap their local VLANs.
    Swap(u8, u8),
}

fn maybe() -> impl Strategy<Value = Option<u8>> {
    prop_oneof![1 => Just(None), 3 => (0..3_u8).prop_map(Some)]
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        12 => (0..PORTS, prop::option::weighted(0.6, port_model())).prop_map(|(id, port)| Change::Port(id, port)),
        1 => (0..NETWORKS, network_model()).prop_map(|(id, network)| Change::Network(id, network)),
        3 => (0..PORTS, maybe()).prop_map(|(id, version)| Change::Bound(id, version)),
        2 => (1..NODES, maybe()).prop_map(|(node, version)| Change::Tunnel(node, version)),
        2 => (0..NETWORKS, maybe()).prop_map(|(network, version)| Change::LocalVlan(network, version)),
        1 => (0..2_u8, maybe()).prop_map(|(physical, version)| Change::Physical(physical, version)),
        1 => maybe().prop_map(Change::PatchTun),
        1 => maybe().prop_map(Change::PatchInt),
        1 => (0..NETWORKS, 0..NETWORKS).prop_map(|(a, b)| Change::Swap(a, b)),
    ]
}

fn steps() -> impl Strategy<Value = Vec<Vec<Change>>> {
    prop::collection::vec(prop::collection::vec(change(), 1..6), 2..12)
}

fn number(base: u32, index: u8, version: u8) -> PortNo {
    PortNo(base + 10 * u32::from(index) + u32::from(version))
}

fn name(kind: &str, index: u8) -> Name {
    format!("{kind}{index}").into()
}

/// What changes concern besides what the two topologies tell.
#[derive(Default)]
struct Touched {
    host: bool,
    ports: BTreeSet<Name>,
    networks: BTreeSet<Name>,
    tunnels: BTreeSet<Name>,
    physical: BTreeSet<Name>,
}

/// Writes one change down.
fn apply(change: Change, model: &mut Model, bindings: &mut Bindings, touched: &mut Touched) {
    match change {
        Change::Port(id, Some(port)) => drop(model.ports.insert(id, port)),
        Change::Port(id, None) => drop(model.ports.remove(&id)),
        Change::Network(index, network) => model.networks[usize::from(index)] = network,
        Change::Bound(id, version) => {
            let port = name("port", id);
            bindings.closed.remove(&port);
            match version {
                Some(version) => {
                    bindings.ports.insert(port.clone(), number(100, id, version));
                    bindings.closed.extend((version % 2 == 1).then(|| port.clone()));
                }
                None => drop(bindings.ports.remove(&port)),
            }
            touched.ports.insert(port);
        }
        Change::Tunnel(node, version) => {
            let node_name = name("node", node);
            match version {
                Some(version) => drop(bindings.tunnels.insert(node_name.clone(), number(10, node, version))),
                None => drop(bindings.tunnels.remove(&node_name)),
            }
            touched.tunnels.insert(node_name);
        }
        Change::LocalVlan(index, version) => {
            let network = name("net", index);
            match version {
                Some(version) => {
                    let vlan = LocalVlan::new(1 + 10 * u16::from(index) + u16::from(version)).unwrap();
                    if bindings.local_vlans.iter().all(|(other, taken)| *other == network || *taken != vlan) {
                        bindings.local_vlans.insert(network.clone(), vlan);
                    }
                }
                None => drop(bindings.local_vlans.remove(&network)),
            }
            touched.networks.insert(network);
        }
        Change::Swap(a, b) => {
            let (a, b) = (name("net", a), name("net", b));
            if let (Some(&vlan_a), Some(&vlan_b)) = (bindings.local_vlans.get(&a), bindings.local_vlans.get(&b)) {
                bindings.local_vlans.insert(a.clone(), vlan_b);
                bindings.local_vlans.insert(b.clone(), vlan_a);
                touched.networks.extend([a, b]);
            }
        }
        Change::Physical(index, version) => {
            let physical = name("phys", index);
            let patch = PatchPorts {
                integration: version.map(|version| number(50, index, version)),
                physical: version.map(|version| PortNo(1 + u32::from(version))),
            };
            bindings.physical.insert(physical.clone(), patch);
            touched.physical.insert(physical);
        }
        Change::PatchTun(version) => {
            bindings.patch_tun = version.map(|version| number(80, 0, version));
            touched.host = true;
        }
        Change::PatchInt(version) => {
            bindings.patch_int = version.map(|version| number(1, 0, version));
            touched.host = true;
        }
    }
}

/// What the agent marks dirty.
fn dirty(before: &Topology, view: &View<'_>, touched: &Touched) -> Vec<Object> {
    let changes = Topology::diff(before, view.topology);
    let mut dirty = view.objects_of_changes(before, &changes);
    for network in &touched.networks {
        dirty.extend(view.objects_of_network(network));
    }
    dirty.extend(touched.ports.iter().cloned().map(Object::Port));
    for node in &touched.tunnels {
        dirty.extend(view.objects_of_tunnel(node));
    }
    for physical in &touched.physical {
        dirty.extend(view.objects_of_physical(physical));
    }
    dirty.extend(touched.host.then_some(Object::Host));
    dirty
}

fn scopes(scopes: Vec<LearntScope>) -> BTreeSet<String> {
    scopes.iter().map(|scope| format!("{scope:?}")).collect()
}

fn sorted(tables: &BTreeMap<Bridge, FlowTable>) -> BTreeMap<Bridge, Vec<std::sync::Arc<Flow>>> {
    tables.iter().map(|(bridge, table)| (bridge.clone(), table.sorted())).collect()
}

fn responder() -> impl Strategy<Value = Answering> {
    let by = prop_oneof![Just(AnsweredBy::Flows), Just(AnsweredBy::Controller)];
    (by, any::<bool>()).prop_map(|(by, default)| Answering { by, default })
}

fn layout() -> impl Strategy<Value = Layout> {
    (any::<bool>(), responder(), responder()).prop_map(|(l2_population, arp_responder, nd_responder)| Layout {
        node: "node0".into(),
        physical_networks: vec!["phys0".into(), "phys1".into()],
        l2_population,
        arp_responder,
        nd_responder,
    })
}

/// Everything in use and reachable, so that what is random starts from where much can go wrong.
fn bindings() -> Bindings {
    let (mut bindings, mut unused) = (Bindings::default(), Touched::default());
    let everything = (0..NETWORKS)
        .map(|network| Change::LocalVlan(network, Some(0)))
        .chain((1..NODES).map(|node| Change::Tunnel(node, Some(0))))
        .chain((0..2).map(|physical| Change::Physical(physical, Some(0))))
        .chain((0..PORTS).map(|port| Change::Bound(port, Some(0))))
        .chain([Change::PatchTun(Some(0)), Change::PatchInt(Some(0))]);
    let mut model = Model { networks: Vec::new(), ports: BTreeMap::new() };
    everything.for_each(|change| apply(change, &mut model, &mut bindings, &mut unused));
    bindings
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn changes_step_by_step_come_to_the_same_as_starting_over(
        layout in layout(), mut model in model(), steps in steps(),
    ) {
        let mut bindings = bindings();
        let mut topology = model.topology();
        let mut desired = Desired::new();
        let mut installed: BTreeMap<Bridge, FlowTable> = layout.bridges().map(|bridge| (bridge, FlowTable::new())).collect();
        let mut known_scopes = BTreeSet::new();
        let mut first = true;
        for step in steps {
            let mut touched = Touched::default();
            for change in step {
                apply(change, &mut model, &mut bindings, &mut touched);
            }
            let before = std::mem::replace(&mut topology, model.topology());
            let view = View { topology: &topology, layout: &layout, bindings: &bindings };
            let dirty: Vec<Object> = match std::mem::take(&mut first) {
                true => view.objects().collect(),
                false => dirty(&before, &view, &touched),
            };
            let (mut forgotten, mut welcomed) = (BTreeSet::new(), BTreeSet::new());
            for (bridge, changes) in desired.update(&view, dirty) {
                let table = installed.get_mut(&bridge).unwrap();
                for flow in &changes.delete {
                    prop_assert!(table.remove(&flow.key()).is_some(), "deletes what was not there: {:?}", flow);
                }
                for flow in &changes.add {
                    let there = table.insert(flow.clone());
                    prop_assert!(there.as_ref() != Some(flow), "adds what was there: {:?}", flow);
                }
                forgotten.extend(scopes(changes.forget));
                welcomed.extend(scopes(changes.welcome));
            }
            let wanted = all_flows(&view);
            prop_assert_eq!(sorted(&installed), sorted(&wanted));
            let mut from_scratch = Desired::new();
            from_scratch.update(&view, view.objects());
            let now = scopes(desired.learnt_scopes());
            prop_assert_eq!(&now, &scopes(from_scratch.learnt_scopes()));
            for gone in known_scopes.difference(&now) {
                prop_assert!(forgotten.contains(gone), "not forgotten: {}", gone);
            }
            for new in now.difference(&known_scopes) {
                prop_assert!(welcomed.contains(new), "not welcomed: {}", new);
            }
            known_scopes = now;
            let flows: usize = wanted.values().map(FlowTable::len).sum();
            prop_assert_eq!(desired.len(), flows, "two objects claim one flow");
            prop_assert_eq!(desired.refused().count(), 0);
        }
    }

    #[test]
    fn no_flow_goes_back_to_an_earlier_table(
        layout in layout(), model in model(), changes in prop::collection::vec(change(), 0..30),
    ) {
        let (mut model, mut bindings) = (model, Bindings { patch_int: Some(PortNo(1)), ..Bindings::default() });
        for change in changes {
            apply(change, &mut model, &mut bindings, &mut Touched::default());
        }
        let topology = model.topology();
        let view = View { topology: &topology, layout: &layout, bindings: &bindings };
        for flow in all_flows(&view).values().flat_map(FlowTable::iter) {
            for instruction in flow.decode_instructions().unwrap() {
                if let Instruction::GotoTable(next) = instruction {
                    prop_assert!(next > flow.table, "{:?}", flow);
                }
            }
        }
    }
}

#[test]
fn equal_input_gives_equal_flows_in_equal_order() {
    for scenario in support::scenario::scenarios() {
        let print = || -> Vec<String> { scenario.flows().iter().map(support::scenario::print).collect() };
        assert_eq!(print(), print(), "{}", scenario.name);
        let view = heddle::agent::preview::Preview::new(&scenario.topology, &scenario.config);
        let order = || -> Vec<_> {
            let mut desired = Desired::new();
            let changes = desired.update(&view.view(&scenario.topology), view.view(&scenario.topology).objects());
            changes.into_iter().collect()
        };
        assert_eq!(order(), order(), "{}", scenario.name);
    }
}
