//! Packets, and the messages that carry them, as `ovs-ofctl -O OpenFlow13 ofp-print` 3.1 prints them.
//!
//! The vectors are our own, their text is what the program printed; where it is installed, packets made from them
//! are held against it too (skipped elsewhere, unless `HEDDLE_REQUIRE_OVS=1`).

use std::process::Command;

use heddle::cli::message_text::message;

/// A description, the digits of a frame, and its line.
#[rustfmt::skip]
const PACKETS: &[(&str, &str, &str)] = &[
    (
        "an ARP request",
        "fa163e000002 fa163e000001 0806 0001 0800 06 04 0001 fa163e000001 0a000001 000000000000 0a000002",
        "arp,vlan_tci=0x0000,dl_src=fa:16:3e:00:00:01,dl_dst=fa:16:3e:00:00:02,arp_spa=10.0.0.1,arp_tpa=10.0.0.2,arp_op=1,arp_sha=fa:16:3e:00:00:01,arp_tha=00:00:00:00:00:00",
    ),
    (
        "a RARP reply of an operation that does not fit a byte",
        "fa163e000002 fa163e000001 8035 0001 0800 06 04 0104 fa163e000001 0a000001 fa163e000002 0a000002",
        "rarp,vlan_tci=0x0000,dl_src=fa:16:3e:00:00:01,dl_dst=fa:16:3e:00:00:02,arp_spa=10.0.0.1,arp_tpa=10.0.0.2,arp_op=0,arp_sha=fa:16:3e:00:00:01,arp_tha=fa:16:3e:00:00:02",
    ),
    (
        "ARP of another hardware",
        "fa163e000002 fa163e000001 0806 0006 0800 06 04 0001 fa163e000001 0a000001 000000000000 0a000002",
        "arp,vlan_tci=0x0000,dl_src=fa:16:3e:00:00:01,dl_dst=fa:16:3e:00:00:02,arp_spa=0.0.0.0,arp_tpa=0.0.0.0,arp_op=0,arp_sha=00:00:00:00:00:00,arp_tha=00:00:00:00:00:00",
    ),
    (
        "UDP",
        "fa163e000002 fa163e000001 0800 4500 001c 1234 4000 40 11 0000 0a000001 0a000002  0044 0043 0008 abcd",
        "udp,vlan_tci=0x0000,dl_src=fa:16:3e:00:00:01,dl_dst=fa:16:3e:00:00:02,nw_src=10.0.0.1,nw_dst=10.0.0.2,nw_tos=0,nw_ecn=0,nw_ttl=64,nw_frag=no,tp_src=68,tp_dst=67 udp_csum:abcd",
    ),
    (
        "TCP with options in a VLAN",
        "fa163e000002 fa163e000001 8100 6007 0800 4600 0030 0000 0000 40 06 0000 0a000001 0a000002 94040000 0050 1f90 00000001 00000002 6e12 ffff beef 0000 020405b4",
        "tcp,dl_vlan=7,dl_vlan_pcp=3,vlan_tci1=0x0000,dl_src=fa:16:3e:00:00:01,dl_dst=fa:16:3e:00:00:02,nw_src=10.0.0.1,nw_dst=10.0.0.2,nw_tos=0,nw_ecn=0,nw_ttl=64,nw_frag=no,tp_src=80,tp_dst=8080,tcp_flags=syn|ack|[200]|[400]|[800] tcp_csum:beef",
    ),
    (
        "TCP with a header length that cannot be",
        "fa163e000002 fa163e000001 0800 4500 0028 0000 0000 40 06 0000 0a000001 0a000002 0050 1f90 00000001 00000002 4012 ffff beef 0000",
        "tcp,vlan_tci=0x0000,dl_src=fa:16:3e:00:00:01,dl_dst=fa:16:3e:00:00:02,nw_src=10.0.0.1,nw_dst=10.0.0.2,nw_tos=0,nw_ecn=0,nw_ttl=64,nw_frag=no,tp_src=0,tp_dst=0,tcp_flags=0 tcp_csum:beef",
    ),
    (
        "a later fragment",
        "fa163e000002 fa163e000001 0800 4500 0024 1234 0005 40 11 0000 0a000001 0a000002  0044 0043 0008 abcd 0000000000000000",
        "udp,vlan_tci=0x0000,dl_src=fa:16:3e:00:00:01,dl_dst=fa:16:3e:00:00:02,nw_src=10.0.0.1,nw_dst=10.0.0.2,nw_tos=0,nw_ecn=0,nw_ttl=64,nw_frag=later udp_csum:abcd",
    ),
    (
        "a neighbor solicitation",
        "fa163e000002 fa163e000001 86dd 60000000 0020 3a ff fe800000000000000000000000000001 ff0200000000000000000001ff000002 87 00 1234 00000000 fe800000000000000000000000000002 01 01 fa163e000001",
        "icmp6,vlan_tci=0x0000,dl_src=fa:16:3e:00:00:01,dl_dst=fa:16:3e:00:00:02,ipv6_src=fe80::1,ipv6_dst=ff02::1:ff00:2,ipv6_label=0x00000,nw_tos=0,nw_ecn=0,nw_ttl=255,nw_frag=no,icmp_type=135,icmp_code=0,nd_target=fe80::2,nd_sll=fa:16:3e:00:00:01,nd_tll=00:00:00:00:00:00 icmp6_csum:1234",
    ),
    (
        "a neighbor advertisement that says its target's address twice",
        "fa163e000002 fa163e000001 86dd 60000000 0028 3a ff fe800000000000000000000000000001 ff020000000000000000000000000001 88 00 1234 60000000 fe800000000000000000000000000002 02 01 fa163e000001 02 01 fa163e000002",
        "icmp6,vlan_tci=0x0000,dl_src=fa:16:3e:00:00:01,dl_dst=fa:16:3e:00:00:02,ipv6_src=fe80::1,ipv6_dst=ff02::1,ipv6_label=0x00000,nw_tos=0,nw_ecn=0,nw_ttl=255,nw_frag=no,icmp_type=136,icmp_code=0,nd_target=::,nd_sll=00:00:00:00:00:00,nd_tll=00:00:00:00:00:00 icmp6_csum:1234",
    ),
    (
        "SCTP behind a hop-by-hop header in a first fragment",
        "fa163e000002 fa163e000001 86dd 6ab12345 0020 00 40 20010db8000000000000000000000001 0000000000000000000000000a000002 2c 00 000000000000 84 00 0001 00000007 0050 0051 00000001 deadbeef 00000000",
        "sctp6,vlan_tci=0x0000,dl_src=fa:16:3e:00:00:01,dl_dst=fa:16:3e:00:00:02,ipv6_src=2001:db8::1,ipv6_dst=::10.0.0.2,ipv6_label=0x12345,nw_tos=168,nw_ecn=3,nw_ttl=64,nw_frag=first,tp_src=80,tp_dst=81 sctp_csum:deadbeef",
    ),
    (
        "an ICMP echo in two VLANs",
        "fa163e000002 fa163e000001 88a8 0064 8100 e0c8 0800 4500 001c 0000 0000 40 01 0000 0a000001 0a000002 08 00 1234 0001 0002",
        "icmp,dl_vlan=100,dl_vlan_pcp=0,dl_vlan1=200,dl_vlan_pcp1=7,dl_src=fa:16:3e:00:00:01,dl_dst=fa:16:3e:00:00:02,nw_src=10.0.0.1,nw_dst=10.0.0.2,nw_tos=0,nw_ecn=0,nw_ttl=64,nw_frag=no,icmp_type=8,icmp_code=0 icmp_csum:1234",
    ),
    (
        "three tags",
        "fa163e000002 fa163e000001 88a8 0064 8100 e0c8 8100 0001 0800 4500",
        "dl_vlan=100,dl_vlan_pcp=0,dl_vlan1=200,dl_vlan_pcp1=7,dl_src=fa:16:3e:00:00:01,dl_dst=fa:16:3e:00:00:02,dl_type=0x8100",
    ),
    (
        "an IGMP query",
        "fa163e000002 fa163e000001 0800 46c0 0020 0000 0000 01 02 0000 0a000001 e0000001 94040000 11 64 ee9b 00000000",
        "ip,vlan_tci=0x0000,dl_src=fa:16:3e:00:00:01,dl_dst=fa:16:3e:00:00:02,nw_src=10.0.0.1,nw_dst=224.0.0.1,nw_proto=2,nw_tos=192,nw_ecn=0,nw_ttl=1,nw_frag=no,tp_src=17,tp_dst=100",
    ),
    (
        "ICMPv6 over IPv4",
        "fa163e000002 fa163e000001 0800 4500 001c 0000 0000 40 3a 0000 0a000001 0a000002 87 00 1234 0001 0002",
        "ip,vlan_tci=0x0000,dl_src=fa:16:3e:00:00:01,dl_dst=fa:16:3e:00:00:02,nw_src=10.0.0.1,nw_dst=10.0.0.2,nw_proto=58,nw_tos=0,nw_ecn=0,nw_ttl=64,nw_frag=no,tp_src=135,tp_dst=0 icmp6_csum:1234",
    ),
    (
        "a label stack",
        "fa163e000002 fa163e000001 8847 0001 4a3f 0002 0a40 0003 0b40 4500",
        "mpls,vlan_tci=0x0000,dl_src=fa:16:3e:00:00:01,dl_dst=fa:16:3e:00:00:02,mpls_label=20,mpls_tc=5,mpls_ttl=63,mpls_bos=0,mpls_lse1=133696,mpls_lse2=199488",
    ),
    (
        "a label stack without a bottom",
        "fa163e000002 fa163e000001 8848 0001 4a3f 0002",
        "mplsm,vlan_tci=0x0000,dl_src=fa:16:3e:00:00:01,dl_dst=fa:16:3e:00:00:02,mpls_label=20,mpls_tc=5,mpls_ttl=63,mpls_bos=0,mpls_lse1=0,mpls_lse2=0",
    ),
    (
        "a service header",
        "fa163e000002 fa163e000001 894f 1fc6 01 03 000102 ff 00000001 00000002 00000003 00000004 4500",
        "vlan_tci=0x0000,dl_src=fa:16:3e:00:00:01,dl_dst=fa:16:3e:00:00:02,dl_type=0x894f,nsh_flags=1,nsh_ttl=63,nsh_mdtype=1,nsh_np=3,nsh_spi=0x102,nsh_si=255,nsh_c1=0x1,nsh_c2=0x2,nsh_c3=0x3,nsh_c4=0x4,nw_proto=0,nw_tos=0,nw_ecn=0,nw_ttl=0,nw_frag=no",
    ),
    (
        "a service header of another version",
        "fa163e000002 fa163e000001 894f 4fc6 01 03 000102 ff 00000001 00000002 00000003 00000004",
        "vlan_tci=0x0000,dl_src=fa:16:3e:00:00:01,dl_dst=fa:16:3e:00:00:02,dl_type=0x894f,nsh_flags=0,nsh_ttl=0,nsh_mdtype=0,nsh_np=0,nsh_spi=0x0,nsh_si=0,nw_proto=0,nw_tos=0,nw_ecn=0,nw_ttl=0,nw_frag=no",
    ),
    (
        "802.2 with SNAP",
        "fa163e000002 fa163e000001 0024 aaaa03 000000 0806 0001 0800 06 04 0002 fa163e000001 0a000001 fa163e000002 0a000002",
        "arp,vlan_tci=0x0000,dl_src=fa:16:3e:00:00:01,dl_dst=fa:16:3e:00:00:02,arp_spa=10.0.0.1,arp_tpa=10.0.0.2,arp_op=2,arp_sha=fa:16:3e:00:00:01,arp_tha=fa:16:3e:00:00:02",
    ),
    (
        "802.2",
        "fa163e000002 fa163e000001 0003 424203 0000000000",
        "vlan_tci=0x0000,dl_src=fa:16:3e:00:00:01,dl_dst=fa:16:3e:00:00:02,dl_type=0x05ff",
    ),
    (
        "a type without fields",
        "fa163e000002 fa163e000001 88cc 0207 04",
        "vlan_tci=0x0000,dl_src=fa:16:3e:00:00:01,dl_dst=fa:16:3e:00:00:02,dl_type=0x88cc",
    ),
    (
        "IPv4 longer than the frame",
        "fa163e000002 fa163e000001 0800 4500 001d 1234 4000 40 11 0000 0a000001 0a000002  0044 0043 0008 abcd",
        "ip,vlan_tci=0x0000,dl_src=fa:16:3e:00:00:01,dl_dst=fa:16:3e:00:00:02,nw_src=0.0.0.0,nw_dst=0.0.0.0,nw_proto=0,nw_tos=0,nw_ecn=0,nw_ttl=0,nw_frag=no",
    ),
    (
        "no whole Ethernet header",
        "fa163e000002 fa163e000001 08",
        "vlan_tci=0x0000,dl_src=00:00:00:00:00:00,dl_dst=00:00:00:00:00:00,dl_type=0x0000",
    ),
];

/// A description, the digits of a message, and its text.
#[rustfmt::skip]
const MESSAGES: &[(&str, &str, &str)] = &[
    (
        "a packet-in of a packet without an Ethernet header",
        "040a 0046 00000007 ffffffff 001c 01 07 00000000000000ab 0001000c 80005804 00010800 00000000 0000 4500 001c 1234 4000 40 11 0000 0a000001 0a000002  0044 0043 0008 abcd",
        "OFPT_PACKET_IN (OF1.3) (xid=0x7): table_id=7 cookie=0xab total_len=28 packet_type=(1,0x800) (via action) data_len=28 (unbuffered)\npacket_type=(1,0x800),nw_src=10.0.0.1,nw_dst=10.0.0.2,nw_proto=17,nw_tos=0,nw_ecn=0,nw_ttl=64,nw_frag=no,tp_src=68,tp_dst=67 udp_csum:abcd\n",
    ),
    (
        "a packet-in that is shorter than the packet",
        "040a 0032 00000007 ffffffff 0036 00 00 ffffffffffffffff 00010004 00000000 0000 fa163e000002 fa163e000001 88cc 0207",
        "OFPT_PACKET_IN (OF1.3) (xid=0x7): total_len=54  (via no_match) data_len=16 (unbuffered) (***total_len != data_len***)\nvlan_tci=0x0000,dl_src=fa:16:3e:00:00:01,dl_dst=fa:16:3e:00:00:02,dl_type=0x88cc\n",
    ),
    (
        "a packet-in that is longer than the packet",
        "040a 0032 00000007 00000007 0003 08 00 0000000000000000 00010004 00000000 0000 fa163e000002 fa163e000001 88cc 0207",
        "OFPT_PACKET_IN (OF1.3) (xid=0x7): cookie=0x0 total_len=3  (via 8) data_len=16 buffer=0x00000007 (***total_len < data_len***)\nvlan_tci=0x0000,dl_src=fa:16:3e:00:00:01,dl_dst=fa:16:3e:00:00:02,dl_type=0x88cc\n",
    ),
    (
        "a packet-in for a reason of its own",
        "040a 003a 00000007 00000007 0010 06 00 0000000000000000 0001000c 80000004 fffffffe 00000000 0000 fa163e000002 fa163e000001 88cc 0207",
        "OFPT_PACKET_IN (OF1.3) (xid=0x7): cookie=0x0 total_len=16 in_port=LOCAL (via ) data_len=16 buffer=0x00000007\nvlan_tci=0x0000,dl_src=fa:16:3e:00:00:01,dl_dst=fa:16:3e:00:00:02,dl_type=0x88cc\n",
    ),
    (
        "a packet-in without a packet",
        "040a 0022 00000007 ffffffff 0000 01 00 0000000000000000 00010004 00000000 0000",
        "OFPT_PACKET_IN (OF1.3) (xid=0x7): cookie=0x0 total_len=0  (via action) data_len=0 (unbuffered)\nvlan_tci=0x0000,dl_src=00:00:00:00:00:00,dl_dst=00:00:00:00:00:00,dl_type=0x0000\n",
    ),
    (
        "a packet-in without padding behind its match",
        "040a 0021 00000007 ffffffff 0000 01 00 0000000000000000 00010004 00000000 00",
        "OFPT_PACKET_IN (OF1.3) (xid=0x7): ***decode error: OFPBRC_BAD_LEN***\n00000000  04 0a 00 21 00 00 00 07-ff ff ff ff 00 00 01 00 |...!............|\n00000010  00 00 00 00 00 00 00 00-00 01 00 04 00 00 00 00 |................|\n00000020  00                                              |.               |\n",
    ),
    (
        "a packet-in of Nicira",
        "0404 004a 00000007 00002320 00000011 ffffffff 0010 02 07 00000000000000ab 000e 000000000000 00000002 0001 00010004 00000005 0000 0000 fa163e000002 fa163e000001 88cc 0207",
        "NXT_PACKET_IN (OF1.3) (xid=0x7): table_id=7 cookie=0xab total_len=16 reg0=0x5,in_port=1 (via invalid_ttl) data_len=16 (unbuffered)\nvlan_tci=0x0000,dl_src=fa:16:3e:00:00:01,dl_dst=fa:16:3e:00:00:02,dl_type=0x88cc\n",
    ),
    (
        "a packet-in of properties",
        "0404 0088 00000007 00002320 0000001e 0000 0014 fa163e000002 fa163e000001 88cc 0207 00000000 0001 0008 00000036 0002 0008 00000005 0003 0005 07 000000 0004 0010 00000000 00000000000000ab 0005 0005 04 000000 0006 000c 80000004 00000002 00000000 0007 0006 aabb 0000 0009 0007 010203 00 ffff 000d 00002320 00000001 aa 000000",
        "NXT_PACKET_IN2 (OF1.3) (xid=0x7): table_id=7 cookie=0xab total_len=54 in_port=2 (via group) data_len=16 buffer=0x00000005\n userdata=aa.bb\nvlan_tci=0x0000,dl_src=fa:16:3e:00:00:01,dl_dst=fa:16:3e:00:00:02,dl_type=0x88cc\n",
    ),
    (
        "a packet that waits",
        "0404 00c8 00000007 00002320 0000001e 0000 0014 fa163e000002 fa163e000001 88cc 0207 00000000 0008 00a0 00000000 8000 0014 e1e77b352d6842d2931786155193787b 00000000 8001 0008 00000005 8001 0006 0000 0000 8001 0004 00000000 8002 0008 00000003 8003 0004 00000000 8006 0018 00000000 0000 0010 00000005 0000 000000000000 8004 0005 07 000000 8005 0010 00000000 0000000000000010 8006 0008 00000000 8007 0018 00000000 0000 0010 00000006 0000 000000000000 8008 0008 00000009",
        "NXT_PACKET_IN2 (OF1.3) (xid=0x7): total_len=16  (via no_match) data_len=16 (unbuffered)\n continuation.bridge=357be7e1-d242-682d-1586-17937b789351\n continuation.stack=(top) 0x5 0 0 (bottom)\n continuation.mirrors=0x3\n continuation.conntracked=true\n continuation.actions=unroll_xlate(table=0, cookie=0),output:5,unroll_xlate(table=7, cookie=16)\n continuation.action_set=output:6\n continuation.odp_port=9\nvlan_tci=0x0000,dl_src=fa:16:3e:00:00:01,dl_dst=fa:16:3e:00:00:02,dl_type=0x88cc\n",
    ),
    (
        "a packet that goes back",
        "0404 0030 00000007 00002320 0000001c 0000 0014 fa163e000002 fa163e000001 88cc 0207 00000000 0008 0008 00000000",
        "NXT_RESUME (OF1.3) (xid=0x7): total_len=16  (via no_match) data_len=16 (unbuffered)\nvlan_tci=0x0000,dl_src=fa:16:3e:00:00:01,dl_dst=fa:16:3e:00:00:02,dl_type=0x88cc\n",
    ),
    (
        "properties without a packet",
        "0404 0018 00000007 00002320 0000001e 0003 0005 07 000000",
        "NXT_PACKET_IN2 (OF1.3) (xid=0x7): ***decode error: OFPBRC_BAD_LEN***\n00000000  04 04 00 18 00 00 00 07-00 00 23 20 00 00 00 1e |..........# ....|\n00000010  00 03 00 05 07 00 00 00-                        |........        |\n",
    ),
    (
        "a property longer than the message",
        "0404 0018 00000007 00002320 0000001e 0003 0009 07 000000",
        "NXT_PACKET_IN2 (OF1.3) (xid=0x7): ***decode error: OFPBPC_BAD_LEN***\n00000000  04 04 00 18 00 00 00 07-00 00 23 20 00 00 00 1e |..........# ....|\n00000010  00 03 00 09 07 00 00 00-                        |........        |\n",
    ),
    (
        "a packet-out with a packet",
        "040d 0038 00000007 ffffffff fffffffd 0010 000000000000 0000 0010 fffffffb 0000 000000000000 fa163e000002 fa163e000001 88cc 0207",
        "OFPT_PACKET_OUT (OF1.3) (xid=0x7): in_port=CONTROLLER actions=FLOOD data_len=16\nvlan_tci=0x0000,dl_src=fa:16:3e:00:00:01,dl_dst=fa:16:3e:00:00:02,dl_type=0x88cc\n",
    ),
    (
        "a packet-out of a packet that the switch keeps",
        "040d 0028 00000007 00000007 00000001 0000 000000000000 fa163e000002 fa163e000001 88cc 0207",
        "OFPT_PACKET_OUT (OF1.3) (xid=0x7): in_port=1 actions=drop buffer=0x00000007\n",
    ),
    (
        "a packet-out of nothing",
        "040d 0018 00000007 ffffffff 00000001 0000 000000000000",
        "OFPT_PACKET_OUT (OF1.3) (xid=0x7): in_port=1 actions=drop data_len=0\n",
    ),
    (
        "a packet-out from nowhere",
        "040d 0018 00000007 ffffffff fffffff8 0000 000000000000",
        "OFPT_PACKET_OUT (OF1.3) (xid=0x7): ***decode error: OFPBRC_BAD_PORT***\n00000000  04 0d 00 18 00 00 00 07-ff ff ff ff ff ff ff f8 |................|\n00000010  00 00 00 00 00 00 00 00-                        |........        |\n",
    ),
    (
        "a format",
        "0404 0014 00000007 00002320 00000010 00000002",
        "NXT_SET_PACKET_IN_FORMAT (OF1.3) (xid=0x7): format=nxt_packet_in2\n",
    ),
    (
        "a format that is not known",
        "0404 0014 00000007 00002320 00000010 00000003",
        "NXT_SET_PACKET_IN_FORMAT (OF1.3) (xid=0x7): ***decode error: OFPBRC_EPERM***\n00000000  04 04 00 14 00 00 00 07-00 00 23 20 00 00 00 10 |..........# ....|\n00000010  00 00 00 03                                     |....            |\n",
    ),
];

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

/// A packet-out of this frame, without actions.
fn packet_out(frame: &[u8]) -> Vec<u8> {
    let length = u16::try_from(24 + frame.len()).unwrap().to_be_bytes();
    [&[4, 13], &length[..], &hex("00000007 ffffffff 00000001 0000 000000000000"), frame].concat()
}

fn text(bytes: &[u8]) -> String {
    let mut out = Vec::new();
    message(bytes, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

/// What ovs-ofctl prints; `None` where it is not installed.
fn ovs_ofctl(bytes: &[u8]) -> Option<String> {
    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let output = Command::new("ovs-ofctl").args(["-O", "OpenFlow13", "ofp-print", &digits]).output().ok()?;
    Some(String::from_utf8(output.stdout).unwrap())
}

#[test]
fn packets_print_as_ovs_ofctl_prints_them() {
    for (what, frame, line) in PACKETS {
        let frame = hex(frame);
        let expected =
            format!("OFPT_PACKET_OUT (OF1.3) (xid=0x7): in_port=1 actions=drop data_len={}\n{line}\n", frame.len());
        assert_eq!(text(&packet_out(&frame)), expected, "{what}");
    }
}

#[test]
fn messages_with_packets_print_as_ovs_ofctl_prints_them() {
    for (what, bytes, expected) in MESSAGES {
        assert_eq!(text(&hex(bytes)), *expected, "{what}");
    }
}

/// Numbers that are the same in every run (xorshift).
struct Numbers(u32);

impl Numbers {
    /// The next one below `bound`.
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        self.0 as usize % bound
    }

    /// `frame` with up to three bytes changed behind its addresses, and sometimes cut off.
    fn changed(&mut self, frame: &[u8]) -> Vec<u8> {
        let mut frame = frame.to_vec();
        for _ in 0..self.below(4) {
            if let Some(place) = frame.len().checked_sub(12).filter(|&left| left > 0).map(|left| 12 + self.below(left))
            {
                frame[place] = [0, 1, 2, 6, 17, 44, 58, 0x45, 0x80, self.below(256) as u8][self.below(10)];
            }
        }
        if self.below(4) == 0 {
            frame.truncate(self.below(frame.len() + 1));
        }
        frame
    }
}

#[test]
fn changed_and_cut_packets_print_as_ovs_ofctl_prints_them() {
    let mut numbers = Numbers(0x2f6e_2b1d);
    let mut cases = 0;
    for (what, frame, _) in PACKETS {
        for _ in 0..20 {
            let bytes = packet_out(&numbers.changed(&hex(frame)));
            let Some(expected) = ovs_ofctl(&bytes) else {
                assert!(std::env::var_os("HEDDLE_REQUIRE_OVS").is_none_or(|value| value != "1"), "no ovs-ofctl");
                return println!("ovs-ofctl is not installed, skipped");
            };
            assert_eq!(text(&bytes), expected, "from {what}: {bytes:02x?}");
            cases += 1;
        }
    }
    println!("{cases} packets");
}
