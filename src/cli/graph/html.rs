//! A graph as a page of one file: the drawing, the flows of each table, a search, and nothing from elsewhere.

use std::io::{self, Write};

use serde_json::{Value, json};

use super::{Graph, svg};

/// The page, with places for the title, the drawing and the flows.
const PAGE: &str = include_str!("page.html");
const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// Writes the page. The flows stand in it as JSON; the script puts them into the page as text, never as markup.
pub(super) fn write(graph: &Graph<'_>, out: &mut impl Write) -> io::Result<()> {
    let mut rest = PAGE;
    while let Some((before, (name, after))) =
        rest.split_once("{{").and_then(|(before, after)| Some((before, after.split_once("}}")?)))
    {
        out.write_all(before.as_bytes())?;
        match name {
            "title" => out.write_all(svg::escaped(&graph.title).as_bytes())?,
            "style" => out.write_all(STYLE.as_bytes())?,
            "drawing" => out.write_all(svg::draw(graph).as_bytes())?,
            "data" => out.write_all(script_safe(&data(graph)).as_bytes())?,
            _ => out.write_all(SCRIPT.as_bytes())?,
        }
        rest = after;
    }
    out.write_all(rest.as_bytes())
}

fn data(graph: &Graph<'_>) -> Value {
    let tables: serde_json::Map<String, Value> =
        graph.tables.keys().map(|table| (table.to_string(), graph.table_title(*table).into())).collect();
    let flows: Vec<Value> = graph
        .lines
        .iter()
        .map(|line| {
            let next: Vec<u8> = line.next.iter().map(|table| table.0).collect();
            let separator = if line.match_text.is_empty() { "" } else { "," };
            let head = format!("priority={}{separator}{}", line.priority, line.match_text);
            json!([line.table.0, head, line.actions, line.packets, format!("{:#x}", line.cookie.0), next])
        })
        .collect();
    json!({ "tables": tables, "flows": flows })
}

/// JSON that does not end the element it stands in.
fn script_safe(value: &Value) -> String {
    value.to_string().replace('<', "\\u003c")
}
