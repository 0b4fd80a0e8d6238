//! The console's own view of what happened: events, outcomes and dead letters, read from their logs into SQLite, so that they can be
//! searched. It holds no bodies, and nothing that the logs do not: delete the file, and it is made anew. It reads the logs as
//! anybody could, and is never in the way of a delivery.

mod follow;
mod read;
mod retain;
mod schema;
mod standing;
mod stream;
mod worker;
mod write;

#[cfg(test)]
mod tests;

pub(crate) use read::{Filter, LetterFilter, Page};
pub(crate) use standing::{Phase, Standing};
pub(crate) use stream::Logs;

use crate::answer::{DeadLetter, Event};
use crate::config::Retention;
use belfry_mesh::EventId;
use belfry_mesh::outcome::Outcome;
use belfry_mesh::port::clock::Clock;
use belfry_mesh::port::log::Sequence;
use std::path::Path;
use std::time::Duration;
use stream::Stream;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use worker::Worker;

/// The file's name in the data directory.
const FILE: &str = "history.db";

/// How long a question for an event that is not known waits for it: whoever asks may have been told its id a moment ago.
const ARRIVAL: Duration = Duration::from_secs(1);

/// Why the history has no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// SQLite failed.
    #[error("the history failed: {0}")]
    Database(rusqlite::Error),
    /// The file is not what it was.
    #[error(
        "the history is damaged ({0}): end the console and delete `history.db`; it is made anew from the logs"
    )]
    Damaged(rusqlite::Error),
    /// Its thread is gone.
    #[error("the history is closed")]
    Ended,
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        if schema::is_broken(&error) {
            Self::Damaged(error)
        } else {
            Self::Database(error)
        }
    }
}

/// The history. Cheap to clone; its threads end with the last clone.
#[derive(Clone)]
pub(crate) struct History {
    writer: Worker,
    reader: Worker,
    /// Changes whenever more can be seen.
    seen: watch::Sender<()>,
    standings: [watch::Sender<Standing>; Stream::ALL.len()],
}

impl History {
    /// Opens the history in a directory, which is made if it is not there. `tasks` knows of its threads until they have ended.
    pub(crate) fn open(directory: &Path, tasks: &TaskTracker) -> Result<Self, crate::Error> {
        let path = directory.join(FILE);
        let failed = |error: std::io::Error| crate::Error::History {
            path: path.clone(),
            why: error.to_string(),
        };
        std::fs::create_dir_all(directory).map_err(failed)?;
        let (writer, reader) = schema::open(&path)?;
        Ok(Self {
            writer: Worker::start("history-writer", writer, tasks.token()).map_err(failed)?,
            reader: Worker::start("history-reader", reader, tasks.token()).map_err(failed)?,
            seen: watch::Sender::new(()),
            standings: Stream::ALL.map(|_| watch::Sender::new(Standing::default())),
        })
    }

    /// Keeps the history up with the logs until `shutdown`.
    pub(crate) fn follow(
        &self,
        logs: &Logs,
        retention: Retention,
        tasks: &TaskTracker,
        shutdown: &CancellationToken,
    ) {
        for (stream, standing) in Stream::ALL.into_iter().zip(&self.standings) {
            let follower = follow::Follower::new(
                stream,
                logs.clone(),
                self.writer.clone(),
                self.seen.clone(),
                standing.clone(),
            );
            let shutdown = shutdown.clone();
            tasks.spawn(async move { shutdown.run_until_cancelled(follower.run()).await });
        }
        let retaining = retain::run(self.writer.clone(), retention, logs.clock.clone());
        let shutdown = shutdown.clone();
        tasks.spawn(async move { shutdown.run_until_cancelled(retaining).await });
    }

    /// How far the history has got with each log.
    pub(crate) fn standings(&self) -> impl Iterator<Item = (&'static str, Standing)> {
        Stream::ALL.into_iter().map(Stream::name).zip(
            self.standings
                .iter()
                .map(|standing| standing.borrow().clone()),
        )
    }

    /// An event. One that is not known is waited for, a second at most.
    pub(crate) async fn event(
        &self,
        id: &EventId,
        clock: &dyn Clock,
    ) -> Result<Option<Event>, Error> {
        let mut seen = self.seen.subscribe();
        let mut deadline = clock.sleep(ARRIVAL);
        loop {
            if let Some(event) = self.known(id.clone()).await? {
                return Ok(Some(event));
            }
            tokio::select! {
                Ok(()) = seen.changed() => {}
                () = &mut deadline => return Ok(None),
            }
        }
    }

    /// An event, if it is known now.
    pub(crate) async fn known(&self, id: EventId) -> Result<Option<Event>, Error> {
        self.reader
            .run(move |connection| read::event(connection, &id))
            .await
    }

    /// A page of events, newest first.
    pub(crate) async fn events(&self, filter: Filter) -> Result<Page<Event>, Error> {
        self.reader
            .run(move |connection| read::events(connection, &filter))
            .await
    }

    /// An event's outcomes, oldest first.
    pub(crate) async fn outcomes(&self, id: EventId) -> Result<Vec<Outcome>, Error> {
        self.reader
            .run(move |connection| read::outcomes(connection, &id))
            .await
    }

    /// An event's replays, newest first.
    pub(crate) async fn replays(&self, id: EventId) -> Result<Vec<Event>, Error> {
        self.reader
            .run(move |connection| read::replays(connection, &id))
            .await
    }

    /// The sequence of the latest outcome that settled the event or a replay of it, 0 if there is none.
    pub(crate) async fn settled(&self, root: EventId) -> Result<Sequence, Error> {
        self.reader
            .run(move |connection| read::settled(connection, &root))
            .await
    }

    /// A page of dead letters, newest first, and how many there are in all.
    pub(crate) async fn dead_letters(
        &self,
        filter: LetterFilter,
    ) -> Result<(Page<DeadLetter>, u64), Error> {
        self.reader
            .run(move |connection| read::dead_letters(connection, &filter))
            .await
    }

    /// The dead letters of an event: one a trigger that gave it up.
    pub(crate) async fn dead_letters_of(&self, id: EventId) -> Result<Vec<DeadLetter>, Error> {
        self.reader
            .run(move |connection| read::dead_letters_of(connection, &id))
            .await
    }

    /// Forgets a dead letter that its log does not have any more.
    pub(crate) async fn forget_dead_letter(&self, sequence: Sequence) -> Result<(), Error> {
        self.writer
            .run(move |connection| write::forget_dead_letter(connection, sequence))
            .await
    }
}
