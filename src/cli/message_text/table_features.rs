//! Features of flow tables: what the properties of each say together, and what differs from the table before.

use std::collections::BTreeSet;

use super::{Context, Out, Stop, abbreviation, chomp};
use crate::openflow::kind::Kind;
use crate::openflow::oxm::Field;
use crate::openflow::table_features::{FeatureId, OxmId, TableFeatures, TableProperty, TablePropertyValue};
use crate::openflow::{DecodeError, Entries, ErrorCode, Reader};

pub(super) fn print(context: &Context<'_>, body: Reader<'_>, out: &mut Out) -> Option<Result<(), Stop>> {
    match context.kind() {
        Kind::TableFeaturesRequest | Kind::TableFeaturesReply => Some(tables(body, out)),
        _ => None,
    }
}

/// Fields of Open vSwitch in the order of its own list (`enum mf_field_id` of `meta-flow.h`), in which it prints
/// those of a table. A name without its number stands for all of them.
#[rustfmt::skip]
const FIELDS: &[&str] = &[
    "dp_hash", "recirc_id", "packet_type", "conj_id", "tun_id", "tun_src", "tun_dst", "tun_ipv6_src", "tun_ipv6_dst",
    "tun_flags", "tun_ttl", "tun_tos", "tun_gbp_id", "tun_gbp_flags", "tun_erspan_idx", "tun_erspan_ver",
    "tun_erspan_dir", "tun_erspan_hwid", "tun_gtpu_flags", "tun_gtpu_msgtype", "tun_metadata", "metadata", "in_port",
    "in_port_oxm", "actset_output", "skb_priority", "pkt_mark", "ct_state", "ct_zone", "ct_mark", "ct_label",
    "ct_nw_proto", "ct_nw_src", "ct_nw_dst", "ct_ipv6_src", "ct_ipv6_dst", "ct_tp_src", "ct_tp_dst", "reg", "xreg",
    "xxreg", "eth_src", "eth_dst", "eth_type", "vlan_tci", "vlan_vid", "vlan_pcp", "mpls_label", "mpls_tc",
    "mpls_bos", "mpls_ttl", "ip_src", "ip_dst", "ipv6_src", "ipv6_dst", "ipv6_label", "nw_proto", "nw_tos", "ip_dscp",
    "nw_ecn", "nw_ttl", "ip_frag", "arp_op", "arp_spa", "arp_tpa", "arp_sha", "arp_tha", "tcp_src", "tcp_dst",
    "tcp_flags", "udp_src", "udp_dst", "sctp_src", "sctp_dst", "icmp_type", "icmp_code", "icmpv6_type", "icmpv6_code",
    "nd_target", "nd_sll", "nd_tll", "nd_reserved", "nd_options_type", "nsh_flags", "nsh_mdtype", "nsh_np", "nsh_spi",
    "nsh_si", "nsh_c", "nsh_ttl",
];

/// Instructions in the order of Open vSwitch: `OFPIT_*` and name.
const INSTRUCTIONS: [(u16, &str); 6] = [
    (6, "meter"),
    (4, "apply_actions"),
    (5, "clear_actions"),
    (3, "write_actions"),
    (2, "write_metadata"),
    (1, "goto_table"),
];

/// Actions in the order of Open vSwitch: `OFPAT_*` and name. It has no others of OpenFlow 1.3.
const ACTIONS: [(u16, &str); 12] = [
    (0, "output"),
    (22, "group"),
    (25, "set_field"),
    (18, "strip_vlan"),
    (17, "push_vlan"),
    (23, "mod_nw_ttl"),
    (24, "dec_ttl"),
    (15, "set_mpls_ttl"),
    (16, "dec_mpls_ttl"),
    (19, "push_mpls"),
    (20, "pop_mpls"),
    (21, "set_queue"),
];

/// A field by its place in [`FIELDS`] and its number there.
type Fields = BTreeSet<(usize, u32, &'static str)>;

/// What actions of one kind a flow can have.
#[derive(Clone, PartialEq, Eq, Default)]
struct Actions {
    types: BTreeSet<usize>,
    set_fields: Fields,
}

/// What a flow can do.
#[derive(Clone, PartialEq, Eq, Default)]
struct Abilities {
    next: BTreeSet<u8>,
    instructions: BTreeSet<usize>,
    write: Actions,
    apply: Actions,
}

/// What a table can do.
#[derive(Clone, PartialEq, Eq, Default)]
struct Table {
    id: u8,
    name: Vec<u8>,
    metadata_match: u64,
    metadata_write: u64,
    max_entries: u32,
    others: Abilities,
    miss: Abilities,
    matching: Fields,
    masked: Fields,
    wildcard: Fields,
}

/// The properties that a table has to have.
const REQUIRED: [u16; 8] = [0, 2, 4, 6, 8, 10, 12, 14];

fn tables(body: Reader<'_>, out: &mut Out) -> Result<(), Stop> {
    let mut before: Option<Table> = None;
    let mut same: Option<(u8, u8)> = None;
    let mut result = Ok(());
    for features in Entries::<TableFeatures<'_>>::new(body) {
        match features.map_err(Stop::from).and_then(|features| Table::of(&features, &body)) {
            Ok(table) => {
                let equal = before.as_ref().is_some_and(|before| table.equals(before));
                if equal && table.name.is_empty() {
                    same = Some((same.map_or(table.id, |(first, _)| first), table.id));
                } else {
                    super::ports::ditto(out, same.take());
                    table.print(before.as_ref().filter(|_| !equal), equal, out);
                }
                before = Some(table);
            }
            Err(error) => {
                result = Err(error);
                break;
            }
        }
    }
    super::ports::ditto(out, same);
    result
}

impl Table {
    /// Puts the properties together; unknown ones, and unknown values of known ones, say nothing.
    fn of(features: &TableFeatures<'_>, at: &Reader<'_>) -> Result<Self, Stop> {
        let name = features.name.iter().take(31).copied().take_while(|&byte| byte != 0).collect();
        let mut table = Self {
            id: features.table_id.0,
            name,
            metadata_match: features.metadata_match,
            metadata_write: features.metadata_write,
            max_entries: features.max_entries,
            ..Self::default()
        };
        let mut seen = BTreeSet::new();
        for property in &features.properties {
            let number = property.property_type.0;
            if number < 32 && !seen.insert(number) {
                return Err(bad_features(at, number, "each property once"));
            }
            table.add(property)?;
        }
        if let Some(missing) = REQUIRED.into_iter().find(|required| !seen.contains(required)) {
            return Err(bad_features(at, missing, "every property that is required"));
        }
        let has = |number: u16| seen.contains(&number);
        let (others, miss) = (table.others.clone(), &mut table.miss);
        let missing = |number| !has(number);
        if missing(1) {
            miss.instructions = others.instructions;
        }
        if missing(3) {
            miss.next = others.next;
        }
        if missing(5) {
            miss.write.types = others.write.types;
        }
        if missing(7) {
            miss.apply.types = others.apply.types;
        }
        if missing(13) {
            miss.write.set_fields = others.write.set_fields;
        }
        if missing(15) {
            miss.apply.set_fields = others.apply.set_fields;
        }
        // What can be masked can be matched and left out; what cannot be matched cannot be left out either.
        table.matching.extend(&table.masked);
        table.wildcard.extend(&table.masked);
        table.wildcard.retain(|field| table.matching.contains(field));
        Ok(table)
    }

    fn add(&mut self, property: &TableProperty<'_>) -> Result<(), DecodeError> {
        let number = property.property_type.0;
        let abilities = if number % 2 == 1 { &mut self.miss } else { &mut self.others };
        match (&property.value, number) {
            (TablePropertyValue::Types(ids), 0 | 1) => abilities.instructions = places(ids, &INSTRUCTIONS),
            (TablePropertyValue::Types(ids), 4 | 5) => abilities.write.types = places(ids, &ACTIONS),
            (TablePropertyValue::Types(ids), _) => abilities.apply.types = places(ids, &ACTIONS),
            (TablePropertyValue::Tables(tables), _) => abilities.next = tables.iter().copied().collect(),
            (TablePropertyValue::Fields(ids), 8) => {
                let (masked, exact): (Vec<OxmId>, Vec<OxmId>) = ids.iter().partition(|id| id.has_mask());
                self.matching = fields(&exact);
                self.masked = fields(&masked);
            }
            (TablePropertyValue::Fields(ids), number) => {
                let fields = fields(ids);
                // A mask means something for a match alone.
                if let Some(id) = ids.iter().find(|id| id.has_mask() && field(id).is_some()) {
                    let at = Reader::at(&[], 0);
                    let expected = "a header without a mask";
                    return Err(at.error("oxm_id.hasmask", id.header.into(), expected, ErrorCode::BMC_BAD_MASK));
                }
                match number {
                    10 => self.wildcard = fields,
                    12 | 13 => abilities.write.set_fields = fields,
                    _ => abilities.apply.set_fields = fields,
                }
            }
            (TablePropertyValue::Other(_), _) => {}
        }
        Ok(())
    }

    /// True if the table can do what the one before it can.
    fn equals(&self, before: &Self) -> bool {
        self.metadata_match == before.metadata_match
            && self.metadata_write == before.metadata_write
            && self.max_entries == before.max_entries
            && self.others.equals(self.id, &before.others, before.id)
            && self.miss.equals(self.id, &before.miss, before.id)
            && self.matching == before.matching
    }

    /// `same` says that it can do what the one before it can.
    fn print(&self, before: Option<&Self>, same: bool, out: &mut Out) {
        put!(out, "\n  table {}", self.id);
        if !self.name.is_empty() {
            put!(out, " (\"");
            out.extend_from_slice(&self.name);
            put!(out, "\")");
        }
        out.push(b':');
        if same {
            return put!(out, " ditto");
        }
        out.push(b'\n');
        if self.metadata_match != 0 || self.metadata_write != 0 {
            put!(out, "    metadata: match={} write={}\n", hex(self.metadata_match), hex(self.metadata_write));
        }
        if self.max_entries != 0 {
            put!(out, "    max_entries={}\n", self.max_entries);
        }
        self.instructions(before, out);
        self.matches(before, out);
    }

    fn instructions(&self, before: Option<&Self>, out: &mut Out) {
        let same = before.is_some_and(|before| {
            self.others.equals(self.id, &before.others, before.id) && self.miss.equals(self.id, &before.miss, before.id)
        });
        if same {
            if self.others != Abilities::default() {
                put!(out, "    (same instructions)\n");
            }
        } else if self.others != self.miss {
            put!(out, "    instructions (other than table miss):\n");
            self.others.print(before.map(|before| &before.others), out);
            put!(out, "    instructions (table miss):\n");
            self.miss.print(before.map(|before| &before.miss), out);
        } else if self.others != Abilities::default() {
            put!(out, "    instructions (table miss and others):\n");
            self.others.print(before.map(|before| &before.others), out);
        }
    }

    fn matches(&self, before: Option<&Self>, out: &mut Out) {
        if self.matching.is_empty() {
            return;
        }
        if before.is_some_and(|before| before.matching == self.matching) {
            return put!(out, "    (same matching)\n");
        }
        put!(out, "    matching:\n");
        let mut kind = |title: &str, of: &dyn Fn(bool, bool) -> bool| {
            let of = |field: &&_| of(self.masked.contains(*field), self.wildcard.contains(*field));
            let fields: Fields = self.matching.iter().filter(of).copied().collect();
            if !fields.is_empty() {
                put!(out, "      {title}:");
                names(out, &fields);
                out.push(b'\n');
            }
        };
        kind("arbitrary mask", &|masked, wildcard| masked && wildcard);
        kind("exact match or wildcard", &|masked, wildcard| !masked && wildcard);
        kind("must exact match", &|masked, wildcard| !masked && !wildcard);
    }
}

/// As printf writes it: a 0 without a prefix.
fn hex(number: u64) -> String {
    if number == 0 { "0".to_owned() } else { format!("{number:#x}") }
}

/// `OFPTFFC_BAD_FEATURES`, an error of OpenFlow 1.5: in 1.3 a switch could not even send it.
fn bad_features(at: &Reader<'_>, property: u16, expected: &'static str) -> Stop {
    let error = at.error("table_property.type", property.into(), expected, ErrorCode::NXBRC_UNENCODABLE_ERROR);
    Stop::Named { error, name: "OFPTFFC_BAD_FEATURES" }
}

fn places(ids: &[FeatureId<'_>], names: &[(u16, &str)]) -> BTreeSet<usize> {
    ids.iter().filter_map(|id| names.iter().position(|(number, _)| *number == id.id)).collect()
}

/// The field that a header names, if it says its width too.
fn field(id: &OxmId) -> Option<&'static Field> {
    let (class, number) = id.code();
    let field = match id.experimenter {
        Some(experimenter) => Field::by_experimenter(experimenter, number),
        None => Field::by_code(class, number),
    };
    field.filter(|field| field.has_width(id.width()))
}

fn fields(ids: &[OxmId]) -> Fields {
    let place = |field: &'static Field| {
        let family = field.name.trim_end_matches(|c: char| c.is_ascii_digit());
        let exact = FIELDS.iter().position(|name| *name == field.name).map(|place| (place, 0));
        let numbered = || {
            let place = FIELDS.iter().position(|name| *name == family)?;
            let number = field.name.strip_prefix(family)?.parse().ok()?;
            Some((place, number))
        };
        exact.or_else(numbered).map(|(place, number)| (place, number, field.name))
    };
    ids.iter().filter_map(field).filter_map(place).collect()
}

impl Abilities {
    /// True if both can do the same. Each table may lead to any behind it: that one of two neighbours can lead to
    /// the other is no difference.
    fn equals(&self, id: u8, other: &Self, other_id: u8) -> bool {
        let (low, high, between) = if id < other_id { (self, other, other_id) } else { (other, self, id) };
        let neighbours = id.abs_diff(other_id) == 1;
        let next = if neighbours && low.next.contains(&between) && !high.next.contains(&between) {
            low.next.iter().filter(|&&table| table != between).eq(high.next.iter())
        } else {
            low.next == high.next
        };
        next && (&self.instructions, &self.write, &self.apply) == (&other.instructions, &other.write, &other.apply)
    }

    fn print(&self, before: Option<&Self>, out: &mut Out) {
        if !self.next.is_empty() {
            put!(out, "      next tables: ");
            ranges(out, &self.next);
            out.push(b'\n');
        }
        if before.is_some_and(|before| before.instructions == self.instructions && !self.instructions.is_empty()) {
            put!(out, "      (same instructions)\n");
        } else if !self.instructions.is_empty() {
            put!(out, "      instructions: ");
            words(out, &self.instructions, &INSTRUCTIONS);
            out.push(b'\n');
        }
        let same = before.is_some_and(|before| (&before.write, &before.apply) == (&self.write, &self.apply));
        if same && !self.write.set_fields.is_empty() {
            put!(out, "      (same actions)\n");
        } else if self.write != self.apply {
            put!(out, "      Write-Actions features:\n");
            self.write.print(out);
            put!(out, "      Apply-Actions features:\n");
            self.apply.print(out);
        } else if self.write != Actions::default() {
            put!(out, "      Write-Actions and Apply-Actions features:\n");
            self.write.print(out);
        }
    }
}

impl Actions {
    fn print(&self, out: &mut Out) {
        if !self.types.is_empty() {
            put!(out, "        actions: ");
            words(out, &self.types, &ACTIONS);
            out.push(b'\n');
        }
        if !self.set_fields.is_empty() {
            put!(out, "        supported on Set-Field:");
            names(out, &self.set_fields);
            out.push(b'\n');
        }
    }
}

/// Names of actions, bit n for `OFPAT_*` n; `<none>` without any that Open vSwitch has.
pub(super) fn actions(out: &mut Out, bits: u32) {
    let of = |(place, (number, _)): (usize, &(u16, &str))| (bits >> number & 1 == 1).then_some(place);
    let places: BTreeSet<usize> = ACTIONS.iter().enumerate().filter_map(of).collect();
    if places.is_empty() {
        return put!(out, "<none>");
    }
    words(out, &places, &ACTIONS);
}

fn words(out: &mut Out, places: &BTreeSet<usize>, names: &[(u16, &str)]) {
    for (_, name) in places.iter().filter_map(|&place| names.get(place)) {
        put!(out, "{name} ");
    }
    chomp(out, b' ');
}

fn ranges(out: &mut Out, tables: &BTreeSet<u8>) {
    let mut rest = tables.iter().copied().peekable();
    while let Some(first) = rest.next() {
        let mut last = first;
        while let Some(next) = rest.next_if(|&next| u16::from(next) == u16::from(last) + 1) {
            last = next;
        }
        if first == last {
            put!(out, "{first},");
        } else {
            put!(out, "{first}-{last},");
        }
    }
    chomp(out, b',');
}

fn names(out: &mut Out, fields: &Fields) {
    let names: Vec<&str> = fields.iter().map(|(_, _, name)| *name).collect();
    if !names.is_empty() {
        out.push(b' ');
        abbreviation::list(out, &names);
    }
}
