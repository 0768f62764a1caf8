//! Meters: METER_MOD, bands, and the meter multiparts that list them (OpenFlow 1.3.5 §7.3.4.4, §7.3.5.12–13).

use super::{DecodeError, EncodeError, Entries, Entry, ErrorCode, MeterId, Raw, Reader, Writer};

/// `OFPMC_*`: what a METER_MOD does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MeterModCommand(pub u16);

impl MeterModCommand {
    /// `OFPMC_ADD`.
    pub const ADD: Self = Self(0);
    /// `OFPMC_MODIFY`.
    pub const MODIFY: Self = Self(1);
    /// `OFPMC_DELETE`.
    pub const DELETE: Self = Self(2);
}

/// `OFPMF_*` flags of a meter.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct MeterFlags(pub u16);

impl MeterFlags {
    /// `OFPMF_KBPS`: rates are kilobits per second.
    pub const KBPS: Self = Self(1);
    /// `OFPMF_PKTPS`: rates are packets per second.
    pub const PKTPS: Self = Self(2);
    /// `OFPMF_BURST`: the bands have burst sizes.
    pub const BURST: Self = Self(4);
    /// `OFPMF_STATS`: the meter counts.
    pub const STATS: Self = Self(8);
    /// Every flag with its name in the text.
    pub const NAMES: [(Self, &'static str); 4] =
        [(Self::KBPS, "kbps"), (Self::PKTPS, "pktps"), (Self::BURST, "burst"), (Self::STATS, "stats")];

    /// True if all of `flags` are set.
    pub const fn has(self, flags: Self) -> bool {
        self.0 & flags.0 == flags.0
    }
}

/// `OFPMBT_*`: what a band does with the packets beyond its rate.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MeterBandType(pub u16);

impl MeterBandType {
    /// `OFPMBT_DROP`.
    pub const DROP: Self = Self(1);
    /// `OFPMBT_DSCP_REMARK`: raises the drop precedence in the DSCP.
    pub const DSCP_REMARK: Self = Self(2);
}

/// `struct ofp_meter_band_drop` and `ofp_meter_band_dscp_remark` (OpenFlow 1.3.5 §7.3.4.4), 16 bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MeterBand {
    /// Byte 0. Byte 2 is the length, 16.
    pub band_type: MeterBandType,
    /// Byte 4: kilobits or packets per second.
    pub rate: u32,
    /// Byte 8: kilobits or packets.
    pub burst_size: u32,
    /// Byte 12: by how much the drop precedence is raised; 0 in a drop band.
    pub prec_level: u8,
}

impl MeterBand {
    const LEN: u16 = 16;
}

impl<'a> Entry<'a> for MeterBand {
    /// Errors: `BRC_BAD_LEN` for a length other than 16, `MMFC_BAD_BAND` for a type that is neither.
    fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let start = *reader;
        let band_type = MeterBandType(reader.u16("meter_band.type")?);
        let len = reader.u16("meter_band.len")?;
        if len != Self::LEN {
            return Err(start.error("meter_band.len", len.into(), "16", ErrorCode::BRC_BAD_LEN));
        }
        let rate = reader.u32("meter_band.rate")?;
        let burst_size = reader.u32("meter_band.burst_size")?;
        let prec_level = reader.u8("meter_band.prec_level")?;
        reader.skip(3, "meter_band.pad")?;
        if ![MeterBandType::DROP, MeterBandType::DSCP_REMARK].contains(&band_type) {
            let expected = "1 (drop) or 2 (dscp_remark)";
            return Err(start.error("meter_band.type", band_type.0.into(), expected, ErrorCode::MMFC_BAD_BAND));
        }
        Ok(Self { band_type, rate, burst_size, prec_level })
    }

    fn encode(&self, writer: &mut Writer) -> Result<(), EncodeError> {
        writer.u16(self.band_type.0);
        writer.u16(Self::LEN);
        writer.u32(self.rate);
        writer.u32(self.burst_size);
        writer.u8(self.prec_level);
        writer.zeros(3);
        Ok(())
    }
}

/// Holds that all of `bands` are bands.
fn checked_bands(bands: Raw<'_>) -> Result<Raw<'_>, DecodeError> {
    Entries::<MeterBand>::new(bands.reader()).try_for_each(|band| band.map(|_| ()))?;
    Ok(bands)
}

/// `OFPT_METER_MOD` without its header (OpenFlow 1.3.5 §7.3.4.4).
///
/// | byte | field      |
/// |-----:|------------|
/// |    0 | `command`  |
/// |    2 | `flags`    |
/// |    4 | `meter_id` |
/// |    8 | `bands`    |
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MeterMod<'a> {
    /// What to do.
    pub command: MeterModCommand,
    /// Flags of the meter.
    pub flags: MeterFlags,
    /// Which meter.
    pub meter_id: MeterId,
    /// Encoded bands.
    pub bands: Raw<'a>,
}

impl<'a> MeterMod<'a> {
    /// Reads the message's body: `BRC_BAD_LEN`, `MMFC_BAD_BAND`, `MMFC_BAD_COMMAND`, `MMFC_BAD_FLAGS`. Of a
    /// deletion neither flags nor bands count.
    pub fn decode(mut reader: Reader<'a>) -> Result<Self, DecodeError> {
        let start = reader;
        let command = MeterModCommand(reader.u16("meter_mod.command")?);
        let flags = MeterFlags(reader.u16("meter_mod.flags")?);
        let meter_id = MeterId(reader.u32("meter_mod.meter_id")?);
        let bands = Raw::rest(&mut reader);
        if command.0 > MeterModCommand::DELETE.0 {
            return Err(start.error("meter_mod.command", command.0.into(), "0 to 2", ErrorCode::MMFC_BAD_COMMAND));
        }
        if command == MeterModCommand::DELETE {
            return Ok(Self { command, flags, meter_id, bands });
        }
        if flags.has(MeterFlags::KBPS) && flags.has(MeterFlags::PKTPS) {
            let expected = "not both kbps and pktps";
            return Err(start.error("meter_mod.flags", flags.0.into(), expected, ErrorCode::MMFC_BAD_FLAGS));
        }
        Ok(Self { command, flags, meter_id, bands: checked_bands(bands)? })
    }

    /// Appends the message's body.
    pub fn encode(&self, writer: &mut Writer) {
        writer.u16(self.command.0);
        writer.u16(self.flags.0);
        writer.u32(self.meter_id.0);
        writer.bytes(self.bands.bytes());
    }

    /// The bands.
    pub fn bands(&self) -> Entries<'a, MeterBand> {
        Entries::new(self.bands.reader())
    }
}

/// `struct ofp_meter_config` (OpenFlow 1.3.5 §7.3.5.13): an entry of the answer to `OFPMP_METER_CONFIG`.
///
/// | byte | field      |              |
/// |-----:|------------|--------------|
/// |    0 | `length`   | of all of it |
/// |    2 | `flags`    |              |
/// |    4 | `meter_id` |              |
/// |    8 | `bands`    |              |
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MeterConfig<'a> {
    /// Flags of the meter.
    pub flags: MeterFlags,
    /// Which meter.
    pub meter_id: MeterId,
    /// Encoded bands.
    pub bands: Raw<'a>,
}

impl<'a> MeterConfig<'a> {
    /// The bands.
    pub fn bands(&self) -> Entries<'a, MeterBand> {
        Entries::new(self.bands.reader())
    }
}

impl<'a> Entry<'a> for MeterConfig<'a> {
    /// Errors: `BRC_BAD_LEN` for a length that is not that of an entry, `MMFC_BAD_BAND`.
    fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let start = *reader;
        let length = { *reader }.u16("meter_config.length")?;
        let bad_len = |_| {
            start.error("meter_config.length", length.into(), "8 or more, as much as is left", ErrorCode::BRC_BAD_LEN)
        };
        let mut entry = reader.child(length.into(), "meter_config").map_err(bad_len)?;
        entry.skip(2, "meter_config.length").map_err(bad_len)?;
        let flags = MeterFlags(entry.u16("meter_config.flags").map_err(bad_len)?);
        let meter_id = MeterId(entry.u32("meter_config.meter_id").map_err(bad_len)?);
        let bands = checked_bands(Raw::rest(&mut entry))?;
        Ok(Self { flags, meter_id, bands })
    }

    fn encode(&self, writer: &mut Writer) -> Result<(), EncodeError> {
        let mark = writer.begin();
        writer.u16(0);
        writer.u16(self.flags.0);
        writer.u32(self.meter_id.0);
        writer.bytes(self.bands.bytes());
        writer.end(mark, 0, "meter_config")
    }
}

/// `struct ofp_meter_band_stats` (OpenFlow 1.3.5 §7.3.5.12), 16 bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MeterBandStats {
    /// Byte 0: packets beyond the band's rate.
    pub packet_band_count: u64,
    /// Byte 8: bytes of these packets.
    pub byte_band_count: u64,
}

impl<'a> Entry<'a> for MeterBandStats {
    fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Ok(Self {
            packet_band_count: reader.u64("meter_band_stats.packet_band_count")?,
            byte_band_count: reader.u64("meter_band_stats.byte_band_count")?,
        })
    }

    fn encode(&self, writer: &mut Writer) -> Result<(), EncodeError> {
        writer.u64(self.packet_band_count);
        writer.u64(self.byte_band_count);
        Ok(())
    }
}

/// `struct ofp_meter_stats` (OpenFlow 1.3.5 §7.3.5.12): an entry of the answer to `OFPMP_METER`.
///
/// | byte | field             |               |
/// |-----:|-------------------|---------------|
/// |    0 | `meter_id`        |               |
/// |    4 | `len`             | of all of it  |
/// |    6 | padding           | 6 bytes       |
/// |   12 | `flow_count`      |               |
/// |   16 | `packet_in_count` |               |
/// |   24 | `byte_in_count`   |               |
/// |   32 | `duration_sec`    |               |
/// |   36 | `duration_nsec`   |               |
/// |   40 | `band_stats`      | 16 bytes each |
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MeterStats<'a> {
    /// Which meter.
    pub meter_id: MeterId,
    /// Flows that use it.
    pub flow_count: u32,
    /// Packets that came to it.
    pub packet_in_count: u64,
    /// Bytes of these packets.
    pub byte_in_count: u64,
    /// Seconds since it was added.
    pub duration_sec: u32,
    /// Nanoseconds beyond `duration_sec`.
    pub duration_nsec: u32,
    /// Encoded counters of its bands.
    pub bands: Raw<'a>,
}

impl<'a> MeterStats<'a> {
    /// The counters of its bands.
    pub fn bands(&self) -> Entries<'a, MeterBandStats> {
        Entries::new(self.bands.reader())
    }
}

impl<'a> Entry<'a> for MeterStats<'a> {
    /// Errors: `BRC_BAD_LEN` for a length that is not that of an entry.
    fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let start = *reader;
        let mut head = *reader;
        let meter_id = MeterId(head.u32("meter_stats.meter_id")?);
        let len = head.u16("meter_stats.len")?;
        let bad_len = || start.error("meter_stats.len", len.into(), "40 and 16 for each band", ErrorCode::BRC_BAD_LEN);
        if len < 40 || !(len - 40).is_multiple_of(16) {
            return Err(bad_len());
        }
        let mut entry = reader.child(len.into(), "meter_stats").map_err(|_| bad_len())?;
        entry.skip(12, "meter_stats.len")?;
        Ok(Self {
            meter_id,
            flow_count: entry.u32("meter_stats.flow_count")?,
            packet_in_count: entry.u64("meter_stats.packet_in_count")?,
            byte_in_count: entry.u64("meter_stats.byte_in_count")?,
            duration_sec: entry.u32("meter_stats.duration_sec")?,
            duration_nsec: entry.u32("meter_stats.duration_nsec")?,
            bands: Raw::rest(&mut entry),
        })
    }

    fn encode(&self, writer: &mut Writer) -> Result<(), EncodeError> {
        let mark = writer.begin();
        writer.u32(self.meter_id.0);
        writer.zeros(8);
        writer.u32(self.flow_count);
        writer.u64(self.packet_in_count);
        writer.u64(self.byte_in_count);
        writer.u32(self.duration_sec);
        writer.u32(self.duration_nsec);
        writer.bytes(self.bands.bytes());
        writer.end(mark, 4, "meter_stats")
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{encoded, hex, written};
    use super::*;

    /// `meter=7 kbps burst stats bands=type=dscp_remark rate=100 burst_size=10 prec_level=2`
    const METER: &str = "0000 000d 00000007 0002 0010 00000064 0000000a 02 000000";

    #[test]
    fn a_meter_mod_comes_back_the_same() {
        let bytes = hex(METER);
        let meter = MeterMod::decode(Reader::new(&bytes)).unwrap();
        assert_eq!((meter.meter_id, meter.command), (MeterId(7), MeterModCommand::ADD));
        let bands: Vec<_> = meter.bands().collect::<Result<_, _>>().unwrap();
        let band = MeterBand { band_type: MeterBandType::DSCP_REMARK, rate: 100, burst_size: 10, prec_level: 2 };
        assert_eq!(bands, [band]);
        assert_eq!(written(|writer| meter.encode(writer)), bytes);
        assert_eq!(encoded(|writer| band.encode(writer)), &bytes[8..]);
    }

    #[test]
    fn a_meter_that_no_switch_takes_has_its_error() {
        for (at, value, code) in [
            (1, 3, ErrorCode::MMFC_BAD_COMMAND),
            (3, 3, ErrorCode::MMFC_BAD_FLAGS),
            (9, 3, ErrorCode::MMFC_BAD_BAND),
            (11, 8, ErrorCode::BRC_BAD_LEN),
        ] {
            let mut bytes = hex(METER);
            bytes[at] = value;
            assert_eq!(MeterMod::decode(Reader::new(&bytes)).unwrap_err().code, code, "byte {at}");
        }
        let bytes = hex(METER);
        for end in 9..bytes.len() {
            assert!(MeterMod::decode(Reader::new(&bytes[..end])).is_err(), "{end}");
        }
    }

    #[test]
    fn configurations_and_counters_come_back_the_same() {
        let bytes = hex("0018 000d 00000007 0002 0010 00000064 0000000a 02 000000");
        let config = MeterConfig::decode(&mut Reader::new(&bytes)).unwrap();
        assert_eq!((config.meter_id, config.bands().count()), (MeterId(7), 1));
        assert_eq!(encoded(|writer| config.encode(writer)), bytes);
        let bytes = hex("00000007 0038 000000000000 00000001 0000000000000002 0000000000000003 00000004 00000005 \
             0000000000000006 0000000000000007");
        let stats = MeterStats::decode(&mut Reader::new(&bytes)).unwrap();
        let bands: Vec<_> = stats.bands().collect::<Result<_, _>>().unwrap();
        assert_eq!(bands, [MeterBandStats { packet_band_count: 6, byte_band_count: 7 }]);
        assert_eq!(encoded(|writer| stats.encode(writer)), bytes);
        for end in 0..bytes.len() {
            assert!(MeterStats::decode(&mut Reader::new(&bytes[..end])).is_err());
        }
    }
}
