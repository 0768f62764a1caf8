//! Places for peers that are still strangers: few enough to cost little, and never all taken for long.
//!
//! Anybody can connect and say nothing. Without a bound that costs memory and descriptors; with a bound alone it keeps
//! others out. So who has had a place for a while without becoming more than a stranger gives it up to who comes next,
//! oldest first.

use std::collections::VecDeque;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::{Instant, sleep_until};

/// See the module.
#[derive(Debug)]
pub struct Places {
    free: Arc<Semaphore>,
    limit: usize,
    grace: Duration,
    /// Who has a place, the oldest first. Those who have left stand there until they are come across.
    taken: Mutex<VecDeque<Taken>>,
}

#[derive(Debug)]
struct Taken {
    since: Instant,
    give_up: oneshot::Sender<()>,
}

/// A place; dropping it frees it.
#[derive(Debug)]
pub struct Place {
    wanted_back: oneshot::Receiver<()>,
    _permit: OwnedSemaphorePermit,
}

impl Place {
    /// Waits until somebody else needs it.
    pub async fn wanted_back(&mut self) {
        if (&mut self.wanted_back).await.is_err() {
            // Nobody is left who could need it.
            std::future::pending().await
        }
    }
}

impl Places {
    /// `limit` places, each of which is its holder's for `grace` at least.
    pub fn new(limit: usize, grace: Duration) -> Self {
        Self { free: Arc::new(Semaphore::new(limit)), limit, grace, taken: Mutex::default() }
    }

    /// Takes a place; if there is none, that of the oldest holder as soon as its grace is over. One holder is asked for
    /// one place.
    pub async fn take(&self) -> Place {
        let mut free = pin!(self.free.clone().acquire_owned());
        let permit = loop {
            // Without one to ask, whoever has been asked is about to go.
            let due = self.oldest().map(|since| since + self.grace);
            tokio::select! {
                biased;
                permit = &mut free => break permit,
                () = until(due) => {}
            }
            if self.ask_oldest() {
                break free.await;
            }
        };
        self.hand_out(permit.expect("nobody closes the semaphore"))
    }

    fn hand_out(&self, permit: OwnedSemaphorePermit) -> Place {
        let (give_up, wanted_back) = oneshot::channel();
        let mut taken = self.taken();
        if taken.len() >= 2 * self.limit {
            taken.retain(|taken| !taken.give_up.is_closed());
        }
        taken.push_back(Taken { since: Instant::now(), give_up });
        Place { wanted_back, _permit: permit }
    }

    /// Since when the oldest holder has its place.
    fn oldest(&self) -> Option<Instant> {
        let mut taken = self.taken();
        while taken.front().is_some_and(|oldest| oldest.give_up.is_closed()) {
            taken.pop_front();
        }
        taken.front().map(|oldest| oldest.since)
    }

    /// False: there is nobody, or who has been asked has just left.
    fn ask_oldest(&self) -> bool {
        self.taken().pop_front().is_some_and(|oldest| oldest.give_up.send(()).is_ok())
    }

    fn taken(&self) -> std::sync::MutexGuard<'_, VecDeque<Taken>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn until(due: Option<Instant>) {
    match due {
        Some(due) => sleep_until(due).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::timeout;

    use super::*;

    const GRACE: Duration = Duration::from_millis(50);
    const LONG: Duration = Duration::from_secs(3600);

    fn take_beside(places: &Arc<Places>) -> tokio::task::JoinHandle<Place> {
        let places = places.clone();
        tokio::spawn(async move { places.take().await })
    }

    #[tokio::test]
    async fn the_oldest_gives_its_place_to_who_comes_next_when_its_grace_is_over() {
        let places = Arc::new(Places::new(2, GRACE));
        let began = Instant::now();
        let (mut first, mut second) = (places.take().await, places.take().await);
        let next = take_beside(&places);
        first.wanted_back().await;
        assert!(began.elapsed() >= GRACE, "not before");
        assert!(timeout(GRACE, second.wanted_back()).await.is_err(), "one is enough");
        assert!(!next.is_finished(), "the place is not free yet");
        drop(first);
        next.await.unwrap();
    }

    #[tokio::test]
    async fn a_place_that_is_free_is_had_at_once_and_nobody_is_asked_for_his() {
        let places = Places::new(2, Duration::ZERO);
        let mut stays = places.take().await;
        for _ in 0..100 {
            drop(places.take().await);
        }
        assert!(places.taken().len() <= 4, "those who left are forgotten");
        assert!(timeout(GRACE, stays.wanted_back()).await.is_err());
    }

    #[tokio::test]
    async fn who_leaves_early_makes_room_without_anybody_being_asked() {
        let places = Arc::new(Places::new(2, LONG));
        let (mut first, second) = (places.take().await, places.take().await);
        let next = take_beside(&places);
        assert!(timeout(GRACE, first.wanted_back()).await.is_err());
        drop(second);
        next.await.unwrap();
        assert!(timeout(GRACE, first.wanted_back()).await.is_err());
    }
}
