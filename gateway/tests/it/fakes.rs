//! The ports in memory: as little as keeps their promises, with switches to break each of them.

mod calls;
mod state;
mod unused;
mod web;

use async_trait::async_trait;
use belfry_mesh::EventId;
use belfry_mesh::event::{Event, Proven};
use belfry_mesh::gateway::Gateway;
use belfry_mesh::limit::{self, Rate};
use belfry_mesh::name::TriggerName;
use belfry_mesh::port::calls::Handler;
use belfry_mesh::port::clock::Clock;
use belfry_mesh::port::dedup::{Dedup, Verdict};
use belfry_mesh::port::log::{
    Consumer, Entries, EventLog, Range, Receipt, Sequence, Stored, Subscription,
};
use belfry_mesh::port::secrets::{self, Secrets};
use belfry_mesh::port::{Error, Ports};
use bytes::Bytes;
use jiff::Timestamp;
use secrecy::SecretString;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::watch;

const OUT_OF_SCOPE: &str = "the gateway has no business with this";

/// Everything behind the gateway.
pub(crate) struct World {
    state: Mutex<state::Triggers>,
    events: Mutex<Vec<Event>>,
    /// What the gateway says of itself; none where it took that back.
    pub(crate) said: watch::Sender<Option<Gateway>>,
    seen: Mutex<HashSet<EventId>>,
    admitted: Mutex<HashMap<String, Duration>>,
    secrets: Mutex<HashMap<String, Result<String, String>>>,
    /// What the gateway did, in order.
    pub(crate) steps: watch::Sender<Vec<Step>>,
    bus_fails: Mutex<Option<Error>>,
    bus_holds: watch::Sender<bool>,
    dedup_fails: Mutex<Option<Error>>,
    now: Mutex<Timestamp>,
    /// What hears how events ended.
    ear: Mutex<Option<Handler>>,
    pub(crate) web: Mutex<Documents>,
    /// How often the clock's sleepers were woken.
    ticks: watch::Sender<u64>,
}

/// What can be had from the web, and what was asked for.
#[derive(Default)]
pub(crate) struct Documents {
    pub(crate) documents: HashMap<String, Bytes>,
    pub(crate) asked: Vec<String>,
}

/// Something that the gateway asked a port for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    Check(EventId),
    Publish(EventId),
    Stored(EventId),
    Mark(EventId),
}

impl World {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::default(),
            events: Mutex::default(),
            said: watch::Sender::default(),
            seen: Mutex::default(),
            admitted: Mutex::default(),
            secrets: Mutex::default(),
            steps: watch::Sender::default(),
            bus_fails: Mutex::default(),
            bus_holds: watch::Sender::default(),
            dedup_fails: Mutex::default(),
            now: Mutex::new("2026-11-22T08:00:00Z".parse().unwrap()),
            ticks: watch::Sender::default(),
            ear: Mutex::default(),
            web: Mutex::default(),
        })
    }

    pub(crate) fn ports(self: &Arc<Self>) -> Ports {
        Ports {
            events: self.clone(),
            outcomes: self.clone(),
            state: self.clone(),
            leases: self.clone(),
            dedup: self.clone(),
            calls: self.clone(),
            clock: self.clone(),
        }
    }

    /// Sets a secret, or takes it away, or makes it unreadable.
    pub(crate) fn set_secret(&self, name: &str, value: Option<Result<&str, &str>>) {
        let mut secrets = self.secrets.lock().unwrap();
        match value {
            Some(value) => secrets.insert(
                name.to_owned(),
                value.map(str::to_owned).map_err(str::to_owned),
            ),
            None => secrets.remove(name),
        };
    }

    /// Makes the bus fail, or heals it.
    pub(crate) fn fail_bus(&self, error: Option<Error>) {
        *self.bus_fails.lock().unwrap() = error;
    }

    /// Lets all gateways know that this event is stored.
    pub(crate) fn saw(&self, event_id: &str) {
        let id = EventId::parse(event_id).unwrap();
        self.seen.lock().unwrap().insert(id);
    }

    /// Makes each publish wait before it stores, or lets all go on.
    pub(crate) fn hold_bus(&self, hold: bool) {
        self.bus_holds.send_replace(hold);
    }

    /// Makes the deduplication fail, or heals it.
    pub(crate) fn fail_dedup(&self, error: Option<Error>) {
        *self.dedup_fails.lock().unwrap() = error;
    }

    /// What the deduplication knew is lost.
    pub(crate) fn forget_marks(&self) {
        self.seen.lock().unwrap().clear();
    }

    /// Waits until this many publishes have begun.
    pub(crate) async fn publishes(&self, count: usize) {
        let begun = |steps: &Vec<Step>| {
            steps
                .iter()
                .filter(|step| matches!(step, Step::Publish(_)))
                .count()
        };
        self.until(|steps| begun(steps) >= count).await;
    }

    pub(crate) fn stored(&self) -> Vec<Event> {
        self.events.lock().unwrap().clone()
    }

    pub(crate) fn set_now(&self, now: Timestamp) {
        *self.now.lock().unwrap() = now;
    }

    pub(crate) fn now(&self) -> Timestamp {
        *self.now.lock().unwrap()
    }

    /// Ends every sleep on the clock.
    pub(crate) fn tick(&self) {
        self.ticks.send_modify(|ticks| *ticks += 1);
    }

    /// Waits until the gateway has come as far as this.
    pub(crate) async fn until(&self, done: impl FnMut(&Vec<Step>) -> bool) -> Vec<Step> {
        let mut steps = self.steps.subscribe();
        let wait = steps.wait_for(done);
        tokio::time::timeout(Duration::from_secs(5), wait)
            .await
            .expect("the step was never taken")
            .unwrap()
            .clone()
    }

    fn step(&self, step: Step) {
        self.steps.send_modify(|steps| steps.push(step));
    }
}

#[async_trait]
impl EventLog for World {
    async fn publish(&self, event: &Proven) -> Result<Receipt, Error> {
        let event = event.event();
        self.step(Step::Publish(event.id.clone()));
        self.bus_holds
            .subscribe()
            .wait_for(|holds| !holds)
            .await
            .unwrap();
        if let Some(error) = self.bus_fails.lock().unwrap().clone() {
            return Err(error);
        }
        let mut events = self.events.lock().unwrap();
        if let Some(at) = events.iter().position(|stored| stored.id == event.id) {
            return Ok(Receipt {
                sequence: at as Sequence + 1,
                duplicate: true,
            });
        }
        events.push(event.clone());
        let receipt = Receipt {
            sequence: events.len() as Sequence,
            duplicate: false,
        };
        drop(events);
        self.step(Step::Stored(event.id.clone()));
        Ok(receipt)
    }

    async fn ping(&self) -> Result<(), Error> {
        self.bus_fails.lock().unwrap().clone().map_or(Ok(()), Err)
    }

    async fn subscribe(&self, _: &Subscription) -> Result<(), Error> {
        unreachable!("{OUT_OF_SCOPE}")
    }

    async fn unsubscribe(&self, _: &TriggerName) -> Result<(), Error> {
        unreachable!("{OUT_OF_SCOPE}")
    }

    async fn consumer(&self, _: &TriggerName) -> Result<Box<dyn Consumer>, Error> {
        unreachable!("{OUT_OF_SCOPE}")
    }

    async fn backlog(&self, _: &TriggerName) -> Result<u64, Error> {
        unreachable!("{OUT_OF_SCOPE}")
    }

    async fn read(&self, _: Range) -> Result<Entries<Event>, Error> {
        unreachable!("{OUT_OF_SCOPE}")
    }

    async fn get(&self, _: Sequence) -> Result<Option<Stored<Event>>, Error> {
        unreachable!("{OUT_OF_SCOPE}")
    }
}

#[async_trait]
impl Dedup for World {
    async fn check(
        &self,
        key: &EventId,
        subject: &str,
        rate: Option<&Rate>,
    ) -> Result<Verdict, Error> {
        self.step(Step::Check(key.clone()));
        Dedup::ping(self).await?;
        if self.seen.lock().unwrap().contains(key) {
            return Ok(Verdict::Seen(key.clone()));
        }
        let mut admitted = self.admitted.lock().unwrap();
        let full_at = admitted.entry(subject.to_owned()).or_default();
        match rate.map(|rate| limit::admit(rate, *full_at, Duration::from_secs(1_000))) {
            Some(Err(retry_after)) => Ok(Verdict::Limited { retry_after }),
            Some(Ok(next)) => {
                *full_at = next;
                Ok(Verdict::Fresh)
            }
            None => Ok(Verdict::Fresh),
        }
    }

    async fn mark(&self, key: &EventId, _: Duration) -> Result<(), Error> {
        self.step(Step::Mark(key.clone()));
        Dedup::ping(self).await?;
        self.seen.lock().unwrap().insert(key.clone());
        Ok(())
    }

    async fn ping(&self) -> Result<(), Error> {
        self.dedup_fails.lock().unwrap().clone().map_or(Ok(()), Err)
    }
}

#[async_trait]
impl Secrets for World {
    async fn resolve(&self, name: &str) -> Result<Option<SecretString>, secrets::Error> {
        match self.secrets.lock().unwrap().get(name) {
            Some(Ok(value)) => Ok(Some(value.clone().into())),
            Some(Err(why)) => Err(secrets::Error {
                name: name.to_owned(),
                why: why.clone(),
            }),
            None => Ok(None),
        }
    }
}

/// A wall clock that stands still, and sleeps that end when the test says so.
#[async_trait]
impl Clock for World {
    fn now(&self) -> Timestamp {
        *self.now.lock().unwrap()
    }

    async fn sleep(&self, _: Duration) {
        self.ticks.subscribe().changed().await.unwrap();
    }
}

/// The error of a backend that is not there. Its text must never reach the outside.
pub(crate) fn unavailable(what: &str) -> Error {
    Error::Unavailable {
        what: format!("{what} at 10.0.0.7:4222"),
        why: "connection refused".into(),
    }
}
