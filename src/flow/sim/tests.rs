//! What flows alone do not tell, and what no Open vSwitch is needed for; `tests/trace.rs` holds the rest against
//! one.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::*;
use crate::flow::Flow;
use crate::flow::parse::{self, NoNames};
use crate::openflow::action::{Encap, HashFields, Multipath, MultipathAlgorithm, PT_ETH, PT_NSH};
use crate::openflow::group::GroupType;
use crate::openflow::port::PortConfig;
use crate::openflow::{Action, Cookie, GroupId, MacAddr, Match, PortNo, Subfield, TableId, oxm};

fn flow(text: &str) -> Flow {
    Flow::from_stats(&parse::flow_stats(text, &NoNames).unwrap().to_flow_stats())
}

/// A bridge with these ports, from number 1.
fn bridge(name: &str, ports: &[&str], flows: &[&str]) -> Bridge {
    let port = |name: &&str| BridgePort { name: (*name).to_owned(), config: PortConfig(0), live: Some(true) };
    let known = (1..).map(PortNo).zip(ports.iter().map(port)).collect();
    Bridge {
        name: name.to_owned(),
        tables: Tables::new(flows.iter().map(|text| Arc::new(flow(text)))).unwrap(),
        ports: Ports { known, complete: true },
        groups: Some(BTreeMap::new()),
        ..Bridge::default()
    }
}

fn packet(text: &str) -> Packet {
    Packet::from_match(&parse::matching(text, &NoNames).unwrap()).unwrap()
}

fn traced(bridge: Bridge, flow: &str) -> Trace {
    trace(&Network::new(vec![bridge]), 0, packet(flow), &[])
}

/// Where copies go, and which of that is certain.
fn outcome(trace: &Trace) -> Vec<(Destination, bool)> {
    let deliveries = trace.legs.iter().flat_map(|leg| &leg.deliveries);
    deliveries.map(|delivery| (delivery.to.clone(), delivery.certain)).collect()
}

fn port(number: u32) -> Destination {
    Destination::Port(PortNo(number))
}

fn notes(steps: &[Step]) -> Vec<Note> {
    let note = |step: &Step| match step {
        Step::Note(note) => vec![note.clone()],
        other => notes(other.inner(0).1),
    };
    steps.iter().flat_map(note).collect()
}

fn all_notes(trace: &Trace) -> Vec<Note> {
    trace.legs.iter().flat_map(|leg| notes(&leg.steps)).collect()
}

const PORTS: &[&str] = &["a", "b", "c"];

#[test]
fn a_flow_that_resubmits_to_itself_is_given_up_and_sends_nothing() {
    let trace = traced(bridge("br", PORTS, &["actions=output:2,resubmit(,0)"]), "in_port=1");
    assert_eq!(trace.legs[0].fault, Some(Fault::TooDeep));
    assert!(!trace.goes_somewhere());
}

#[test]
fn a_packet_of_which_the_controllers_are_only_told_goes_nowhere() {
    for (action, goes_somewhere) in [
        ("controller(reason=no_match)", false),
        ("CONTROLLER:128", true),
        ("controller(reason=no_match),output:2", true),
    ] {
        let trace = traced(bridge("br", PORTS, &[&format!("actions={action}")]), "in_port=1");
        assert_eq!(trace.goes_somewhere(), goes_somewhere, "{action}");
    }
}

#[test]
fn resubmits_that_multiply_are_given_up() {
    let flows: Vec<String> =
        (0..20).map(|table| format!("table={table},actions=resubmit(,{0}),resubmit(,{0})", table + 1)).collect();
    let flows: Vec<&str> = flows.iter().map(String::as_str).collect();
    let trace = traced(bridge("br", PORTS, &flows), "in_port=1");
    assert_eq!(trace.legs[0].fault, Some(Fault::TooManyResubmits));
}

#[test]
fn two_flows_of_one_priority_that_match_are_both_told() {
    let trace = traced(bridge("br", PORTS, &["ip,actions=output:2", "in_port=1,actions=output:3"]), "in_port=1,ip");
    let Step::Bridge { steps, .. } = &trace.legs[0].steps[0] else { panic!("a bridge") };
    let Step::Table { hit: Some(hit), .. } = &steps[0] else { panic!("a table") };
    assert!(hit.rival.is_some());
}

#[test]
fn a_conjunction_tells_the_flows_of_its_clauses() {
    let flows = [
        "priority=9,ip,nw_src=10.0.0.1,actions=conjunction(7,1/2)",
        "priority=9,tcp,tp_dst=80,actions=conjunction(7,2/2)",
        "priority=1,conj_id=7,ip,actions=output:2",
        "priority=8,ip,actions=drop",
    ];
    let hit = |text: &str| {
        let trace = traced(bridge("br", PORTS, &flows), text);
        let Step::Bridge { steps, .. } = &trace.legs[0].steps[0] else { panic!("a bridge") };
        let Step::Table { hit: Some(hit), .. } = &steps[0] else { panic!("a table") };
        (hit.flow.priority, hit.clauses.iter().map(|(clause, _)| clause.clause).collect::<Vec<_>>())
    };
    // The flow with conj_id has the lower priority, and yet one above it matches too: that one is hit.
    assert_eq!(hit("in_port=1,tcp,nw_src=10.0.0.1,tcp_dst=80"), (8, vec![0, 1]));
    assert_eq!(hit("in_port=1,tcp,nw_src=10.0.0.2,tcp_dst=80"), (8, vec![]));
}

#[test]
fn conntrack_says_what_was_told_and_then_that_the_connection_is_new() {
    let flows = [
        "ip,ct_state=-trk,actions=ct(table=1)",
        "table=1,ct_state=+est,ip,actions=ct(table=2)",
        "table=2,ct_state=+new,ip,actions=output:2",
    ];
    let network = Network::new(vec![bridge("br", PORTS, &flows)]);
    let told = [CtState::parse("trk,est").unwrap()];
    let trace = trace(&network, 0, packet("in_port=1,tcp"), &told);
    let starts: Vec<Start> = trace.legs.iter().map(|leg| leg.start.clone()).collect();
    let tracked = |table, assumed| Start::Tracked { table: TableId(table), assumed };
    assert_eq!(starts, [Start::Received, tracked(1, false), tracked(2, true)]);
    assert_eq!(outcome(&trace), [(port(2), true)]);
}

#[test]
fn a_tracked_packet_shows_the_first_one_of_its_connection() {
    for (text, state, first) in [
        ("tcp,nw_src=10.0.0.1,tcp_src=4000,tcp_dst=80", "trk,new", "ip,ct_nw_src=10.0.0.1,ct_nw_proto=6,ct_tp_dst=80"),
        ("tcp,nw_src=10.0.0.1,tcp_src=80", "trk,est,rpl", "ip,ct_nw_dst=10.0.0.1,ct_nw_proto=6,ct_tp_dst=80"),
        (
            "udp6,ipv6_dst=2001:db8::1,udp_dst=4000",
            "trk,est,rpl",
            "ipv6,ct_ipv6_src=2001:db8::1,ct_tp_src=4000,ct_nw_proto=17",
        ),
        ("icmp,icmp_type=8,icmp_code=0", "trk,est", "ip,ct_nw_proto=1,ct_tp_src=8"),
        ("icmp,icmp_type=0,icmp_code=0", "trk,est,rpl", "ip,ct_nw_proto=1,ct_tp_src=8"),
        ("icmp6,icmp_type=129,icmp_code=0", "trk,est,rpl", "ipv6,ct_nw_proto=58,ct_tp_src=128"),
        ("icmp,nw_src=10.0.0.1,icmp_type=3,icmp_code=3", "trk,rel,rpl", "ip,ct_nw_dst=10.0.0.1"),
    ] {
        let shows = format!("table=1,priority=2,ct_state=-inv+trk,{first},actions=output:2");
        let flows = [
            "ip,ct_state=-trk,actions=ct(table=1)",
            "ipv6,ct_state=-trk,actions=ct(table=1)",
            &shows,
            "table=1,priority=1,actions=output:3",
        ];
        let network = Network::new(vec![bridge("br", PORTS, &flows)]);
        let trace = trace(&network, 0, packet(&format!("in_port=1,{text}")), &[CtState::parse(state).unwrap()]);
        assert_eq!(outcome(&trace), [(port(2), true)], "{text}");
    }
}

#[test]
fn states_of_connections_are_read_by_name() {
    assert_eq!(CtState::parse("trk|est|rpl"), Some(CtState(0x2a)));
    assert_eq!(CtState::parse("+trk+new"), Some(CtState::NEW));
    assert_eq!(CtState::parse("trk,often"), None);
}

#[test]
fn a_group_that_selects_may_use_each_bucket_that_lives() {
    let mut bridge = bridge("br", PORTS, &["actions=group:1"]);
    let bucket = |id, number| Bucket {
        id,
        weight: 1,
        watch_port: Some(PortNo(number)),
        watch_group: None,
        actions: vec![Action::output(PortNo(number))],
    };
    let group = Group { kind: GroupType::SELECT, buckets: vec![bucket(0, 2), bucket(1, 3), bucket(2, 9)] };
    bridge.groups = Some(BTreeMap::from([(GroupId(1), group)]));
    bridge.ports.known.insert(PortNo(9), BridgePort { name: "d".into(), config: PortConfig(0), live: Some(false) });
    let trace = traced(bridge, "in_port=1");
    assert_eq!(outcome(&trace), [(port(2), false), (port(3), false)]);
    assert!(all_notes(&trace).contains(&Note::OneOfBuckets(2)));
}

#[test]
fn groups_that_nobody_told_are_unknown_and_not_missing() {
    let mut bridge = bridge("br", PORTS, &["actions=group:1,output:2"]);
    bridge.groups = None;
    let trace = traced(bridge, "in_port=1");
    assert_eq!((all_notes(&trace), outcome(&trace)), (vec![Note::UnknownGroup(1)], vec![(port(2), true)]));
}

/// A bridge with one flow, of these actions.
fn acting(actions: &[Action]) -> Bridge {
    let flow = Flow::new(TableId(0), 1, &Match::new(), Cookie(0), actions, None).unwrap();
    Bridge { tables: Tables::new([Arc::new(flow)]).unwrap(), ..bridge("br", PORTS, &[]) }
}

#[test]
fn what_a_hash_decides_is_not_certain() {
    let multipath = Multipath {
        fields: HashFields(1),
        basis: 0,
        algorithm: MultipathAlgorithm(0),
        max_link: 1,
        arg: 0,
        dst: Subfield::all(&oxm::REG0),
    };
    let output = |number| Action::output(PortNo(number));
    let trace = traced(acting(&[output(3), Action::Multipath(Box::new(multipath)), output(2)]), "in_port=1");
    assert_eq!(outcome(&trace), [(port(3), true), (port(2), false)]);
    assert!(all_notes(&trace).contains(&Note::ByHash(2)));
}

/// A bridge whose ports `a` and `b` are in VLAN 7 and `c` in VLAN 8, with a patch port 4.
fn switching() -> (Network, MacAddr) {
    let mut normal = bridge("br-int", &["a", "b", "c", "patch-tun"], &["actions=NORMAL"]);
    let vlans = [(1, 7), (2, 7), (3, 8)].map(|(number, vlan)| (PortNo(number), PortVlan::Access(vlan)));
    let known = MacAddr([2, 0, 0, 0, 0, 2]);
    normal.switching = Switching { vlans: vlans.into(), learnt: Some(BTreeMap::from([((7, known), PortNo(2))])) };
    (Network::new(vec![normal, bridge("br-tun", &["patch-int"], &["dl_vlan=7,actions=IN_PORT"])]), known)
}

#[test]
fn normal_forwards_within_the_vlan_to_where_the_address_was_learnt() {
    let (network, known) = switching();
    let trace_to = |text: &str| trace(&network, 0, packet(text), &[]);
    assert_eq!(outcome(&trace_to(&format!("in_port=1,dl_dst={known}"))), [(port(2), true)]);
    let unknown = trace_to("in_port=1,dl_dst=02:00:00:00:00:09");
    assert!(all_notes(&unknown).contains(&Note::Floods));
    // To the other port of the VLAN, and through the patch, tagged, back to that port.
    assert_eq!(outcome(&unknown)[0], (port(2), true));
    assert!(all_notes(&trace_to("in_port=1,dl_vlan=5")).contains(&Note::TaggedOnAccess(7)));
    assert!(all_notes(&trace_to("in_port=1,dl_dst=01:80:c2:00:00:00")).contains(&Note::ReservedMulticast));
    assert!(all_notes(&trace_to(&format!("in_port=2,dl_dst={known}"))).contains(&Note::LearntOnInput));
}

#[test]
fn normal_says_what_it_does_not_know() {
    let bare = bridge("br", PORTS, &["actions=NORMAL"]);
    let trace = traced(bare, "in_port=1");
    assert_eq!(all_notes(&trace), [Note::UnknownVlan(PortNo(1))]);
    assert_eq!(outcome(&trace), [(Destination::Normal, true)]);
    let mut tagged = bridge("br", PORTS, &["actions=NORMAL"]);
    tagged.switching.vlans = [(PortNo(1), PortVlan::Access(7)), (PortNo(2), PortVlan::Access(7))].into();
    let trace = traced(tagged, "in_port=1,dl_dst=02:00:00:00:00:09");
    assert_eq!(outcome(&trace), [(port(2), false), (Destination::Normal, false)]);
}

#[test]
fn a_tunnel_leads_to_the_other_host_with_its_key_and_nothing_else() {
    let one = bridge(
        "br-tun",
        &["patch-int", "vxlan-c0000202"],
        &["actions=set_field:5->reg0,set_field:77->tun_id,output:2"],
    );
    let two = bridge(
        "two:br-tun",
        &["patch-int", "vxlan-c0000201"],
        &["in_port=2,tun_id=77,reg0=0,tun_src=192.0.2.1,actions=output:1"],
    );
    let trace = trace(&Network::new(vec![one, two]), 0, packet("in_port=1,arp"), &[]);
    assert_eq!(trace.legs[1].start, Start::Arrived { from: End { bridge: 0, port: PortNo(2) }, cable: Cable::Tunnel });
    assert_eq!(outcome(&trace), [(Destination::Tunnel(PortNo(2)), true), (port(1), true)]);
}

#[test]
fn a_loop_over_hosts_comes_to_an_end() {
    let back = ["actions=IN_PORT"];
    let hosts = vec![bridge("br-tun", &["vxlan-c0000202"], &back), bridge("two:br-tun", &["vxlan-c0000201"], &back)];
    assert!(trace(&Network::new(hosts), 0, packet("in_port=1"), &[]).cut);
}

#[test]
fn learn_tells_the_flow_and_adds_none() {
    let learn = "learn(table=20,hard_timeout=300,priority=1,NXM_OF_VLAN_TCI[0..11],NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[],\
                 load:0->NXM_OF_VLAN_TCI[],load:NXM_NX_TUN_ID[]->NXM_NX_TUN_ID[],output:NXM_OF_IN_PORT[])";
    let trace = traced(
        bridge("br", PORTS, &[&format!("actions={learn}")]),
        "in_port=3,dl_vlan=7,dl_src=02:00:00:00:00:01,tun_id=0x3e9",
    );
    let expected = flow(
        "table=20,hard_timeout=300,priority=1,vlan_tci=0x0007/0x0fff,dl_dst=02:00:00:00:00:01,\
         actions=load:0->NXM_OF_VLAN_TCI[],load:0x3e9->NXM_NX_TUN_ID[],output:3",
    );
    let [Note::Learns(learnt)] = &all_notes(&trace)[..] else { panic!("{:?}", all_notes(&trace)) };
    assert_eq!((learnt.instructions(), learnt.hard_timeout), (expected.instructions(), 300));
    assert_eq!((learnt.table, learnt.priority), (TableId(20), 1));
}

#[test]
fn what_a_label_covered_is_not_known() {
    let flows = ["mpls,actions=pop_mpls:0x0800,output:2,resubmit(,1)", "table=1,ip,actions=output:3"];
    let trace = traced(bridge("br", PORTS, &flows), "in_port=1,mpls,mpls_bos=1,mpls_label=5");
    assert_eq!((all_notes(&trace), outcome(&trace)), (vec![Note::InnerHeaders], vec![(port(2), true)]));
}

#[test]
fn headers_are_put_around_a_packet_and_taken_off() {
    let encap = |packet_type| Action::Encap(Box::new(Encap { header_size: 0, packet_type, properties: Vec::new() }));
    let path = Action::set_field(&oxm::NSH_SPI, 0x123);
    let actions = [encap(PT_NSH), path, encap(PT_ETH), Action::output(PortNo(2))];
    let trace = traced(acting(&actions), "in_port=1,ip,nw_src=10.0.0.1");
    let sent = &trace.legs[0].deliveries[0].packet;
    let value = |field| sent.get(field);
    assert_eq!((value(&oxm::ETH_TYPE), value(&oxm::NSH_SPI), value(&oxm::NSH_TTL)), (0x894f, 0x123, 63));
    assert_eq!((value(&oxm::PACKET_TYPE), value(&oxm::IPV4_SRC), value(&oxm::NSH_NP)), (0, 0, 3));
}

#[test]
fn a_port_that_may_not_send_or_receive_does_not() {
    let mut bridge = bridge("br", PORTS, &["actions=output:2,output:9"]);
    bridge.ports.known.get_mut(&PortNo(2)).unwrap().config = PortConfig::NO_FWD;
    bridge.ports.known.get_mut(&PortNo(3)).unwrap().config = PortConfig::NO_RECV;
    let network = Network::new(vec![bridge]);
    let notes_of = |text: &str| all_notes(&trace(&network, 0, packet(text), &[]));
    assert_eq!(notes_of("in_port=1"), [Note::Forbidden(PortNo(2)), Note::NoSuchPort(PortNo(9))]);
    assert_eq!(notes_of("in_port=3"), [Note::Forbidden(PortNo(3))]);
}
