//! The OpenFlow 1.3 wire protocol with the extensions of Open vSwitch that Heddle speaks.
//!
//! Pure: bytes in, values out, and back. No I/O, no clock, no logging, no global state. Nothing here
//! panics on what a peer sends, and no length that a peer chose sizes an allocation before the bytes
//! it promises are there. One file per message family; only [`codec`] touches offsets.
#![deny(clippy::unwrap_used, clippy::indexing_slicing, clippy::expect_used)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::expect_used))]

pub mod action;
pub mod async_config;
pub mod barrier;
pub mod body;
pub mod bundle;
pub mod codec;
pub mod ct_flush;
pub mod desc;
pub mod echo;
pub mod error;
pub mod error_msg;
pub mod error_versions;
pub mod experimenter;
pub mod features;
mod flags;
pub mod flow_mod;
pub mod flow_monitor;
pub mod flow_removed;
pub mod flow_stats;
pub mod frame;
pub mod group;
pub mod group_features;
pub mod header;
pub mod hello;
pub mod ids;
pub mod instruction;
pub mod ipfix;
pub mod kind;
pub mod mac;
pub mod match_fields;
pub mod matching;
pub mod message;
pub mod meter;
pub mod meter_features;
pub mod multipart;
pub mod nicira;
pub mod numbers;
pub mod nx_packet_in;
pub mod oxm;
pub mod packet;
pub mod packet_in2;
pub mod port;
pub mod port_stats;
pub mod property;
pub mod queue;
pub mod raw;
pub mod reassembly;
pub mod request_forward;
pub mod role;
pub mod table_features;
pub mod table_mod;
pub mod table_stats;
#[cfg(test)]
pub(crate) mod testing;
pub mod tlv_table;

pub use action::{Action, Subfield};
pub use body::{AnyMessage, Body};
pub use codec::{DecodeError, EncodeError, Reader, Writer};
pub use error::ErrorCode;
pub use flow_mod::{FlowFlags, FlowMod, FlowModCommand, FlowStats};
pub use header::{Header, MessageType};
pub use ids::{Cookie, DatapathId, GroupId, MeterId, PortNo, TableId, Xid};
pub use instruction::Instruction;
pub use mac::MacAddr;
pub use matching::Match;
pub use message::{Message, empty_message, message};
pub use raw::{Entries, Entry, Raw, RawMatch};
