//! Groups: GROUP_MOD, buckets, and the group multiparts that list them (OpenFlow 1.3.5 §7.3.4.2, §7.3.5.8–10).

use super::{DecodeError, EncodeError, Entries, Entry, ErrorCode, GroupId, PortNo, Raw, Reader, Writer};

/// `OFPGC_*`: what a GROUP_MOD does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct GroupModCommand(pub u16);

impl GroupModCommand {
    /// `OFPGC_ADD`.
    pub const ADD: Self = Self(0);
    /// `OFPGC_MODIFY`.
    pub const MODIFY: Self = Self(1);
    /// `OFPGC_DELETE`.
    pub const DELETE: Self = Self(2);
    /// `OFPGC_INSERT_BUCKET` of OpenFlow 1.5, which Open vSwitch takes in 1.3 too.
    pub const INSERT_BUCKET: Self = Self(3);
    /// `OFPGC_REMOVE_BUCKET` of OpenFlow 1.5, likewise.
    pub const REMOVE_BUCKET: Self = Self(5);
    /// Open vSwitch's `OFPGC11_ADD_OR_MOD`: adds the group, or replaces it.
    pub const ADD_OR_MODIFY: Self = Self(0x8000);
}

/// `OFPGT_*`: what a group does with its buckets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct GroupType(pub u8);

impl GroupType {
    /// `OFPGT_ALL`: each bucket gets a copy.
    pub const ALL: Self = Self(0);
    /// `OFPGT_SELECT`: one bucket, chosen by the switch.
    pub const SELECT: Self = Self(1);
    /// `OFPGT_INDIRECT`: the only bucket.
    pub const INDIRECT: Self = Self(2);
    /// `OFPGT_FF`: the first bucket that is alive.
    pub const FAST_FAILOVER: Self = Self(3);

    /// The word for it in the text of a group.
    pub const fn name(self) -> Option<&'static str> {
        Some(match self {
            Self::ALL => "all",
            Self::SELECT => "select",
            Self::INDIRECT => "indirect",
            Self::FAST_FAILOVER => "ff",
            _ => return None,
        })
    }
}

/// `struct ofp_bucket` (OpenFlow 1.3.5 §7.3.4.2).
///
/// | byte | field         |                              |
/// |-----:|---------------|------------------------------|
/// |    0 | `len`         | of all of it                 |
/// |    2 | `weight`      | in a select group, else 0    |
/// |    4 | `watch_port`  | `OFPP_ANY` for none          |
/// |    8 | `watch_group` | `OFPG_ANY` for none          |
/// |   12 | padding       | 4 bytes                      |
/// |   16 | `actions`     |                              |
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bucket<'a> {
    /// Its share of a select group's traffic.
    pub weight: u16,
    /// The bucket is alive while this port is.
    pub watch_port: PortNo,
    /// The bucket is alive while this group is.
    pub watch_group: GroupId,
    /// Encoded actions.
    pub actions: Raw<'a>,
}

impl Bucket<'_> {
    /// Length without actions.
    const LEN: u16 = 16;

    /// True if the bucket is alive only while something else is.
    pub fn watches(&self) -> bool {
        self.watch_port != PortNo::ANY || self.watch_group != GroupId::ANY
    }
}

impl<'a> Entry<'a> for Bucket<'a> {
    /// Errors: `GMFC_BAD_BUCKET` for a length that is not that of a bucket.
    fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let start = *reader;
        let bad_bucket = |found, expected| start.error("bucket.len", found, expected, ErrorCode::GMFC_BAD_BUCKET);
        let len =
            { *reader }.u16("bucket.len").map_err(|error| bad_bucket(error.found, "a bucket of 16 bytes or more"))?;
        if len < Self::LEN {
            return Err(bad_bucket(len.into(), "at least 16"));
        }
        let mut bucket = reader
            .child(len.into(), "bucket")
            .map_err(|_| bad_bucket(len.into(), "no more than what is left of the buckets"))?;
        bucket.skip(2, "bucket.len")?;
        let weight = bucket.u16("bucket.weight")?;
        let watch_port = PortNo(bucket.u32("bucket.watch_port")?);
        let watch_group = GroupId(bucket.u32("bucket.watch_group")?);
        bucket.skip(4, "bucket.pad")?;
        Ok(Self { weight, watch_port, watch_group, actions: Raw::rest(&mut bucket) })
    }

    fn encode(&self, writer: &mut Writer) -> Result<(), EncodeError> {
        let mark = writer.begin();
        writer.u16(0);
        writer.u16(self.weight);
        writer.u32(self.watch_port.0);
        writer.u32(self.watch_group.0);
        writer.zeros(4);
        writer.bytes(self.actions.bytes());
        writer.pad8(mark);
        writer.end(mark, 0, "bucket")
    }
}

/// Holds that all of `buckets` are buckets.
fn checked_buckets(buckets: Raw<'_>) -> Result<Raw<'_>, DecodeError> {
    Entries::<Bucket<'_>>::new(buckets.reader()).try_for_each(|bucket| bucket.map(|_| ()))?;
    Ok(buckets)
}

/// `OFPT_GROUP_MOD` without its header (OpenFlow 1.3.5 §7.3.4.2).
///
/// | byte | field      |
/// |-----:|------------|
/// |    0 | `command`  |
/// |    2 | `type`     |
/// |    3 | padding    |
/// |    4 | `group_id` |
/// |    8 | `buckets`  |
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct GroupMod<'a> {
    /// What to do.
    pub command: GroupModCommand,
    /// The type of an added or modified group.
    pub group_type: GroupType,
    /// Which group.
    pub group_id: GroupId,
    /// Encoded buckets.
    pub buckets: Raw<'a>,
}

impl<'a> GroupMod<'a> {
    /// Reads the message's body; `GMFC_BAD_BUCKET`. What the group is, [`check`](Self::check) looks at.
    pub fn decode(reader: Reader<'a>) -> Result<Self, DecodeError> {
        let group = Self::decode_head(reader)?;
        checked_buckets(group.buckets)?;
        Ok(group)
    }

    /// Reads the message's body without a look at its buckets.
    pub fn decode_head(mut reader: Reader<'a>) -> Result<Self, DecodeError> {
        let command = GroupModCommand(reader.u16("group_mod.command")?);
        let group_type = GroupType(reader.u8("group_mod.type")?);
        reader.skip(1, "group_mod.pad")?;
        let group_id = GroupId(reader.u32("group_mod.group_id")?);
        Ok(Self { command, group_type, group_id, buckets: Raw::rest(&mut reader) })
    }

    /// Appends the message's body.
    pub fn encode(&self, writer: &mut Writer) {
        writer.u16(self.command.0);
        writer.u8(self.group_type.0);
        writer.zeros(1);
        writer.u32(self.group_id.0);
        writer.bytes(self.buckets.bytes());
    }

    /// The buckets.
    pub fn buckets(&self) -> Entries<'a, Bucket<'a>> {
        Entries::new(self.buckets.reader())
    }

    /// Holds that a switch could do it, whatever groups it has: `GMFC_INVALID_GROUP`, `GMFC_BAD_TYPE`,
    /// `GMFC_BAD_COMMAND`, `GMFC_BAD_BUCKET`, `GMFC_WATCH_UNSUPPORTED`, looked for in the order in which Open vSwitch does.
    pub fn check(&self) -> Result<(), DecodeError> {
        let at = self.buckets.reader();
        let error = |what, found, expected, code| Err(at.error(what, found, expected, code));
        let count = self.buckets().count() as u64;
        let deletes = self.command == GroupModCommand::DELETE;
        if deletes && count > 0 {
            return error("group_mod.buckets", count, "none to delete a group", ErrorCode::GMFC_INVALID_GROUP);
        }
        if self.group_type.0 > GroupType::FAST_FAILOVER.0 {
            return error("group_mod.type", self.group_type.0.into(), "0 to 3", ErrorCode::GMFC_BAD_TYPE);
        }
        if self.group_type == GroupType::INDIRECT && !deletes && count != 1 {
            return error("group_mod.buckets", count, "one in an indirect group", ErrorCode::GMFC_INVALID_GROUP);
        }
        match self.command.0 {
            0..=3 | 0x8000 => {}
            5 if count == 0 => {}
            5 => return error("group_mod.buckets", count, "none to remove one", ErrorCode::GMFC_BAD_BUCKET),
            command => return error("group_mod.command", command.into(), "a known one", ErrorCode::GMFC_BAD_COMMAND),
        }
        self.buckets().try_for_each(|bucket| self.check_bucket(&bucket?))
    }

    /// Holds that a bucket suits the type of the group.
    fn check_bucket(&self, bucket: &Bucket<'_>) -> Result<(), DecodeError> {
        let at = bucket.actions.reader();
        let error = |expected, code| Err(at.error("bucket", self.group_type.0.into(), expected, code));
        let inserts = self.command == GroupModCommand::INSERT_BUCKET;
        if bucket.weight != 0 && self.group_type != GroupType::SELECT && !inserts {
            return error("a weight in a select group only", ErrorCode::GMFC_INVALID_GROUP);
        }
        match self.group_type {
            GroupType::ALL | GroupType::INDIRECT if bucket.watches() => {
                error("no bucket that watches", ErrorCode::GMFC_WATCH_UNSUPPORTED)
            }
            GroupType::FAST_FAILOVER if !bucket.watches() => {
                error("a bucket that watches a port or a group", ErrorCode::GMFC_INVALID_GROUP)
            }
            _ => Ok(()),
        }
    }
}

/// `struct ofp_group_desc` (OpenFlow 1.3.5 §7.3.5.10): an entry of the answer to `OFPMP_GROUP_DESC`.
///
/// | byte | field      |                |
/// |-----:|------------|----------------|
/// |    0 | `length`   | of all of it   |
/// |    2 | `type`     |                |
/// |    3 | padding    |                |
/// |    4 | `group_id` |                |
/// |    8 | `buckets`  |                |
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct GroupDesc<'a> {
    /// What it does with its buckets.
    pub group_type: GroupType,
    /// Which group.
    pub group_id: GroupId,
    /// Encoded buckets.
    pub buckets: Raw<'a>,
}

impl<'a> GroupDesc<'a> {
    /// The buckets.
    pub fn buckets(&self) -> Entries<'a, Bucket<'a>> {
        Entries::new(self.buckets.reader())
    }
}

impl<'a> Entry<'a> for GroupDesc<'a> {
    /// Errors: `BRC_BAD_LEN` for a length that is not that of an entry, `GMFC_BAD_BUCKET`.
    fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let start = *reader;
        let length = { *reader }.u16("group_desc.length")?;
        let bad_len = |_| {
            start.error("group_desc.length", length.into(), "8 or more, as much as is left", ErrorCode::BRC_BAD_LEN)
        };
        let mut entry = reader.child(length.into(), "group_desc").map_err(bad_len)?;
        entry.skip(2, "group_desc.length").map_err(bad_len)?;
        let group_type = GroupType(entry.u8("group_desc.type").map_err(bad_len)?);
        entry.skip(1, "group_desc.pad").map_err(bad_len)?;
        let group_id = GroupId(entry.u32("group_desc.group_id").map_err(bad_len)?);
        let buckets = checked_buckets(Raw::rest(&mut entry))?;
        Ok(Self { group_type, group_id, buckets })
    }

    fn encode(&self, writer: &mut Writer) -> Result<(), EncodeError> {
        let mark = writer.begin();
        writer.u16(0);
        writer.u8(self.group_type.0);
        writer.zeros(1);
        writer.u32(self.group_id.0);
        writer.bytes(self.buckets.bytes());
        writer.end(mark, 0, "group_desc")
    }
}

/// `struct ofp_bucket_counter` (OpenFlow 1.3.5 §7.3.5.9), 16 bytes; all ones where the switch does not count.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BucketCounter {
    /// Byte 0: packets that the bucket handled.
    pub packet_count: u64,
    /// Byte 8: bytes of these packets.
    pub byte_count: u64,
}

impl<'a> Entry<'a> for BucketCounter {
    fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Ok(Self {
            packet_count: reader.u64("bucket_counter.packet_count")?,
            byte_count: reader.u64("bucket_counter.byte_count")?,
        })
    }

    fn encode(&self, writer: &mut Writer) -> Result<(), EncodeError> {
        writer.u64(self.packet_count);
        writer.u64(self.byte_count);
        Ok(())
    }
}

/// `struct ofp_group_stats` (OpenFlow 1.3.5 §7.3.5.9): an entry of the answer to `OFPMP_GROUP`.
///
/// | byte | field           |              |
/// |-----:|-----------------|--------------|
/// |    0 | `length`        | of all of it |
/// |    2 | padding         | 2 bytes      |
/// |    4 | `group_id`      |              |
/// |    8 | `ref_count`     |              |
/// |   12 | padding         | 4 bytes      |
/// |   16 | `packet_count`  |              |
/// |   24 | `byte_count`    |              |
/// |   32 | `duration_sec`  |              |
/// |   36 | `duration_nsec` |              |
/// |   40 | `bucket_stats`  | 16 bytes each |
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct GroupStats<'a> {
    /// Which group.
    pub group_id: GroupId,
    /// Flows and groups that send to it.
    pub ref_count: u32,
    /// Packets that it handled.
    pub packet_count: u64,
    /// Bytes of these packets.
    pub byte_count: u64,
    /// Seconds since it was added.
    pub duration_sec: u32,
    /// Nanoseconds beyond `duration_sec`.
    pub duration_nsec: u32,
    /// Encoded counters of its buckets.
    pub buckets: Raw<'a>,
}

impl<'a> GroupStats<'a> {
    /// The counters of its buckets.
    pub fn buckets(&self) -> Entries<'a, BucketCounter> {
        Entries::new(self.buckets.reader())
    }
}

impl<'a> Entry<'a> for GroupStats<'a> {
    /// Errors: `BRC_BAD_LEN` for a length that does not fit. Of one that ends within a bucket the whole buckets count,
    /// and what is left begins the next entry: so does Open vSwitch.
    fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let start = *reader;
        let length = usize::from({ *reader }.u16("group_stats.length")?);
        let bad_len = || {
            let expected = "40 and 16 for each bucket, and no more than what is left of the message";
            start.error("group_stats.length", length as u64, expected, ErrorCode::BRC_BAD_LEN)
        };
        let buckets = length.checked_sub(40).ok_or_else(bad_len)?;
        let mut entry = reader.child(length - buckets % 16, "group_stats").map_err(|_| bad_len())?;
        entry.skip(4, "group_stats.length")?;
        let group_id = GroupId(entry.u32("group_stats.group_id")?);
        let ref_count = entry.u32("group_stats.ref_count")?;
        entry.skip(4, "group_stats.pad2")?;
        Ok(Self {
            group_id,
            ref_count,
            packet_count: entry.u64("group_stats.packet_count")?,
            byte_count: entry.u64("group_stats.byte_count")?,
            duration_sec: entry.u32("group_stats.duration_sec")?,
            duration_nsec: entry.u32("group_stats.duration_nsec")?,
            buckets: Raw::rest(&mut entry),
        })
    }

    fn encode(&self, writer: &mut Writer) -> Result<(), EncodeError> {
        let mark = writer.begin();
        writer.zeros(4);
        writer.u32(self.group_id.0);
        writer.u32(self.ref_count);
        writer.zeros(4);
        writer.u64(self.packet_count);
        writer.u64(self.byte_count);
        writer.u32(self.duration_sec);
        writer.u32(self.duration_nsec);
        writer.bytes(self.buckets.bytes());
        writer.end(mark, 0, "group_stats")
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{encoded, hex, written};
    use super::*;

    /// `group_id=7,type=ff,bucket=watch_port:2,actions=output:1`
    const GROUP: &str = "0000 03 00 00000007 0020 0000 00000002 ffffffff 00000000 0000 0010 00000001 0000 000000000000";

    fn group(bytes: &[u8]) -> Result<GroupMod<'_>, DecodeError> {
        GroupMod::decode(Reader::new(bytes))
    }

    #[test]
    fn a_group_mod_comes_back_the_same() {
        let bytes = hex(GROUP);
        let decoded = group(&bytes).unwrap();
        assert_eq!((decoded.group_id, decoded.group_type), (GroupId(7), GroupType::FAST_FAILOVER));
        let buckets: Vec<_> = decoded.buckets().collect::<Result<_, _>>().unwrap();
        assert_eq!((buckets.len(), buckets[0].watch_port, buckets[0].actions.bytes()), (1, PortNo(2), &bytes[24..]));
        assert_eq!(written(|writer| decoded.encode(writer)), bytes);
        assert_eq!(encoded(|writer| buckets[0].encode(writer)), &bytes[8..]);
        assert!(decoded.check().is_ok());
    }

    #[test]
    fn rejects_a_bucket_that_is_cut() {
        let bytes = hex(GROUP);
        for end in 9..bytes.len() {
            assert_eq!(group(&bytes[..end]).unwrap_err().code, ErrorCode::GMFC_BAD_BUCKET, "{end}");
        }
        let mut short = bytes;
        short[9] = 15;
        assert_eq!(group(&short).unwrap_err().code, ErrorCode::GMFC_BAD_BUCKET);
    }

    #[test]
    fn a_group_that_no_switch_takes_has_its_error() {
        let bytes = hex(GROUP);
        for (at, value, code) in [
            (1, 2, ErrorCode::GMFC_INVALID_GROUP),
            (1, 4, ErrorCode::GMFC_BAD_COMMAND),
            (1, 5, ErrorCode::GMFC_BAD_BUCKET),
            (2, 4, ErrorCode::GMFC_BAD_TYPE),
            (2, 0, ErrorCode::GMFC_WATCH_UNSUPPORTED),
            (11, 1, ErrorCode::GMFC_INVALID_GROUP),
        ] {
            let mut bytes = bytes.clone();
            bytes[at] = value;
            assert_eq!(group(&bytes).unwrap().check().unwrap_err().code, code, "byte {at}");
        }
        let indirect = hex("0000 02 00 00000007");
        assert_eq!(group(&indirect).unwrap().check().unwrap_err().code, ErrorCode::GMFC_INVALID_GROUP);
    }

    #[test]
    fn descriptions_and_counters_come_back_the_same() {
        let bytes =
            hex("0028 03 00 00000007 0020 0000 00000002 ffffffff 00000000 0000 0010 00000001 0000 000000000000");
        let desc = GroupDesc::decode(&mut Reader::new(&bytes)).unwrap();
        assert_eq!((desc.group_id, desc.buckets().count()), (GroupId(7), 1));
        assert_eq!(encoded(|writer| desc.encode(writer)), bytes);
        let bytes = hex("0038 0000 00000007 00000001 00000000 0000000000000002 0000000000000003 00000004 00000005 \
             0000000000000006 0000000000000007");
        let stats = GroupStats::decode(&mut Reader::new(&bytes)).unwrap();
        let counters: Vec<_> = stats.buckets().collect::<Result<_, _>>().unwrap();
        assert_eq!(counters, [BucketCounter { packet_count: 6, byte_count: 7 }]);
        assert_eq!(encoded(|writer| stats.encode(writer)), bytes);
        for end in 0..bytes.len() {
            assert!(GroupStats::decode(&mut Reader::new(&bytes[..end])).is_err());
        }
    }

    #[test]
    fn half_a_bucket_begins_the_next_entry() {
        let mut bytes = hex("0030 0000 00000001");
        bytes.resize(48, 0);
        let mut entries = Entries::<GroupStats<'_>>::new(Reader::new(&bytes));
        assert!(entries.next().unwrap().unwrap().buckets.bytes().is_empty());
        let error = entries.next().unwrap().unwrap_err();
        assert_eq!((error.offset, error.code), (40, ErrorCode::BRC_BAD_LEN));
    }
}
