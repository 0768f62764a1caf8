//! Matches as lists of headers with their bytes, `OXM_OF_ETH_TYPE(0800), OXM_OF_IPV4_SRC_W(0a000000/ff000000)`,
//! as `ovs-ofctl parse-oxm` and `parse-nx-match` take them.

use super::piece::Piece;
use super::{ParseError, values};
use crate::openflow::Writer;
use crate::openflow::oxm::{EXPERIMENTER, Field};

const BLANKS: [char; 2] = [',', ' '];

/// A header as its name says it.
struct Header {
    class: u16,
    experimenter: u32,
    number: u8,
    masked: bool,
    /// How long the value has to be; `None` if it can be of any length up to 124 bytes.
    bytes: Option<usize>,
}

/// Reads a list of fields into their TLVs, in the order in which they stand; `<any>` is none.
pub fn oxm(text: &str) -> Result<Vec<u8>, ParseError> {
    let mut writer = Writer::new();
    let mut rest = Piece::new(text);
    if rest.trim().text == "<any>" {
        return Ok(Vec::new());
    }
    loop {
        rest = rest.split(rest.text.len() - rest.text.trim_start_matches(BLANKS).len()).1;
        if rest.is_empty() {
            return Ok(writer.into_vec());
        }
        let (name, body) = rest.split_once("(").ok_or_else(|| rest.error("FIELD(BYTES) or FIELD_W(BYTES/MASK)"))?;
        let (body, after) = body.split_once(")").ok_or_else(|| body.error("a closing parenthesis"))?;
        tlv(&header(name)?, body, &mut writer)?;
        rest = after;
    }
}

/// A header by its name, with `_W` behind it for a mask, or as 8 or 16 hexadecimal digits.
fn header(name: Piece<'_>) -> Result<Header, ParseError> {
    let unknown = || name.error("the name of a field's header, such as OXM_OF_ETH_TYPE");
    let (bare, masked) = name.text.strip_suffix("_W").map_or((name.text, false), |bare| (bare, true));
    if bare == "NXM_NX_COOKIE" {
        return Ok(Header { class: 1, experimenter: 0, number: 30, masked, bytes: Some(8) });
    }
    if let Some(field) = Field::by_header_name(bare).filter(|field| field.maskable || !masked) {
        let header = field.headers().find(|header| header.name == bare).ok_or_else(unknown)?;
        let bytes = (!field.is_variable()).then_some(usize::from(field.bytes));
        return Ok(Header {
            class: header.class,
            experimenter: header.experimenter,
            number: header.number,
            masked,
            bytes,
        });
    }
    let code = u64::from_str_radix(name.text, 16).map_err(|_| unknown())?;
    let code = match name.text.len() {
        8 => code << 32,
        16 => code,
        _ => return Err(unknown()),
    };
    let class = (code >> 48) as u16;
    let (masked, length) = (code >> 40 & 1 == 1, usize::from((code >> 32) as u8));
    let length = length.saturating_sub(if class == EXPERIMENTER { 4 } else { 0 });
    let bytes = Some(if masked { length / 2 } else { length });
    Ok(Header { class, experimenter: code as u32, number: (code >> 41) as u8 & 0x7f, masked, bytes })
}

fn tlv(header: &Header, body: Piece<'_>, writer: &mut Writer) -> Result<(), ParseError> {
    let (value, mask) = match body.split_once("/") {
        Some((value, mask)) if header.masked => (value, Some(mask)),
        None if !header.masked => (body, None),
        _ => return Err(body.error("a mask behind a slash where the header ends in _W, and only there")),
    };
    let bytes = values::bytes(value)?;
    let mask = mask.map(|mask| values::bytes(mask).map(|bytes| (mask, bytes))).transpose()?;
    if bytes.len() != header.bytes.unwrap_or(bytes.len().min(124)) {
        return Err(value.error("as many bytes as the field has"));
    }
    if let Some((mask, _)) = mask.as_ref().filter(|(_, mask)| mask.len() != bytes.len()) {
        return Err(mask.error("a mask as long as the value"));
    }
    let experimenter = header.class == EXPERIMENTER;
    let length = bytes.len() * if header.masked { 2 } else { 1 } + if experimenter { 4 } else { 0 };
    writer.u16(header.class);
    writer.u8(header.number << 1 | u8::from(header.masked));
    writer.u8(u8::try_from(length).map_err(|_| value.error("at most 255 bytes"))?);
    if experimenter {
        writer.u32(header.experimenter);
    }
    writer.bytes(&bytes);
    writer.bytes(mask.as_ref().map_or(&[], |(_, mask)| mask));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_stand_in_the_order_of_the_text() {
        let bytes = [0x80, 0, 0x0a, 2, 8, 0, 0, 0, 0x0f, 8, 10, 0, 0, 0, 255, 0, 0, 0];
        assert_eq!(oxm("OXM_OF_ETH_TYPE(0800), NXM_OF_IP_SRC_W(0a000000/ff000000)"), Ok(bytes.into()));
        assert_eq!(oxm("80000a02(0800)"), Ok(vec![0x80, 0, 0x0a, 2, 8, 0]));
        let flags = [0xff, 0xff, 0x54, 6, 0x4f, 0x4e, 0x46, 0, 0, 0x12];
        assert_eq!(oxm("ONFOXM_ET_TCP_FLAGS(0012)"), Ok(flags.into()));
        assert_eq!(oxm("NXM_NX_TUN_METADATA0(123456)"), Ok(vec![0, 1, 80, 3, 0x12, 0x34, 0x56]));
        assert_eq!(oxm("<any>"), Ok(Vec::new()));
    }

    #[test]
    fn what_is_no_list_of_fields_is_refused_with_its_column() {
        for (text, column) in [
            ("OXM_OF_ETH_TYPE", 1),
            ("OXM_OF_NOTHING(00)", 1),
            ("OXM_OF_ETH_TYPE(0800", 17),
            ("OXM_OF_ETH_TYPE(08)", 17),
            ("OXM_OF_ETH_TYPE(08zz)", 17),
            ("OXM_OF_ETH_TYPE_W(0800/ffff)", 1),
            ("OXM_OF_IPV4_SRC_W(0a000000)", 19),
            ("OXM_OF_IPV4_SRC_W(0a000000/ff)", 28),
        ] {
            assert_eq!(oxm(text).unwrap_err().column, column, "{text}");
        }
    }
}
