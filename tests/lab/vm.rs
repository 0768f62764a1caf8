//! A VM or container: a namespace whose `eth0` is the other end of a port of `br-int`.

use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::Lab;
use super::capture::Capture;
use super::command::{self, eventually, ip_batch, logs, must};
use super::host::Host;
use super::netns;
use super::ping::{PingStream, Pings};
use super::topology::{Network, Port, prefix_of};

/// How long [`Vm::assert_ping`] tries.
const REACH_DEADLINE: Duration = Duration::from_secs(5);

/// How Heddle finds the port's interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Binding {
    /// `external_ids:iface-id` is the port's name.
    IfaceId,
    /// The port names the interface.
    Interface,
}

/// A VM before it exists: what [`super::LabBuilder::vm_with`] lets a test change.
#[derive(Debug, Clone)]
pub struct VmSpec {
    /// Its port in `topology.toml`; the VM has the same name, MAC and addresses.
    pub port: Port,
    /// The host where it runs, whatever the port says.
    pub host: String,
    pub binding: Binding,
    /// The port stands in `topology.toml`.
    pub known: bool,
    /// `start()` plugs it.
    pub plugged: bool,
    /// IPv6 duplicate address detection.
    pub dad: bool,
    /// Its kernel has no addresses, so that it says nothing: the test speaks for it.
    pub mute: bool,
}

impl VmSpec {
    /// These addresses instead of the next ones of the network's subnets.
    pub fn ips(mut self, ips: &[&str]) -> Self {
        self.port.fixed_ips = ips.iter().map(|ip| ip.parse().unwrap_or_else(|e| panic!("{ip}: {e}"))).collect();
        self
    }

    /// This MAC instead of the next one.
    pub fn mac(mut self, mac: &str) -> Self {
        self.port.mac_address = mac.into();
        self
    }

    /// `port_security = …`, instead of the default.
    pub fn port_security(mut self, on: bool) -> Self {
        self.port.port_security = Some(on);
        self
    }

    /// One more entry of `allowed_address_pairs`.
    pub fn allow(mut self, ip: &str, mac: Option<&str>) -> Self {
        self.port.allowed_address_pairs.push((ip.into(), mac.map(str::to_owned)));
        self
    }

    /// `security_groups = …`, instead of the default.
    pub fn groups(mut self, names: &[&str]) -> Self {
        self.port.security_groups = Some(names.iter().map(|name| (*name).to_owned()).collect());
        self
    }

    /// Found by its interface name, not by `iface-id`.
    pub fn by_interface(mut self) -> Self {
        self.binding = Binding::Interface;
        self
    }

    /// Exists, but `topology.toml` does not know its port.
    pub fn unknown(mut self) -> Self {
        self.known = false;
        self
    }

    /// Not plugged by `start()`.
    pub fn unplugged(mut self) -> Self {
        self.plugged = false;
        self
    }

    /// With IPv6 duplicate address detection.
    pub fn dad(mut self) -> Self {
        self.dad = true;
        self
    }

    /// It says nothing by itself; see [`super::RawMachines`].
    pub fn mute(mut self) -> Self {
        self.mute = true;
        self
    }

    /// The name of its interface on the host.
    pub fn interface(&self) -> String {
        let name = format!("tap-{}", self.port.name);
        assert!(name.len() <= 15, "an interface name has at most 15 bytes, so call no VM {}", self.port.name);
        name
    }

    /// Namespace, link, addresses; the link's other end waits on the host.
    pub(super) fn create(&self, namespace: &str, host: &Host, network: &Network) {
        let (mac, tap) = (&self.port.mac_address, self.interface());
        let mtu = network.mtu();
        ip_batch(None, &[format!("netns add {namespace}")]);
        self.set_ipv6(namespace);
        let host = host.namespace();
        let mut lines = vec![
            format!("link add eth0 address {mac} mtu {mtu} type veth peer name {tap} mtu {mtu} netns {host}"),
            "link set lo up".into(),
        ];
        let ips = self.port.fixed_ips.iter().filter(|_| !self.mute);
        lines.extend(ips.map(|ip| format!("addr add {} dev eth0", with_prefix(*ip, network))));
        lines.push("link set eth0 up".into());
        ip_batch(Some(namespace), &lines);
        ip_batch(Some(host), &[format!("link set {tap} up")]);
        must(netns::command(namespace, "ethtool").args(["-K", "eth0", "tx", "off"]));
    }

    fn set_ipv6(&self, namespace: &str) {
        if self.mute || self.port.fixed_ips.iter().all(IpAddr::is_ipv4) {
            return netns::silence_ipv6(namespace);
        }
        let dad = if self.dad { "1" } else { "0" };
        let keys = ["accept_dad", "accept_ra", "autoconf", "router_solicitations"];
        let values = [dad, "0", "0", "0"];
        for which in ["all", "default"] {
            let paths = keys.map(|key| format!("ipv6/conf/{which}/{key}"));
            let settings: Vec<_> = paths.iter().map(String::as_str).zip(values).collect();
            netns::sysctl(namespace, &settings);
        }
    }
}

fn with_prefix(ip: IpAddr, network: &Network) -> String {
    let subnet = network.subnets.iter().find(|cidr| cidr.contains(':') == ip.is_ipv6());
    format!("{ip}/{}", subnet.map_or("24", |cidr| prefix_of(cidr)))
}

/// A VM of a running lab.
#[derive(Debug, Clone, Copy)]
pub struct Vm<'a> {
    pub(super) lab: &'a Lab,
    pub(super) name: &'a str,
}

impl Vm<'_> {
    /// What it is made of, and where it runs now.
    pub fn spec(&self) -> VmSpec {
        self.lab.vm_spec(self.name)
    }

    /// Its namespace, for `ip netns exec`.
    pub fn namespace(&self) -> String {
        self.lab.vm_namespace(self.name)
    }

    /// Its MAC address.
    pub fn mac(&self) -> String {
        self.spec().port.mac_address
    }

    /// Its IPv4 address.
    pub fn ip(&self) -> String {
        self.address(IpAddr::is_ipv4)
    }

    /// Its IPv6 address.
    pub fn ip6(&self) -> String {
        self.address(IpAddr::is_ipv6)
    }

    fn address(&self, family: impl Fn(&IpAddr) -> bool) -> String {
        let ip = self.spec().port.fixed_ips.into_iter().find(family);
        ip.unwrap_or_else(|| panic!("{} has no address of that family", self.name)).to_string()
    }

    /// A command inside the VM.
    pub fn command(&self, program: &str) -> Command {
        netns::command(&self.namespace(), program)
    }

    /// Runs a command inside the VM to its end.
    pub fn exec(&self, words: &[&str]) -> command::Output {
        command::finish(self.command(words[0]).args(&words[1..]).env("LC_ALL", "C"))
    }

    // Ping. A target is the name of a VM or an address.

    /// One echo request is answered within a second.
    pub fn ping(&self, target: &str) -> bool {
        self.ping_address(&self.lab.ip_of(target), 1).any()
    }

    /// One IPv6 echo request is answered within a second.
    pub fn ping6(&self, target: &str) -> bool {
        self.ping_address(&self.lab.ip6_of(target), 1).any()
    }

    /// What comes of that many echo requests, 10 ms apart. A few more may follow while replies are missing.
    pub fn pings(&self, target: &str, count: u32) -> Pings {
        self.ping_address(&self.lab.ip_of(target), count)
    }

    /// With `-w`, `ping` goes on until so many are answered or the time is over. With `-c` alone it would wait for
    /// the last reply no longer than twice the longest before it, which is too short on a busy machine.
    fn ping_address(&self, address: &str, count: u32) -> Pings {
        let (replies, deadline) = (count.to_string(), (1 + count / 50).to_string());
        let ping = ["ping", "-n", "-c", &replies, "-w", &deadline, "-i", "0.01", address];
        Pings::parse(&self.exec(&ping).stdout, count)
    }

    /// Panics unless the target answers, sooner or later.
    pub fn assert_ping(&self, target: &str) {
        let what = format!("{} pings {target}", self.name);
        eventually(&what, REACH_DEADLINE, || self.ping(target));
    }

    /// Panics unless the target answers over IPv6, sooner or later.
    pub fn assert_ping6(&self, target: &str) {
        let what = format!("{} pings {target} over IPv6", self.name);
        eventually(&what, REACH_DEADLINE, || self.ping6(target));
    }

    /// Panics if the target answers any of a few requests.
    pub fn assert_no_ping(&self, target: &str) {
        let pings = self.pings(target, 3);
        assert!(!pings.any(), "{} pings {target}, which must not be: {pings:?}\n{}", self.name, logs());
    }

    /// Panics if the target answers any of a few requests over IPv6.
    pub fn assert_no_ping6(&self, target: &str) {
        let pings = self.ping_address(&self.lab.ip6_of(target), 3);
        assert!(!pings.any(), "{} pings {target}, which must not be: {pings:?}\n{}", self.name, logs());
    }

    /// Pings in the background; see [`PingStream::stop`].
    pub fn ping_stream(&self, target: &str, interval: Duration) -> PingStream {
        PingStream::start(&mut self.command("ping"), interval, &self.lab.ip_of(target))
    }

    // Below IP.

    /// Says "this address is mine" as an ARP request for itself (`arping -U`).
    pub fn announce_request(&self, ip: &str) {
        self.announce("-U", ip);
    }

    /// Says "this address is mine" as an ARP reply nobody asked for (`arping -A`).
    pub fn announce_reply(&self, ip: &str) {
        self.announce("-A", ip);
    }

    fn announce(&self, how: &str, ip: &str) {
        must(self.command("arping").args([how, "-c", "1", "-I", "eth0", ip]));
    }

    /// Asks once by broadcast who has the address; the MAC of the first answer within a second.
    pub fn arping(&self, target: &str) -> Option<String> {
        let ip = self.lab.ip_of(target);
        let output = self.exec(&["arping", "-b", "-c", "1", "-w", "1", "-I", "eth0", &ip]).stdout;
        let reply = output.lines().find(|line| line.contains(" reply from "))?;
        Some(reply.split_once('[')?.1.split_once(']')?.0.to_lowercase())
    }

    /// Sends one frame given in hex, from the destination MAC on, without FCS.
    pub fn send_hex(&self, frame: &str) {
        self.send(&netns::hex(frame));
    }

    /// Sends one frame, from the destination MAC on, without FCS.
    pub fn send(&self, frame: &[u8]) {
        netns::send_frame(&self.namespace(), "eth0", frame);
    }

    /// Sends one frame over and over while `meanwhile` runs, with a pause in between; returns how often.
    pub fn flood(&self, frame: &[u8], pause: Duration, meanwhile: impl FnOnce()) -> u64 {
        self.send_numbered(|_| frame.to_vec(), pause, meanwhile)
    }

    /// Sends frames while `meanwhile` runs, made of their numbers from 0; returns how many.
    pub fn send_numbered(
        &self,
        frame: impl Fn(u64) -> Vec<u8> + Send + Sync,
        pause: Duration,
        meanwhile: impl FnOnce(),
    ) -> u64 {
        let (stop, namespace) = (AtomicBool::new(false), self.namespace());
        std::thread::scope(|scope| {
            let flood = scope.spawn(|| netns::flood_frames(&namespace, "eth0", frame, pause, &stop));
            // Also when it panics: the thread has to end.
            let outcome = catch_unwind(AssertUnwindSafe(meanwhile));
            stop.store(true, Ordering::Relaxed);
            let sent = flood.join().expect("the flood goes on until told to stop");
            outcome.unwrap_or_else(|panic| resume_unwind(panic));
            sent
        })
    }

    /// Captures on `eth0`.
    pub fn capture(&self) -> Capture {
        Capture::start(&self.namespace(), "eth0", &self.lab.dir())
    }

    /// Captures on `eth0` the headers of packets, so that none is missed on a busy link.
    pub fn capture_headers(&self) -> Capture {
        Capture::start_with_length(&self.namespace(), "eth0", &self.lab.dir(), 128)
    }

    /// Forgets what ARP and ND have told.
    pub fn flush_neighbors(&self) {
        must(self.command("ip").args(["neigh", "flush", "dev", "eth0"]));
    }

    /// The kernel's word for its own IPv6 address, once that is no longer tentative.
    pub fn own_address(&self, ip: &str) -> String {
        let show = || self.exec(&["ip", "-6", "addr", "show", "dev", "eth0", "to", ip]).stdout;
        eventually("duplicate address detection ends", REACH_DEADLINE, || {
            let address = show();
            address.contains("dadfailed") || address.contains("inet6") && !address.contains("tentative")
        });
        show()
    }

    /// The MAC that the VM believes the target has.
    pub fn neighbour(&self, target: &str) -> Option<String> {
        let line = self.exec(&["ip", "neigh", "show", &self.lab.ip_of(target)]).stdout;
        Some(line.split_once("lladdr ")?.1.split(' ').next()?.to_owned())
    }
}
