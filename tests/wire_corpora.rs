//! The decoders against messages that Open vSwitch and os-ken made: decoded and encoded again they are
//! the same bytes, and errors bear the names that `ovs-ofctl` prints.
//!
//! The files are not part of the project: `../shared/corpora`, or the folder in `HEDDLE_CORPORA`.

#[path = "support/corpora.rs"]
mod corpora;

use corpora::rows;
use heddle::openflow::async_config::AsyncConfig;
use heddle::openflow::bundle::{self, BundleAddMessage, BundleControl};
use heddle::openflow::desc::Desc;
use heddle::openflow::echo::Echo;
use heddle::openflow::error::ONF;
use heddle::openflow::error_msg::ErrorMsg;
use heddle::openflow::experimenter::Experimenter;
use heddle::openflow::features::{FeaturesReply, SwitchConfig};
use heddle::openflow::flow_monitor::{self, FlowMonitorCancel, FlowMonitorRequest, FlowUpdate};
use heddle::openflow::hello::Hello;
use heddle::openflow::multipart::{Multipart, MultipartType};
use heddle::openflow::packet::{PacketIn, PacketOut};
use heddle::openflow::port::{Port, PortMod, PortStatus};
use heddle::openflow::port_stats::{PortStats, PortStatsRequest};
use heddle::openflow::role::ControllerRole;
use heddle::openflow::table_stats::TableStats;
use heddle::openflow::{
    DecodeError, EncodeError, Entries, Entry, Message, MessageType, Reader, Writer, barrier, empty_message,
};

fn hex(text: &str) -> Vec<u8> {
    text.as_bytes().chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

type Again = Result<Option<Result<(), EncodeError>>, DecodeError>;

fn entries<'a, T: Entry<'a>>(reader: Reader<'a>, writer: &mut Writer) -> Result<(), DecodeError> {
    for entry in Entries::<T>::new(reader) {
        entry?.encode(writer).expect("what fitted a message fits one again");
    }
    Ok(())
}

/// Decodes `bytes` and appends them again; `Ok(None)` if no decoder is for them.
fn again(bytes: &[u8], writer: &mut Writer) -> Again {
    let message = Message::decode(bytes)?;
    let (body, xid) = (message.body, message.header.xid);
    let message_type = message.header.message_type;
    if message_type == MessageType::HELLO {
        return Ok(Some(Hello::decode(&message)?.encode(writer, xid)));
    }
    if message.header.version != 4 {
        return Ok(None);
    }
    Ok(Some(match message_type {
        MessageType::ERROR => ErrorMsg::decode(body)?.encode(writer, xid),
        MessageType::ECHO_REQUEST => Echo::decode(body).encode_request(writer, xid),
        MessageType::ECHO_REPLY => Echo::decode(body).encode_reply(writer, xid),
        MessageType::EXPERIMENTER => {
            let experimenter = Experimenter::decode(body)?;
            let inner = experimenter.body.reader();
            match (experimenter.experimenter, experimenter.exp_type) {
                (ONF, bundle::CONTROL) => BundleControl::decode(inner)?.encode(writer, xid),
                (ONF, bundle::ADD_MESSAGE) => BundleAddMessage::decode(inner, xid)?.encode(writer, xid),
                (ONF, flow_monitor::CANCEL) => FlowMonitorCancel::decode(inner)?.encode(writer, xid),
                _ => experimenter.encode(writer, xid),
            }
        }
        MessageType::FEATURES_REPLY => FeaturesReply::decode(body)?.encode(writer, xid),
        MessageType::GET_CONFIG_REPLY => SwitchConfig::decode(body)?.encode_reply(writer, xid),
        MessageType::SET_CONFIG => SwitchConfig::decode(body)?.encode_set(writer, xid),
        MessageType::PACKET_IN => PacketIn::decode(body)?.encode(writer, xid),
        MessageType::PORT_STATUS => PortStatus::decode(body)?.encode(writer, xid),
        MessageType::PACKET_OUT => PacketOut::decode(body)?.encode(writer, xid),
        MessageType::PORT_MOD => PortMod::decode(body)?.encode(writer, xid),
        MessageType::ROLE_REQUEST => ControllerRole::decode(body)?.encode_request(writer, xid),
        MessageType::ROLE_REPLY => ControllerRole::decode(body)?.encode_reply(writer, xid),
        MessageType::GET_ASYNC_REPLY => AsyncConfig::decode(body)?.encode_reply(writer, xid),
        MessageType::SET_ASYNC => AsyncConfig::decode(body)?.encode_set(writer, xid),
        MessageType::FEATURES_REQUEST
        | MessageType::GET_CONFIG_REQUEST
        | MessageType::BARRIER_REQUEST
        | MessageType::BARRIER_REPLY
        | MessageType::GET_ASYNC_REQUEST => {
            barrier::decode(body)?;
            empty_message(writer, message_type, xid);
            Ok(())
        }
        MessageType::MULTIPART_REQUEST => {
            let multipart = Multipart::decode(body)?;
            let mut inner = Writer::new();
            multipart_body(&multipart, MessageType::MULTIPART_REQUEST, &mut inner)?;
            Multipart { body: heddle::openflow::Raw::new(inner.as_slice()), ..multipart }.encode_request(writer, xid)
        }
        MessageType::MULTIPART_REPLY => {
            let multipart = Multipart::decode(body)?;
            let mut inner = Writer::new();
            multipart_body(&multipart, MessageType::MULTIPART_REPLY, &mut inner)?;
            Multipart { body: heddle::openflow::Raw::new(inner.as_slice()), ..multipart }.encode_reply(writer, xid)
        }
        _ => return Ok(None),
    }))
}

fn multipart_body(multipart: &Multipart<'_>, side: MessageType, writer: &mut Writer) -> Result<(), DecodeError> {
    let reader = multipart.body.reader();
    match (multipart.multipart_type, side == MessageType::MULTIPART_REPLY) {
        (MultipartType::DESC, true) => Desc::decode(reader)?.encode(writer),
        (MultipartType::TABLE, true) => entries::<TableStats>(reader, writer)?,
        (MultipartType::PORT_STATS, true) => entries::<PortStats>(reader, writer)?,
        (MultipartType::PORT_STATS, false) => PortStatsRequest::decode(reader)?.encode(writer),
        (MultipartType::PORT_DESC, true) => entries::<Port>(reader, writer)?,
        (MultipartType::EXPERIMENTER, reply) => {
            let experimenter = Experimenter::decode(reader)?;
            writer.u32(experimenter.experimenter);
            writer.u32(experimenter.exp_type);
            let inner = experimenter.body.reader();
            match (experimenter.experimenter, experimenter.exp_type, reply) {
                (ONF, flow_monitor::FLOW_MONITOR, true) => entries::<FlowUpdate<'_>>(inner, writer)?,
                (ONF, flow_monitor::FLOW_MONITOR, false) => entries::<FlowMonitorRequest<'_>>(inner, writer)?,
                _ => writer.bytes(inner.rest()),
            }
        }
        _ => writer.bytes(reader.rest()),
    }
    Ok(())
}

/// How many messages came back the same, and every one that did not.
#[derive(Default)]
struct Tally {
    same: usize,
    zeroed: usize,
    foreign: usize,
    refused: usize,
    otherwise: Vec<String>,
    wrong: Vec<String>,
}

impl Tally {
    /// Holds that `bytes`, which `ovs-ofctl` prints as `text`, come back the same, or are refused by both.
    fn hold(&mut self, name: &str, bytes: &[u8], text: &str) {
        let mut writer = Writer::new();
        match again(bytes, &mut writer) {
            Ok(None) => self.foreign += 1,
            Ok(Some(encoded)) => {
                encoded.expect("what fitted a message fits one again");
                let mut twice = Writer::new();
                if writer.as_slice() == bytes {
                    self.same += 1;
                } else if writer.len() == bytes.len()
                    && again(writer.as_slice(), &mut twice).is_ok()
                    && twice.as_slice() == writer.as_slice()
                {
                    self.zeroed += 1;
                } else {
                    self.wrong.push(format!("{name}: {bytes:02x?}\nbecame {:02x?}\n{text}", writer.as_slice()));
                }
            }
            Err(error) if text.contains("***decode error") => {
                self.refused += 1;
                let ours = error.code.to_string();
                if !text.contains(&format!("***decode error: {ours}***")) {
                    self.otherwise.push(format!("{name}: {error}\n{text}"));
                }
            }
            Err(error) => self.wrong.push(format!("{name}: refused, {error}\n{text}")),
        }
    }

    /// `zeroed` messages had padding that was not zero, or a length that nobody reads; `otherwise` were
    /// refused for another reason than Open vSwitch's, which knows port numbers and the match of 1.1 here.
    fn end(self, file: &str, zeroed: usize, otherwise: usize) {
        let Self { same, foreign, refused, wrong, .. } = self;
        println!("{file}: {same} the same, {refused} refused by both, {foreign} of other families");
        assert!(self.zeroed <= zeroed, "{} of {file} did not come back the same", self.zeroed);
        assert!(self.otherwise.len() <= otherwise, "{}", self.otherwise.join("\n"));
        assert!(wrong.is_empty(), "{} of {file}:\n{}", wrong.len(), wrong.join("\n"));
    }
}

#[test]
fn live_messages_come_back_the_same() {
    let mut tally = Tally::default();
    for row in rows("messages-of13.jsonl") {
        let name = row["name"].as_str().unwrap();
        tally.hold(name, &hex(row["hex"].as_str().unwrap()), row["text"].as_str().unwrap());
    }
    tally.end("messages-of13.jsonl", 0, 0);
}

#[test]
fn bundles_come_back_the_same() {
    let mut tally = Tally::default();
    for row in rows("bundles-of13.jsonl") {
        for message in row["messages"].as_array().into_iter().flatten() {
            let bytes = hex(message["hex"].as_str().unwrap());
            tally.hold("bundle", &bytes, message["text"].as_str().unwrap());
        }
    }
    tally.end("bundles-of13.jsonl", 0, 0);
}

#[test]
fn packet_outs_come_back_the_same() {
    let mut tally = Tally::default();
    for row in rows("packetout-of13.jsonl") {
        for message in row["packet_out_hex"].as_array().into_iter().flatten() {
            tally.hold("packet-out", &hex(message.as_str().unwrap()), row["text"].as_str().unwrap_or_default());
        }
    }
    tally.end("packetout-of13.jsonl", 0, 0);
}

#[test]
fn odd_messages_and_their_answers_come_back_the_same() {
    let mut tally = Tally::default();
    for row in rows("live-replies.jsonl") {
        let name = row["name"].as_str().unwrap();
        let sent = hex(row["sent_hex"].as_str().unwrap());
        tally.hold(name, &sent, row["sent_text"].as_str().unwrap_or_default());
        for reply in row["replies"].as_array().into_iter().flatten() {
            tally.hold(name, &hex(reply["hex"].as_str().unwrap()), reply["text"].as_str().unwrap());
        }
    }
    tally.end("live-replies.jsonl", 4, 5);
}

#[test]
fn messages_of_every_type_come_back_the_same() {
    let mut tally = Tally::default();
    for row in rows("osken-of13/index.jsonl") {
        let name = row["name"].as_str().unwrap();
        if row["len"] == row["header_len"] {
            let bytes = hex(row["hex"].as_str().unwrap());
            tally.hold(name, &bytes, row["ovs_text"].as_str().unwrap_or_default());
        }
    }
    tally.end("osken-of13", 0, 1);
}

#[test]
fn errors_have_the_names_that_open_vswitch_prints() {
    let mut count = 0;
    for row in rows("errors-of13.jsonl") {
        let bytes = hex(row["hex"].as_str().unwrap());
        let message = Message::decode(&bytes).unwrap();
        let error = ErrorMsg::decode(message.body_of(MessageType::ERROR).unwrap()).unwrap();
        let printed = row["expected"].as_str().unwrap();
        let name = printed.split("): ").nth(1).unwrap().split(['\n', ' ']).next().unwrap();
        assert_eq!(error.code.name(), Some(name), "{printed}");
        let mut writer = Writer::new();
        error.encode(&mut writer, message.header.xid).unwrap();
        assert_eq!(writer.as_slice(), bytes, "{name}");
        count += 1;
    }
    println!("errors-of13.jsonl: {count} errors");
}

proptest::proptest! {
    /// Whatever a body holds, a decoder answers with a value or an error, and what it took it can write.
    #[test]
    fn no_body_makes_a_decoder_panic(
        message_type in 0u8..32,
        start in proptest::sample::select(vec!["", "ffff0000000000004f4e46000000074e", "4f4e4600000008fd", "000d000000000000"]),
        rest in proptest::collection::vec(proptest::prop_oneof![proptest::prelude::Just(0u8), 0u8..16, 0u8..=255], 0..160),
    ) {
        let mut bytes = vec![4, message_type, 0, 0, 0, 0, 0, 0];
        bytes.extend(hex(start));
        bytes.extend(rest);
        let length = bytes.len() as u16;
        bytes[2..4].copy_from_slice(&length.to_be_bytes());
        let mut writer = Writer::new();
        if let Ok(Some(encoded)) = again(&bytes, &mut writer) {
            proptest::prop_assert!(encoded.is_ok());
        }
    }
}
