//! What a trigger writes about its work: a line an event, with its id, what became of it and how long it took. Never a body,
//! never a secret.

use belfry_mesh::event::EventId;
use belfry_mesh::name::TriggerName;
use belfry_mesh::port::runtime::LogLine;
use jiff::Timestamp;
use std::collections::VecDeque;
use std::fmt::Write;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

/// How many lines are kept.
const KEPT: usize = 200;

/// Where the lines go.
#[derive(Debug)]
pub(crate) enum Journal {
    /// To the log of the process.
    Log,
    /// Into memory: what an instance in process has for an output of its own.
    Memory(Memory),
}

/// The last [`KEPT`] lines.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    lines: Mutex<VecDeque<LogLine>>,
    /// How many were ever written.
    written: watch::Sender<usize>,
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
        Self::Memory(Memory::default())
    }

    pub(crate) fn write(&self, line: &Line<'_>, at: Timestamp) {
        match self {
            Self::Log => line.log(),
            Self::Memory(memory) => memory.push(LogLine {
                at,
                text: line.format(),
            }),
        }
    }
}

impl Memory {
    fn push(&self, line: LogLine) {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() == KEPT {
            lines.pop_front();
        }
        lines.push_back(line);
        self.written.send_modify(|written| *written += 1);
    }

    /// The lines that are kept, oldest first, but for the first `seen` that were ever written; and how many were written.
    pub(crate) fn since(&self, seen: usize) -> (Vec<LogLine>, usize) {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let written = *self.written.borrow();
        let new = written.saturating_sub(seen).min(lines.len());
        let new = lines.iter().skip(lines.len() - new).cloned();
        (new.collect(), written)
    }

    /// Changes whenever a line is written.
    pub(crate) fn written(&self) -> watch::Receiver<usize> {
        self.written.subscribe()
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

    fn format(&self) -> String {
        let level = if self.severe { "WARN" } else { "INFO" };
        let mut line = format!("{level} {} event_id={}", self.text, self.event);
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
        let event = EventId::parse("e-1").unwrap();
        let (journal, mut seen) = (Memory::default(), 0);
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
            let (at, text) = (Timestamp::UNIX_EPOCH, line.format());
            journal.push(LogLine { at, text });
            if i == KEPT + 2 {
                seen = journal.since(0).1;
            }
        }
        assert_eq!(journal.since(0).0.len(), KEPT);
        let texts: Vec<String> = journal
            .since(seen)
            .0
            .into_iter()
            .map(|line| line.text)
            .collect();
        assert_eq!(
            texts,
            [
                "INFO line 203 event_id=e-1 duration_ms=7",
                "WARN line 204 event_id=e-1 duration_ms=7",
            ]
        );
    }
}
