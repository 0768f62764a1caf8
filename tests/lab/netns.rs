//! Network namespaces: run something inside one, send raw frames from one.

use std::fs::{self, File};
use std::os::fd::AsRawFd;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use nix::ifaddrs::getifaddrs;
use nix::sched::{CloneFlags, setns};
use nix::sys::socket::{AddressFamily, LinkAddr, MsgFlags, SockFlag, SockType, sendto, socket};

/// A command that runs inside `namespace`, as the operator would type it.
pub fn command(namespace: &str, program: &str) -> Command {
    let mut command = Command::new("ip");
    command.args(["netns", "exec", namespace, program]);
    command
}

/// Runs `job` on a thread of its own that has entered `namespace`.
pub fn inside<T: Send>(namespace: &str, job: impl FnOnce() -> T + Send) -> T {
    let path = format!("/run/netns/{namespace}");
    let file = File::open(&path).unwrap_or_else(|e| panic!("cannot open {path}: {e}"));
    std::thread::scope(|scope| {
        let thread = scope.spawn(move || {
            setns(file, CloneFlags::CLONE_NEWNET).unwrap_or_else(|e| panic!("cannot enter {path}: {e}"));
            job()
        });
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// Writes values below `/proc/sys/net` as the namespace sees it.
pub fn sysctl(namespace: &str, settings: &[(&str, &str)]) {
    inside(namespace, || {
        for (key, value) in settings {
            let path = format!("/proc/sys/net/{key}");
            fs::write(&path, value).unwrap_or_else(|e| panic!("cannot write {value} to {path}: {e}"));
        }
    });
}

/// No IPv6 on any link of the namespace, so that nothing speaks there unasked.
pub fn silence_ipv6(namespace: &str) {
    sysctl(namespace, &[("ipv6/conf/all/disable_ipv6", "1"), ("ipv6/conf/default/disable_ipv6", "1")]);
}

/// Sends one Ethernet frame, header included and no FCS, out of `interface`.
pub fn send_frame(namespace: &str, interface: &str, frame: &[u8]) {
    inside(namespace, || {
        let link = link_address(interface).unwrap_or_else(|| panic!("{namespace} has no interface {interface}"));
        let socket = socket(AddressFamily::Packet, SockType::Raw, SockFlag::SOCK_CLOEXEC, None)
            .unwrap_or_else(|e| panic!("cannot open a packet socket: {e}"));
        let sent = sendto(socket.as_raw_fd(), frame, &link, MsgFlags::empty())
            .unwrap_or_else(|e| panic!("cannot send {} bytes out of {interface}: {e}", frame.len()));
        assert_eq!(sent, frame.len(), "the kernel takes a frame whole");
    });
}

/// Sends frames with a `pause` in between until told to stop; returns how many. Each is made of the number of those
/// before it.
pub fn flood_frames(
    namespace: &str,
    interface: &str,
    frame: impl Fn(u64) -> Vec<u8> + Send + Sync,
    pause: Duration,
    stop: &AtomicBool,
) -> u64 {
    inside(namespace, || {
        let link = link_address(interface).unwrap_or_else(|| panic!("{namespace} has no interface {interface}"));
        let socket = socket(AddressFamily::Packet, SockType::Raw, SockFlag::SOCK_CLOEXEC, None)
            .unwrap_or_else(|e| panic!("cannot open a packet socket: {e}"));
        let mut sent = 0;
        while !stop.load(Ordering::Relaxed) {
            // A full queue loses the frame; the next one may pass.
            sent += u64::from(sendto(socket.as_raw_fd(), &frame(sent), &link, MsgFlags::empty()).is_ok());
            if !pause.is_zero() {
                std::thread::sleep(pause);
            }
        }
        sent
    })
}

/// The link of that name in the namespace of this thread.
pub(super) fn link_address(interface: &str) -> Option<LinkAddr> {
    let addresses = getifaddrs().expect("the kernel lists its interfaces");
    addresses.filter(|a| a.interface_name == interface).find_map(|a| a.address?.as_link_addr().copied())
}

/// Bytes from hex digits; white space and colons are for the eye.
pub fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text
        .chars()
        .filter(|c| !c.is_whitespace() && *c != ':')
        .map(|c| c.to_digit(16).unwrap_or_else(|| panic!("`{c}` is no hex digit in {text:?}")) as u8)
        .collect();
    assert!(digits.len().is_multiple_of(2), "an odd number of hex digits: {text:?}");
    digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}
