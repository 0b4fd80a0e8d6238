//! What is kept how long. An event is dropped only when nobody has it left to do.

use super::events::settle;
use super::fault::Fault;
use super::writer::Work;
use crate::config::Retention;
use belfry_mesh::port::Error;
use belfry_mesh::port::log::Sequence;
use std::time::Duration;

/// How long an event's id is remembered at least, if the event itself has to go earlier.
const WINDOW: Duration = Duration::from_secs(120);

/// How many entries are dropped at once by the way, so that callers do not wait long.
const PIECE: usize = 256;

/// How many entries make room for one that is there now.
const SMALL_PIECE: usize = 16;

/// Drops what is older than it is kept, and what a trigger left behind that is no more. Answers whether there may be more.
pub(super) fn keep_house(work: &mut Work<'_>, retention: &Retention) -> Result<bool, Fault> {
    let oldest = |age: Option<Duration>| age.map_or(i64::MIN, |age| before(work.now, age));
    let (events, outcomes) = (oldest(retention.events.age), oldest(retention.outcomes.age));
    let dead_letters = oldest(retention.dead_letters.age);
    let pieces = [
        settle_orphans(work, PIECE)?,
        drop_events(work, events, PIECE)?,
        drop_outcomes(work, outcomes, PIECE)?,
        drop_dead_letters(work, dead_letters, PIECE)?,
        work.execute(
            "DELETE FROM remembered WHERE id IN (SELECT id FROM remembered WHERE stored_at < ?1 LIMIT ?2)",
            (before(work.now, WINDOW), PIECE),
        )?,
    ];
    Ok(pieces.into_iter().any(|dropped| dropped >= PIECE))
}

/// Drops the oldest events that nobody has left to do, until there is room for `size` bytes.
pub(super) fn make_room_for_event(work: &mut Work<'_>, size: u64, limit: u64) -> Result<(), Fault> {
    if size > limit {
        let as_usize = |bytes| usize::try_from(bytes).unwrap_or(usize::MAX);
        let (what, size, limit) = (
            "one event for the whole log".into(),
            as_usize(size),
            as_usize(limit),
        );
        return Err(Fault::Refused(Error::TooLarge { what, size, limit }));
    }
    while work.usage.events + size > limit {
        if drop_events(work, i64::MAX, SMALL_PIECE)? + settle_orphans(work, PIECE)? == 0 {
            let why = format!("it may hold {limit} bytes, and all it holds is still to be handled");
            return Err(Fault::Refused(Error::Full {
                log: "the event log".into(),
                why,
            }));
        }
    }
    Ok(())
}

/// Drops the oldest outcomes until there is room for `size` bytes.
pub(super) fn make_room_for_outcome(
    work: &mut Work<'_>,
    size: u64,
    limit: u64,
) -> Result<(), Fault> {
    while work.usage.outcomes + size > limit && drop_outcomes(work, i64::MAX, SMALL_PIECE)? > 0 {}
    Ok(())
}

/// Drops a piece of the oldest handled events, stored before this time; how many.
fn drop_events(work: &mut Work<'_>, before_time: i64, piece: usize) -> Result<usize, Fault> {
    let young = before(work.now, WINDOW);
    let mut oldest = work.conn.prepare_cached(
        "SELECT sequence, size, stored_at FROM handled JOIN events USING (sequence) ORDER BY sequence LIMIT ?1",
    )?;
    let oldest = oldest.query_map([piece], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    let oldest: Vec<(Sequence, u64, i64)> = oldest.collect::<Result<_, _>>()?;
    let mut dropped = 0;
    for (sequence, size, stored_at) in oldest {
        if stored_at >= before_time {
            break;
        }
        if stored_at >= young {
            work.execute(
                "INSERT OR REPLACE INTO remembered SELECT id, sequence, stored_at FROM events WHERE sequence = ?1",
                [sequence],
            )?;
        }
        work.execute("DELETE FROM events WHERE sequence = ?1", [sequence])?;
        work.execute("DELETE FROM handled WHERE sequence = ?1", [sequence])?;
        work.usage.events = work.usage.events.saturating_sub(size);
        dropped += 1;
    }
    Ok(dropped)
}

/// Drops a piece of the oldest outcomes, recorded before this time; how many.
fn drop_outcomes(work: &mut Work<'_>, before_time: i64, piece: usize) -> Result<usize, Fault> {
    let (dropped, bytes) = drop_oldest(
        work,
        "DELETE FROM outcomes WHERE stored_at < ?1
         AND sequence IN (SELECT sequence FROM outcomes ORDER BY sequence LIMIT ?2) RETURNING size",
        (before_time, piece),
    )?;
    work.usage.outcomes = work.usage.outcomes.saturating_sub(bytes);
    Ok(dropped)
}

/// Drops a piece of the oldest dead letters, buried before this time; how many.
fn drop_dead_letters(work: &mut Work<'_>, before_time: i64, piece: usize) -> Result<usize, Fault> {
    let (dropped, bytes) = drop_oldest(
        work,
        "DELETE FROM dead_letters WHERE stored_at < ?1
         AND sequence IN (SELECT sequence FROM dead_letters ORDER BY sequence LIMIT ?2) RETURNING size",
        (before_time, piece),
    )?;
    work.usage.dead_letters = work.usage.dead_letters.saturating_sub(bytes);
    Ok(dropped)
}

/// How many rows a deletion took that returns their sizes, and how many bytes.
fn drop_oldest(
    work: &Work<'_>,
    sql: &str,
    params: impl rusqlite::Params,
) -> Result<(usize, u64), rusqlite::Error> {
    let mut delete = work.conn.prepare_cached(sql)?;
    let sizes = delete.query_map(params, |row| row.get::<_, u64>(0))?;
    sizes.into_iter().try_fold((0, 0), |(count, bytes), size| {
        Ok((count + 1, bytes + size?))
    })
}

/// Settles a piece of the deliveries of places that are no more; how many.
fn settle_orphans(work: &mut Work<'_>, piece: usize) -> Result<usize, Fault> {
    let orphans: Vec<_> = {
        let places = work.memory.places();
        places
            .orphans
            .iter()
            .skip(work.orphans_settled)
            .take(piece)
            .copied()
            .collect()
    };
    for &(place, sequence) in &orphans {
        settle(work, place, sequence)?;
    }
    let count = orphans.len();
    work.orphans_settled += count;
    if count > 0 {
        work.afterwards(move |memory| drop(memory.places().orphans.drain(..count)));
    }
    Ok(count)
}

fn before(now: i64, age: Duration) -> i64 {
    now.saturating_sub(i64::try_from(age.as_micros()).unwrap_or(i64::MAX))
}
