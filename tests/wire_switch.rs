//! The wire layer against a real Open vSwitch: one `ovs-vswitchd` with a userspace bridge for each test, in a
//! directory of its own, spoken to over the bridge's management socket.

mod support;

use heddle::openflow::bundle::{self, BundleControl, BundleControlType, BundleFlags, BundleId};
use heddle::openflow::desc::Desc;
use heddle::openflow::echo::Echo;
use heddle::openflow::error_msg::ErrorMsg;
use heddle::openflow::experimenter::Experimenter;
use heddle::openflow::features::{self, FeaturesReply};
use heddle::openflow::flow_monitor::{
    self, FlowMonitorCancel, FlowMonitorFlags, FlowMonitorRequest, FlowUpdate, FlowUpdateFull,
};
use heddle::openflow::multipart::{Multipart, MultipartType, multipart_request};
use heddle::openflow::packet::{NO_BUFFER, PacketOut};
use heddle::openflow::port::{Port, PortReason, PortStatus};
use heddle::openflow::port_stats::{PortStats, PortStatsRequest};
use heddle::openflow::role::{ControllerRole, Role};
use heddle::openflow::table_stats::TableStats;
use heddle::openflow::{EncodeError, Entries, MessageType, PortNo, Raw, TableId, Writer, Xid, message};
use support::client::{Client, parse};
use support::switch::{DEADLINE, Switch};

const BRIDGE: &str = "br-wire";
const MONITOR_ALL: FlowMonitorFlags = FlowMonitorFlags(0x1f);

/// Starts a switch with one bridge, or says why there is none and that the test is skipped.
fn start() -> Option<Switch> {
    Switch::start(&[BRIDGE])
}

fn ofctl(switch: &Switch, command: &str, argument: &str) {
    switch.run("ovs-ofctl", &["-OOpenFlow13", command, "unix:br-wire.mgmt", argument]);
}

fn connect(switch: &Switch) -> Client {
    Client::connect(&switch.path("br-wire.mgmt"), DEADLINE)
}

/// A flow of table 0 that drops: an ADD with a priority, a cookie and raw instructions.
fn add_flow(writer: &mut Writer, xid: Xid, priority: u16, cookie: u64, instructions: &[u8]) -> Result<(), EncodeError> {
    message(writer, MessageType::FLOW_MOD, xid, |w| {
        w.u64(cookie);
        w.zeros(8 + 2 + 4);
        w.u16(priority);
        w.u32(NO_BUFFER);
        w.u32(PortNo::ANY.0);
        w.u32(0xffff_ffff);
        w.zeros(4);
        w.bytes(&[0, 1, 0, 4, 0, 0, 0, 0]);
        w.bytes(instructions);
        Ok(())
    })
}

/// Apply-actions with an output to a port number that Open vSwitch refuses when it decodes the message.
const BAD_PORT: [u8; 24] = [0, 4, 0, 24, 0, 0, 0, 0, 0, 0, 0, 16, 0xff, 0xff, 0xfe, 0xff, 0, 0, 0, 0, 0, 0, 0, 0];
/// Goto table 0 from table 0: refused when the flow is added.
const GOTO_SELF: [u8; 8] = [0, 1, 0, 8, 0, 0, 0, 0];
/// Apply-actions with a group that does not exist: refused when the flow is added.
const NO_GROUP: [u8; 16] = [0, 4, 0, 16, 0, 0, 0, 0, 0, 22, 0, 8, 0, 0, 0x12, 0x34];

const FLAGS: BundleFlags = BundleFlags(3);

fn control(control: BundleControlType) -> BundleControl {
    BundleControl { bundle_id: BundleId(7), control, flags: FLAGS }
}

/// What a message is, in short: its xid, and what it says.
fn told(bytes: &[u8]) -> String {
    let message = parse(bytes);
    let xid = message.header.xid.0;
    match message.header.message_type {
        MessageType::ERROR => {
            let error = ErrorMsg::decode(message.body).unwrap();
            let refused = error.refused().unwrap();
            format!("{xid} {} for {} {}", error.code, refused.message_type, refused.xid.0)
        }
        MessageType::EXPERIMENTER => {
            let experimenter = Experimenter::decode(message.body).unwrap();
            assert_eq!(experimenter.exp_type, bundle::CONTROL);
            let control = BundleControl::decode(experimenter.body.reader()).unwrap();
            format!("{xid} bundle {} type {} flags {}", control.bundle_id.0, control.control.0, control.flags.0)
        }
        MessageType::MULTIPART_REPLY => {
            let updates = updates(bytes);
            format!("{xid} {}", updates.join(", "))
        }
        message_type => format!("{xid} {message_type}"),
    }
}

/// The updates of a flow monitor message, in short.
fn updates(bytes: &[u8]) -> Vec<String> {
    let multipart = Multipart::decode(parse(bytes).body_of(MessageType::MULTIPART_REPLY).unwrap()).unwrap();
    let experimenter = Experimenter::decode(multipart.body.reader()).unwrap();
    Entries::<FlowUpdate<'_>>::new(experimenter.body.reader())
        .map(|update| match update.unwrap() {
            FlowUpdate::Abbrev { xid } => format!("abbrev {}", xid.0),
            FlowUpdate::Full(FlowUpdateFull { event, reason, priority, table_id, cookie, instructions, .. }) => {
                let length = instructions.bytes().len();
                format!("{event:?} reason {reason} table {table_id} priority {priority} cookie {} +{length}", cookie.0)
            }
        })
        .collect()
}

fn all_told(messages: &[Vec<u8>]) -> Vec<String> {
    messages.iter().map(|bytes| told(bytes)).collect()
}

#[test]
fn a_session_learns_what_the_switch_is() {
    let Some(switch) = start() else { return };
    let mut client = connect(&switch);

    client.send(|w| {
        features::encode_request(w, Xid(2));
        Multipart::last(MultipartType::PORT_DESC, &[]).encode_request(w, Xid(3))?;
        Echo { data: b"are you there" }.encode_request(w, Xid(4))?;
        Multipart::last(MultipartType::DESC, &[]).encode_request(w, Xid(5))?;
        Multipart::last(MultipartType::TABLE, &[]).encode_request(w, Xid(6))?;
        multipart_request(w, MultipartType::PORT_STATS, Xid(7), |w| {
            PortStatsRequest { port_no: PortNo::ANY }.encode(w);
            Ok(())
        })?;
        ControllerRole { role: Role::NOCHANGE, generation_id: 0 }.encode_request(w, Xid(8))
    });

    let bytes = client.receive();
    let features = FeaturesReply::decode(parse(&bytes).body_of(MessageType::FEATURES_REPLY).unwrap()).unwrap();
    assert_eq!((features.n_tables, features.n_buffers, features.auxiliary_id), (254, 0, 0));

    let bytes = client.receive();
    let multipart = Multipart::decode(parse(&bytes).body).unwrap();
    let ports: Vec<Port> = Entries::new(multipart.body.reader()).collect::<Result<_, _>>().unwrap();
    assert!(!multipart.more() && ports.len() == 1);
    assert!(ports[0].port_no == PortNo::LOCAL && &ports[0].name == BRIDGE);

    let bytes = client.receive();
    assert_eq!(parse(&bytes).header.xid, Xid(4));
    assert_eq!(Echo::decode(parse(&bytes).body_of(MessageType::ECHO_REPLY).unwrap()).data, b"are you there");

    let bytes = client.receive();
    let desc = Desc::decode(Multipart::decode(parse(&bytes).body).unwrap().body.reader()).unwrap();
    assert_eq!(desc.hw_desc, b"Open vSwitch");

    let bytes = client.receive();
    let multipart = Multipart::decode(parse(&bytes).body).unwrap();
    let tables: Vec<TableStats> = Entries::new(multipart.body.reader()).collect::<Result<_, _>>().unwrap();
    assert_eq!((tables.len(), tables[253].table_id), (254, TableId(253)));

    let bytes = client.receive();
    let multipart = Multipart::decode(parse(&bytes).body).unwrap();
    let stats: Vec<PortStats> = Entries::new(multipart.body.reader()).collect::<Result<_, _>>().unwrap();
    assert_eq!((stats.len(), stats[0].port_no), (1, PortNo::LOCAL));

    let bytes = client.receive();
    let role = ControllerRole::decode(parse(&bytes).body_of(MessageType::ROLE_REPLY).unwrap()).unwrap();
    assert_eq!(role.role, Role::EQUAL);
}

#[test]
fn ports_that_come_and_go_are_told() {
    let Some(switch) = start() else { return };
    let mut client = connect(&switch);
    client.until_barrier();
    // The sockets of management connections bring no such messages unless asked to.
    let all = heddle::openflow::async_config::AsyncMask { master: 7, slave: 7 };
    let config = heddle::openflow::async_config::AsyncConfig { port_status: all, ..Default::default() };
    client.send(|w| config.encode_set(w, Xid(2)));
    assert_eq!(all_told(&client.until_barrier()), [""; 0]);
    let patch = ["--", "set", "Interface", "pp0", "type=patch", "options:peer=pp1", "ofport_request=5"];
    switch.vsctl(&[&["add-port", BRIDGE, "pp0"][..], &patch].concat());
    let bytes = client.receive();
    let status = PortStatus::decode(parse(&bytes).body_of(MessageType::PORT_STATUS).unwrap()).unwrap();
    assert_eq!((status.reason, status.port.port_no), (PortReason::ADD, PortNo(5)));
    assert!(&status.port.name == "pp0");
    switch.vsctl(&["del-port", BRIDGE, "pp0"]);
    loop {
        let bytes = client.receive();
        let status = PortStatus::decode(parse(&bytes).body_of(MessageType::PORT_STATUS).unwrap()).unwrap();
        if status.reason == PortReason::DELETE {
            break assert_eq!(status.port.port_no, PortNo(5));
        }
    }
}

#[test]
fn a_flow_monitor_tells_what_others_do_in_full_and_own_changes_by_xid() {
    let Some(switch) = start() else { return };
    ofctl(&switch, "add-flow", "priority=1,cookie=0x11,actions=drop");
    let mut client = connect(&switch);
    client.send(|w| FlowMonitorRequest::all(3, MONITOR_ALL).encode_message(w, Xid(2)));
    assert_eq!(all_told(&client.until_barrier()), ["2 Added reason 0 table 0 priority 1 cookie 17 +0"]);

    ofctl(&switch, "add-flow", "table=9,priority=2,cookie=0x12,in_port=4,actions=output:5");
    assert_eq!(told(&client.receive()), "0 Added reason 0 table 9 priority 2 cookie 18 +24");
    ofctl(&switch, "mod-flows", "table=9,in_port=4,actions=drop");
    assert_eq!(told(&client.receive()), "0 Modified reason 0 table 9 priority 2 cookie 18 +0");
    ofctl(&switch, "add-flow", "table=9,priority=2,cookie=0x13,in_port=4,actions=drop");
    assert_eq!(told(&client.receive()), "0 Added reason 0 table 9 priority 2 cookie 19 +0");
    ofctl(&switch, "del-flows", "table=9");
    assert_eq!(told(&client.receive()), "0 Deleted reason 2 table 9 priority 2 cookie 19 +0");
    ofctl(&switch, "add-flow", "table=9,priority=3,hard_timeout=1,actions=drop");
    assert_eq!(told(&client.receive()), "0 Added reason 0 table 9 priority 3 cookie 0 +0");
    assert_eq!(told(&client.receive()), "0 Deleted reason 1 table 9 priority 3 cookie 0 +0");

    client.send(|w| add_flow(w, Xid(40), 7, 7, &[]));
    client.send(|w| add_flow(w, Xid(41), 8, 8, &[]));
    let own = all_told(&client.until_barrier());
    assert_eq!(own, ["0 abbrev 40", "0 abbrev 41"]);

    client.send(|w| FlowMonitorCancel { monitor_id: 3 }.encode(w, Xid(50)));
    client.send(|w| add_flow(w, Xid(51), 9, 9, &[]));
    assert_eq!(all_told(&client.until_barrier()), [""; 0]);
    client.send(|w| FlowMonitorCancel { monitor_id: 3 }.encode(w, Xid(52)));
    let refused = all_told(&client.until_barrier());
    assert_eq!(refused, ["52 OFPMOFC_UNKNOWN_MONITOR for OFPT_EXPERIMENTER 52"]);
}

const LEARN: &str = "cookie=0x21,actions=learn(table=10,idle_timeout=60,cookie=0x22,NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[])";
const ADDITIONS: FlowMonitorFlags = FlowMonitorFlags::ADD;

#[test]
fn flows_learnt_from_packets_are_told_at_once() {
    let Some(switch) = start() else { return };
    ofctl(&switch, "add-flow", LEARN);
    let mut client = connect(&switch);
    client.send(|w| FlowMonitorRequest::all(3, ADDITIONS).encode_message(w, Xid(2)));
    client.until_barrier();
    // An ARP request leaves through the bridge's own port as soon as a packet is to go somewhere.
    let namespace = format!("--net=/proc/{}/ns/net", switch.vswitchd());
    let send = "ip address add 192.0.2.1/24 dev br-wire && ip link set br-wire up && echo > /dev/udp/192.0.2.2/9";
    switch.run("nsenter", &[&namespace, "bash", "-c", send]);
    assert_eq!(told(&client.receive()), "0 Added reason 0 table 10 priority 32768 cookie 34 +0");
}

#[test]
fn flows_learnt_from_a_packet_out_are_told_only_with_the_next_change() {
    let Some(switch) = start() else { return };
    ofctl(&switch, "add-flow", LEARN);
    let mut client = connect(&switch);
    client.send(|w| FlowMonitorRequest::all(3, ADDITIONS).encode_message(w, Xid(2)));
    client.until_barrier();
    let table = [0, 0, 0, 16, 0xff, 0xff, 0xff, 0xf9, 0, 0, 0, 0, 0, 0, 0, 0];
    let mut data = [0; 60];
    data[6..12].copy_from_slice(&[0xfa, 0x16, 0x3e, 0, 0, 1]);
    let out = PacketOut { buffer_id: NO_BUFFER, in_port: PortNo::CONTROLLER, actions: Raw::new(&table), data: &data };
    client.send(|w| out.encode(w, Xid(3)));
    assert_eq!(all_told(&client.until_barrier()), [""; 0]);
    client.send(|w| add_flow(w, Xid(4), 7, 7, &[]));
    let told = all_told(&client.until_barrier());
    assert_eq!(told, ["0 Added reason 0 table 10 priority 32768 cookie 34 +0, abbrev 4"]);
}

#[test]
fn own_changes_come_in_full_if_asked_for() {
    let Some(switch) = start() else { return };
    let mut client = connect(&switch);
    let flags = MONITOR_ALL | FlowMonitorFlags::OWN;
    client.send(|w| FlowMonitorRequest::all(3, flags).encode_message(w, Xid(2)));
    client.until_barrier();
    client.send(|w| {
        control(BundleControlType::OPEN_REQUEST).encode(w, Xid(20))?;
        for number in 0..2u16 {
            bundle::encode_add(w, (BundleId(7), FLAGS), Xid(21 + u32::from(number)), |w, xid| {
                add_flow(w, xid, 100 + number, 5, &[])
            })?;
        }
        control(BundleControlType::COMMIT_REQUEST).encode(w, Xid(30))
    });
    let told = all_told(&client.until_barrier());
    let updates =
        [100, 101].map(|priority| format!("Added reason 0 table 0 priority {priority} cookie 5 +0")).join(", ");
    assert_eq!(
        told,
        ["20 bundle 7 type 1 flags 0".into(), format!("0 {updates}"), "30 bundle 7 type 5 flags 0".into()]
    );
}

#[test]
fn a_bundle_may_be_sent_in_one_write() {
    let Some(switch) = start() else { return };
    let mut client = connect(&switch);
    client.send(|w| FlowMonitorRequest::all(3, MONITOR_ALL).encode_message(w, Xid(2)));
    client.until_barrier();

    client.send(|w| {
        control(BundleControlType::OPEN_REQUEST).encode(w, Xid(10))?;
        control(BundleControlType::COMMIT_REQUEST).encode(w, Xid(11))
    });
    let empty = all_told(&client.until_barrier());
    assert_eq!(empty, ["10 bundle 7 type 1 flags 0", "11 bundle 7 type 5 flags 0"]);

    client.send(|w| {
        control(BundleControlType::OPEN_REQUEST).encode(w, Xid(20))?;
        for number in 0..3u16 {
            bundle::encode_add(w, (BundleId(7), FLAGS), Xid(21 + u32::from(number)), |w, xid| {
                add_flow(w, xid, 100 + number, 5, &[])
            })?;
        }
        control(BundleControlType::COMMIT_REQUEST).encode(w, Xid(30))
    });
    let committed = all_told(&client.until_barrier());
    // One abbreviated update for all of it, with the xid of its first flow_mod.
    assert_eq!(committed, ["20 bundle 7 type 1 flags 0", "0 abbrev 21", "30 bundle 7 type 5 flags 0"]);

    client.send(|w| {
        control(BundleControlType::OPEN_REQUEST).encode(w, Xid(60))?;
        control(BundleControlType::CLOSE_REQUEST).encode(w, Xid(61))?;
        control(BundleControlType::DISCARD_REQUEST).encode(w, Xid(62))
    });
    let discarded = all_told(&client.until_barrier());
    let expected = ["60 bundle 7 type 1 flags 0", "61 bundle 7 type 3 flags 0", "62 bundle 7 type 7 flags 0"];
    assert_eq!(discarded, expected);
}

/// Sends a bundle of three flows in one write, the second with `instructions`; what the switch answers, and
/// how many flows it has then.
fn bundle_with(instructions: &[u8]) -> Option<(Vec<String>, usize)> {
    let switch = start()?;
    let mut client = connect(&switch);
    client.send(|w| {
        control(BundleControlType::OPEN_REQUEST).encode(w, Xid(20))?;
        for (number, instructions) in [&[][..], instructions, &[]].into_iter().enumerate() {
            bundle::encode_add(w, (BundleId(7), FLAGS), Xid(21 + number as u32), |w, xid| {
                add_flow(w, xid, 100 + number as u16, 5, instructions)
            })?;
        }
        control(BundleControlType::COMMIT_REQUEST).encode(w, Xid(30))
    });
    let answers = all_told(&client.until_barrier());
    client.send(|w| FlowMonitorRequest::all(3, MONITOR_ALL | FlowMonitorFlags::INITIAL).encode_message(w, Xid(2)));
    let flows = client.until_barrier().iter().map(|bytes| updates(bytes).len()).sum();
    Some((answers, flows))
}

#[test]
fn a_message_refused_when_added_is_missing_from_the_bundle_and_the_rest_commits() {
    for (instructions, name) in [(&BAD_PORT[..], "OFPBAC_BAD_OUT_PORT"), (&GOTO_SELF, "OFPBIC_BAD_TABLE_ID")] {
        let Some((answers, flows)) = bundle_with(instructions) else { return };
        let refused = format!("22 {name} for OFPT_EXPERIMENTER 22");
        assert_eq!(answers, ["20 bundle 7 type 1 flags 0", &refused, "30 bundle 7 type 5 flags 0"]);
        assert_eq!(flows, 2);
    }
}

#[test]
fn a_message_refused_at_the_commit_takes_the_whole_bundle_with_it() {
    let Some((answers, flows)) = bundle_with(&NO_GROUP) else { return };
    let refused = "22 OFPBAC_BAD_OUT_GROUP for OFPT_EXPERIMENTER 22";
    let failed = "30 OFPBFC_MSG_FAILED for OFPT_EXPERIMENTER 30";
    assert_eq!(answers, ["20 bundle 7 type 1 flags 0", refused, failed]);
    assert_eq!(flows, 0);
}

#[test]
fn malformed_messages_are_answered_with_an_error() {
    let Some(switch) = start() else { return };
    let mut client = connect(&switch);
    client.send(|w| {
        control(BundleControlType::COMMIT_REQUEST).encode(w, Xid(40))?;
        message(w, MessageType::FLOW_MOD, Xid(50), |_| Ok(()))?;
        message(w, MessageType(99), Xid(51), |_| Ok(()))
    });
    let expected = [
        "40 OFPBFC_BAD_ID for OFPT_EXPERIMENTER 40",
        "50 OFPBRC_BAD_LEN for OFPT_FLOW_MOD 50",
        "51 OFPBRC_BAD_TYPE for message type 99 51",
    ];
    assert_eq!(all_told(&client.until_barrier()), expected);
}

#[test]
fn a_reader_that_falls_behind_is_paused_and_then_told_everything() {
    const FLOWS: usize = 20_000;
    let Some(switch) = start() else { return };
    let mut client = connect(&switch);
    client.send(|w| FlowMonitorRequest::all(3, MONITOR_ALL).encode_message(w, Xid(2)));
    client.until_barrier();
    let flows: String = (0..FLOWS).map(|n| format!("table=1,reg0={n},actions=output:1\n")).collect();
    std::fs::write(switch.path("flows"), flows).unwrap();
    ofctl(&switch, "add-flows", "flows");
    let (mut before, mut between, mut seen) = (0, 0, Vec::new());
    while seen.last() != Some(&flow_monitor::RESUMED) {
        let bytes = client.receive();
        let message = parse(&bytes);
        if message.header.message_type == MessageType::EXPERIMENTER {
            let experimenter = Experimenter::decode(message.body).unwrap();
            assert!(experimenter.body.bytes().is_empty() && message.header.xid == Xid(0));
            seen.push(experimenter.exp_type);
        } else if seen.is_empty() {
            before += updates(&bytes).len();
        } else {
            between += updates(&bytes).len();
        }
    }
    assert_eq!(seen, [flow_monitor::PAUSED, flow_monitor::RESUMED]);
    assert!(before > 0 && between > 0);
    assert_eq!(before + between, FLOWS);
}
