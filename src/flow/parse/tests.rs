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
