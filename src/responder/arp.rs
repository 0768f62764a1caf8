//! ARP requests (RFC 826) that come up on `br-tun`: answered in the name of ports of other hosts, by the rules that
//! the flows of [`crate::pipeline`] have where these answer.

use super::addresses::{Holder, Place};
use super::neighbors::NetworkAnswers;
use super::{Destination, Query, Reply, Verdict};
use crate::packet::build::Frame;
use crate::packet::{Arp, ArpPacket};
use crate::pipeline::tables::{FLOOD_TO_TUN, UCAST_TO_TUN};

/// Answers a request, or sends it where it would have gone.
#[inline]
pub(super) fn answer(
    query: &Query<'_>,
    request: ArpPacket<'_>,
    network: Option<&NetworkAnswers>,
    reply: &mut Reply<'_>,
) -> Verdict {
    if request.op() == Arp::REQUEST && request.spa().is_unspecified() {
        // A probe (RFC 5227 §2.1.1): whoever has the address says so itself.
        return reply.pass_on(query, FLOOD_TO_TUN);
    }
    let holder = network.filter(|_| request.op() == Arp::REQUEST).and_then(|known| known.addresses.ipv4(request.tpa()));
    match holder {
        None => reply.pass_on(query, UCAST_TO_TUN),
        // An announcement (RFC 5227 §3): everyone has to hear it.
        Some(_) if request.spa() == request.tpa() => reply.pass_on(query, FLOOD_TO_TUN),
        Some(Holder { place: Place::Here, .. }) => Verdict::Ignored("whoever has the address has heard it too"),
        Some(Holder { mac, place: Place::Elsewhere, .. }) => {
            let frame = Frame { dst: query.src, src: mac, tags: query.tags };
            let said = Arp { op: Arp::REPLY, sha: mac, spa: request.tpa(), tha: request.sha(), tpa: request.spa() };
            reply.send(Destination::InPort, |writer| {
                frame.arp(&said, writer);
                Ok(())
            });
            Verdict::Answered
        }
    }
}
