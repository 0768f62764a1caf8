//! `ofctl-dump parse` as a user meets it: every kind of text, names of ports and tables, what is refused.

use std::fs;
use std::process::{Command, Output};

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// Parses `text`.
    fn parse(&self, words: &[&str], text: &str) -> Output {
        fs::write(self.0.path().join("input"), text).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_ofctl-dump"));
        command.arg("parse").args(words).arg("input").current_dir(self.0.path()).output().unwrap()
    }

    /// What comes of `text` where all of it is good.
    fn good(&self, words: &[&str], text: &str) -> String {
        let output = self.parse(words, text);
        assert_eq!((output.status.code(), stderr(&output).as_str()), (Some(0), ""), "{text}");
        String::from_utf8(output.stdout).unwrap()
    }
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn every_kind_of_text_has_its_normal_form() {
    let folder = Folder::new();
    for (kind, text, expected) in [
        ("flow", "delete tcp,tp_dst=80", "DEL table:255 tcp,tp_dst=80 actions=drop\n"),
        (
            "group",
            "group_id=1,type=ff,bucket=watch_port:2,2",
            "ADD group_id=1,type=ff,bucket=watch_port:2,actions=output:2\n",
        ),
        ("meter", "meter=7 pktps bands=type=drop,rate=9", "ADD meter=7 pktps bands=\ntype=drop rate=9\n"),
        ("bundle", "group delete group_id=4", "DEL group_id=4,type=all\n"),
        ("match", "tp_dst=80,tcp,nw_src=10.0.0.7/8", "tcp,nw_src=10.0.0.0/8,tp_dst=80\n"),
        ("actions", "mod_dl_dst:00:00:00:00:00:01,5", "set_field:00:00:00:00:00:01->eth_dst,output:5\n"),
        ("oxm", "NXM_OF_VLAN_TCI(3123)", "OXM_OF_VLAN_VID(1123), OXM_OF_VLAN_PCP(01)\n"),
        ("nxm", "NXM_OF_IN_PORT(0001), NXM_NX_REG0_W(00000000/00000000)", "NXM_OF_IN_PORT(0001)\n"),
    ] {
        assert_eq!(folder.good(&["--as", kind], text), expected, "{kind}");
    }
    let packet = "in_port=1 packet=50540000000a50540000000b1234 actions=2";
    let expected = "in_port=1 actions=output:2 data_len=14\n";
    assert!(folder.good(&["--as", "packet-out"], packet).starts_with(expected));
    let mapping = "{class=0xffff,type=1,len=8}->tun_metadata1";
    assert!(folder.good(&["--as", "tlv-map"], mapping).contains("0xffff"));
}

#[test]
fn every_kind_of_text_has_its_bytes() {
    let folder = Folder::new();
    for (kind, text, expected) in [
        ("group", "delete", "040f00100000000000020000fffffffc\n"),
        ("meter", "delete meter=3", "041d0010000000000002000000000003\n"),
        ("tlv-map", "clear", "040400180000000000002320000000180002000000000000\n"),
        ("match", "arp", "0001000a80000a020806000000000000\n"),
        ("actions", "dec_ttl", "0018000800000000\n"),
        ("oxm", "OXM_OF_METADATA(0000000000000001)", "00010010800004080000000000000001\n"),
    ] {
        assert_eq!(folder.good(&["--as", kind, "--hex"], text), expected, "{kind}");
    }
}

#[test]
fn ports_and_tables_may_stand_by_name() {
    let folder = Folder::new();
    let given = ["--port-names", "tap1=3,\"int-br\"=4", "--table-names", "br-tun"];
    let flow = "table=ucast_to_tun,in_port=tap1 actions=output:\"int-br\",resubmit(,flood_to_tun)";
    let numbers = "ADD table:20 in_port=3 actions=output:4,resubmit(,22)\n";
    assert_eq!(folder.good(&given, flow), numbers);
    let named = [&given[..], &["--names"]].concat();
    let names = "ADD table:\"ucast_to_tun\" in_port=tap1 actions=output:\"int-br\",resubmit(,\"flood_to_tun\")\n";
    assert_eq!(folder.good(&named, flow), names);
    fs::write(folder.0.path().join("ports"), "tap1=3\nbr0=LOCAL\n").unwrap();
    let group = "group_id=1,type=all,bucket=output:tap1,bucket=output:br0";
    let expected = "ADD group_id=1,type=all,bucket=actions=output:3,bucket=actions=LOCAL\n";
    assert_eq!(folder.good(&["--as", "group", "--port-names", "ports"], group), expected);
    let missing = folder.parse(&["--port-names", "nowhere"], flow);
    assert_eq!(missing.status.code(), Some(2));
    assert!(stderr(&missing).contains("nowhere"), "{}", stderr(&missing));
}

#[test]
fn what_is_refused_is_told_with_its_place_and_its_reason() {
    let folder = Folder::new();
    for (kind, text, words) in [
        ("group", "group_id=1,type=all,bukket=output:1", ["column 21", "bucket"]),
        ("group", "group_id=1,type=indirect", ["line 1", "OFPGMFC_INVALID_GROUP"]),
        ("group", "insert_bucket group_id=1,command_bucket_id=last,bucket=1", ["column 1", "OpenFlow 1.5"]),
        ("meter", "meter=1 kbps pktps bands=type=drop rate=1", ["line 1", "OFPMMFC_BAD_FLAGS"]),
        ("packet-out", "in_port=1 actions=drop", ["column 1", "packet=HEX"]),
        ("bundle", "meter=1", ["column 1", "packet-out"]),
        ("oxm", "OXM_OF_TCP_SRC(0050)", ["line 1", "OFPBMC_BAD_PREREQ"]),
    ] {
        let output = folder.parse(&["--as", kind], text);
        let told = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{text}");
        assert!(words.iter().all(|word| told.contains(word)), "{text}: {told}");
        let json = folder.parse(&["--as", kind, "--json"], text);
        let row: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
        assert!(row["text"].is_null() && row["error"].as_str().unwrap().contains(words[1]), "{row}");
    }
    assert_eq!(folder.good(&["--as", "oxm", "--loose"], "80007e01(00)"), "<any>\n");
}
