//! A wire that joins the hosts: the underlay or one physical network, as a Linux bridge in a namespace of its own.

use super::capture::Capture;
use super::command::ip_batch;
use super::host::Host;
use super::netns;
use super::sweep::LabId;

/// The bridge's name inside its namespace. It knows nothing of VLANs, so tags pass.
const BRIDGE: &str = "br0";

/// One wire.
#[derive(Debug)]
pub struct Wire {
    namespace: String,
}

impl Wire {
    /// The wire, with nobody on it.
    pub(super) fn create(id: &LabId, name: &str) -> Self {
        let namespace = id.namespace(&format!("w-{name}"));
        ip_batch(None, &[format!("netns add {namespace}")]);
        netns::silence_ipv6(&namespace);
        let add = format!("link add {BRIDGE} type bridge mcast_snooping 0 forward_delay 0 stp_state 0");
        ip_batch(Some(&namespace), &[add, format!("link set {BRIDGE} up")]);
        Self { namespace }
    }

    /// Connects a host; its end of the cable is `interface`, ours has the host's number.
    pub(super) fn attach(&self, host: &Host, interface: &str, number: u8) {
        let cable = format!("link add {interface} type veth peer name port{number} netns {}", self.namespace);
        ip_batch(Some(host.namespace()), &[cable, format!("link set {interface} up")]);
        ip_batch(Some(&self.namespace), &[format!("link set port{number} master {BRIDGE} up")]);
    }

    /// Connects it to another wire by a cable.
    pub(super) fn join(&self, other: &Self) {
        let cable = format!("link add join0 type veth peer name join0 netns {}", other.namespace);
        ip_batch(Some(&self.namespace), &[cable]);
        for wire in [self, other] {
            ip_batch(Some(&wire.namespace), &[format!("link set join0 master {BRIDGE} up")]);
        }
    }

    /// Cuts or mends the cable of host `number`, 1 for the first.
    pub fn set_link(&self, number: u8, state: &str) {
        ip_batch(Some(&self.namespace), &[format!("link set port{number} {state}")]);
    }

    /// Its namespace.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Captures every frame that crosses the wire, each once.
    pub(super) fn capture(&self, id: &LabId) -> Capture {
        Capture::start(&self.namespace, BRIDGE, &id.dir())
    }
}
