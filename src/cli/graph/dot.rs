//! A graph in the language of graphviz (`dot(1)`).

use std::io::{self, Write};

use super::ways::{End, Via};
use super::{Graph, counted, short};
use crate::openflow::TableId;

/// Ends stand at the table that they belong to: one `drop` for all tables would hide everything else.
pub(super) fn write(graph: &Graph<'_>, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "digraph flows {{")?;
    writeln!(out, "  label={}; labelloc=t; fontname=\"sans-serif\"; rankdir=TB;", quoted(&graph.title))?;
    writeln!(out, "  node [shape=box, style=\"rounded,filled\", fillcolor=\"#f4f6f8\", fontname=\"sans-serif\"];")?;
    writeln!(out, "  edge [fontname=\"sans-serif\", fontsize=10];")?;
    for (id, table) in &graph.tables {
        let traffic = table.traffic;
        let counts = format!("{}, {} packets", counted(traffic.flows, "flow"), short(traffic.packets));
        writeln!(out, "  {} [label={}];", node(*id), quoted(&format!("{}\n{counts}", graph.table_title(*id))))?;
        for (number, (end, traffic)) in table.ends.iter().enumerate() {
            let name = format!("{}_end{number}", node(*id));
            let (label, colour) = (quoted(&graph.end_title(end)), colour(end));
            writeln!(out, "  {name} [label={label}, shape=ellipse, fillcolor=\"{colour}\", fontsize=10];")?;
            writeln!(out, "  {} -> {name} [label=\"{}\", arrowsize=0.6];", node(*id), traffic.flows)?;
        }
    }
    for ((from, to, via), traffic) in &graph.edges {
        let style = match via {
            Via::Goto => "style=solid",
            Via::Resubmit => "style=solid, arrowhead=vee",
            Via::Conntrack => "style=bold",
            Via::Learn => "style=dotted, constraint=false, color=\"#7e57c2\"",
        };
        let tip = quoted(&format!("{}: {}, {} packets", via.word(), counted(traffic.flows, "flow"), traffic.packets));
        writeln!(out, "  {} -> {} [label=\"{}\", tooltip={tip}, {style}];", node(*from), node(*to), traffic.flows)?;
    }
    writeln!(out, "}}")
}

fn node(table: TableId) -> String {
    format!("table{table}")
}

const fn colour(end: &End) -> &'static str {
    match end {
        End::Drop => "#f6c7c3",
        End::Normal => "#cdebd0",
        End::Controller => "#e3d3f5",
        End::Group(_) => "#fbe0bd",
        End::Tunnel(_) => "#c4ebea",
        End::Port(_) | End::Field(_) => "#cfe2fb",
        End::Conjunction => "#e6e8eb",
    }
}

/// A string of the language; a line break is an escape of it.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            _ => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}
