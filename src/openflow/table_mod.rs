//! TABLE_MOD: what a table does (`struct ofp_table_mod`, OpenFlow 1.3.5 §7.3.3).

use super::header::MessageType;
use super::message::message;
use super::{DecodeError, EncodeError, Reader, TableId, Writer, Xid};

/// `OFPT_TABLE_MOD` (OpenFlow 1.3.5 §7.3.3), 16 bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TableMod {
    /// Byte 8: one table, or [`TableId::ALL`].
    pub table_id: TableId,
    /// Byte 12: nothing in OpenFlow 1.3.
    pub config: u32,
}

impl TableMod {
    /// Decodes the body.
    pub fn decode(mut body: Reader<'_>) -> Result<Self, DecodeError> {
        let table_id = TableId(body.u8("table_mod.table_id")?);
        body.skip(3, "table_mod.pad")?;
        let config = body.u32("table_mod.config")?;
        body.finish("table_mod")?;
        Ok(Self { table_id, config })
    }

    /// Appends the message.
    pub fn encode(&self, writer: &mut Writer, xid: Xid) -> Result<(), EncodeError> {
        message(writer, MessageType::TABLE_MOD, xid, |w| {
            w.u8(self.table_id.0);
            w.zeros(3);
            w.u32(self.config);
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{XID, encoded, hex, refuses_cut_and_excess};
    use super::*;
    use crate::openflow::Message;

    #[test]
    fn a_table_mod_reads_as_it_was_written() {
        let bytes = hex("04110010 12345678 ff 000000 00000003");
        let change = TableMod { table_id: TableId::ALL, config: 3 };
        assert_eq!(TableMod::decode(Message::decode(&bytes).unwrap().body), Ok(change));
        assert_eq!(encoded(|w| change.encode(w, XID)), bytes);
        refuses_cut_and_excess(&bytes, &[], TableMod::decode);
    }
}
