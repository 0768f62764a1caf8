//! Real clients of IPv6 on real Open vSwitch: the kernel's own autoconfiguration, rdisc6, dhclient and dhcpcd. They write
//! into the lab's directory, and where they insist on paths of their own, into a file system that only they see.
//! (Debian's busybox has no udhcpc6.)

mod lab;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;

use lab::{Lab, Vm, Vxlan, eventually, eventually_some};

/// More than any client takes, and than three seconds between two advertisements.
const DEADLINE: Duration = Duration::from_secs(20);

/// The address of the first VM of a lab, as it makes it of the prefix by itself.
const OWN: &str = "2001:db8::f816:3eff:fe00:1";
const ROUTER: &str = "fe80::f816:3eff:fe00:2";

/// A VM `web` without addresses, a router, and a VM on another host, in a network with such a subnet.
fn lab(name: &str, subnet: &str) -> Lab {
    Lab::new(name)
        .network("blue", Vxlan(1001), &["2001:db8::/64"])
        .with(&format!("mtu = 1400\n[subnets.blue-0]\n{subnet}"))
        .host("a")
        .host("b")
        .vm_with("a", "web", "blue", |vm| vm.ips(&[OWN]))
        .vm_with("b", "router", "blue", |vm| vm.ips(&["2001:db8::1"]))
        .vm("b", "other", "blue")
        .start()
}

/// The VM comes up with a link-local address alone; `accepts` says if the kernel follows advertisements.
fn boot(vm: &Vm<'_>, accepts: &str) {
    for command in [&["ip", "link", "set", "eth0", "down"][..], &["ip", "addr", "flush", "dev", "eth0"]] {
        assert!(vm.exec(command).ok(), "{command:?}");
    }
    let key = |key: &str| format!("ipv6/conf/eth0/{key}");
    let settings = [(key("accept_ra"), accepts), (key("autoconf"), accepts), (key("router_solicitations"), "-1")];
    let settings: Vec<_> = settings.iter().map(|(key, value)| (key.as_str(), *value)).collect();
    lab::netns::sysctl(&vm.namespace(), &settings);
    assert!(vm.exec(&["ip", "link", "set", "eth0", "up"]).ok());
    eventually("the link-local address may be used", DEADLINE, || {
        let addresses = vm.exec(&["ip", "-6", "addr", "show", "dev", "eth0", "scope", "link"]).stdout;
        addresses.contains("fe80::") && !addresses.contains("tentative")
    });
}

/// A line of what `ip` shows, once it is there.
fn await_line(vm: &Vm<'_>, command: &[&str], contains: &[&str]) -> String {
    eventually_some(&format!("{command:?} shows {contains:?}"), DEADLINE, || {
        let shown = vm.exec(command).stdout;
        shown.lines().find(|line| contains.iter().all(|part| line.contains(part))).map(str::to_owned)
    })
}

const ADDRESSES: &[&str] = &["ip", "-o", "-6", "addr", "show", "dev", "eth0"];
const ROUTES: &[&str] = &["ip", "-6", "route", "show", "default"];

#[test]
fn the_kernel_follows_what_is_advertised_and_every_change_of_it() {
    let settings = "ipv6_ra_mode = \"slaac\"\ndns_nameservers = [\"2001:db8::53\"]\ndomain_name = \"blue.example\"";
    let lab = lab("slaac", settings);
    let web = lab.vm("web");
    boot(&web, "1");
    let address = await_line(&web, ADDRESSES, &[OWN, "/64", "dynamic"]);
    assert!(!address.contains("deprecated"), "{address}");
    await_line(&web, ROUTES, &[&format!("default via {ROUTER}"), "proto ra"]);
    assert_eq!(web.exec(&["cat", "/proc/sys/net/ipv6/conf/eth0/mtu"]).stdout.trim(), "1400");
    web.assert_ping6("router");
    web.assert_ping6("other");

    let said = web.exec(&["rdisc6", "-1", "-n", "eth0"]).stdout;
    for line in [
        "Recursive DNS server     : 2001:db8::53",
        "DNS search list          : blue.example",
        &format!("from {ROUTER}"),
    ] {
        assert!(said.contains(line), "{line}: {said}");
    }

    // Another prefix: the old one is let go in the same breath.
    lab.edit_topology(|topology| {
        topology.networks[0].subnets[0] = "2001:db9::/64".into();
        for (port, address) in
            [("web", "2001:db9::f816:3eff:fe00:1"), ("router", "2001:db9::1"), ("other", "2001:db9::5")]
        {
            topology.port(port).fixed_ips = vec![address.parse().unwrap()];
        }
        topology.networks[0].more = "mtu = 1400\n[subnets.blue-0]\nipv6_ra_mode = \"slaac\"".parse().unwrap();
    });
    await_line(&web, ADDRESSES, &["2001:db9::f816:3eff:fe00:1/64", "dynamic"]);
    await_line(&web, ADDRESSES, &[OWN, "deprecated"]);

    // No more advertisements: no router either.
    lab.edit_topology(|topology| topology.networks[0].more = "mtu = 1400".parse().unwrap());
    eventually("the default route is gone", DEADLINE, || web.exec(ROUTES).stdout.is_empty());
    await_line(&web, ADDRESSES, &["2001:db9::f816:3eff:fe00:1/64", "deprecated"]);
}

#[test]
fn advertisements_stay_on_their_port() {
    let lab = lab("ra-scope", "ipv6_ra_mode = \"slaac\"");
    let web = lab.vm("web");
    let underlay = lab.capture_underlay();
    let (heard, others) = (web.capture(), ["router", "other"].map(|vm| lab.vm(vm).capture()));
    boot(&web, "1");
    await_line(&web, ROUTES, &["default via"]);
    assert!(heard.text("icmp6 and ip6[40] == 134").contains(ROUTER));
    for capture in &others {
        assert_eq!(capture.text("icmp6 and ip6[40] == 133"), "", "it is answered here, and asked nowhere else");
    }
    let solicitations = underlay.count_vxlan(|frame| frame.is_from(&web.mac()) && frame.is_icmpv6(133));
    assert_eq!(solicitations, 0);
}

/// Where a client's script writes what it was told: a file for each reason.
struct Told(PathBuf);

impl Told {
    /// A directory with a `script` in it, which also follows what it is told of addresses.
    fn new(lab: &Lab) -> Self {
        let dir = lab.dir().join("told");
        fs::create_dir_all(&dir).expect("the lab's directory takes more");
        let script = format!(
            "#!/bin/sh\nset -e\n\
             if [ \"$reason\" = BOUND6 ] && [ -n \"$new_ip6_address\" ]; then\n\
             ip -6 addr replace \"$new_ip6_address/128\" dev eth0\nfi\n\
             env > {0}/new.$$\nmv {0}/new.$$ {0}/$reason\n",
            dir.display()
        );
        fs::write(dir.join("script"), script).expect("a directory just made takes a file");
        let may_run = fs::Permissions::from_mode(0o755);
        fs::set_permissions(dir.join("script"), may_run).expect("the file is ours");
        Self(dir)
    }

    fn path(&self, file: &str) -> String {
        self.0.join(file).display().to_string()
    }

    /// The values that came with a reason, once it came.
    fn await_reason(&self, reason: &str) -> Vec<String> {
        let text = eventually_some(&format!("the client is told {reason}"), DEADLINE, || {
            fs::read_to_string(self.0.join(reason)).ok()
        });
        text.lines().map(str::to_owned).collect()
    }
}

fn assert_told(told: &[String], expected: &[&str]) {
    for line in expected {
        assert!(told.iter().any(|told| told == line), "{line}: {told:#?}");
    }
}

/// Runs dhclient until it has what it wants.
fn dhclient(vm: &Vm<'_>, told: &Told, more: &[&str]) -> String {
    let config = "request dhcp6.name-servers, dhcp6.domain-search, dhcp6.sntp-servers;\ntimeout 20;\n";
    fs::write(told.path("dhclient.conf"), config).expect("the directory takes a file");
    let (config, leases) = (told.path("dhclient.conf"), told.path("leases"));
    let (pid, script) = (told.path("dhclient.pid"), told.path("script"));
    let files = ["dhclient", "-6", "-v", "-cf", &config, "-lf", &leases, "-pf", &pid, "-sf", &script];
    let output = vm.exec(&[&files[..], more, &["eth0"]].concat());
    assert!(output.ok(), "{}{}", output.stdout, output.stderr);
    output.stderr
}

const STATEFUL: &str = r#"enable_dhcp = true
    dhcp_lease_time = 3600
    ipv6_ra_mode = "dhcpv6-stateful"
    ipv6_address_mode = "dhcpv6-stateful"
    dns_nameservers = ["2001:db8::53", "2001:db8::54"]
    domain_search = ["blue.example", "example"]
    ntp_servers = ["2001:db8::123"]"#;

#[test]
fn dhclient_gets_the_address_of_its_port_and_gives_it_back() {
    let lab = lab("dhclient6", STATEFUL);
    let (web, told) = (lab.vm("web"), Told::new(&lab));
    boot(&web, "1");
    let said = dhclient(&web, &told, &["-1"]);
    let bound = told.await_reason("BOUND6");
    assert_told(
        &bound,
        &[
            &format!("new_ip6_address={OWN}"),
            "new_max_life=3600",
            "new_preferred_life=3600",
            "new_renew=1800",
            "new_rebind=2880",
            "new_dhcp6_name_servers=2001:db8::53 2001:db8::54",
            "new_dhcp6_domain_search=blue.example. example.",
            "new_dhcp6_sntp_servers=2001:db8::123",
        ],
    );
    assert_eq!(said.matches("XMT: Solicit").count(), 1, "{said}");
    web.assert_ping6("other");
    // A second client of the same machine, as after a reboot, has the address confirmed.
    let again = dhclient(&web, &told, &["-x"]) + &dhclient(&web, &told, &["-1"]);
    assert!(again.contains("XMT: Confirm") && again.contains("RCV: Reply"), "{again}");
    assert!(!again.contains("XMT: Solicit"), "{again}");
    let capture = web.capture();
    dhclient(&web, &told, &["-r"]);
    told.await_reason("RELEASE6");
    eventually("the release is confirmed", DEADLINE, || {
        let text = capture.text("udp port 546");
        text.split_once("dhcp6 release").is_some_and(|(_, then)| then.contains("dhcp6 reply"))
    });
}

#[test]
fn dhclient_asks_for_settings_alone() {
    let stateless = STATEFUL.replace("stateful", "stateless");
    let lab = lab("dhclient6-s", &stateless);
    let (web, told) = (lab.vm("web"), Told::new(&lab));
    boot(&web, "1");
    await_line(&web, ADDRESSES, &[OWN, "dynamic"]);
    let said = dhclient(&web, &told, &["-1", "-S"]);
    assert!(said.contains("Info-Request"), "{said}");
    let settings =
        ["new_dhcp6_name_servers=2001:db8::53 2001:db8::54", "new_dhcp6_domain_search=blue.example. example."];
    assert_told(&told.await_reason("RENEW6"), &settings);
}

/// Runs dhcpcd, which follows advertisements by itself, until it has what they tell it to get.
fn dhcpcd(vm: &Vm<'_>, told: &Told) {
    let config = "ipv6only\noption dhcp6_name_servers, dhcp6_domain_search\noption rapid_commit\n";
    fs::write(told.path("dhcpcd.conf"), config).expect("the directory takes a file");
    // Its leases, identity and pid have fixed paths.
    let own_files = "mount -t tmpfs none /var/lib/dhcpcd && mount -t tmpfs none /run && exec \"$@\"";
    let (config, script) = (told.path("dhcpcd.conf"), told.path("script"));
    let words =
        ["sh", "-c", own_files, "sh", "dhcpcd", "-f", &config, "-c", &script, "--debug", "-t", "20", "-w", "eth0"];
    let output = vm.exec(&words);
    assert!(output.ok(), "{}{}", output.stdout, output.stderr);
}

#[test]
fn dhcpcd_gets_an_address_because_advertisements_say_so() {
    let lab = lab("dhcpcd6", STATEFUL);
    let (web, told) = (lab.vm("web"), Told::new(&lab));
    boot(&web, "0");
    dhcpcd(&web, &told);
    let bound = told.await_reason("BOUND6");
    let expected = [&format!("new_dhcp6_ia_na1_ia_addr1={OWN}"), "new_dhcp6_name_servers=2001:db8::53 2001:db8::54"];
    assert_told(&bound, &expected);
    await_line(&web, ADDRESSES, &[OWN, "/128"]);
    await_line(&web, ROUTES, &[&format!("default via {ROUTER}")]);
    web.assert_ping6("other");
}

#[test]
fn dhcpcd_gets_settings_because_advertisements_say_so() {
    let stateless = STATEFUL.replace("stateful", "stateless");
    let lab = lab("dhcpcd6-s", &stateless);
    let (web, told) = (lab.vm("web"), Told::new(&lab));
    boot(&web, "0");
    dhcpcd(&web, &told);
    assert_told(&told.await_reason("INFORM6"), &["new_dhcp6_name_servers=2001:db8::53 2001:db8::54"]);
    await_line(&web, ADDRESSES, &["2001:db8::", "/64"]);
}
