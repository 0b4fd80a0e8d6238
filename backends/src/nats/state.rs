//! The state: one key-value bucket each.

use super::feed::{Feed, Next, Source};
use super::kv::{self, Write};
use super::link::Link;
use super::message::Entry as Message;
use async_trait::async_trait;
use belfry_mesh::port::Error;
use belfry_mesh::port::state::{Bucket, Change, Entry, Revision, State};
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

/// How long the mark of a removed key stays where no history is kept. A reader that was away for longer begins anew.
const REMOVED: Duration = Duration::from_secs(60 * 60);

/// The longest wait before a watch that was lost begins anew.
const MAX_PAUSE: Duration = Duration::from_secs(2);

/// The buckets.
pub(super) struct Buckets {
    link: Arc<Link>,
}

impl Buckets {
    pub(super) fn new(link: Arc<Link>) -> Self {
        Self { link }
    }

    async fn write(
        &self,
        bucket: Bucket,
        key: &str,
        value: Option<Bytes>,
        expected: Option<Revision>,
    ) -> Result<Revision, Error> {
        // With a history, what is under the mark would come to light when it goes.
        let ttl = (value.is_none() && bucket.history() == 1).then_some(REMOVED);
        Write {
            bucket: bucket.name(),
            key,
            value,
            expected,
            ttl,
        }
        .make(&self.link)
        .await
    }

    async fn latest(&self, bucket: Bucket, key: &str) -> Result<Option<Message>, Error> {
        kv::latest(&self.link, bucket.name(), key).await
    }
}

#[async_trait]
impl State for Buckets {
    async fn get(&self, bucket: Bucket, key: &str) -> Result<Option<Entry>, Error> {
        Ok(self
            .latest(bucket, key)
            .await?
            .and_then(|message| value(bucket, message)))
    }

    async fn list(&self, bucket: Bucket) -> Result<Vec<Entry>, Error> {
        let watch = Watch::begin(&self.link, bucket).await?;
        let mut list: HashMap<String, Entry> = HashMap::new();
        for message in watch.snapshot {
            match change(bucket, message) {
                Some(Change::Put(entry)) => drop(list.insert(entry.key.clone(), entry)),
                Some(Change::Deleted { key, .. }) => drop(list.remove(&key)),
                Some(Change::Current) | None => {}
            }
        }
        Ok(list.into_values().collect())
    }

    async fn create(&self, bucket: Bucket, key: &str, value: Bytes) -> Result<Revision, Error> {
        match self.write(bucket, key, Some(value.clone()), Some(0)).await {
            // The mark of a removal stands where nothing should: whoever replaces exactly it creates the key.
            Err(conflict @ Error::Conflict { .. }) => match self.latest(bucket, key).await? {
                Some(latest) if kv::is_removal(&latest) => {
                    self.write(bucket, key, Some(value), Some(latest.sequence))
                        .await
                }
                _ => Err(conflict),
            },
            other => other,
        }
    }

    async fn update(
        &self,
        bucket: Bucket,
        key: &str,
        value: Bytes,
        revision: Revision,
    ) -> Result<Revision, Error> {
        self.write(bucket, key, Some(value), Some(revision)).await
    }

    async fn put(&self, bucket: Bucket, key: &str, value: Bytes) -> Result<Revision, Error> {
        self.write(bucket, key, Some(value), None).await
    }

    async fn delete(
        &self,
        bucket: Bucket,
        key: &str,
        revision: Option<Revision>,
    ) -> Result<(), Error> {
        if revision.is_none() && self.get(bucket, key).await?.is_none() {
            return Ok(());
        }
        self.write(bucket, key, None, revision).await.map(drop)
    }

    async fn history(&self, bucket: Bucket, key: &str) -> Result<Vec<Entry>, Error> {
        let source = Source::subject(&kv::stream(bucket.name()), &kv::subject(bucket.name(), key));
        let mut feed = Feed::open(self.link.clone(), source).await?;
        let mut history = Vec::new();
        loop {
            match feed.next().await {
                Next::Entry(message) => history.extend(value(bucket, *message)),
                Next::End => return Ok(history),
                Next::Lost(error) => return Err(error),
            }
        }
    }

    async fn watch(&self, bucket: Bucket) -> Result<BoxStream<'static, Change>, Error> {
        let watch = Watch::begin(&self.link, bucket).await?;
        let state = (self.link.clone(), watch);
        Ok(stream::unfold(state, move |(link, mut watch)| async move {
            let mut pause = Duration::from_millis(20);
            loop {
                match watch.next().await {
                    Ok(change) => return Some((change, (link, watch))),
                    Err(error) => tracing::debug!(bucket = bucket.name(), %error, "the watch begins anew"),
                }
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(MAX_PAUSE);
                match Watch::begin(&link, bucket).await {
                    Ok(anew) => watch = anew,
                    Err(error) => tracing::debug!(bucket = bucket.name(), %error, "the watch cannot begin yet"),
                }
            }
        })
        .boxed())
    }
}

/// A watch of a bucket.
struct Watch {
    bucket: Bucket,
    /// What was there at the beginning and was not told yet.
    snapshot: VecDeque<Message>,
    is_current: bool,
    /// None once it is lost.
    feed: Option<Feed>,
}

impl Watch {
    async fn begin(link: &Arc<Link>, bucket: Bucket) -> Result<Self, Error> {
        let source = Source::latest(&kv::stream(bucket.name()), &kv::subject(bucket.name(), ">"));
        let mut feed = Feed::open(link.clone(), source).await?;
        let snapshot = feed.snapshot().await?.into();
        Ok(Self {
            bucket,
            snapshot,
            is_current: false,
            feed: Some(feed),
        })
    }

    async fn next(&mut self) -> Result<Change, Error> {
        while let Some(message) = self.snapshot.pop_front() {
            if let Some(change) = change(self.bucket, message) {
                return Ok(change);
            }
        }
        if !self.is_current {
            self.is_current = true;
            return Ok(Change::Current);
        }
        let lost = || Error::NotFound(format!("the watch of {}", self.bucket.name()));
        let feed = self.feed.as_mut().ok_or_else(lost)?;
        loop {
            match feed.next().await {
                Next::Entry(message) => {
                    if let Some(change) = change(self.bucket, *message) {
                        return Ok(change);
                    }
                }
                Next::End => return Err(lost()),
                Next::Lost(error) => {
                    self.feed = None;
                    return Err(error);
                }
            }
        }
    }
}

fn change(bucket: Bucket, message: Message) -> Option<Change> {
    if kv::is_removal(&message) {
        let key = kv::key(bucket.name(), &message.subject)?.to_owned();
        return Some(Change::Deleted {
            key,
            revision: message.sequence,
        });
    }
    value(bucket, message).map(Change::Put)
}

/// The value in a message, if it is not the mark of a removal.
fn value(bucket: Bucket, message: Message) -> Option<Entry> {
    if kv::is_removal(&message) {
        return None;
    }
    let key = kv::key(bucket.name(), &message.subject)?.to_owned();
    Some(Entry {
        key,
        value: message.payload,
        revision: message.sequence,
        changed_at: message.stored_at,
    })
}
