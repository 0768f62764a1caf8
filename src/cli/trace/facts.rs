//! What the command line tells besides flows: links, VLANs of ports, learnt addresses, states of connections.

use std::collections::BTreeMap;
use std::io;

use super::bridges::Bridges;
use super::{Args, Error};
use crate::flow::parse::Lookup;
use crate::flow::sim::{BridgeId, CtState, End, PortVlan};
use crate::openflow::{MacAddr, PortNo};

/// Something that was said and means nothing.
#[derive(Debug, thiserror::Error)]
pub enum FactError {
    /// Not in the form of the option.
    #[error("--{option}: found {found:?}, expected {expected}")]
    Form {
        /// Which option.
        option: &'static str,
        /// What was there.
        found: String,
        /// What it takes.
        expected: &'static str,
    },
    /// A bridge that is not part of the trace.
    #[error("--{option}: there is no bridge {found:?} in this trace: there are {known}")]
    Bridge {
        /// Which option.
        option: &'static str,
        /// What was there.
        found: String,
        /// What there is.
        known: String,
    },
    /// A port that the bridge does not have.
    #[error("--{option}: {bridge} has no port {found:?}")]
    Port {
        /// Which option.
        option: &'static str,
        /// On which bridge.
        bridge: String,
        /// What was there.
        found: String,
    },
    /// A file that cannot be read.
    #[error("--fdb: {file}: {error}")]
    File {
        /// Which.
        file: String,
        /// What the system said.
        error: io::Error,
    },
}

/// Adds what `args` say to the bridges.
pub(super) fn tell(args: &Args, bridges: &mut Bridges) -> Result<(), Error> {
    for link in &args.link {
        let expected = "BRIDGE:PORT=BRIDGE:PORT";
        let (a, b) = link.split_once('=').ok_or_else(|| form("link", link, expected))?;
        let (a, b) = (end(bridges, "link", a)?, end(bridges, "link", b)?);
        bridges.network.link(a, b);
    }
    for tag in &args.tag {
        let expected = "PORT=VLAN or PORT=trunk, behind BRIDGE: if it is not the first bridge";
        let (port, vlan) = tag.rsplit_once('=').ok_or_else(|| form("tag", tag, expected))?;
        let end = end(bridges, "tag", port)?;
        let vlan = match vlan.parse::<u16>() {
            _ if vlan == "trunk" => PortVlan::Trunk,
            Ok(vid @ 0..=4095) => PortVlan::Access(vid),
            _ => return Err(form("tag", tag, expected).into()),
        };
        if let Some(bridge) = bridges.network.bridge_mut(end.bridge) {
            bridge.switching.vlans.insert(end.port, vlan);
        }
    }
    args.fdb.iter().try_for_each(|fdb| learnt(fdb, bridges))
}

fn form(option: &'static str, found: &str, expected: &'static str) -> FactError {
    FactError::Form { option, found: found.to_owned(), expected }
}

/// `BRIDGE:PORT`, or a port of the first bridge.
fn end(bridges: &Bridges, option: &'static str, text: &str) -> Result<End, FactError> {
    match text.rsplit_once(':') {
        Some((name, port)) => end_on(bridges, bridge(bridges, option, name)?, option, port),
        None => end_on(bridges, 0, option, text),
    }
}

/// A port by number or name.
fn end_on(bridges: &Bridges, bridge: BridgeId, option: &'static str, text: &str) -> Result<End, FactError> {
    let number = text.parse().ok().map(PortNo).filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()));
    let local = (text == "LOCAL").then_some(PortNo::LOCAL);
    let named = || bridges.dumps.get(bridge).and_then(|dump| Lookup::port(&dump.names, text));
    match number.or(local).or_else(named) {
        Some(port) => Ok(End { bridge, port }),
        None => {
            let bridge = bridges.network.bridge(bridge).map_or_else(String::new, |bridge| bridge.name.clone());
            Err(FactError::Port { option, bridge, found: text.to_owned() })
        }
    }
}

fn bridge(bridges: &Bridges, option: &'static str, name: &str) -> Result<BridgeId, FactError> {
    bridges.network.bridge_by_name(name).ok_or_else(|| {
        let known: Vec<&str> = bridges.network.bridges().iter().map(|bridge| bridge.name.as_str()).collect();
        FactError::Bridge { option, found: name.to_owned(), known: known.join(", ") }
    })
}

/// Reads a table of learnt addresses: a heading, then lines with port, VLAN, address and age.
fn learnt(argument: &str, bridges: &mut Bridges) -> Result<(), Error> {
    let (id, file) = match argument.split_once('=') {
        Some((name, file)) => (bridge(bridges, "fdb", name)?, file),
        None => (0, argument),
    };
    let text = std::fs::read_to_string(file).map_err(|error| FactError::File { file: file.to_owned(), error })?;
    let mut learnt = BTreeMap::new();
    for line in text.lines().filter(|line| !line.contains("VLAN")) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [port, vlan, address, ..] = words[..] else { continue };
        let expected = "lines as ovs-appctl fdb/show prints them";
        let bad = || form("fdb", line, expected);
        let (vlan, address) = (vlan.parse::<u16>().map_err(|_| bad())?, address.parse::<MacAddr>().map_err(|_| bad())?);
        let port = end_on(bridges, id, "fdb", port)?;
        learnt.insert((vlan, address), port.port);
    }
    if let Some(bridge) = bridges.network.bridge_mut(id) {
        bridge.switching.learnt = Some(learnt);
    }
    Ok(())
}

/// The states of connections: flags joined by `,`, `|` or `+`.
pub(super) fn states(texts: &[String]) -> Result<Vec<CtState>, FactError> {
    let expected = "trk with any of new, est, rel, rpl, inv, snat and dnat, as trk,est";
    texts.iter().map(|text| CtState::parse(text).ok_or_else(|| form("ct", text, expected))).collect()
}
