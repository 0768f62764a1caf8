//! In which order flows are printed: `--sort` and `--rsort`, as `ovs-ofctl(8)` has them.

use std::cmp::Ordering;
use std::str::FromStr;

use crate::openflow::oxm::{self, Field, Tlvs};
use crate::openflow::{DecodeError, FlowStats, Reader};

/// What flows can be sorted by besides match fields.
const ATTRIBUTES: [(&str, Attribute); 8] = [
    ("priority", |flow| Some(flow.priority.into())),
    ("table", |flow| Some(flow.table.0.into())),
    ("cookie", |flow| Some(flow.cookie.0.into())),
    ("n_packets", |flow| counter(flow.packet_count)),
    ("n_bytes", |flow| counter(flow.byte_count)),
    ("duration", |flow| Some(u128::from(flow.duration_sec) << 32 | u128::from(flow.duration_nsec))),
    ("idle_timeout", |flow| timeout(flow.idle_timeout)),
    ("hard_timeout", |flow| timeout(flow.hard_timeout)),
];

type Attribute = fn(&FlowStats<'_>) -> Option<u128>;

/// All ones: the switch does not count.
fn counter(count: u64) -> Option<u128> {
    (count != u64::MAX).then_some(count.into())
}

/// 0: none.
fn timeout(seconds: u16) -> Option<u128> {
    (seconds != 0).then_some(seconds.into())
}

/// What flows are sorted by.
#[derive(Clone, Debug)]
pub struct SortKey(Value);

#[derive(Clone, Debug)]
enum Value {
    Attribute(Attribute),
    /// The first of these that a match has.
    Fields(Vec<&'static Field>),
}

/// A name that is neither field nor attribute.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("found {0:?}, expected a match field, or one of {names}", names = ATTRIBUTES.map(|(name, _)| name).join(", "))]
pub struct UnknownKey(String);

impl FromStr for SortKey {
    type Err = UnknownKey;

    fn from_str(name: &str) -> Result<Self, UnknownKey> {
        if let Some((_, attribute)) = ATTRIBUTES.iter().find(|(other, _)| *other == name) {
            return Ok(Self(Value::Attribute(*attribute)));
        }
        // One name for what the wire has several fields for.
        let fields = match name {
            "in_port" => vec![&oxm::IN_PORT],
            "dl_vlan" => vec![&oxm::VLAN_VID],
            "dl_vlan_pcp" => vec![&oxm::VLAN_PCP],
            "nw_tos" => vec![&oxm::IP_DSCP, &oxm::IP_TOS],
            "tp_src" => vec![&oxm::TCP_SRC, &oxm::UDP_SRC, &oxm::SCTP_SRC],
            "tp_dst" => vec![&oxm::TCP_DST, &oxm::UDP_DST, &oxm::SCTP_DST],
            _ => vec![field(name).ok_or_else(|| UnknownKey(name.to_owned()))?],
        };
        Ok(Self(Value::Fields(fields)))
    }
}

fn field(name: &str) -> Option<&'static Field> {
    Field::by_name(name).or_else(|| Field::by_header_name(name))
}

/// Upwards or downwards.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Direction {
    /// `--sort`.
    Ascending,
    /// `--rsort`.
    Descending,
}

/// By what flows are sorted, the first first.
#[derive(Clone, Debug, Default)]
pub struct Order(Vec<(SortKey, Direction)>);

/// Where one flow stands in an [`Order`]: a value for each key, none if the flow does not have it.
pub type Place = Box<[Option<u128>]>;

impl Order {
    /// Sorts by these, the first first.
    pub const fn new(keys: Vec<(SortKey, Direction)>) -> Self {
        Self(keys)
    }

    /// True if nothing was asked for.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The direction of each key.
    #[cfg(test)]
    pub(super) fn directions(&self) -> impl Iterator<Item = Direction> {
        self.0.iter().map(|(_, direction)| *direction)
    }

    /// Where `flow` stands. Without keys this takes no memory.
    pub fn place(&self, flow: &FlowStats<'_>) -> Result<Place, DecodeError> {
        self.0.iter().map(|(key, _)| value(key, flow)).collect()
    }

    /// What has no value stands last in both directions.
    pub fn compare(&self, a: &Place, b: &Place) -> Ordering {
        let mut keys =
            self.0.iter().zip(a.iter().zip(b.iter())).map(|((_, direction), pair)| match (pair, direction) {
                ((Some(a), Some(b)), Direction::Ascending) => a.cmp(b),
                ((Some(a), Some(b)), Direction::Descending) => b.cmp(a),
                ((a, b), _) => a.is_none().cmp(&b.is_none()),
            });
        keys.find(|ordering| ordering.is_ne()).unwrap_or(Ordering::Equal)
    }
}

fn value(key: &SortKey, flow: &FlowStats<'_>) -> Result<Option<u128>, DecodeError> {
    let fields = match &key.0 {
        Value::Attribute(attribute) => return Ok(attribute(flow)),
        Value::Fields(fields) => fields,
    };
    for tlv in Tlvs::new(Reader::new(flow.match_tlvs)) {
        let tlv = tlv?;
        if tlv.field().is_some_and(|field| fields.contains(&field)) {
            return Ok(Some(tlv.number_value()));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::parse::{NoNames, flow_stats};

    fn sorted(keys: &[(&str, Direction)], texts: [&'static str; 4]) -> Vec<&'static str> {
        let keys = keys.iter().map(|(name, direction)| (name.parse().unwrap(), *direction)).collect();
        let order = Order::new(keys);
        let mut placed = texts.map(|text| {
            let flow = flow_stats(text, &NoNames).unwrap();
            (order.place(&flow.to_flow_stats()).unwrap(), text)
        });
        placed.sort_by(|(a, _), (b, _)| order.compare(a, b));
        placed.map(|(_, text)| text).to_vec()
    }

    #[test]
    fn flows_without_the_field_stand_last_in_both_directions() {
        use Direction::{Ascending, Descending};
        let texts = [
            "priority=1,arp actions=drop",
            "ip,nw_src=10.0.0.9 actions=drop",
            "ip,nw_src=10.0.0.128/25 actions=drop",
            "ip,nw_src=9.255.0.0 actions=drop",
        ];
        assert_eq!(sorted(&[("nw_src", Ascending)], texts), [texts[3], texts[1], texts[2], texts[0]]);
        assert_eq!(sorted(&[("ip_src", Descending)], texts), [texts[2], texts[1], texts[3], texts[0]]);
    }

    #[test]
    fn the_second_key_decides_where_the_first_does_not() {
        use Direction::{Ascending, Descending};
        let texts = [
            "table=1,n_packets=5,udp,tp_dst=53 actions=drop",
            "table=1,n_packets=7,tcp,tp_dst=80 actions=drop",
            "table=0,n_packets=? actions=drop",
            "table=0,n_packets=0,tcp actions=drop",
        ];
        let expected = [texts[3], texts[2], texts[1], texts[0]];
        assert_eq!(sorted(&[("table", Ascending), ("n_packets", Descending)], texts), expected);
        assert_eq!(sorted(&[("tp_dst", Ascending), ("table", Descending)], texts)[..2], texts[..2]);
    }

    #[test]
    fn a_key_that_is_none_is_refused() {
        assert!("colour".parse::<SortKey>().unwrap_err().to_string().contains("\"colour\""));
        for name in ["in_port", "reg5", "dl_vlan", "NXM_NX_REG0", "ct_label", "duration"] {
            assert!(name.parse::<SortKey>().is_ok(), "{name}");
        }
    }
}
