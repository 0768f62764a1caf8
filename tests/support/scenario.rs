//! The scenarios of `flows/`: files in, wanted flows out.

use std::fs;
use std::path::{Path, PathBuf};

use heddle::agent::preview::{BridgeFlows, preview};
use heddle::config::Config;
use heddle::flow::text::Cookies;
use heddle::topology::Topology;

/// One directory with a `topology.toml`.
pub struct Scenario {
    /// Its path below `flows/`.
    pub name: String,
    /// Its path.
    pub folder: PathBuf,
    /// What is wanted.
    pub topology: Topology,
    /// What the host has.
    pub config: Config,
}

/// All of them, sorted by name.
pub fn scenarios() -> Vec<Scenario> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("flows");
    let mut found = Vec::new();
    find(&root, &root, &mut found);
    found.sort_by(|a, b| a.name.cmp(&b.name));
    assert!(!found.is_empty(), "no scenario in {}", root.display());
    found
}

fn find(root: &Path, folder: &Path, found: &mut Vec<Scenario>) {
    for entry in fs::read_dir(folder).unwrap() {
        let folder = entry.unwrap().path();
        if folder.join("topology.toml").exists() {
            let name = folder.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
            let topology = Topology::load(&folder.join("topology.toml")).unwrap_or_else(|error| panic!("{error}"));
            let config = Config::load(Some(&folder.join("heddle.toml"))).unwrap_or_else(|error| panic!("{error}"));
            found.push(Scenario { name, folder: folder.clone(), topology, config });
        }
        if folder.is_dir() {
            find(root, &folder, found);
        }
    }
}

impl Scenario {
    /// The wanted flows of each bridge.
    pub fn flows(&self) -> Vec<BridgeFlows> {
        preview(&self.topology, &self.config)
    }

    /// What Neutron's agent installs on a bridge in the same situation, if it has the bridge.
    pub fn neutron(&self, bridge: &str) -> Option<String> {
        fs::read_to_string(self.folder.join("neutron").join(format!("{bridge}.flows"))).ok()
    }
}

/// The text of a golden file: in the order in which people read flows, with cookies and port names.
pub fn print(bridge: &BridgeFlows) -> String {
    String::from_utf8(bridge.text(Cookies::Shown).unwrap()).unwrap()
}
