//! Machines that say and hear exactly what a test wants: frames, with no kernel in between.

use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::sys::socket::{
    AddressFamily, LinkAddr, MsgFlags, SockFlag, SockProtocol, SockType, recvfrom, sendto, setsockopt, socket, sockopt,
};
use nix::sys::time::{TimeVal, TimeValLike};

use super::Vm;
use super::netns;

/// How often a listener looks whether it should end.
const LOOK: i64 = 200;
/// What waits in a machine's socket at the most.
const BUFFER: usize = 4 << 20;
/// `PACKET_OUTGOING` of packet(7): one of our own.
const OUTGOING: u8 = 4;

/// Some machines of a lab, and all that they hear.
#[derive(Debug)]
pub struct RawMachines {
    machines: Vec<Machine>,
    heard: Receiver<(usize, Vec<u8>)>,
    stop: Arc<AtomicBool>,
    listeners: Vec<JoinHandle<()>>,
}

#[derive(Debug)]
struct Machine {
    name: String,
    socket: Arc<OwnedFd>,
    link: LinkAddr,
}

impl Machine {
    fn open(vm: &Vm<'_>) -> Self {
        let (socket, link) = netns::inside(&vm.namespace(), || {
            let link = netns::link_address("eth0").expect("a VM has eth0");
            let socket = socket(AddressFamily::Packet, SockType::Raw, SockFlag::SOCK_CLOEXEC, SockProtocol::EthAll);
            (socket.unwrap_or_else(|e| panic!("cannot open a packet socket: {e}")), link)
        });
        setsockopt(&socket, sockopt::RcvBufForce, &BUFFER).expect("root sets the size of a buffer");
        let patience = TimeVal::milliseconds(LOOK);
        setsockopt(&socket, sockopt::ReceiveTimeout, &patience).expect("a socket takes a timeout");
        Self { name: vm.spec().port.name, socket: Arc::new(socket), link }
    }
}

impl RawMachines {
    /// These VMs, which should be mute themselves.
    pub fn open<'a>(vms: impl IntoIterator<Item = Vm<'a>>) -> Self {
        let machines: Vec<Machine> = vms.into_iter().map(|vm| Machine::open(&vm)).collect();
        let (sender, heard) = channel();
        let stop = Arc::new(AtomicBool::new(false));
        let listen = |(index, machine): (usize, &Machine)| {
            let (socket, sender, stop) = (machine.socket.clone(), sender.clone(), stop.clone());
            std::thread::spawn(move || listen(index, &socket, &sender, &stop))
        };
        let listeners = machines.iter().enumerate().map(listen).collect();
        Self { machines, heard, stop, listeners }
    }

    /// Sends a frame, from the destination MAC on, without FCS.
    pub fn send(&self, from: &str, frame: &[u8]) {
        let machine = self.machines.iter().find(|machine| machine.name == from);
        let machine = machine.unwrap_or_else(|| panic!("{from} is none of the machines"));
        let sent = sendto(machine.socket.as_raw_fd(), frame, &machine.link, MsgFlags::empty());
        let sent = sent.unwrap_or_else(|e| panic!("{from} cannot send {} bytes: {e}", frame.len()));
        assert_eq!(sent, frame.len(), "the kernel takes a frame whole");
    }

    /// The next frame that one of them hears before the deadline, and who.
    pub fn hear(&self, deadline: Instant) -> Option<(&str, Vec<u8>)> {
        match self.heard.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok((index, frame)) => Some((&self.machines[index].name, frame)),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => panic!("the listeners have ended"),
        }
    }
}

fn listen(index: usize, socket: &OwnedFd, heard: &Sender<(usize, Vec<u8>)>, stop: &AtomicBool) {
    let mut buffer = vec![0; 65536];
    while !stop.load(Ordering::Relaxed) {
        match recvfrom::<LinkAddr>(socket.as_raw_fd(), &mut buffer) {
            Ok((_, Some(link))) if link.pkttype() == OUTGOING => {}
            Ok((length, _)) => {
                if heard.send((index, buffer[..length].to_vec())).is_err() {
                    return;
                }
            }
            Err(nix::errno::Errno::EAGAIN | nix::errno::Errno::EINTR) => {}
            Err(nix::errno::Errno::ENETDOWN) => return,
            Err(error) => panic!("cannot receive: {error}"),
        }
    }
}

impl Drop for RawMachines {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for listener in self.listeners.drain(..) {
            // What went wrong in it is said already.
            let _ended = listener.join();
        }
    }
}
