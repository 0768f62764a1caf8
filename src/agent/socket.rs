//! The socket on which the daemon answers `heddle status` and `heddle punts`: a word in a line, and as answer one line
//! of JSON.

use std::fs::Permissions;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, oneshot};
use tracing::debug;

use super::clients::{Clients, Reasons, Served};
use super::daemon::StartError;
use super::metrics::Metrics;
use super::punts::PuntsStatus;
use super::status::Status;

/// The run directory, unless `HEDDLE_RUNDIR` names another.
const RUN_DIRECTORY: &str = "/run/heddle";
/// Who may ask, beside the daemon's user and root.
pub const GROUP: &str = "heddle";
/// Connections to the socket that are served at once.
const MAX_ASKING: usize = 32;
/// The longest question in bytes.
const MAX_QUESTION: u64 = 64;

/// Asks for a [`Status`]; so does a client that says nothing and closes its end.
pub const STATUS: &str = "status";
/// Asks for a [`PuntsStatus`].
pub const PUNTS: &str = "punts";

/// Somebody asks the agent; the answer goes back through the channel.
pub enum Request {
    /// For `heddle status`.
    Status(oneshot::Sender<Status>),
    /// For `heddle punts`.
    Punts(oneshot::Sender<PuntsStatus>),
    /// For a scrape.
    Metrics(oneshot::Sender<Metrics>),
    /// A client was let go without an answer.
    Refused {
        /// In a word, for status and metrics.
        reason: &'static str,
        /// Where it came from.
        peer: String,
    },
}

/// Puts a question to the agent; `None` if it does not answer any more.
pub(super) async fn ask<T>(
    requests: &mpsc::Sender<Request>,
    question: impl FnOnce(oneshot::Sender<T>) -> Request,
) -> Option<T> {
    let (reply, answer) = oneshot::channel();
    requests.send(question(reply)).await.ok()?;
    answer.await.ok()
}

/// Where the daemon of this host answers.
pub fn socket_path() -> PathBuf {
    let directory = std::env::var_os("HEDDLE_RUNDIR").map_or_else(|| PathBuf::from(RUN_DIRECTORY), PathBuf::from);
    directory.join("heddle.sock")
}

/// Makes the socket, for its owner and the group [`GROUP`] if there is one; takes the place of one that a dead daemon
/// left.
pub async fn bind(path: &Path) -> Result<UnixListener, StartError> {
    if UnixStream::connect(path).await.is_ok() {
        return Err(StartError::RunsAlready(path.to_owned()));
    }
    let make = || {
        if let Some(directory) = path.parent() {
            std::fs::create_dir_all(directory)?;
        }
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(path)?;
        std::fs::set_permissions(path, Permissions::from_mode(0o660))?;
        share_with_group(path);
        Ok(listener)
    };
    make().map_err(|error| StartError::StatusSocket { path: path.to_owned(), error })
}

/// The service makes it in its group; root, who starts a daemon by hand, gives it to the group.
fn share_with_group(path: &Path) {
    let groups = std::fs::read_to_string("/etc/group").unwrap_or_default();
    let Some(group) = group_id(&groups, GROUP) else { return };
    if std::fs::metadata(path).is_ok_and(|data| data.gid() == group) {
        return;
    }
    if let Err(error) = chown(path, None, Some(group)) {
        debug!(%error, socket = %path.display(), "cannot give the status socket to the group {GROUP}");
    }
}

/// The number of a group, from the text of group(5).
fn group_id(groups: &str, name: &str) -> Option<u32> {
    groups.lines().find_map(|line| {
        let mut fields = line.split(':');
        let is_it = fields.next() == Some(name);
        fields.nth(1).filter(|_| is_it)?.parse().ok()
    })
}

/// Answers everybody who connects.
pub async fn serve(listener: UnixListener, requests: mpsc::Sender<Request>) {
    let reasons = Reasons {
        slow: "status_client_slow",
        crowded_out: "status_client_crowded_out",
        malformed: "status_client_malformed",
    };
    let clients = Clients::new(MAX_ASKING, reasons, requests.clone());
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let uid = stream.peer_cred().map_or_else(|_| "?".to_owned(), |peer| peer.uid().to_string());
                let requests = requests.clone();
                let job = async move {
                    answer(stream, &requests).await.unwrap_or_else(|error| {
                        debug!(%error, "a client of the status socket was not answered");
                        Served::Well
                    })
                };
                clients.serve(format!("uid {uid}"), job).await;
            }
            Err(error) => {
                debug!(%error, "cannot accept on the status socket");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

/// Reads one question and answers it. Whoever calls sets a deadline.
pub async fn answer<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    requests: &mpsc::Sender<Request>,
) -> io::Result<Served> {
    let mut question = Vec::new();
    BufReader::new((&mut stream).take(MAX_QUESTION)).read_until(b'\n', &mut question).await?;
    let text = match str::from_utf8(&question).map(str::trim_end) {
        Ok("" | STATUS) => json(ask(requests, Request::Status).await)?,
        Ok(PUNTS) => json(ask(requests, Request::Punts).await)?,
        _ => return Ok(Served::Malformed),
    };
    stream.write_all(&text).await?;
    stream.shutdown().await?;
    Ok(Served::Well)
}

/// One line; nothing if the agent has ended.
fn json<T: Serialize>(answer: Option<T>) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    if let Some(answer) = answer {
        serde_json::to_writer(&mut text, &answer)?;
        text.push(b'\n');
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_found_by_its_name() {
        let groups = "root:x:0:\nheddle-x:x:7:\nheddle:x:998:alice,bob\nbroken\nodd:x:y:\n";
        for (name, number) in [("root", Some(0)), ("heddle", Some(998)), ("bob", None), ("broken", None), ("odd", None)]
        {
            assert_eq!(group_id(groups, name), number, "{name}");
        }
    }

    #[tokio::test]
    async fn the_socket_is_for_its_owner_and_group_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run/heddle.sock");
        let _listener = bind(&path).await.unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o660);
        assert!(matches!(bind(&path).await, Err(StartError::RunsAlready(_))));
    }
}
