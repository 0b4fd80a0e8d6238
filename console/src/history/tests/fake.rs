//! Logs in memory that can be broken, and replaced by others.

use super::{id, trigger};
use crate::history::Logs;
use async_trait::async_trait;
use belfry_mesh::event::{Address, Event, Proven};
use belfry_mesh::outcome::{DeadLetter, Holder, Outcome, Status};
use belfry_mesh::port::Error;
use belfry_mesh::port::clock::Clock;
use belfry_mesh::port::log::{
    Consumer, Entries, EventLog, OutcomeLog, Range, Receipt, Sequence, Stored, Subscription,
};
use belfry_mesh::{NodeName, TriggerName};
use bytes::Bytes;
use futures::StreamExt;
use jiff::Timestamp;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::watch;

/// All three logs, and a clock that stands at what was stored last.
pub(super) struct Fake {
    pub(super) events: Shelf<Event>,
    pub(super) outcomes: Shelf<Outcome>,
    pub(super) letters: Shelf<DeadLetter>,
    now: AtomicI64,
}

/// One log.
pub(super) struct Shelf<T> {
    content: watch::Sender<Content<T>>,
    /// The ranges that were read.
    pub(super) read: Mutex<Vec<Range>>,
}

#[derive(Clone)]
struct Content<T> {
    entries: Vec<(Sequence, Result<Stored<T>, Error>)>,
    next: Sequence,
    /// Grows when the log is replaced: then a reader begins anew, as a subscription does that outlives its log.
    generation: u64,
    down: bool,
}

impl Fake {
    pub(super) fn new() -> Arc<Self> {
        let start: Timestamp = "2026-11-22T08:00:00Z".parse().unwrap();
        Arc::new(Self {
            events: Shelf::new(),
            outcomes: Shelf::new(),
            letters: Shelf::new(),
            now: AtomicI64::new(start.as_microsecond()),
        })
    }

    pub(super) fn logs(self: &Arc<Self>) -> Logs {
        Logs {
            events: self.clone(),
            outcomes: self.clone(),
            clock: self.clone(),
        }
    }

    /// Lets time pass.
    pub(super) fn wait(&self, time: Duration) {
        self.now
            .fetch_add(i64::try_from(time.as_micros()).unwrap(), Ordering::SeqCst);
    }

    /// Stores an event for the trigger `t`, a millisecond after whatever was stored last.
    pub(super) fn event(&self, id: &str) -> Sequence {
        self.event_for(id, "t")
    }

    pub(super) fn event_for(&self, id: &str, trigger: &str) -> Sequence {
        self.store_event(event(id, trigger))
    }

    pub(super) fn store_event(&self, event: Event) -> Sequence {
        self.wait(Duration::from_millis(1));
        self.events.push(event, self.now())
    }

    pub(super) fn outcome(&self, event: &str, attempt: u32, status: Status) -> Sequence {
        self.wait(Duration::from_millis(1));
        self.outcomes
            .push(outcome(event, attempt, status), self.now())
    }

    pub(super) fn bury(&self, event_id: &str) -> Sequence {
        self.wait(Duration::from_millis(1));
        let letter = DeadLetter {
            event: event(event_id, "t"),
            outcome: outcome(event_id, 8, Status::Dead),
        };
        self.letters.push(letter, self.now())
    }
}

pub(super) fn event(text: &str, to: &str) -> Event {
    Event {
        id: id(text),
        source: format!("/hooks/{to}"),
        event_type: "com.github.push".into(),
        subject: None,
        time: "2026-11-22T08:00:00.123456789Z".parse().unwrap(),
        content_type: Some("application/json".into()),
        data: Bytes::from_static(b"{\"n\": 1}"),
        address: Address::Trigger(trigger(to)),
        delivery_id: Some(format!("delivery-{text}")),
        replay_of: None,
        answer_to: None,
        headers: Vec::new(),
        trace: None,
    }
}

pub(super) fn outcome(event: &str, attempt: u32, status: Status) -> Outcome {
    Outcome {
        event_id: id(event),
        trigger: trigger("t"),
        attempt,
        status,
        reason: None,
        http_status: Some(200),
        execution_id: (status == Status::Triggered).then(|| format!("exec-{event}")),
        latency_ms: 12,
        at: "2026-11-22T08:00:01Z".parse().unwrap(),
        retry_at: None,
        by: Holder {
            node: NodeName::parse("n1").unwrap(),
            slot: 0,
            token: 1,
            revision: 1,
        },
    }
}

impl<T: Clone + Send + Sync + 'static> Shelf<T> {
    fn new() -> Self {
        let content = Content {
            entries: Vec::new(),
            next: 1,
            generation: 0,
            down: false,
        };
        Self {
            content: watch::Sender::new(content),
            read: Mutex::default(),
        }
    }

    fn push(&self, value: T, stored_at: Timestamp) -> Sequence {
        let mut sequence = 0;
        self.content.send_modify(|content| {
            sequence = content.next;
            content.next += 1;
            content.entries.push((
                sequence,
                Ok(Stored {
                    sequence,
                    stored_at,
                    value,
                }),
            ));
        });
        sequence
    }

    pub(super) fn push_unreadable(&self) {
        self.content.send_modify(|content| {
            content.entries.push((
                content.next,
                Err(Error::Corrupt {
                    what: "an entry".into(),
                    why: "it is gibberish".into(),
                }),
            ));
            content.next += 1;
        });
    }

    /// Puts an empty log in its place.
    pub(super) fn replace(&self) {
        self.content.send_modify(|content| {
            *content = Content {
                entries: Vec::new(),
                next: 1,
                generation: content.generation + 1,
                down: content.down,
            };
        });
    }

    /// Lets the log begin anew with what it holds, as one that sends twice.
    pub(super) fn send_again(&self) {
        self.content.send_modify(|content| content.generation += 1);
    }

    /// Drops what has been stored.
    pub(super) fn expire(&self) {
        self.content.send_modify(|content| content.entries.clear());
    }

    pub(super) fn discard(&self, sequence: Sequence) -> bool {
        let before = self.content.borrow().entries.len();
        self.content.send_modify(|content| {
            content.entries.retain(|entry| entry.0 != sequence);
        });
        self.content.borrow().entries.len() < before
    }

    pub(super) fn set_down(&self, down: bool) {
        self.content.send_modify(|content| content.down = down);
    }

    fn entries(&self, range: Range) -> Entries<T> {
        self.read.lock().unwrap().push(range);
        let watch = self.content.subscribe();
        let (generation, last) = {
            let content = watch.borrow();
            (
                content.generation,
                if range.live {
                    Sequence::MAX
                } else {
                    content.next - 1
                },
            )
        };
        let reader = Reader {
            watch,
            generation,
            after: range.after,
            last,
            failed: false,
        };
        futures::stream::unfold(reader, Reader::next).boxed()
    }
}

struct Reader<T> {
    watch: watch::Receiver<Content<T>>,
    generation: u64,
    after: Sequence,
    last: Sequence,
    failed: bool,
}

impl<T: Clone + Send + Sync + 'static> Reader<T> {
    async fn next(mut self) -> Option<(Result<Stored<T>, Error>, Self)> {
        if self.failed {
            return None;
        }
        loop {
            if let Some(entry) = self.look() {
                return Some((entry, self));
            }
            if self.last < Sequence::MAX {
                return None;
            }
            self.watch.changed().await.ok()?;
        }
    }

    fn look(&mut self) -> Option<Result<Stored<T>, Error>> {
        let content = self.watch.borrow_and_update();
        if content.down {
            self.failed = true;
            return Some(Err(unavailable()));
        }
        if content.generation != self.generation {
            (self.generation, self.after) = (content.generation, 0);
        }
        let at = content
            .entries
            .partition_point(|entry| entry.0 <= self.after);
        let (sequence, entry) = content
            .entries
            .get(at)
            .filter(|entry| entry.0 <= self.last)?;
        self.after = *sequence;
        Some(entry.clone())
    }
}

fn unavailable() -> Error {
    Error::Unavailable {
        what: "the log".into(),
        why: "the test broke it".into(),
    }
}

fn not_here<T>() -> Result<T, Error> {
    Err(Error::Refused {
        what: "the fake log".into(),
        why: "the history does not ask for this".into(),
    })
}

#[async_trait]
impl EventLog for Fake {
    async fn publish(&self, _: &Proven) -> Result<Receipt, Error> {
        not_here()
    }
    async fn subscribe(&self, _: &Subscription) -> Result<(), Error> {
        not_here()
    }
    async fn unsubscribe(&self, _: &TriggerName) -> Result<(), Error> {
        not_here()
    }
    async fn consumer(&self, _: &TriggerName) -> Result<Box<dyn Consumer>, Error> {
        not_here()
    }
    async fn backlog(&self, _: &TriggerName) -> Result<u64, Error> {
        not_here()
    }
    async fn read(&self, range: Range) -> Result<Entries<Event>, Error> {
        Ok(self.events.entries(range))
    }
    async fn get(&self, _: Sequence) -> Result<Option<Stored<Event>>, Error> {
        not_here()
    }
    async fn ping(&self) -> Result<(), Error> {
        not_here()
    }
}

#[async_trait]
impl OutcomeLog for Fake {
    async fn record(&self, _: &Outcome) -> Result<Sequence, Error> {
        not_here()
    }
    async fn bury(&self, _: &DeadLetter) -> Result<Sequence, Error> {
        not_here()
    }
    async fn outcomes(&self, range: Range) -> Result<Entries<Outcome>, Error> {
        Ok(self.outcomes.entries(range))
    }
    async fn dead_letters(&self, range: Range) -> Result<Entries<DeadLetter>, Error> {
        Ok(self.letters.entries(range))
    }
    async fn discard(&self, sequence: Sequence) -> Result<bool, Error> {
        Ok(self.letters.discard(sequence))
    }
}

#[async_trait]
impl Clock for Fake {
    fn now(&self) -> Timestamp {
        Timestamp::from_microsecond(self.now.load(Ordering::SeqCst)).unwrap()
    }
    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}
