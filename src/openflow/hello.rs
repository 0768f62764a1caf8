//! HELLO: the versions that each side speaks (`struct ofp_hello`, OpenFlow 1.3.5 §7.5.1 and §6.3.1).
//!
//! After the header come elements, each padded to 8 bytes:
//!
//! | byte | field     |                                                                       |
//! |-----:|-----------|-----------------------------------------------------------------------|
//! |    0 | `type`    | 1, `OFPHET_VERSIONBITMAP`; others are passed over                      |
//! |    2 | `length`  | without the padding, 4 at the least                                   |
//! |    4 | `bitmaps` | version 0 is bit 0 of the first 4 bytes, version 32 that of the next  |

use super::header::{Header, MessageType, VERSION};
use super::message::Message;
use super::{DecodeError, EncodeError, Entry, ErrorCode, Raw, Reader, Writer, Xid};

/// `OFPHET_VERSIONBITMAP`.
const VERSION_BITMAP: u16 = 1;

/// `OFPT_HELLO` (OpenFlow 1.3.5 §7.5.1): the first message in both directions.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Hello {
    /// Of the header: the highest version that the sender speaks.
    pub version: u8,
    /// Versions 0–31 as bits, if the sender listed them; higher ones are not kept.
    pub versions: Option<u32>,
}

impl Hello {
    /// Ours: OpenFlow 1.3 and nothing else.
    pub const OURS: Self = Self { version: VERSION, versions: Some(1 << VERSION) };

    /// Decodes a HELLO of any version. Before OpenFlow 1.3 a body means nothing and is passed over;
    /// `HFC_INCOMPATIBLE` for elements that do not fit.
    pub fn decode(message: &Message<'_>) -> Result<Self, DecodeError> {
        let Header { version, message_type, .. } = message.header;
        if message_type != MessageType::HELLO {
            let at = Reader::at(&[], 1);
            return Err(at.error("header.type", message_type.0.into(), "OFPT_HELLO", ErrorCode::BRC_BAD_TYPE));
        }
        let mut hello = Self { version, versions: None };
        let mut elements = message.body;
        while version >= VERSION && !elements.is_empty() {
            let refuse = |error: DecodeError| DecodeError { code: ErrorCode::HFC_INCOMPATIBLE, ..error };
            let mut head = elements;
            let element_type = head.u16("hello_elem.type").map_err(refuse)?;
            let at = head;
            let length = head.u16("hello_elem.length").map_err(refuse)?;
            if length < 4 {
                let expected = "4 at the least";
                return Err(at.error("hello_elem.length", length.into(), expected, ErrorCode::HFC_INCOMPATIBLE));
            }
            let length = usize::from(length);
            let mut element = elements.child(length.next_multiple_of(8), "hello_elem").map_err(refuse)?;
            let mut element = element.child(length, "hello_elem").map_err(refuse)?;
            element.skip(4, "hello_elem.header").map_err(refuse)?;
            if element_type == VERSION_BITMAP && hello.versions.is_none() && !element.is_empty() {
                hello.versions = Some(element.u32("hello_elem.bitmaps").map_err(refuse)?);
            }
        }
        Ok(hello)
    }

    /// Appends the message.
    pub fn encode(&self, writer: &mut Writer, xid: Xid) -> Result<(), EncodeError> {
        let length = if self.versions.is_some() { 16 } else { 8 };
        Header { version: self.version, message_type: MessageType::HELLO, length, xid }.encode(writer);
        if let Some(versions) = self.versions {
            writer.u16(VERSION_BITMAP);
            writer.u16(8);
            writer.u32(versions);
        }
        Ok(())
    }

    /// True if the sender speaks `version`: by its list if there is one, otherwise every version up to
    /// that of its header (OpenFlow 1.3.5 §6.3.1).
    pub const fn supports(&self, version: u8) -> bool {
        match self.versions {
            Some(versions) => version < 32 && versions & (1 << version) != 0,
            None => self.version >= version,
        }
    }
}

/// The body of a HELLO as it stands on the wire: [`Hello`] says what it means.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct HelloElements<'a> {
    /// `struct ofp_hello_elem_header` and what follows, one after the other.
    pub elements: Vec<HelloElement<'a>>,
    /// Bytes from the first element on that does not fit.
    pub excess: Raw<'a>,
}

/// One element of a HELLO (OpenFlow 1.3.5 §7.5.1). Unknown ones survive.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum HelloElement<'a> {
    /// `OFPHET_VERSIONBITMAP`: at least one word; version 0 is bit 0 of the first.
    VersionBitmap(Vec<u32>),
    /// Any other, or a bitmap that is none.
    Other {
        /// `OFPHET_*`.
        element_type: u16,
        /// What follows the header, without the padding.
        value: Raw<'a>,
    },
}

impl<'a> HelloElements<'a> {
    /// Decodes the body; every body is one.
    pub fn decode(mut body: Reader<'a>) -> Self {
        let mut hello = Self::default();
        while !body.is_empty() {
            let at = body;
            match HelloElement::decode(&mut body) {
                Ok(element) => hello.elements.push(element),
                Err(_) => {
                    hello.excess = Raw::rest(&mut { at });
                    break;
                }
            }
        }
        hello
    }

    /// Appends the message; `version` is that of its header.
    pub fn encode(&self, writer: &mut Writer, version: u8, xid: Xid) -> Result<(), EncodeError> {
        let mark = writer.begin();
        Header { version, message_type: MessageType::HELLO, length: 0, xid }.encode(writer);
        self.elements.iter().try_for_each(|element| element.encode(writer))?;
        writer.bytes(self.excess.bytes());
        writer.end(mark, 2, "hello")
    }
}

impl<'a> Entry<'a> for HelloElement<'a> {
    /// Decodes the next element; `HFC_INCOMPATIBLE` if it does not fit.
    fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let refuse = |error: DecodeError| DecodeError { code: ErrorCode::HFC_INCOMPATIBLE, ..error };
        let mut head = *reader;
        let element_type = head.u16("hello_elem.type").map_err(refuse)?;
        let at = head;
        let length = usize::from(head.u16("hello_elem.length").map_err(refuse)?);
        if length < 4 {
            let code = ErrorCode::HFC_INCOMPATIBLE;
            return Err(at.error("hello_elem.length", length as u64, "4 at the least", code));
        }
        let mut element = reader.child(length.next_multiple_of(8), "hello_elem").map_err(refuse)?;
        element.skip(4, "hello_elem.header")?;
        let value = Raw::take(&mut element, length - 4, "hello_elem.value")?;
        if element_type != VERSION_BITMAP || value.bytes().is_empty() || value.bytes().len() % 4 != 0 {
            return Ok(Self::Other { element_type, value });
        }
        let (mut words, mut bitmaps) = (value.reader(), Vec::new());
        while !words.is_empty() {
            bitmaps.push(words.u32("hello_elem.bitmaps")?);
        }
        Ok(Self::VersionBitmap(bitmaps))
    }

    fn encode(&self, writer: &mut Writer) -> Result<(), EncodeError> {
        let mark = writer.begin();
        match self {
            Self::VersionBitmap(bitmaps) => {
                writer.u16(VERSION_BITMAP);
                writer.u16(0);
                bitmaps.iter().for_each(|bitmap| writer.u32(*bitmap));
            }
            Self::Other { element_type, value } => {
                writer.u16(*element_type);
                writer.u16(0);
                writer.bytes(value.bytes());
            }
        }
        writer.end(mark, 2, "hello_elem")?;
        writer.pad8(mark);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{XID, encoded, hex};
    use super::*;

    fn decode(bytes: &[u8]) -> Result<Hello, DecodeError> {
        Hello::decode(&Message::decode(bytes).unwrap())
    }

    #[test]
    fn a_hello_reads_as_it_was_written() {
        for (bytes, hello) in [
            ("04000010 12345678 00010008 00000010", Hello::OURS),
            ("06000010 12345678 00010008 00000072", Hello { version: 6, versions: Some(0x72) }),
            ("04000008 12345678", Hello { version: 4, versions: None }),
        ] {
            let bytes = hex(bytes);
            assert_eq!(decode(&bytes), Ok(hello));
            assert_eq!(encoded(|w| hello.encode(w, XID)), bytes);
        }
    }

    #[test]
    fn unknown_elements_longer_bitmaps_and_old_bodies_are_passed_over() {
        let bitmap = Hello { version: 4, versions: Some(0x10) };
        assert_eq!(decode(&hex("04000020 12345678 0063000901020304 0500000000000000 0001000800000010")), Ok(bitmap));
        assert_eq!(decode(&hex("04000018 12345678 0001000c00000010 0000000100000000")), Ok(bitmap));
        assert_eq!(decode(&hex("0100000b 12345678 ffffff")), Ok(Hello { version: 1, versions: None }));
    }

    #[test]
    fn elements_that_do_not_fit_are_refused() {
        for bytes in [
            "0400000f 12345678 00010008 000000",
            "0400000a 12345678 0001",
            "0400000c 12345678 00010003",
            "0400000c 12345678 00010000",
            "04000010 12345678 0001ffff 00000010",
            "04000014 12345678 0001000c 0000001000000000",
            "04000010 12345678 00010006 00100000",
        ] {
            let error = decode(&hex(bytes)).unwrap_err();
            assert_eq!(error.code, ErrorCode::HFC_INCOMPATIBLE, "{bytes}: {error}");
        }
    }

    #[test]
    fn a_version_is_spoken_if_listed_or_up_to_the_header_without_a_list() {
        assert!(Hello::OURS.supports(4) && !Hello::OURS.supports(1) && !Hello::OURS.supports(200));
        let old = Hello { version: 6, versions: None };
        assert!(old.supports(4) && old.supports(6) && !old.supports(7));
        let gap = Hello { version: 6, versions: Some(1 << 6 | 1 << 1) };
        assert!(!gap.supports(4));
    }

    #[test]
    fn every_body_survives_element_by_element() {
        for (bytes, elements, excess) in [
            ("04000008 12345678", 0, 0),
            ("04000018 12345678 0001000c00000010 0000000100000000", 1, 0),
            ("04000020 12345678 0063000901020304 0500000000000000 0001000800000010", 2, 0),
            ("0400001b 12345678 ffff000601020000 00010008000000f0 616263", 2, 3),
            ("04000010 12345678 00010006 00100000", 1, 0),
            ("0400000c 12345678 00010003", 0, 4),
        ] {
            let bytes = hex(bytes);
            let hello = HelloElements::decode(Message::decode(&bytes).unwrap().body);
            assert_eq!((hello.elements.len(), hello.excess.bytes().len()), (elements, excess));
            assert_eq!(encoded(|w| hello.encode(w, 4, XID)), bytes);
        }
    }
}
