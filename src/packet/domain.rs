//! Domain names as DHCPv6 and router advertisements list them: labels in the form of RFC 1035 §3.1, uncompressed
//! (RFC 8106 §5.2, RFC 8415 §10).

use std::fmt::{self, Display, Formatter, Write};

use super::{PacketError, Payload};
use crate::openflow::Writer;

/// The longest label. What has one of the upper two bits set is no length but points to another name.
const LONGEST_LABEL: u8 = 63;

/// A name: labels, each a length and so many bytes, and a 0.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DomainName<'a>(&'a [u8]);

impl<'a> DomainName<'a> {
    /// Its labels.
    pub fn labels(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let mut rest = self.0;
        std::iter::from_fn(move || {
            let (length, behind) = rest.split_first()?;
            let (label, behind) = behind.split_at_checked(usize::from(*length))?;
            rest = behind;
            Some(label).filter(|label| !label.is_empty())
        })
    }

    /// As it goes over the wire, the 0 too.
    pub const fn bytes(&self) -> &'a [u8] {
        self.0
    }
}

/// Appends a name of these labels. What is longer than a label can be is cut.
pub fn encode<'a>(labels: impl Iterator<Item = &'a str>, writer: &mut Writer) {
    for label in labels {
        let bytes = label.bytes().take(LONGEST_LABEL.into());
        writer.u8(bytes.len() as u8);
        bytes.for_each(|byte| writer.u8(byte));
    }
    writer.u8(0);
}

/// Labels with dots between them; what is no printable ASCII, and a dot or backslash within a label, as `\DDD`
/// (RFC 4343 §2.1).
impl Display for DomainName<'_> {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        for (index, label) in self.labels().enumerate() {
            if index > 0 {
                out.write_char('.')?;
            }
            for &byte in label {
                match byte {
                    b'.' | b'\\' => write!(out, "\\{byte:03}")?,
                    b'!'..=b'~' => out.write_char(byte.into())?,
                    _ => write!(out, "\\{byte:03}")?,
                }
            }
        }
        Ok(())
    }
}

/// Names, one after the other. After an error there are no more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DomainNames<'a> {
    rest: Payload<'a>,
    padded: bool,
}

impl<'a> DomainNames<'a> {
    /// Names that fill their field.
    pub const fn new(field: Payload<'a>) -> Self {
        Self { rest: field, padded: false }
    }

    /// Names behind which zeros fill the field.
    pub const fn padded(field: Payload<'a>) -> Self {
        Self { rest: field, padded: true }
    }

    fn decode_next(&mut self) -> Result<DomainName<'a>, PacketError> {
        let start = self.rest.bytes();
        loop {
            let at = self.rest;
            let [length] = self.rest.array("domain_name")?;
            match length {
                0 => break,
                1..=LONGEST_LABEL => self.rest.take(length.into(), "domain_name.label").map(drop)?,
                _ => return Err(at.invalid("domain_name.label", length.into(), "a length of 63 at the most")),
            }
        }
        let length = start.len() - self.rest.len();
        Ok(DomainName(start.get(..length).unwrap_or_default()))
    }
}

impl<'a> Iterator for DomainNames<'a> {
    type Item = Result<DomainName<'a>, PacketError>;

    fn next(&mut self) -> Option<Self::Item> {
        let at_end = self.padded && self.rest.bytes().iter().all(|byte| *byte == 0);
        if self.rest.is_empty() || at_end {
            return None;
        }
        let name = self.decode_next();
        if name.is_err() {
            self.rest = Payload::default();
        }
        Some(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::openflow::testing::hex;

    fn names(names: DomainNames<'_>) -> Result<Vec<String>, PacketError> {
        names.map(|name| name.map(|name| name.to_string())).collect()
    }

    #[test]
    fn names_follow_each_other_and_end_with_their_field_or_with_zeros() {
        let bytes = hex("03 6c616e 01 61 00 02 6162 00");
        assert_eq!(names(DomainNames::new(Payload::new(&bytes))).unwrap(), ["lan.a", "ab"]);
        let padded = [bytes, vec![0; 4]].concat();
        assert_eq!(names(DomainNames::padded(Payload::new(&padded))).unwrap(), ["lan.a", "ab"]);
    }

    #[test]
    fn what_could_be_read_otherwise_is_printed_as_a_number() {
        let bytes = hex("05 612e5c20c3 00");
        assert_eq!(names(DomainNames::new(Payload::new(&bytes))).unwrap(), ["a\\046\\092\\032\\195"]);
    }

    #[test]
    fn a_name_is_written_as_it_is_read() {
        let mut writer = Writer::new();
        encode("a.example.org".split('.'), &mut writer);
        assert_eq!(writer.as_slice(), b"\x01a\x07example\x03org\x00");
        let long = "x".repeat(64);
        encode([long.as_str()].into_iter(), &mut writer);
        assert_eq!(names(DomainNames::new(Payload::new(writer.as_slice()))).unwrap(), ["a.example.org", &long[1..]]);
    }

    #[test]
    fn labels_that_are_cut_or_point_elsewhere_are_refused() {
        for (text, expected) in [
            ("03 6c61", "domain_name.label at byte 1: found 2 bytes, expected 3"),
            ("02 6c61", "domain_name at byte 3: found 0 bytes, expected 1"),
            ("01 61 c0 00", "domain_name.label at byte 2: found 192, expected a length of 63 at the most"),
            ("40", "domain_name.label at byte 0: found 64, expected a length of 63 at the most"),
        ] {
            let bytes = hex(text);
            let mut read = DomainNames::new(Payload::new(&bytes));
            assert_eq!(read.next().unwrap().unwrap_err().to_string(), expected);
            assert_eq!(read.next(), None);
        }
    }
}
