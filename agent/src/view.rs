//! What the watches show of the mesh, and what follows from it for this node's part in it.

use belfry_mesh::control;
use belfry_mesh::node::{Availability, Node, Wanted, wanted_of};
use belfry_mesh::placement::{self, Slot, Unfit};
use belfry_mesh::port::state::{Bucket, Change};
use belfry_mesh::trigger::SlotStatus;
use belfry_mesh::{NodeName, Trigger, TriggerName};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use tracing::warn;

/// What this node sees of the mesh.
pub(crate) struct View {
    me: NodeName,
    /// How long a node counts as live that was not heard of, by this node's own clock.
    live_for: Duration,
    triggers: BTreeMap<TriggerName, (Arc<Trigger>, u64)>,
    /// What holders report, and the revision of the report.
    statuses: BTreeMap<Slot, (SlotStatus, u64)>,
    nodes: BTreeMap<NodeName, (Node, Instant)>,
    availability: Availability,
    /// The buckets of which all that was there at the start has been seen.
    current: BTreeSet<&'static str>,
}

/// How a slot stands that this node does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// No live node holds it, and this is this node's place in the line for it.
    Free(u32),
    /// A live node holds it.
    Held,
    /// This node may not take it.
    NotMine,
}

impl View {
    pub(crate) fn new(me: NodeName, live_for: Duration) -> Self {
        Self {
            me,
            live_for,
            triggers: BTreeMap::new(),
            statuses: BTreeMap::new(),
            nodes: BTreeMap::new(),
            availability: Availability::default(),
            current: BTreeSet::new(),
        }
    }

    /// Takes note of a change. Answers the trigger whose slots it may be about, or that it may be about any.
    pub(crate) fn see(&mut self, bucket: Bucket, change: Change, now: Instant) -> Touched {
        if change == Change::Current {
            self.current.insert(bucket.name());
            return Touched::All;
        }
        match bucket {
            Bucket::Triggers => {
                self.see_trigger(change);
                Touched::All
            }
            Bucket::Status => self.see_status(change),
            Bucket::Nodes => self.see_node(change, now),
        }
    }

    fn see_trigger(&mut self, change: Change) {
        match change {
            Change::Put(entry) => match control::decode(&entry) {
                Ok(trigger) if trigger.leaving => {
                    self.triggers.remove(&trigger.name);
                }
                Ok(trigger) => {
                    let name = trigger.name.clone();
                    self.triggers
                        .insert(name, (Arc::new(trigger), entry.revision));
                }
                // What runs goes on running: a record that cannot be read says nothing.
                Err(error) => warn!(%error, "a trigger is left as it is"),
            },
            Change::Deleted { key, .. } => {
                self.triggers.remove(key.as_str());
            }
            Change::Current => {}
        }
    }

    fn see_status(&mut self, change: Change) -> Touched {
        let (key, status) = match &change {
            Change::Put(entry) => {
                let status = serde_json::from_slice(&entry.value).ok();
                (&entry.key, status.map(|status| (status, entry.revision)))
            }
            Change::Deleted { key, .. } => (key, None),
            Change::Current => return Touched::All,
        };
        let Some(slot) = Slot::parse(key) else {
            return Touched::Nothing;
        };
        let touched = Touched::Trigger(slot.trigger.clone());
        match status {
            Some(status) => self.statuses.insert(slot, status),
            None => self.statuses.remove(&slot),
        };
        touched
    }

    fn see_node(&mut self, change: Change, now: Instant) -> Touched {
        match change {
            Change::Put(entry) => match wanted_of(&entry.key) {
                Some(node) if node == self.me => {
                    let wanted = serde_json::from_slice::<Wanted>(&entry.value);
                    self.availability =
                        wanted.map(|wanted| wanted.availability).unwrap_or_default();
                    return Touched::All;
                }
                Some(_) => {}
                None => {
                    if let Ok(node) = serde_json::from_slice::<Node>(&entry.value) {
                        self.nodes.insert(node.name.clone(), (node, now));
                    }
                }
            },
            Change::Deleted { key, .. } => match wanted_of(&key) {
                Some(node) if node == self.me => self.availability = Availability::default(),
                Some(_) => {}
                None => {
                    self.nodes.remove(key.as_str());
                }
            },
            Change::Current => {}
        }
        Touched::Nothing
    }

    /// Whether this node takes slots, as operators want it.
    pub(crate) fn availability(&self) -> Availability {
        self.availability
    }

    /// The trigger and the revision of its record.
    pub(crate) fn trigger(&self, name: &TriggerName) -> Option<(Arc<Trigger>, u64)> {
        self.triggers.get(name).cloned()
    }

    /// All slots that there should be.
    pub(crate) fn slots(&self) -> impl Iterator<Item = Slot> {
        self.triggers.iter().flat_map(|(name, (trigger, _))| {
            (0..trigger.replicas).map(|index| Slot {
                trigger: name.clone(),
                index,
            })
        })
    }

    /// How a slot stands that this node does not hold. `mine` is what this node says of itself.
    pub(crate) fn standing(&self, slot: &Slot, mine: &Node, now: Instant) -> Standing {
        let Some((trigger, _)) = self.triggers.get(&slot.trigger) else {
            return Standing::NotMine;
        };
        // Before all has been seen, who holds what is not known, nor what is wanted of this node.
        if !self.has_seen(Bucket::Status) || !self.has_seen(Bucket::Nodes) {
            return Standing::NotMine;
        }
        if !self.may_take(slot, trigger, mine) {
            return Standing::NotMine;
        }
        if self
            .holder(slot)
            .is_some_and(|node| *node != self.me && self.is_live(node, now))
        {
            return Standing::Held;
        }
        let others = self
            .nodes
            .values()
            .filter(|(node, _)| node.name != self.me && self.is_live(&node.name, now))
            .map(|(node, _)| node)
            .filter(|node| placement::fits(trigger, node).is_ok());
        let line = others
            .map(|node| &node.name)
            .chain([&self.me])
            .map(|node| (node, self.held_by(node, slot, now)));
        Standing::Free(placement::rank(slot, line, &self.me))
    }

    /// Whether this node may take a slot. One that it held in an earlier life it may take again, as it may keep what it holds.
    fn may_take(&self, slot: &Slot, trigger: &Trigger, mine: &Node) -> bool {
        match placement::fits(trigger, mine) {
            Ok(()) => true,
            Err(Unfit::Unavailable(Availability::Cordoned) | Unfit::Full) => {
                self.holder(slot) == Some(&self.me)
            }
            Err(_) => false,
        }
    }

    /// Whether this node may take a slot of which it was just given the lease.
    pub(crate) fn is_mine(&self, slot: &Slot, mine: &Node) -> bool {
        let trigger = self.triggers.get(&slot.trigger);
        trigger.is_some_and(|(trigger, _)| {
            slot.index < trigger.replicas && self.may_take(slot, trigger, mine)
        })
    }

    fn holder(&self, slot: &Slot) -> Option<&NodeName> {
        self.statuses.get(slot).map(|(status, _)| &status.node)
    }

    /// How many other slots of the same trigger a node holds.
    fn held_by(&self, node: &NodeName, slot: &Slot, now: Instant) -> u32 {
        let held = self
            .of(&slot.trigger, now)
            .filter(|(index, status)| *index != slot.index && status.node == *node);
        u32::try_from(held.count()).unwrap_or(u32::MAX)
    }

    /// What the live holders of a trigger's slots report. What a dead node said of a slot says nothing of it any more.
    pub(crate) fn of(
        &self,
        trigger: &TriggerName,
        now: Instant,
    ) -> impl Iterator<Item = (u32, &SlotStatus)> {
        let replicas = self.triggers.get(trigger).map_or(0, |(it, _)| it.replicas);
        let first = Slot {
            trigger: trigger.clone(),
            index: 0,
        };
        self.statuses
            .range(first..)
            .take_while(move |(slot, _)| slot.trigger == *trigger)
            .map(|(slot, (status, _))| (slot.index, status))
            .filter(move |(index, status)| {
                *index < replicas && (status.node == self.me || self.is_live(&status.node, now))
            })
    }

    /// Reports that nobody will take back, with their revisions: of slots that there should not be, by nodes that are dead, and of
    /// this node's earlier life, of slots that it may not take again.
    pub(crate) fn stale(&self, mine: &Node, now: Instant) -> Vec<(Slot, u64)> {
        if !Bucket::ALL.iter().all(|bucket| self.has_seen(*bucket)) {
            return Vec::new();
        }
        let is_stale = |slot: &Slot, node: &NodeName| {
            let trigger = self.triggers.get(&slot.trigger);
            let wanted = trigger.is_some_and(|(trigger, _)| slot.index < trigger.replicas);
            if *node == self.me {
                !self.is_mine(slot, mine)
            } else {
                !wanted && !self.is_live(node, now)
            }
        };
        self.statuses
            .iter()
            .filter(|(slot, (status, _))| is_stale(slot, &status.node))
            .map(|(slot, (_, revision))| (slot.clone(), *revision))
            .collect()
    }

    /// Whether this node is to leave a slot that it holds. An update on probation that asks for another node is not left for but
    /// taken back: what it replaces goes on.
    pub(crate) fn is_to_leave(&self, slot: &Slot, mine: &Node) -> bool {
        let Some((trigger, _)) = self.triggers.get(&slot.trigger) else {
            return true;
        };
        slot.index >= trigger.replicas
            || match placement::fits(trigger, mine) {
                Err(Unfit::Constraint(_)) => trigger.fallback.is_none(),
                Err(Unfit::Unavailable(Availability::Drained)) => true,
                // A slot that is held is kept.
                Ok(()) | Err(Unfit::Unavailable(_) | Unfit::Full | Unfit::Trouble(_)) => false,
            }
    }

    /// Whether an instance of a slot that this node does not hold has nothing to wait for here: there is no such slot, or
    /// another node has it, or this one takes none.
    pub(crate) fn is_orphan(&self, slot: &Slot) -> bool {
        if !self.has_seen(Bucket::Triggers) || !self.has_seen(Bucket::Status) {
            return false;
        }
        let gone = self
            .triggers
            .get(&slot.trigger)
            .is_none_or(|(trigger, _)| slot.index >= trigger.replicas);
        gone || self.availability == Availability::Drained
            || self.holder(slot).is_some_and(|node| *node != self.me)
    }

    /// When a node that is live now counts as dead if it is not heard of before.
    pub(crate) fn next_death(&self, now: Instant) -> Option<Instant> {
        let others = self.nodes.values().filter(|(node, _)| node.name != self.me);
        others
            .map(|(_, heard)| *heard + self.live_for)
            .filter(|at| *at > now)
            .min()
    }

    fn is_live(&self, node: &NodeName, now: Instant) -> bool {
        self.nodes
            .get(node)
            .is_some_and(|(_, heard)| now.duration_since(*heard) < self.live_for)
    }

    fn has_seen(&self, bucket: Bucket) -> bool {
        self.current.contains(bucket.name())
    }
}

/// What a change may be about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Touched {
    /// The slots of any trigger.
    All,
    /// The slots of this trigger.
    Trigger(TriggerName),
    /// Only who is in line for what.
    Nothing,
}

#[cfg(test)]
#[path = "view/tests.rs"]
mod tests;
