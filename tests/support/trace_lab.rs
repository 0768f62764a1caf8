//! Packets through a real Open vSwitch and through `ofctl-dump trace`, held against each other.

use std::collections::BTreeMap;
use std::fs;
use std::process::{Command, Output};

use super::ovs_trace::{Leg, of_ofctl_dump, of_open_vswitch};
use super::switch::Switch;

/// A switch with bridges, and what both programs say of packets.
pub struct Lab {
    pub switch: Switch,
    /// Datapath ports by number.
    ports: BTreeMap<String, String>,
    /// What flows do not tell, for `ofctl-dump`.
    pub facts: Vec<String>,
    packets: usize,
    /// Packets that come out somewhere.
    delivered: usize,
    differences: Vec<String>,
}

impl Lab {
    /// Over bridges whose ports are all there.
    pub fn new(switch: Switch) -> Self {
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
        Self { switch, ports, facts: Vec::new(), packets: 0, delivered: 0, differences: Vec::new() }
    }

    /// `ovs-appctl`.
    pub fn appctl(&self, arguments: &[&str]) -> String {
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
        self.delivered += usize::from(!dropped);
        [of_open_vswitch(&theirs, &self.ports), ours]
    }

    /// Holds that both say the same of a packet; differences are told in the end, all of them.
    pub fn compare(&mut self, bridge: &str, flow: &str, states: &[&str]) {
        let [theirs, ours] = self.both(bridge, flow, states);
        if theirs != ours {
            let mut difference = format!("{bridge} {flow} {states:?}: {} and {} legs", theirs.len(), ours.len());
            for (theirs, ours) in theirs.iter().zip(&ours).filter(|(theirs, ours)| theirs != ours) {
                difference.push_str(&format!("\n  Open vSwitch {theirs:?}\n  ours         {ours:?}"));
            }
            self.differences.push(difference);
        }
    }

    /// Tells all differences, if there are any. Returns how many packets there were, and how many of them come out.
    pub fn end(self) -> (usize, usize) {
        println!("{} packets, {} come out, {} differences", self.packets, self.delivered, self.differences.len());
        assert!(self.differences.is_empty(), "{}", self.differences.join("\n\n"));
        (self.packets, self.delivered)
    }
}

/// Adds internal ports `PREFIX1` and so on, numbered alike.
pub fn add_ports(switch: &Switch, bridge: &str, prefix: &str, count: usize) {
    for number in 1..=count {
        let (name, request) = (format!("{prefix}{number}"), format!("ofport_request={number}"));
        switch.vsctl(&["add-port", bridge, &name, "--", "set", "Interface", &name, "type=internal", &request]);
    }
}

/// Adds a port of this number.
pub fn add_port(switch: &Switch, bridge: &str, name: &str, number: u32, settings: &[&str]) {
    let request = format!("ofport_request={number}");
    switch.vsctl(&[&["add-port", bridge, name, "--", "set", "Interface", name, &request], settings].concat());
}

/// Adds flows.
pub fn add_flows(switch: &Switch, bridge: &str, flows: &str) {
    fs::write(switch.path("flows"), flows).unwrap();
    let socket = format!("unix:{bridge}.mgmt");
    switch.run("ovs-ofctl", &["-OOpenFlow13", "--names", "add-flows", &socket, "flows"]);
}
