//! What agents have made of the desired state so far, and waiting until they have.

use super::{Control, Error, Status, decode_slot, status};
use crate::name::TriggerName;
use crate::node::Node;
use crate::placement::Slot;
use crate::port::Error as PortError;
use crate::port::state::{Bucket, Change as Seen, Revision, State};
use crate::trigger::{SlotStatus, Trigger};
use futures::StreamExt;
use std::collections::BTreeMap;

impl Control {
    pub(super) async fn observe(
        &self,
        trigger: &Trigger,
        revision: Revision,
    ) -> Result<Status, Error> {
        let slots = slots(self.state.as_ref()).await?.remove(&trigger.name);
        let nodes = self.live_nodes().await?;
        Ok(Status::of(
            trigger,
            revision,
            slots.unwrap_or_default(),
            &nodes,
        ))
    }

    /// Waits until the slots are at this revision and settled, or patience ends.
    pub(super) async fn converge(
        &self,
        trigger: &Trigger,
        revision: Revision,
    ) -> Result<(), Error> {
        self.await_slots(&trigger.name, |slots| {
            status::is_settled(trigger, revision, slots)
        })
        .await
    }

    pub(super) async fn await_slots(
        &self,
        name: &TriggerName,
        settled: impl Fn(&BTreeMap<u32, SlotStatus>) -> bool,
    ) -> Result<(), Error> {
        let settled = |slots: &BTreeMap<Slot, SlotStatus>| {
            let own = slots.iter().filter(|(slot, _)| &slot.trigger == name);
            settled(
                &own.map(|(slot, status)| (slot.index, status.clone()))
                    .collect(),
            )
        };
        let patience = self.clock.sleep(self.patience);
        await_status(self.state.as_ref(), patience, settled).await
    }

    pub(super) async fn live_nodes(&self) -> Result<Vec<Node>, PortError> {
        let now = self.clock.now();
        let entries = self.state.list(Bucket::Nodes).await?;
        let nodes = entries
            .iter()
            .filter_map(|entry| serde_json::from_slice::<Node>(&entry.value).ok());
        let mut nodes: Vec<Node> = nodes.filter(|node| node.is_live(now)).collect();
        nodes.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(nodes)
    }
}

/// Waits until what holders report is so, or patience ends.
pub(super) async fn await_status(
    state: &dyn State,
    patience: impl Future<Output = ()> + Unpin,
    settled: impl Fn(&BTreeMap<Slot, SlotStatus>) -> bool,
) -> Result<(), Error> {
    let mut watch = state.watch(Bucket::Status).await?;
    let follow = async {
        let mut slots: BTreeMap<Slot, SlotStatus> = BTreeMap::new();
        let mut current = false;
        while let Some(change) = watch.next().await {
            match change {
                Seen::Put(entry) => slots.extend(decode_slot(&entry)),
                Seen::Deleted { key, .. } => {
                    if let Some(slot) = Slot::parse(&key) {
                        slots.remove(&slot);
                    }
                }
                Seen::Current => current = true,
            }
            if current && settled(&slots) {
                return;
            }
        }
    };
    futures::pin_mut!(follow);
    futures::future::select(follow, patience).await;
    Ok(())
}

/// What the holders of all slots report.
pub(super) async fn slots(
    state: &dyn State,
) -> Result<BTreeMap<TriggerName, BTreeMap<u32, SlotStatus>>, PortError> {
    let mut slots: BTreeMap<TriggerName, BTreeMap<u32, SlotStatus>> = BTreeMap::new();
    for entry in state.list(Bucket::Status).await? {
        if let Some((slot, status)) = decode_slot(&entry) {
            slots
                .entry(slot.trigger)
                .or_default()
                .insert(slot.index, status);
        }
    }
    Ok(slots)
}
