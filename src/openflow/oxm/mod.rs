//! Match fields: the one registry of their names, codes, widths, formats, masks and prerequisites.
//!
//! The registry stands in the order in which Open vSwitch 3.1 puts fields into a match, so that a
//! match sorted by [`Field::rank`] has the bytes that the switch sends back.
//!
//! A field on the wire is a TLV (OpenFlow 1.3.5 §7.2.3.2):
//! ```text
//! 0               2           2+7 bit   +1 bit   3        4
//! | oxm_class     | oxm_field | hasmask | length | value … [mask …]
//! ```

mod field;
mod prerequisite;
mod registry;
#[cfg(test)]
mod tests;
mod tlv;
mod value;

pub use field::{Field, FieldHeader, Flags, Format};
pub use prerequisite::{Packet, Prerequisite};
pub use registry::*;
pub use tlv::{Tlv, Tlvs};
pub use value::{FieldValue, MAX_VALUE, Masked, number};
