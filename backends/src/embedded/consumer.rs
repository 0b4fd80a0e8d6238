//! Deliveries: claimed in memory, settled on the disk.

use super::entries;
use super::events::{no_place, settle};
use super::fault::Fault;
use super::memory::PlaceId;
use super::place::{Place, Taken, later};
use super::store::Store;
use super::writer::Work;
use async_trait::async_trait;
use belfry_mesh::event::Event;
use belfry_mesh::name::TriggerName;
use belfry_mesh::port::Error;
use belfry_mesh::port::log::{Claim, Consumer, Delivery, Stored};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

/// A reader of one trigger's deliveries.
pub(super) struct Reader {
    store: Arc<Store>,
    trigger: TriggerName,
    place: PlaceId,
    changed: Arc<Notify>,
}

/// The hold on one delivery.
struct Hold {
    store: Arc<Store>,
    trigger: TriggerName,
    place: PlaceId,
    taken: Taken,
}

/// Events that are claimed but not delivered yet. Those that are left when it is dropped go back at once.
struct Undelivered<'a> {
    store: &'a Store,
    place: PlaceId,
    taken: Vec<Taken>,
}

impl Reader {
    pub(super) fn new(store: Arc<Store>, trigger: TriggerName, id: PlaceId, place: &Place) -> Self {
        Self {
            store,
            trigger,
            place: id,
            changed: place.changed.clone(),
        }
    }

    /// Claims what is there, or says when something may be.
    fn claim(&self, max: usize) -> Result<Result<Vec<Taken>, Option<Instant>>, Error> {
        if self.store.closed.is_cancelled() {
            return Err(self.store.closed_error());
        }
        let mut places = self.store.memory.places();
        let place = places
            .get(self.place)
            .ok_or_else(|| no_place(&self.trigger))?;
        let taken = place.take(max.max(1), Instant::now());
        Ok(if taken.is_empty() {
            Err(place.wakes_at())
        } else {
            Ok(taken)
        })
    }

    /// Reads what was claimed. That it was tried is written down by the way: nobody waits for that.
    async fn deliver(&self, taken: Vec<Taken>) -> Result<Vec<Delivery>, Error> {
        let mut undelivered = Undelivered {
            store: &self.store,
            place: self.place,
            taken,
        };
        let (place, taken) = (self.place, undelivered.taken.clone());
        self.store
            .writer
            .post(move |work| begin(work, place, &taken));
        let sequences: Vec<_> = undelivered
            .taken
            .iter()
            .map(|taken| taken.sequence)
            .collect();
        let read = self.store.readers.run(move |conn| {
            sequences
                .into_iter()
                .map(|sequence| entries::get::<Event>(conn, sequence))
                .collect::<Result<Vec<_>, _>>()
        });
        let read = read.await?;
        let taken = std::mem::take(&mut undelivered.taken);
        Ok(taken
            .into_iter()
            .zip(read)
            .filter_map(|(taken, entry)| self.delivery(taken, entry))
            .collect())
    }

    /// An entry that is no event is settled: nobody can ever handle it, and it stays to be seen in the log.
    fn delivery(
        &self,
        taken: Taken,
        entry: Option<Result<Stored<Event>, Error>>,
    ) -> Option<Delivery> {
        match entry {
            Some(Ok(Stored { value: event, .. })) => {
                let (store, trigger, place) =
                    (self.store.clone(), self.trigger.clone(), self.place);
                let claim = Box::new(Hold {
                    store,
                    trigger,
                    place,
                    taken,
                });
                Some(Delivery {
                    event,
                    sequence: taken.sequence,
                    attempt: taken.attempt,
                    claim,
                })
            }
            unreadable => {
                if let Some(Err(error)) = unreadable {
                    tracing::error!(trigger = %self.trigger, %error, "an event cannot be delivered");
                }
                let place = self.place;
                self.store
                    .writer
                    .post(move |work| settle(work, place, taken.sequence));
                None
            }
        }
    }
}

#[async_trait]
impl Consumer for Reader {
    async fn next(&mut self, max: usize) -> Result<Vec<Delivery>, Error> {
        loop {
            // Asked for before the place is looked at, so that nothing that happens in between is missed.
            let mut changed = pin!(self.changed.notified());
            changed.as_mut().enable();
            let wakes_at = match self.claim(max)? {
                Ok(taken) => {
                    let deliveries = self.deliver(taken).await?;
                    if deliveries.is_empty() {
                        continue;
                    }
                    return Ok(deliveries);
                }
                Err(wakes_at) => wakes_at,
            };
            tokio::select! {
                () = changed => {}
                () = self.store.closed.cancelled() => {}
                () = tokio::time::sleep_until(wakes_at.unwrap_or_else(Instant::now)), if wakes_at.is_some() => {}
            }
        }
    }
}

#[async_trait]
impl Claim for Hold {
    async fn extend(&self) -> Result<(), Error> {
        if self.store.closed.is_cancelled() {
            return Err(self.store.closed_error());
        }
        if self.keep() {
            return Ok(());
        }
        Err(Error::Refused {
            what: format!(
                "the claim of trigger `{}` on event {}",
                self.trigger, self.taken.sequence
            ),
            why: "it had ended, and the event was settled or given to another".into(),
        })
    }

    async fn ack(self: Box<Self>) -> Result<(), Error> {
        // It must not go to another while the disk is at work.
        self.keep();
        let (place, sequence) = (self.place, self.taken.sequence);
        self.store
            .writer
            .run(move |work| settle(work, place, sequence))
            .await
    }

    async fn retry_after(self: Box<Self>, delay: Duration) -> Result<(), Error> {
        self.keep();
        let (place, taken) = (self.place, self.taken);
        let (at, due) = (
            later(Instant::now(), delay),
            self.store.clock.now().as_microsecond(),
        );
        let due = due.saturating_add(i64::try_from(delay.as_micros()).unwrap_or(i64::MAX));
        self.store
            .writer
            .run(move |work| postpone(work, place, taken, due, at))
            .await
    }

    async fn give_up(self: Box<Self>) -> Result<(), Error> {
        self.ack().await
    }
}

impl Hold {
    fn keep(&self) -> bool {
        let mut places = self.store.memory.places();
        places
            .get(self.place)
            .is_some_and(|place| place.extend(self.taken, Instant::now()))
    }
}

impl Drop for Undelivered<'_> {
    fn drop(&mut self) {
        if let Some(place) = self.store.memory.places().get(self.place) {
            let now = Instant::now();
            self.taken
                .iter()
                .for_each(|&taken| place.postpone(taken, now));
        }
    }
}

fn begin(work: &mut Work<'_>, place: PlaceId, taken: &[Taken]) -> Result<(), Fault> {
    for Taken { sequence, attempt } in taken {
        work.execute(
            "UPDATE deliveries SET attempt = ?3, due_at = 0 WHERE sequence = ?1 AND subscription = ?2",
            (sequence, place, attempt),
        )?;
    }
    Ok(())
}

/// Only the last attempt may say when the next one is due.
fn postpone(
    work: &mut Work<'_>,
    place: PlaceId,
    taken: Taken,
    due: i64,
    at: Instant,
) -> Result<(), Fault> {
    work.execute(
        "UPDATE deliveries SET due_at = ?4 WHERE sequence = ?1 AND subscription = ?2 AND attempt = ?3",
        (taken.sequence, place, taken.attempt, due),
    )?;
    work.afterwards(move |memory| {
        if let Some(place) = memory.places().get(place) {
            place.postpone(taken, at);
        }
    });
    Ok(())
}
