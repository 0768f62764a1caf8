//! Flows to text and back: the same bytes. Over generated flows and, where the corpora
//! are, every flow that Open vSwitch reported.

#[path = "support/corpora.rs"]
mod corpora;

use corpora::rows;
use heddle::flow::Flow;
use heddle::flow::parse::{self, NoNames};
use heddle::flow::text::{Cookies, Numbers, Printer};
use heddle::openflow::action::learn::{Learn, Learn2, LearnFlags, Spec};
use heddle::openflow::action::{
    Bundle, BundleAlgorithm, Conntrack, Controller, CtFlags, CtZone, Direction, Encap, EncapProperty, HashFields,
    Multipath, MultipathAlgorithm, Nat, NatAddresses, NatFlags, PT_MPLS, PT_NSH, PT_USE_NEXT_PROTO, PortRange, Sample,
    SamplePort,
};
use heddle::openflow::multipart::Multipart;
use heddle::openflow::oxm::{self, Field};
use heddle::openflow::{Action, Cookie, FlowStats, Match, Message, PortNo, Subfield, TableId};
use proptest::collection::vec;
use proptest::prelude::*;

fn text(flow: &Flow) -> String {
    let mut out = Vec::new();
    Printer::new(&Numbers).wanted(flow, Cookies::Shown, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

/// What is not the same once the flow went to text and back.
fn difference(flow: &Flow) -> Option<String> {
    let text = text(flow);
    match parse::flow(&text, &NoNames) {
        Ok(parsed) if parsed.to_flow_mod() == flow.to_add() => None,
        Ok(parsed) => Some(format!("{text}\n  {:?}\n  {:?}", flow.to_add(), parsed.to_flow_mod())),
        Err(error) => Some(format!("{text}\n  {error}")),
    }
}

/// What `ovs-ofctl`'s own text does not say: how wide the switch has mapped a tunnel option, which of the flags of
/// group-based policy count, that a match on frames alone is one, and how much of a packet a queue's output would send
/// to a controller.
fn says_less(flow: &Flow, text: &str) -> bool {
    const FRAMES: [u8; 8] = [0x80, 0, 0x58, 4, 0, 0, 0, 0];
    flow.match_tlvs() == FRAMES
        || text.to_lowercase().contains("tun_metadata")
        || ["tun_gbp_flags", "pop_queue"].iter().any(|less| text.contains(less))
}

#[test]
fn flows_that_open_vswitch_reported_are_the_same_after_a_way_through_text() {
    let (mut cases, mut others) = (0, Vec::new());
    for row in rows("flows-roundtrip.jsonl") {
        let messages = row["flow_stats_reply_hex"].as_array().into_iter().flatten().filter_map(|hex| hex.as_str());
        for message in messages {
            let digits = message.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap());
            let bytes: Vec<u8> = digits.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect();
            let mut body = Multipart::decode(Message::decode(&bytes).unwrap().body).unwrap().body.reader();
            while !body.is_empty() {
                cases += 1;
                let flow = Flow::from_stats(&FlowStats::decode(&mut body).unwrap());
                let text = text(&flow);
                if !says_less(&flow, &text) {
                    others.extend(difference(&flow));
                }
            }
        }
    }
    println!("{} of {cases} flows are the same after a way through text", cases - others.len());
    assert!(others.is_empty(), "{}", others.join("\n"));
}

fn number<T>(max: u64) -> impl Strategy<Value = T>
where
    T: TryFrom<u64, Error: std::fmt::Debug> + std::fmt::Debug,
{
    prop_oneof![Just(0), Just(1), Just(max), 0..=max].prop_map(|number| T::try_from(number).unwrap())
}

/// Fields that every packet has and that actions may change.
fn any_field() -> impl Strategy<Value = &'static Field> {
    prop::sample::select(vec![
        &oxm::REG0,
        &oxm::REG15,
        &oxm::XREG1,
        &oxm::XXREG2,
        &oxm::METADATA,
        &oxm::ETH_SRC,
        &oxm::ETH_DST,
        &oxm::TUN_ID,
        &oxm::TUN_SRC,
        &oxm::TUN_IPV6_DST,
        &oxm::PKT_MARK,
    ])
}

fn any_subfield(bits: u16) -> impl Strategy<Value = Subfield> {
    (any_field(), 0..128_u16, 1..=bits).prop_map(|(field, offset, bits)| {
        let bits = bits.min(field.bits);
        Subfield { field, offset: offset % (field.bits - bits + 1), bits }
    })
}

fn a_bit() -> impl Strategy<Value = Subfield> {
    any_subfield(1)
}

fn a_port() -> impl Strategy<Value = u16> {
    prop_oneof![1..0xff00_u16, Just(0xfff8), Just(0xfffe)]
}

fn an_address() -> impl Strategy<Value = NatAddresses> {
    (1_u32..0x7fff_ffff, prop::option::of(1_u32..9))
        .prop_map(|(min, more)| NatAddresses::Ipv4(min.into(), more.map(|more| (min + more).into())))
}

fn a_nat() -> impl Strategy<Value = Nat> {
    let ports = (1_u16..0xff00, prop::option::of(1_u16..9))
        .prop_map(|(min, more)| PortRange { min, max: more.map(|more| min + more) });
    let how = prop::sample::select(vec![0, 4, 8, 16, 12, 20]);
    let of_range = (1..=2_u16, how, an_address(), prop::option::of(ports))
        .prop_map(|(way, how, addresses, ports)| Nat { flags: NatFlags(way | how), addresses: Some(addresses), ports });
    prop_oneof![
        Just(Nat { flags: NatFlags(0), addresses: None, ports: None }),
        Just(Nat { flags: NatFlags::SRC, addresses: None, ports: None }),
        of_range,
    ]
}

fn a_ct() -> impl Strategy<Value = Action> {
    let zone = prop_oneof![number(0xffff).prop_map(CtZone::Number), register(16).prop_map(CtZone::Field)];
    let mark = number::<u64>(0xffff_ffff).prop_map(|value| Action::Load { value, dst: Subfield::all(&oxm::CT_MARK) });
    let table = prop_oneof![Just(TableId::ALL), (0..255_u8).prop_map(TableId)];
    (zone, table, prop::option::of(a_nat()), vec(mark, 0..3), any::<bool>()).prop_map(
        |(zone, recirc_table, nat, marks, force)| {
            let nat = nat.map(|nat| Action::Nat(Box::new(nat)));
            let flags = if force { CtFlags::COMMIT | CtFlags::FORCE } else { CtFlags::COMMIT };
            let actions = nat.into_iter().chain(marks).collect();
            Action::Ct(Box::new(Conntrack { flags, zone, recirc_table, alg: 0, actions }))
        },
    )
}

/// So many bits of a register.
fn register(bits: u16) -> impl Strategy<Value = Subfield> {
    (0..=32 - bits).prop_map(move |offset| Subfield { field: &oxm::REG3, offset, bits })
}

fn a_learn() -> impl Strategy<Value = Action> {
    let spec = prop_oneof![
        Just(Spec::match_same(Subfield { field: &oxm::VLAN_TCI, offset: 0, bits: 12 })),
        any_subfield(64).prop_map(Spec::match_same),
        (0..=0xffff_u64, register(16)).prop_map(|(value, dst)| Spec::load_number(value, dst)),
        register(16).prop_map(Spec::Output),
    ];
    let extension = prop::option::of((1..=u32::MAX, prop::option::of(a_bit())));
    (number(0xffff), number(0xffff), number(u64::MAX), extension, 0..4_u16, 0..255_u8, vec(spec, 0..4)).prop_map(
        |(idle_timeout, priority, cookie, extension, flags, table, specs)| {
            Action::Learn(Box::new(Learn {
                idle_timeout,
                priority,
                cookie: Cookie(cookie),
                flags: LearnFlags(flags),
                table: TableId(table),
                extension: extension.map(|(limit, result_dst)| Learn2 { limit, result_dst }),
                specs,
                ..Learn::new()
            }))
        },
    )
}

fn a_sample() -> impl Strategy<Value = Action> {
    let port = prop_oneof![
        Just(SamplePort::Unsaid),
        a_port().prop_map(SamplePort::At),
        (a_port(), prop::sample::select(vec![Direction::Ingress, Direction::Egress]))
            .prop_map(|(port, direction)| SamplePort::Directed(port, direction)),
    ];
    (1..=u16::MAX, any::<u32>(), any::<u32>(), any::<u32>(), port).prop_map(
        |(probability, collector_set_id, obs_domain_id, obs_point_id, port)| {
            Action::Sample(Box::new(Sample { probability, collector_set_id, obs_domain_id, obs_point_id, port }))
        },
    )
}

fn a_selection() -> impl Strategy<Value = Action> {
    let links = (0..7_u16, number(0xffff), 0..4_u16, 0..16_u16, any::<u32>(), register(4)).prop_map(
        |(fields, basis, algorithm, max_link, arg, dst)| {
            let (fields, algorithm) = (HashFields(fields), MultipathAlgorithm(algorithm));
            Action::Multipath(Box::new(Multipath { fields, basis, algorithm, max_link, arg, dst }))
        },
    );
    let members = (0..7_u16, number(0xffff), 0..2_u16, prop::option::of(register(16)), vec(1..0xff00_u16, 0..5));
    let members = members.prop_map(|(fields, basis, algorithm, dst, members)| {
        let (fields, algorithm) = (HashFields(fields), BundleAlgorithm(algorithm));
        Action::Bundle(Box::new(Bundle { algorithm, fields, basis, dst, members: members.into() }))
    });
    prop_oneof![links, members]
}

fn a_controller() -> impl Strategy<Value = Action> {
    let wanted = (number(0xffff), number(0xffff), 0..6_u8, vec(any::<u8>(), 1..9), any::<bool>(), any::<u32>());
    prop_oneof![
        number(0xffff).prop_map(|max_len| Action::Output { port: PortNo::CONTROLLER, max_len }),
        (number(0xffff), 1..=u16::MAX, 0..6_u8).prop_map(|(max_len, id, reason)| Action::Controller {
            max_len,
            id,
            reason
        }),
        wanted.prop_map(|(max_len, id, reason, userdata, pause, meter_id)| {
            let userdata = userdata.into();
            Action::Controller2(Box::new(Controller { max_len, id, reason, userdata, pause, meter_id }))
        }),
    ]
}

fn an_encap() -> impl Strategy<Value = Action> {
    // Zeros in front of a value do not print.
    let tlv =
        (any::<u16>(), any::<u8>(), 0x10..=0xff_u8, vec(any::<u8>(), 0..9)).prop_map(|(class, kind, first, rest)| {
            let data = std::iter::once(first).chain(rest).collect();
            EncapProperty::NshTlv { class, kind, data }
        });
    let property = prop_oneof![(1..=2_u8).prop_map(EncapProperty::NshMdType), tlv];
    let encap = |packet_type, properties| Action::Encap(Box::new(Encap { header_size: 0, packet_type, properties }));
    prop_oneof![Just(encap(PT_MPLS, Vec::new())), vec(property, 0..4).prop_map(move |list| encap(PT_NSH, list))]
}

/// An action that IPv4 packets can meet anywhere, and after which they still are such.
fn a_simple_action() -> impl Strategy<Value = Action> {
    prop_oneof![
        a_port().prop_map(|port| {
            let port = if port < 0xff00 { PortNo(port.into()) } else { PortNo(u32::from(port) | 0xffff_0000) };
            Action::output(port)
        }),
        any::<u32>().prop_map(Action::Group),
        any::<u32>().prop_map(Action::SetQueue),
        any::<u8>().prop_map(Action::SetNwTtl),
        Just(Action::DecNwTtl),
        vec(any::<u16>(), 1..5).prop_map(|ids| Action::DecTtlCntIds(ids.into())),
        (any_field(), any::<u128>()).prop_map(|(field, number)| Action::set_field(field, number)),
        Just(Action::set_field(&oxm::IPV4_SRC, 7)),
        (any_subfield(64), any::<u64>()).prop_map(|(dst, value)| Action::Load { value: value >> (64 - dst.bits), dst }),
        (any_field(), any_field()).prop_map(|(src, dst)| {
            let bits = src.bits.min(dst.bits);
            Action::Move {
                src: Subfield { field: src, offset: 0, bits },
                dst: Subfield { field: dst, offset: 0, bits },
            }
        }),
        any_subfield(128).prop_map(Action::StackPush),
        any_subfield(128).prop_map(Action::StackPop),
        any_subfield(32).prop_map(|src| Action::OutputReg { src, max_len: u16::MAX }),
        (a_port(), 0..255_u8).prop_map(|(in_port, table)| Action::Resubmit { in_port, table: TableId(table) }),
        vec(any::<u8>(), 1..12).prop_map(|bytes| {
            let mut bytes = bytes;
            bytes.resize((bytes.len() + 10).next_multiple_of(8) - 10, 0);
            Action::Note(bytes.into())
        }),
        (1..0xff00_u16, 14..=u32::MAX).prop_map(|(port, max_len)| Action::OutputTrunc { port, max_len }),
        (any::<u16>(), a_bit()).prop_map(|(length, dst)| Action::CheckPktLarger { length, dst }),
        prop::sample::select(vec![Action::Exit, Action::CtClear, Action::PopQueue]),
        a_controller(),
        a_learn(),
        a_sample(),
        a_selection(),
        a_ct(),
    ]
}

fn an_action() -> impl Strategy<Value = Action> {
    let leaf = a_simple_action();
    leaf.prop_recursive(3, 12, 4, |inner| vec(inner, 0..4).prop_map(Action::Clone))
}

fn a_flow() -> impl Strategy<Value = Flow> {
    let last = prop::option::of(prop_oneof![an_encap(), Just(Action::Decap(PT_USE_NEXT_PROTO))]);
    (any::<u64>(), 0..200_u8, any::<u16>(), vec(an_action(), 0..6), last, prop::option::of(201..255_u8)).prop_map(
        |(cookie, table, priority, mut actions, last, next)| {
            actions.extend(last);
            let matching = Match::new().in_port(PortNo(1)).eth_type(0x0800);
            Flow::new(TableId(table), priority, &matching, Cookie(cookie), &actions, next.map(TableId)).unwrap()
        },
    )
}

proptest! {
    #[test]
    fn any_flow_is_the_same_after_a_way_through_text(flow in a_flow()) {
        prop_assert_eq!(difference(&flow), None);
    }
}

#[test]
fn nat_to_ipv6_addresses_is_the_same_after_a_way_through_text() {
    let (low, high) = ("fc00::1".parse().unwrap(), "fc00::9".parse().unwrap());
    for (max, ports) in [
        (None, None),
        (Some(high), None),
        (None, Some(PortRange { min: 5, max: None })),
        (Some(high), Some(PortRange { min: 5, max: Some(6) })),
    ] {
        let nat = Nat { flags: NatFlags::SRC, addresses: Some(NatAddresses::Ipv6(low, max)), ports };
        let (flags, zone) = (CtFlags::COMMIT, CtZone::Number(1));
        let actions = vec![Action::Nat(Box::new(nat))];
        let ct = Action::Ct(Box::new(Conntrack { flags, zone, recirc_table: TableId::ALL, alg: 0, actions }));
        let matching = Match::new().eth_type(0x86dd);
        let flow = Flow::new(TableId(0), 1, &matching, Cookie(1), &[ct], None).unwrap();
        assert_eq!(difference(&flow), None);
    }
}

/// Open vSwitch prints the name of this field twice there.
#[test]
fn a_learnt_packet_type_is_read_as_a_dump_shows_it() {
    let flow = |text: &str| parse::flow(text, &NoNames).unwrap_or_else(|error| panic!("{text}: {error}"));
    let shown = "table=0, actions=learn(table=1,packet_type=packet_type=(2,0x894f),NXM_OF_IN_PORT[])";
    let typed = "table=0, actions=learn(table=1,packet_type=(2,0x894f),NXM_OF_IN_PORT[])";
    assert_eq!(flow(shown).to_flow_mod().instructions, flow(typed).to_flow_mod().instructions);
}
