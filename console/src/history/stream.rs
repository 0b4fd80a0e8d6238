//! The logs that the history is made from.

use crate::answer::{DeadLetter, Event, EventStatus};
use belfry_mesh::outcome::{self, Outcome};
use belfry_mesh::port::clock::Clock;
use belfry_mesh::port::log::{Entries, EventLog, OutcomeLog, Range, Sequence, Stored};
use belfry_mesh::port::{Error as PortError, Ports};
use futures::StreamExt;
use futures::stream::BoxStream;
use jiff::Timestamp;
use std::sync::Arc;

/// A log that the history is made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stream {
    Events,
    Outcomes,
    DeadLetters,
}

/// An entry of a log, without its body.
#[derive(Debug, Clone)]
pub(super) struct Line {
    pub(super) position: Position,
    pub(super) row: Row,
}

/// Where an entry stands, and when it was stored: another entry at the same place means another log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Position {
    pub(super) sequence: Sequence,
    /// In microseconds since 1970.
    pub(super) stored_at: i64,
}

/// What an entry says.
#[derive(Debug, Clone)]
pub(super) enum Row {
    Event(Box<Event>),
    Outcome(Box<Outcome>),
    DeadLetter(Box<DeadLetter>),
}

/// What the history reads from.
#[derive(Clone)]
pub(crate) struct Logs {
    pub(crate) events: Arc<dyn EventLog>,
    pub(crate) outcomes: Arc<dyn OutcomeLog>,
    pub(crate) clock: Arc<dyn Clock>,
}

/// The lines of a log, in order.
pub(super) type Lines = BoxStream<'static, Result<Line, PortError>>;

impl Stream {
    pub(super) const ALL: [Self; 3] = [Self::Events, Self::Outcomes, Self::DeadLetters];

    /// The key of its position, and its name in words.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Events => "events",
            Self::Outcomes => "outcomes",
            Self::DeadLetters => "dead letters",
        }
    }

    /// The table that it goes into.
    pub(super) fn table(self) -> &'static str {
        match self {
            Self::Events => "events",
            Self::Outcomes => "outcomes",
            Self::DeadLetters => "dead_letters",
        }
    }

    /// Reads the log.
    pub(super) async fn read(self, logs: &Logs, range: Range) -> Result<Lines, PortError> {
        Ok(match self {
            Self::Events => lines(logs.events.read(range).await?, Row::event),
            Self::Outcomes => lines(logs.outcomes.outcomes(range).await?, |entry| {
                Row::Outcome(Box::new(entry.value))
            }),
            Self::DeadLetters => lines(logs.outcomes.dead_letters(range).await?, Row::dead_letter),
        })
    }

    /// The first entry after a sequence, if the log holds one.
    pub(super) async fn first_after(
        self,
        logs: &Logs,
        after: Sequence,
    ) -> Result<Option<Line>, PortError> {
        let mut lines = self.read(logs, Range { after, live: false }).await?;
        while let Some(line) = lines.next().await {
            match line {
                Ok(line) => return Ok(Some(line)),
                Err(PortError::Corrupt { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }
}

impl From<&Ports> for Logs {
    fn from(ports: &Ports) -> Self {
        Self {
            events: ports.events.clone(),
            outcomes: ports.outcomes.clone(),
            clock: ports.clock.clone(),
        }
    }
}

impl Row {
    fn event(entry: Stored<belfry_mesh::Event>) -> Self {
        Self::Event(Box::new(Event::stored(entry.value, entry.sequence)))
    }

    fn dead_letter(entry: Stored<belfry_mesh::DeadLetter>) -> Self {
        let belfry_mesh::DeadLetter { event, outcome } = entry.value;
        Self::DeadLetter(Box::new(DeadLetter {
            sequence: entry.sequence,
            event_id: event.id,
            trigger: outcome.trigger.clone(),
            event_type: event.event_type,
            time: event.time,
            stored_at: entry.stored_at,
            delivery_id: event.delivery_id,
            size: event.data.len() as u64,
            replay_of: event.replay_of,
            outcome,
        }))
    }
}

impl From<outcome::Status> for EventStatus {
    fn from(status: outcome::Status) -> Self {
        match status {
            outcome::Status::Triggered => Self::Triggered,
            outcome::Status::Ignored => Self::Ignored,
            outcome::Status::Retrying => Self::Retrying,
            outcome::Status::Dead => Self::Dead,
        }
    }
}

/// Reduces each entry at once, so that no batch of bodies piles up.
fn lines<T: Send + 'static>(entries: Entries<T>, row: fn(Stored<T>) -> Row) -> Lines {
    let line = move |entry: Stored<T>| {
        let position = Position {
            sequence: entry.sequence,
            stored_at: micros(entry.stored_at),
        };
        Line {
            position,
            row: row(entry),
        }
    };
    entries.map(move |entry| entry.map(line)).boxed()
}

/// A time as the history stores it.
pub(super) fn micros(time: Timestamp) -> i64 {
    time.as_microsecond()
}
