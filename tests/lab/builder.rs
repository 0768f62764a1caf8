//! From a few words to a running lab.

use std::sync::Mutex;

use toml::{Table, Value};

use super::Lab;
use super::command::register_logs;
use super::host::{Host, UNDERLAY_IF, tunnel_ip};
use super::sweep::LabId;
use super::topology::{Kind, Network, Port, Topology, merge};
use super::vm::{Binding, VmSpec};
use super::wire::Wire;

/// Host part of the first VM's address in a network; .1 is the gateway.
const FIRST_ADDRESS: u16 = 3;

/// A lab in the making. Hosts, networks and VMs must be named before what refers to them.
#[derive(Debug)]
pub struct LabBuilder {
    name: String,
    topology: Topology,
    vms: Vec<VmSpec>,
    /// Text for `heddle.toml`, of one host or of all.
    config: Vec<(Option<String>, String)>,
}

impl LabBuilder {
    pub(super) fn new(name: &str) -> Self {
        Self { name: name.into(), topology: Topology::default(), vms: Vec::new(), config: Vec::new() }
    }

    /// A network with its subnets, the first address of each being the gateway's.
    pub fn network(mut self, name: &str, kind: Kind, subnets: &[&str]) -> Self {
        let subnets = subnets.iter().map(|&cidr| cidr.to_owned()).collect();
        self.topology.networks.push(Network { name: name.into(), kind, subnets, more: Table::new() });
        self
    }

    /// More keys of the network that was named last; see [`Network::more`].
    pub fn with(mut self, text: &str) -> Self {
        let network = self.topology.networks.last_mut().expect("a network was named");
        merge(&mut network.more, text.parse().unwrap_or_else(|e| panic!("keys of {}: {e}", network.name)));
        self
    }

    /// A host, and a node of the same name; tunnel addresses are 192.0.2.1, .2, … in order.
    pub fn host(mut self, name: &str) -> Self {
        let number = u8::try_from(self.topology.nodes.len() + 1).expect("a lab has few hosts");
        self.topology.nodes.push((name.into(), tunnel_ip(number).parse().expect("it is an address")));
        self
    }

    /// `security_groups` and `address_groups`, as TOML.
    pub fn security(mut self, text: &str) -> Self {
        self.topology.security = text.into();
        self
    }

    /// A VM and its port, with the next MAC and the next address of each subnet.
    pub fn vm(self, host: &str, name: &str, network: &str) -> Self {
        self.vm_with(host, name, network, |vm| vm)
    }

    /// A VM and its port, changed as the test wants it.
    pub fn vm_with(mut self, host: &str, name: &str, network: &str, change: impl FnOnce(VmSpec) -> VmSpec) -> Self {
        let mut vm = change(self.next_vm(host, name, network));
        if vm.binding == Binding::Interface {
            vm.port.interface = Some(vm.interface());
        }
        if vm.known {
            self.topology.ports.push(vm.port.clone());
        }
        self.vms.push(vm);
        self
    }

    fn next_vm(&self, host: &str, name: &str, network: &str) -> VmSpec {
        assert!(self.topology.nodes.iter().any(|(node, _)| node == host), "the lab has no host {host} yet");
        let before = self.vms.iter().filter(|vm| vm.port.network == network).count();
        let number = self.vms.len() + 1;
        let port = Port {
            name: name.into(),
            network: network.into(),
            node: host.into(),
            interface: None,
            mac_address: format!("fa:16:3e:00:{:02x}:{:02x}", number / 256, number % 256),
            fixed_ips: self.topology.network(network).addresses(FIRST_ADDRESS + before as u16),
            port_security: None,
            allowed_address_pairs: Vec::new(),
            security_groups: None,
        };
        VmSpec {
            port,
            host: host.into(),
            binding: Binding::IfaceId,
            known: true,
            plugged: true,
            dad: false,
            mute: false,
        }
    }

    /// More of `heddle.toml` for one host; tables are merged with what the harness writes.
    pub fn config(mut self, host: &str, text: &str) -> Self {
        self.config.push((Some(host.into()), text.into()));
        self
    }

    /// More of `heddle.toml` for every host.
    pub fn config_all(mut self, text: &str) -> Self {
        self.config.push((None, text.into()));
        self
    }

    /// Everything up: Open vSwitch, Heddle, VMs; returns when every port is confirmed.
    pub fn start(self) -> Lab {
        let lab = self.start_unplugged();
        lab.plug_all();
        lab.wait_ready();
        lab
    }

    /// Open vSwitch and Heddle up, VMs there but not plugged.
    pub fn start_unplugged(self) -> Lab {
        let lab = self.start_without_heddle();
        lab.hosts.iter().for_each(Host::start_heddle);
        lab.await_bridges();
        lab
    }

    /// Hosts with Open vSwitch, `br-under` and the physical bridges, wires, VMs not plugged; no Heddle, no `br-int`.
    pub fn start_without_heddle(mut self) -> Lab {
        let id = LabId::claim();
        register_logs(&id.dir());
        let vms = std::mem::take(&mut self.vms).into_iter().map(|vm| (vm.port.name.clone(), vm)).collect();
        // Built empty, then filled: from here on a panic drops the lab, and that sweeps it.
        let mut lab = Lab {
            name: self.name.clone(),
            underlay: Wire::create(&id, "under"),
            hosts: Vec::new(),
            wires: Vec::new(),
            topology: Mutex::new(self.topology.clone()),
            vms: Mutex::new(vms),
            id,
        };
        lab.wires = self.topology.physical_networks().into_iter().map(|n| (n, Wire::create(&lab.id, n))).collect();
        let numbered = self.topology.nodes.iter().zip(1..);
        lab.hosts = numbered.map(|((name, _), number)| Host::create(&lab.id, name, number)).collect();
        self.raise(&lab);
        lab
    }

    fn raise(&self, lab: &Lab) {
        let count = lab.hosts.len() as u8;
        for (host, number) in lab.hosts.iter().zip(1..) {
            lab.underlay.attach(host, UNDERLAY_IF, number);
            host.create_ovs();
            host.create_underlay_bridge();
            host.meet(count);
            for ((physical, wire), bridge) in lab.wires.iter().zip(bridges()) {
                wire.attach(host, physical, number);
                host.add_bridge(&bridge);
                host.vsctl(&["add-port", &bridge, physical]);
            }
            let config = self.render_config(lab, host);
            std::fs::write(host.config_path(), config).expect("the host's directory takes a file");
        }
        lab.write_topology(&self.topology.render());
        lab.create_vms();
    }

    fn render_config(&self, lab: &Lab, host: &Host) -> String {
        let path = |file: &str| host.dir().join(file).display().to_string();
        let physical = lab.wires.iter().map(|(name, _)| (*name).to_owned()).zip(bridges().map(Value::from));
        let bridges = Table::from_iter([
            ("datapath_type".into(), "netdev".into()),
            ("physical".into(), Value::Table(physical.collect())),
        ]);
        let ovsdb = Table::from_iter([("remote".into(), format!("unix:{}", path("db.sock")).into())]);
        let mut config = Table::from_iter([
            ("node".into(), host.name().into()),
            ("topology".into(), path("topology.toml").into()),
            ("ovsdb".into(), Value::Table(ovsdb)),
            ("bridges".into(), Value::Table(bridges)),
        ]);
        for (_, text) in self.config.iter().filter(|(of, _)| of.as_deref().is_none_or(|name| name == host.name())) {
            merge(&mut config, text.parse().unwrap_or_else(|e| panic!("config of {}: {e}", host.name())));
        }
        config.to_string()
    }
}

/// `br-phys`, `br-phys2`, `br-phys3`, …
fn bridges() -> impl Iterator<Item = String> {
    (1..).map(|n| if n == 1 { "br-phys".to_owned() } else { format!("br-phys{n}") })
}
