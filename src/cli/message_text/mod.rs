//! Messages as text: what `ovs-ofctl -O OpenFlow13 ofp-print` 3.1 prints for the same bytes.
//!
//! A kind of message that is not written yet is an error, [`NotPrinted`], never another text.
#![deny(clippy::unwrap_used, clippy::indexing_slicing, clippy::expect_used)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::expect_used))]

/// Appends formatted text to a `Vec<u8>`, which cannot fail.
macro_rules! put {
    ($out:expr, $($format:tt)*) => {
        { use std::io::Write as _; let _ = write!($out, $($format)*); }
    };
}

mod abbreviation;
mod bundles;
mod control;
mod dump;
mod flows;
mod groups;
mod meters;
mod nicira;
mod packet_text;
mod packets;
mod ports;
mod queues;
mod table_features;
#[cfg(test)]
mod tests;
mod tlv_table;

pub use dump::dump as hex_dump;

use crate::flow::text::{Names, Numbers, Printer};
use crate::openflow::header::VERSION;
use crate::openflow::kind::{Form, Kind};
use crate::openflow::{DecodeError, ErrorCode, Header, Message, MessageType, PortNo, Reader};

type Out = Vec<u8>;

/// A message that this version does not print.
#[derive(Debug, thiserror::Error)]
#[error("message type not printed yet: {what}")]
pub struct NotPrinted {
    what: String,
}

/// Why the text of a message ends.
enum Stop {
    /// Open vSwitch prints this error.
    Decode(DecodeError),
    /// Open vSwitch prints this name of the error, which has no code in OpenFlow 1.3.
    Named {
        error: DecodeError,
        name: &'static str,
    },
    NotPrinted(NotPrinted),
}

impl From<DecodeError> for Stop {
    fn from(error: DecodeError) -> Self {
        Self::Decode(error)
    }
}

impl From<NotPrinted> for Stop {
    fn from(error: NotPrinted) -> Self {
        Self::NotPrinted(error)
    }
}

/// How much is said of a message.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Detail {
    /// Of one within an error: no payload of echoes.
    Brief,
    Full,
}

/// Messages within messages that are followed.
const DEPTH: usize = 16;

/// Appends the text of `bytes`, which ought to be one message, and returns what is wrong with it, which the text tells
/// in the words of Open vSwitch: only the name of an error. Where this fails nothing of use was appended.
pub fn message(bytes: &[u8], out: &mut Vec<u8>) -> Result<Option<DecodeError>, NotPrinted> {
    nested(bytes, OUTERMOST, out)
}

/// [`message`] with names for the ports and tables of statistics and descriptions.
pub fn named_message(bytes: &[u8], names: &dyn Names, out: &mut Vec<u8>) -> Result<Option<DecodeError>, NotPrinted> {
    nested(bytes, Manner { names, ..OUTERMOST }, out)
}

/// How a message is told.
#[derive(Clone, Copy)]
struct Manner<'a> {
    names: &'a dyn Names,
    detail: Detail,
    /// In how many others it is.
    depth: usize,
}

const OUTERMOST: Manner<'static> = Manner { names: &Numbers, detail: Detail::Full, depth: 0 };

fn nested(bytes: &[u8], manner: Manner<'_>, out: &mut Out) -> Result<Option<DecodeError>, NotPrinted> {
    if manner.depth > DEPTH {
        return Err(NotPrinted { what: format!("a message within {DEPTH} others") });
    }
    let declared = match bytes {
        [] => {
            put!(out, "OpenFlow message is empty\n");
            return Ok(None);
        }
        [_, _, high, low, _, _, _, _, ..] => usize::from(u16::from_be_bytes([*high, *low])),
        _ => {
            put!(out, "OpenFlow packet too short (only {} bytes):\n", bytes.len());
            dump::dump(out, bytes);
            return Ok(None);
        }
    };
    if declared > bytes.len() {
        if let Ok((header, (form, _))) = start(bytes) {
            heading(out, &header, form.name);
            out.push(b'\n');
        }
        put!(out, "(***truncated to {} bytes from {declared}***)\n", bytes.len());
        dump::dump(out, bytes);
        return Ok(None);
    }
    if declared < bytes.len() {
        put!(out, "(***only uses {declared} bytes out of {}***)\n", bytes.len());
        dump::dump(out, bytes);
        return Ok(None);
    }
    whole(bytes, manner, out)
}

/// The header and the kind of a message that may be cut off.
fn start(bytes: &[u8]) -> Result<(Header, (Form, Reader<'_>)), DecodeError> {
    let mut body = Reader::new(bytes);
    let header = Header::decode(&mut body)?;
    let form = Form::of(&Message { header, body })?;
    Ok((header, form))
}

fn whole(bytes: &[u8], manner: Manner<'_>, out: &mut Out) -> Result<Option<DecodeError>, NotPrinted> {
    let origin = out.len();
    let mut prefix = origin;
    let result = start(bytes).map_err(Stop::from).and_then(|(header, (form, body))| {
        form.check(&body)?;
        heading(out, &header, form.name);
        prefix = out.len();
        let context = Context { bytes, header, form, manner };
        context.body(body, out)
    });
    let failed = match result {
        Err(Stop::NotPrinted(error)) => {
            out.truncate(origin);
            return Err(error);
        }
        Err(Stop::Decode(error)) => Some((error.code.name().unwrap_or("(unknown)"), error)),
        Err(Stop::Named { error, name }) => Some((name, error)),
        Ok(()) => None,
    };
    let Some((name, error)) = failed else {
        chomp(out, b' ');
        end_line(out);
        return Ok(None);
    };
    if out.len() > prefix {
        chomp(out, b' ');
        end_line(out);
    } else if prefix > origin {
        out.push(b' ');
    }
    put!(out, "***decode error: {name}***\n");
    dump::dump(out, bytes);
    Ok(Some(error))
}

/// `OFPT_HELLO (OF1.3) (xid=0x1):`.
fn heading(out: &mut Out, header: &Header, name: &str) {
    put!(out, "{name}");
    match header.version {
        1 => {}
        version @ 2..=6 => put!(out, " (OF1.{})", version - 1),
        version => put!(out, " (OF {version:#04x})"),
    }
    put!(out, " (xid={:#x}):", header.xid.0);
}

/// True for a message whose body is in every version that has it what it is in OpenFlow 1.3, but for the codes of
/// errors.
const fn is_the_same_in_all_versions(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::Hello
            | Kind::Error
            | Kind::EchoRequest
            | Kind::EchoReply
            | Kind::FeaturesRequest
            | Kind::GetConfigRequest
            | Kind::GetConfigReply
            | Kind::SetConfig
            | Kind::BarrierRequest
            | Kind::BarrierReply
            | Kind::RoleRequest
            | Kind::RoleReply
            | Kind::RoleStatus
            | Kind::GetAsyncRequest
            | Kind::BundleControl
            | Kind::DescRequest
            | Kind::DescReply
            | Kind::TableStatsRequest
            | Kind::GroupFeaturesRequest
            | Kind::MeterFeaturesRequest
            | Kind::FlowMonitorCancel
            | Kind::FlowMonitorPaused
            | Kind::FlowMonitorResumed
            | Kind::NxRoleRequest
            | Kind::NxRoleReply
            | Kind::FlowModTableId
            | Kind::SetPacketInFormat
            | Kind::SetControllerId
            | Kind::FlowAge
            | Kind::TlvTableMod
            | Kind::TlvTableRequest
            | Kind::TlvTableReply
            | Kind::IpfixBridgeRequest
            | Kind::IpfixBridgeReply
            | Kind::IpfixFlowRequest
            | Kind::IpfixFlowReply
            | Kind::CtFlushZone
            | Kind::CtFlush
    )
}

/// A message on its way to text.
struct Context<'a> {
    bytes: &'a [u8],
    header: Header,
    form: Form,
    manner: Manner<'a>,
}

impl Context<'_> {
    fn kind(&self) -> Kind {
        self.form.kind
    }

    fn body(&self, body: Reader<'_>, out: &mut Out) -> Result<(), Stop> {
        let Header { version, message_type, .. } = self.header;
        if version != VERSION && !is_the_same_in_all_versions(self.kind()) {
            let what = format!("{} of OpenFlow version byte {version:#04x}", self.form.name);
            return Err(NotPrinted { what }.into());
        }
        let is_multipart = matches!(message_type, MessageType::MULTIPART_REQUEST | MessageType::MULTIPART_REPLY);
        if let (true, VERSION, Some(&[high, low])) = (is_multipart, version, self.bytes.get(10..12)) {
            stat_flags(out, u16::from_be_bytes([high, low]));
        }
        let families = [
            control::print,
            ports::print,
            flows::print,
            groups::print,
            meters::print,
            packets::print,
            bundles::print,
            queues::print,
            table_features::print,
            tlv_table::print,
            nicira::print,
        ];
        for family in families {
            if let Some(result) = family(self, body, out) {
                return result;
            }
        }
        Err(NotPrinted { what: self.form.name.to_owned() }.into())
    }

    /// A message within this one.
    fn nested(&self, bytes: &[u8], detail: Detail, out: &mut Out) -> Result<(), Stop> {
        nested(bytes, Manner { detail, depth: self.manner.depth + 1, ..self.manner }, out)?;
        Ok(())
    }

    /// Prints with the names that are known.
    fn printer(&self) -> Printer<'_> {
        Printer::new(self.manner.names)
    }
}

fn stat_flags(out: &mut Out, flags: u16) {
    if flags == 0 {
        return;
    }
    put!(out, " flags=");
    if flags & 1 != 0 {
        put!(out, "[more]");
    }
    if flags & !1 != 0 {
        put!(out, "[***unknown flags {:#06x}***]", flags & !1);
    }
}

fn chomp(out: &mut Out, byte: u8) {
    if out.last() == Some(&byte) {
        out.pop();
    }
}

fn end_line(out: &mut Out) {
    if out.last().is_some_and(|&byte| byte != b'\n') {
        out.push(b'\n');
    }
}

/// The names of set bits with `separator` between, those without a name as one hexadecimal number; `0` for none.
fn bits(out: &mut Out, bits: u32, names: &[&str], separator: char) {
    if bits == 0 {
        return out.push(b'0');
    }
    let mut rest = bits;
    let mut first = true;
    for (bit, name) in names.iter().enumerate() {
        if bits >> bit & 1 == 1 && !name.is_empty() {
            rest &= !(1 << bit);
            if !std::mem::take(&mut first) {
                put!(out, "{separator}");
            }
            put!(out, "{name}");
        }
    }
    if rest != 0 {
        if !first {
            put!(out, "{separator}");
        }
        put!(out, "{rest:#x}");
    }
}

/// Holds that a port number is one that Open vSwitch can keep in 16 bits.
fn known_port(at: &Reader<'_>, port: PortNo) -> Result<PortNo, DecodeError> {
    if port.0 < 0xff00 || port >= PortNo::MAX {
        Ok(port)
    } else {
        Err(at.error("port", port.0.into(), "less than 0xff00, or reserved", ErrorCode::BAC_BAD_OUT_PORT))
    }
}
