//! Random topologies with security groups, small enough that rules meet packets.

use std::collections::BTreeMap;
use std::fmt::Write;

use heddle::topology::Topology;
use proptest::prelude::*;

pub const PORTS: u8 = 7;
/// Groups of this number and above are stateless.
const STATELESS: u8 = 3;
const GROUPS: u8 = 5;

/// Values of a topology's text. Names are `group0`, `office0`, `port0`, `net0`, `node0`.
#[derive(Clone, Debug)]
pub struct Model {
    /// The keys of each rule, of each group that there is.
    pub groups: BTreeMap<u8, Vec<String>>,
    /// The default group's rules, if there is one.
    pub default: Option<Vec<String>>,
    pub offices: [Vec<&'static str>; 2],
    pub ports: BTreeMap<u8, PortModel>,
}

#[derive(Clone, Debug)]
pub struct PortModel {
    pub network: u8,
    pub node: u8,
    pub port_security: bool,
    /// `None`: the default.
    pub groups: Option<Vec<u8>>,
    pub pair: Option<&'static str>,
}

fn rule() -> impl Strategy<Value = String> {
    let services = |ipv6: bool| {
        let all = prop::sample::select(vec![
            "protocol = 'tcp'".to_owned(),
            "protocol = 'tcp', port_range = '80'".into(),
            "protocol = 'tcp', port_range = '79-82'".into(),
            "protocol = 'udp', port_range = '1-80'".into(),
            "protocol = 'udp'".into(),
            "protocol = 47".into(),
            "protocol = 'icmp'".into(),
            format!("protocol = 'icmp', icmp_type = {}", if ipv6 { 128 } else { 8 }),
            format!("protocol = 'icmp', icmp_type = {}", if ipv6 { 129 } else { 0 }),
            format!("protocol = 'icmp', icmp_type = {}, icmp_code = 1", if ipv6 { 1 } else { 3 }),
        ]);
        prop_oneof![1 => Just(String::new()), 2 => all]
    };
    let remotes = |ipv6: bool| {
        let prefixes = if ipv6 { ["2001:db8::/126", "2001:db8::3/128"] } else { ["10.0.0.0/30", "10.0.0.3/32"] };
        let mut remotes: Vec<String> = Vec::new();
        remotes.extend(prefixes.map(|prefix| format!("remote_ip_prefix = '{prefix}'")));
        remotes.extend((0..GROUPS).map(|group| format!("remote_group = 'group{group}'")));
        remotes.extend((0..2).map(|office| format!("remote_address_group = 'office{office}'")));
        prop_oneof![1 => Just(String::new()), 1 => prop::sample::select(remotes)]
    };
    let directions = prop::sample::select(vec!["ingress", "egress"]);
    (directions, any::<bool>()).prop_flat_map(move |(direction, ipv6)| {
        (services(ipv6), remotes(ipv6)).prop_map(move |(service, remote)| {
            let ethertype = if ipv6 { "ethertype = 'IPv6'" } else { "" };
            let direction = format!("direction = '{direction}'");
            let keys = [direction.as_str(), ethertype, service.as_str(), remote.as_str()];
            keys.into_iter().filter(|key| !key.is_empty()).collect::<Vec<_>>().join(", ")
        })
    })
}

fn rules() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec(rule(), 0..9)
}

pub fn port_model() -> impl Strategy<Value = PortModel> {
    let stateful = prop::collection::btree_set(0..STATELESS, 0..4);
    let stateless = prop::collection::btree_set(STATELESS..GROUPS, 1..3);
    let groups = prop_oneof![
        1 => Just(None),
        4 => stateful.prop_map(|groups| Some(groups.into_iter().collect())),
        1 => stateless.prop_map(|groups| Some(groups.into_iter().collect())),
    ];
    let pair = prop_oneof![
        3 => Just(None),
        1 => prop::sample::select(vec![
            "{ ip_address = '10.0.0.128/25' }",
            "{ ip_address = '10.0.0.130', mac_address = 'fa:16:3e:00:00:99' }",
            "{ ip_address = '2001:db8::100/120' }",
            "{ ip_address = '0.0.0.0/0' }",
        ]).prop_map(Some),
    ];
    let security = prop_oneof![5 => Just(true), 1 => Just(false)];
    (0..2_u8, prop_oneof![3 => Just(0), 1 => Just(1_u8)], security, groups, pair).prop_map(
        |(network, node, port_security, groups, pair)| PortModel { network, node, port_security, groups, pair },
    )
}

pub fn model() -> impl Strategy<Value = Model> {
    let groups = prop::collection::vec(rules(), usize::from(GROUPS));
    let office = || prop::sample::subsequence(vec!["10.0.0.0/29", "10.0.0.4", "2001:db8::/125", "0.0.0.0/0"], 0..4);
    let ports = prop::collection::btree_map(0..PORTS, port_model(), 1..=usize::from(PORTS));
    (groups, prop::option::of(rules()), [office(), office()], ports).prop_map(|(groups, default, offices, ports)| {
        Model { groups: (0..).zip(groups).collect(), default, offices, ports }
    })
}

/// What of another model becomes this one's.
#[derive(Clone, Debug)]
pub enum ModelChange {
    Group(u8),
    Default,
    Office(usize),
    Port(u8),
    Ports,
    Everything,
}

pub fn model_change() -> impl Strategy<Value = ModelChange> {
    prop_oneof![
        (0..GROUPS).prop_map(ModelChange::Group),
        Just(ModelChange::Default),
        (0..2_usize).prop_map(ModelChange::Office),
        (0..PORTS).prop_map(ModelChange::Port),
        Just(ModelChange::Ports),
        Just(ModelChange::Everything),
    ]
}

impl ModelChange {
    pub fn apply(self, model: &mut Model, mut other: Model) {
        match self {
            Self::Group(group) => drop(model.groups.insert(group, other.groups.remove(&group).unwrap_or_default())),
            Self::Default => model.default = other.default,
            Self::Office(office) => model.offices[office] = other.offices[office].clone(),
            Self::Port(id) => match other.ports.remove(&id) {
                Some(port) => drop(model.ports.insert(id, port)),
                None => drop(model.ports.remove(&id)),
            },
            Self::Ports => model.ports = other.ports,
            Self::Everything => *model = other,
        }
    }
}

impl Model {
    pub fn topology(&self) -> Topology {
        let text = self.text();
        Topology::parse(&text, "random").unwrap_or_else(|error| panic!("{error}\n{text}"))
    }

    /// `topology.toml`, a line for each thing.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for node in 0..2 {
            writeln!(text, "nodes.node{node}.tunnel_ip = '192.0.2.{}'", node + 1).unwrap();
        }
        for network in 0..2 {
            let subnets = "subnets = { v4 = { cidr = '10.0.0.0/24' }, v6 = { cidr = '2001:db8::/64' } }";
            writeln!(
                text,
                "networks.net{network} = {{ type = 'vxlan', segmentation_id = {}, {subnets} }}",
                1001 + network
            )
            .unwrap();
        }
        for (group, rules) in &self.groups {
            let rules: Vec<String> = rules.iter().map(|rule| format!("{{ {rule} }}")).collect();
            let stateful = *group < STATELESS;
            writeln!(
                text,
                "security_groups.group{group} = {{ stateful = {stateful}, rules = [{}] }}",
                rules.join(", ")
            )
            .unwrap();
        }
        if let Some(rules) = &self.default {
            let rules: Vec<String> = rules.iter().map(|rule| format!("{{ {rule} }}")).collect();
            writeln!(text, "security_groups.default.rules = [{}]", rules.join(", ")).unwrap();
        }
        for (office, addresses) in self.offices.iter().enumerate() {
            writeln!(text, "address_groups.office{office}.addresses = {addresses:?}").unwrap();
        }
        for (id, port) in &self.ports {
            let groups: Vec<String> = port.groups.iter().flatten().map(|group| format!("'group{group}'")).collect();
            let groups = port.groups.as_ref().map(|_| format!("security_groups = [{}], ", groups.join(", ")));
            writeln!(
                text,
                "ports.port{id} = {{ network = 'net{}', node = 'node{}', mac_address = 'fa:16:3e:00:00:{:02x}', \
                 port_security = {}, {}allowed_address_pairs = [{}], fixed_ips = ['10.0.0.{}', '2001:db8::{:x}'] }}",
                port.network,
                port.node,
                id + 1,
                port.port_security,
                groups.unwrap_or_default(),
                port.pair.unwrap_or_default(),
                id + 1,
                id + 1,
            )
            .unwrap();
        }
        text
    }

    /// The text, and a port `mark0`, `mark1` on each node whose flows tell the version, once they are there.
    pub fn marked_text(&self, version: u16) -> String {
        let rule = format!("{{ direction = 'egress', protocol = 'udp', port_range = '{version}' }}");
        let marks = (0..2).map(|node| {
            format!(
                "ports.mark{node} = {{ network = 'marks', node = 'node{node}', \
                 mac_address = 'fa:16:3e:00:02:{node:02x}', security_groups = ['version'] }}\n"
            )
        });
        let network = "networks.marks = { type = 'vxlan', segmentation_id = 1003 }\n";
        self.text() + network + &format!("security_groups.version.rules = [{rule}]\n") + &marks.collect::<String>()
    }

    /// What the flows of a version have that no others have.
    pub fn mark(version: u16) -> String {
        format!("tp_dst={version}")
    }
}
