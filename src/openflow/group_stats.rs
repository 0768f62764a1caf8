//! Counters and features of groups (OpenFlow 1.3.5 §7.3.5.9, §7.3.5.11).

use super::flags::flags;
use super::{DecodeError, EncodeError, Entries, Entry, ErrorCode, Reader, Writer};

/// `struct ofp_group_stats_request` (OpenFlow 1.3.5 §7.3.5.9): the body of the question, 8 bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct GroupStatsRequest {
    /// Byte 0: one group, or `OFPG_ALL` (0xfffffffc).
    pub group_id: u32,
}

impl GroupStatsRequest {
    /// Decodes the body of the multipart request.
    pub fn decode(mut body: Reader<'_>) -> Result<Self, DecodeError> {
        let group_id = body.u32("group_stats_request.group_id")?;
        body.skip(4, "group_stats_request.pad")?;
        body.finish("group_stats_request")?;
        Ok(Self { group_id })
    }

    /// Appends the body of the multipart request.
    pub fn encode(&self, writer: &mut Writer) {
        writer.u32(self.group_id);
        writer.zeros(4);
    }
}

/// `struct ofp_group_stats` (OpenFlow 1.3.5 §7.3.5.9): an entry of the answer, 40 bytes and 16 for each bucket.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GroupStats {
    /// Byte 4, after the length.
    pub group_id: u32,
    /// Byte 8: flows and groups that lead to it.
    pub ref_count: u32,
    /// Byte 16: packets that it took.
    pub packet_count: u64,
    /// Byte 24: their bytes.
    pub byte_count: u64,
    /// Byte 32: seconds since it is there.
    pub duration_sec: u32,
    /// Byte 36: nanoseconds beyond those.
    pub duration_nsec: u32,
    /// Byte 40: its buckets, in order.
    pub buckets: Vec<BucketCounter>,
}

/// `struct ofp_bucket_counter` (OpenFlow 1.3.5 §7.3.5.9), 16 bytes. All ones: not counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BucketCounter {
    /// Byte 0: packets that it took.
    pub packet_count: u64,
    /// Byte 8: their bytes.
    pub byte_count: u64,
}

const STATS_LEN: usize = 40;
const COUNTER_LEN: usize = 16;

impl<'a> Entry<'a> for GroupStats {
    /// Decodes the next entry; `BRC_BAD_LEN` if it does not fit. Of a length that ends within a bucket the whole
    /// buckets count, and what is left begins the next entry: so does Open vSwitch.
    fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let length = usize::from({ *reader }.u16("group_stats.length")?);
        let buckets = length.checked_sub(STATS_LEN).map(|rest| rest / COUNTER_LEN * COUNTER_LEN);
        let fits = buckets.map(|buckets| STATS_LEN + buckets).filter(|&used| used <= reader.remaining());
        let Some(used) = fits else {
            let expected = "40 at the least, and no more than what is left of the message";
            return Err(reader.error("group_stats.length", length as u64, expected, ErrorCode::BRC_BAD_LEN));
        };
        let mut entry = reader.child(used, "group_stats")?;
        entry.skip(4, "group_stats.length")?;
        let group_id = entry.u32("group_stats.group_id")?;
        let ref_count = entry.u32("group_stats.ref_count")?;
        entry.skip(4, "group_stats.pad")?;
        Ok(Self {
            group_id,
            ref_count,
            packet_count: entry.u64("group_stats.packet_count")?,
            byte_count: entry.u64("group_stats.byte_count")?,
            duration_sec: entry.u32("group_stats.duration_sec")?,
            duration_nsec: entry.u32("group_stats.duration_nsec")?,
            buckets: Entries::new(entry).collect::<Result<_, _>>()?,
        })
    }

    fn encode(&self, writer: &mut Writer) -> Result<(), EncodeError> {
        let mark = writer.begin();
        writer.zeros(4);
        writer.u32(self.group_id);
        writer.u32(self.ref_count);
        writer.zeros(4);
        writer.u64(self.packet_count);
        writer.u64(self.byte_count);
        writer.u32(self.duration_sec);
        writer.u32(self.duration_nsec);
        self.buckets.iter().try_for_each(|bucket| bucket.encode(writer))?;
        writer.end(mark, 0, "group_stats")
    }
}

impl<'a> Entry<'a> for BucketCounter {
    fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let packet_count = reader.u64("bucket_counter.packet_count")?;
        Ok(Self { packet_count, byte_count: reader.u64("bucket_counter.byte_count")? })
    }

    fn encode(&self, writer: &mut Writer) -> Result<(), EncodeError> {
        writer.u64(self.packet_count);
        writer.u64(self.byte_count);
        Ok(())
    }
}

flags! {
    /// What groups can do (`enum ofp_group_capabilities`, OpenFlow 1.3.5 §7.3.5.11).
    GroupCapabilities(u32) {
        /// `OFPGFC_SELECT_WEIGHT`: weights in select groups.
        SELECT_WEIGHT = 0 => "select_weight",
        /// `OFPGFC_SELECT_LIVENESS`: liveness in select groups.
        SELECT_LIVENESS = 1 => "select_liveness",
        /// `OFPGFC_CHAINING`: groups that lead to groups.
        CHAINING = 2 => "chaining",
        /// `OFPGFC_CHAINING_CHECKS`: checked for loops.
        CHAINING_CHECKS = 3 => "chaining_checks",
    }
}

/// `struct ofp_group_features` (OpenFlow 1.3.5 §7.3.5.11): the body of the answer, 40 bytes. Arrays are by
/// group type: all, select, indirect, fast failover.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct GroupFeatures {
    /// Byte 0: bit n for type n.
    pub types: u32,
    /// Byte 4.
    pub capabilities: GroupCapabilities,
    /// Byte 8: groups of each type at the most.
    pub max_groups: [u32; 4],
    /// Byte 24: actions in groups of each type, bit n for `OFPAT_*` n.
    pub actions: [u32; 4],
}

impl GroupFeatures {
    /// Decodes the body of the multipart reply.
    pub fn decode(mut body: Reader<'_>) -> Result<Self, DecodeError> {
        let mut features = Self {
            types: body.u32("group_features.types")?,
            capabilities: GroupCapabilities(body.u32("group_features.capabilities")?),
            max_groups: [0; 4],
            actions: [0; 4],
        };
        for (array, what) in
            [(&mut features.max_groups, "group_features.max_groups"), (&mut features.actions, "group_features.actions")]
        {
            for number in array {
                *number = body.u32(what)?;
            }
        }
        body.finish("group_features")?;
        Ok(features)
    }

    /// Appends the body of the multipart reply.
    pub fn encode(&self, writer: &mut Writer) {
        writer.u32(self.types);
        writer.u32(self.capabilities.0);
        for number in self.max_groups.into_iter().chain(self.actions) {
            writer.u32(number);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::multipart::{Multipart, MultipartType, multipart_reply};
    use super::super::testing::{XID, encoded, hex, refuses_cut_and_excess, written};
    use super::*;
    use crate::openflow::Message;

    #[test]
    fn group_counters_read_as_they_were_written() {
        let bytes = hex("04130048 12345678 0006 0000 00000000 0038 0000 000004d2 00000003 00000000
             0000000000000004 0000000000000005 00000006 00000007 0000000000000008 0000000000000009");
        let decode = |body: Reader<'_>| -> Result<Vec<GroupStats>, DecodeError> {
            Entries::new(Multipart::decode(body)?.body.reader()).collect()
        };
        let stats = decode(Message::decode(&bytes).unwrap().body).unwrap();
        assert_eq!((stats[0].group_id, stats[0].ref_count, stats[0].duration_nsec), (1234, 3, 7));
        assert_eq!(stats[0].buckets, [BucketCounter { packet_count: 8, byte_count: 9 }]);
        assert_eq!(encoded(|w| multipart_reply(w, MultipartType::GROUP, XID, &stats)), bytes);
        refuses_cut_and_excess(&bytes, &[16], decode);
    }

    #[test]
    fn half_a_bucket_begins_the_next_entry() {
        let mut bytes = hex("0030 0000 00000001");
        bytes.resize(48, 0);
        let mut entries = Entries::<GroupStats>::new(Reader::new(&bytes));
        assert_eq!(entries.next().unwrap().unwrap().buckets, []);
        let error = entries.next().unwrap().unwrap_err();
        assert_eq!((error.offset, error.code), (40, ErrorCode::BRC_BAD_LEN));
    }

    #[test]
    fn features_and_the_question_read_as_they_were_written() {
        let numbers: String = (1..=8).map(|number| format!("{number:08x}")).collect();
        let bytes = hex(&format!("0000000f 00000007 {numbers}"));
        let features = GroupFeatures::decode(Reader::new(&bytes)).unwrap();
        assert_eq!((features.max_groups, features.actions), ([1, 2, 3, 4], [5, 6, 7, 8]));
        assert_eq!(written(|w| features.encode(w)), bytes);
        for end in 0..bytes.len() {
            assert!(GroupFeatures::decode(Reader::new(&bytes[..end])).is_err());
        }
        let bytes = hex("fffffffc 00000000");
        let request = GroupStatsRequest::decode(Reader::new(&bytes)).unwrap();
        assert_eq!(written(|w| request.encode(w)), bytes);
    }
}
