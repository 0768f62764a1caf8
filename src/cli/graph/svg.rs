//! A graph as a drawing (SVG 1.1) that needs nothing but itself.
//!
//! A table is a box with a label for each end that its flows lead to; a line is what leads from a table to another,
//! with the number of flows at it, the thicker the more packets it has seen.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::layout::{Layout, Point, Size, layout};
use super::ways::{End, Via};
use super::{Graph, Table, Traffic, counted, short};
use crate::openflow::TableId;

const MARGIN: f64 = 28.0;
/// Room for title and subtitle.
const HEAD: f64 = 52.0;
/// A box is as wide as its title, within these.
const BOX_WIDTHS: (f64, f64) = (190.0, 300.0);
/// Of a letter of a title and of a label.
const LETTER_WIDTHS: (f64, f64) = (8.6, 6.9);
const BOX_HEAD: f64 = 46.0;
const LABEL_HEIGHT: f64 = 18.0;
const LABEL_STEP: f64 = 22.0;
const PADDING: f64 = 10.0;
/// Ends of a table that are drawn; the others are counted.
const MAX_ENDS: usize = 12;
/// Letters of an end's name that are drawn.
const MAX_NAME: usize = 24;

/// Looks: also those of the page around the drawing.
const STYLE: &str = include_str!("drawing.css");

/// The whole drawing.
pub(super) fn draw(graph: &Graph<'_>) -> String {
    let boxes: Vec<TableBox> = graph.tables.iter().map(|(id, table)| TableBox::new(graph, *id, table)).collect();
    let lines = lines(graph);
    let place = |table: TableId| boxes.iter().position(|drawn| drawn.id == table).unwrap_or(0);
    let sizes: Vec<Size> = boxes.iter().map(|drawn| drawn.size).collect();
    let pairs: Vec<(usize, usize)> = lines.keys().map(|(from, to)| (place(*from), place(*to))).collect();
    let layout = layout(&sizes, &pairs);
    let mut out = String::new();
    head(graph, &layout, &mut out);
    for ((ends, line), points) in lines.iter().zip(&layout.lines) {
        let start = place(ends.0);
        let (path, label) = match points.as_slice() {
            [] => loop_path(layout.boxes[start], sizes[start]),
            points => (path(points), label_place(points)),
        };
        let goes_up = points.first().zip(points.last()).is_some_and(|(first, last)| first.y > last.y);
        let course = if goes_up { Course::Up } else { Course::Down };
        line.draw(graph, *ends, &Route { path, label, course }, &mut out);
    }
    for (drawn, corner) in boxes.iter().zip(&layout.boxes) {
        drawn.draw(*corner, &mut out);
    }
    out.push_str("</g>\n</svg>\n");
    out
}

/// What leads from a table to another, however it does.
#[derive(Default)]
struct Line(BTreeMap<Via, Traffic>);

fn lines(graph: &Graph<'_>) -> BTreeMap<(TableId, TableId), Line> {
    let mut lines: BTreeMap<_, Line> = BTreeMap::new();
    for ((from, to, via), traffic) in &graph.edges {
        lines.entry((*from, *to)).or_default().0.insert(*via, *traffic);
    }
    lines
}

/// The way of a line.
struct Route {
    path: String,
    /// Where its number stands.
    label: Point,
    course: Course,
}

/// Where a line leads.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Course {
    Down,
    /// Back to a table that it came from.
    Up,
}

impl Line {
    fn draw(&self, graph: &Graph<'_>, (from, to): (TableId, TableId), route: &Route, out: &mut String) {
        let Route { path, label, course } = route;
        let (class, marker) = match course {
            _ if self.teaches() => ("edge learn", "tip-learn"),
            Course::Up => ("edge back", "tip-back"),
            Course::Down => ("edge", "tip"),
        };
        let tip = escaped(&self.tip(&graph.table_title(from), &graph.table_title(to)));
        let traffic = self.traffic();
        let width = 1.2 + (1.0 + traffic.packets as f64).log10() * 0.35;
        let (x, y, flows) = (label.x, label.y, short(traffic.flows));
        put(
            out,
            format_args!(
                "<g class=\"{class}\" data-from=\"{from}\" data-to=\"{to}\"><title>{tip}</title>\
                 <path class=\"near\" d=\"{path}\"/>\
                 <path class=\"line\" d=\"{path}\" stroke-width=\"{width:.1}\" marker-end=\"url(#{marker})\"/>\
                 <text x=\"{x:.1}\" y=\"{y:.1}\">{flows}</text></g>\n"
            ),
        );
    }

    /// Nothing passes, but flows are learnt.
    fn teaches(&self) -> bool {
        self.0.keys().all(|via| *via == Via::Learn)
    }

    fn traffic(&self) -> Traffic {
        let (mut flows, mut packets) = (0, 0_u64);
        for traffic in self.0.values() {
            flows += traffic.flows;
            packets = packets.saturating_add(traffic.packets);
        }
        Traffic { flows, packets }
    }

    fn tip(&self, from: &str, to: &str) -> String {
        let mut tip = format!("{from} → {to}");
        for (via, traffic) in &self.0 {
            let (flows, packets) = (counted(traffic.flows, "flow"), counted(traffic.packets, "packet"));
            put(&mut tip, format_args!("\n{}: {flows}, {packets}", via.word()));
        }
        tip
    }
}

/// A table as it is drawn.
struct TableBox {
    id: TableId,
    title: String,
    counts: String,
    tip: String,
    unreached: bool,
    size: Size,
    labels: Vec<Label>,
}

/// An end at a table.
struct Label {
    kind: &'static str,
    text: String,
    tip: String,
    corner: Point,
    width: f64,
}

impl TableBox {
    fn new(graph: &Graph<'_>, id: TableId, table: &Table) -> Self {
        let traffic = table.traffic;
        let title = graph.table_title(id);
        let packets = counted(traffic.packets, "packet");
        let width = title.chars().count() as f64 * LETTER_WIDTHS.0 + 2.0 * PADDING;
        let width = width.clamp(BOX_WIDTHS.0, BOX_WIDTHS.1);
        let unreached = id != TableId(0) && !graph.edges.keys().any(|(from, to, _)| *to == id && *from != id);
        let mut drawn = Self {
            id,
            tip: format!("table {title}\n{}, {packets}", counted(traffic.flows, "flow")),
            title,
            counts: format!("{} · {} packets", counted(traffic.flows, "flow"), short(traffic.packets)),
            unreached,
            size: Size { width, height: BOX_HEAD },
            labels: Vec::new(),
        };
        drawn.add_labels(graph, table);
        drawn
    }

    /// Labels in rows, as words in lines.
    fn add_labels(&mut self, graph: &Graph<'_>, table: &Table) {
        let mut corner = Point { x: PADDING, y: BOX_HEAD };
        let shown = if table.ends.len() > MAX_ENDS + 1 { MAX_ENDS } else { table.ends.len() };
        // What most flows lead to comes first, and what does not go out last.
        let mut ends: Vec<_> = table.ends.iter().collect();
        ends.sort_by_key(|(end, traffic)| (matches!(end, End::Drop | End::Conjunction), u64::MAX - traffic.flows));
        let (shown, rest) = ends.split_at(shown);
        let named = shown.iter().map(|(end, traffic)| {
            let title = graph.end_title(end);
            let tip = format!("{title}: {}, {}", counted(traffic.flows, "flow"), counted(traffic.packets, "packet"));
            (end.kind(), format!("{} ×{}", clipped(&title), short(traffic.flows)), tip)
        });
        let names: Vec<String> = rest.iter().map(|(end, _)| graph.end_title(end)).collect();
        let more = (!rest.is_empty()).then(|| ("more", format!("{} more", rest.len()), names.join("\n")));
        for (kind, text, tip) in named.chain(more) {
            let width = text.chars().count() as f64 * LETTER_WIDTHS.1 + 14.0;
            if corner.x > PADDING && corner.x + width > self.size.width - PADDING {
                corner = Point { x: PADDING, y: corner.y + LABEL_STEP };
            }
            self.labels.push(Label { kind, text, tip, corner, width });
            corner.x += width + 5.0;
            self.size.height = corner.y + LABEL_STEP + 4.0;
        }
    }

    fn draw(&self, corner: Point, out: &mut String) {
        let class = if self.unreached { "table unreached" } else { "table" };
        let Size { width, height } = self.size;
        put(
            out,
            format_args!(
                "<g class=\"{class}\" data-table=\"{}\" transform=\"translate({:.1} {:.1})\"><title>{}</title>\
             <rect class=\"box\" width=\"{width:.1}\" height=\"{height:.1}\" rx=\"8\"/>\
             <text class=\"name\" x=\"{PADDING}\" y=\"20\">{}</text><text class=\"counts\" x=\"{PADDING}\" y=\"36\">{}</text>\n",
                self.id,
                corner.x,
                corner.y,
                escaped(&self.tip),
                escaped(&self.title),
                escaped(&self.counts)
            ),
        );
        for label in &self.labels {
            put(
                out,
                format_args!(
                    "<g class=\"end {}\"><title>{}</title>\
                 <rect x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{LABEL_HEIGHT}\" rx=\"9\"/>\
                 <text x=\"{:.1}\" y=\"{:.1}\">{}</text></g>\n",
                    label.kind,
                    escaped(&label.tip),
                    label.corner.x,
                    label.corner.y,
                    label.width,
                    label.corner.x + 7.0,
                    label.corner.y + 13.0,
                    escaped(&label.text)
                ),
            );
        }
        out.push_str("</g>\n");
    }
}

fn clipped(name: &str) -> String {
    if name.chars().count() <= MAX_NAME {
        return name.to_owned();
    }
    name.chars().take(MAX_NAME - 1).chain(['…']).collect()
}

fn head(graph: &Graph<'_>, layout: &Layout, out: &mut String) {
    let width = layout.size.width.max(420.0) + 2.0 * MARGIN;
    let height = layout.size.height + 2.0 * MARGIN + HEAD;
    let flows = graph.tables.values().map(|table| table.traffic.flows).sum();
    let tables = graph.tables.len() as u64;
    put(
        out,
        format_args!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" \
         viewBox=\"0 0 {width:.0} {height:.0}\">\n<style>\n{STYLE}</style>\n<defs>\n"
        ),
    );
    for tip in ["tip", "tip-back", "tip-learn"] {
        put(
            out,
            format_args!(
                "<marker id=\"{tip}\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"8\" markerHeight=\"8\" \
             markerUnits=\"userSpaceOnUse\" orient=\"auto\"><path class=\"{tip}\" d=\"M0 0L8 4L0 8z\"/></marker>\n"
            ),
        );
    }
    put(
        out,
        format_args!(
            "</defs>\n<rect class=\"paper\" width=\"100%\" height=\"100%\"/>\n\
         <text class=\"title\" x=\"{MARGIN}\" y=\"38\">{}</text>\n\
         <text class=\"subtitle\" x=\"{MARGIN}\" y=\"58\">{}, {}; numbers at lines count flows; dotted: learnt flows; \
         dashed: back up</text>\n<g transform=\"translate({MARGIN} {})\">\n",
            escaped(&graph.title),
            counted(tables, "table"),
            counted(flows, "flow"),
            MARGIN + HEAD
        ),
    );
}

/// A curve through `points`, vertical in each of them.
fn path(points: &[Point]) -> String {
    let mut path = String::new();
    let mut last: Option<Point> = None;
    for &point in points {
        match last {
            None => put(&mut path, format_args!("M{:.1} {:.1}", point.x, point.y)),
            Some(last) if (last.x - point.x).abs() < 0.05 => put(&mut path, format_args!("V{:.1}", point.y)),
            Some(last) => {
                let middle = (last.y + point.y) / 2.0;
                let Point { x, y } = point;
                put(&mut path, format_args!("C{:.1} {middle:.1} {x:.1} {middle:.1} {x:.1} {y:.1}", last.x));
            }
        }
        last = Some(point);
    }
    path
}

/// From a table to itself: round its upper right corner.
fn loop_path(corner: Point, size: Size) -> (String, Point) {
    let (x, y) = (corner.x + size.width, corner.y + 14.0);
    let path = format!("M{x:.1} {y:.1}c26 -10 26 32 0 20");
    (path, Point { x: x + 26.0, y: y + 14.0 })
}

/// Near the box that a line comes from, where it has not met others yet.
fn label_place(points: &[Point]) -> Point {
    match points {
        [first, second, ..] => {
            Point { x: first.x + (second.x - first.x) * 0.16, y: first.y + (second.y - first.y) * 0.3 + 4.0 }
        }
        _ => Point::default(),
    }
}

/// Text within the drawing. Characters that XML does not have are replaced.
pub(super) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\n' => escaped.push('\n'),
            c if c.is_control() => escaped.push(char::REPLACEMENT_CHARACTER),
            c => escaped.push(c),
        }
    }
    escaped
}

/// Appends formatted text to a string, which cannot fail.
fn put(out: &mut String, text: std::fmt::Arguments<'_>) {
    let _ = out.write_fmt(text);
}
