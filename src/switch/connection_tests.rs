use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::super::simulator::{Simulator, message_of};
use super::super::testing::wanted;
use super::*;

/// A switch at the other end of a wire without length: what it has to say is there at once.
struct Wire {
    switch: Arc<Mutex<Simulator>>,
    said: Vec<u8>,
    flood: Arc<Flood>,
}

/// Messages that nobody asked for.
struct Flood {
    begun: AtomicBool,
    /// Kilobytes to come.
    left: AtomicUsize,
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let more = self.switch.lock().unwrap().take_output();
        self.said.extend(more);
        if self.said.is_empty() && self.flood.begun.load(Ordering::Relaxed) {
            let message = message_of(MessageType::ECHO_REPLY, &[0; 1016]);
            let count = (buffer.remaining() / message.len()).min(self.flood.left.load(Ordering::Relaxed));
            self.flood.left.fetch_sub(count, Ordering::Relaxed);
            buffer.put_slice(&message.repeat(count));
            return Poll::Ready(Ok(()));
        }
        let count = buffer.remaining().min(self.said.len());
        buffer.put_slice(&self.said[..count]);
        self.said.drain(..count);
        if count > 0 {
            return Poll::Ready(Ok(()));
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.switch.lock().unwrap().receive(bytes, usize::MAX);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// On one thread, as on each of several: what else is to be done there waits for one read at the most.
#[tokio::test]
async fn a_switch_that_floods_lets_others_have_their_turn_after_every_read() {
    let mut switch = Simulator::new();
    switch.greet();
    let flood = Arc::new(Flood { begun: AtomicBool::new(false), left: AtomicUsize::new(16 << 10) });
    let wire = Wire { switch: Arc::new(Mutex::new(switch)), said: Vec::new(), flood: flood.clone() };
    let (reports, mut told) = mpsc::channel(16);
    let connection = tokio::spawn(drive(wire, "the switch".into(), ConnectionId(1), reports));
    let mut commands = None;
    let turns = Arc::new(AtomicUsize::new(0));
    loop {
        match told.recv().await.expect("the connection goes on").news {
            News::Identified { commands: sender, .. } => {
                assert!(sender.send(Command::Adopt(Box::new(wanted([])))).is_ok());
                commands = Some(sender);
            }
            News::Audited { .. } => break,
            _ => {}
        }
    }
    let counter = tokio::spawn({
        let turns = turns.clone();
        async move {
            loop {
                turns.fetch_add(1, Ordering::Relaxed);
                yield_now().await;
            }
        }
    });
    flood.begun.store(true, Ordering::Relaxed);
    // At the end of the flood the wire says that it is closed.
    connection.await.unwrap();
    counter.abort();
    drop(commands);
    let (turns, reads) = (turns.load(Ordering::Relaxed), (16 << 20) / FrameBuffer::CAPACITY);
    assert!(turns >= reads, "others had {turns} turns during {reads} reads");
}
