//! Clients of the daemon: scrapes, `heddle status`, and what a peer's certificate says.

use std::cell::LazyCell;

use heddle::agent::{http, socket};
use heddle::tls::Names;
use tokio::io::join;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc;

thread_local! {
    static RUNTIME: LazyCell<Runtime> =
        LazyCell::new(|| Builder::new_current_thread().enable_time().build().expect("a runtime without threads"));
}

/// The answer of `serve`, which the daemon is too busy for, to these bytes.
fn answer(bytes: &[u8], serve: impl AsyncFn(&mut Vec<u8>, &mpsc::Sender<socket::Request>, &[u8])) -> Vec<u8> {
    let (requests, _) = mpsc::channel(1);
    let mut answer = Vec::new();
    RUNTIME.with(|runtime| runtime.block_on(serve(&mut answer, &requests, bytes)));
    answer
}

/// A request to the port for scrapes.
pub fn http(bytes: &[u8]) {
    let answer = answer(bytes, async |answer, requests, bytes| {
        let _ = http::serve_one(join(bytes, answer), requests).await;
    });
    assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 "));
}

/// A question at the status socket.
pub fn question(bytes: &[u8]) {
    let answer = answer(bytes, async |answer, requests, bytes| {
        let _ = socket::answer(join(bytes, answer), requests).await;
    });
    assert!(answer.is_empty());
}

/// A certificate.
pub fn names(der: &[u8]) {
    let names = Names::of(der);
    assert!(!names.to_string().is_empty());
    let _ = names.is("compute1");
}
