//! Flow text and the FLOW_MOD bytes that `ovs-ofctl -O OpenFlow13` 3.1 makes of it.

use super::*;
use proptest::prelude::*;

#[test]
fn an_error_says_column_found_and_expected() {
    let error = flow("in_port=1,actions=output:2,frob", &NoNames).unwrap_err();
    assert_eq!(error.to_string(), "column 28: found \"frob\", expected an action or a port");
    let error = flow("in_port=x,actions=drop", &NoNames).unwrap_err();
    assert_eq!((error.column, error.expected), (9, "a port"));
}

proptest! {
    #[test]
    fn no_text_panics(text in "[a-z0-9_=:,()/.+\\[\\]> é-]{0,80}", tail in "\\PC{0,40}") {
        let _ = flow_mod(&text, &NoNames);
        let _ = flow(&format!("{text} actions={tail}"), &NoNames);
        for action in ["learn", "ct", "nat", "set_field", "load", "move", "controller", "output", "resubmit", "note", "encap", "decap", "sample",
            "bundle", "bundle_load", "multipath", "enqueue", "clone", "write_actions", "check_pkt_larger"]
        {
            let _ = flow(&format!("tcp actions={action}({tail}),{action}:{text}"), &NoNames);
        }
        for field in ["ct_state", "tcp_flags", "dl_src", "nw_src", "ipv6_dst", "xxreg1", "packet_type", "dl_vlan"] {
            let _ = flow(&format!("{field}={tail},{field}={text} actions=drop"), &NoNames);
        }
    }
}

fn printed(text: &str) -> String {
    let mut out = Vec::new();
    let flow = flow(text, &NoNames).unwrap();
    crate::flow::text::Printer::new(&crate::flow::text::Numbers).flow_mod(&flow.to_flow_mod(), &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn texts_come_out_in_normal_form() {
    for (text, expected) in [
        ("tcp,in_port=local,tp_dst=80 actions=normal", "ADD tcp,in_port=LOCAL,tp_dst=80 actions=NORMAL"),
        (
            "table=3,priority=5,dl_vlan=7,actions=pop_vlan,2",
            "ADD table:3 priority=5,dl_vlan=7 actions=pop_vlan,output:2",
        ),
        ("actions=set_field:3/0xff->reg0,resubmit:9", "ADD actions=load:0x3->NXM_NX_REG0[0..7],resubmit:9"),
    ] {
        assert_eq!(printed(text), expected);
    }
    assert!(flow("actions=pop_vlan", &NoNames).is_err());
    assert!(flow("table=2,actions=goto_table:1", &NoNames).is_err());
}

#[test]
fn actions_come_out_as_ovs_ofctl_sends_them() {
    for (actions, expected) in [
        ("enqueue:1q2", "set_queue:2,output:1,pop_queue"),
        ("mod_vlan_pcp:3,mod_vlan_vid:5", "push_vlan:0x8100,set_field:3->vlan_pcp,set_field:4101->vlan_vid"),
        ("MULTIPATH(ETH_SRC, 50, HRW, 3, 0, reg0[0..1])", "multipath(eth_src,50,hrw,3,0,NXM_NX_REG0[0..1])"),
        ("multipath(eth_src,050,hrw,010,0,reg0[0..3])", "multipath(eth_src,50,hrw,10,0,NXM_NX_REG0[0..3])"),
        ("output:xxreg1[3..66]", "output:NXM_NX_XXREG1[3..66]"),
        ("bundle(eth_src,0,hrw,ofport,slaves:[1,LOCAL])", "bundle(eth_src,0,hrw,ofport,members:1,LOCAL)"),
        ("controller(userdata=)", "CONTROLLER:65535"),
        ("learn(reg0=5,load:5->reg2[0..15],limit=0)", "learn(table=1,reg0=0x5,load:0x5->NXM_NX_REG2[0..15])"),
        ("encap(nsh(md_type=2,tlv(0x1000,10,0x123)))", "encap(nsh(md_type=2,tlv(0x1000,10,0x12)))"),
        ("encap(nsh(tlv(0x1000,010,0x06172839)))", "encap(nsh(tlv(0x1000,10,0x6172839)))"),
        ("encap(nsh(tlv(0x1000,10,0x6172839)))", "encap(nsh(tlv(0x1000,10,0x617283)))"),
        ("encap(nsh(md_type=2)field:0x1ap(ethernet),set_field:1->reg0,3", "encap(nsh(md_type=2))"),
        ("decap", "decap()"),
        ("move:reg0[0..010]->reg1[00..10]", "move:NXM_NX_REG0[0..10]->NXM_NX_REG1[0..10]"),
        ("write_actions(drop),goto_table:255", "goto_table:255"),
        (
            "sample(probability=1,ingress)",
            "sample(probability=1,collector_set_id=0,obs_domain_id=0,obs_point_id=0,ingress)",
        ),
        (
            "load:0x123456789abcdef0123->xxreg0",
            "load:0x456789abcdef0123->NXM_NX_XXREG0[0..63],load:0x123->NXM_NX_XXREG0[64..127]",
        ),
    ] {
        assert_eq!(printed(&format!("actions={actions}")), format!("ADD actions={expected}"));
    }
}

#[test]
fn what_a_switch_would_refuse_is_refused_where_it_stands() {
    for (text, column) in [
        ("actions=write_actions(exit)", 23),
        ("actions=write_actions(mod_nw_src:1.2.3.4)", 34),
        ("actions=set_field:5->in_port_oxm", 22),
        ("dl_vlan=5,actions=set_field:5->vlan_vid", 29),
        ("ip,actions=ct(zone=reg0)", 20),
        ("ip,actions=ct(commit,exec(output:1))", 34),
        ("actions=set_field:5->ct_mark", 19),
        ("actions=output:1,conjunction(3,1/2)", 9),
        ("actions=goto_table:5,clone()", 22),
        ("actions=delete_field:reg0", 22),
        ("actions=debug_recirc", 9),
        ("actions=output:xxreg1", 16),
        ("actions=multipath(eth_src,0,hrw,9,0,xxreg1[3..67])", 37),
        ("actions=learn(hard_timeout=0x10)", 28),
        ("ip,actions=dec_ttl(0x8000)", 20),
        ("ipv6,actions=ct(commit,nat(src=[fe80::1]7[fe80::2]:255))", 33),
        ("actions=encap(nsh(tlv(0x1000,300,0x12)))", 30),
        ("actions=goto_table:0", 20),
        ("actions=move:reg0[0..0x5]->reg1[0..5]", 22),
        ("ip,nw_src=1.2.3.256,actions=drop", 11),
        ("ip,nw_src=1.2.3.4.5,actions=drop", 11),
    ] {
        assert_eq!(flow_mod(text, &NoNames).unwrap_err().column, column, "{text}");
    }
}

#[test]
fn matches_come_out_as_ovs_ofctl_reads_them() {
    for (text, expected) in [
        ("dl_vlan=5,dl_vlan_pcp=0x1f", "dl_vlan=5,dl_vlan_pcp=7"),
        ("dl_vlan=*,dl_vlan_pcp=1/0", ""),
        ("mpls,mpls_tc=9,mpls_bos=3", "mpls,mpls_tc=1,mpls_bos=1"),
        ("ip,nw_ecn=7", "ip,nw_ecn=3"),
        ("ip,nw_src=010.001.000.009/24", "ip,nw_src=10.1.0.0/24"),
        ("reg0=+1,xxreg1=-1", "reg0=0x1,reg4=0,reg5=0,reg6=0xffffffff,reg7=0xffffffff"),
        ("dl_type=0x894f,nsh_spi=0", "dl_type=0x894f,nsh_spi=0x0"),
        ("tun_erspan_idx=5,tun_erspan_dir=1", ""),
        ("tun_erspan_ver=1,tun_erspan_idx=5", "tun_erspan_ver=1,tun_erspan_idx=0x5"),
        ("ip,ct_state=+trk-inv,ct_nw_src=10.0.0.1", "ct_state=-inv+trk,ct_nw_src=10.0.0.1,ip"),
    ] {
        let space = if expected.is_empty() { "" } else { " " };
        assert_eq!(
            printed(&format!("{text},actions=resubmit(, 5)")),
            format!("ADD {expected}{space}actions=resubmit(,5)")
        );
    }
}

#[test]
fn a_whole_connection_state_has_the_mask_of_all_its_flags() {
    let flow = flow_mod("ct_state=new|trk,actions=drop", &NoNames).unwrap();
    assert_eq!(flow.to_flow_mod().match_tlvs, [0, 1, 0xd3, 8, 0, 0, 0, 0x21, 0, 0, 0, 0xff]);
}

#[test]
fn a_match_that_a_switch_would_refuse_is_refused_where_the_field_stands() {
    for (text, column) in [
        ("ip,packet_type=(1,0x800),actions=drop", 1),
        ("ipv6,nsh_si=63,actions=drop", 6),
        ("ip,ct_state=+trk,ct_nw_src=10.0.0.1,actions=drop", 18),
        ("tcp,nw_frag=later,tp_dst=80,actions=drop", 19),
        ("vlan_tci=5,actions=drop", 1),
        ("dl_type=0x894f,nsh_mdtype=3,actions=drop", 16),
        ("ipv6,ipv6_label=0x20000f,actions=drop", 6),
        ("ct_label=18446744073709551616,actions=drop", 10),
    ] {
        assert_eq!(flow_mod(text, &NoNames).unwrap_err().column, column, "{text}");
    }
}
