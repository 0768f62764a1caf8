use super::*;
use crate::flow::parse::{NoNames, flow_stats};
use crate::flow::text::Numbers;
use crate::openflow::PortNo;
use crate::pipeline::cookie::{self, Kind};

/// Names port 3.
struct Ports;

impl Names for Ports {
    fn port(&self, port: PortNo) -> Option<&str> {
        (port == PortNo(3)).then_some("int-br")
    }

    fn table(&self, _: TableId) -> Option<&str> {
        None
    }
}

/// The reasons of flows that are on a bridge together.
fn reasons(bridge: Bridge<'_>, flows: &[&str]) -> Vec<String> {
    let mut explainer = Explainer::new(bridge);
    let noted: Vec<_> = flows
        .iter()
        .map(|text| explainer.note(&flow_stats(text, &NoNames).unwrap().to_flow_stats()).unwrap())
        .collect();
    let reason = |flow| {
        let mut out = Vec::new();
        explainer.reason(flow, &mut out);
        String::from_utf8(out).unwrap().strip_prefix("     # ").unwrap().trim_end().to_owned()
    };
    noted.into_iter().map(reason).collect()
}

fn of_kind(bridge: Bridge<'_>, cookie: Cookie) -> String {
    reasons(bridge, &[&format!("cookie={:#x},actions=drop", cookie.0)]).remove(0)
}

fn bridge<'a>(role: Option<BridgeRole>, objects: &'a Objects) -> Bridge<'a> {
    Bridge { role, objects, names: &Numbers }
}

#[test]
fn a_flow_is_explained_by_name_if_the_topology_has_one() {
    let topology =
        "[networks.blue]\ntype = \"vlan\"\nphysical_network = \"physnet\"\n[ports.web1]\nnetwork = \"blue\"\n";
    let objects = Objects::parse(topology).unwrap();
    let known = bridge(Some(BridgeRole::Integration), &objects);
    assert_eq!(
        of_kind(known, cookie::cookie(Kind::PortMacAllowed, "web1")),
        "frames from a MAC address that port web1 owns"
    );
    assert!(of_kind(known, cookie::cookie(Kind::PhysicalGuard, "physnet")).contains("physical network physnet"));
    assert_eq!(
        of_kind(bridge(None, &Objects::default()), cookie::cookie(Kind::PortMacAllowed, "web1")),
        format!("frames from a MAC address that port {:08x} owns", cookie::object_number("web1"))
    );
}

#[test]
fn a_flow_that_tells_for_the_log_says_so() {
    let objects = Objects::parse("[ports.web1]\n").unwrap();
    let cookie = cookie::cookie(Kind::PortNoRule, "web1").0;
    let flow =
        |actions: &str| format!("cookie={cookie:#x},table=82,priority=40,ct_state=-est,reg5=0x3,actions={actions}");
    let (silent, told) = (flow("resubmit(,93)"), flow("controller(reason=no_match,max_len=128),resubmit(,93)"));
    assert_eq!(
        reasons(bridge(None, &objects), &[&silent, &told]),
        [
            "refuses what no rule of port web1 allows",
            "refuses what no rule of port web1 allows; Heddle hears of it, for the log of security groups",
        ]
    );
}

#[test]
fn a_table_is_named_where_the_bridge_is_known() {
    let heading = |role, first| {
        let mut out = Vec::new();
        Explainer::new(bridge(role, &Objects::default())).heading(TableId(25), first, &mut out);
        String::from_utf8(out).unwrap()
    };
    assert!(heading(Some(BridgeRole::Integration), true).starts_with("# table 25, mac_spoof: "));
    assert_eq!(heading(None, false), "\n# table 25\n");
}

#[test]
fn flows_of_others_are_explained_by_what_they_do() {
    let objects = Objects::default();
    let flows = ["cookie=5,priority=9,tcp,in_port=3,tp_dst=80,actions=resubmit(,72)", "priority=0,actions=drop"];
    assert_eq!(
        reasons(Bridge { role: Some(BridgeRole::Integration), objects: &objects, names: &Ports }, &flows),
        ["TCP to port 80 from port int-br goes to table 72 (rules_egress)", "everything is dropped"]
    );
    assert_eq!(reasons(bridge(None, &objects), &flows)[0], "TCP to port 80 from port 3 goes to table 72");
    assert!(of_kind(bridge(None, &objects), Cookie(0x4ed1_ff00_0000_0000)).ends_with("(0xff)"));
}

#[test]
fn a_conjunction_is_one_rule_wherever_its_flows_stand() {
    let found = reasons(
        bridge(Some(BridgeRole::Integration), &Objects::default()),
        &[
            "table=82,priority=73,conj_id=22,ct_state=+est-rel-rpl,ip,reg5=0x3,actions=output:3",
            "table=82,priority=73,ip,reg5=0x3,nw_src=10.0.0.4,actions=conjunction(22,1/2)",
            "table=82,priority=73,ip,reg5=0x3,nw_src=10.0.0.5,actions=conjunction(22,1/2),conjunction(9,1/2)",
            "table=82,priority=73,tcp,reg5=0x3,tp_dst=80,actions=conjunction(22,2/2)",
            "table=81,priority=1,ip,actions=conjunction(22,1/2)",
        ],
    );
    assert_eq!(
        found,
        [
            "rule 22: IPv4 of a connection that is established, not related to another and not in its reply direction \
             with reg5=0x3, if (from 10.0.0.4 or 10.0.0.5) and (TCP to port 80): goes out at port 3",
            "IPv4 from 10.0.0.4 with reg5=0x3 meets condition 1 of 2 of rule 22",
            "IPv4 from 10.0.0.5 with reg5=0x3 meets condition 1 of 2 of rule 22 and meets condition 1 of 2 of rule 9; \
             no flow has conj_id=9, so that nothing follows",
            "TCP to port 80 with reg5=0x3 meets condition 2 of 2 of rule 22",
            "IPv4 meets condition 1 of 2 of rule 22; no flow has conj_id=22, so that nothing follows",
        ]
    );
}
