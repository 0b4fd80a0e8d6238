//! Whether something that the gateway relies on works, so that an outage is logged when it begins and when it ends, and not once
//! a request.

use std::fmt::Display;
use std::sync::atomic::{AtomicBool, Ordering};

/// The state of one thing that can fail.
pub(crate) struct Outage {
    what: &'static str,
    meanwhile: &'static str,
    down: AtomicBool,
}

impl Outage {
    /// `what` works so far; `meanwhile` says what its outage means to deliveries.
    pub(crate) fn new(what: &'static str, meanwhile: &'static str) -> Self {
        Self {
            what,
            meanwhile,
            down: AtomicBool::new(false),
        }
    }

    /// Whether it failed the last time.
    pub(crate) fn is_on(&self) -> bool {
        self.down.load(Ordering::Relaxed)
    }

    /// It failed just now.
    pub(crate) fn failed(&self, error: &dyn Display) {
        if !self.down.swap(true, Ordering::Relaxed) {
            tracing::error!(%error, "{} failed; {}", self.what, self.meanwhile);
        }
    }

    /// It worked just now.
    pub(crate) fn works(&self) {
        // Read first: a write a request would bounce the cache line between all cores.
        if self.down.load(Ordering::Relaxed) && self.down.swap(false, Ordering::Relaxed) {
            tracing::info!("{} works again", self.what);
        }
    }

    /// Keeps the result in mind and passes it on.
    pub(crate) fn note<T, E: Display>(&self, result: Result<T, E>) -> Result<T, E> {
        match &result {
            Ok(_) => self.works(),
            Err(error) => self.failed(error),
        }
        result
    }
}
