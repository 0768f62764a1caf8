//! Features of flow tables (`OFPMP_TABLE_FEATURES`, OpenFlow 1.3.5 §7.3.5.5): what matches, instructions and
//! actions each table takes. Question and answer have the same body.

use super::property::{Property, bad_length, property};
use super::{DecodeError, EncodeError, Entries, Entry, ErrorCode, Raw, Reader, TableId, Writer};

/// `struct ofp_table_features` (OpenFlow 1.3.5 §7.3.5.5.1): an entry, 64 bytes and its properties.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TableFeatures<'a> {
    /// Byte 2, after the length.
    pub table_id: TableId,
    /// Byte 8: its name; bytes from the first NUL on say nothing.
    pub name: [u8; 32],
    /// Byte 40: the bits of `metadata` that flows can match.
    pub metadata_match: u64,
    /// Byte 48: the bits of `metadata` that flows can write.
    pub metadata_write: u64,
    /// Byte 56: nothing in OpenFlow 1.3.
    pub config: u32,
    /// Byte 60: flows at the most.
    pub max_entries: u32,
    /// Byte 64.
    pub properties: Vec<TableProperty<'a>>,
}

/// `enum ofp_table_feature_prop_type` (OpenFlow 1.3.5 §7.3.5.5.2): what a property is about. Odd numbers up to 15
/// are for the table-miss flow, if it differs from the others. Unknown ones survive.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct TablePropertyType(pub u16);

impl TablePropertyType {
    /// `OFPTFPT_INSTRUCTIONS`.
    pub const INSTRUCTIONS: Self = Self(0);
    /// `OFPTFPT_INSTRUCTIONS_MISS`.
    pub const INSTRUCTIONS_MISS: Self = Self(1);
    /// `OFPTFPT_NEXT_TABLES`: where `goto_table` may lead.
    pub const NEXT_TABLES: Self = Self(2);
    /// `OFPTFPT_NEXT_TABLES_MISS`.
    pub const NEXT_TABLES_MISS: Self = Self(3);
    /// `OFPTFPT_WRITE_ACTIONS`.
    pub const WRITE_ACTIONS: Self = Self(4);
    /// `OFPTFPT_WRITE_ACTIONS_MISS`.
    pub const WRITE_ACTIONS_MISS: Self = Self(5);
    /// `OFPTFPT_APPLY_ACTIONS`.
    pub const APPLY_ACTIONS: Self = Self(6);
    /// `OFPTFPT_APPLY_ACTIONS_MISS`.
    pub const APPLY_ACTIONS_MISS: Self = Self(7);
    /// `OFPTFPT_MATCH`: fields that can be matched.
    pub const MATCH: Self = Self(8);
    /// `OFPTFPT_WILDCARDS`: fields that need not be.
    pub const WILDCARDS: Self = Self(10);
    /// `OFPTFPT_WRITE_SETFIELD`.
    pub const WRITE_SETFIELD: Self = Self(12);
    /// `OFPTFPT_WRITE_SETFIELD_MISS`.
    pub const WRITE_SETFIELD_MISS: Self = Self(13);
    /// `OFPTFPT_APPLY_SETFIELD`.
    pub const APPLY_SETFIELD: Self = Self(14);
    /// `OFPTFPT_APPLY_SETFIELD_MISS`.
    pub const APPLY_SETFIELD_MISS: Self = Self(15);
    /// `OFPTFPT_EXPERIMENTER`.
    pub const EXPERIMENTER: Self = Self(0xffff);
}

/// `struct ofp_table_feature_prop_header` and what follows (OpenFlow 1.3.5 §7.3.5.5.2).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TableProperty<'a> {
    /// What it is about.
    pub property_type: TablePropertyType,
    /// What it says.
    pub value: TablePropertyValue<'a>,
}

/// What a property of a table says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum TablePropertyValue<'a> {
    /// Instructions or actions, by type.
    Types(Vec<FeatureId<'a>>),
    /// Tables.
    Tables(&'a [u8]),
    /// Match fields.
    Fields(Vec<OxmId>),
    /// An experimenter's property, or an unknown one.
    Other(Property<'a>),
}

/// `struct ofp_instruction` or `struct ofp_action_header` without a body (OpenFlow 1.3.5 §7.3.5.5.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FeatureId<'a> {
    /// `OFPIT_*` or `OFPAT_*`.
    pub id: u16,
    /// What follows, as long as its length says: mostly nothing; an experimenter's begins with who that is.
    pub data: Raw<'a>,
}

/// The header of an OXM TLV without its value (OpenFlow 1.3.5 §7.2.3.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OxmId {
    /// Class, field, mask bit, length.
    pub header: u32,
    /// Whose field it is, in the class of experimenters.
    pub experimenter: Option<u32>,
}

impl OxmId {
    /// `oxm_class` and `oxm_field`.
    pub const fn code(&self) -> (u16, u8) {
        ((self.header >> 16) as u16, (self.header >> 9) as u8 & 0x7f)
    }

    /// Bytes of a value, by `oxm_length`.
    pub const fn width(&self) -> usize {
        let whole = (self.header & 0xff) as usize;
        let value = match self.experimenter {
            Some(_) => whole.saturating_sub(4),
            None => whole,
        };
        if self.has_mask() { value / 2 } else { value }
    }

    /// `oxm_hasmask`: the field can be masked.
    pub const fn has_mask(&self) -> bool {
        self.header & 0x100 != 0
    }
}

const FEATURES_LEN: usize = 64;

impl<'a> TableFeatures<'a> {
    /// The properties of this type that come first.
    pub fn property(&self, property_type: TablePropertyType) -> Option<&TablePropertyValue<'a>> {
        self.properties.iter().find(|property| property.property_type == property_type).map(|property| &property.value)
    }
}

impl<'a> Entry<'a> for TableFeatures<'a> {
    /// Decodes the next table; `TFFC_BAD_LEN` (`OFPBPC_BAD_LEN`) if something does not fit, `TFFC_BAD_TABLE` for
    /// all tables at once.
    fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let mut head = *reader;
        let length = usize::from(head.u16("table_features.length").map_err(bad_length)?);
        if length < FEATURES_LEN || length % 8 != 0 || length > reader.remaining() {
            let expected = "a multiple of 8, 64 at the least, and no more than what is left of the message";
            return Err(reader.error("table_features.length", length as u64, expected, ErrorCode::TFFC_BAD_LEN));
        }
        let mut entry = reader.child(length, "table_features")?;
        entry.skip(2, "table_features.length")?;
        let at = entry;
        let table_id = TableId(entry.u8("table_features.table_id")?);
        if table_id == TableId::ALL {
            return Err(at.error("table_features.table_id", 0xff, "0 to 254", ErrorCode::TFFC_BAD_TABLE));
        }
        entry.skip(5, "table_features.pad")?;
        Ok(Self {
            table_id,
            name: entry.array("table_features.name")?,
            metadata_match: entry.u64("table_features.metadata_match")?,
            metadata_write: entry.u64("table_features.metadata_write")?,
            config: entry.u32("table_features.config")?,
            max_entries: entry.u32("table_features.max_entries")?,
            properties: Entries::new(entry).collect::<Result<_, _>>()?,
        })
    }

    fn encode(&self, writer: &mut Writer) -> Result<(), EncodeError> {
        let mark = writer.begin();
        writer.zeros(2);
        writer.u8(self.table_id.0);
        writer.zeros(5);
        writer.bytes(&self.name);
        writer.u64(self.metadata_match);
        writer.u64(self.metadata_write);
        writer.u32(self.config);
        writer.u32(self.max_entries);
        self.properties.iter().try_for_each(|property| property.encode(writer))?;
        writer.end(mark, 0, "table_features")
    }
}

impl<'a> Entry<'a> for TableProperty<'a> {
    fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let property = Property::decode(reader)?;
        let property_type = TablePropertyType(property.property_type);
        let value = property.value()?.reader();
        let value = match property.property_type {
            0 | 1 | 4..=7 => TablePropertyValue::Types(Entries::new(value).collect::<Result<_, _>>()?),
            2 | 3 => TablePropertyValue::Tables(tables(value)?),
            8 | 10 | 12..=15 => TablePropertyValue::Fields(Entries::new(value).collect::<Result<_, _>>()?),
            _ => TablePropertyValue::Other(property),
        };
        Ok(Self { property_type, value })
    }

    fn encode(&self, writer: &mut Writer) -> Result<(), EncodeError> {
        let mut value = Writer::new();
        match &self.value {
            TablePropertyValue::Types(types) => types.iter().try_for_each(|id| id.encode(&mut value))?,
            TablePropertyValue::Tables(tables) => value.bytes(tables),
            TablePropertyValue::Fields(fields) => fields.iter().try_for_each(|field| field.encode(&mut value))?,
            TablePropertyValue::Other(other) => return other.encode(writer),
        }
        property(writer, self.property_type.0, |w| w.bytes(value.as_slice()))
    }
}

/// Numbers of tables, none of which is 255: `TFFC_BAD_ARGUMENT` (`OFPBPC_BAD_VALUE`).
fn tables(mut value: Reader<'_>) -> Result<&[u8], DecodeError> {
    let all = value.rest();
    while !value.is_empty() {
        let at = value;
        if value.u8("table_property.next_table_id")? == TableId::ALL.0 {
            let what = "table_property.next_table_id";
            return Err(at.error(what, 255, "0 to 254", ErrorCode::TFFC_BAD_ARGUMENT));
        }
    }
    Ok(all)
}

impl<'a> Entry<'a> for FeatureId<'a> {
    fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let mut head = *reader;
        let id = head.u16("feature_id.type").map_err(bad_length)?;
        let at = head;
        let length = usize::from(head.u16("feature_id.len").map_err(bad_length)?);
        if length < 4 || length > reader.remaining() {
            let expected = "4 at the least, and no more than what is left of the property";
            return Err(at.error("feature_id.len", length as u64, expected, ErrorCode::TFFC_BAD_LEN));
        }
        reader.skip(4, "feature_id.header")?;
        Ok(Self { id, data: Raw::take(reader, length - 4, "feature_id.data")? })
    }

    fn encode(&self, writer: &mut Writer) -> Result<(), EncodeError> {
        let mark = writer.begin();
        writer.u16(self.id);
        writer.u16(0);
        writer.bytes(self.data.bytes());
        writer.end(mark, 2, "feature_id")
    }
}

impl<'a> Entry<'a> for OxmId {
    fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let bad_len = |error| DecodeError { code: ErrorCode::BMC_BAD_LEN, ..error };
        let at = *reader;
        let header = reader.u32("oxm_id.header").map_err(bad_len)?;
        let experimenter = match header >> 16 {
            0xffff => Some(reader.u32("oxm_id.experimenter").map_err(bad_len)?),
            _ => None,
        };
        if experimenter.is_some() && header & 0xff < 4 {
            let found = (header & 0xff).into();
            return Err(at.error("oxm_id.length", found, "4 at the least", ErrorCode::BMC_BAD_LEN));
        }
        Ok(Self { header, experimenter })
    }

    fn encode(&self, writer: &mut Writer) -> Result<(), EncodeError> {
        writer.u32(self.header);
        if let Some(experimenter) = self.experimenter {
            writer.u32(experimenter);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::multipart::{Multipart, MultipartType, multipart_reply};
    use super::super::testing::{XID, encoded, hex, refuses_cut_and_excess};
    use super::*;
    use crate::openflow::Message;

    const TABLE: &str = "0090 07 0000000000 7461626c65000000000000000000000000000000000000000000000000000000
         ffffffffffffffff 000000000000000f 00000003 000f4240";

    fn message(properties: &str) -> Vec<u8> {
        let mut bytes = hex(&format!("04130000 12345678 000c 0000 00000000 {TABLE} {properties}"));
        let length = bytes.len() as u16;
        bytes[2..4].copy_from_slice(&length.to_be_bytes());
        bytes[16..18].copy_from_slice(&(length - 16).to_be_bytes());
        bytes
    }

    fn decode(body: Reader<'_>) -> Result<Vec<TableFeatures<'_>>, DecodeError> {
        Entries::new(Multipart::decode(body)?.body.reader()).collect()
    }

    #[test]
    fn features_read_as_they_were_written() {
        let bytes = message(
            "0000 000c 0001 0004 0006 0004 00000000
             0002 0006 0809 0000
             0004 0010 0000 0004 ffff 0008 00002320
             0008 0010 80000004 ffff0a08 4f4e4600
             000e 0008 80000d0c
             ffff 000d 00002320 00000001 aa 000000
             0063 0004 00000000",
        );
        let features = decode(Message::decode(&bytes).unwrap().body).unwrap();
        let table = &features[0];
        assert_eq!((table.table_id, &table.name[..6], table.max_entries), (TableId(7), &b"table\0"[..], 1_000_000));
        assert_eq!(table.property(TablePropertyType::NEXT_TABLES), Some(&TablePropertyValue::Tables(&[8, 9])));
        let Some(TablePropertyValue::Fields(fields)) = table.property(TablePropertyType::MATCH) else { panic!() };
        assert_eq!((fields[0].code(), fields[1].experimenter), ((0x8000, 0), Some(0x4f4e_4600)));
        assert_eq!((fields[0].width(), fields[1].width()), (4, 4));
        assert!(table.property(TablePropertyType::WILDCARDS).is_none());
        assert_eq!(encoded(|w| multipart_reply(w, MultipartType::TABLE_FEATURES, XID, &features)), bytes);
        refuses_cut_and_excess(&bytes, &[16], decode);
    }

    #[test]
    fn what_does_not_fit_is_refused_where_it_stands() {
        for (properties, code, offset) in [
            ("0002 0005 ff 000000", ErrorCode::TFFC_BAD_ARGUMENT, 84),
            ("0000 0008 0001 0003", ErrorCode::TFFC_BAD_LEN, 86),
            ("0000 0008 0001 0005", ErrorCode::TFFC_BAD_LEN, 86),
            ("0008 0007 800000 00", ErrorCode::BMC_BAD_LEN, 84),
            ("0008 000c ffff0a03 00002320 00000000", ErrorCode::BMC_BAD_LEN, 84),
        ] {
            let error = decode(Message::decode(&message(properties)).unwrap().body).unwrap_err();
            assert_eq!((error.code, error.offset), (code, offset), "{properties}: {error}");
        }
        let mut bytes = message("");
        bytes[18] = 0xff;
        assert_eq!(decode(Message::decode(&bytes).unwrap().body).unwrap_err().code, ErrorCode::TFFC_BAD_TABLE);
    }
}
