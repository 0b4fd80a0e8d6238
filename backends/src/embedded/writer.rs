//! The one thread that writes. It takes everything that waits for it into one transaction, so that all of it shares one fsync
//! (group commit), and answers each caller when that is done.

use super::fault::{Fault, closed, failure, is_of_the_disk};
use super::memory::Memory;
use super::schema::Usage;
use belfry_mesh::port::{Error, clock::Clock};
use rusqlite::Connection;
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// How much may share one transaction, so that the first in it does not wait long for the last.
const BATCH: usize = 512;

/// How often the thread looks for what may be dropped.
const HOUSEKEEPING: Duration = Duration::from_secs(10);

/// Where work for the writer is left. Cheap to clone.
#[derive(Clone)]
pub(super) struct Writer {
    queue: mpsc::Sender<Message>,
    name: Arc<str>,
}

/// The thread's end of it.
pub(super) struct Thread {
    conn: Connection,
    usage: Usage,
    memory: Arc<Memory>,
    clock: Arc<dyn Clock>,
    housekeeping: Housekeeping,
    name: Arc<str>,
}

/// A bounded piece of keeping order. Answers whether there is more to do at once.
pub(super) type Housekeeping = Box<dyn FnMut(&mut Work<'_>) -> Result<bool, Fault> + Send>;

/// A transaction at work.
pub(super) struct Work<'a> {
    pub(super) conn: &'a Connection,
    pub(super) memory: &'a Memory,
    /// The wall clock, in microseconds since 1970.
    pub(super) now: i64,
    /// What each log holds, the transaction's changes included.
    pub(super) usage: Usage,
    /// How many of the orphaned deliveries it has settled.
    pub(super) orphans_settled: usize,
    effects: Vec<Effect>,
}

/// What follows in memory from what was written. It happens after the commit, in order, and before anyone is answered.
type Effect = Box<dyn FnOnce(&Memory) + Send>;

enum Message {
    Do(Box<dyn Job>),
    Close,
}

trait Job: Send {
    /// Does the work in a transaction, again if that was rolled back for a neighbour's sake.
    fn work(&mut self, work: &mut Work<'_>) -> Result<(), rusqlite::Error>;
    /// Tells the caller, after the commit or after it failed.
    fn answer(self: Box<Self>, committed: Result<(), Error>);
}

struct Task<F, R> {
    work: F,
    done: Option<Result<R, Error>>,
    reply: Option<oneshot::Sender<Result<R, Error>>>,
}

impl Writer {
    /// Starts the thread.
    pub(super) fn start(name: Arc<str>, thread: Thread) -> Result<(Self, JoinHandle<()>), Error> {
        let (queue, messages) = mpsc::channel();
        let spawned = std::thread::Builder::new()
            .name("belfry-writer".into())
            .spawn(move || thread.run(&messages));
        let handle = spawned.map_err(|error| Error::Unavailable {
            what: name.to_string(),
            why: format!("its writer thread does not start: {error}"),
        })?;
        Ok((Self { queue, name }, handle))
    }

    /// Does the work in a transaction and returns once that is on the disk. A caller that goes away interrupts nothing.
    pub(super) async fn run<R: Send + 'static>(
        &self,
        work: impl FnMut(&mut Work<'_>) -> Result<R, Fault> + Send + 'static,
    ) -> Result<R, Error> {
        let (reply, answer) = oneshot::channel();
        self.send(Task {
            work,
            done: None,
            reply: Some(reply),
        });
        answer.await.unwrap_or_else(|_| Err(closed(&self.name)))
    }

    /// Leaves work that nobody waits for.
    pub(super) fn post(
        &self,
        work: impl FnMut(&mut Work<'_>) -> Result<(), Fault> + Send + 'static,
    ) {
        self.send(Task {
            work,
            done: None,
            reply: None,
        });
    }

    /// Asks the thread to end when it has done what was left before.
    pub(super) fn close(&self) {
        // A thread that has ended already needs no telling.
        let _ = self.queue.send(Message::Close);
    }

    fn send(&self, job: impl Job + 'static) {
        // To a thread that has ended this drops the job, and with it the reply's sender: its caller learns of it there.
        let _ = self.queue.send(Message::Do(Box::new(job)));
    }
}

impl Thread {
    pub(super) fn new(
        name: Arc<str>,
        conn: Connection,
        usage: Usage,
        memory: Arc<Memory>,
        clock: Arc<dyn Clock>,
        housekeeping: Housekeeping,
    ) -> Self {
        Self {
            conn,
            usage,
            memory,
            clock,
            housekeeping,
            name,
        }
    }

    fn run(mut self, messages: &mpsc::Receiver<Message>) {
        let mut tidy_at = Instant::now();
        loop {
            let (batch, open) = gather(messages, tidy_at);
            let tidy = Instant::now() >= tidy_at;
            self.commit(batch);
            if tidy {
                let more = self.tidy();
                tidy_at = Instant::now() + if more { Duration::ZERO } else { HOUSEKEEPING };
            }
            if !open {
                return;
            }
        }
    }

    /// Does a batch in one transaction. If one of it fails, each is done in its own, so that only the one at fault fails.
    fn commit(&mut self, mut batch: Vec<Box<dyn Job>>) {
        if batch.is_empty() {
            return;
        }
        let outcome =
            self.transact(|work| batch.iter_mut().try_for_each(|job| Ok(job.work(work)?)));
        match outcome {
            Ok(()) => batch.into_iter().for_each(|job| job.answer(Ok(()))),
            Err(error) if batch.len() == 1 || is_of_the_disk(&error) => {
                let error = failure(&self.name, &error);
                batch
                    .into_iter()
                    .for_each(|job| job.answer(Err(error.clone())));
            }
            Err(_) => batch.into_iter().for_each(|job| self.commit(vec![job])),
        }
    }

    fn tidy(&mut self) -> bool {
        let mut housekeeping = std::mem::replace(&mut self.housekeeping, Box::new(|_| Ok(false)));
        let mut more = false;
        let outcome = self.transact(|work| {
            more = housekeeping(work)?;
            Ok(())
        });
        self.housekeeping = housekeeping;
        if let Err(error) = &outcome {
            tracing::warn!(error = %failure(&self.name, error), "old entries could not be dropped; trying again later");
        }
        more && outcome.is_ok()
    }

    fn transact(
        &mut self,
        run: impl FnOnce(&mut Work<'_>) -> Result<(), Fault>,
    ) -> Result<(), rusqlite::Error> {
        let mut work = Work {
            conn: &self.conn,
            memory: &self.memory,
            now: self.clock.now().as_microsecond(),
            usage: self.usage,
            orphans_settled: 0,
            effects: Vec::new(),
        };
        let begun = self
            .conn
            .prepare_cached("BEGIN IMMEDIATE")
            .and_then(|mut begin| begin.execute([]));
        let worked = begun.and_then(|_| match run(&mut work) {
            Ok(()) | Err(Fault::Refused(_)) => work.usage.store_changes(&self.conn, &self.usage),
            Err(Fault::Failed(error)) => Err(error),
        });
        let committed = worked.and_then(|()| self.conn.prepare_cached("COMMIT")?.execute([]));
        let Work { usage, effects, .. } = work;
        if let Err(error) = committed {
            // SQLite ends the transaction by itself for some errors.
            if !self.conn.is_autocommit()
                && let Err(error) = self.conn.execute_batch("ROLLBACK")
            {
                tracing::error!(%error, "a transaction could not be rolled back");
            }
            return Err(error);
        }
        self.usage = usage;
        effects.into_iter().for_each(|effect| effect(&self.memory));
        Ok(())
    }
}

impl Work<'_> {
    /// Does `effect` in memory once what was written is on the disk.
    pub(super) fn afterwards(&mut self, effect: impl FnOnce(&Memory) + Send + 'static) {
        self.effects.push(Box::new(effect));
    }

    /// Runs one statement; how many rows it changed.
    pub(super) fn execute(
        &self,
        sql: &str,
        params: impl rusqlite::Params,
    ) -> Result<usize, rusqlite::Error> {
        self.conn.prepare_cached(sql)?.execute(params)
    }
}

impl<F, R> Job for Task<F, R>
where
    F: FnMut(&mut Work<'_>) -> Result<R, Fault> + Send,
    R: Send,
{
    fn work(&mut self, work: &mut Work<'_>) -> Result<(), rusqlite::Error> {
        self.done = Some(match (self.work)(work) {
            Ok(value) => Ok(value),
            Err(Fault::Refused(error)) => Err(error),
            Err(Fault::Failed(error)) => return Err(error),
        });
        Ok(())
    }

    fn answer(self: Box<Self>, committed: Result<(), Error>) {
        let Self { done, reply, .. } = *self;
        let outcome = committed.and_then(|()| done.expect("it was worked on before the commit"));
        match (reply, outcome) {
            // A caller that has gone away wants no answer.
            (Some(reply), outcome) => drop(reply.send(outcome)),
            (None, Ok(_)) => {}
            (None, Err(error)) => tracing::warn!(%error, "a note was not stored"),
        }
    }
}

/// What waits now, or comes until `until`; and whether more may come after it.
fn gather(messages: &mpsc::Receiver<Message>, until: Instant) -> (Vec<Box<dyn Job>>, bool) {
    let mut batch = Vec::new();
    let first = messages.recv_timeout(until.saturating_duration_since(Instant::now()));
    let mut next = match first {
        Ok(message) => Some(message),
        Err(mpsc::RecvTimeoutError::Timeout) => None,
        Err(mpsc::RecvTimeoutError::Disconnected) => return (batch, false),
    };
    while let Some(message) = next {
        match message {
            Message::Do(job) => batch.push(job),
            Message::Close => return (batch, false),
        }
        next = if batch.len() < BATCH {
            messages.try_recv().ok()
        } else {
            None
        };
    }
    (batch, true)
}

#[cfg(test)]
mod tests;
