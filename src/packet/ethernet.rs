//! Ethernet frames, with 802.1Q and 802.1ad (QinQ) tags, and 802.2 with a SNAP header.

use super::{PacketError, Payload};
use crate::openflow::MacAddr;
use crate::openflow::numbers::{ETH_TYPE_SERVICE_VLAN, ETH_TYPE_VLAN};

/// What OpenFlow has for the type of a frame that has none (`OFP_DL_TYPE_NOT_ETH_TYPE`): 802.2 without SNAP.
pub const ETH_TYPE_NONE: u16 = 0x05ff;

/// The lowest EtherType; lower numbers are lengths of 802.3.
const ETH_TYPE_MIN: u16 = 0x0600;
/// DSAP, SSAP and control byte of SNAP, and the organization under which types are EtherTypes.
const SNAP: [u8; 6] = [0xaa, 0xaa, 0x03, 0, 0, 0];

/// The tags of a frame that are told apart.
pub const MAX_TAGS: usize = 2;

/// True for the type of a tag.
#[inline]
pub const fn is_vlan(eth_type: u16) -> bool {
    matches!(eth_type, ETH_TYPE_VLAN | ETH_TYPE_SERVICE_VLAN)
}

/// A VLAN tag (IEEE 802.1Q clause 9): 2 bytes of type in front, which say which kind of tag, and 2 bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct VlanTag {
    /// [`ETH_TYPE_VLAN`] or [`ETH_TYPE_SERVICE_VLAN`].
    pub tpid: u16,
    /// Priority (3 bits), drop eligible (1 bit), VLAN id (12 bits).
    pub tci: u16,
}

impl VlanTag {
    /// The VLAN id.
    pub const fn vid(self) -> u16 {
        self.tci & 0x0fff
    }

    /// The priority.
    pub const fn pcp(self) -> u8 {
        (self.tci >> 13) as u8
    }

    /// Takes off what stands behind `tpid`: the tag's value, and the type of what follows.
    #[inline]
    pub(super) fn decode(tpid: u16, rest: &mut Payload<'_>) -> Result<(Self, u16), PacketError> {
        let [a, b, c, d] = rest.array("vlan")?;
        Ok((Self { tpid, tci: u16::from_be_bytes([a, b]) }, u16::from_be_bytes([c, d])))
    }
}

/// An Ethernet frame without its check sequence.
///
/// | byte | field       |                                          |
/// |-----:|-------------|------------------------------------------|
/// |    0 | destination |                                          |
/// |    6 | source      |                                          |
/// |   12 | tags        | 4 bytes each                             |
/// |      | type        | or the length of an 802.2 frame with SNAP |
/// |      | payload     |                                          |
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ethernet<'a> {
    /// To whom.
    pub dst: MacAddr,
    /// From whom.
    pub src: MacAddr,
    /// The outer tag, the one within it. A third one is payload.
    pub tags: [Option<VlanTag>; MAX_TAGS],
    /// What the payload is; [`ETH_TYPE_NONE`] where nothing says so.
    pub eth_type: u16,
    /// What follows; padding too.
    pub payload: Payload<'a>,
}

impl<'a> Ethernet<'a> {
    /// Bytes of the header without tags.
    pub const HEADER_LEN: usize = 14;

    /// Reads a frame. Errors: a frame, a tag or a SNAP header that is cut off.
    #[inline]
    pub fn decode(mut frame: Payload<'a>) -> Result<Self, PacketError> {
        let (dst, src, mut eth_type) = addresses(&mut frame)?;
        let mut tags = [None; MAX_TAGS];
        // One way out: a second one would copy the whole view through memory.
        if eth_type < ETH_TYPE_MIN || is_vlan(eth_type) {
            (tags, eth_type) = unusual(eth_type, &mut frame)?;
        }
        Ok(Self { dst, src, tags, eth_type, payload: frame })
    }
}

/// The tags, and the type behind them and a SNAP header; most frames have neither.
fn unusual(mut eth_type: u16, frame: &mut Payload<'_>) -> Result<([Option<VlanTag>; MAX_TAGS], u16), PacketError> {
    let mut tags = [None; MAX_TAGS];
    for place in &mut tags {
        if is_vlan(eth_type) {
            let (tag, next) = VlanTag::decode(eth_type, frame)?;
            *place = Some(tag);
            eth_type = next;
        }
    }
    Ok((tags, snap(eth_type, frame)?))
}

/// What a bridge looks at: the addresses, and the outer tag.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Addresses {
    /// To whom.
    pub dst: MacAddr,
    /// From whom.
    pub src: MacAddr,
    /// In which VLAN, if the frame has a tag.
    pub tag: Option<VlanTag>,
}

impl Addresses {
    /// Reads the head of a frame, whatever follows. Errors: one that is cut off within it.
    pub fn decode(mut frame: Payload<'_>) -> Result<Self, PacketError> {
        let (dst, src, eth_type) = addresses(&mut frame)?;
        let tag = match is_vlan(eth_type) {
            true => Some(VlanTag::decode(eth_type, &mut frame)?.0),
            false => None,
        };
        Ok(Self { dst, src, tag })
    }
}

/// Takes the header without tags off: destination, source and the type as it stands.
#[inline]
pub(super) fn addresses(frame: &mut Payload<'_>) -> Result<(MacAddr, MacAddr, u16), PacketError> {
    let mut header = frame.take(Ethernet::HEADER_LEN, "ethernet")?;
    let (dst, src) = (header.array("ethernet.dst")?, header.array("ethernet.src")?);
    Ok((MacAddr(dst), MacAddr(src), u16::from_be_bytes(header.array("ethernet.type")?)))
}

/// The type of what `rest` begins with, where `found` is a type or a length. Takes a SNAP header off.
#[inline]
pub(super) fn snap(found: u16, rest: &mut Payload<'_>) -> Result<u16, PacketError> {
    if found >= ETH_TYPE_MIN { Ok(found) } else { type_of_length(rest) }
}

/// The type of what `rest` begins with, which only a length stands in front of.
#[cold]
fn type_of_length(rest: &mut Payload<'_>) -> Result<u16, PacketError> {
    let mut behind = *rest;
    let [a, b, c, d, e, f, type_high, type_low] = behind.array("snap")?;
    if [a, b, c, d, e, f] != SNAP {
        return Ok(ETH_TYPE_NONE);
    }
    *rest = behind;
    let eth_type = u16::from_be_bytes([type_high, type_low]);
    Ok(if eth_type >= ETH_TYPE_MIN { eth_type } else { ETH_TYPE_NONE })
}
