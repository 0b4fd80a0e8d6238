//! Which slots this node holds: taking, leaving and losing them.

use super::{Note, RECONNECT, Reconciler};
use crate::campaign::{self, Campaign};
use crate::slot::HeldSlot;
use crate::view::Standing;
use belfry_mesh::node::Load;
use belfry_mesh::placement::Slot;
use belfry_mesh::port::lease::Held;
use belfry_mesh::port::state::Bucket;
use std::collections::BTreeMap;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

impl Reconciler {
    pub(super) fn take(&mut self, slot: Slot, lease: Held) {
        if let Some(campaign) = self.campaigns.remove(&slot) {
            campaign.stop.cancel();
        }
        // Several campaigns may have won when there was room for one.
        self.tell_load();
        let again = self.held.contains_key(&slot) || self.leaving.contains(&slot);
        if again || !self.view.is_mine(&slot, &self.agent.node()) {
            self.tasks.spawn(lease.hold.release());
            return;
        }
        info!(%slot, token = lease.token, node = %self.agent.config.node, "slot taken");
        let (lost, token, notes) = (lease.hold.lost(), lease.token, self.notes.clone());
        let (key, stop) = (slot.clone(), CancellationToken::new());
        let stopped = stop.clone();
        self.tasks.spawn(async move {
            lost.await;
            // The pump is stopped here and not by the loop, which may be waiting for a bus that is away.
            stopped.cancel();
            notes.send(Note::Lost(key, token)).ok();
        });
        self.held
            .insert(slot.clone(), HeldSlot::new(slot, lease, stop));
    }

    pub(super) fn lose(&mut self, slot: &Slot, token: u64) {
        if self
            .held
            .get(slot)
            .is_none_or(|held| held.lease.token != token)
        {
            return;
        }
        warn!(%slot, token, node = %self.agent.config.node, "the slot's lease is lost; another node may take it");
        // Its containers stay, in case this node gets it again; if another does, they are orphans.
        self.leave(slot, Vec::new(), false);
    }

    /// Leaves a slot, on the side.
    pub(super) fn leave(&mut self, slot: &Slot, instances: Vec<String>, still_held: bool) {
        let Some(held) = self.held.remove(slot) else {
            return;
        };
        self.leaving.insert(slot.clone());
        let (agent, notes, slot) = (self.agent.clone(), self.notes.clone(), slot.clone());
        self.tasks.spawn(async move {
            held.leave(agent, instances, still_held).await;
            notes.send(Note::Left(slot)).ok();
        });
    }

    /// Tries for slots that this node may take, and no more for those that it may not.
    pub(super) fn campaign(&mut self) {
        self.tell_load();
        let (mine, now) = (self.agent.node(), Instant::now());
        let mut standings: BTreeMap<Slot, Standing> = BTreeMap::new();
        for slot in self.view.slots() {
            if self.held.contains_key(&slot) || self.leaving.contains(&slot) {
                continue;
            }
            let standing = self.view.standing(&slot, &mine, now);
            if standing != Standing::NotMine {
                standings.insert(slot, standing);
            }
        }
        self.campaigns.retain(|slot, campaign| {
            let keep = standings.get(slot).is_some_and(|now| campaign.suits(*now));
            if !keep {
                campaign.stop.cancel();
            }
            keep
        });
        for (slot, standing) in standings {
            if self.campaigns.contains_key(&slot) {
                continue;
            }
            let stop = CancellationToken::new();
            let campaign = Campaign {
                standing,
                stop: stop.clone(),
            };
            self.campaigns.insert(slot.clone(), campaign);
            let (agent, notes) = (self.agent.clone(), self.notes.clone());
            self.tasks
                .spawn(campaign::run(agent, slot, standing, notes, stop));
        }
        self.clear();
    }

    /// Takes reports back that nobody else will.
    pub(super) fn clear(&mut self) {
        for (slot, revision) in self.view.stale(&self.agent.node(), Instant::now()) {
            let here = self.held.contains_key(&slot) || self.leaving.contains(&slot);
            if here || !self.clearing.insert(slot.clone()) {
                continue;
            }
            let (agent, notes) = (self.agent.clone(), self.notes.clone());
            self.tasks.spawn(async move {
                let (state, key) = (&agent.ports.state, slot.key());
                if let Err(error) = state.delete(Bucket::Status, &key, Some(revision)).await {
                    debug!(%slot, %error, "an old report could not be taken back");
                    tokio::time::sleep(RECONNECT).await;
                }
                notes.send(Note::Cleared(slot)).ok();
            });
        }
    }

    /// What this node says of itself from now on.
    pub(super) fn tell_load(&self) {
        let mut load = Load::default();
        for slot in self.held.keys() {
            load.slots += 1;
            if let Some((trigger, _)) = self.view.trigger(&slot.trigger) {
                load.memory = load.memory.saturating_add(trigger.memory());
            }
        }
        let trouble = self.away.as_ref().map(|(_, why)| why.clone());
        self.agent.tell(self.view.availability(), load, trouble);
    }

    /// Leaves all slots, side by side.
    pub(super) async fn leave_all(mut self) {
        for campaign in self.campaigns.values() {
            campaign.stop.cancel();
        }
        self.agent.runtime.close().await;
        let observed = self.agent.runtime.list().await.unwrap_or_default();
        let leaving = std::mem::take(&mut self.held)
            .into_iter()
            .map(|(slot, held)| {
                let ids = observed
                    .iter()
                    .filter(|instance| instance.slot == slot)
                    .map(|instance| instance.id.clone());
                held.leave(self.agent.clone(), ids.collect(), true)
            });
        futures::future::join_all(leaving).await;
    }
}
