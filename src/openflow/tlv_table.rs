//! The tunnel TLV table: which Geneve options are which of the fields `tun_metadata0` and on (extensions of Nicira,
//! `include/openflow/nicira-ext.h` of Open vSwitch; `ovs-fields(7)`).

use super::error::NICIRA;
use super::experimenter::experimenter_message;
use super::{DecodeError, EncodeError, Entry, ErrorCode, Reader, Writer, Xid};

/// `NXT_TLV_TABLE_MOD`: the `exp_type` of [`TlvTableMod`].
pub const MOD: u32 = 24;
/// `NXT_TLV_TABLE_REQUEST`: the `exp_type` of the question for the table, which has no body.
pub const REQUEST: u32 = 25;
/// `NXT_TLV_TABLE_REPLY`: the `exp_type` of [`TlvTableReply`].
pub const REPLY: u32 = 26;

/// `enum nx_tlv_table_mod_command`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum TlvTableCommand {
    /// `NXTTMC_ADD`.
    Add,
    /// `NXTTMC_DELETE`.
    Delete,
    /// `NXTTMC_CLEAR`: delete all.
    Clear,
}

/// `NXT_TLV_TABLE_MOD` (`struct nx_tlv_table_mod`): 24 bytes and the mappings.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TlvTableMod {
    /// Byte 16: what to do.
    pub command: TlvTableCommand,
    /// Byte 24: with which mappings.
    pub mappings: Vec<TlvMap>,
}

/// `struct nx_tlv_map`, 8 bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TlvMap {
    /// Byte 0: class of the Geneve option.
    pub option_class: u16,
    /// Byte 2: its type.
    pub option_type: u8,
    /// Byte 3: its length in bytes, a multiple of 4, 124 at the most.
    pub option_len: u8,
    /// Byte 4: n of `tun_metadata` n, 63 at the most.
    pub index: u16,
}

impl<'a> Entry<'a> for TlvMap {
    /// Decodes the next mapping; `NXTTMFC_BAD_OPT_LEN`.
    fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let option_class = reader.u16("tlv_map.option_class")?;
        let option_type = reader.u8("tlv_map.option_type")?;
        let at = *reader;
        let option_len = reader.u8("tlv_map.option_len")?;
        if option_len % 4 != 0 || option_len > 124 {
            let expected = "a multiple of 4, 124 at the most";
            return Err(at.error("tlv_map.option_len", option_len.into(), expected, ErrorCode::NXTTMFC_BAD_OPT_LEN));
        }
        let index = reader.u16("tlv_map.index")?;
        reader.skip(2, "tlv_map.pad")?;
        Ok(Self { option_class, option_type, option_len, index })
    }

    fn encode(&self, writer: &mut Writer) -> Result<(), EncodeError> {
        writer.u16(self.option_class);
        writer.u8(self.option_type);
        writer.u8(self.option_len);
        writer.u16(self.index);
        writer.zeros(2);
        Ok(())
    }
}

/// Mappings to the end of `body`, of which each is to one of so many fields: `NXTTMFC_BAD_FIELD_IDX`.
fn mappings(mut body: Reader<'_>, fields: u16) -> Result<Vec<TlvMap>, DecodeError> {
    let mut mappings = Vec::new();
    while !body.is_empty() {
        let mut at = body;
        let mapping = TlvMap::decode(&mut body)?;
        if mapping.index >= fields {
            at.skip(4, "tlv_map")?;
            let expected = "less than the number of fields";
            let found = mapping.index.into();
            return Err(at.error("tlv_map.index", found, expected, ErrorCode::NXTTMFC_BAD_FIELD_IDX));
        }
        mappings.push(mapping);
    }
    Ok(mappings)
}

/// Fields `tun_metadata` of Open vSwitch.
const FIELDS: u16 = 64;

impl TlvTableMod {
    /// Decodes what follows the experimenter header; `NXTTMFC_BAD_COMMAND`.
    pub fn decode(mut body: Reader<'_>) -> Result<Self, DecodeError> {
        let at = body;
        let command = match body.u16("tlv_table_mod.command")? {
            0 => TlvTableCommand::Add,
            1 => TlvTableCommand::Delete,
            2 => TlvTableCommand::Clear,
            found => {
                let what = "tlv_table_mod.command";
                return Err(at.error(what, found.into(), "0 to 2", ErrorCode::NXTTMFC_BAD_COMMAND));
            }
        };
        body.skip(6, "tlv_table_mod.pad")?;
        Ok(Self { command, mappings: mappings(body, FIELDS)? })
    }

    /// Appends the message.
    pub fn encode(&self, writer: &mut Writer, xid: Xid) -> Result<(), EncodeError> {
        experimenter_message(writer, (NICIRA, MOD), xid, |w| {
            w.u16(match self.command {
                TlvTableCommand::Add => 0,
                TlvTableCommand::Delete => 1,
                TlvTableCommand::Clear => 2,
            });
            w.zeros(6);
            self.mappings.iter().try_for_each(|mapping| mapping.encode(w))
        })
    }
}

/// `NXT_TLV_TABLE_REPLY` (`struct nx_tlv_table_reply`): 32 bytes and the mappings.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TlvTableReply {
    /// Byte 16: bytes of options that the table has room for.
    pub max_option_space: u32,
    /// Byte 20: mappings that the table has room for.
    pub max_fields: u16,
    /// Byte 32: what is there.
    pub mappings: Vec<TlvMap>,
}

impl TlvTableReply {
    /// Decodes what follows the experimenter header.
    pub fn decode(mut body: Reader<'_>) -> Result<Self, DecodeError> {
        let max_option_space = body.u32("tlv_table_reply.max_option_space")?;
        let max_fields = body.u16("tlv_table_reply.max_fields")?;
        body.skip(10, "tlv_table_reply.reserved")?;
        Ok(Self { max_option_space, max_fields, mappings: mappings(body, max_fields)? })
    }

    /// Appends the message.
    pub fn encode(&self, writer: &mut Writer, xid: Xid) -> Result<(), EncodeError> {
        experimenter_message(writer, (NICIRA, REPLY), xid, |w| {
            w.u32(self.max_option_space);
            w.u16(self.max_fields);
            w.zeros(10);
            self.mappings.iter().try_for_each(|mapping| mapping.encode(w))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::experimenter::Experimenter;
    use super::super::testing::{XID, encoded, hex, refuses_cut_and_excess};
    use super::*;
    use crate::openflow::Message;

    #[test]
    fn changes_and_answers_read_as_they_were_written() {
        let map = TlvMap { option_class: 0xffff, option_type: 1, option_len: 4, index: 2 };
        let bytes = hex("04040020 12345678 00002320 00000018 0001 000000000000 ffff 01 04 0002 0000");
        let decode = |body: Reader<'_>| TlvTableMod::decode(Experimenter::decode(body)?.body.reader());
        let change = TlvTableMod { command: TlvTableCommand::Delete, mappings: vec![map] };
        assert_eq!(decode(Message::decode(&bytes).unwrap().body).as_ref(), Ok(&change));
        assert_eq!(encoded(|w| change.encode(w, XID)), bytes);
        refuses_cut_and_excess(&bytes, &[24], decode);

        let bytes = hex("04040028 12345678 00002320 0000001a 00000100 0040 00000000000000000000 ffff 01 04 0002 0000");
        let decode = |body: Reader<'_>| TlvTableReply::decode(Experimenter::decode(body)?.body.reader());
        let reply = TlvTableReply { max_option_space: 256, max_fields: 64, mappings: vec![map] };
        assert_eq!(decode(Message::decode(&bytes).unwrap().body).as_ref(), Ok(&reply));
        assert_eq!(encoded(|w| reply.encode(w, XID)), bytes);
        refuses_cut_and_excess(&bytes, &[32], decode);
    }

    #[test]
    fn what_the_table_cannot_hold_is_refused() {
        for (body, code, offset) in [
            ("0003 000000000000", ErrorCode::NXTTMFC_BAD_COMMAND, 16),
            ("0000 000000000000 ffff 01 06 0002 0000", ErrorCode::NXTTMFC_BAD_OPT_LEN, 27),
            ("0000 000000000000 ffff 01 80 0002 0000", ErrorCode::NXTTMFC_BAD_OPT_LEN, 27),
            ("0000 000000000000 ffff 01 04 0040 0000", ErrorCode::NXTTMFC_BAD_FIELD_IDX, 28),
        ] {
            let error = TlvTableMod::decode(Reader::at(&hex(body), 16)).unwrap_err();
            assert_eq!((error.code, error.offset), (code, offset), "{body}");
        }
    }
}
