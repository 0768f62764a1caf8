//! DHCP for IPv6 (RFC 8415).

use std::net::Ipv6Addr;

use super::{PacketError, Payload};

/// UDP port of servers and relay agents.
pub const SERVER_PORT: u16 = 547;
/// UDP port of clients.
pub const CLIENT_PORT: u16 = 546;
/// Where clients find servers and relay agents of their link (`All_DHCP_Relay_Agents_and_Servers`).
pub const ALL_SERVERS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 1, 2);

/// Codes of options.
pub mod option {
    /// DUID of the client.
    pub const CLIENT_IDENTIFIER: u16 = 1;
    /// DUID of the server.
    pub const SERVER_IDENTIFIER: u16 = 2;
    /// An [`IdentityAssociation`](super::IdentityAssociation) of addresses.
    pub const IA_NA: u16 = 3;
    /// One of temporary addresses, without T1 and T2.
    pub const IA_TA: u16 = 4;
    /// An [`IaAddress`](super::IaAddress).
    pub const IA_ADDRESS: u16 = 5;
    /// Codes of the options that the client wants.
    pub const OPTION_REQUEST: u16 = 6;
    /// How much a server is to be preferred.
    pub const PREFERENCE: u16 = 7;
    /// For how long the client has been trying, in hundredths of a second.
    pub const ELAPSED_TIME: u16 = 8;
    /// The message in a relay agent's message.
    pub const RELAY_MESSAGE: u16 = 9;
    /// A [`StatusCode`](super::StatusCode), and words.
    pub const STATUS_CODE: u16 = 13;
    /// The client takes a REPLY to its SOLICIT.
    pub const RAPID_COMMIT: u16 = 14;
    /// What kind of client it is.
    pub const VENDOR_CLASS: u16 = 16;
    /// The interface of a relay agent.
    pub const INTERFACE_ID: u16 = 18;
    /// Name servers (RFC 3646).
    pub const DNS_SERVERS: u16 = 23;
    /// Domains in which names are looked up (RFC 3646).
    pub const DOMAIN_LIST: u16 = 24;
    /// An [`IdentityAssociation`](super::IdentityAssociation) of delegated prefixes.
    pub const IA_PD: u16 = 25;
    /// When to ask again for what has no lifetime of its own.
    pub const INFORMATION_REFRESH_TIME: u16 = 32;
    /// Name of the client (RFC 4704).
    pub const CLIENT_FQDN: u16 = 39;
    /// Time servers (RFC 5908).
    pub const NTP_SERVER: u16 = 56;
    /// Where to boot from (RFC 5970).
    pub const BOOTFILE_URL: u16 = 59;
    /// The longest time between two SOLICITs.
    pub const SOL_MAX_RT: u16 = 82;
    /// The longest time between two INFORMATION-REQUESTs.
    pub const INF_MAX_RT: u16 = 83;
}

/// What a message is (RFC 8415 §7.3). Unknown types survive.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct MessageType(pub u8);

impl MessageType {
    /// A client looks for servers.
    pub const SOLICIT: Self = Self(1);
    /// A server is there and offers.
    pub const ADVERTISE: Self = Self(2);
    /// A client takes an offer.
    pub const REQUEST: Self = Self(3);
    /// A client asks whether its addresses fit the link.
    pub const CONFIRM: Self = Self(4);
    /// A client extends its lease at the server that gave it.
    pub const RENEW: Self = Self(5);
    /// A client extends its lease at any server.
    pub const REBIND: Self = Self(6);
    /// A server's answer to all but a SOLICIT.
    pub const REPLY: Self = Self(7);
    /// A client gives addresses back.
    pub const RELEASE: Self = Self(8);
    /// Addresses are in use by somebody else.
    pub const DECLINE: Self = Self(9);
    /// A server wants to be asked again.
    pub const RECONFIGURE: Self = Self(10);
    /// A client asks for all but addresses.
    pub const INFORMATION_REQUEST: Self = Self(11);
    /// A relay agent passes a message on to servers.
    pub const RELAY_FORWARD: Self = Self(12);
    /// A server tells a relay agent what to pass on to the client.
    pub const RELAY_REPLY: Self = Self(13);
}

/// What came of a message or a part of one (RFC 8415 §21.13). Unknown codes survive.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct StatusCode(pub u16);

impl StatusCode {
    /// Done.
    pub const SUCCESS: Self = Self(0);
    /// Refused, for another reason than those below.
    pub const UNSPEC_FAIL: Self = Self(1);
    /// There is no address for this.
    pub const NO_ADDRS_AVAIL: Self = Self(2);
    /// The server knows no such lease.
    pub const NO_BINDING: Self = Self(3);
    /// The address does not fit the link.
    pub const NOT_ON_LINK: Self = Self(4);
    /// The client must ask by multicast.
    pub const USE_MULTICAST: Self = Self(5);
    /// There is no prefix for this.
    pub const NO_PREFIX_AVAIL: Self = Self(6);
}

/// A message, of a client or server, or of a relay agent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Dhcpv6<'a> {
    /// Between client and server.
    Direct(Dhcpv6Message<'a>),
    /// `RELAY_FORWARD` or `RELAY_REPLY`.
    Relay(Dhcpv6Relay<'a>),
}

/// A message between client and server (RFC 8415 §8): type, transaction id (3 bytes), options.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Dhcpv6Message<'a> {
    /// What it is.
    pub message_type: MessageType,
    /// What an answer to this message bears too, 24 bits.
    pub transaction_id: u32,
    /// The options.
    pub options: Dhcpv6Options<'a>,
}

/// A message between relay agents and servers (RFC 8415 §9): type, hop count, link address and peer address
/// (16 bytes each), options.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Dhcpv6Relay<'a> {
    /// What it is.
    pub message_type: MessageType,
    /// Relay agents that it passed.
    pub hop_count: u8,
    /// Tells the server which link the client is on.
    pub link_address: Ipv6Addr,
    /// From whom the relay agent has the message, or to whom it passes it on.
    pub peer_address: Ipv6Addr,
    /// The options; one of them is the message.
    pub options: Dhcpv6Options<'a>,
}

impl<'a> Dhcpv6<'a> {
    /// Reads a message up to its options. Errors: cut off.
    #[inline]
    pub fn decode(mut message: Payload<'a>) -> Result<Self, PacketError> {
        let [message_type, b, c, d] = { message }.array("dhcpv6")?;
        let message_type = MessageType(message_type);
        if matches!(message_type, MessageType::RELAY_FORWARD | MessageType::RELAY_REPLY) {
            return Dhcpv6Relay::decode(message).map(Self::Relay);
        }
        message.take(4, "dhcpv6")?;
        let transaction_id = u32::from_be_bytes([0, b, c, d]);
        Ok(Self::Direct(Dhcpv6Message { message_type, transaction_id, options: Dhcpv6Options(message) }))
    }
}

impl<'a> Dhcpv6Relay<'a> {
    fn decode(mut message: Payload<'a>) -> Result<Self, PacketError> {
        let [message_type, hop_count] = message.array("dhcpv6.relay")?;
        Ok(Self {
            message_type: MessageType(message_type),
            hop_count,
            link_address: Ipv6Addr::from(message.array::<16>("dhcpv6.relay.link_address")?),
            peer_address: Ipv6Addr::from(message.array::<16>("dhcpv6.relay.peer_address")?),
            options: Dhcpv6Options(message),
        })
    }
}

/// One option (RFC 8415 §21.1): code and length, 2 bytes each, and what that holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Dhcpv6Option<'a> {
    /// What it is: one of [`option`], or another.
    pub code: u16,
    /// What stands behind code and length.
    pub data: Payload<'a>,
}

/// The options of a message or of another option, one after the other. After an error there are no more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Dhcpv6Options<'a>(Payload<'a>);

impl<'a> Dhcpv6Option<'a> {
    /// Takes one off.
    #[inline]
    fn decode(rest: &mut Payload<'a>) -> Result<Self, PacketError> {
        let [c0, c1, l0, l1] = { *rest }.array("dhcpv6.option")?;
        let mut data = rest.take(usize::from(u16::from_be_bytes([l0, l1])) + 4, "dhcpv6.option")?;
        data.take(4, "dhcpv6.option")?;
        Ok(Self { code: u16::from_be_bytes([c0, c1]), data })
    }
}

impl<'a> Iterator for Dhcpv6Options<'a> {
    type Item = Result<Dhcpv6Option<'a>, PacketError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        self.0.next_of(Dhcpv6Option::decode)
    }
}

/// What a client asks for under one number: the data of `IA_NA` (RFC 8415 §21.4) and `IA_PD` (§21.21).
///
/// | byte | field   |                                               |
/// |-----:|---------|-----------------------------------------------|
/// |    0 | IAID    |                                               |
/// |    4 | T1      | when to renew, in seconds                     |
/// |    8 | T2      | when to ask any server, in seconds            |
/// |   12 | options | addresses or prefixes, and what came of asking |
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct IdentityAssociation<'a> {
    /// The client's number for it.
    pub iaid: u32,
    /// T1.
    pub t1: u32,
    /// T2.
    pub t2: u32,
    /// The options in it.
    pub options: Dhcpv6Options<'a>,
}

impl<'a> IdentityAssociation<'a> {
    /// Reads the data of the option. Errors: cut off.
    #[inline]
    pub fn decode(mut data: Payload<'a>) -> Result<Self, PacketError> {
        let [i0, i1, i2, i3, a, b, c, d, e, f, g, h] = data.array("dhcpv6.ia")?;
        Ok(Self {
            iaid: u32::from_be_bytes([i0, i1, i2, i3]),
            t1: u32::from_be_bytes([a, b, c, d]),
            t2: u32::from_be_bytes([e, f, g, h]),
            options: Dhcpv6Options(data),
        })
    }
}

/// An address in an `IA_NA`: the data of `IAADDR` (RFC 8415 §21.6).
///
/// | byte | field     |                 |
/// |-----:|-----------|-----------------|
/// |    0 | address   |                 |
/// |   16 | preferred | lifetime in seconds |
/// |   20 | valid     | lifetime in seconds |
/// |   24 | options   |                 |
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct IaAddress<'a> {
    /// The address.
    pub address: Ipv6Addr,
    /// For how long it may be used for what begins.
    pub preferred_lifetime: u32,
    /// For how long it may be used at all.
    pub valid_lifetime: u32,
    /// The options in it.
    pub options: Dhcpv6Options<'a>,
}

impl<'a> IaAddress<'a> {
    /// Reads the data of the option. Errors: cut off.
    #[inline]
    pub fn decode(mut data: Payload<'a>) -> Result<Self, PacketError> {
        let address = Ipv6Addr::from(data.array::<16>("dhcpv6.ia_address")?);
        let [a, b, c, d, e, f, g, h] = data.array("dhcpv6.ia_address.lifetimes")?;
        Ok(Self {
            address,
            preferred_lifetime: u32::from_be_bytes([a, b, c, d]),
            valid_lifetime: u32::from_be_bytes([e, f, g, h]),
            options: Dhcpv6Options(data),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::openflow::testing::hex;

    /// A SOLICIT with a client identifier, an `IA_NA` with an address, and two options that it wants.
    const SOLICIT: &str = "01 abcdef  0001 000a 00030001fa163e000001
        0003 0028 00000007 00000e10 00001518  0005 0018 20010db8000000000000000000000005 00000e10 00001c20
        0006 0004 0017 0018  0008 0002 0064";

    fn direct(bytes: &[u8]) -> Dhcpv6Message<'_> {
        let Dhcpv6::Direct(message) = Dhcpv6::decode(Payload::new(bytes)).unwrap() else { panic!("a relay's") };
        message
    }

    #[test]
    fn a_solicit_says_who_wants_what() {
        let bytes = hex(SOLICIT);
        let message = direct(&bytes);
        assert_eq!((message.message_type, message.transaction_id), (MessageType::SOLICIT, 0x00ab_cdef));
        let options: Vec<_> = message.options.collect::<Result<_, _>>().unwrap();
        let codes: Vec<_> = options.iter().map(|option| option.code).collect();
        assert_eq!(codes, [option::CLIENT_IDENTIFIER, option::IA_NA, option::OPTION_REQUEST, option::ELAPSED_TIME]);
        assert_eq!(options[0].data.bytes(), hex("00030001fa163e000001"));
        let ia = IdentityAssociation::decode(options[1].data).unwrap();
        assert_eq!((ia.iaid, ia.t1, ia.t2), (7, 3600, 5400));
        let [inner] = ia.options.collect::<Result<Vec<_>, _>>().unwrap()[..] else { panic!("one address") };
        assert_eq!((inner.code, inner.data.offset()), (option::IA_ADDRESS, 38));
        let address = IaAddress::decode(inner.data).unwrap();
        assert_eq!(address.address, "2001:db8::5".parse::<Ipv6Addr>().unwrap());
        assert_eq!((address.preferred_lifetime, address.valid_lifetime), (3600, 7200));
        assert_eq!({ address.options }.next(), None);
    }

    #[test]
    fn a_relayed_message_stands_in_an_option() {
        let relayed = "0c 01 20010db8000000000000000000000001 fe80000000000000f8163efffe000001
            0012 0002 6162  0009 0004 01abcdef";
        let bytes = hex(relayed);
        let Dhcpv6::Relay(relay) = Dhcpv6::decode(Payload::new(&bytes)).unwrap() else { panic!("not a relay's") };
        assert_eq!((relay.message_type, relay.hop_count), (MessageType::RELAY_FORWARD, 1));
        assert_eq!(relay.peer_address.to_string(), "fe80::f816:3eff:fe00:1");
        let inner = relay.options.flatten().find(|option| option.code == option::RELAY_MESSAGE).unwrap();
        assert_eq!(direct(inner.data.bytes()).transaction_id, 0x00ab_cdef);
    }

    /// Goes through a message to its end, or to the first error.
    fn descend(bytes: &[u8]) -> Result<(), PacketError> {
        fn walk(options: Dhcpv6Options<'_>) -> Result<(), PacketError> {
            for option in options {
                let option = option?;
                match option.code {
                    option::IA_NA => walk(IdentityAssociation::decode(option.data)?.options)?,
                    option::IA_ADDRESS => walk(IaAddress::decode(option.data)?.options)?,
                    _ => {}
                }
            }
            Ok(())
        }
        match Dhcpv6::decode(Payload::new(bytes))? {
            Dhcpv6::Direct(message) => walk(message.options),
            Dhcpv6::Relay(relay) => walk(relay.options),
        }
    }

    #[test]
    fn every_strict_prefix_that_is_not_a_whole_number_of_options_is_told_to_be_cut() {
        for (text, whole) in [
            (SOLICIT, &[4_usize, 18, 62, 70][..]),
            (
                "0d 00 00000000000000000000000000000001
            00000000000000000000000000000002 0012 0001 61",
                &[34],
            ),
        ] {
            let bytes = hex(text);
            assert_eq!(descend(&bytes), Ok(()));
            for end in 0..bytes.len() {
                match descend(&bytes[..end]) {
                    Ok(()) => assert!(whole.contains(&end), "{end}"),
                    Err(PacketError::Truncated { offset, found, expected, .. }) => {
                        assert!(offset + found == end && expected > found && !whole.contains(&end), "{end}");
                    }
                    Err(error) => panic!("{end}: {error}"),
                }
            }
        }
    }

    #[test]
    fn an_option_within_another_cannot_reach_behind_it() {
        for (good, bad, expected) in [
            ("0003 0028", "0003 000b", "dhcpv6.ia at byte 22: found 11 bytes, expected 12"),
            ("0005 0018", "0005 0019", "dhcpv6.option at byte 34: found 28 bytes, expected 29"),
            ("0005 0018", "0005 0017", "dhcpv6.ia_address.lifetimes at byte 54: found 7 bytes, expected 8"),
        ] {
            let error = descend(&hex(&SOLICIT.replace(good, bad))).unwrap_err();
            assert_eq!(error.to_string(), expected);
        }
    }
}
