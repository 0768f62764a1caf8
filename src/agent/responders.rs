//! What is answered in a network, and by whom, as `heddle status` shows it.

use serde::{Deserialize, Serialize};

use crate::pipeline::{AnsweredBy, Layout};
use crate::topology::{Dhcpv6, Network};

/// The answers that a network gets on this node.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Responders {
    /// Who answers ARP for known addresses on other nodes: `switch` or `heddle`. None: their
    /// owners do.
    pub arp: Option<String>,
    /// The same for neighbour solicitations of IPv6.
    pub nd: Option<String>,
    /// The addresses of the DHCPv4 servers that Heddle is.
    pub dhcpv4: Vec<String>,
    /// What Heddle gives by DHCPv6: `stateful`, `stateless`.
    pub dhcpv6: Vec<String>,
    /// If Heddle sends router advertisements.
    pub ra: bool,
}

impl Responders {
    /// Of one network.
    pub fn of(network: &Network, layout: &Layout) -> Self {
        let by_whom = |by: Option<AnsweredBy>| {
            by.filter(|_| network.kind.is_vxlan()).map(|by| match by {
                AnsweredBy::Flows => "switch".to_owned(),
                AnsweredBy::Controller => "heddle".to_owned(),
            })
        };
        let served = network.subnets.iter().filter(|subnet| subnet.dhcp.enable_dhcp && subnet.cidr.is_ipv4());
        let mut dhcpv6: Vec<String> = network
            .subnets
            .iter()
            .filter_map(|subnet| {
                Some(match subnet.dhcpv6()? {
                    Dhcpv6::Stateful => "stateful".to_owned(),
                    Dhcpv6::Stateless => "stateless".to_owned(),
                })
            })
            .collect();
        dhcpv6.sort_unstable();
        dhcpv6.dedup();
        Self {
            arp: by_whom(layout.answers_arp_of(network)),
            nd: by_whom(layout.answers_nd_of(network)),
            dhcpv4: served.filter_map(|subnet| subnet.dhcp_server_ip()).map(|server| server.to_string()).collect(),
            dhcpv6,
            ra: network.advertises_routers(),
        }
    }

    /// In words: `arp (switch), dhcpv4 172.18.0.1`; nothing if nothing is answered.
    pub fn words(&self) -> String {
        let who = |question: &str, by: &Option<String>| by.as_ref().map(|by| format!("{question} ({by})"));
        let dhcpv4 = self.dhcpv4.iter().map(|server| format!("dhcpv4 {server}"));
        let dhcpv6 = self.dhcpv6.iter().map(|mode| format!("dhcpv6 {mode}"));
        let ra = self.ra.then(|| "ra".to_owned());
        let words = [who("arp", &self.arp), who("nd", &self.nd)].into_iter().flatten();
        words.chain(dhcpv4).chain(dhcpv6).chain(ra).collect::<Vec<_>>().join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::super::preview::layout;
    use super::*;
    use crate::config::Config;
    use crate::topology::Topology;

    const TOPOLOGY: &str = "[nodes.a]
[networks.blue]
type = 'vxlan'
segmentation_id = 1
nd_responder = false
[networks.blue.subnets.four]
cidr = '172.18.0.0/24'
gateway_ip = '172.18.0.1'
enable_dhcp = true
[networks.blue.subnets.six]
cidr = '2001:db8::/64'
gateway_ip = 'fe80::1'
enable_dhcp = true
ipv6_ra_mode = 'dhcpv6-stateful'
ipv6_address_mode = 'dhcpv6-stateful'
[networks.lan]
type = 'flat'
physical_network = 'physnet'
";

    fn said(network: &str, settings: &str) -> String {
        let topology = Topology::parse(TOPOLOGY, "t").unwrap();
        let config = Config::parse(settings, "h", "a").unwrap();
        Responders::of(topology.network(network).unwrap(), &layout(&config)).words()
    }

    #[test]
    fn a_network_is_answered_what_files_say() {
        assert_eq!(said("blue", ""), "arp (switch), dhcpv4 172.18.0.1, dhcpv6 stateful, ra");
        let controller = "tunnel.arp_responder = 'controller'\nbridges.datapath_type = 'netdev'";
        assert_eq!(said("blue", controller), "arp (heddle), dhcpv4 172.18.0.1, dhcpv6 stateful, ra");
    }

    #[test]
    fn on_a_physical_network_nobody_answers_for_others() {
        assert_eq!(said("lan", ""), "");
    }
}
