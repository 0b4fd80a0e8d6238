//! Keys with revisions, in named buckets.

use super::Error;
use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use jiff::Timestamp;

/// The buckets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Bucket {
    /// Desired state, a key a trigger. The last 64 revisions of a key are kept.
    Triggers,
    /// Observed state, a key a slot.
    Status,
    /// Heartbeats, a key a node.
    Nodes,
}

impl Bucket {
    /// All buckets.
    pub const ALL: [Self; 3] = [Self::Triggers, Self::Status, Self::Nodes];

    /// The bucket's name on the bus.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Triggers => "belfry-triggers",
            Self::Status => "belfry-status",
            Self::Nodes => "belfry-nodes",
        }
    }

    /// How many revisions of a key are kept.
    #[must_use]
    pub fn history(self) -> u8 {
        match self {
            Self::Triggers => 64,
            Self::Status | Self::Nodes => 1,
        }
    }
}

/// The number of a change: it grows with every change of its bucket, so of two values of a key the larger is the later.
pub type Revision = u64;

/// A key's value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The key: letters, digits, `-`, `_`, `.`.
    pub key: String,
    /// The value.
    pub value: Bytes,
    /// The change that made it.
    pub revision: Revision,
    /// When it was made.
    pub changed_at: Timestamp,
}

/// What a watch sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// The key has this value now.
    Put(Entry),
    /// The key is gone.
    Deleted {
        /// The key.
        key: String,
        /// The change that removed it.
        revision: Revision,
    },
    /// What was there when the watch began (or began anew) has been seen; from here on it is news.
    Current,
}

/// Keys with revisions. Changes of one key are linearizable: of two that are based on the same revision one succeeds.
#[async_trait]
pub trait State: Send + Sync {
    /// The key's value.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    async fn get(&self, bucket: Bucket, key: &str) -> Result<Option<Entry>, Error>;

    /// All values, in no particular order.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    async fn list(&self, bucket: Bucket) -> Result<Vec<Entry>, Error>;

    /// Sets a key that is not there.
    ///
    /// # Errors
    /// [`Error::Conflict`] if it is there; [`Error::TooLarge`]; [`Error::Unavailable`].
    async fn create(&self, bucket: Bucket, key: &str, value: Bytes) -> Result<Revision, Error>;

    /// Replaces the value of exactly this revision.
    ///
    /// # Errors
    /// [`Error::Conflict`] if the key has another revision or is gone; [`Error::TooLarge`]; [`Error::Unavailable`].
    async fn update(
        &self,
        bucket: Bucket,
        key: &str,
        value: Bytes,
        revision: Revision,
    ) -> Result<Revision, Error>;

    /// Sets a key whatever it was: for values that have one writer.
    ///
    /// # Errors
    /// [`Error::TooLarge`], [`Error::Unavailable`].
    async fn put(&self, bucket: Bucket, key: &str, value: Bytes) -> Result<Revision, Error>;

    /// Removes a key, if it has exactly this revision where one is given. A key that is not there is no error without one.
    ///
    /// # Errors
    /// [`Error::Conflict`], [`Error::Unavailable`].
    async fn delete(
        &self,
        bucket: Bucket,
        key: &str,
        revision: Option<Revision>,
    ) -> Result<(), Error>;

    /// The kept values of a key, oldest first, those before a deletion included.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    async fn history(&self, bucket: Bucket, key: &str) -> Result<Vec<Entry>, Error>;

    /// What is there, then [`Change::Current`], then every change, in order, without end. After an outage the watch goes on by
    /// itself: it may begin anew, so the same value can be seen twice, but the latest is never missed, and a key that vanished
    /// meanwhile is seen as [`Change::Deleted`] before [`Change::Current`] comes again.
    ///
    /// # Errors
    /// [`Error::Unavailable`] if it cannot begin.
    async fn watch(&self, bucket: Bucket) -> Result<BoxStream<'static, Change>, Error>;
}
