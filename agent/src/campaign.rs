//! The way to a slot's lease.

use crate::Agent;
use crate::reconcile::Note;
use crate::view::Standing;
use belfry_mesh::placement::{Slot, patience};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::UnboundedSender;
use tokio_util::sync::CancellationToken;
use tracing::debug;

/// How often a slot that nobody seems to hold is tried for: its last holder's lease runs out at some moment.
const RETRY: Duration = Duration::from_millis(500);

/// How often a slot is tried for that a live node holds, in case it does not.
const DOUBT: Duration = Duration::from_secs(60);

/// A try for a slot that goes on until the slot is taken.
pub(crate) struct Campaign {
    pub(crate) standing: Standing,
    pub(crate) stop: CancellationToken,
}

impl Campaign {
    /// Whether it is still the right one for how the slot stands now. A place in the line that has changed is no reason to begin
    /// again.
    pub(crate) fn suits(&self, standing: Standing) -> bool {
        matches!(
            (self.standing, standing),
            (Standing::Free(_), Standing::Free(_)) | (Standing::Held, Standing::Held)
        )
    }
}

/// Tries for the slot until it is taken or `stop`: the first in line at once, the others later.
pub(crate) async fn run(
    agent: Arc<Agent>,
    slot: Slot,
    standing: Standing,
    notes: UnboundedSender<Note>,
    stop: CancellationToken,
) {
    let (mut wait, every) = match standing {
        Standing::Free(rank) => (patience(rank, agent.config.patience_step), RETRY),
        Standing::Held | Standing::NotMine => (DOUBT, DOUBT),
    };
    let holder = agent.config.node.as_str();
    // Between two tries only: a lease that is taken at this moment must not be forgotten.
    while stop
        .run_until_cancelled(tokio::time::sleep(wait))
        .await
        .is_some()
    {
        let leases = &agent.ports.leases;
        match leases
            .acquire(&slot.key(), holder, agent.config.lease_ttl)
            .await
        {
            Ok(Some(held)) => {
                // Nobody listens any more only when the agent stops; the lease then runs out.
                notes.send(Note::Taken(slot, held)).ok();
                return;
            }
            Ok(None) => {}
            Err(error) => debug!(%slot, %error, "the lease could not be asked for"),
        }
        wait = every;
    }
}
