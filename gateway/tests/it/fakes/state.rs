//! The state, as far as a gateway sees it: the bucket of the triggers, and those who watch it.

use super::{OUT_OF_SCOPE, World, unavailable};
use async_trait::async_trait;
use belfry_mesh::gateway;
use belfry_mesh::port::Error;
use belfry_mesh::port::state::{Bucket, Change, Entry, Revision, State};
use bytes::Bytes;
use futures::StreamExt;
use futures::channel::mpsc;
use futures::stream::BoxStream;
use std::collections::BTreeMap;

#[derive(Default)]
pub(super) struct Triggers {
    entries: BTreeMap<String, Entry>,
    revision: Revision,
    watchers: Vec<mpsc::UnboundedSender<Change>>,
    away: bool,
}

impl World {
    pub(crate) fn put(&self, key: &str, value: impl Into<Bytes>) {
        let mut state = self.state.lock().unwrap();
        state.revision += 1;
        let entry = Entry {
            key: key.to_owned(),
            value: value.into(),
            revision: state.revision,
            changed_at: *self.now.lock().unwrap(),
        };
        state.entries.insert(key.to_owned(), entry.clone());
        state.tell(&Change::Put(entry));
    }

    pub(crate) fn delete(&self, key: &str) {
        let mut state = self.state.lock().unwrap();
        state.revision += 1;
        state.entries.remove(key);
        let revision = state.revision;
        state.tell(&Change::Deleted {
            key: key.to_owned(),
            revision,
        });
    }

    /// Takes a trigger away without anyone who watches being told, as in an outage.
    pub(crate) fn delete_unseen(&self, key: &str) {
        self.state.lock().unwrap().entries.remove(key);
    }

    /// Every watch begins anew after an outage, in which this key vanished, and shows these again.
    pub(crate) fn watches_begin_anew(&self, vanished: &str, again: &[&str]) {
        let mut state = self.state.lock().unwrap();
        for key in again {
            let entry = state.entries[*key].clone();
            state.tell(&Change::Put(entry));
        }
        drop(state);
        self.delete(vanished);
        self.state.lock().unwrap().tell(&Change::Current);
    }

    /// Every watch ends, and none can begin while it is `away`.
    pub(crate) fn state_is_away(&self, away: bool) {
        let mut state = self.state.lock().unwrap();
        state.away = away;
        state.watchers.clear();
    }
}

impl Triggers {
    fn tell(&mut self, change: &Change) {
        self.watchers
            .retain(|watcher| watcher.unbounded_send(change.clone()).is_ok());
    }
}

#[async_trait]
impl State for World {
    async fn watch(&self, bucket: Bucket) -> Result<BoxStream<'static, Change>, Error> {
        assert_eq!(bucket, Bucket::Triggers);
        let mut state = self.state.lock().unwrap();
        if state.away {
            return Err(unavailable("the state"));
        }
        let (tell, told) = mpsc::unbounded();
        for entry in state.entries.values() {
            tell.unbounded_send(Change::Put(entry.clone())).unwrap();
        }
        tell.unbounded_send(Change::Current).unwrap();
        state.watchers.push(tell);
        Ok(told.boxed())
    }

    async fn get(&self, _: Bucket, _: &str) -> Result<Option<Entry>, Error> {
        unreachable!("{OUT_OF_SCOPE}")
    }

    async fn list(&self, _: Bucket) -> Result<Vec<Entry>, Error> {
        unreachable!("{OUT_OF_SCOPE}")
    }

    async fn create(&self, _: Bucket, _: &str, _: Bytes) -> Result<Revision, Error> {
        unreachable!("{OUT_OF_SCOPE}")
    }

    async fn update(&self, _: Bucket, _: &str, _: Bytes, _: Revision) -> Result<Revision, Error> {
        unreachable!("{OUT_OF_SCOPE}")
    }

    async fn put(&self, bucket: Bucket, key: &str, value: Bytes) -> Result<Revision, Error> {
        assert_eq!(bucket, Bucket::Nodes);
        if self.state.lock().unwrap().away {
            return Err(unavailable("the state"));
        }
        let entry = Entry {
            key: key.to_owned(),
            value,
            revision: 1,
            changed_at: self.now(),
        };
        let said = gateway::decode(&entry).expect("only what the gateway says of itself");
        self.said.send_replace(Some(said));
        Ok(entry.revision)
    }

    async fn delete(&self, bucket: Bucket, key: &str, _: Option<Revision>) -> Result<(), Error> {
        let said = self.said.borrow().as_ref().map(|it| gateway::key(&it.name));
        assert_eq!((bucket, said.as_deref()), (Bucket::Nodes, Some(key)));
        self.said.send_replace(None);
        Ok(())
    }

    async fn history(&self, _: Bucket, _: &str) -> Result<Vec<Entry>, Error> {
        unreachable!("{OUT_OF_SCOPE}")
    }
}
