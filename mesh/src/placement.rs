//! Which node is first in line for a slot. The lease decides; the ranking only keeps the mesh balanced and still.

use crate::name::{NodeName, TriggerName};
use sha2::{Digest, Sha256};
use std::fmt;
use std::time::Duration;

/// One replica of a trigger, which at most one node holds.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Slot {
    /// The trigger.
    pub trigger: TriggerName,
    /// Which replica of it, from 0.
    pub index: u32,
}

impl Slot {
    /// The key of the slot's lease and of its status: `{trigger}.{index}`.
    #[must_use]
    pub fn key(&self) -> String {
        self.to_string()
    }

    /// The name of the slot's container: `belfry-{trigger}-{index}`.
    #[must_use]
    pub fn container_name(&self) -> String {
        format!("belfry-{}-{}", self.trigger, self.index)
    }

    /// The slot that a key names.
    #[must_use]
    pub fn parse(key: &str) -> Option<Self> {
        let (trigger, index) = key.split_once('.')?;
        Some(Self {
            trigger: TriggerName::parse(trigger).ok()?,
            index: index.parse().ok()?,
        })
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.trigger, self.index)
    }
}

/// The place of `me` in the line for a slot, from 0, by rendezvous hashing: each node is ranked by a digest of its name and the
/// slot's, so that when one node comes or goes only the slots that it won move
/// (Thaler and Ravishankar, "A Name-Based Mapping Scheme for Rendezvous", 1996). A node that is not among `nodes` stands last.
#[must_use]
pub fn rank<'a>(slot: &Slot, nodes: impl IntoIterator<Item = &'a NodeName>, me: &NodeName) -> u32 {
    let mine = weight(slot, me);
    let ahead = nodes
        .into_iter()
        .filter(|node| *node != me && weight(slot, node) > mine)
        .count();
    u32::try_from(ahead).unwrap_or(u32::MAX)
}

/// How long a node of this rank waits before it tries for a free slot: the first not at all.
#[must_use]
pub fn patience(rank: u32, step: Duration) -> Duration {
    step.saturating_mul(rank)
}

/// The name breaks a tie of digests, so that no two nodes are equal.
fn weight<'a>(slot: &Slot, node: &'a NodeName) -> ([u8; 32], &'a NodeName) {
    let digest = Sha256::new()
        .chain_update(node.as_str())
        .chain_update([0])
        .chain_update(slot.trigger.as_str())
        .chain_update(slot.index.to_be_bytes())
        .finalize();
    (digest.into(), node)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nodes(count: usize) -> Vec<NodeName> {
        (0..count)
            .map(|i| NodeName::parse(&format!("node-{i}")).unwrap())
            .collect()
    }

    fn slots(count: usize) -> Vec<Slot> {
        let trigger = |i| TriggerName::parse(&format!("trigger-{i}")).unwrap();
        (0..count)
            .map(|i| Slot {
                trigger: trigger(i),
                index: 0,
            })
            .collect()
    }

    fn first<'a>(slot: &Slot, nodes: &'a [NodeName]) -> &'a NodeName {
        let mut firsts = nodes.iter().filter(|node| rank(slot, nodes, node) == 0);
        let node = firsts.next().expect("one is first");
        assert!(
            firsts.next().is_none(),
            "two nodes are first in line for {slot}"
        );
        node
    }

    #[test]
    fn every_slot_has_one_first_node_and_the_load_is_even() {
        let (nodes, slots) = (nodes(4), slots(1_000));
        for node in &nodes {
            let held = slots
                .iter()
                .filter(|slot| first(slot, &nodes) == node)
                .count();
            assert!(
                (180..=320).contains(&held),
                "{node} is first for {held} of 1000"
            );
        }
    }

    #[test]
    fn a_node_that_dies_moves_its_own_slots_only() {
        let (all, slots) = (nodes(4), slots(500));
        let rest = &all[..3];
        for slot in &slots {
            let before = first(slot, &all);
            if before != &all[3] {
                assert_eq!(first(slot, rest), before);
            }
        }
    }

    #[test]
    fn a_slot_survives_its_key() {
        let slot = Slot {
            trigger: TriggerName::parse("github-pr").unwrap(),
            index: 3,
        };
        assert_eq!(Slot::parse(&slot.key()), Some(slot));
        assert_eq!(Slot::parse("nonsense"), None);
    }
}
