//! The flows of `flows/`: ours are what the pipeline makes, Neutron's differ only where `docs/PIPELINE.md` says
//! so, and a real Open vSwitch takes all of them.
//!
//! `HEDDLE_BLESS=1` writes ours anew.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use heddle::pipeline::cookie::Kind;
use support::scenario::{print, scenarios};
use support::switch::Switch;

/// Scenarios of what Neutron's agent leaves to others, routers for example, or to an extension that was not on.
const OWN: [&str; 2] = ["ipv6", "secgroup-log"];
const BRIDGES: [&str; 3] = ["br-int", "br-tun", "br-phys"];
/// The cookie that stands in `learn()` in Neutron's files.
const LEARN_COOKIE: &str = "cookie=0xc00c1e";

#[test]
fn golden_flows_are_what_the_pipeline_makes() {
    let bless = std::env::var("HEDDLE_BLESS").is_ok_and(|value| value == "1");
    for scenario in scenarios() {
        for bridge in scenario.flows() {
            let file = scenario.folder.join(format!("{}.flows", bridge.name));
            let made = print(&bridge);
            if bless {
                fs::write(&file, made).unwrap();
            } else {
                let golden = fs::read_to_string(&file).unwrap_or_default();
                assert_eq!(golden, made, "{}: HEDDLE_BLESS=1 writes it anew", file.display());
            }
        }
    }
}

/// A flow that may be on one side only, with `*` for any text.
struct Difference {
    bridge: String,
    side: Side,
    pattern: String,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Side {
    Neutron,
    Heddle,
}

/// The rows of the table in `docs/PIPELINE.md`: bridge, Neutron's flows, ours, and why.
fn differences() -> Vec<Difference> {
    let document = include_str!("../docs/PIPELINE.md");
    let (_, rest) = document.split_once("<!-- differences -->").expect("the table starts with a mark");
    let (table, _) = rest.split_once("<!-- end of differences -->").expect("the table ends with a mark");
    let mut found = Vec::new();
    for row in table.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let [bridge, neutron, heddle, why] = cells[..] else { panic!("not four cells: {row}") };
        assert!(!why.is_empty(), "no reason: {row}");
        for (side, cell) in [(Side::Neutron, neutron), (Side::Heddle, heddle)] {
            let patterns = cell.split("<br>").map(|text| text.trim().trim_matches('`')).filter(|text| *text != "–");
            let bridge = bridge.trim_matches('`');
            found.extend(patterns.map(|pattern| Difference { bridge: bridge.into(), side, pattern: pattern.into() }));
        }
    }
    found
}

/// True if `pattern`, in which `*` stands for any text, is all of `text`.
fn matches(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((start, rest)) => text
            .strip_prefix(start)
            .is_some_and(|text| (0..=text.len()).any(|at| text.is_char_boundary(at) && matches(rest, &text[at..]))),
    }
}

/// The number behind `key` in a flow.
fn number(flow: &str, key: &str) -> Option<(usize, usize, u16)> {
    let start = flow.find(key)? + key.len();
    let digits = flow[start..].bytes().take_while(u8::is_ascii_digit).count();
    Some((start, start + digits, flow[start..start + digits].parse().ok()?))
}

const SET_VLAN: &str = "set_field:";
const VLAN: &str = "dl_vlan=";

/// Which local VLAN stands for which segment: from the flows that bring packets in.
fn segments<'a>(flows: impl Iterator<Item = (&'a str, &'a str)>) -> BTreeMap<u16, String> {
    let mut segments = BTreeMap::new();
    for (bridge, flow) in flows {
        let brings_in = match bridge {
            "br-int" => flow.starts_with("table=0, priority=3,"),
            "br-tun" => flow.starts_with("table=4, priority=1,"),
            _ => false,
        };
        if let Some((_, _, vid)) = number(flow, SET_VLAN).filter(|_| brings_in) {
            let (matching, _) = flow.split_once(" actions=").expect("a flow has actions");
            let (_, segment) = matching.rsplit_once(',').expect("it matches something");
            segments.insert(vid - 4096, format!("<{segment}>"));
        }
    }
    segments
}

/// A flow without our cookies, and with its network's segment in place of a local VLAN.
fn normalised(bridge: &str, flow: &str, segments: &BTreeMap<u16, String>) -> String {
    let mut flow = match flow.strip_prefix("cookie=") {
        Some(rest) => rest.split_once(", ").expect("a table follows the cookie").1.to_owned(),
        None => flow.to_owned(),
    };
    if let Some(start) = flow.find("cookie=") {
        let end = flow[start..].find(',').expect("more follows in learn()") + start;
        flow.replace_range(start..end, LEARN_COOKIE);
    }
    let brings_in = bridge == "br-int" && flow.contains("->vlan_vid") || flow.starts_with("table=4,");
    let key = if brings_in { SET_VLAN } else { VLAN };
    if let Some((start, end, vid)) = number(&flow, key).filter(|_| brings_in || bridge != "br-int") {
        let vid = if brings_in { vid - 4096 } else { vid };
        if let Some(segment) = segments.get(&vid) {
            flow.replace_range(start..end, segment);
        }
    }
    flow
}

fn without_cookie(flow: &str) -> &str {
    flow.strip_prefix("cookie=").and_then(|rest| rest.split_once(", ")).map_or(flow, |(_, rest)| rest)
}

fn normalised_sides(bridges: &[(String, String)]) -> BTreeMap<&str, BTreeSet<String>> {
    let lines = || bridges.iter().flat_map(|(bridge, text)| text.lines().map(|flow| (&**bridge, flow)));
    let segments = segments(lines().map(|(bridge, flow)| (bridge, without_cookie(flow))));
    let mut sides: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for (bridge, flow) in lines() {
        sides.entry(bridge).or_default().insert(normalised(bridge, flow, &segments));
    }
    sides
}

#[test]
fn flows_differ_from_neutrons_only_where_the_documentation_says_why() {
    let differences = differences();
    let mut seen = vec![0; differences.len()];
    let mut unexplained = Vec::new();
    for scenario in scenarios().iter().filter(|scenario| scenario.folder.join("neutron").exists()) {
        let read = |folder: &Path| -> Vec<(String, String)> {
            let bridges = BRIDGES.iter().filter(|bridge| scenario.neutron(bridge).is_some());
            let text = |bridge: &&str| fs::read_to_string(folder.join(format!("{bridge}.flows"))).unwrap();
            bridges.map(|bridge| ((*bridge).to_owned(), text(bridge))).collect()
        };
        let (ours, theirs) = (read(&scenario.folder), read(&scenario.folder.join("neutron")));
        assert_eq!(theirs.is_empty(), OWN.contains(&&*scenario.name), "{}: compared with nothing", scenario.name);
        let (ours, theirs) = (normalised_sides(&ours), normalised_sides(&theirs));
        for (bridge, theirs) in &theirs {
            let ours = &ours[bridge];
            let only_theirs = theirs.difference(ours).map(|flow| (Side::Neutron, flow));
            let only_ours = ours.difference(theirs).map(|flow| (Side::Heddle, flow));
            for (side, flow) in only_theirs.chain(only_ours) {
                let known = differences.iter().position(|difference| {
                    difference.bridge == *bridge && difference.side == side && matches(&difference.pattern, flow)
                });
                match known {
                    Some(index) => seen[index] += 1,
                    None => unexplained.push(format!("{} {bridge} {side:?} only: {flow}", scenario.name)),
                }
            }
        }
    }
    assert!(unexplained.is_empty(), "not in docs/PIPELINE.md:\n{}", unexplained.join("\n"));
    for (difference, count) in differences.iter().zip(seen) {
        assert!(count > 0, "documented, but does not occur: {} {}", difference.bridge, difference.pattern);
    }
}

#[test]
fn neutrons_flows_are_those_that_were_measured() {
    let oracle = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/oracle/golden");
    if !oracle.exists() {
        println!("{} is not here: skipped", oracle.display());
        return;
    }
    for scenario in scenarios() {
        for bridge in BRIDGES {
            let measured = fs::read_to_string(oracle.join(&scenario.name).join(format!("{bridge}.names.flows"))).ok();
            assert_eq!(scenario.neutron(bridge), measured, "{} {bridge}", scenario.name);
        }
    }
}

#[test]
fn the_documentation_names_every_kind_of_flow() {
    let document = include_str!("../docs/PIPELINE.md");
    for kind in Kind::ALL {
        let named = format!("`{kind:?}` {:#04x} |", *kind as u8);
        assert!(document.contains(&named), "docs/PIPELINE.md lacks {named}");
    }
}

/// The names, quoted or bare, that stand where a port does.
fn port_names(flows: &str, names: &mut BTreeSet<String>) {
    let ends = |c: char| matches!(c, ',' | ' ' | ')');
    for line in flows.lines() {
        for rest in ["in_port=", "output:"].iter().flat_map(|key| line.split(key).skip(1)) {
            let name = rest.split(ends).next().unwrap_or_default().trim_matches('"');
            if name.starts_with(|c: char| c.is_ascii_lowercase()) {
                names.insert(name.to_owned());
            }
        }
    }
}

#[test]
fn open_vswitch_takes_every_golden_file_and_dumps_it_again() {
    let Some(switch) = Switch::start(&BRIDGES) else { return };
    let mut files = Vec::new();
    let mut names = BTreeMap::from(BRIDGES.map(|bridge| (bridge, BTreeSet::new())));
    for scenario in scenarios() {
        for bridge in BRIDGES {
            let ours = fs::read_to_string(scenario.folder.join(format!("{bridge}.flows"))).unwrap();
            for flows in [Some(ours), scenario.neutron(bridge)].into_iter().flatten() {
                port_names(&flows, names.get_mut(bridge).unwrap());
                files.push((format!("{} {bridge}", scenario.name), bridge, flows));
            }
        }
    }
    for (bridge, names) in &names {
        // Numbers that the files do not use for ports that are gone.
        for (number, name) in (100..).zip(names) {
            let (peer, number) = (format!("options:peer=x{name}"), format!("ofport_request={number}"));
            switch.vsctl(&["add-port", bridge, name, "--", "set", "Interface", name, "type=patch", &peer, &number]);
        }
    }
    for (what, bridge, flows) in files {
        let socket = format!("unix:{bridge}.mgmt");
        let ofctl = |arguments: &[&str]| switch.run("ovs-ofctl", &[&["-OOpenFlow13", "--names"], arguments].concat());
        fs::write(switch.path("flows"), &flows).unwrap();
        ofctl(&["del-flows", &socket]);
        ofctl(&["add-flows", &socket, "flows"]);
        let dump = ofctl(&["--no-stats", "dump-flows", &socket]);
        let complete = |line: &str| {
            let (cookie, rest) = line.trim().split_at(line.trim().len() - without_cookie(line.trim()).len());
            let table = if rest.starts_with("table=") { "" } else { "table=0, " };
            format!("{cookie}{table}{rest}")
        };
        let dumped: BTreeSet<String> = dump.lines().filter(|line| line.contains("actions=")).map(complete).collect();
        let wanted: BTreeSet<String> = flows.lines().map(str::to_owned).collect();
        assert_eq!(dumped, wanted, "{what}");
    }
}
