//! The difference between the flows of two sides, by identity.

use std::collections::HashSet;
use std::sync::Arc;

use crate::flow::text::{Numbers, Printer};
use crate::flow::{Flow, FlowTable};
use crate::openflow::{Action, Cookie, DecodeError, FlowFlags, Instruction, Reader, TableId};
use crate::pipeline::cookie::is_learnt;

/// What does not count.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Rules {
    /// Two flows that differ in nothing else are equal.
    pub ignore_cookie: bool,
    /// Flows that `learn` made are left out on both sides.
    pub ignore_learnt: bool,
}

/// Something in which two flows of one identity differ.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Aspect {
    /// The cookie.
    Cookie,
    /// A timeout.
    Timeouts,
    /// A flag that the switch keeps.
    Flags,
    /// What the flow does.
    Actions,
}

impl Aspect {
    /// The word for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Cookie => "cookie",
            Self::Timeouts => "timeouts",
            Self::Flags => "flags",
            Self::Actions => "actions",
        }
    }
}

/// A flow that the two sides do not have alike.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Difference {
    /// Only the first side has it.
    Removed(Arc<Flow>),
    /// Only the second side has it.
    Added(Arc<Flow>),
    /// Both have it, and it differs.
    Changed {
        /// On the first side.
        before: Arc<Flow>,
        /// On the second side.
        after: Arc<Flow>,
        /// In what.
        aspects: Vec<Aspect>,
    },
}

impl Difference {
    /// The flow, on the second side if both have it.
    pub fn flow(&self) -> &Flow {
        match self {
            Self::Removed(flow) | Self::Added(flow) | Self::Changed { after: flow, .. } => flow,
        }
    }
}

/// What turns the flows of `a` into those of `b`: by table, then priority from high to low, then match. Errors:
/// actions that are none.
pub fn compare(a: &FlowTable, b: &FlowTable, rules: Rules) -> Result<Vec<Difference>, DecodeError> {
    let learners = if rules.ignore_learnt { Learners::of([a, b])? } else { Learners::default() };
    let counts = |flow: &Flow| !rules.ignore_learnt || !learners.made(flow);
    let mut found = Vec::new();
    for before in a.iter().filter(|flow| counts(flow)) {
        match b.get(&before.key()) {
            None => found.push(Difference::Removed(before.clone())),
            Some(after) => {
                let aspects = aspects(before, after, rules)?;
                if !aspects.is_empty() {
                    found.push(Difference::Changed { before: before.clone(), after: after.clone(), aspects });
                }
            }
        }
    }
    let added = b.iter().filter(|flow| counts(flow) && a.get(&flow.key()).is_none());
    found.extend(added.map(|flow| Difference::Added(flow.clone())));
    found.sort_unstable_by(|a, b| {
        let (a, b) = (a.flow(), b.flow());
        (a.table, b.priority, a.match_tlvs()).cmp(&(b.table, a.priority, b.match_tlvs()))
    });
    Ok(found)
}

/// The flags that say how a flow is added, not how it is: `OFPFF_CHECK_OVERLAP` and `OFPFF_RESET_COUNTS`.
const OF_ADDING: u16 = 1 << 1 | 1 << 2;

fn aspects(a: &Flow, b: &Flow, rules: Rules) -> Result<Vec<Aspect>, DecodeError> {
    let kept = |flags: FlowFlags| flags.0 & !OF_ADDING;
    let mut aspects = Vec::new();
    let mut note = |differs: bool, aspect| {
        if differs {
            aspects.push(aspect);
        }
    };
    note(!rules.ignore_cookie && a.cookie != b.cookie, Aspect::Cookie);
    note((a.idle_timeout, a.hard_timeout) != (b.idle_timeout, b.hard_timeout), Aspect::Timeouts);
    note(kept(a.flags) != kept(b.flags), Aspect::Flags);
    // Some actions have several forms on the wire that read the same.
    let differs = a.instructions() != b.instructions() && actions(a)? != actions(b)?;
    note(differs, Aspect::Actions);
    Ok(aspects)
}

fn actions(flow: &Flow) -> Result<Vec<u8>, DecodeError> {
    let mut text = Vec::new();
    Printer::new(&Numbers).instructions(Reader::new(flow.instructions()), &mut text)?;
    Ok(text)
}

/// What flows have in common that an action `learn` makes.
type Mark = (TableId, u16, Cookie, u16, u16);

/// The `learn` actions of both sides.
#[derive(Default)]
struct Learners(HashSet<Mark>);

impl Learners {
    fn of(sides: [&FlowTable; 2]) -> Result<Self, DecodeError> {
        let mut learners = Self::default();
        for flow in sides.into_iter().flat_map(FlowTable::iter) {
            for instruction in flow.decode_instructions()? {
                if let Instruction::ApplyActions(actions) | Instruction::WriteActions(actions) = instruction {
                    learners.add(&actions);
                }
            }
        }
        Ok(learners)
    }

    fn add(&mut self, actions: &[Action]) {
        for action in actions {
            match action {
                Action::Learn(learn) => {
                    self.0.insert((learn.table, learn.priority, learn.cookie, learn.idle_timeout, learn.hard_timeout));
                }
                Action::Clone(actions) => self.add(actions),
                _ => {}
            }
        }
    }

    /// True for a flow that bears Heddle's cookie of learnt flows, or that has table, priority, cookie and
    /// timeouts of what an action of either side learns.
    fn made(&self, flow: &Flow) -> bool {
        is_learnt(flow.cookie)
            || self.0.contains(&(flow.table, flow.priority, flow.cookie, flow.idle_timeout, flow.hard_timeout))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::parse::{self, NoNames};
    use crate::flow::text::Cookies;
    use crate::pipeline::cookie::{Kind, cookie};

    fn table(lines: &str) -> FlowTable {
        let flow = |line: &str| {
            let parsed = parse::flow_stats(line.trim(), &NoNames).unwrap();
            Arc::new(Flow::from_stats(&parsed.to_flow_stats()))
        };
        lines.lines().map(flow).collect()
    }

    fn compared(a: &str, b: &str, rules: Rules) -> Vec<String> {
        let text = |flow: &Flow| {
            let mut out = Vec::new();
            Printer::new(&Numbers).wanted(flow, Cookies::Hidden, &mut out).unwrap();
            String::from_utf8(out).unwrap()
        };
        let words = |difference| match difference {
            Difference::Removed(flow) => format!("-{}", text(&flow)),
            Difference::Added(flow) => format!("+{}", text(&flow)),
            Difference::Changed { after, aspects, .. } => format!("{aspects:?} {}", text(&after)),
        };
        compare(&table(a), &table(b), rules).unwrap().into_iter().map(words).collect()
    }

    const ALL: Rules = Rules { ignore_cookie: false, ignore_learnt: false };

    #[test]
    fn what_only_one_side_has_and_what_differs_stands_in_the_order_of_the_tables() {
        let a = "table=3,priority=7,in_port=1,actions=drop\npriority=1,actions=NORMAL\npriority=9,arp,actions=drop";
        let b = "table=3,priority=8,in_port=1,actions=drop\npriority=1,actions=drop\npriority=9,arp,actions=drop";
        let expected = [
            "[Actions] table=0, priority=1 actions=drop",
            "+table=3, priority=8,in_port=1 actions=drop",
            "-table=3, priority=7,in_port=1 actions=drop",
        ];
        assert_eq!(compared(a, b, ALL), expected);
        assert!(compared(a, a, ALL).is_empty());
    }

    #[test]
    fn counters_and_ages_do_not_count_but_cookies_timeouts_and_flags_do() {
        let a = "cookie=0x1, duration=3s, n_packets=7, n_bytes=80, idle_timeout=5, priority=1 actions=drop";
        let same =
            "cookie=0x1, duration=9s, n_packets=0, n_bytes=0, idle_age=4, idle_timeout=5, priority=1 actions=drop";
        assert!(compared(a, same, ALL).is_empty());
        let other = "cookie=0x2, idle_timeout=6, send_flow_rem priority=1 actions=drop";
        assert_eq!(
            compared(a, other, ALL),
            ["[Cookie, Timeouts, Flags] table=0, idle_timeout=6, send_flow_rem priority=1 actions=drop"]
        );
        let rules = Rules { ignore_cookie: true, ..ALL };
        assert!(compared(a, "cookie=0x2, idle_timeout=5, check_overlap priority=1 actions=drop", rules).is_empty());
    }

    #[test]
    fn learnt_flows_are_told_by_the_action_that_makes_them_or_by_the_cookie() {
        let learner = "table=10,priority=1 actions=learn(table=20,hard_timeout=300,priority=1,cookie=0x5,\
                       NXM_OF_VLAN_TCI[0..11],output:NXM_OF_IN_PORT[]),output:1";
        let ours = format!("cookie={:#x}, table=9,priority=1,dl_vlan=2 actions=output:2", cookie(Kind::Learnt, "").0);
        let learnt = "cookie=0x5, table=20,hard_timeout=300,priority=1,dl_vlan=2 actions=output:2";
        let laid = "cookie=0x5, table=20,priority=2,dl_vlan=2 actions=output:2";
        let both = format!("{learner}\n{ours}\n{learnt}\n{laid}");
        let rules = Rules { ignore_learnt: true, ..ALL };
        assert_eq!(compared(learner, &both, rules), ["+table=20, priority=2,dl_vlan=2 actions=output:2"]);
        assert_eq!(compared(learner, &both, ALL).len(), 3);
    }

    #[test]
    fn two_wire_forms_of_one_text_are_equal() {
        let matching = crate::openflow::Match::new();
        let empty = Instruction::ApplyActions(Vec::new());
        let flow = |bytes: &[u8]| {
            let stats = parse::flow_stats("actions=drop", &NoNames).unwrap();
            let stats = crate::openflow::FlowStats {
                instructions: bytes,
                match_tlvs: matching.as_bytes(),
                ..stats.to_flow_stats()
            };
            std::iter::once(Arc::new(Flow::from_stats(&stats))).collect::<FlowTable>()
        };
        let (none, no_actions) = (flow(&[]), flow(&[0, 4, 0, 8, 0, 0, 0, 0]));
        assert_eq!(no_actions.iter().next().unwrap().decode_instructions().unwrap(), [empty]);
        assert!(compare(&none, &no_actions, ALL).unwrap().is_empty());
    }
}
