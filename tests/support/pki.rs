//! A PKI as `ovs-pki` makes it, and certificates that are wrong in one way each.
#![allow(dead_code, unreachable_pub, reason = "every test file compiles this and uses its part")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use heddle::tls::Settings;

/// Two authorities, as `ovs-pki init` makes them: that of controllers and that of switches.
pub struct Pki {
    directory: tempfile::TempDir,
}

/// Who signs: the authority for controllers or that for switches (`ovs-pki sign NAME TYPE`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Authority {
    Controller,
    Switch,
}

impl Authority {
    const fn word(self) -> &'static str {
        match self {
            Self::Controller => "controller",
            Self::Switch => "switch",
        }
    }

    const fn other(self) -> Self {
        match self {
            Self::Controller => Self::Switch,
            Self::Switch => Self::Controller,
        }
    }
}

/// A private key and its certificate.
#[derive(Clone, Debug)]
pub struct Pair {
    pub private_key: PathBuf,
    pub certificate: PathBuf,
}

impl Pki {
    pub fn new() -> Self {
        let pki = Self { directory: tempfile::tempdir().expect("a temporary directory") };
        // The daemon of a test may be another user.
        make_readable(pki.path(), 0o755);
        pki.ovs_pki(&["init"]);
        pki
    }

    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    fn ovs_pki(&self, args: &[&str]) {
        let directory = format!("--dir={}", self.path().join("pki").display());
        let log = format!("--log={}", self.path().join("ovs-pki.log").display());
        run(Command::new("ovs-pki").current_dir(self.path()).args([&directory, &log]).args(args));
    }

    /// The certificate of an authority.
    pub fn authority(&self, authority: Authority) -> PathBuf {
        self.path().join(format!("pki/{}ca/cacert.pem", authority.word()))
    }

    fn pair(&self, name: &str) -> Pair {
        let file = |what: &str| self.path().join(format!("{name}-{what}.pem"));
        make_readable(&file("privkey"), 0o644);
        Pair { private_key: file("privkey"), certificate: file("cert") }
    }

    /// `ovs-pki -u req+sign NAME TYPE`
    pub fn certify(&self, name: &str, authority: Authority) -> Pair {
        self.ovs_pki(&["-u", "req+sign", name, authority.word()]);
        self.pair(name)
    }

    /// As an operator types it: `ovs-pki` makes the name unique.
    pub fn certify_unique(&self, name: &str, authority: Authority) -> Pair {
        self.ovs_pki(&["req+sign", name, authority.word()]);
        self.pair(name)
    }

    /// A certificate that is valid between two times, as `openssl ca` has them (`20200101000000Z`).
    pub fn certify_between(&self, name: &str, authority: Authority, (from, to): (&str, &str)) -> Pair {
        self.ovs_pki(&["-u", "req", name]);
        let (request, certificate) = (format!("{name}-req.pem"), format!("{name}-cert.pem"));
        let file = |file: &str| self.path().join(file).display().to_string();
        let dates = ["-startdate", from, "-enddate", to];
        run(Command::new("openssl")
            .current_dir(self.path().join(format!("pki/{}ca", authority.word())))
            .args(["ca", "-config", "ca.cnf", "-batch", "-extensions", "usr_cert"])
            .args(dates)
            .args(["-in", &file(&request), "-out", &file(&certificate)]));
        self.pair(name)
    }

    /// A certificate that expired years ago.
    pub fn certify_expired(&self, name: &str, authority: Authority) -> Pair {
        self.certify_between(name, authority, ("20200101000000Z", "20210101000000Z"))
    }

    /// A certificate of X.509 version 1: without extensions.
    pub fn certify_version_1(&self, name: &str, authority: Authority) -> Pair {
        self.ovs_pki(&["-u", "req", name]);
        let ca = |file: &str| self.path().join(format!("pki/{}ca/{file}", authority.word()));
        run(Command::new("openssl")
            .current_dir(self.path())
            .args(["x509", "-req", "-days", "10", "-set_serial", "4711", "-in", &format!("{name}-req.pem")])
            .args(["-out", &format!("{name}-cert.pem"), "-CA"])
            .arg(ca("cacert.pem"))
            .arg("-CAkey")
            .arg(ca("private/cakey.pem")));
        self.pair(name)
    }

    /// `[tls]` of one end: signed by `authority`, and knowing the other.
    pub fn settings(&self, pair: &Pair, authority: Authority) -> Settings {
        Settings {
            private_key: pair.private_key.clone(),
            certificate: pair.certificate.clone(),
            ca_certificate: self.authority(authority.other()),
            peer_names: Vec::new(),
        }
    }
}

/// `[tls]` of `heddle.toml`.
pub fn toml(settings: &Settings) -> String {
    format!(
        "[tls]\nprivate_key = {:?}\ncertificate = {:?}\nca_certificate = {:?}\npeer_names = {:?}\n",
        settings.private_key, settings.certificate, settings.ca_certificate, settings.peer_names
    )
}

fn make_readable(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
}

/// Runs a command to its end; panics with what it said if that is no good one.
pub fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}: {}\n{out}{err}", output.status);
    out.into_owned()
}
