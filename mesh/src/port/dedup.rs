//! What all gateways together have seen and may admit.

use super::Error;
use crate::event::EventId;
use crate::limit::Rate;
use async_trait::async_trait;
use std::time::Duration;

/// What the gateways know of a delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Not seen, and admitted.
    Fresh,
    /// Seen: it was published as this event. A repetition takes nothing from the rate.
    Seen(EventId),
    /// Not seen, and over the rate.
    Limited {
        /// When one will be admitted.
        retry_after: Duration,
    },
}

/// Shared deduplication and rate limits. It is a help, not the guarantee: the event log itself keeps one event an id, so when this
/// fails the gateway goes on without it.
#[async_trait]
pub trait Dedup: Send + Sync {
    /// Looks a delivery up and, if it is new, asks the rate limit of `subject` for admission: one round trip, atomically.
    ///
    /// # Errors
    /// [`Error::Unavailable`], promptly: an outage must not hold up deliveries.
    async fn check(
        &self,
        key: &EventId,
        subject: &str,
        rate: Option<&Rate>,
    ) -> Result<Verdict, Error>;

    /// Remembers for `ttl` that the delivery was published. Called after the log's acknowledgement, never before: a crash in
    /// between must leave the provider's repetition fresh.
    ///
    /// # Errors
    /// [`Error::Unavailable`], promptly.
    async fn mark(&self, key: &EventId, ttl: Duration) -> Result<(), Error>;

    /// Returns if it can be reached.
    ///
    /// # Errors
    /// Why it cannot.
    async fn ping(&self) -> Result<(), Error>;
}
