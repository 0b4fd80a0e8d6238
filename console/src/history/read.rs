//! Questions to the history.

use crate::answer::{DeadLetter, Event, EventStatus};
use belfry_mesh::outcome::Outcome;
use belfry_mesh::port::log::Sequence;
use belfry_mesh::{EventId, TriggerName};
use jiff::Timestamp;
use rusqlite::types::{FromSqlError, Type};
use rusqlite::{Connection, OptionalExtension, Row, ToSql};
use std::str::FromStr;

/// Which events are asked for: those for which all that is given holds.
#[derive(Debug, Clone, Default)]
pub(crate) struct Filter {
    pub(crate) trigger: Option<TriggerName>,
    pub(crate) status: Option<EventStatus>,
    pub(crate) delivery_id: Option<String>,
    pub(crate) execution_id: Option<String>,
    /// Only those with a smaller sequence.
    pub(crate) before: Option<Sequence>,
    pub(crate) limit: usize,
}

/// Which dead letters are asked for.
#[derive(Debug, Clone, Default)]
pub(crate) struct LetterFilter {
    pub(crate) trigger: Option<TriggerName>,
    /// Only those with a smaller sequence.
    pub(crate) before: Option<Sequence>,
    pub(crate) limit: usize,
}

/// Some of what was asked for, newest first.
#[derive(Debug)]
pub(crate) struct Page<T> {
    pub(crate) items: Vec<T>,
    /// Where the next page begins, if there is one: before this sequence.
    pub(crate) next: Option<Sequence>,
}

const EVENT: &str = "SELECT e.sequence, e.id, e.trigger_name, e.event_type, e.source, e.subject, e.time, e.delivery_id,
        e.content_type, e.size, e.replay_of, e.trace_id, e.status, e.attempts, o.document
    FROM events e LEFT JOIN outcomes o ON o.sequence = e.outcome";

const DEAD_LETTER: &str = "SELECT sequence, stored_at, event_id, trigger_name, event_type, time, delivery_id, size, replay_of, outcome
    FROM dead_letters";

/// A statement under construction: its conditions, and what they are compared with.
#[derive(Default)]
struct Conditions<'a> {
    sql: String,
    values: Vec<&'a dyn ToSql>,
}

impl<'a> Conditions<'a> {
    /// Adds a condition on a value, whose place in the condition is the `?` at its end.
    fn add(&mut self, condition: &str, value: Option<&'a dyn ToSql>) {
        let Some(value) = value else { return };
        self.sql.push_str(if self.values.is_empty() {
            " WHERE "
        } else {
            " AND "
        });
        self.sql.push_str(condition);
        self.values.push(value);
    }
}

/// Events, newest first.
pub(super) fn events(
    connection: &mut Connection,
    filter: &Filter,
) -> rusqlite::Result<Page<Event>> {
    let trigger = filter.trigger.as_ref().map(TriggerName::as_str);
    let status = filter.status.map(EventStatus::as_str);
    let mut conditions = Conditions::default();
    conditions.add(
        "e.trigger_name = ?",
        trigger.as_ref().map(|value| value as _),
    );
    conditions.add("e.status = ?", status.as_ref().map(|value| value as _));
    conditions.add(
        "e.delivery_id = ?",
        filter.delivery_id.as_ref().map(|value| value as _),
    );
    conditions.add(
        "e.id IN (SELECT event_id FROM outcomes WHERE execution_id = ?)",
        filter.execution_id.as_ref().map(|value| value as _),
    );
    // These two find a handful of events, which are sorted then. The plus keeps SQLite from walking all events in order instead.
    let few = filter.delivery_id.is_some() || filter.execution_id.is_some();
    let order = if few { "+e.sequence" } else { "e.sequence" };
    conditions.add(
        &format!("{order} < ?"),
        filter.before.as_ref().map(|value| value as _),
    );
    page(connection, EVENT, order, conditions, filter.limit, event_of)
}

/// An event.
pub(super) fn event(connection: &mut Connection, id: &EventId) -> rusqlite::Result<Option<Event>> {
    connection
        .prepare_cached(&format!("{EVENT} WHERE e.id = ?1"))?
        .query_row([id.as_str()], event_of)
        .optional()
}

/// An event's replays, newest first.
pub(super) fn replays(connection: &mut Connection, id: &EventId) -> rusqlite::Result<Vec<Event>> {
    connection
        .prepare_cached(&format!(
            "{EVENT} WHERE e.replay_of = ?1 ORDER BY e.sequence DESC LIMIT 100"
        ))?
        .query_map([id.as_str()], event_of)?
        .collect()
}

/// An event's outcomes, oldest first.
pub(super) fn outcomes(
    connection: &mut Connection,
    id: &EventId,
) -> rusqlite::Result<Vec<Outcome>> {
    connection
        .prepare_cached("SELECT document FROM outcomes WHERE event_id = ?1 ORDER BY sequence")?
        .query_map([id.as_str()], |row| document(row, 0))?
        .collect()
}

/// The sequence of the latest outcome that settled an event or a replay of it, 0 if there is none.
pub(super) fn settled(connection: &mut Connection, root: &EventId) -> rusqlite::Result<Sequence> {
    let latest: Option<Sequence> = connection
        .prepare_cached(
            "SELECT max(sequence) FROM outcomes
             WHERE status <> ?2 AND (event_id = ?1 OR event_id IN (SELECT id FROM events WHERE replay_of = ?1))",
        )?
        .query_row([root.as_str(), EventStatus::Retrying.as_str()], |row| row.get(0))?;
    Ok(latest.unwrap_or(0))
}

/// Dead letters, newest first, and how many there are in all.
pub(super) fn dead_letters(
    connection: &mut Connection,
    filter: &LetterFilter,
) -> rusqlite::Result<(Page<DeadLetter>, u64)> {
    let trigger = filter.trigger.as_ref().map(TriggerName::as_str);
    let mut conditions = Conditions::default();
    conditions.add("trigger_name = ?", trigger.as_ref().map(|value| value as _));
    let count = connection
        .prepare_cached(&format!(
            "SELECT count(*) FROM dead_letters{}",
            conditions.sql
        ))?
        .query_row(conditions.values.as_slice(), |row| row.get(0))?;
    conditions.add(
        "sequence < ?",
        filter.before.as_ref().map(|value| value as _),
    );
    let page = page(
        connection,
        DEAD_LETTER,
        "sequence",
        conditions,
        filter.limit,
        letter_of,
    )?;
    Ok((page, count))
}

/// The dead letters of an event, oldest first.
pub(super) fn dead_letters_of(
    connection: &mut Connection,
    id: &EventId,
) -> rusqlite::Result<Vec<DeadLetter>> {
    connection
        .prepare_cached(&format!(
            "{DEAD_LETTER} WHERE event_id = ?1 ORDER BY sequence"
        ))?
        .query_map([id.as_str()], letter_of)?
        .collect()
}

/// What a statement selects whose first column is the sequence. One more than fits tells whether there is a next page.
fn page<T>(
    connection: &Connection,
    select: &str,
    order: &str,
    conditions: Conditions<'_>,
    limit: usize,
    read: fn(&Row<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<Page<T>> {
    let one_more = limit.saturating_add(1);
    let values: Vec<&dyn ToSql> = conditions
        .values
        .iter()
        .copied()
        .chain([&one_more as &dyn ToSql])
        .collect();
    let sql = format!("{select}{} ORDER BY {order} DESC LIMIT ?", conditions.sql);
    let mut statement = connection.prepare_cached(&sql)?;
    let found = statement.query_map(values.as_slice(), |row| Ok((row.get(0)?, read(row)?)))?;
    let mut found: Vec<(Sequence, T)> = found.collect::<Result<_, _>>()?;
    let more = found.len() > limit;
    found.truncate(limit);
    let next = found.last().filter(|_| more).map(|(sequence, _)| *sequence);
    let items = found.into_iter().map(|(_, item)| item).collect();
    Ok(Page { items, next })
}

fn event_of(row: &Row<'_>) -> rusqlite::Result<Event> {
    Ok(Event {
        sequence: Some(row.get(0)?),
        id: parsed(row, 1, EventId::parse)?,
        trigger: parsed_or_null(row, 2, TriggerName::parse)?,
        event_type: row.get(3)?,
        source: row.get(4)?,
        subject: row.get(5)?,
        time: parsed(row, 6, Timestamp::from_str)?,
        delivery_id: row.get(7)?,
        content_type: row.get(8)?,
        size: row.get(9)?,
        replay_of: parsed_or_null(row, 10, EventId::parse)?,
        trace_id: row.get(11)?,
        status: EventStatus::parse(row.get_ref(12)?.as_str()?).ok_or(FromSqlError::InvalidType)?,
        attempts: row.get(13)?,
        outcome: if is_null(row, 14)? {
            None
        } else {
            Some(document(row, 14)?)
        },
    })
}

fn letter_of(row: &Row<'_>) -> rusqlite::Result<DeadLetter> {
    Ok(DeadLetter {
        sequence: row.get(0)?,
        stored_at: time_of(row, 1)?,
        event_id: parsed(row, 2, EventId::parse)?,
        trigger: parsed(row, 3, TriggerName::parse)?,
        event_type: row.get(4)?,
        time: parsed(row, 5, Timestamp::from_str)?,
        delivery_id: row.get(6)?,
        size: row.get(7)?,
        replay_of: parsed_or_null(row, 8, EventId::parse)?,
        outcome: document(row, 9)?,
    })
}

fn document(row: &Row<'_>, column: usize) -> rusqlite::Result<Outcome> {
    serde_json::from_str(row.get_ref(column)?.as_str()?).map_err(|error| unreadable(column, error))
}

fn time_of(row: &Row<'_>, column: usize) -> rusqlite::Result<Timestamp> {
    Timestamp::from_microsecond(row.get(column)?).map_err(|error| unreadable(column, error))
}

fn parsed<T, E>(
    row: &Row<'_>,
    column: usize,
    parse: fn(&str) -> Result<T, E>,
) -> rusqlite::Result<T>
where
    E: std::error::Error + Send + Sync + 'static,
{
    parse(row.get_ref(column)?.as_str()?).map_err(|error| unreadable(column, error))
}

fn parsed_or_null<T, E>(
    row: &Row<'_>,
    column: usize,
    parse: fn(&str) -> Result<T, E>,
) -> rusqlite::Result<Option<T>>
where
    E: std::error::Error + Send + Sync + 'static,
{
    if is_null(row, column)? {
        Ok(None)
    } else {
        parsed(row, column, parse).map(Some)
    }
}

fn is_null(row: &Row<'_>, column: usize) -> rusqlite::Result<bool> {
    Ok(row.get_ref(column)?.data_type() == Type::Null)
}

fn unreadable(
    column: usize,
    error: impl std::error::Error + Send + Sync + 'static,
) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(error))
}
