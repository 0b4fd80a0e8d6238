//! All ports on one SQLite file, for a mesh of one machine.
//!
//! What must outlive the process is in the file: events, the places of subscriptions and what they have not settled, outcomes, dead
//! letters, the state with its history. One thread writes, many callers' work in one transaction, and answers when that is on the
//! disk. What nobody but this process could know is in memory: claims, leases, what the gateway has seen. A lock keeps a second
//! process out of the directory.

mod calls;
mod consumer;
mod dedup;
mod entries;
mod events;
mod fault;
mod leases;
mod memory;
mod mirror;
mod outcomes;
mod pattern;
mod place;
mod reader;
mod retention;
mod schema;
mod state;
mod store;
mod writer;

use crate::config::{Config, Retention};
use belfry_mesh::port::clock::Clock;
use belfry_mesh::port::dedup::Dedup;
use belfry_mesh::port::{Error, Ports};
use memory::Memory;
use reader::Readers;
use rusqlite::Connection;
use schema::{Directory, Lock, Usage};
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use store::Store;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use writer::{Thread, Writer};

/// The open storage. Dropping it finishes what was asked for and closes the file, and blocks while it does.
struct Embedded {
    store: Arc<Store>,
    thread: Option<JoinHandle<()>>,
    /// Given back last, so that no other process comes in before the file is closed.
    _lock: Lock,
}

impl Embedded {
    /// Drops it where that may block.
    async fn close(self) {
        let dropped = tokio::task::spawn_blocking(|| drop(self));
        if let Err(error) = dropped.await {
            tracing::error!(%error, "the embedded storage was not closed in good order");
        }
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        self.store.closed.cancel();
        self.store.readers.close();
        self.store.writer.close();
        if self
            .thread
            .take()
            .is_some_and(|thread| thread.join().is_err())
        {
            tracing::error!("the writer of the embedded storage panicked");
        }
    }
}

/// Opens the storage in the data directory, which is made if it is not there. With `shutdown` it finishes what was asked for and
/// closes the file, which `tracker` awaits; its ports answer [`Error::Unavailable`] from then on. Handlers of calls run on
/// `tracker` too.
///
/// # Errors
/// [`Error::Refused`] if another process uses the directory, if it cannot be made or written to, or if it was written by another
/// version; [`Error::Unavailable`] or [`Error::Corrupt`] if the file cannot be used.
pub(crate) async fn open(
    config: &Config,
    clock: Arc<dyn Clock>,
    tracker: &TaskTracker,
    shutdown: &CancellationToken,
) -> Result<Ports, Error> {
    let (path, retention) = (config.data.clone(), config.retention);
    let opening = tokio::task::spawn_blocking(move || open_file(&path, retention, clock));
    let embedded = opening.await.unwrap_or_else(|panicked| {
        Err(Error::Unavailable {
            what: "the embedded storage".into(),
            why: panicked.to_string(),
        })
    })?;
    let ports = ports(&embedded.store, tracker.clone());
    let shutdown = shutdown.clone();
    tracker.spawn(async move {
        shutdown.cancelled().await;
        embedded.close().await;
    });
    Ok(ports)
}

fn open_file(path: &Path, retention: Retention, clock: Arc<dyn Clock>) -> Result<Embedded, Error> {
    let (directory, lock) = Directory::take(path)?;
    let name: Arc<str> = directory.name().into();
    let failure = |error| fault::failure(&name, &error);
    let conn = directory.open_writer().map_err(failure)?;
    directory.migrate(&conn)?;
    let memory = Arc::new(load(&conn, clock.now().as_microsecond()).map_err(failure)?);
    let usage = Usage::load(&conn).map_err(failure)?;
    let housekeeping =
        Box::new(move |work: &mut writer::Work<'_>| retention::keep_house(work, &retention));
    let thread = Thread::new(
        name.clone(),
        conn,
        usage,
        memory.clone(),
        clock.clone(),
        housekeeping,
    );
    let (writer, thread) = Writer::start(name.clone(), thread)?;
    let readers = Readers::new(directory, name.clone());
    let store = Arc::new(Store {
        name,
        retention,
        writer,
        readers,
        memory,
        clock,
        closed: <_>::default(),
    });
    Ok(Embedded {
        store,
        thread: Some(thread),
        _lock: lock,
    })
}

/// Deduplication and limits in the memory of this process.
pub(crate) fn dedup() -> Arc<dyn Dedup> {
    Arc::new(dedup::Seen::new())
}

fn load(conn: &Connection, now: i64) -> Result<Memory, rusqlite::Error> {
    let heads = [
        schema::head(conn, "events")?,
        schema::head(conn, "outcomes")?,
        schema::head(conn, "dead_letters")?,
    ];
    Ok(Memory::new(
        schema::load_places(conn, now)?,
        state::load(conn)?,
        heads,
    ))
}

fn ports(store: &Arc<Store>, tasks: TaskTracker) -> Ports {
    Ports {
        events: Arc::new(events::Events(store.clone())),
        outcomes: Arc::new(outcomes::Outcomes(store.clone())),
        state: Arc::new(state::Buckets(store.clone())),
        leases: Arc::new(leases::Table::new(store.clone())),
        dedup: dedup(),
        calls: Arc::new(calls::Switchboard::new(tasks)),
        clock: store.clock.clone(),
    }
}

#[cfg(test)]
mod tests;
