//! Open vSwitch over TLS: bridges and database, certificates that are refused, certificates that change.

mod lab;
#[path = "support/pki.rs"]
mod pki;

use std::fs;
use std::process::Command;
use std::time::Duration;

use heddle::tls::Settings;
use lab::{Host, Lab, LabBuilder, Local, Vxlan, eventually, eventually_some, program};
use pki::{Authority, Pair, Pki};

/// How long Open vSwitch may take to come back to us: it waits up to eight seconds between attempts.
const BACK_WITHIN: Duration = Duration::from_secs(30);

/// `[tls]` of Heddle, with a certificate of its own.
fn ours(pki: &Pki) -> Settings {
    pki.settings(&pki.certify("heddle", Authority::Controller), Authority::Controller)
}

/// `ovs-vsctl set-ssl`
fn set_ssl(host: &Host, pki: &Pki, pair: &Pair) {
    let text = |path: &std::path::Path| path.display().to_string();
    let authority = text(&pki.authority(Authority::Controller));
    host.vsctl(&["set-ssl", &text(&pair.private_key), &text(&pair.certificate), &authority]);
}

/// Two VMs on one host; bridges come by TLS.
fn one_host(name: &str, tls: &Settings, more: &str) -> LabBuilder {
    Lab::new(name)
        .network("blue", Local, &["172.18.0.0/24"])
        .host("a")
        .vm("a", "web1", "blue")
        .vm("a", "web2", "blue")
        .config_all("[openflow]\nlisten = [\"ssl:127.0.0.1:6633\"]")
        .config_all(&pki::toml(tls))
        .config_all(more)
}

/// Heddle has made its bridges; then the VMs are plugged, and all is confirmed.
fn plug(lab: &Lab) {
    for host in lab.hosts() {
        eventually("heddle makes its bridges", BACK_WITHIN, || host.bridge_exists("br-int"));
    }
    lab.plug_all();
    lab.wait_ready();
}

fn connected_from(host: &Host, bridge: &str) -> Option<String> {
    let status = host.try_status()?;
    let bridges = status["bridges"].as_array()?.clone();
    bridges.iter().find(|row| row["name"] == bridge)?["connected_from"].as_str().map(str::to_owned)
}

fn refused(host: &Host, reason: &str) -> u64 {
    host.try_status().and_then(|status| status["refused_connections"][reason].as_u64()).unwrap_or(0)
}

#[test]
fn bridges_and_database_over_tls_forward_as_over_plain_sockets() {
    let pki = Pki::new();
    let switch = pki.certify("compute1", Authority::Switch);
    let tls = Settings { peer_names: vec!["compute1".into()], ..ours(&pki) };
    let lab = Lab::new("tls")
        .network("blue", Vxlan(1001), &["172.18.0.0/24"])
        .host("a")
        .host("b")
        .vm("a", "web1", "blue")
        .vm("b", "web2", "blue")
        .config_all("[openflow]\nlisten = [\"ssl:127.0.0.1:6633\"]\n[ovsdb]\nremote = \"ssl:127.0.0.1:6640\"")
        .config_all("[tunnel]\narp_responder = \"controller\"")
        .config_all(&pki::toml(&tls))
        .start_without_heddle();
    for host in lab.hosts() {
        set_ssl(host, &pki, &switch);
        host.vsctl(&["set-manager", "pssl:6640:127.0.0.1"]);
        host.start_heddle();
    }
    plug(&lab);
    let host = lab.host("a");
    for bridge in ["br-int", "br-tun"] {
        assert_eq!(host.vsctl(&["get-controller", bridge]).trim(), "ssl:127.0.0.1:6633");
    }
    // ARP comes up to Heddle and is answered by it.
    lab.vm("web1").assert_ping("web2");
    eventually("an answer to ARP is counted", BACK_WITHIN, || {
        let punts = host.heddle(&["punts", "--once"]).stdout;
        punts.contains("arp") && punts.contains("answered")
    });
    assert!(host.heddle(&["check", "-c", &host.config_path()]).ok());
    host.restart_heddle();
    host.wait_settled();
    lab.vm("web2").assert_ping("web1");
}

#[test]
fn a_switch_with_a_wrong_certificate_is_refused_and_told_why_until_it_has_a_good_one() {
    let pki = Pki::new();
    let good = pki.certify("compute1", Authority::Switch);
    let tls = Settings { peer_names: vec!["compute1".into()], ..ours(&pki) };
    let lab = one_host("tls-refused", &tls, "").start_without_heddle();
    let host = lab.host("a");
    set_ssl(host, &pki, &good);
    host.start_heddle();
    plug(&lab);
    let strangers = Pki::new();
    for (pair, reason, said) in [
        (pki.certify_expired("compute2", Authority::Switch), "certificate_expired", "its certificate expired "),
        (
            strangers.certify("compute1", Authority::Switch),
            "certificate_of_unknown_ca",
            "was not signed by an authority",
        ),
        (
            pki.certify("compute3", Authority::Switch),
            "certificate_for_another_name",
            "its certificate is for \"compute3\", expected one for compute1",
        ),
    ] {
        set_ssl(host, &pki, &pair);
        host.appctl(&["bridge/reconnect", "br-int"]);
        eventually(&format!("the status counts {reason}"), BACK_WITHIN, || refused(host, reason) > 0);
        assert!(host.heddle_log().contains(said), "{said}");
        assert_eq!(connected_from(host, "br-int"), None);
        assert!(lab.vm("web1").ping("web2"), "the flows stay");
        set_ssl(host, &pki, &good);
        host.appctl(&["bridge/reconnect", "br-int"]);
        eventually("the bridge is back", BACK_WITHIN, || connected_from(host, "br-int").is_some());
        let text = host.heddle(&["status"]).stdout;
        assert!(text.contains("Connections that were refused") && text.contains(&reason.replace('_', " ")), "{text}");
    }
}

#[test]
fn plain_bridges_and_tls_are_told_from_each_other() {
    let pki = Pki::new();
    let listen = "[openflow]\nlisten = [\"ssl:127.0.0.1:6633\", \"127.0.0.1:6634\"]";
    let lab = one_host("tls-plain", &ours(&pki), listen).start_without_heddle();
    let host = lab.host("a");
    set_ssl(host, &pki, &pki.certify("compute1", Authority::Switch));
    host.start_heddle();
    plug(&lab);
    host.add_bridge("other");
    for (target, reason, said) in [
        ("tcp:127.0.0.1:6633", "not_tls", "it does not speak TLS; is its end tcp: or ptcp: where ours is ssl:?"),
        ("ssl:127.0.0.1:6634", "tls_on_plain_tcp", "it speaks TLS; is its end ssl: or pssl: where ours is plain TCP?"),
    ] {
        host.vsctl(&["set-controller", "other", target]);
        eventually(&format!("the status counts {reason}"), BACK_WITHIN, || refused(host, reason) > 0);
        assert!(host.heddle_log().contains(said), "{said}");
    }
    lab.vm("web1").assert_ping("web2");
}

#[test]
fn the_database_has_to_be_who_it_is_too() {
    let pki = Pki::new();
    let remote = "[ovsdb]\nremote = \"ssl:127.0.0.1:6640\"";
    let lab = one_host("tls-database", &ours(&pki), remote).start_without_heddle();
    let host = lab.host("a");
    set_ssl(host, &pki, &pki.certify_expired("old", Authority::Switch));
    host.vsctl(&["set-manager", "pssl:6640:127.0.0.1"]);
    host.start_heddle();
    host.wait_log_within("no TLS session with ssl:127.0.0.1:6640: its certificate expired ", BACK_WITHIN);
    host.vsctl(&["set-manager", "ptcp:6640:127.0.0.1"]);
    host.wait_log_within("it closed the connection during the TLS handshake; does it speak TLS?", BACK_WITHIN);
    let good = pki.certify("compute1", Authority::Switch);
    // A database that knows another authority refuses us.
    let (key, certificate) = (good.private_key.display().to_string(), good.certificate.display().to_string());
    host.vsctl(&["set-ssl", &key, &certificate, &pki.authority(Authority::Switch).display().to_string()]);
    host.vsctl(&["set-manager", "pssl:6640:127.0.0.1"]);
    host.wait_log_within(
        "it refuses our certificate, [tls] certificate: it was not signed by the authority",
        BACK_WITHIN,
    );
    set_ssl(host, &pki, &good);
    plug(&lab);
    lab.vm("web1").assert_ping("web2");
}

#[test]
fn a_database_that_speaks_tls_is_told_from_one_that_does_not() {
    let pki = Pki::new();
    let lab = Lab::new("tls-database-plain")
        .network("blue", Local, &["172.18.0.0/24"])
        .host("a")
        .vm("a", "web1", "blue")
        .config_all("[ovsdb]\nremote = \"tcp:127.0.0.1:6640\"")
        .start_without_heddle();
    let host = lab.host("a");
    set_ssl(host, &pki, &pki.certify("compute1", Authority::Switch));
    host.vsctl(&["set-manager", "pssl:6640:127.0.0.1"]);
    host.start_heddle();
    host.wait_log_within("before it said anything; is its end pssl: where ours is tcp:?", BACK_WITHIN);
    host.vsctl(&["set-manager", "ptcp:6640:127.0.0.1"]);
    plug(&lab);
}

#[test]
fn a_certificate_that_changes_is_read_and_one_that_is_broken_is_not_and_connections_live_on() {
    let pki = Pki::new();
    let tls = ours(&pki);
    let lab = one_host("tls-reload", &tls, "").start_without_heddle();
    let host = lab.host("a");
    set_ssl(host, &pki, &pki.certify("compute1", Authority::Switch));
    host.start_heddle();
    plug(&lab);
    let before = connected_from(host, "br-int").expect("it is connected");

    let replace = |content: &[u8]| {
        let new = tls.certificate.with_extension("new");
        fs::write(&new, content).unwrap();
        fs::rename(new, &tls.certificate).unwrap();
    };
    let good = fs::read(&tls.certificate).unwrap();
    replace(b"nothing");
    let problem = || host.try_status().and_then(|status| Some(status["tls_problem"].as_str()?.to_owned()));
    let said = eventually_some("the refusal in the status", BACK_WITHIN, problem);
    let path = tls.certificate.display();
    assert_eq!(said, format!("{path}: found no certificate, expected \"-----BEGIN CERTIFICATE-----\""));
    let status = host.heddle(&["status"]);
    assert_eq!(status.code, 1);
    assert!(status.stdout.contains("The certificate or key of [tls] is refused; the last good one is in force:"));
    host.appctl(&["bridge/reconnect", "br-tun"]);
    eventually("br-tun is back with the last good one", BACK_WITHIN, || connected_from(host, "br-tun").is_some());

    // It has expired: refused too. Then renewed, with another key.
    let other = pki.certify("renewed", Authority::Controller);
    fs::copy(&other.private_key, &tls.private_key).unwrap();
    let not_its_key = "the private key does not belong to the certificate";
    eventually("a key without its certificate is refused", BACK_WITHIN, || {
        replace(&good);
        problem().is_some_and(|said| said.contains(not_its_key))
    });
    replace(&fs::read(&other.certificate).unwrap());
    eventually("the renewed certificate is in force", BACK_WITHIN, || problem().is_none());
    let logged = |text: &str| host.log_count(text);
    assert!(logged("certificates read") > 0 && logged("the last good ones stay in force") >= 2);
    assert_eq!(connected_from(host, "br-int"), Some(before), "the connection has lived on");
    host.appctl(&["bridge/reconnect", "br-int"]);
    lab.wait_ready();
    lab.vm("web1").assert_ping("web2");
}

#[test]
fn what_cannot_work_keeps_heddle_from_starting_and_is_found_by_heddle_check() {
    let pki = Pki::new();
    let tls = ours(&pki);
    let directory = tempfile::tempdir().unwrap();
    let (config, topology) = (directory.path().join("heddle.toml"), directory.path().join("topology.toml"));
    fs::write(&topology, "[nodes.a]\n").unwrap();
    let node = format!("node = \"a\"\ntopology = {topology:?}\nmetrics.listen = \"\"\n");
    let wrong_key = Settings { private_key: pki.certify("x", Authority::Controller).private_key, ..tls.clone() };
    let absent = Settings { ca_certificate: "/nonexistent.pem".into(), ..tls.clone() };
    for (text, said) in [
        (
            "[openflow]\nlisten = [\"0.0.0.0\"]".to_owned(),
            "openflow.listen[0]: found 0.0.0.0:6633, which others than this host reach, without TLS; expected \
             \"ssl:0.0.0.0:6633\" and [tls], or insecure = true in [openflow]",
        ),
        ("[openflow]\nlisten = [\"ssl:0.0.0.0\"]".to_owned(), "tls: found none and ssl: above"),
        (pki::toml(&wrong_key), "the private key does not belong to the certificate in "),
        (pki::toml(&absent), "heddle: [tls]: /nonexistent.pem: cannot read it: entity not found"),
    ] {
        fs::write(&config, format!("{node}{text}")).unwrap();
        for command in ["check", "run"] {
            let mut heddle = Command::new(program("heddle"));
            heddle.args([command, "-c"]).arg(&config).env("HEDDLE_RUNDIR", directory.path());
            let output = heddle.output().unwrap();
            let err = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(2), "heddle {command}: {err}");
            assert!(err.contains(said), "heddle {command}: {err}");
        }
    }
}

#[test]
fn plain_tcp_that_others_reach_works_if_it_is_wanted_and_is_warned_of() {
    let lab = Lab::new("insecure")
        .network("blue", Local, &["172.18.0.0/24"])
        .host("a")
        .vm("a", "web1", "blue")
        .vm("a", "web2", "blue")
        .config_all("[openflow]\nlisten = [\"0.0.0.0\"]\ninsecure = true")
        .start();
    lab.host("a").wait_log("anybody who reaches this address can be a bridge or listen to one: it has no TLS");
    lab.vm("web1").assert_ping("web2");
}
