//! Packet-outs as text (`ovs-ofctl(8)`, "Packet-Out Syntax"), read into the bytes of a PACKET_OUT.

use super::piece::Piece;
use super::{Lookup, ParseError, actions, values};
use crate::openflow::oxm::{self, Field};
use crate::openflow::packet::{NO_BUFFER, PacketOut};
use crate::openflow::{PortNo, Raw};

/// A packet-out that was read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ParsedPacketOut {
    in_port: PortNo,
    actions: Vec<u8>,
    data: Vec<u8>,
}

/// The length of an Ethernet header.
const ETH_HEADER: usize = 14;

impl ParsedPacketOut {
    /// The PACKET_OUT that it makes.
    pub fn to_packet_out(&self) -> PacketOut<'_> {
        let actions = Raw::new(&self.actions);
        PacketOut { buffer_id: NO_BUFFER, in_port: self.in_port, actions, data: &self.data }
    }
}

/// Reads `in_port=PORT packet=HEX actions=…`. Fields of the pipeline beside `in_port` are taken and checked;
/// OpenFlow 1.3 has no place for them.
pub fn packet_out(text: &str, names: &dyn Lookup) -> Result<ParsedPacketOut, ParseError> {
    packet_out_at(Piece::new(text), names)
}

pub(super) fn packet_out_at(text: Piece<'_>, names: &dyn Lookup) -> Result<ParsedPacketOut, ParseError> {
    let (mut rest, actions) = text.split_actions();
    let (mut in_port, mut data) = (PortNo::CONTROLLER, None);
    while let Some((key, value)) = rest.next_pair() {
        if value.is_empty() {
            return Err(key.error("a field with a value"));
        }
        match key.text {
            "in_port" => in_port = source(value, names)?,
            "packet" => data = Some(packet(value)?),
            "packet_type" => packet_type(value)?,
            name => {
                let field = Field::by_name(name).filter(|field| is_pipeline_field(field));
                let expected = "in_port, packet, packet_type, a register, metadata or a field of the tunnel";
                let field = field.ok_or_else(|| key.error(expected))?;
                if field.is_variable() {
                    values::option(value, field)?;
                } else {
                    values::field_value(value, field, names)?;
                }
            }
        }
    }
    let data = data.ok_or_else(|| text.error("a packet: packet=HEX"))?;
    let actions = match actions {
        Some(mut rest) => {
            let listed: Vec<_> = std::iter::from_fn(|| rest.next_pair()).collect();
            actions::list(&listed, names)?
        }
        None => Vec::new(),
    };
    Ok(ParsedPacketOut { in_port, actions, data })
}

fn source(value: Piece<'_>, names: &dyn Lookup) -> Result<PortNo, ParseError> {
    let port = values::port(value, names)?;
    let good = port <= PortNo::MAX || [PortNo::LOCAL, PortNo::ANY, PortNo::CONTROLLER].contains(&port);
    good.then_some(port).ok_or_else(|| value.error("a port, LOCAL, NONE or CONTROLLER"))
}

fn packet(value: Piece<'_>) -> Result<Vec<u8>, ParseError> {
    let bytes = values::bytes(value)?;
    if bytes.len() < ETH_HEADER {
        return Err(value.error("at least the 14 bytes of an Ethernet header"));
    }
    Ok(bytes)
}

fn packet_type(value: Piece<'_>) -> Result<(), ParseError> {
    let (space, kind) = value.split_once(",").ok_or_else(|| value.error("(NAMESPACE,TYPE)"))?;
    values::number_u16(space.trim())?;
    values::number_u16(kind.trim()).map(|_| ())
}

/// True for a field that belongs to the pipeline, not to the packet (OpenFlow 1.5.1 §7.2.3.8).
fn is_pipeline_field(field: &Field) -> bool {
    let within = |first: &Field, last: &Field| (first.rank..=last.rank).contains(&field.rank);
    within(&oxm::TUN_ID, &oxm::TUN_GTPU_MSGTYPE)
        || within(&oxm::REG0, &oxm::XXREG3)
        || [&oxm::METADATA, &oxm::IN_PORT].contains(&field)
}

#[cfg(test)]
mod tests {
    use super::super::NoNames;
    use super::*;

    const PACKET: &str = "50540000000a5054000000091234";

    #[test]
    fn a_packet_out_has_its_port_its_packet_and_its_actions() {
        let parsed = packet_out(&format!("in_port=3,tun_id=7 packet={PACKET} actions=output:1,2"), &NoNames).unwrap();
        let packet = parsed.to_packet_out();
        assert_eq!((packet.in_port, packet.data.len(), packet.actions.bytes().len()), (PortNo(3), 14, 32));
        let parsed = packet_out(&format!("packet={PACKET} actions=drop"), &NoNames).unwrap();
        assert_eq!(parsed.to_packet_out().in_port, PortNo::CONTROLLER);
    }

    #[test]
    fn what_is_no_packet_out_is_refused_with_its_column() {
        for (text, column) in [
            ("in_port=1 actions=drop".to_owned(), 1),
            ("in_port=1 packet= actions=drop".to_owned(), 11),
            ("packet=505400 actions=drop".to_owned(), 8),
            ("packet=50540000000a505400000009123 actions=drop".to_owned(), 8),
            (format!("in_port=TABLE packet={PACKET} actions=drop"), 9),
            (format!("packet={PACKET},dl_type=0x800 actions=drop"), 37),
            (format!("packet={PACKET},nothing=1 actions=drop"), 37),
        ] {
            assert_eq!(packet_out(&text, &NoNames).unwrap_err().column, column, "{text}");
        }
    }
}
