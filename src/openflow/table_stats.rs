//! Counters of flow tables (`OFPMP_TABLE`, OpenFlow 1.3.5 §7.3.5.4).

use super::{DecodeError, EncodeError, Entry, Reader, TableId, Writer};

/// `struct ofp_table_stats` (OpenFlow 1.3.5 §7.3.5.4): an entry of the answer, 24 bytes. The question has no
/// body.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TableStats {
    /// Byte 0.
    pub table_id: TableId,
    /// Byte 4: flows in it.
    pub active_count: u32,
    /// Byte 8: packets looked up in it.
    pub lookup_count: u64,
    /// Byte 16: packets that hit a flow.
    pub matched_count: u64,
}

impl<'a> Entry<'a> for TableStats {
    fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let table_id = TableId(reader.u8("table_stats.table_id")?);
        reader.skip(3, "table_stats.pad")?;
        Ok(Self {
            table_id,
            active_count: reader.u32("table_stats.active_count")?,
            lookup_count: reader.u64("table_stats.lookup_count")?,
            matched_count: reader.u64("table_stats.matched_count")?,
        })
    }

    fn encode(&self, writer: &mut Writer) -> Result<(), EncodeError> {
        writer.u8(self.table_id.0);
        writer.zeros(3);
        writer.u32(self.active_count);
        writer.u64(self.lookup_count);
        writer.u64(self.matched_count);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::multipart::{Multipart, MultipartType, multipart_reply};
    use super::super::testing::{XID, encoded, hex, refuses_cut_and_excess};
    use super::*;
    use crate::openflow::{Entries, Message};

    #[test]
    fn table_counters_read_as_they_were_written() {
        let bytes = hex("04130028 12345678 0003 0000 00000000 17000000 00000002 0000000000000003 0000000000000004");
        let decode = |body: Reader<'_>| -> Result<Vec<TableStats>, DecodeError> {
            Entries::new(Multipart::decode(body)?.body.reader()).collect()
        };
        let stats = decode(Message::decode(&bytes).unwrap().body).unwrap();
        let expected = TableStats { table_id: TableId(23), active_count: 2, lookup_count: 3, matched_count: 4 };
        assert_eq!(stats, [expected]);
        assert_eq!(encoded(|w| multipart_reply(w, MultipartType::TABLE, XID, &stats)), bytes);
        refuses_cut_and_excess(&bytes, &[16], decode);
    }
}
