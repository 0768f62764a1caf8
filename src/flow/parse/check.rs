//! Whether the packets of a flow are what its actions need.

use super::ParseError;
use super::piece::Piece;
pub(super) use crate::openflow::oxm::Packet;
use crate::openflow::oxm::{self, Field};

pub(super) const TCP: u8 = 6;
pub(super) const UDP: u8 = 17;
pub(super) const SCTP: u8 = 132;

/// Holds what is known of packets against what the text asks of them.
pub(super) trait Require {
    /// Packets have `field`, or an error at `piece`.
    fn require(&self, field: &Field, piece: Piece<'_>) -> Result<(), ParseError>;
    /// Packets are IPv4 or IPv6, likewise.
    fn require_ip(&self, piece: Piece<'_>) -> Result<(), ParseError>;
    /// Packets are MPLS, likewise.
    fn require_mpls(&self, piece: Piece<'_>) -> Result<(), ParseError>;
    /// What `set_field` or `load` to `field` changes.
    fn written(&mut self, field: &Field, value: u128);
}

impl Require for Packet {
    fn require(&self, field: &Field, piece: Piece<'_>) -> Result<(), ParseError> {
        if self.has(field) {
            return Ok(());
        }
        Err(piece.error("a field of the packets that the match takes (its prerequisites are missing there)"))
    }

    fn require_ip(&self, piece: Piece<'_>) -> Result<(), ParseError> {
        if self.is_ip() { Ok(()) } else { Err(piece.error("this action in a flow that matches IPv4 or IPv6")) }
    }

    fn require_mpls(&self, piece: Piece<'_>) -> Result<(), ParseError> {
        if self.is_mpls() { Ok(()) } else { Err(piece.error("this action in a flow that matches MPLS")) }
    }

    fn written(&mut self, field: &Field, value: u128) {
        if field == &oxm::VLAN_TCI {
            self.tci[0] = value as u16;
        }
    }
}
