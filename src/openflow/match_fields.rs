//! A match as Open vSwitch keeps it, read from OXM TLVs and written as them: the one place where a match
//! becomes canonical.
//!
//! What several fields share is kept once: the ports of TCP, UDP and SCTP, the addresses of IPv4 and ARP,
//! the parts of a VLAN tag, the words of a wide register. Which of them goes to the wire follows from the
//! protocol. Canonical are then: fields in the order of the registry, masked-out bits zero, a full mask left
//! out, an empty one with its field, a field only where its prerequisites are met.

use std::sync::LazyLock;

use super::matching::VLAN_PRESENT;
use super::oxm::{self, EXPERIMENTER, FIELDS, Field, FieldHeader, FieldValue, Masked, Packet, Prerequisite, Tlv};
use super::{DecodeError, ErrorCode, Reader, Writer};

/// What a decoder makes of a match that a switch would refuse.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Strictness {
    /// Unknown fields and missing prerequisites are errors.
    Strict,
    /// Unknown fields are passed over, prerequisites are not looked at.
    Loose,
}

/// Which headers fields have on the wire.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Form {
    /// Those of OpenFlow 1.3.
    Oxm,
    /// Those of Nicira's extended match of OpenFlow 1.0; a cookie may be among them.
    Nxm,
}

/// `NXM_NX_COOKIE`: no field, but stands among them in Nicira's form.
const NXM_COOKIE: (u16, u8) = (0x0001, 30);

/// The bytes that all tunnel options of a match have together at the most.
const MAX_OPTIONS: usize = 256;

/// What the TLVs of most matches take at the most.
const TYPICAL_LENGTH: usize = 128;

/// The parts of a TCI.
const TCI_VID: u128 = 0x1fff;
const TCI_PCP: u128 = 0xf000;
/// The bits of the type of service byte that are the DSCP.
const TOS_DSCP: u128 = 0xfc;

/// The fields of a match.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct MatchFields {
    /// By the rank of the field that gives its place to all that share it.
    kept: Vec<(u8, Masked)>,
    /// Tunnel options, by rank.
    options: Vec<FieldValue>,
    cookie: Option<(u64, u64)>,
}

impl MatchFields {
    /// Matches every packet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The kept bits of what `field` shares with others.
    pub fn get(&self, field: &Field) -> Masked {
        let rank = field.shared_rank();
        self.kept.iter().find(|(kept, _)| *kept == rank).map_or(Masked::NONE, |(_, found)| *found)
    }

    /// True if the match looks at this tunnel option.
    pub fn has_option(&self, field: &Field) -> bool {
        self.options.iter().any(|option| option.field == field)
    }

    /// Sets those bits of what is kept for `field` that `bits` has.
    fn put(&mut self, field: &Field, found: Masked, bits: u128) {
        let rank = field.shared_rank();
        let place = match self.kept.iter().position(|(kept, _)| *kept == rank) {
            Some(place) => place,
            None => {
                self.kept.push((rank, Masked::NONE));
                self.kept.len() - 1
            }
        };
        if let Some((_, kept)) = self.kept.get_mut(place) {
            kept.value = kept.value & !bits | found.value & found.mask & bits;
            kept.mask = kept.mask & !bits | found.mask & bits;
        }
    }

    /// Sets `field`, or takes it out where the mask is empty.
    pub fn set(&mut self, field: &'static Field, found: Masked) {
        if field.is_variable() {
            let (value, mask) = (found.value & found.mask, found.mask);
            return self.set_option(FieldValue::masked(field, value, mask));
        }
        let found = Masked { mask: field.canonical_mask(found.mask), ..found };
        let kept_bits = field.shared().all_bits();
        let exact = Masked { value: found.value, mask: kept_bits };
        match field {
            _ if *field == oxm::VLAN_VID => self.put(field, found, TCI_VID),
            _ if *field == oxm::VLAN_PCP && found.mask == 0 => {
                self.put(field, found, TCI_PCP & !u128::from(VLAN_PRESENT))
            }
            _ if *field == oxm::VLAN_PCP => {
                let tci = found.value << 13 | u128::from(VLAN_PRESENT);
                self.put(field, Masked { value: tci, mask: TCI_PCP }, TCI_PCP);
            }
            _ if *field == oxm::IP_TOS => self.put(field, found, TOS_DSCP),
            _ if *field == oxm::IP_DSCP => {
                self.put(field, Masked { value: found.value << 2, mask: found.mask << 2 }, TOS_DSCP);
            }
            // 16 bits of a port number are kept; on the wire the reserved ones are the highest of 32.
            _ if *field == oxm::IN_PORT_16 && found.value >= 0xff00 && found.mask != 0 => {
                self.put(field, Masked { value: found.value | 0xffff_0000, ..exact }, kept_bits);
            }
            _ if Self::takes_value_for_mask(field) && found.mask != 0 => {
                self.put(field, Masked { value: found.value & found.mask, mask: found.value }, kept_bits);
            }
            _ if found.mask == field.all_bits() && !is_wide_register(field) => self.put(field, exact, kept_bits),
            _ => self.set_bits(field, found, field.all_bits()),
        }
        if field.prerequisite != Prerequisite::None {
            self.imply_ethernet();
        }
    }

    /// Open vSwitch 3.1 takes the value of these for their mask.
    pub fn takes_value_for_mask(field: &Field) -> bool {
        let fields = [
            &oxm::TUN_ERSPAN_VER,
            &oxm::TUN_ERSPAN_DIR,
            &oxm::TUN_ERSPAN_HWID,
            &oxm::TUN_GTPU_FLAGS,
            &oxm::TUN_GTPU_MSGTYPE,
        ];
        fields.contains(&field)
    }

    /// Sets those bits of `field` that `bits` has. Wide registers are kept as the narrow ones that they
    /// consist of.
    pub fn set_bits(&mut self, field: &'static Field, found: Masked, bits: u128) {
        if !is_wide_register(field) {
            return self.put(field, found, bits);
        }
        let words = usize::from(field.bytes) / 4;
        let family = if words == 2 { &oxm::XREG0 } else { &oxm::XXREG0 };
        let first = usize::from(oxm::REG0.rank) + usize::from(field.rank - family.rank) * words;
        for word in 0..words {
            let narrow = |wide: u128| wide >> (32 * (words - 1 - word)) & 0xffff_ffff;
            if let Some(register) = FIELDS.get(first + word) {
                self.put(register, Masked { value: narrow(found.value), mask: narrow(found.mask) }, narrow(bits));
            }
        }
    }

    /// True if there is room for this tunnel option beside those of the match.
    pub fn has_room_for(&self, option: &FieldValue) -> bool {
        let used: usize = self.options.iter().map(|option| option.value().len()).sum();
        used + option.value().len() <= MAX_OPTIONS
    }

    /// Sets a tunnel option; one that matches any value asks for its presence.
    pub fn set_option(&mut self, option: FieldValue) {
        let place = self.options.partition_point(|other| other.field.rank < option.field.rank);
        if self.options.get(place).is_some_and(|other| other.field == option.field) {
            self.options.remove(place);
        }
        self.options.insert(place, option);
    }

    /// A field of a frame says that there is one, unless the match says what there is.
    pub fn imply_ethernet(&mut self) {
        if self.get(&oxm::PACKET_TYPE).mask == 0 {
            self.put(&oxm::PACKET_TYPE, Masked::exact(0, &oxm::PACKET_TYPE), u128::MAX);
        }
    }

    /// What the match says of its packets.
    pub fn packet(&self, table: u8) -> Packet {
        let value = |field| self.get(field).value;
        let ct_state = self.get(&oxm::CT_STATE);
        Packet {
            packet_type: value(&oxm::PACKET_TYPE) as u32,
            eth_type: value(&oxm::ETH_TYPE) as u16,
            ip_proto: value(&oxm::IP_PROTO) as u8,
            fragment: value(&oxm::IP_FRAG) as u8,
            icmp_type: value(&oxm::TCP_SRC) as u8,
            icmp_code: value(&oxm::TCP_DST) as u8,
            tci: [value(&oxm::VLAN_TCI) as u16, 0],
            ct_state: ct_state.value as u32,
            ct_state_mask: ct_state.mask as u32,
            table,
        }
    }

    /// The OXM TLVs in canonical order.
    pub fn to_oxm(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        self.encode(Form::Oxm, &mut writer);
        writer.into_vec()
    }

    /// The same if a switch takes them all; else the first field whose prerequisites the match, which says `packet` of
    /// its packets, lacks, or that cannot have this value.
    pub fn to_checked_oxm(&self, packet: &Packet) -> Result<Vec<u8>, &'static Field> {
        let mut writer = Writer::with_capacity(TYPICAL_LENGTH);
        let good = |field: &Field, found: Masked| packet.has(field) && field.allows(found.value);
        match self.encode_while(Form::Oxm, packet, &mut writer, good) {
            Some(field) => Err(field),
            None => Ok(writer.into_vec()),
        }
    }

    /// Appends the TLVs in canonical order, in Nicira's form with the cookie behind them.
    pub fn encode(&self, form: Form, writer: &mut Writer) {
        self.encode_while(form, &self.packet(0), writer, |_, _| true);
        if let Some((cookie, mask)) = self.cookie.filter(|(_, mask)| *mask != 0 && form == Form::Nxm) {
            cookie_header(mask).iter().for_each(|&byte| writer.u8(byte));
            writer.u64(cookie & mask);
            if mask != u64::MAX {
                writer.u64(mask);
            }
        }
    }

    /// Appends the TLVs up to a field that is not `good`, which is returned.
    fn encode_while(
        &self,
        form: Form,
        packet: &Packet,
        writer: &mut Writer,
        good: impl Fn(&Field, Masked) -> bool,
    ) -> Option<&'static Field> {
        let candidates = self.candidates();
        let fields = || candidates.fields();
        let says_ethernet = |field: &Field| field.prerequisite != Prerequisite::None;
        let mut options = self.options.iter().peekable();
        for field in fields() {
            if let Some(option) = options.next_if(|option| option.field == field) {
                option.encode(writer);
                continue;
            }
            let implied = || fields().any(|field| says_ethernet(field) && self.wire(field, form, packet).is_some());
            if field == &oxm::PACKET_TYPE && packet.packet_type == 0 && implied() {
                continue;
            }
            if let Some(found) = self.wire(field, form, packet) {
                if !good(field, found) {
                    return Some(field);
                }
                let header = if form == Form::Oxm { &field.oxm } else { &field.nxm };
                found.encode(field, header, writer);
            }
        }
        None
    }

    /// The fields that share what is kept, and the options.
    fn candidates(&self) -> Ranks {
        let kept = self.kept.iter().map(|(rank, _)| sharing(*rank));
        let kept = kept.fold(Ranks::default(), Ranks::union);
        self.options.iter().map(|option| option.field.rank).fold(kept, Ranks::with)
    }

    /// The field as the wire has it, if it is there.
    fn wire(&self, field: &Field, form: Form, packet: &Packet) -> Option<Masked> {
        let shared = self.get(field);
        if shared.mask == 0 {
            return None;
        }
        let bits = if *field == oxm::VLAN_VID { TCI_VID } else { field.all_bits() };
        let kept = Masked { value: shared.value & bits, mask: shared.mask & bits };
        let oxm = form == Form::Oxm;
        let there = match field {
            _ if *field == oxm::IN_PORT => oxm,
            _ if *field == oxm::IN_PORT_16 || *field == oxm::VLAN_TCI => !oxm,
            _ if *field == oxm::VLAN_VID => oxm && kept.mask != 0,
            _ if *field == oxm::VLAN_PCP => {
                let there = oxm && shared.mask >> 13 & 7 != 0 && shared.value & TCI_VID != 0;
                return there.then(|| Masked::exact(shared.value >> 13, field));
            }
            _ if *field == oxm::IP_DSCP || *field == oxm::IP_TOS => {
                let there = kept.mask & TOS_DSCP != 0 && packet.is_ip() && oxm == (*field == oxm::IP_DSCP);
                let shift = if oxm { 2 } else { 0 };
                return there.then(|| Masked::exact((kept.value & TOS_DSCP) >> shift, field));
            }
            _ if [&oxm::CT_NW_PROTO, &oxm::CT_TP_SRC, &oxm::CT_TP_DST].contains(&field) => {
                self.get(&oxm::CT_NW_PROTO).value != 0
            }
            // Open vSwitch looks at the protocol only, and writes what stands alone as it is.
            _ if kept.mask == 0 => false,
            _ => match field.prerequisite {
                Prerequisite::Ethernet | Prerequisite::Nsh | Prerequisite::Tracked => true,
                _ => Packet { fragment: 0, ..*packet }.has(field),
            },
        };
        let mask = if field.maskable { field.canonical_mask(kept.mask) } else { field.all_bits() };
        there.then_some(Masked { mask, ..kept })
    }

    /// Reads TLVs, the whole of `reader`: `BMC_BAD_LEN`, `BMC_BAD_FIELD`, `BMC_BAD_WILDCARDS`, `BMC_BAD_MASK`,
    /// `BMC_BAD_VALUE`, `BMC_BAD_PREREQ`, `BMC_DUP_FIELD`, looked for in the order in which Open vSwitch does.
    pub fn decode(mut reader: Reader<'_>, form: Form, strictness: Strictness) -> Result<Self, DecodeError> {
        let mut fields = Self::new();
        while !reader.is_empty() {
            let start = reader;
            let tlv = Tlv::decode(&mut reader)?;
            check_wildcards(&tlv, &start)?;
            match tlv.field() {
                Some(field) => fields.take(field, &tlv, &start, strictness)?,
                None if form == Form::Nxm && is_cookie(&tlv) => fields.take_cookie(&tlv, &start)?,
                None if strictness == Strictness::Loose => {}
                None => {
                    let found = u64::from(tlv.class) << 16 | u64::from(tlv.number) << 9;
                    return Err(start.error(
                        "oxm.header",
                        found,
                        "a known field of its width",
                        ErrorCode::BMC_BAD_FIELD,
                    ));
                }
            }
        }
        Ok(fields)
    }

    fn take(
        &mut self,
        field: &'static Field,
        tlv: &Tlv<'_>,
        start: &Reader<'_>,
        strictness: Strictness,
    ) -> Result<(), DecodeError> {
        let error = |what, found, expected, code| Err(start.error(what, found, expected, code));
        let value = tlv.number_value();
        let mask = tlv.mask.map_or(field.all_bits(), oxm::number);
        if !field.allows_mask(mask) {
            return error("oxm.mask", mask as u64, "all of the field: it takes no mask", ErrorCode::BMC_BAD_MASK);
        }
        if !field.allows(value) {
            return error("oxm.value", value as u64, "a value that the field can have", ErrorCode::BMC_BAD_VALUE);
        }
        if strictness == Strictness::Strict && !self.packet(0).has(field) {
            let expected = "the field's prerequisites before it";
            return error("oxm.field", field.oxm.number.into(), expected, ErrorCode::BMC_BAD_PREREQ);
        }
        if self.looks_at(field) {
            return error("oxm.field", field.oxm.number.into(), "each field once", ErrorCode::BMC_DUP_FIELD);
        }
        if !field.is_variable() {
            self.set(field, Masked { value, mask });
            return Ok(());
        }
        let option = FieldValue::of_bytes(field, tlv.value, tlv.mask);
        if !self.has_room_for(&option) {
            let expected = "at most 256 bytes of tunnel options";
            return error("oxm.length", tlv.value.len() as u64, expected, ErrorCode::BMC_BAD_VALUE);
        }
        self.set_option(option);
        Ok(())
    }

    /// True if some bits of the field count already.
    fn looks_at(&self, field: &'static Field) -> bool {
        let bits = match field {
            _ if field.is_variable() => return self.has_option(field),
            _ if *field == oxm::VLAN_VID => TCI_VID,
            _ if *field == oxm::VLAN_PCP => TCI_PCP & !u128::from(VLAN_PRESENT),
            _ if is_wide_register(field) => return self.looks_at_words(field),
            _ => field.shared().all_bits(),
        };
        self.get(field).mask & bits != 0
    }

    fn looks_at_words(&self, field: &'static Field) -> bool {
        let mut words = Self::new();
        words.set_bits(field, Masked::exact(0, field), field.all_bits());
        words.kept.iter().any(|(rank, _)| self.kept.iter().any(|(kept, found)| kept == rank && found.mask != 0))
    }

    fn take_cookie(&mut self, tlv: &Tlv<'_>, start: &Reader<'_>) -> Result<(), DecodeError> {
        if self.cookie.is_some_and(|(_, mask)| mask != 0) {
            return Err(start.error("oxm.field", NXM_COOKIE.1.into(), "each field once", ErrorCode::BMC_DUP_FIELD));
        }
        self.cookie = Some((tlv.number_value() as u64, tlv.mask.map_or(u64::MAX, |mask| oxm::number(mask) as u64)));
        Ok(())
    }
}

/// A set of ranks.
#[derive(Clone, Copy, Default)]
struct Ranks([u128; 2]);

impl Ranks {
    fn with(mut self, rank: u8) -> Self {
        if let Some(half) = self.0.get_mut(usize::from(rank >> 7)) {
            *half |= 1 << (rank & 0x7f);
        }
        self
    }

    fn union(self, other: Self) -> Self {
        let ([a, b], [c, d]) = (self.0, other.0);
        Self([a | c, b | d])
    }

    /// Their fields in the order of the registry.
    fn fields(self) -> impl Iterator<Item = &'static Field> {
        let [mut low, mut high] = self.0;
        std::iter::from_fn(move || {
            let (half, base) = if low != 0 { (&mut low, 0) } else { (&mut high, 128) };
            let rank = (*half != 0).then(|| half.trailing_zeros() as usize)?;
            *half &= *half - 1;
            FIELDS.get(base + rank).copied()
        })
    }
}

/// The fields that are kept in the place of the field of this rank.
fn sharing(rank: u8) -> Ranks {
    static SHARING: LazyLock<Vec<Ranks>> = LazyLock::new(|| {
        let mut sharing = vec![Ranks::default(); FIELDS.len()];
        for field in FIELDS {
            if let Some(ranks) = sharing.get_mut(usize::from(field.shared_rank())) {
                *ranks = ranks.with(field.rank);
            }
        }
        sharing
    });
    SHARING.get(usize::from(rank)).copied().unwrap_or_default()
}

/// Reads a match and writes it in canonical form. Errors as of [`MatchFields::decode`].
pub fn canonical(tlvs: Reader<'_>, strictness: Strictness) -> Result<Vec<u8>, DecodeError> {
    MatchFields::decode(tlvs, Form::Oxm, strictness).map(|fields| fields.to_oxm())
}

fn is_wide_register(field: &Field) -> bool {
    (oxm::XREG0.rank..=oxm::XXREG3.rank).contains(&field.rank)
}

fn is_cookie(tlv: &Tlv<'_>) -> bool {
    (tlv.class, tlv.number) == NXM_COOKIE && tlv.value.len() == 8
}

fn cookie_header(mask: u64) -> [u8; 4] {
    let [high, low] = NXM_COOKIE.0.to_be_bytes();
    let masked = u8::from(mask != u64::MAX);
    [high, low, NXM_COOKIE.1 << 1 | masked, 8 << masked]
}

/// Holds that the value has no bits where its mask has none.
fn check_wildcards(tlv: &Tlv<'_>, start: &Reader<'_>) -> Result<(), DecodeError> {
    let Some(mask) = tlv.mask else { return Ok(()) };
    let stray = tlv.value.iter().zip(mask).find(|(value, mask)| **value & !**mask != 0);
    match stray {
        None => Ok(()),
        Some((&value, _)) => {
            let expected = "zero bits where the mask has zeros";
            Err(start.error("oxm.value", value.into(), expected, ErrorCode::BMC_BAD_WILDCARDS))
        }
    }
}

impl Masked {
    /// Appends the TLV of `field` under `header`, with a mask if not all bits count.
    fn encode(self, field: &Field, header: &FieldHeader, writer: &mut Writer) {
        let masked = self.mask != field.all_bits();
        writer.u16(header.class);
        writer.u8(header.number << 1 | u8::from(masked));
        let length = field.bytes << u8::from(masked);
        if header.class == EXPERIMENTER {
            writer.u8(length + 4);
            writer.u32(header.experimenter);
        } else {
            writer.u8(length);
        }
        let from = 16_usize.saturating_sub(usize::from(field.bytes));
        writer.bytes(self.value.to_be_bytes().get(from..).unwrap_or_default());
        if masked {
            writer.bytes(self.mask.to_be_bytes().get(from..).unwrap_or_default());
        }
    }
}

#[cfg(test)]
#[path = "match_fields_tests.rs"]
mod tests;
