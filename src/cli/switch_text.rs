//! What a switch says of itself and its ports, as `ovs-ofctl show` and `dump-ports-desc` print it.

use std::fmt::Write as _;

use crate::openflow::features::{FeaturesReply, SwitchConfig};
use crate::openflow::port::Port;
use crate::openflow::{PortNo, Xid};

/// `OFPT_FEATURES_REPLY (OF1.3) (xid=0x2): dpid:…` and what follows.
pub fn features(out: &mut String, xid: Xid, features: &FeaturesReply) {
    let _ = write!(out, "OFPT_FEATURES_REPLY (OF1.3) (xid={:#x}):", xid.0);
    features_body(out, features);
}

/// What follows the heading: ` dpid:…` and the lines below.
pub(super) fn features_body(out: &mut String, features: &FeaturesReply) {
    let _ = writeln!(out, " dpid:{}", features.datapath_id);
    let _ = write!(out, "n_tables:{}, n_buffers:{}", features.n_tables, features.n_buffers);
    if features.auxiliary_id != 0 {
        let _ = write!(out, ", auxiliary_id:{}", features.auxiliary_id);
    }
    out.push_str("\ncapabilities: ");
    bits(out, features.capabilities.names());
    out.push('\n');
}

/// `OFPT_GET_CONFIG_REPLY (OF1.3) (xid=0x9): frags=normal miss_send_len=0`.
pub fn config(out: &mut String, xid: Xid, config: &SwitchConfig) {
    let _ = write!(out, "OFPT_GET_CONFIG_REPLY (OF1.3) (xid={:#x}):", xid.0);
    config_body(out, config);
}

/// What follows the heading: ` frags=normal miss_send_len=0`.
pub(super) fn config_body(out: &mut String, config: &SwitchConfig) {
    let _ = writeln!(out, " frags={} miss_send_len={}", fragments(config), config.miss_send_len);
}

/// What becomes of fragments.
pub(super) const fn fragments(config: &SwitchConfig) -> &'static str {
    match config.flags & 3 {
        0 => "normal",
        1 => "drop",
        2 => "reassemble",
        _ => "nx-match",
    }
}

/// The ports by number, LOCAL last.
pub(super) fn ports_body(out: &mut String, ports: &mut [Port]) {
    ports.sort_by_key(|port| port.port_no);
    for port in ports {
        one_port(out, port);
    }
}

/// One port: a line ` 1(tap1): addr:…` and those below.
pub(super) fn one_port(out: &mut String, port: &Port) {
    let number = match port.port_no {
        PortNo::LOCAL => "LOCAL".to_owned(),
        PortNo(number) => number.to_string(),
    };
    let printable = port.name.as_bytes().iter().take_while(|byte| matches!(byte, 0x20..0x7f));
    let name: String = printable.map(|&byte| char::from(byte)).collect();
    let _ = writeln!(out, " {number}({name}): addr:{}", port.hw_addr);
    out.push_str("     config:     ");
    bits(out, port.config.names());
    out.push_str("\n     state:      ");
    bits(out, port.state.names());
    out.push('\n');
    for (name, features) in [
        ("current:    ", port.curr),
        ("advertised: ", port.advertised),
        ("supported:  ", port.supported),
        ("peer:       ", port.peer),
    ] {
        if features.names().next().is_some() {
            let _ = write!(out, "     {name}");
            bits(out, features.names());
            out.push('\n');
        }
    }
    let (now, max) = (port.curr_speed / 1000, port.max_speed / 1000);
    let _ = writeln!(out, "     speed: {now} Mbps now, {max} Mbps max");
}

/// Names of set bits; a `0` for none, as for bits that have no name.
pub(super) fn bits(out: &mut String, names: impl Iterator<Item = &'static str>) {
    let start = out.len();
    for name in names {
        if out.len() > start {
            out.push(' ');
        }
        out.push_str(name);
    }
    if out.len() == start {
        out.push('0');
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::openflow::port::{PortConfig, PortFeatures, PortName, PortState};
    use crate::openflow::{DatapathId, MacAddr};

    #[test]
    fn a_port_prints_as_ovs_ofctl_prints_it() {
        let mut name = [0; 16];
        name[..4].copy_from_slice(b"tap1");
        let port = Port {
            port_no: PortNo(1),
            hw_addr: MacAddr([0xfa, 0x16, 0x3e, 0, 0, 1]),
            name: PortName(name),
            config: PortConfig::PORT_DOWN,
            state: PortState::LINK_DOWN | PortState::LIVE,
            curr: PortFeatures::FULL_10G | PortFeatures::COPPER,
            curr_speed: 10_000_000,
            ..Port::default()
        };
        let mut out = String::new();
        ports_body(&mut out, &mut [Port { port_no: PortNo::LOCAL, ..port }, port]);
        let body = "addr:fa:16:3e:00:00:01\n     config:     PORT_DOWN\n     state:      LINK_DOWN LIVE\n     \
                    current:    10GB-FD COPPER\n     speed: 10000 Mbps now, 0 Mbps max\n";
        assert_eq!(out, format!(" 1(tap1): {body} LOCAL(tap1): {body}"));
    }

    #[test]
    fn features_print_as_ovs_ofctl_prints_them() {
        use crate::openflow::features::Capabilities;
        let reply = FeaturesReply {
            datapath_id: DatapathId(0x1234),
            n_buffers: 0,
            n_tables: 254,
            auxiliary_id: 0,
            capabilities: Capabilities::FLOW_STATS | Capabilities::QUEUE_STATS,
            reserved: 0,
        };
        let mut out = String::new();
        features(&mut out, Xid(2), &reply);
        assert_eq!(
            out,
            "OFPT_FEATURES_REPLY (OF1.3) (xid=0x2): dpid:0000000000001234\nn_tables:254, n_buffers:0\n\
             capabilities: FLOW_STATS QUEUE_STATS\n"
        );
    }
}
