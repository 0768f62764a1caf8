//! A server that goes on answering while things change, and clients that say nothing more after their first question.

use std::collections::BTreeSet;
use std::net::UdpSocket;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use super::Vm;
use super::command::eventually;
use super::netns;

/// How long a change may take to come into effect.
const SOON: Duration = Duration::from_secs(10);
/// Between two answers to everybody.
const PAUSE: Duration = Duration::from_millis(5);
/// So many that do not come are no accident.
const MANY: u32 = 60;

/// Numbered answers over UDP, each to every client.
pub struct Answers {
    stop: Arc<AtomicBool>,
    /// How many were sent to each.
    sent: Arc<AtomicU32>,
    server: JoinHandle<()>,
    clients: Vec<Client>,
}

struct Client {
    listener: JoinHandle<()>,
    arrived: Arc<Mutex<BTreeSet<u32>>>,
}

impl Answers {
    /// Each of `from` asks once, and is answered from then on.
    pub fn start(from: &[Vm<'_>], to: &Vm<'_>, port: u16) -> Self {
        let bind = |vm: &Vm<'_>| netns::inside(&vm.namespace(), || UdpSocket::bind((vm.ip(), port)));
        let socket = bind(to).expect("a free port");
        let (stop, sent) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
        let asked: Vec<_> = from
            .iter()
            .map(|vm| {
                let own = bind(vm).expect("a free port");
                own.connect((to.ip(), port)).expect("an address");
                own.send(b"go on").expect("it can send");
                socket.set_read_timeout(Some(SOON)).expect("a socket takes a deadline");
                let (_, asking) = socket.recv_from(&mut [0; 8]).expect("the question arrives");
                (own, asking)
            })
            .collect();
        let addresses: Vec<_> = asked.iter().map(|(_, address)| *address).collect();
        let server = {
            let (stop, sent) = (stop.clone(), sent.clone());
            std::thread::spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    let number = sent.load(Ordering::Relaxed);
                    for address in &addresses {
                        socket.send_to(&number.to_be_bytes(), address).expect("it can send");
                    }
                    sent.store(number + 1, Ordering::Release);
                    std::thread::sleep(PAUSE);
                }
            })
        };
        let clients = asked.into_iter().map(|(own, _)| Client::listen(own, stop.clone())).collect();
        let answers = Self { stop, sent, server, clients };
        (0..from.len()).for_each(|client| answers.assert_come(client));
        answers
    }

    /// Panics unless answers that are sent from now on come to this client.
    pub fn assert_come(&self, client: usize) {
        let next = self.sent.load(Ordering::Acquire);
        let arrived = &self.clients[client].arrived;
        let logs = || format!("answers come to client {client}\n{}", super::logs());
        eventually(&logs(), SOON, || arrived.lock().unwrap().last().is_some_and(|&last| last >= next));
    }

    /// Waits until none come to this client any more.
    pub fn assert_cut(&self, client: usize) {
        let arrived = &self.clients[client].arrived;
        eventually(&format!("no answers come to client {client}"), SOON, || {
            let next = self.sent.load(Ordering::Acquire);
            while self.sent.load(Ordering::Acquire) < next + MANY {
                std::thread::sleep(PAUSE);
            }
            arrived.lock().unwrap().range(next..).next().is_none()
        });
    }

    /// Panics if one did not come to this client between its first and its last.
    pub fn assert_complete(&self, client: usize) {
        self.assert_come(client);
        let arrived = self.clients[client].arrived.lock().unwrap();
        let (first, last) = (*arrived.first().expect("some came"), *arrived.last().expect("some came"));
        let lost: Vec<u32> = (first..last).filter(|number| !arrived.contains(number)).collect();
        assert_eq!(lost, Vec::<u32>::new(), "answers {first} to {last} were sent to client {client}");
    }

    /// Ends it.
    pub fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        self.server.join().expect("the server goes on until told to stop");
        self.clients
            .into_iter()
            .for_each(|client| client.listener.join().expect("a client listens until told to stop"));
    }
}

impl Client {
    fn listen(socket: UdpSocket, stop: Arc<AtomicBool>) -> Self {
        let arrived: Arc<Mutex<BTreeSet<u32>>> = Arc::default();
        let heard = arrived.clone();
        let listener = std::thread::spawn(move || {
            socket.set_read_timeout(Some(PAUSE)).expect("a socket takes a deadline");
            let mut buffer = [0; 4];
            while !stop.load(Ordering::Relaxed) {
                if let Ok(4) = socket.recv(&mut buffer) {
                    heard.lock().unwrap().insert(u32::from_be_bytes(buffer));
                }
            }
        });
        Self { listener, arrived }
    }
}
