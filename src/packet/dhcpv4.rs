//! DHCP for IPv4 (RFC 2131, options: RFC 2132), of clients on Ethernet.

use std::net::Ipv4Addr;

use super::{PacketError, Payload};
use crate::openflow::MacAddr;

/// UDP port of servers.
pub const SERVER_PORT: u16 = 67;
/// UDP port of clients.
pub const CLIENT_PORT: u16 = 68;
/// What the options begin with.
pub const MAGIC_COOKIE: u32 = 0x6382_5363;
/// `htype` of Ethernet.
pub const HARDWARE_ETHERNET: u8 = 1;

/// Bytes of the numbers and addresses in front of `chaddr`.
const HEAD_LEN: usize = 28;
/// The flag of a client that cannot take unicast yet.
const BROADCAST: u16 = 0x8000;

/// Codes of options.
pub mod option {
    /// Fills a gap; without a length.
    pub const PAD: u8 = 0;
    /// Subnet mask.
    pub const SUBNET_MASK: u8 = 1;
    /// Routers.
    pub const ROUTER: u8 = 3;
    /// Name servers.
    pub const DNS_SERVERS: u8 = 6;
    /// Name of the client.
    pub const HOST_NAME: u8 = 12;
    /// Domain in which names are looked up.
    pub const DOMAIN_NAME: u8 = 15;
    /// MTU of the interface.
    pub const MTU: u8 = 26;
    /// Broadcast address.
    pub const BROADCAST_ADDRESS: u8 = 28;
    /// Time servers.
    pub const NTP_SERVERS: u8 = 42;
    /// Address that the client wants.
    pub const REQUESTED_ADDRESS: u8 = 50;
    /// Lease time in seconds.
    pub const LEASE_TIME: u8 = 51;
    /// `file` (1), `sname` (2) or both (3) hold options.
    pub const OVERLOAD: u8 = 52;
    /// A [`MessageType`](super::MessageType).
    pub const MESSAGE_TYPE: u8 = 53;
    /// Address of the server.
    pub const SERVER_IDENTIFIER: u8 = 54;
    /// Codes of the options that the client wants.
    pub const PARAMETER_LIST: u8 = 55;
    /// Why something was refused, in words.
    pub const MESSAGE: u8 = 56;
    /// The longest message that the client takes, from its IP header on.
    pub const MAX_MESSAGE_SIZE: u8 = 57;
    /// T1: when to renew, in seconds.
    pub const RENEWAL_TIME: u8 = 58;
    /// T2: when to ask any server, in seconds.
    pub const REBINDING_TIME: u8 = 59;
    /// What kind of client it is.
    pub const VENDOR_CLASS: u8 = 60;
    /// Who the client is.
    pub const CLIENT_IDENTIFIER: u8 = 61;
    /// Name of the TFTP server.
    pub const TFTP_SERVER_NAME: u8 = 66;
    /// Name of the file to boot from.
    pub const BOOTFILE_NAME: u8 = 67;
    /// Rapid commit (RFC 4039).
    pub const RAPID_COMMIT: u8 = 80;
    /// What a relay agent adds (RFC 3046).
    pub const RELAY_AGENT: u8 = 82;
    /// Domains in which names are looked up (RFC 3397).
    pub const DOMAIN_SEARCH: u8 = 119;
    /// Routes (RFC 3442).
    pub const CLASSLESS_ROUTES: u8 = 121;
    /// Addresses of TFTP servers (RFC 5859).
    pub const TFTP_SERVER_ADDRESS: u8 = 150;
    /// Routes, as Windows once asked for them.
    pub const CLASSLESS_ROUTES_MICROSOFT: u8 = 249;
    /// The last one; without a length.
    pub const END: u8 = 255;
}

/// What a message is (RFC 2132 §9.6). Unknown types survive.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct MessageType(pub u8);

impl MessageType {
    /// A client looks for servers.
    pub const DISCOVER: Self = Self(1);
    /// A server offers an address.
    pub const OFFER: Self = Self(2);
    /// A client takes an offer, or keeps its address.
    pub const REQUEST: Self = Self(3);
    /// The address is in use by somebody else.
    pub const DECLINE: Self = Self(4);
    /// The address is the client's.
    pub const ACK: Self = Self(5);
    /// It is not.
    pub const NAK: Self = Self(6);
    /// The client gives the address back.
    pub const RELEASE: Self = Self(7);
    /// A client that has an address asks for the rest.
    pub const INFORM: Self = Self(8);
}

/// A message.
///
/// | byte | field    |                                                    |
/// |-----:|----------|----------------------------------------------------|
/// |    0 | `op`     | 1: request, 2: reply                               |
/// |    1 | `htype`  | 1, Ethernet                                        |
/// |    2 | `hlen`   | 6                                                  |
/// |    3 | `hops`   |                                                    |
/// |    4 | `xid`    |                                                    |
/// |    8 | `secs`   |                                                    |
/// |   10 | `flags`  |                                                    |
/// |   12 | `ciaddr` |                                                    |
/// |   16 | `yiaddr` |                                                    |
/// |   20 | `siaddr` |                                                    |
/// |   24 | `giaddr` |                                                    |
/// |   28 | `chaddr` | 16 bytes, of which an Ethernet address is the first 6 |
/// |   44 | `sname`  | 64 bytes                                           |
/// |  108 | `file`   | 128 bytes                                          |
/// |  236 | cookie   | [`MAGIC_COOKIE`]                                   |
/// |  240 | options  |                                                    |
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Dhcpv4<'a> {
    /// [`REQUEST`](Self::REQUEST), [`REPLY`](Self::REPLY), or another.
    pub op: u8,
    /// Relay agents that it passed.
    pub hops: u8,
    /// What a reply to this message bears too.
    pub xid: u32,
    /// Seconds since the client began.
    pub secs: u16,
    /// Flags as they stand.
    pub flags: u16,
    /// Address that the client has and answers on.
    pub ciaddr: Ipv4Addr,
    /// Address that the client gets.
    pub yiaddr: Ipv4Addr,
    /// Address of the server to boot from.
    pub siaddr: Ipv4Addr,
    /// Address of the relay agent.
    pub giaddr: Ipv4Addr,
    /// Address of the client's interface.
    pub chaddr: MacAddr,
    /// Name of the server, padded with zeros, or options.
    pub sname: Payload<'a>,
    /// Name of the file to boot from, padded with zeros, or options.
    pub file: Payload<'a>,
    /// What stands behind the cookie.
    rest: Payload<'a>,
}

impl<'a> Dhcpv4<'a> {
    /// `BOOTREQUEST`: of a client.
    pub const REQUEST: u8 = 1;
    /// `BOOTREPLY`: of a server.
    pub const REPLY: u8 = 2;

    /// Reads a message up to its options. Errors: cut off, not for Ethernet, or BOOTP without options.
    #[inline]
    pub fn decode(message: Payload<'a>) -> Result<Self, PacketError> {
        let mut rest = message;
        let [op, htype, hlen, hops, x0, x1, x2, x3, s0, s1, f0, f1, addresses @ ..] =
            rest.array::<HEAD_LEN>("dhcpv4")?;
        if htype != HARDWARE_ETHERNET {
            return Err(message.invalid("dhcpv4.htype", htype.into(), "1 (Ethernet)"));
        }
        if hlen != 6 {
            return Err(message.invalid("dhcpv4.hlen", hlen.into(), "6 (an Ethernet address)"));
        }
        let [c0, c1, c2, c3, y0, y1, y2, y3, i0, i1, i2, i3, g0, g1, g2, g3] = addresses;
        let [a, b, c, d, e, f, ..] = rest.array::<16>("dhcpv4.chaddr")?;
        let sname = rest.take(64, "dhcpv4.sname")?;
        let file = rest.take(128, "dhcpv4.file")?;
        let cookie = u32::from_be_bytes(rest.array("dhcpv4.cookie")?);
        if cookie != MAGIC_COOKIE {
            return Err(message.invalid("dhcpv4.cookie", cookie.into(), "1669485411 (0x63825363)"));
        }
        Ok(Self {
            op,
            hops,
            xid: u32::from_be_bytes([x0, x1, x2, x3]),
            secs: u16::from_be_bytes([s0, s1]),
            flags: u16::from_be_bytes([f0, f1]),
            ciaddr: Ipv4Addr::new(c0, c1, c2, c3),
            yiaddr: Ipv4Addr::new(y0, y1, y2, y3),
            siaddr: Ipv4Addr::new(i0, i1, i2, i3),
            giaddr: Ipv4Addr::new(g0, g1, g2, g3),
            chaddr: MacAddr([a, b, c, d, e, f]),
            sname,
            file,
            rest,
        })
    }

    /// True for a client that wants its answer broadcast.
    pub const fn wants_broadcast(&self) -> bool {
        self.flags & BROADCAST != 0
    }

    /// The options, those in `file` and `sname` too where option 52 says that there are some.
    #[inline]
    pub const fn options(&self) -> Dhcpv4Options<'a> {
        Dhcpv4Options { rest: self.rest, field: Field::Options, overload: 0, file: self.file, sname: self.sname }
    }
}

/// One option: code, length, and what that holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Dhcpv4Option<'a> {
    /// What it is: one of [`option`], or another.
    pub code: u8,
    /// What stands behind code and length.
    pub data: Payload<'a>,
}

impl Dhcpv4Option<'_> {
    /// The message type of an option that holds one. Errors: not 1 byte.
    #[inline]
    pub fn message_type(&self) -> Result<MessageType, PacketError> {
        let [value] = self.exactly("1 (a number)")?;
        Ok(MessageType(value))
    }

    /// The number of 16 bits in an option that holds one. Errors: not 2 bytes.
    #[inline]
    pub fn u16(&self) -> Result<u16, PacketError> {
        self.exactly("2 (a number)").map(u16::from_be_bytes)
    }

    /// The number of 32 bits in an option that holds one. Errors: not 4 bytes.
    #[inline]
    pub fn u32(&self) -> Result<u32, PacketError> {
        self.exactly("4 (a number)").map(u32::from_be_bytes)
    }

    /// The address in an option that holds one. Errors: not 4 bytes.
    #[inline]
    pub fn ipv4(&self) -> Result<Ipv4Addr, PacketError> {
        self.exactly("4 (an address)").map(|octets: [u8; 4]| Ipv4Addr::from(octets))
    }

    #[inline]
    fn exactly<const N: usize>(&self, expected: &'static str) -> Result<[u8; N], PacketError> {
        let wrong = || self.data.invalid("dhcpv4.option.length", self.data.len() as u64, expected);
        self.data.bytes().try_into().map_err(|_| wrong())
    }
}

/// Where options stand.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Field {
    Options,
    File,
    Sname,
}

/// The options of a message in the order of RFC 2131 §4.1: behind the cookie, then `file`, then `sname`. After an
/// error there are no more. An option may come in several parts that belong together (RFC 3396).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Dhcpv4Options<'a> {
    rest: Payload<'a>,
    /// Where `rest` stands.
    field: Field,
    /// Value of option 52.
    overload: u8,
    file: Payload<'a>,
    sname: Payload<'a>,
}

impl<'a> Dhcpv4Options<'a> {
    /// Goes on to the next field that holds options; false if there is none.
    fn turn_over(&mut self) -> bool {
        (self.field, self.rest) = match self.field {
            Field::Options if self.overload & 1 != 0 => (Field::File, self.file),
            Field::Options | Field::File if self.overload & 2 != 0 => (Field::Sname, self.sname),
            _ => return false,
        };
        true
    }

    fn take_overload(&mut self, option: &Dhcpv4Option<'a>) -> Result<(), PacketError> {
        let [value] = option.exactly("1 (a number)")?;
        if !matches!(value, 1..=3) {
            return Err(option.data.invalid("dhcpv4.overload", value.into(), "1 to 3"));
        }
        self.overload = value;
        Ok(())
    }

    /// The option that begins with `code`, at `at`.
    #[inline]
    fn decode_option(&mut self, code: u8, at: Payload<'a>) -> Result<Dhcpv4Option<'a>, PacketError> {
        let [_, length] = { at }.array("dhcpv4.option")?;
        let mut rest = at;
        let mut data = rest.take(usize::from(length) + 2, "dhcpv4.option")?;
        data.take(2, "dhcpv4.option")?;
        self.rest = rest;
        let option = Dhcpv4Option { code, data };
        if code == option::OVERLOAD && self.field == Field::Options {
            self.take_overload(&option)?;
        }
        Ok(option)
    }
}

impl<'a> Iterator for Dhcpv4Options<'a> {
    type Item = Result<Dhcpv4Option<'a>, PacketError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let at = self.rest;
            match self.rest.next_byte() {
                Some(option::PAD) => {}
                None | Some(option::END) => {
                    self.rest = Payload::default();
                    if !self.turn_over() {
                        return None;
                    }
                }
                Some(code) => {
                    let option = self.decode_option(code, at);
                    if option.is_err() {
                        (self.rest, self.overload) = (Payload::default(), 0);
                    }
                    return Some(option);
                }
            }
        }
    }
}

#[cfg(test)]
#[path = "dhcpv4_tests.rs"]
mod tests;
