//! Actions that change the packet, or what is kept about it, and nothing else (`ovs-actions(7)`).

use super::packet::Packet;
use super::step::Note;
use crate::openflow::matching::{ETH_TYPE_IPV4, VLAN_PRESENT, mac_number};
use crate::openflow::oxm::{self, Field, FieldValue};
use crate::openflow::{Action, Subfield};

/// Does an action of this kind and says what there is to say. `None`: another kind.
pub(super) fn rewrite(packet: &mut Packet, action: &Action) -> Option<Option<Note>> {
    if let Some((field, value)) = old_setter(packet, action) {
        if let Some(field) = field {
            packet.set(field, value);
        }
        return Some(None);
    }
    let note = match action {
        Action::PushVlan(ethertype) => {
            packet.push_tag(*ethertype, VLAN_PRESENT);
            None
        }
        Action::PopVlan => {
            packet.pop_tag();
            None
        }
        Action::SetField(value) | Action::Load2(value) => set_field(packet, value),
        Action::Load { value, dst } => load(packet, dst, (*value).into()),
        Action::Move { src, dst } | Action::CopyField { src, dst } => {
            packet.set_subfield(dst, packet.subfield(src));
            Some(Note::Now(*dst, packet.subfield(dst)))
        }
        Action::WriteMetadata { metadata, mask } => {
            packet.set_masked(&oxm::METADATA, (*metadata).into(), (*mask).into());
            None
        }
        Action::DeleteField(field) => {
            packet.set(field, 0);
            None
        }
        Action::Note(_) | Action::FinTimeout { .. } | Action::SetQueue(_) | Action::PopQueue | Action::DebugSlow => {
            None
        }
        // `ct` has looked at it already.
        Action::Nat(_) => None,
        _ => return None,
    };
    Some(note)
}

/// The actions of OpenFlow 1.0 and 1.1 that set one field, which without the field do nothing: the field if it
/// is there, and the value.
fn old_setter(packet: &Packet, action: &Action) -> Option<(Option<&'static Field>, u128)> {
    let ipv4 = packet.get(&oxm::ETH_TYPE) == ETH_TYPE_IPV4.into();
    let (field, there, value) = match action {
        Action::SetVlanVid(vid) => (&oxm::VLAN_VID, packet.is_tagged(), u128::from(*vid | VLAN_PRESENT)),
        Action::SetVlanPcp(pcp) => (&oxm::VLAN_PCP, packet.is_tagged(), (*pcp).into()),
        Action::SetEthSrc(mac) => (&oxm::ETH_SRC, true, mac_number(*mac)),
        Action::SetEthDst(mac) => (&oxm::ETH_DST, true, mac_number(*mac)),
        Action::SetNwSrc(address) => (&oxm::IPV4_SRC, ipv4, u32::from(*address).into()),
        Action::SetNwDst(address) => (&oxm::IPV4_DST, ipv4, u32::from(*address).into()),
        Action::SetNwTos(tos) => (&oxm::IP_TOS, packet.is_ip(), (*tos).into()),
        Action::SetNwEcn(ecn) => (&oxm::IP_ECN, packet.is_ip(), (*ecn).into()),
        Action::SetNwTtl(ttl) => (&oxm::IP_TTL, packet.is_ip(), (*ttl).into()),
        Action::SetTpSrc(port) => return Some((ports(packet).map(|(src, _)| src), (*port).into())),
        Action::SetTpDst(port) => return Some((ports(packet).map(|(_, dst)| dst), (*port).into())),
        Action::SetMplsLabel(label) => (&oxm::MPLS_LABEL, packet.is_mpls(), (*label).into()),
        Action::SetMplsTc(tc) => (&oxm::MPLS_TC, packet.is_mpls(), (*tc).into()),
        Action::SetMplsTtl(ttl) => (&oxm::MPLS_TTL, packet.is_mpls(), (*ttl).into()),
        Action::SetTunnel(id) => (&oxm::TUN_ID, true, (*id).into()),
        Action::SetTunnel64(id) => (&oxm::TUN_ID, true, (*id).into()),
        _ => return None,
    };
    Some((there.then_some(field), value))
}

/// The fields with source and destination port, if the packet has any.
pub(super) fn ports(packet: &Packet) -> Option<(&'static Field, &'static Field)> {
    let pairs = [(&oxm::TCP_SRC, &oxm::TCP_DST), (&oxm::UDP_SRC, &oxm::UDP_DST), (&oxm::SCTP_SRC, &oxm::SCTP_DST)];
    pairs.into_iter().find(|(src, _)| packet.has(src))
}

/// The fields of an ICMP message's type and code, if it is one.
pub(super) fn icmp(packet: &Packet) -> Option<(&'static Field, &'static Field)> {
    let pairs = [(&oxm::ICMPV4_TYPE, &oxm::ICMPV4_CODE), (&oxm::ICMPV6_TYPE, &oxm::ICMPV6_CODE)];
    pairs.into_iter().find(|(icmp_type, _)| packet.has(icmp_type))
}

fn set_field(packet: &mut Packet, value: &FieldValue) -> Option<Note> {
    let number = |bytes: &[u8]| bytes.iter().fold(0, |number: u128, &byte| number << 8 | u128::from(byte));
    if !packet.has(value.field) {
        return Some(Note::MissingField(value.field.name));
    }
    packet.set_masked(value.field, number(value.value()), value.mask().map_or(u128::MAX, number));
    None
}

fn load(packet: &mut Packet, dst: &Subfield, value: u128) -> Option<Note> {
    if !packet.has(dst.field) {
        return Some(Note::MissingField(dst.field.name));
    }
    packet.set_subfield(dst, value);
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(packet: &Packet, action: &Action) -> (Packet, Option<Note>) {
        let mut packet = packet.clone();
        let note = rewrite(&mut packet, action).expect("an action that rewrites");
        (packet, note)
    }

    #[test]
    fn a_field_that_is_not_there_is_not_written() {
        let arp = Packet::default().with(&oxm::ETH_TYPE, 0x0806);
        let (packet, note) = after(&arp, &Action::set_field(&oxm::IP_TTL, 5));
        assert_eq!((&packet, note), (&arp, Some(Note::MissingField("nw_ttl"))));
        assert_eq!(after(&arp, &Action::SetNwTtl(5)), (arp.clone(), None));
        assert_eq!(after(&arp, &Action::SetVlanVid(5)), (arp.clone(), None));
        assert_eq!(after(&arp, &Action::set_field(&oxm::VLAN_PCP, 5)), (arp, Some(Note::MissingField("vlan_pcp"))));
    }

    #[test]
    fn bits_are_written_and_moved_where_they_belong() {
        let register = Packet::default().with(&oxm::REG0, 0xffff_ffff);
        let part = |field, offset, bits| Subfield { field, offset, bits };
        let (packet, _) = after(&register, &Action::Load { value: 0, dst: part(&oxm::REG0, 4, 8) });
        assert_eq!(packet.get(&oxm::REG0), 0xffff_f00f);
        let moved = Action::Move { src: part(&oxm::REG0, 0, 8), dst: part(&oxm::METADATA, 56, 8) };
        let (packet, note) = after(&packet, &moved);
        assert_eq!(packet.get(&oxm::METADATA), 0x0f00_0000_0000_0000);
        assert_eq!(note, Some(Note::Now(part(&oxm::METADATA, 56, 8), 0x0f)));
        let masked = Action::Load2(FieldValue::masked(&oxm::METADATA, 0xa0, 0xf0));
        assert_eq!(after(&packet, &masked).0.get(&oxm::METADATA), 0x0f00_0000_0000_00a0);
    }

    #[test]
    fn transport_ports_are_those_of_the_protocol() {
        let udp = Packet::default().with(&oxm::ETH_TYPE, 0x0800).with(&oxm::IP_PROTO, 17);
        let (packet, _) = after(&udp, &Action::SetTpDst(53));
        assert_eq!((packet.get(&oxm::UDP_DST), packet.get(&oxm::TCP_DST)), (53, 0));
        let icmp = udp.with(&oxm::IP_PROTO, 1);
        assert_eq!(after(&icmp, &Action::SetTpDst(53)).0, icmp);
    }
}
