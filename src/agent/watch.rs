//! Notices that a file has changed.

use std::fs::{self, File};
use std::hash::{DefaultHasher, Hasher};
use std::io::Read;
use std::mem;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

/// What tells one state of a file from another at no cost.
type Stamp = (u64, u64, i64, i64, u64);

/// Bytes that are read at a time, and of one file at the most.
const CHUNK: usize = 64 << 10;
const MOST: usize = 64 << 20;

/// A file that is looked at from time to time: works with editors that write a new file and rename it,
/// with symbolic links and with any file system.
pub(super) struct WatchedFile {
    path: PathBuf,
    seen: Option<Stamp>,
    /// Of its bytes when it was seen.
    digest: u64,
    /// It has not been looked at since it was seen. Times of files come in steps of milliseconds: what was written
    /// within one of them, and is as long as what was there, is told by the bytes alone.
    fresh: bool,
    /// It was not there at the last look.
    missing: bool,
}

impl WatchedFile {
    /// The file as it is now counts as seen.
    pub(super) fn new(path: PathBuf) -> Self {
        let mut file = Self { path, seen: None, digest: 0, fresh: false, missing: false };
        file.remember();
        file
    }

    fn stamp(&self) -> Option<Stamp> {
        let data = fs::metadata(&self.path).ok()?;
        Some((data.dev(), data.ino(), data.mtime(), data.mtime_nsec(), data.size()))
    }

    /// Of as much as is ever read of it. Whatever is no file, such as a pipe, is not opened.
    fn digest(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        let is_file = fs::metadata(&self.path).is_ok_and(|data| data.is_file());
        if let Some(mut file) = is_file.then(|| File::open(&self.path).ok()).flatten() {
            let mut chunk = vec![0; CHUNK];
            let mut left = MOST;
            while let Ok(count @ 1..) = file.read(&mut chunk) {
                hasher.write(chunk.get(..count.min(left)).unwrap_or_default());
                left = left.saturating_sub(count);
                if left == 0 {
                    break;
                }
            }
        }
        hasher.finish()
    }

    /// True if the file is another than the last that was seen. A file that is gone for now changes nothing.
    pub(super) fn changed(&mut self) -> bool {
        let Some(stamp) = self.stamp() else { return false };
        self.missing = false;
        self.fresh = self.fresh && Some(stamp) == self.seen && self.digest() != self.digest;
        Some(stamp) != self.seen || self.fresh
    }

    /// True if the file was there when it was seen last, and was not at this look and the one before: between two
    /// looks somebody may be replacing it.
    pub(super) fn gone(&mut self) -> bool {
        let missing = self.stamp().is_none();
        mem::replace(&mut self.missing, missing) && missing && self.seen.is_some()
    }

    /// The file as it is now counts as seen. Call it before the file is read.
    pub(super) fn remember(&mut self) {
        self.seen = self.stamp();
        self.digest = self.digest();
        self.fresh = self.seen.is_some();
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

    #[test]
    fn a_file_that_stays_away_is_gone_once_and_changed_when_it_is_back() {
        let folder = tempfile::tempdir().unwrap();
        let (path, away) = (folder.path().join("topology.toml"), folder.path().join("away"));
        fs::write(&path, "one").unwrap();
        let mut file = WatchedFile::new(path.clone());
        fs::rename(&path, &away).unwrap();
        assert!(!file.gone(), "it may be on its way");
        fs::rename(&away, &path).unwrap();
        assert!(!file.gone() && !file.changed());
        fs::rename(&path, &away).unwrap();
        assert!(!file.gone() && file.gone());
        file.remember();
        assert!(!file.gone() && !file.gone(), "said once");
        fs::rename(&away, &path).unwrap();
        assert!(file.changed());
    }

    #[test]
    fn a_file_that_is_written_within_one_tick_of_the_clock_is_noticed_by_its_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("topology.toml");
        fs::write(&path, "one").unwrap();
        let mut file = WatchedFile::new(path.clone());
        let stamp = file.stamp();
        let written = fs::metadata(&path).unwrap().modified().unwrap();
        fs::write(&path, "two").unwrap();
        fs::File::options().write(true).open(&path).unwrap().set_modified(written).unwrap();
        assert_eq!(file.stamp(), stamp);
        assert!(file.changed());
        file.remember();
        assert!(!file.changed() && !file.fresh, "it is read once more, and then no more");
        assert!(!file.changed());
    }

    #[test]
    fn what_is_no_file_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let mut file = WatchedFile::new(folder.path().to_owned());
        assert!(!file.changed());
    }
}
