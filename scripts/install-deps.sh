#!/bin/sh
# Installs from Debian what the lab tests and the demo need and this machine lacks. Says nothing if there is nothing to do.
set -eu

missing=""
need() { # PROGRAM PACKAGE
    PATH="$PATH:/usr/sbin:/sbin" command -v "$1" >/dev/null 2>&1 || missing="$missing $2"
}
need ovs-vswitchd openvswitch-switch
need ip iproute2
need ping iputils-ping
need arping iputils-arping
need ethtool ethtool
need tcpdump tcpdump
# Loses packets between Heddle and its bridges.
need nft nftables
need mn mininet
# Certificates, and another implementation of TLS; ovs-pki is of Open vSwitch.
need openssl openssl
need ovs-pki openvswitch-common
# Packets as others read them, and a server of DHCP and router advertisements.
need tshark tshark
need dnsmasq dnsmasq-base
# Clients of DHCP, and what asks for router advertisements.
need udhcpc udhcpc
need dhclient isc-dhcp-client
need dhcpcd dhcpcd-base
need rdisc6 ndisc6
# libFuzzer, which the fuzz targets link, is C++.
need c++ g++
# arping of the package "arping" takes other options than the one of iputils.
if command -v arping >/dev/null 2>&1 && ! arping -V 2>&1 | grep -q iputils; then
    missing="$missing iputils-arping"
fi
[ -n "$missing" ] || exit 0

refuse() {
    echo "install-deps: $1; please install:$missing" >&2
    exit 1
}
command -v apt-get >/dev/null 2>&1 || refuse "no apt-get here (on Debian and Ubuntu these are the packages' names)"
[ "$(id -u)" = 0 ] || refuse "not root (sudo make install-deps)"

echo "installing:$missing"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
install() {
    # The lab starts daemons of its own; the system's Open vSwitch is free to start or not.
    # shellcheck disable=SC2086 # a list of words
    DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $missing >>"$log" 2>&1
}
install || { apt-get update >>"$log" 2>&1 && install; } || { tail -n 20 "$log" >&2; refuse "apt-get failed"; }
