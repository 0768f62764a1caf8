//! Questions for flows and their counters, and the sum of them (OpenFlow 1.3.5 §7.3.5.2, §7.3.5.3). The flows of
//! an answer are [`FlowStats`](super::FlowStats).

use super::{Cookie, DecodeError, PortNo, Raw, RawMatch, Reader, TableId, Writer};

/// `struct ofp_flow_stats_request` and `struct ofp_aggregate_stats_request`, which are the same (OpenFlow 1.3.5
/// §7.3.5.2, §7.3.5.3): the body of the question, 32 bytes and a match.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FlowStatsRequest<'a> {
    /// Byte 0: one table, or [`TableId::ALL`].
    pub table_id: TableId,
    /// Byte 4: only flows that output there; [`PortNo::ANY`] for all.
    pub out_port: PortNo,
    /// Byte 8: only flows that lead to that group; `OFPG_ANY` (0xffffffff) for all.
    pub out_group: u32,
    /// Byte 16: only flows whose cookie has these bits.
    pub cookie: Cookie,
    /// Byte 24: the bits of the cookie that count; 0 for none.
    pub cookie_mask: u64,
    /// Byte 32: only flows that are at least as specific.
    pub flow_match: RawMatch<'a>,
    /// What follows the match; Open vSwitch neither sends nor reads anything there.
    pub excess: Raw<'a>,
}

impl<'a> FlowStatsRequest<'a> {
    /// Decodes the body of the multipart request.
    pub fn decode(mut body: Reader<'a>) -> Result<Self, DecodeError> {
        let table_id = TableId(body.u8("flow_stats_request.table_id")?);
        body.skip(3, "flow_stats_request.pad")?;
        let out_port = PortNo(body.u32("flow_stats_request.out_port")?);
        let out_group = body.u32("flow_stats_request.out_group")?;
        body.skip(4, "flow_stats_request.pad2")?;
        let cookie = Cookie(body.u64("flow_stats_request.cookie")?);
        let cookie_mask = body.u64("flow_stats_request.cookie_mask")?;
        let flow_match = RawMatch::decode(&mut body)?;
        let excess = Raw::rest(&mut body);
        Ok(Self { table_id, out_port, out_group, cookie, cookie_mask, flow_match, excess })
    }

    /// Appends the body of the multipart request.
    pub fn encode(&self, writer: &mut Writer) {
        writer.u8(self.table_id.0);
        writer.zeros(3);
        writer.u32(self.out_port.0);
        writer.u32(self.out_group);
        writer.zeros(4);
        writer.u64(self.cookie.0);
        writer.u64(self.cookie_mask);
        self.flow_match.encode(writer);
        writer.bytes(self.excess.bytes());
    }
}

/// `struct ofp_aggregate_stats_reply` (OpenFlow 1.3.5 §7.3.5.3): the body of the answer, 24 bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AggregateStats {
    /// Byte 0: packets that the flows took.
    pub packet_count: u64,
    /// Byte 8: their bytes.
    pub byte_count: u64,
    /// Byte 16: flows.
    pub flow_count: u32,
}

impl AggregateStats {
    /// Decodes the body of the multipart reply.
    pub fn decode(mut body: Reader<'_>) -> Result<Self, DecodeError> {
        let packet_count = body.u64("aggregate_stats.packet_count")?;
        let byte_count = body.u64("aggregate_stats.byte_count")?;
        let flow_count = body.u32("aggregate_stats.flow_count")?;
        body.skip(4, "aggregate_stats.pad")?;
        body.finish("aggregate_stats")?;
        Ok(Self { packet_count, byte_count, flow_count })
    }

    /// Appends the body of the multipart reply.
    pub fn encode(&self, writer: &mut Writer) {
        writer.u64(self.packet_count);
        writer.u64(self.byte_count);
        writer.u32(self.flow_count);
        writer.zeros(4);
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{hex, written};
    use super::*;

    #[test]
    fn the_question_reads_as_it_was_written() {
        let bytes = hex("03000000 00000002 ffffffff 00000000 00000000000000ab ffffffffffffffff
             0001000c 80000004 00000001 00000000");
        let request = FlowStatsRequest::decode(Reader::new(&bytes)).unwrap();
        assert_eq!((request.table_id, request.out_port, request.cookie), (TableId(3), PortNo(2), Cookie(0xab)));
        assert_eq!(written(|w| request.encode(w)), bytes);
        for end in 0..bytes.len() {
            assert!(FlowStatsRequest::decode(Reader::new(&bytes[..end])).is_err(), "{end}");
        }
        let longer = [&bytes[..], &[0; 8]].concat();
        let request = FlowStatsRequest::decode(Reader::new(&longer)).unwrap();
        assert_eq!(written(|w| request.encode(w)), longer);
    }

    #[test]
    fn the_sum_reads_as_it_was_written() {
        let bytes = hex("0000000000000003 0000000000000102 00000002 00000000");
        let sum = AggregateStats { packet_count: 3, byte_count: 258, flow_count: 2 };
        assert_eq!(AggregateStats::decode(Reader::new(&bytes)), Ok(sum));
        assert_eq!(written(|w| sum.encode(w)), bytes);
        for end in 0..bytes.len() {
            assert!(AggregateStats::decode(Reader::new(&bytes[..end])).is_err(), "{end}");
        }
        assert!(AggregateStats::decode(Reader::new(&[&bytes[..], &[0]].concat())).is_err());
    }
}
