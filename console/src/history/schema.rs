//! The database file: opened if it is ours, made anew if it is not. All that is in it can be had again from the logs.

use crate::Error;
use rusqlite::{Connection, ErrorCode, OpenFlags};
use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

/// The version of the tables below. A file of another version is made anew.
const VERSION: i32 = 1;

const TABLES: &str = "
    CREATE TABLE position (
        stream TEXT PRIMARY KEY,
        sequence INTEGER NOT NULL,
        stored_at INTEGER NOT NULL
    ) WITHOUT ROWID;

    CREATE TABLE events (
        sequence INTEGER PRIMARY KEY,
        stored_at INTEGER NOT NULL,
        id TEXT NOT NULL UNIQUE,
        trigger_name TEXT,
        event_type TEXT NOT NULL,
        source TEXT NOT NULL,
        subject TEXT,
        time TEXT NOT NULL,
        delivery_id TEXT,
        content_type TEXT,
        size INTEGER NOT NULL,
        replay_of TEXT,
        trace_id TEXT,
        status TEXT NOT NULL,
        attempts INTEGER NOT NULL,
        outcome INTEGER
    );
    CREATE INDEX events_by_trigger ON events (trigger_name);
    CREATE INDEX events_by_trigger_and_status ON events (trigger_name, status);
    CREATE INDEX events_by_status ON events (status);
    CREATE INDEX events_by_delivery ON events (delivery_id) WHERE delivery_id IS NOT NULL;
    CREATE INDEX events_by_replay_of ON events (replay_of) WHERE replay_of IS NOT NULL;

    CREATE TABLE outcomes (
        sequence INTEGER PRIMARY KEY,
        stored_at INTEGER NOT NULL,
        event_id TEXT NOT NULL,
        execution_id TEXT,
        status TEXT NOT NULL,
        attempt INTEGER NOT NULL,
        document TEXT NOT NULL
    );
    CREATE INDEX outcomes_by_event ON outcomes (event_id);
    CREATE INDEX outcomes_by_execution ON outcomes (execution_id) WHERE execution_id IS NOT NULL;

    CREATE TABLE dead_letters (
        sequence INTEGER PRIMARY KEY,
        stored_at INTEGER NOT NULL,
        event_id TEXT NOT NULL,
        trigger_name TEXT NOT NULL,
        event_type TEXT NOT NULL,
        time TEXT NOT NULL,
        delivery_id TEXT,
        size INTEGER NOT NULL,
        replay_of TEXT,
        outcome TEXT NOT NULL
    );
    CREATE INDEX dead_letters_by_event ON dead_letters (event_id);
    CREATE INDEX dead_letters_by_trigger ON dead_letters (trigger_name);
";

/// A connection that writes, and one that only reads.
pub(super) fn open(path: &Path) -> Result<(Connection, Connection), Error> {
    let failed = |error: rusqlite::Error| Error::History {
        path: path.to_owned(),
        why: error.to_string(),
    };
    let writer = match open_writer(path) {
        Ok(Some(writer)) => writer,
        Ok(None) => {
            tracing::info!(path = %path.display(), "the history is of another version of Belfry and is made anew");
            make_anew(path)?
        }
        Err(error) if is_broken(&error) => {
            tracing::warn!(path = %path.display(), %error, "the history cannot be read and is made anew");
            make_anew(path)?
        }
        Err(error) => return Err(failed(error)),
    };
    let reader = open_reader(path).map_err(failed)?;
    Ok((writer, reader))
}

fn make_anew(path: &Path) -> Result<Connection, Error> {
    let failed = |why: String| Error::History {
        path: path.to_owned(),
        why,
    };
    for suffix in ["", "-wal", "-shm"] {
        let mut file = OsString::from(path);
        file.push(suffix);
        match std::fs::remove_file(&file) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(failed(error.to_string()));
            }
            _ => {}
        }
    }
    let writer = open_writer(path).map_err(|error| failed(error.to_string()))?;
    writer.ok_or_else(|| failed("somebody else makes the same file".to_owned()))
}

/// The writing connection, its tables made if the file is new, or `None` if they are of another version.
fn open_writer(path: &Path) -> rusqlite::Result<Option<Connection>> {
    let mut connection = Connection::open(path)?;
    set_up(&connection)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    // A commit need not reach the disk: what a loss of power takes is read from the logs again.
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    connection.pragma_update(None, "journal_size_limit", 16 << 20)?;
    let tx = connection.transaction()?;
    let version: i32 = tx.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let tables: i64 = tx.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if version == 0 && tables == 0 {
        tx.execute_batch(TABLES)?;
        tx.pragma_update(None, "user_version", VERSION)?;
    } else if version != VERSION {
        return Ok(None);
    }
    tx.commit()?;
    Ok(Some(connection))
}

fn open_reader(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    set_up(&connection)?;
    Ok(connection)
}

fn set_up(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(Duration::from_secs(5))?;
    connection.set_prepared_statement_cache_capacity(32);
    Ok(())
}

/// Whether the file is not a database, or not any more.
pub(super) fn is_broken(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt)
    )
}
