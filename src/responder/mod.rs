//! Answers to packets that a switch sends up.
//!
//! Pure: bytes and time in, bytes out. Nothing here allocates for a packet, and nothing panics on what a
//! network sends.
#![deny(clippy::unwrap_used, clippy::indexing_slicing, clippy::expect_used)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::expect_used))]

pub mod learning;
