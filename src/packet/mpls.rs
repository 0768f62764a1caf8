//! MPLS label stacks (RFC 3032).

use super::{PacketError, Payload};

/// One entry of a label stack, 4 bytes: label (20 bits), traffic class (3), bottom of stack (1), time to live (8).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Label(pub u32);

impl Label {
    /// The label itself.
    pub const fn label(self) -> u32 {
        self.0 >> 12
    }

    /// Traffic class.
    pub const fn tc(self) -> u8 {
        (self.0 >> 9) as u8 & 7
    }

    /// True for the last entry of the stack.
    pub const fn is_bottom(self) -> bool {
        self.0 & 0x100 != 0
    }

    /// Time to live.
    pub const fn ttl(self) -> u8 {
        self.0 as u8
    }
}

/// The entries of a stack from the outermost. Ends behind the bottom, or with the error of an entry that is
/// cut off.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LabelStack<'a> {
    /// What is left of the packet.
    rest: Payload<'a>,
    done: bool,
}

impl<'a> LabelStack<'a> {
    /// The stack at the beginning of `packet`.
    pub const fn new(packet: Payload<'a>) -> Self {
        Self { rest: packet, done: false }
    }

    /// What stands behind the entries that were read.
    pub const fn payload(&self) -> Payload<'a> {
        self.rest
    }
}

impl Iterator for LabelStack<'_> {
    type Item = Result<Label, PacketError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let label = self.rest.array("mpls").map(|bytes| Label(u32::from_be_bytes(bytes)));
        self.done = label.as_ref().map_or(true, |label| label.is_bottom());
        Some(label)
    }
}
