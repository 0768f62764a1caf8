//! Everything at once.
mod lab;
use lab::*;

#[test]
fn two_hosts_reach_each_other_over_every_kind_of_network() {
    let lab = Lab::new("first")
        .network("loc", Local, &["172.18.0.0/24"])
        .network("flt", Flat("physnet"), &["172.18.1.0/24"])
        .network("vln", Vlan("physnet", 100), &["172.18.2.0/24"])
        .network("vxl", Vxlan(1001), &["172.18.3.0/24"])
        .host("a")
        .host("b")
        .vm("a", "l1", "loc")
        .vm("a", "l2", "loc")
        .vm("a", "f1", "flt")
        .vm("b", "f2", "flt")
        .vm("a", "v1", "vln")
        .vm("b", "v2", "vln")
        .vm("a", "x1", "vxl")
        .vm("b", "x2", "vxl")
        .start();
    lab.wait_ready();
    println!("{}", lab.host("a").ofctl(&["dump-flows", lab.host("a").mgmt("br-tun").to_str().unwrap()]));
    for (from, to) in [("l1", "l2"), ("f1", "f2"), ("v1", "v2"), ("x1", "x2")] {
        lab.vm(from).assert_ping(to);
    }
}
