//! A steady load: deliveries at a rate, each repeated under its own delivery id until it is acknowledged.

use crate::world::senders::{Sent, TRIGGER};
use crate::world::{Doors, Orchestrator, PATIENCE, github, pull_request};
use anyhow::{Context, Result, bail, ensure};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How many deliveries a second there are.
const RATE: u32 = 100;

/// The most that a load sends: a test that forgets to stop it ends all the same.
const MOST: u64 = 6_000;

/// How long a sender leaves a gateway alone that did not take its delivery.
const PAUSE: Duration = Duration::from_millis(100);

/// A load that is under way.
pub(super) struct Load {
    stop: CancellationToken,
    acknowledged: watch::Receiver<usize>,
    task: JoinHandle<Result<Vec<Taken>>>,
}

/// What a load went through.
pub(super) struct Delivered {
    pub(super) sent: Sent,
    /// When each event was acknowledged, by its id.
    pub(super) acknowledged: BTreeMap<String, Instant>,
}

/// A delivery that was acknowledged.
struct Taken {
    number: u64,
    event: String,
    at: Instant,
    tries: usize,
}

impl Load {
    /// Begins to deliver, from this number on.
    pub(super) fn begin(doors: &Doors, first: u64) -> Self {
        let (stop, (sender, acknowledged)) = (CancellationToken::new(), watch::channel(0));
        let sending = send(doors.clone(), first, stop.clone(), sender);
        let task = TaskTracker::new().spawn(sending);
        Self {
            stop,
            acknowledged,
            task,
        }
    }

    /// Waits until so many more deliveries are acknowledged.
    pub(super) async fn more(&mut self, count: usize) -> Result<()> {
        let wanted = *self.acknowledged.borrow() + count;
        let reached = self.acknowledged.wait_for(|&count| count >= wanted);
        tokio::time::timeout(2 * PATIENCE, reached)
            .await
            .with_context(|| format!("{wanted} deliveries were not acknowledged"))??;
        Ok(())
    }

    /// Sends no more, and waits until all is acknowledged.
    pub(super) async fn end(self) -> Result<Delivered> {
        self.stop.cancel();
        let taken = self.task.await??;
        let mut delivered = Delivered {
            sent: Sent::default(),
            acknowledged: BTreeMap::new(),
        };
        for Taken {
            number,
            event,
            at,
            tries,
        } in taken
        {
            delivered.sent.broken += tries - 1;
            delivered.acknowledged.insert(event.clone(), at);
            delivered.sent.events.insert(number, event);
        }
        Ok(delivered)
    }
}

impl Delivered {
    /// How long the events waited from their acknowledgement to their first call, sorted. One that was called first counts as
    /// not having waited.
    pub(super) fn waits(&self, orchestrator: &Orchestrator) -> Result<Vec<Duration>> {
        let mut first = BTreeMap::new();
        for call in orchestrator.calls.calls() {
            let key = call.idempotency_key.context("a call without a key")?;
            first.entry(key).or_insert(call.arrived);
        }
        let wait = |(event, at): (&String, &Instant)| {
            let called = first.get(event);
            let called = called.with_context(|| format!("event {event} was never called"))?;
            Ok(called.saturating_duration_since(*at))
        };
        let waits: Result<Vec<Duration>> = self.acknowledged.iter().map(wait).collect();
        let mut waits = waits?;
        ensure!(!waits.is_empty(), "nothing was delivered");
        waits.sort_unstable();
        Ok(waits)
    }
}

/// How long they waited, in words.
pub(super) fn told(waits: &[Duration]) -> String {
    let share = |share: f64| waits[((waits.len() - 1) as f64 * share).round() as usize];
    let late = waits.iter().filter(|wait| **wait > Duration::from_secs(1));
    format!(
        "p50 {:.1?} p99 {:.1?} max {:.1?}, {} of {} longer than a second",
        share(0.5),
        share(0.99),
        share(1.0),
        late.count(),
        waits.len()
    )
}

async fn send(
    doors: Doors,
    first: u64,
    stop: CancellationToken,
    acknowledged: watch::Sender<usize>,
) -> Result<Vec<Taken>> {
    let (mut sending, mut taken) = (JoinSet::new(), Vec::new());
    let mut due = tokio::time::interval(Duration::from_secs(1) / RATE);
    for number in first..first + MOST {
        if stop.run_until_cancelled(due.tick()).await.is_none() {
            break;
        }
        let (doors, acknowledged) = (doors.clone(), acknowledged.clone());
        sending.spawn(async move {
            let taken = deliver(&doors, number).await;
            acknowledged.send_modify(|count| *count += 1);
            taken
        });
        while let Some(one) = sending.try_join_next() {
            taken.push(one??);
        }
    }
    while let Some(one) = sending.join_next().await {
        taken.push(one??);
    }
    Ok(taken)
}

/// Sends one delivery until it is acknowledged.
async fn deliver(doors: &Doors, number: u64) -> Result<Taken> {
    let delivery = github(&format!("delivery-{number}"), &pull_request(number));
    let began = Instant::now();
    let mut tries = 0;
    while began.elapsed() < 2 * PATIENCE {
        tries += 1;
        match doors.deliver(TRIGGER, delivery.clone()).await {
            Ok((200 | 202, answer)) => {
                let event = answer["event_id"].as_str().context("no event id")?;
                return Ok(Taken {
                    number,
                    event: event.to_owned(),
                    at: Instant::now(),
                    tries,
                });
            }
            // A gateway that is away, or has just come back and does not know the trigger yet.
            Ok((404 | 503, _)) | Err(_) => {}
            Ok((status, answer)) => bail!("delivery {number}: {status} {answer}"),
        }
        tokio::time::sleep(PAUSE).await;
    }
    bail!("delivery {number} was not taken within {:?}", 2 * PATIENCE)
}
