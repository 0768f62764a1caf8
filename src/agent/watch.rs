//! The topology file: when it changes, and what it says then.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::Arc;

use crate::topology::{Refused, Topology};

/// What tells one state of a file from another. A changed file that keeps all of it is not noticed;
/// SIGHUP reads it in any case.
type Stamp = (u64, u64, i64, i64, u64);

/// A file that is looked at from time to time: works with editors that write a new file and rename it,
/// with symbolic links and with any file system.
pub(super) struct TopologyFile {
    path: PathBuf,
    seen: Option<Stamp>,
}

/// What reading the file led to.
pub(super) enum Reload {
    /// It is good.
    Applied(Arc<Topology>),
    /// It is refused whole.
    Refused(Refused),
}

impl TopologyFile {
    /// The file as it is now counts as seen.
    pub(super) fn new(path: PathBuf) -> Self {
        let mut file = Self { path, seen: None };
        file.remember();
        file
    }

    fn stamp(&self) -> Option<Stamp> {
        let data = fs::metadata(&self.path).ok()?;
        Some((data.dev(), data.ino(), data.mtime(), data.mtime_nsec(), data.size()))
    }

    /// True if the file is another than the last that was read. A file that is gone for now changes nothing.
    pub(super) fn changed(&self) -> bool {
        self.stamp().is_some_and(|stamp| Some(stamp) != self.seen)
    }

    /// The file as it is now counts as seen.
    pub(super) fn remember(&mut self) {
        self.seen = self.stamp();
    }

    /// Reads the file and holds it against `check` too.
    pub(super) fn load(&self, check: impl FnOnce(&Topology) -> Result<(), Refused>) -> Reload {
        let good = Topology::load(&self.path).and_then(|topology| check(&topology).map(|()| topology));
        match good {
            Ok(topology) => Reload::Applied(Arc::new(topology)),
            Err(refused) => Reload::Refused(refused),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_replaced_is_noticed_and_one_that_is_gone_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("topology.toml");
        fs::write(&path, "one").unwrap();
        let mut file = TopologyFile::new(path.clone());
        assert!(!file.changed());
        fs::write(folder.path().join("new"), "two").unwrap();
        fs::rename(folder.path().join("new"), &path).unwrap();
        assert!(file.changed());
        file.remember();
        assert!(!file.changed());
        fs::remove_file(&path).unwrap();
        assert!(!file.changed());
    }
}
