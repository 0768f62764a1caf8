//! Where boxes and lines of a graph go: in layers from top to bottom, after Sugiyama, Tagawa and Toda.
//!
//! Lines that would go up are turned round, each box stands one layer below the lowest that leads to it, long
//! lines get a place in every layer that they cross, layers are ordered so that few lines cross, and boxes are
//! moved to the middle of what they are connected to.

use std::ops::Range;

/// Between boxes of a layer.
const COLUMN_GAP: f64 = 34.0;
/// Between a line that passes a layer and its neighbour.
const LINE_GAP: f64 = 16.0;
/// Between layers.
const ROW_GAP: f64 = 54.0;
/// Times that the layers are ordered, and boxes moved.
const SWEEPS: usize = 16;

/// Width and height.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub(super) struct Size {
    pub(super) width: f64,
    pub(super) height: f64,
}

/// A point; y grows downwards.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub(super) struct Point {
    pub(super) x: f64,
    pub(super) y: f64,
}

/// Where everything goes.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct Layout {
    /// The upper left corner of each box.
    pub(super) boxes: Vec<Point>,
    /// The points of each line, from its first box to its second; it is vertical in each of them. Empty for a
    /// line from a box to itself.
    pub(super) lines: Vec<Vec<Point>>,
    /// Of the whole.
    pub(super) size: Size,
}

/// Lays out `boxes` that `lines` connect, given by index. Boxes without lines stand below the others.
pub(super) fn layout(boxes: &[Size], lines: &[(usize, usize)]) -> Layout {
    let mut grid = Grid::new(boxes, lines);
    grid.order();
    grid.align();
    grid.finish(boxes, lines)
}

/// A box, or a place where a line passes a layer.
struct Place {
    size: Size,
    layer: usize,
    x: f64,
    above: Vec<usize>,
    below: Vec<usize>,
    is_line: bool,
}

struct Grid {
    /// The boxes first, in their order.
    places: Vec<Place>,
    /// Places from left to right.
    layers: Vec<Vec<usize>>,
    /// The places of each line from top to bottom, and whether the line itself goes up.
    chains: Vec<(Vec<usize>, bool)>,
    /// Boxes without lines.
    alone: Vec<usize>,
}

impl Grid {
    fn new(boxes: &[Size], lines: &[(usize, usize)]) -> Self {
        let turned = turned(boxes.len(), lines);
        let down: Vec<(usize, usize)> =
            lines.iter().zip(&turned).map(|(&(from, to), &up)| if up { (to, from) } else { (from, to) }).collect();
        let layers = layers(boxes.len(), &down);
        let place = |(&size, &layer)| Place { size, layer, x: 0.0, above: vec![], below: vec![], is_line: false };
        let mut places: Vec<Place> = boxes.iter().zip(&layers).map(place).collect();
        let mut chains = Vec::with_capacity(lines.len());
        for (&(from, to), &up) in down.iter().zip(&turned) {
            let mut chain = Vec::new();
            if from != to {
                chain.push(from);
                for layer in layers[from] + 1..layers[to] {
                    chain.push(places.len());
                    let size = Size::default();
                    places.push(Place { size, layer, x: 0.0, above: vec![], below: vec![], is_line: true });
                }
                chain.push(to);
            }
            for pair in chain.windows(2) {
                places[pair[0]].below.push(pair[1]);
                places[pair[1]].above.push(pair[0]);
            }
            chains.push((chain, up));
        }
        let alone = (0..boxes.len()).filter(|&i| places[i].above.is_empty() && places[i].below.is_empty());
        let alone: Vec<usize> = alone.collect();
        let mut rows = vec![Vec::new(); places.iter().map(|place| place.layer + 1).max().unwrap_or(0)];
        for (i, place) in places.iter().enumerate().filter(|(i, _)| !alone.contains(i)) {
            rows[place.layer].push(i);
        }
        rows.retain(|row| !row.is_empty());
        Self { places, layers: rows, chains, alone }
    }

    /// Orders each layer by the mean position of its neighbours above, then below, and keeps the order in which the
    /// fewest lines cross.
    fn order(&mut self) {
        let mut best = (self.crossings(), self.layers.clone());
        for sweep in 0..SWEEPS {
            let downwards = sweep % 2 == 0;
            let count = self.layers.len();
            for step in 1..count {
                let row = if downwards { step } else { count - 1 - step };
                self.order_row(row, downwards);
            }
            let crossings = self.crossings();
            if crossings < best.0 {
                best = (crossings, self.layers.clone());
            }
        }
        self.layers = best.1;
    }

    fn positions(&self) -> Vec<usize> {
        let mut positions = vec![0; self.places.len()];
        for row in &self.layers {
            for (position, &place) in row.iter().enumerate() {
                positions[place] = position;
            }
        }
        positions
    }

    fn order_row(&mut self, row: usize, downwards: bool) {
        let positions = self.positions();
        let key = |&i: &usize| {
            let place = &self.places[i];
            let neighbours = if downwards { &place.above } else { &place.below };
            mean(neighbours.iter().map(|&other| positions[other] as f64)).unwrap_or(positions[i] as f64)
        };
        let mut keyed: Vec<(f64, usize)> = self.layers[row].iter().map(|i| (key(i), *i)).collect();
        keyed.sort_by(|a, b| a.0.total_cmp(&b.0));
        self.layers[row] = keyed.into_iter().map(|(_, i)| i).collect();
    }

    fn crossings(&self) -> usize {
        let positions = self.positions();
        let mut crossings = 0;
        for row in &self.layers {
            let mut lines: Vec<(usize, usize)> = row
                .iter()
                .flat_map(|&i| self.places[i].below.iter().map(move |&j| (i, j)))
                .map(|(i, j)| (positions[i], positions[j]))
                .collect();
            lines.sort_unstable();
            for (n, (_, to)) in lines.iter().enumerate() {
                crossings += lines[..n].iter().filter(|(_, other)| other > to).count();
            }
        }
        crossings
    }

    /// Moves the places of each layer to the mean of their neighbours, as near as the order allows.
    fn align(&mut self) {
        for row in 0..self.layers.len() {
            self.align_row(row, |_| Some(0.0));
        }
        for sweep in 0..4 * SWEEPS {
            let count = self.layers.len();
            for step in 0..count {
                let row = if sweep % 2 == 0 { step } else { count - 1 - step };
                let wanted: Vec<Option<f64>> = self.layers[row].iter().map(|&i| self.wanted(i)).collect();
                self.align_row(row, |n| wanted[n]);
            }
            self.straighten();
        }
    }

    /// Moves all that is below a gap between layers so that the lines in the gap lean to neither side: boxes that
    /// move one by one take long to bring the whole with them.
    fn straighten(&mut self) {
        let mut shift = 0.0;
        for row in 1..self.layers.len() {
            let members = &self.layers[row];
            let lean = |&i: &usize| {
                let places = &self.places;
                places[i].above.iter().map(move |&above| places[above].x - places[i].x)
            };
            // The layer above has moved by `shift` already, and this one is to follow.
            shift = mean(members.iter().flat_map(lean)).unwrap_or(shift);
            for n in 0..members.len() {
                self.places[self.layers[row][n]].x += shift;
            }
        }
    }

    fn wanted(&self, i: usize) -> Option<f64> {
        let place = &self.places[i];
        mean(place.above.iter().chain(&place.below).map(|&other| self.places[other].x))
    }

    /// The least sum of squared distances from where each place wants to be with room between all: neighbours that
    /// would overlap form a block, which goes to the mean of what its members want.
    fn align_row(&mut self, row: usize, wanted: impl Fn(usize) -> Option<f64>) {
        let members = &self.layers[row];
        let mut offset = 0.0;
        let mut offsets = Vec::with_capacity(members.len());
        let mut blocks: Vec<(f64, f64, Range<usize>)> = Vec::new();
        for (n, &i) in members.iter().enumerate() {
            if n > 0 {
                offset += self.distance(members[n - 1], i);
            }
            offsets.push(offset);
            let place = &self.places[i];
            // Lines that pass are kept straight.
            let weight = if place.is_line { 4.0 } else { 1.0 };
            let mut block = (weight * (wanted(n).unwrap_or(place.x) - offset), weight, n..n + 1);
            while let Some(before) = blocks.pop_if(|before| before.0 / before.1 > block.0 / block.1) {
                block = (before.0 + block.0, before.1 + block.1, before.2.start..block.2.end);
            }
            blocks.push(block);
        }
        let members = self.layers[row].clone();
        for (sum, weight, range) in blocks {
            for n in range {
                self.places[members[n]].x = sum / weight + offsets[n];
            }
        }
    }

    /// Between the middles of two neighbours.
    fn distance(&self, left: usize, right: usize) -> f64 {
        let (left, right) = (&self.places[left], &self.places[right]);
        let gap = if left.is_line || right.is_line { LINE_GAP } else { COLUMN_GAP };
        (left.size.width + right.size.width) / 2.0 + gap
    }

    fn finish(&mut self, boxes: &[Size], lines: &[(usize, usize)]) -> Layout {
        let (mut left, mut right) = (f64::INFINITY, f64::NEG_INFINITY);
        for place in self.layers.iter().flatten().map(|&i| &self.places[i]) {
            left = left.min(place.x - place.size.width / 2.0);
            right = right.max(place.x + place.size.width / 2.0);
        }
        let mut size = Size { width: if left < right { right - left } else { 0.0 }, height: 0.0 };
        let mut layout = Layout { boxes: vec![Point::default(); boxes.len()], ..Layout::default() };
        let mut rows = vec![0.0..0.0; self.layers.len()];
        for (row, members) in self.layers.iter().enumerate() {
            let height = members.iter().map(|&i| self.places[i].size.height).fold(0.0, f64::max);
            let top = if row == 0 { 0.0 } else { size.height + ROW_GAP };
            rows[row] = top..top + height;
            size.height = top + height;
            for &i in members {
                let place = &mut self.places[i];
                place.layer = row;
                place.x -= left;
                if let Some(corner) = layout.boxes.get_mut(i) {
                    *corner = Point { x: place.x - place.size.width / 2.0, y: top };
                }
            }
        }
        layout.lines = self.routes(&rows, lines.len());
        self.lone_boxes(&mut layout, &mut size, boxes);
        layout.size = size;
        layout
    }

    /// The points of each line: it leaves the lower edge of a box and passes each layer straight.
    fn routes(&self, rows: &[Range<f64>], count: usize) -> Vec<Vec<Point>> {
        let mut routes = Vec::with_capacity(count);
        for (chain, up) in &self.chains {
            let mut route = Vec::new();
            for (n, &i) in chain.iter().enumerate() {
                let place = &self.places[i];
                let row = &rows[place.layer];
                if n > 0 {
                    let x = place.x + self.spread(i, chain[n - 1], &place.above);
                    route.push(Point { x, y: row.start });
                }
                if n + 1 < chain.len() {
                    let x = place.x + self.spread(i, chain[n + 1], &place.below);
                    let y = if place.is_line { row.end } else { row.start + place.size.height };
                    route.push(Point { x, y });
                }
            }
            if *up {
                route.reverse();
            }
            routes.push(route);
        }
        routes
    }

    /// How far from the middle of a box the line to `neighbour` meets its edge.
    fn spread(&self, i: usize, neighbour: usize, neighbours: &[usize]) -> f64 {
        let mut sorted: Vec<usize> = neighbours.to_vec();
        sorted.sort_by(|&a, &b| self.places[a].x.total_cmp(&self.places[b].x));
        let at = sorted.iter().position(|&other| other == neighbour).unwrap_or(0);
        let step = (self.places[i].size.width * 0.8 / sorted.len().max(1) as f64).min(26.0);
        (at as f64 - (sorted.len() as f64 - 1.0) / 2.0) * step
    }

    /// Rows of their own at the bottom, about as wide as the rest.
    fn lone_boxes(&self, layout: &mut Layout, size: &mut Size, boxes: &[Size]) {
        let room = size.width.max(900.0);
        let mut corner = Point { x: 0.0, y: if size.height > 0.0 { size.height + ROW_GAP } else { 0.0 } };
        for &i in &self.alone {
            let Size { width, height } = boxes[i];
            if corner.x > 0.0 && corner.x + width > room {
                corner = Point { x: 0.0, y: size.height + COLUMN_GAP };
            }
            layout.boxes[i] = corner;
            size.width = size.width.max(corner.x + width);
            size.height = size.height.max(corner.y + height);
            corner.x += width + COLUMN_GAP;
        }
    }
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, count) = values.fold((0.0, 0), |(sum, count), value| (sum + value, count + 1));
    (count > 0).then(|| sum / f64::from(count))
}

/// Which lines close a cycle when boxes are followed in their order.
fn turned(boxes: usize, lines: &[(usize, usize)]) -> Vec<bool> {
    let mut below = vec![Vec::new(); boxes];
    for (line, &(from, to)) in lines.iter().enumerate().filter(|(_, (from, to))| from != to) {
        below[from].push((line, to));
    }
    let mut turned = vec![false; lines.len()];
    // Not seen, on the way, done.
    let mut state = vec![0_u8; boxes];
    for start in 0..boxes {
        let mut way = vec![(start, 0)];
        while let Some((at, next)) = way.pop() {
            if next == 0 && state[at] != 0 {
                continue;
            }
            state[at] = 1;
            let Some(&(line, to)) = below[at].get(next) else {
                state[at] = 2;
                continue;
            };
            way.push((at, next + 1));
            match state[to] {
                0 => way.push((to, 0)),
                1 => turned[line] = true,
                _ => {}
            }
        }
    }
    turned
}

/// The layer of each box: one below the lowest that leads to it; one to which none leads is just above the highest
/// that it leads to, except the first.
fn layers(boxes: usize, lines: &[(usize, usize)]) -> Vec<usize> {
    let mut layers = vec![0; boxes];
    loop {
        let mut changed = false;
        for &(from, to) in lines.iter().filter(|(from, to)| from != to) {
            if layers[to] <= layers[from] {
                layers[to] = layers[from] + 1;
                changed = true;
            }
        }
        if !changed {
            break;
        }
    }
    let mut led_to = vec![false; boxes];
    let mut highest = vec![usize::MAX; boxes];
    for &(from, to) in lines.iter().filter(|(from, to)| from != to) {
        led_to[to] = true;
        highest[from] = highest[from].min(layers[to]);
    }
    for i in 1..boxes {
        if !led_to[i] && highest[i] != usize::MAX {
            layers[i] = highest[i] - 1;
        }
    }
    layers
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOX: Size = Size { width: 100.0, height: 40.0 };

    fn overlap(a: Point, b: Point) -> bool {
        (a.x - b.x).abs() < BOX.width && (a.y - b.y).abs() < BOX.height
    }

    #[test]
    fn boxes_do_not_overlap_and_lines_go_from_box_to_box() {
        let lines = [(0, 1), (0, 2), (1, 3), (2, 3), (0, 3), (3, 4), (4, 1), (4, 4), (5, 3), (0, 1)];
        let layout = layout(&[BOX; 8], &lines);
        for (i, &a) in layout.boxes.iter().enumerate() {
            assert!(layout.boxes[..i].iter().all(|&b| !overlap(a, b)), "{i}: {layout:?}");
            assert!(a.x >= 0.0 && a.x + BOX.width <= layout.size.width + 0.01);
            assert!(a.y >= 0.0 && a.y + BOX.height <= layout.size.height + 0.01);
        }
        for (line, &(from, to)) in layout.lines.iter().zip(&lines) {
            if from == to {
                assert!(line.is_empty());
                continue;
            }
            let touches = |end: Point, corner: Point| {
                let x = (corner.x..=corner.x + BOX.width).contains(&end.x);
                x && (end.y == corner.y || end.y == corner.y + BOX.height)
            };
            assert!(touches(line[0], layout.boxes[from]), "{from} to {to}: {line:?}");
            assert!(touches(*line.last().unwrap(), layout.boxes[to]), "{from} to {to}: {line:?}");
        }
    }

    #[test]
    fn a_box_stands_below_all_that_lead_to_it_but_for_the_line_that_closes_a_cycle() {
        let layout = layout(&[BOX; 4], &[(0, 1), (1, 2), (0, 2), (2, 0), (3, 2)]);
        let y: Vec<f64> = layout.boxes.iter().map(|corner| corner.y).collect();
        assert!(y[0] < y[1] && y[1] < y[2]);
        assert_eq!(y[3], y[1]);
        let back = &layout.lines[3];
        assert!(back[0].y > back.last().unwrap().y);
    }

    #[test]
    fn lines_cross_only_if_they_must() {
        let mut grid = Grid::new(&[BOX; 6], &[(0, 5), (1, 4), (2, 3), (0, 4), (2, 4)]);
        grid.order();
        assert_eq!(grid.crossings(), 0);
    }

    #[test]
    fn nothing_has_no_size() {
        assert_eq!(layout(&[], &[]), Layout::default());
        assert_eq!(layout(&[BOX], &[]).size, BOX);
    }
}
