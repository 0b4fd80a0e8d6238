//! A provider that sends at a steady rate, whatever becomes of what it sent before, and repeats each delivery until it is
//! acknowledged.

use crate::world::senders::TRIGGER;
use crate::world::{Doors, PATIENCE, github, pull_request};
use anyhow::{Context, Result, bail};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// One delivery every so often: 40 a second.
const PACE: Duration = Duration::from_millis(25);

/// How long a delivery that was not taken is left before it is sent again.
const PAUSE: Duration = Duration::from_millis(200);

/// The provider at work.
pub(super) struct Load {
    stop: CancellationToken,
    shared: Arc<Shared>,
    sends: tokio::task::JoinHandle<Result<Sent>>,
}

struct Shared {
    doors: Doors,
    acknowledged: watch::Sender<usize>,
    unanswered: AtomicUsize,
    refused: AtomicUsize,
}

/// What came of it.
pub(super) struct Sent {
    /// The event id of every delivery.
    pub(super) events: BTreeSet<String>,
    /// How many deliveries there were.
    pub(super) count: usize,
    /// How often there was no answer.
    pub(super) unanswered: usize,
    /// How often the answer was a 5xx.
    pub(super) refused: usize,
    /// The longest that nothing was acknowledged.
    pub(super) gap: Duration,
    /// The longest that one delivery took, repetitions included.
    pub(super) longest: Duration,
}

impl Load {
    pub(super) fn begin(doors: &Doors) -> Self {
        let shared = Arc::new(Shared {
            doors: doors.clone(),
            acknowledged: watch::Sender::new(0),
            unanswered: 0.into(),
            refused: 0.into(),
        });
        let stop = CancellationToken::new();
        let tracker = tokio_util::task::TaskTracker::new();
        let sends = tracker.spawn(send(shared.clone(), stop.clone()));
        Self {
            stop,
            shared,
            sends,
        }
    }

    /// Waits until so many more deliveries are acknowledged.
    pub(super) async fn go_on(&self, more: usize) -> Result<()> {
        let mut count = self.shared.acknowledged.subscribe();
        let wanted = *count.borrow() + more;
        tokio::time::timeout(2 * PATIENCE, count.wait_for(|&count| count >= wanted))
            .await
            .with_context(|| format!("{more} more deliveries were not acknowledged"))??;
        Ok(())
    }

    /// How many deliveries are acknowledged, and how often there was a 5xx or no answer.
    pub(super) fn so_far(&self) -> (usize, usize, usize) {
        (
            *self.shared.acknowledged.borrow(),
            self.shared.refused.load(Ordering::Relaxed),
            self.shared.unanswered.load(Ordering::Relaxed),
        )
    }

    /// Sends nothing new, and waits until all is acknowledged.
    pub(super) async fn end(self) -> Result<Sent> {
        self.stop.cancel();
        self.sends.await?
    }
}

async fn send(shared: Arc<Shared>, stop: CancellationToken) -> Result<Sent> {
    let mut clock = tokio::time::interval(PACE);
    clock.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut under_way = JoinSet::new();
    let (mut events, mut number) = (BTreeSet::new(), 0);
    let (mut last, mut gap, mut longest) = (Instant::now(), Duration::ZERO, Duration::ZERO);
    loop {
        tokio::select! {
            Some(done) = under_way.join_next() => {
                let (id, took) = done??;
                events.insert(id);
                gap = gap.max(last.elapsed());
                last = Instant::now();
                longest = longest.max(took);
            }
            () = stop.cancelled(), if under_way.is_empty() => break,
            _ = clock.tick(), if !stop.is_cancelled() => {
                number += 1;
                under_way.spawn(shared.clone().deliver(number));
            }
        }
    }
    Ok(Sent {
        events,
        count: usize::try_from(number)?,
        unanswered: shared.unanswered.load(Ordering::Relaxed),
        refused: shared.refused.load(Ordering::Relaxed),
        gap,
        longest,
    })
}

impl Shared {
    /// Sends one delivery until it is acknowledged. Answers its event id, and how long that took.
    async fn deliver(self: Arc<Self>, number: u64) -> Result<(String, Duration)> {
        let delivery = github(&format!("delivery-{number}"), &pull_request(number));
        let began = Instant::now();
        while began.elapsed() < 2 * PATIENCE {
            match self.doors.deliver(TRIGGER, delivery.clone()).await {
                Ok((200 | 202, answer)) => {
                    let id = answer["event_id"].as_str().context("no event id")?;
                    self.acknowledged.send_modify(|count| *count += 1);
                    return Ok((id.to_owned(), began.elapsed()));
                }
                Ok((status, _)) if status >= 500 => {
                    self.refused.fetch_add(1, Ordering::Relaxed);
                }
                Ok((status, answer)) => bail!("delivery {number}: {status} {answer}"),
                Err(_) => {
                    self.unanswered.fetch_add(1, Ordering::Relaxed);
                }
            }
            tokio::time::sleep(PAUSE).await;
        }
        bail!("delivery {number} was not taken within {:?}", 2 * PATIENCE)
    }
}
