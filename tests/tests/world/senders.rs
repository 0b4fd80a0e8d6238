//! Providers under load: many deliveries over a bounded number of connections, each repeated under its own delivery id until it
//! is acknowledged, as providers do.

use super::{Doors, PATIENCE, github, pull_request};
use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// The trigger that is sent to.
pub(crate) const TRIGGER: &str = "github-pr-webhook";

/// How long a sender leaves a gateway alone that did not take its delivery.
const PAUSE: Duration = Duration::from_millis(20);

/// Senders at work.
pub(crate) struct Senders {
    shared: Arc<Shared>,
    tasks: JoinSet<Result<Vec<(u64, String)>>>,
}

struct Shared {
    doors: Doors,
    next: AtomicU64,
    end: u64,
    acknowledged: watch::Sender<usize>,
    refused: watch::Sender<usize>,
    broken: AtomicUsize,
    repeated: AtomicUsize,
}

/// What senders went through.
#[derive(Default)]
pub(crate) struct Sent {
    /// The event id that each delivery was acknowledged with, by its number.
    pub(crate) events: BTreeMap<u64, String>,
    /// How often there was no answer.
    pub(crate) broken: usize,
    /// How often the answer was a 503.
    pub(crate) refused: usize,
    /// How many deliveries had been stored already when they were acknowledged.
    pub(crate) repeated: usize,
}

impl Senders {
    /// Begins to send deliveries of pull requests with these numbers, over so many connections.
    pub(crate) fn begin(doors: &Doors, numbers: Range<u64>, connections: usize) -> Self {
        let shared = Arc::new(Shared {
            doors: doors.clone(),
            next: numbers.start.into(),
            end: numbers.end,
            acknowledged: watch::Sender::new(0),
            refused: watch::Sender::new(0),
            broken: 0.into(),
            repeated: 0.into(),
        });
        let mut tasks = JoinSet::new();
        for _ in 0..connections {
            tasks.spawn(shared.clone().send());
        }
        Self { shared, tasks }
    }

    /// Waits until so many deliveries are acknowledged.
    pub(crate) async fn acknowledged(&self, count: usize) -> Result<()> {
        reach(&self.shared.acknowledged, count, "acknowledged").await
    }

    /// How often a delivery has got no answer so far.
    pub(crate) fn broken(&self) -> usize {
        self.shared.broken.load(Ordering::Relaxed)
    }

    /// Waits until all is acknowledged.
    pub(crate) async fn end(mut self) -> Result<Sent> {
        let mut events = BTreeMap::new();
        while let Some(sent) = self.tasks.join_next().await {
            events.extend(sent??);
        }
        Ok(Sent {
            events,
            broken: self.broken(),
            refused: *self.shared.refused.borrow(),
            repeated: self.shared.repeated.load(Ordering::Relaxed),
        })
    }
}

impl Sent {
    /// Adds what other senders went through.
    pub(crate) fn add(&mut self, other: Self) {
        self.events.extend(other.events);
        self.broken += other.broken;
        self.refused += other.refused;
        self.repeated += other.repeated;
    }
}

impl Shared {
    async fn send(self: Arc<Self>) -> Result<Vec<(u64, String)>> {
        let mut events = Vec::new();
        loop {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            if number >= self.end {
                return Ok(events);
            }
            events.push((number, self.deliver(number).await?));
        }
    }

    /// Sends one delivery until it is acknowledged. Answers its event id.
    async fn deliver(&self, number: u64) -> Result<String> {
        let delivery = github(&format!("delivery-{number}"), &pull_request(number));
        let began = Instant::now();
        while began.elapsed() < 2 * PATIENCE {
            match self.doors.deliver(TRIGGER, delivery.clone()).await {
                Ok((status @ (200 | 202), answer)) => {
                    let id = answer["event_id"].as_str().context("no event id")?;
                    self.acknowledged.send_modify(|count| *count += 1);
                    self.repeated
                        .fetch_add(usize::from(status == 200), Ordering::Relaxed);
                    return Ok(id.to_owned());
                }
                Ok((503, _)) => self.refused.send_modify(|count| *count += 1),
                Ok((status, answer)) => bail!("delivery {number}: {status} {answer}"),
                Err(_) => {
                    self.broken.fetch_add(1, Ordering::Relaxed);
                }
            }
            tokio::time::sleep(PAUSE).await;
        }
        bail!("delivery {number} was not taken within {:?}", 2 * PATIENCE)
    }
}

async fn reach(count: &watch::Sender<usize>, wanted: usize, what: &str) -> Result<()> {
    let mut count = count.subscribe();
    tokio::time::timeout(2 * PATIENCE, count.wait_for(|&count| count >= wanted))
        .await
        .with_context(|| format!("{wanted} deliveries were not {what}"))??;
    Ok(())
}
