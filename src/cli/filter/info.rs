//! What a flow says of itself beside match and actions.

use super::compare::Set;
use super::lex::Word;
use super::{FilterError, Operator};
use crate::flow::parse::{self, Lookup};
use crate::openflow::{FlowFlags, FlowStats};

#[derive(Clone, Copy, Debug)]
enum Info {
    Table,
    Cookie,
    Duration,
    Packets,
    Bytes,
    Priority,
    IdleTimeout,
    HardTimeout,
    /// Bit of a flag.
    Flag(usize),
    /// What later or earlier versions of OpenFlow tell.
    Untold,
}

/// Every name.
pub(super) const NAMES: [&str; 11] = [
    "table",
    "cookie",
    "duration",
    "n_packets",
    "n_bytes",
    "priority",
    "idle_timeout",
    "hard_timeout",
    "idle_age",
    "hard_age",
    "importance",
];

impl Info {
    fn by_name(name: &str) -> Option<Self> {
        Some(match name {
            "table" => Self::Table,
            "cookie" => Self::Cookie,
            "duration" => Self::Duration,
            "n_packets" => Self::Packets,
            "n_bytes" => Self::Bytes,
            "priority" => Self::Priority,
            "idle_timeout" => Self::IdleTimeout,
            "hard_timeout" => Self::HardTimeout,
            "idle_age" | "hard_age" | "importance" => Self::Untold,
            _ => Self::Flag(FlowFlags::NAMES.iter().position(|flag| *flag == name)?),
        })
    }

    /// `None`: the flow does not tell, or has no timeout or flag.
    fn of(self, flow: &FlowStats<'_>) -> Option<u128> {
        let counter = |count: u64| (count != u64::MAX).then_some(count.into());
        let unless_zero = |number: u16| (number != 0).then_some(number.into());
        match self {
            Self::Table => Some(flow.table.0.into()),
            Self::Cookie => Some(flow.cookie.0.into()),
            Self::Duration => Some(u128::from(flow.duration_sec) * NANOSECONDS + u128::from(flow.duration_nsec)),
            Self::Packets => counter(flow.packet_count),
            Self::Bytes => counter(flow.byte_count),
            Self::Priority => Some(flow.priority.into()),
            Self::IdleTimeout => unless_zero(flow.idle_timeout),
            Self::HardTimeout => unless_zero(flow.hard_timeout),
            Self::Flag(bit) => (flow.flags.0 >> bit & 1 == 1).then_some(1),
            Self::Untold => None,
        }
    }

    fn operand(self, value: Word<'_>, names: &dyn Lookup) -> Result<Set, FilterError> {
        let number = |text| parse::number(text);
        if let Self::Flag(_) = self {
            return Err(value.error("true or false, or no value: this is a flag"));
        }
        if let (Self::Table, Some(table)) = (self, names.table(value.text)) {
            return Ok(Set::exactly(table.0.into()));
        }
        if let Self::Duration = self {
            let seconds = nanoseconds(value.text.strip_suffix('s').unwrap_or(value.text));
            return seconds.map(Set::exactly).ok_or_else(|| value.error("seconds, such as 60 or 0.5"));
        }
        let set = match value.text.split_once('/') {
            Some((number_, mask)) => {
                number(number_).zip(number(mask)).map(|(number, mask)| Set::new(number, mask).within(64))
            }
            None => number(value.text).map(Set::exactly),
        };
        let expected = if let Self::Table = self { "a table: its number, or its name" } else { "a number" };
        set.ok_or_else(|| value.error(expected))
    }
}

const NANOSECONDS: u128 = 1_000_000_000;

/// Seconds with up to nine decimals.
fn nanoseconds(text: &str) -> Option<u128> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, "0"));
    let good = |digits: &str| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    if !good(whole) || !good(decimals) || decimals.len() > 9 {
        return None;
    }
    Some(whole.parse::<u64>().ok()? as u128 * NANOSECONDS + format!("{decimals:0<9}").parse::<u128>().ok()?)
}

/// A test of one of them.
#[derive(Debug)]
pub(super) struct InfoTest {
    info: Info,
    comparison: Option<(Operator, Set)>,
}

impl InfoTest {
    /// `None`: `key` is none of them.
    pub(super) fn new(
        key: Word<'_>,
        comparison: Option<(Operator, Word<'_>)>,
        names: &dyn Lookup,
    ) -> Result<Option<Self>, FilterError> {
        let Some(info) = Info::by_name(key.text) else { return Ok(None) };
        let comparison = comparison.map(|(operator, value)| {
            let set = info.operand(value, names)?;
            if set.is_one() || operator == Operator::Contains {
                Ok((operator, set))
            } else {
                Err(value.error("a number without a mask; with one, ~= compares"))
            }
        });
        Ok(Some(Self { info, comparison: comparison.transpose()? }))
    }

    pub(super) fn holds(&self, flow: &FlowStats<'_>) -> bool {
        let Some(found) = self.info.of(flow) else {
            // A flow without a timeout has one of 0.
            let unlimited = matches!(self.info, Info::IdleTimeout | Info::HardTimeout);
            return unlimited && self.comparison.is_some_and(|(operator, set)| Set::exactly(0).compare(operator, set));
        };
        self.comparison.is_none_or(|(operator, set)| Set::exactly(found).compare(operator, set))
    }
}
