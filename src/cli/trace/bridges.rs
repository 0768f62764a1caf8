//! The bridges of a trace: read, and connected.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Error;
use crate::cli::client::{Client, ClientError, Target};
use crate::cli::ofctl_dump::dump::Dump;
use crate::cli::ofctl_dump::names::NameTable;
use crate::cli::ofctl_dump::source::{Source, read_groups, read_switch};
use crate::flow::Flow;
use crate::flow::sim::{Bridge, BridgePort, Network, Ports, Tables, is_patch};
use crate::openflow::multipart::MultipartType;
use crate::openflow::port::{Port, PortConfig, PortState};
use crate::openflow::{Entries, PortNo};

/// Bridges, and the dump of each.
pub(super) struct Bridges {
    pub(super) network: Network,
    pub(super) dumps: Vec<Dump>,
}

/// One bridge as it was read.
struct Read {
    bridge: Bridge,
    dump: Dump,
}

/// Reads the bridge where a trace begins, those that were named besides, and, of a switch on this host, those
/// that its patch ports may lead to.
pub(super) fn read(target: &str, peers: &[String]) -> Result<Bridges, Error> {
    let mut read = vec![one(target)?];
    for peer in peers {
        read.push(one(peer)?);
    }
    if let Source::Switch(Target::Socket(path)) = source(target).1? {
        read.extend(siblings(&path, &read)?);
    }
    let (bridges, dumps) = read.into_iter().map(|read| (read.bridge, read.dump)).unzip();
    Ok(Bridges { network: Network::new(bridges), dumps })
}

/// The name in front of a target, if there is one, and the target.
fn source(text: &str) -> (Option<&str>, Result<Source, Error>) {
    let (name, target) = match text.split_once('=') {
        Some((name, target)) if !name.contains('/') && !Path::new(text).exists() => (Some(name), target),
        _ => (None, text),
    };
    let source = Source::parse_any(target).map_err(|error| Error::Source(error.into()));
    (name, source)
}

fn one(text: &str) -> Result<Read, Error> {
    let (name, source) = source(text);
    match source? {
        Source::Switch(target) => live(&target, name),
        file => {
            let reading = file.read(&NameTable::default())?;
            reading.finish()?;
            let names = reading.dump.names.ports().map(|(port, name)| (port, unknown_port(name))).collect();
            let ports = Ports { known: names, complete: false };
            let name = name.map_or_else(|| stem(&file), str::to_owned);
            build(name, reading.dump, ports)
        }
    }
}

/// `br-int` of `dumps/br-int.flows`.
fn stem(source: &Source) -> String {
    let name = match source {
        Source::File(path) => path.file_name().map(|name| name.to_string_lossy().into_owned()),
        _ => None,
    };
    name.map_or_else(|| source.name(), |name| name.split('.').next().unwrap_or_default().to_owned())
}

fn unknown_port(name: &str) -> BridgePort {
    BridgePort { name: name.to_owned(), config: PortConfig(0), live: None }
}

fn live(target: &Target, name: Option<&str>) -> Result<Read, Error> {
    let mut client = Client::connect(target)?;
    let dump = read_switch(&mut client, target.to_string())?;
    let ports = Ports { known: ports(&mut client)?, complete: true };
    let own = dump.names.ports().find(|(port, _)| *port == PortNo::LOCAL).map(|(_, name)| name.to_owned());
    let name = name.map(str::to_owned).or(own).unwrap_or_else(|| target.to_string());
    let mut read = build(name, dump, ports)?;
    read.bridge.groups = Some(read_groups(&mut client)?);
    Ok(read)
}

fn build(name: String, dump: Dump, ports: Ports) -> Result<Read, Error> {
    let flows = dump.flows.iter().map(|flow| Arc::new(Flow::from_stats(&flow)));
    let tables = Tables::new(flows).map_err(|error| Error::Flow { bridge: name.clone(), error })?;
    Ok(Read { bridge: Bridge { name, tables, ports, ..Bridge::default() }, dump })
}

fn ports(client: &mut Client) -> Result<BTreeMap<PortNo, BridgePort>, ClientError> {
    let mut ports = BTreeMap::new();
    client.multipart(
        MultipartType::PORT_DESC,
        |_| Ok(()),
        |_, part| {
            for port in Entries::<Port>::new(part.body.reader()) {
                let port = port?;
                let live = Some(port.state.contains(PortState::LIVE));
                let known = BridgePort { name: port.name.to_string(), config: port.config, live };
                ports.insert(port.port_no, known);
            }
            Ok(())
        },
    )?;
    Ok(ports)
}

/// The other bridges of the switch with patch ports. One that does not answer has gone: it is left out.
fn siblings(socket: &Path, read: &[Read]) -> Result<Vec<Read>, Error> {
    let folder = socket.parent().unwrap_or(Path::new("."));
    let mut sockets: Vec<PathBuf> = match std::fs::read_dir(folder) {
        Ok(entries) => entries.filter_map(|entry| Some(entry.ok()?.path())).collect(),
        Err(_) => Vec::new(),
    };
    sockets.retain(|path| path.extension().is_some_and(|extension| extension == "mgmt") && path != socket);
    sockets.sort_unstable();
    let mut found = Vec::new();
    for path in sockets {
        let Ok(sibling) = live(&Target::Socket(path), None) else { continue };
        let known = read.iter().any(|read| read.bridge.name == sibling.bridge.name);
        let patched = sibling.bridge.ports.known.values().any(|port| is_patch(&port.name));
        found.extend((!known && patched).then_some(sibling));
    }
    Ok(found)
}
