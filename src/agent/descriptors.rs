//! How many files and sockets this process may have open (getrlimit(2), `RLIMIT_NOFILE`).

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tracing::{debug, warn};

use crate::switch::MAX_CONNECTIONS;

/// What is kept for all but connections of bridges: the database, files, and clients of the status socket and the
/// metrics.
const RESERVE: u64 = 192;

/// Raises the limit as far as needed and allowed. Returns how many connections of bridges it has room for.
pub(super) fn room_for_connections() -> usize {
    let wanted = MAX_CONNECTIONS as u64 + RESERVE;
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let unlimited = u64::MAX;
    let (mut allowed, most) = (current.unwrap_or(unlimited), maximum.unwrap_or(unlimited));
    let raised = wanted.min(most);
    if allowed < raised {
        match setrlimit(Resource::Nofile, Rlimit { current: Some(raised), maximum }) {
            Ok(()) => allowed = raised,
            Err(error) => debug!(%error, "cannot raise the limit of open files"),
        }
    }
    let connections = connections_in(allowed);
    if connections < MAX_CONNECTIONS {
        warn!(connections, "the limit of open files, {allowed}, has no room for more connections of bridges");
    }
    connections
}

fn connections_in(allowed: u64) -> usize {
    let room = allowed.saturating_sub(RESERVE).max(allowed / 2);
    usize::try_from(room).unwrap_or(usize::MAX).min(MAX_CONNECTIONS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_room_for_all_else() {
        assert_eq!([64, 256, 1024, 1216, 1 << 20].map(connections_in), [32, 128, 832, 1024, 1024]);
    }
}
