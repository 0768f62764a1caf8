//! Simulated switches that connect to Heddle over TCP, as bridges of Open vSwitch do.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use heddle::openflow::{DatapathId, PortNo};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::simulator::{Simulator, named_port};

/// Wait before the next attempt to connect.
const AGAIN: Duration = Duration::from_millis(20);
/// Flows in one part of a dump, which has to fit into 64 KiB.
const PART: usize = 200;

/// A bridge of this name and datapath id.
pub fn bridge(name: &str, datapath_id: u64) -> Simulator {
    let mut simulator = Simulator::new();
    simulator.datapath_id = DatapathId(datapath_id);
    simulator.ports = vec![named_port(PortNo::LOCAL, name.as_bytes())];
    simulator.part = PART;
    simulator.lenient = true;
    simulator.keeps_log = false;
    simulator
}

/// Connects, answers, and connects again. How often flows have changed is told in `changes`.
pub async fn run(mut simulator: Simulator, controller: SocketAddr, changes: Arc<AtomicU64>) {
    let mut chunk = vec![0; 256 << 10];
    loop {
        if let Ok(mut stream) = TcpStream::connect(controller).await {
            let _ = stream.set_nodelay(true);
            simulator.greet();
            let _ = stream.write_all(&simulator.take_output()).await;
            while let Ok(count @ 1..) = stream.read(&mut chunk).await {
                simulator.receive(&chunk[..count], usize::MAX);
                changes.store(simulator.changes, Ordering::Relaxed);
                if stream.write_all(&simulator.take_output()).await.is_err() {
                    break;
                }
            }
            simulator.disconnect();
        }
        tokio::time::sleep(AGAIN).await;
    }
}
