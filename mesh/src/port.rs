//! The ports: what Belfry needs of a bus, a state store and a machine, each documented by what it guarantees. One contract suite
//! each, passed by every adapter. Policy (filtering, retry, deduplication by the gateway) lives above them.

pub mod calls;
pub mod clock;
pub mod dedup;
pub mod lease;
pub mod log;
pub mod packages;
pub mod runtime;
pub mod secrets;
pub mod state;

use std::sync::Arc;
use std::time::Duration;

/// What a role is given to work with, by the one factory that knows the backends.
#[derive(Clone)]
pub struct Ports {
    /// The event log.
    pub events: Arc<dyn log::EventLog>,
    /// The outcomes and the dead letters.
    pub outcomes: Arc<dyn log::OutcomeLog>,
    /// Desired and observed state.
    pub state: Arc<dyn state::State>,
    /// Leases.
    pub leases: Arc<dyn lease::Leases>,
    /// Shared deduplication and rate limits.
    pub dedup: Arc<dyn dedup::Dedup>,
    /// Request and reply.
    pub calls: Arc<dyn calls::Calls>,
    /// The time.
    pub clock: Arc<dyn clock::Clock>,
}

/// Why a port did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The backend cannot be reached, or did not answer in time. What was asked may or may not have been done.
    #[error("{what} is unavailable: {why}")]
    Unavailable {
        /// The backend, with its address where it has one.
        what: String,
        /// What it or the network said.
        why: String,
    },
    /// The log holds as much as it may. Nothing was stored, and nothing unread was dropped for it.
    #[error("{log} is full: {why}; raise its limit or let it drain")]
    Full {
        /// Which log.
        log: String,
        /// Which limit.
        why: String,
    },
    /// One value is larger than the backend takes.
    #[error("{what} is too large: {size} bytes, at most {limit}")]
    TooLarge {
        /// What it was.
        what: String,
        /// Its size in bytes.
        size: usize,
        /// The bound in bytes.
        limit: usize,
    },
    /// The key has another revision than the one that the change was based on, or is there where none was expected.
    #[error("{key} was changed by somebody else at the same time; read it again and repeat")]
    Conflict {
        /// The bucket and the key.
        key: String,
    },
    /// There is no such thing.
    #[error("{0} does not exist")]
    NotFound(String),
    /// Nobody answered before the deadline.
    #[error("no answer from {who} within {} ms", after.as_millis())]
    Deadline {
        /// Who was asked.
        who: String,
        /// How long was waited.
        after: Duration,
    },
    /// What is stored cannot be read.
    #[error("{what} cannot be read: {why}")]
    Corrupt {
        /// What it is.
        what: String,
        /// What is wrong with it.
        why: String,
    },
    /// The backend refused: a permission, a setting, a version.
    #[error("{what} refused: {why}")]
    Refused {
        /// The backend or the thing in it.
        what: String,
        /// What it said.
        why: String,
    },
}

impl Error {
    /// Whether the same request may succeed later by itself.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(
            self,
            Self::Unavailable { .. } | Self::Full { .. } | Self::Deadline { .. }
        )
    }
}
