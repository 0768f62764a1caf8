//! How long a port takes from the number that the switch gives it to the word that its flows are in effect: both
//! seen from outside, by `ovsdb-client monitor`. Once more with ARP answered by packet-in, and beside a machine that asks
//! as often as one port may be answered. Run it as root on a quiet machine:
//!
//! ```text
//! cargo build --release --bins && cargo run --release --example port_bound [PLUGS]
//! ```

#[path = "../tests/lab/mod.rs"]
mod lab;

use std::time::{Duration, Instant};

use lab::*;

const DEADLINE: Duration = Duration::from_secs(10);

fn main() {
    let plugs: usize = std::env::args().nth(1).map_or(50, |count| count.parse().expect("a number of plugs"));
    println!("{plugs} plugs each; milliseconds from `ofport` to `heddle-installed`");
    println!("{:<22} {:>7} {:>7} {:>7} {:>7}", "network", "median", "p90", "least", "most");
    let kinds: [(&str, Kind); 3] = [("local", Local), ("vlan", Vlan("physnet", 100)), ("vxlan", Vxlan(1001))];
    for (name, kind) in kinds {
        for others in [1, 20] {
            let lab = start(kind.clone(), others, "");
            report(&format!("{name}, {others} other ports"), plug(&lab, plugs));
        }
    }
    let lab = start(Vxlan(1001), 20, "[tunnel]\narp_responder = \"controller\"");
    report("ARP by packet-in", plug(&lab, plugs));
    let (asker, asked) = (lab.vm("o0"), lab.vm("far").ip());
    let (mac, own) = (asker.mac(), asker.ip());
    let request = frame::arp((&mac, frame::EVERYONE), 1, (&mac, &own), ("00:00:00:00:00:00", &asked));
    let mut times = Vec::new();
    let (began, pause) = (Instant::now(), Duration::from_micros(900));
    let sent = asker.flood(&request, pause, || times = plug(&lab, plugs));
    report(&format!("and {:.0} requests/s", sent as f64 / began.elapsed().as_secs_f64()), times);
}

fn start(kind: Kind, others: usize, config: &str) -> Lab {
    let mut lab = Lab::new("port-bound").network("net", kind, &["172.18.0.0/16"]).host("a").host("b");
    for number in 0..others {
        lab = lab.vm("a", &format!("o{number}"), "net");
    }
    lab.vm("b", "far", "net").vm_with("a", "probe", "net", VmSpec::unplugged).config_all(config).start()
}

fn plug(lab: &Lab, plugs: usize) -> Vec<Duration> {
    let host = lab.host("a");
    let history = host.watch_interfaces();
    (0..plugs).map(|_| one(lab, host, &history)).collect()
}

fn report(title: &str, mut times: Vec<Duration>) {
    times.sort_unstable();
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
    println!("{title:<22} {:7.2} {:7.2} {:7.2} {:7.2}", at(0.5), at(0.9), at(0.0), at(1.0));
}

fn one(lab: &Lab, host: &Host, history: &InterfaceHistory) -> Duration {
    let began = Instant::now();
    lab.plug("probe");
    let since = |wanted: fn(&InterfaceRow) -> bool| {
        let rows = history.rows();
        rows.into_iter().find(|row| row.at > began && row.name == "tap-probe" && wanted(row)).map(|row| row.at)
    };
    let installed = eventually_some("the port is installed", DEADLINE, || since(|row| row.installed));
    let numbered = since(|row| row.ofport.is_some()).expect("an installed port has a number");
    lab.unplug("probe");
    eventually("the port is gone", DEADLINE, || host.port_state("probe") == "waiting");
    installed - numbered
}
