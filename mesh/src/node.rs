//! Nodes: machines with an agent.

use crate::name::NodeName;
use crate::trigger::Change;
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
    /// Whether it takes slots, as its agent has understood.
    #[serde(default)]
    pub availability: Availability,
    /// What it has for slots.
    #[serde(default)]
    pub capacity: Capacity,
    /// What the slots that it holds take of that.
    #[serde(default)]
    pub used: Load,
    /// Why it takes no slots now, whatever is wanted of it: its runtime is away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
    /// When it last said so, by its own clock. Whether it is live is not judged by it, but by when the state took its word.
    pub seen_at: Timestamp,
}

/// Whether a node takes slots.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Availability {
    /// It takes slots.
    #[default]
    Active,
    /// It keeps those that it has and takes no more.
    Cordoned,
    /// It takes none, and leaves those that it has to other nodes.
    Drained,
}

impl Availability {
    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Cordoned => "cordoned",
            Self::Drained => "drained",
        }
    }
}

/// What a node has for slots. None: no bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Capacity {
    /// How many slots it takes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slots: Option<u32>,
    /// Its memory, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<u64>,
}

/// What slots take of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Load {
    /// How many there are.
    pub slots: u32,
    /// The memory that is set aside for them, in bytes.
    pub memory: u64,
}

/// What an operator wants of a node: it holds until another is said, over restarts of the agent too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wanted {
    /// Whether it should take slots.
    pub availability: Availability,
    /// The change that made it so.
    pub change: Change,
}

/// How often an agent renews its entry.
pub const HEARTBEAT: Duration = Duration::from_secs(3);

/// How long a node counts as live after its last heartbeat: three were missed.
pub const LIVE_FOR: Duration = Duration::from_secs(10);

/// Whether a node counts as live `now` whose last heartbeat the state took at `heard_at`. The node's own clock has no say in that,
/// but two others are compared, that of the state's keeper and the caller's: a caller whose clock is ahead by more than
/// [`LIVE_FOR`] takes live nodes for dead, and one whose clock is behind takes dead ones for live that much longer.
#[must_use]
pub fn is_live(heard_at: Timestamp, now: Timestamp) -> bool {
    // A heartbeat from the future is none of long ago.
    Duration::try_from(now.duration_since(heard_at)).map_or(true, |silent| silent <= LIVE_FOR)
}

/// The key under which what is wanted of a node is kept, beside its heartbeat: a node's name has no dot.
#[must_use]
pub fn wanted_key(node: &NodeName) -> String {
    format!("{node}{WANTED}")
}

/// The node that a key of [`wanted_key`] is about.
#[must_use]
pub fn wanted_of(key: &str) -> Option<NodeName> {
    NodeName::parse(key.strip_suffix(WANTED)?).ok()
}

const WANTED: &str = ".wanted";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_live_for_three_heartbeats_and_one_of_the_future_is_too() {
        let at = |second| Timestamp::from_second(second).unwrap();
        for (heard_at, live) in [
            (100, true),
            (90, true),
            (89, false),
            (0, false),
            (200, true),
        ] {
            assert_eq!(is_live(at(heard_at), at(100)), live, "{heard_at}");
        }
    }
}
