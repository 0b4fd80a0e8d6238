//! Which nodes and gateways are heard of, and which slots are held by one.

use super::{Refusing, decode_slot};
use crate::gateway::{self, Gateway};
use crate::name::{GatewayName, NodeName, TriggerName};
use crate::node::{self, Node};
use crate::placement::Slot;
use crate::port::Error as PortError;
use crate::port::state::{Bucket, Change, Entry, State};
use crate::trigger::SlotStatus;
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::time::Duration;

/// The nodes and gateways, each as it was last heard of, by the clock of the state.
#[derive(Debug, Clone, Default)]
pub(super) struct Heard {
    nodes: BTreeMap<NodeName, (Node, Timestamp)>,
    gateways: BTreeMap<GatewayName, (Gateway, Timestamp)>,
    now: Timestamp,
}

/// What a watch of the holders and of the nodes shows.
#[derive(Default)]
pub(super) struct Seen {
    /// What holders report.
    pub(super) slots: BTreeMap<Slot, SlotStatus>,
    /// Which nodes are heard of.
    pub(super) heard: Heard,
    current: (bool, bool),
}

impl Heard {
    pub(super) async fn read(state: &dyn State, now: Timestamp) -> Result<Self, PortError> {
        let entries = state.list(Bucket::Nodes).await?;
        Ok(Self::of(&entries, now))
    }

    pub(super) fn of(entries: &[Entry], now: Timestamp) -> Self {
        let nodes = entries.iter().filter_map(decode_node).collect();
        let gateways = entries.iter().filter_map(decode_gateway).collect();
        Self {
            nodes,
            gateways,
            now,
        }
    }

    /// Why deliveries to a trigger are all refused, and by which of the gateways that live.
    pub(super) fn refusing(&self, trigger: &TriggerName) -> Vec<Refusing> {
        let mut all: Vec<Refusing> = Vec::new();
        let live = |(_, heard_at): &&(Gateway, Timestamp)| gateway::is_live(*heard_at, self.now);
        for (gateway, _) in self.gateways.values().filter(live) {
            let Some(why) = gateway.refusing.get(trigger) else {
                continue;
            };
            match all.iter_mut().find(|known| known.why == *why) {
                Some(known) => known.gateways.push(gateway.name.clone()),
                None => all.push(Refusing {
                    why: why.clone(),
                    gateways: vec![gateway.name.clone()],
                }),
            }
        }
        all
    }

    pub(super) fn is_live(&self, node: &NodeName) -> bool {
        let found = self.nodes.get(node);
        found.is_some_and(|(_, heard_at)| node::is_live(*heard_at, self.now))
    }

    /// The nodes that are live, by name.
    pub(super) fn live(&self) -> impl Iterator<Item = &Node> {
        let live = |(_, heard_at): &&(Node, Timestamp)| node::is_live(*heard_at, self.now);
        self.nodes.values().filter(live).map(|(node, _)| node)
    }

    /// All nodes that were ever heard of, with when that was last.
    pub(super) fn all(self) -> impl Iterator<Item = (Node, Timestamp)> {
        self.nodes.into_values()
    }

    /// The slots of so many that a live node holds. What is left of a dead holder, or of a slot that there is no more, is none.
    pub(super) fn held<'a>(
        &self,
        replicas: u32,
        slots: &'a BTreeMap<u32, SlotStatus>,
    ) -> BTreeMap<u32, &'a SlotStatus> {
        let held = |(index, status): &(&u32, &SlotStatus)| {
            **index < replicas && self.is_live(&status.node)
        };
        let held = slots.iter().filter(held);
        held.map(|(index, status)| (*index, status)).collect()
    }

    /// What there is to say of a node that is not live and has this slot in its name.
    pub(super) fn silence(&self, node: &NodeName, slot: u32) -> String {
        match self.nodes.get(node) {
            Some((_, heard_at)) => format!(
                "node `{node}`, which holds slot {slot}, was not heard of for {} s",
                self.now.duration_since(*heard_at).as_secs()
            ),
            None => format!("node `{node}`, which held slot {slot}, is gone"),
        }
    }
}

impl Seen {
    pub(super) fn see(&mut self, bucket: Bucket, change: Change) {
        match (bucket, change) {
            (Bucket::Status, Change::Put(entry)) => self.slots.extend(decode_slot(&entry)),
            (Bucket::Status, Change::Deleted { key, .. }) => {
                if let Some(slot) = Slot::parse(&key) {
                    self.slots.remove(&slot);
                }
            }
            (Bucket::Status, Change::Current) => self.current.0 = true,
            (Bucket::Nodes, Change::Put(entry)) => self.heard.nodes.extend(decode_node(&entry)),
            (Bucket::Nodes, Change::Deleted { key, .. }) => {
                self.heard.nodes.retain(|node, _| node.as_str() != key);
            }
            (Bucket::Nodes, Change::Current) => self.current.1 = true,
            (Bucket::Triggers, _) => {}
        }
    }

    /// Takes note of the time. Answers whether what was there at the start has been seen.
    pub(super) fn at(&mut self, now: Timestamp) -> bool {
        self.heard.now = now;
        self.current == (true, true)
    }

    /// The slots of one trigger.
    pub(super) fn of(&self, trigger: &TriggerName) -> BTreeMap<u32, SlotStatus> {
        let own = self
            .slots
            .iter()
            .filter(|(slot, _)| &slot.trigger == trigger);
        own.map(|(slot, status)| (slot.index, status.clone()))
            .collect()
    }
}

/// How long it is waited for news before what is known is held against the time again: that a node is dead is no news.
pub(super) const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// The node of a heartbeat, and when the state took it. What is wanted of a node is none, nor is a gateway.
fn decode_node(entry: &Entry) -> Option<(NodeName, (Node, Timestamp))> {
    let node = serde_json::from_slice::<Node>(&entry.value).ok()?;
    (node.name.as_str() == entry.key).then(|| (node.name.clone(), (node, entry.changed_at)))
}

fn decode_gateway(entry: &Entry) -> Option<(GatewayName, (Gateway, Timestamp))> {
    let said = gateway::decode(entry)?;
    Some((said.name.clone(), (said, entry.changed_at)))
}
