//! Ports: their description, its changes, and how to change them (OpenFlow 1.3.5 §7.2.1, §7.4.3, §7.3.4.3).

use std::fmt;

use super::flags::flags;
use super::header::MessageType;
use super::message::message;
use super::{DecodeError, EncodeError, Entry, MacAddr, PortNo, Reader, Writer, Xid};

flags! {
    /// What an administrator has set (`enum ofp_port_config`, OpenFlow 1.3.5 §7.2.1).
    PortConfig(u32) {
        /// `OFPPC_PORT_DOWN`: switched off.
        PORT_DOWN = 0 => "PORT_DOWN",
        /// `OFPPC_NO_RECV`: what it receives is dropped.
        NO_RECV = 2 => "NO_RECV",
        /// `OFPPC_NO_FWD`: what is sent to it is dropped.
        NO_FWD = 5 => "NO_FWD",
        /// `OFPPC_NO_PACKET_IN`: no packet-ins for its packets.
        NO_PACKET_IN = 6 => "NO_PACKET_IN",
    }
}

flags! {
    /// What a port is like (`enum ofp_port_state`, OpenFlow 1.3.5 §7.2.1).
    PortState(u32) {
        /// `OFPPS_LINK_DOWN`: no link.
        LINK_DOWN = 0 => "LINK_DOWN",
        /// `OFPPS_BLOCKED`: blocked, by a spanning tree for example.
        BLOCKED = 1 => "BLOCKED",
        /// `OFPPS_LIVE`: fit for fast failover groups.
        LIVE = 2 => "LIVE",
    }
}

flags! {
    /// Speeds and media (`enum ofp_port_features`, OpenFlow 1.3.5 §7.2.1).
    PortFeatures(u32) {
        /// `OFPPF_10MB_HD`.
        HALF_10M = 0 => "10MB-HD",
        /// `OFPPF_10MB_FD`.
        FULL_10M = 1 => "10MB-FD",
        /// `OFPPF_100MB_HD`.
        HALF_100M = 2 => "100MB-HD",
        /// `OFPPF_100MB_FD`.
        FULL_100M = 3 => "100MB-FD",
        /// `OFPPF_1GB_HD`.
        HALF_1G = 4 => "1GB-HD",
        /// `OFPPF_1GB_FD`.
        FULL_1G = 5 => "1GB-FD",
        /// `OFPPF_10GB_FD`.
        FULL_10G = 6 => "10GB-FD",
        /// `OFPPF_40GB_FD`.
        FULL_40G = 7 => "40GB-FD",
        /// `OFPPF_100GB_FD`.
        FULL_100G = 8 => "100GB-FD",
        /// `OFPPF_1TB_FD`.
        FULL_1T = 9 => "1TB-FD",
        /// `OFPPF_OTHER`.
        OTHER = 10 => "OTHER",
        /// `OFPPF_COPPER`.
        COPPER = 11 => "COPPER",
        /// `OFPPF_FIBER`.
        FIBER = 12 => "FIBER",
        /// `OFPPF_AUTONEG`.
        AUTONEG = 13 => "AUTO_NEG",
        /// `OFPPF_PAUSE`.
        PAUSE = 14 => "AUTO_PAUSE",
        /// `OFPPF_PAUSE_ASYM`.
        PAUSE_ASYM = 15 => "AUTO_PAUSE_ASYM",
    }
}

/// The name of a port: 16 bytes, of which those from the first NUL on say nothing. Open vSwitch cuts
/// longer interface names to 15 bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct PortName(pub [u8; 16]);

impl PortName {
    /// The bytes before the first NUL.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.split(|byte| *byte == 0).next().unwrap_or_default()
    }
}

impl fmt::Display for PortName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        String::from_utf8_lossy(self.as_bytes()).fmt(out)
    }
}

impl fmt::Debug for PortName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&String::from_utf8_lossy(self.as_bytes()), out)
    }
}

impl PartialEq<str> for PortName {
    fn eq(&self, other: &str) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

/// `struct ofp_port` (OpenFlow 1.3.5 §7.2.1): an entry of the answer to `OFPMP_PORT_DESC`, 64 bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Port {
    /// Byte 0.
    pub port_no: PortNo,
    /// Byte 8.
    pub hw_addr: MacAddr,
    /// Byte 16.
    pub name: PortName,
    /// Byte 32.
    pub config: PortConfig,
    /// Byte 36.
    pub state: PortState,
    /// Byte 40: in use.
    pub curr: PortFeatures,
    /// Byte 44: told to the other end.
    pub advertised: PortFeatures,
    /// Byte 48: possible.
    pub supported: PortFeatures,
    /// Byte 52: told by the other end.
    pub peer: PortFeatures,
    /// Byte 56: in kbit/s.
    pub curr_speed: u32,
    /// Byte 60: in kbit/s.
    pub max_speed: u32,
}

impl<'a> Entry<'a> for Port {
    fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let port_no = PortNo(reader.u32("port.port_no")?);
        reader.skip(4, "port.pad")?;
        let hw_addr = MacAddr(reader.array("port.hw_addr")?);
        reader.skip(2, "port.pad2")?;
        Ok(Self {
            port_no,
            hw_addr,
            name: PortName(reader.array("port.name")?),
            config: PortConfig(reader.u32("port.config")?),
            state: PortState(reader.u32("port.state")?),
            curr: PortFeatures(reader.u32("port.curr")?),
            advertised: PortFeatures(reader.u32("port.advertised")?),
            supported: PortFeatures(reader.u32("port.supported")?),
            peer: PortFeatures(reader.u32("port.peer")?),
            curr_speed: reader.u32("port.curr_speed")?,
            max_speed: reader.u32("port.max_speed")?,
        })
    }

    fn encode(&self, writer: &mut Writer) -> Result<(), EncodeError> {
        writer.u32(self.port_no.0);
        writer.zeros(4);
        writer.bytes(&self.hw_addr.0);
        writer.zeros(2);
        writer.bytes(&self.name.0);
        writer.u32(self.config.0);
        writer.u32(self.state.0);
        for features in [self.curr, self.advertised, self.supported, self.peer] {
            writer.u32(features.0);
        }
        writer.u32(self.curr_speed);
        writer.u32(self.max_speed);
        Ok(())
    }
}

/// `enum ofp_port_reason` (OpenFlow 1.3.5 §7.4.3). Unknown reasons survive.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct PortReason(pub u8);

impl PortReason {
    /// `OFPPR_ADD`: the port is new.
    pub const ADD: Self = Self(0);
    /// `OFPPR_DELETE`: the port is gone.
    pub const DELETE: Self = Self(1);
    /// `OFPPR_MODIFY`: something about it changed.
    pub const MODIFY: Self = Self(2);
}

/// `OFPT_PORT_STATUS` (`struct ofp_port_status`, OpenFlow 1.3.5 §7.4.3), 80 bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PortStatus {
    /// Byte 8: what happened.
    pub reason: PortReason,
    /// Byte 16: the port, as it is now or was.
    pub port: Port,
}

impl PortStatus {
    /// Decodes the body.
    pub fn decode(mut body: Reader<'_>) -> Result<Self, DecodeError> {
        let reason = PortReason(body.u8("port_status.reason")?);
        body.skip(7, "port_status.pad")?;
        let port = Port::decode(&mut body)?;
        body.finish("port_status")?;
        Ok(Self { reason, port })
    }

    /// Appends the message.
    pub fn encode(&self, writer: &mut Writer, xid: Xid) -> Result<(), EncodeError> {
        message(writer, MessageType::PORT_STATUS, xid, |w| {
            w.u8(self.reason.0);
            w.zeros(7);
            self.port.encode(w)
        })
    }
}

/// `OFPT_PORT_MOD` (`struct ofp_port_mod`, OpenFlow 1.3.5 §7.3.4.3), 40 bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PortMod {
    /// Byte 8: which port.
    pub port_no: PortNo,
    /// Byte 16: its address, as a check.
    pub hw_addr: MacAddr,
    /// Byte 24: the bits to set.
    pub config: PortConfig,
    /// Byte 28: the bits to change.
    pub mask: PortConfig,
    /// Byte 32: what to advertise; nothing leaves it as it is.
    pub advertise: PortFeatures,
}

impl PortMod {
    /// Decodes the body.
    pub fn decode(mut body: Reader<'_>) -> Result<Self, DecodeError> {
        let port_no = PortNo(body.u32("port_mod.port_no")?);
        body.skip(4, "port_mod.pad")?;
        let hw_addr = MacAddr(body.array("port_mod.hw_addr")?);
        body.skip(2, "port_mod.pad2")?;
        let config = PortConfig(body.u32("port_mod.config")?);
        let mask = PortConfig(body.u32("port_mod.mask")?);
        let advertise = PortFeatures(body.u32("port_mod.advertise")?);
        body.skip(4, "port_mod.pad3")?;
        body.finish("port_mod")?;
        Ok(Self { port_no, hw_addr, config, mask, advertise })
    }

    /// Appends the message.
    pub fn encode(&self, writer: &mut Writer, xid: Xid) -> Result<(), EncodeError> {
        message(writer, MessageType::PORT_MOD, xid, |w| {
            w.u32(self.port_no.0);
            w.zeros(4);
            w.bytes(&self.hw_addr.0);
            w.zeros(2);
            w.u32(self.config.0);
            w.u32(self.mask.0);
            w.u32(self.advertise.0);
            w.zeros(4);
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::multipart::{Multipart, MultipartType, multipart_reply};
    use super::super::testing::{XID, encoded, hex, refuses_cut_and_excess};
    use super::*;
    use crate::openflow::{Entries, Message};

    const PORT: &str = "00000001 00000000 aa55aa550013 0000 70310000000000000000000000000000
         00000041 00000004 00000840 00000000 00000000 00000000 00989680 00000000";

    fn port() -> Port {
        Port {
            port_no: PortNo(1),
            hw_addr: "aa:55:aa:55:00:13".parse().unwrap(),
            name: PortName(*b"p1\0\0\0\0\0\0\0\0\0\0\0\0\0\0"),
            config: PortConfig::PORT_DOWN | PortConfig::NO_PACKET_IN,
            state: PortState::LIVE,
            curr: PortFeatures::FULL_10G | PortFeatures::COPPER,
            curr_speed: 10_000_000,
            ..Port::default()
        }
    }

    #[test]
    fn a_port_status_reads_as_it_was_written() {
        let bytes = hex(&format!("040c0050 12345678 02 00000000000000 {PORT}"));
        let status = PortStatus { reason: PortReason::MODIFY, port: port() };
        assert_eq!(PortStatus::decode(Message::decode(&bytes).unwrap().body), Ok(status));
        assert_eq!(encoded(|w| status.encode(w, XID)), bytes);
        refuses_cut_and_excess(&bytes, &[], PortStatus::decode);
        assert!(&port().name == "p1");
        assert_eq!(port().config.names().collect::<Vec<_>>(), ["PORT_DOWN", "NO_PACKET_IN"]);
    }

    #[test]
    fn port_descriptions_read_as_they_were_written() {
        let bytes = hex(&format!("04130090 12345678 000d 0000 00000000 {PORT} {PORT}"));
        let decode = |body: Reader<'_>| -> Result<Vec<Port>, DecodeError> {
            Entries::new(Multipart::decode(body)?.body.reader()).collect()
        };
        let ports = decode(Message::decode(&bytes).unwrap().body).unwrap();
        assert_eq!(ports, [port(), port()]);
        assert_eq!(encoded(|w| multipart_reply(w, MultipartType::PORT_DESC, XID, &ports)), bytes);
        refuses_cut_and_excess(&bytes, &[16, 80], decode);
    }

    #[test]
    fn a_port_mod_reads_as_it_was_written() {
        let bytes = hex("04100028 12345678 00000001 00000000 aa55aa550013 0000 00000001 00000041 00000020 00000000");
        let port_mod = PortMod {
            port_no: PortNo(1),
            hw_addr: "aa:55:aa:55:00:13".parse().unwrap(),
            config: PortConfig::PORT_DOWN,
            mask: PortConfig(0x41),
            advertise: PortFeatures::FULL_1G,
        };
        assert_eq!(PortMod::decode(Message::decode(&bytes).unwrap().body), Ok(port_mod));
        assert_eq!(encoded(|w| port_mod.encode(w, XID)), bytes);
        refuses_cut_and_excess(&bytes, &[], PortMod::decode);
    }
}
