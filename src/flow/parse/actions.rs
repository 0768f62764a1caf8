//! Instructions, and the actions of the standard.

use super::check::{Packet, Require, SCTP, TCP, UDP};
use super::fields::{self, by_name};
use super::piece::Piece;
use super::values::{self, Masked, number_of, number_u8, number_u16, number_u32, number_u64, ones};
use super::{Lookup, ParseError, ct, learn, nicira};
use crate::openflow::matching::{ETH_TYPE_IPV4, VLAN_PRESENT};
use crate::openflow::oxm::{self, Field, FieldValue};
use crate::openflow::{Action, EncodeError, PortNo, Subfield, Writer};

/// How deep actions may stand within actions.
const MAX_DEPTH: u8 = 100;

/// Within what an action stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Outer {
    Flow,
    WriteActions,
    Ct,
    Clone,
}

/// A list of actions being read.
pub(super) struct List<'n> {
    pub(super) names: &'n dyn Lookup,
    pub(super) packet: Packet,
    pub(super) outer: Outer,
    pub(super) depth: u8,
    pub(super) out: Writer,
}

/// Instructions in the order that OpenFlow gives them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    Meter = 6,
    Apply = 4,
    Clear = 5,
    Write = 3,
    Metadata = 2,
    Goto = 1,
}

const fn order(step: Step) -> u8 {
    match step {
        Step::Meter => 0,
        Step::Apply => 1,
        Step::Clear => 2,
        Step::Write => 3,
        Step::Metadata => 4,
        Step::Goto => 5,
    }
}

fn step_of(key: &str) -> Step {
    match key.to_ascii_lowercase().as_str() {
        "meter" => Step::Meter,
        "clear_actions" => Step::Clear,
        "write_actions" => Step::Write,
        "write_metadata" => Step::Metadata,
        "goto_table" => Step::Goto,
        _ => Step::Apply,
    }
}

/// Reads what stands behind `actions=` into the bytes of the instructions.
pub(super) fn instructions(text: Piece<'_>, names: &dyn Lookup, packet: Packet) -> Result<Vec<u8>, ParseError> {
    let mut list = List { names, packet, outer: Outer::Flow, depth: 0, out: Writer::new() };
    let mut out = Writer::new();
    let mut rest = text;
    let (mut last, mut dropped, mut others) = (Step::Meter, None, None);
    let mut kinds = (None, None);
    while let Some((key, value)) = rest.next_pair() {
        if key.text.eq_ignore_ascii_case("drop") {
            dropped = Some(key);
            continue;
        }
        let step = step_of(key.text);
        let again = step == last && step != Step::Apply && others.is_some();
        if order(step) < order(last) || again {
            return Err(key.error("each instruction once, in the order meter, actions, clear_actions, write_actions, write_metadata, goto_table"));
        }
        note_kind(&mut kinds, key);
        others = Some(key);
        if step != Step::Apply {
            finish_apply(&mut list, &mut out, text)?;
            instruction(step, (key, value), &mut list, &mut out)?;
        } else {
            list.action(key, value)?;
        }
        last = step;
    }
    finish_apply(&mut list, &mut out, text)?;
    if let Some(drop) = dropped.filter(|_| others.is_some()) {
        return Err(drop.error("no other action beside drop"));
    }
    check_kinds(kinds)?;
    Ok(out.into_vec())
}

type Kinds<'t> = (Option<Piece<'t>>, Option<Piece<'t>>);

/// Remembers a `conjunction` and what may not stand beside one.
fn note_kind<'t>(kinds: &mut Kinds<'t>, key: Piece<'t>) {
    match key.text.to_ascii_lowercase().as_str() {
        "conjunction" => kinds.0 = kinds.0.or(Some(key)),
        "note" => {}
        _ => kinds.1 = kinds.1.or(Some(key)),
    }
}

fn check_kinds((conjunction, other): Kinds<'_>) -> Result<(), ParseError> {
    match conjunction.and(other) {
        Some(other) => Err(other.error("only note beside conjunction")),
        None => Ok(()),
    }
}

fn finish_apply(list: &mut List<'_>, out: &mut Writer, text: Piece<'_>) -> Result<(), ParseError> {
    if list.out.is_empty() {
        return Ok(());
    }
    let actions = std::mem::take(&mut list.out);
    framed(out, Step::Apply, text, |out| {
        out.zeros(4);
        out.bytes(actions.as_slice());
    })
}

fn framed(out: &mut Writer, step: Step, text: Piece<'_>, body: impl FnOnce(&mut Writer)) -> Result<(), ParseError> {
    let mark = out.begin();
    out.u16(step as u16);
    out.u16(0);
    body(out);
    out.end(mark, 2, "instruction").map_err(|error| too_long(text, &error))
}

fn too_long(text: Piece<'_>, _: &EncodeError) -> ParseError {
    text.error("actions that fit a message")
}

fn instruction(
    step: Step,
    (key, value): (Piece<'_>, Piece<'_>),
    list: &mut List<'_>,
    out: &mut Writer,
) -> Result<(), ParseError> {
    match step {
        Step::Meter => {
            let meter = number_u32(value)?;
            if meter == 0 || meter > 0xffff_0000 {
                return Err(value.error("a meter from 1 to 0xffff0000"));
            }
            framed(out, step, value, |out| out.u32(meter))
        }
        Step::Clear => framed(out, step, key, |out| out.zeros(4)),
        Step::Write => {
            let actions = list.nested(value, Outer::WriteActions)?;
            framed(out, step, value, |out| {
                out.zeros(4);
                out.bytes(&actions);
            })
        }
        Step::Metadata => {
            let (metadata, mask) = match value.split_once("/") {
                Some((metadata, mask)) => (metadata, number_u64(mask)?),
                None => (value, u64::MAX),
            };
            let metadata = number_u64(metadata)?;
            framed(out, step, value, |out| {
                out.zeros(4);
                out.u64(metadata);
                out.u64(mask);
            })
        }
        Step::Goto => {
            let table = values::table(value, list.names)?.0;
            if table == 255 || list.packet.table != 255 && table <= list.packet.table {
                return Err(value.error("a table behind the flow's own, at most 254"));
            }
            framed(out, step, value, |out| {
                out.u8(table);
                out.zeros(3);
            })
        }
        Step::Apply => Ok(()),
    }
}

impl List<'_> {
    /// Reads a list within this one; what its actions do to the packet ends with it.
    pub(super) fn nested(&mut self, text: Piece<'_>, outer: Outer) -> Result<Vec<u8>, ParseError> {
        if self.depth >= MAX_DEPTH {
            return Err(text.error("actions less deep within actions"));
        }
        let mut list =
            List { names: self.names, packet: self.packet, outer, depth: self.depth + 1, out: Writer::new() };
        let (mut rest, mut dropped, mut others) = (text, None, false);
        let mut kinds = (None, None);
        while let Some((key, value)) = rest.next_pair() {
            if key.text.eq_ignore_ascii_case("drop") {
                dropped = Some(key);
                continue;
            }
            if step_of(key.text) != Step::Apply {
                return Err(key.error("an action: instructions stand in a flow only"));
            }
            note_kind(&mut kinds, key);
            others = true;
            list.action(key, value)?;
        }
        check_kinds(kinds)?;
        match dropped.filter(|_| others) {
            Some(drop) => Err(drop.error("no other action beside drop")),
            None => Ok(list.out.into_vec()),
        }
    }

    pub(super) fn put(&mut self, text: Piece<'_>, action: &Action) -> Result<(), ParseError> {
        action.encode(&mut self.out).map_err(|error| too_long(text, &error))
    }

    /// Appends an action of this type around what `body` writes.
    pub(super) fn raw(
        &mut self,
        text: Piece<'_>,
        action_type: u16,
        body: impl FnOnce(&mut Writer),
    ) -> Result<(), ParseError> {
        let mark = self.out.begin();
        self.out.u16(action_type);
        self.out.u16(0);
        body(&mut self.out);
        self.out.pad8(mark);
        self.out.end(mark, 2, "action").map_err(|error| too_long(text, &error))
    }

    /// Only fields of connection tracking are set in `ct(exec(…))`, and nowhere else.
    fn check_nesting(&self, key: Piece<'_>, written: Option<&Field>) -> Result<(), ParseError> {
        let tracked = written.is_some_and(|field| [&oxm::CT_MARK, &oxm::CT_LABEL].contains(&field));
        match (self.outer, tracked) {
            (Outer::Ct, false) => Err(key.error("set_field, load or move to ct_mark or ct_label within ct")),
            (Outer::Ct, true) | (_, false) => Ok(()),
            (_, true) => Err(key.error("this field to be set within ct(exec(…)) only")),
        }
    }

    fn action(&mut self, key: Piece<'_>, value: Piece<'_>) -> Result<(), ParseError> {
        let name = key.text.to_ascii_lowercase();
        match name.as_str() {
            "set_field" => return self.set_field(key, value),
            "load" => return self.load(key, value),
            "move" => return self.move_bits(key, value),
            "nat" if self.outer == Outer::Ct => return ct::nat(self, value),
            "nat" => return Err(key.error("nat within ct only")),
            _ => self.check_nesting(key, None)?,
        }
        match name.as_str() {
            "output" => self.output(value),
            "group" => {
                let group = number_u32(value)?;
                self.put(value, &Action::Group(group))
            }
            "controller" => nicira::controller(self, value),
            "push_vlan" => self.push_vlan(value),
            "strip_vlan" | "pop_vlan" => {
                if !self.packet.is_vlan() {
                    return Err(key.error("this action in a flow that matches a VLAN tag"));
                }
                let [_, inner] = self.packet.tci;
                self.packet.tci = [inner, 0];
                self.put(key, &Action::PopVlan)
            }
            "mod_vlan_vid" | "set_vlan_vid" => {
                let vid = number_of(value, 12, "a VLAN id from 0 to 4095")?;
                self.tag(key, (&oxm::VLAN_VID, vid | u128::from(VLAN_PRESENT)), name.starts_with("mod"))
            }
            "mod_vlan_pcp" | "set_vlan_pcp" => {
                let pcp = number_of(value, 3, "a priority from 0 to 7")?;
                self.tag(key, (&oxm::VLAN_PCP, pcp), name.starts_with("mod"))
            }
            "mod_dl_src" => self.set_whole(value, &oxm::ETH_SRC, values::mac(value)?),
            "mod_dl_dst" => self.set_whole(value, &oxm::ETH_DST, values::mac(value)?),
            "mod_nw_src" | "mod_nw_dst" => {
                if self.packet.dl_type() != ETH_TYPE_IPV4 {
                    return Err(key.error("this action in a flow that matches IPv4"));
                }
                let field = if name == "mod_nw_src" { &oxm::IPV4_SRC } else { &oxm::IPV4_DST };
                self.set_whole(value, field, values::ipv4(value)?)
            }
            "mod_nw_tos" => {
                self.packet.require_ip(key)?;
                let tos = number_u8(value)?;
                if tos & 3 != 0 {
                    return Err(value.error("a type of service, a multiple of 4"));
                }
                self.set_whole(value, &oxm::IP_DSCP, u128::from(tos >> 2))
            }
            "mod_nw_ecn" => {
                self.packet.require_ip(key)?;
                self.set_whole(value, &oxm::IP_ECN, number_of(value, 2, "an ECN from 0 to 3")?)
            }
            "mod_nw_ttl" | "set_nw_ttl" => {
                self.packet.require_ip(key)?;
                let ttl = number_u8(value)?;
                self.byte(value, 23, ttl)
            }
            "mod_tp_src" | "mod_tp_dst" => self.transport_port(key, value, name == "mod_tp_src"),
            "dec_ttl" => {
                self.packet.require_ip(key)?;
                nicira::dec_ttl(self, key, value)
            }
            "set_mpls_label" => {
                self.packet.require_mpls(key)?;
                self.set_whole(value, &oxm::MPLS_LABEL, number_of(value, 20, "an MPLS label")?)
            }
            "set_mpls_tc" => {
                self.packet.require_mpls(key)?;
                self.set_whole(value, &oxm::MPLS_TC, number_of(value, 3, "a traffic class from 0 to 7")?)
            }
            "set_mpls_ttl" => {
                self.packet.require_mpls(key)?;
                let ttl = number_u8(value)?;
                self.byte(value, 15, ttl)
            }
            "dec_mpls_ttl" => {
                self.packet.require_mpls(key)?;
                self.raw(key, 16, |out| out.zeros(4))
            }
            "push_mpls" | "pop_mpls" => self.mpls(key, value, name == "push_mpls"),
            "set_tunnel" | "set_tunnel64" => {
                let id = if name == "set_tunnel" { u64::from(number_u32(value)?) } else { number_u64(value)? };
                self.set_whole(value, &oxm::TUN_ID, id.into())
            }
            "set_queue" => {
                let queue = number_u32(value)?;
                self.put(value, &Action::SetQueue(queue))
            }
            "learn" => learn::learn(self, value),
            "ct" => ct::ct(self, key, value),
            _ => nicira::action(self, &name, key, value),
        }
    }

    fn byte(&mut self, text: Piece<'_>, action_type: u16, value: u8) -> Result<(), ParseError> {
        self.raw(text, action_type, |out| {
            out.u8(value);
            out.zeros(3);
        })
    }

    fn set_whole(&mut self, text: Piece<'_>, field: &'static Field, value: u128) -> Result<(), ParseError> {
        self.put(text, &Action::SetField(FieldValue::new(field, value)))
    }

    fn output(&mut self, value: Piece<'_>) -> Result<(), ParseError> {
        if value.text.contains("port") && value.text.contains("max_len") {
            return nicira::output_truncated(self, value);
        }
        match values::port(value, self.names) {
            Ok(port) => self.output_to(value, port),
            Err(error) => nicira::output_register(self, value).map_err(|_| error),
        }
    }

    /// Outputs to a port that can be one to output to.
    pub(super) fn output_to(&mut self, text: Piece<'_>, port: PortNo) -> Result<(), ParseError> {
        if port.0 >= PortNo::MAX.0 && !(PortNo::IN_PORT.0..PortNo::ANY.0).contains(&port.0) {
            return Err(text.error("a port to output to"));
        }
        let max_len = if port == PortNo::CONTROLLER { u16::MAX } else { 0 };
        self.put(text, &Action::Output { port, max_len })
    }

    fn push_vlan(&mut self, value: Piece<'_>) -> Result<(), ParseError> {
        let ethertype = number_u16(value)?;
        if !matches!(ethertype, 0x8100 | 0x88a8) {
            return Err(value.error("0x8100 or 0x88a8"));
        }
        self.push_tag(value, ethertype)
    }

    fn push_tag(&mut self, text: Piece<'_>, ethertype: u16) -> Result<(), ParseError> {
        let [outer, inner] = self.packet.tci;
        if inner & VLAN_PRESENT != 0 {
            return Err(text.error("at most two VLAN tags"));
        }
        self.packet.tci = [VLAN_PRESENT, outer];
        self.put(text, &Action::PushVlan(ethertype))
    }

    /// Sets a part of the tag; `push` adds one where there is none.
    fn tag(&mut self, key: Piece<'_>, (field, value): (&'static Field, u128), push: bool) -> Result<(), ParseError> {
        match (self.packet.is_vlan(), push) {
            (true, _) => {}
            (false, true) => self.push_tag(key, 0x8100)?,
            (false, false) => return Err(key.error("this action in a flow that matches a VLAN tag")),
        }
        self.set_whole(key, field, value)
    }

    fn transport_port(&mut self, key: Piece<'_>, value: Piece<'_>, src: bool) -> Result<(), ParseError> {
        let port = u128::from(number_u16(value)?);
        let field = match (self.packet.ip_proto, src) {
            (TCP, true) => &oxm::TCP_SRC,
            (TCP, false) => &oxm::TCP_DST,
            (UDP, true) => &oxm::UDP_SRC,
            (UDP, false) => &oxm::UDP_DST,
            (SCTP, true) => &oxm::SCTP_SRC,
            (SCTP, false) => &oxm::SCTP_DST,
            _ => return Err(key.error("this action in a flow that matches TCP, UDP or SCTP")),
        };
        self.packet.require(field, key)?;
        self.set_whole(value, field, port)
    }

    fn mpls(&mut self, key: Piece<'_>, value: Piece<'_>, push: bool) -> Result<(), ParseError> {
        let ethertype = number_u16(value)?;
        if push && !matches!(ethertype, 0x8847 | 0x8848) {
            return Err(value.error("0x8847 or 0x8848"));
        }
        if !push {
            self.packet.require_mpls(key)?;
        }
        self.packet.eth_type = ethertype;
        self.packet.ip_proto = if push { 0 } else { self.packet.ip_proto };
        self.raw(value, if push { 19 } else { 20 }, |out| {
            out.u16(ethertype);
            out.zeros(2);
        })
    }

    fn set_field(&mut self, key: Piece<'_>, value: Piece<'_>) -> Result<(), ParseError> {
        let (value, name) = value.split_last("->").ok_or_else(|| value.error("VALUE->FIELD"))?;
        let (name, value) = (name.trim(), value.trim());
        let field = by_name(name.text).ok_or_else(|| name.error("the name of a field"))?;
        if !field.writable {
            return Err(name.error("a field that can be written"));
        }
        self.check_nesting(key, Some(field))?;
        self.packet.require(field, name)?;
        let found = values::field_value(value, field, self.names)?;
        if !field.allows(found.value) {
            return Err(value.error("a value that the field can have"));
        }
        self.packet.written(field, found.value);
        let all = ones(u16::from(field.bytes) * 8);
        if found.mask == all {
            return self.set_whole(value, field, found.value);
        }
        if field.nxm.is_experimenter() {
            return nicira::load_masked(self, value, FieldValue::masked(field, found.value, found.mask));
        }
        self.loads(value, field, found)
    }

    /// One `load` for each run of bits in the mask, from the lowest; at most 64 bits at once.
    fn loads(&mut self, text: Piece<'_>, field: &'static Field, found: Masked) -> Result<(), ParseError> {
        let mut at = 0_u16;
        while at < 128 && found.mask >> at != 0 {
            at += (found.mask >> at).trailing_zeros() as u16;
            let bits = ((found.mask >> at).trailing_ones() as u16).min(64);
            let value = (found.value >> at & ones(bits)) as u64;
            self.put(text, &Action::Load { value, dst: Subfield { field, offset: at, bits } })?;
            at += bits;
        }
        Ok(())
    }

    fn load(&mut self, key: Piece<'_>, value: Piece<'_>) -> Result<(), ParseError> {
        let (number, name) = value.split_once("->").ok_or_else(|| value.error("NUMBER->FIELD"))?;
        let name = name.trim();
        let dst = fields::destination(name, &self.packet)?;
        self.check_nesting(key, Some(dst.field))?;
        let number = number_of(number.trim(), dst.bits, "a number that fits into the field")?;
        let found = Masked { value: number << dst.offset, mask: ones(dst.bits) << dst.offset };
        self.packet.written(dst.field, found.value);
        if dst.field.nxm.is_experimenter() {
            return nicira::load_masked(self, value, FieldValue::masked(dst.field, found.value, found.mask));
        }
        self.loads(value, dst.field, found)
    }

    fn move_bits(&mut self, key: Piece<'_>, value: Piece<'_>) -> Result<(), ParseError> {
        let (src, dst) = value.split_once("->").ok_or_else(|| value.error("SOURCE->DESTINATION"))?;
        let (src, dst_text) = (src.trim(), dst.trim());
        let (src, dst) = (fields::source(src, &self.packet)?, fields::destination(dst_text, &self.packet)?);
        self.check_nesting(key, Some(dst.field))?;
        if src.bits != dst.bits {
            return Err(dst_text.error("as many bits as the source has"));
        }
        self.put(value, &Action::Move { src, dst })
    }
}
