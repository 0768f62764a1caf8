//! The socket on which the daemon answers `heddle status` and `heddle punts`: a word in a line, and as answer one line
//! of JSON.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tracing::debug;

use super::daemon::StartError;
use super::metrics::Metrics;
use super::punts::PuntsStatus;
use super::status::Status;

/// The run directory, unless `HEDDLE_RUNDIR` names another.
const RUN_DIRECTORY: &str = "/run/heddle";
/// Connections to the socket that are served at once.
const MAX_ASKING: usize = 16;
/// A client that neither asks nor reads for so long is let go.
const PATIENCE: Duration = Duration::from_secs(5);
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

/// Makes the socket; takes the place of one that a dead daemon left.
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
        UnixListener::bind(path)
    };
    make().map_err(|error| StartError::StatusSocket { path: path.to_owned(), error })
}

/// Answers everybody who connects.
pub async fn serve(listener: UnixListener, requests: mpsc::Sender<Request>) {
    let asking = Arc::new(Semaphore::new(MAX_ASKING));
    loop {
        let Ok(permit) = asking.clone().acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                let requests = requests.clone();
                tokio::spawn(async move {
                    match tokio::time::timeout(PATIENCE, answer(stream, requests)).await {
                        Ok(Ok(())) => {}
                        Ok(Err(error)) => debug!(%error, "a client of the status socket was not answered"),
                        Err(error) => debug!(%error, "a client of the status socket did not ask or read"),
                    }
                    drop(permit);
                });
            }
            Err(error) => {
                debug!(%error, "cannot accept on the status socket");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn answer(mut stream: UnixStream, requests: mpsc::Sender<Request>) -> io::Result<()> {
    let mut question = String::new();
    BufReader::new((&mut stream).take(MAX_QUESTION)).read_line(&mut question).await?;
    let text = match question.trim_end() {
        "" | STATUS => json(ask(&requests, Request::Status).await)?,
        PUNTS => json(ask(&requests, Request::Punts).await)?,
        other => {
            let error = format!("{other:?} is not a question");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, error));
        }
    };
    stream.write_all(&text).await?;
    stream.shutdown().await
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
