//! What the agent says of its node.

use crate::Agent;
use belfry_mesh::node::{HEARTBEAT, Node};
use belfry_mesh::port::state::Bucket;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;
use tracing::warn;

/// Says so until `shutdown`, then takes the node's entry back.
pub(crate) async fn run(agent: Arc<Agent>, shutdown: CancellationToken) {
    // Two may be missed before others count the node as dead, which they do when its leases have run out.
    let every = HEARTBEAT.min(agent.config.lease_ttl / 3);
    let mut heard = true;
    shutdown
        .run_until_cancelled(async {
            loop {
                heard = beat(&agent, heard).await;
                tokio::time::timeout(every, agent.news.notified())
                    .await
                    .ok();
            }
        })
        .await;
    let node = &agent.config.node;
    if let Err(error) = agent
        .ports
        .state
        .delete(Bucket::Nodes, node.as_str(), None)
        .await
    {
        warn!(%node, %error, "the node's entry could not be taken back; it runs out by itself");
    }
}

/// Renews the entry. Answers whether it could; `heard` is whether it could last time, so that an outage is logged once.
async fn beat(agent: &Agent, heard: bool) -> bool {
    let node: Node = agent.node();
    let value = serde_json::to_vec(&node).expect("a node has only string keys");
    match agent
        .ports
        .state
        .put(Bucket::Nodes, node.name.as_str(), value.into())
        .await
    {
        Ok(_) => true,
        Err(error) => {
            if heard {
                warn!(node = %node.name, %error, "the heartbeat does not get through");
            }
            false
        }
    }
}
