//! A lab of several Open vSwitch hosts on one machine, for tests in words.
//!
//! ```ignore
//! let lab = Lab::new("vxlan-ping")
//!     .network("blue", Vxlan(1001), &["172.18.0.0/24"])
//!     .host("a")
//!     .host("b")
//!     .vm("a", "web1", "blue")
//!     .vm("b", "web2", "blue")
//!     .start();
//! lab.vm("web1").assert_ping("web2");
//! ```
//!
//! ```text
//!    namespace v-web1        namespace h-a: ovsdb-server, ovs-vswitchd, heddle          namespace w-under
//!        eth0 ────────── tap-web1 ─ br-int ─ br-tun ┄ vxlan ┄ br-under ─ under0 ─────────── port1 ─ br0 ─ port2 … h-b
//!                                      └──── br-phys ─ physnet ──────────────────────────── w-physnet, likewise
//! ```
//!
//! A host is a namespace with an Open vSwitch of its own in the userspace datapath, so tunnels leave through
//! `br-under`, which the harness makes as an operator would. A VM is a namespace with one veth. Wires are Linux
//! bridges. Everything carries the lab's name, goes away when the `Lab` is dropped, and is swept by the next lab if
//! the test was killed; see [`sweep`]. `KEEP=1` leaves it running and prints how to look around.

#![allow(dead_code, unreachable_pub, unused_imports, reason = "every test file compiles the harness and uses its part")]

mod builder;
mod capture;
mod command;
#[allow(clippy::duplicate_mod, reason = "some test files have both the lab and the rest of tests/support")]
#[path = "../support/dice.rs"]
mod dice;
mod faults;
mod flows;
pub mod frame;
mod heddle;
mod host;
mod line;
pub mod netns;
mod openflow_log;
mod ping;
mod raw;
mod relay;
mod reliability;
pub mod sockets;
mod state;
pub mod sweep;
mod talk;
mod topology;
mod vm;
mod watch;
mod wire;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Duration;

pub use builder::LabBuilder;
pub use capture::Capture;
pub use command::{Output, eventually, eventually_some, logs};
pub use faults::SmallDisk;
pub use flows::FlowLine;
pub use frame::Frame;
pub use heddle::{SecondHeddle, program};
pub use host::Host;
pub use line::{Line, Passage, Sort, Way};
pub use openflow_log::OpenflowLog;
pub use ping::{PingStream, Pings};
pub use raw::RawMachines;
pub use reliability::{BRIDGES, Losses, PAIRS, Random, Traffic, every_network, report, scaled, soak};
pub use talk::{Connection, Conversation, Datagrams};
pub use topology::Kind::{self, Flat, Local, Vlan, Vxlan};
pub use topology::{Network, Port, Topology};
pub use vm::{Binding, Vm, VmSpec};
pub use watch::{InterfaceHistory, InterfaceRow};
pub use wire::Wire;

use command::ip_batch;
use sweep::LabId;

/// How long Heddle may take to make its bridges.
const START_DEADLINE: Duration = Duration::from_secs(20);

/// How long Heddle may take to confirm every plugged port.
const READY_DEADLINE: Duration = Duration::from_secs(20);

/// A running lab; dropping it takes it away.
#[derive(Debug)]
pub struct Lab {
    name: String,
    id: LabId,
    hosts: Vec<Host>,
    underlay: Wire,
    /// By physical network, in the order of the bridges `br-phys`, `br-phys2`, ….
    wires: Vec<(&'static str, Wire)>,
    topology: Mutex<Topology>,
    /// `plugged` and `host` of each are kept up to date.
    vms: Mutex<BTreeMap<String, VmSpec>>,
}

impl Lab {
    /// Begins a lab; the name is for people.
    #[expect(clippy::new_ret_no_self, reason = "it reads best at the head of the chain that describes the lab")]
    pub fn new(name: &str) -> LabBuilder {
        LabBuilder::new(name)
    }

    /// The lab's directory; each host has one of its name below.
    pub fn dir(&self) -> PathBuf {
        self.id.dir()
    }

    /// A host by name.
    pub fn host(&self, name: &str) -> &Host {
        let host = self.hosts.iter().find(|host| host.name() == name);
        host.unwrap_or_else(|| panic!("the lab has no host {name}"))
    }

    /// All hosts, in order.
    pub fn hosts(&self) -> &[Host] {
        &self.hosts
    }

    /// A VM by name.
    pub fn vm<'a>(&'a self, name: &'a str) -> Vm<'a> {
        self.vm_spec(name);
        Vm { lab: self, name }
    }

    fn vm_spec(&self, name: &str) -> VmSpec {
        let vms = self.vms.lock().unwrap();
        vms.get(name).cloned().unwrap_or_else(|| panic!("the lab has no VM {name}"))
    }

    fn vm_namespace(&self, name: &str) -> String {
        self.id.namespace(&format!("v-{name}"))
    }

    /// A VM's IPv4 address; what is no VM's name is an address already.
    fn ip_of(&self, target: &str) -> String {
        if self.vms.lock().unwrap().contains_key(target) { self.vm(target).ip() } else { target.to_owned() }
    }

    fn ip6_of(&self, target: &str) -> String {
        if self.vms.lock().unwrap().contains_key(target) { self.vm(target).ip6() } else { target.to_owned() }
    }

    fn create_vms(&self) {
        let topology = self.topology.lock().unwrap();
        for (name, vm) in self.vms.lock().unwrap().iter() {
            vm.create(&self.vm_namespace(name), self.host(&vm.host), topology.network(&vm.port.network));
        }
    }

    // Plugging.

    /// Adds the VM's interface to `br-int`, as a hypervisor would.
    pub fn plug(&self, name: &str) {
        let vm = self.vm_spec(name);
        let (interface, id) = (vm.interface(), format!("external_ids:iface-id={name}"));
        let add = ["add-port", "br-int", &interface];
        let bind = ["--", "set", "Interface", &interface, &id];
        let by_id = vm.binding == Binding::IfaceId;
        self.host(&vm.host).vsctl(&[&add[..], if by_id { &bind } else { &[] }].concat());
        self.change_vm(name, |vm| vm.plugged = true);
    }

    /// Takes the VM's interface out of `br-int`.
    pub fn unplug(&self, name: &str) {
        let vm = self.vm_spec(name);
        self.host(&vm.host).vsctl(&["del-port", "br-int", &vm.interface()]);
        self.change_vm(name, |vm| vm.plugged = false);
    }

    /// Plugs every VM that is meant to be plugged.
    pub fn plug_all(&self) {
        let vms = self.vms.lock().unwrap().clone();
        vms.values().filter(|vm| vm.plugged).for_each(|vm| self.plug(&vm.port.name));
    }

    /// The VM itself moves: unplugged here, plugged there. What the topology says is [`Self::move_port`].
    pub fn move_vm(&self, name: &str, to: &str) {
        let vm = self.vm_spec(name);
        self.unplug(name);
        let (from, interface, namespace) = (self.host(&vm.host), vm.interface(), self.host(to).namespace());
        ip_batch(Some(from.namespace()), &[format!("link set {interface} netns {namespace}")]);
        ip_batch(Some(namespace), &[format!("link set {interface} up")]);
        self.change_vm(name, |vm| vm.host = to.into());
        self.plug(name);
    }

    fn change_vm(&self, name: &str, change: impl FnOnce(&mut VmSpec)) {
        change(self.vms.lock().unwrap().get_mut(name).expect("it was looked up before"));
    }

    /// Waits until Heddle has made its bridges on every host.
    fn await_bridges(&self) {
        for host in &self.hosts {
            eventually(&format!("heddle of {} makes its bridges", host.name()), START_DEADLINE, || {
                host.assert_heddle_alive();
                host.bridge_exists("br-int") && host.bridge_exists("br-tun")
            });
        }
    }

    /// Waits until Heddle has confirmed the flows of every plugged VM that the topology has on that host.
    pub fn wait_ready(&self) {
        self.hosts.iter().for_each(|host| self.wait_ready_on(host));
    }

    fn wait_ready_on(&self, host: &Host) {
        let wanted = self.ports_on(host.name());
        eventually(&format!("heddle of {} confirms {wanted:?}", host.name()), READY_DEADLINE, || {
            host.assert_heddle_alive();
            let find = ["--bare", "--columns=name", "find", "Interface", "external_ids:heddle-installed=true"];
            let confirmed = host.vsctl(&find);
            wanted.iter().all(|interface| confirmed.lines().any(|line| line == interface))
        });
    }

    /// Interfaces of the plugged VMs that run on a host where the topology has their port.
    fn ports_on(&self, host: &str) -> Vec<String> {
        let topology = self.topology.lock().unwrap();
        let here = |vm: &VmSpec| topology.ports.iter().any(|port| port.name == vm.port.name && port.node == host);
        let vms = self.vms.lock().unwrap();
        vms.values().filter(|vm| vm.plugged && vm.host == host && here(vm)).map(VmSpec::interface).collect()
    }

    /// Heddle has confirmed the flows of this VM's port.
    pub fn is_ready(&self, name: &str) -> bool {
        let vm = self.vm_spec(name);
        let get = ["--if-exists", "get", "Interface", &vm.interface(), "external_ids:heddle-installed"];
        self.host(&vm.host).try_vsctl(&get).stdout.contains("true")
    }

    // The topology.

    /// Changes the topology and writes `topology.toml` of every host.
    pub fn edit_topology(&self, change: impl FnOnce(&mut Topology)) {
        let text = {
            let mut topology = self.topology.lock().unwrap();
            change(&mut topology);
            topology.render()
        };
        self.write_topology(&text);
    }

    /// The topology puts the port on another node. The VM itself stays: [`Self::move_vm`].
    pub fn move_port(&self, name: &str, node: &str) {
        self.edit_topology(|topology| topology.port(name).node = node.into());
    }

    /// Replaces `topology.toml` of every host by any text; the next edit writes the real one again.
    pub fn write_topology(&self, text: &str) {
        self.hosts.iter().for_each(|host| host.write_topology(text));
    }

    // Wires.

    /// Connects two physical networks by a cable between their wires.
    pub fn join_wires(&self, one: &str, other: &str) {
        self.wire(one).join(self.wire(other));
    }

    /// Captures on the underlay; each packet once.
    pub fn capture_underlay(&self) -> Capture {
        self.underlay.capture(&self.id)
    }

    /// Captures on a physical network; each frame once.
    pub fn capture_wire(&self, physical_network: &str) -> Capture {
        self.wire(physical_network).capture(&self.id)
    }

    /// The wire between the tunnel endpoints.
    pub fn underlay(&self) -> &Wire {
        &self.underlay
    }

    /// The wire of a physical network.
    pub fn wire(&self, physical_network: &str) -> &Wire {
        let wire = self.wires.iter().find(|(name, _)| *name == physical_network);
        &wire.unwrap_or_else(|| panic!("the lab has no physical network {physical_network}")).1
    }

    /// How to look around in a lab that is up, as commands to copy.
    pub fn guide(&self) -> String {
        let mut text = format!("lab {} in {}\n", self.name, self.dir().display());
        for host in &self.hosts {
            text += &host.guide();
        }
        for (name, vm) in self.vms.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).iter() {
            let (ips, namespace) = (&vm.port.fixed_ips, self.vm_namespace(name));
            text += &format!("  VM {name} {ips:?}: ip netns exec {namespace} ping …\n");
        }
        text + "take it away with: make clean-lab\n"
    }
}

impl Host {
    /// Replaces its `topology.toml`.
    pub fn write_topology(&self, text: &str) {
        let (new, path) = (self.dir().join("topology.new"), self.dir().join("topology.toml"));
        fs::write(&new, text).and_then(|()| fs::rename(&new, &path)).expect("the host's directory takes a file");
    }

    fn guide(&self) -> String {
        let (name, namespace, dir) = (self.name(), self.namespace(), self.dir().display());
        let dump = heddle::program_path("ofctl-dump");
        format!(
            "  host {name}: ip netns exec {namespace} …\n    HEDDLE_RUNDIR={dir}/run {} status -c {}\n    {} --explain {}\n    \
             export OVS_RUNDIR={dir}   # then ovs-vsctl show, ovs-ofctl -O OpenFlow13 dump-flows br-int, …\n    \
             tail -f {dir}/heddle.log\n",
            dump.with_file_name("heddle").display(),
            self.config_path(),
            dump.display(),
            self.mgmt("br-tun").display(),
        )
    }
}

/// True if `KEEP=1` asks to leave labs running.
fn keep() -> bool {
    std::env::var("KEEP").is_ok_and(|value| value == "1")
}

impl Drop for Lab {
    fn drop(&mut self) {
        if keep() {
            self.id.keep();
            eprintln!("{}", self.guide());
        } else {
            if std::thread::panicking() {
                eprintln!("lab {} goes away; with KEEP=1 it would stay for a look around", self.name);
            }
            self.hosts.iter().for_each(Host::discard_heddle);
            self.id.sweep();
        }
        command::forget_logs(&self.dir());
    }
}
