//! What is in the slots that this node holds, made into what should be.

use super::{Note, RECONNECT, Reconciler};
use crate::plan::{self, Plan, Want};
use crate::postmortem;
use crate::start::start;
use belfry_mesh::Trigger;
use belfry_mesh::control;
use belfry_mesh::placement::{self, Slot, Unfit};
use belfry_mesh::port::runtime::Instance;
use belfry_mesh::trigger::Desired;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tracing::{info, warn};

/// How often a slot that is not settled is looked at again.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// How often an update on probation is looked at.
const PROBE: Duration = Duration::from_secs(1);

/// How long the end of a container's log is waited for.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// How long an instance that cannot be removed is left alone.
const REMOVE_AGAIN: Duration = Duration::from_secs(5);

impl Reconciler {
    /// Does what there is to do about the instances now. Answers after how long it wants to look again.
    pub(super) async fn settle(&mut self) -> Duration {
        let observed = match self.agent.runtime.list().await {
            Ok(observed) => observed,
            Err(error) => return self.endure(error.to_string()),
        };
        if self.away.take().is_some() {
            info!("the runtime can be asked again");
        }
        let mut by_slot: BTreeMap<Slot, Vec<Instance>> = BTreeMap::new();
        for instance in observed {
            by_slot
                .entry(instance.slot.clone())
                .or_default()
                .push(instance);
        }
        self.present = by_slot.keys().map(|slot| slot.trigger.clone()).collect();
        self.remove_orphans(&by_slot);
        let mine = self.agent.node();
        let mut wake = self.agent.config.resync;
        self.heard = true;
        for slot in self.held.keys().cloned().collect::<Vec<_>>() {
            let instances = by_slot.remove(&slot).unwrap_or_default();
            if self.view.is_to_leave(&slot, &mine) {
                info!(%slot, availability = mine.availability.as_str(), "the slot is left");
                let ids = instances.into_iter().map(|instance| instance.id).collect();
                self.leave(&slot, ids, true);
                continue;
            }
            wake = wake.min(self.settle_slot(&slot, &instances).await);
        }
        wake
    }

    /// Does without a runtime that is away: takes nothing more, and when it is away for longer than a lease, leaves to others what
    /// it cannot look after.
    pub(super) fn endure(&mut self, why: String) -> Duration {
        let now = Instant::now();
        let since = self.away.get_or_insert_with(|| {
            warn!(why, "the runtime cannot be asked; trying again");
            (now, why)
        });
        if now.duration_since(since.0) >= self.agent.config.lease_ttl {
            for slot in self.held.keys().cloned().collect::<Vec<_>>() {
                warn!(%slot, "the slot is left, for the runtime is away");
                self.leave(&slot, Vec::new(), true);
            }
        }
        RECONNECT
    }

    /// Removes instances of slots that are not here any more.
    pub(super) fn remove_orphans(&mut self, observed: &BTreeMap<Slot, Vec<Instance>>) {
        let here = |slot: &Slot| self.held.contains_key(slot) || self.leaving.contains(slot);
        let orphans: Vec<String> = observed
            .iter()
            .filter(|(slot, _)| !here(slot) && self.view.is_orphan(slot))
            .flat_map(|(_, instances)| instances.iter().map(|instance| instance.id.clone()))
            .collect();
        for id in orphans {
            self.remove(id, Vec::new());
        }
    }

    /// What should be in a slot, and why this node is not the one for it, if an update on probation asks for another.
    pub(super) fn want(
        &self,
        slot: &Slot,
        trigger: &Trigger,
        revision: u64,
    ) -> (Want, Option<String>) {
        let unfit = match placement::fits(trigger, &self.agent.node()) {
            Err(unfit @ Unfit::Constraint(_)) => Some(format!("this node {unfit}")),
            _ => None,
        };
        let others = self.view.of(&slot.trigger, Instant::now());
        let want = Want {
            revision: trigger.container_revision(revision),
            desired: trigger.desired,
            its_turn: unfit.is_none() && placement::is_its_turn(slot.index, revision, others),
            alone: trigger
                .manifest
                .deployment()
                .takes_a_port(trigger.manifest.kind()),
        };
        (want, unfit)
    }

    pub(super) async fn settle_slot(&mut self, slot: &Slot, instances: &[Instance]) -> Duration {
        let resync = self.agent.config.resync;
        let Some((trigger, revision)) = self.view.trigger(&slot.trigger) else {
            return resync;
        };
        let (want, unfit) = self.want(slot, &trigger, revision);
        let Some(held) = self.held.get_mut(slot) else {
            return resync;
        };
        let present: Vec<Instance> = instances
            .iter()
            .filter(|instance| !self.removing.contains(&instance.id))
            .cloned()
            .collect();
        let mut plan = plan::plan(want, &present);
        // What is still ending may still have what the next one needs.
        plan.start &= unfit.is_none() && !(want.alone && instances.len() > present.len());
        if let Some(unfit) = unfit {
            plan.waits = false;
            held.failed(want.revision, None, unfit);
        }
        let pumps = trigger.manifest.source().takes_events() && want.desired == Desired::Running;
        held.begin_trial(&trigger, revision, &plan);
        held.serve(
            &self.agent,
            &trigger,
            plan.serve.clone(),
            pumps,
            &self.tasks,
        );
        if let Some(failed) = plan.failed.as_ref().filter(|it| held.is_news(&it.id)) {
            // It is told once: from here on it is being removed.
            let told = postmortem::tell(&self.agent, &trigger, failed);
            let told = tokio::time::timeout(LAST_WORDS, told).await;
            let reason = told.unwrap_or_else(|_| plan::describe(failed));
            warn!(%slot, revision, reason, "a trigger's container failed");
            held.failed(want.revision, Some(failed.id.clone()), reason);
        }
        if plan.start && held.may_start(want.revision) {
            held.starting = Some(want.revision);
            let (agent, notes) = (self.agent.clone(), self.notes.clone());
            let start = start(agent, slot.clone(), trigger.clone(), want.revision, notes);
            self.tasks.spawn(start);
        }
        // A state that is away is not asked again for each of many slots.
        if self.heard {
            self.heard = held
                .report(&self.agent, (revision, want.revision), &plan)
                .await;
        }
        let wake = match (held.is_settled(), self.heard) {
            (true, _) if held.is_on_trial() => PROBE,
            (true, _) => resync,
            (false, true) => LOOK_AGAIN,
            (false, false) => RECONNECT,
        };
        let due = held
            .wakes_at()
            .map(|at| at.saturating_duration_since(Instant::now()));
        self.judge(slot, &trigger, revision, &plan);
        for id in plan.remove {
            let held = self.held.get_mut(slot);
            let pumps = held.map_or_else(Vec::new, |held| held.ended(&id));
            self.remove(id, pumps);
        }
        due.map_or(wake, |due| wake.min(due))
    }

    /// Ends the probation of an update once there is a finding.
    pub(super) fn judge(
        &mut self,
        slot: &Slot,
        trigger: &Arc<Trigger>,
        revision: u64,
        plan: &Plan,
    ) {
        let Some(held) = self.held.get_mut(slot) else {
            return;
        };
        let Some(found) = held.judge(trigger, plan) else {
            return;
        };
        // That it held is said once, by the last slot that went over.
        let mut others = self.view.of(&slot.trigger, Instant::now());
        let is_last = others.all(|(index, status)| {
            index == slot.index
                || (index < slot.index && status.revision >= revision && status.state.is_up())
        });
        if found == control::Probation::Held && !is_last {
            return;
        }
        held.judged();
        info!(%slot, revision, ?found, "the probation of an update ends");
        let (agent, notes, slot) = (self.agent.clone(), self.notes.clone(), slot.clone());
        let trigger = trigger.clone();
        self.tasks.spawn(async move {
            let by = format!("agent on node {}", agent.config.node);
            let ports = &agent.ports;
            let ended = control::end_probation(
                ports.state.as_ref(),
                ports.events.as_ref(),
                ports.clock.as_ref(),
                (&trigger, revision),
                &found,
                &by,
            );
            if let Err(error) = ended.await {
                warn!(%slot, %error, "what was found of an update could not be written; trying again");
                notes.send(Note::Undecided(slot)).ok();
            }
        });
    }

    /// Removes an instance once the pumps into it have ended.
    pub(super) fn remove(&mut self, id: String, pumps: Vec<JoinHandle<()>>) {
        if !self.removing.insert(id.clone()) {
            return;
        }
        let (agent, notes) = (self.agent.clone(), self.notes.clone());
        self.tasks.spawn(async move {
            futures::future::join_all(pumps).await;
            if let Err(error) = agent.runtime.remove(&id, agent.config.grace).await {
                warn!(instance = id, %error, "an instance could not be removed; trying again");
                tokio::time::sleep(REMOVE_AGAIN).await;
            }
            notes.send(Note::Removed(id)).ok();
        });
    }
}
