//! The file: its directory, its tables, and what it holds when it is opened.

use super::memory::Places;
use super::place::later;
use belfry_mesh::name::TriggerName;
use belfry_mesh::port::Error;
use belfry_mesh::port::log::{Sequence, Subscription};
use rusqlite::{Connection, OpenFlags};
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::time::Instant;

/// The file's name in the data directory.
const FILE: &str = "belfry.db";

/// The file whose lock says that a process uses the directory. It stays when the process ends, for removing it would race with the
/// next one; the lock does not.
const LOCK: &str = "belfry.lock";

/// The version of the tables, kept in the file.
const VERSION: i64 = 1;

/// The tables. What is dropped leaves its pages to what comes next: the file does not shrink, and does not grow beyond the most
/// that was kept at once.
const TABLES: &str = "
CREATE TABLE events (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    stored_at INTEGER NOT NULL, -- microseconds since 1970, as every time here
    size INTEGER NOT NULL,
    subject TEXT NOT NULL,
    attributes BLOB NOT NULL,
    data BLOB NOT NULL
) STRICT;

CREATE TABLE subscriptions (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    trigger TEXT NOT NULL UNIQUE,
    signals BLOB NOT NULL,
    claim_us INTEGER NOT NULL
) STRICT;

-- A row for each event that a subscription has not settled: written with the event, removed when it is settled.
CREATE TABLE deliveries (
    sequence INTEGER NOT NULL,
    subscription INTEGER NOT NULL,
    attempt INTEGER NOT NULL DEFAULT 0, -- the last that was begun
    due_at INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (sequence, subscription)
) STRICT, WITHOUT ROWID;

-- The events that nobody has left to settle: what may be dropped, oldest first.
CREATE TABLE handled (sequence INTEGER PRIMARY KEY) STRICT;

-- The ids of events that were dropped so young that they may still be published again.
CREATE TABLE remembered (
    id TEXT PRIMARY KEY,
    sequence INTEGER NOT NULL,
    stored_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE outcomes (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    event_id TEXT NOT NULL,
    trigger TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    token INTEGER NOT NULL,
    stored_at INTEGER NOT NULL,
    size INTEGER NOT NULL,
    outcome BLOB NOT NULL,
    UNIQUE (event_id, trigger, attempt, token)
) STRICT;

CREATE TABLE dead_letters (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    event_id TEXT NOT NULL,
    trigger TEXT NOT NULL,
    stored_at INTEGER NOT NULL,
    size INTEGER NOT NULL,
    outcome BLOB NOT NULL,
    subject TEXT NOT NULL,
    attributes BLOB NOT NULL,
    data BLOB NOT NULL,
    UNIQUE (event_id, trigger)
) STRICT;

-- Every change that is kept, deletions (without a value) included.
CREATE TABLE state (
    revision INTEGER PRIMARY KEY AUTOINCREMENT,
    bucket TEXT NOT NULL,
    key TEXT NOT NULL,
    value BLOB,
    changed_at INTEGER NOT NULL
) STRICT;
CREATE INDEX state_by_key ON state (bucket, key, revision);

CREATE TABLE counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
INSERT INTO counters VALUES ('events', 0), ('outcomes', 0), ('dead_letters', 0), ('lease_token', 0);
";

/// The data directory.
#[derive(Clone)]
pub(super) struct Directory(PathBuf);

/// Keeps other processes out of the data directory while it lives.
pub(super) struct Lock(#[expect(dead_code, reason = "held for its drop")] File);

/// How many bytes each log holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Usage {
    pub(super) events: u64,
    pub(super) outcomes: u64,
    pub(super) dead_letters: u64,
}

impl Directory {
    /// Makes the directory if it is not there, and takes it for this process.
    pub(super) fn take(path: &Path) -> Result<(Self, Lock), Error> {
        let refused = |why: String| Error::Refused {
            what: format!("the data directory `{}`", path.display()),
            why,
        };
        fs::create_dir_all(path).map_err(|error| refused(format!("it cannot be made: {error}")))?;
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(path.join(LOCK));
        let file = file.map_err(|error| refused(format!("it cannot be written to: {error}")))?;
        file.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => refused(
                "another process uses it; stop that one, or give this one a directory of its own"
                    .into(),
            ),
            TryLockError::Error(error) => refused(format!("it cannot be locked: {error}")),
        })?;
        Ok((Self(path.to_owned()), Lock(file)))
    }

    /// What the storage is called in errors.
    pub(super) fn name(&self) -> String {
        format!("the embedded storage in `{}`", self.0.display())
    }

    /// Opens the file for the one who writes, and makes its tables if they are not there.
    pub(super) fn open_writer(&self) -> Result<Connection, rusqlite::Error> {
        let conn = Connection::open(self.0.join(FILE))?;
        conn.set_prepared_statement_cache_capacity(64);
        conn.pragma_update(None, "journal_mode", "WAL")?;
        // Each commit is on the disk when it returns.
        conn.pragma_update(None, "synchronous", "FULL")?;
        conn.pragma_update(None, "journal_size_limit", 64 << 20)?;
        Ok(conn)
    }

    /// Opens the file for one who reads.
    pub(super) fn open_reader(&self) -> Result<Connection, rusqlite::Error> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let conn = Connection::open_with_flags(self.0.join(FILE), flags)?;
        conn.busy_timeout(Duration::from_secs(5))?;
        Ok(conn)
    }

    /// Makes the tables in a new file, and sees that an old one has them.
    pub(super) fn migrate(&self, conn: &Connection) -> Result<(), Error> {
        let failure = |error| super::fault::failure(&self.name(), &error);
        let version: i64 = conn
            .pragma_query_value(None, "user_version", |row| row.get(0))
            .map_err(failure)?;
        match version {
            VERSION => Ok(()),
            0 => {
                let sql = format!("BEGIN; {TABLES} PRAGMA user_version = {VERSION}; COMMIT;");
                conn.execute_batch(&sql).map_err(failure)
            }
            newer => Err(Error::Refused {
                what: self.name(),
                why: format!(
                    "it was written by another version of Belfry (tables {newer}, this one knows {VERSION})"
                ),
            }),
        }
    }
}

impl Usage {
    pub(super) fn load(conn: &Connection) -> Result<Self, rusqlite::Error> {
        let count = |name: &str| {
            conn.query_row(
                "SELECT value FROM counters WHERE name = ?1",
                [name],
                |row| row.get(0),
            )
        };
        Ok(Self {
            events: count("events")?,
            outcomes: count("outcomes")?,
            dead_letters: count("dead_letters")?,
        })
    }

    /// Writes down what differs from what is written down.
    pub(super) fn store_changes(
        &self,
        conn: &Connection,
        stored: &Self,
    ) -> Result<(), rusqlite::Error> {
        for (name, now, before) in [
            ("events", self.events, stored.events),
            ("outcomes", self.outcomes, stored.outcomes),
            ("dead_letters", self.dead_letters, stored.dead_letters),
        ] {
            if now != before {
                conn.prepare_cached("UPDATE counters SET value = ?2 WHERE name = ?1")?
                    .execute((name, now))?;
            }
        }
        Ok(())
    }
}

/// The subscriptions and what they had not settled. What was held is due at once; `now` is in microseconds.
pub(super) fn load_places(conn: &Connection, now: i64) -> Result<Places, rusqlite::Error> {
    let mut places = Places::default();
    let mut statement = conn.prepare("SELECT id, trigger, signals, claim_us FROM subscriptions")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let subscription = Subscription {
            trigger: TriggerName::parse(row.get_ref(1)?.as_str()?).map_err(|e| unreadable(1, e))?,
            signals: serde_json::from_slice(row.get_ref(2)?.as_blob()?)
                .map_err(|e| unreadable(2, e))?,
            claim: Duration::from_micros(row.get(3)?),
        };
        places.subscribe(row.get(0)?, subscription);
    }
    let began = Instant::now();
    let mut statement = conn.prepare(
        "SELECT subscription, sequence, attempt, due_at FROM deliveries ORDER BY sequence",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let wait = u64::try_from(row.get::<_, i64>(3)? - now).unwrap_or(0);
        places.restore(
            row.get(0)?,
            row.get(1)?,
            row.get(2)?,
            later(began, Duration::from_micros(wait)),
        );
    }
    Ok(places)
}

/// The last sequence that a table ever used.
pub(super) fn head(conn: &Connection, table: &str) -> Result<Sequence, rusqlite::Error> {
    let sql = "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = ?1";
    conn.query_row(sql, [table], |row| row.get(0))
}

fn unreadable(
    column: usize,
    error: impl std::error::Error + Send + Sync + 'static,
) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Blob, Box::new(error))
}
