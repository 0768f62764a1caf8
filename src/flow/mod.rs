//! Flows as data: one flow, tables of flows, and the difference between two of them.
//!
//! Pure, like the wire layer below. A [`Flow`] keeps its match and instructions as canonical wire
//! bytes: building one is encoding it, sending one is copying it, and comparing two is comparing
//! bytes.

mod diff;
mod flow;
mod table;
pub mod text;

pub use diff::{Changes, LearntScope, diff};
pub use flow::{Flow, FlowKey};
pub use table::FlowTable;
