//! Numbers that name things on the wire, each its own type. Unknown and reserved values survive.

use std::fmt;

/// A flow table of a switch, 0–254; 255 means all tables (OpenFlow 1.3.5 §7.3.4.1, `OFPTT_*`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct TableId(pub u8);

impl TableId {
    /// `OFPTT_ALL`: every table, in deletes and statistics requests.
    pub const ALL: Self = Self(0xff);
}

impl fmt::Display for TableId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(out)
    }
}

/// A port number of a switch (OpenFlow 1.3.5 §7.2.1, `OFPP_*`); Open vSwitch calls it ofport.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct PortNo(pub u32);

impl PortNo {
    /// The port that a 16-bit number of OpenFlow 1.0 and of Nicira's actions means.
    pub const fn of_16(port: u16) -> Self {
        if port >= 0xff00 { Self(port as u32 | 0xffff_0000) } else { Self(port as u32) }
    }

    /// The highest number of a physical or logical port.
    pub const MAX: Self = Self(0xffff_ff00);
    /// `OFPP_IN_PORT`: back where the packet came from.
    pub const IN_PORT: Self = Self(0xffff_fff8);
    /// `OFPP_TABLE`: through the flow tables, from a packet-out.
    pub const TABLE: Self = Self(0xffff_fff9);
    /// `OFPP_NORMAL`: the switch's own L2 learning.
    pub const NORMAL: Self = Self(0xffff_fffa);
    /// `OFPP_FLOOD`.
    pub const FLOOD: Self = Self(0xffff_fffb);
    /// `OFPP_ALL`.
    pub const ALL: Self = Self(0xffff_fffc);
    /// `OFPP_CONTROLLER`.
    pub const CONTROLLER: Self = Self(0xffff_fffd);
    /// `OFPP_LOCAL`: the bridge's own port.
    pub const LOCAL: Self = Self(0xffff_fffe);
    /// `OFPP_ANY`: no restriction, in deletes and statistics requests.
    pub const ANY: Self = Self(0xffff_ffff);
}

/// Names a group (OpenFlow 1.3.5 §7.3.4.2, `OFPG_*`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct GroupId(pub u32);

impl GroupId {
    /// `OFPG_MAX`: the highest number of a group.
    pub const MAX: Self = Self(0xffff_ff00);
    /// `OFPG_ALL`: every group, in deletes and statistics requests.
    pub const ALL: Self = Self(0xffff_fffc);
    /// `OFPG_ANY`: no group.
    pub const ANY: Self = Self(0xffff_ffff);
}

/// Names a meter (OpenFlow 1.3.5 §7.3.4.4, `OFPM_*`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct MeterId(pub u32);

impl MeterId {
    /// `OFPM_MAX`: the highest number of a meter.
    pub const MAX: Self = Self(0xffff_0000);
    /// `OFPM_SLOWPATH`: for packets that the switch handles in software.
    pub const SLOWPATH: Self = Self(0xffff_fffd);
    /// `OFPM_CONTROLLER`: for packets that go to the controller.
    pub const CONTROLLER: Self = Self(0xffff_fffe);
    /// `OFPM_ALL`: every meter, in deletes and statistics requests.
    pub const ALL: Self = Self(0xffff_ffff);
}

/// Ties a reply, or an error, to its request (OpenFlow 1.3.5 §7.1).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Xid(pub u32);

/// A flow's cookie: the controller's own 64 bits (OpenFlow 1.3.5 §7.3.4.1).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Cookie(pub u64);

/// Names a bridge (OpenFlow 1.3.5 §7.3.1); 16 hexadecimal digits in Open vSwitch's database.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct DatapathId(pub u64);

impl fmt::Display for DatapathId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:016x}", self.0)
    }
}

impl std::str::FromStr for DatapathId {
    type Err = std::num::ParseIntError;

    /// Hexadecimal digits, as in `Bridge.datapath_id`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        u64::from_str_radix(text, 16).map(Self)
    }
}
