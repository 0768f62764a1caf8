//! Actions among themselves: which may stand within which, beside which, and in which order.

use super::Violation;
use crate::openflow::oxm::{self, Field};
use crate::openflow::{Action, ErrorCode, Instruction};

/// Within what a list of actions stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outer {
    /// A flow, a packet-out or a bucket.
    None,
    /// `write_actions(…)`.
    WriteActions,
    /// `ct(exec(…))`.
    Ct,
    /// `clone(…)`.
    Clone,
}

/// Instructions in the order in which a switch carries them out.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Step {
    /// `meter`.
    Meter,
    /// Actions that are done at once.
    Apply,
    /// `clear_actions`.
    Clear,
    /// `write_actions`.
    Write,
    /// `write_metadata`.
    Metadata,
    /// `goto_table`.
    Goto,
}

const ORDER: Violation = Violation::new(
    ErrorCode::BAC_UNSUPPORTED_ORDER,
    "each instruction once, in the order meter, actions, clear_actions, write_actions, write_metadata, goto_table",
);

/// Holds the instructions of a flow against each other, whichever order they stand in.
pub fn instructions(list: &[Instruction]) -> Result<(), Violation> {
    let applied = || list.iter().find_map(|instruction| applied(instruction)).unwrap_or_default();
    for instruction in list {
        match instruction {
            Instruction::Other { code, .. } => return Err(Violation::new(*code, "an instruction that is known")),
            Instruction::ApplyActions(actions) => known(actions)?,
            Instruction::WriteActions(actions) => {
                known(actions)?;
                action_set(actions)?;
            }
            _ => {}
        }
    }
    let others = list.iter().any(|instruction| !matches!(instruction, Instruction::ApplyActions(_)));
    if conjunctions(applied(), others)? {
        return Ok(());
    }
    let mut last = Step::Apply;
    for action in applied() {
        nested(action, Outer::None)?;
        last = next_step(last, step(action))?;
    }
    // What follows the actions is in order by itself, unless `write_metadata` stands among them.
    let later = list.iter().filter_map(step_of).filter(|next| *next > Step::Apply);
    if last > Step::Apply && later.into_iter().any(|next| next <= last) {
        return Err(ORDER);
    }
    Ok(())
}

/// Holds that each action has a place in an action set (OpenFlow 1.3.5 §5.10).
pub fn action_set(list: &[Action]) -> Result<(), Violation> {
    match list.iter().all(is_of_action_set) {
        true => Ok(()),
        false => Err(Violation::new(ErrorCode::BAC_BAD_TYPE, "actions that an action set can hold")),
    }
}

/// Holds a list of actions without instructions against each other: of a packet-out or a bucket.
pub fn actions(list: &[Action]) -> Result<(), Violation> {
    known(list)?;
    list_within(list, Outer::None)
}

/// Likewise, a list within another action; what stands within its actions is not looked at.
pub fn list_within(list: &[Action], outer: Outer) -> Result<(), Violation> {
    if conjunctions(list, false)? {
        return Ok(());
    }
    for action in list {
        nested(action, outer)?;
        if step(action) != Step::Apply {
            return Err(Violation::new(ErrorCode::BIC_UNSUP_INST, "an action: instructions stand in a flow only"));
        }
    }
    Ok(())
}

fn applied(instruction: &Instruction) -> Option<&[Action]> {
    match instruction {
        Instruction::ApplyActions(actions) => Some(actions),
        _ => None,
    }
}

const fn step_of(instruction: &Instruction) -> Option<Step> {
    Some(match instruction {
        Instruction::Meter(_) => Step::Meter,
        Instruction::ApplyActions(_) => Step::Apply,
        Instruction::ClearActions => Step::Clear,
        Instruction::WriteActions(_) => Step::Write,
        Instruction::WriteMetadata { .. } => Step::Metadata,
        Instruction::GotoTable(_) => Step::Goto,
        Instruction::Other { .. } => return None,
    })
}

const fn step(action: &Action) -> Step {
    match action {
        Action::WriteMetadata { .. } => Step::Metadata,
        _ => Step::Apply,
    }
}

/// The step behind `last`; an error if `next` cannot follow.
pub fn next_step(last: Step, next: Step) -> Result<Step, Violation> {
    match next.cmp(&last) {
        std::cmp::Ordering::Less => Err(ORDER),
        std::cmp::Ordering::Equal if next != Step::Apply => Err(ORDER),
        _ => Ok(next),
    }
}

/// Holds that Open vSwitch knows each action, and those within it.
fn known(list: &[Action]) -> Result<(), Violation> {
    list.iter().try_for_each(|action| match action {
        Action::Other { code, .. } => Err(Violation::new(*code, "an action that is known")),
        Action::CopyTtlOut | Action::CopyTtlIn | Action::PushPbb(_) | Action::PopPbb => {
            Err(Violation::new(ErrorCode::BAC_BAD_TYPE, "an action that Open vSwitch has"))
        }
        Action::DebugSlow | Action::DebugRecirc => {
            Err(Violation::new(ErrorCode::BAC_BAD_EXP_TYPE, "no action of Open vSwitch's own tests"))
        }
        Action::Ct(ct) => known(&ct.actions).and_then(|()| list_within(&ct.actions, Outer::Ct)),
        Action::Clone(actions) => known(actions).and_then(|()| list_within(actions, Outer::None)),
        _ => Ok(()),
    })
}

/// True if the list has a `conjunction`: then nothing but `note` may stand beside it.
fn conjunctions(list: &[Action], others: bool) -> Result<bool, Violation> {
    let is_conjunction = |action: &Action| matches!(action, Action::Conjunction { .. });
    if !list.iter().any(is_conjunction) {
        return Ok(false);
    }
    if others || !list.iter().all(|action| is_conjunction(action) || matches!(action, Action::Note(_))) {
        return Err(Violation::new(ErrorCode::NXBAC_BAD_CONJUNCTION, "nothing but note beside conjunction"));
    }
    Ok(true)
}

/// The field that an action sets, of those actions that set one.
const fn written(action: &Action) -> Option<&'static Field> {
    match action {
        Action::SetField(value) | Action::Load2(value) => Some(value.field),
        Action::Load { dst, .. } | Action::Move { dst, .. } | Action::CopyField { dst, .. } => Some(dst.field),
        _ => None,
    }
}

/// Holds that `action` may stand within `outer`: the fields of a connection are set in `ct(exec(…))`, and nothing
/// else is.
pub fn nested(action: &Action, outer: Outer) -> Result<(), Violation> {
    let field = written(action);
    let tracked = field.is_some_and(|field| [&oxm::CT_MARK, &oxm::CT_LABEL].contains(&field));
    let bad_set = |expected| Err(Violation::new(ErrorCode::BAC_BAD_SET_ARGUMENT, expected));
    match (action, outer) {
        (_, outer) if tracked && outer != Outer::Ct => bad_set("this field to be set within ct(exec(…)) only"),
        (Action::Nat(_), Outer::Ct) => Ok(()),
        (Action::Nat(_), _) => bad_set("nat within ct only"),
        (_, Outer::Ct) if !tracked => {
            let expected = "set_field, load or move to ct_mark or ct_label within ct";
            Err(Violation::new(ErrorCode::BAC_BAD_ARGUMENT, expected))
        }
        _ => Ok(()),
    }
}

const fn is_of_action_set(action: &Action) -> bool {
    !matches!(
        action,
        Action::Bundle(_)
            | Action::Clone(_)
            | Action::Nat(_)
            | Action::Controller { .. }
            | Action::Controller2(_)
            | Action::Exit
            | Action::FinTimeout { .. }
            | Action::Learn(_)
            | Action::Conjunction { .. }
            | Action::Multipath(_)
            | Action::Note(_)
            | Action::OutputReg { .. }
            | Action::OutputReg2 { .. }
            | Action::OutputTrunc { .. }
            | Action::PopQueue
            | Action::Sample(_)
            | Action::StackPop(_)
            | Action::StackPush(_)
            | Action::WriteMetadata { .. }
            | Action::CheckPktLarger { .. }
            | Action::DeleteField(_)
    )
}
