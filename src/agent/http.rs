//! `http://ADDRESS/metrics`, `/healthz` and `/readyz`, for monitoring.
//!
//! As much of HTTP/1.1 (RFC 9112) as a scrape needs: GET and HEAD, one answer a connection, nothing that a client
//! sends is kept. A server library would be larger than all it would serve here.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};
use tracing::{debug, info, warn};

use super::clients::{Clients, Reasons, Served};
use super::metrics::{MEDIA_TYPE, Metrics};
use super::socket::{Request, ask};

/// Connections that are served at once.
const MAX_CLIENTS: usize = 32;
/// The longest head of a request in bytes.
const MAX_HEAD: usize = 8192;
/// How long a client that has its answer may go on sending.
const LINGER: Duration = Duration::from_secs(1);
/// Wait before an address that is taken is tried again.
const RETRY: Duration = Duration::from_secs(5);
/// An agent that takes longer for an answer is not healthy.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// Answers on `address`. While it cannot be had, Heddle works without.
pub async fn serve(address: SocketAddr, requests: mpsc::Sender<Request>) {
    let listener = listen(address).await;
    info!(%address, "listening for scrapes of metrics");
    let reasons = Reasons {
        slow: "metrics_client_slow",
        crowded_out: "metrics_client_crowded_out",
        malformed: "metrics_client_malformed",
    };
    let clients = Clients::new(MAX_CLIENTS, reasons, requests.clone());
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                let requests = requests.clone();
                let job = async move {
                    serve_one(stream, &requests).await.unwrap_or_else(|error| {
                        debug!(%peer, %error, "a client of the metrics was not answered");
                        Served::Well
                    })
                };
                clients.serve(peer.to_string(), job).await;
            }
            Err(error) => {
                debug!(%error, "cannot accept a client of the metrics");
                sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn listen(address: SocketAddr) -> TcpListener {
    let mut said = false;
    loop {
        match TcpListener::bind(address).await {
            Ok(listener) => return listener,
            Err(error) if !said => {
                said = true;
                warn!(
                    %address,
                    "no metrics: cannot listen: {error}; trying again. Say another address under [metrics] listen in \
                     heddle.toml, or \"\" for none"
                );
            }
            Err(_) => {}
        }
        sleep(RETRY).await;
    }
}

/// Reads one request and answers it. Whoever calls sets a deadline.
pub async fn serve_one<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    requests: &mpsc::Sender<Request>,
) -> io::Result<Served> {
    let mut head = Vec::with_capacity(1024);
    let answer = loop {
        if let Some(end) = find_end(&head) {
            break answer(head.get(..end).unwrap_or_default(), requests).await;
        }
        if head.len() >= MAX_HEAD {
            break Answer::text("431 Request Header Fields Too Large", "the request is too long\n");
        }
        if (&mut stream).take((MAX_HEAD - head.len()) as u64).read_buf(&mut head).await? == 0 {
            return Ok(Served::Well);
        }
    };
    stream.write_all(&answer.bytes()).await?;
    stream.shutdown().await?;
    // What the client may still send would make the kernel take the answer back.
    let rest = async {
        let mut rest = [0; 256];
        while matches!(stream.read(&mut rest).await, Ok(1..)) {}
    };
    let _answered_all_the_same = timeout(LINGER, rest).await;
    Ok(if answer.status.starts_with('4') { Served::Malformed } else { Served::Well })
}

/// Where the empty line begins that ends the head of a request.
fn find_end(head: &[u8]) -> Option<usize> {
    head.windows(4).position(|window| window == b"\r\n\r\n")
}

#[derive(PartialEq, Eq, Debug)]
enum Method {
    Get,
    Head,
}

/// The method and the path of a request, without its query.
fn parse(head: &[u8]) -> Result<(Method, &str), Answer> {
    let bad = || Answer::text("400 Bad Request", "this is not a request of HTTP/1.1\n");
    let line = head.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let mut words = std::str::from_utf8(line).map_err(|_| bad())?.split(' ');
    let (Some(method), Some(target), Some(version), None) = (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(bad());
    };
    if !version.starts_with("HTTP/1.") || !target.starts_with('/') {
        return Err(bad());
    }
    let method = match method {
        "GET" => Method::Get,
        "HEAD" => Method::Head,
        _ => return Err(Answer::text("405 Method Not Allowed", "GET or HEAD\n").with("Allow: GET, HEAD\r\n")),
    };
    Ok((method, target.split('?').next().unwrap_or(target)))
}

async fn answer(head: &[u8], requests: &mpsc::Sender<Request>) -> Answer {
    let (method, path) = match parse(head) {
        Ok(request) => request,
        Err(answer) => return answer,
    };
    let answer = match path {
        "/metrics" | "/healthz" | "/readyz" => match timeout(ANSWER_WITHIN, ask(requests, Request::Metrics)).await {
            Ok(Some(metrics)) => answer_from(path, metrics),
            _ => Answer::text("503 Service Unavailable", "the daemon is busy\n"),
        },
        _ => Answer::text("404 Not Found", "/metrics, /healthz or /readyz\n"),
    };
    Answer { is_head: method == Method::Head, ..answer }
}

fn answer_from(path: &str, metrics: Metrics) -> Answer {
    match path {
        "/metrics" => match metrics.text() {
            Ok(text) => Answer { media_type: MEDIA_TYPE, ..Answer::text("200 OK", &text) },
            Err(_) => Answer::text("500 Internal Server Error", "the metrics cannot be written\n"),
        },
        "/readyz" if !metrics.not_ready.is_empty() => {
            Answer::text("503 Service Unavailable", &format!("{}\n", metrics.not_ready.join("\n")))
        }
        _ => Answer::text("200 OK", "ok\n"),
    }
}

struct Answer {
    status: &'static str,
    media_type: &'static str,
    fields: &'static str,
    body: String,
    /// Only the head is sent.
    is_head: bool,
}

impl Answer {
    fn text(status: &'static str, body: &str) -> Self {
        Self { status, media_type: "text/plain; charset=utf-8", fields: "", body: body.to_owned(), is_head: false }
    }

    fn with(self, fields: &'static str) -> Self {
        Self { fields, ..self }
    }

    fn bytes(&self) -> Vec<u8> {
        let Self { status, media_type, fields, body, is_head } = self;
        let mut text = format!(
            "HTTP/1.1 {status}\r\nContent-Type: {media_type}\r\nContent-Length: {}\r\n{fields}Connection: close\r\n\r\n",
            body.len()
        );
        if !is_head {
            text.push_str(body);
        }
        text.into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpStream;

    use super::*;

    /// What a daemon answers to these bytes.
    fn answer_to(bytes: &[u8]) -> String {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (sender, mut requests) = mpsc::channel(1);
            let agent = tokio::spawn(async move {
                while let Some(request) = requests.recv().await {
                    if let Request::Metrics(reply) = request {
                        drop(reply.send(Metrics::not_ready(&["the database is not connected"])));
                    }
                }
            });
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
            let (stream, _) = listener.accept().await.unwrap();
            let server = tokio::spawn(async move { serve_one(stream, &sender).await });
            client.write_all(bytes).await.unwrap();
            let mut answer = String::new();
            client.read_to_string(&mut answer).await.unwrap();
            drop(client);
            server.await.unwrap().unwrap();
            agent.abort();
            answer
        })
    }

    #[test]
    fn a_scrape_is_answered_with_the_metrics_and_their_length() {
        let answer = answer_to(b"GET /metrics HTTP/1.1\r\nHost: x\r\nAccept: */*\r\n\r\n");
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200 OK\r\nContent-Type: application/openmetrics-text; "), "{head}");
        assert!(head.contains(&format!("\r\nContent-Length: {}\r\n", body.len())), "{head}");
        assert!(body.contains("heddle_ports_bound 0") && body.ends_with("# EOF\n"), "{body}");
        let head_only = answer_to(b"HEAD /metrics HTTP/1.1\r\n\r\n");
        assert_eq!(head_only.split_once("\r\n\r\n").unwrap(), (head, ""));
    }

    #[test]
    fn health_is_an_answer_and_readiness_says_what_is_missing() {
        assert!(answer_to(b"GET /healthz HTTP/1.0\r\n\r\n").ends_with("\r\n\r\nok\n"));
        let unready = answer_to(b"GET /readyz?verbose HTTP/1.1\r\n\r\n");
        assert!(
            unready.starts_with("HTTP/1.1 503 ") && unready.ends_with("the database is not connected\n"),
            "{unready}"
        );
    }

    #[test]
    fn what_is_no_request_for_them_is_refused() {
        let long = [b"GET / HTTP/1.1\r\nX: ".as_slice(), &[b'a'; MAX_HEAD]].concat();
        for (request, status) in [
            (b"GET /other HTTP/1.1\r\n\r\n".as_slice(), "404"),
            (b"POST /metrics HTTP/1.1\r\n\r\n", "405"),
            (b"GET /metrics HTTP/2\r\n\r\n", "400"),
            (b"GET metrics HTTP/1.1\r\n\r\n", "400"),
            (b"GET /a b HTTP/1.1\r\n\r\n", "400"),
            (b"\xff\xfe /metrics HTTP/1.1\r\n\r\n", "400"),
            (b"\r\n\r\n", "400"),
            (&long, "431"),
        ] {
            let answer = answer_to(request);
            assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{status}: {answer}");
        }
    }
}
