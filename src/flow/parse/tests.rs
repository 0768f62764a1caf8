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
        for action in ["learn", "ct", "nat", "set_field", "load", "move", "controller", "output", "resubmit", "note"] {
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
