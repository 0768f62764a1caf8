//! Flows as JSON lines, in the schema of `docs/OFCTL-DUMP.md`: the keys of `ovs-flowviz openflow json`.

mod counters;
pub mod report;

use serde::Serialize;
use serde_json::Value;

use super::keyed::{Node, View};
use crate::flow::text;
use crate::openflow::{FlowFlags, FlowStats};

/// The priority that is not told, as `ovs-ofctl` does not.
const DEFAULT_PRIORITY: u16 = 0x8000;

/// Whether age and counters of a flow are told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Statistics {
    /// Left out, so that two dumps compare.
    Hidden,
    /// In `orig` and `info`.
    Shown,
}

/// A flow as [`Printer`](crate::flow::text::Printer) printed it.
#[derive(Clone, Copy, Debug)]
pub struct Printed<'t> {
    /// All of it.
    pub text: &'t [u8],
    /// Where the match begins and ends in it.
    pub match_text: (usize, usize),
    /// Whether it has them.
    pub statistics: Statistics,
}

/// Appends one flow and the end of its line.
pub fn flow(flow: &FlowStats<'_>, printed: Printed<'_>, out: &mut Vec<u8>) {
    // A name of another encoding is shown as far as it can be.
    let part = |from, to| String::from_utf8_lossy(printed.text.get(from..to).unwrap_or_default());
    let (start, end) = printed.match_text;
    let (matching, actions) = (part(start, end), part(end, printed.text.len()));
    out.extend_from_slice(b"{\"orig\":");
    put(out, part(0, printed.text.len()).trim());
    out.extend_from_slice(b",\"info\":");
    info(flow, printed.statistics, out);
    out.extend_from_slice(b",\"match\":");
    let mut object = Object::begin(out);
    if flow.priority != DEFAULT_PRIORITY {
        object.member("priority", &flow.priority);
    }
    Node::matching(matching.trim_end_matches([',', ' '])).children(&mut |key, node| object.node(key, node));
    object.end();
    out.extend_from_slice(b",\"actions\":");
    node(out, Node::actions(actions.trim_end().strip_prefix("actions=").unwrap_or_default()));
    out.extend_from_slice(b"}\n");
}

fn info(flow: &FlowStats<'_>, statistics: Statistics, out: &mut Vec<u8>) {
    let mut object = Object::begin(out);
    object.member("cookie", &flow.cookie.0);
    if statistics == Statistics::Shown {
        object.key("duration");
        // Digit by digit: a binary fraction would not come back as it was.
        text::duration(object.out, flow.duration_sec, flow.duration_nsec);
        object.out.pop();
    }
    object.member("table", &flow.table.0);
    if statistics == Statistics::Shown {
        for (key, count) in [("n_packets", flow.packet_count), ("n_bytes", flow.byte_count)] {
            // All ones: the switch does not know.
            object.member(key, &(count != u64::MAX).then_some(count));
        }
    }
    for (key, timeout) in [("idle_timeout", flow.idle_timeout), ("hard_timeout", flow.hard_timeout)] {
        if timeout != 0 {
            object.member(key, &timeout);
        }
    }
    for (bit, name) in FlowFlags::NAMES.iter().enumerate() {
        if flow.flags.0 >> bit & 1 == 1 {
            object.member(name, &true);
        }
    }
    object.end();
}

/// An object that is being written.
struct Object<'o> {
    out: &'o mut Vec<u8>,
    first: bool,
}

impl<'o> Object<'o> {
    fn begin(out: &'o mut Vec<u8>) -> Self {
        out.push(b'{');
        Self { out, first: true }
    }

    fn key(&mut self, key: &str) {
        if !std::mem::take(&mut self.first) {
            self.out.push(b',');
        }
        put(self.out, key);
        self.out.push(b':');
    }

    fn member(&mut self, key: &str, value: &(impl Serialize + ?Sized)) {
        self.key(key);
        put(self.out, value);
    }

    fn node(&mut self, key: &str, value: Node<'_>) {
        self.key(key);
        node(self.out, value);
    }

    fn end(self) {
        self.out.push(b'}');
    }
}

/// Appends a value that JSON knows.
fn put(out: &mut Vec<u8>, value: &(impl Serialize + ?Sized)) {
    serde_json::to_writer(out, value).expect("memory takes any text or number");
}

fn node(out: &mut Vec<u8>, found: Node<'_>) {
    match found.view() {
        View::True => put(out, &true),
        View::Number(number) => put(out, &number),
        View::Seconds(text) => match text.parse::<f64>() {
            Ok(seconds) => put(out, &seconds),
            Err(_) => put(out, text),
        },
        View::Text(text) => put(out, &text),
        View::Masked { value, mask } => {
            let mut object = Object::begin(out);
            object.member("value", &value);
            object.member("mask", &mask);
            object.end();
        }
        View::Object => {
            let mut object = Object::begin(out);
            found.children(&mut |key, child| object.node(key, child));
            object.end();
        }
        View::Items => list(out, found, |out, key, child| {
            let mut object = Object::begin(out);
            object.node(key, child);
            object.end();
        }),
        View::Values => list(out, found, |out, _, child| node(out, child)),
    }
}

/// The same as a value of its own.
fn node_value(found: Node<'_>) -> Value {
    let mut text = Vec::new();
    node(&mut text, found);
    serde_json::from_slice(&text).expect("what node() writes is JSON")
}

fn list(out: &mut Vec<u8>, found: Node<'_>, item: impl Fn(&mut Vec<u8>, &str, Node<'_>)) {
    out.push(b'[');
    let mut first = true;
    found.children(&mut |key, child| {
        if !std::mem::take(&mut first) {
            out.push(b',');
        }
        item(out, key, child);
    });
    out.push(b']');
}
