//! `heddle check`, `heddle flows` and `heddle status` as a user meets them: what they print, and how they exit.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

const GOOD: &str = r#"[nodes.compute1]
tunnel_ip = "192.0.2.1"
[nodes.compute2]
tunnel_ip = "192.0.2.2"
[networks.blue]
type = "vxlan"
segmentation_id = 1001
[networks.blue.subnets.blue-v4]
cidr = "172.18.0.0/24"
gateway_ip = "172.18.0.1"
[networks.red]
type = "vlan"
physical_network = "physnet"
segmentation_id = 100
[ports.web1]
network = "blue"
node = "compute1"
mac_address = "fa:16:3e:00:00:01"
fixed_ips = ["172.18.0.3"]
[ports.web2]
network = "blue"
node = "compute2"
mac_address = "fa:16:3e:00:00:02"
fixed_ips = ["172.18.0.4"]
"#;

struct Files(TempDir);

impl Files {
    fn new(topology: impl AsRef<[u8]>) -> Self {
        let files = Self(tempfile::tempdir().unwrap());
        fs::write(files.path().join("topology.toml"), topology).unwrap();
        fs::write(files.path().join("heddle.toml"), "node = \"compute1\"\ntopology = \"topology.toml\"\n").unwrap();
        files
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn heddle(&self, words: &str) -> Output {
        Command::new(env!("CARGO_BIN_EXE_heddle"))
            .args(words.split_whitespace())
            .current_dir(self.path())
            .env("HEDDLE_RUNDIR", self.path().join("run"))
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn good_files_are_said_to_be_good() {
    let checked = Files::new(GOOD).heddle("check -c heddle.toml");
    assert_eq!(checked.status.code(), Some(0), "{}", stderr(&checked));
    assert!(stdout(&checked).contains("2 nodes, 2 networks, 2 ports"), "{}", stdout(&checked));
    assert!(stdout(&checked).contains("compute1: 1 ports, 1 tunnels"), "{}", stdout(&checked));
    assert_eq!(stderr(&checked), "");
}

#[test]
fn a_bad_file_is_refused_with_its_place_and_what_was_expected() {
    let cases: [(&str, &str, &str, &[&str]); 11] = [
        ("cidr =", "cird =", ":9:1:", &["cird"]),
        ("network = \"blue\"\nnode = \"compute2\"", "network = \"bleu\"\nnode = \"compute2\"", ":21:11:", &["bleu"]),
        ("node = \"compute2\"", "node = \"compute3\"", ":22:8:", &["compute3"]),
        ("fa:16:3e:00:00:02", "fa:16:3e:00:00:01", ":23:15:", &["web1"]),
        ("172.18.0.4", "172.18.0.3", ":24:", &["web1"]),
        ("172.18.0.4", "172.19.0.4", ":24:", &["172.19.0.4"]),
        ("segmentation_id = 100\n", "segmentation_id = 4095\n", ":14:19:", &["4095", "4094"]),
        ("segmentation_id = 1001\n", "segmentation_id = 16777216\n", ":7:19:", &["16777215"]),
        ("segmentation_id = 1001\n", "", ":5:", &["segmentation_id"]),
        ("fa:16:3e:00:00:02", "fa-16-3e-00-00-02", ":23:15:", &["fa-16-3e-00-00-02", "Ethernet"]),
        ("172.18.0.0/24", "172.18.0.7/24", ":9:8:", &["172.18.0.0/24"]),
    ];
    for (good, bad, place, words) in cases {
        assert!(GOOD.contains(good), "{good}");
        let checked = Files::new(GOOD.replacen(good, bad, 1)).heddle("check -c heddle.toml");
        let text = stderr(&checked);
        assert_eq!(checked.status.code(), Some(2), "{bad}: {text}");
        assert!(
            text.starts_with("heddle: ") && text.contains("topology.toml") && text.contains(place),
            "{bad}: {text}"
        );
        for word in words {
            assert!(text.contains(word), "{bad}: {text}");
        }
        assert_eq!(stdout(&checked), "");
    }
}

#[test]
fn a_file_that_is_empty_truncated_noise_or_no_file_is_refused() {
    let truncated = &GOOD[..GOOD.len() - 7];
    let noise: Vec<u8> = (0..200_000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    for topology in [b"".as_slice(), truncated.as_bytes(), &noise] {
        let checked = Files::new(topology).heddle("check -c heddle.toml");
        assert_eq!(checked.status.code(), Some(2), "{}", stderr(&checked));
        assert!(stderr(&checked).contains("topology.toml"), "{}", stderr(&checked));
    }
    let files = Files::new(GOOD);
    fs::File::create(files.path().join("topology.toml")).unwrap().set_len(100 << 20).unwrap();
    let checked = files.heddle("check -c heddle.toml");
    assert_eq!(checked.status.code(), Some(2), "{}", stderr(&checked));
    fs::remove_file(files.path().join("topology.toml")).unwrap();
    fs::create_dir(files.path().join("topology.toml")).unwrap();
    assert_eq!(files.heddle("check -c heddle.toml").status.code(), Some(2));
    fs::remove_dir(files.path().join("topology.toml")).unwrap();
    assert_eq!(files.heddle("check -c heddle.toml").status.code(), Some(2));
}

#[test]
fn a_physical_network_without_a_bridge_is_refused_where_a_port_needs_it() {
    let port = "[ports.web3]\nnetwork = \"red\"\nnode = \"compute1\"\nmac_address = \"fa:16:3e:00:00:03\"\n";
    let files = Files::new(format!("{GOOD}{port}"));
    assert_eq!(files.heddle("check -c heddle.toml").status.code(), Some(0));
    fs::write(
        files.path().join("heddle.toml"),
        "node = \"compute1\"\ntopology = \"topology.toml\"\n[bridges]\nphysical = {}\n",
    )
    .unwrap();
    let checked = files.heddle("check -c heddle.toml");
    assert_eq!(checked.status.code(), Some(2));
    assert!(
        stderr(&checked).contains("topology.toml:13:") && stderr(&checked).contains("physnet"),
        "{}",
        stderr(&checked)
    );
}

#[test]
fn an_unknown_key_of_the_hosts_own_file_is_refused() {
    let files = Files::new(GOOD);
    fs::write(files.path().join("heddle.toml"), "node = \"compute1\"\n[openflow]\nlisten_on = []\n").unwrap();
    for command in ["check -c heddle.toml", "run -c heddle.toml", "flows -c heddle.toml --topology topology.toml"] {
        let refused = files.heddle(command);
        assert_eq!(refused.status.code(), Some(2), "{command}");
        assert!(stderr(&refused).contains("heddle.toml:3:1"), "{command}: {}", stderr(&refused));
    }
}

#[test]
fn wanted_flows_are_printed_without_switch_or_daemon() {
    let files = Files::new(GOOD);
    let flows = files.heddle("flows --topology topology.toml --node compute1 --bridge br-tun");
    assert_eq!(flows.status.code(), Some(0), "{}", stderr(&flows));
    let text = stdout(&flows);
    let unicast = "table=20, priority=2,dl_vlan=1,dl_dst=fa:16:3e:00:00:02 \
                   actions=pop_vlan,set_field:0x3e9->tun_id,output:\"vxlan-c0000202\"";
    assert!(text.lines().any(|line| line.ends_with(unicast)), "{text}");
    assert!(text.lines().all(|line| line.starts_with("cookie=0x4ed1")), "{text}");
    let all = stdout(&files.heddle("flows --topology topology.toml --node compute1"));
    assert!(all.contains("# br-int\n") && all.contains("# br-tun\n") && all.contains("# br-phys\n"), "{all}");
    assert!(all.contains(&text), "{all}");
    let other = files.heddle("flows --topology topology.toml --node compute1 --bridge br-other");
    assert_eq!(other.status.code(), Some(2));
    assert!(stderr(&other).contains("br-int, br-tun, br-phys"), "{}", stderr(&other));
    let nobody = files.heddle("flows --topology topology.toml --node nobody");
    assert_eq!(nobody.status.code(), Some(2));
    assert!(stderr(&nobody).contains("nobody"), "{}", stderr(&nobody));
}

#[test]
fn a_closed_pipe_is_no_failure() {
    let files = Files::new(GOOD);
    let mut child = Command::new(env!("CARGO_BIN_EXE_heddle"))
        .args(["flows", "--topology", "topology.toml", "--node", "compute1"])
        .current_dir(files.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn status_without_a_daemon_says_so() {
    let asked = Files::new(GOOD).heddle("status");
    assert_eq!(asked.status.code(), Some(2));
    assert!(stderr(&asked).contains("heddle run"), "{}", stderr(&asked));
}

#[test]
fn wrong_usage_exits_with_2() {
    let files = Files::new(GOOD);
    for words in ["", "frobnicate", "check --nonsense"] {
        assert_eq!(files.heddle(words).status.code(), Some(2), "{words}");
    }
    assert_eq!(files.heddle("--help").status.code(), Some(0));
}

#[test]
fn flow_text_is_parsed_or_refused_with_its_line_and_column() {
    let files = Files::new(GOOD);
    fs::write(files.path().join("flows"), "priority=9,in_port=1 actions=goto_table:58\n").unwrap();
    fs::write(files.path().join("bad"), "in_port=1 actions=output:2\nin_port=1 actions=frobnicate\n").unwrap();
    let parse = |words: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ofctl-dump"));
        command.arg("parse").args(words.split_whitespace()).current_dir(files.path()).output().unwrap()
    };
    let good = parse("flows");
    assert_eq!(
        (good.status.code(), stdout(&good).as_str()),
        (Some(0), "ADD priority=9,in_port=1 actions=goto_table:58\n")
    );
    assert!(stdout(&parse("--hex flows")).starts_with("040e"));
    let bad = parse("bad");
    assert_eq!((bad.status.code(), stdout(&bad).as_str()), (Some(2), "ADD in_port=1 actions=output:2\n"));
    assert!(stderr(&bad).contains("line 2") && stderr(&bad).contains("frobnicate"), "{}", stderr(&bad));
}
