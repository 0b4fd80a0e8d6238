//! From the spool into the event log.

use super::shelf::{Entry, Spot};
use super::thread::{Order, Settled};
use super::{Error, Spool};
use crate::outage::Outage;
use belfry_mesh::Proven;
use belfry_mesh::event::Origin;
use belfry_mesh::port;
use futures::StreamExt;
use futures::stream::FuturesOrdered;
use std::collections::VecDeque;
use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;

/// How many events are on their way to the event log at once.
const AT_ONCE: usize = 128;

/// How many events are held in memory, at most.
const BATCH: usize = 256;

/// How many bytes of events are held in memory before no more are read.
const BATCH_BYTES: u64 = 4 << 20;

/// How long to wait after a first failure; each further one doubles it.
const FIRST_PAUSE: Duration = Duration::from_millis(50);

/// How long to wait at most.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Events on their way, in order: the first that is not settled, and those behind it.
#[derive(Default)]
struct Batch {
    items: VecDeque<Item>,
    /// How many there were before the first.
    passed: usize,
}

struct Item {
    entry: Entry,
    /// It is stored or set aside, and waits only for those before it.
    is_done: bool,
}

/// What became of the events that were tried once.
#[derive(Default)]
struct Round {
    /// How many the log took.
    stored: usize,
    /// Why the others wait.
    held_up: Option<port::Error>,
    /// What the log does not take, and why.
    refused: Vec<(usize, port::Error)>,
}

/// How an attempt went.
struct Progress {
    settled: usize,
    is_held_up: bool,
}

impl Spool {
    /// Stores what waits in the event log with `store`, for ever: drop it to stop, at any point. It ends by itself only when the
    /// spool is closed. Events are handed to `store` in the order in which they were spooled, up to 128 at once, and one is taken out
    /// only when it and all before it are stored.
    ///
    /// `store` must end by itself, within the time that the log may take. It may be given an event that the log has already, after
    /// a crash or an answer that got lost; so it should look the id up first, as far as the log's own window does not reach. Its
    /// error decides. A retryable one, such as an outage or a full log, holds up all events, with pauses of 50 ms to 2 s.
    /// [`port::Error::TooLarge`] sets the event aside. Any other may be the event's fault or the log's: it sets the event aside if the
    /// log took another one in the same round, and holds up all events if not.
    ///
    /// A second drain waits for the end of the first.
    pub async fn drain<S, F>(&self, store: S)
    where
        S: Fn(Arc<Proven>) -> F + Send + Sync,
        F: Future<Output = Result<(), port::Error>> + Send,
    {
        let _turn = self.draining.lock().await;
        let disk = Outage::new("draining the spool", "what waits in it stays there");
        let log = Outage::new(
            "storing what waits in the spool",
            "it is tried until it works",
        );
        let mut batch = Batch::default();
        let mut drained = 0;
        let mut pause = FIRST_PAUSE;
        loop {
            if batch.items.is_empty() && self.is_empty() {
                if drained > 0 {
                    tracing::info!(events = drained, "the spool is drained");
                    drained = 0;
                }
                self.shared.filled.notified().await;
            }
            let progress = match self.attempt(&store, &mut batch, &log).await {
                Err(Error::Closed) => return,
                other => disk.note(other).unwrap_or(Progress {
                    settled: 0,
                    is_held_up: true,
                }),
            };
            drained += progress.settled;
            if progress.settled > 0 || !progress.is_held_up {
                pause = FIRST_PAUSE;
            }
            if progress.is_held_up {
                self.clock.sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
    }

    /// Tries each event that waits once, as far as they are held in memory.
    async fn attempt<S, F>(
        &self,
        store: &S,
        batch: &mut Batch,
        log: &Outage,
    ) -> Result<Progress, Error>
    where
        S: Fn(Arc<Proven>) -> F + Send + Sync,
        F: Future<Output = Result<(), port::Error>> + Send,
    {
        self.top_up(batch).await?;
        if batch.items.is_empty() {
            return Ok(Progress {
                settled: 0,
                is_held_up: !self.is_empty(),
            });
        }
        let before = batch.passed;
        let round = self.round(store, batch).await;
        match &round.held_up {
            Some(error) => log.failed(error),
            None => log.works(),
        }
        for (index, error) in &round.refused {
            self.set_aside(batch, *index, error).await?;
        }
        self.settle(batch);
        Ok(Progress {
            settled: batch.passed - before,
            is_held_up: round.held_up.is_some(),
        })
    }

    /// Reads what is behind the batch.
    async fn top_up(&self, batch: &mut Batch) -> Result<(), Error> {
        let spots = batch.items.iter().map(|item| item.entry.spot);
        let bytes: u64 = spots.map(|spot| spot.end - spot.at).sum();
        let most = BATCH - batch.items.len();
        if most == 0 || bytes >= BATCH_BYTES {
            return Ok(());
        }
        let after = batch.items.back().map(|item| item.entry.spot);
        let found = self.ask(|reply| Order::Read(after, most, reply)).await?;
        batch.items.extend(found.into_iter().map(|entry| Item {
            entry,
            is_done: false,
        }));
        Ok(())
    }

    /// Hands each event that is not done to `store`, in order, until one is held up.
    async fn round<S, F>(&self, store: &S, batch: &mut Batch) -> Round
    where
        S: Fn(Arc<Proven>) -> F + Send + Sync,
        F: Future<Output = Result<(), port::Error>> + Send,
    {
        let mut round = Round::default();
        let mut suspects = Vec::new();
        let mut running = FuturesOrdered::new();
        let mut next = batch.passed;
        loop {
            while running.len() < AT_ONCE && round.held_up.is_none() {
                let Some(item) = batch.item(next) else {
                    break;
                };
                if !item.is_done {
                    let index = next;
                    let stored = store(item.entry.event.clone());
                    running.push_back(async move { (index, stored.await) });
                }
                next += 1;
            }
            let Some((index, outcome)) = running.next().await else {
                break;
            };
            match outcome {
                Ok(()) => {
                    round.stored += 1;
                    batch.done(index);
                    self.settle(batch);
                }
                Err(error @ port::Error::TooLarge { .. }) => round.refused.push((index, error)),
                Err(error) if error.is_retryable() => {
                    round.held_up.get_or_insert(error);
                }
                Err(error) => suspects.push((index, error)),
            }
        }
        if round.stored > 0 {
            round.refused.append(&mut suspects);
        } else if let Some((_, error)) = suspects.pop() {
            round.held_up.get_or_insert(error);
        }
        round
    }

    /// Puts an event where an operator finds it.
    async fn set_aside(
        &self,
        batch: &mut Batch,
        index: usize,
        error: &port::Error,
    ) -> Result<(), Error> {
        let Some(item) = batch.item(index) else {
            return Ok(());
        };
        let Entry { event, spot, .. } = &item.entry;
        let (spot, text): (Spot, _) = (*spot, write_out(&item.entry, error));
        tracing::error!(
            event_id = %event.event().id, subject = %event.event().address, %error,
            "the event log does not take a spooled event; it is set aside in `refused`"
        );
        self.ask(|reply| Order::Refuse(spot, text, reply)).await?;
        batch.done(index);
        Ok(())
    }

    /// Lets go of the first events as far as they are done.
    fn settle(&self, batch: &mut Batch) {
        while let Some(Item { entry, .. }) = batch.items.pop_front_if(|item| item.is_done) {
            batch.passed += 1;
            let settled = Settled {
                spot: entry.spot,
                key: entry.key,
                next: batch.items.front().map(|item| item.entry.spooled),
            };
            // A thread that has ended cannot take note; the next start stores it again, under its id.
            let _ = self.orders.send(Order::Settle(settled));
        }
    }

    async fn ask<T>(
        &self,
        order: impl FnOnce(oneshot::Sender<Result<T, Error>>) -> Order,
    ) -> Result<T, Error> {
        let (reply, answer) = oneshot::channel();
        self.orders.send(order(reply)).map_err(|_| Error::Closed)?;
        answer.await.unwrap_or(Err(Error::Closed))
    }
}

impl Batch {
    fn item(&self, index: usize) -> Option<&Item> {
        self.items.get(index.checked_sub(self.passed)?)
    }

    fn done(&mut self, index: usize) {
        let place = index.checked_sub(self.passed);
        if let Some(item) = place.and_then(|place| self.items.get_mut(place)) {
            item.is_done = true;
        }
    }
}

/// An event as a file that an operator can read: why it is there, its attributes, a blank line, and the data byte for byte.
fn write_out(entry: &Entry, error: &port::Error) -> Vec<u8> {
    let event = entry.event.event();
    let origin = match entry.event.origin() {
        Origin::Verified => "verified",
        Origin::Operator => "operator",
        Origin::Replay => "replay",
    };
    let reason = error.to_string().replace(['\r', '\n'], " ");
    let mut head = format!(
        "refused: {reason}\nspooled: {}\norigin: {origin}\nsubject: {}\n",
        entry.spooled, event.address
    );
    for (name, value) in event.attributes() {
        // Writing to a text cannot fail.
        let _ = writeln!(head, "{name}: {value}");
    }
    head.push('\n');
    [head.as_bytes(), &event.data].concat()
}
