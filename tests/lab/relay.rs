//! A relay between Heddle and the database server that keeps what the server says for a while.

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use super::host::Host;

impl Host {
    /// Heddle, which must not run, will hear of the database with this delay. The relay ends with the test's process.
    pub fn delay_database(&self, delay: Duration) {
        let (near, far) = (self.dir().join("late.sock"), self.dir().join("db.sock"));
        let listener = UnixListener::bind(&near).expect("the host's directory takes a socket");
        thread::spawn(move || {
            for heddle in listener.incoming().map_while(Result::ok) {
                let Ok(server) = UnixStream::connect(&far) else { continue };
                connect(&heddle, &server, delay);
            }
        });
        let config = std::fs::read_to_string(self.config_path()).expect("the host has its file");
        let config = config.replace("db.sock", "late.sock");
        std::fs::write(self.config_path(), config).expect("the host's directory takes a file");
    }
}

/// Both ways of one connection; when either end closes, so does the other.
fn connect(heddle: &UnixStream, server: &UnixStream, delay: Duration) {
    let ends = || heddle.try_clone().and_then(|heddle| Ok((heddle, server.try_clone()?)));
    let (Ok((from_heddle, to_server)), Ok((to_heddle, from_server))) = (ends(), ends()) else { return };
    thread::spawn(move || copy(from_heddle, to_server));
    let (sender, receiver) = channel();
    thread::spawn(move || {
        let mut server = from_server;
        let mut chunk = vec![0; 64 << 10];
        while let Ok(count @ 1..) = server.read(&mut chunk) {
            if sender.send((Instant::now() + delay, chunk[..count].to_vec())).is_err() {
                break;
            }
        }
    });
    thread::spawn(move || deliver(&receiver, to_heddle));
}

fn copy(mut from: UnixStream, mut to: UnixStream) {
    let _either_end_closed = std::io::copy(&mut from, &mut to);
    let _already_closed = to.shutdown(std::net::Shutdown::Both);
}

/// Writes each chunk when its time has come.
fn deliver(chunks: &Receiver<(Instant, Vec<u8>)>, mut to: UnixStream) {
    for (due, chunk) in chunks {
        thread::sleep(due.saturating_duration_since(Instant::now()));
        if to.write_all(&chunk).is_err() {
            break;
        }
    }
    let _already_closed = to.shutdown(std::net::Shutdown::Both);
}
