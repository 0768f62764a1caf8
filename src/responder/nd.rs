//! Neighbor solicitations (RFC 4861 §7.2) that come up on `br-tun`: advertisements in the name of ports of other
//! hosts. Where flows answer, only those come up that carry no address of their sender, as duplicate address
//! detection (RFC 4862 §5.4).

use std::net::Ipv6Addr;

use super::addresses::{Holder, NodeKind, Place};
use super::neighbors::NetworkAnswers;
use super::{Destination, Query, Reply, Verdict};
use crate::openflow::numbers::NEIGHBOR_ADVERTISEMENT;
use crate::openflow::{MacAddr, Writer};
use crate::packet::build::{Frame, Ipv6Header};
use crate::packet::{Icmpv6, Ipv6, NdOption, NeighborDiscovery};
use crate::pipeline::tables::{FLOOD_TO_TUN, UCAST_TO_TUN};

/// Hop limit of neighbor discovery: nobody beyond the link can have sent it (RFC 4861 §7.1.1).
const HOP_LIMIT: u8 = 255;
/// All nodes of the link, and how Ethernet calls them (RFC 4291 §2.7.1, RFC 2464 §7).
const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
const ALL_NODES_MAC: MacAddr = MacAddr([0x33, 0x33, 0, 0, 0, 1]);

/// Answers a solicitation, or sends it where it would have gone. Its checksum is not looked at: a machine that leaves
/// it to its network card has not written it yet.
#[inline]
pub(super) fn answer(
    query: &Query<'_>,
    (ip, icmp): (&Ipv6<'_>, &Icmpv6<'_>),
    network: Option<&NetworkAnswers>,
    reply: &mut Reply<'_>,
) -> Verdict {
    let target = match icmp.neighbor_discovery() {
        Ok(Some(solicitation)) if ip.hop_limit == HOP_LIMIT => solicitation.target,
        Ok(_) => return Verdict::Ignored("no valid solicitation"),
        Err(error) => return Verdict::Malformed(error),
    };
    let Some(holder) = network.and_then(|known| known.addresses.ipv6(target)) else {
        return reply.pass_on(query, UCAST_TO_TUN);
    };
    let detects_duplicates = ip.src.is_unspecified();
    match holder.place {
        // Its owner itself, which came here before the topology says so.
        _ if holder.mac == query.src => reply.pass_on(query, FLOOD_TO_TUN),
        // Whoever else has it may be anywhere.
        Place::Here if detects_duplicates => reply.pass_on(query, FLOOD_TO_TUN),
        Place::Here => Verdict::Ignored("whoever has the address has heard it too"),
        Place::Elsewhere => {
            let to = if detects_duplicates { Audience::EVERYONE } else { Audience::of(query, ip) };
            let frame = Frame { dst: to.mac, src: holder.mac, tags: query.tags };
            let header = Ipv6Header { src: target, dst: to.address, hop_limit: HOP_LIMIT };
            reply.send(Destination::InPort, |writer| {
                frame.ipv6(writer);
                header.icmpv6(writer, |writer| {
                    advertisement(target, holder, to.flags, writer);
                    Ok(())
                })
            });
            Verdict::Answered
        }
    }
}

/// To whom an advertisement goes.
struct Audience {
    mac: MacAddr,
    address: Ipv6Addr,
    flags: u32,
}

impl Audience {
    /// All, for whoever asks has no address yet (RFC 4861 §7.2.4).
    const EVERYONE: Self = Self { mac: ALL_NODES_MAC, address: ALL_NODES, flags: NeighborDiscovery::OVERRIDE };

    /// Whoever asks.
    const fn of(query: &Query<'_>, ip: &Ipv6<'_>) -> Self {
        let flags = NeighborDiscovery::SOLICITED | NeighborDiscovery::OVERRIDE;
        Self { mac: query.src, address: ip.src, flags }
    }
}

/// An advertisement (RFC 4861 §4.4) from its type on, with the MAC address as its option.
#[inline]
fn advertisement(target: Ipv6Addr, holder: Holder, flags: u32, writer: &mut Writer) {
    let router = match holder.kind {
        NodeKind::Host => 0,
        NodeKind::Router => NeighborDiscovery::ROUTER,
    };
    writer.bytes(&[NEIGHBOR_ADVERTISEMENT, 0, 0, 0]);
    writer.u32(flags | router);
    writer.bytes(&target.octets());
    writer.bytes(&[NdOption::TARGET_LINK_ADDRESS, 1]);
    writer.bytes(&holder.mac.0);
}
