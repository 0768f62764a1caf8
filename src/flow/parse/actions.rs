//! Instructions and lists of actions: what stands behind `actions=`.

use std::borrow::Cow;

use super::piece::Piece;
use super::values::{self, number_of, number_u8, number_u16, number_u32, number_u64};
use super::{Lookup, ParseError, ct, encap, forward, learn, modify, select, special};
use crate::flow::check::consistency::{self, Misfit};
use crate::flow::check::verify::{self, Outer, Step};
use crate::openflow::action::MAX_DEPTH;
use crate::openflow::oxm::{self, Packet};
use crate::openflow::{Action, Instruction, PortNo, Writer};

/// What the instructions of most flows take at the most.
const TYPICAL_LENGTH: usize = 256;

/// How many actions most flows have at the most.
const TYPICAL_COUNT: usize = 16;

/// A list of actions being read.
pub(super) struct List<'n> {
    pub(super) names: &'n dyn Lookup,
    /// The packets as the actions so far leave them.
    pub(super) packet: Packet,
    outer: Outer,
    held: Held,
    depth: u8,
    pub(super) actions: Vec<Action>,
}

/// How actions are held against the packets that they are for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Held {
    /// Those of a flow.
    Strictly,
    /// Within `write_actions`: what the packets are when they are carried out is not known.
    ActionSet,
    /// Those of a bucket or a packet-out: a switch looks at them.
    Freely,
}

/// What was said so far, as far as it may not stand beside everything.
#[derive(Default)]
struct Company<'t> {
    conjunction: Option<Piece<'t>>,
    /// What is neither `conjunction` nor `note`.
    other: Option<Piece<'t>>,
    note: Option<Piece<'t>>,
    drop: Option<Piece<'t>>,
}

impl<'t> Company<'t> {
    /// Adds the action at `key`, whose name in lower case is `name`.
    fn add(&mut self, key: Piece<'t>, name: &str) {
        let place = match name {
            "conjunction" => &mut self.conjunction,
            "note" => &mut self.note,
            "drop" => &mut self.drop,
            _ => &mut self.other,
        };
        *place = place.or(Some(key));
    }

    fn check(&self) -> Result<(), ParseError> {
        let beside = self.conjunction.or(self.other).or(self.note);
        match (self.conjunction.and(self.other), self.drop.filter(|_| beside.is_some())) {
            (Some(other), _) => Err(other.error("only note beside conjunction")),
            (_, Some(drop)) => Err(drop.error("no other action beside drop")),
            _ => Ok(()),
        }
    }
}

/// `name` in lower case: Open vSwitch takes the names of actions in either.
fn lowercase(name: &str) -> Cow<'_, str> {
    match name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        true => Cow::Owned(name.to_ascii_lowercase()),
        false => Cow::Borrowed(name),
    }
}

/// Of an action by its name in lower case.
fn step_of(name: &str) -> Step {
    match name {
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
    let actions = Vec::with_capacity(TYPICAL_COUNT);
    let mut list = List { names, packet, outer: Outer::None, held: Held::Strictly, depth: 0, actions };
    let mut out = Writer::with_capacity(TYPICAL_LENGTH);
    let (mut rest, mut company) = (text, Company::default());
    let mut last = None;
    while let Some((key, value)) = rest.next_pair() {
        let name = lowercase(key.text);
        company.add(key, &name);
        if name == "drop" {
            continue;
        }
        let step = step_of(&name);
        if let Some(last) = last {
            verify::next_step(last, step).map_err(|violation| key.error(violation.expected))?;
        }
        last = Some(step);
        if step == Step::Apply {
            list.action(&name, key, value)?;
        } else {
            list.finish(text, &mut out)?;
            let instruction = list.instruction(step, key, value)?;
            // An empty action set goes unsaid.
            if !matches!(&instruction, Instruction::WriteActions(actions) if actions.is_empty()) {
                instruction.encode(&mut out).map_err(|_| too_long(value))?;
            }
        }
    }
    list.finish(text, &mut out)?;
    company.check()?;
    Ok(out.into_vec())
}

/// Reads actions that are for packets of any kind into their bytes.
pub(super) fn list(pairs: &[(Piece<'_>, Piece<'_>)], names: &dyn Lookup) -> Result<Vec<u8>, ParseError> {
    let packet = Packet::default();
    let mut list = List { names, packet, outer: Outer::None, held: Held::Freely, depth: 0, actions: Vec::new() };
    list.read(pairs.iter().copied())?;
    let mut out = Writer::new();
    for action in &list.actions {
        action
            .encode(&mut out)
            .map_err(|_| pairs.first().map_or_else(|| too_long(Piece::new("")), |(key, _)| too_long(*key)))?;
    }
    Ok(out.into_vec())
}

fn too_long(text: Piece<'_>) -> ParseError {
    text.error("actions that fit a message")
}

impl List<'_> {
    /// Appends the actions that were read so far.
    fn finish(&mut self, text: Piece<'_>, out: &mut Writer) -> Result<(), ParseError> {
        if self.actions.is_empty() {
            return Ok(());
        }
        let applied = Instruction::ApplyActions(std::mem::take(&mut self.actions));
        applied.encode(out).map_err(|_| too_long(text))
    }

    fn instruction(&mut self, step: Step, key: Piece<'_>, value: Piece<'_>) -> Result<Instruction, ParseError> {
        let fits = |checked: Result<(), Misfit>| checked.map_err(|misfit| value.error(misfit.violation().expected));
        match step {
            Step::Meter => {
                let meter = number_u32(value)?;
                fits(consistency::meter(meter)).map(|()| Instruction::Meter(meter))
            }
            Step::Write => {
                let actions = self.nested(value, Outer::WriteActions)?;
                verify::action_set(&actions).map_err(|violation| value.error(violation.expected))?;
                Ok(Instruction::WriteActions(actions))
            }
            Step::Metadata => {
                let (metadata, mask) = match value.split_once("/") {
                    Some((metadata, mask)) => (metadata, number_u64(mask)?),
                    None => (value, u64::MAX),
                };
                Ok(Instruction::WriteMetadata { metadata: number_u64(metadata)?, mask })
            }
            Step::Goto => {
                let table = values::table(value, self.names)?;
                fits(consistency::goto_table(table, &self.packet)).map(|()| Instruction::GotoTable(table))
            }
            Step::Clear => Ok(Instruction::ClearActions),
            Step::Apply => Err(key.error("an instruction")),
        }
    }

    /// Reads a list within this one; what its actions do to the packet ends with it.
    pub(super) fn nested(&self, text: Piece<'_>, outer: Outer) -> Result<Vec<Action>, ParseError> {
        if self.depth >= MAX_DEPTH {
            return Err(text.error("actions less deep within actions"));
        }
        let mut list = self.within(outer);
        let mut rest = text;
        list.read(std::iter::from_fn(|| rest.next_pair()))?;
        Ok(list.actions)
    }

    /// Appends actions that stand one after the other.
    fn read<'t>(&mut self, pairs: impl Iterator<Item = (Piece<'t>, Piece<'t>)>) -> Result<(), ParseError> {
        let mut company = Company::default();
        for (key, value) in pairs {
            let name = lowercase(key.text);
            company.add(key, &name);
            if step_of(&name) != Step::Apply {
                return Err(key.error("an action: instructions stand in a flow only"));
            }
            if name != "drop" {
                self.action(&name, key, value)?;
            }
        }
        company.check()
    }

    /// An empty list within this one.
    pub(super) fn within(&self, outer: Outer) -> Self {
        let to_action_set = outer == Outer::WriteActions && self.held == Held::Strictly;
        let held = if to_action_set { Held::ActionSet } else { self.held };
        Self { outer, held, depth: self.depth + 1, actions: Vec::new(), ..*self }
    }

    /// What `checked` says of the actions at `text`, if it counts here.
    pub(super) fn fits(&self, text: Piece<'_>, checked: Result<(), Misfit>) -> Result<(), ParseError> {
        match (checked, self.held) {
            (Err(Misfit::Pointless(_)), Held::ActionSet) | (_, Held::Freely) => Ok(()),
            (checked, _) => checked.map_err(|misfit| text.error(misfit.violation().expected)),
        }
    }

    /// Appends an action that stands at `text`, if it may stand there.
    pub(super) fn push(&mut self, text: Piece<'_>, action: Action) -> Result<(), ParseError> {
        verify::nested(&action, self.outer).map_err(|violation| text.error(violation.expected))?;
        let in_openflow13 = modify::in_openflow13(&action, &self.packet);
        let sent = in_openflow13.as_ref().unwrap_or(&action);
        // What OpenFlow 1.0 lets pass stays within an action set only in the form that is sent.
        let held = if self.held == Held::ActionSet { sent } else { &action };
        match consistency::step(&mut self.packet, held) {
            // Whether the actions of a connection fit is for `ct` to say, once its zone is known.
            _ if self.outer == Outer::Ct => {}
            checked => self.fits(text, checked)?,
        }
        self.actions.push(in_openflow13.unwrap_or(action));
        Ok(())
    }

    /// Appends the action at `key`, whose name in lower case is `name`.
    fn action(&mut self, name: &str, key: Piece<'_>, value: Piece<'_>) -> Result<(), ParseError> {
        let action = match name {
            "output" => forward::output(value, self.names)?,
            "group" => Action::Group(number_u32(value)?),
            "controller" => forward::controller(value)?,
            "enqueue" => return forward::enqueue(self, value),
            "resubmit" => forward::resubmit(value, self.names)?,
            "bundle" => select::bundle(value, self.names)?,
            "bundle_load" => select::bundle_load(value, self.names)?,
            "multipath" => select::multipath(value)?,
            "set_queue" => Action::SetQueue(number_u32(value)?),
            "pop_queue" => Action::PopQueue,
            "set_field" => return modify::set_field(self, value),
            "load" => return modify::load(self, value),
            "move" => modify::move_bits(value)?,
            "push" => Action::StackPush(super::fields::subfield(value)?),
            "pop" => Action::StackPop(modify::destination(value)?),
            "delete_field" => special::delete_field(value)?,
            "push_vlan" => Action::PushVlan(modify::ethertype(value, [0x8100, 0x88a8])?),
            "strip_vlan" | "pop_vlan" => Action::PopVlan,
            "set_vlan_vid" => modify::vlan_vid(value)?,
            "set_vlan_pcp" => modify::vlan_pcp(value)?,
            "mod_vlan_vid" => modify::pushed(self, key, modify::vlan_vid(value)?)?,
            "mod_vlan_pcp" => modify::pushed(self, key, modify::vlan_pcp(value)?)?,
            "mod_dl_src" => Action::set_field(&oxm::ETH_SRC, values::mac(value)?),
            "mod_dl_dst" => Action::set_field(&oxm::ETH_DST, values::mac(value)?),
            "mod_nw_src" => Action::SetNwSrc(modify::ipv4(value)?),
            "mod_nw_dst" => Action::SetNwDst(modify::ipv4(value)?),
            "mod_nw_tos" => modify::nw_tos(value)?,
            "mod_nw_ecn" => Action::SetNwEcn(number_of(value, 2, "an ECN from 0 to 3")? as u8),
            "mod_nw_ttl" | "set_nw_ttl" => Action::SetNwTtl(number_u8(value)?),
            "mod_tp_src" => Action::SetTpSrc(number_u16(value)?),
            "mod_tp_dst" => Action::SetTpDst(number_u16(value)?),
            "dec_ttl" => special::dec_ttl(value)?,
            "set_mpls_label" => Action::SetMplsLabel(number_of(value, 20, "an MPLS label")? as u32),
            "set_mpls_tc" => Action::SetMplsTc(number_of(value, 3, "a traffic class from 0 to 7")? as u8),
            "set_mpls_ttl" => Action::SetMplsTtl(number_u8(value)?),
            "dec_mpls_ttl" => Action::DecMplsTtl,
            "push_mpls" => Action::PushMpls(modify::ethertype(value, [0x8847, 0x8848])?),
            "pop_mpls" => Action::PopMpls(number_u16(value)?),
            "set_tunnel" | "set_tunnel64" => Action::set_field(&oxm::TUN_ID, number_u64(value)?.into()),
            "encap" => encap::encap(value)?,
            "decap" => encap::decap(value)?,
            "dec_nsh_ttl" => Action::DecNshTtl,
            "learn" => learn::learn(self, value)?,
            "ct" => ct::ct(self, value)?,
            "nat" => ct::nat(value)?,
            "ct_clear" => Action::CtClear,
            "conjunction" => special::conjunction(value)?,
            "note" => special::note(value)?,
            "exit" => Action::Exit,
            "clone" => Action::Clone(self.nested(value, Outer::Clone)?),
            "sample" => special::sample(value, self.names)?,
            "fin_timeout" => special::fin_timeout(value)?,
            "check_pkt_larger" => special::check_pkt_larger(value)?,
            _ => match values::port(key, self.names) {
                Ok(PortNo::CONTROLLER) => Action::Output { port: PortNo::CONTROLLER, max_len: 0 },
                Ok(port) => forward::output_to(key, port)?,
                Err(_) => return Err(key.error("an action or a port")),
            },
        };
        self.push(if value.is_empty() { key } else { value }, action)
    }
}
