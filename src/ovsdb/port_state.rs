//! What Heddle writes about a bound port: its tag, its network, and whether its flows are confirmed.
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
