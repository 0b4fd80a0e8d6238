//! Dropping what is too old or too much.

use super::Error;
use super::worker::Worker;
use crate::config::Retention;
use belfry_mesh::port::clock::Clock;
use belfry_mesh::port::log::Sequence;
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};
use std::sync::Arc;
use std::time::Duration;

/// How often the history is looked through for what it need not keep.
const EVERY: Duration = Duration::from_secs(60);

/// How many entries are dropped in one transaction, so that news does not wait long.
const SLICE: u64 = 5_000;

/// Drops what need not be kept, without end.
pub(super) async fn run(writer: Worker, retention: Retention, clock: Arc<dyn Clock>) {
    loop {
        if let Err(error) = sweep(&writer, retention, clock.now()).await {
            tracing::warn!(%error, "the history could not drop what is old; it will try again");
        }
        clock.sleep(EVERY).await;
    }
}

async fn sweep(writer: &Worker, retention: Retention, now: Timestamp) -> Result<(), Error> {
    let oldest = now
        .saturating_sub(retention.max_age)
        .unwrap_or(Timestamp::MIN)
        .as_microsecond();
    loop {
        let dropped = writer
            .run(move |connection| drop_some(connection, retention.max_events, oldest))
            .await?;
        if dropped == 0 {
            return Ok(());
        }
    }
}

/// Drops a slice of events and outcomes. An outcome is never stored before its event: those that are older than the oldest event
/// that is kept have lost theirs.
fn drop_some(connection: &mut Connection, max_events: u64, oldest: i64) -> rusqlite::Result<usize> {
    let tx = connection.transaction()?;
    let by_count: Option<Sequence> = tx
        .query_row(
            "SELECT sequence FROM events ORDER BY sequence DESC LIMIT 1 OFFSET ?1",
            [max_events],
            |row| row.get(0),
        )
        .optional()?;
    let mut dropped = tx.execute(
        "DELETE FROM events WHERE sequence IN (
             SELECT sequence FROM events WHERE sequence <= ?1 ORDER BY sequence LIMIT ?2)",
        params![by_count.unwrap_or(0), SLICE],
    )?;
    dropped += drop_before(&tx, "events", oldest)?;
    let oldest_event: Option<i64> = tx
        .query_row(
            "SELECT stored_at FROM events ORDER BY sequence LIMIT 1",
            [],
            |row| row.get(0),
        )
        .optional()?;
    dropped += drop_before(&tx, "outcomes", oldest_event.unwrap_or(oldest).max(oldest))?;
    tx.commit()?;
    Ok(dropped)
}

/// Drops a slice of the entries before the first that is as young as `oldest`. Entries stand in the order in which they were stored,
/// so only what is dropped is looked at.
fn drop_before(connection: &Connection, table: &str, oldest: i64) -> rusqlite::Result<usize> {
    let first_kept: Option<Sequence> = connection
        .query_row(
            &format!(
                "SELECT sequence FROM {table} WHERE stored_at >= ?1 ORDER BY sequence LIMIT 1"
            ),
            [oldest],
            |row| row.get(0),
        )
        .optional()?;
    connection.execute(
        &format!(
            "DELETE FROM {table} WHERE sequence IN (SELECT sequence FROM {table} WHERE sequence < ?1 ORDER BY sequence LIMIT ?2)"
        ),
        params![first_kept.map_or(i64::MAX, |sequence| i64::try_from(sequence).unwrap_or(i64::MAX)), SLICE],
    )
}
