//! A state that took each heartbeat when its node says that it was there, so that a test can have nodes that are long dead.

use async_trait::async_trait;
use belfry_mesh::node::Node;
use belfry_mesh::port::Error;
use belfry_mesh::port::state::{Bucket, Change, Entry, Revision, State};
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::BoxStream;
use std::sync::Arc;

pub(crate) struct Stamped(pub(crate) Arc<dyn State>);

fn stamp(mut entry: Entry) -> Entry {
    if let Ok(node) = serde_json::from_slice::<Node>(&entry.value) {
        entry.changed_at = node.seen_at;
    }
    entry
}

#[async_trait]
impl State for Stamped {
    async fn get(&self, bucket: Bucket, key: &str) -> Result<Option<Entry>, Error> {
        Ok(self.0.get(bucket, key).await?.map(stamp))
    }

    async fn list(&self, bucket: Bucket) -> Result<Vec<Entry>, Error> {
        let entries = self.0.list(bucket).await?;
        Ok(entries.into_iter().map(stamp).collect())
    }

    async fn create(&self, bucket: Bucket, key: &str, value: Bytes) -> Result<Revision, Error> {
        self.0.create(bucket, key, value).await
    }

    async fn update(
        &self,
        bucket: Bucket,
        key: &str,
        value: Bytes,
        revision: Revision,
    ) -> Result<Revision, Error> {
        self.0.update(bucket, key, value, revision).await
    }

    async fn put(&self, bucket: Bucket, key: &str, value: Bytes) -> Result<Revision, Error> {
        self.0.put(bucket, key, value).await
    }

    async fn delete(
        &self,
        bucket: Bucket,
        key: &str,
        revision: Option<Revision>,
    ) -> Result<(), Error> {
        self.0.delete(bucket, key, revision).await
    }

    async fn history(&self, bucket: Bucket, key: &str) -> Result<Vec<Entry>, Error> {
        self.0.history(bucket, key).await
    }

    async fn watch(&self, bucket: Bucket) -> Result<BoxStream<'static, Change>, Error> {
        let stamped = |change| match change {
            Change::Put(entry) => Change::Put(stamp(entry)),
            other => other,
        };
        Ok(self.0.watch(bucket).await?.map(stamped).boxed())
    }
}
