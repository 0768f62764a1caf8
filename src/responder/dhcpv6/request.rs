//! What a client asks, held against the rules of each message (RFC 8415 §16).

use crate::packet::PacketError;
use crate::packet::dhcpv6::{Dhcpv6Message, Dhcpv6Options, IaAddress, IdentityAssociation, MessageType, option};

/// The longest DUID (RFC 8415 §11.1).
const MAX_DUID: usize = 130;

/// A message of a client, every option of which was read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Request<'a> {
    pub(super) message_type: MessageType,
    pub(super) transaction_id: u32,
    /// The client's DUID.
    pub(super) client: Option<&'a [u8]>,
    /// The DUID of the server that the client means.
    pub(super) server: Option<&'a [u8]>,
    pub(super) rapid_commit: bool,
    /// The codes of the options that it wants; `None`: it wants none in particular.
    wanted: Option<&'a [u8]>,
    /// True if it asks for addresses or prefixes.
    pub(super) asks_for_leases: bool,
    options: Dhcpv6Options<'a>,
}

impl<'a> Request<'a> {
    /// Reads all options. A message that its type does not allow is discarded, with the reason. Errors: cut off.
    pub(super) fn of(message: Dhcpv6Message<'a>) -> Result<Result<Self, &'static str>, PacketError> {
        let Dhcpv6Message { message_type, transaction_id, options } = message;
        let (client, server, wanted) = (None, None, None);
        let (rapid_commit, asks_for_leases) = (false, false);
        let mut request =
            Self { message_type, transaction_id, client, server, rapid_commit, wanted, asks_for_leases, options };
        for option in options {
            let option = option?;
            let data = option.data.bytes();
            match option.code {
                option::CLIENT_IDENTIFIER => request.client = Some(data),
                option::SERVER_IDENTIFIER => request.server = Some(data),
                option::OPTION_REQUEST => request.wanted = Some(data),
                option::RAPID_COMMIT => request.rapid_commit = true,
                option::IA_NA => check_addresses(IdentityAssociation::decode(option.data)?)?,
                option::IA_PD => check_options(IdentityAssociation::decode(option.data)?.options)?,
                option::IA_TA => check_temporary(option.data)?,
                _ => {}
            }
            request.asks_for_leases |= matches!(option.code, option::IA_NA | option::IA_TA | option::IA_PD);
        }
        Ok(request.admitted())
    }

    fn admitted(self) -> Result<Self, &'static str> {
        if self.client.is_some_and(|duid| duid.is_empty() || duid.len() > MAX_DUID) {
            return Err("a DHCPv6 client with an identifier of an impossible length");
        }
        match self.message_type {
            MessageType::SOLICIT | MessageType::CONFIRM | MessageType::REBIND if self.server.is_some() => {
                Err("DHCPv6 to any server that names one")
            }
            MessageType::REQUEST | MessageType::RENEW | MessageType::RELEASE | MessageType::DECLINE
                if self.server.is_none() =>
            {
                Err("DHCPv6 to one server that names none")
            }
            MessageType::INFORMATION_REQUEST if self.asks_for_leases => {
                Err("a DHCPv6 information request that asks for addresses")
            }
            MessageType::INFORMATION_REQUEST => Ok(self),
            MessageType::SOLICIT
            | MessageType::REQUEST
            | MessageType::CONFIRM
            | MessageType::RENEW
            | MessageType::REBIND
            | MessageType::RELEASE
            | MessageType::DECLINE => match self.client {
                Some(_) => Ok(self),
                None => Err("a DHCPv6 client without an identifier"),
            },
            _ => Err("DHCPv6 that is no client's"),
        }
    }

    /// True if the client wants an option.
    pub(super) fn wants(&self, code: u16) -> bool {
        let (codes, _) = self.wanted.unwrap_or_default().as_chunks::<2>();
        self.wanted.is_none() || codes.contains(&code.to_be_bytes())
    }

    /// What it asks for addresses and prefixes, in the order in which it asks.
    pub(super) fn associations(&self) -> impl Iterator<Item = Association<'a>> {
        self.options.flatten().filter_map(|option| {
            let decoded = || IdentityAssociation::decode(option.data).ok();
            match option.code {
                option::IA_NA => Some(Association::Addresses(decoded()?)),
                option::IA_PD => Some(Association::Prefixes(decoded()?.iaid)),
                option::IA_TA => {
                    Some(Association::Temporary({ option.data }.array("iaid").map(u32::from_be_bytes).ok()?))
                }
                _ => None,
            }
        })
    }
}

/// What is asked for under one number.
#[derive(Clone, Copy, Debug)]
pub(super) enum Association<'a> {
    /// Addresses.
    Addresses(IdentityAssociation<'a>),
    /// Temporary addresses.
    Temporary(u32),
    /// Delegated prefixes.
    Prefixes(u32),
}

/// The addresses in an association that was checked.
pub(super) fn addresses<'a>(association: &IdentityAssociation<'a>) -> impl Iterator<Item = IaAddress<'a>> + use<'a> {
    let options = association.options.flatten().filter(|option| option.code == option::IA_ADDRESS);
    options.filter_map(|option| IaAddress::decode(option.data).ok())
}

fn check_addresses(association: IdentityAssociation<'_>) -> Result<(), PacketError> {
    for option in association.options {
        let option = option?;
        if option.code == option::IA_ADDRESS {
            check_options(IaAddress::decode(option.data)?.options)?;
        }
    }
    Ok(())
}

fn check_temporary(mut data: crate::packet::Payload<'_>) -> Result<(), PacketError> {
    data.array::<4>("dhcpv6.ia_ta").map(drop)
}

fn check_options(options: Dhcpv6Options<'_>) -> Result<(), PacketError> {
    { options }.try_for_each(|option| option.map(drop))
}
