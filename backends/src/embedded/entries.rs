//! Reading a log in order, page by page, and on with what comes later.

use super::memory::Memory;
use super::store::{Store, time};
use belfry_mesh::port::Error;
use belfry_mesh::port::log::{Entries, Range, Sequence, Stored};
use futures::StreamExt;
use rusqlite::{Connection, Row};
use std::collections::VecDeque;
use std::sync::Arc;
use tokio::sync::watch;

/// How many entries are read at once.
const PAGE: usize = 128;

/// How many bytes are read at once, unless the first entry alone is more.
const PAGE_BYTES: usize = 1 << 20;

/// What a log keeps, and how it is read.
pub(super) trait Kept: Sized + Send + 'static {
    /// What an entry is called in errors.
    const WHAT: &'static str;

    /// Selects `sequence, stored_at, size` and what `decode` needs, of the sequences over `?1` up to `?2`, in order.
    const SELECT: &'static str;

    /// The value of a row, whose own columns begin with the fourth.
    fn decode(row: &Row<'_>) -> Result<Self, Unreadable>;

    /// The last sequence of the log.
    fn head(memory: &Memory) -> &watch::Sender<Sequence>;
}

/// Why a row is not what it should be.
pub(super) type Unreadable = Box<dyn std::error::Error + Send + Sync>;

struct Reading<T> {
    store: Arc<Store>,
    head: watch::Receiver<Sequence>,
    after: Sequence,
    /// The last to read; none for a live reading.
    last: Option<Sequence>,
    page: VecDeque<Result<Stored<T>, Error>>,
    failed: bool,
}

/// Reads a log.
pub(super) fn read<T: Kept>(store: &Arc<Store>, range: Range) -> Entries<T> {
    let head = T::head(&store.memory).subscribe();
    let last = (!range.live).then(|| *head.borrow());
    let reading = Reading {
        store: store.clone(),
        head,
        after: range.after,
        last,
        page: VecDeque::new(),
        failed: false,
    };
    futures::stream::unfold(reading, |mut reading| async {
        let entry = reading.next().await?;
        Some((entry, reading))
    })
    .boxed()
}

/// The entry at a sequence.
pub(super) fn get<T: Kept>(
    conn: &Connection,
    sequence: Sequence,
) -> Result<Option<Result<Stored<T>, Error>>, rusqlite::Error> {
    let mut statement = conn.prepare_cached(T::SELECT)?;
    let mut rows = statement.query((sequence.saturating_sub(1), sequence))?;
    Ok(rows.next()?.map(entry))
}

impl<T: Kept> Reading<T> {
    async fn next(&mut self) -> Option<Result<Stored<T>, Error>> {
        loop {
            if let Some(entry) = self.page.pop_front() {
                return Some(entry);
            }
            if self.failed || self.last.is_some_and(|last| self.after >= last) {
                return None;
            }
            let head = *self.head.borrow_and_update();
            let outcome = if self.after < head {
                self.fill(self.last.unwrap_or(head)).await
            } else {
                self.wait().await
            };
            if let Err(error) = outcome {
                self.failed = true;
                return Some(Err(error));
            }
        }
    }

    async fn fill(&mut self, last: Sequence) -> Result<(), Error> {
        let after = self.after;
        let (page, read_to) = self
            .store
            .readers
            .run(move |conn| page(conn, after, last))
            .await?;
        (self.page, self.after) = (page, read_to);
        Ok(())
    }

    async fn wait(&mut self) -> Result<(), Error> {
        tokio::select! {
            changed = self.head.changed() => changed.map_err(|_| self.store.closed_error()),
            () = self.store.closed.cancelled() => Err(self.store.closed_error()),
        }
    }
}

type Page<T> = (VecDeque<Result<Stored<T>, Error>>, Sequence);

/// Entries after `after` up to `last`, and up to where this has read: what was dropped leaves gaps.
fn page<T: Kept>(
    conn: &Connection,
    after: Sequence,
    last: Sequence,
) -> Result<Page<T>, rusqlite::Error> {
    let mut statement = conn.prepare_cached(T::SELECT)?;
    let mut rows = statement.query((after, last))?;
    let (mut page, mut bytes) = (VecDeque::new(), 0_usize);
    while let Some(row) = rows.next()? {
        bytes += row.get::<_, usize>(2)?;
        page.push_back(entry(row));
        if page.len() >= PAGE || bytes >= PAGE_BYTES {
            return Ok((page, row.get(0)?));
        }
    }
    Ok((page, last))
}

fn entry<T: Kept>(row: &Row<'_>) -> Result<Stored<T>, Error> {
    let sequence = row.get(0).unwrap_or_default();
    let corrupt = |why: Unreadable| Error::Corrupt {
        what: format!("{} {sequence}", T::WHAT),
        why: why.to_string(),
    };
    let value = T::decode(row).map_err(corrupt)?;
    let stored_at = row.get(1).map_err(|error| corrupt(error.into()))?;
    Ok(Stored {
        sequence,
        stored_at: time(stored_at),
        value,
    })
}
