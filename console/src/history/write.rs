//! Writing the history: what a log says, with where it stands, in one transaction.

use super::stream::{Line, Position, Row, Stream, micros};
use crate::answer::{DeadLetter, Event, EventStatus};
use belfry_mesh::EventId;
use belfry_mesh::outcome::Outcome;
use belfry_mesh::port::log::Sequence;
use rusqlite::{Connection, OptionalExtension, Transaction, params};
use std::collections::HashSet;

/// Where the history stopped.
pub(super) fn position(
    connection: &mut Connection,
    stream: Stream,
) -> rusqlite::Result<Option<Position>> {
    let mut select =
        connection.prepare_cached("SELECT sequence, stored_at FROM position WHERE stream = ?1")?;
    let position = |row: &rusqlite::Row<'_>| {
        Ok(Position {
            sequence: row.get(0)?,
            stored_at: row.get(1)?,
        })
    };
    select.query_row([stream.name()], position).optional()
}

/// Writes lines. Those that are known already change nothing. Answers whether they showed that the log is another one than the history
/// was made from, so that its part was made anew.
pub(super) fn lines(
    connection: &mut Connection,
    stream: Stream,
    lines: &[Line],
) -> rusqlite::Result<bool> {
    let mut last = position(connection, stream)?;
    let mut reset = false;
    let tx = connection.transaction()?;
    for line in lines {
        if stream != Stream::DeadLetters
            && last.is_some_and(|last| line.position.sequence <= last.sequence)
        {
            if is_known(&tx, stream, line.position)? {
                continue;
            }
            clear(&tx, stream)?;
            reset = true;
        }
        match &line.row {
            Row::Event(event) => write_event(&tx, line.position, event)?,
            Row::Outcome(outcome) => write_outcome(&tx, line.position, outcome)?,
            Row::DeadLetter(letter) => write_dead_letter(&tx, letter)?,
        }
        last = Some(line.position);
    }
    if let Some(last) = last {
        tx.prepare_cached(
            "INSERT OR REPLACE INTO position (stream, sequence, stored_at) VALUES (?1, ?2, ?3)",
        )?
        .execute(params![stream.name(), last.sequence, last.stored_at])?;
    }
    tx.commit()?;
    Ok(reset)
}

/// Forgets all that is known of a log.
pub(super) fn forget(connection: &mut Connection, stream: Stream) -> rusqlite::Result<()> {
    let tx = connection.transaction()?;
    clear(&tx, stream)?;
    tx.commit()
}

/// Forgets a dead letter.
pub(super) fn forget_dead_letter(
    connection: &mut Connection,
    sequence: Sequence,
) -> rusqlite::Result<()> {
    connection.execute("DELETE FROM dead_letters WHERE sequence = ?1", [sequence])?;
    Ok(())
}

/// Forgets all dead letters but these.
pub(super) fn keep_dead_letters(
    connection: &mut Connection,
    keep: &HashSet<Sequence>,
) -> rusqlite::Result<()> {
    let tx = connection.transaction()?;
    let known: Vec<Sequence> = tx
        .prepare("SELECT sequence FROM dead_letters")?
        .query_map([], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    let mut delete = tx.prepare("DELETE FROM dead_letters WHERE sequence = ?1")?;
    for sequence in known.iter().filter(|sequence| !keep.contains(sequence)) {
        delete.execute([sequence])?;
    }
    drop(delete);
    tx.commit()
}

fn is_known(tx: &Transaction<'_>, stream: Stream, position: Position) -> rusqlite::Result<bool> {
    let select = format!(
        "SELECT stored_at FROM {} WHERE sequence = ?1",
        stream.table()
    );
    let stored_at: Option<i64> = tx
        .prepare_cached(&select)?
        .query_row([position.sequence], |row| row.get(0))
        .optional()?;
    Ok(stored_at == Some(position.stored_at))
}

fn clear(tx: &Transaction<'_>, stream: Stream) -> rusqlite::Result<()> {
    tx.execute(&format!("DELETE FROM {}", stream.table()), [])?;
    tx.execute("DELETE FROM position WHERE stream = ?1", [stream.name()])?;
    if stream == Stream::Outcomes {
        tx.execute(
            "UPDATE events SET status = ?1, attempts = 0, outcome = NULL WHERE outcome IS NOT NULL",
            [EventStatus::Waiting.as_str()],
        )?;
    }
    Ok(())
}

/// An id that the log holds twice (it was published again long after) is one event: the first. An outcome can have come before its
/// event, since the two logs are read side by side.
fn write_event(tx: &Transaction<'_>, position: Position, event: &Event) -> rusqlite::Result<()> {
    let (status, attempts, outcome) = standing(tx, &event.id)?;
    let status = status.unwrap_or_else(|| event.status.as_str().to_owned());
    tx.prepare_cached(
        "INSERT OR IGNORE INTO events (sequence, stored_at, id, trigger_name, event_type, source, subject, time, delivery_id,
             content_type, size, replay_of, trace_id, status, attempts, outcome)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)",
    )?
    .execute(params![
        position.sequence,
        position.stored_at,
        event.id.as_str(),
        event.trigger.as_ref().map(|trigger| trigger.as_str()),
        event.event_type,
        event.source,
        event.subject,
        event.time.to_string(),
        event.delivery_id,
        event.content_type,
        event.size,
        event.replay_of.as_ref().map(|id| id.as_str()),
        event.trace_id,
        status,
        attempts,
        outcome,
    ])?;
    Ok(())
}

fn write_outcome(
    tx: &Transaction<'_>,
    position: Position,
    outcome: &Outcome,
) -> rusqlite::Result<()> {
    let status = EventStatus::from(outcome.status).as_str();
    tx.prepare_cached(
        "INSERT OR IGNORE INTO outcomes (sequence, stored_at, event_id, execution_id, status, attempt, document)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?
    .execute(params![
        position.sequence,
        position.stored_at,
        outcome.event_id.as_str(),
        outcome.execution_id,
        status,
        outcome.attempt,
        document(outcome),
    ])?;
    let (standing, attempts, latest) = standing(tx, &outcome.event_id)?;
    tx.prepare_cached("UPDATE events SET status = ?2, attempts = ?3, outcome = ?4 WHERE id = ?1")?
        .execute(params![
            outcome.event_id.as_str(),
            standing,
            attempts,
            latest
        ])?;
    Ok(())
}

/// What an event has come to by its outcomes: the status, how many attempts there were, and the outcome that says so. A run stands
/// against whatever a holder whose lease was gone reports of its own attempt later; else the last attempt counts.
fn standing(
    tx: &Transaction<'_>,
    id: &EventId,
) -> rusqlite::Result<(Option<String>, u32, Option<Sequence>)> {
    tx.prepare_cached(
        "SELECT status, (SELECT max(attempt) FROM outcomes WHERE event_id = ?1), sequence FROM outcomes WHERE event_id = ?1
         ORDER BY status IN ('triggered', 'ignored') DESC, attempt DESC, sequence DESC LIMIT 1",
    )?
    .query_row([id.as_str()], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
    .optional()
    .map(|found| found.unwrap_or((None, 0, None)))
}

fn write_dead_letter(tx: &Transaction<'_>, letter: &DeadLetter) -> rusqlite::Result<()> {
    tx.prepare_cached(
        "INSERT OR REPLACE INTO dead_letters (sequence, stored_at, event_id, trigger_name, event_type, time, delivery_id, size,
             replay_of, outcome)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
    )?
    .execute(params![
        letter.sequence,
        micros(letter.stored_at),
        letter.event_id.as_str(),
        letter.trigger.as_str(),
        letter.event_type,
        letter.time.to_string(),
        letter.delivery_id,
        letter.size,
        letter.replay_of.as_ref().map(|id| id.as_str()),
        document(&letter.outcome),
    ])?;
    Ok(())
}

fn document(outcome: &Outcome) -> String {
    serde_json::to_string(outcome).expect("an outcome has only string keys and finite numbers")
}
