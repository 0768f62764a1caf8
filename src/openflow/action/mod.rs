//! Actions (OpenFlow 1.3.5 §7.2.5), with every extension action that Open vSwitch 3.1 has (`ovs-actions(7)`).
//!
//! A variant is a form on the wire, so that an action encodes to the bytes that it was decoded from; only
//! padding that Open vSwitch does not look at is lost. What is not known here survives as [`Action::Other`].
//!
//! ```text
//! standard       | type | len | body … padding to 8 bytes
//! experimenter   | 0xffff | len | experimenter (4) | subtype | body … padding to 8 bytes
//! ```

mod conntrack;
mod controller;
mod decode;
mod encap;
mod encode;
pub mod learn;
mod sample;
mod select;
mod subfield;
#[cfg(test)]
mod tests;

use std::net::Ipv4Addr;

pub use conntrack::{Conntrack, CtFlags, CtZone, Nat, NatAddresses, NatFlags, PortRange};
pub use controller::Controller;
pub use encap::{Encap, EncapProperty};
use learn::Learn;
pub use sample::{Direction, Sample, SamplePort};
pub use select::{Bundle, BundleAlgorithm, HashFields, Multipath, MultipathAlgorithm};
pub use subfield::Subfield;

use super::oxm::{Field, FieldValue};
use super::{ErrorCode, MacAddr, PortNo, TableId};

pub use super::error::{NICIRA, ONF};

/// How deep actions may stand within actions: as deep as `ovs-ofctl` reads them.
pub const MAX_DEPTH: u8 = 100;

/// The packet type of an Ethernet frame (`packet_type=(0,0)`).
pub const PT_ETH: u32 = 0;
/// The packet type of a network service header (`packet_type=(1,0x894f)`).
pub const PT_NSH: u32 = 0x1_894f;
/// The packet type of MPLS (`packet_type=(1,0x8847)`).
pub const PT_MPLS: u32 = 0x1_8847;
/// The packet type of MPLS multicast (`packet_type=(1,0x8848)`).
pub const PT_MPLS_MC: u32 = 0x1_8848;
/// In `decap`: the packet type is what the header that goes says comes next.
pub const PT_USE_NEXT_PROTO: u32 = 0xfffe;

/// One action.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Action {
    /// `OFPAT_OUTPUT`: `output:PORT`, `NORMAL`, `IN_PORT`, `CONTROLLER:MAX_LEN` …
    Output {
        /// Where to.
        port: PortNo,
        /// Bytes of the packet that go to the controller; of no meaning for another port.
        max_len: u16,
    },
    /// `OFPAT_SET_VLAN_VID` of OpenFlow 1.1: `set_vlan_vid:VID`, at most 12 bits.
    SetVlanVid(u16),
    /// `OFPAT_SET_VLAN_PCP` of OpenFlow 1.1: `set_vlan_pcp:PCP`, at most 3 bits.
    SetVlanPcp(u8),
    /// `OFPAT_SET_DL_SRC` of OpenFlow 1.1: `mod_dl_src:MAC`.
    SetEthSrc(MacAddr),
    /// `OFPAT_SET_DL_DST` of OpenFlow 1.1: `mod_dl_dst:MAC`.
    SetEthDst(MacAddr),
    /// `OFPAT_SET_NW_SRC` of OpenFlow 1.1: `mod_nw_src:ADDRESS`.
    SetNwSrc(Ipv4Addr),
    /// `OFPAT_SET_NW_DST` of OpenFlow 1.1: `mod_nw_dst:ADDRESS`.
    SetNwDst(Ipv4Addr),
    /// `OFPAT_SET_NW_TOS` of OpenFlow 1.1: `mod_nw_tos:TOS`, whose lower two bits are zero.
    SetNwTos(u8),
    /// `OFPAT_SET_NW_ECN` of OpenFlow 1.1: `mod_nw_ecn:ECN`, at most 2 bits.
    SetNwEcn(u8),
    /// `OFPAT_SET_TP_SRC` of OpenFlow 1.1: `mod_tp_src:PORT`.
    SetTpSrc(u16),
    /// `OFPAT_SET_TP_DST` of OpenFlow 1.1: `mod_tp_dst:PORT`.
    SetTpDst(u16),
    /// `OFPAT_COPY_TTL_OUT`; Open vSwitch has it not.
    CopyTtlOut,
    /// `OFPAT_COPY_TTL_IN`; Open vSwitch has it not.
    CopyTtlIn,
    /// `OFPAT_SET_MPLS_LABEL` of OpenFlow 1.1: `set_mpls_label(LABEL)`.
    SetMplsLabel(u32),
    /// `OFPAT_SET_MPLS_TC` of OpenFlow 1.1: `set_mpls_tc(TC)`.
    SetMplsTc(u8),
    /// `OFPAT_SET_MPLS_TTL`: `set_mpls_ttl(TTL)`.
    SetMplsTtl(u8),
    /// `OFPAT_DEC_MPLS_TTL`: `dec_mpls_ttl`.
    DecMplsTtl,
    /// `OFPAT_PUSH_VLAN`: `push_vlan:ETHERTYPE`, 0x8100 or 0x88a8.
    PushVlan(u16),
    /// `OFPAT_POP_VLAN`: `pop_vlan`.
    PopVlan,
    /// `OFPAT_PUSH_MPLS`: `push_mpls:ETHERTYPE`, 0x8847 or 0x8848.
    PushMpls(u16),
    /// `OFPAT_POP_MPLS`: `pop_mpls:ETHERTYPE` of what is left.
    PopMpls(u16),
    /// `OFPAT_SET_QUEUE`: `set_queue:QUEUE`.
    SetQueue(u32),
    /// `OFPAT_GROUP`: `group:GROUP`.
    Group(u32),
    /// `OFPAT_SET_NW_TTL`: `mod_nw_ttl:TTL`.
    SetNwTtl(u8),
    /// `OFPAT_DEC_NW_TTL`: `dec_ttl`.
    DecNwTtl,
    /// `OFPAT_SET_FIELD`: `set_field:VALUE->FIELD`. OpenFlow 1.3 knows no mask here: a value that has one
    /// goes out as [`Action::Load2`].
    SetField(FieldValue),
    /// `OFPAT_PUSH_PBB`; Open vSwitch has it not.
    PushPbb(u16),
    /// `OFPAT_POP_PBB`; Open vSwitch has it not.
    PopPbb,
    /// `ONFACT_COPY_FIELD` (ONF extension 320): `move:SRC->DST`.
    CopyField {
        /// From where.
        src: Subfield,
        /// To where; as wide as `src`.
        dst: Subfield,
    },
    /// `NXAST_RESUBMIT`: `resubmit:PORT`, a port number of OpenFlow 1.0.
    ResubmitPort(u16),
    /// `NXAST_RESUBMIT_TABLE`: `resubmit(PORT,TABLE)`.
    Resubmit {
        /// Port number of OpenFlow 1.0; 0xfff8 keeps the packet's.
        in_port: u16,
        /// Table; 255 is the current one.
        table: TableId,
    },
    /// `NXAST_RESUBMIT_TABLE_CT`: `resubmit(PORT,TABLE,ct)`, with the packet's original direction.
    ResubmitCt {
        /// As in [`Action::Resubmit`].
        in_port: u16,
        /// As in [`Action::Resubmit`].
        table: TableId,
    },
    /// `NXAST_SET_TUNNEL`: `set_tunnel:ID`.
    SetTunnel(u32),
    /// `NXAST_SET_TUNNEL64`: `set_tunnel64:ID`.
    SetTunnel64(u64),
    /// `NXAST_POP_QUEUE`: `pop_queue`.
    PopQueue,
    /// `NXAST_REG_MOVE`: `move:SRC->DST`.
    Move {
        /// From where.
        src: Subfield,
        /// To where; as wide as `src`.
        dst: Subfield,
    },
    /// `NXAST_REG_LOAD`: `load:VALUE->DST`.
    Load {
        /// The number.
        value: u64,
        /// To where, at most 64 bits.
        dst: Subfield,
    },
    /// `NXAST_REG_LOAD2`: `set_field:VALUE/MASK->FIELD`.
    Load2(FieldValue),
    /// `NXAST_NOTE`: `note:HEX`; 6 bytes, or 8 more any number of times.
    Note(Box<[u8]>),
    /// `NXAST_MULTIPATH`: `multipath(…)`.
    Multipath(Box<Multipath>),
    /// `NXAST_BUNDLE` and `NXAST_BUNDLE_LOAD`: `bundle(…)`, `bundle_load(…)`.
    Bundle(Box<Bundle>),
    /// `NXAST_OUTPUT_REG`: `output:SRC`.
    OutputReg {
        /// Where the port's number stands.
        src: Subfield,
        /// Bytes of the packet, if that is the controller.
        max_len: u16,
    },
    /// `NXAST_OUTPUT_REG2`: likewise, with room for an experimenter's field.
    OutputReg2 {
        /// Where the port's number stands.
        src: Subfield,
        /// Bytes of the packet, if that is the controller.
        max_len: u16,
    },
    /// `NXAST_LEARN` and `NXAST_LEARN2`: `learn(…)`.
    Learn(Box<Learn>),
    /// `NXAST_EXIT`: `exit`.
    Exit,
    /// `NXAST_FIN_TIMEOUT`: `fin_timeout(…)`.
    FinTimeout {
        /// Seconds without a packet once a FIN or RST was seen; 0 changes nothing.
        idle_timeout: u16,
        /// Seconds in any case, likewise.
        hard_timeout: u16,
    },
    /// `NXAST_CONTROLLER`: `controller(…)` of a reason or a controller's id.
    Controller {
        /// Bytes of the packet.
        max_len: u16,
        /// Which controller connections.
        id: u16,
        /// `OFPR_*` of the packet-in.
        reason: u8,
    },
    /// `NXAST_CONTROLLER2`: `controller(…)` with any of its properties.
    Controller2(Box<Controller>),
    /// `NXAST_DEC_TTL_CNT_IDS`: `dec_ttl(ID,…)`, the controllers that hear of an expired TTL.
    DecTtlCntIds(Box<[u16]>),
    /// `NXAST_WRITE_METADATA`, Nicira's form of the instruction; Open vSwitch wants the instruction.
    WriteMetadata {
        /// The bits.
        metadata: u64,
        /// Which bits.
        mask: u64,
    },
    /// `NXAST_STACK_PUSH`: `push:SRC`.
    StackPush(Subfield),
    /// `NXAST_STACK_POP`: `pop:DST`.
    StackPop(Subfield),
    /// `NXAST_SAMPLE`, `NXAST_SAMPLE2` and `NXAST_SAMPLE3`: `sample(…)`.
    Sample(Box<Sample>),
    /// `NXAST_CONJUNCTION`: `conjunction(ID,CLAUSE/CLAUSES)`.
    Conjunction {
        /// What the flow with `conj_id` matches.
        id: u32,
        /// Which clause, from 0.
        clause: u8,
        /// How many clauses, 2–64.
        n_clauses: u8,
    },
    /// `NXAST_CT`: `ct(…)`.
    Ct(Box<Conntrack>),
    /// `NXAST_NAT`: `nat(…)`, within `ct` only.
    Nat(Box<Nat>),
    /// `NXAST_OUTPUT_TRUNC`: `output(port=PORT,max_len=BYTES)`.
    OutputTrunc {
        /// Port number of OpenFlow 1.0.
        port: u16,
        /// Bytes of the packet, at least 14.
        max_len: u32,
    },
    /// `NXAST_CLONE`: `clone(…)`.
    Clone(Vec<Action>),
    /// `NXAST_CT_CLEAR`: `ct_clear`.
    CtClear,
    /// `NXAST_ENCAP`: `encap(…)`.
    Encap(Box<Encap>),
    /// `NXAST_DECAP`: `decap(…)`, with the packet type that is left, or [`PT_USE_NEXT_PROTO`].
    Decap(u32),
    /// `NXAST_DEC_NSH_TTL`: `dec_nsh_ttl`.
    DecNshTtl,
    /// `NXAST_CHECK_PKT_LARGER`: `check_pkt_larger(LENGTH)->BIT`.
    CheckPktLarger {
        /// Bytes.
        length: u16,
        /// One bit: whether the packet has more.
        dst: Subfield,
    },
    /// `NXAST_DELETE_FIELD`: `delete_field:FIELD`.
    DeleteField(&'static Field),
    /// `NXAST_DEBUG_SLOW`: `debug_slow`, of Open vSwitch's own tests.
    DebugSlow,
    /// `NXAST_DEBUG_RECIRC`: `debug_recirc`, of Open vSwitch's own tests.
    DebugRecirc,
    /// Any other, header included.
    Other {
        /// The error with which Open vSwitch 3.1 refuses it.
        code: ErrorCode,
        /// All of it.
        bytes: Box<[u8]>,
    },
}

impl Action {
    /// `output:PORT`.
    pub const fn output(port: PortNo) -> Self {
        Self::Output { port, max_len: 0 }
    }

    /// `resubmit(,TABLE)`.
    pub const fn resubmit(table: TableId) -> Self {
        Self::Resubmit { in_port: 0xfff8, table }
    }

    /// `move:SRC[]->DST[]`, all of two equally wide fields.
    pub fn move_all(src: &'static Field, dst: &'static Field) -> Self {
        Self::Move { src: Subfield::all(src), dst: Subfield::all(dst) }
    }

    /// `set_field:NUMBER->FIELD`.
    pub fn set_field(field: &'static Field, number: u128) -> Self {
        Self::SetField(FieldValue::new(field, number))
    }
}
