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
    let surplus: Option<Sequence> = tx
        .query_row(
            "SELECT sequence FROM events ORDER BY sequence DESC LIMIT 1 OFFSET ?1",
            [max_events],
            |row| row.get(0),
        )
        .optional()?;
    let too_old = last_before(&tx, "events", oldest)?;
    let mut dropped = drop_up_to(&tx, "events", surplus.max(too_old))?;
    let oldest_event: Option<i64> = tx
        .query_row(
            "SELECT stored_at FROM events ORDER BY sequence LIMIT 1",
            [],
            |row| row.get(0),
        )
        .optional()?;
    let too_old = last_before(
        &tx,
        "outcomes",
        oldest_event.map_or(oldest, |event| event.max(oldest)),
    )?;
    dropped += drop_up_to(&tx, "outcomes", too_old)?;
    tx.commit()?;
    Ok(dropped)
}

/// The last of a run of entries, a slice at most, that are older than `oldest`. Entries stand in the order in which they were
/// stored, so only what is dropped is looked at.
fn last_before(
    connection: &Connection,
    table: &str,
    oldest: i64,
) -> rusqlite::Result<Option<Sequence>> {
    connection.query_row(
        &format!(
            "SELECT max(sequence) FROM
                 (SELECT sequence, stored_at FROM {table} ORDER BY sequence LIMIT ?2) WHERE stored_at < ?1"
        ),
        params![oldest, SLICE],
        |row| row.get(0),
    )
}

fn drop_up_to(
    connection: &Connection,
    table: &str,
    last: Option<Sequence>,
) -> rusqlite::Result<usize> {
    let Some(last) = last else { return Ok(0) };
    connection.execute(
        &format!(
            "DELETE FROM {table} WHERE sequence IN
                 (SELECT sequence FROM {table} WHERE sequence <= ?1 ORDER BY sequence LIMIT ?2)"
        ),
        params![last, SLICE],
    )
}
