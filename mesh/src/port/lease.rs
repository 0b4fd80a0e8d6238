//! Leases: keys with a time to live. Who holds one acts.

use super::Error;
use async_trait::async_trait;
use futures::future::BoxFuture;
use std::time::Duration;

/// Leases.
#[async_trait]
pub trait Leases: Send + Sync {
    /// Takes the lease if it is free: at most one holder has it at any time. It is renewed in the background until it is
    /// released, dropped or lost. Its holder's death frees it within `ttl`.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    async fn acquire(&self, key: &str, holder: &str, ttl: Duration) -> Result<Option<Held>, Error>;
}

/// A lease that is held. Dropping it ends its renewal, so that it runs out.
pub struct Held {
    /// The fencing token: larger than that of every earlier holder of this key.
    pub token: u64,
    /// The hold itself.
    pub hold: Box<dyn Hold>,
}

/// The hold on a lease.
pub trait Hold: Send + Sync {
    /// Becomes ready when the lease is lost, and not later than the moment at which another could take it, judged by the
    /// holder's own clock that never steps: whether renewals failed or were just too late. Ready at once if it is lost already.
    fn lost(&self) -> BoxFuture<'static, ()>;

    /// Gives the lease back, so that another can take it at once. Ready when that is done, or has failed and the lease is left
    /// to run out.
    fn release(self: Box<Self>) -> BoxFuture<'static, ()>;
}
