//! The names in a certificate (RFC 5280 §4.1, §4.2.1.6), read from its DER (X.690) once its chain is verified.
//!
//! webpki knows DNS names only. `ovs-pki` writes `NAME id:UUID`, which is none, and certificates made by hand often
//! have a common name alone.

use std::fmt;
use std::net::IpAddr;

const SEQUENCE: u8 = 0x30;
const OCTET_STRING: u8 = 0x04;
const OBJECT_IDENTIFIER: u8 = 0x06;
/// `[0] EXPLICIT Version`
const VERSION: u8 = 0xa0;
/// `[3] EXPLICIT Extensions`
const EXTENSIONS: u8 = 0xa3;
/// `[2] dNSName` and `[7] iPAddress` of a GeneralName.
const DNS_NAME: u8 = 0x82;
const IP_ADDRESS: u8 = 0x87;
/// 2.5.29.17
const SUBJECT_ALT_NAME: &[u8] = &[0x55, 0x1d, 0x11];
/// 2.5.4.3
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
/// What `ovs-pki` puts between a name and what makes it unique.
const UNIQUE: &str = " id:";

/// The names that a certificate is for: those of `subjectAltName`, or without such the common name (RFC 6125 §6.4.4).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Names(Vec<String>);

impl Names {
    /// Of a certificate in DER. What cannot be read is no name.
    pub fn of(certificate: &[u8]) -> Self {
        Self(names(certificate).unwrap_or_default())
    }

    /// True if one of the names is `wanted`, whatever the case; what follows ` id:` need not be there.
    pub fn is(&self, wanted: &str) -> bool {
        let is_it = |name: &str| name.eq_ignore_ascii_case(wanted);
        self.0.iter().any(|name| is_it(name) || name.split_once(UNIQUE).is_some_and(|(before, _)| is_it(before)))
    }
}

impl fmt::Display for Names {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_slice() {
            [] => out.write_str("no name"),
            names => out.write_str(&names.iter().map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", ")),
        }
    }
}

fn names(certificate: &[u8]) -> Option<Vec<String>> {
    let mut tbs = Der(Der(Der(certificate).expect_tag(SEQUENCE)?).expect_tag(SEQUENCE)?);
    if tbs.next_is(VERSION) {
        tbs.expect_tag(VERSION)?;
    }
    // serialNumber, signature, issuer, validity
    for _ in 0..4 {
        tbs.element()?;
    }
    let subject = Der(tbs.expect_tag(SEQUENCE)?);
    while let Some((tag, content)) = tbs.element() {
        if tag == EXTENSIONS {
            let alternatives = alternatives(Der(Der(content).expect_tag(SEQUENCE)?));
            if alternatives.is_some() {
                return alternatives;
            }
        }
    }
    Some(common_names(subject))
}

fn alternatives(mut extensions: Der<'_>) -> Option<Vec<String>> {
    while let Some((_, extension)) = extensions.element() {
        let mut extension = Der(extension);
        if extension.expect_tag(OBJECT_IDENTIFIER)? != SUBJECT_ALT_NAME {
            continue;
        }
        let mut value = extension.element()?;
        if value.0 != OCTET_STRING {
            // critical BOOLEAN
            value = extension.element()?;
        }
        let mut names = Der(Der(value.1).expect_tag(SEQUENCE)?);
        let mut found = Vec::new();
        while let Some((tag, content)) = names.element() {
            match tag {
                DNS_NAME => found.extend(text(content)),
                IP_ADDRESS => found.extend(address(content).map(|address| address.to_string())),
                _ => {}
            }
        }
        return Some(found);
    }
    None
}

/// Of a Name: a sequence of sets of attributes.
fn common_names(mut subject: Der<'_>) -> Vec<String> {
    let mut found = Vec::new();
    while let Some((_, set)) = subject.element() {
        let mut set = Der(set);
        while let Some((_, attribute)) = set.element() {
            let mut attribute = Der(attribute);
            if attribute.expect_tag(OBJECT_IDENTIFIER) == Some(COMMON_NAME) {
                found.extend(attribute.element().and_then(|(_, value)| text(value)));
            }
        }
    }
    found
}

fn text(bytes: &[u8]) -> Option<String> {
    std::str::from_utf8(bytes).ok().map(str::to_owned)
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from)).ok()
}

/// Elements one after the other, each a tag, a length and that many bytes.
struct Der<'a>(&'a [u8]);

impl<'a> Der<'a> {
    fn next_is(&self, tag: u8) -> bool {
        self.0.first() == Some(&tag)
    }

    /// The next element; `None` at the end, and of what is cut off.
    fn element(&mut self) -> Option<(u8, &'a [u8])> {
        let (&[tag, first], rest) = self.0.split_first_chunk()?;
        let (length, rest) = match first {
            0..=0x7f => (usize::from(first), rest),
            // The long form: so many bytes of length.
            0x81..=0x84 => {
                let (length, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
                (length.iter().fold(0_usize, |sum, byte| sum << 8 | usize::from(*byte)), rest)
            }
            _ => return None,
        };
        let (content, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some((tag, content))
    }

    fn expect_tag(&mut self, tag: u8) -> Option<&'a [u8]> {
        self.element().filter(|(found, _)| *found == tag).map(|(_, content)| content)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn der(tag: u8, content: &[&[u8]]) -> Vec<u8> {
        let content = content.concat();
        let length = match content.len() {
            short @ 0..=0x7f => vec![short as u8],
            long => vec![0x82, (long >> 8) as u8, long as u8],
        };
        [&[tag], length.as_slice(), &content].concat()
    }

    fn certificate(common_name: &str, alternatives: Option<&[&[u8]]>) -> Vec<u8> {
        let value = der(0x0c, &[common_name.as_bytes()]);
        let attribute = der(SEQUENCE, &[&der(OBJECT_IDENTIFIER, &[COMMON_NAME]), &value]);
        let subject = der(SEQUENCE, &[&der(0x31, &[&attribute])]);
        let extension = alternatives.map(|names| {
            let value = der(OCTET_STRING, &[&der(SEQUENCE, names)]);
            let critical = der(0x01, &[&[0xff]]);
            let other = der(SEQUENCE, &[&der(OBJECT_IDENTIFIER, &[&[0x55, 0x1d, 0x0e]]), &der(OCTET_STRING, &[])]);
            let this = der(SEQUENCE, &[&der(OBJECT_IDENTIFIER, &[SUBJECT_ALT_NAME]), &critical, &value]);
            der(EXTENSIONS, &[&der(SEQUENCE, &[&other, &this])])
        });
        let (version, serial) = (der(VERSION, &[&der(0x02, &[&[2]])]), der(0x02, &[&[1]]));
        let empty = der(SEQUENCE, &[]);
        let tbs = der(
            SEQUENCE,
            &[&version, &serial, &empty, &empty, &empty, &subject, &empty, extension.as_deref().unwrap_or_default()],
        );
        der(SEQUENCE, &[&tbs, &empty, &der(0x03, &[])])
    }

    #[test]
    fn names_are_the_alternative_ones_or_else_the_common_one() {
        let names = Names::of(&certificate("compute1", None));
        assert!(names.is("compute1") && names.is("COMPUTE1") && !names.is("compute"));
        let long = "x".repeat(200);
        let alternatives = [
            der(DNS_NAME, &[b"sw1 id:6f2c"]),
            der(DNS_NAME, &[long.as_bytes()]),
            der(IP_ADDRESS, &[&[192, 0, 2, 1]]),
            der(IP_ADDRESS, &[&"2001:db8::1".parse::<std::net::Ipv6Addr>().unwrap().octets()]),
            der(0x81, &[b"mail@example.org"]),
        ];
        let alternatives: Vec<&[u8]> = alternatives.iter().map(Vec::as_slice).collect();
        let names = Names::of(&certificate("compute1", Some(&alternatives)));
        for name in ["sw1", "sw1 id:6f2c", "192.0.2.1", "2001:db8::1", &long] {
            assert!(names.is(name), "{name}");
        }
        for name in ["compute1", "sw1 id", "6f2c", "", "mail@example.org"] {
            assert!(!names.is(name), "{name}");
        }
        assert_eq!(Names::of(&certificate("a", Some(&[]))).to_string(), "no name");
        assert_eq!(Names::of(&certificate("a\"b", None)).to_string(), r#""a\"b""#);
    }

    #[test]
    fn what_is_cut_off_is_no_name() {
        let whole = certificate("compute1", None);
        for length in 0..whole.len() {
            assert_eq!(Names::of(&whole[..length]), Names::default(), "{length} bytes");
        }
    }

    proptest::proptest! {
        #[test]
        fn noise_never_panics(at in 0..80_usize, noise in proptest::collection::vec(proptest::num::u8::ANY, 0..20)) {
            let mut bytes = certificate("compute1", Some(&[&der(DNS_NAME, &[b"a"])]));
            let at = at.min(bytes.len());
            bytes.splice(at..(at + noise.len()).min(bytes.len()), noise);
            let _ = Names::of(&bytes);
        }
    }
}
