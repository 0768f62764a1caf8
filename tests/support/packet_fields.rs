//! The fields of a packet under the names that Wireshark gives them, out of our views and out of tshark's text.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;

use heddle::openflow::numbers::{
    ETH_TYPE_ARP, ETH_TYPE_IPV4, ETH_TYPE_IPV6, IP_PROTO_ICMP, IP_PROTO_ICMPV6, IP_PROTO_TCP, IP_PROTO_UDP,
};
use heddle::packet::dhcpv6::{IaAddress, IdentityAssociation};
use heddle::packet::nd::NdValue;
use heddle::packet::{
    Arp, Dhcpv4, Dhcpv6, Dhcpv6Options, Ethernet, Fragment, Icmp, Icmpv6, Ipv4, Ipv6, NdOptions, PacketError, Payload,
    Tcp, Udp, dhcpv4, dhcpv6,
};

/// How tshark prints a value.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// In decimal, or in hexadecimal behind `0x`; true and false as words or as 1 and 0.
    Number,
    /// As everyone does, or hexadecimal digits.
    Text,
}

use Kind::{Number, Text};

/// Wireshark's names of what our views read.
pub const FIELDS: [(&str, Kind); 78] = [
    ("eth.dst", Text),
    ("eth.src", Text),
    ("eth.type", Number),
    ("vlan.id", Number),
    ("vlan.priority", Number),
    ("vlan.etype", Number),
    ("arp.opcode", Number),
    ("arp.src.hw_mac", Text),
    ("arp.src.proto_ipv4", Text),
    ("arp.dst.hw_mac", Text),
    ("arp.dst.proto_ipv4", Text),
    ("ip.version", Number),
    ("ip.dsfield", Number),
    ("ip.id", Number),
    ("ip.flags.mf", Number),
    ("ip.frag_offset", Number),
    ("ip.ttl", Number),
    ("ip.proto", Number),
    ("ip.checksum", Number),
    ("ip.src", Text),
    ("ip.dst", Text),
    ("ipv6.version", Number),
    ("ipv6.tclass", Number),
    ("ipv6.flow", Number),
    ("ipv6.plen", Number),
    ("ipv6.nxt", Number),
    ("ipv6.hlim", Number),
    ("ipv6.src", Text),
    ("ipv6.dst", Text),
    ("ipv6.fraghdr.offset", Number),
    ("ipv6.fraghdr.more", Number),
    ("ipv6.fraghdr.ident", Number),
    ("udp.srcport", Number),
    ("udp.dstport", Number),
    ("udp.length", Number),
    ("udp.checksum", Number),
    ("tcp.srcport", Number),
    ("tcp.dstport", Number),
    ("tcp.seq_raw", Number),
    ("tcp.ack_raw", Number),
    ("tcp.flags", Number),
    ("tcp.window_size_value", Number),
    ("tcp.checksum", Number),
    ("tcp.urgent_pointer", Number),
    ("tcp.options", Text),
    ("tcp.len", Number),
    ("icmp.type", Number),
    ("icmp.code", Number),
    ("icmp.checksum", Number),
    ("icmpv6.type", Number),
    ("icmpv6.code", Number),
    ("icmpv6.checksum", Number),
    ("icmpv6.nd.ns.target_address", Text),
    ("icmpv6.nd.na.target_address", Text),
    ("icmpv6.nd.ra.cur_hop_limit", Number),
    ("icmpv6.nd.ra.flag", Number),
    ("icmpv6.nd.ra.router_lifetime", Number),
    ("icmpv6.nd.ra.reachable_time", Number),
    ("icmpv6.nd.ra.retrans_timer", Number),
    ("icmpv6.opt.type", Number),
    ("icmpv6.opt.linkaddr", Text),
    ("icmpv6.opt.mtu", Number),
    ("icmpv6.opt.prefix.length", Number),
    ("icmpv6.opt.prefix.flag", Number),
    ("icmpv6.opt.prefix", Text),
    ("icmpv6.opt.rdnss", Text),
    ("icmpv6.opt.dnssl", Text),
    ("dhcp.type", Number),
    ("dhcp.id", Number),
    ("dhcp.flags", Number),
    ("dhcp.ip.your", Text),
    ("dhcp.hw.mac_addr", Text),
    ("dhcp.option.type", Number),
    ("dhcp.option.value", Text),
    ("dhcpv6.msgtype", Number),
    ("dhcpv6.xid", Number),
    ("dhcpv6.option.type", Number),
    ("dhcpv6.iaaddr.ip", Text),
];

/// By name, the values in the order of the packet.
#[derive(Debug, Default)]
pub struct Fields(BTreeMap<&'static str, Vec<String>>);

impl Fields {
    /// Our reading. Errors: a packet that cannot be read.
    pub fn of(frame: &[u8]) -> Result<Self, PacketError> {
        let mut fields = Self::default();
        fields.ethernet(Payload::new(frame))?;
        Ok(fields)
    }

    /// tshark's reading: a line of the values of [`FIELDS`].
    pub fn from_tshark(line: &str) -> Self {
        let mut fields = Self::default();
        for ((name, kind), values) in FIELDS.iter().zip(line.split('\t')) {
            for value in values.split(',').filter(|value| !value.is_empty()) {
                match kind {
                    Number => fields.put(name, number(value)),
                    Text => fields.put(name, value),
                }
            }
        }
        // Padding and the end have no value, and are no options to us.
        if let Some(codes) = fields.0.get_mut("dhcp.option.type") {
            codes.retain(|code| code != "0" && code != "255");
        }
        // The second one is in the client identifier.
        if let Some(macs) = fields.0.get_mut("dhcp.hw.mac_addr") {
            macs.truncate(1);
        }
        fields
    }

    /// Fields of which the readings say something else: ours, theirs.
    pub fn differences<'a>(
        &'a self,
        theirs: &'a Self,
    ) -> impl Iterator<Item = (&'static str, [Option<&'a Vec<String>>; 2])> {
        let both = |name| [self.0.get(name), theirs.0.get(name)];
        FIELDS.iter().map(move |(name, _)| (*name, both(*name))).filter(|(_, [ours, theirs])| ours != theirs)
    }

    /// What a packet is, in a word and a number.
    pub fn kinds(&self) -> BTreeSet<String> {
        let numbered = [
            ("arp.opcode", "arp"),
            ("vlan.id", "tag"),
            ("icmp.type", "icmp"),
            ("icmpv6.type", "icmpv6"),
            ("dhcpv6.msgtype", "dhcpv6"),
        ];
        let said = |name: &str| self.0.get(name).and_then(|values| values.first());
        let mut kinds: BTreeSet<_> =
            numbered.iter().filter_map(|(name, kind)| Some(format!("{kind} {}", said(name)?))).collect();
        let options = self.0.get("dhcp.option.type").into_iter().flatten();
        let values = self.0.get("dhcp.option.value").into_iter().flatten();
        let message_type = options.zip(values).find(|(code, _)| *code == "53");
        kinds.extend(message_type.map(|(_, value)| format!("dhcp {}", number(&format!("0x{value}")))));
        let is_set = |name| said(name).is_some_and(|value| value != "0");
        kinds.extend((is_set("ip.flags.mf") || is_set("ip.frag_offset")).then(|| "fragment of ipv4".to_owned()));
        kinds.extend(said("ipv6.fraghdr.ident").map(|_| "fragment of ipv6".to_owned()));
        kinds.extend(said("tcp.srcport").map(|_| "tcp".to_owned()));
        kinds
    }

    fn put(&mut self, name: &'static str, value: impl Display) {
        assert!(FIELDS.iter().any(|(known, _)| *known == name), "{name} is asked of tshark too");
        self.0.entry(name).or_default().push(value.to_string());
    }

    fn put_hex(&mut self, name: &'static str, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.put(name, bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>());
        }
    }

    fn ethernet(&mut self, frame: Payload<'_>) -> Result<(), PacketError> {
        let header = Ethernet::decode(frame)?;
        self.put("eth.dst", header.dst);
        self.put("eth.src", header.src);
        let mut types = "eth.type";
        for tag in header.tags.iter().flatten() {
            self.put(types, tag.tpid);
            self.put("vlan.id", tag.vid());
            self.put("vlan.priority", tag.pcp());
            types = "vlan.etype";
        }
        self.put(types, header.eth_type);
        match header.eth_type {
            ETH_TYPE_ARP => self.arp(header.payload),
            ETH_TYPE_IPV4 => self.ipv4(header.payload),
            ETH_TYPE_IPV6 => self.ipv6(header.payload),
            _ => Ok(()),
        }
    }

    fn arp(&mut self, packet: Payload<'_>) -> Result<(), PacketError> {
        let arp = Arp::decode(packet)?;
        self.put("arp.opcode", arp.op);
        self.put("arp.src.hw_mac", arp.sha);
        self.put("arp.src.proto_ipv4", arp.spa);
        self.put("arp.dst.hw_mac", arp.tha);
        self.put("arp.dst.proto_ipv4", arp.tpa);
        Ok(())
    }

    fn ipv4(&mut self, packet: Payload<'_>) -> Result<(), PacketError> {
        let packet = Ipv4::decode(packet)?;
        self.put("ip.version", packet.version);
        self.put("ip.dsfield", packet.tos);
        self.put("ip.id", packet.identification);
        self.put("ip.flags.mf", u8::from(packet.more_fragments()));
        // Wireshark counts in 8 bytes here, and for IPv6 too.
        self.put("ip.frag_offset", packet.fragment_offset() / 8);
        self.put("ip.ttl", packet.ttl);
        self.put("ip.proto", packet.proto);
        self.put("ip.checksum", packet.checksum);
        self.put("ip.src", packet.src);
        self.put("ip.dst", packet.dst);
        self.segment(packet.proto, packet.fragment(), packet.payload)
    }

    fn ipv6(&mut self, packet: Payload<'_>) -> Result<(), PacketError> {
        let packet = Ipv6::decode(packet)?;
        // Wireshark has it under both names.
        self.put("ip.version", packet.version);
        self.put("ipv6.version", packet.version);
        self.put("ipv6.tclass", packet.tos);
        self.put("ipv6.flow", packet.label);
        self.put("ipv6.plen", packet.payload.len());
        self.put("ipv6.nxt", packet.next_header);
        self.put("ipv6.hlim", packet.hop_limit);
        self.put("ipv6.src", packet.src);
        self.put("ipv6.dst", packet.dst);
        for extension in packet.extensions() {
            let Some(fragment) = extension?.fragment() else { continue };
            self.put("ipv6.fraghdr.offset", fragment.offset / 8);
            self.put("ipv6.fraghdr.more", u8::from(fragment.more_fragments));
            self.put("ipv6.fraghdr.ident", fragment.identification);
        }
        let upper = packet.upper_layer()?;
        self.segment(upper.proto, upper.fragment, upper.payload)
    }

    fn segment(&mut self, proto: u8, fragment: Fragment, segment: Payload<'_>) -> Result<(), PacketError> {
        match proto {
            _ if fragment == Fragment::Later => Ok(()),
            IP_PROTO_UDP => self.udp(segment),
            IP_PROTO_TCP => self.tcp(segment),
            IP_PROTO_ICMP => {
                let message = Icmp::decode(segment)?;
                self.put("icmp.type", message.icmp_type);
                self.put("icmp.code", message.code);
                self.put("icmp.checksum", message.checksum);
                Ok(())
            }
            IP_PROTO_ICMPV6 => self.icmpv6(Icmpv6::decode(segment)?),
            _ => Ok(()),
        }
    }

    fn tcp(&mut self, segment: Payload<'_>) -> Result<(), PacketError> {
        let tcp = Tcp::decode(segment)?;
        self.put("tcp.srcport", tcp.src);
        self.put("tcp.dstport", tcp.dst);
        self.put("tcp.seq_raw", tcp.seq);
        self.put("tcp.ack_raw", tcp.ack);
        self.put("tcp.flags", tcp.flags);
        self.put("tcp.window_size_value", tcp.window);
        self.put("tcp.checksum", tcp.checksum);
        self.put("tcp.urgent_pointer", tcp.urgent);
        self.put_hex("tcp.options", tcp.options);
        self.put("tcp.len", tcp.payload.len());
        Ok(())
    }

    fn icmpv6(&mut self, message: Icmpv6<'_>) -> Result<(), PacketError> {
        self.put("icmpv6.type", message.icmp_type);
        self.put("icmpv6.code", message.code);
        self.put("icmpv6.checksum", message.checksum);
        if let Some(said) = message.neighbor_discovery()? {
            let solicits = message.icmp_type == heddle::openflow::numbers::NEIGHBOR_SOLICITATION;
            self.put(if solicits { "icmpv6.nd.ns.target_address" } else { "icmpv6.nd.na.target_address" }, said.target);
            self.nd_options(said.options)?;
        }
        if let Some(options) = message.router_solicitation() {
            self.nd_options(options)?;
        }
        if let Some(said) = message.router_advertisement()? {
            self.put("icmpv6.nd.ra.cur_hop_limit", said.hop_limit);
            self.put("icmpv6.nd.ra.flag", said.flags);
            self.put("icmpv6.nd.ra.router_lifetime", said.router_lifetime);
            self.put("icmpv6.nd.ra.reachable_time", said.reachable_time);
            self.put("icmpv6.nd.ra.retrans_timer", said.retrans_timer);
            self.nd_options(said.options)?;
        }
        Ok(())
    }

    fn nd_options(&mut self, options: NdOptions<'_>) -> Result<(), PacketError> {
        for option in options {
            let option = option?;
            self.put("icmpv6.opt.type", option.option_type);
            match option.value()? {
                NdValue::SourceLinkAddress(mac) | NdValue::TargetLinkAddress(mac) => {
                    self.put("icmpv6.opt.linkaddr", mac)
                }
                NdValue::Mtu(mtu) => self.put("icmpv6.opt.mtu", mtu),
                NdValue::Prefix(prefix) => {
                    self.put("icmpv6.opt.prefix.length", prefix.prefix_len);
                    self.put("icmpv6.opt.prefix.flag", prefix.flags);
                    self.put("icmpv6.opt.prefix", prefix.prefix);
                }
                NdValue::Rdnss { servers, .. } => servers.for_each(|server| self.put("icmpv6.opt.rdnss", server)),
                NdValue::Dnssl { domains, .. } => {
                    for domain in domains {
                        self.put("icmpv6.opt.dnssl", domain?);
                    }
                }
                NdValue::Other => {}
            }
        }
        Ok(())
    }

    fn udp(&mut self, segment: Payload<'_>) -> Result<(), PacketError> {
        let udp = Udp::decode(segment)?;
        self.put("udp.srcport", udp.src);
        self.put("udp.dstport", udp.dst);
        self.put("udp.length", udp.length);
        self.put("udp.checksum", udp.checksum);
        match udp.dst {
            dhcpv4::SERVER_PORT | dhcpv4::CLIENT_PORT => self.dhcpv4(udp.body()?),
            dhcpv6::SERVER_PORT | dhcpv6::CLIENT_PORT => self.dhcpv6(udp.body()?),
            _ => Ok(()),
        }
    }

    fn dhcpv4(&mut self, message: Payload<'_>) -> Result<(), PacketError> {
        let message = Dhcpv4::decode(message)?;
        self.put("dhcp.type", message.op);
        self.put("dhcp.id", message.xid);
        self.put("dhcp.flags", message.flags);
        self.put("dhcp.ip.your", message.yiaddr);
        self.put("dhcp.hw.mac_addr", message.chaddr);
        for option in message.options() {
            let option = option?;
            self.put("dhcp.option.type", option.code);
            self.put_hex("dhcp.option.value", option.data.bytes());
        }
        Ok(())
    }

    fn dhcpv6(&mut self, message: Payload<'_>) -> Result<(), PacketError> {
        let Dhcpv6::Direct(message) = Dhcpv6::decode(message)? else { return Ok(()) };
        self.put("dhcpv6.msgtype", message.message_type.0);
        self.put("dhcpv6.xid", message.transaction_id);
        self.dhcpv6_options(message.options)
    }

    fn dhcpv6_options(&mut self, options: Dhcpv6Options<'_>) -> Result<(), PacketError> {
        for option in options {
            let option = option?;
            self.put("dhcpv6.option.type", option.code);
            match option.code {
                dhcpv6::option::IA_NA => self.dhcpv6_options(IdentityAssociation::decode(option.data)?.options)?,
                dhcpv6::option::IA_ADDRESS => {
                    let address = IaAddress::decode(option.data)?;
                    self.put("dhcpv6.iaaddr.ip", address.address);
                    self.dhcpv6_options(address.options)?;
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// The same number in decimal.
fn number(text: &str) -> String {
    match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).map_or_else(|_| text.to_owned(), |number| number.to_string()),
        None => match text {
            "True" => "1".into(),
            "False" => "0".into(),
            _ => text.into(),
        },
    }
}
