//! Which node is first in line for a slot. The lease decides; the ranking only keeps the mesh balanced and still.

mod constraint;

pub use constraint::{Constraint, Malformed};

use crate::name::{NodeName, TriggerName};
use crate::node::{Availability, Node};
use crate::trigger::{SlotStatus, Trigger};
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

/// The place of `me` in the line for a slot, from 0. `nodes` are those that may take it, each with how many other slots of the
/// same trigger it holds: the fewer the better, so that replicas are apart. Among equals the trigger's own order of the nodes
/// decides, by rendezvous hashing: each node is ranked by a digest of its name and the trigger's, so that when one comes or goes
/// the others keep their order (Thaler and Ravishankar, "A Name-Based Mapping Scheme for Rendezvous", 1996). Each replica begins
/// one place further on in that order. A node that is not among `nodes` stands last.
#[must_use]
pub fn rank<'a>(
    slot: &Slot,
    nodes: impl IntoIterator<Item = (&'a NodeName, u32)>,
    me: &NodeName,
) -> u32 {
    let mut order: Vec<(&NodeName, u32)> = nodes.into_iter().collect();
    order.sort_by_key(|(node, _)| std::cmp::Reverse(weight(slot, node)));
    let count = order.len();
    if count == 0 {
        return 0;
    }
    order.rotate_left(slot.index as usize % count);
    // Stable: among equals the order stays.
    order.sort_by_key(|(_, held)| *held);
    let place = order.iter().position(|(node, _)| *node == me);
    u32::try_from(place.unwrap_or(count)).unwrap_or(u32::MAX)
}

/// Whether a node may take one more slot of a trigger.
///
/// # Errors
/// Why it may not.
pub fn fits(trigger: &Trigger, node: &Node) -> Result<(), Unfit> {
    if let Some(constraint) = trigger.constraints().find(|one| !one.holds(node)) {
        return Err(Unfit::Constraint(constraint.to_string()));
    }
    if node.availability != Availability::Active {
        return Err(Unfit::Unavailable(node.availability));
    }
    if let Some(trouble) = &node.trouble {
        return Err(Unfit::Trouble(trouble.clone()));
    }
    let memory = node.used.memory.saturating_add(trigger.memory());
    let full = node
        .capacity
        .slots
        .is_some_and(|slots| node.used.slots >= slots)
        || (trigger.memory() > 0 && node.capacity.memory.is_some_and(|most| memory > most));
    if full { Err(Unfit::Full) } else { Ok(()) }
}

/// Why a node may not take a slot.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// It is not as the trigger asks.
    #[error("does not meet `{0}`")]
    Constraint(String),
    /// It takes no slots.
    #[error("is {}", .0.as_str())]
    Unavailable(Availability),
    /// It cannot run anything now, for this reason.
    #[error("cannot run anything now: {0}")]
    Trouble(String),
    /// What it has is taken.
    #[error("is full")]
    Full,
}

/// Whether a slot may go over to the trigger's record of this revision while it serves an earlier one: an update goes slot by
/// slot, so every slot before it that somebody holds must be there already, and run. `others` are the trigger's slots.
#[must_use]
pub fn is_its_turn<'a>(
    index: u32,
    revision: u64,
    others: impl IntoIterator<Item = (u32, &'a SlotStatus)>,
) -> bool {
    others
        .into_iter()
        .filter(|(other, _)| *other < index)
        .all(|(_, status)| status.revision >= revision && status.state.is_up())
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
        .finalize();
    (digest.into(), node)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trigger::SlotState;

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
        let all = || nodes.iter().map(|node| (node, 0));
        let mut firsts = nodes.iter().filter(|node| rank(slot, all(), node) == 0);
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
    fn replicas_are_apart_as_long_as_there_are_nodes() {
        let (nodes, trigger) = (nodes(3), TriggerName::parse("t").unwrap());
        let slot = |index| Slot {
            trigger: trigger.clone(),
            index,
        };
        let firsts: std::collections::BTreeSet<_> =
            (0..3).map(|index| first(&slot(index), &nodes)).collect();
        assert_eq!(firsts.len(), 3);
        // The first in line stands back where it holds another slot of the trigger already.
        let first = first(&slot(0), &nodes);
        let held = nodes.iter().map(|node| (node, u32::from(node == first)));
        assert_eq!(rank(&slot(0), held, first), 2);
    }

    #[test]
    fn a_slot_takes_its_turn_when_those_before_it_run_the_revision() {
        let status = |revision, state| SlotStatus {
            node: NodeName::parse("n").unwrap(),
            token: 1,
            revision,
            state,
            serving: None,
            detail: None,
            container_name: None,
            since: jiff::Timestamp::UNIX_EPOCH,
        };
        let done = status(2, SlotState::Running);
        for (before, turn) in [
            (done.clone(), true),
            (status(1, SlotState::Running), false),
            (status(2, SlotState::Starting), false),
            (status(2, SlotState::Error), false),
        ] {
            assert_eq!(is_its_turn(1, 2, [(0, &before), (2, &done)]), turn);
            assert!(is_its_turn(0, 2, [(0, &before)]));
        }
        assert!(
            is_its_turn(3, 2, []),
            "a slot that nobody holds is not waited for"
        );
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
