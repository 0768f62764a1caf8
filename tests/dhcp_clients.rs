//! Real clients of DHCP in VMs, on real Open vSwitch: what they are told becomes their configuration.
//!
//! Each client runs in the VM's network namespace, with files of its own in a temporary folder; where its program names
//! places of the machine, they are covered by an empty file system that only the client sees.

mod lab;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use heddle::pipeline::cookie::Kind as FlowKind;
use lab::*;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

const SOON: Duration = Duration::from_secs(20);
/// Beyond the end of the shortest lease.
const LEASE: Duration = Duration::from_secs(60);

const DHCP: &str = r#"
mtu = 1400
[subnets.blue-0]
enable_dhcp = true
dhcp_server_ip = "172.18.0.2"
dns_nameservers = ["172.18.0.53", "192.0.2.53"]
ntp_servers = ["192.0.2.123"]
domain_name = "blue.example"
domain_search = ["blue.example", "lab.example"]
host_routes = [{ destination = "198.51.100.0/24", nexthop = "172.18.0.9" }]
"#;

/// What every client's script does: writes down what it was told, and configures what a shell does in two lines. The
/// reason is the first argument of udhcpc's and in `$reason` of the others'.
const SCRIPT: &str = r#"#!/bin/sh
reason=${1:-$reason}
env | sort >"$FOLDER/told.new"
mv "$FOLDER/told.new" "$FOLDER/told.$reason"
echo "$reason" >>"$FOLDER/events"
address() { ip address replace "$1/$2" dev eth0; }
unset_address() { ip address flush dev eth0; }
case $reason in
bound | renew) address "$ip" "$mask"; ip link set eth0 mtu "${mtu:-1500}"; set -- $staticroutes ;;
BOUND | RENEW | REBIND | REBOOT)
    [ -n "$new_dhcp_lease_time" ] && [ -z "$interface_order" ] || exit 0
    address "$new_ip_address" "$new_subnet_mask"; ip link set eth0 mtu "${new_interface_mtu:-1500}"; set -- ;;
deconfig | EXPIRE | FAIL | RELEASE | STOP | NBI) unset_address; exit 0 ;;
*) exit 0 ;;
esac
while [ $# -gt 1 ]; do ip route replace "$1" via "$2" onlink dev eth0; shift 2; done
"#;

/// A client that runs until it is dropped.
struct Client<'a> {
    vm: Vm<'a>,
    folder: TempDir,
    child: Option<Child>,
}

impl<'a> Client<'a> {
    /// Nothing runs yet; the VM forgets the address that the lab gave it.
    fn new(lab: &'a Lab, name: &'a str) -> Self {
        let vm = lab.vm(name);
        assert!(vm.exec(&["ip", "address", "flush", "dev", "eth0"]).ok());
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let client = Self { vm, folder, child: None };
        fs::write(client.path("script"), SCRIPT).unwrap();
        fs::set_permissions(client.path("script"), fs::Permissions::from_mode(0o755)).unwrap();
        client
    }

    fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join(file)
    }

    fn text(&self, file: &str) -> String {
        self.path(file).to_str().unwrap().to_owned()
    }

    fn run(&mut self, mut command: Command) {
        self.stop();
        let log = fs::File::options().create(true).append(true).open(self.path("log")).unwrap();
        command.env("FOLDER", self.folder.path()).stdin(Stdio::null());
        command.stdout(log.try_clone().unwrap()).stderr(log);
        self.child = Some(command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}")));
    }

    fn udhcpc(&mut self, more: &[&str]) {
        let mut command = self.vm.command("udhcpc");
        command.args(["-f", "-i", "eth0", "-t", "20", "-T", "1", "-s", &self.text("script")]);
        command.args(["-O", "mtu", "-O", "staticroutes", "-O", "search", "-O", "ntpsrv"]).args(more);
        self.run(command);
    }

    fn dhclient(&mut self) {
        let conf = "option rfc3442-classless-static-routes code 121 = array of unsigned integer 8;\n\
                    request subnet-mask, broadcast-address, routers, rfc3442-classless-static-routes, \
                    domain-name, domain-name-servers, domain-search, interface-mtu, ntp-servers;\n\
                    initial-interval 1;\nbackoff-cutoff 2;\nreboot 5;\n";
        fs::write(self.path("conf"), conf).unwrap();
        let mut command = self.vm.command("dhclient");
        command.args(["-4", "-d", "-cf", &self.text("conf"), "-lf", &self.text("leases"), "-pf", &self.text("pid")]);
        // What it is given in its environment, its script has too only if it is said here.
        command.args(["-e", &format!("FOLDER={}", self.folder.path().display())]);
        command.args(["-sf", &self.text("script"), "eth0"]);
        self.run(command);
    }

    fn dhcpcd(&mut self) {
        fs::write(self.path("conf"), "option domain_name_servers, domain_name, domain_search, ntp_servers\noption classless_static_routes, interface_mtu\n").unwrap();
        let mut command = self.vm.command("sh");
        let hide = "for place in /var/lib/dhcpcd /run; do mount -t tmpfs tmpfs $place; done; exec dhcpcd \"$@\"";
        command.args(["-c", hide, "dhcpcd", "-4", "-B", "-d", "--noarp", "-t", "20", "-e"]);
        command.args([&format!("FOLDER={}", self.folder.path().display()), "-f", &self.text("conf")]);
        command.args(["-c", &self.text("script"), "eth0"]);
        self.run(command);
    }

    fn signal(&self, signal: Signal) {
        let child = self.child.as_ref().expect("the client runs");
        kill(Pid::from_raw(child.id() as i32), signal).unwrap();
    }

    /// Ends it without a word to the server.
    fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    fn events(&self) -> Vec<String> {
        let text = fs::read_to_string(self.path("events")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    fn count(&self, event: &str) -> usize {
        self.events().iter().filter(|seen| *seen == event).count()
    }

    fn await_event(&self, event: &str, count: usize, deadline: Duration) {
        let what = format!("{event} number {count} of the client on {}", self.vm.spec().port.name);
        let seen = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            eventually(&what, deadline, || self.count(event) >= count);
        }));
        if let Err(panic) = seen {
            eprintln!("{:?}\n{}", self.events(), fs::read_to_string(self.path("log")).unwrap_or_default());
            std::panic::resume_unwind(panic);
        }
    }

    /// What the script was told at the last such event.
    fn told(&self, event: &str) -> BTreeMap<String, String> {
        let text = fs::read_to_string(self.path(&format!("told.{event}"))).unwrap();
        text.lines().filter_map(|line| line.split_once('=')).map(|(key, value)| (key.into(), value.into())).collect()
    }

    fn assert_told(&self, event: &str, expected: &[(&str, &str)]) {
        let told = self.told(event);
        for (key, value) in expected {
            assert_eq!(told.get(*key).map(|value| value.trim()), Some(*value), "{key}: {told:#?}");
        }
    }

    fn has_address(&self, address: &str) -> bool {
        self.vm
            .exec(&["ip", "-4", "-o", "address", "show", "dev", "eth0"])
            .stdout
            .contains(&format!("inet {address}/24"))
    }

    fn await_address(&self, address: &str) {
        eventually(&format!("{} has {address}", self.vm.spec().port.name), SOON, || self.has_address(address));
    }

    fn routes(&self) -> String {
        self.vm.exec(&["ip", "-4", "route", "show"]).stdout
    }

    fn mtu(&self) -> String {
        self.vm.exec(&["cat", "/sys/class/net/eth0/mtu"]).stdout.trim().to_owned()
    }
}

impl Drop for Client<'_> {
    fn drop(&mut self) {
        self.stop();
    }
}

fn one_host(name: &str) -> LabBuilder {
    Lab::new(name).network("blue", Vxlan(1001), &["172.18.0.0/24"]).with(DHCP).host("a")
}

/// Packets that clients of host a sent to the server itself.
fn to_server(lab: &Lab) -> u64 {
    lab.host("a").packets_in("br-int", 60, "nw_dst=172.18.0.2")
}

fn ends_at_heddle(lab: &Lab) {
    lab.host("a").assert_hit("br-int", &[FlowKind::PortDhcp, FlowKind::PortDhcpToHeddle]);
}

#[test]
fn udhcpc_is_configured_renews_by_unicast_and_releases() {
    let lab = one_host("dhcp-udhcpc").vm("a", "x1", "blue").vm("a", "x2", "blue").start();
    let mut client = Client::new(&lab, "x1");
    client.udhcpc(&[]);
    client.await_event("bound", 1, SOON);
    let expected = [
        ("ip", "172.18.0.3"),
        ("mask", "24"),
        ("serverid", "172.18.0.2"),
        ("lease", "86400"),
        ("dns", "172.18.0.53 192.0.2.53"),
        ("ntpsrv", "192.0.2.123"),
        ("domain", "blue.example"),
        ("search", "blue.example lab.example"),
        ("mtu", "1400"),
        ("broadcast", "172.18.0.255"),
        ("staticroutes", "198.51.100.0/24 172.18.0.9 0.0.0.0/0 172.18.0.1"),
    ];
    client.assert_told("bound", &expected);
    client.await_address("172.18.0.3");
    eventually("the routes are there", SOON, || client.routes().contains("default via 172.18.0.1"));
    assert!(client.routes().contains("198.51.100.0/24 via 172.18.0.9"), "{}", client.routes());
    assert_eq!(client.mtu(), "1400");
    lab.vm("x1").assert_ping("x2");
    ends_at_heddle(&lab);
    assert_eq!(to_server(&lab), 0, "nothing by unicast yet");
    client.signal(Signal::SIGUSR1);
    client.await_event("renew", 1, SOON);
    assert_eq!(to_server(&lab), 1, "renewed by unicast");
    lab.host("a").assert_hit("br-int", &[FlowKind::PortDhcpServer]);
    client.signal(Signal::SIGUSR2);
    client.await_event("deconfig", 2, SOON);
    eventually("the release arrives", SOON, || to_server(&lab) == 2);
    client.signal(Signal::SIGUSR1);
    client.await_event("bound", 2, SOON);
}

#[test]
fn dhclient_is_configured_and_a_wrong_address_of_before_is_refused() {
    let lab = one_host("dhcp-dhclient").vm("a", "x1", "blue").vm("a", "x2", "blue").start();
    let mut client = Client::new(&lab, "x1");
    client.dhclient();
    client.await_event("BOUND", 1, SOON);
    let expected = [
        ("new_ip_address", "172.18.0.3"),
        ("new_subnet_mask", "255.255.255.0"),
        ("new_dhcp_server_identifier", "172.18.0.2"),
        ("new_domain_name_servers", "172.18.0.53 192.0.2.53"),
        ("new_domain_search", "blue.example. lab.example."),
        ("new_interface_mtu", "1400"),
        ("new_rfc3442_classless_static_routes", "24 198 51 100 172 18 0 9 0 172 18 0 1"),
    ];
    client.assert_told("BOUND", &expected);
    client.await_address("172.18.0.3");
    lab.vm("x1").assert_ping("x2");
    client.stop();
    // It comes back after a reboot: with the address that it had, then with one that is not its own.
    client.dhclient();
    client.await_event("REBOOT", 1, SOON);
    client.stop();
    let leases = fs::read_to_string(client.path("leases")).unwrap().replace("172.18.0.3", "172.18.0.99");
    fs::write(client.path("leases"), leases).unwrap();
    client.dhclient();
    client.await_event("BOUND", 2, SOON);
    let log = fs::read_to_string(client.path("log")).unwrap();
    assert!(log.contains("DHCPREQUEST for 172.18.0.99") && log.contains("DHCPNAK from 172.18.0.2"), "{log}");
    client.assert_told("BOUND", &[("new_ip_address", "172.18.0.3")]);
}

#[test]
fn dhcpcd_configures_address_routes_and_mtu_by_itself() {
    let lab = one_host("dhcp-dhcpcd").vm("a", "x1", "blue").vm("a", "x2", "blue").start();
    let mut client = Client::new(&lab, "x1");
    client.dhcpcd();
    client.await_event("BOUND", 1, SOON);
    client.assert_told(
        "BOUND",
        &[
            ("new_ip_address", "172.18.0.3"),
            ("new_domain_name_servers", "172.18.0.53 192.0.2.53"),
            ("new_interface_mtu", "1400"),
        ],
    );
    client.await_address("172.18.0.3");
    eventually("the routes are there", SOON, || {
        let routes = client.routes();
        routes.contains("default via 172.18.0.1") && routes.contains("198.51.100.0/24 via 172.18.0.9")
    });
    lab.vm("x1").assert_ping("x2");
    ends_at_heddle(&lab);
    // What it wrote is not on the machine.
    assert!(!Path::new("/run/dhcpcd").exists() && !Path::new("/var/lib/dhcpcd/eth0.lease").exists());
}

#[test]
fn a_lease_that_cannot_be_renewed_by_unicast_is_rebound_by_broadcast() {
    // Heddle answers in the name of the gateway, which is nowhere: nobody answers ARP for it.
    let lab = Lab::new("dhcp-rebind").network("lan", Vlan("physnet", 100), &["172.18.0.0/24"]);
    let lab = lab.with("subnets.lan-0 = { enable_dhcp = true, dhcp_lease_time = 12 }").host("a");
    let lab = lab.vm("a", "x1", "lan").start();
    let mut client = Client::new(&lab, "x1");
    client.udhcpc(&[]);
    client.await_event("bound", 1, SOON);
    client.await_event("renew", 1, LEASE);
    client.assert_told("renew", &[("ip", "172.18.0.3"), ("lease", "12"), ("serverid", "172.18.0.1")]);
    let a = lab.host("a");
    assert_eq!(a.packets_in("br-int", 60, "nw_dst=172.18.0.1"), 0);
    assert!(a.packets_in("br-int", 60, "nw_dst=255.255.255.255,tp_src=68") >= 3);
}

#[test]
fn two_networks_with_the_same_addresses_each_have_their_own_server() {
    let red = DHCP.replace("blue", "red").replace("172.18.0.53", "172.18.0.54").replace("1400", "1300");
    let lab = one_host("dhcp-twins").network("red", Vxlan(1002), &["172.18.0.0/24"]).with(&red);
    let lab = lab.vm("a", "b1", "blue").vm("a", "r1", "red").start();
    let (mut blue, mut red) = (Client::new(&lab, "b1"), Client::new(&lab, "r1"));
    blue.udhcpc(&[]);
    red.udhcpc(&[]);
    for (client, dns, mtu) in [(&blue, "172.18.0.53 192.0.2.53", "1400"), (&red, "172.18.0.54 192.0.2.53", "1300")] {
        client.await_event("bound", 1, SOON);
        client.assert_told("bound", &[("ip", "172.18.0.3"), ("dns", dns), ("mtu", mtu)]);
        client.signal(Signal::SIGUSR1);
        client.await_event("renew", 1, SOON);
        client.assert_told("renew", &[("ip", "172.18.0.3"), ("dns", dns)]);
    }
}

#[test]
fn a_port_that_gets_an_address_of_another_subnet_is_refused_the_old_one_and_takes_the_new() {
    let more = "[subnets.blue-1]\nenable_dhcp = true\ndhcp_server_ip = '172.18.1.2'\ndns_nameservers = ['172.18.1.53']";
    let lab = Lab::new("dhcp-moved").network("blue", Vxlan(1001), &["172.18.0.0/24", "172.18.1.0/24"]);
    let lab = lab.with(DHCP).with(more).host("a").vm_with("a", "x1", "blue", |vm| vm.ips(&["172.18.0.3"])).start();
    let mut client = Client::new(&lab, "x1");
    client.udhcpc(&[]);
    client.await_event("bound", 1, SOON);
    lab.edit_topology(|topology| topology.port("x1").fixed_ips = vec!["172.18.1.3".parse().unwrap()]);
    lab.host("a").wait_for_flow("br-int", "leads to the new server", |flow| flow.contains("nw_dst=172.18.1.2"));
    lab.wait_ready();
    client.signal(Signal::SIGUSR1);
    client.await_event("bound", 2, LEASE);
    client.assert_told("bound", &[("ip", "172.18.1.3"), ("dns", "172.18.1.53"), ("serverid", "172.18.1.2")]);
    client.await_address("172.18.1.3");
}

#[test]
fn a_port_without_port_security_is_served_and_one_without_an_address_hears_nothing_from_heddle() {
    let lab = one_host("dhcp-open").vm_with("a", "open", "blue", |vm| vm.port_security(false));
    let lab = lab.vm_with("a", "bare", "blue", |vm| vm.ips(&[])).start();
    let (mut open, mut bare) = (Client::new(&lab, "open"), Client::new(&lab, "bare"));
    let asked = lab.vm("open").capture();
    bare.udhcpc(&[]);
    let discovers =
        |frame: &Frame| frame.is_from(&lab.vm("bare").mac()) && frame.ip_destination() == Some([255; 4].into());
    eventually("what bare asks reaches the other machines", SOON, || asked.count(discovers) >= 2);
    assert_eq!(bare.count("bound"), 0);
    open.udhcpc(&[]);
    open.await_event("bound", 1, SOON);
    open.assert_told("bound", &[("ip", "172.18.0.3")]);
    assert_eq!(bare.count("bound"), 0);
}
