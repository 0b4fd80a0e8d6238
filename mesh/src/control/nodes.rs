//! Nodes, as operators see and steer them.

use super::convergence::{await_seen, slots};
use super::heard::{Heard, Seen};
use super::{Control, Error, decode, decode_slot};
use crate::name::{NodeName, TriggerName};
use crate::node::{Availability, Capacity, LIVE_FOR, Load, Wanted, is_live, wanted_key, wanted_of};
use crate::placement::Slot;
use crate::port::Error as PortError;
use crate::port::Ports;
use crate::port::clock::Clock;
use crate::port::state::{Bucket, State};
use crate::trigger::{Change, SlotState, SlotStatus};
use jiff::Timestamp;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// The commands on nodes.
#[derive(Clone)]
pub struct Nodes {
    state: Arc<dyn State>,
    clock: Arc<dyn Clock>,
    patience: Duration,
}

/// How a node is.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NodeStatus {
    /// Its name.
    pub name: NodeName,
    /// Whether its agent was heard of lately.
    pub live: bool,
    /// Whether it should take slots.
    pub availability: Availability,
    /// The change that made it so, if it is not so by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub change: Option<Change>,
    /// The version of Belfry that it runs. Empty for one whose agent was stopped and of which only the wish is left.
    pub version: String,
    /// The runtime that it runs containers in; empty likewise.
    pub runtime: String,
    /// What placement may ask for.
    pub labels: BTreeMap<String, String>,
    /// What it has for slots.
    pub capacity: Capacity,
    /// What the slots that it holds take of that.
    pub used: Load,
    /// When its agent was last heard of, by the clock of the state.
    pub seen_at: Timestamp,
    /// The slots that it holds.
    pub slots: Vec<Held>,
}

/// A slot that a node holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Held {
    /// The trigger.
    pub trigger: String,
    /// Which of its slots.
    pub slot: u32,
    /// How it is.
    pub state: SlotState,
    /// The name of its container.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container_name: Option<String>,
    /// Why, in words, when there is something to say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

impl Control {
    /// The commands on nodes.
    #[must_use]
    pub fn nodes(&self) -> Nodes {
        Nodes {
            state: self.state.clone(),
            clock: self.clock.clone(),
            patience: self.patience,
        }
    }
}

impl Nodes {
    /// The commands on nodes over these ports. A drain waits up to `patience` before it answers with how far it is.
    #[must_use]
    pub fn new(ports: &Ports, patience: Duration) -> Self {
        Self {
            state: ports.state.clone(),
            clock: ports.clock.clone(),
            patience,
        }
    }

    /// All nodes that were heard of and not forgotten, by name.
    ///
    /// # Errors
    /// If the state cannot be read.
    pub async fn list(&self) -> Result<Vec<NodeStatus>, Error> {
        let now = self.clock.now();
        let mut held: BTreeMap<NodeName, Vec<Held>> = BTreeMap::new();
        let replicas = self.replicas().await?;
        for (trigger, slots) in slots(self.state.as_ref()).await? {
            let replicas = replicas.get(&trigger).copied().unwrap_or_default();
            for (slot, status) in slots.into_iter().filter(|(slot, _)| *slot < replicas) {
                let one = Held::of(trigger.as_str(), slot, &status);
                held.entry(status.node).or_default().push(one);
            }
        }
        let entries = self.state.list(Bucket::Nodes).await?;
        let wanted = entries.iter().filter_map(|entry| {
            let wanted = serde_json::from_slice::<Wanted>(&entry.value).ok()?;
            Some((wanted_of(&entry.key)?, wanted))
        });
        let mut wanted: BTreeMap<NodeName, Wanted> = wanted.collect();
        let mut list: Vec<NodeStatus> = Heard::of(&entries, now)
            .all()
            .map(|(node, heard_at)| NodeStatus {
                live: is_live(heard_at, now),
                slots: held.remove(&node.name).unwrap_or_default(),
                availability: wanted
                    .get(&node.name)
                    .map_or(node.availability, |wanted| wanted.availability),
                change: wanted.remove(&node.name).map(|wanted| wanted.change),
                name: node.name,
                version: node.version,
                runtime: node.runtime,
                labels: node.labels,
                capacity: node.capacity,
                used: node.used,
                seen_at: heard_at,
            })
            .collect();
        // What an operator wants of a node outlives its agent, and must be seen to be taken back.
        list.extend(wanted.into_iter().map(|(name, wanted)| NodeStatus {
            live: false,
            slots: held.remove(&name).unwrap_or_default(),
            name,
            availability: wanted.availability,
            version: String::new(),
            runtime: String::new(),
            labels: BTreeMap::new(),
            capacity: Capacity::default(),
            used: Load::default(),
            seen_at: wanted.change.at,
            change: Some(wanted.change),
        }));
        list.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(list)
    }

    /// How a node is.
    ///
    /// # Errors
    /// [`Error::NoNode`].
    pub async fn status(&self, name: &NodeName) -> Result<NodeStatus, Error> {
        let nodes = self.list().await?;
        let found = nodes.into_iter().find(|node| &node.name == name);
        found.ok_or_else(|| Error::NoNode(name.clone()))
    }

    /// Says whether a node should take slots. It holds until another is said, over restarts of its agent too. One that is to be
    /// drained is waited for until it has left its slots, as long as the commands are patient.
    ///
    /// # Errors
    /// [`Error::NoNode`].
    pub async fn set_availability(
        &self,
        name: &NodeName,
        availability: Availability,
        by: &str,
    ) -> Result<NodeStatus, Error> {
        let before = self.status(name).await?;
        if before.availability != availability {
            let wanted = Wanted {
                availability,
                change: Change {
                    what: availability.as_str().to_owned(),
                    by: by.to_owned(),
                    at: self.clock.now(),
                },
            };
            let value = serde_json::to_vec(&wanted).expect("it has only string keys");
            self.state
                .put(Bucket::Nodes, &wanted_key(name), value.into())
                .await?;
        }
        if availability == Availability::Drained && before.live {
            let replicas = self.replicas().await?;
            // One that dies meanwhile holds nothing any more.
            let left = |seen: &Seen| {
                let mut slots = seen.slots.iter();
                let there = |slot: &Slot| Some(&slot.index) < replicas.get(&slot.trigger);
                !seen.heard.is_live(name)
                    || !slots.any(|(slot, status)| &status.node == name && there(slot))
            };
            let (state, clock) = (self.state.as_ref(), self.clock.as_ref());
            await_seen(state, clock, self.patience, left).await?;
        }
        self.status(name).await
    }

    /// Forgets a node that is dead, what it said of its slots, and what was wanted of it.
    ///
    /// # Errors
    /// [`Error::NoNode`]; [`Error::Unfit`] if it lives.
    pub async fn forget(&self, name: &NodeName) -> Result<(), Error> {
        if self.status(name).await?.live {
            return Err(Error::Unfit(format!(
                "node `{name}` lives; stop its agent first, and wait {} s",
                LIVE_FOR.as_secs()
            )));
        }
        for entry in self.state.list(Bucket::Status).await? {
            if decode_slot(&entry).is_none_or(|(_, status)| &status.node != name) {
                continue;
            }
            let deleted = self
                .state
                .delete(Bucket::Status, &entry.key, Some(entry.revision));
            match deleted.await {
                // Another node has just taken it over.
                Ok(()) | Err(PortError::Conflict { .. }) => {}
                Err(other) => return Err(other.into()),
            }
        }
        for key in [name.as_str(), &wanted_key(name)] {
            self.state.delete(Bucket::Nodes, key, None).await?;
        }
        Ok(())
    }

    /// How many slots each trigger has.
    async fn replicas(&self) -> Result<BTreeMap<TriggerName, u32>, PortError> {
        let mut replicas = BTreeMap::new();
        for entry in self.state.list(Bucket::Triggers).await? {
            let trigger = decode(&entry)?;
            replicas.insert(trigger.name, trigger.replicas);
        }
        Ok(replicas)
    }
}

impl Held {
    fn of(trigger: &str, slot: u32, status: &SlotStatus) -> Self {
        Self {
            trigger: trigger.to_owned(),
            slot,
            state: status.state,
            container_name: status.container_name.clone(),
            detail: status.detail.clone(),
        }
    }
}
