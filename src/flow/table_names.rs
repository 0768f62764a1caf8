//! Names and meanings of flow tables, for people: `flows/tables.toml`, built in, or a file of the same form.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::Deserialize;

use crate::openflow::TableId;

/// What a bridge is for, and so what its tables are.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum BridgeRole {
    /// Where the ports of virtual machines are.
    Integration,
    /// Where the tunnels to other nodes are.
    Tunnel,
    /// Where a physical network is.
    Physical,
    /// The bridge of OVN.
    Ovn,
    /// The bridge of Antrea.
    Antrea,
}

impl BridgeRole {
    /// Its tables.
    pub fn tables(self) -> &'static TableSet {
        let section = match self {
            Self::Integration => "br-int",
            Self::Tunnel => "br-tun",
            Self::Physical => "br-phys",
            Self::Ovn => OVN,
            Self::Antrea => "antrea",
        };
        built_in(section).unwrap_or(&NONE)
    }
}

/// The tables of OVN unless a version is asked for: those of Debian 12.
const OVN: &str = "ovn-23.03";

/// One table of a bridge.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TableName {
    /// As its documentation has it: Neutron's constant in lower case, such as `transient`.
    pub name: String,
    /// What it is for, in one line.
    #[serde(default)]
    pub meaning: String,
    /// True if Heddle puts flows there.
    #[serde(default)]
    pub heddle: bool,
}

/// The named tables of a bridge.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct TableSet(BTreeMap<TableId, TableName>);

static NONE: TableSet = TableSet(BTreeMap::new());

impl TableSet {
    /// What there is to say about a table.
    pub fn get(&self, table: TableId) -> Option<&TableName> {
        self.0.get(&table)
    }

    /// All, by number.
    pub fn iter(&self) -> impl Iterator<Item = (TableId, &TableName)> {
        self.0.iter().map(|(table, name)| (*table, name))
    }
}

/// A text that is no names of tables.
#[derive(Debug, thiserror::Error)]
pub enum TableNamesError {
    /// Not TOML, or of another form.
    #[error(transparent)]
    Toml(Box<toml::de::Error>),
    /// A key that is no number of a table.
    #[error("[{bridge}]: found {found}, expected the number of a table, from 0 to 254")]
    Number {
        /// Whose table.
        bridge: String,
        /// The key.
        found: String,
    },
}

/// Reads the tables of several bridges: `[BRIDGE]`, then `NUMBER = { name = "…", meaning = "…" }`.
pub fn parse(text: &str) -> Result<BTreeMap<String, TableSet>, TableNamesError> {
    let bridges: BTreeMap<String, BTreeMap<String, TableName>> =
        toml::from_str(text).map_err(|error| TableNamesError::Toml(Box::new(error)))?;
    let sets = bridges.into_iter().map(|(bridge, tables)| {
        let tables = tables.into_iter().map(|(found, name)| match found.parse() {
            Ok(number) if TableId(number) != TableId::ALL => Ok((TableId(number), name)),
            _ => Err(TableNamesError::Number { bridge: bridge.clone(), found }),
        });
        Ok((bridge.clone(), TableSet(tables.collect::<Result<_, _>>()?)))
    });
    sets.collect()
}

static BUILT_IN: LazyLock<BTreeMap<String, TableSet>> = LazyLock::new(|| {
    parse(include_str!("../../flows/tables.toml")).expect("flows/tables.toml is tested to be well-formed")
});

/// The tables of this name in `flows/tables.toml`; `ovn` for those of the usual version.
pub fn built_in(name: &str) -> Option<&'static TableSet> {
    BUILT_IN.get(if name == "ovn" { OVN } else { name })
}

/// All names for [`built_in`].
pub fn built_in_names() -> impl Iterator<Item = &'static str> {
    BUILT_IN.keys().map(String::as_str).chain(["ovn"])
}

/// What there is to say about a table.
pub fn table_name(role: BridgeRole, table: TableId) -> Option<&'static TableName> {
    role.tables().get(table)
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
            (Integration, BASE_EGRESS, "base_egress"),
            (Integration, RULES_EGRESS, "rules_egress"),
            (Integration, ACCEPT_OR_INGRESS, "accept_or_ingress"),
            (Integration, DHCP_IPV4, "dhcp_ipv4"),
            (Integration, DHCP_IPV6, "dhcp_ipv6"),
            (Integration, BASE_INGRESS, "base_ingress"),
            (Integration, RULES_INGRESS, "rules_ingress"),
            (Integration, ACCEPTED_EGRESS, "accepted_egress_traffic"),
            (Integration, ACCEPTED_INGRESS, "accepted_ingress_traffic"),
            (Integration, DROPPED, "dropped_traffic"),
            (Integration, ACCEPTED_EGRESS_NORMAL, "accepted_egress_traffic_normal"),
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
            .flat_map(|role| role.tables().iter().map(move |(table, name)| (role, table, name)))
            .filter(|(.., name)| name.heddle)
            .map(|(role, table, name)| (role, table, name.name.as_str()));
        assert_eq!(ours.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn every_name_stands_once_per_bridge_and_has_a_meaning() {
        assert!(built_in_names().count() >= 8);
        for bridge in built_in_names() {
            let tables: Vec<_> = built_in(bridge).unwrap().iter().map(|(_, table)| table).collect();
            let names: std::collections::BTreeSet<_> = tables.iter().map(|table| &table.name).collect();
            assert_eq!(names.len(), tables.len(), "{bridge}");
            assert!(tables.iter().all(|table| !table.meaning.is_empty()), "{bridge}");
        }
    }

    #[test]
    fn the_logical_pipelines_of_ovn_begin_where_its_version_has_them() {
        let name = |set, table| built_in(set).unwrap().get(TableId(table)).unwrap().name.as_str();
        assert_eq!(name("ovn-22.03", 40), "ls_out_pre_acl/lr_out_chk_dnat_local");
        assert_eq!(name("ovn", 42), name("ovn-22.03", 40));
        assert_eq!(name("ovn", 8), "ls_in_check_port_sec/lr_in_admission");
        assert_eq!(BridgeRole::Ovn.tables(), built_in("ovn-23.03").unwrap());
    }

    #[test]
    fn a_file_of_the_same_form_is_read_or_refused_with_a_reason() {
        let sets = parse("[lan]\n7 = { name = \"guests\" }\n").unwrap();
        assert_eq!(sets["lan"].get(TableId(7)).unwrap().name, "guests");
        for (text, reason) in
            [("[lan]\n255 = { name = \"x\" }", "255"), ("[lan]\n1 = { nam = \"x\" }", "nam"), ("7", "")]
        {
            assert!(parse(text).unwrap_err().to_string().contains(reason), "{text}");
        }
    }
}
