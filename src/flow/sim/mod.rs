//! Flow tables in software: the way of a packet through the flows of one or more bridges.
//!
//! [`trace`] follows a packet as `ofproto/trace` of Open vSwitch 3.1 does (`ovs-vswitchd(8)`), but from flows
//! alone. What flows do not tell (what `NORMAL` learnt, which bucket a hash chooses, what conntrack knows) is
//! taken from what the caller says; where that is nothing, a [`Note`] says what was assumed, and what depends on
//! it is not [certain](Delivery::certain).

mod actions;
mod conntrack;
mod encap;
mod learn;
mod network;
mod output;
mod packet;
mod rewrite;
mod set;
mod step;
mod table;
#[cfg(test)]
mod tests;
mod walk;

use std::collections::VecDeque;

pub use conntrack::CtState;
pub use network::{
    Bridge, BridgeId, BridgePort, Bucket, Cable, End, Group, Network, PortVlan, Ports, Switching, is_patch,
};
pub use packet::{Packet, PacketError};
pub use step::{Delivery, Destination, Fault, Hit, Leg, Note, Reason, Start, Step, Trace, Weight};
pub use table::{Clause, Tables};

use walk::{Pending, Walk};

/// Legs of a trace after which something goes round in circles.
const MAX_LEGS: usize = 256;

/// Follows a packet that `bridge` receives. `states`: what conntrack says of it, each time that it is tracked;
/// when they are used up, that the connection is new.
pub fn trace(network: &Network, bridge: BridgeId, packet: Packet, states: &[CtState]) -> Trace {
    let mut states = states.iter().copied();
    let mut queue = VecDeque::from([Pending::received(Start::Received, bridge, packet)]);
    let mut trace = Trace::default();
    while let Some(pending) = queue.pop_front() {
        if trace.legs.len() == MAX_LEGS {
            trace.cut = true;
            break;
        }
        let told = if matches!(pending.start, Start::Tracked { .. }) { states.next() } else { None };
        let (leg, following) = Walk::leg(network, conntrack::resumed(pending, told));
        trace.legs.push(leg);
        queue.extend(following);
    }
    trace
}
