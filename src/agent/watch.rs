//! Notices that a file has changed.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

/// What tells one state of a file from another. A changed file that keeps all of it is not noticed;
/// SIGHUP reads it in any case.
type Stamp = (u64, u64, i64, i64, u64);

/// A file that is looked at from time to time: works with editors that write a new file and rename it,
/// with symbolic links and with any file system.
pub(super) struct WatchedFile {
    path: PathBuf,
    seen: Option<Stamp>,
}

impl WatchedFile {
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

    /// True if the file is another than the last that was seen. A file that is gone for now changes nothing.
    pub(super) fn changed(&self) -> bool {
        self.stamp().is_some_and(|stamp| Some(stamp) != self.seen)
    }

    /// The file as it is now counts as seen.
    pub(super) fn remember(&mut self) {
        self.seen = self.stamp();
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
        let mut file = WatchedFile::new(path.clone());
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
