//! The system's clock.

use async_trait::async_trait;
use belfry_mesh::port::clock::Clock;
use jiff::Timestamp;
use std::time::Duration;

/// The wall clock of the machine, and the runtime's timer.
#[derive(Debug, Clone, Copy, Default)]
pub struct System;

#[async_trait]
impl Clock for System {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one place that the time comes from"
    )]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}
