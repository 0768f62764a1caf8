//! Features of meters, and the question for their counters and configurations (OpenFlow 1.3.5 §7.3.5.14, §7.3.5.12).
//! Meters themselves and their counters are in [`meter`](super::meter).

use super::{DecodeError, MeterId, Reader, Writer};

/// `struct ofp_meter_multipart_request` (OpenFlow 1.3.5 §7.3.5.12): the body of the questions for counters and
/// for configurations, 8 bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MeterRequest {
    /// Byte 0: one meter, or [`MeterId::ALL`].
    pub meter_id: MeterId,
}

impl MeterRequest {
    /// Decodes the body of the multipart request.
    pub fn decode(mut body: Reader<'_>) -> Result<Self, DecodeError> {
        let meter_id = MeterId(body.u32("meter_request.meter_id")?);
        body.skip(4, "meter_request.pad")?;
        body.finish("meter_request")?;
        Ok(Self { meter_id })
    }

    /// Appends the body of the multipart request.
    pub fn encode(&self, writer: &mut Writer) {
        writer.u32(self.meter_id.0);
        writer.zeros(4);
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
    use super::super::testing::{hex, written};
    use super::*;

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
