//! The DHCPv4 server of one port (RFC 2131, options: RFC 2132). It has one address to give away, the port's fixed one,
//! so it keeps no leases: every answer follows from the topology and the question.
//!
//! A client is answered only for itself: packets of another Ethernet address, and those that a relay agent has passed on
//! (`giaddr`), are not this port's, and whoever relays has a server of its own to ask.

mod options;

use std::net::{IpAddr, Ipv4Addr};

use dhcproto::v4::DhcpOption;
use ipnetwork::Ipv4Network;

use self::options::{Options, Room, encode};
use super::{Destination, Query, Reply, Verdict};
use crate::openflow::{EncodeError, MacAddr, Writer};
use crate::packet::build::{Frame, Ipv4Header, Ports};
use crate::packet::dhcpv4::{CLIENT_PORT, Dhcpv4, HARDWARE_ETHERNET, MAGIC_COOKIE, MessageType, SERVER_PORT, option};
use crate::packet::{Ipv4, PacketError, Udp};
use crate::topology::{Boot, DHCP_SERVER_MAC, Network, Port};

/// The smallest message, as BOOTP had it: some clients and relays take no less (RFC 1542 §2.1).
const MIN_MESSAGE: usize = 300;
/// Bytes of a message in front of its options.
const HEADER: usize = 240;
/// Bytes of the headers of IPv4 and UDP.
const UDP_IP: usize = 28;
/// The largest packet that every client takes (RFC 2131 §2).
const MIN_PACKET: u16 = 576;
/// Lengths of `sname` and `file`.
const SNAME: usize = 64;
const FILE: usize = 128;
/// What `sname` and `file` hold.
type BootFields = [u8; SNAME + FILE];
/// Why an address was refused, in words (RFC 2132 §9.9).
const REFUSAL: &[u8] = b"this is not the address of the port";

/// See the module.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Server {
    client: MacAddr,
    address: Ipv4Addr,
    cidr: Ipv4Network,
    server: Ipv4Addr,
    mtu: u16,
    /// `siaddr`: whom to boot from.
    siaddr: Ipv4Addr,
    boot_fields: Box<BootFields>,
    /// Options of every answer.
    identity: Box<[u8]>,
    /// Options of an answer that gives the address away.
    times: Box<[u8]>,
    /// Options of every answer that is no refusal.
    mask: Box<[u8]>,
    options: Options,
}

/// What a client says in its options, as far as it decides the answer.
#[derive(Clone, Copy, Default)]
struct Asked {
    message_type: Option<MessageType>,
    address: Option<Ipv4Addr>,
    server: Option<Ipv4Addr>,
    max_message_size: Option<u16>,
    /// Bytes of option 82 with its header.
    relay_agent: usize,
}

impl Asked {
    fn decode(message: &Dhcpv4<'_>) -> Result<Self, PacketError> {
        let mut asked = Self::default();
        for option in message.options() {
            let option = option?;
            match option.code {
                option::MESSAGE_TYPE => asked.message_type = Some(option.message_type()?),
                option::REQUESTED_ADDRESS => asked.address = Some(option.ipv4()?),
                option::SERVER_IDENTIFIER => asked.server = Some(option.ipv4()?),
                option::MAX_MESSAGE_SIZE => asked.max_message_size = Some(option.u16()?),
                option::RELAY_AGENT => asked.relay_agent += option.data.len() + 2,
                _ => {}
            }
        }
        Ok(asked)
    }
}

/// What a client is told.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Answer {
    Offer,
    Lease,
    Settings,
    Refusal,
}

impl Answer {
    const fn message_type(self) -> MessageType {
        match self {
            Self::Offer => MessageType::OFFER,
            Self::Lease | Self::Settings => MessageType::ACK,
            Self::Refusal => MessageType::NAK,
        }
    }
}

impl Server {
    /// The server of a port of `network`, whose largest packet has `mtu` bytes; none for a port that has no address to be
    /// told.
    pub fn of(port: &Port, network: &Network, mtu: u16) -> Option<Self> {
        let lease = network.lease4(port)?;
        let dhcp = &lease.subnet.dhcp;
        let own = port.boot.as_deref();
        let name = |of: fn(&Boot) -> Option<&str>| own.and_then(of).or(of(&dhcp.boot));
        let boot = [name(|boot| boot.tftp_server_name.as_deref()), name(|boot| boot.bootfile_name.as_deref())];
        let [tftp_server, _] = boot;
        let siaddr = tftp_server.and_then(|name| name.parse().ok()).unwrap_or(Ipv4Addr::UNSPECIFIED);
        Some(Self {
            client: port.mac_address,
            address: lease.address,
            cidr: lease.cidr,
            server: lease.server,
            mtu,
            siaddr,
            boot_fields: Box::new(boot_fields(boot)),
            identity: encode(&[DhcpOption::ServerIdentifier(lease.server)]),
            times: times(dhcp.dhcp_lease_time),
            mask: encode(&[DhcpOption::SubnetMask(lease.cidr.mask())]),
            options: Options::of(&lease, mtu, boot),
        })
    }

    /// Answers what came up from the port.
    pub(super) fn answer(&self, query: &Query<'_>, (ip, udp): (&Ipv4<'_>, &Udp<'_>), reply: &mut Reply<'_>) -> Verdict {
        let read = udp.body().and_then(Dhcpv4::decode).and_then(|message| Ok((message, Asked::decode(&message)?)));
        let (message, asked) = match read {
            Ok(read) => read,
            Err(error) => return Verdict::Malformed(error),
        };
        match self.check(query, ip, &message).and_then(|()| self.decide(&message, &asked)) {
            Ok(answer) => {
                reply.send(Destination::InPort, |writer| self.encode(answer, &message, &asked, writer));
                Verdict::Answered
            }
            Err(reason) => Verdict::Ignored(reason),
        }
    }

    /// Whether a message is of the port's own client, and to this server.
    fn check(&self, query: &Query<'_>, ip: &Ipv4<'_>, message: &Dhcpv4<'_>) -> Result<(), &'static str> {
        if message.op != Dhcpv4::REQUEST {
            return Err("not of a client");
        }
        // A tag of VLAN 0 says no more than a priority (IEEE 802.1Q §6.9.3).
        if query.vid() != 0 {
            return Err("of a VLAN inside the port");
        }
        if message.giaddr != Ipv4Addr::UNSPECIFIED {
            return Err("passed on by a relay agent");
        }
        if (query.src, message.chaddr) != (self.client, self.client) {
            return Err("of an Ethernet address that is not the port's");
        }
        if ip.dst != Ipv4Addr::BROADCAST && ip.dst != self.server {
            return Err("to another server");
        }
        Ok(())
    }

    /// What to tell, or why nothing.
    fn decide(&self, message: &Dhcpv4<'_>, asked: &Asked) -> Result<Answer, &'static str> {
        let is_ours = asked.server.is_none_or(|server| server == self.server);
        match asked.message_type.ok_or("BOOTP without DHCP")? {
            MessageType::DISCOVER => Ok(Answer::Offer),
            MessageType::REQUEST if !is_ours => Err("another server was chosen"),
            MessageType::REQUEST => {
                // SELECTING and INIT-REBOOT name the address in option 50, RENEWING and REBINDING use it (RFC 2131 §4.3.2).
                let in_use = Some(message.ciaddr).filter(|address| !address.is_unspecified());
                let address = asked.address.or(in_use).ok_or("a request for no address")?;
                Ok(if address == self.address { Answer::Lease } else { Answer::Refusal })
            }
            MessageType::INFORM if self.cidr.contains(message.ciaddr) => Ok(Answer::Settings),
            MessageType::INFORM => Err("informs of an address of another subnet"),
            MessageType::DECLINE if is_ours => Err("declined: somebody else uses the address"),
            MessageType::RELEASE if is_ours => Err("released"),
            MessageType::DECLINE | MessageType::RELEASE => Err("to another server"),
            _ => Err("not a message of a client"),
        }
    }

    /// To whom an answer goes (RFC 2131 §4.1).
    fn destination(&self, answer: Answer, message: &Dhcpv4<'_>) -> (MacAddr, Ipv4Addr) {
        if answer == Answer::Refusal {
            (MacAddr::BROADCAST, Ipv4Addr::BROADCAST)
        } else if !message.ciaddr.is_unspecified() {
            (self.client, message.ciaddr)
        } else if message.wants_broadcast() {
            (MacAddr::BROADCAST, Ipv4Addr::BROADCAST)
        } else {
            (self.client, self.address)
        }
    }

    fn encode(
        &self,
        answer: Answer,
        message: &Dhcpv4<'_>,
        asked: &Asked,
        writer: &mut Writer,
    ) -> Result<(), EncodeError> {
        let (dst, ip_dst) = self.destination(answer, message);
        Frame { dst, src: DHCP_SERVER_MAC, tags: [None, None] }.ipv4(writer);
        let ip = Ipv4Header { src: self.server, dst: ip_dst, ttl: 64 };
        ip.udp(Ports { src: SERVER_PORT, dst: CLIENT_PORT }, writer, |writer| {
            let begin = writer.begin();
            self.encode_header(answer, message, writer);
            self.encode_options(answer, message, asked, writer);
            writer.zeros(MIN_MESSAGE.saturating_sub(writer.since(begin).len()));
            Ok(())
        })
    }

    /// Everything in front of the options (RFC 2131 §4.3.1, table 3).
    fn encode_header(&self, answer: Answer, message: &Dhcpv4<'_>, writer: &mut Writer) {
        const NOBODY: Ipv4Addr = Ipv4Addr::UNSPECIFIED;
        const NO_BOOT: BootFields = [0; SNAME + FILE];
        let ciaddr = if matches!(answer, Answer::Lease | Answer::Settings) { message.ciaddr } else { NOBODY };
        let yiaddr = if matches!(answer, Answer::Offer | Answer::Lease) { self.address } else { NOBODY };
        let (siaddr, boot_fields) = match answer {
            Answer::Refusal => (NOBODY, &NO_BOOT),
            _ => (self.siaddr, &*self.boot_fields),
        };
        writer.bytes(&[Dhcpv4::REPLY, HARDWARE_ETHERNET, 6, 0]);
        writer.u32(message.xid);
        writer.u16(0);
        writer.u16(message.flags);
        for address in [ciaddr, yiaddr, siaddr, NOBODY] {
            writer.bytes(&address.octets());
        }
        writer.bytes(&self.client.0);
        writer.zeros(10);
        writer.bytes(boot_fields);
        writer.u32(MAGIC_COOKIE);
    }

    fn encode_options(&self, answer: Answer, message: &Dhcpv4<'_>, asked: &Asked, writer: &mut Writer) {
        let packet = asked.max_message_size.unwrap_or(MIN_PACKET).min(self.mtu).max(MIN_PACKET);
        // One byte is the end.
        let space = usize::from(packet) - UDP_IP - HEADER - 1;
        let for_relay_agent = if asked.relay_agent < space { asked.relay_agent } else { 0 };
        let mut room = Room::new(writer, space - for_relay_agent);
        room.put(&[option::MESSAGE_TYPE, 1, answer.message_type().0]);
        room.put(&self.identity);
        if matches!(answer, Answer::Offer | Answer::Lease) {
            room.put(&self.times);
        }
        if answer == Answer::Refusal {
            room.put(&[option::MESSAGE, REFUSAL.len() as u8]);
            room.put(REFUSAL);
        } else {
            room.put(&self.mask);
        }
        // RFC 6842.
        room.echo(message, option::CLIENT_IDENTIFIER);
        if answer != Answer::Refusal {
            room.answer(&self.options, message);
        }
        // The last one (RFC 3046 §2.1): a switch between here and the client may have put it in.
        let mut room = Room::new(writer, for_relay_agent);
        room.echo(message, option::RELAY_AGENT);
        writer.u8(option::END);
    }
}

/// Lease time, T1 and T2 (RFC 2131 §4.4.5). A lease for ever is never renewed.
fn times(lease: u32) -> Box<[u8]> {
    let time = DhcpOption::AddressLeaseTime(lease);
    if lease == u32::MAX {
        return encode(&[time]);
    }
    encode(&[time, DhcpOption::Renewal(lease / 2), DhcpOption::Rebinding(lease - lease / 8)])
}

/// `sname` and `file`: the host name of the boot server and the boot file, each with a zero at its end, where they fit.
fn boot_fields([server, file]: [Option<&str>; 2]) -> BootFields {
    let mut fields = [0; SNAME + FILE];
    let (sname_field, file_field) = fields.split_at_mut(SNAME);
    let host = server.filter(|name| name.parse::<IpAddr>().is_err());
    for (field, name) in [(sname_field, host), (file_field, file)] {
        if let Some(name) = name.filter(|name| name.len() < field.len())
            && let Some(place) = field.get_mut(..name.len())
        {
            place.copy_from_slice(name.as_bytes());
        }
    }
    fields
}

#[cfg(test)]
mod tests;
