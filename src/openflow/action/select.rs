//! `multipath` and `bundle`: a link or a port chosen by the packet's hash (`ovs-actions(7)`).

use crate::openflow::oxm;
use crate::openflow::{DecodeError, ErrorCode, Reader, Writer};

use super::Subfield;
use super::decode::{Refused, zeros};
use super::subfield::{encode_short_header, short_header};

/// Makes a number on the wire of which some values have names.
macro_rules! named {
    ($(#[$doc:meta])* $type:ident [$($name:literal),*]) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub struct $type(pub u16);

        impl $type {
            const NAMES: &[&str] = &[$($name),*];

            /// The name in the text.
            pub fn name(self) -> Option<&'static str> {
                Self::NAMES.get(usize::from(self.0)).copied()
            }

            /// The number of a name, in either case.
            pub fn by_name(name: &str) -> Option<Self> {
                Self::NAMES.iter().position(|known| known.eq_ignore_ascii_case(name)).map(|at| Self(at as u16))
            }

            fn decode(reader: &mut Reader<'_>, what: &'static str) -> Result<Self, DecodeError> {
                let start = *reader;
                let found = Self(reader.u16(what)?);
                match found.name() {
                    Some(_) => Ok(found),
                    None => Err(start.error(what, found.0.into(), "a known one", ErrorCode::BAC_BAD_ARGUMENT)),
                }
            }
        }
    };
}

named! {
    /// `NX_HASH_FIELDS_*`: what is hashed.
    HashFields["eth_src", "symmetric_l4", "symmetric_l3l4", "symmetric_l3l4+udp", "nw_src", "nw_dst", "symmetric_l3"]
}

named! {
    /// `NX_MP_ALG_*`: how a hash becomes a link.
    MultipathAlgorithm["modulo_n", "hash_threshold", "hrw", "iter_hash"]
}

named! {
    /// `NX_BD_ALG_*`: how a hash becomes a port.
    BundleAlgorithm["active_backup", "hrw"]
}

/// `NXAST_MULTIPATH`.
///
/// | byte | field       |                       |
/// |-----:|-------------|-----------------------|
/// |   10 | `fields`    |                       |
/// |   12 | `basis`     |                       |
/// |   14 | padding     | 2 bytes               |
/// |   16 | `algorithm` |                       |
/// |   18 | `max_link`  | number of links less 1 |
/// |   20 | `arg`       |                       |
/// |   24 | padding     | 2 bytes               |
/// |   26 | `ofs_nbits` | of `dst`              |
/// |   28 | `dst`       | header                |
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Multipath {
    /// What is hashed.
    pub fields: HashFields,
    /// Mixed into the hash.
    pub basis: u16,
    /// How a link is chosen.
    pub algorithm: MultipathAlgorithm,
    /// The highest link, from 0.
    pub max_link: u16,
    /// Argument of the algorithm.
    pub arg: u32,
    /// Where the link is written.
    pub dst: Subfield,
}

impl Multipath {
    pub(super) fn encode(&self, writer: &mut Writer) {
        writer.u16(self.fields.0);
        writer.u16(self.basis);
        writer.zeros(2);
        writer.u16(self.algorithm.0);
        writer.u16(self.max_link);
        writer.u32(self.arg);
        writer.zeros(2);
        writer.u16(self.dst.packed());
        encode_short_header(self.dst.field, writer);
    }

    /// Reads what follows the subtype.
    pub(super) fn decode(body: &mut Reader<'_>) -> Result<Self, Refused> {
        let fields = HashFields::decode(body, "multipath.fields")?;
        let basis = body.u16("multipath.basis")?;
        body.skip(2, "multipath.pad0")?;
        let algorithm = MultipathAlgorithm::decode(body, "multipath.algorithm")?;
        let max_link = body.u16("multipath.max_link")?;
        let arg = body.u32("multipath.arg")?;
        body.skip(2, "multipath.pad1")?;
        let start = *body;
        let place = body.u16("multipath.ofs_nbits")?;
        let dst = Subfield::unpacked(short_header(body)?, place);
        if u32::from(dst.bits) < Self::bits_for(max_link) {
            let expected = "bits enough for all links";
            return Err(start.error("multipath.dst", dst.bits.into(), expected, ErrorCode::BAC_BAD_ARGUMENT).into());
        }
        Ok(Self { fields, basis, algorithm, max_link, arg, dst: dst.checked_dst(&start)? })
    }

    /// Bits that the highest link takes.
    pub const fn bits_for(max_link: u16) -> u32 {
        u16::BITS - max_link.leading_zeros()
    }
}

/// `NXAST_BUNDLE`, or with `dst` `NXAST_BUNDLE_LOAD`.
///
/// | byte | field         |                          |
/// |-----:|---------------|--------------------------|
/// |   10 | `algorithm`   |                          |
/// |   12 | `fields`      |                          |
/// |   14 | `basis`       |                          |
/// |   16 | `member_type` | header of `NXM_OF_IN_PORT` |
/// |   20 | `n_members`   | at most 2,048            |
/// |   22 | `ofs_nbits`   | of `dst`, or 0           |
/// |   24 | `dst`         | header, or 0             |
/// |   28 | padding       | 4 bytes, zero            |
/// |   32 | `members`     | 2 bytes each             |
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Bundle {
    /// How a member is chosen.
    pub algorithm: BundleAlgorithm,
    /// What is hashed.
    pub fields: HashFields,
    /// Mixed into the hash.
    pub basis: u16,
    /// Where the member's port is written; without, the packet goes out there.
    pub dst: Option<Subfield>,
    /// Port numbers of OpenFlow 1.0.
    pub members: Box<[u16]>,
}

impl Bundle {
    /// `BUNDLE_MAX_MEMBERS`.
    pub const MAX_MEMBERS: u16 = 2048;

    pub(super) fn encode(&self, writer: &mut Writer) {
        writer.u16(self.algorithm.0);
        writer.u16(self.fields.0);
        writer.u16(self.basis);
        encode_short_header(&oxm::IN_PORT_16, writer);
        // More members than a 16-bit number says are longer than an action can be: that is where it is told.
        writer.u16(self.members.len() as u16);
        match self.dst {
            Some(dst) => {
                writer.u16(dst.packed());
                encode_short_header(dst.field, writer);
            }
            None => writer.zeros(6),
        }
        writer.zeros(4);
        self.members.iter().for_each(|member| writer.u16(*member));
    }

    /// Reads what follows the subtype, up to where a destination may stand.
    fn decode_head(body: &mut Reader<'_>) -> Result<(Self, u16), DecodeError> {
        let algorithm = BundleAlgorithm::decode(body, "bundle.algorithm")?;
        let fields = HashFields::decode(body, "bundle.fields")?;
        let basis = body.u16("bundle.basis")?;
        let start = *body;
        let member_type = body.u32("bundle.member_type")?;
        let count = body.u16("bundle.n_members")?;
        let bad = |what, found, expected| Err(start.error(what, found, expected, ErrorCode::BAC_BAD_ARGUMENT));
        if member_type != oxm::IN_PORT_16.nxm_header() {
            return bad("bundle.member_type", member_type.into(), "0x00000002 (NXM_OF_IN_PORT)");
        }
        if count > Self::MAX_MEMBERS {
            return bad("bundle.n_members", count.into(), "2048 at the most");
        }
        Ok((Self { algorithm, fields, basis, dst: None, members: Box::default() }, count))
    }

    /// Reads the padding and the members behind the destination.
    fn decode_members(&mut self, count: u16, body: &mut Reader<'_>) -> Result<(), DecodeError> {
        zeros(&mut body.child(4, "bundle.zero")?, "bundle.zero", ErrorCode::BAC_BAD_ARGUMENT)?;
        let mut members = body.child(2 * usize::from(count), "bundle.members")?;
        let mut found = Vec::with_capacity(usize::from(count));
        while !members.is_empty() {
            found.push(check_member(&mut members)?);
        }
        self.members = found.into();
        Ok(())
    }

    /// Reads what follows the subtype of `NXAST_BUNDLE`.
    pub(super) fn decode(body: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let (mut bundle, count) = Self::decode_head(body)?;
        zeros(&mut body.child(6, "bundle.dst")?, "bundle.dst", ErrorCode::BAC_BAD_ARGUMENT)?;
        bundle.decode_members(count, body)?;
        Ok(bundle)
    }

    /// Reads what follows the subtype of `NXAST_BUNDLE_LOAD`.
    pub(super) fn decode_load(body: &mut Reader<'_>) -> Result<Self, Refused> {
        let (mut bundle, count) = Self::decode_head(body)?;
        let start = *body;
        let place = body.u16("bundle.ofs_nbits")?;
        let dst = Subfield::unpacked(short_header(body)?, place);
        if dst.bits < 16 {
            let expected = "16 bits at the least";
            return Err(start.error("bundle.dst", dst.bits.into(), expected, ErrorCode::BAC_BAD_ARGUMENT).into());
        }
        bundle.dst = Some(dst.checked_dst(&start)?);
        bundle.decode_members(count, body)?;
        Ok(bundle)
    }
}

/// A port that packets can be sent to, no controller; `OFPP_NONE` stands for no member.
fn check_member(reader: &mut Reader<'_>) -> Result<u16, DecodeError> {
    let start = *reader;
    match reader.u16("bundle.members")? {
        port @ (0..0xff00 | 0xfff8..=0xfffc | 0xfffe | 0xffff) => Ok(port),
        port => Err(start.error("bundle.members", port.into(), "a port", ErrorCode::BAC_BAD_OUT_PORT)),
    }
}
