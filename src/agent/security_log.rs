//! The log of security groups: an event of its own target for each packet that the firewall tells of.

use tracing::info;

use crate::openflow::numbers::{ETH_TYPE_ARP, ETH_TYPE_IPV4, ETH_TYPE_IPV6, ETH_TYPE_RARP};
use crate::openflow::oxm;
use crate::packet::Fragment;
use crate::responder::security_log::{Allowed, Decision, Headers, LoggedPort, Record, Transport};
use crate::topology::{Topology, protocol_name};

/// The target of its events: what `RUST_LOG` calls it, and what tells its lines from others.
pub const TARGET: &str = "heddle::security_log";

/// Writes a record down. A field that the packet has not is left out.
pub fn write(record: &Record, topology: &Topology) {
    let Record { port, direction, headers, .. } = record;
    let suppressed = (record.suppressed > 0).then_some(record.suppressed);
    let (src, dst) = headers.addresses.unzip();
    let ((src_port, dst_port), (icmp_type, icmp_code)) = transport(headers.transport);
    let flags = tcp_flags(headers.transport);
    let fragment = match headers.fragment {
        Fragment::No => None,
        Fragment::First => Some("first"),
        Fragment::Later => Some("later"),
    };
    let (action, why) = match &record.decision {
        Decision::Accepted(allowed) => ("accept", Why::accepted(allowed.as_ref(), topology)),
        Decision::Dropped(reason) => ("drop", Why::dropped(port, reason.words())),
    };
    info!(
        target: TARGET, action, direction = direction.word(), port = &*port.name, network = &*port.network,
        group = why.group, rule = why.rule, allows = why.allows, reason = why.reason, protocol = protocol(headers),
        src = src.map(display), dst = dst.map(display), src_port, dst_port, icmp_type, icmp_code, tcp_flags = flags,
        fragment, eth_src = %headers.eth_src, eth_dst = %headers.eth_dst, length = headers.length, suppressed,
    );
}

/// By what a packet was accepted, or why not.
#[derive(Default)]
struct Why {
    /// Of a dropped packet all groups of the port.
    group: String,
    /// Its number, from 1, among those of its group.
    rule: Option<usize>,
    /// What the rule says.
    allows: Option<String>,
    reason: Option<&'static str>,
}

impl Why {
    fn accepted(allowed: Option<&Allowed>, topology: &Topology) -> Self {
        let Some(allowed) = allowed else {
            return Self { reason: Some("by a rule that has changed since"), ..Self::default() };
        };
        let allows = allowed.rule().map(|rule| topology.rule_words(rule).to_string());
        Self { group: allowed.group.name.to_string(), rule: Some(allowed.index + 1), allows, reason: None }
    }

    fn dropped(port: &LoggedPort, reason: &'static str) -> Self {
        let names: Vec<&str> = port.groups.iter().map(|group| &*group.name).collect();
        Self { group: names.join(","), reason: Some(reason), ..Self::default() }
    }
}

/// The name of the protocol, or its number; without IP, of what the frame holds.
fn protocol(headers: &Headers) -> String {
    match (headers.eth_type, headers.protocol) {
        (_, Some(number)) => protocol_name(number).map_or_else(|| number.to_string(), str::to_owned),
        (ETH_TYPE_ARP, None) => "arp".to_owned(),
        (ETH_TYPE_RARP, None) => "rarp".to_owned(),
        (ETH_TYPE_IPV4, None) => "ipv4".to_owned(),
        (ETH_TYPE_IPV6, None) => "ipv6".to_owned(),
        (other, None) => format!("{other:#06x}"),
    }
}

type Pair<T> = (Option<T>, Option<T>);

/// Ports; type and code.
fn transport(transport: Transport) -> (Pair<u16>, Pair<u8>) {
    match transport {
        Transport::Ports(src, dst) | Transport::Tcp(src, dst, _) => ((Some(src), Some(dst)), (None, None)),
        Transport::Icmp(icmp_type, code) => ((None, None), (Some(icmp_type), Some(code))),
        Transport::Other => ((None, None), (None, None)),
    }
}

/// `syn|ack`.
fn tcp_flags(transport: Transport) -> Option<String> {
    let Transport::Tcp(.., bits) = transport else { return None };
    let known = oxm::TCP_FLAGS.format.flags()?;
    let set = known.names.iter().enumerate().filter(|(bit, _)| bits >> bit & 1 == 1);
    Some(set.map(|(_, name)| *name).collect::<Vec<_>>().join("|"))
}
