//! The copy of the state that is read and watched.

use belfry_mesh::port::state::{Bucket, Change, Entry, Revision};
use futures::StreamExt;
use futures::stream::BoxStream;
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::broadcast::{self, error::RecvError};
use tokio_util::sync::CancellationToken;

/// How many changes a watcher may lag behind before it is shown the whole bucket anew.
const LAG: usize = 256;

/// The current values of all buckets.
#[derive(Clone)]
pub(super) struct Mirror(Arc<HashMap<Bucket, Mutex<Table>>>);

struct Table {
    entries: HashMap<String, Entry>,
    last: Revision,
    changes: broadcast::Sender<Change>,
}

struct Watch {
    mirror: Mirror,
    bucket: Bucket,
    closed: CancellationToken,
    news: broadcast::Receiver<Change>,
    /// What is to be shown before any news.
    shown_next: VecDeque<Change>,
    /// The keys that the watcher believes to be there.
    told: HashSet<String>,
}

impl Mirror {
    pub(super) fn new(mut entries: HashMap<Bucket, HashMap<String, Entry>>) -> Self {
        let table = |bucket| {
            let entries = entries.remove(&bucket).unwrap_or_default();
            let last = entries
                .values()
                .map(|entry| entry.revision)
                .max()
                .unwrap_or(0);
            (
                bucket,
                Mutex::new(Table {
                    entries,
                    last,
                    changes: broadcast::Sender::new(LAG),
                }),
            )
        };
        Self(Arc::new(Bucket::ALL.map(table).into()))
    }

    pub(super) fn get(&self, bucket: Bucket, key: &str) -> Option<Entry> {
        self.table(bucket).entries.get(key).cloned()
    }

    pub(super) fn list(&self, bucket: Bucket) -> Vec<Entry> {
        self.table(bucket).entries.values().cloned().collect()
    }

    /// Takes over a change that is on the disk, and tells the watchers.
    pub(super) fn apply(&self, bucket: Bucket, change: Change) {
        let mut table = self.table(bucket);
        match &change {
            Change::Put(entry) => {
                table.last = entry.revision;
                table.entries.insert(entry.key.clone(), entry.clone());
            }
            Change::Deleted { key, revision } => {
                table.last = *revision;
                table.entries.remove(key);
            }
            Change::Current => {}
        }
        // Nobody need be watching.
        let _ = table.changes.send(change);
    }

    pub(super) fn watch(
        &self,
        bucket: Bucket,
        closed: CancellationToken,
    ) -> BoxStream<'static, Change> {
        let news = self.table(bucket).changes.subscribe();
        let mut watch = Watch {
            mirror: self.clone(),
            bucket,
            closed,
            news,
            shown_next: VecDeque::new(),
            told: HashSet::new(),
        };
        watch.begin();
        futures::stream::unfold(watch, |mut watch| async {
            let change = watch.next().await?;
            Some((change, watch))
        })
        .boxed()
    }

    fn table(&self, bucket: Bucket) -> MutexGuard<'_, Table> {
        self.0[&bucket]
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watch {
    /// Begins, or begins anew: what is gone, what is there, and that this was all. News are those after it, for both are taken
    /// under one lock.
    fn begin(&mut self) {
        let table = self.mirror.table(self.bucket);
        self.news = table.changes.subscribe();
        let revision = table.last;
        let gone = self
            .told
            .iter()
            .filter(|key| !table.entries.contains_key(*key))
            .cloned();
        self.shown_next
            .extend(gone.map(|key| Change::Deleted { key, revision }));
        let mut entries: Vec<_> = table.entries.values().cloned().collect();
        drop(table);
        entries.sort_by_key(|entry| entry.revision);
        self.shown_next.extend(entries.into_iter().map(Change::Put));
        self.shown_next.push_back(Change::Current);
    }

    async fn next(&mut self) -> Option<Change> {
        let change = loop {
            if let Some(change) = self.shown_next.pop_front() {
                break change;
            }
            let news = tokio::select! {
                news = self.news.recv() => news,
                () = self.closed.cancelled() => return None,
            };
            match news {
                Ok(change) => break change,
                Err(RecvError::Lagged(_)) => self.begin(),
                Err(RecvError::Closed) => return None,
            }
        };
        match &change {
            Change::Put(entry) => drop(self.told.insert(entry.key.clone())),
            Change::Deleted { key, .. } => drop(self.told.remove(key)),
            Change::Current => {}
        }
        Some(change)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;
    use jiff::Timestamp;

    fn put(key: &str, revision: Revision) -> Change {
        let (key, changed_at) = (key.to_owned(), Timestamp::UNIX_EPOCH);
        Change::Put(Entry {
            key,
            value: revision.to_string().into(),
            revision,
            changed_at,
        })
    }

    fn seen(watch: &mut BoxStream<'static, Change>) -> Vec<Change> {
        std::iter::from_fn(|| watch.next().now_or_never().flatten()).collect()
    }

    #[test]
    fn a_watcher_that_lags_is_shown_what_is_gone_and_what_is_there() {
        let mirror = Mirror::new(HashMap::new());
        mirror.apply(Bucket::Nodes, put("gone", 1));
        mirror.apply(Bucket::Nodes, put("still", 2));
        let mut watch = mirror.watch(Bucket::Nodes, CancellationToken::new());
        assert_eq!(
            seen(&mut watch),
            [put("gone", 1), put("still", 2), Change::Current]
        );
        mirror.apply(
            Bucket::Nodes,
            Change::Deleted {
                key: "gone".into(),
                revision: 3,
            },
        );
        for revision in 4..4 + LAG as u64 {
            mirror.apply(Bucket::Nodes, put("busy", revision));
        }
        let revision = 3 + LAG as u64;
        let gone = Change::Deleted {
            key: "gone".into(),
            revision,
        };
        assert_eq!(
            seen(&mut watch),
            [
                gone,
                put("still", 2),
                put("busy", revision),
                Change::Current
            ]
        );
        mirror.apply(Bucket::Nodes, put("busy", revision + 1));
        assert_eq!(seen(&mut watch), [put("busy", revision + 1)]);
    }
}
