//! What a container wrote: the engine's parts put together to lines.

use super::Docker;
use super::failure::{status, unavailable};
use belfry_mesh::port::runtime::{Error, LogLine, Logs, MAX_LINE};
use bollard::container::LogOutput;
use bollard::query_parameters::LogsOptions;
use futures::StreamExt;
use futures::future::ready;
use futures::stream::{self, BoxStream};
use jiff::Timestamp;

impl Docker {
    /// What a container wrote, see [`Runtime::logs`](belfry_mesh::port::runtime::Runtime::logs).
    pub(super) fn read_log(
        &self,
        id: &str,
        what: Logs,
    ) -> BoxStream<'static, Result<LogLine, Error>> {
        let after = what.after;
        // The engine takes whole seconds here; what that lets through is left out below.
        let since = after.and_then(|after| i32::try_from(after.as_second()).ok());
        let options = LogsOptions {
            follow: what.follow,
            stdout: true,
            stderr: true,
            timestamps: true,
            since: since.unwrap_or(0),
            tail: what.lines.to_string(),
            ..LogsOptions::default()
        };
        let name = id.to_owned();
        self.engine
            .logs(id, Some(options))
            .map(Some)
            .chain(stream::iter([None]))
            .scan(Parts::default(), move |parts, part| {
                ready(parts.take(part, &name))
            })
            .flat_map(stream::iter)
            .filter(move |line| {
                let is_new = |line: &LogLine| after.is_none_or(|after| line.at > after);
                ready(line.as_ref().map_or(true, is_new))
            })
            .boxed()
    }
}

/// What came of lines whose end has not come yet: of the output, and of the errors. The engine hands out long lines in parts, each
/// with a time of its own.
#[derive(Default)]
struct Parts {
    output: Option<Part>,
    errors: Option<Part>,
    failed: bool,
}

struct Part {
    at: Timestamp,
    text: Vec<u8>,
}

type Piece = Result<LogOutput, bollard::errors::Error>;

impl Parts {
    /// What is complete with this piece; with none, all that is left. None after a failure.
    fn take(&mut self, piece: Option<Piece>, id: &str) -> Option<Vec<Result<LogLine, Error>>> {
        if self.failed {
            return None;
        }
        Some(match piece {
            Some(Ok(piece)) => self.add(piece).map(Ok).into_iter().collect(),
            Some(Err(error)) => {
                self.failed = true;
                vec![Err(failure(&error, id))]
            }
            None => {
                let mut left: Vec<_> = [self.output.take(), self.errors.take()]
                    .into_iter()
                    .flatten()
                    .map(Part::line)
                    .collect();
                left.sort_by_key(|line| line.at);
                left.into_iter().map(Ok).collect()
            }
        })
    }

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

    fn output(text: &str) -> Option<Piece> {
        let message = format!("2026-11-22T08:00:00.000000001Z {text}").into();
        Some(Ok(LogOutput::StdOut { message }))
    }

    fn errors(text: &str) -> Option<Piece> {
        let message = format!("2026-11-22T08:00:00.000000002Z {text}").into();
        Some(Ok(LogOutput::StdErr { message }))
    }

    fn texts(pieces: Vec<Option<Piece>>) -> Vec<String> {
        let mut parts = Parts::default();
        let lines = pieces
            .into_iter()
            .filter_map(|piece| parts.take(piece, "c"));
        lines.flatten().map(|line| line.unwrap().text).collect()
    }

    #[test]
    fn lines_are_told_whole_each_when_it_ends() {
        let pieces = vec![
            output("one\n"),
            output("two, "),
            errors("an error\r\n"),
            output("still two\n"),
            errors("no end"),
            None,
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

    #[test]
    fn a_failure_is_told_once_and_last() {
        let gone = || {
            Some(Err(bollard::errors::Error::DockerResponseServerError {
                status_code: 404,
                message: "no such container".to_owned(),
            }))
        };
        let mut parts = Parts::default();
        let told = parts.take(gone(), "c").unwrap();
        assert_eq!(told, [Err(Error::NotFound("c".to_owned()))]);
        assert!(parts.take(None, "c").is_none());
    }
}
