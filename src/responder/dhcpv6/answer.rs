//! The answer to a request, option by option.

use std::net::Ipv6Addr;

use super::request::{Association, Request, addresses};
use super::{Lease, Server};
use crate::openflow::Writer;
use crate::openflow::codec::Mark;
use crate::packet::dhcpv6::{IdentityAssociation, MessageType, StatusCode, option};

/// The longest answer: what fits, with its headers, into the smallest packet that every link carries (RFC 8200 §5).
const MAX_MESSAGE: usize = 1280 - 40 - 8;
/// Take this server without waiting for others (RFC 8415 §18.2.1): there is none.
const PREFERENCE: [u8; 5] = [0, option::PREFERENCE as u8, 0, 1, 255];
const RAPID_COMMIT: [u8; 4] = [0, option::RAPID_COMMIT as u8, 0, 0];

/// What is to be said.
#[derive(Clone, Copy, Debug)]
pub(super) struct Answer<'a> {
    server: &'a Server,
    message_type: MessageType,
    what: What,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum What {
    /// Addresses and settings, to SOLICIT and REQUEST.
    Lease,
    /// Addresses and settings, to RENEW and REBIND.
    Extension,
    /// What came of a RELEASE or DECLINE.
    Return,
    /// A status, to CONFIRM.
    Status(StatusCode),
    /// Settings.
    Settings,
}

impl Server {
    /// What to answer, or why nothing.
    pub(super) fn answer_to(&self, request: &Request<'_>) -> Result<Answer<'_>, &'static str> {
        let own = self.identifier.get(4..).unwrap_or_default();
        if request.server.is_some_and(|server| server != own) {
            return Err("DHCPv6 for another server");
        }
        let what = match request.message_type {
            MessageType::SOLICIT | MessageType::REQUEST => What::Lease,
            MessageType::RENEW | MessageType::REBIND => What::Extension,
            MessageType::RELEASE | MessageType::DECLINE => What::Return,
            MessageType::CONFIRM => What::Status(self.confirm(request)?),
            _ => What::Settings,
        };
        let is_offer = request.message_type == MessageType::SOLICIT && !self.commits_rapidly(request);
        let message_type = if is_offer { MessageType::ADVERTISE } else { MessageType::REPLY };
        Ok(Answer { server: self, message_type, what })
    }

    fn commits_rapidly(&self, request: &Request<'_>) -> bool {
        request.rapid_commit && !self.leases.is_empty()
    }

    /// RFC 8415 §18.3.3.
    fn confirm(&self, request: &Request<'_>) -> Result<StatusCode, &'static str> {
        let mut confirmed = None;
        for association in request.associations() {
            let Association::Addresses(association) = association else { continue };
            for listed in addresses(&association) {
                let status = if self.gives(listed.address) { StatusCode::SUCCESS } else { StatusCode::NOT_ON_LINK };
                confirmed = confirmed.filter(|before| *before != StatusCode::SUCCESS).or(Some(status));
            }
        }
        confirmed.ok_or("a DHCPv6 client that has no address confirmed")
    }

    /// True for an address of the port.
    fn gives(&self, address: Ipv6Addr) -> bool {
        self.leases.iter().any(|lease| lease.address == address)
    }

    fn is_on_link(&self, address: Ipv6Addr) -> bool {
        self.on_link.iter().any(|network| network.contains(address.into()))
    }
}

impl Answer<'_> {
    /// Appends the message. Options that do not fit any more are left out, the last ones first.
    pub(super) fn write(&self, request: &Request<'_>, writer: &mut Writer) {
        let mut message = Message { begin: writer.begin(), writer };
        let [_, x0, x1, x2] = request.transaction_id.to_be_bytes();
        message.writer.bytes(&[self.message_type.0, x0, x1, x2]);
        if let Some(client) = request.client {
            message.option(option::CLIENT_IDENTIFIER, |writer| writer.bytes(client));
        }
        message.ready(&self.server.identifier);
        if self.message_type == MessageType::ADVERTISE {
            message.ready(&PREFERENCE);
        } else if request.message_type == MessageType::SOLICIT {
            message.ready(&RAPID_COMMIT);
        }
        match self.what {
            What::Status(code) => message.status(code),
            What::Return => message.status(StatusCode::SUCCESS),
            What::Lease | What::Extension | What::Settings => {}
        }
        self.write_associations(request, &mut message);
        if matches!(self.what, What::Lease | What::Extension | What::Settings) {
            self.write_settings(request, &mut message);
        }
    }

    fn write_settings(&self, request: &Request<'_>, message: &mut Message<'_>) {
        for setting in &self.server.settings {
            let is_due = !setting.is_refresh_time || self.what == What::Settings;
            if is_due && request.wants(setting.code) {
                message.ready(&setting.option);
            }
        }
    }

    fn write_associations(&self, request: &Request<'_>, message: &mut Message<'_>) {
        if matches!(self.what, What::Status(_) | What::Settings) {
            return;
        }
        let chosen = self.chosen(request);
        for association in request.associations() {
            match association {
                Association::Addresses(association) => {
                    let leases = if Some(association.iaid) == chosen { &self.server.leases[..] } else { &[] };
                    self.write_addresses(&association, leases, message);
                }
                _ if self.what == What::Return => {}
                Association::Temporary(iaid) => message.option(option::IA_TA, |writer| {
                    writer.u32(iaid);
                    status(StatusCode::NO_ADDRS_AVAIL, writer);
                }),
                Association::Prefixes(iaid) => message.option(option::IA_PD, |writer| {
                    association_header(iaid, (0, 0), writer);
                    status(StatusCode::NO_PREFIX_AVAIL, writer);
                }),
            }
        }
    }

    /// Which association gets the port's addresses: the one that has one already, else the first.
    fn chosen(&self, request: &Request<'_>) -> Option<u32> {
        let mut first = None;
        for association in request.associations() {
            let Association::Addresses(association) = association else { continue };
            if addresses(&association).any(|listed| self.server.gives(listed.address)) {
                return Some(association.iaid);
            }
            first = first.or(Some(association.iaid));
        }
        first
    }

    fn write_addresses(&self, association: &IdentityAssociation<'_>, leases: &[Lease], message: &mut Message<'_>) {
        let listed = || addresses(association).map(|listed| listed.address);
        let refusal = match self.what {
            What::Return if listed().all(|address| self.server.gives(address)) => return,
            What::Return => Some(StatusCode::NO_BINDING),
            What::Lease if listed().any(|address| !self.server.is_on_link(address)) && !self.is_offer() => {
                Some(StatusCode::NOT_ON_LINK)
            }
            What::Lease if leases.is_empty() => Some(StatusCode::NO_ADDRS_AVAIL),
            What::Extension if leases.is_empty() && listed().next().is_none() => Some(StatusCode::NO_BINDING),
            _ => None,
        };
        message.option(option::IA_NA, |writer| {
            if let Some(code) = refusal {
                association_header(association.iaid, (0, 0), writer);
                return status(code, writer);
            }
            let times = if leases.is_empty() { (0, 0) } else { (self.server.t1, self.server.t2) };
            association_header(association.iaid, times, writer);
            leases.iter().for_each(|lease| writer.bytes(&lease.option));
            if self.what == What::Extension {
                listed().filter(|address| !leases.iter().any(|lease| lease.address == *address)).for_each(|address| {
                    ended(address, writer);
                });
            }
        });
    }

    fn is_offer(&self) -> bool {
        self.message_type == MessageType::ADVERTISE
    }
}

/// A message being written.
struct Message<'a> {
    writer: &'a mut Writer,
    begin: Mark,
}

impl Message<'_> {
    /// An option that stands ready.
    fn ready(&mut self, option: &[u8]) {
        if self.writer.since(self.begin).len() + option.len() <= MAX_MESSAGE {
            self.writer.bytes(option);
        }
    }

    /// An option whose data `write` writes.
    fn option(&mut self, code: u16, write: impl FnOnce(&mut Writer)) {
        let mark = self.writer.begin();
        option(code, self.writer, write);
        if self.writer.since(self.begin).len() > MAX_MESSAGE {
            self.writer.undo(mark);
        }
    }

    fn status(&mut self, code: StatusCode) {
        self.option(option::STATUS_CODE, |writer| writer.u16(code.0));
    }
}

/// An option: code, length, and what `write` writes.
fn option(code: u16, writer: &mut Writer, write: impl FnOnce(&mut Writer)) {
    let mark = writer.begin();
    writer.u16(code);
    writer.u16(0);
    write(writer);
    // What is longer than a message may be is taken back by it.
    let length = writer.since(mark).len().saturating_sub(4);
    writer.fill_u16(mark, 2, u16::try_from(length).unwrap_or(u16::MAX));
}

/// A status without words.
fn status(code: StatusCode, writer: &mut Writer) {
    option(option::STATUS_CODE, writer, |writer| writer.u16(code.0));
}

fn association_header(iaid: u32, (t1, t2): (u32, u32), writer: &mut Writer) {
    writer.u32(iaid);
    writer.u32(t1);
    writer.u32(t2);
}

/// An address that is not to be used any more: with lifetimes of 0.
fn ended(address: Ipv6Addr, writer: &mut Writer) {
    option(option::IA_ADDRESS, writer, |writer| {
        writer.bytes(&address.octets());
        writer.zeros(8);
    });
}
