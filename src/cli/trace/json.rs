//! A trace as one JSON object; `docs/TRACE.md` describes it.

use std::io::{self, Write};

use serde_json::{Value, json};

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
    json!({
        "bridge": words.bridge_name(leg.bridge),
        "start": words.start(leg),
        "flow": words.packet(leg.bridge, &leg.first),
        "final_flow": words.packet(leg.bridge, &leg.last),
        "steps": steps(leg.bridge, &leg.steps, words),
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

fn steps(bridge: BridgeId, list: &[Step], words: &Words<'_>) -> Value {
    list.iter().map(|step| step_value(bridge, step, words)).collect()
}

fn step_value(bridge: BridgeId, step: &Step, words: &Words<'_>) -> Value {
    match step {
        Step::Bridge { bridge, steps: inner } => {
            json!({ "bridge": words.bridge_name(*bridge), "steps": steps(*bridge, inner, words) })
        }
        Step::Thaw(table) => json!({ "resume": table.0 }),
        Step::Table { table, hit, steps: inner } => {
            let hit = hit.as_ref().map(|hit| hit_value(bridge, *table, hit, words));
            json!({
                "table": table.0,
                "table_name": words.table(bridge, *table),
                "hit": hit,
                "steps": steps(bridge, inner, words),
            })
        }
        Step::Drop => json!({ "action": "drop" }),
        Step::Action(action) => json!({ "action": words.action(bridge, action) }),
        Step::Instruction(instruction) => json!({ "action": words.instruction(bridge, instruction) }),
        Step::Bucket { id, steps: inner } => json!({ "bucket": id, "steps": steps(bridge, inner, words) }),
        Step::Case { larger, steps: inner } => json!({ "larger": larger, "steps": steps(bridge, inner, words) }),
        Step::ActionSet(inner) => json!({ "action_set": steps(bridge, inner, words) }),
        Step::Note(note) => {
            let weight = match note.weight() {
                Weight::Detail => "detail",
                Weight::Warning => "warning",
                Weight::Unknown => "unknown",
                Weight::Error => "error",
            };
            json!({ "note": words.note(bridge, note), "weight": weight })
        }
    }
}

fn hit_value(bridge: BridgeId, table: TableId, hit: &Hit, words: &Words<'_>) -> Value {
    json!({
        "priority": hit.flow.priority,
        "cookie": format!("{:#x}", hit.flow.cookie.0),
        "match": words.match_text(bridge, &hit.flow),
        "actions": words.instructions(bridge, &hit.flow),
        "reason": words.reason(bridge, &hit.flow),
        "remarks": words.remarks(bridge, table, hit),
    })
}
