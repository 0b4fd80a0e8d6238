//! Where deliveries wait on the gateway's own disk while the event log cannot take them.
//!
//! [`Spool::append`] returns once the event is on the disk, so that the delivery may be answered. [`Spool::drain`] stores what
//! waits in the event log, in the order in which it was spooled, under the ids that it has. An event is taken out only once the
//! log has it, so a crash in between stores it again: its id is the same, and the log keeps one event an id.
//!
//! The spool promises no order towards deliveries that go to the log directly. Once the log is back, new ones do so at once,
//! while older ones may still be on their way out of here: holding the new ones up for them would make each outage longer, and
//! no provider promises the order of its deliveries either.
//!
//! On the disk there are *segments*, files to which records are only ever added, and the *position*, how far they are drained.
//! One thread reads and writes them. What is damaged is never dropped without a word: its bytes are kept in a `.bad` file beside
//! the segments, and what the event log does not take, in `refused/`. An operator may remove both.

mod directory;
mod disk;
mod drain;
mod frame;
mod keys;
mod position;
mod recovery;
mod shelf;
mod thread;

use belfry_mesh::port::clock::Clock;
use belfry_mesh::{EventId, Proven};
use directory::{Aside, Directory};
use disk::Disk;
use frame::{Frame, Mark};
use jiff::Timestamp;
use keys::Keys;
use shelf::Shelf;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use thread::{Order, Thread};
use tokio::sync::{Mutex, Notify, oneshot};

/// Where a spool is and how much it may hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The directory. It is made if it is not there, for its owner only. One gateway at a time may use it.
    pub directory: PathBuf,
    /// How much may lie in it, in bytes: the segments and what was set aside. Default 1 GiB. What is drained is freed a segment
    /// at a time.
    pub max_bytes: u64,
    /// From which size on a segment gets no more records, in bytes. Default 16 MiB, at most 64 MiB, since one is read into
    /// memory when the spool is opened.
    pub segment_bytes: u64,
}

/// Events on the disk, on their way to the event log. Dropped without [`Spool::close`], it lets go of its directory a moment
/// later.
pub struct Spool {
    orders: mpsc::Sender<Order>,
    shared: Arc<Shared>,
    clock: Arc<dyn Clock>,
    /// There is one drain at a time.
    draining: Mutex<()>,
}

/// What became of an event that was to be spooled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Appended {
    /// It is on the disk now.
    New,
    /// An event of this id was there already, so this one was not added.
    Known,
}

/// What a spool holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Standing {
    /// How many events wait.
    pub depth: u64,
    /// How many bytes the segments take on the disk, those of drained events that are not freed yet included.
    pub bytes: u64,
    /// When the event that waits longest was spooled, as far as is known without reading the disk: never too late.
    pub oldest: Option<Timestamp>,
    /// How many damaged stretches and refused events lie beside the segments.
    pub set_aside: u64,
}

/// Why a spool cannot be opened, or did not take an event.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A value of the [`Config`] is out of its bounds.
    #[error("spool setting `{setting}` must be {bound}")]
    Config {
        /// The setting.
        setting: &'static str,
        /// What it must be.
        bound: &'static str,
    },
    /// Another process, or another spool of this one, uses the directory.
    #[error("the spool's directory {} is in use by another gateway; give each its own", directory.display())]
    Held {
        /// The directory.
        directory: PathBuf,
    },
    /// It holds as much as it may.
    #[error(
        "the spool is full: it may take {max_bytes} bytes on the disk; let it drain or raise its limit"
    )]
    Full {
        /// [`Config::max_bytes`].
        max_bytes: u64,
    },
    /// The disk failed or is full. Nothing was added; a later event may succeed.
    #[error("the spool's {} {what}: {why}", path.display())]
    Io {
        /// What failed.
        what: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        why: String,
    },
    /// It is closed.
    #[error("the spool is closed")]
    Closed,
}

/// What the thread tells everybody.
#[derive(Default)]
struct Shared {
    depth: AtomicU64,
    bytes: AtomicU64,
    /// Microseconds since 1970. Means nothing while nothing waits.
    oldest: AtomicI64,
    set_aside: AtomicU64,
    keys: Keys,
    /// There is something to drain.
    filled: Notify,
}

impl Config {
    /// A spool in this directory, with the defaults for the rest.
    #[must_use]
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self {
            directory: directory.into(),
            max_bytes: 1 << 30,
            segment_bytes: 16 << 20,
        }
    }

    /// Checks the bounds.
    ///
    /// # Errors
    /// [`Error::Config`].
    pub fn check(&self) -> Result<(), Error> {
        let bounds = [
            (
                (1..=64 << 20).contains(&self.segment_bytes),
                "segment_bytes",
                "1 byte to 64 MiB",
            ),
            (
                self.max_bytes >= self.segment_bytes,
                "max_bytes",
                "at least `segment_bytes`",
            ),
        ];
        match bounds.into_iter().find(|(kept, ..)| !kept) {
            Some((_, setting, bound)) => Err(Error::Config { setting, bound }),
            None => Ok(()),
        }
    }
}

impl Spool {
    /// Opens the spool and takes up what the last one left. It reads all of that, so call it before deliveries are taken, or on a
    /// thread that may block. `random` draws 64 bits for each new segment, which a sender must not be able to guess.
    ///
    /// # Errors
    /// [`Error::Config`]; [`Error::Held`]; [`Error::Io`] if the directory cannot be used.
    pub fn open(
        config: Config,
        clock: Arc<dyn Clock>,
        random: impl FnMut() -> u64 + Send + 'static,
    ) -> Result<Self, Error> {
        Self::open_on(config, clock, random, Box::new(disk::Files))
    }

    fn open_on(
        config: Config,
        clock: Arc<dyn Clock>,
        mut random: impl FnMut() -> u64 + Send + 'static,
        disk: Box<dyn Disk>,
    ) -> Result<Self, Error> {
        config.check()?;
        let directory = Directory::open(&config.directory)?;
        let shared = Arc::new(Shared::default());
        let recovered = recovery::recover(&directory, &shared.keys)?;
        let marks = Box::new(move || Mark::new(random()));
        let shelf = Shelf::new(directory, recovered, config, disk, marks)?;
        let orders = Thread::start(shelf, shared.clone())?;
        Ok(Self {
            orders,
            shared,
            clock,
            draining: Mutex::default(),
        })
    }

    /// Adds an event. When this returns it is on the disk and survives the death of this process and of the machine. Those who
    /// wait at the same time share one fsync. A caller that goes away interrupts nothing.
    ///
    /// # Errors
    /// [`Error::Full`], [`Error::Io`] (a full disk, for one), [`Error::Closed`]. The event is not acknowledged then and may be
    /// repeated; after a failing fsync the next start may find it all the same, under its id.
    pub async fn append(&self, event: &Proven) -> Result<Appended, Error> {
        let spooled = self.clock.now();
        let frame = Frame::new(event, spooled).ok_or(Error::Full {
            max_bytes: u64::from(u32::MAX),
        })?;
        let (reply, answer) = oneshot::channel();
        let order = Order::Append(thread::Append {
            frame,
            spooled,
            key: self.shared.keys.of(&event.event().id),
            reply,
        });
        self.orders.send(order).map_err(|_| Error::Closed)?;
        answer.await.unwrap_or(Err(Error::Closed))
    }

    /// Whether an event of this id waits here. Then it is on the disk, and a repetition of its delivery is a duplicate. It costs
    /// one load while nothing waits.
    #[must_use]
    pub fn contains(&self, id: &EventId) -> bool {
        !self.is_empty() && self.shared.keys.contains(self.shared.keys.of(id))
    }

    /// Whether nothing waits. It costs one load.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.shared.depth.load(Ordering::Acquire) == 0
    }

    /// What it holds. It costs a few loads.
    #[must_use]
    pub fn status(&self) -> Standing {
        let depth = self.shared.depth.load(Ordering::Acquire);
        let oldest = (depth > 0).then(|| self.shared.oldest.load(Ordering::Relaxed));
        Standing {
            depth,
            bytes: self.shared.bytes.load(Ordering::Relaxed),
            oldest: oldest.and_then(|oldest| Timestamp::from_microsecond(oldest).ok()),
            set_aside: self.shared.set_aside.load(Ordering::Relaxed),
        }
    }

    /// Finishes what was asked before, keeps the position and lets go of the directory. What waits stays for the next start.
    /// After it, and for whoever calls it again, everything is [`Error::Closed`].
    pub async fn close(&self) {
        let (reply, done) = oneshot::channel();
        if self.orders.send(Order::Close(reply)).is_ok() {
            // Without an answer the thread has ended, and with it its hold.
            let _ = done.await;
        }
    }
}

impl Error {
    fn io(what: &'static str, path: &Path, error: &io::Error) -> Self {
        Self::Io {
            what,
            path: path.to_owned(),
            why: error.to_string(),
        }
    }
}

impl Shared {
    /// Lets everybody know what the shelf holds.
    fn publish(&self, shelf: &Shelf) {
        let Aside { count, .. } = shelf.aside();
        self.bytes.store(shelf.bytes(), Ordering::Relaxed);
        self.set_aside.store(count, Ordering::Relaxed);
        if let Some(oldest) = shelf.oldest() {
            self.oldest
                .store(oldest.as_microsecond(), Ordering::Relaxed);
        }
        self.depth.store(shelf.depth(), Ordering::Release);
    }
}

#[cfg(test)]
mod tests;
