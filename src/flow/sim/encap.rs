//! `encap` and `decap`: headers around the packet (`ovs-actions(7)`).

use super::packet::MAX_LABELS;
use super::step::Fault;
use super::walk::Walk;
use crate::openflow::action::{Encap, EncapProperty, PT_ETH, PT_MPLS, PT_MPLS_MC, PT_NSH};
use crate::openflow::{Action, oxm};

/// The packet type of an IPv4 packet without a frame.
const PT_IPV4: u32 = 0x1_0800;
/// The packet type of an IPv6 packet without a frame.
const PT_IPV6: u32 = 0x1_86dd;
/// What a network service header may hold, and how it says so (RFC 8300 §2.2).
const NEXT_PROTOCOLS: [(u128, u32); 4] = [(3, PT_ETH), (1, PT_IPV4), (2, PT_IPV6), (4, PT_NSH)];
/// A header of fixed length (RFC 8300 §2.4).
const MD_TYPE_1: u8 = 1;
/// The TTL that Open vSwitch gives a network service header.
const NSH_TTL: u128 = 63;
/// The path that Open vSwitch gives it: service index 255 on path 0.
const NSH_SI: u128 = 255;

impl Walk<'_> {
    pub(super) fn encapsulate(&mut self, action: &Action) {
        let fault = match action {
            Action::Encap(encap) => self.encap(encap),
            Action::Decap(packet_type) => self.decap(*packet_type),
            _ => None,
        };
        if let Some(fault) = fault {
            self.fail(fault);
        }
    }

    fn packet_type(&self) -> u32 {
        self.packet.get(&oxm::PACKET_TYPE) as u32
    }

    fn encap(&mut self, encap: &Encap) -> Option<Fault> {
        match encap.packet_type {
            PT_ETH => self.encap_ethernet(),
            PT_NSH => self.encap_nsh(encap),
            PT_MPLS | PT_MPLS_MC => self.encap_mpls(encap.packet_type),
            _ => Some(Fault::UnsupportedPacketType),
        }
    }

    fn encap_ethernet(&mut self) -> Option<Fault> {
        let packet_type = self.packet_type();
        if packet_type >> 16 != 1 {
            return Some(Fault::UnsupportedPacketType);
        }
        let ethernet = [(&oxm::PACKET_TYPE, 0), (&oxm::ETH_SRC, 0), (&oxm::ETH_DST, 0)];
        ethernet.into_iter().for_each(|(field, value)| self.packet.set(field, value));
        self.packet.set(&oxm::ETH_TYPE, (packet_type & 0xffff).into());
        None
    }

    fn encap_nsh(&mut self, encap: &Encap) -> Option<Fault> {
        let packet_type = self.packet_type();
        let Some((next, _)) = NEXT_PROTOCOLS.iter().find(|(_, known)| *known == packet_type) else {
            return Some(Fault::UnsupportedPacketType);
        };
        let md_type = encap.properties.iter().rev().find_map(|property| match property {
            EncapProperty::NshMdType(md_type) => Some(*md_type),
            _ => None,
        });
        self.packet.forget_headers();
        for (field, value) in [
            (&oxm::PACKET_TYPE, u128::from(PT_NSH)),
            (&oxm::ETH_TYPE, u128::from(PT_NSH & 0xffff)),
            (&oxm::NSH_TTL, NSH_TTL),
            (&oxm::NSH_NP, *next),
            (&oxm::NSH_SI, NSH_SI),
            (&oxm::NSH_MDTYPE, md_type.unwrap_or(MD_TYPE_1).into()),
        ] {
            self.packet.set(field, value);
        }
        None
    }

    fn encap_mpls(&mut self, packet_type: u32) -> Option<Fault> {
        if self.packet.label_count() >= MAX_LABELS {
            return Some(Fault::TooManyLabels);
        }
        self.packet.push_label(packet_type as u16);
        for (field, value) in [(&oxm::PACKET_TYPE, packet_type.into()), (&oxm::ETH_SRC, 0), (&oxm::ETH_DST, 0)] {
            self.packet.set(field, value);
        }
        None
    }

    fn decap(&mut self, next: u32) -> Option<Fault> {
        match self.packet_type() {
            PT_ETH if self.packet.is_tagged() => return Some(Fault::UnsupportedPacketType),
            PT_ETH => {
                let eth_type = self.packet.get(&oxm::ETH_TYPE);
                for (field, value) in [(&oxm::PACKET_TYPE, 1 << 16 | eth_type), (&oxm::ETH_SRC, 0), (&oxm::ETH_DST, 0)]
                {
                    self.packet.set(field, value);
                }
            }
            PT_NSH => {
                let next = self.packet.get(&oxm::NSH_NP);
                let Some((_, packet_type)) = NEXT_PROTOCOLS.iter().find(|(known, _)| *known == next) else {
                    return Some(Fault::UnsupportedPacketType);
                };
                self.packet.set(&oxm::PACKET_TYPE, (*packet_type).into());
                self.uncovered = true;
            }
            PT_MPLS | PT_MPLS_MC => {
                let count = self.packet.label_count();
                self.packet.set(&oxm::PACKET_TYPE, next.into());
                if !self.packet.pop_label(next as u16) && count >= MAX_LABELS {
                    return Some(Fault::TooManyLabels);
                }
                self.uncovered |= count == 1;
            }
            _ => return Some(Fault::UnsupportedPacketType),
        }
        None
    }
}
