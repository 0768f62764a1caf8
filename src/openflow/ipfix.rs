//! Counters of IPFIX exporters (`NXST_IPFIX_BRIDGE`, `NXST_IPFIX_FLOW`: multipart extensions of Nicira,
//! `include/openflow/nicira-ext.h` of Open vSwitch). The questions have no body.

use super::{DecodeError, EncodeError, Entry, Reader, Writer};

/// `NXST_IPFIX_BRIDGE`: the `exp_type` of the counters of a bridge, one entry.
pub const IPFIX_BRIDGE: u32 = 3;
/// `NXST_IPFIX_FLOW`: the `exp_type` of the counters of each collector set of a bridge's flows.
pub const IPFIX_FLOW: u32 = 4;

/// `struct nx_ipfix_stats_reply`, 88 bytes. A counter that the switch does not keep is all ones.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct IpfixStats {
    /// Byte 0: flows since the start.
    pub total_flows: u64,
    /// Byte 8: flows in the cache.
    pub current_flows: u64,
    /// Byte 16: packets that were sampled.
    pub pkts: u64,
    /// Byte 24: of IPv4.
    pub ipv4_pkts: u64,
    /// Byte 32: of IPv6.
    pub ipv6_pkts: u64,
    /// Byte 40: packets that could not be sampled.
    pub error_pkts: u64,
    /// Byte 48: of IPv4.
    pub ipv4_error_pkts: u64,
    /// Byte 56: of IPv6.
    pub ipv6_error_pkts: u64,
    /// Byte 64: IPFIX packets that were sent.
    pub tx_pkts: u64,
    /// Byte 72: IPFIX packets that could not be sent.
    pub tx_errors: u64,
    /// Byte 80: of which collector set; 0 for the bridge.
    pub collector_set_id: u32,
}

impl<'a> Entry<'a> for IpfixStats {
    fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let stats = Self {
            total_flows: reader.u64("ipfix_stats.total_flows")?,
            current_flows: reader.u64("ipfix_stats.current_flows")?,
            pkts: reader.u64("ipfix_stats.pkts")?,
            ipv4_pkts: reader.u64("ipfix_stats.ipv4_pkts")?,
            ipv6_pkts: reader.u64("ipfix_stats.ipv6_pkts")?,
            error_pkts: reader.u64("ipfix_stats.error_pkts")?,
            ipv4_error_pkts: reader.u64("ipfix_stats.ipv4_error_pkts")?,
            ipv6_error_pkts: reader.u64("ipfix_stats.ipv6_error_pkts")?,
            tx_pkts: reader.u64("ipfix_stats.tx_pkts")?,
            tx_errors: reader.u64("ipfix_stats.tx_errors")?,
            collector_set_id: reader.u32("ipfix_stats.collector_set_id")?,
        };
        reader.skip(4, "ipfix_stats.pad")?;
        Ok(stats)
    }

    fn encode(&self, writer: &mut Writer) -> Result<(), EncodeError> {
        for counter in [
            self.total_flows,
            self.current_flows,
            self.pkts,
            self.ipv4_pkts,
            self.ipv6_pkts,
            self.error_pkts,
            self.ipv4_error_pkts,
            self.ipv6_error_pkts,
            self.tx_pkts,
            self.tx_errors,
        ] {
            writer.u64(counter);
        }
        writer.u32(self.collector_set_id);
        writer.zeros(4);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{encoded, hex};
    use super::*;

    #[test]
    fn counters_read_as_they_were_written() {
        let counters: String = (1..=10u64).map(|counter| format!("{counter:016x}")).collect();
        let bytes = hex(&format!("{counters} 0000000b 00000000"));
        let stats = IpfixStats::decode(&mut Reader::new(&bytes)).unwrap();
        assert_eq!((stats.total_flows, stats.tx_errors, stats.collector_set_id), (1, 10, 11));
        assert_eq!(encoded(|w| stats.encode(w)), bytes);
        for end in 0..bytes.len() {
            assert!(IpfixStats::decode(&mut Reader::new(&bytes[..end])).is_err(), "{end}");
        }
    }
}
