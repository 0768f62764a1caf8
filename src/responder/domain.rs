//! Domain names on the wire.

use crate::topology::DomainName;

/// A name as DNS writes it (RFC 1035 §3.1), without compression: options of DHCPv6 and router advertisements allow none
/// (RFC 8415 §10, RFC 8106 §5.2).
pub(super) fn encoded(name: &DomainName) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(name.as_str().len() + 2);
    for label in name.labels() {
        // A label of a domain name has 63 bytes at the most.
        bytes.push(u8::try_from(label.len()).unwrap_or(63));
        bytes.extend_from_slice(label.as_bytes());
    }
    bytes.push(0);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_its_labels_with_their_lengths() {
        let name = DomainName::new("a.example.org").unwrap();
        assert_eq!(encoded(&name), b"\x01a\x07example\x03org\x00");
    }
}
