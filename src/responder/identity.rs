//! Who answers where nobody of the topology does: identities made of a network's name alone. So they are the same on
//! every node, after every restart, and for a machine that has moved.

use crate::openflow::MacAddr;

/// FNV-1a with 128 bits (draft-eastlake-fnv): stable, which is all that is asked of it.
fn digest(network: &str) -> u128 {
    const OFFSET_BASIS: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
    network.bytes().fold(OFFSET_BASIS, |hash, byte| (hash ^ u128::from(byte)).wrapping_mul(PRIME))
}

/// A locally administered unicast address.
pub(super) fn mac(network: &str) -> MacAddr {
    let MacAddr([first, rest @ ..]) = MacAddr::from_number(digest(network));
    let [a, b, c, d, e] = rest;
    MacAddr([(first & 0xfc) | 0x02, a, b, c, d, e])
}

/// A UUID of version 8, of its maker's own making (RFC 9562 §5.8).
pub(super) fn uuid(network: &str) -> [u8; 16] {
    const VERSION_AND_VARIANT: u128 = 0x0000_0000_0000_f000_c000_0000_0000_0000;
    const VERSION_8: u128 = 0x0000_0000_0000_8000_8000_0000_0000_0000;
    ((digest(network) & !VERSION_AND_VARIANT) | VERSION_8).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_is_that_of_the_draft() {
        assert_eq!(digest(""), 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d);
        assert_eq!(digest("a"), 0xd228_cb69_6f1a_8caf_7891_2b70_4e4a_8964);
        assert_eq!(digest("foobar"), 0x343e_1662_793c_64bf_6f0d_3597_ba44_6f18);
    }

    #[test]
    fn an_identity_is_local_unicast_and_of_the_right_version() {
        for network in ["", "blue", "red", "a network with a long name"] {
            let (mac, uuid) = (mac(network), uuid(network));
            assert_eq!(mac.0[0] & 3, 2, "{mac}");
            assert_eq!((uuid[6] >> 4, uuid[8] >> 6), (8, 2));
        }
        assert_ne!(mac("blue"), mac("red"));
    }
}
