//! Truth that nobody on this project made, where it is: `../shared/corpora`, or the folder in `HEDDLE_CORPORA`.
#![allow(dead_code, unreachable_pub, reason = "every test file takes its part")]

use std::path::PathBuf;

use serde_json::Value;

/// The folder, if it is there.
pub fn folder() -> Option<PathBuf> {
    let folder = std::env::var_os("HEDDLE_CORPORA")
        .map(PathBuf::from)
        .unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/corpora"));
    folder.is_dir().then_some(folder)
}

/// A file of it. Nothing, and a word about it, if the folder is not there; a folder without the file is an error.
pub fn file(name: &str) -> Option<Vec<u8>> {
    let Some(folder) = folder() else {
        println!("{name}: not found, skipped");
        return None;
    };
    Some(std::fs::read(folder.join(name)).unwrap_or_else(|error| panic!("{name}: {error}")))
}

/// The rows of a file; none if the folder is not there.
pub fn rows(name: &str) -> Vec<Value> {
    let text = String::from_utf8(file(name).unwrap_or_default()).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}
