//! Senders that wait for what becomes of their event.
//!
//! An event of a sender that waits carries this gateway's address ([`AnswerTo`]). The agent that brings it to an end tells it
//! there, whichever agent that is and after however many attempts, and everybody here who waits for the event is answered.
//!
//! The registry is under a lock, held for a few look-ups in a map. It is on the way of deliveries to triggers with
//! `response.sync` only: all others neither take it nor know of it.

mod render;
mod wording;

pub(crate) use wording::{Wording, begin, repeated};

use crate::outage::Outage;
use belfry_mesh::EventId;
use belfry_mesh::event::{AnswerTo, Ending};
use belfry_mesh::outcome::Status;
use belfry_mesh::port::calls::{Answer, Calls, Handler};
use belfry_mesh::port::clock::Clock;
use bytes::Bytes;
use futures::FutureExt;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio_util::sync::CancellationToken;

/// After how long an address that could not be served is tried again.
const PAUSE: Duration = Duration::from_secs(1);

/// Who waits here, and for what.
pub(crate) struct Waiting {
    address: AnswerTo,
    /// Whether anything told to the address arrives.
    hears: AtomicBool,
    /// One for each who may wait at once.
    places: Arc<Semaphore>,
    awaited: Mutex<HashMap<EventId, Arc<Awaited>>>,
    closed: CancellationToken,
}

/// An event that is awaited, by one or by several.
struct Awaited(watch::Sender<Progress>);

#[derive(Default)]
struct Progress {
    /// The event is in the log with this gateway's address.
    stored: bool,
    ending: Option<Arc<Ending>>,
}

/// One who waits for an event. Dropped, it waits no more, and leaves nothing behind.
pub(crate) struct Waiter {
    waiting: Arc<Waiting>,
    event_id: EventId,
    awaited: Arc<Awaited>,
    _place: OwnedSemaphorePermit,
}

/// How a wait ended.
pub(crate) enum End {
    /// The event ended, so.
    Told(Arc<Ending>),
    /// The deadline came first.
    Late,
    /// The gateway is shutting down.
    Closed,
}

/// No more can wait.
#[derive(Debug)]
pub(crate) struct Full;

impl Waiting {
    /// A registry with room for so many at once.
    pub(crate) fn new(address: AnswerTo, room: usize) -> Arc<Self> {
        Arc::new(Self {
            address,
            hears: AtomicBool::new(false),
            places: Arc::new(Semaphore::new(room)),
            awaited: Mutex::default(),
            closed: CancellationToken::new(),
        })
    }

    /// Serves the address, without end; until that is possible, nobody can wait.
    pub(crate) async fn listen(self: Arc<Self>, calls: Arc<dyn Calls>, clock: Arc<dyn Clock>) {
        let outage = Outage::new(
            "hearing what becomes of events",
            "senders that would wait for it are answered 202 at once",
        );
        let told = self.clone();
        let handler: Handler = Arc::new(move |said| {
            let answer = told.hear(&said);
            async move { answer }.boxed()
        });
        loop {
            let serving = calls.serve(&self.address.subject(), handler.clone()).await;
            if let Ok(_serving) = outage.note(serving) {
                self.hears.store(true, Ordering::Relaxed);
                return std::future::pending().await;
            }
            clock.sleep(PAUSE).await;
        }
    }

    /// Begins to wait for an event that is about to be stored; none if nothing would be heard.
    ///
    /// # Errors
    /// [`Full`].
    pub(crate) fn begin(self: &Arc<Self>, event_id: &EventId) -> Result<Option<Waiter>, Full> {
        if !self.hears.load(Ordering::Relaxed) {
            return Ok(None);
        }
        let place = self.places.clone().try_acquire_owned().map_err(|_| Full)?;
        let awaited = self
            .awaited()
            .entry(event_id.clone())
            .or_insert_with(|| Arc::new(Awaited(watch::Sender::default())))
            .clone();
        Ok(Some(self.waiter(event_id, awaited, place)))
    }

    /// Waits too for an event that somebody here awaits already, if there is room.
    pub(crate) fn join(self: &Arc<Self>, event_id: &EventId) -> Option<Waiter> {
        let place = self.places.clone().try_acquire_owned().ok()?;
        let awaited = self.awaited().get(event_id)?.clone();
        Some(self.waiter(event_id, awaited, place))
    }

    /// Ends all waiting, that of later ones too.
    pub(crate) fn close(&self) {
        self.closed.cancel();
    }

    /// How many wait.
    #[cfg(test)]
    fn count(&self) -> usize {
        self.awaited()
            .values()
            .map(|awaited| Arc::strong_count(awaited) - 1)
            .sum()
    }

    fn waiter(
        self: &Arc<Self>,
        event_id: &EventId,
        awaited: Arc<Awaited>,
        place: OwnedSemaphorePermit,
    ) -> Waiter {
        Waiter {
            waiting: self.clone(),
            event_id: event_id.clone(),
            awaited,
            _place: place,
        }
    }

    /// Hands on what an agent tells.
    fn hear(&self, said: &[u8]) -> Answer {
        let ending: Ending = match serde_json::from_slice(said) {
            Ok(ending) => ending,
            Err(error) => return fault(400, &format!("this is no ending of an event: {error}")),
        };
        if ending.outcome.status == Status::Retrying {
            return fault(400, "an event that is tried again has not ended");
        }
        let Some(awaited) = self.awaited().remove(&ending.outcome.event_id) else {
            return fault(404, "nobody waits for this event");
        };
        let ending = Arc::new(ending);
        awaited
            .0
            .send_modify(|progress| progress.ending = Some(ending));
        Bytes::new().into()
    }

    fn awaited(&self) -> MutexGuard<'_, HashMap<EventId, Arc<Awaited>>> {
        self.awaited.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiter {
    /// Where the event's end is to be told.
    pub(crate) fn address(&self) -> AnswerTo {
        self.waiting.address.clone()
    }

    /// The event is in the log, and it is this waiter's own that is there.
    pub(crate) fn stored(&self) {
        self.awaited
            .0
            .send_modify(|progress| progress.stored = true);
    }

    /// Whether an end of the event will be told here: the log has it with this gateway's address.
    pub(crate) fn is_stored(&self) -> bool {
        let progress = self.awaited.0.borrow();
        progress.stored || progress.ending.is_some()
    }

    /// Waits for the event's end.
    pub(crate) async fn end(&self, deadline: Duration) -> End {
        let mut progress = self.awaited.0.subscribe();
        let told = async {
            let seen = progress.wait_for(|progress| progress.ending.is_some());
            let seen = seen.await.ok()?;
            seen.ending.clone()
        };
        tokio::select! {
            biased;
            Some(ending) = told => End::Told(ending),
            () = self.waiting.closed.cancelled() => End::Closed,
            () = tokio::time::sleep(deadline) => End::Late,
        }
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        let mut awaited = self.waiting.awaited();
        let is_mine = awaited
            .get(&self.event_id)
            .is_some_and(|known| Arc::ptr_eq(known, &self.awaited));
        // The map's and this one: both are counted under the lock, without which nobody joins.
        if is_mine && Arc::strong_count(&self.awaited) == 2 {
            awaited.remove(&self.event_id);
        }
    }
}

fn fault(code: u16, why: &str) -> Answer {
    Answer::fault(code, why, Bytes::new())
}

#[cfg(test)]
mod tests;
