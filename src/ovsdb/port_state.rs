//! What Heddle writes about a bound port: its tag, its network, its MTU, and whether its flows are confirmed.
//!
//! Each function returns the operations for one row, none if the row says so already. Keys of others in
//! `external_ids` stay: maps are changed key by key.

use super::marks;
use super::model::{Interface, Port, Table};
use super::transaction::{Mutation, Operation, Row};
use super::value::{Datum, Uuid};

/// The VLAN of ports that nobody may reach; its traffic is dropped.
pub const DEAD_VLAN: u16 = 4095;

/// Makes a port an access port of its network's local VLAN, and writes down which network that is.
pub fn bind_port(uuid: Uuid, port: &Port, tag: u16, network: &str) -> Vec<Operation> {
    let marked = port.external_ids.get(marks::NETWORK).is_some_and(|known| known == network);
    let mark = if marked { Vec::new() } else { Mutation::set_key("external_ids", marks::NETWORK, network).into() };
    operations(uuid, access(port, tag), mark)
}

/// Makes a port an access port of the [`DEAD_VLAN`], of no network.
pub fn kill_port(uuid: Uuid, port: &Port) -> Vec<Operation> {
    let marked = port.external_ids.contains_key(marks::NETWORK);
    let mark = if marked { vec![Mutation::remove_key("external_ids", marks::NETWORK)] } else { Vec::new() };
    operations(uuid, access(port, DEAD_VLAN), mark)
}

/// Tells others that the switch has confirmed the flows of an interface.
pub fn mark_installed(uuid: Uuid, interface: &Interface) -> Vec<Operation> {
    if interface.external_ids.get(marks::INSTALLED).is_some_and(|known| known == "true") {
        return Vec::new();
    }
    let mark = Mutation::set_key("external_ids", marks::INSTALLED, "true");
    vec![Operation::mutate(Table::Interface, uuid, mark.into())]
}

/// Takes that word back.
pub fn unmark_installed(uuid: Uuid, interface: &Interface) -> Vec<Operation> {
    if !interface.external_ids.contains_key(marks::INSTALLED) {
        return Vec::new();
    }
    vec![Operation::mutate(Table::Interface, uuid, vec![Mutation::remove_key("external_ids", marks::INSTALLED)])]
}

/// Interface types whose MTU Open vSwitch is in charge of (ovs-vswitchd.conf.db(5), Interface `mtu_request`). That of
/// a tap or veth device belongs to whoever plugged it, and a patch port has none.
const SIZED_BY_SWITCH: [&str; 4] = ["internal", "dpdk", "dpdkvhostuser", "dpdkvhostuserclient"];

/// Asks for an MTU, unless the interface is not for the switch to set or somebody else has asked for one.
pub fn request_mtu(uuid: Uuid, interface: &Interface, mtu: u16) -> Vec<Operation> {
    if !SIZED_BY_SWITCH.contains(&interface.kind.as_str()) {
        return withdraw_mtu(uuid, interface);
    }
    let mtu = i64::from(mtu);
    match (interface.mtu_request, requested_by_us(interface)) {
        (Some(found), Some(ours)) if found == ours && ours == mtu => Vec::new(),
        (Some(found), ours) if ours != Some(found) => withdraw_mtu(uuid, interface),
        _ => vec![
            Operation::update(Table::Interface, uuid, vec![("mtu_request", mtu.into())]),
            Operation::mutate(
                Table::Interface,
                uuid,
                Mutation::set_key("external_ids", marks::MTU, &mtu.to_string()).into(),
            ),
        ],
    }
}

/// Takes the request for an MTU back if it is ours.
pub fn withdraw_mtu(uuid: Uuid, interface: &Interface) -> Vec<Operation> {
    let mut operations = Vec::new();
    if interface.mtu_request.is_some() && interface.mtu_request == requested_by_us(interface) {
        operations.push(Operation::update(Table::Interface, uuid, vec![("mtu_request", Datum::EMPTY)]));
    }
    if interface.external_ids.contains_key(marks::MTU) {
        let unmark = Mutation::remove_key("external_ids", marks::MTU);
        operations.push(Operation::mutate(Table::Interface, uuid, vec![unmark]));
    }
    operations
}

/// The MTU that we asked for last.
fn requested_by_us(interface: &Interface) -> Option<i64> {
    interface.external_ids.get(marks::MTU)?.parse().ok()
}

/// The columns that make a port an access port. Any mode but `access` lets other VLANs pass as well, and so does
/// a list of trunks without a mode (ovs-vswitchd.conf.db(5), Port `vlan_mode`).
fn access(port: &Port, tag: u16) -> Row {
    let mut row = Row::new();
    if port.tag != Some(tag) {
        row.push(("tag", i64::from(tag).into()));
    }
    if port.vlan_mode.as_deref().is_some_and(|mode| mode != "access") {
        row.push(("vlan_mode", Datum::EMPTY));
    }
    if !port.trunks.is_empty() {
        row.push(("trunks", Datum::EMPTY));
    }
    row
}

fn operations(uuid: Uuid, row: Row, mark: Vec<Mutation>) -> Vec<Operation> {
    let mut operations = Vec::new();
    if !row.is_empty() {
        operations.push(Operation::update(Table::Port, uuid, row));
    }
    if !mark.is_empty() {
        operations.push(Operation::mutate(Table::Port, uuid, mark));
    }
    operations
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const ROW: Uuid = Uuid([1; 16]);

    fn written(operations: &[Operation]) -> Vec<Value> {
        let keep =
            |value: Value| if value["row"].is_null() { value["mutations"].clone() } else { value["row"].clone() };
        operations.iter().map(|operation| keep(operation.to_json())).collect()
    }

    fn bound() -> Port {
        let external_ids = [("heddle-network".into(), "blue".into()), ("other".into(), "x".into())].into();
        Port { name: "tap1".into(), tag: Some(3), external_ids, ..Port::default() }
    }

    #[test]
    fn a_port_that_is_bound_already_needs_nothing() {
        assert_eq!(bind_port(ROW, &bound(), 3, "blue"), []);
        let access = Port { vlan_mode: Some("access".into()), ..bound() };
        assert_eq!(bind_port(ROW, &access, 3, "blue"), []);
    }

    #[test]
    fn a_new_port_gets_its_tag_and_its_network_and_keeps_the_keys_of_others() {
        assert_eq!(
            written(&bind_port(ROW, &Port::default(), 3, "blue")),
            [
                json!({"tag": 3}),
                json!([
                    ["external_ids", "delete", ["set", ["heddle-network"]]],
                    ["external_ids", "insert", ["map", [["heddle-network", "blue"]]]],
                ]),
            ]
        );
        assert_eq!(written(&bind_port(ROW, &bound(), 4, "blue")), [json!({"tag": 4})]);
    }

    #[test]
    fn a_port_that_would_be_a_trunk_becomes_an_access_port() {
        let trunk = Port { vlan_mode: Some("native-untagged".into()), trunks: [1, 2].into(), ..bound() };
        assert_eq!(
            written(&bind_port(ROW, &trunk, 3, "blue")),
            [json!({"vlan_mode": ["set", []], "trunks": ["set", []]})]
        );
    }

    #[test]
    fn a_port_that_loses_its_network_is_put_on_the_dead_vlan() {
        assert_eq!(
            written(&kill_port(ROW, &bound())),
            [json!({"tag": 4095}), json!([["external_ids", "delete", ["set", ["heddle-network"]]]])]
        );
        let dead = Port { tag: Some(4095), ..Port::default() };
        assert_eq!(kill_port(ROW, &dead), []);
    }

    /// An interface of this type that asks for `request`, of which our mark says `ours`.
    fn sized(kind: &str, request: Option<i64>, ours: Option<&str>) -> Interface {
        let external_ids = ours.map(|ours| (marks::MTU.to_owned(), ours.to_owned())).into_iter().collect();
        Interface { kind: kind.into(), mtu_request: request, external_ids, ..Interface::default() }
    }

    fn marked(mtu: &str) -> Value {
        json!([
            ["external_ids", "delete", ["set", ["heddle-mtu-request"]]],
            ["external_ids", "insert", ["map", [["heddle-mtu-request", mtu]]]],
        ])
    }

    const UNMARKED: &str = r#"[["external_ids","delete",["set",["heddle-mtu-request"]]]]"#;

    #[test]
    fn an_mtu_is_asked_for_once_and_changed_as_long_as_it_is_ours() {
        let new = sized("internal", None, None);
        assert_eq!(written(&request_mtu(ROW, &new, 1450)), [json!({"mtu_request": 1450}), marked("1450")]);
        let ours = sized("internal", Some(1450), Some("1450"));
        assert_eq!(request_mtu(ROW, &ours, 1450), []);
        assert_eq!(written(&request_mtu(ROW, &ours, 1400)), [json!({"mtu_request": 1400}), marked("1400")]);
        let cleared = sized("internal", None, Some("1450"));
        assert_eq!(written(&request_mtu(ROW, &cleared, 1450)), [json!({"mtu_request": 1450}), marked("1450")]);
    }

    #[test]
    fn an_mtu_that_somebody_else_asked_for_stays() {
        assert_eq!(request_mtu(ROW, &sized("internal", Some(9000), None), 1450), []);
        assert_eq!(withdraw_mtu(ROW, &sized("internal", Some(9000), None)), []);
        let theirs = sized("internal", Some(9000), Some("1450"));
        let unmarked: Value = serde_json::from_str(UNMARKED).unwrap();
        assert_eq!(
            written(&request_mtu(ROW, &theirs, 1450)),
            std::slice::from_ref(&unmarked),
            "it is theirs from now on"
        );
        assert_eq!(written(&withdraw_mtu(ROW, &theirs)), [unmarked]);
    }

    #[test]
    fn only_the_mtu_of_interfaces_that_the_switch_sizes_is_set() {
        for kind in ["", "system", "patch", "vxlan", "tap"] {
            assert_eq!(request_mtu(ROW, &sized(kind, None, None), 1450), [], "{kind}");
        }
        assert_eq!(request_mtu(ROW, &sized("dpdkvhostuserclient", None, None), 1450).len(), 2);
        let retyped = sized("system", Some(1450), Some("1450"));
        assert_eq!(request_mtu(ROW, &retyped, 1450), withdraw_mtu(ROW, &retyped));
    }

    #[test]
    fn an_mtu_that_no_longer_applies_is_taken_back() {
        let unmarked: Value = serde_json::from_str(UNMARKED).unwrap();
        let ours = sized("internal", Some(1450), Some("1450"));
        assert_eq!(written(&withdraw_mtu(ROW, &ours)), [json!({"mtu_request": ["set", []]}), unmarked]);
        assert_eq!(withdraw_mtu(ROW, &sized("internal", None, None)), []);
    }

    #[test]
    fn an_interface_is_marked_once_and_unmarked_once() {
        let plain = Interface::default();
        let marked = Interface { external_ids: [("heddle-installed".into(), "true".into())].into(), ..plain.clone() };
        assert_eq!(mark_installed(ROW, &plain).len(), 1);
        assert_eq!(mark_installed(ROW, &marked), []);
        assert_eq!(unmark_installed(ROW, &marked).len(), 1);
        assert_eq!(unmark_installed(ROW, &plain), []);
    }
}
