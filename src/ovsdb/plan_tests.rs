use std::net::{IpAddr, Ipv4Addr};

use serde_json::{Value, json};

use super::*;
use crate::ovsdb::database::Change;
use crate::ovsdb::desired::tunnel_port_name;
use crate::ovsdb::model::{OpenVswitch, TextMap};

const TARGET: &str = "tcp:127.0.0.1:6633";

fn uuid(number: u8) -> Uuid {
    Uuid([number; 16])
}

fn map<const N: usize>(pairs: [(&str, &str); N]) -> TextMap {
    pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).into()
}

fn root() -> Change {
    Change::OpenVswitch(uuid(0), Some(OpenVswitch::default()))
}

/// A bridge as a plan leaves it.
fn good_bridge(number: u8, name: &str, ports: &[u8], controllers: &[u8]) -> (Uuid, Bridge) {
    let bridge = Bridge {
        name: name.into(),
        ports: ports.iter().map(|&port| uuid(port)).collect(),
        controllers: controllers.iter().map(|&controller| uuid(controller)).collect(),
        fail_mode: Some("secure".into()),
        protocols: OWNED_PROTOCOLS.map(str::to_owned).into(),
        other_config: map([("disable-in-band", "true"), ("mac-table-size", "50000")]),
        ..Bridge::default()
    };
    (uuid(number), bridge)
}

fn row((uuid, bridge): (Uuid, Bridge)) -> Change {
    Change::Bridge(uuid, Some(bridge))
}

fn good_controller(number: u8, target: &str) -> Change {
    let controller = Controller {
        target: target.into(),
        connection_mode: Some("out-of-band".into()),
        inactivity_probe: Some(INACTIVITY_PROBE_MS),
        max_backoff: Some(MAX_BACKOFF_MS),
        external_ids: map([("heddle", "controller")]),
        ..Controller::default()
    };
    Change::Controller(uuid(number), Some(controller))
}

/// A port and its interface, whose row is the port's plus 100.
fn port<const N: usize>(number: u8, name: &str, marks: TextMap, kind: &str, options: [(&str, &str); N]) -> [Change; 2] {
    let interfaces = [uuid(number + 100)].into();
    let interface = Interface { name: name.into(), kind: kind.into(), options: map(options), ..Interface::default() };
    [
        Change::Port(
            uuid(number),
            Some(Port { name: name.into(), interfaces, external_ids: marks, ..Port::default() }),
        ),
        Change::Interface(uuid(number + 100), Some(interface)),
    ]
}

fn marked() -> TextMap {
    map([("heddle", "port")])
}

fn bridge(name: &str, role: Role) -> DesiredBridge {
    DesiredBridge {
        name: name.into(),
        role,
        datapath_type: "netdev".into(),
        controllers: vec![TARGET.to_owned()],
        controller_rate_limit: None,
    }
}

fn patch(bridge: &str, name: &str, peer: &str) -> DesiredPort {
    DesiredPort { bridge: bridge.into(), name: name.into(), kind: PortKind::Patch { peer: peer.into() } }
}

fn vxlan(remote: [u8; 4]) -> DesiredPort {
    let remote_ip = IpAddr::from(remote);
    let kind = PortKind::Vxlan { remote_ip, local_ip: Ipv4Addr::new(192, 0, 2, 1).into() };
    DesiredPort { bridge: "br-tun".into(), name: tunnel_port_name(remote_ip), kind }
}

fn json(plan: &Plan) -> Vec<Value> {
    plan.operations.iter().map(Operation::to_json).collect()
}

/// The rows that a plan inserts into a table.
fn inserted(plan: &Plan, table: &str) -> Vec<Value> {
    let inserts = json(plan).into_iter().filter(|op| op["op"] == "insert" && op["table"] == table);
    inserts.map(|op| op["row"].clone()).collect()
}

/// What a plan updates and mutates, by table, without inserts and comments.
fn corrections(plan: &Plan) -> Vec<Value> {
    let corrections = json(plan).into_iter().filter(|op| matches!(op["op"].as_str(), Some("update" | "mutate")));
    corrections
        .map(|op| {
            let what = if op["op"] == "update" { &op["row"] } else { &op["mutations"] };
            json!([op["table"], op["where"][0][2][1], what])
        })
        .collect()
}

#[test]
fn what_is_as_wanted_needs_no_operation() {
    let mut rows = vec![root(), row(good_bridge(1, "br-tun", &[10, 11], &[20])), good_controller(20, TARGET)];
    rows.extend(port(10, "br-tun", TextMap::new(), "internal", []));
    let options = [
        ("df_default", "true"),
        ("egress_pkt_mark", "0"),
        ("in_key", "flow"),
        ("out_key", "flow"),
        ("local_ip", "192.0.2.1"),
        ("remote_ip", "192.0.2.2"),
        ("dst_port", "4790"),
    ];
    rows.extend(port(11, "vxlan-c0000202", marked(), "vxlan", options));
    let plan = plan(&Database::from_rows(rows), &[bridge("br-tun", Role::Tunnel)], &[vxlan([192, 0, 2, 2])]);
    assert_eq!(plan, Plan::default());
}

#[test]
fn an_absent_bridge_of_ours_is_made_with_all_its_settings_at_once() {
    let plan = plan(
        &Database::from_rows([root()]),
        &[bridge("br-int", Role::Integration)],
        &[patch("br-int", "patch-tun", "nonexistent-peer")],
    );
    assert_eq!(plan.problems, []);
    assert_eq!(
        inserted(&plan, "Bridge"),
        [json!({
            "name": "br-int", "fail_mode": "secure", "datapath_type": "netdev",
            "protocols": ["set", ["OpenFlow10", "OpenFlow13", "OpenFlow14", "OpenFlow15"]],
            "controller": ["set", [["named-uuid", "row3"]]],
            "other_config": ["map", [["disable-in-band", "true"], ["mac-table-size", "50000"]]],
            "ports": ["set", [["named-uuid", "row2"], ["named-uuid", "row5"]]],
        })]
    );
    assert_eq!(
        inserted(&plan, "Interface"),
        [
            json!({"name": "br-int", "type": "internal"}),
            json!({"name": "patch-tun", "type": "patch", "options": ["map", [["peer", "nonexistent-peer"]]]}),
        ]
    );
    assert_eq!(inserted(&plan, "Port")[1]["external_ids"], json!(["map", [["heddle", "port"]]]));
    assert_eq!(
        inserted(&plan, "Controller")[0],
        json!({"target": TARGET, "connection_mode": "out-of-band", "inactivity_probe": 5000, "max_backoff": 1000,
               "external_ids": ["map", [["heddle", "controller"]]]})
    );
    assert_eq!(
        corrections(&plan),
        [json!(["Open_vSwitch", uuid(0).to_string(), [["bridges", "insert", ["set", [["named-uuid", "row6"]]]]]])]
    );
}

#[test]
fn the_kernel_datapath_is_left_to_the_default() {
    let wanted = DesiredBridge { datapath_type: "system".into(), ..bridge("br-tun", Role::Tunnel) };
    let plan = plan(&Database::from_rows([root()]), &[wanted], &[]);
    assert_eq!(inserted(&plan, "Bridge")[0]["datapath_type"], Value::Null);
    assert_eq!(inserted(&plan, "Bridge")[0]["other_config"], json!(["map", [["disable-in-band", "true"]]]));
}

#[test]
fn an_existing_bridge_keeps_its_datapath_type_and_gets_only_what_differs() {
    let (row_uuid, good) = good_bridge(1, "br-int", &[], &[20]);
    let db = |bridge: Bridge| {
        Database::from_rows([root(), Change::Bridge(row_uuid, Some(bridge)), good_controller(20, TARGET)])
    };
    let wanted = [bridge("br-int", Role::Integration)];
    let kernel = Bridge { datapath_type: "system".into(), ..good.clone() };
    assert_eq!(plan(&db(kernel), &wanted, &[]), Plan::default());
    let standalone = Bridge { fail_mode: None, ..good.clone() };
    let bridge_json = |what: Value| [json!(["Bridge", row_uuid.to_string(), what])];
    assert_eq!(corrections(&plan(&db(standalone), &wanted, &[])), bridge_json(json!({"fail_mode": "secure"})));
    let smaller = Bridge { other_config: map([("disable-in-band", "true"), ("mac-table-size", "9")]), ..good.clone() };
    assert_eq!(plan(&db(smaller), &wanted, &[]), Plan::default());
    let bare = Bridge { other_config: map([("x", "y")]), ..good };
    assert_eq!(
        corrections(&plan(&db(bare), &wanted, &[])),
        bridge_json(json!([
            ["other_config", "delete", ["set", ["disable-in-band"]]],
            ["other_config", "insert", ["map", [["disable-in-band", "true"]]]],
            ["other_config", "insert", ["map", [["mac-table-size", "50000"]]]],
        ]))
    );
}

#[test]
fn openflow13_is_added_to_protocols_that_lack_it_and_only_if_they_are_still_those() {
    let protocols = |protocols: &[&str]| {
        let (row_uuid, good) = good_bridge(1, "br-phys", &[], &[20]);
        let protocols = protocols.iter().map(|&text| text.to_owned()).collect();
        [root(), Change::Bridge(row_uuid, Some(Bridge { protocols, ..good })), good_controller(20, TARGET)]
    };
    let plan_for = |set: &[&str], role| plan(&Database::from_rows(protocols(set)), &[bridge("br-phys", role)], &[]);
    assert_eq!(plan_for(&["OpenFlow13"], Role::Tunnel), Plan::default());
    assert_eq!(plan_for(&[], Role::Physical), Plan::default());
    let owned = plan_for(&[], Role::Tunnel);
    assert_eq!(corrections(&owned)[0][2]["protocols"][1], json!(OWNED_PROTOCOLS));
    let added = plan_for(&["OpenFlow10"], Role::Physical);
    let operations = json(&added);
    assert_eq!(
        (&operations[0]["op"], &operations[0]["rows"]),
        (&json!("wait"), &json!([{"protocols": ["set", ["OpenFlow10"]]}]))
    );
    assert_eq!(corrections(&added)[0][2], json!([["protocols", "insert", ["set", ["OpenFlow13"]]]]));
}

#[test]
fn an_equal_controller_target_is_never_written_again() {
    let other = Change::Controller(uuid(20), Some(Controller { target: TARGET.into(), ..Controller::default() }));
    let db = Database::from_rows([root(), row(good_bridge(1, "br-int", &[], &[20])), other]);
    let plan = plan(&db, &[bridge("br-int", Role::Integration)], &[]);
    assert_eq!(
        corrections(&plan),
        [json!(["Controller", uuid(20).to_string(), {
            "connection_mode": "out-of-band", "inactivity_probe": 5000, "max_backoff": 1000,
        }])]
    );
}

#[test]
fn a_bridge_may_send_up_as_many_packets_a_second_as_wanted() {
    let limited = |packets| DesiredBridge { controller_rate_limit: packets, ..bridge("br-int", Role::Integration) };
    let rows = [root(), row(good_bridge(1, "br-int", &[], &[20])), good_controller(20, TARGET)];
    let db = Database::from_rows(rows.clone());
    assert_eq!(plan(&db, &[limited(None)], &[]), Plan::default());
    let set = json!(["Controller", uuid(20).to_string(), {"controller_rate_limit": ["set", [500]]}]);
    assert_eq!(corrections(&plan(&db, &[limited(Some(500))], &[])), [set]);
    assert_eq!(
        inserted(&plan(&Database::from_rows([root()]), &[limited(Some(500))], &[]), "Controller")[0]["controller_rate_limit"],
        500
    );

    let controller = Controller {
        target: TARGET.into(),
        connection_mode: Some("out-of-band".into()),
        inactivity_probe: Some(INACTIVITY_PROBE_MS),
        max_backoff: Some(MAX_BACKOFF_MS),
        controller_rate_limit: Some(500),
        ..Controller::default()
    };
    let db = Database::from_rows([&rows[..2], &[Change::Controller(uuid(20), Some(controller))]].concat());
    assert_eq!(plan(&db, &[limited(Some(500))], &[]), Plan::default());
    let cleared = json!(["Controller", uuid(20).to_string(), {"controller_rate_limit": ["set", []]}]);
    assert_eq!(corrections(&plan(&db, &[limited(None)], &[])), [cleared]);
}

#[test]
fn a_bridge_of_ours_has_exactly_our_controllers() {
    let rows = [
        root(),
        row(good_bridge(1, "br-int", &[], &[20, 21])),
        good_controller(20, "tcp:127.0.0.1:6653"),
        good_controller(21, TARGET),
    ];
    let other = plan(&Database::from_rows(rows.clone()), &[bridge("br-int", Role::Integration)], &[]);
    assert_eq!(corrections(&other)[0][2], json!([["controller", "delete", ["set", [["uuid", uuid(20).to_string()]]]]]));
    let moved = DesiredBridge { controllers: vec!["tcp:127.0.0.1:7000".into()], ..bridge("br-int", Role::Integration) };
    let plan = plan(&Database::from_rows(rows), &[moved], &[]);
    assert_eq!(inserted(&plan, "Controller")[0]["target"], "tcp:127.0.0.1:7000");
    assert_eq!(
        corrections(&plan)[0][2],
        json!([
            ["controller", "delete", ["set", [["uuid", uuid(20).to_string()], ["uuid", uuid(21).to_string()]]]],
            ["controller", "insert", ["set", [["named-uuid", "row1"]]]],
        ])
    );
}

#[test]
fn a_physical_bridge_keeps_the_operators_controllers_and_loses_our_old_one() {
    let foreign =
        Change::Controller(uuid(20), Some(Controller { target: "ssl:192.0.2.9".into(), ..Controller::default() }));
    let (row_uuid, good) = good_bridge(1, "br-phys", &[], &[20, 21]);
    let rows = [
        root(),
        Change::Bridge(row_uuid, Some(Bridge { other_config: TextMap::new(), ..good })),
        foreign,
        good_controller(21, "tcp:127.0.0.1:7000"),
    ];
    let plan = plan(&Database::from_rows(rows), &[bridge("br-phys", Role::Physical)], &[]);
    // Nothing about disable-in-band: the other controller may need in-band flows.
    assert_eq!(
        corrections(&plan),
        [json!([
            "Bridge",
            row_uuid.to_string(),
            [
                ["controller", "delete", ["set", [["uuid", uuid(21).to_string()]]]],
                ["controller", "insert", ["set", [["named-uuid", "row1"]]]],
            ]
        ])]
    );
}

#[test]
fn an_absent_physical_bridge_is_reported_once_and_the_rest_is_done() {
    let plan = plan(
        &Database::from_rows([root()]),
        &[bridge("br-phys", Role::Physical), bridge("br-int", Role::Integration)],
        &[patch("br-phys", "phy-br-phys", "x"), patch("br-int", "int-br-phys", "y"), patch("br-none", "z", "z")],
    );
    let absent = |name: &str| Problem::BridgeAbsent { bridge: name.into() };
    assert_eq!(plan.problems, [absent("br-phys"), absent("br-none")]);
    assert_eq!(inserted(&plan, "Bridge").len(), 1);
    assert_eq!(inserted(&plan, "Port").len(), 2);
}

#[test]
fn a_database_that_nobody_has_used_gets_its_root_row() {
    let plan = plan(&Database::default(), &[bridge("br-tun", Role::Tunnel)], &[]);
    assert_eq!(plan.problems, []);
    assert_eq!(inserted(&plan, "Open_vSwitch"), [json!({"bridges": ["set", [["named-uuid", "row4"]]]})]);
}

#[test]
fn a_changed_peer_is_the_only_thing_written() {
    let mut rows = vec![root(), row(good_bridge(1, "br-int", &[10], &[20])), good_controller(20, TARGET)];
    rows.extend(port(10, "patch-tun", marked(), "patch", [("peer", "nonexistent-peer")]));
    let plan = plan(
        &Database::from_rows(rows),
        &[bridge("br-int", Role::Integration)],
        &[patch("br-int", "patch-tun", "patch-int")],
    );
    assert_eq!(
        corrections(&plan),
        [json!([
            "Interface",
            uuid(110).to_string(),
            [["options", "delete", ["set", ["peer"]]], ["options", "insert", ["map", [["peer", "patch-int"]]]],]
        ])]
    );
    assert_eq!(plan.operations.len(), 2);
}

#[test]
fn a_port_of_ours_that_became_something_else_is_corrected() {
    let mut rows = vec![root(), row(good_bridge(1, "br-int", &[10], &[20])), good_controller(20, TARGET)];
    rows.extend(port(10, "patch-tun", marked(), "internal", []));
    let plan = plan(
        &Database::from_rows(rows),
        &[bridge("br-int", Role::Integration)],
        &[patch("br-int", "patch-tun", "patch-int")],
    );
    let expected = json!({"type": "patch", "options": ["map", [["peer", "patch-int"]]]});
    assert_eq!(corrections(&plan), [json!(["Interface", uuid(110).to_string(), expected])]);
}

#[test]
fn another_agents_port_is_taken_over_if_it_is_what_we_would_have_made() {
    let rows = |kind| {
        let mut rows = vec![root(), row(good_bridge(1, "br-int", &[10], &[20])), good_controller(20, TARGET)];
        rows.extend(port(10, "patch-tun", TextMap::new(), kind, [("peer", "patch-int")]));
        Database::from_rows(rows)
    };
    let wanted = ([bridge("br-int", Role::Integration)], [patch("br-int", "patch-tun", "patch-int")]);
    let adopted = plan(&rows("patch"), &wanted.0, &wanted.1);
    assert_eq!(
        corrections(&adopted),
        [json!([
            "Port",
            uuid(10).to_string(),
            [
                ["external_ids", "delete", ["set", ["heddle"]]],
                ["external_ids", "insert", ["map", [["heddle", "port"]]]],
            ]
        ])]
    );
    let foreign = plan(&rows("internal"), &wanted.0, &wanted.1);
    let problem = Problem::NameTaken { name: "patch-tun".into(), holder: "br-int".into() };
    assert_eq!(foreign, Plan { operations: Vec::new(), problems: vec![problem] });
}

#[test]
fn tunnels_that_are_not_wanted_are_removed_from_the_tunnel_bridge_only() {
    let mut rows = vec![
        root(),
        row(good_bridge(1, "br-tun", &[10, 11, 12, 13, 14], &[20])),
        row(good_bridge(2, "br-other", &[15], &[])),
        good_controller(20, TARGET),
    ];
    rows.extend(port(10, "vxlan-c0000202", TextMap::new(), "vxlan", []));
    rows.extend(port(11, "vxlan-operator", TextMap::new(), "vxlan", []));
    rows.extend(port(12, "vxlan-c0000203", TextMap::new(), "internal", []));
    rows.extend(port(13, "old", marked(), "vxlan", []));
    rows.extend(port(14, "patch-x", TextMap::new(), "patch", []));
    rows.extend(port(15, "vxlan-c0000204", TextMap::new(), "vxlan", []));
    let plan = plan(&Database::from_rows(rows), &[bridge("br-tun", Role::Tunnel)], &[]);
    let gone = [["uuid", &uuid(10).to_string()], ["uuid", &uuid(13).to_string()]];
    assert_eq!(corrections(&plan), [json!(["Bridge", uuid(1).to_string(), [["ports", "delete", ["set", gone]]]])]);
}

#[test]
fn a_port_of_ours_on_another_bridge_moves_and_a_foreign_one_is_reported() {
    let rows = |marks| {
        let mut rows = vec![
            root(),
            row(good_bridge(1, "br-int", &[], &[20])),
            row(good_bridge(2, "br-x", &[10], &[])),
            good_controller(20, TARGET),
        ];
        rows.extend(port(10, "patch-tun", marks, "patch", []));
        Database::from_rows(rows)
    };
    let wanted = ([bridge("br-int", Role::Integration)], [patch("br-int", "patch-tun", "patch-int")]);
    let moved = plan(&rows(marked()), &wanted.0, &wanted.1);
    assert_eq!(moved.problems, []);
    assert_eq!(
        corrections(&moved),
        [
            json!(["Bridge", uuid(1).to_string(), [["ports", "insert", ["set", [["named-uuid", "row2"]]]]]]),
            json!(["Bridge", uuid(2).to_string(), [["ports", "delete", ["set", [["uuid", uuid(10).to_string()]]]]]]),
        ]
    );
    let foreign = plan(&rows(TextMap::new()), &wanted.0, &wanted.1);
    let problem = Problem::NameTaken { name: "patch-tun".into(), holder: "br-x".into() };
    assert_eq!(foreign, Plan { operations: Vec::new(), problems: vec![problem] });
}

#[test]
fn a_bridge_whose_name_a_port_has_taken_is_reported_with_its_ports_left_out() {
    let mut rows = vec![root(), row(good_bridge(2, "br-x", &[10], &[]))];
    rows.extend(port(10, "br-int", TextMap::new(), "internal", []));
    let plan = plan(
        &Database::from_rows(rows),
        &[bridge("br-int", Role::Integration)],
        &[patch("br-int", "patch-tun", "patch-int")],
    );
    let problem = Problem::NameTaken { name: "br-int".into(), holder: "br-x".into() };
    assert_eq!(plan, Plan { operations: Vec::new(), problems: vec![problem] });
}

#[test]
fn a_name_that_is_wanted_twice_is_reported() {
    let wanted = bridge("br-int", Role::Integration);
    let plan = plan(
        &Database::from_rows([root()]),
        &[wanted.clone(), wanted],
        &[patch("br-int", "p", "a"), patch("br-int", "p", "b"), patch("br-int", "br-int", "c")],
    );
    let twice = |name: &str| Problem::NamedTwice { name: name.into() };
    assert_eq!(plan.problems, [twice("br-int"), twice("p"), twice("br-int")]);
    assert_eq!(inserted(&plan, "Port").len(), 2);
}
