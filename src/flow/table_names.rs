//! Names and meanings of flow tables, for people: `flows/tables.toml`, built in.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::Deserialize;

use crate::openflow::TableId;

/// Which of our bridges.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Deserialize)]
pub enum BridgeRole {
    /// Where the ports of virtual machines are.
    #[serde(rename = "br-int")]
    Integration,
    /// Where the tunnels to other nodes are.
    #[serde(rename = "br-tun")]
    Tunnel,
    /// Where a physical network is.
    #[serde(rename = "br-phys")]
    Physical,
}

/// One table of a bridge.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TableName {
    /// Neutron's constant in lower case, such as `transient`.
    pub name: String,
    /// What it is for, in one line.
    pub meaning: String,
    /// True if Heddle puts flows there.
    #[serde(default)]
    pub heddle: bool,
}

type Tables = BTreeMap<BridgeRole, BTreeMap<String, TableName>>;

static TABLES: LazyLock<Tables> = LazyLock::new(|| {
    toml::from_str(include_str!("../../flows/tables.toml")).expect("flows/tables.toml is tested to be well-formed")
});

/// What there is to say about a table.
pub fn table_name(role: BridgeRole, table: TableId) -> Option<&'static TableName> {
    TABLES.get(&role)?.get(&table.to_string())
}

/// All named tables of a bridge, by number.
pub fn tables(role: BridgeRole) -> Vec<(TableId, &'static TableName)> {
    let named = TABLES.get(&role).into_iter().flatten();
    let mut tables: Vec<_> = named.filter_map(|(number, name)| Some((TableId(number.parse().ok()?), name))).collect();
    tables.sort_unstable_by_key(|(table, _)| *table);
    tables
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::tables::*;

    #[test]
    fn the_tables_that_the_pipeline_fills_have_their_names() {
        use BridgeRole::{Integration, Physical, Tunnel};
        let expected = [
            (Integration, LOCAL_SWITCHING, "local_switching"),
            (Integration, CANARY, "canary"),
            (Integration, ARP_SPOOF, "arp_spoof"),
            (Integration, MAC_SPOOF, "mac_spoof"),
            (Integration, PACKET_RATE_LIMIT, "packet_rate_limit"),
            (Integration, BANDWIDTH_RATE_LIMIT, "bandwidth_rate_limit"),
            (Integration, TRANSIENT, "transient"),
            (Tunnel, LOCAL_SWITCHING, "local_switching"),
            (Tunnel, PATCH_LV_TO_TUN, "patch_lv_to_tun"),
            (Tunnel, VXLAN_TUN_TO_LV, "vxlan_tun_to_lv"),
            (Tunnel, LEARN_FROM_TUN, "learn_from_tun"),
            (Tunnel, UCAST_TO_TUN, "ucast_to_tun"),
            (Tunnel, ARP_RESPONDER, "arp_responder"),
            (Tunnel, FLOOD_TO_TUN, "flood_to_tun"),
            (Physical, LOCAL_SWITCHING, "local_switching"),
        ];
        let ours = [Integration, Tunnel, Physical]
            .into_iter()
            .flat_map(|role| tables(role).into_iter().map(move |(table, name)| (role, table, name)))
            .filter(|(.., name)| name.heddle)
            .map(|(role, table, name)| (role, table, name.name.as_str()));
        assert_eq!(ours.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn every_number_is_a_table_and_every_name_stands_once_per_bridge() {
        for (role, named) in TABLES.iter() {
            let tables = tables(*role);
            assert_eq!(tables.len(), named.len());
            let names: std::collections::BTreeSet<_> = tables.iter().map(|(_, name)| &name.name).collect();
            assert_eq!(names.len(), tables.len());
            assert!(tables.iter().all(|(table, name)| *table != TableId::ALL && !name.meaning.is_empty()));
        }
    }
}
