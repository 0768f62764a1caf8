//! A learning bridge: what sends its packets up, and what never goes up.

use std::sync::Arc;

use super::cookie::{self, Kind};
use crate::flow::{Flow, FlowTable};
use crate::openflow::features::SwitchConfig;
use crate::openflow::oxm::{self, FieldValue};
use crate::openflow::{Action, MacAddr, Match, PortNo, TableId};

/// The one table of a learning bridge, which those flows are in too that it learns.
pub const TABLE: TableId = TableId(0);
/// Above every flow that is learnt.
const NEVER_UP: u16 = 65535;

/// Addresses of protocols between neighbouring bridges, which no bridge forwards (IEEE 802.1Q §8.6.3): this one
/// under [`RESERVED_MASK`].
pub const RESERVED: MacAddr = MacAddr([0x01, 0x80, 0xc2, 0, 0, 0]);
/// The bits of [`RESERVED`] that count.
pub const RESERVED_MASK: MacAddr = MacAddr([0xff, 0xff, 0xff, 0xff, 0xff, 0xf0]);
/// The bit that tells group addresses from those of stations.
const GROUP: MacAddr = MacAddr([0x01, 0, 0, 0, 0, 0]);

/// The wanted flows of every learning bridge; any OpenFlow 1.3 switch can have them.
pub fn flows() -> FlowTable {
    // Whole packets, so that none has to be kept in the switch.
    let up = [Action::Output { port: PortNo::CONTROLLER, max_len: SwitchConfig::WHOLE_PACKET }];
    let group = u128::from(GROUP.0[0]) << 40;
    let flows: [(u16, Kind, Match, &[Action]); 3] = [
        (0, Kind::Unheard, Match::new(), &up),
        (NEVER_UP, Kind::Reserved, Match::new().eth_dst_masked(RESERVED, RESERVED_MASK), &[]),
        (NEVER_UP, Kind::NoStation, Match::new().with(FieldValue::masked(&oxm::ETH_SRC, group, group)), &[]),
    ];
    let flows = flows.into_iter().map(|(priority, kind, matching, actions)| {
        let flow = Flow::new(TABLE, priority, &matching, cookie::cookie(kind, ""), actions, None);
        Arc::new(flow.expect("three flows of a field and an action are short"))
    });
    flows.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::text::{Cookies, Numbers, Printer};

    #[test]
    fn a_learning_bridge_wants_three_flows_of_plain_openflow() {
        let text: Vec<String> = flows()
            .sorted()
            .iter()
            .map(|flow| {
                let mut text = Vec::new();
                Printer::new(&Numbers).wanted(flow, Cookies::Hidden, &mut text).unwrap();
                String::from_utf8(text).unwrap().trim_start().to_owned()
            })
            .collect();
        let expected = [
            "table=0, priority=65535,dl_dst=01:80:c2:00:00:00/ff:ff:ff:ff:ff:f0 actions=drop",
            "table=0, priority=65535,dl_src=01:00:00:00:00:00/01:00:00:00:00:00 actions=drop",
            "table=0, priority=0 actions=CONTROLLER:65535",
        ];
        assert_eq!(text, expected);
    }
}
