//! Table numbers. Names and meanings for people stand in `flows/tables.toml`; a test holds the two
//! together.

use crate::openflow::TableId;

/// Entry of every bridge.
pub const LOCAL_SWITCHING: TableId = TableId(0);

/// `br-int`: one flow that no packet hits; its absence tells that the switch lost its flows.
pub const CANARY: TableId = TableId(23);
/// `br-int`: ARP and neighbour advertisements, only for a port's own addresses.
pub const ARP_SPOOF: TableId = TableId(24);
/// `br-int`: source MAC, only a port's own.
pub const MAC_SPOOF: TableId = TableId(25);
/// `br-int`: packet rate limits.
pub const PACKET_RATE_LIMIT: TableId = TableId(58);
/// `br-int`: bandwidth limits.
pub const BANDWIDTH_RATE_LIMIT: TableId = TableId(59);
/// `br-int`: to the firewall, or straight on.
pub const TRANSIENT: TableId = TableId(60);
/// `br-int`: firewall, from a port: its own addresses, ARP, DHCP.
pub const BASE_EGRESS: TableId = TableId(71);
/// `br-int`: firewall, from a port: rules of its security groups.
pub const RULES_EGRESS: TableId = TableId(72);
/// `br-int`: firewall: to the checks of a port on this host, or accepted.
pub const ACCEPT_OR_INGRESS: TableId = TableId(73);
/// `br-int`: firewall, to a port: ARP, neighbour discovery, DHCP.
pub const BASE_INGRESS: TableId = TableId(81);
/// `br-int`: firewall, to a port: rules of its security groups.
pub const RULES_INGRESS: TableId = TableId(82);
/// `br-int`: accepted from a port.
pub const ACCEPTED_EGRESS: TableId = TableId(91);
/// `br-int`: accepted to a port.
pub const ACCEPTED_INGRESS: TableId = TableId(92);
/// `br-int`: refused.
pub const DROPPED: TableId = TableId(93);
/// `br-int`: accepted from a port, switched by MAC address.
pub const ACCEPTED_EGRESS_NORMAL: TableId = TableId(94);

/// `br-int`: DHCPv4 of ports that Heddle answers.
pub const DHCP_IPV4: TableId = TableId(77);
/// `br-int`: DHCPv6 and router solicitations of ports that Heddle answers.
pub const DHCP_IPV6: TableId = TableId(78);

/// `br-tun`: from `br-int`, unicast or not.
pub const PATCH_LV_TO_TUN: TableId = TableId(2);
/// `br-tun`: VXLAN VNI to local VLAN.
pub const VXLAN_TUN_TO_LV: TableId = TableId(4);
/// `br-tun`: learns where a MAC address came from.
pub const LEARN_FROM_TUN: TableId = TableId(10);
/// `br-tun`: known and learnt unicast.
pub const UCAST_TO_TUN: TableId = TableId(20);
/// `br-tun`: answers ARP requests and neighbour solicitations.
pub const ARP_RESPONDER: TableId = TableId(21);
/// `br-tun`: to every peer of the network.
pub const FLOOD_TO_TUN: TableId = TableId(22);
