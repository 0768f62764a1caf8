//! Network service headers (RFC 8300).

use super::{PacketError, Payload};

/// Bytes of base header and service path header.
const BASE_LEN: usize = 8;

/// What follows the service path header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Metadata<'a> {
    /// Type 1: four words.
    Context([u32; 4]),
    /// Type 2, TLVs, or a type that is not known.
    Other(&'a [u8]),
}

/// A network service header.
///
/// | byte | field                       |                                       |
/// |-----:|-----------------------------|---------------------------------------|
/// |    0 | version, flags, TTL, length | 2, 2, 6 and 6 bits, length in 4 bytes |
/// |    2 | metadata type               |                                       |
/// |    3 | next protocol               |                                       |
/// |    4 | service path identifier     | 3 bytes                               |
/// |    7 | service index               |                                       |
/// |    8 | metadata                    |                                       |
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Nsh<'a> {
    /// The O bit and an unassigned one.
    pub flags: u8,
    /// Time to live.
    pub ttl: u8,
    /// Type of the metadata.
    pub md_type: u8,
    /// What the payload is.
    pub next_proto: u8,
    /// Service path identifier, 24 bits.
    pub spi: u32,
    /// Service index.
    pub si: u8,
    /// The metadata.
    pub metadata: Metadata<'a>,
    /// What follows.
    pub payload: Payload<'a>,
}

impl<'a> Nsh<'a> {
    /// Reads a header. Errors: cut off, another version than 0, or a length that the metadata cannot have.
    pub fn decode(packet: Payload<'a>) -> Result<Self, PacketError> {
        let mut rest = packet;
        let [b0, b1, md_type, next_proto, s0, s1, s2, si] = rest.array::<BASE_LEN>("nsh")?;
        let base = u16::from_be_bytes([b0, b1]);
        let length = usize::from(base & 0x3f) * 4;
        if base >> 14 != 0 {
            return Err(packet.invalid("nsh.version", (base >> 14).into(), "0"));
        }
        let expected = match md_type {
            1 if length != BASE_LEN + 16 => Some("6 words with metadata of type 1"),
            2 if length < BASE_LEN => Some("2 words at the least"),
            _ => None,
        };
        if let Some(expected) = expected {
            return Err(packet.invalid("nsh.length", (base & 0x3f).into(), expected));
        }
        let mut metadata = rest.take(length.saturating_sub(BASE_LEN), "nsh.metadata")?;
        let metadata = match md_type {
            1 => Metadata::Context(context(&mut metadata)?),
            _ => Metadata::Other(metadata.bytes()),
        };
        let (flags, ttl) = ((base >> 12) as u8 & 3, (base >> 6) as u8 & 0x3f);
        let spi = u32::from_be_bytes([0, s0, s1, s2]);
        Ok(Self { flags, ttl, md_type, next_proto, spi, si, metadata, payload: rest })
    }
}

fn context(metadata: &mut Payload<'_>) -> Result<[u32; 4], PacketError> {
    let mut words = [0; 4];
    for word in &mut words {
        *word = u32::from_be_bytes(metadata.array("nsh.context")?);
    }
    Ok(words)
}
