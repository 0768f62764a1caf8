//! A trace as people read it, laid out as `ofproto/trace` of Open vSwitch does.

use std::io::{self, Write};

use super::words::Words;
use crate::flow::sim::{BridgeId, Delivery, Leg, Packet, Step, Trace, Weight};

const RULE_WIDTH: usize = 79;
const INDENT: usize = 4;

/// Writes a whole trace.
pub(super) fn write(trace: &Trace, words: &Words<'_>, out: &mut impl Write) -> io::Result<()> {
    for leg in &trace.legs {
        if let Some(start) = words.start(leg) {
            let rule = "=".repeat(RULE_WIDTH);
            writeln!(out, "\n{rule}\n{start}\n{rule}\n")?;
        }
        write_leg(leg, words, out)?;
    }
    if trace.cut {
        writeln!(out, "\nNot followed any further: the packet goes round in circles.")?;
    }
    Ok(())
}

fn write_leg(leg: &Leg, words: &Words<'_>, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "Flow: {}", words.packet(leg.bridge, &leg.first))?;
    let mut tree = Tree { words, packet: &leg.first, out };
    tree.steps(leg.bridge, &leg.steps, 0)?;
    let last = words.packet(leg.bridge, &leg.last);
    let unchanged = leg.first == leg.last;
    writeln!(out, "\nFinal flow: {}", if unchanged { "unchanged" } else { &last })?;
    outcome(leg, words, out)
}

fn outcome(leg: &Leg, words: &Words<'_>, out: &mut impl Write) -> io::Result<()> {
    if let Some(fault) = leg.fault {
        return writeln!(out, "Outcome: dropped: {fault}");
    }
    if leg.deliveries.is_empty() {
        return writeln!(out, "Outcome: {}", if leg.goes_on { "goes on below" } else { "dropped" });
    }
    writeln!(out, "Outcome:")?;
    for delivery in &leg.deliveries {
        writeln!(out, "    {}", sentence(delivery, &leg.first, words))?;
    }
    Ok(())
}

/// `output from br-tun to port 2, with tun_id=0x3e9`.
fn sentence(delivery: &Delivery, first: &Packet, words: &Words<'_>) -> String {
    let may = if delivery.certain { "" } else { "maybe " };
    let bridge = words.bridge_name(delivery.bridge);
    let to = words.destination(delivery);
    let changes = words.changes(delivery.bridge, &delivery.packet, first);
    let with = if changes.is_empty() { String::new() } else { format!(", with {changes}") };
    format!("{may}output from {bridge} to {to}{with}")
}

/// The steps as a tree. What is last of its list stands as far left as the list: one step after the other that
/// ends in a resubmit would otherwise run out of the page.
struct Tree<'a, W> {
    words: &'a Words<'a>,
    /// As it was at first: what rules look at stays.
    packet: &'a Packet,
    out: &'a mut W,
}

impl<W: Write> Tree<'_, W> {
    fn steps(&mut self, bridge: BridgeId, steps: &[Step], level: usize) -> io::Result<()> {
        for (at, step) in steps.iter().enumerate() {
            let is_leaf = matches!(step, Step::Drop | Step::Action(_) | Step::Instruction(_) | Step::Note(_));
            let indented = is_leaf || matches!(step, Step::Case { .. } | Step::Thaw(_));
            let more = usize::from(at + 1 < steps.len() || indented);
            self.step(bridge, step, level + more)?;
            if let Step::Table { table, hit: Some(hit), .. } = step {
                for remark in self.words.remarks(bridge, (*table, hit), self.packet) {
                    self.line(level + more + more + 1, &format!("# {remark}"))?;
                }
            }
            let (bridge, inner) = step.inner(bridge);
            self.steps(bridge, inner, level + more + more)?;
        }
        Ok(())
    }

    fn line(&mut self, level: usize, text: &str) -> io::Result<()> {
        writeln!(self.out, "{:1$}{text}", "", level * INDENT)
    }

    fn step(&mut self, bridge: BridgeId, step: &Step, level: usize) -> io::Result<()> {
        let words = self.words;
        match step {
            Step::Bridge { bridge, .. } => {
                let title = format!("bridge(\"{}\")", words.bridge_name(*bridge));
                writeln!(self.out)?;
                self.line(level, &title)?;
                self.line(level, &"-".repeat(title.len()))
            }
            Step::Thaw(table) => self.line(level, &format!("Resuming from table {table}")),
            Step::Table { table, hit: None, .. } => self.line(level, &format!("{table:>2}. No match.")),
            Step::Table { table, hit: Some(hit), .. } => {
                self.line(level, &format!("{table:>2}. {}", words.flow(bridge, &hit.flow)))
            }
            Step::Drop => self.line(level, "drop"),
            Step::Action(action) => self.line(level, &words.action(bridge, action)),
            Step::Instruction(instruction) => self.line(level, &words.instruction(bridge, instruction)),
            Step::Bucket { id, .. } => self.line(level, &format!("bucket {id}")),
            Step::Case { larger, .. } => self.line(level, if *larger { "if larger" } else { "if not larger" }),
            Step::ActionSet(_) => self.line(level, "--. Executing action set:"),
            Step::Note(note) => {
                let text = words.note(bridge, note);
                self.line(
                    level,
                    &match note.weight() {
                        Weight::Detail => format!(" -> {text}"),
                        Weight::Warning => format!(" >> {text}"),
                        Weight::Unknown => format!(" ?? {text}"),
                        Weight::Error => format!(" >>>> {text} <<<<"),
                    },
                )
            }
        }
    }
}
