//! Where trigger containers run.

use crate::package::Manifest;
use crate::placement::Slot;
use crate::target::Target;
use async_trait::async_trait;
use futures::stream::BoxStream;
use jiff::Timestamp;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// What to run, complete: a runtime looks nothing up.
#[derive(Debug, Clone)]
pub struct Spec {
    /// The slot that it is for.
    pub slot: Slot,
    /// The trigger's revision.
    pub revision: u64,
    /// The package.
    pub manifest: Arc<Manifest>,
    /// What it runs. None of what takes no events.
    pub target: Option<Target>,
    /// Its environment, resolved on this node: the trigger contract's, the package's, the installer's, and its secrets.
    pub environment: BTreeMap<String, SecretString>,
    /// The variables of it that hold something of the node's secrets: they are for the container alone, and in no image's name,
    /// port or mount.
    pub concealed: BTreeSet<String>,
}

/// A container that a runtime runs for Belfry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance {
    /// The runtime's name for it.
    pub id: String,
    /// What people call it.
    pub container_name: String,
    /// The slot that it was made for.
    pub slot: Slot,
    /// The revision that it was made from.
    pub revision: u64,
    /// How it is.
    pub health: Health,
    /// Where it takes events: the whole URL of its `POST /event`. None while it has no address.
    pub event_url: Option<String>,
}

/// How an instance is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// It runs and has not answered its health check yet.
    Starting,
    /// It answers its health check.
    Healthy,
    /// It runs and fails its health check, for this reason.
    Unhealthy(String),
    /// It ended, with this status if it is known.
    Exited(Option<i64>),
}

/// The longest line of a log, in bytes; what is longer is cut.
pub const MAX_LINE: usize = 16 << 10;

/// What to read of an instance's log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Logs {
    /// How many of the lines that are there, at most: the last ones.
    pub lines: usize,
    /// Only lines that were written after that.
    pub after: Option<Timestamp>,
    /// Whether to go on with what is written from now on, until the instance ends.
    pub follow: bool,
}

impl Logs {
    /// The last lines that are there.
    #[must_use]
    pub fn last(lines: usize) -> Self {
        Self {
            lines,
            after: None,
            follow: false,
        }
    }
}

/// A line that an instance wrote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    /// When.
    pub at: Timestamp,
    /// What, without the line's end and of [`MAX_LINE`] bytes at most.
    pub text: String,
}

/// What an instance uses at a moment. None: its runtime cannot tell it from what else runs there.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Stats {
    /// Memory in bytes, without what the kernel keeps of files and would give back.
    pub memory_bytes: Option<u64>,
    /// Processor time since it was started, in seconds: those of all processors together.
    pub cpu_seconds: Option<f64>,
    /// Processes and threads.
    pub pids: Option<u64>,
}

/// Why a runtime did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The runtime cannot be reached; the same may work later.
    #[error("the {runtime} runtime is unavailable: {why}")]
    Unavailable {
        /// Which runtime.
        runtime: &'static str,
        /// What happened.
        why: String,
    },
    /// What is to run cannot: the manifest, the image, a port. It says what to do.
    #[error("{slot} cannot run: {why}")]
    Unrunnable {
        /// The slot.
        slot: Slot,
        /// What is wrong, and what to do.
        why: String,
    },
    /// There is no such instance, or no more.
    #[error("instance `{0}` does not exist")]
    NotFound(String),
}

/// A place where trigger containers run. It marks what it makes with slot and revision, so that an agent that was restarted finds
/// its instances again, and it touches nothing that it did not make.
#[async_trait]
pub trait Runtime: Send + Sync {
    /// What kind of runtime it is, such as `docker` or `in-process`.
    fn kind(&self) -> &'static str;

    /// Creates an instance and starts it. If one of the same slot and revision is there, that one is returned. It need not be
    /// healthy yet; one of another revision of the same slot stays beside it.
    ///
    /// # Errors
    /// See [`Error`]. Nothing half-made is left behind.
    async fn start(&self, spec: &Spec) -> Result<Instance, Error>;

    /// All instances that this runtime made and that are still there, in whatever state, with their health as it is now.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    async fn list(&self) -> Result<Vec<Instance>, Error>;

    /// Stops an instance, gives it `grace` to end by itself, and removes it. One that is not there is no error.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    async fn remove(&self, id: &str, grace: Duration) -> Result<(), Error>;

    /// What an instance wrote to its output and to its errors, in one order, oldest first. A line that has no end yet is told with
    /// the instance's end. A stream that follows ends when the instance ends.
    ///
    /// # Errors
    /// An item, and the last one: [`Error::NotFound`], [`Error::Unavailable`].
    fn logs(&self, id: &str, what: Logs) -> BoxStream<'static, Result<LogLine, Error>>;

    /// What an instance uses now. Of one that ended nothing is told.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Unavailable`].
    async fn stats(&self, id: &str) -> Result<Stats, Error>;

    /// Tells whenever the answer of [`list`](Self::list) may have changed, but for what only a health check finds out. It may tell
    /// once of several changes, and without any. It does not end, and while the runtime is away it is silent; when that is over it
    /// tells.
    fn changes(&self) -> BoxStream<'static, ()>;

    /// Starts nothing more. A start that is under way is given up, or ends, before this returns: what [`list`](Self::list) answers
    /// from then on is all that there will be. All else goes on.
    async fn close(&self);
}
