//! Our views of neighbor discovery and DHCPv4 beside an independent reader, smoltcp: on messages that it wrote, cut to
//! any length and with changed bytes.

#[path = "support/damage.rs"]
#[allow(unreachable_pub, reason = "shared with another test file")]
mod damage;

use std::net::{Ipv4Addr, Ipv6Addr};

use damage::Damage;
use heddle::openflow::MacAddr;
use heddle::packet::nd::{NdValue, PrefixInformation};
use heddle::packet::{Dhcpv4, Dhcpv4Option, Icmpv6, NdOption, Payload, dhcpv4};
use proptest::prelude::*;
use smoltcp::wire::{
    DhcpMessageType, DhcpPacket, DhcpRepr, EthernetAddress, Icmpv6Packet, NdiscNeighborFlags, NdiscPrefixInfoFlags,
    NdiscPrefixInformation, NdiscRepr, NdiscRouterFlags,
};

type Checked = Result<(), TestCaseError>;

/// Messages of neighbor discovery as smoltcp writes them.
fn discovery() -> impl Strategy<Value = NdiscRepr<'static>> {
    let mac = || any::<Option<[u8; 6]>>().prop_map(|mac| mac.map(|mac| EthernetAddress(mac).into()));
    let prefix = (any::<(u8, u8, u32, u32, Ipv6Addr)>()).prop_map(|(prefix_len, flags, valid, preferred, prefix)| {
        NdiscPrefixInformation {
            prefix_len,
            flags: NdiscPrefixInfoFlags::from_bits_truncate(flags),
            valid_lifetime: smoltcp::time::Duration::from_secs(valid.into()),
            preferred_lifetime: smoltcp::time::Duration::from_secs(preferred.into()),
            prefix,
        }
    });
    let advertisement = (any::<(u8, u8, u16, u32, u32, Option<u32>)>(), mac(), proptest::option::of(prefix)).prop_map(
        |((hop_limit, flags, lifetime, reachable, retrans, mtu), lladdr, prefix_info)| NdiscRepr::RouterAdvert {
            hop_limit,
            flags: NdiscRouterFlags::from_bits_truncate(flags),
            router_lifetime: smoltcp::time::Duration::from_secs(lifetime.into()),
            reachable_time: smoltcp::time::Duration::from_millis(reachable.into()),
            retrans_time: smoltcp::time::Duration::from_millis(retrans.into()),
            lladdr,
            mtu,
            prefix_info,
        },
    );
    prop_oneof![
        mac().prop_map(|lladdr| NdiscRepr::RouterSolicit { lladdr }),
        advertisement,
        (any::<Ipv6Addr>(), mac()).prop_map(|(target_addr, lladdr)| NdiscRepr::NeighborSolicit { target_addr, lladdr }),
        (any::<(u8, Ipv6Addr)>(), mac()).prop_map(|((flags, target_addr), lladdr)| {
            let flags = NdiscNeighborFlags::from_bits_truncate(flags);
            NdiscRepr::NeighborAdvert { flags, target_addr, lladdr }
        }),
        (any::<(Ipv6Addr, Ipv6Addr)>(), mac()).prop_map(|((target_addr, dest_addr), lladdr)| NdiscRepr::Redirect {
            target_addr,
            dest_addr,
            lladdr,
            redirected_hdr: None,
        }),
    ]
}

/// Holds our reading of a message against smoltcp's.
fn discovery_agrees(bytes: &[u8]) -> Checked {
    let ours = Icmpv6::decode(Payload::new(bytes));
    let Some(theirs) = Icmpv6Packet::new_checked(bytes).ok().and_then(|packet| {
        // It does not look at the code.
        (packet.msg_code() == 0).then(|| NdiscRepr::parse(&packet).ok())?
    }) else {
        return Ok(());
    };
    let ours = ours.unwrap();
    let seconds = smoltcp::time::Duration::from_secs;
    let milliseconds = smoltcp::time::Duration::from_millis;
    let (options, lladdr) = match theirs {
        NdiscRepr::RouterSolicit { lladdr } => (ours.router_solicitation().unwrap(), lladdr),
        NdiscRepr::RouterAdvert { hop_limit, flags, router_lifetime, reachable_time, retrans_time, lladdr, .. } => {
            let said = ours.router_advertisement().unwrap().unwrap();
            prop_assert_eq!((said.hop_limit, said.flags & 0xc0), (hop_limit, flags.bits()));
            prop_assert_eq!(seconds(said.router_lifetime.into()), router_lifetime);
            prop_assert_eq!(milliseconds(said.reachable_time.into()), reachable_time);
            prop_assert_eq!(milliseconds(said.retrans_timer.into()), retrans_time);
            (said.options, lladdr)
        }
        NdiscRepr::NeighborSolicit { target_addr, lladdr } => {
            let said = ours.neighbor_discovery().unwrap().unwrap();
            prop_assert_eq!(said.target, target_addr);
            (said.options, lladdr)
        }
        NdiscRepr::NeighborAdvert { target_addr, flags, .. } => {
            let said = ours.neighbor_discovery().unwrap().unwrap();
            prop_assert_eq!((said.target, (said.flags >> 24) as u8 & 0xe0), (target_addr, flags.bits()));
            // Of an advertisement it keeps the target's address.
            return options_agree(said.options.flatten(), None, &theirs);
        }
        NdiscRepr::Redirect { target_addr, dest_addr, lladdr, .. } => {
            let said = ours.redirect().unwrap().unwrap();
            prop_assert_eq!((said.target, said.destination), (target_addr, dest_addr));
            (said.options, lladdr)
        }
    };
    options_agree(options.flatten(), Some(lladdr), &theirs)
}

/// The last of each kind counts with smoltcp, which takes longer options too.
fn options_agree<'a>(
    options: impl Iterator<Item = NdOption<'a>>,
    source: Option<Option<smoltcp::wire::RawHardwareAddress>>,
    theirs: &NdiscRepr<'_>,
) -> Checked {
    let options: Vec<_> = options.collect();
    let Ok(values) = options.iter().map(NdOption::value).collect::<Result<Vec<_>, _>>() else { return Ok(()) };
    if let Some(source) = source {
        let last = values.iter().rev().find_map(|value| match value {
            NdValue::SourceLinkAddress(mac) => Some(EthernetAddress(mac.0).into()),
            _ => None,
        });
        prop_assert_eq!(last, source);
    }
    let NdiscRepr::RouterAdvert { mtu, prefix_info, .. } = theirs else { return Ok(()) };
    let last_mtu = values.iter().rev().find_map(|value| match value {
        NdValue::Mtu(mtu) => Some(*mtu),
        _ => None,
    });
    prop_assert_eq!(last_mtu, *mtu);
    let last_prefix = values.iter().rev().find_map(|value| match value {
        NdValue::Prefix(prefix) => Some(*prefix),
        _ => None,
    });
    let theirs = prefix_info.map(|prefix| PrefixInformation {
        prefix_len: prefix.prefix_len,
        flags: prefix.flags.bits(),
        valid_lifetime: prefix.valid_lifetime.secs() as u32,
        preferred_lifetime: prefix.preferred_lifetime.secs() as u32,
        prefix: prefix.prefix,
    });
    prop_assert_eq!(last_prefix.map(|prefix| PrefixInformation { flags: prefix.flags & 0xc0, ..prefix }), theirs);
    Ok(())
}

/// A message of a DHCP client as smoltcp writes it.
fn dhcp() -> impl Strategy<Value = Vec<u8>> {
    let kinds =
        [DhcpMessageType::Discover, DhcpMessageType::Request, DhcpMessageType::Decline, DhcpMessageType::Inform];
    (
        (0..kinds.len()).prop_map(move |which| kinds[which]),
        any::<(u32, u16, [u8; 6], Ipv4Addr, bool)>(),
        any::<(Option<Ipv4Addr>, Option<Ipv4Addr>, Option<[u8; 6]>, Option<u16>, Option<u32>)>(),
        proptest::option::of(proptest::collection::vec(any::<u8>(), 0..30)),
    )
        .prop_map(|(message_type, (transaction_id, secs, mac, client_ip, broadcast), optional, list)| {
            let (requested_ip, server_identifier, client_identifier, max_size, lease_duration) = optional;
            let repr = DhcpRepr {
                message_type,
                transaction_id,
                secs,
                client_hardware_address: EthernetAddress(mac),
                client_ip,
                your_ip: Ipv4Addr::UNSPECIFIED,
                server_ip: Ipv4Addr::UNSPECIFIED,
                router: None,
                subnet_mask: None,
                relay_agent_ip: Ipv4Addr::UNSPECIFIED,
                broadcast,
                requested_ip,
                client_identifier: client_identifier.map(EthernetAddress),
                server_identifier,
                parameter_request_list: list.as_deref(),
                dns_servers: None,
                max_size,
                lease_duration,
                renew_duration: None,
                rebind_duration: None,
                additional_options: &[],
            };
            let mut bytes = vec![0; repr.buffer_len()];
            repr.emit(&mut DhcpPacket::new_unchecked(&mut bytes)).unwrap();
            bytes
        })
}

/// Holds our reading of a message against smoltcp's.
fn dhcp_agrees(bytes: &[u8]) -> Checked {
    let ours = Dhcpv4::decode(Payload::new(bytes));
    let Ok(theirs) = DhcpPacket::new_checked(bytes) else {
        prop_assert!(ours.is_err());
        return Ok(());
    };
    let is_ethernet = bytes[1] == dhcpv4::HARDWARE_ETHERNET && theirs.hardware_len() == 6;
    prop_assert_eq!(ours.is_ok(), is_ethernet && theirs.magic_number() == dhcpv4::MAGIC_COOKIE);
    let Ok(ours) = ours else { return Ok(()) };
    prop_assert_eq!((ours.xid, ours.secs, ours.hops), (theirs.transaction_id(), theirs.secs(), theirs.hops()));
    prop_assert_eq!((ours.ciaddr, ours.yiaddr), (theirs.client_ip(), theirs.your_ip()));
    prop_assert_eq!((ours.siaddr, ours.giaddr), (theirs.server_ip(), theirs.relay_agent_ip()));
    prop_assert_eq!(ours.chaddr, MacAddr(theirs.client_hardware_address().0));
    prop_assert_eq!(ours.wants_broadcast(), theirs.flags().bits() != 0);
    // It stops without a word at what is cut off, and does not look at `file` and `sname`.
    let told: Vec<_> = theirs.options().map(|option| (option.kind, option.data)).collect();
    let read: Vec<Dhcpv4Option<'_>> = ours.options().map_while(Result::ok).collect();
    let overloaded = told.iter().any(|(code, _)| *code == dhcpv4::option::OVERLOAD);
    prop_assert!(overloaded || read.len() == told.len());
    for (ours, theirs) in read.iter().zip(told) {
        prop_assert_eq!((ours.code, ours.data.bytes()), theirs);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn neighbor_discovery_is_read_as_smoltcp_reads_it(message in discovery(), damage in Damage::any()) {
        let mut bytes = vec![0; message.buffer_len()];
        message.emit(&mut Icmpv6Packet::new_unchecked(&mut bytes));
        discovery_agrees(&bytes)?;
        damage.apply(&mut bytes);
        discovery_agrees(&bytes)?;
    }

    #[test]
    fn dhcp_is_read_as_smoltcp_reads_it(mut bytes in dhcp(), damage in Damage::any()) {
        dhcp_agrees(&bytes)?;
        damage.apply(&mut bytes);
        dhcp_agrees(&bytes)?;
    }
}
