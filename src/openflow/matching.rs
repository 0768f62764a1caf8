//! Matches: OXM TLVs in canonical form, and the `ofp_match` around them (OpenFlow 1.3.5 §7.2.3).
//!
//! Canonical is the form in which Open vSwitch 3.1 sends a match back: fields in the order of the
//! registry, masked-out bits zero, a full mask left out, an empty one with its field. Equal matches
//! then have equal bytes.

use std::net::{Ipv4Addr, Ipv6Addr};

use ipnetwork::IpNetwork;

use super::match_fields::{Form, MatchFields, Strictness};
use super::numbers::IP_PROTO_UDP;
pub use super::numbers::{ETH_TYPE_ARP, ETH_TYPE_IPV4, ETH_TYPE_IPV6, ETH_TYPE_VLAN, IP_PROTO_ICMPV6};
use super::oxm::{self, Field, FieldValue, Tlv};
use super::{DecodeError, EncodeError, ErrorCode, MacAddr, PortNo, Reader, Writer};

/// `OFPVID_PRESENT`: there is a VLAN tag.
pub const VLAN_PRESENT: u16 = 0x1000;

const OFPMT_OXM: u16 = 1;

/// A match being built, canonical at every step. The default matches every packet.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Match {
    tlvs: Vec<u8>,
    /// Rank of the last field, to append without a search.
    last: Option<u8>,
}

impl Match {
    /// Matches every packet.
    pub fn new() -> Self {
        Self { tlvs: Vec::with_capacity(48), last: None }
    }

    /// The TLVs, without `ofp_match`'s header and padding.
    pub fn as_bytes(&self) -> &[u8] {
        &self.tlvs
    }

    /// Adds a field, in its canonical place. Must not be there yet.
    #[must_use]
    pub fn with(mut self, value: FieldValue) -> Self {
        if let Some(mask) = value.mask() {
            let mask = value.field.canonical_mask(oxm::number(mask));
            if mask == 0 {
                return self;
            }
            if mask == value.field.all_bits() {
                return self.with(FieldValue::new(value.field, oxm::number(value.value())));
            }
        }
        let rank = value.field.rank;
        if self.last.is_none_or(|last| last < rank) {
            let mut writer = Writer::from_vec(self.tlvs);
            value.encode(&mut writer);
            return Self { tlvs: writer.into_vec(), last: Some(rank) };
        }
        let mut writer = Writer::new();
        value.encode(&mut writer);
        let place = self.place_of(rank);
        self.tlvs.splice(place..place, writer.into_vec());
        self
    }

    /// Where a field of this rank belongs: before the first of a higher one.
    fn place_of(&self, rank: u8) -> usize {
        let mut reader = Reader::new(&self.tlvs);
        loop {
            let place = reader.offset();
            match Tlv::decode(&mut reader) {
                Ok(tlv) if tlv.field().is_none_or(|field| field.rank < rank) => {}
                _ => return place,
            }
        }
    }

    /// `in_port=PORT`.
    #[must_use]
    pub fn in_port(self, port: PortNo) -> Self {
        self.with(FieldValue::new(&oxm::IN_PORT, u128::from(port.0)))
    }

    /// `dl_src=MAC`.
    #[must_use]
    pub fn eth_src(self, mac: MacAddr) -> Self {
        self.with(FieldValue::new(&oxm::ETH_SRC, mac_number(mac)))
    }

    /// `dl_dst=MAC`.
    #[must_use]
    pub fn eth_dst(self, mac: MacAddr) -> Self {
        self.with(FieldValue::new(&oxm::ETH_DST, mac_number(mac)))
    }

    /// `dl_dst=MAC/MASK`.
    #[must_use]
    pub fn eth_dst_masked(self, mac: MacAddr, mask: MacAddr) -> Self {
        self.with(FieldValue::masked(&oxm::ETH_DST, mac_number(mac), mac_number(mask)))
    }

    /// `dl_type=TYPE`.
    #[must_use]
    pub fn eth_type(self, eth_type: u16) -> Self {
        self.with(FieldValue::new(&oxm::ETH_TYPE, u128::from(eth_type)))
    }

    /// `dl_vlan=VID`: tagged, with this VLAN id.
    #[must_use]
    pub fn vlan(self, vid: u16) -> Self {
        self.with(FieldValue::new(&oxm::VLAN_VID, u128::from(vid | VLAN_PRESENT)))
    }

    /// `vlan_tci=0x0000/0x1fff`: untagged.
    #[must_use]
    pub fn untagged(self) -> Self {
        self.with(FieldValue::new(&oxm::VLAN_VID, 0))
    }

    /// `arp_op=OP`.
    #[must_use]
    pub fn arp_op(self, op: u16) -> Self {
        self.with(FieldValue::new(&oxm::ARP_OP, u128::from(op)))
    }

    /// `arp_spa=ADDRESS[/PREFIX]`; an IPv6 network matches like its lowest 32 bits and has no use here.
    #[must_use]
    pub fn arp_spa(self, network: IpNetwork) -> Self {
        let (value, mask) = network_numbers(network);
        self.with(FieldValue::masked(&oxm::ARP_SPA, value, mask))
    }

    /// `arp_tpa=ADDRESS`.
    #[must_use]
    pub fn arp_tpa(self, address: Ipv4Addr) -> Self {
        self.with(FieldValue::new(&oxm::ARP_TPA, u128::from(u32::from(address))))
    }

    /// `arp_tha=MAC`.
    #[must_use]
    pub fn arp_tha(self, mac: MacAddr) -> Self {
        self.with(FieldValue::new(&oxm::ARP_THA, mac_number(mac)))
    }

    /// `udp,tp_src=SRC,tp_dst=DST`, with the prerequisites of IPv4.
    #[must_use]
    pub fn udp4(self, src: u16, dst: u16) -> Self {
        self.eth_type(ETH_TYPE_IPV4)
            .with(FieldValue::new(&oxm::IP_PROTO, u128::from(IP_PROTO_UDP)))
            .with(FieldValue::new(&oxm::UDP_SRC, u128::from(src)))
            .with(FieldValue::new(&oxm::UDP_DST, u128::from(dst)))
    }

    /// `udp6,tp_src=SRC,tp_dst=DST`, with the prerequisites of IPv6.
    #[must_use]
    pub fn udp6(self, src: u16, dst: u16) -> Self {
        self.eth_type(ETH_TYPE_IPV6)
            .with(FieldValue::new(&oxm::IP_PROTO, u128::from(IP_PROTO_UDP)))
            .with(FieldValue::new(&oxm::UDP_SRC, u128::from(src)))
            .with(FieldValue::new(&oxm::UDP_DST, u128::from(dst)))
    }

    /// `ipv6_dst=ADDRESS`.
    #[must_use]
    pub fn ipv6_dst(self, address: Ipv6Addr) -> Self {
        self.with(FieldValue::new(&oxm::IPV6_DST, u128::from(address)))
    }

    /// `nw_dst=ADDRESS`.
    #[must_use]
    pub fn ipv4_dst(self, address: Ipv4Addr) -> Self {
        self.with(FieldValue::new(&oxm::IPV4_DST, u128::from(u32::from(address))))
    }

    /// `icmp6,icmp_type=TYPE`, with its prerequisites.
    #[must_use]
    pub fn icmpv6_type(self, icmp_type: u8) -> Self {
        self.eth_type(ETH_TYPE_IPV6)
            .with(FieldValue::new(&oxm::IP_PROTO, u128::from(IP_PROTO_ICMPV6)))
            .with(FieldValue::new(&oxm::ICMPV6_TYPE, u128::from(icmp_type)))
    }

    /// `nd_target=ADDRESS[/PREFIX]`.
    #[must_use]
    pub fn nd_target(self, network: IpNetwork) -> Self {
        let (value, mask) = network_numbers(network);
        self.with(FieldValue::masked(&oxm::ND_TARGET, value, mask))
    }

    /// `ip_proto=NUMBER`; the EtherType has to be there.
    #[must_use]
    pub fn ip_proto(self, protocol: u8) -> Self {
        self.field(&oxm::IP_PROTO, protocol.into())
    }

    /// `nw_src=NETWORK` or `ipv6_src=NETWORK`; the EtherType has to be there.
    #[must_use]
    pub fn ip_src(self, network: IpNetwork) -> Self {
        let (value, mask) = network_numbers(network);
        let field = if network.is_ipv4() { &oxm::IPV4_SRC } else { &oxm::IPV6_SRC };
        self.with(FieldValue::masked(field, value, mask))
    }

    /// `nw_dst=NETWORK` or `ipv6_dst=NETWORK`; the EtherType has to be there.
    #[must_use]
    pub fn ip_dst(self, network: IpNetwork) -> Self {
        let (value, mask) = network_numbers(network);
        let field = if network.is_ipv4() { &oxm::IPV4_DST } else { &oxm::IPV6_DST };
        self.with(FieldValue::masked(field, value, mask))
    }

    /// `ct_nw_src=NETWORK` or `ct_ipv6_src=NETWORK`; the EtherType and `ct_state=-inv+trk` have to be there.
    #[must_use]
    pub fn ct_ip_src(self, network: IpNetwork) -> Self {
        let (value, mask) = network_numbers(network);
        let field = if network.is_ipv4() { &oxm::CT_NW_SRC } else { &oxm::CT_IPV6_SRC };
        self.with(FieldValue::masked(field, value, mask))
    }

    /// `ct_nw_dst=NETWORK` or `ct_ipv6_dst=NETWORK`; the EtherType and `ct_state=-inv+trk` have to be there.
    #[must_use]
    pub fn ct_ip_dst(self, network: IpNetwork) -> Self {
        let (value, mask) = network_numbers(network);
        let field = if network.is_ipv4() { &oxm::CT_NW_DST } else { &oxm::CT_IPV6_DST };
        self.with(FieldValue::masked(field, value, mask))
    }

    /// All of a field; what it takes to have the field has to be there.
    #[must_use]
    pub fn field(self, field: &'static Field, number: u128) -> Self {
        self.with(FieldValue::new(field, number))
    }

    /// The bits of a mask of a field; what it takes to have the field has to be there.
    #[must_use]
    pub fn field_masked(self, field: &'static Field, number: u128, mask: u128) -> Self {
        self.with(FieldValue::masked(field, number, mask))
    }

    /// `tun_id=ID`.
    #[must_use]
    pub fn tun_id(self, id: u64) -> Self {
        self.with(FieldValue::new(&oxm::TUN_ID, u128::from(id)))
    }

    /// Reads an `ofp_match` with its padding and returns its TLVs, each held well-formed.
    pub fn decode_tlvs<'a>(reader: &mut Reader<'a>) -> Result<&'a [u8], DecodeError> {
        let start = *reader;
        let match_type = reader.u16("match.type")?;
        if match_type != OFPMT_OXM {
            return Err(start.error("match.type", u64::from(match_type), "1 (OXM)", ErrorCode::BMC_BAD_TYPE));
        }
        let before_length = *reader;
        let length = reader.u16("match.length")?;
        let bad_length =
            |expected| before_length.error("match.length", u64::from(length), expected, ErrorCode::BMC_BAD_LEN);
        let body = usize::from(length).checked_sub(4).ok_or_else(|| bad_length("at least 4"))?;
        let tlvs = reader.child(body, "match.oxm_fields").map_err(|_| bad_length("no more than what is left"))?;
        let padding = (body + 4).next_multiple_of(8) - (body + 4);
        reader.skip(padding, "match.pad").map_err(|_| bad_length("with its padding no more than what is left"))?;
        let broken = oxm::Tlvs::new(tlvs).find_map(Result::err);
        match broken {
            None => Ok(tlvs.rest()),
            // What is wrong with a field before the one that is cut comes first.
            Some(error) => Err(MatchFields::decode(tlvs, Form::Oxm, Strictness::Strict).err().unwrap_or(error)),
        }
    }

    /// Appends an `ofp_match` around `tlvs`, padded to 8 bytes.
    pub fn encode_tlvs(tlvs: &[u8], writer: &mut Writer) -> Result<(), EncodeError> {
        let mark = writer.begin();
        writer.u16(OFPMT_OXM);
        writer.u16(0);
        writer.bytes(tlvs);
        writer.end(mark, 2, "match")?;
        writer.pad8(mark);
        Ok(())
    }
}

/// A MAC address as a number.
pub fn mac_number(mac: MacAddr) -> u128 {
    oxm::number(&mac.0)
}

/// Address and mask of a network as numbers.
fn network_numbers(network: IpNetwork) -> (u128, u128) {
    match network {
        IpNetwork::V4(v4) => (u128::from(u32::from(v4.network())), u128::from(u32::from(v4.mask()))),
        IpNetwork::V6(v6) => (u128::from(v6.network()), u128::from(v6.mask())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(text: &str) -> IpNetwork {
        text.parse().unwrap()
    }

    #[test]
    fn fields_land_in_canonical_order_whatever_the_order_of_calls() {
        let mac = MacAddr([0xfa, 0x16, 0x3e, 0, 1, 1]);
        let sorted = Match::new().in_port(PortNo(3)).eth_src(mac).eth_type(ETH_TYPE_ARP).vlan(1).arp_op(1);
        let shuffled = Match::new().arp_op(1).vlan(1).eth_src(mac).in_port(PortNo(3)).eth_type(ETH_TYPE_ARP);
        assert_eq!(sorted.as_bytes(), shuffled.as_bytes());
    }

    #[test]
    fn full_masks_are_left_out_and_empty_ones_match_all() {
        let arp = || Match::new().eth_type(ETH_TYPE_ARP);
        assert_eq!(arp().arp_spa(network("0.0.0.0/0")), arp());
        let host = arp().arp_spa(network("10.0.1.11/32"));
        assert_eq!(&host.as_bytes()[6..], [0x80, 0, 44, 4, 10, 0, 1, 11]);
        let block = arp().arp_spa(network("10.0.9.77/24"));
        assert_eq!(&block.as_bytes()[6..], [0x80, 0, 45, 8, 10, 0, 9, 0, 255, 255, 255, 0]);
    }

    #[test]
    fn rejects_every_prefix_of_a_match() {
        let mut writer = Writer::new();
        Match::encode_tlvs(Match::new().in_port(PortNo(1)).vlan(7).as_bytes(), &mut writer).unwrap();
        let bytes = writer.into_vec();
        assert_eq!(bytes.len() % 8, 0);
        for end in 0..bytes.len() {
            assert!(Match::decode_tlvs(&mut Reader::new(&bytes[..end])).is_err(), "{end}");
        }
        let mut reader = Reader::new(&bytes);
        assert_eq!(Match::decode_tlvs(&mut reader).unwrap(), Match::new().in_port(PortNo(1)).vlan(7).as_bytes());
        assert!(reader.is_empty());
    }

    #[test]
    fn the_error_of_a_field_comes_before_that_of_a_cut_one_behind_it() {
        for (bytes, offset, code) in [
            // ARP's opcode without its EtherType, then two bytes that are no header.
            ([0, 1, 0, 12, 0x80, 0, 0x2a, 2, 0, 1, 0, 0, 0, 0, 0, 0], 52, ErrorCode::BMC_BAD_PREREQ),
            ([0, 1, 0, 12, 0x80, 0, 0x0a, 2, 8, 0, 0, 0, 0, 0, 0, 0], 60, ErrorCode::BMC_BAD_LEN),
            ([0, 1, 0, 24, 0x80, 0, 0x0a, 2, 8, 0, 0, 0, 0, 0, 0, 0], 50, ErrorCode::BMC_BAD_LEN),
        ] {
            let error = Match::decode_tlvs(&mut Reader::at(&bytes, 48)).unwrap_err();
            assert_eq!((error.offset, error.code), (offset, code));
        }
    }
}
