//! Actions to bytes.

use crate::openflow::oxm::Field;
use crate::openflow::{EncodeError, Writer};

use super::{Action, NICIRA, ONF};

/// What the header of an action says.
pub(super) enum Kind {
    /// Type.
    Standard(u16),
    /// Subtype of Nicira's.
    Nicira(u16),
    /// Subtype of the ONF's.
    Onf(u16),
}

impl Action {
    /// Appends the action. Errors: longer than 65,535 bytes.
    pub fn encode(&self, writer: &mut Writer) -> Result<(), EncodeError> {
        let mark = writer.begin();
        let Some(kind) = self.kind() else {
            if let Self::Other { bytes, .. } = self {
                writer.bytes(bytes);
            }
            return Ok(());
        };
        let (action_type, extension) = match kind {
            Kind::Standard(action_type) => (action_type, None),
            Kind::Nicira(subtype) => (0xffff, Some((NICIRA, subtype))),
            Kind::Onf(subtype) => (0xffff, Some((ONF, subtype))),
        };
        writer.u16(action_type);
        writer.u16(0);
        if let Some((experimenter, subtype)) = extension {
            writer.u32(experimenter);
            writer.u16(subtype);
        }
        self.encode_body(writer)?;
        writer.pad8(mark);
        writer.end(mark, 2, "action")
    }

    /// `None`: the bytes of [`Action::Other`] say it.
    fn kind(&self) -> Option<Kind> {
        use Kind::{Nicira, Onf, Standard};
        Some(match self {
            Self::Output { .. } => Standard(0),
            Self::SetVlanVid(_) => Standard(1),
            Self::SetVlanPcp(_) => Standard(2),
            Self::SetEthSrc(_) => Standard(3),
            Self::SetEthDst(_) => Standard(4),
            Self::SetNwSrc(_) => Standard(5),
            Self::SetNwDst(_) => Standard(6),
            Self::SetNwTos(_) => Standard(7),
            Self::SetNwEcn(_) => Standard(8),
            Self::SetTpSrc(_) => Standard(9),
            Self::SetTpDst(_) => Standard(10),
            Self::CopyTtlOut => Standard(11),
            Self::CopyTtlIn => Standard(12),
            Self::SetMplsLabel(_) => Standard(13),
            Self::SetMplsTc(_) => Standard(14),
            Self::SetMplsTtl(_) => Standard(15),
            Self::DecMplsTtl => Standard(16),
            Self::PushVlan(_) => Standard(17),
            Self::PopVlan => Standard(18),
            Self::PushMpls(_) => Standard(19),
            Self::PopMpls(_) => Standard(20),
            Self::SetQueue(_) => Standard(21),
            Self::Group(_) => Standard(22),
            Self::SetNwTtl(_) => Standard(23),
            Self::DecNwTtl => Standard(24),
            Self::SetField(value) if value.mask().is_some() => Nicira(33),
            Self::SetField(_) => Standard(25),
            Self::PushPbb(_) => Standard(26),
            Self::PopPbb => Standard(27),
            Self::CopyField { .. } => Onf(3200),
            Self::ResubmitPort(_) => Nicira(1),
            Self::SetTunnel(_) => Nicira(2),
            Self::PopQueue => Nicira(5),
            Self::Move { .. } => Nicira(6),
            Self::Load { .. } => Nicira(7),
            Self::Note(_) => Nicira(8),
            Self::SetTunnel64(_) => Nicira(9),
            Self::Multipath(_) => Nicira(10),
            Self::Bundle(bundle) if bundle.dst.is_some() => Nicira(13),
            Self::Bundle(_) => Nicira(12),
            Self::Resubmit { .. } => Nicira(14),
            Self::OutputReg { .. } => Nicira(15),
            Self::Learn(learn) if learn.extension.is_some() => Nicira(45),
            Self::Learn(_) => Nicira(16),
            Self::Exit => Nicira(17),
            Self::FinTimeout { .. } => Nicira(19),
            Self::Controller { .. } => Nicira(20),
            Self::DecTtlCntIds(_) => Nicira(21),
            Self::WriteMetadata { .. } => Nicira(22),
            Self::StackPush(_) => Nicira(27),
            Self::StackPop(_) => Nicira(28),
            Self::Sample(sample) => Nicira(sample.subtype()),
            Self::OutputReg2 { .. } => Nicira(32),
            Self::Load2(_) => Nicira(33),
            Self::Conjunction { .. } => Nicira(34),
            Self::Ct(_) => Nicira(35),
            Self::Nat(_) => Nicira(36),
            Self::Controller2(_) => Nicira(37),
            Self::OutputTrunc { .. } => Nicira(39),
            Self::Clone(_) => Nicira(42),
            Self::CtClear => Nicira(43),
            Self::ResubmitCt { .. } => Nicira(44),
            Self::Encap(_) => Nicira(46),
            Self::Decap(_) => Nicira(47),
            Self::DecNshTtl => Nicira(48),
            Self::CheckPktLarger { .. } => Nicira(49),
            Self::DeleteField(_) => Nicira(50),
            Self::DebugSlow => Nicira(254),
            Self::DebugRecirc => Nicira(255),
            Self::Other { .. } => return None,
        })
    }

    /// What follows the type and the length, or the subtype, up to the padding at the end.
    fn encode_body(&self, writer: &mut Writer) -> Result<(), EncodeError> {
        match self {
            Self::Output { port, max_len } => {
                writer.u32(port.0);
                writer.u16(*max_len);
            }
            Self::SetVlanPcp(byte)
            | Self::SetNwTos(byte)
            | Self::SetNwEcn(byte)
            | Self::SetMplsTc(byte)
            | Self::SetMplsTtl(byte)
            | Self::SetNwTtl(byte) => writer.u8(*byte),
            Self::SetVlanVid(number)
            | Self::SetTpSrc(number)
            | Self::SetTpDst(number)
            | Self::PushVlan(number)
            | Self::PushMpls(number)
            | Self::PopMpls(number)
            | Self::PushPbb(number)
            | Self::ResubmitPort(number) => writer.u16(*number),
            Self::SetMplsLabel(number) | Self::SetQueue(number) | Self::Group(number) => writer.u32(*number),
            Self::SetEthSrc(mac) | Self::SetEthDst(mac) => writer.bytes(&mac.0),
            Self::SetNwSrc(address) | Self::SetNwDst(address) => writer.bytes(&address.octets()),
            Self::SetField(value) if value.mask().is_none() => value.encode(writer),
            Self::SetField(value) | Self::Load2(value) => value.encode_nxm(writer),
            Self::CopyTtlOut
            | Self::CopyTtlIn
            | Self::DecMplsTtl
            | Self::PopVlan
            | Self::DecNwTtl
            | Self::PopPbb
            | Self::PopQueue
            | Self::Exit
            | Self::CtClear
            | Self::DecNshTtl
            | Self::DebugSlow
            | Self::DebugRecirc
            | Self::Other { .. } => {}
            _ => return self.encode_extension(writer),
        }
        Ok(())
    }

    /// Likewise, of the extension actions.
    fn encode_extension(&self, writer: &mut Writer) -> Result<(), EncodeError> {
        match self {
            Self::CopyField { src, dst } => {
                writer.zeros(2);
                [src.bits, src.offset, dst.offset, 0].into_iter().for_each(|number| writer.u16(number));
                src.field.encode_nxm_header(writer);
                dst.field.encode_nxm_header(writer);
            }
            Self::Resubmit { in_port, table } | Self::ResubmitCt { in_port, table } => {
                writer.u16(*in_port);
                writer.u8(table.0);
            }
            Self::SetTunnel(id) => {
                writer.zeros(2);
                writer.u32(*id);
            }
            Self::SetTunnel64(id) => {
                writer.zeros(6);
                writer.u64(*id);
            }
            Self::Move { src, dst } => {
                [src.bits, src.offset, dst.offset].into_iter().for_each(|number| writer.u16(number));
                src.field.encode_nxm_header(writer);
                dst.field.encode_nxm_header(writer);
            }
            Self::Load { value, dst } => {
                writer.u16(dst.packed());
                writer.u32(dst.field.nxm_header());
                writer.u64(*value);
            }
            Self::Note(bytes) => {
                writer.bytes(bytes);
                writer.zeros(6_usize.saturating_sub(bytes.len()));
            }
            Self::Multipath(multipath) => multipath.encode(writer),
            Self::Bundle(bundle) => bundle.encode(writer),
            Self::OutputReg { src, max_len } => {
                writer.u16(src.packed());
                writer.u32(src.field.nxm_header());
                writer.u16(*max_len);
                writer.zeros(6);
            }
            Self::OutputReg2 { src, max_len } => {
                writer.u16(src.packed());
                writer.u16(*max_len);
                src.field.encode_nxm_header(writer);
            }
            Self::Learn(learn) => learn.encode(writer),
            Self::FinTimeout { idle_timeout, hard_timeout } => {
                writer.u16(*idle_timeout);
                writer.u16(*hard_timeout);
            }
            Self::Controller { max_len, id, reason } => {
                writer.u16(*max_len);
                writer.u16(*id);
                writer.u8(*reason);
            }
            Self::Controller2(controller) => controller.encode(writer),
            Self::DecTtlCntIds(ids) => {
                // More than a 16-bit number says are longer than an action can be: that is where it is told.
                writer.u16(ids.len() as u16);
                writer.zeros(4);
                ids.iter().for_each(|id| writer.u16(*id));
            }
            Self::WriteMetadata { metadata, mask } => {
                writer.zeros(6);
                writer.u64(*metadata);
                writer.u64(*mask);
            }
            Self::StackPush(subfield) | Self::StackPop(subfield) => {
                writer.u16(subfield.offset);
                subfield.field.encode_nxm_header(writer);
                writer.u16(subfield.bits);
                fill(subfield.field, writer);
            }
            Self::Sample(sample) => sample.encode(writer),
            Self::Conjunction { id, clause, n_clauses } => {
                writer.u8(*clause);
                writer.u8(*n_clauses);
                writer.u32(*id);
            }
            Self::Ct(ct) => ct.encode(writer)?,
            Self::Nat(nat) => nat.encode(writer),
            Self::OutputTrunc { port, max_len } => {
                writer.u16(*port);
                writer.u32(*max_len);
            }
            Self::Clone(actions) => {
                writer.zeros(6);
                actions.iter().try_for_each(|action| action.encode(writer))?;
            }
            Self::Encap(encap) => encap.encode(writer),
            Self::Decap(packet_type) => {
                writer.zeros(2);
                writer.u32(*packet_type);
            }
            Self::CheckPktLarger { length, dst } => {
                writer.u16(*length);
                writer.u16(dst.offset);
                dst.field.encode_nxm_header(writer);
            }
            Self::DeleteField(field) => {
                field.encode_nxm_header(writer);
                fill(field, writer);
            }
            _ => {}
        }
        Ok(())
    }
}

/// Zeros in place of the longer header that an experimenter's field would have: the action is as long with
/// either.
fn fill(field: &Field, writer: &mut Writer) {
    if !field.nxm.is_experimenter() {
        writer.zeros(4);
    }
}
