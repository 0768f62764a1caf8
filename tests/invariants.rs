//! The layer rule, and who may send a FLOW_MOD: what docs/ARCHITECTURE.md promises of the source.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Every source file below `directory`, with its text up to its tests.
fn sources(directory: &Path) -> BTreeMap<PathBuf, String> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            // What only tests compile.
            let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            let is_test = ["tests", "simulator", "testing"].iter().any(|end| stem.ends_with(end));
            let text = fs::read_to_string(&path).unwrap();
            let code = text.split("#[cfg(test)]").next().unwrap_or_default().to_owned();
            found.extend((!is_test).then_some((path, code)));
        }
    }
    found
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// The layer that a file belongs to: `config.rs` and `config/` are `config`.
fn layer(path: &Path) -> String {
    let below = path.strip_prefix(root()).unwrap();
    let first = below.iter().next().unwrap().to_string_lossy();
    first.trim_end_matches(".rs").to_owned()
}

/// Lines of code, without comments.
fn code(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter(|line| !line.trim_start().starts_with("//"))
}

#[test]
fn no_layer_uses_one_above_it() {
    let allowed: BTreeMap<&str, &[&str]> = BTreeMap::from([
        ("openflow", &[] as &[&str]),
        ("flow", &["openflow"]),
        ("packet", &["openflow"]),
        ("topology", &["openflow"]),
        ("tls", &[]),
        ("ovsdb", &["openflow", "tls"]),
        ("config", &["topology", "ovsdb", "openflow", "tls"]),
        ("pipeline", &["flow", "topology", "packet", "openflow"]),
        ("responder", &["pipeline", "flow", "packet", "topology", "openflow"]),
        ("switch", &["responder", "pipeline", "flow", "openflow", "tls"]),
        (
            "agent",
            &["switch", "responder", "pipeline", "config", "ovsdb", "topology", "flow", "packet", "openflow", "tls"],
        ),
        (
            "cli",
            &[
                "agent",
                "switch",
                "responder",
                "pipeline",
                "config",
                "ovsdb",
                "topology",
                "flow",
                "packet",
                "openflow",
                "tls",
            ],
        ),
    ]);
    for (path, text) in sources(&root()) {
        let layer = layer(&path);
        let Some(allowed) = allowed.get(layer.as_str()) else { continue };
        for line in code(&text) {
            for (at, _) in line.match_indices("crate::") {
                let used: String = line[at + 7..].chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                let known = allowed.contains(&used.as_str()) || used == layer || used.is_empty();
                assert!(known, "{}: the layer {layer} uses {used}: {line}", path.display());
            }
        }
    }
}

#[test]
fn the_pure_layers_know_no_sockets_tasks_clocks_or_logs() {
    let pure = ["openflow", "flow", "packet", "topology", "pipeline", "responder"];
    let banned = [
        "tokio::",
        "tracing::",
        "std::net::Tcp",
        "std::net::Udp",
        "std::os::unix::net",
        "Instant",
        "SystemTime",
        "std::process",
    ];
    for (path, text) in sources(&root()).into_iter().filter(|(path, _)| pure.contains(&layer(path).as_str())) {
        for line in code(&text) {
            for word in banned {
                assert!(!line.contains(word), "{} uses {word}: {line}", path.display());
            }
        }
    }
}

#[test]
fn nothing_but_the_batch_and_a_learning_bridge_sends_a_flow_mod() {
    // The simulator is a switch for unit tests: it receives them.
    // `ofctl-dump parse` prints their bytes and has no connection.
    let senders =
        ["switch/batch.rs", "responder/learning/learnt_flow.rs", "switch/simulator.rs", "cli/parse/", "openflow/"];
    for (path, text) in sources(&root()) {
        let below = path.strip_prefix(root()).unwrap().to_string_lossy().into_owned();
        if senders.iter().any(|sender| below.starts_with(sender)) {
            continue;
        }
        for line in code(&text) {
            assert!(!line.contains("MessageType::FLOW_MOD"), "{} sends a FLOW_MOD: {line}", path.display());
        }
    }
}

/// A clock that jumps by a day must move no timer: all of them count from `Instant`, which nobody can set
/// (`CLOCK_MONOTONIC`, clock_gettime(2)). The time of day is for people to read.
#[test]
fn the_clock_that_people_set_is_asked_by_nothing_but_what_prints_it() {
    for (path, text) in sources(&root()) {
        if path.ends_with("cli/clock.rs") {
            continue;
        }
        for line in code(&text) {
            let asks = ["SystemTime", "UNIX_EPOCH", "Utc::now", "Local::now", "OffsetDateTime"];
            assert!(!asks.iter().any(|word| line.contains(word)), "{} asks the time of day: {line}", path.display());
        }
    }
}
