//! Providers that do not wait for one another: deliveries at a rate, each sent when it is due, however long others take, and repeated
//! under its own delivery id until it is acknowledged. Some are sent once more after that, as by a provider that lost the answer.

use crate::world::senders::TRIGGER;
use crate::world::{Doors, PATIENCE, github, pull_request};
use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The most that a flood sends: a test that forgets to stop it ends all the same.
const MOST: u64 = 60_000;

/// One delivery of so many is sent once more after it was acknowledged, to the next gateway if there are several.
const REPEATED: u64 = 5;

/// How long a sender leaves a gateway alone that gave no answer. Thousands who wait must not all come back at once.
const PAUSE: Duration = Duration::from_secs(1);

/// A flood that is under way.
pub(super) struct Flood {
    stop: CancellationToken,
    record: watch::Sender<Record>,
    task: JoinHandle<Result<()>>,
}

/// What the senders were answered.
#[derive(Default)]
pub(super) struct Record {
    pub(super) answers: Vec<Answer>,
    pub(super) counts: BTreeMap<Kind, usize>,
}

/// One answer, or none.
pub(super) struct Answer {
    /// The number of the delivery.
    pub(super) number: u64,
    /// When it was to be sent, which a busy sender may have been late for.
    pub(super) due: Instant,
    /// How long after that the answer came.
    pub(super) took: Duration,
    pub(super) kind: Kind,
    /// The event that it was acknowledged with.
    pub(super) event: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// 202: it is in the event log.
    Stored,
    /// 202: it is in the spool.
    Spooled,
    /// 200: it was in the event log before.
    Known,
    /// 200: it was in the spool before.
    KnownSpooled,
    /// 503 with a `Retry-After`.
    Refused,
    /// There was no answer.
    Broken,
}

/// The senders.
struct Senders {
    doors: Vec<Doors>,
    record: watch::Sender<Record>,
}

impl Flood {
    /// Begins to send so many deliveries a second, from this number on, to each gateway in turn.
    pub(super) fn begin(doors: &[Doors], rate: u32, first: u64) -> Self {
        let (stop, record) = (CancellationToken::new(), watch::Sender::default());
        let senders = Arc::new(Senders {
            doors: doors.to_vec(),
            record: record.clone(),
        });
        let task = TaskTracker::new().spawn(senders.send(rate, first, stop.clone()));
        Self { stop, record, task }
    }

    /// Waits until so many more answers than now are of these kinds.
    pub(super) async fn more(&self, count: usize, kinds: &[Kind]) -> Result<()> {
        let mut record = self.record.subscribe();
        let wanted = record.borrow().count(kinds) + count;
        let reached = record.wait_for(|record| record.count(kinds) >= wanted);
        tokio::time::timeout(2 * PATIENCE, reached)
            .await
            .with_context(|| format!("there were no {wanted} answers of {kinds:?}"))??;
        Ok(())
    }

    /// Sends no more, and waits until all is acknowledged.
    pub(super) async fn end(self) -> Result<Record> {
        self.stop.cancel();
        self.task.await??;
        Ok(self.record.send_replace(Record::default()))
    }
}

impl Record {
    pub(super) fn count(&self, kinds: &[Kind]) -> usize {
        kinds.iter().filter_map(|kind| self.counts.get(kind)).sum()
    }

    /// How long the answers took whose deliveries were due in this time, sorted.
    pub(super) fn latencies(&self, from: Instant, to: Instant) -> Vec<Duration> {
        let during = |answer: &&Answer| (from..to).contains(&answer.due);
        let took = self.answers.iter().filter(during).map(|answer| answer.took);
        let mut took: Vec<Duration> = took.collect();
        took.sort_unstable();
        took
    }
}

/// What this share of the latencies, which are sorted, did not exceed.
pub(super) fn share(latencies: &[Duration], share: f64) -> Duration {
    let place = latencies.len().saturating_sub(1) as f64 * share;
    let latency = latencies.get(place.round() as usize);
    latency.copied().unwrap_or_default()
}

impl Kind {
    pub(super) const ACKNOWLEDGED: [Self; 4] =
        [Self::Stored, Self::Spooled, Self::Known, Self::KnownSpooled];

    fn is_acknowledged(self) -> bool {
        Self::ACKNOWLEDGED.contains(&self)
    }

    fn of(status: u16, answer: &Value) -> Option<Self> {
        let spooled = match &answer["durability"] {
            Value::Null => false,
            durability if durability == "spooled" => true,
            _ => return None,
        };
        match (status, spooled) {
            (202, false) => Some(Self::Stored),
            (202, true) => Some(Self::Spooled),
            (200, false) => Some(Self::Known),
            (200, true) => Some(Self::KnownSpooled),
            (503, false) => Some(Self::Refused),
            _ => None,
        }
    }
}

impl Senders {
    async fn send(self: Arc<Self>, rate: u32, first: u64, stop: CancellationToken) -> Result<()> {
        let mut sending = JoinSet::new();
        // A tick that was missed is made up for: who is late sends no less.
        let mut ticks = tokio::time::interval(Duration::from_secs(1) / rate);
        for number in first..first + MOST {
            let Some(due) = stop.run_until_cancelled(ticks.tick()).await else {
                break;
            };
            sending.spawn(self.clone().see_through(number, due.into_std()));
            while let Some(one) = sending.try_join_next() {
                one??;
            }
        }
        while let Some(one) = sending.join_next().await {
            one??;
        }
        Ok(())
    }

    /// Sends one delivery until it is acknowledged, and some once more.
    async fn see_through(self: Arc<Self>, number: u64, mut due: Instant) -> Result<()> {
        let began = Instant::now();
        let gateway = number as usize;
        while let Some(pause) = self.once(gateway, number, due).await? {
            ensure!(
                began.elapsed() < 2 * PATIENCE,
                "delivery {number} was not taken within {:?}",
                2 * PATIENCE
            );
            tokio::time::sleep(pause).await;
            due = Instant::now();
        }
        if number.is_multiple_of(REPEATED) {
            self.once(gateway + 1, number, Instant::now()).await?;
        }
        Ok(())
    }

    /// Sends one delivery once. Answers how long to wait before the next time, unless it was acknowledged.
    async fn once(&self, gateway: usize, number: u64, due: Instant) -> Result<Option<Duration>> {
        let doors = &self.doors[gateway % self.doors.len()];
        let delivery = github(&format!("delivery-{number}"), &pull_request(number));
        let url = format!("http://127.0.0.1:{}/hooks/{TRIGGER}", doors.gateway);
        let request = doors.http.post(url).headers(delivery.headers);
        let answered = async {
            let response = request.body(delivery.body).send().await?;
            let status = response.status().as_u16();
            let after = response.headers().get("retry-after").cloned();
            let body = response.json::<Value>().await?;
            reqwest::Result::Ok((status, after, body))
        };
        let (kind, pause, event) = match answered.await {
            Err(_) => (Kind::Broken, PAUSE, None),
            Ok((status, after, body)) => {
                let Some(kind) = Kind::of(status, &body) else {
                    bail!("delivery {number}: {status} {body}");
                };
                let after = after.and_then(|after| after.to_str().ok()?.parse().ok());
                ensure!(
                    (kind == Kind::Refused) == after.is_some(),
                    "delivery {number}: {status} {body} with Retry-After {after:?}"
                );
                let event = body["event_id"].as_str().map(str::to_owned);
                ensure!(kind.is_acknowledged() == event.is_some(), "{status} {body}");
                (kind, after.map_or(PAUSE, Duration::from_secs), event)
            }
        };
        let took = due.elapsed();
        self.record.send_modify(|record| {
            *record.counts.entry(kind).or_default() += 1;
            record.answers.push(Answer {
                number,
                due,
                took,
                kind,
                event,
            });
        });
        Ok((!kind.is_acknowledged()).then_some(pause))
    }
}
