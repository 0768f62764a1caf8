//! Bytes to actions. What is checked here is what Open vSwitch 3.1 checks without looking at the match; errors
//! bear its codes.

use std::net::Ipv4Addr;

use crate::openflow::matching::VLAN_PRESENT;
use crate::openflow::oxm::{self, EXPERIMENTER, Field, FieldValue, Tlv};
use crate::openflow::{DecodeError, ErrorCode, MacAddr, PortNo, Reader, TableId};

use super::conntrack::{Conntrack, Nat};
use super::controller::Controller;
use super::encap::Encap;
use super::learn::Learn;
use super::sample::{Sample, SamplePort};
use super::select::{Bundle, Multipath};
use super::subfield::{header, short_header, writable};
use super::{Action, MAX_DEPTH, NICIRA, ONF, Subfield};

/// Why bytes are none of the actions that are known.
pub(super) enum Refused {
    /// They are no action at all.
    Malformed(DecodeError),
    /// They are one, or name a field, that is not known here; the code says what Open vSwitch answers.
    Unknown(ErrorCode),
}

impl From<DecodeError> for Refused {
    fn from(error: DecodeError) -> Self {
        Self::Malformed(error)
    }
}

/// Takes what is left, all of it zeros.
pub(super) fn zeros(reader: &mut Reader<'_>, what: &'static str, code: ErrorCode) -> Result<(), DecodeError> {
    match reader.rest().iter().find(|&&byte| byte != 0) {
        Some(&byte) => Err(reader.error(what, byte.into(), "zeros", code)),
        None => reader.skip(reader.remaining(), what),
    }
}

/// Lengths that an action can have, in bytes and with its header.
#[derive(Clone, Copy)]
enum Length {
    Exactly(u16),
    AtLeast(u16),
}

/// Of those that Open vSwitch does not know, another length is another unknown action.
const fn standard_length(action_type: u16, found: u16) -> Option<Length> {
    Some(match action_type {
        11 | 12 | 26 | 27 if found != 8 => return None,
        0 | 3 | 4 => Length::Exactly(16),
        1 | 2 | 5..=24 | 26 | 27 => Length::Exactly(8),
        25 => Length::AtLeast(8),
        _ => return None,
    })
}

const fn nicira_length(subtype: u16) -> Option<Length> {
    Some(match subtype {
        1 | 2 | 5 | 14 | 17 | 19 | 20 | 34 | 39 | 43 | 44 | 48 | 254 | 255 => Length::Exactly(16),
        7 | 9 | 15 | 27 | 28 | 29 | 32 | 50 => Length::Exactly(24),
        10 | 22 | 38 | 41 => Length::Exactly(32),
        6 | 8 | 21 | 33 | 36 | 37 | 42 | 46 | 47 => Length::AtLeast(16),
        35 | 49 => Length::AtLeast(24),
        12 | 13 | 16 => Length::AtLeast(32),
        45 => Length::AtLeast(40),
        _ => return None,
    })
}

/// The header of an action.
struct Head {
    /// Type, or subtype.
    kind: u16,
    /// 0 for an action of the standard.
    experimenter: u32,
    length: u16,
    /// How long an action of this kind can be, if it is known.
    known: Result<Length, ErrorCode>,
}

impl Head {
    fn decode(start: Reader<'_>) -> Result<Self, DecodeError> {
        let mut reader = start;
        let short = |_| start.error("action", start.remaining() as u64, "an action's header", ErrorCode::BAC_BAD_LEN);
        let kind = reader.u16("action.type").map_err(short)?;
        let length = reader.u16("action.len").map_err(short)?;
        let (kind, experimenter, known) = if kind == 0xffff {
            let experimenter = reader.u32("action.experimenter").map_err(short)?;
            if experimenter == NICIRA || experimenter == ONF {
                let subtype = reader.u16("action.subtype").map_err(short)?;
                let known = match experimenter {
                    NICIRA => nicira_length(subtype),
                    _ => (subtype == 3200).then_some(Length::AtLeast(24)),
                };
                (subtype, experimenter, known.ok_or(ErrorCode::BAC_BAD_EXP_TYPE))
            } else {
                (kind, experimenter, Err(ErrorCode::BAC_BAD_EXPERIMENTER))
            }
        } else {
            (kind, 0, standard_length(kind, length).ok_or(ErrorCode::BAC_BAD_TYPE))
        };
        Ok(Self { kind, experimenter, length, known })
    }

    /// Holds that the length is one of an action, and of this one.
    fn check_length(&self, start: &Reader<'_>) -> Result<(), DecodeError> {
        let (expected, good) = match self.known {
            Ok(Length::Exactly(bytes)) => ("the length of its type", self.length == bytes),
            Ok(Length::AtLeast(bytes)) => ("at least the length of its type", self.length >= bytes),
            Err(_) => ("a multiple of 8 and at least 8", self.length >= 8),
        };
        let code = self.known.err().unwrap_or(ErrorCode::BAC_BAD_LEN);
        let bad = |expected| Err(start.error("action.len", self.length.into(), expected, code));
        if usize::from(self.length) > start.remaining() {
            return bad("no more than what is left of the actions");
        }
        if self.length < 8 || !self.length.is_multiple_of(8) {
            return bad("a multiple of 8 and at least 8");
        }
        if good { Ok(()) } else { bad(expected) }
    }
}

impl Action {
    /// Reads one action. Errors carry `BAC_*`, or what Open vSwitch gives.
    pub fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Self::decode_within(reader, 0)
    }

    /// Reads actions to the end of `reader`.
    pub fn decode_list(mut reader: Reader<'_>) -> Result<Vec<Self>, DecodeError> {
        Self::decode_nested(&mut reader, 0)
    }

    /// Reads actions to the end of `reader`; `depth` lists of actions stand around them.
    pub(super) fn decode_nested(reader: &mut Reader<'_>, depth: u8) -> Result<Vec<Self>, DecodeError> {
        let (mut actions, mut unknown) = (Vec::new(), None);
        while !reader.is_empty() {
            let start = *reader;
            match Self::decode_within(reader, depth) {
                Ok(action) => actions.push(action),
                // An action that is not known survives, but it is what is wrong with a list that does not.
                Err(error) => return Err(unknown.unwrap_or(error)),
            }
            if let (Some(Self::Other { code, .. }), None) = (actions.last(), &unknown) {
                unknown = Some(start.error("action.type", 0, "an action that is known", *code));
            }
        }
        Ok(actions)
    }

    fn decode_within(reader: &mut Reader<'_>, depth: u8) -> Result<Self, DecodeError> {
        let start = *reader;
        let head = Head::decode(start)?;
        head.check_length(&start)?;
        let whole = reader.child(usize::from(head.length), "action")?;
        let mut body = whole;
        body.skip(if head.experimenter == 0 { 4 } else { 10 }, "action.header")?;
        let decoded = match (head.known, head.experimenter) {
            (Err(code), _) => Err(Refused::Unknown(code)),
            (Ok(_), 0) => Self::decode_standard(head.kind, &mut body),
            (Ok(_), NICIRA) => Self::decode_nicira(head.kind, &mut body, depth),
            (Ok(_), _) => Self::decode_copy_field(&mut body),
        };
        match decoded {
            Ok(action) => Ok(action),
            Err(Refused::Unknown(code)) => Ok(Self::Other { code, bytes: whole.rest().into() }),
            // Bytes that run out within an action make the action's length wrong, not the message's.
            Err(Refused::Malformed(error)) if error.code == ErrorCode::BRC_BAD_LEN => {
                Err(DecodeError { code: ErrorCode::BAC_BAD_LEN, ..error })
            }
            Err(Refused::Malformed(error)) => Err(error),
        }
    }

    fn decode_standard(action_type: u16, body: &mut Reader<'_>) -> Result<Self, Refused> {
        Ok(match action_type {
            0 => {
                let port = output_port(body)?;
                Self::Output { port, max_len: body.u16("output.max_len")? }
            }
            1 => Self::SetVlanVid(within(body, Reader::u16, 0xfff, "set_vlan_vid.vlan_vid")?),
            2 => Self::SetVlanPcp(within(body, Reader::u8, 7, "set_vlan_pcp.vlan_pcp")?),
            3 => Self::SetEthSrc(MacAddr(body.array("set_dl_src.dl_addr")?)),
            4 => Self::SetEthDst(MacAddr(body.array("set_dl_dst.dl_addr")?)),
            5 => Self::SetNwSrc(Ipv4Addr::from(body.array::<4>("set_nw_src.nw_addr")?)),
            6 => Self::SetNwDst(Ipv4Addr::from(body.array::<4>("set_nw_dst.nw_addr")?)),
            7 => Self::SetNwTos(within(body, Reader::u8, 0xfc, "set_nw_tos.nw_tos")?),
            8 => Self::SetNwEcn(within(body, Reader::u8, 3, "set_nw_ecn.nw_ecn")?),
            9 => Self::SetTpSrc(body.u16("set_tp_src.tp_port")?),
            10 => Self::SetTpDst(body.u16("set_tp_dst.tp_port")?),
            11 => Self::CopyTtlOut,
            12 => Self::CopyTtlIn,
            13 => Self::SetMplsLabel(body.u32("set_mpls_label.mpls_label")?),
            14 => Self::SetMplsTc(body.u8("set_mpls_tc.mpls_tc")?),
            15 => Self::SetMplsTtl(body.u8("set_mpls_ttl.mpls_ttl")?),
            16 => Self::DecMplsTtl,
            17 => Self::PushVlan(ethertype(body, [0x8100, 0x88a8], "push_vlan.ethertype")?),
            18 => Self::PopVlan,
            19 => Self::PushMpls(ethertype(body, [0x8847, 0x8848], "push_mpls.ethertype")?),
            20 => Self::PopMpls(body.u16("pop_mpls.ethertype")?),
            21 => Self::SetQueue(body.u32("set_queue.queue_id")?),
            22 => Self::Group(body.u32("group.group_id")?),
            23 => Self::SetNwTtl(body.u8("set_nw_ttl.nw_ttl")?),
            24 => Self::DecNwTtl,
            25 => Self::decode_set_field(body)?,
            26 => Self::PushPbb(body.u16("push_pbb.ethertype")?),
            27 => Self::PopPbb,
            _ => return Err(Refused::Unknown(ErrorCode::BAC_BAD_TYPE)),
        })
    }

    fn decode_set_field(body: &mut Reader<'_>) -> Result<Self, Refused> {
        let start = *body;
        let value = field_value(body)?;
        if value.mask().is_some() {
            return Err(Refused::Unknown(ErrorCode::BAC_BAD_SET_MASK));
        }
        let number = oxm::number(value.value());
        let untagged = value.field == &oxm::VLAN_VID && number & u128::from(VLAN_PRESENT) == 0;
        if value.field == &oxm::IN_PORT || untagged || !value.field.allows(number) {
            let expected = "a value that the field can be given";
            return Err(start
                .error("set_field.value", number as u64, expected, ErrorCode::BAC_BAD_SET_ARGUMENT)
                .into());
        }
        Ok(Self::SetField(value))
    }

    fn decode_nicira(subtype: u16, body: &mut Reader<'_>, depth: u8) -> Result<Self, Refused> {
        Ok(match subtype {
            1 => Self::ResubmitPort(body.u16("resubmit.in_port")?),
            14 | 44 => Self::decode_resubmit(subtype, body)?,
            2 => {
                body.skip(2, "set_tunnel.pad")?;
                Self::SetTunnel(body.u32("set_tunnel.tun_id")?)
            }
            9 => {
                body.skip(6, "set_tunnel64.pad")?;
                Self::SetTunnel64(body.u64("set_tunnel64.tun_id")?)
            }
            5 => Self::PopQueue,
            8 => Self::Note(body.rest().into()),
            10 => Self::Multipath(Box::new(Multipath::decode(body)?)),
            12 => Self::Bundle(Box::new(Bundle::decode(body)?)),
            13 => Self::Bundle(Box::new(Bundle::decode_load(body)?)),
            16 => Self::Learn(Box::new(Learn::decode(body)?)),
            45 => Self::Learn(Box::new(Learn::decode2(body)?)),
            17 => Self::Exit,
            19 => {
                let idle_timeout = body.u16("fin_timeout.fin_idle_timeout")?;
                Self::FinTimeout { idle_timeout, hard_timeout: body.u16("fin_timeout.fin_hard_timeout")? }
            }
            20 => {
                let (max_len, id) = (body.u16("controller.max_len")?, body.u16("controller.controller_id")?);
                Self::Controller { max_len, id, reason: body.u8("controller.reason")? }
            }
            37 => Self::Controller2(Box::new(Controller::decode(body)?)),
            21 => Self::decode_dec_ttl(body)?,
            29 => Self::Sample(Box::new(Sample::decode(body, SamplePort::decode_unsaid)?)),
            38 => Self::Sample(Box::new(Sample::decode(body, SamplePort::decode_at)?)),
            41 => Self::Sample(Box::new(Sample::decode(body, SamplePort::decode_directed)?)),
            34 => Self::decode_conjunction(body)?,
            35 => Self::Ct(Box::new(Conntrack::decode(body, nested(body, depth)?)?)),
            36 => Self::Nat(Box::new(Nat::decode(body)?)),
            39 => Self::decode_output_trunc(body)?,
            42 => {
                let depth = nested(body, depth)?;
                body.skip(6, "clone.pad")?;
                Self::Clone(Self::decode_nested(body, depth)?)
            }
            43 => Self::CtClear,
            46 => Self::Encap(Box::new(Encap::decode(body)?)),
            47 => Self::decode_decap(body)?,
            48 => Self::DecNshTtl,
            254 => Self::DebugSlow,
            255 => Self::DebugRecirc,
            _ => Self::decode_field_action(subtype, body)?,
        })
    }

    /// The actions that name fields.
    fn decode_field_action(subtype: u16, body: &mut Reader<'_>) -> Result<Self, Refused> {
        let start = *body;
        let must_be_zero = |body: &mut Reader<'_>| zeros(body, "action.pad", ErrorCode::NXBRC_MUST_BE_ZERO);
        Ok(match subtype {
            6 => {
                let bits = body.u16("move.n_bits")?;
                let (src_offset, dst_offset) = (body.u16("move.src_ofs")?, body.u16("move.dst_ofs")?);
                let (src, dst) = (header(body)?, header(body)?);
                must_be_zero(body)?;
                Self::Move {
                    src: Subfield { field: src, offset: src_offset, bits }.checked(&start)?,
                    dst: Subfield { field: dst, offset: dst_offset, bits }.checked_dst(&start)?,
                }
            }
            7 => {
                let place = body.u16("load.ofs_nbits")?;
                let dst = Subfield::unpacked(short_header(body)?, place).checked_dst(&start)?;
                let at = *body;
                let value = body.u64("load.value")?;
                if dst.bits < 64 && value >> dst.bits != 0 {
                    let expected = "a number that fits into the bits";
                    return Err(at.error("load.value", value, expected, ErrorCode::BAC_BAD_ARGUMENT).into());
                }
                Self::Load { value, dst }
            }
            15 => {
                let place = body.u16("output_reg.ofs_nbits")?;
                let src = short_header(body)?;
                let max_len = body.u16("output_reg.max_len")?;
                zeros(body, "output_reg.zero", ErrorCode::BAC_BAD_ARGUMENT)?;
                Self::OutputReg { src: Subfield::unpacked(src, place).checked(&start)?, max_len }
            }
            22 => {
                must_be_zero(&mut body.child(6, "write_metadata.zeros")?)?;
                let metadata = body.u64("write_metadata.metadata")?;
                Self::WriteMetadata { metadata, mask: body.u64("write_metadata.mask")? }
            }
            27 | 28 => {
                let offset = body.u16("stack.offset")?;
                let field = header(body)?;
                let bits = body.u16("stack.n_bits")?;
                must_be_zero(body)?;
                let subfield = Subfield { field, offset, bits };
                match subtype {
                    27 => Self::StackPush(subfield.checked(&start)?),
                    _ => Self::StackPop(subfield.checked_dst(&start)?),
                }
            }
            32 => {
                let place = body.u16("output_reg.ofs_nbits")?;
                let max_len = body.u16("output_reg.max_len")?;
                let src = header(body)?;
                must_be_zero(body)?;
                Self::OutputReg2 { src: Subfield::unpacked(src, place).checked(&start)?, max_len }
            }
            33 => Self::Load2(field_value(body)?),
            49 => {
                let length = body.u16("check_pkt_larger.pkt_len")?;
                let offset = body.u16("check_pkt_larger.offset")?;
                let field = header(body)?;
                must_be_zero(body)?;
                Self::CheckPktLarger { length, dst: Subfield { field, offset, bits: 1 }.checked_dst(&start)? }
            }
            50 => Self::DeleteField(header(body)?),
            _ => return Err(Refused::Unknown(ErrorCode::BAC_BAD_EXP_TYPE)),
        })
    }

    fn decode_copy_field(body: &mut Reader<'_>) -> Result<Self, Refused> {
        let start = *body;
        body.skip(2, "copy_field.pad")?;
        let bits = body.u16("copy_field.n_bits")?;
        let (src_offset, dst_offset) = (body.u16("copy_field.src_offset")?, body.u16("copy_field.dst_offset")?);
        body.skip(2, "copy_field.pad2")?;
        let (src, dst) = (header(body)?, header(body)?);
        zeros(body, "copy_field.pad3", ErrorCode::NXBRC_MUST_BE_ZERO)?;
        Ok(Self::CopyField {
            src: Subfield { field: src, offset: src_offset, bits }.checked(&start)?,
            dst: Subfield { field: dst, offset: dst_offset, bits }.checked_dst(&start)?,
        })
    }

    fn decode_resubmit(subtype: u16, body: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let in_port = body.u16("resubmit.in_port")?;
        let table = TableId(body.u8("resubmit.table")?);
        zeros(body, "resubmit.pad", ErrorCode::BAC_BAD_ARGUMENT)?;
        Ok(if subtype == 44 { Self::ResubmitCt { in_port, table } } else { Self::Resubmit { in_port, table } })
    }

    fn decode_dec_ttl(body: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let count = body.u16("dec_ttl.n_controllers")?;
        zeros(&mut body.child(4, "dec_ttl.zeros")?, "dec_ttl.zeros", ErrorCode::NXBRC_MUST_BE_ZERO)?;
        let mut ids = body.child(2 * usize::from(count), "dec_ttl.cnt_ids")?;
        let ids: Result<_, _> = (0..count).map(|_| ids.u16("dec_ttl.cnt_ids")).collect();
        Ok(Self::DecTtlCntIds(ids?))
    }

    fn decode_conjunction(body: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let start = *body;
        let (clause, n_clauses) = (body.u8("conjunction.clause")?, body.u8("conjunction.n_clauses")?);
        if !(2..=64).contains(&n_clauses) || clause >= n_clauses {
            let expected = "one of 2 to 64 clauses";
            let code = ErrorCode::NXBAC_BAD_CONJUNCTION;
            return Err(start.error("conjunction.clause", clause.into(), expected, code));
        }
        Ok(Self::Conjunction { id: body.u32("conjunction.id")?, clause, n_clauses })
    }

    fn decode_output_trunc(body: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let port = body.u16("output_trunc.port")?;
        let start = *body;
        let max_len = body.u32("output_trunc.max_len")?;
        if max_len < 14 {
            let expected = "14 at the least, an Ethernet header";
            return Err(start.error("output_trunc.max_len", max_len.into(), expected, ErrorCode::BAC_BAD_ARGUMENT));
        }
        Ok(Self::OutputTrunc { port, max_len })
    }

    fn decode_decap(body: &mut Reader<'_>) -> Result<Self, Refused> {
        body.skip(2, "decap.pad")?;
        let packet_type = body.u32("decap.new_pkt_type")?;
        if body.is_empty() {
            Ok(Self::Decap(packet_type))
        } else {
            Err(Refused::Unknown(ErrorCode::NXBAC_UNKNOWN_ED_PROP))
        }
    }
}

/// The depth of a list within one at `depth`.
fn nested(body: &Reader<'_>, depth: u8) -> Result<u8, DecodeError> {
    if depth < MAX_DEPTH {
        return Ok(depth + 1);
    }
    let expected = "actions less deep within actions";
    Err(body.error("action", depth.into(), expected, ErrorCode::BAC_TOO_MANY))
}

/// A number all of whose bits `allowed` has; `BAC_BAD_ARGUMENT`.
fn within<'a, T: Copy + Into<u64>>(
    body: &mut Reader<'a>,
    read: fn(&mut Reader<'a>, &'static str) -> Result<T, DecodeError>,
    allowed: u64,
    what: &'static str,
) -> Result<T, DecodeError> {
    let start = *body;
    let found = read(body, what)?;
    if found.into() & !allowed == 0 {
        return Ok(found);
    }
    Err(start.error(what, found.into(), "no bits that it does not have", ErrorCode::BAC_BAD_ARGUMENT))
}

fn ethertype(body: &mut Reader<'_>, allowed: [u16; 2], what: &'static str) -> Result<u16, DecodeError> {
    let start = *body;
    let found = body.u16(what)?;
    if allowed.contains(&found) {
        return Ok(found);
    }
    Err(start.error(what, found.into(), "an Ethernet type of such a tag", ErrorCode::BAC_BAD_ARGUMENT))
}

/// A port to which packets can be sent; `BAC_BAD_OUT_PORT`.
fn output_port(body: &mut Reader<'_>) -> Result<PortNo, DecodeError> {
    let start = *body;
    match PortNo(body.u32("output.port")?) {
        port @ PortNo(0..0xff00 | 0xffff_fff8..=0xffff_fffe) => Ok(port),
        port => Err(start.error("output.port", port.0.into(), "a port to output to", ErrorCode::BAC_BAD_OUT_PORT)),
    }
}

/// Holds that a header names a field and has its width, before anything is said of what follows it.
fn known_field(mut head: Reader<'_>) -> Result<(), Refused> {
    let start = head;
    let (class, code) = (head.u16("oxm.class")?, head.u8("oxm.field")?);
    let length = usize::from(head.u8("oxm.length")?);
    let (field, width) = match class {
        EXPERIMENTER => (Field::by_experimenter(head.u32("oxm.experimenter")?, code >> 1), length.saturating_sub(4)),
        class => (Field::by_code(class, code >> 1), length),
    };
    let field = field.ok_or(Refused::Unknown(ErrorCode::BAC_BAD_SET_TYPE))?;
    if field.has_width(width >> (code & 1)) {
        return Ok(());
    }
    let expected = "as many bytes as the field has";
    Err(start.error("set_field.length", width as u64, expected, ErrorCode::BAC_BAD_SET_LEN).into())
}

/// A field with a value, and the zeros behind it.
fn field_value(body: &mut Reader<'_>) -> Result<FieldValue, Refused> {
    let start = *body;
    let (tlv, value) = match Tlv::decode(body).map(|tlv| (tlv, FieldValue::from_tlv(&tlv))) {
        Ok((tlv, Some(value))) => (tlv, value),
        // An unknown field comes before whatever else is wrong.
        refused => {
            known_field(start)?;
            return Err(refused.err().map_or(Refused::Unknown(ErrorCode::BAC_BAD_SET_TYPE), Refused::Malformed));
        }
    };
    let pairs = || tlv.value.iter().zip(tlv.mask.unwrap_or_default());
    if pairs().any(|(value, mask)| value & !mask != 0) {
        let expected = "a value without bits that the mask has not";
        return Err(start.error("set_field.mask", 0, expected, ErrorCode::BMC_BAD_WILDCARDS).into());
    }
    zeros(body, "set_field.pad", ErrorCode::BAC_BAD_SET_ARGUMENT)?;
    writable(value.field, &start)?;
    Ok(value)
}
