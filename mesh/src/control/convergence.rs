//! What agents have made of the desired state so far, and waiting until they have.

use super::heard::{Heard, LOOK_AGAIN, Seen};
use super::{Control, Error, Status, decode_slot, status};
use crate::name::TriggerName;
use crate::port::Error as PortError;
use crate::port::clock::Clock;
use crate::port::state::{Bucket, Revision, State};
use crate::trigger::{SlotStatus, Trigger};
use futures::StreamExt;
use futures::future::{Either, select};
use futures::stream;
use std::collections::BTreeMap;
use std::time::Duration;

impl Control {
    pub(super) async fn observe(
        &self,
        trigger: &Trigger,
        revision: Revision,
    ) -> Result<Status, Error> {
        let slots = slots(self.state.as_ref()).await?.remove(&trigger.name);
        let heard = self.heard().await?;
        Ok(Status::of(
            trigger,
            revision,
            slots.unwrap_or_default(),
            &heard,
        ))
    }

    /// Waits until the slots are at this revision and settled, or patience ends.
    pub(super) async fn converge(
        &self,
        trigger: &Trigger,
        revision: Revision,
    ) -> Result<(), Error> {
        self.await_slots(&trigger.name, |slots, heard| {
            status::is_settled(trigger, revision, slots, heard)
        })
        .await
    }

    pub(super) async fn await_slots(
        &self,
        name: &TriggerName,
        settled: impl Fn(&BTreeMap<u32, SlotStatus>, &Heard) -> bool,
    ) -> Result<(), Error> {
        let settled = |seen: &Seen| settled(&seen.of(name), &seen.heard);
        let (state, clock) = (self.state.as_ref(), self.clock.as_ref());
        await_seen(state, clock, self.patience, settled).await
    }

    pub(super) async fn heard(&self) -> Result<Heard, PortError> {
        Heard::read(self.state.as_ref(), self.clock.now()).await
    }
}

/// Waits until what holders and nodes report is so, or patience ends.
pub(super) async fn await_seen(
    state: &dyn State,
    clock: &dyn Clock,
    patience: Duration,
    settled: impl Fn(&Seen) -> bool,
) -> Result<(), Error> {
    let of = |bucket| move |change| (bucket, change);
    let slots = state.watch(Bucket::Status).await?;
    let nodes = state.watch(Bucket::Nodes).await?;
    let mut changes = stream::select(slots.map(of(Bucket::Status)), nodes.map(of(Bucket::Nodes)));
    let follow = async {
        let mut seen = Seen::default();
        loop {
            match select(changes.next(), clock.sleep(LOOK_AGAIN)).await {
                Either::Left((Some((bucket, change)), _)) => seen.see(bucket, change),
                Either::Left((None, _)) => return,
                Either::Right(_) => {}
            }
            if seen.at(clock.now()) && settled(&seen) {
                return;
            }
        }
    };
    futures::pin_mut!(follow);
    select(follow, clock.sleep(patience)).await;
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
