//! Tells the switch where a port is before the port itself says a word.
//!
//! A machine that has moved here may stay silent, and what is sent to it comes through `patch-tun` or the wire:
//! as long as NORMAL remembers its MAC address there, it drops that ([five minutes](super) by default). So when
//! a port's flows are in effect, a frame that seems to come from the port goes through NORMAL once.

use crate::openflow::MacAddr;
use crate::topology::NetworkKind;

/// An RARP request is what QEMU sends after a migration; shorter frames are padded to this.
const LENGTH: usize = 60;
const BROADCAST: [u8; 6] = [0xff; 6];
const RARP: [u8; 2] = [0x80, 0x35];
/// Ethernet and IPv4, addresses of 6 and 4 bytes, "request reverse" (RFC 903).
const RARP_REQUEST: [u8; 8] = [0, 1, 0x08, 0x00, 6, 4, 0, 3];

/// The frame. On a physical network all switches on the way have to learn the new place, as after a migration:
/// it is broadcast. Elsewhere `br-tun` knows the place from the topology: the frame is addressed to its own
/// sender, which NORMAL learns from and then drops.
pub(super) fn frame(mac: MacAddr, network: &NetworkKind) -> Vec<u8> {
    let destination = match network {
        NetworkKind::Flat { .. } | NetworkKind::Vlan { .. } => BROADCAST,
        NetworkKind::Local | NetworkKind::Vxlan { .. } => mac.0,
    };
    let mut frame = Vec::with_capacity(LENGTH);
    for part in [&destination[..], &mac.0, &RARP, &RARP_REQUEST, &mac.0, &[0; 4], &mac.0] {
        frame.extend_from_slice(part);
    }
    frame.resize(LENGTH, 0);
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_physical_network_hears_of_a_port() {
        let mac = MacAddr([0xfa, 0x16, 0x3e, 0, 0, 1]);
        let quiet = frame(mac, &NetworkKind::Vxlan { segmentation_id: 1 });
        assert_eq!((&quiet[..6], &quiet[6..12], quiet.len()), (&mac.0[..], &mac.0[..], 60));
        let loud = frame(mac, &NetworkKind::Flat { physical_network: "physnet".into() });
        assert_eq!((&loud[..6], &loud[6..]), (&[0xff; 6][..], &quiet[6..]));
    }
}
