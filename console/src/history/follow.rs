//! Following a log: where the history stopped, then what comes.

use super::stream::{Line, Lines, Logs, Position, Stream};
use super::worker::Worker;
use super::{Error, Phase, Standing, write};
use belfry_mesh::port::Error as PortError;
use belfry_mesh::port::log::{Range, Sequence};
use futures::StreamExt;
use std::collections::HashSet;
use std::time::Duration;
use tokio::sync::watch;

/// How many entries are written in one transaction at most.
const BATCH: usize = 512;

/// How long to wait after a failure before the log is read again: doubled each time, up to the cap.
const FIRST_WAIT: Duration = Duration::from_millis(250);
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// Why a log is followed no further for now.
#[derive(Debug, thiserror::Error)]
enum Interrupted {
    #[error(transparent)]
    Log(#[from] PortError),
    #[error(transparent)]
    History(#[from] Error),
    #[error("the log ended, and should not have")]
    Ended,
}

/// Brings one log into the history.
pub(super) struct Follower {
    stream: Stream,
    logs: Logs,
    writer: Worker,
    seen: watch::Sender<()>,
    standing: watch::Sender<Standing>,
}

impl Follower {
    pub(super) fn new(
        stream: Stream,
        logs: Logs,
        writer: Worker,
        seen: watch::Sender<()>,
        standing: watch::Sender<Standing>,
    ) -> Self {
        Self {
            stream,
            logs,
            writer,
            seen,
            standing,
        }
    }

    /// Follows the log without end. May be dropped at any time: what was written is remembered with where it stood.
    pub(super) async fn run(self) {
        let mut wait = FIRST_WAIT;
        loop {
            let Err(error) = self.follow().await;
            let was = self.standing.send_replace(Standing {
                phase: Phase::Failed(error.to_string()),
                lag_ms: None,
            });
            if matches!(was.phase, Phase::Live) {
                wait = FIRST_WAIT;
            }
            if wait == FIRST_WAIT {
                tracing::warn!(stream = self.stream.name(), %error, "the history cannot follow the log; it goes on trying");
            }
            self.logs.clock.sleep(wait).await;
            wait = (wait * 2).min(LONGEST_WAIT);
        }
    }

    async fn follow(&self) -> Result<std::convert::Infallible, Interrupted> {
        let after = match self.stream {
            Stream::DeadLetters => self.mirror().await?,
            Stream::Events | Stream::Outcomes => self.catch_up().await?,
        };
        let mut lines = self
            .stream
            .read(&self.logs, Range { after, live: true })
            .await?;
        let live = Standing {
            phase: Phase::Live,
            lag_ms: None,
        };
        if matches!(self.standing.send_replace(live).phase, Phase::Failed(_)) {
            tracing::info!(
                stream = self.stream.name(),
                "the history follows the log again"
            );
        }
        self.take_in(&mut lines, |_| {}).await?;
        Err(Interrupted::Ended)
    }

    /// Reads what came while the history did not follow. Answers where that ends.
    async fn catch_up(&self) -> Result<Sequence, Interrupted> {
        let mut after = self.resume().await?;
        let mut lines = self
            .stream
            .read(&self.logs, Range { after, live: false })
            .await?;
        self.take_in(&mut lines, |line| after = line.position.sequence)
            .await?;
        Ok(after)
    }

    /// Reads all dead letters, and forgets those that are not there any more: they were discarded somewhere else.
    async fn mirror(&self) -> Result<Sequence, Interrupted> {
        let mut there = HashSet::new();
        let mut last = 0;
        let mut lines = self
            .stream
            .read(
                &self.logs,
                Range {
                    after: 0,
                    live: false,
                },
            )
            .await?;
        let note = |line: &Line| {
            last = line.position.sequence;
            there.insert(last);
        };
        self.take_in(&mut lines, note).await?;
        self.writer
            .run(move |connection| write::keep_dead_letters(connection, &there))
            .await?;
        Ok(last)
    }

    /// Writes what a log says, as much at once as there is.
    async fn take_in(
        &self,
        lines: &mut Lines,
        mut note: impl FnMut(&Line),
    ) -> Result<(), Interrupted> {
        let mut batches = lines.ready_chunks(BATCH);
        while let Some(batch) = batches.next().await {
            let mut readable = Vec::with_capacity(batch.len());
            let mut failure = None;
            for line in batch {
                match line {
                    Ok(line) => readable.push(line),
                    Err(PortError::Corrupt { what, why }) => {
                        tracing::error!(
                            stream = self.stream.name(),
                            "{what} cannot be read and is left out of the history: {why}"
                        );
                    }
                    Err(error) => {
                        failure = Some(error);
                        break;
                    }
                }
            }
            readable.iter().for_each(&mut note);
            self.write(readable).await?;
            if let Some(error) = failure {
                return Err(error.into());
            }
        }
        Ok(())
    }

    async fn write(&self, lines: Vec<Line>) -> Result<(), Error> {
        let Some(last) = lines.last().map(|line| line.position) else {
            return Ok(());
        };
        let stream = self.stream;
        let reset = self
            .writer
            .run(move |connection| write::lines(connection, stream, &lines))
            .await?;
        if reset {
            self.say_reset();
        }
        let lag = self.logs.clock.now().as_microsecond() - last.stored_at;
        self.standing.send_if_modified(|standing| {
            if standing.phase == Phase::Live {
                standing.lag_ms = Some(u64::try_from(lag / 1_000).unwrap_or(0));
            }
            false
        });
        self.seen.send_replace(());
        Ok(())
    }

    /// Where to read on. If the log is another one than the history was made from, that is forgotten.
    ///
    /// The logs of events and outcomes drop their oldest entries first, so a log that holds something, and nothing from the last
    /// known entry on, never held that entry. One that holds nothing at all may have dropped everything or be new: it is read
    /// from its beginning, and what comes then shows which it is.
    async fn resume(&self) -> Result<Sequence, Interrupted> {
        let stream = self.stream;
        let known = self
            .writer
            .run(move |connection| write::position(connection, stream))
            .await?;
        let Some(known) = known else { return Ok(0) };
        let same = match stream.first_after(&self.logs, known.sequence - 1).await? {
            Some(line) => is_later_or_same(line.position, known),
            None if stream.first_after(&self.logs, 0).await?.is_none() => return Ok(0),
            None => false,
        };
        if same {
            return Ok(known.sequence);
        }
        self.writer
            .run(move |connection| write::forget(connection, stream))
            .await?;
        self.say_reset();
        Ok(0)
    }

    fn say_reset(&self) {
        tracing::warn!(
            stream = self.stream.name(),
            "the log is another one than the history was made from; its part of the history is made anew"
        );
    }
}

fn is_later_or_same(found: Position, known: Position) -> bool {
    found.sequence > known.sequence || found == known
}
