//! The one thread that touches the disk. It adds all events that wait for it at once, so that they share one fsync (group
//! commit), and then does what else it is asked.

use super::frame::Frame;
use super::keys::Key;
use super::shelf::{Entry, Shelf, Spot};
use super::{Appended, Error, Shared};
use crate::outage::Outage;
use jiff::Timestamp;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender, TryRecvError};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// How many events may share one fsync, so that the first does not wait long for the last.
const GROUP: usize = 1024;

/// How many bytes of events may share one fsync, for the same reason; the last may exceed it.
const GROUP_BYTES: u64 = 4 << 20;

/// After how many drained events the position is kept, at the latest.
const KEEP_EVERY: u64 = 256;

/// How old a position that is not kept may get.
const KEEP_WITHIN: Duration = Duration::from_millis(100);

/// Something for the thread to do.
pub(super) enum Order {
    /// Add an event.
    Append(Append),
    /// Read the next events, at most so many, after a spot or from the first on.
    Read(
        Option<Spot>,
        usize,
        oneshot::Sender<Result<Vec<Entry>, Error>>,
    ),
    /// The event log has the event at this spot and all before it.
    Settle(Settled),
    /// Put the event at this spot aside, as this text.
    Refuse(Spot, Vec<u8>, oneshot::Sender<Result<(), Error>>),
    /// Stop.
    Close(oneshot::Sender<()>),
}

/// An event to be added, and who waits for it.
pub(super) struct Append {
    pub(super) frame: Frame,
    pub(super) spooled: Timestamp,
    pub(super) key: Key,
    pub(super) reply: oneshot::Sender<Result<Appended, Error>>,
}

/// An event that need not wait any more.
pub(super) struct Settled {
    pub(super) spot: Spot,
    pub(super) key: Key,
    /// When the one after it was spooled, if that is known.
    pub(super) next: Option<Timestamp>,
}

/// The thread's own.
pub(super) struct Thread {
    shelf: Shelf,
    shared: Arc<Shared>,
    /// When the position was kept last, or was to be.
    kept: Instant,
    adding: Outage,
    keeping: Outage,
}

impl Thread {
    /// Starts it. It ends when it is told to, or when nobody can ask it for anything.
    pub(super) fn start(shelf: Shelf, shared: Arc<Shared>) -> Result<Sender<Order>, Error> {
        let path = shelf.path().to_owned();
        let (orders, waiting) = mpsc::channel();
        shared.publish(&shelf);
        let thread = Self {
            shelf,
            shared,
            kept: Instant::now(),
            adding: Outage::new(
                "adding to the spool",
                "deliveries that the event log does not take are refused until it works",
            ),
            keeping: Outage::new(
                "keeping the spool's position",
                "after a crash more events would be stored again, under their ids",
            ),
        };
        std::thread::Builder::new()
            .name("belfry-spool".into())
            .spawn(move || thread.run(&waiting))
            .map_err(|error| Error::io("thread does not start", &path, &error))?;
        Ok(orders)
    }

    fn run(mut self, waiting: &Receiver<Order>) {
        let mut last_words = None;
        while last_words.is_none() {
            let Some(orders) = self.gather(waiting) else {
                break;
            };
            let mut group = Vec::new();
            let mut others = Vec::new();
            for order in orders {
                match order {
                    Order::Append(append) => group.push(append),
                    other => others.push(other),
                }
            }
            self.append(group);
            for order in others {
                match order {
                    Order::Close(reply) => last_words = Some(reply),
                    order => self.carry_out(order),
                }
            }
            if self.is_due() {
                self.keep();
            }
        }
        self.keep();
        let shared = self.shared.clone();
        // The hold on the directory ends before anyone hears of it.
        drop(self);
        // A drain that waits shall see that nothing will come.
        shared.filled.notify_one();
        if let Some(reply) = last_words {
            let _ = reply.send(());
        }
    }

    /// Waits for something to do, and takes all that is there. `None` if there will never be anything.
    fn gather(&self, waiting: &Receiver<Order>) -> Option<Vec<Order>> {
        let first = if self.shelf.unkept() == 0 {
            waiting.recv().ok()?
        } else {
            let left = KEEP_WITHIN.saturating_sub(self.kept.elapsed());
            match waiting.recv_timeout(left) {
                Ok(order) => order,
                Err(RecvTimeoutError::Timeout) => return Some(Vec::new()),
                Err(RecvTimeoutError::Disconnected) => return None,
            }
        };
        let mut bytes = first.bytes();
        let mut orders = vec![first];
        while orders.len() < GROUP && bytes < GROUP_BYTES {
            match waiting.try_recv() {
                Ok(order) => {
                    bytes += order.bytes();
                    orders.push(order);
                }
                Err(TryRecvError::Empty | TryRecvError::Disconnected) => break,
            }
        }
        Some(orders)
    }

    /// Adds a group of events, each id once.
    fn append(&mut self, group: Vec<Append>) {
        if group.is_empty() {
            return;
        }
        let mut first_of: HashMap<Key, usize> = HashMap::new();
        let mut fresh: Vec<Append> = Vec::with_capacity(group.len());
        let mut repeated = Vec::new();
        for append in group {
            if self.shared.keys.contains(append.key) {
                answer(append, Ok(Appended::Known));
            } else if let Some(&first) = first_of.get(&append.key) {
                repeated.push((first, append));
            } else {
                first_of.insert(append.key, fresh.len());
                fresh.push(append);
            }
        }
        if fresh.is_empty() {
            return;
        }
        let added = self.shelf.add(&mut fresh);
        let pairs = fresh.iter().zip(&added);
        let durable = pairs.filter_map(|(append, outcome)| outcome.is_ok().then_some(append.key));
        self.shared.keys.add(durable);
        self.shared.publish(&self.shelf);
        if added.iter().any(Result::is_ok) {
            self.shared.filled.notify_one();
        }
        for (first, append) in repeated {
            answer(append, added[first].clone().map(|()| Appended::Known));
        }
        for (append, outcome) in fresh.into_iter().zip(added) {
            let outcome = self.adding.note(outcome);
            answer(append, outcome.map(|()| Appended::New));
        }
    }

    fn carry_out(&mut self, order: Order) {
        match order {
            Order::Read(after, most, reply) => {
                let found = self.shelf.read(after, most, &self.shared.keys);
                self.shared.publish(&self.shelf);
                let _ = reply.send(found);
            }
            Order::Settle(Settled { spot, key, next }) => {
                self.shelf.settle(spot, next);
                self.shared.keys.remove(key);
                if self.shelf.depth() == 0 {
                    self.shared.keys.clear();
                }
                self.shared.publish(&self.shelf);
            }
            Order::Refuse(spot, text, reply) => {
                let done = self.shelf.refuse(spot, &text);
                self.shared.publish(&self.shelf);
                let _ = reply.send(done);
            }
            // These are taken care of where the group is put together.
            Order::Append(append) => self.append(vec![append]),
            Order::Close(reply) => drop(reply),
        }
    }

    fn is_due(&self) -> bool {
        let unkept = self.shelf.unkept();
        let much = unkept >= KEEP_EVERY || self.shelf.depth() == 0;
        unkept > 0 && (much || self.kept.elapsed() >= KEEP_WITHIN)
    }

    fn keep(&mut self) {
        if self.shelf.unkept() > 0 {
            // What this failure means is logged; the next try is not far.
            let _ = self.keeping.note(self.shelf.keep());
            self.kept = Instant::now();
            self.shared.publish(&self.shelf);
        }
    }
}

impl Order {
    fn bytes(&self) -> u64 {
        match self {
            Self::Append(append) => append.frame.len(),
            _ => 0,
        }
    }
}

fn answer(append: Append, outcome: Result<Appended, Error>) {
    // Who went away needs no answer.
    let _ = append.reply.send(outcome);
}
