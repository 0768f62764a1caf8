//! A trace as one JSON object; `docs/OFCTL-DUMP.md` describes it. Steps are a flat list with their depth: a packet may
//! be resubmitted deeper than readers of JSON nest.

use std::io::{self, Write};

use serde_json::{Map, Value, json};

use super::words::Words;
use crate::flow::sim::{BridgeId, Delivery, Hit, Leg, Packet, Step, Trace, Weight};
use crate::openflow::TableId;

/// Writes a whole trace.
pub(super) fn write(trace: &Trace, words: &Words<'_>, out: &mut impl Write) -> io::Result<()> {
    let legs: Vec<Value> = trace.legs.iter().map(|leg| leg_value(leg, words)).collect();
    let object = json!({ "legs": legs, "dropped": !trace.goes_somewhere(), "cut": trace.cut });
    writeln!(out, "{object}")
}

fn leg_value(leg: &Leg, words: &Words<'_>) -> Value {
    let outputs: Vec<Value> = leg.deliveries.iter().map(|delivery| output(delivery, &leg.first, words)).collect();
    let mut steps = Steps { words, packet: &leg.first, list: Vec::new() };
    steps.add(leg.bridge, &leg.steps, 0);
    json!({
        "bridge": words.bridge_name(leg.bridge),
        "start": words.start(leg),
        "flow": words.packet(leg.bridge, &leg.first),
        "final_flow": words.packet(leg.bridge, &leg.last),
        "steps": steps.list,
        "outputs": outputs,
        "error": leg.fault.map(|fault| fault.to_string()),
    })
}

fn output(delivery: &Delivery, first: &Packet, words: &Words<'_>) -> Value {
    json!({
        "bridge": words.bridge_name(delivery.bridge),
        "to": words.destination(delivery),
        "flow": words.packet(delivery.bridge, &delivery.packet),
        "changes": words.changes(delivery.bridge, &delivery.packet, first),
        "certain": delivery.certain,
    })
}

/// The steps of a leg, one behind the other.
struct Steps<'a> {
    words: &'a Words<'a>,
    packet: &'a Packet,
    list: Vec<Value>,
}

impl Steps<'_> {
    fn add(&mut self, bridge: BridgeId, steps: &[Step], depth: usize) {
        for step in steps {
            let (bridge, inner) = step.inner(bridge);
            let mut object = Map::new();
            object.insert("depth".to_owned(), depth.into());
            object.insert("bridge".to_owned(), self.words.bridge_name(bridge).into());
            object.extend(self.parts(bridge, step));
            self.list.push(object.into());
            self.add(bridge, inner, depth + 1);
        }
    }

    /// What kind of step it is, and what belongs to it.
    fn parts(&self, bridge: BridgeId, step: &Step) -> Vec<(String, Value)> {
        let words = self.words;
        let part = |key: &str, value: Value| (key.to_owned(), value);
        match step {
            Step::Bridge { .. } => vec![part("step", "bridge".into())],
            Step::Thaw(table) => vec![part("step", "resume".into()), part("table", table.0.into())],
            Step::Table { table, hit, .. } => vec![
                part("step", "table".into()),
                part("table", table.0.into()),
                part("table_name", words.table(bridge, *table).into()),
                part("hit", hit.as_ref().map(|hit| self.hit(bridge, *table, hit)).into()),
            ],
            Step::Drop => vec![part("step", "action".into()), part("text", "drop".into())],
            Step::Action(action) => {
                vec![part("step", "action".into()), part("text", words.action(bridge, action).into())]
            }
            Step::Instruction(instruction) => {
                vec![part("step", "action".into()), part("text", words.instruction(bridge, instruction).into())]
            }
            Step::Bucket { id, .. } => vec![part("step", "bucket".into()), part("bucket", (*id).into())],
            Step::Case { larger, .. } => vec![part("step", "case".into()), part("larger", (*larger).into())],
            Step::ActionSet(_) => vec![part("step", "action_set".into())],
            Step::Note(note) => vec![
                part("step", "note".into()),
                part("weight", weight(note.weight()).into()),
                part("text", words.note(bridge, note).into()),
            ],
        }
    }

    fn hit(&self, bridge: BridgeId, table: TableId, hit: &Hit) -> Value {
        let words = self.words;
        let rules = words.rules(bridge, hit).into_iter();
        let rules = rules.map(|one| json!({ "group": &*one.group.name, "rule": one.number() }));
        json!({
            "priority": hit.flow.priority,
            "cookie": format!("{:#x}", hit.flow.cookie.0),
            "match": words.match_text(bridge, &hit.flow),
            "actions": words.instructions(bridge, &hit.flow),
            "reason": words.reason(bridge, &hit.flow),
            "rules": rules.collect::<Vec<_>>(),
            "remarks": words.remarks(bridge, (table, hit), self.packet),
        })
    }
}

const fn weight(weight: Weight) -> &'static str {
    match weight {
        Weight::Detail => "detail",
        Weight::Warning => "warning",
        Weight::Unknown => "unknown",
        Weight::Error => "error",
    }
}
