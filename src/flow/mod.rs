//! Flows as data: one flow, tables of flows, and the difference between two of them.
//!
//! [`text`] prints flows as `ovs-ofctl` does, [`parse`] reads them, [`table_names`] says what tables are for.
//!
//! Pure, like the wire layer below. A [`Flow`] keeps its match and instructions as canonical wire
//! bytes: building one is encoding it, sending one is copying it, and comparing two is comparing
//! bytes.

pub mod check;
mod diff;
mod entry;
pub mod parse;
pub mod sim;
mod table;
pub mod table_names;
pub mod text;

pub use diff::{Changes, LearntScope, diff};
pub use entry::{Flow, FlowKey};
pub use table::FlowTable;
