//! What a container wrote: the engine's pieces put together to lines.
//!
//! A log that is followed is read three times: what is there, what comes, and what the engine kept to itself when the container
//! ended, which engines of version 20.10 do with the last lines.

use super::Docker;
use super::failure::{status, unavailable};
use belfry_mesh::port::runtime::{Error, LogLine, Logs, MAX_LINE};
use bollard::container::LogOutput;
use bollard::query_parameters::LogsOptions;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use jiff::Timestamp;
use std::collections::VecDeque;

/// How many lines are looked through for those that are new since the last reading.
const AGAIN: usize = 1_000;

type Pieces = BoxStream<'static, Result<LogOutput, bollard::errors::Error>>;

struct Reading {
    engine: bollard::Docker,
    id: String,
    what: Logs,
    phase: Phase,
    pieces: Pieces,
    parts: Parts,
    ready: VecDeque<LogLine>,
    /// Only lines after that are new to this phase.
    from: Option<Timestamp>,
    /// When the last line was written that was seen.
    seen: Option<Timestamp>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    There,
    Coming,
    Rest,
    Over,
}

impl Docker {
    /// What a container wrote, see [`Runtime::logs`](belfry_mesh::port::runtime::Runtime::logs).
    pub(super) fn read_log(
        &self,
        id: &str,
        what: Logs,
    ) -> BoxStream<'static, Result<LogLine, Error>> {
        let mut reading = Reading {
            engine: self.engine.clone(),
            id: id.to_owned(),
            what,
            phase: Phase::There,
            pieces: stream::empty().boxed(),
            parts: Parts::default(),
            ready: VecDeque::new(),
            from: what.after,
            seen: what.after,
        };
        // Of a log that is to be followed the last line is read in any case: it shows where to go on.
        let lines = what.lines.max(usize::from(what.follow));
        reading.read(lines, false);
        stream::unfold(reading, |mut reading| async {
            Some((reading.next().await?, reading))
        })
        .boxed()
    }
}

impl Reading {
    fn read(&mut self, lines: usize, follow: bool) {
        // The engine takes whole seconds here; what that lets through is left out when it comes.
        let since = self
            .from
            .and_then(|from| i32::try_from(from.as_second()).ok());
        let options = LogsOptions {
            follow,
            stdout: true,
            stderr: true,
            timestamps: true,
            since: since.unwrap_or(0),
            tail: lines.to_string(),
            ..LogsOptions::default()
        };
        self.pieces = self.engine.logs(&self.id, Some(options)).boxed();
        self.parts = Parts::default();
    }

    async fn next(&mut self) -> Option<Result<LogLine, Error>> {
        loop {
            if let Some(line) = self.ready.pop_front() {
                return Some(Ok(line));
            }
            if self.phase == Phase::Over {
                return None;
            }
            match self.pieces.next().await {
                Some(Ok(piece)) => {
                    if let Some(line) = self.parts.add(piece) {
                        self.see(line);
                    }
                }
                Some(Err(error)) => {
                    let was = std::mem::replace(&mut self.phase, Phase::Over);
                    match failure(&error, &self.id) {
                        // It was removed as soon as it had ended: that is the log's end.
                        Error::NotFound(_) if was != Phase::There => return None,
                        error => return Some(Err(error)),
                    }
                }
                None => self.turn(),
            }
        }
    }

    fn see(&mut self, line: LogLine) {
        if self.from.is_some_and(|from| line.at <= from) {
            return;
        }
        self.seen = self.seen.max(Some(line.at));
        if self.phase != Phase::There || self.what.lines > 0 {
            self.ready.push_back(line);
        }
    }

    /// Goes on to the next phase. A line without an end is told in the last one only: before, more of it may come.
    fn turn(&mut self) {
        self.from = self.seen;
        self.phase = match (self.phase, self.what.follow) {
            (Phase::There, true) => {
                self.read(AGAIN, true);
                Phase::Coming
            }
            (Phase::Coming, _) => {
                self.read(AGAIN, false);
                Phase::Rest
            }
            _ => {
                self.ready.extend(self.parts.end());
                Phase::Over
            }
        };
    }
}

/// What came of lines whose end has not come yet: of the output, and of the errors. The engine hands out long lines in pieces,
/// each with a time of its own.
#[derive(Default)]
struct Parts {
    output: Option<Part>,
    errors: Option<Part>,
}

struct Part {
    at: Timestamp,
    text: Vec<u8>,
}

impl Parts {
    /// The line that is complete with this piece.
    fn add(&mut self, piece: LogOutput) -> Option<LogLine> {
        let open = match piece {
            LogOutput::StdErr { .. } => &mut self.errors,
            _ => &mut self.output,
        };
        let bytes = piece.into_bytes();
        let (at, text) = stamped(&bytes)?;
        let part = open.get_or_insert_with(|| Part {
            at,
            text: Vec::new(),
        });
        let whole = text.strip_suffix(b"\n");
        let text = whole.unwrap_or(text);
        let room = MAX_LINE.saturating_sub(part.text.len());
        part.text.extend_from_slice(&text[..text.len().min(room)]);
        whole.and_then(|_| open.take()).map(Part::line)
    }

    /// What is left without an end.
    fn end(&mut self) -> Vec<LogLine> {
        let left = [self.output.take(), self.errors.take()];
        let mut lines: Vec<LogLine> = left.into_iter().flatten().map(Part::line).collect();
        lines.sort_by_key(|line| line.at);
        lines
    }
}

impl Part {
    fn line(self) -> LogLine {
        let mut text = String::from_utf8_lossy(&self.text).into_owned();
        // What is no text has become longer.
        text.truncate(text.floor_char_boundary(MAX_LINE));
        text.truncate(text.trim_end_matches('\r').len());
        LogLine { at: self.at, text }
    }
}

/// A piece of a log: when it was written, and what.
fn stamped(bytes: &[u8]) -> Option<(Timestamp, &[u8])> {
    let end = bytes.iter().position(|byte| *byte == b' ')?;
    let at = std::str::from_utf8(&bytes[..end]).ok()?.parse().ok()?;
    Some((at, &bytes[end + 1..]))
}

fn failure(error: &bollard::errors::Error, id: &str) -> Error {
    match status(error) {
        // It is not there, or being removed.
        Some(404 | 409) => Error::NotFound(id.to_owned()),
        _ => unavailable(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn output(text: &str) -> LogOutput {
        let message = format!("2026-11-22T08:00:00.000000001Z {text}").into();
        LogOutput::StdOut { message }
    }

    fn errors(text: &str) -> LogOutput {
        let message = format!("2026-11-22T08:00:00.000000002Z {text}").into();
        LogOutput::StdErr { message }
    }

    fn texts(pieces: Vec<LogOutput>) -> Vec<String> {
        let mut parts = Parts::default();
        let pieces = pieces.into_iter();
        let mut lines: Vec<LogLine> = pieces.filter_map(|piece| parts.add(piece)).collect();
        lines.extend(parts.end());
        lines.into_iter().map(|line| line.text).collect()
    }

    #[test]
    fn lines_are_told_whole_each_when_it_ends() {
        let pieces = vec![
            output("one\n"),
            output("two, "),
            errors("an error\r\n"),
            output("still two\n"),
            errors("no end"),
        ];
        assert_eq!(
            texts(pieces),
            ["one", "an error", "two, still two", "no end"]
        );
    }

    #[test]
    fn a_line_is_cut_where_it_gets_too_long_and_not_within_a_character() {
        let long = format!("a{}", "ö".repeat(MAX_LINE));
        let told = texts(vec![output(&long), output(&long), output("\n")]);
        assert_eq!(told.len(), 1);
        assert!(told[0].len() <= MAX_LINE && told[0].len() > MAX_LINE - 4);
        assert!(told[0].starts_with("aö"));
    }
}
