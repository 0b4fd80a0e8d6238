//! Nodes: machines with an agent.

use crate::name::NodeName;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// What an agent says of its node, renewed every [`HEARTBEAT`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    /// The node's name, one a mesh.
    pub name: NodeName,
    /// The version of Belfry that it runs.
    pub version: String,
    /// The runtime that it runs triggers in, such as `in-process`.
    pub runtime: String,
    /// What placement may ask for.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// When it last said so.
    pub seen_at: Timestamp,
}

/// How often an agent renews its entry.
pub const HEARTBEAT: Duration = Duration::from_secs(3);

/// How long a node counts as live after its last heartbeat: three were missed.
pub const LIVE_FOR: Duration = Duration::from_secs(10);

impl Node {
    /// Whether the node counts as live.
    #[must_use]
    pub fn is_live(&self, now: Timestamp) -> bool {
        now.duration_since(self.seen_at).unsigned_abs() <= LIVE_FOR
    }
}
