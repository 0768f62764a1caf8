//! What a program prints, line by line as it prints it, with a deadline for each.
#![allow(dead_code, unreachable_pub, reason = "every test file takes its part")]

use std::io::{BufRead, BufReader, Read};
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::time::Duration;

/// How long a line may take.
const DEADLINE: Duration = Duration::from_secs(20);

/// The lines of a stream.
pub struct Lines(Receiver<String>);

impl Lines {
    /// Reads from now on, in a thread that ends with the stream.
    pub fn of(stream: impl Read + Send + 'static) -> Self {
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            BufReader::new(stream).lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
        });
        Self(lines)
    }

    /// The next line; fails without one within the deadline.
    pub fn next(&self) -> String {
        self.0.recv_timeout(DEADLINE).unwrap_or_else(|error| panic!("no further line: {error}"))
    }

    /// A line, if there is one already.
    pub fn already(&self) -> Option<String> {
        match self.0.try_recv() {
            Ok(line) => Some(line),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => panic!("the program ended"),
        }
    }
}
