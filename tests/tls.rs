//! TLS with the certificates of `ovs-pki`: who gets a session, who does not and what is said of it, and files that
//! change. `openssl` is at the other end where another implementation matters.

#[path = "support/pki.rs"]
mod pki;

use std::fs;
use std::io::Write;
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use heddle::ovsdb::{self, Remote};
use heddle::switch::{Admission, ConnectionError, News, Report, serve};
use heddle::tls::{Credentials, HANDSHAKE_WITHIN, HandshakeError, Settings};
use pki::{Authority, Pki};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::timeout;

/// How long something may take that has nothing to wait for.
const SOON: Duration = Duration::from_secs(10);

/// The settings of a controller and of a switch that accept each other.
fn both(pki: &Pki) -> (Settings, Settings) {
    let controller = pki.certify("heddle", Authority::Controller);
    let switch = pki.certify("compute1", Authority::Switch);
    (pki.settings(&controller, Authority::Controller), pki.settings(&switch, Authority::Switch))
}

fn load(settings: &Settings) -> Arc<Credentials> {
    Arc::new(Credentials::load(settings.clone()).unwrap_or_else(|error| panic!("{error}")))
}

/// A handshake between two ends, and a byte each way; what each end says of the other.
async fn handshake(server: &Settings, client: &Settings) -> (Result<(), HandshakeError>, Result<(), HandshakeError>) {
    let (ours, theirs) = tokio::io::duplex(1 << 16);
    let (server, client) = (load(server), load(client));
    let accepted = async {
        let mut stream = server.accept(ours).await?;
        stream.write_all(b"s").await.and(stream.flush().await).map_err(HandshakeError::from)?;
        stream.read_u8().await.map(drop).map_err(HandshakeError::from)
    };
    let connected = async {
        let mut stream = client.connect("127.0.0.1", theirs).await?;
        stream.write_all(b"c").await.and(stream.flush().await).map_err(HandshakeError::from)?;
        stream.read_u8().await.map(drop).map_err(HandshakeError::from)
    };
    timeout(SOON, async { tokio::join!(accepted, connected) }).await.expect("a handshake ends")
}

fn said(result: Result<(), HandshakeError>) -> String {
    result.map_or_else(|error| error.to_string(), |()| "good".to_owned())
}

#[tokio::test]
async fn ends_whose_certificates_each_others_authority_has_signed_get_a_session() {
    let pki = Pki::new();
    let (controller, switch) = both(&pki);
    let (accepted, connected) = handshake(&controller, &switch).await;
    assert_eq!((said(accepted), said(connected)), ("good".into(), "good".into()));
    let (accepted, connected) = handshake(&switch, &controller).await;
    assert_eq!((said(accepted), said(connected)), ("good".into(), "good".into()));
}

#[tokio::test]
async fn a_peer_without_a_good_certificate_is_told_from_others() {
    let pki = Pki::new();
    let (controller, _) = both(&pki);
    let strangers = Pki::new();
    let expired = pki.certify_expired("old", Authority::Switch);
    let early = pki.certify_between("early", Authority::Switch, ("20980101000000Z", "20990101000000Z"));
    let unknown = strangers.certify("compute2", Authority::Switch);
    let swapped = pki.certify("other", Authority::Controller);
    let version_1 = pki.certify_version_1("simple", Authority::Switch);
    for (pair, expected) in [
        (&expired, "its certificate expired "),
        (&early, "its certificate is not valid yet; are both clocks right?"),
        (&unknown, "its certificate was not signed by an authority in [tls] ca_certificate"),
        (&swapped, "its certificate was not signed by an authority in [tls] ca_certificate"),
        (&version_1, "its certificate is refused: UnsupportedCertVersion"),
    ] {
        let port = openssl_server(&pki, pair, &[]);
        let stream = TcpStream::connect(port.address).await.unwrap();
        let error = load(&controller).connect("127.0.0.1", stream).await.expect_err("no session").to_string();
        assert!(error.starts_with(expected), "as a server: {error}");
        let error = accept_from_openssl(&controller, &pki, Some(pair), "-tls1_3").await.expect_err("no session");
        assert!(error.to_string().starts_with(expected), "as a client: {error}");
    }
    for version in ["-tls1_2", "-tls1_3"] {
        let error = accept_from_openssl(&controller, &pki, None, version).await.expect_err("no session").to_string();
        assert_eq!(error, "it presents no certificate");
    }
}

#[tokio::test]
async fn both_versions_of_tls_will_do_and_older_ones_will_not() {
    let pki = Pki::new();
    let (controller, _) = both(&pki);
    let pair = pki.certify("compute7", Authority::Switch);
    for version in ["-tls1_2", "-tls1_3"] {
        accept_from_openssl(&controller, &pki, Some(&pair), version).await.unwrap_or_else(|e| panic!("{version}: {e}"));
        let server = openssl_server(&pki, &pair, &[version]);
        let stream = TcpStream::connect(server.address).await.unwrap();
        load(&controller).connect("127.0.0.1", stream).await.unwrap_or_else(|e| panic!("{version}: {e}"));
    }
    let old = ["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"].join(" ");
    let error = accept_from_openssl(&controller, &pki, Some(&pair), &old).await.expect_err("no session").to_string();
    assert!(error.starts_with("it has no version or cipher of TLS in common with us"), "{error}");
}

#[tokio::test]
async fn a_name_that_is_expected_has_to_be_in_the_certificate() {
    let pki = Pki::new();
    let (mut controller, switch) = both(&pki);
    let unique = pki.settings(&pki.certify_unique("compute2", Authority::Switch), Authority::Switch);
    for (names, of_switch, of_unique) in [
        (&["compute1"][..], true, false),
        (&["COMPUTE1", "compute3"], true, false),
        (&["compute2"], false, true),
        (&["compute"], false, false),
        (&[], true, true),
    ] {
        controller.peer_names = names.iter().map(|&name| name.to_owned()).collect();
        for (peer, expected) in [(&switch, of_switch), (&unique, of_unique)] {
            let (accepted, _) = handshake(&controller, peer).await;
            assert_eq!(accepted.is_ok(), expected, "as a client, {names:?}: {}", said(accepted));
            let (_, connected) = handshake(peer, &controller).await;
            assert_eq!(connected.is_ok(), expected, "as a server, {names:?}: {}", said(connected));
        }
    }
    controller.peer_names = vec!["compute3".into(), "192.0.2.1".into()];
    let expected = "its certificate is for \"compute1\", expected one for compute3 or 192.0.2.1";
    assert_eq!(said(handshake(&controller, &switch).await.0), expected);
}

#[tokio::test]
async fn an_end_that_refuses_our_certificate_is_quoted() {
    let pki = Pki::new();
    let (controller, mut switch) = both(&pki);
    switch.ca_certificate = pki.authority(Authority::Switch);
    let expected =
        "it refuses our certificate, [tls] certificate: it was not signed by the authority that the peer knows";
    assert_eq!(said(handshake(&controller, &switch).await.0), expected, "to a bridge");
    assert_eq!(said(handshake(&switch, &controller).await.1), expected, "to a database");
}

#[tokio::test]
async fn what_is_no_tls_is_told_so() {
    let pki = Pki::new();
    let (controller, _) = both(&pki);
    let expected = "it does not speak TLS; is its end tcp: or ptcp: where ours is ssl:?";
    for hello in [&b"\x04\x00\x00\x08\x00\x00\x00\x01"[..], b"{\"method\":\"echo\",\"params\":[],\"id\":\"echo\"}"] {
        let (ours, mut theirs) = tokio::io::duplex(1 << 16);
        theirs.write_all(hello).await.unwrap();
        let error = load(&controller).accept(ours).await.expect_err("no session").to_string();
        assert_eq!(error, expected);
        let (ours, mut theirs) = tokio::io::duplex(1 << 16);
        theirs.write_all(hello).await.unwrap();
        let error = load(&controller).connect("127.0.0.1", ours).await.expect_err("no session").to_string();
        assert_eq!(error, expected);
    }
}

#[test]
fn what_is_wrong_with_a_file_is_said_with_its_path() {
    let pki = Pki::new();
    let (good, _) = both(&pki);
    let refusal = |settings: &Settings| Credentials::load(settings.clone()).expect_err("it is refused").to_string();
    let file = |name: &str, content: &str| {
        let path = pki.path().join(name);
        fs::write(&path, content).unwrap();
        path
    };
    let (nothing, noise) = (file("nothing.pem", ""), file("noise.pem", "-----BEGIN CERTIFICATE-----\n!\n"));
    let absent = pki.path().join("absent.pem");
    let directory = pki.path().to_owned();
    let text = |path: &std::path::Path| path.display().to_string();
    let expired = pki.certify_expired("old", Authority::Controller);
    let other = pki.certify("other", Authority::Controller);
    let version_1 = pki.certify_version_1("simple", Authority::Controller);
    let key = |path: &std::path::Path| Settings { private_key: path.to_owned(), ..good.clone() };
    let certificate = |path: &std::path::Path| Settings { certificate: path.to_owned(), ..good.clone() };
    let authority = |path: &std::path::Path| Settings { ca_certificate: path.to_owned(), ..good.clone() };
    let no_key = "found no private key, expected \"-----BEGIN PRIVATE KEY-----\" (not encrypted)";
    let no_certificate = "found no certificate, expected \"-----BEGIN CERTIFICATE-----\"";
    let not_its_key = format!("the private key does not belong to the certificate in {}", text(&good.certificate));
    for (settings, path, problem) in [
        (key(&absent), &absent, "cannot read it: entity not found"),
        (key(&directory), &directory, "cannot read it: not a file"),
        (key(&nothing), &nothing, no_key),
        (key(&good.certificate), &good.certificate, no_key),
        (key(&other.private_key), &other.private_key, &not_its_key),
        (certificate(&absent), &absent, "cannot read it: entity not found"),
        (certificate(&nothing), &nothing, no_certificate),
        (certificate(&noise), &noise, "not PEM: "),
        (
            certificate(&version_1.certificate),
            &version_1.certificate,
            "the certificate cannot be used: UnsupportedCertVersion",
        ),
        (authority(&absent), &absent, "cannot read it: entity not found"),
        (authority(&good.private_key), &good.private_key, no_certificate),
    ] {
        let found = refusal(&settings);
        assert!(found.starts_with(&format!("{}: {problem}", path.display())), "{found}");
    }
    let old = Settings { private_key: expired.private_key, certificate: expired.certificate.clone(), ..good.clone() };
    let found = refusal(&old);
    let expected = format!("{}: the certificate expired ", expired.certificate.display());
    assert!(found.starts_with(&expected) && found.ends_with(" days ago"), "{found}");
}

#[tokio::test]
async fn certificates_that_change_hold_for_what_connects_next() {
    let pki = Pki::new();
    let (controller, switch) = both(&pki);
    let ours = Settings { certificate: pki.path().join("current.pem"), ..controller.clone() };
    fs::copy(&controller.certificate, &ours.certificate).unwrap();
    let credentials = load(&ours);
    let connect = async || {
        let (ours, theirs) = tokio::io::duplex(1 << 16);
        let switch = load(&switch);
        let (accepted, connected) = tokio::join!(credentials.accept(ours), switch.connect("127.0.0.1", theirs));
        let (accepted, connected) = (accepted.unwrap(), connected.unwrap());
        let presented = connected.get_ref().1.peer_certificates().unwrap()[0].to_vec();
        (accepted, connected, presented)
    };
    let (mut accepted, mut connected, first) = connect().await;
    fs::write(&ours.certificate, "broken").unwrap();
    assert!(credentials.reload().is_err());
    assert_eq!(connect().await.2, first, "the last good one stays in force");
    // The same key with another certificate.
    let request = pki.path().join("heddle-req.pem");
    fs::copy(&request, pki.path().join("renewed-req.pem")).unwrap();
    pki::run(Command::new("ovs-pki").current_dir(pki.path()).args([
        &format!("--dir={}", pki.path().join("pki").display()),
        "--log=log",
        "-b",
        "sign",
        "renewed",
        "controller",
    ]));
    fs::rename(pki.path().join("renewed-cert.pem"), &ours.certificate).unwrap();
    credentials.reload().unwrap();
    assert_ne!(connect().await.2, first);
    accepted.write_all(b"still here").await.unwrap();
    accepted.flush().await.unwrap();
    let mut text = [0; 10];
    connected.read_exact(&mut text).await.unwrap();
    assert_eq!(&text, b"still here");
}

/// A listener for bridges with `settings`; what it reports.
async fn listener(settings: Option<&Settings>) -> (SocketAddr, mpsc::Receiver<Report>, tokio::task::JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, reports) = mpsc::channel(64);
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(serve(listener, settings.map(load), 0, Arc::new(Admission::new(1024)), sender));
    (address, reports, tasks)
}

async fn next_refusal(reports: &mut mpsc::Receiver<Report>) -> HandshakeError {
    let next = async {
        loop {
            let report = reports.recv().await.expect("the listener goes on");
            if let News::Closed { error: Some(ConnectionError::Handshake(error)), .. } = report.news {
                return error;
            }
        }
    };
    timeout(HANDSHAKE_WITHIN + SOON, next).await.expect("a refusal is reported")
}

#[tokio::test]
async fn a_slow_handshake_keeps_nobody_waiting_and_ends() {
    let pki = Pki::new();
    let (controller, switch) = both(&pki);
    let (address, mut reports, _tasks) = listener(Some(&controller)).await;
    let mut silent = Vec::new();
    for _ in 0..50 {
        silent.push(TcpStream::connect(address).await.unwrap());
    }
    let began = Instant::now();
    let stream = TcpStream::connect(address).await.unwrap();
    let mut session = load(&switch).connect("127.0.0.1", stream).await.unwrap();
    let mut hello = [0; 2];
    session.read_exact(&mut hello).await.unwrap();
    assert_eq!(hello, [4, 0], "OFPT_HELLO of OpenFlow 1.3");
    assert!(began.elapsed() < HANDSHAKE_WITHIN, "it did not wait for the silent ones");
    let error = next_refusal(&mut reports).await;
    assert!(matches!(error, HandshakeError::TimedOut(_)), "{error}");
    assert_eq!(silent[0].read(&mut [0; 1]).await.unwrap_or(0), 0, "it is closed");
}

#[tokio::test]
async fn tls_where_plain_tcp_is_spoken_is_told_so() {
    let pki = Pki::new();
    let (_, switch) = both(&pki);
    let (address, mut reports, _tasks) = listener(None).await;
    let stream = TcpStream::connect(address).await.unwrap();
    let error = load(&switch).connect("127.0.0.1", stream).await.expect_err("no session").to_string();
    assert_eq!(error, "it does not speak TLS; is its end tcp: or ptcp: where ours is ssl:?");
    let error = next_refusal(&mut reports).await.to_string();
    assert_eq!(error, "it speaks TLS; is its end ssl: or pssl: where ours is plain TCP?");
}

#[tokio::test]
async fn a_tls_server_in_the_place_of_a_plain_database_is_told_so() {
    let pki = Pki::new();
    let (_, switch) = both(&pki);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let remote = Remote::Tcp { host: "127.0.0.1".into(), port: listener.local_addr().unwrap().port() };
    let (_client, mut events) = ovsdb::Client::spawn(remote, None);
    let (stream, _) = listener.accept().await.unwrap();
    let error = load(&switch).accept(stream).await.expect_err("no session");
    assert!(matches!(error, HandshakeError::NotTls), "{error}");
    let event = timeout(SOON, events.recv()).await.expect("it gives up");
    let Some(ovsdb::Event::Disconnected { reason }) = event else { panic!("no loss: {event:?}") };
    let expected = "it speaks TLS; is its end ssl: or pssl: where ours is plain TCP?";
    assert!(reason.to_string().ends_with(expected), "{reason}");
}

/// `openssl s_server` that asks for a certificate, until dropped.
struct OpensslServer {
    address: SocketAddr,
    child: std::process::Child,
}

impl Drop for OpensslServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn openssl_server(pki: &Pki, pair: &pki::Pair, options: &[&str]) -> OpensslServer {
    // The kernel knows a free port; that nobody else takes it meanwhile is likely enough to try again for.
    for _ in 0..5 {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let mut child = Command::new("openssl")
            .args(["s_server", "-accept", &free.to_string(), "-Verify", "4", "-quiet"])
            .args(options)
            .arg("-key")
            .arg(&pair.private_key)
            .arg("-cert")
            .arg(&pair.certificate)
            .arg("-CAfile")
            .arg(pki.authority(Authority::Controller))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("openssl is installed");
        let began = Instant::now();
        while began.elapsed() < SOON && child.try_wait().unwrap().is_none() {
            if std::net::TcpStream::connect(free).is_ok() {
                return OpensslServer { address: free, child };
            }
            std::thread::yield_now();
        }
        let _ = child.kill();
        let _ = child.wait();
    }
    panic!("openssl s_server does not listen");
}

/// `openssl s_client` connects to `settings`, with a certificate or without.
async fn accept_from_openssl(
    settings: &Settings,
    pki: &Pki,
    pair: Option<&pki::Pair>,
    options: &str,
) -> Result<(), HandshakeError> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut client = Command::new("openssl");
    client.args(["s_client", "-quiet", "-connect", &listener.local_addr().unwrap().to_string()]);
    client.args(options.split(' ')).arg("-CAfile").arg(pki.authority(Authority::Controller));
    if let Some(pair) = pair {
        client.arg("-key").arg(&pair.private_key).arg("-cert").arg(&pair.certificate);
    }
    let mut client = client.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let (stream, _) = timeout(SOON, listener.accept()).await.expect("openssl connects").unwrap();
    let result = load(settings).accept(stream).await.map(drop);
    let _ = client.stdin.as_mut().map(|stdin| stdin.write_all(b"Q\n"));
    let _ = client.kill();
    let _ = client.wait();
    result
}
