//! The logs: events on their way, and what became of them.

use super::Error;
use crate::event::{Event, Proven};
use crate::name::TriggerName;
use crate::outcome::{DeadLetter, Outcome};
use async_trait::async_trait;
use futures::stream::BoxStream;
use jiff::Timestamp;
use std::time::Duration;

/// Where an entry stands in its log: from 1, growing, never used twice.
pub type Sequence = u64;

/// An entry of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored<T> {
    /// Where it stands.
    pub sequence: Sequence,
    /// When the log took it.
    pub stored_at: Timestamp,
    /// What it is.
    pub value: T,
}

/// The log's acknowledgement of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Receipt {
    /// Where the event stands: for a duplicate, where its first copy does, if the backend knows.
    pub sequence: Sequence,
    /// Whether the log held an event of this id already, and so did not store this one.
    pub duplicate: bool,
}

/// Which entries to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    /// Those with a larger sequence than this.
    pub after: Sequence,
    /// Whether to go on with what is stored later, without end, or to stop at what is stored now.
    pub live: bool,
}

/// Entries, in order.
pub type Entries<T> = BoxStream<'static, Result<Stored<T>, Error>>;

/// A trigger's durable place in the event log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscription {
    /// The trigger. What is addressed to it, and its ticks, are always delivered.
    pub trigger: TriggerName,
    /// Patterns of signal types that are delivered too: NATS wildcards, such as `workflow.*` or `workflow.>`.
    pub signals: Vec<String>,
    /// How long a delivery stays its holder's without a sign of life. After that it is delivered again.
    pub claim: Duration,
}

/// The event log. It takes only events that carry a proof of origin. Publishing is durable and idempotent; delivery is at least
/// once, in the order of the log for first deliveries, each entry to one holder at a time. What waits for its retry holds up nothing
/// fresh; how much a holder takes at once is its own affair.
#[async_trait]
pub trait EventLog: Send + Sync {
    /// Stores an event. When it returns, the event is stored and survives the death of any one process; an id that the log
    /// holds already (at least: one published within the backend's window, two minutes or more) is not stored again.
    ///
    /// # Errors
    /// [`Error::Full`] without having dropped anything; [`Error::TooLarge`]; [`Error::Unavailable`], after which the event may
    /// be stored or not: publishing it again is safe.
    async fn publish(&self, event: &Proven) -> Result<Receipt, Error>;

    /// Whether the event is one that [`EventLog::publish`] takes, as far as can be told without the log: what is kept elsewhere while
    /// the log is away must be wanted when it is back.
    ///
    /// # Errors
    /// [`Error::TooLarge`], [`Error::Refused`].
    fn fits(&self, event: &Proven) -> Result<(), Error> {
        let _ = event;
        Ok(())
    }

    /// Makes the trigger's durable place in the log, or changes it and keeps its position. A new one begins with what is
    /// published after this returns.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Refused`].
    async fn subscribe(&self, subscription: &Subscription) -> Result<(), Error>;

    /// Forgets the trigger's place and what it had left to do. Nothing to forget is no error.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    async fn unsubscribe(&self, trigger: &TriggerName) -> Result<(), Error>;

    /// A reader of the trigger's deliveries. Several share the work.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the trigger has no place in the log; [`Error::Unavailable`].
    async fn consumer(&self, trigger: &TriggerName) -> Result<Box<dyn Consumer>, Error>;

    /// How many events wait for the trigger or are being tried.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Unavailable`].
    async fn backlog(&self, trigger: &TriggerName) -> Result<u64, Error>;

    /// Reads the log without claiming anything.
    ///
    /// # Errors
    /// [`Error::Unavailable`]; entries that cannot be read are [`Error::Corrupt`] in the stream, which goes on after them.
    async fn read(&self, range: Range) -> Result<Entries<Event>, Error>;

    /// The entry at a sequence, if it is still kept.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Corrupt`].
    async fn get(&self, sequence: Sequence) -> Result<Option<Stored<Event>>, Error>;

    /// Returns if the log can take events now, as far as can be told without publishing one.
    ///
    /// # Errors
    /// Why it cannot.
    async fn ping(&self) -> Result<(), Error>;
}

/// A reader of one trigger's deliveries.
#[async_trait]
pub trait Consumer: Send {
    /// Waits until there is at least one delivery, and claims up to `max` that are there. A future that is dropped before it is
    /// ready may leave claims behind, which end by themselves.
    ///
    /// # Errors
    /// [`Error::Unavailable`]: call again, it reconnects; [`Error::NotFound`] once the trigger is unsubscribed.
    async fn next(&mut self, max: usize) -> Result<Vec<Delivery>, Error>;
}

/// One event, claimed. Dropped without a word, it is delivered again when its claim ends.
pub struct Delivery {
    /// The event.
    pub event: Event,
    /// Where it stands in the log.
    pub sequence: Sequence,
    /// Which attempt this is, from 1. Attempts that ended with their holder's death count.
    pub attempt: u32,
    /// What settles it.
    pub claim: Box<dyn Claim>,
}

/// The hold on one delivery.
#[async_trait]
pub trait Claim: Send + Sync {
    /// Keeps the delivery its holder's for another claim time.
    ///
    /// # Errors
    /// [`Error::Unavailable`]; [`Error::Refused`] where the backend knows that the claim has ended already.
    async fn extend(&self) -> Result<(), Error>;

    /// Settles it: it is not delivered again. Returns when that is durable.
    ///
    /// # Errors
    /// [`Error::Unavailable`], after which it may be delivered again.
    async fn ack(self: Box<Self>) -> Result<(), Error>;

    /// Hands it back, to be delivered again after `delay`, and never before.
    ///
    /// # Errors
    /// [`Error::Unavailable`], after which it is delivered again when the claim ends.
    async fn retry_after(self: Box<Self>, delay: Duration) -> Result<(), Error>;

    /// Settles it as one that nobody will try again. Its dead letter is recorded before, by the caller.
    ///
    /// # Errors
    /// [`Error::Unavailable`], after which it may be delivered again.
    async fn give_up(self: Box<Self>) -> Result<(), Error>;
}

/// What became of events. Append only, but for dead letters, which are kept until they are discarded.
#[async_trait]
pub trait OutcomeLog: Send + Sync {
    /// Records an outcome. Durable when it returns. The same outcome (event, trigger, attempt, token) is recorded once within
    /// the backend's window.
    ///
    /// # Errors
    /// [`Error::Unavailable`]. Old outcomes make room for new ones, so this log is never full.
    async fn record(&self, outcome: &Outcome) -> Result<Sequence, Error>;

    /// Keeps a dead letter. Durable when it returns; the same event and trigger is kept once within the backend's window.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Full`].
    async fn bury(&self, letter: &DeadLetter) -> Result<Sequence, Error>;

    /// Reads the outcomes.
    ///
    /// # Errors
    /// [`Error::Unavailable`]; entries that cannot be read are [`Error::Corrupt`] in the stream, which goes on after them.
    async fn outcomes(&self, range: Range) -> Result<Entries<Outcome>, Error>;

    /// Reads the dead letters.
    ///
    /// # Errors
    /// As [`OutcomeLog::outcomes`].
    async fn dead_letters(&self, range: Range) -> Result<Entries<DeadLetter>, Error>;

    /// Drops a dead letter that was replayed or is not wanted. Answers whether it was there.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    async fn discard(&self, sequence: Sequence) -> Result<bool, Error>;
}
