//! Questions to the daemon of this host.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use serde::de::DeserializeOwned;

use crate::agent::socket::{GROUP, socket_path};

/// How long the daemon may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum AskError {
    #[error("no daemon answers on {path}: {error}; is `heddle run` running?")]
    NoDaemon { path: PathBuf, error: io::Error },
    #[error("{path} may be asked by root and by members of the group {GROUP}: permission denied")]
    NotAllowed { path: PathBuf },
    #[error("the daemon's answer makes no sense: {0}; is it of another version?")]
    BadAnswer(#[from] serde_json::Error),
}

/// Puts a question, one of the words in [`crate::agent::socket`].
pub(super) fn ask<T: DeserializeOwned>(question: &str) -> Result<T, AskError> {
    let path = socket_path();
    let text = exchange(&path, question).map_err(|error| match error.kind() {
        io::ErrorKind::PermissionDenied => AskError::NotAllowed { path },
        _ => AskError::NoDaemon { path, error },
    })?;
    Ok(serde_json::from_str(&text)?)
}

fn exchange(path: &std::path::Path, question: &str) -> io::Result<String> {
    let mut stream = UnixStream::connect(path)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(format!("{question}\n").as_bytes())?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    Ok(text)
}
