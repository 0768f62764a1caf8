//! DESC: who made the switch (`struct ofp_desc`, OpenFlow 1.3.5 §7.3.5.1).

use super::{DecodeError, Reader, Writer};

/// The body of the answer to `OFPMP_DESC` (OpenFlow 1.3.5 §7.3.5.1), 1056 bytes; the question has none. Each
/// text is in ASCII by the specification, any bytes without a NUL in fact; encoded, it is cut to fit, and without a NUL where it fills its place: so it came.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Desc<'a> {
    /// Byte 0, 256 bytes: manufacturer.
    pub mfr_desc: &'a [u8],
    /// Byte 256, 256 bytes: hardware.
    pub hw_desc: &'a [u8],
    /// Byte 512, 256 bytes: software; the version of Open vSwitch.
    pub sw_desc: &'a [u8],
    /// Byte 768, 32 bytes: serial number.
    pub serial_num: &'a [u8],
    /// Byte 800, 256 bytes: the datapath, in the words of whoever runs it.
    pub dp_desc: &'a [u8],
}

const DESC_LEN: usize = 256;
const SERIAL_LEN: usize = 32;

impl<'a> Desc<'a> {
    /// Decodes the body of the multipart reply.
    pub fn decode(mut body: Reader<'a>) -> Result<Self, DecodeError> {
        let mut text = |size, what| -> Result<&'a [u8], DecodeError> {
            Ok(body.bytes(size, what)?.split(|byte| *byte == 0).next().unwrap_or_default())
        };
        let desc = Self {
            mfr_desc: text(DESC_LEN, "desc.mfr_desc")?,
            hw_desc: text(DESC_LEN, "desc.hw_desc")?,
            sw_desc: text(DESC_LEN, "desc.sw_desc")?,
            serial_num: text(SERIAL_LEN, "desc.serial_num")?,
            dp_desc: text(DESC_LEN, "desc.dp_desc")?,
        };
        body.finish("desc")?;
        Ok(desc)
    }

    /// Appends the body of the multipart reply.
    pub fn encode(&self, writer: &mut Writer) {
        let mut text = |text: &[u8], size: usize| {
            let text = text.get(..size).unwrap_or(text);
            writer.bytes(text);
            writer.zeros(size - text.len());
        };
        text(self.mfr_desc, DESC_LEN);
        text(self.hw_desc, DESC_LEN);
        text(self.sw_desc, DESC_LEN);
        text(self.serial_num, SERIAL_LEN);
        text(self.dp_desc, DESC_LEN);
    }
}

#[cfg(test)]
mod tests {
    use super::super::multipart::{Multipart, MultipartType};
    use super::super::testing::{XID, encoded, hex, refuses_cut_and_excess};
    use super::*;
    use crate::openflow::Message;

    #[test]
    fn a_description_reads_as_it_was_written() {
        let mut bytes = hex("04130430 12345678 0000 0000 00000000");
        for (text, size) in [("Nicira, Inc.", 256), ("Open vSwitch", 256), ("3.1.0", 256), ("None", 32), ("br", 256)] {
            let end = bytes.len() + size;
            bytes.extend(text.bytes());
            bytes.resize(end, 0);
        }
        let message = Message::decode(&bytes).unwrap();
        let desc = Desc::decode(Multipart::decode(message.body).unwrap().body.reader()).unwrap();
        assert_eq!((desc.sw_desc, desc.dp_desc), (&b"3.1.0"[..], &b"br"[..]));
        let mut body = Writer::new();
        desc.encode(&mut body);
        let again = encoded(|w| Multipart::last(MultipartType::DESC, body.as_slice()).encode_reply(w, XID));
        assert_eq!(again, bytes);
        refuses_cut_and_excess(&bytes, &[], |body| {
            Multipart::decode(body).and_then(|multipart| Desc::decode(multipart.body.reader()).map(|_| ()))
        });
    }

    #[test]
    fn texts_that_are_too_long_are_cut() {
        let mut writer = Writer::new();
        Desc { serial_num: &[b'x'; 40], ..Desc::default() }.encode(&mut writer);
        assert_eq!(writer.len(), 1056);
        assert_eq!(Desc::decode(Reader::new(writer.as_slice())).unwrap().serial_num, [b'x'; 32]);
    }
}
