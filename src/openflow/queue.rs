//! Queues of ports: their configuration (OpenFlow 1.3.5 §7.2.2, §7.3.6) and their counters (§7.3.5.8).

use super::header::MessageType;
use super::message::message;
use super::{DecodeError, EncodeError, Entries, Entry, ErrorCode, PortNo, Raw, Reader, Writer, Xid};

/// `OFPQ_ALL`: every queue, in requests.
pub const ALL_QUEUES: u32 = 0xffff_ffff;

/// `OFPT_QUEUE_GET_CONFIG_REQUEST` (`struct ofp_queue_get_config_request`, OpenFlow 1.3.5 §7.3.6), 16 bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct QueueGetConfigRequest {
    /// Byte 8: one port, or [`PortNo::ANY`] for all.
    pub port_no: PortNo,
}

impl QueueGetConfigRequest {
    /// Decodes the body.
    pub fn decode(mut body: Reader<'_>) -> Result<Self, DecodeError> {
        let port_no = PortNo(body.u32("queue_get_config_request.port")?);
        body.skip(4, "queue_get_config_request.pad")?;
        body.finish("queue_get_config_request")?;
        Ok(Self { port_no })
    }

    /// Appends the message.
    pub fn encode(&self, writer: &mut Writer, xid: Xid) -> Result<(), EncodeError> {
        message(writer, MessageType::QUEUE_GET_CONFIG_REQUEST, xid, |w| {
            w.u32(self.port_no.0);
            w.zeros(4);
            Ok(())
        })
    }
}

/// `OFPT_QUEUE_GET_CONFIG_REPLY` (`struct ofp_queue_get_config_reply`, OpenFlow 1.3.5 §7.3.6): 16 bytes and the
/// queues.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct QueueGetConfigReply<'a> {
    /// Byte 8: the port that was asked for.
    pub port_no: PortNo,
    /// Byte 16: its queues.
    queues: Raw<'a>,
}

impl<'a> QueueGetConfigReply<'a> {
    /// Decodes the body; its queues are not looked at yet.
    pub fn decode(mut body: Reader<'a>) -> Result<Self, DecodeError> {
        let port_no = PortNo(body.u32("queue_get_config_reply.port")?);
        body.skip(4, "queue_get_config_reply.pad")?;
        Ok(Self { port_no, queues: Raw::rest(&mut body) })
    }

    /// The queues.
    pub const fn queues(&self) -> Entries<'a, PacketQueue<'a>> {
        Entries::new(self.queues.reader())
    }
}

/// Appends an `OFPT_QUEUE_GET_CONFIG_REPLY` with `queues`.
pub fn encode_config_reply(
    writer: &mut Writer,
    xid: Xid,
    port_no: PortNo,
    queues: &[PacketQueue<'_>],
) -> Result<(), EncodeError> {
    message(writer, MessageType::QUEUE_GET_CONFIG_REPLY, xid, |w| {
        w.u32(port_no.0);
        w.zeros(4);
        queues.iter().try_for_each(|queue| queue.encode(w))
    })
}

/// `struct ofp_packet_queue` (OpenFlow 1.3.5 §7.2.2): 16 bytes and its properties.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PacketQueue<'a> {
    /// Byte 0.
    pub queue_id: u32,
    /// Byte 4: the port that it belongs to.
    pub port_no: PortNo,
    /// Byte 16, after the length.
    pub properties: Vec<QueueProperty<'a>>,
}

/// `struct ofp_queue_prop_header` and what follows (OpenFlow 1.3.5 §7.2.2). Unknown properties, those of
/// experimenters among them, survive.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum QueueProperty<'a> {
    /// `OFPQT_MIN_RATE`: guaranteed, in 1/10 of a percent; above 1000 there is none.
    MinRate(u16),
    /// `OFPQT_MAX_RATE`: the limit, in 1/10 of a percent; above 1000 there is none.
    MaxRate(u16),
    /// Any other.
    Other {
        /// `OFPQT_*`.
        property: u16,
        /// What follows the 8 bytes of header, padding too.
        value: Raw<'a>,
    },
}

const MIN_RATE: u16 = 1;
const MAX_RATE: u16 = 2;

impl<'a> Entry<'a> for PacketQueue<'a> {
    fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let mut head = *reader;
        let queue_id = head.u32("packet_queue.queue_id")?;
        let port_no = PortNo(head.u32("packet_queue.port")?);
        let at = head;
        let length = head.u16("packet_queue.len")?;
        head.skip(6, "packet_queue.pad")?;
        if length < 16 || length % 8 != 0 || usize::from(length) > reader.remaining() {
            let expected = "a multiple of 8, 16 at the least, and no more than what is left of the message";
            return Err(at.error("packet_queue.len", length.into(), expected, ErrorCode::BRC_BAD_LEN));
        }
        let mut queue = reader.child(length.into(), "packet_queue")?;
        queue.skip(16, "packet_queue")?;
        let properties = Entries::new(queue).collect::<Result<_, _>>()?;
        Ok(Self { queue_id, port_no, properties })
    }

    fn encode(&self, writer: &mut Writer) -> Result<(), EncodeError> {
        let mark = writer.begin();
        writer.u32(self.queue_id);
        writer.u32(self.port_no.0);
        writer.zeros(8);
        self.properties.iter().try_for_each(|property| property.encode(writer))?;
        writer.end(mark, 8, "packet_queue")
    }
}

impl<'a> Entry<'a> for QueueProperty<'a> {
    fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let mut head = *reader;
        let property = head.u16("queue_property.property")?;
        let at = head;
        let length = head.u16("queue_property.len")?;
        let bad_len = |expected| at.error("queue_property.len", length.into(), expected, ErrorCode::BRC_BAD_LEN);
        if length < 8 || length % 8 != 0 || usize::from(length) > reader.remaining() {
            return Err(bad_len("a multiple of 8, 8 at the least, and no more than what is left of the queue"));
        }
        let mut value = reader.child(length.into(), "queue_property")?;
        value.skip(8, "queue_property.header")?;
        let is_rate = matches!(property, MIN_RATE | MAX_RATE);
        if is_rate && length != 16 {
            return Err(bad_len("16, for a rate"));
        }
        match property {
            MIN_RATE => Ok(Self::MinRate(value.u16("queue_property.rate")?)),
            MAX_RATE => Ok(Self::MaxRate(value.u16("queue_property.rate")?)),
            _ => Ok(Self::Other { property, value: Raw::rest(&mut value) }),
        }
    }

    fn encode(&self, writer: &mut Writer) -> Result<(), EncodeError> {
        let mark = writer.begin();
        let property = match self {
            Self::MinRate(_) => MIN_RATE,
            Self::MaxRate(_) => MAX_RATE,
            Self::Other { property, .. } => *property,
        };
        writer.u16(property);
        writer.zeros(6);
        match self {
            Self::MinRate(rate) | Self::MaxRate(rate) => {
                writer.u16(*rate);
                writer.zeros(6);
            }
            Self::Other { value, .. } => writer.bytes(value.bytes()),
        }
        writer.end(mark, 2, "queue_property")
    }
}

/// `struct ofp_queue_stats_request` (OpenFlow 1.3.5 §7.3.5.8): the body of the question, 8 bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct QueueStatsRequest {
    /// Byte 0: one port, or [`PortNo::ANY`] for all.
    pub port_no: PortNo,
    /// Byte 4: one queue, or [`ALL_QUEUES`].
    pub queue_id: u32,
}

impl QueueStatsRequest {
    /// Decodes the body of the multipart request.
    pub fn decode(mut body: Reader<'_>) -> Result<Self, DecodeError> {
        let port_no = PortNo(body.u32("queue_stats_request.port_no")?);
        let queue_id = body.u32("queue_stats_request.queue_id")?;
        body.finish("queue_stats_request")?;
        Ok(Self { port_no, queue_id })
    }

    /// Appends the body of the multipart request.
    pub fn encode(&self, writer: &mut Writer) {
        writer.u32(self.port_no.0);
        writer.u32(self.queue_id);
    }
}

/// `struct ofp_queue_stats` (OpenFlow 1.3.5 §7.3.5.8): an entry of the answer, 40 bytes. A counter that the
/// switch does not keep is all ones.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct QueueStats {
    /// Byte 0.
    pub port_no: PortNo,
    /// Byte 4.
    pub queue_id: u32,
    /// Byte 8: bytes sent.
    pub tx_bytes: u64,
    /// Byte 16: packets sent.
    pub tx_packets: u64,
    /// Byte 24: packets dropped because the queue was full.
    pub tx_errors: u64,
    /// Byte 32: seconds since the queue is there.
    pub duration_sec: u32,
    /// Byte 36: nanoseconds beyond those.
    pub duration_nsec: u32,
}

impl<'a> Entry<'a> for QueueStats {
    fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Ok(Self {
            port_no: PortNo(reader.u32("queue_stats.port_no")?),
            queue_id: reader.u32("queue_stats.queue_id")?,
            tx_bytes: reader.u64("queue_stats.tx_bytes")?,
            tx_packets: reader.u64("queue_stats.tx_packets")?,
            tx_errors: reader.u64("queue_stats.tx_errors")?,
            duration_sec: reader.u32("queue_stats.duration_sec")?,
            duration_nsec: reader.u32("queue_stats.duration_nsec")?,
        })
    }

    fn encode(&self, writer: &mut Writer) -> Result<(), EncodeError> {
        writer.u32(self.port_no.0);
        writer.u32(self.queue_id);
        for counter in [self.tx_bytes, self.tx_packets, self.tx_errors] {
            writer.u64(counter);
        }
        writer.u32(self.duration_sec);
        writer.u32(self.duration_nsec);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::multipart::{Multipart, MultipartType, multipart_reply};
    use super::super::testing::{XID, encoded, hex, refuses_cut_and_excess};
    use super::*;
    use crate::openflow::Message;

    #[test]
    fn a_queue_configuration_reads_as_it_was_written() {
        let bytes = hex("04170050 12345678 00000001 00000000
             00000007 00000001 0040 000000000000
             0001 0010 00000000 01f4 000000000000
             0002 0010 00000000 ffff 000000000000
             ffff 0010 00000000 00002320 00000001");
        let decode = |body: Reader<'static>| {
            let reply = QueueGetConfigReply::decode(body)?;
            reply.queues().collect::<Result<Vec<_>, _>>().map(|queues| (reply.port_no, queues))
        };
        let (port_no, queues) = decode(Message::decode(bytes.clone().leak()).unwrap().body).unwrap();
        assert_eq!((queues[0].queue_id, queues[0].properties.len()), (7, 3));
        assert_eq!(queues[0].properties[..2], [QueueProperty::MinRate(500), QueueProperty::MaxRate(0xffff)]);
        assert_eq!(encoded(|w| encode_config_reply(w, XID, port_no, &queues)), bytes);
        refuses_cut_and_excess(&bytes, &[16], decode);
    }

    #[test]
    fn lengths_of_queues_and_properties_are_held_to_their_bounds() {
        for (queue, offset) in [
            ("00000007 00000001 000f 000000000000", 24),
            ("00000007 00000001 0018 000000000000", 24),
            ("00000007 00000001 0018 000000000000 0001 0008 00000000", 34),
            ("00000007 00000001 0018 000000000000 0009 0010 00000000", 34),
        ] {
            let bytes = hex(&format!("00000001 00000000 {queue}"));
            let reply = QueueGetConfigReply::decode(Reader::at(&bytes, 8)).unwrap();
            let error = reply.queues().next().unwrap().unwrap_err();
            assert_eq!((error.code, error.offset), (ErrorCode::BRC_BAD_LEN, offset), "{queue}");
        }
    }

    #[test]
    fn questions_and_counters_read_as_they_were_written() {
        let bytes = hex("04160010 12345678 ffffffff 00000000");
        let request = QueueGetConfigRequest::decode(Message::decode(&bytes).unwrap().body).unwrap();
        assert_eq!(request.port_no, PortNo::ANY);
        assert_eq!(encoded(|w| request.encode(w, XID)), bytes);
        refuses_cut_and_excess(&bytes, &[], QueueGetConfigRequest::decode);

        let bytes = hex("04130038 12345678 0005 0000 00000000 00000002 00000003
             0000000000000004 0000000000000005 0000000000000006 00000007 00000008");
        let decode = |body: Reader<'_>| -> Result<Vec<QueueStats>, DecodeError> {
            Entries::new(Multipart::decode(body)?.body.reader()).collect()
        };
        let stats = decode(Message::decode(&bytes).unwrap().body).unwrap();
        assert_eq!((stats[0].port_no, stats[0].tx_errors, stats[0].duration_nsec), (PortNo(2), 6, 8));
        assert_eq!(encoded(|w| multipart_reply(w, MultipartType::QUEUE, XID, &stats)), bytes);
        refuses_cut_and_excess(&bytes, &[16], decode);
    }
}
