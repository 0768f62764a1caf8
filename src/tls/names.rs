//! The names in a certificate (RFC 5280 §4.1, §4.2.1.6), read once its chain is verified.
//!
//! webpki knows DNS names only. `ovs-pki` writes `NAME id:UUID`, which is none, and certificates made by hand often
//! have a common name alone.

use std::fmt;
use std::net::IpAddr;

use x509_cert::Certificate;
use x509_cert::der::asn1::{Any, ObjectIdentifier};
use x509_cert::der::{Decode, Tag, Tagged};
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::name::Name;

/// X.520 `commonName`.
const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");
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
    let certificate = Certificate::from_der(certificate).ok()?;
    let certificate = certificate.tbs_certificate();
    Some(match certificate.get_extension::<SubjectAltName>().ok()? {
        Some((_, alternatives)) => alternatives.0.iter().filter_map(alternative).collect(),
        None => common_names(certificate.subject()),
    })
}

fn alternative(name: &GeneralName) -> Option<String> {
    match name {
        GeneralName::DnsName(name) => Some(name.to_string()),
        GeneralName::IpAddress(bytes) => address(bytes.as_bytes()).map(|address| address.to_string()),
        _ => None,
    }
}

fn common_names(subject: &Name) -> Vec<String> {
    subject.iter().filter(|attribute| attribute.oid == COMMON_NAME).filter_map(|name| text(&name.value)).collect()
}

/// Of the kinds of strings that hold ASCII or UTF-8.
fn text(value: &Any) -> Option<String> {
    match value.tag() {
        Tag::Utf8String | Tag::PrintableString | Tag::Ia5String => String::from_utf8(value.value().to_vec()).ok(),
        _ => None,
    }
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// X.690 tags.
    const SEQUENCE: u8 = 0x30;
    const SET: u8 = 0x31;
    const BOOLEAN: u8 = 0x01;
    const INTEGER: u8 = 0x02;
    const BIT_STRING: u8 = 0x03;
    const OCTET_STRING: u8 = 0x04;
    const OBJECT_IDENTIFIER: u8 = 0x06;
    const UTF8_STRING: u8 = 0x0c;
    const UTC_TIME: u8 = 0x17;
    /// `[0] EXPLICIT Version`, `[3] EXPLICIT Extensions` of a TBSCertificate.
    const VERSION: u8 = 0xa0;
    const EXTENSIONS: u8 = 0xa3;
    /// `[2] dNSName`, `[7] iPAddress` of a GeneralName.
    const DNS_NAME: u8 = 0x82;
    const IP_ADDRESS: u8 = 0x87;

    fn der(tag: u8, content: &[&[u8]]) -> Vec<u8> {
        let content = content.concat();
        let length = match content.len() {
            short @ 0..=0x7f => vec![short as u8],
            middle @ 0x80..=0xff => vec![0x81, middle as u8],
            long => vec![0x82, (long >> 8) as u8, long as u8],
        };
        [&[tag], length.as_slice(), &content].concat()
    }

    /// Ed25519 and nothing signed: nobody looks at that here.
    fn certificate(common_name: &str, alternatives: Option<&[&[u8]]>) -> Vec<u8> {
        let oid = |bytes: &[u8]| der(OBJECT_IDENTIFIER, &[bytes]);
        let attribute = der(SEQUENCE, &[&oid(&[0x55, 0x04, 0x03]), &der(UTF8_STRING, &[common_name.as_bytes()])]);
        let subject = der(SEQUENCE, &[&der(SET, &[&attribute])]);
        let extension = alternatives.map(|names| {
            let key_usage = der(SEQUENCE, &[&oid(&[0x55, 0x1d, 0x0f]), &der(OCTET_STRING, &[])]);
            let value = der(OCTET_STRING, &[&der(SEQUENCE, names)]);
            let this = der(SEQUENCE, &[&oid(&[0x55, 0x1d, 0x11]), &der(BOOLEAN, &[&[0xff]]), &value]);
            der(EXTENSIONS, &[&der(SEQUENCE, &[&key_usage, &this])])
        });
        let (version, serial) = (der(VERSION, &[&der(INTEGER, &[&[2]])]), der(INTEGER, &[&[1]]));
        let algorithm = der(SEQUENCE, &[&oid(&[0x2b, 0x65, 0x70])]);
        let moment = der(UTC_TIME, &[b"260101000000Z"]);
        let validity = der(SEQUENCE, &[&moment, &moment]);
        let key = der(SEQUENCE, &[&algorithm, &der(BIT_STRING, &[&[0]])]);
        let issuer = der(SEQUENCE, &[]);
        let extension = extension.unwrap_or_default();
        let tbs = der(SEQUENCE, &[&version, &serial, &algorithm, &issuer, &validity, &subject, &key, &extension]);
        der(SEQUENCE, &[&tbs, &algorithm, &der(BIT_STRING, &[&[0]])])
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
        let mail: &[&[u8]] = &[&der(0x81, &[b"mail@example.org"])];
        assert_eq!(Names::of(&certificate("a", Some(mail))).to_string(), "no name");
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
