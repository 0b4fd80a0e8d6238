//! A mesh in memory, with a clock that only sleepers move.

use super::super::Control;
use crate::event::{Event, Proven};
use crate::name::TriggerName;
use crate::outcome::{DeadLetter, Outcome};
use crate::package::{Kind, Manifest, PackageName};
use crate::port::Error;
use crate::port::clock::Clock;
use crate::port::log::{
    Consumer, Entries, EventLog, OutcomeLog, Range, Receipt, Sequence, Stored, Subscription,
};
use crate::port::packages::{self, Found, Listed, Packages};
use crate::port::state::{Bucket, Change, Entry, Revision, State};
use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use futures::channel::mpsc;
use futures::stream::BoxStream;
use jiff::Timestamp;
use semver::Version;
use serde_json::json;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::Instant;

/// How long the commands wait.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

const NOT_USED: &str = "the commands do not ask for this here";

pub(super) struct World {
    /// The newest package.
    pub(super) package: Mutex<Arc<Manifest>>,
    /// What was subscribed, in order.
    pub(super) subscribed: Mutex<Vec<Vec<String>>>,
    began: Instant,
    state: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    /// Every value that there was; none where the key was deleted.
    changes: Vec<(Bucket, Entry, bool)>,
    watchers: Vec<(Bucket, mpsc::UnboundedSender<Change>)>,
}

/// A package that waits for a signal.
pub(super) fn package(version: &str, signal: &str, zone: &str) -> Arc<Manifest> {
    let text = json!({
        "manifest": 2, "name": "p", "version": version, "type": "trigger",
        "trigger": {"type": "event", "event": signal},
        "requirements": {"constraints": [format!("zone={zone}")]},
    });
    Arc::new(Manifest::parse(text.to_string()).unwrap())
}

impl World {
    pub(super) fn new() -> (Arc<Self>, Control) {
        let world = Arc::new(Self {
            package: Mutex::new(package("1.0.0", "first", "eu")),
            subscribed: Mutex::default(),
            began: Instant::now(),
            state: Mutex::default(),
        });
        let control = Control {
            events: world.clone(),
            outcomes: world.clone(),
            state: world.clone(),
            clock: world.clone(),
            packages: world.clone(),
            patience: PATIENCE,
            kind: None,
        };
        (world, control)
    }

    /// A node says that it is there.
    pub(super) async fn beat(&self, name: &str) {
        let node = json!({
            "name": name, "version": "1", "runtime": "in-process", "labels": {"zone": "eu"},
            // Its own clock is wrong.
            "seen_at": "1999-01-01T00:00:00Z",
        });
        self.put_json(Bucket::Nodes, name, &node).await;
    }

    /// A gateway says how it is: three events have waited for a minute, and perhaps it refuses a trigger.
    pub(super) async fn say(&self, name: &str, refusing: Option<(&str, &str)>) {
        let refusing: std::collections::BTreeMap<_, _> = refusing.into_iter().collect();
        let oldest = self.now() - Duration::from_secs(60);
        let gateway = json!({
            "name": name, "version": "1", "since": oldest, "refusing": refusing,
            "spool": {"records": 3, "bytes": 300, "oldest": oldest},
        });
        let key = format!("{name}.gateway");
        self.put_json(Bucket::Nodes, &key, &gateway).await;
    }

    /// A node says that it runs a slot.
    pub(super) async fn hold(&self, slot: &str, node: &str, revision: Revision) {
        let status = json!({
            "node": node, "token": 1, "revision": revision, "state": "running", "serving": revision,
            "container_name": "c", "since": self.now(),
        });
        self.put_json(Bucket::Status, slot, &status).await;
    }

    async fn put_json(&self, bucket: Bucket, key: &str, value: &serde_json::Value) {
        let value = value.to_string().into();
        self.put(bucket, key, value).await.unwrap();
    }

    fn write(&self, bucket: Bucket, key: &str, value: Option<Bytes>) -> Revision {
        let mut kept = self.state.lock().unwrap();
        let revision = kept.changes.len() as Revision + 1;
        let is_there = value.is_some();
        let entry = Entry {
            key: key.to_owned(),
            value: value.unwrap_or_default(),
            revision,
            changed_at: self.now(),
        };
        let change = match is_there {
            true => Change::Put(entry.clone()),
            false => Change::Deleted {
                key: key.to_owned(),
                revision,
            },
        };
        kept.changes.push((bucket, entry, is_there));
        kept.watchers.retain(|(watched, tell)| {
            *watched != bucket || tell.unbounded_send(change.clone()).is_ok()
        });
        revision
    }

    fn now_there(&self, bucket: Bucket) -> Vec<Entry> {
        let kept = self.state.lock().unwrap();
        let own = kept.changes.iter().filter(|(of, ..)| *of == bucket);
        let mut there: std::collections::BTreeMap<&str, (&Entry, bool)> = <_>::default();
        there.extend(own.map(|(_, entry, is_there)| (entry.key.as_str(), (entry, *is_there))));
        let there = there.into_values().filter(|(_, is_there)| *is_there);
        there.map(|(entry, _)| entry.clone()).collect()
    }

    fn check(&self, bucket: Bucket, key: &str, at: Option<Revision>) -> Result<(), Error> {
        let there = self.now_there(bucket).into_iter().find(|it| it.key == key);
        match there.map(|it| it.revision) == at {
            true => Ok(()),
            false => Err(Error::Conflict {
                key: key.to_owned(),
            }),
        }
    }
}

#[async_trait]
impl Clock for World {
    fn now(&self) -> Timestamp {
        let began = Timestamp::from_second(1_800_000_000).unwrap();
        began + self.began.elapsed()
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

#[async_trait]
impl State for World {
    async fn get(&self, bucket: Bucket, key: &str) -> Result<Option<Entry>, Error> {
        Ok(self.now_there(bucket).into_iter().find(|it| it.key == key))
    }

    async fn list(&self, bucket: Bucket) -> Result<Vec<Entry>, Error> {
        Ok(self.now_there(bucket))
    }

    async fn create(&self, bucket: Bucket, key: &str, value: Bytes) -> Result<Revision, Error> {
        self.check(bucket, key, None)?;
        Ok(self.write(bucket, key, Some(value)))
    }

    async fn update(
        &self,
        bucket: Bucket,
        key: &str,
        value: Bytes,
        revision: Revision,
    ) -> Result<Revision, Error> {
        self.check(bucket, key, Some(revision))?;
        Ok(self.write(bucket, key, Some(value)))
    }

    async fn put(&self, bucket: Bucket, key: &str, value: Bytes) -> Result<Revision, Error> {
        Ok(self.write(bucket, key, Some(value)))
    }

    async fn delete(
        &self,
        bucket: Bucket,
        key: &str,
        revision: Option<Revision>,
    ) -> Result<(), Error> {
        if revision.is_some() {
            self.check(bucket, key, revision)?;
        }
        self.write(bucket, key, None);
        Ok(())
    }

    async fn history(&self, bucket: Bucket, key: &str) -> Result<Vec<Entry>, Error> {
        let kept = self.state.lock().unwrap();
        let own = kept
            .changes
            .iter()
            .filter(|(of, entry, is_there)| *of == bucket && entry.key == key && *is_there);
        Ok(own.map(|(_, entry, _)| entry.clone()).collect())
    }

    async fn watch(&self, bucket: Bucket) -> Result<BoxStream<'static, Change>, Error> {
        let (tell, told) = mpsc::unbounded();
        let there = self.now_there(bucket).into_iter().map(Change::Put);
        for change in there.chain([Change::Current]) {
            tell.unbounded_send(change).unwrap();
        }
        self.state.lock().unwrap().watchers.push((bucket, tell));
        Ok(told.boxed())
    }
}

#[async_trait]
impl EventLog for World {
    async fn publish(&self, _: &Proven) -> Result<Receipt, Error> {
        unreachable!("{NOT_USED}")
    }

    async fn subscribe(&self, subscription: &Subscription) -> Result<(), Error> {
        let signals = subscription.signals.iter().map(ToString::to_string);
        self.subscribed.lock().unwrap().push(signals.collect());
        Ok(())
    }

    async fn unsubscribe(&self, _: &TriggerName) -> Result<(), Error> {
        Ok(())
    }

    async fn consumer(&self, _: &TriggerName) -> Result<Box<dyn Consumer>, Error> {
        unreachable!("{NOT_USED}")
    }

    async fn backlog(&self, _: &TriggerName) -> Result<u64, Error> {
        unreachable!("{NOT_USED}")
    }

    async fn read(&self, _: Range) -> Result<Entries<Event>, Error> {
        unreachable!("{NOT_USED}")
    }

    async fn get(&self, _: Sequence) -> Result<Option<Stored<Event>>, Error> {
        unreachable!("{NOT_USED}")
    }

    async fn ping(&self) -> Result<(), Error> {
        unreachable!("{NOT_USED}")
    }
}

#[async_trait]
impl OutcomeLog for World {
    async fn record(&self, _: &Outcome) -> Result<Sequence, Error> {
        unreachable!("{NOT_USED}")
    }

    async fn bury(&self, _: &DeadLetter) -> Result<Sequence, Error> {
        unreachable!("{NOT_USED}")
    }

    async fn outcomes(&self, _: Range) -> Result<Entries<Outcome>, Error> {
        unreachable!("{NOT_USED}")
    }

    async fn dead_letters(&self, _: Range) -> Result<Entries<DeadLetter>, Error> {
        unreachable!("{NOT_USED}")
    }

    async fn discard(&self, _: Sequence) -> Result<bool, Error> {
        unreachable!("{NOT_USED}")
    }
}

#[async_trait]
impl Packages for World {
    async fn find(
        &self,
        _: Kind,
        _: &PackageName,
        _: Option<&Version>,
        _: Option<&str>,
    ) -> Result<Found, packages::Error> {
        Ok(Found {
            registry: "main".into(),
            manifest: self.package.lock().unwrap().clone(),
        })
    }

    async fn list(&self) -> Result<Vec<Listed>, packages::Error> {
        unreachable!("{NOT_USED}")
    }
}
