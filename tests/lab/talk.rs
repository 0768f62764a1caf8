//! VMs that go on talking while things change: a TCP connection, datagrams back and forth, and datagrams that are counted.

use std::collections::BTreeSet;
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::Vm;
use super::command::{eventually, eventually_some};
use super::netns;
use super::sockets::echoes;

/// How long what is allowed may take.
const SOON: Duration = Duration::from_secs(5);
/// How long what must not come is waited for.
const IN_VAIN: Duration = Duration::from_millis(600);
/// Between two datagrams of a stream.
const PAUSE: Duration = Duration::from_millis(5);
/// How late a datagram may come; see [`PingStream`](super::PingStream).
const LATE: Duration = Duration::from_secs(1);

/// An open TCP connection: who connected, who accepted.
pub struct Connection {
    near: TcpStream,
    far: TcpStream,
}

impl Connection {
    /// Connects; panics if that does not work. The port is free again afterwards, if not at once.
    pub fn open(from: &Vm<'_>, to: &Vm<'_>, port: u16) -> Self {
        let listen = || netns::inside(&to.namespace(), || TcpListener::bind((to.ip(), port)).ok());
        let listener = eventually_some("the port is free", SOON, listen);
        let near = from.connect(&to.ip(), port, SOON);
        let near = near.unwrap_or_else(|| panic!("no connection to port {port} of {}\n{}", to.ip(), super::logs()));
        let (far, _) = listener.accept().expect("somebody connected");
        Self { near, far }
    }

    /// Panics unless a byte goes through and another comes back.
    pub fn assert_alive(&mut self) {
        assert!(echoes(&mut self.near, &mut self.far, SOON), "the connection is dead\n{}", super::logs());
    }
}

/// Datagrams back and forth between two ports: to connection tracking, a connection.
pub struct Conversation {
    near: UdpSocket,
    far: UdpSocket,
}

impl Conversation {
    /// Opens it from the side that asks; panics if that does not work.
    pub fn open(from: &Vm<'_>, to: &Vm<'_>, port: u16) -> Self {
        let bind = |vm: &Vm<'_>| netns::inside(&vm.namespace(), || UdpSocket::bind((vm.ip(), port)));
        let (near, far) = (bind(from).expect("a free port"), bind(to).expect("a free port"));
        let connect = |socket: &UdpSocket, to: &Vm<'_>| socket.connect((to.ip(), port));
        connect(&near, to).and_then(|()| connect(&far, from)).expect("an address");
        let conversation = Self { near, far };
        conversation.assert_alive();
        conversation
    }

    /// Panics unless a datagram goes through and another comes back.
    pub fn assert_alive(&self) {
        assert!(heard(&self.near, &self.far, SOON), "the question does not arrive\n{}", super::logs());
        assert!(heard(&self.far, &self.near, SOON), "the answer does not arrive\n{}", super::logs());
    }

    /// Panics if a datagram arrives, be it a question or an answer.
    pub fn assert_dead(&self) {
        assert!(!heard(&self.near, &self.far, IN_VAIN), "the question arrives");
        assert!(!heard(&self.far, &self.near, IN_VAIN), "the answer arrives");
    }
}

fn heard(from: &UdpSocket, to: &UdpSocket, within: Duration) -> bool {
    to.set_read_timeout(Some(within)).expect("a socket takes a deadline");
    from.send(b"hello").is_ok() && to.recv(&mut [0; 8]).is_ok()
}

/// Numbered datagrams to one port, each from a port of its own and so the first of a connection.
pub struct Datagrams {
    stop: Arc<AtomicBool>,
    sender: JoinHandle<u32>,
    receiver: JoinHandle<()>,
    done: Arc<AtomicBool>,
    arrived: Arc<Mutex<BTreeSet<u32>>>,
}

impl Datagrams {
    /// Starts and waits until one has arrived, so that what is lost is lost later.
    pub fn start(from: &Vm<'_>, to: &Vm<'_>, port: u16) -> Self {
        let (stop, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let arrived: Arc<Mutex<BTreeSet<u32>>> = Arc::default();
        let socket = netns::inside(&to.namespace(), || UdpSocket::bind(("0.0.0.0", port)).expect("a free port"));
        let receiver = {
            let (arrived, done) = (arrived.clone(), done.clone());
            std::thread::spawn(move || receive(&socket, &arrived, &done))
        };
        let sender = {
            let (namespace, address, stop) = (from.namespace(), to.ip(), stop.clone());
            std::thread::spawn(move || netns::inside(&namespace, || send((&address, port), &stop)))
        };
        let stream = Self { stop, sender, receiver, done, arrived };
        eventually("the first datagram arrives", SOON, || !stream.arrived.lock().unwrap().is_empty());
        stream
    }

    /// Ends the stream and returns the numbers of those that were lost after the first that arrived.
    pub fn stop(self) -> Vec<u32> {
        self.stop.store(true, Ordering::Relaxed);
        let sent = self.sender.join().expect("the sender goes on until told to stop");
        let stopped = Instant::now();
        let lost = || -> Vec<u32> {
            let arrived = self.arrived.lock().unwrap();
            let first = arrived.first().copied().unwrap_or_default();
            (first..sent).filter(|number| !arrived.contains(number)).collect()
        };
        while !lost().is_empty() && stopped.elapsed() < LATE {
            std::thread::sleep(PAUSE);
        }
        let lost = lost();
        self.done.store(true, Ordering::Relaxed);
        self.receiver.join().expect("the receiver goes on until told to stop");
        lost
    }
}

/// Returns how many were sent.
fn send(address: (&str, u16), stop: &AtomicBool) -> u32 {
    let mut number = 0_u32;
    while !stop.load(Ordering::Relaxed) {
        let socket = UdpSocket::bind(("0.0.0.0", 0)).expect("a free port");
        // What nobody wants comes back as an error for this socket, and goes with it.
        let _unreachable = socket.send_to(&number.to_be_bytes(), address);
        number += 1;
        std::thread::sleep(PAUSE);
    }
    number
}

fn receive(socket: &UdpSocket, arrived: &Mutex<BTreeSet<u32>>, done: &AtomicBool) {
    socket.set_read_timeout(Some(PAUSE)).expect("a socket takes a deadline");
    let mut buffer = [0; 4];
    while !done.load(Ordering::Relaxed) {
        if let Ok(4) = socket.recv(&mut buffer) {
            arrived.lock().unwrap().insert(u32::from_be_bytes(buffer));
        }
    }
}
