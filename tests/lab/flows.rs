//! Lines of `ovs-ofctl dump-flows`.

use heddle::openflow::Cookie;
use heddle::pipeline::cookie::{self, Kind};

/// One flow as Open vSwitch prints it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlowLine {
    pub table: u8,
    pub priority: u16,
    pub cookie: u64,
    pub packets: u64,
    /// Seconds after which the switch forgets it, 0: never.
    pub hard_timeout: u16,
    /// The fields of the match without the priority, as printed; empty matches everything.
    pub matching: String,
    pub actions: String,
}

impl FlowLine {
    /// All flows of a dump; the line that names the reply is none.
    pub fn parse_dump(text: &str) -> Vec<Self> {
        text.lines().filter_map(Self::parse).collect()
    }

    /// The match or the actions contain `text`.
    pub fn contains(&self, text: &str) -> bool {
        self.matching.contains(text) || self.actions.contains(text)
    }

    /// What its cookie says that it is for.
    pub fn kind(&self) -> Option<Kind> {
        cookie::decode(Cookie(self.cookie))?.0.ok()
    }

    /// It matches this MAC address as destination.
    pub fn is_to(&self, mac: &str) -> bool {
        self.matching.split(',').any(|field| field == format!("dl_dst={mac}"))
    }

    /// The switch made it by itself, from a packet.
    pub fn is_learnt(&self) -> bool {
        self.cookie >> 40 == 0x4e_d12f
    }

    /// `cookie=0x1, duration=1.5s, table=21, n_packets=3, n_bytes=126, priority=1,arp,arp_op=1 actions=drop`
    fn parse(line: &str) -> Option<Self> {
        let (head, actions) = line.split_once(" actions=")?;
        let (statistics, keys) = head.rsplit_once(' ').unwrap_or(("", head));
        let statistic = |name: &str| statistics.split(',').find_map(|s| s.trim().strip_prefix(name)?.strip_prefix('='));
        let priority = keys.split(',').find_map(|key| key.strip_prefix("priority="));
        let matching: Vec<_> = keys.split(',').filter(|key| !is_no_match(key)).collect();
        Some(Self {
            table: statistic("table").map_or(Some(0), |n| n.parse().ok())?,
            priority: priority.map_or(Some(32768), |n| n.parse().ok())?,
            cookie: statistic("cookie").and_then(|n| u64::from_str_radix(n.trim_start_matches("0x"), 16).ok())?,
            packets: statistic("n_packets")?.parse().ok()?,
            hard_timeout: statistic("hard_timeout").map_or(Some(0), |n| n.parse().ok())?,
            matching: matching.join(","),
            actions: actions.to_owned(),
        })
    }
}

/// What stands in the last word before the actions and says nothing of packets.
fn is_no_match(key: &str) -> bool {
    ["", "reset_counts", "send_flow_rem", "check_overlap"].contains(&key)
        || ["priority=", "n_bytes="].iter().any(|p| key.starts_with(p))
}
