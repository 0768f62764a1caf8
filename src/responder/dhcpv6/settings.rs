//! What a server tells besides addresses: options that are ready to be copied.

use std::net::{IpAddr, Ipv6Addr};

use dhcproto::v6::{DhcpOption, NtpSuboption, OptionCode, UnknownOption};

use super::encoded;
use crate::openflow::Writer;
use crate::packet::dhcpv6::option;
use crate::packet::domain;
use crate::topology::{DomainName, Network, Port, Subnet};

/// Time servers that speak SNTP (RFC 4075).
const SNTP_SERVERS: u16 = 31;
/// Servers of one kind that are told: more than any client asks one after the other.
const MAX_SERVERS: usize = 16;
/// Bytes of a search list that are told, so that there is room for everything else in a packet.
const MAX_SEARCH: usize = 512;
/// `IRT_MINIMUM` (RFC 8415 §7.6): the shortest time in seconds after which settings may be asked for again.
const MIN_REFRESH: u32 = 600;

/// An option.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Setting {
    pub(super) code: u16,
    pub(super) option: Box<[u8]>,
    /// Only in the reply to an INFORMATION-REQUEST (RFC 8415 §21.23).
    pub(super) is_refresh_time: bool,
}

impl Setting {
    fn new(code: u16, option: &DhcpOption) -> Self {
        Self { code, option: encoded(option), is_refresh_time: code == option::INFORMATION_REFRESH_TIME }
    }
}

/// The settings of a port: those of the subnets that give it addresses first.
pub(super) fn of(port: &Port, network: &Network, leased: &[(Ipv6Addr, &Subnet)]) -> Vec<Setting> {
    let mut subnets: Vec<&Subnet> = network.subnets.iter().filter(|subnet| subnet.dhcpv6().is_some()).collect();
    subnets.sort_by_key(|subnet| !leased.iter().any(|(_, of)| of.name == subnet.name));
    let dns = first_addresses(subnets.iter().flat_map(|subnet| &subnet.dhcp.dns_nameservers));
    let ntp = first_addresses(subnets.iter().flat_map(|subnet| &subnet.dhcp.ntp_servers));
    let search = search_list(subnets.iter().flat_map(|subnet| subnet.dhcp.search()));
    let refresh = subnets.iter().map(|subnet| subnet.dhcp.dhcp_lease_time).min().unwrap_or(MIN_REFRESH);
    let mut settings = Vec::new();
    if !dns.is_empty() {
        settings.push(Setting::new(option::DNS_SERVERS, &DhcpOption::DomainNameServers(dns)));
    }
    if !search.is_empty() {
        settings.push(Setting::new(option::DOMAIN_LIST, &raw(OptionCode::DomainSearchList, search)));
    }
    if !ntp.is_empty() {
        let addresses = ntp.iter().flat_map(Ipv6Addr::octets).collect();
        settings.push(Setting::new(SNTP_SERVERS, &raw(OptionCode::SntpServers, addresses)));
        let servers = ntp.into_iter().map(NtpSuboption::ServerAddress).collect();
        settings.push(Setting::new(option::NTP_SERVER, &DhcpOption::NtpServer(servers)));
    }
    if let Some(url) = bootfile_url(port, &subnets) {
        settings.push(Setting::new(option::BOOTFILE_URL, &raw(OptionCode::OptBootfileUrl, url.into())));
    }
    let refresh = DhcpOption::InformationRefreshTime(refresh.max(MIN_REFRESH));
    settings.push(Setting::new(option::INFORMATION_REFRESH_TIME, &refresh));
    settings
}

/// An option that `dhcproto` has no value for, or writes as it may not be written: it compresses the names of a list, which
/// RFC 8415 §10 forbids.
fn raw(code: OptionCode, data: Vec<u8>) -> DhcpOption {
    DhcpOption::Unknown(UnknownOption::new(code, data))
}

/// Each once.
fn first_addresses<'a>(addresses: impl Iterator<Item = &'a IpAddr>) -> Vec<Ipv6Addr> {
    let mut found = Vec::new();
    for address in addresses {
        match address {
            IpAddr::V6(address) if !found.contains(address) && found.len() < MAX_SERVERS => found.push(*address),
            _ => {}
        }
    }
    found
}

/// The names that fit, each once.
fn search_list<'a>(names: impl Iterator<Item = &'a DomainName>) -> Vec<u8> {
    let mut seen: Vec<&DomainName> = Vec::new();
    let mut list = Writer::new();
    for name in names {
        let begin = list.begin();
        domain::encode(name.labels(), &mut list);
        if seen.contains(&name) || list.len() > MAX_SEARCH {
            list.undo(begin);
        } else {
            seen.push(name);
        }
    }
    list.into_vec()
}

/// Where to boot from (RFC 5970 §3.1): the port's own file, or that of the first subnet that has one, if it is a URL. A
/// path on a TFTP server is DHCPv4's.
fn bootfile_url(port: &Port, subnets: &[&Subnet]) -> Option<String> {
    let own = port.boot.as_ref().and_then(|boot| boot.bootfile_name.as_ref());
    let file = own.or_else(|| subnets.iter().find_map(|subnet| subnet.dhcp.boot.bootfile_name.as_ref()))?;
    file.contains("://").then(|| file.to_string())
}
