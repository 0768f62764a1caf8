//! What the manual of `ofctl-dump` says besides its options.

use crate::cli::manual::Manual;

/// Shown by `--help` and in the manual page.
pub(super) const MANUAL: Manual = Manual {
    examples: &[
        (
            "ofctl-dump br-int",
            "All flows, as ovs-ofctl -O OpenFlow13 dump-flows prints them, sorted by table and priority.",
        ),
        ("ofctl-dump br-int --names --explain", "The same with names of ports and tables, and what each flow is for."),
        ("ofctl-dump br-int 'tcp && n_packets>0'", "The flows on TCP that packets have hit."),
        (
            "ofctl-dump br-int 'nw_src~=10.0.0.0/8 && drop' --rsort n_packets",
            "What drops traffic from 10.0.0.0/8, the busiest first.",
        ),
        ("ofctl-dump br-int --json 'table=60' | jq .actions", "Flows for other programs, one JSON object a line."),
        (
            "ovs-ofctl dump-flows br-int | ssh host2 ofctl-dump --input - --explain",
            "Explain what was dumped somewhere else.",
        ),
        ("ofctl-dump ptcp:6653 show", "Wait for a switch to connect, as a controller does, and show what it is."),
        ("ofctl-dump br-int ports --stats", "The counters of the ports."),
        ("ofctl-dump diff br-int yesterday.txt", "What changed since a dump; exit status 1 if anything did."),
        (
            "ofctl-dump trace br-int in_port=tap1,dl_src=fa:16:3e:00:00:01,arp",
            "The way of a packet through the tables, with the flow that it hits in each.",
        ),
        ("ofctl-dump br-int --watch 2", "A live view, the busiest flows first."),
        ("ofctl-dump br-int --graph html >br-int.html", "The tables and the flows between them, for a browser."),
        ("ofctl-dump br-int monitor --names", "Flows as they come and go, and what they are for."),
        ("ofctl-dump br-int snoop --type flow_mod", "What the controller sends to the bridge."),
        ("ofctl-dump decode 0400000800000001", "An OpenFlow message in words."),
    ],
    exit_status: &[
        ("0", "Success."),
        ("1", "Nothing was found, or what was compared differs."),
        ("2", "Wrong usage, or something failed; the standard error says what."),
    ],
    environment: &[
        ("OVS_RUNDIR", "Where bridges have their management sockets; /var/run/openvswitch by default."),
        (
            "OVS_COLORS",
            "Colours as in ovs-ofctl(8): NAME=CODE with colons between; ac actions, dr drop, le learn, pm names \
                        of fields, pr parentheses, sp special, vl values.",
        ),
        ("NO_COLOR", "If set, flows are coloured only with --color=always."),
    ],
    files: &[
        ("/var/run/openvswitch/BRIDGE.mgmt", "The management socket of a bridge."),
        ("/etc/heddle/heddle.toml", "Names the topology whose names --explain uses."),
    ],
    see_also: "heddle(1), ovs-ofctl(8), ovs-fields(7), ovs-actions(7)",
};
