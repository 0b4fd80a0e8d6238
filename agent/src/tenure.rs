//! The lease of a slot, as those share it who act under it.

use belfry_mesh::port::lease::{Held, Hold};
use futures::FutureExt;
use std::sync::{Mutex, PoisonError};

/// The lease of a slot that is held.
pub(crate) struct Tenure {
    /// Its fencing token.
    pub(crate) token: u64,
    /// None once it is released.
    hold: Mutex<Option<Box<dyn Hold>>>,
}

impl Tenure {
    pub(crate) fn new(lease: Held) -> Self {
        Self {
            token: lease.token,
            hold: Mutex::new(Some(lease.hold)),
        }
    }

    /// Whether it is over at this very moment. A process that was stopped for a while learns it from here before it is told: what it
    /// was about to do wakes up no later than who watches its lease.
    pub(crate) fn is_over(&self) -> bool {
        let hold = self.hold.lock().unwrap_or_else(PoisonError::into_inner);
        hold.as_deref()
            .is_none_or(|hold| hold.lost().now_or_never().is_some())
    }

    /// Gives it back.
    pub(crate) async fn release(&self) {
        let hold = self
            .hold
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(hold) = hold {
            hold.release().await;
        }
    }
}
