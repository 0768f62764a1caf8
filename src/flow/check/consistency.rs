//! Actions and the packets that they meet: whether these have what the actions read and write.

use super::Violation;
use crate::openflow::action::learn::{Learn, Source, Spec};
use crate::openflow::action::{CtFlags, CtZone, NatAddresses, PT_ETH, PT_NSH};
use crate::openflow::matching::VLAN_PRESENT;
use crate::openflow::numbers::{
    ETH_TYPE_IPV4, ETH_TYPE_IPV6, ETH_TYPE_NSH, IP_PROTO_SCTP as SCTP, IP_PROTO_TCP as TCP, IP_PROTO_UDP as UDP,
};
use crate::openflow::oxm::{self, Field, FieldValue, Packet, Tlv, Tlvs};
use crate::openflow::{Action, DecodeError, ErrorCode, Instruction, Reader, Subfield, TableId};

/// Ports of the protocols that `alg` names.
const FTP: u16 = 21;
const TFTP: u16 = 69;
/// Bits of `ct_state`.
const CT_INVALID: u32 = 0x10;
/// The highest meter, `OFPM_MAX`.
const MAX_METER: u32 = 0xffff_0000;
/// The packet type when only the packet itself says it.
const PT_UNKNOWN: u32 = 0xffff_ffff;

/// Why an action does not fit the packets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Misfit {
    /// OpenFlow 1.0 passes over such an action; later versions refuse it. In an action set it may stand, for
    /// what the packet is by then is not known.
    Pointless(Violation),
    /// It is refused in any case.
    Wrong(Violation),
}

impl Misfit {
    /// What is wrong.
    pub const fn violation(self) -> Violation {
        match self {
            Self::Pointless(violation) | Self::Wrong(violation) => violation,
        }
    }
}

type Checked = Result<(), Misfit>;

const fn wrong(code: ErrorCode, expected: &'static str) -> Misfit {
    Misfit::Wrong(Violation { code, expected })
}

fn unless(good: bool, expected: &'static str) -> Checked {
    match good {
        true => Ok(()),
        false => Err(Misfit::Pointless(Violation { code: ErrorCode::BAC_MATCH_INCONSISTENT, expected })),
    }
}

/// What a match, as OXM TLVs, says of its packets, in a flow of this table.
pub fn packet(match_tlvs: &[u8], table: TableId) -> Result<Packet, DecodeError> {
    let mut packet = Packet { table: table.0, ..Packet::default() };
    for tlv in Tlvs::new(Reader::new(match_tlvs)) {
        note(&mut packet, &tlv?);
    }
    Ok(packet)
}

fn note(packet: &mut Packet, tlv: &Tlv<'_>) {
    let Some(field) = tlv.field() else { return };
    let number = tlv.number_value();
    if field == &oxm::PACKET_TYPE {
        packet.packet_type = number as u32;
    } else if field == &oxm::ETH_TYPE {
        packet.eth_type = number as u16;
    } else if [&oxm::IP_PROTO, &oxm::ARP_OP].contains(&field) {
        packet.ip_proto = number as u8;
    } else if field == &oxm::IP_FRAG {
        packet.fragment = number as u8;
    } else if [&oxm::ICMPV4_TYPE, &oxm::ICMPV6_TYPE].contains(&field) {
        packet.icmp_type = number as u8;
    } else if [&oxm::ICMPV4_CODE, &oxm::ICMPV6_CODE].contains(&field) {
        packet.icmp_code = number as u8;
    } else if [&oxm::VLAN_TCI, &oxm::VLAN_VID].contains(&field) {
        let [outer, inner] = packet.tci;
        packet.tci = [outer | number as u16, inner];
    } else if field == &oxm::CT_STATE {
        packet.ct_state = number as u32;
        packet.ct_state_mask = tlv.mask.map_or(u32::MAX, |mask| oxm::number(mask) as u32);
    }
}

/// Holds the instructions of a flow against the packets that it takes.
pub fn instructions(list: &[Instruction], packet: Packet) -> Result<(), Violation> {
    let mut pointless = None;
    for instruction in list {
        let checked = match instruction {
            Instruction::Meter(id) => meter(*id),
            Instruction::ApplyActions(actions) => within(packet, actions),
            // What the packet is when the action set is carried out is not known.
            Instruction::WriteActions(actions) => match within(packet, actions) {
                Err(Misfit::Pointless(_)) => Ok(()),
                checked => checked,
            },
            Instruction::GotoTable(table) => goto_table(*table, &packet),
            _ => Ok(()),
        };
        match checked {
            Ok(()) => {}
            Err(Misfit::Wrong(violation)) => return Err(violation),
            Err(Misfit::Pointless(violation)) => pointless = pointless.or(Some(violation)),
        }
    }
    pointless.map_or(Ok(()), Err)
}

/// A meter that can be.
pub fn meter(id: u32) -> Checked {
    match id {
        1..=MAX_METER => Ok(()),
        _ => Err(wrong(ErrorCode::MMFC_INVALID_METER, "a meter from 1 to 0xffff0000")),
    }
}

/// A table behind the flow's own.
pub fn goto_table(table: TableId, packet: &Packet) -> Checked {
    if packet.table != 255 && table.0 <= packet.table {
        return Err(wrong(ErrorCode::BIC_BAD_TABLE_ID, "a table behind the flow's own"));
    }
    Ok(())
}

/// Holds a list of actions against packets; what they do to these ends with the list.
fn within(mut packet: Packet, list: &[Action]) -> Checked {
    let mut pointless = Ok(());
    for action in list {
        match step(&mut packet, action) {
            Err(Misfit::Wrong(violation)) => return Err(Misfit::Wrong(violation)),
            checked => pointless = pointless.and(checked),
        }
    }
    pointless
}

/// Holds an action against packets, and does to them what it does.
pub fn step(packet: &mut Packet, action: &Action) -> Checked {
    match action {
        Action::SetVlanVid(_) | Action::SetVlanPcp(_) => {
            let [outer, inner] = packet.tci;
            packet.tci = [outer | VLAN_PRESENT, inner];
            unless(outer & VLAN_PRESENT != 0, NEEDS_TAG)
        }
        Action::PopVlan => {
            let [outer, inner] = packet.tci;
            packet.tci = [inner, 0];
            unless(outer & VLAN_PRESENT != 0, NEEDS_TAG)
        }
        Action::PushVlan(_) => push_vlan(packet),
        Action::SetNwSrc(_) | Action::SetNwDst(_) => {
            unless(packet.dl_type() == ETH_TYPE_IPV4, "this action in a flow that matches IPv4")
        }
        Action::SetNwTos(_)
        | Action::SetNwEcn(_)
        | Action::SetNwTtl(_)
        | Action::DecNwTtl
        | Action::DecTtlCntIds(_) => unless(packet.is_ip(), "this action in a flow that matches IPv4 or IPv6"),
        Action::SetTpSrc(_) | Action::SetTpDst(_) => {
            let transport = packet.is_ip() && packet.fragment & 2 == 0 && [TCP, UDP, SCTP].contains(&packet.ip_proto);
            unless(transport, "this action in a flow that matches TCP, UDP or SCTP")
        }
        Action::SetMplsLabel(_) | Action::SetMplsTc(_) | Action::SetMplsTtl(_) | Action::DecMplsTtl => {
            unless(packet.is_mpls(), NEEDS_MPLS)
        }
        Action::PushMpls(ethertype) => {
            let frame = packet.packet_type == PT_ETH;
            packet.eth_type = *ethertype;
            packet.ip_proto = 0;
            unless(frame, "this action in a flow that matches frames")
        }
        Action::PopMpls(ethertype) => {
            let mpls = packet.packet_type == PT_ETH && packet.is_mpls();
            packet.eth_type = *ethertype;
            unless(mpls, NEEDS_MPLS)
        }
        Action::FinTimeout { .. } => unless(packet.ip_proto == TCP, "this action in a flow that matches TCP"),
        Action::DecNshTtl => {
            let nsh = packet.packet_type == PT_NSH || packet.eth_type == ETH_TYPE_NSH;
            unless(nsh, "this action in a flow that matches NSH")
        }
        Action::SetField(value) | Action::Load2(value) => set_field(packet, value.field, oxm::number(value.value())),
        Action::Load { value, dst } => {
            let number = u128::from(*value).checked_shl(dst.offset.into()).unwrap_or(0);
            set_field(packet, dst.field, number)
        }
        Action::Encap(encap) => {
            encapsulate(packet, encap.packet_type);
            Ok(())
        }
        Action::Decap(_) => {
            decapsulate(packet);
            Ok(())
        }
        _ => reads_and_writes(packet, action),
    }
}

const NEEDS_TAG: &str = "this action in a flow that matches a VLAN tag";
const NEEDS_MPLS: &str = "this action in a flow that matches MPLS";

/// The actions that leave packets as they are, as far as it is looked at here.
fn reads_and_writes(packet: &Packet, action: &Action) -> Checked {
    match action {
        Action::Move { src, dst } | Action::CopyField { src, dst } => {
            subfield(packet, src).and_then(|()| subfield(packet, dst))
        }
        Action::OutputReg { src, .. } | Action::OutputReg2 { src, .. } | Action::StackPush(src) => {
            subfield(packet, src)
        }
        Action::StackPop(dst) => subfield(packet, dst),
        Action::Multipath(multipath) => subfield(packet, &multipath.dst),
        Action::Bundle(bundle) => bundle.dst.map_or(Ok(()), |dst| subfield(packet, &dst)),
        Action::ResubmitCt { .. } if !packet.has(&oxm::CT_NW_PROTO) => {
            Err(wrong(ErrorCode::BAC_MATCH_INCONSISTENT, "ct in a flow that matches ct_state=+trk-inv"))
        }
        Action::Learn(learn) => learnt(packet, learn),
        Action::Clone(actions) => within(*packet, actions),
        Action::Ct(ct) => {
            let alg = ct.alg == FTP && packet.ip_proto != TCP || ct.alg == TFTP && packet.ip_proto != UDP;
            let invalid = packet.ct_state & CT_INVALID != 0 && ct.flags.contains(CtFlags::COMMIT);
            let inconsistent = |expected| Err(wrong(ErrorCode::BAC_MATCH_INCONSISTENT, expected));
            match (packet.is_ip(), &ct.zone) {
                (false, _) => inconsistent("this action in a flow that matches IPv4 or IPv6"),
                (true, _) if invalid => inconsistent("commit in a flow that does not match ct_state=+inv"),
                (true, _) if alg => {
                    inconsistent("alg=ftp in a flow that matches TCP, alg=tftp in one that matches UDP")
                }
                (true, CtZone::Field(src)) => subfield(packet, src),
                (true, CtZone::Number(_)) => within(*packet, &ct.actions),
            }
        }
        Action::Nat(nat) => {
            let good = match nat.addresses {
                None => packet.is_ip(),
                Some(NatAddresses::Ipv4(..)) => packet.dl_type() == ETH_TYPE_IPV4,
                Some(NatAddresses::Ipv6(..)) => packet.dl_type() == ETH_TYPE_IPV6,
            };
            let expected = "addresses of the IP version that the flow matches";
            if good { Ok(()) } else { Err(wrong(ErrorCode::BAC_MATCH_INCONSISTENT, expected)) }
        }
        Action::DeleteField(field) if !field.is_variable() => {
            Err(wrong(ErrorCode::BAC_BAD_ARGUMENT, "a field from tun_metadata0 to tun_metadata63"))
        }
        _ => Ok(()),
    }
}

fn push_vlan(packet: &mut Packet) -> Checked {
    let [outer, inner] = packet.tci;
    if inner & VLAN_PRESENT != 0 {
        return Err(wrong(ErrorCode::BAC_BAD_TAG, "at most two VLAN tags"));
    }
    packet.tci = [VLAN_PRESENT, outer];
    Ok(())
}

fn set_field(packet: &mut Packet, field: &Field, number: u128) -> Checked {
    has(packet, field)?;
    if field == &oxm::VLAN_VID && !packet.is_vlan() {
        return Err(wrong(ErrorCode::BAC_MATCH_INCONSISTENT, NEEDS_TAG));
    }
    if field == &oxm::VLAN_TCI {
        let [_, inner] = packet.tci;
        packet.tci = [number as u16, inner];
    }
    Ok(())
}

fn encapsulate(packet: &mut Packet, packet_type: u32) {
    packet.packet_type = packet_type;
    if packet_type >> 16 == 1 {
        packet.eth_type = packet_type as u16;
    }
    if !packet.is_ip() {
        packet.ip_proto = 0;
    }
}

fn decapsulate(packet: &mut Packet) {
    if packet.packet_type == PT_ETH {
        packet.packet_type = 1 << 16 | u32::from(packet.eth_type);
    } else {
        packet.packet_type = PT_UNKNOWN;
        packet.eth_type = u16::MAX;
    }
}

/// Packets have the field.
pub fn has(packet: &Packet, field: &Field) -> Checked {
    if packet.has(field) {
        return Ok(());
    }
    let expected = "a field of the packets that the match takes (its prerequisites are missing there)";
    Err(wrong(ErrorCode::BAC_MATCH_INCONSISTENT, expected))
}

/// Bits that the field has, of a field that packets have.
fn subfield(packet: &Packet, subfield: &Subfield) -> Checked {
    if subfield.bits == 0 || u32::from(subfield.offset) + u32::from(subfield.bits) > u32::from(subfield.field.bits) {
        return Err(wrong(ErrorCode::BAC_BAD_SET_LEN, "bits of the field"));
    }
    has(packet, subfield.field)
}

/// The parts of a learnt flow: what they read, packets have; what they match on, each part before says.
fn learnt(packet: &Packet, learn: &Learn) -> Checked {
    let mut learnt = Packet::default();
    learn.specs.iter().try_for_each(|part| spec(packet, &mut learnt, part))
}

/// Holds one part of a learnt flow against the packets that are learnt from and those that the flow will take.
pub fn spec(packet: &Packet, learnt: &mut Packet, part: &Spec) -> Checked {
    let source = |src: &Source| match src {
        Source::Field(src) => subfield(packet, src),
        Source::Immediate(_) => Ok(()),
    };
    match part {
        Spec::Output(src) => subfield(packet, src),
        Spec::Load { src, dst } => {
            source(src)?;
            subfield(learnt, dst)?;
            if dst.field.writable {
                return Ok(());
            }
            Err(wrong(ErrorCode::BAC_BAD_SET_ARGUMENT, "a field that can be written"))
        }
        Spec::Match { src, dst } => {
            source(src)?;
            subfield(learnt, dst)?;
            if let Source::Immediate(bytes) = src {
                let number = oxm::number(bytes);
                note_learnt(learnt, dst, number);
            }
            Ok(())
        }
    }
}

/// Remembers that the learnt flow matches `number` in these bits.
fn note_learnt(learnt: &mut Packet, dst: &Subfield, number: u128) {
    let shifted = number.checked_shl(dst.offset.into()).unwrap_or(0);
    let value = FieldValue::new(dst.field, shifted);
    let tlv = Tlv {
        class: dst.field.nxm.class,
        number: dst.field.nxm.number,
        experimenter: dst.field.nxm.experimenter,
        value: value.value(),
        mask: None,
    };
    note(learnt, &tlv);
}
