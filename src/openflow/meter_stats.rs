//! Counters and features of meters (OpenFlow 1.3.5 §7.3.5.12, §7.3.5.14), and the question for them.

use super::{DecodeError, EncodeError, Entries, Entry, ErrorCode, Reader, Writer};

/// `struct ofp_meter_multipart_request` (OpenFlow 1.3.5 §7.3.5.12): the body of the questions for counters and
/// for configurations, 8 bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MeterRequest {
    /// Byte 0: one meter, or `OFPM_ALL` (0xffffffff).
    pub meter_id: u32,
}

impl MeterRequest {
    /// Decodes the body of the multipart request.
    pub fn decode(mut body: Reader<'_>) -> Result<Self, DecodeError> {
        let meter_id = body.u32("meter_request.meter_id")?;
        body.skip(4, "meter_request.pad")?;
        body.finish("meter_request")?;
        Ok(Self { meter_id })
    }

    /// Appends the body of the multipart request.
    pub fn encode(&self, writer: &mut Writer) {
        writer.u32(self.meter_id);
        writer.zeros(4);
    }
}

/// `struct ofp_meter_stats` (OpenFlow 1.3.5 §7.3.5.12): an entry of the answer, 40 bytes and 16 for each band.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MeterStats {
    /// Byte 0.
    pub meter_id: u32,
    /// Byte 12, after the length: flows that lead to it.
    pub flow_count: u32,
    /// Byte 16: packets that it took.
    pub packet_in_count: u64,
    /// Byte 24: their bytes.
    pub byte_in_count: u64,
    /// Byte 32: seconds since it is there.
    pub duration_sec: u32,
    /// Byte 36: nanoseconds beyond those.
    pub duration_nsec: u32,
    /// Byte 40: its bands, in order.
    pub bands: Vec<MeterBandStats>,
}

/// `struct ofp_meter_band_stats` (OpenFlow 1.3.5 §7.3.5.12), 16 bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MeterBandStats {
    /// Byte 0: packets beyond the band's rate.
    pub packet_band_count: u64,
    /// Byte 8: their bytes.
    pub byte_band_count: u64,
}

impl<'a> Entry<'a> for MeterStats {
    /// Decodes the next entry; `BRC_BAD_LEN` if its length is not that of whole bands or does not fit.
    fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let mut head = *reader;
        let meter_id = head.u32("meter_stats.meter_id")?;
        let at = head;
        let length = usize::from(head.u16("meter_stats.len")?);
        if length < 40 || length % 16 != 8 || length > reader.remaining() {
            let expected = "40 and 16 for each band, and no more than what is left of the message";
            return Err(at.error("meter_stats.len", length as u64, expected, ErrorCode::BRC_BAD_LEN));
        }
        let mut entry = reader.child(length, "meter_stats")?;
        entry.skip(12, "meter_stats.len")?;
        Ok(Self {
            meter_id,
            flow_count: entry.u32("meter_stats.flow_count")?,
            packet_in_count: entry.u64("meter_stats.packet_in_count")?,
            byte_in_count: entry.u64("meter_stats.byte_in_count")?,
            duration_sec: entry.u32("meter_stats.duration_sec")?,
            duration_nsec: entry.u32("meter_stats.duration_nsec")?,
            bands: Entries::new(entry).collect::<Result<_, _>>()?,
        })
    }

    fn encode(&self, writer: &mut Writer) -> Result<(), EncodeError> {
        let mark = writer.begin();
        writer.u32(self.meter_id);
        writer.zeros(8);
        writer.u32(self.flow_count);
        writer.u64(self.packet_in_count);
        writer.u64(self.byte_in_count);
        writer.u32(self.duration_sec);
        writer.u32(self.duration_nsec);
        self.bands.iter().try_for_each(|band| band.encode(writer))?;
        writer.end(mark, 4, "meter_stats")
    }
}

impl<'a> Entry<'a> for MeterBandStats {
    fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let packet_band_count = reader.u64("meter_band_stats.packet_band_count")?;
        Ok(Self { packet_band_count, byte_band_count: reader.u64("meter_band_stats.byte_band_count")? })
    }

    fn encode(&self, writer: &mut Writer) -> Result<(), EncodeError> {
        writer.u64(self.packet_band_count);
        writer.u64(self.byte_band_count);
        Ok(())
    }
}

/// `struct ofp_meter_features` (OpenFlow 1.3.5 §7.3.5.14): the body of the answer, 16 bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MeterFeatures {
    /// Byte 0: meters at the most.
    pub max_meter: u32,
    /// Byte 4: bit n for `OFPMBT_*` n.
    pub band_types: u32,
    /// Byte 8: `OFPMF_*` flags of a meter.
    pub capabilities: u32,
    /// Byte 12: bands of one meter at the most.
    pub max_bands: u8,
    /// Byte 13: the highest colour.
    pub max_color: u8,
}

impl MeterFeatures {
    /// Decodes the body of the multipart reply.
    pub fn decode(mut body: Reader<'_>) -> Result<Self, DecodeError> {
        let features = Self {
            max_meter: body.u32("meter_features.max_meter")?,
            band_types: body.u32("meter_features.band_types")?,
            capabilities: body.u32("meter_features.capabilities")?,
            max_bands: body.u8("meter_features.max_bands")?,
            max_color: body.u8("meter_features.max_color")?,
        };
        body.skip(2, "meter_features.pad")?;
        body.finish("meter_features")?;
        Ok(features)
    }

    /// Appends the body of the multipart reply.
    pub fn encode(&self, writer: &mut Writer) {
        writer.u32(self.max_meter);
        writer.u32(self.band_types);
        writer.u32(self.capabilities);
        writer.u8(self.max_bands);
        writer.u8(self.max_color);
        writer.zeros(2);
    }
}

#[cfg(test)]
mod tests {
    use super::super::multipart::{Multipart, MultipartType, multipart_reply};
    use super::super::testing::{XID, encoded, hex, refuses_cut_and_excess, written};
    use super::*;
    use crate::openflow::Message;

    #[test]
    fn meter_counters_read_as_they_were_written() {
        let bytes = hex("04130048 12345678 0009 0000 00000000 00000001 0038 000000000000 00000002
             0000000000000003 0000000000000004 00000005 00000006 0000000000000007 0000000000000008");
        let decode = |body: Reader<'_>| -> Result<Vec<MeterStats>, DecodeError> {
            Entries::new(Multipart::decode(body)?.body.reader()).collect()
        };
        let stats = decode(Message::decode(&bytes).unwrap().body).unwrap();
        assert_eq!((stats[0].meter_id, stats[0].flow_count, stats[0].duration_nsec), (1, 2, 6));
        assert_eq!(stats[0].bands, [MeterBandStats { packet_band_count: 7, byte_band_count: 8 }]);
        assert_eq!(encoded(|w| multipart_reply(w, MultipartType::METER, XID, &stats)), bytes);
        refuses_cut_and_excess(&bytes, &[16], decode);
        for length in [0, 39, 41, 48, 72] {
            let mut bytes = bytes[16..].to_vec();
            bytes[4..6].copy_from_slice(&u16::to_be_bytes(length));
            let error = MeterStats::decode(&mut Reader::new(&bytes)).unwrap_err();
            assert_eq!((error.offset, error.what), (4, "meter_stats.len"));
        }
    }

    #[test]
    fn features_and_the_question_read_as_they_were_written() {
        let bytes = hex("00000001 00000002 0000000f 04 05 0000");
        let features = MeterFeatures::decode(Reader::new(&bytes)).unwrap();
        assert_eq!((features.max_meter, features.max_bands, features.max_color), (1, 4, 5));
        assert_eq!(written(|w| features.encode(w)), bytes);
        for end in 0..bytes.len() {
            assert!(MeterFeatures::decode(Reader::new(&bytes[..end])).is_err());
        }
        let bytes = hex("ffffffff 00000000");
        let request = MeterRequest::decode(Reader::new(&bytes)).unwrap();
        assert_eq!(written(|w| request.encode(w)), bytes);
    }
}
