//! Matches as lists of headers with their bytes, as `ovs-ofctl parse-oxm` prints them.

use super::put::{self, Out};
use crate::openflow::oxm::{Tlv, Tlvs};
use crate::openflow::{DecodeError, Reader};

/// Prints TLVs as `OXM_OF_ETH_TYPE(0800), OXM_OF_IPV4_SRC_W(0a000000/ff000000)`; `<any>` for none.
pub fn oxm(tlvs: &[u8], out: &mut Vec<u8>) -> Result<(), DecodeError> {
    if tlvs.is_empty() {
        put::text(out, "<any>");
    }
    for (place, tlv) in Tlvs::new(Reader::new(tlvs)).enumerate() {
        let tlv = tlv?;
        if place > 0 {
            put::text(out, ", ");
        }
        name(&tlv, out);
        out.push(b'(');
        put::hex_pairs(out, tlv.value);
        if let Some(mask) = tlv.mask {
            out.push(b'/');
            put::hex_pairs(out, mask);
        }
        out.push(b')');
    }
    Ok(())
}

fn name(tlv: &Tlv<'_>, out: &mut Out) {
    let code = (tlv.class, tlv.experimenter, tlv.number);
    let header = tlv
        .field()
        .and_then(|field| field.headers().find(|header| (header.class, header.experimenter, header.number) == code));
    match header {
        Some(header) => put::text(out, header.name),
        None if code == (1, 0, 30) && tlv.value.len() == 8 => put::text(out, "NXM_NX_COOKIE"),
        None => {
            put::decimal(out, tlv.class.into());
            out.push(b':');
            return put::decimal(out, tlv.number.into());
        }
    }
    if tlv.mask.is_some() {
        put::text(out, "_W");
    }
}
