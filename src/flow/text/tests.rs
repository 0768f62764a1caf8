//! Flows of the kinds that Neutron's agent installs, and our own lines for wanted flows.

use super::*;
use crate::openflow::oxm::{FieldValue, NSH_C1, NSH_MDTYPE};
use crate::openflow::{Action, Match, PortNo, Writer};

fn hex(text: &str) -> Vec<u8> {
    (0..text.len() / 2).map(|i| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).unwrap()).collect()
}

fn vectors() -> Vec<(Vec<u8>, &'static str)> {
    let lines = include_str!("../../../tests/data/flow_text.txt").lines().filter(|line| !line.starts_with('#'));
    let lines: Vec<&str> = lines.collect();
    lines.chunks(2).map(|pair| (hex(pair[0]), pair[1])).collect()
}

struct Named;

impl Names for Named {
    fn port(&self, port: PortNo) -> Option<&str> {
        [(1, "int-br-phys"), (3, "tap1")].into_iter().find(|(number, _)| *number == port.0).map(|(_, name)| name)
    }

    fn table(&self, table: TableId) -> Option<&str> {
        (table.0 == 60).then_some("transient")
    }
}

fn wanted(flow: &Flow, cookies: Cookies, names: &dyn Names) -> String {
    let mut out = Vec::new();
    let range = Printer::new(names).wanted(flow, cookies, &mut out).unwrap();
    assert!(range.end <= out.len());
    String::from_utf8(out).unwrap()
}

#[test]
fn every_kind_of_flow_of_neutron_prints_as_ovs_ofctl_prints_it() {
    let mut printer = Printer::new(&Numbers);
    let vectors = vectors();
    assert!(vectors.len() > 90);
    for (bytes, text) in &vectors {
        let flow = FlowStats::decode(&mut Reader::new(bytes)).unwrap();
        let mut out = b" ".to_vec();
        printer.with_stats(&flow, &mut out).unwrap();
        assert_eq!(&String::from_utf8(out).unwrap(), text);
    }
}

#[test]
fn flows_that_are_cut_or_changed_never_panic() {
    let mut printer = Printer::new(&Named);
    let mut out = Vec::new();
    for (bytes, _) in vectors() {
        let flow = FlowStats::decode(&mut Reader::new(&bytes)).unwrap();
        for end in 0..flow.instructions.len() {
            let _ = printer.with_stats(&FlowStats { instructions: &flow.instructions[..end], ..flow }, &mut out);
        }
        for end in 0..flow.match_tlvs.len() {
            let _ = printer.matching(&flow.match_tlvs[..end], &mut out);
        }
        for at in 0..bytes.len() {
            for value in [0, 1, 0x7f, 0xff] {
                let mut changed = bytes.clone();
                changed[at] = value;
                if let Ok(flow) = FlowStats::decode(&mut Reader::new(&changed)) {
                    let _ = printer.with_stats(&flow, &mut out);
                }
                out.clear();
            }
        }
    }
}

#[test]
fn a_wanted_flow_says_table_and_priority_always() {
    let matching = Match::new().in_port(PortNo(1)).untagged();
    let actions = [Action::output(PortNo(3)), Action::Resubmit { in_port: 0xfff8, table: TableId(60) }];
    let flow = Flow::new(TableId(0), 0x8000, &matching, Cookie(0x4ed1), &actions, Some(TableId(58))).unwrap();
    assert_eq!(
        wanted(&flow, Cookies::Hidden, &Numbers),
        "table=0, priority=32768,in_port=1,vlan_tci=0x0000/0x1fff actions=output:3,resubmit(,60),goto_table:58"
    );
    assert_eq!(
        wanted(&flow, Cookies::Shown, &Named),
        "cookie=0x4ed1, table=0, priority=32768,in_port=\"int-br-phys\",vlan_tci=0x0000/0x1fff \
         actions=output:tap1,resubmit(,transient),goto_table:58"
    );
    let drop = Flow::new(TableId(0), 0, &Match::new(), Cookie(0), &[], None).unwrap();
    assert_eq!(wanted(&drop, Cookies::Hidden, &Numbers), "table=0, priority=0 actions=drop");
}

#[test]
fn what_is_not_known_prints_and_loses_nothing() {
    let mut writer = Writer::new();
    writer.bytes(&hex("ffff001000001234abcdef0102030405"));
    let mut out = Vec::new();
    Printer::new(&Numbers).actions(Reader::new(writer.as_slice()), &mut out).unwrap();
    assert_eq!(String::from_utf8(out).unwrap(), "action(0xffff001000001234abcdef0102030405)");
    let mut out = Vec::new();
    Printer::new(&Numbers).matching(&hex("80000004000000018001fe020102"), &mut out).unwrap();
    assert_eq!(String::from_utf8(out).unwrap(), "in_port=1,0x8001fe02=0x0102");
    let mut out = Vec::new();
    Printer::new(&Numbers).instructions(Reader::new(&hex("1234000801020304")), &mut out).unwrap();
    assert_eq!(String::from_utf8(out).unwrap(), "instruction(0x1234000801020304)");
}

#[test]
fn the_metadata_of_a_service_header_prints_with_its_type_only() {
    let nsh = || Match::new().eth_type(0x894f).with(FieldValue::new(&NSH_C1, 3));
    for (matching, expected) in [
        (nsh(), "dl_type=0x894f"),
        (nsh().with(FieldValue::new(&NSH_MDTYPE, 2)), "dl_type=0x894f,nsh_mdtype=2"),
        (nsh().with(FieldValue::new(&NSH_MDTYPE, 1)), "dl_type=0x894f,nsh_mdtype=1,nsh_c1=0x3"),
    ] {
        let mut out = Vec::new();
        Printer::new(&Numbers).matching(matching.as_bytes(), &mut out).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}
