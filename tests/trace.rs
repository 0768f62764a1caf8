//! `ofctl-dump trace` against `ofproto/trace` of a real Open vSwitch: the same flows in the same order, the same
//! packet in the end, the same packets out of the same ports.

mod support;

use std::collections::BTreeMap;
use std::process::{Command, Output};

use support::ovs_trace::{Leg, of_ofctl_dump, of_open_vswitch};
use support::switch::Switch;

/// A switch with bridges, and what both programs say of packets.
struct Lab {
    switch: Switch,
    /// Datapath ports by number.
    ports: BTreeMap<String, String>,
    /// What flows do not tell, for `ofctl-dump`.
    facts: Vec<String>,
    packets: usize,
    differences: Vec<String>,
}

impl Lab {
    fn new(switch: Switch) -> Self {
        let mut ports = BTreeMap::new();
        let show = switch.run("ovs-appctl", &["-t", switch.path("vs.ctl").to_str().unwrap(), "dpif/show"]);
        let mut bridge = "";
        for line in show.lines() {
            let text = line.trim();
            if let Some(name) = text.strip_suffix(':') {
                bridge = name;
            } else if let [_, numbers, ..] = text.split_whitespace().collect::<Vec<_>>()[..]
                && let Some((port, number)) = numbers.trim_end_matches(':').split_once('/')
            {
                let port = if port == "65534" { "LOCAL" } else { port };
                ports.insert(number.to_owned(), format!("{bridge} {port}"));
            }
        }
        Self { switch, ports, facts: Vec::new(), packets: 0, differences: Vec::new() }
    }

    fn appctl(&self, arguments: &[&str]) -> String {
        let control = self.switch.path("vs.ctl");
        self.switch.run("ovs-appctl", &[&["-t", control.to_str().unwrap()], arguments].concat())
    }

    fn ofctl_dump(&self, bridge: &str, arguments: &[&str]) -> Output {
        let socket = self.switch.path(&format!("{bridge}.mgmt"));
        let mut command = Command::new(env!("CARGO_BIN_EXE_ofctl-dump"));
        command.args(["trace", socket.to_str().unwrap()]).args(arguments).args(&self.facts);
        command.output().unwrap()
    }

    /// What both say of a packet, each time with these states of its connection.
    fn both(&mut self, bridge: &str, flow: &str, states: &[&str]) -> [Vec<Leg>; 2] {
        let next: Vec<&str> = states.iter().flat_map(|state| ["--ct-next", state]).collect();
        let theirs = self.appctl(&[&["ofproto/trace", bridge, flow], &next[..]].concat());
        let ct: Vec<&str> = states.iter().flat_map(|state| ["--ct", state]).collect();
        let output = self.ofctl_dump(bridge, &[&["--json", flow], &ct[..]].concat());
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(errors.is_empty(), "{bridge} {flow}: {errors}");
        let ours = of_ofctl_dump(&String::from_utf8(output.stdout).unwrap());
        let dropped = ours.iter().all(|leg| leg.outputs.is_empty());
        assert_eq!(output.status.code(), Some(i32::from(dropped)), "{bridge} {flow}");
        self.packets += 1;
        [of_open_vswitch(&theirs, &self.ports), ours]
    }

    /// Holds that both say the same of a packet; differences are told in the end, all of them.
    fn compare(&mut self, bridge: &str, flow: &str, states: &[&str]) {
        let [theirs, ours] = self.both(bridge, flow, states);
        if theirs != ours {
            let mut difference = format!("{bridge} {flow} {states:?}: {} and {} legs", theirs.len(), ours.len());
            for (theirs, ours) in theirs.iter().zip(&ours).filter(|(theirs, ours)| theirs != ours) {
                difference.push_str(&format!("\n  Open vSwitch {theirs:?}\n  ours         {ours:?}"));
            }
            self.differences.push(difference);
        }
    }

    fn end(self, at_least: usize) {
        println!("{} packets, {} differences", self.packets, self.differences.len());
        assert!(self.differences.is_empty(), "{}", self.differences.join("\n\n"));
        assert!(self.packets >= at_least, "{} packets", self.packets);
    }
}

/// Adds internal ports `PREFIX1` and so on, numbered alike.
fn add_ports(switch: &Switch, bridge: &str, prefix: &str, count: usize) {
    for number in 1..=count {
        let (name, request) = (format!("{prefix}{number}"), format!("ofport_request={number}"));
        switch.vsctl(&["add-port", bridge, &name, "--", "set", "Interface", &name, "type=internal", &request]);
    }
}

fn add_port(switch: &Switch, bridge: &str, name: &str, number: u32, settings: &[&str]) {
    let request = format!("ofport_request={number}");
    switch.vsctl(&[&["add-port", bridge, name, "--", "set", "Interface", name, &request], settings].concat());
}

fn add_flows(switch: &Switch, bridge: &str, flows: &str) {
    std::fs::write(switch.path("flows"), flows).unwrap();
    let socket = format!("unix:{bridge}.mgmt");
    switch.run("ovs-ofctl", &["-OOpenFlow13", "--names", "add-flows", &socket, "flows"]);
}

/// A flow for each kind of action, told apart by input port 1 and the register of a test.
const ACTIONS: &str = include_str!("trace/actions.flows");
/// Packets for them: what the packet is, then the states of its connection.
const PACKETS: &str = include_str!("trace/actions.packets");

#[test]
fn every_action_leads_where_open_vswitch_says() {
    let Some(switch) = Switch::start(&["br-int", "br-tun"]) else { return };
    add_ports(&switch, "br-int", "p", 6);
    add_port(&switch, "br-int", "patch-tun", 10, &["type=patch", "options:peer=patch-int"]);
    add_port(&switch, "br-tun", "patch-int", 1, &["type=patch", "options:peer=patch-tun"]);
    add_port(
        &switch,
        "br-tun",
        "vxlan-c0000202",
        2,
        &["type=vxlan", "options:remote_ip=192.0.2.2", "options:key=flow"],
    );
    for group in [
        "group_id=1,type=all,bucket=actions=output:2,bucket=actions=set_field:8->nw_ttl,output:3",
        "group_id=2,type=indirect,bucket=actions=push_vlan:0x8100,set_field:4196->vlan_vid,output:2",
        "group_id=3,type=ff,bucket=watch_port:2,actions=output:2,bucket=watch_port:3,actions=output:3",
        "group_id=4,type=select,bucket=weight:0,actions=output:3,bucket=weight:5,actions=resubmit(,40)",
        "group_id=5,type=all,bucket=actions=group:1,bucket=actions=output:4",
    ] {
        switch.run("ovs-ofctl", &["-OOpenFlow13", "add-group", "unix:br-int.mgmt", group]);
    }
    switch
        .run("ovs-ofctl", &["-OOpenFlow13", "add-meter", "unix:br-int.mgmt", "meter=1,kbps,band=type=drop,rate=1000"]);
    add_flows(&switch, "br-int", ACTIONS);
    add_flows(
        &switch,
        "br-tun",
        "priority=5,ip,in_port=1,actions=set_field:1001->tun_id,output:2,IN_PORT\n\
                                  priority=4,in_port=1,reg0=0,actions=output:2\nin_port=2,actions=output:1",
    );
    let mut lab = Lab::new(switch);
    for line in PACKETS.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let mut words = line.split_whitespace();
        let flow = words.next().unwrap();
        lab.compare("br-int", flow, &words.collect::<Vec<_>>());
    }
    lab.end(60);
}
