//! Programs in VMs that talk by TCP and UDP.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use super::netns;
use super::vm::Vm;

impl Vm<'_> {
    /// Someone who listens for TCP, by IPv4 and IPv6.
    pub fn listen(&self, port: u16) -> TcpListener {
        netns::inside(&self.namespace(), || TcpListener::bind((Ipv6Addr::UNSPECIFIED, port)).expect("a free port"))
    }

    /// A TCP connection to an address; `None` if it takes longer.
    pub fn connect(&self, address: &str, port: u16, within: Duration) -> Option<TcpStream> {
        let address = SocketAddr::new(address.parse::<IpAddr>().expect("an address"), port);
        netns::inside(&self.namespace(), || TcpStream::connect_timeout(&address, within).ok())
    }

    /// A socket for datagrams of IPv4 and IPv6.
    pub fn udp(&self, port: u16) -> UdpSocket {
        netns::inside(&self.namespace(), || UdpSocket::bind((Ipv6Addr::UNSPECIFIED, port)).expect("a free port"))
    }
}

/// Sends a datagram to an address of either family.
pub fn send(from: &UdpSocket, address: &str, port: u16, payload: &[u8]) {
    let address = match address.parse::<IpAddr>().expect("an address") {
        IpAddr::V4(address) => address.to_ipv6_mapped(),
        IpAddr::V6(address) => address,
    };
    from.send_to(payload, (address, port)).expect("the kernel takes a datagram");
}

/// True if this datagram arrives.
pub fn arrives(to: &UdpSocket, payload: &[u8], within: Duration) -> bool {
    to.set_read_timeout(Some(within)).expect("it has a length");
    let mut buffer = vec![0; 65536];
    let deadline = Instant::now() + within;
    while Instant::now() < deadline {
        match to.recv(&mut buffer) {
            Ok(length) if buffer[..length] == *payload => return true,
            Ok(_) => {}
            Err(_) => break,
        }
    }
    false
}

/// True if a byte goes through an open connection and comes back.
pub fn echoes(near: &mut TcpStream, far: &mut TcpStream, within: Duration) -> bool {
    let through = |from: &mut TcpStream, to: &mut TcpStream| {
        to.set_read_timeout(Some(within)).expect("it has a length");
        from.write_all(b"x").is_ok() && matches!(to.read(&mut [0; 64]), Ok(1..))
    };
    through(near, far) && through(far, near)
}
