//! The flow tables of a bridge: which flow a packet hits.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::packet::{Home, Packet, bits};
use crate::flow::Flow;
use crate::openflow::oxm::{self, Field, FieldValue, Tlvs};
use crate::openflow::{Action, DecodeError, Instruction, Reader, TableId};

/// A flow that was taken apart.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) flow: Arc<Flow>,
    pub(super) instructions: Vec<Instruction>,
    /// What the packet has to be; `None`: it is not known, for a field that the registry does not have.
    tests: Option<Vec<Test>>,
}

/// One field of a match.
#[derive(Debug)]
struct Test {
    home: Home,
    value: u128,
    mask: u128,
    /// A port or type of the transport layer, which a fragment does not show.
    transport: bool,
}

impl Test {
    fn new(value: &FieldValue) -> Self {
        let field = value.field;
        let mask = value.mask().map_or(bits(field), number);
        Self { home: Home::of(field), value: number(value.value()) & mask, mask, transport: is_transport(field) }
    }

    fn holds(&self, packet: &Packet) -> bool {
        let hidden = self.transport && packet.get(&oxm::IP_FRAG) & 1 == 1;
        let found = if hidden { 0 } else { packet.read(self.home) };
        found & self.mask == self.value
    }
}

fn number(bytes: &[u8]) -> u128 {
    bytes.iter().fold(0, |number, &byte| number << 8 | u128::from(byte))
}

fn is_transport(field: &Field) -> bool {
    let (tcp, udp) = ([&oxm::TCP_SRC, &oxm::TCP_DST], [&oxm::UDP_SRC, &oxm::UDP_DST]);
    let (sctp, icmp) = ([&oxm::SCTP_SRC, &oxm::SCTP_DST], [&oxm::ICMPV4_TYPE, &oxm::ICMPV4_CODE]);
    [tcp, udp, sctp, icmp, [&oxm::ICMPV6_TYPE, &oxm::ICMPV6_CODE]].as_flattened().contains(&field)
}

impl Entry {
    fn new(flow: Arc<Flow>) -> Result<Self, DecodeError> {
        let mut tests = Some(Vec::new());
        for tlv in Tlvs::new(Reader::new(flow.match_tlvs())) {
            match (FieldValue::from_tlv(&tlv?), &mut tests) {
                (Some(value), Some(tests)) => tests.push(Test::new(&value)),
                _ => tests = None,
            }
        }
        let instructions = flow.decode_instructions()?;
        Ok(Self { flow, instructions, tests })
    }

    fn matches(&self, packet: &Packet) -> bool {
        self.tests.as_ref().is_some_and(|tests| tests.iter().all(|test| test.holds(packet)))
    }

    /// The clauses of conjunctions that the flow stands for; none for a flow that is hit itself.
    fn clauses(&self) -> impl Iterator<Item = Clause> {
        let actions = self.instructions.iter().flat_map(|instruction| match instruction {
            Instruction::ApplyActions(actions) => actions.as_slice(),
            _ => &[],
        });
        actions.filter_map(Clause::of)
    }
}

/// `conjunction(ID,CLAUSE/OF)`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Clause {
    /// Which conjunction.
    pub id: u32,
    /// Which of its clauses, from 0.
    pub clause: u8,
    /// How many it has.
    pub of: u8,
}

impl Clause {
    fn of(action: &Action) -> Option<Self> {
        match action {
            Action::Conjunction { id, clause, n_clauses } => Some(Self { id: *id, clause: *clause, of: *n_clauses }),
            _ => None,
        }
    }
}

/// What a lookup found.
#[derive(Clone, Debug, Default)]
pub(super) struct Found<'t> {
    /// The flow that is hit; `None` for a table miss.
    pub(super) entry: Option<&'t Entry>,
    /// Another of the same priority that matches as well: which is hit is not defined.
    pub(super) rival: Option<&'t Entry>,
    /// A flow for each clause of the conjunction that led there.
    pub(super) clauses: Vec<(Clause, Arc<Flow>)>,
    /// Flows before it that nobody can hold against the packet.
    pub(super) unknown: Vec<Arc<Flow>>,
}

/// The flows of one bridge.
#[derive(Debug, Default)]
pub struct Tables {
    /// By priority from high to low.
    tables: BTreeMap<TableId, Vec<Entry>>,
}

impl Tables {
    /// Takes flows. Errors: one whose match or instructions are malformed.
    pub fn new(flows: impl IntoIterator<Item = Arc<Flow>>) -> Result<Self, DecodeError> {
        let mut tables: BTreeMap<TableId, Vec<Entry>> = BTreeMap::new();
        for flow in flows {
            tables.entry(flow.table).or_default().push(Entry::new(flow)?);
        }
        for table in tables.values_mut() {
            table.sort_by_key(|entry| std::cmp::Reverse(entry.flow.priority));
        }
        Ok(Self { tables })
    }

    /// The flow that a packet hits, as Open vSwitch finds it: a flow with `conjunction` actions is a part of a
    /// flow, and counts where flows of its priority hold all clauses and one matches their `conj_id`.
    pub(super) fn lookup(&self, table: TableId, packet: &Packet) -> Found<'_> {
        let entries = self.tables.get(&table).map_or(&[][..], Vec::as_slice);
        let mut parts: Vec<(Clause, Arc<Flow>)> = Vec::new();
        let mut at = None;
        for entry in entries.iter().filter(|entry| entry.matches(packet)) {
            let priority = entry.flow.priority;
            if at.is_some_and(|at| at > priority) {
                if let Some(found) = self.joined(table, packet, &parts) {
                    return found;
                }
                parts.clear();
            }
            let before = parts.len();
            parts.extend(entry.clauses().map(|clause| (clause, entry.flow.clone())));
            if parts.len() == before {
                let same = |entry: &&Entry| entry.flow.priority == priority && entry.clauses().next().is_none();
                return self.hard(table, packet, same);
            }
            at = Some(priority);
        }
        let joined = self.joined(table, packet, &parts);
        joined.unwrap_or_else(|| Found { unknown: unknown(entries, None), ..Found::default() })
    }

    /// The first flow of those that `wanted` takes.
    fn hard(&self, table: TableId, packet: &Packet, wanted: impl Fn(&&Entry) -> bool) -> Found<'_> {
        let entries = self.tables.get(&table).map_or(&[][..], Vec::as_slice);
        let mut hits = entries.iter().filter(wanted).filter(|entry| entry.matches(packet));
        let entry = hits.next();
        let priority = entry.map(|entry| entry.flow.priority);
        let rival = hits.next().filter(|rival| Some(rival.flow.priority) == priority);
        Found { entry, rival, clauses: Vec::new(), unknown: unknown(entries, priority) }
    }

    /// What is hit by a packet of which these clauses hold.
    fn joined(&self, table: TableId, packet: &Packet, parts: &[(Clause, Arc<Flow>)]) -> Option<Found<'_>> {
        parts.iter().enumerate().find_map(|(at, (last, _))| {
            let known = &parts[..=at];
            let holds = |number| known.iter().find(|(clause, _)| clause.id == last.id && clause.clause == number);
            let clauses = (0..last.of).map(holds).collect::<Option<Vec<_>>>()?;
            let packet = packet.clone().with(&oxm::CONJ_ID, last.id.into());
            let found = self.hard(table, &packet, |entry| entry.clauses().next().is_none());
            found.entry.is_some().then(|| Found { clauses: clauses.into_iter().cloned().collect(), ..found })
        })
    }
}

/// Flows down to a priority whose match nobody can judge.
fn unknown(entries: &[Entry], priority: Option<u16>) -> Vec<Arc<Flow>> {
    let before = entries.iter().take_while(|entry| priority.is_none_or(|priority| entry.flow.priority >= priority));
    before.filter(|entry| entry.tests.is_none()).map(|entry| entry.flow.clone()).collect()
}
