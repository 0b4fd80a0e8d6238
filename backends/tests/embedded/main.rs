//! What embedded storage keeps beyond the contract of the ports: across crashes, on one disk, in one directory.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on is to end there"
)]

mod crash;
mod directory;
mod kill;
mod retention;

use async_trait::async_trait;
use belfry_backends::{Config, clock};
use belfry_mesh::event::{EventId, Proven};
use belfry_mesh::name::TriggerName;
use belfry_mesh::port::clock::Clock;
use belfry_mesh::port::log::{Consumer, Delivery, Subscription};
use belfry_mesh::port::{Error, Ports};
use belfry_mesh::trace::TraceParent;
use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// An open storage.
struct Storage {
    ports: Ports,
    tasks: TaskTracker,
    shutdown: CancellationToken,
}

/// A wall clock that is set by hand.
#[derive(Clone)]
struct HandSet(Arc<Mutex<Timestamp>>);

impl Storage {
    async fn open(data: &Path) -> Self {
        Self::open_with(
            Config {
                data: data.to_owned(),
                ..Config::default()
            },
            Arc::new(clock::System),
        )
        .await
    }

    async fn open_with(config: Config, clock: Arc<dyn Clock>) -> Self {
        Self::try_open(config, clock).await.unwrap()
    }

    async fn try_open(config: Config, clock: Arc<dyn Clock>) -> Result<Self, Error> {
        let (tasks, shutdown) = (TaskTracker::new(), CancellationToken::new());
        let ports = belfry_backends::open(&config, clock, &tasks, &shutdown).await?;
        Ok(Self {
            ports,
            tasks,
            shutdown,
        })
    }

    async fn close(self) {
        self.shutdown.cancel();
        self.tasks.close();
        within("the end of the storage", self.tasks.wait()).await;
    }

    async fn publish(&self, trigger: &TriggerName, id: &str, size: usize) -> Result<bool, Error> {
        let receipt = self.ports.events.publish(&event(trigger, id, size)).await?;
        Ok(!receipt.duplicate)
    }

    async fn consumer(&self, trigger: &TriggerName) -> Box<dyn Consumer> {
        self.ports.events.consumer(trigger).await.unwrap()
    }
}

impl HandSet {
    fn new() -> Self {
        Self(Arc::new(Mutex::new(
            "2026-11-22T08:00:00Z".parse().unwrap(),
        )))
    }

    fn advance(&self, by: Duration) {
        *self.0.lock().unwrap() += SignedDuration::try_from(by).unwrap();
    }
}

#[async_trait]
impl Clock for HandSet {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

fn event(trigger: &TriggerName, id: &str, size: usize) -> Proven {
    let trace =
        TraceParent::parse("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01").unwrap();
    let asked = "2026-11-22T08:00:00Z".parse().unwrap();
    Proven::run(
        trigger,
        EventId::parse(id).unwrap(),
        Bytes::from(vec![b'x'; size]),
        asked,
        trace,
    )
}

fn trigger(name: &str) -> TriggerName {
    TriggerName::parse(name).unwrap()
}

fn subscription(trigger: &TriggerName) -> Subscription {
    Subscription {
        trigger: trigger.clone(),
        signals: Vec::new(),
        claim: Duration::from_secs(60),
    }
}

async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    let patience = Duration::from_secs(30);
    tokio::time::timeout(patience, future)
        .await
        .unwrap_or_else(|_| panic!("{what} did not come within {patience:?}"))
}

async fn next(consumer: &mut dyn Consumer, max: usize) -> Vec<Delivery> {
    within("a delivery", consumer.next(max)).await.unwrap()
}
