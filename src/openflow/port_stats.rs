//! Counters of ports (`OFPMP_PORT_STATS`, OpenFlow 1.3.5 §7.3.5.6).

use super::{DecodeError, EncodeError, Entry, PortNo, Reader, Writer};

/// `struct ofp_port_stats_request` (OpenFlow 1.3.5 §7.3.5.6): the body of the question, 8 bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PortStatsRequest {
    /// Byte 0: one port, or [`PortNo::ANY`] for all.
    pub port_no: PortNo,
}

impl PortStatsRequest {
    /// Decodes the body of the multipart request.
    pub fn decode(mut body: Reader<'_>) -> Result<Self, DecodeError> {
        let port_no = PortNo(body.u32("port_stats_request.port_no")?);
        body.skip(4, "port_stats_request.pad")?;
        body.finish("port_stats_request")?;
        Ok(Self { port_no })
    }

    /// Appends the body of the multipart request.
    pub fn encode(&self, writer: &mut Writer) {
        writer.u32(self.port_no.0);
        writer.zeros(4);
    }
}

/// `struct ofp_port_stats` (OpenFlow 1.3.5 §7.3.5.6): an entry of the answer, 112 bytes. A counter that the
/// switch does not keep is all ones.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct PortStats {
    /// Byte 0.
    pub port_no: PortNo,
    /// Byte 8: packets received.
    pub rx_packets: u64,
    /// Byte 16: packets sent.
    pub tx_packets: u64,
    /// Byte 24: bytes received.
    pub rx_bytes: u64,
    /// Byte 32: bytes sent.
    pub tx_bytes: u64,
    /// Byte 40: packets dropped when received.
    pub rx_dropped: u64,
    /// Byte 48: packets dropped when sent.
    pub tx_dropped: u64,
    /// Byte 56: errors of reception, all kinds.
    pub rx_errors: u64,
    /// Byte 64: errors of sending, all kinds.
    pub tx_errors: u64,
    /// Byte 72: frame alignment errors.
    pub rx_frame_err: u64,
    /// Byte 80: overruns.
    pub rx_over_err: u64,
    /// Byte 88: checksum errors.
    pub rx_crc_err: u64,
    /// Byte 96: collisions.
    pub collisions: u64,
    /// Byte 104: seconds since the port came up.
    pub duration_sec: u32,
    /// Byte 108: nanoseconds beyond those.
    pub duration_nsec: u32,
}

impl<'a> Entry<'a> for PortStats {
    fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let port_no = PortNo(reader.u32("port_stats.port_no")?);
        reader.skip(4, "port_stats.pad")?;
        Ok(Self {
            port_no,
            rx_packets: reader.u64("port_stats.rx_packets")?,
            tx_packets: reader.u64("port_stats.tx_packets")?,
            rx_bytes: reader.u64("port_stats.rx_bytes")?,
            tx_bytes: reader.u64("port_stats.tx_bytes")?,
            rx_dropped: reader.u64("port_stats.rx_dropped")?,
            tx_dropped: reader.u64("port_stats.tx_dropped")?,
            rx_errors: reader.u64("port_stats.rx_errors")?,
            tx_errors: reader.u64("port_stats.tx_errors")?,
            rx_frame_err: reader.u64("port_stats.rx_frame_err")?,
            rx_over_err: reader.u64("port_stats.rx_over_err")?,
            rx_crc_err: reader.u64("port_stats.rx_crc_err")?,
            collisions: reader.u64("port_stats.collisions")?,
            duration_sec: reader.u32("port_stats.duration_sec")?,
            duration_nsec: reader.u32("port_stats.duration_nsec")?,
        })
    }

    fn encode(&self, writer: &mut Writer) -> Result<(), EncodeError> {
        writer.u32(self.port_no.0);
        writer.zeros(4);
        for counter in [
            self.rx_packets,
            self.tx_packets,
            self.rx_bytes,
            self.tx_bytes,
            self.rx_dropped,
            self.tx_dropped,
            self.rx_errors,
            self.tx_errors,
            self.rx_frame_err,
            self.rx_over_err,
            self.rx_crc_err,
            self.collisions,
        ] {
            writer.u64(counter);
        }
        writer.u32(self.duration_sec);
        writer.u32(self.duration_nsec);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::multipart::{Multipart, MultipartType, multipart_reply, multipart_request};
    use super::super::testing::{XID, encoded, hex, refuses_cut_and_excess};
    use super::*;
    use crate::openflow::{Entries, Message};

    #[test]
    fn port_counters_read_as_they_were_written() {
        let counters: String = (1..=12u64).map(|counter| format!("{counter:016x}")).collect();
        let bytes =
            hex(&format!("04130080 12345678 0004 0000 00000000 00000007 00000000 {counters} 0000000d 0000000e"));
        let decode = |body: Reader<'_>| -> Result<Vec<PortStats>, DecodeError> {
            Entries::new(Multipart::decode(body)?.body.reader()).collect()
        };
        let stats = decode(Message::decode(&bytes).unwrap().body).unwrap();
        let expected = PortStats {
            port_no: PortNo(7),
            rx_packets: 1,
            tx_packets: 2,
            rx_bytes: 3,
            tx_bytes: 4,
            rx_dropped: 5,
            tx_dropped: 6,
            rx_errors: 7,
            tx_errors: 8,
            rx_frame_err: 9,
            rx_over_err: 10,
            rx_crc_err: 11,
            collisions: 12,
            duration_sec: 13,
            duration_nsec: 14,
        };
        assert_eq!(stats, [expected]);
        assert_eq!(encoded(|w| multipart_reply(w, MultipartType::PORT_STATS, XID, &stats)), bytes);
        refuses_cut_and_excess(&bytes, &[16], decode);
    }

    #[test]
    fn the_question_reads_as_it_was_written() {
        let bytes = hex("04120018 12345678 0004 0000 00000000 ffffffff 00000000");
        let decode = |body: Reader<'_>| PortStatsRequest::decode(Multipart::decode(body)?.body.reader());
        let request = decode(Message::decode(&bytes).unwrap().body).unwrap();
        assert_eq!(request.port_no, PortNo::ANY);
        let again = encoded(|w| {
            multipart_request(w, MultipartType::PORT_STATS, XID, |w| {
                request.encode(w);
                Ok(())
            })
        });
        assert_eq!(again, bytes);
        refuses_cut_and_excess(&bytes, &[], decode);
    }
}
