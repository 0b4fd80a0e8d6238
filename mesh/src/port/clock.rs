//! The time.

use async_trait::async_trait;
use jiff::Timestamp;
use std::time::Duration;

/// Where the time comes from, so that it can be simulated.
#[async_trait]
pub trait Clock: Send + Sync {
    /// The wall clock. It may step in either direction.
    fn now(&self) -> Timestamp;

    /// Returns once `duration` has passed on a clock that never steps.
    async fn sleep(&self, duration: Duration);
}
