//! Tells systemd how the service is: `sd_notify(3)`, `sd_watchdog_enabled(3)`.

use std::env;
use std::future::pending;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use tokio::time::{Interval, MissedTickBehavior, interval};
use tracing::debug;

/// Sends `state`, such as `READY=1`, if a service manager listens.
pub(super) fn notify_service_manager(state: &str) {
    let Some(path) = env::var_os("NOTIFY_SOCKET") else { return };
    let address = match path.to_str().and_then(|text| text.strip_prefix('@')) {
        Some(name) => SocketAddr::from_abstract_name(name),
        None => SocketAddr::from_pathname(&path),
    };
    let sent = address.and_then(|address| UnixDatagram::unbound()?.send_to_addr(state.as_bytes(), &address));
    if let Err(error) = sent {
        debug!(%error, "cannot notify the service manager");
    }
}

/// Tells the service manager that the loop which waits for this goes round, if it wants to know.
pub(super) struct Watchdog(Option<Interval>);

impl Watchdog {
    /// Twice as often as `WatchdogSec` of the unit asks for. Must be called in a tokio runtime.
    pub(super) fn from_environment() -> Self {
        let number = |name: &str| env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
        let is_for_us =
            env::var_os("WATCHDOG_PID").is_none() || number("WATCHDOG_PID") == Some(std::process::id().into());
        let period = number("WATCHDOG_USEC").filter(|period| *period > 1 && is_for_us);
        Self(period.map(|period| {
            let mut ticks = interval(Duration::from_micros(period / 2));
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            ticks
        }))
    }

    /// Returns when it is time, and has said so.
    pub(super) async fn feed(&mut self) {
        match &mut self.0 {
            Some(ticks) => ticks.tick().await,
            None => pending().await,
        };
        notify_service_manager("WATCHDOG=1");
    }
}
