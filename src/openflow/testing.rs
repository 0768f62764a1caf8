//! Tests of a message both ways, and of everything that it is not.

use super::header::Header;
use super::message::Message;
use super::{DecodeError, EncodeError, Reader, Writer, Xid};

/// The xid in every vector of the unit tests.
pub(crate) const XID: Xid = Xid(0x1234_5678);

/// The bytes that `text` says in hexadecimal; blanks and line ends between them do not count.
pub(crate) fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

/// What `encode` appends.
pub(crate) fn encoded(encode: impl FnOnce(&mut Writer) -> Result<(), EncodeError>) -> Vec<u8> {
    let mut writer = Writer::new();
    encode(&mut writer).unwrap();
    writer.into_vec()
}

/// What `encode`, which cannot fail, appends.
pub(crate) fn written(encode: impl FnOnce(&mut Writer)) -> Vec<u8> {
    let mut writer = Writer::new();
    encode(&mut writer);
    writer.into_vec()
}

/// Holds that `decode` refuses the body of `message` cut to every shorter length and with one byte more,
/// with the length in the header as it is (where the message is refused before its body) and made to fit.
/// `open` are lengths at which a cut message is a whole one too; a message that takes any tail has
/// `usize::MAX` there.
pub(crate) fn refuses_cut_and_excess<'a, T: 'a>(
    message: &[u8],
    open: &[usize],
    decode: impl Fn(Reader<'static>) -> Result<T, DecodeError>,
) {
    assert!(Message::decode(message).is_ok());
    let mut lengths: Vec<usize> = (0..message.len()).collect();
    if !open.contains(&usize::MAX) {
        lengths.push(message.len() + 1);
    }
    for length in lengths {
        let mut bytes = message.to_vec();
        bytes.resize(length, 0);
        assert!(Message::decode(&bytes).is_err(), "length {length}, header as it was");
        if length < Header::LEN || open.contains(&length) {
            continue;
        }
        bytes[2..4].copy_from_slice(&(length as u16).to_be_bytes());
        // Leaked, so that `decode` may be any borrowing decoder; these are a few kilobytes of a test.
        let message = Message::decode(bytes.leak()).unwrap();
        match decode(message.body) {
            Ok(_) => panic!("length {length} was accepted"),
            Err(error) => assert!(error.offset <= length, "{error} in a message of {length} bytes"),
        }
    }
}
