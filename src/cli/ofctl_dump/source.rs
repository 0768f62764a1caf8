//! The one way to flows: a switch, or a text.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use super::dump::{Dump, FlowEntries};
use super::names::NameTable;
use super::text_dump;
use crate::cli::client::{Client, ClientError, ParseTargetError, Target};
use crate::flow::sim::Group;
use crate::openflow::flow_mod::encode_flow_stats_request;
use crate::openflow::group::GroupDesc;
use crate::openflow::multipart::MultipartType;
use crate::openflow::{Cookie, Entries, GroupId, TableId};

/// Where flows come from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Source {
    /// A switch.
    Switch(Target),
    /// A text dump in a file.
    File(PathBuf),
    /// A text dump on the standard input.
    Stdin,
}

/// Why there are no flows.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// Not a target.
    #[error(transparent)]
    Target(#[from] ParseTargetError),
    /// The switch.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The file.
    #[error("{name}: {error}")]
    File {
        /// Which.
        name: String,
        /// What the system said.
        error: io::Error,
    },
    /// Lines of a text that are no flows; each was told.
    #[error("{name}: lines that are no flows: {count}")]
    Faults {
        /// Which text.
        name: String,
        /// How many.
        count: usize,
    },
}

/// Flows as they were read, and whether that was all.
#[derive(Debug)]
pub struct Reading {
    /// What could be read.
    pub dump: Dump,
    /// Lines that are no flows.
    pub(super) faults: usize,
}

impl Reading {
    /// Once the work is done: fails if not every line was a flow.
    pub fn finish(&self) -> Result<(), SourceError> {
        match self.faults {
            0 => Ok(()),
            count => Err(SourceError::Faults { name: self.dump.name.clone(), count }),
        }
    }
}

impl Source {
    /// Reads a source as people type it as TARGET: a bridge, a management socket, `unix:PATH`,
    /// `tcp:HOST:PORT`, `ptcp:[PORT[:HOST]]`, or a text dump by a path with a slash in it.
    pub fn parse(text: &str) -> Result<Self, ParseTargetError> {
        if text.contains('/') && is_text(Path::new(text)) {
            return Ok(Self::File(text.into()));
        }
        Target::parse(text).map(Self::Switch)
    }

    /// Reads a source where a text is as likely as a switch: any file, and `-` for the standard input, besides what [`parse`](Self::parse) takes.
    pub fn parse_any(text: &str) -> Result<Self, ParseTargetError> {
        if is_text(Path::new(text)) {
            Ok(Self::File(text.into()))
        } else {
            Self::input(text).map_or_else(|| Self::parse(text), Ok)
        }
    }

    /// The source that `--input FILE` names.
    pub fn of_input(text: &str) -> Self {
        Self::input(text).unwrap_or_else(|| Self::File(text.into()))
    }

    fn input(text: &str) -> Option<Self> {
        (text == "-").then_some(Self::Stdin)
    }

    /// What messages call it: the bridge, the address or the file.
    pub fn name(&self) -> String {
        match self {
            Self::Switch(target) => target.bridge().map_or_else(|| target.to_string(), str::to_owned),
            Self::File(path) => path.display().to_string(),
            Self::Stdin => "-".to_owned(),
        }
    }

    /// All flows and names. Names of ports and tables in a text that `known` has get its numbers, the others
    /// stand-ins. Lines that are no flows are told on the standard error.
    pub fn read(&self, known: &NameTable) -> Result<Reading, SourceError> {
        match self {
            Self::Switch(target) => {
                let mut client = Client::connect(target)?;
                Ok(Reading { dump: read_switch(&mut client, self.name())?, faults: 0 })
            }
            Self::File(path) => {
                let text = std::fs::read(path).map_err(|error| self.file_error(error))?;
                Ok(self.read_text(&text, known))
            }
            Self::Stdin => {
                let mut text = Vec::new();
                io::stdin().lock().read_to_end(&mut text).map_err(|error| self.file_error(error))?;
                Ok(self.read_text(&text, known))
            }
        }
    }

    fn read_text(&self, text: &[u8], known: &NameTable) -> Reading {
        let (dump, faults) = text_dump::read(&self.name(), &String::from_utf8_lossy(text), known);
        for fault in &faults {
            eprintln!("ofctl-dump: {fault}");
        }
        Reading { dump, faults: faults.len() }
    }

    fn file_error(&self, error: io::Error) -> SourceError {
        SourceError::File { name: self.name(), error }
    }
}

/// True of a file that can be read, such as the pipe that a shell makes of `<(…)`; false of sockets and folders.
fn is_text(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|found| !found.is_dir() && !found.file_type().is_socket())
}

/// All flows and names of a switch, which is called `name`.
pub fn read_switch(client: &mut Client, name: String) -> Result<Dump, ClientError> {
    let mut names = NameTable::default();
    names.read_ports(client)?;
    names.read_tables(client)?;
    let flows = read_flows(client)?;
    Ok(Dump { name, names, flows, has_stats: true, live: true })
}

/// All flows of a switch.
pub fn read_flows(client: &mut Client) -> Result<FlowEntries, ClientError> {
    let mut flows = FlowEntries::default();
    client.multipart(
        MultipartType::FLOW,
        |writer| encode_flow_stats_request(TableId::ALL, Cookie(0), 0, writer),
        |_, part| flows.extend(part.body.reader()),
    )?;
    Ok(flows)
}

/// All groups of a switch.
pub fn read_groups(client: &mut Client) -> Result<BTreeMap<GroupId, Group>, ClientError> {
    let mut groups = BTreeMap::new();
    client.multipart(
        MultipartType::GROUP_DESC,
        |_| Ok(()),
        |_, part| {
            for desc in Entries::<GroupDesc<'_>>::new(part.body.reader()) {
                let desc = desc?;
                groups.insert(desc.group_id, Group::from_desc(&desc)?);
            }
            Ok(())
        },
    )?;
    Ok(groups)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_regular_file_is_a_text_and_a_bare_word_a_bridge_first() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("dump.txt");
        std::fs::write(&path, "actions=drop\n").unwrap();
        let text = path.to_str().unwrap();
        assert_eq!(Source::parse(text).unwrap(), Source::File(path.clone()));
        assert_eq!(Source::parse_any(text).unwrap(), Source::File(path));
        assert_eq!(Source::parse_any("-").unwrap(), Source::Stdin);
        assert!(matches!(Source::parse("br-int").unwrap(), Source::Switch(_)));
        assert!(matches!(Source::parse_any("tcp:127.0.0.1:6653").unwrap(), Source::Switch(_)));
        assert!(Source::parse_any("ptcp:none").is_err());
    }
}
