//! What a trigger writes about its work: a line an event, with its id, what became of it and how long it took. Never a body,
//! never a secret.

use belfry_mesh::event::EventId;
use belfry_mesh::name::TriggerName;
use jiff::Timestamp;
use std::collections::VecDeque;
use std::fmt::Write;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// How many lines are kept.
const KEPT: usize = 200;

/// Where the lines go.
#[derive(Debug)]
pub(crate) enum Journal {
    /// To the log of the process.
    Log,
    /// Into memory, the last [`KEPT`]: what an instance in process has for an output of its own.
    Memory(Mutex<VecDeque<String>>),
}

/// A line.
#[derive(Debug)]
pub(crate) struct Line<'a> {
    pub(crate) severe: bool,
    pub(crate) text: &'a str,
    pub(crate) trigger: Option<&'a TriggerName>,
    pub(crate) event: &'a EventId,
    pub(crate) execution_id: Option<&'a str>,
    pub(crate) took: Duration,
}

impl Journal {
    pub(crate) fn in_memory() -> Self {
        Self::Memory(Mutex::default())
    }

    pub(crate) fn write(&self, line: &Line<'_>, at: Timestamp) {
        match self {
            Self::Log => line.log(),
            Self::Memory(lines) => {
                let mut lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
                if lines.len() == KEPT {
                    lines.pop_front();
                }
                lines.push_back(line.format(at));
            }
        }
    }

    /// The last `count` lines that are kept, oldest first.
    pub(crate) fn tail(&self, count: usize) -> Vec<String> {
        match self {
            Self::Log => Vec::new(),
            Self::Memory(lines) => {
                let lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
                lines
                    .iter()
                    .skip(lines.len().saturating_sub(count))
                    .cloned()
                    .collect()
            }
        }
    }
}

impl Line<'_> {
    fn log(&self) {
        let (trigger, duration_ms) = (self.trigger.map(TriggerName::as_str), self.millis());
        let (event_id, execution_id) = (self.event.as_str(), self.execution_id);
        if self.severe {
            tracing::warn!(
                trigger,
                event_id,
                execution_id,
                duration_ms,
                "{}",
                self.text
            );
        } else {
            tracing::info!(
                trigger,
                event_id,
                execution_id,
                duration_ms,
                "{}",
                self.text
            );
        }
    }

    fn format(&self, at: Timestamp) -> String {
        let level = if self.severe { "WARN" } else { "INFO" };
        let mut line = format!("{at:.3} {level} {} event_id={}", self.text, self.event);
        if let Some(id) = self.execution_id {
            // Writing to a string cannot fail.
            let _ = write!(line, " execution_id={id}");
        }
        let _ = write!(line, " duration_ms={}", self.millis());
        line
    }

    fn millis(&self) -> u64 {
        u64::try_from(self.took.as_millis()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_are_kept_oldest_first() {
        let (journal, event) = (Journal::in_memory(), EventId::parse("e-1").unwrap());
        for i in 0..KEPT + 5 {
            let text = format!("line {i}");
            let took = Duration::from_millis(7);
            let line = Line {
                severe: i % 2 == 0,
                text: &text,
                trigger: None,
                event: &event,
                execution_id: None,
                took,
            };
            journal.write(&line, Timestamp::UNIX_EPOCH);
        }
        assert_eq!(journal.tail(usize::MAX).len(), KEPT);
        assert_eq!(
            journal.tail(2),
            [
                "1970-01-01T00:00:00.000Z INFO line 203 event_id=e-1 duration_ms=7",
                "1970-01-01T00:00:00.000Z WARN line 204 event_id=e-1 duration_ms=7",
            ]
        );
    }
}
