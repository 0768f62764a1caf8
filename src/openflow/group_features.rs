//! Features of groups, and the question for their counters (OpenFlow 1.3.5 §7.3.5.11, §7.3.5.9). Groups themselves and
//! their counters are in [`group`](super::group).

use super::flags::flags;
use super::{DecodeError, GroupId, Reader, Writer};

/// `struct ofp_group_stats_request` (OpenFlow 1.3.5 §7.3.5.9): the body of the question, 8 bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct GroupStatsRequest {
    /// Byte 0: one group, or [`GroupId::ALL`].
    pub group_id: GroupId,
}

impl GroupStatsRequest {
    /// Decodes the body of the multipart request.
    pub fn decode(mut body: Reader<'_>) -> Result<Self, DecodeError> {
        let group_id = GroupId(body.u32("group_stats_request.group_id")?);
        body.skip(4, "group_stats_request.pad")?;
        body.finish("group_stats_request")?;
        Ok(Self { group_id })
    }

    /// Appends the body of the multipart request.
    pub fn encode(&self, writer: &mut Writer) {
        writer.u32(self.group_id.0);
        writer.zeros(4);
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
    use super::super::testing::{hex, written};
    use super::*;

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
