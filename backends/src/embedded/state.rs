//! The state: every kept change on the disk, the current values in memory.

use super::fault::Fault;
use super::mirror::Mirror;
use super::store::{Store, time};
use super::writer::Work;
use async_trait::async_trait;
use belfry_mesh::port::Error;
use belfry_mesh::port::state::{Bucket, Change, Entry, Revision, State};
use bytes::Bytes;
use futures::stream::BoxStream;
use rusqlite::{Connection, OptionalExtension, Row};
use std::collections::HashMap;
use std::sync::Arc;

/// The largest value.
const MAX_VALUE: usize = 1 << 20;

/// The state.
pub(super) struct Buckets(pub(super) Arc<Store>);

/// What a change is based on.
#[derive(Clone, Copy)]
enum Basis {
    Absent,
    Revision(Revision),
    Anything,
}

impl Buckets {
    async fn set(
        &self,
        bucket: Bucket,
        key: &str,
        value: Bytes,
        basis: Basis,
    ) -> Result<Revision, Error> {
        if value.len() > MAX_VALUE {
            let what = format!("the value of {}/{key}", bucket.name());
            return Err(Error::TooLarge {
                what,
                size: value.len(),
                limit: MAX_VALUE,
            });
        }
        let key = key.to_owned();
        let written = self
            .0
            .writer
            .run(move |work| write(work, bucket, &key, Some(&value), basis));
        written.await
    }

    fn open(&self) -> Result<&Mirror, Error> {
        if self.0.closed.is_cancelled() {
            Err(self.0.closed_error())
        } else {
            Ok(&self.0.memory.mirror)
        }
    }
}

#[async_trait]
impl State for Buckets {
    async fn get(&self, bucket: Bucket, key: &str) -> Result<Option<Entry>, Error> {
        Ok(self.open()?.get(bucket, key))
    }

    async fn list(&self, bucket: Bucket) -> Result<Vec<Entry>, Error> {
        Ok(self.open()?.list(bucket))
    }

    async fn create(&self, bucket: Bucket, key: &str, value: Bytes) -> Result<Revision, Error> {
        self.set(bucket, key, value, Basis::Absent).await
    }

    async fn update(
        &self,
        bucket: Bucket,
        key: &str,
        value: Bytes,
        revision: Revision,
    ) -> Result<Revision, Error> {
        self.set(bucket, key, value, Basis::Revision(revision))
            .await
    }

    async fn put(&self, bucket: Bucket, key: &str, value: Bytes) -> Result<Revision, Error> {
        self.set(bucket, key, value, Basis::Anything).await
    }

    async fn delete(
        &self,
        bucket: Bucket,
        key: &str,
        revision: Option<Revision>,
    ) -> Result<(), Error> {
        let (key, basis) = (
            key.to_owned(),
            revision.map_or(Basis::Anything, Basis::Revision),
        );
        let written = self
            .0
            .writer
            .run(move |work| write(work, bucket, &key, None, basis));
        written.await.map(|_| ())
    }

    async fn history(&self, bucket: Bucket, key: &str) -> Result<Vec<Entry>, Error> {
        let key = key.to_owned();
        self.0
            .readers
            .run(move |conn| history(conn, bucket, &key))
            .await
    }

    async fn watch(&self, bucket: Bucket) -> Result<BoxStream<'static, Change>, Error> {
        Ok(self.open()?.watch(bucket, self.0.closed.clone()))
    }
}

/// The current values of all buckets.
pub(super) fn load(conn: &Connection) -> Result<Mirror, rusqlite::Error> {
    let mut statement = conn.prepare(
        "SELECT key, value, max(revision), changed_at FROM state WHERE bucket = ?1 GROUP BY key HAVING value IS NOT NULL",
    )?;
    let mut buckets = HashMap::new();
    for bucket in Bucket::ALL {
        let entries = statement.query_map([bucket.name()], entry)?;
        let entries = entries.map(|entry| entry.map(|entry| (entry.key.clone(), entry)));
        buckets.insert(bucket, entries.collect::<Result<_, _>>()?);
    }
    Ok(Mirror::new(buckets))
}

/// Changes a key: to a value, or to nothing. Nothing to delete is no change.
fn write(
    work: &mut Work<'_>,
    bucket: Bucket,
    key: &str,
    value: Option<&Bytes>,
    basis: Basis,
) -> Result<Revision, Fault> {
    let current = current(work.conn, bucket, key)?;
    let fits = match basis {
        Basis::Absent => current.is_none(),
        Basis::Revision(revision) => current == Some(revision),
        Basis::Anything => true,
    };
    if !fits {
        return Err(Fault::Refused(Error::Conflict {
            key: format!("{}/{key}", bucket.name()),
        }));
    }
    if value.is_none() && current.is_none() {
        return Ok(0);
    }
    work.execute(
        "INSERT INTO state (bucket, key, value, changed_at) VALUES (?1, ?2, ?3, ?4)",
        (bucket.name(), key, value.map(|value| &**value), work.now),
    )?;
    let revision = Revision::try_from(work.conn.last_insert_rowid()).expect("SQLite counts from 1");
    prune(work, bucket, key, value.is_none())?;
    let (key, changed_at) = (key.to_owned(), time(work.now));
    let change = match value.cloned() {
        Some(value) => Change::Put(Entry {
            key,
            value,
            revision,
            changed_at,
        }),
        None => Change::Deleted { key, revision },
    };
    work.afterwards(move |memory| memory.mirror.apply(bucket, change));
    Ok(revision)
}

/// Keeps as many changes of a key as its bucket says. A deletion that has nothing left to remember is not kept.
fn prune(work: &Work<'_>, bucket: Bucket, key: &str, deleted: bool) -> Result<(), rusqlite::Error> {
    let kept = if deleted && bucket.history() == 1 {
        0
    } else {
        bucket.history()
    };
    work.execute(
        "DELETE FROM state WHERE bucket = ?1 AND key = ?2 AND revision <= (SELECT revision FROM state
         WHERE bucket = ?1 AND key = ?2 ORDER BY revision DESC LIMIT 1 OFFSET ?3)",
        (bucket.name(), key, kept),
    )?;
    Ok(())
}

/// The revision of the key's value, if it has one.
fn current(
    conn: &Connection,
    bucket: Bucket,
    key: &str,
) -> Result<Option<Revision>, rusqlite::Error> {
    let sql = "SELECT revision, value IS NOT NULL FROM state WHERE bucket = ?1 AND key = ?2
        ORDER BY revision DESC LIMIT 1";
    let last = conn
        .prepare_cached(sql)?
        .query_row((bucket.name(), key), |row| Ok((row.get(0)?, row.get(1)?)));
    Ok(last
        .optional()?
        .and_then(|(revision, is_there)| if is_there { Some(revision) } else { None }))
}

fn history(conn: &Connection, bucket: Bucket, key: &str) -> Result<Vec<Entry>, rusqlite::Error> {
    let mut statement = conn.prepare_cached(
        "SELECT key, value, revision, changed_at FROM state
         WHERE bucket = ?1 AND key = ?2 AND value IS NOT NULL ORDER BY revision",
    )?;
    statement.query_map((bucket.name(), key), entry)?.collect()
}

fn entry(row: &Row<'_>) -> Result<Entry, rusqlite::Error> {
    let value = Bytes::copy_from_slice(row.get_ref(1)?.as_blob()?);
    Ok(Entry {
        key: row.get(0)?,
        value,
        revision: row.get(2)?,
        changed_at: time(row.get(3)?),
    })
}
