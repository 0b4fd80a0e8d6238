//! What only NATS can do to its adapter: die, fall silent, forget, forbid.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on is to end there"
)]

mod consumer;
mod layout;
mod leases;
mod log;
mod services;

use belfry_backends::{Config, clock};
use belfry_mesh::event::{EventId, Proven};
use belfry_mesh::name::TriggerName;
use belfry_mesh::port::log::{Delivery, Subscription};
use belfry_mesh::port::{Error, Ports};
use belfry_mesh::trace::TraceParent;
use belfry_tests::servers::Nats;
use bytes::Bytes;
use jiff::Timestamp;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Short enough that an outage shows soon.
pub(crate) const DEADLINE: Duration = Duration::from_millis(500);

pub(crate) fn config(nats: &Nats) -> Config {
    Config {
        nats_url: Some(nats.url().into()),
        nats_deadline: DEADLINE,
        ..Config::default()
    }
}

pub(crate) async fn open(config: &Config) -> Result<Ports, Error> {
    let (tasks, shutdown) = (TaskTracker::new(), CancellationToken::new());
    belfry_backends::open(config, Arc::new(clock::System), &tasks, &shutdown).await
}

/// A server and a process on it, with a trigger that has its place in the log.
pub(crate) async fn subscribed(claim: Duration) -> (Nats, Ports) {
    let nats = Nats::start().unwrap();
    let ports = open(&config(&nats)).await.unwrap();
    let subscription = Subscription {
        trigger: name(),
        signals: vec!["workflow.*".into()],
        claim,
    };
    ports.events.subscribe(&subscription).await.unwrap();
    (nats, ports)
}

pub(crate) fn name() -> TriggerName {
    TriggerName::parse("a").unwrap()
}

pub(crate) fn event(id: &str) -> Proven {
    let trace =
        TraceParent::parse("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01").unwrap();
    let id = EventId::parse(id).unwrap();
    Proven::run(&name(), id, Bytes::from_static(b"{\"a\": 1}"), at(), trace)
}

pub(crate) fn at() -> Timestamp {
    "2026-11-22T08:00:00.123Z".parse().unwrap()
}

pub(crate) async fn within<T>(future: impl Future<Output = T>) -> T {
    timeout(PATIENCE, future)
        .await
        .expect("it did not come in time")
}

/// Asks JetStream's API as another client would.
pub(crate) async fn api(nats: &Nats, verb: &str, body: Value) -> Value {
    let client = async_nats::connect(nats.url()).await.unwrap();
    let answer = client
        .request(format!("$JS.API.{verb}"), body.to_string().into())
        .await
        .unwrap();
    serde_json::from_slice(&answer.payload).unwrap()
}

/// The event, though a bus that is just coming back refuses it at first. Publishing again is safe.
pub(crate) async fn publish(ports: &Ports, id: &str) {
    within(async {
        while ports.events.publish(&event(id)).await.is_err() {
            tokio::time::sleep(Duration::from_millis(5)).await
        }
    })
    .await;
}

pub(crate) fn only(mut deliveries: Vec<Delivery>) -> Delivery {
    assert_eq!(deliveries.len(), 1);
    deliveries.pop().unwrap()
}
