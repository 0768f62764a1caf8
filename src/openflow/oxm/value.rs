//! Fields of the registry with their values.

use super::registry::MAX_OPTION;
use super::{EXPERIMENTER, Field, FieldHeader, Tlv};
use crate::openflow::Writer;

/// The longest value of any field, in bytes.
pub const MAX_VALUE: usize = MAX_OPTION;

/// A number and the bits of it that count.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Masked {
    /// The number.
    pub value: u128,
    /// Ones where it counts.
    pub mask: u128,
}

impl Masked {
    /// No bit counts.
    pub const NONE: Self = Self { value: 0, mask: 0 };

    /// All bits of `field` count.
    pub const fn exact(value: u128, field: &Field) -> Self {
        Self { value: value & field.all_bits(), mask: field.all_bits() }
    }
}

/// The big-endian number in `bytes`, at most the last 16 of them.
pub fn number(bytes: &[u8]) -> u128 {
    bytes.iter().fold(0, |number, &byte| number << 8 | u128::from(byte))
}

/// A field of the registry with a value, and a mask where not all of it counts: what `set_field`
/// writes and a match holds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FieldValue {
    /// Which field.
    pub field: &'static Field,
    value: Bytes,
    /// As long as the value; `None`: all of the value counts. Boxed, for few have one and actions are moved about.
    mask: Option<Box<Bytes>>,
}

/// The bytes of a value. Those of every field but the tunnel options stand in place.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Bytes {
    /// This many of these.
    Short(u8, [u8; 16]),
    /// At most [`MAX_VALUE`].
    Long(Box<[u8]>),
}

impl Bytes {
    /// `number`, the last bytes of it, in `len` bytes.
    fn new(number: &[u8], len: usize) -> Self {
        let fill = |value: &mut [u8]| {
            for (place, digit) in value.iter_mut().rev().zip(number.iter().rev()) {
                *place = *digit;
            }
        };
        let mut short = [0; 16];
        if let Some(value) = short.get_mut(..len) {
            fill(value);
            return Self::Short(len as u8, short);
        }
        let mut long = vec![0; len.min(MAX_VALUE)];
        fill(&mut long);
        Self::Long(long.into())
    }

    fn as_slice(&self) -> &[u8] {
        match self {
            Self::Short(len, bytes) => bytes.get(..usize::from(*len)).unwrap_or_default(),
            Self::Long(bytes) => bytes,
        }
    }
}

/// How many bytes of `number` are left without the zeros in front.
fn significant(number: &[u8]) -> usize {
    number.len() - number.iter().take_while(|&&byte| byte == 0).count()
}

impl FieldValue {
    /// `number` in all bits of `field`; bits beyond its width are dropped.
    pub fn new(field: &'static Field, number: u128) -> Self {
        Self::of_bytes(field, &number.to_be_bytes(), None)
    }

    /// Those bits of `number` that `mask` has, canonical: the others are zero.
    pub fn masked(field: &'static Field, number: u128, mask: u128) -> Self {
        Self::of_bytes(field, &(number & mask).to_be_bytes(), Some(&mask.to_be_bytes()))
    }

    /// From numbers of any length, the most significant byte first. A tunnel option becomes as wide as
    /// value and mask need; in another field bits beyond its width are dropped.
    pub fn of_bytes(field: &'static Field, value: &[u8], mask: Option<&[u8]>) -> Self {
        let len = if field.is_variable() {
            significant(value).max(mask.map_or(0, significant)).min(MAX_VALUE)
        } else {
            usize::from(field.bytes)
        };
        let all =
            |mask: &&[u8]| field.is_variable() && mask.len() == MAX_VALUE && mask.iter().all(|&byte| byte == 0xff);
        let mask = mask.filter(|mask| !all(mask)).map(|mask| Box::new(Bytes::new(mask, len)));
        Self { field, value: Bytes::new(value, len), mask }
    }

    /// From a TLV whose field the registry knows.
    pub fn from_tlv(tlv: &Tlv<'_>) -> Option<Self> {
        let (field, len) = (tlv.field()?, tlv.value.len());
        let mask = tlv.mask.map(|mask| Box::new(Bytes::new(mask, len)));
        Some(Self { field, value: Bytes::new(tlv.value, len), mask })
    }

    /// The value's bytes: `field.bytes` of them, or as many as a tunnel option takes.
    pub fn value(&self) -> &[u8] {
        self.value.as_slice()
    }

    /// The mask's bytes.
    pub fn mask(&self) -> Option<&[u8]> {
        self.mask.as_deref().map(Bytes::as_slice)
    }

    /// Appends the TLV of OpenFlow 1.3.
    pub fn encode(&self, writer: &mut Writer) {
        self.encode_with(&self.field.oxm, writer);
    }

    /// Appends the TLV as Nicira's actions have it.
    pub fn encode_nxm(&self, writer: &mut Writer) {
        self.encode_with(&self.field.nxm, writer);
    }

    fn encode_with(&self, header: &FieldHeader, writer: &mut Writer) {
        let masked = u8::from(self.mask.is_some());
        writer.u16(header.class);
        writer.u8(header.number << 1 | masked);
        let length = (self.value().len() as u8) << masked;
        if header.class == EXPERIMENTER {
            writer.u8(length + 4);
            writer.u32(header.experimenter);
        } else {
            writer.u8(length);
        }
        writer.bytes(self.value());
        writer.bytes(self.mask().unwrap_or_default());
    }
}
