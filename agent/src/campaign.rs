//! The way to a slot's lease.

use crate::Agent;
use crate::reconcile::Note;
use belfry_mesh::placement::{Slot, patience};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::UnboundedSender;
use tokio_util::sync::CancellationToken;
use tracing::debug;

/// How often a slot that another node holds is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// Tries for the slot until it is taken or `stop`. `rank` is this node's place in the line: the first tries at once.
pub(crate) async fn run(
    agent: Arc<Agent>,
    slot: Slot,
    rank: u32,
    notes: UnboundedSender<Note>,
    stop: CancellationToken,
) {
    let take = async {
        tokio::time::sleep(patience(rank, agent.config.patience_step)).await;
        loop {
            let holder = agent.config.node.as_str();
            match agent
                .ports
                .leases
                .acquire(&slot.key(), holder, agent.config.lease_ttl)
                .await
            {
                Ok(Some(held)) => return held,
                Ok(None) => {}
                Err(error) => debug!(%slot, %error, "the lease could not be asked for"),
            }
            tokio::time::sleep(RETRY).await;
        }
    };
    if let Some(held) = stop.run_until_cancelled(take).await {
        // Nobody listens any more only when the agent stops; the lease then runs out.
        notes.send(Note::Taken(slot, held)).ok();
    }
}
