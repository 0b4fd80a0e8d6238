//! The loop that makes what is into what should be: level-triggered, woken by watches, by the runtime, by its own steps and by a
//! slow resync.

use crate::campaign::{self, Campaign};
use crate::plan::{self, Plan, Want};
use crate::slot::HeldSlot;
use crate::start::start;
use crate::view::{Standing, Touched, View};
use crate::{Agent, postmortem};
use belfry_mesh::Trigger;
use belfry_mesh::control;
use belfry_mesh::node::Load;
use belfry_mesh::placement::{self, Slot, Unfit};
use belfry_mesh::port::lease::Held;
use belfry_mesh::port::runtime::Instance;
use belfry_mesh::port::state::{Bucket, Change};
use belfry_mesh::trigger::{Desired, SlotStatus};
use futures::stream::{BoxStream, select_all};
use futures::{FutureExt, StreamExt};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, info, warn};

/// How often a slot that is not settled is looked at again.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// How often an update on probation is looked at.
const PROBE: Duration = Duration::from_secs(1);

/// How long a state that is away is left alone before it is watched again.
const RECONNECT: Duration = Duration::from_secs(1);

/// How long the end of a container's log is waited for.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// How long an instance that cannot be removed is left alone.
const REMOVE_AGAIN: Duration = Duration::from_secs(5);

/// How long news is let come in before all slots are looked at: many changes at once are one look.
const GATHER: Duration = Duration::from_millis(10);

/// What the loop is told by what it started.
pub(crate) enum Note {
    /// A slot's lease was taken.
    Taken(Slot, Held),
    /// A slot's lease was lost.
    Lost(Slot, u64),
    /// A slot was left: nothing of it goes on here.
    Left(Slot),
    /// An instance was started, or could not be.
    Started(Slot, u64, Result<(), String>),
    /// An instance is gone.
    Removed(String),
    /// The probation of a slot's update could not be ended, and is to be tried again.
    Undecided(Slot),
    /// An old report was taken back, or another has come.
    Cleared(Slot),
}

struct Reconciler {
    agent: Arc<Agent>,
    tasks: TaskTracker,
    notes: UnboundedSender<Note>,
    view: View,
    campaigns: BTreeMap<Slot, Campaign>,
    held: BTreeMap<Slot, HeldSlot>,
    leaving: BTreeSet<Slot>,
    removing: BTreeSet<String>,
    /// Reports that are being taken back.
    clearing: BTreeSet<Slot>,
    /// Since when the runtime is away, and why.
    away: Option<(Instant, String)>,
    /// The state took the latest report.
    heard: bool,
    /// When the instances are to be looked at, at the latest.
    look_at: Instant,
}

/// Reconciles until `shutdown`, then leaves its slots.
pub(crate) async fn run(agent: Arc<Agent>, tasks: &TaskTracker, shutdown: CancellationToken) {
    let (sender, notes) = unbounded_channel();
    let view = View::new(agent.config.node.clone(), agent.config.lease_ttl);
    let mut reconciler = Reconciler {
        agent,
        tasks: tasks.clone(),
        notes: sender,
        view,
        campaigns: BTreeMap::new(),
        held: BTreeMap::new(),
        leaving: BTreeSet::new(),
        removing: BTreeSet::new(),
        clearing: BTreeSet::new(),
        away: None,
        heard: true,
        look_at: Instant::now(),
    };
    shutdown.run_until_cancelled(reconciler.follow(notes)).await;
    reconciler.leave_all().await;
}

impl Reconciler {
    async fn follow(&mut self, mut notes: UnboundedReceiver<Note>) {
        let mut changes = self.watch().await;
        let mut instances = self.agent.runtime.changes();
        loop {
            self.campaign();
            let now = Instant::now();
            if self.look_at <= now {
                let wake = self.settle().await;
                // From now on, not from before: what takes long must not take all the time that there is.
                self.look_at = Instant::now() + wake;
            }
            let death = self.view.next_death(now).unwrap_or(self.look_at);
            tokio::select! {
                Some((bucket, change)) = changes.next() => self.see(bucket, change),
                Some(note) = notes.recv() => self.take_note(note),
                Some(()) = instances.next() => self.look_soon(),
                () = tokio::time::sleep_until(self.look_at.min(death)) => {}
            }
            // All that is there already, before everything is looked at again.
            while let Some(Some((bucket, change))) = changes.next().now_or_never() {
                self.see(bucket, change);
            }
            while let Ok(note) = notes.try_recv() {
                self.take_note(note);
            }
        }
    }

    /// Everything that the agent watches, as one.
    async fn watch(&self) -> BoxStream<'static, (Bucket, Change)> {
        let mut watches = Vec::new();
        for bucket in Bucket::ALL {
            watches.push(self.watch_bucket(bucket).await);
        }
        select_all(watches).boxed()
    }

    async fn watch_bucket(&self, bucket: Bucket) -> BoxStream<'static, (Bucket, Change)> {
        loop {
            match self.agent.ports.state.watch(bucket).await {
                Ok(changes) => return changes.map(move |change| (bucket, change)).boxed(),
                Err(error) => {
                    warn!(bucket = bucket.name(), %error, "the state cannot be watched; trying again")
                }
            }
            tokio::time::sleep(RECONNECT).await;
        }
    }

    fn see(&mut self, bucket: Bucket, change: Change) {
        if bucket == Bucket::Status {
            self.hear(&change);
        }
        let touched = self.view.see(bucket, change, Instant::now());
        let concerned = match &touched {
            Touched::All => true,
            Touched::Trigger(name) => self.held.keys().any(|slot| slot.trigger == *name),
            Touched::Nothing => false,
        };
        if concerned {
            self.look_soon();
        }
    }

    /// Takes note of what is said of a slot that is held here.
    fn hear(&mut self, change: &Change) {
        let (key, token, revision) = match change {
            Change::Put(entry) => {
                let status = serde_json::from_slice::<SlotStatus>(&entry.value);
                let token = status.map(|status| status.token).unwrap_or_default();
                (&entry.key, token, entry.revision)
            }
            Change::Deleted { key, revision } => (key, 0, *revision),
            Change::Current => return,
        };
        if let Some(held) = Slot::parse(key).and_then(|slot| self.held.get_mut(&slot)) {
            held.hear(token, revision);
        }
    }

    fn look_soon(&mut self) {
        self.look_at = self.look_at.min(Instant::now() + GATHER);
    }

    fn take_note(&mut self, note: Note) {
        match note {
            Note::Taken(slot, lease) => self.take(slot, lease),
            Note::Lost(slot, token) => self.lose(&slot, token),
            Note::Left(slot) => {
                self.leaving.remove(&slot);
            }
            Note::Started(slot, revision, result) => {
                if let Some(held) = self.held.get_mut(&slot) {
                    held.starting.take_if(|starting| *starting == revision);
                    if let Err(reason) = result {
                        warn!(%slot, revision, reason, "a trigger could not be started");
                        held.failed(revision, None, reason);
                    }
                }
            }
            Note::Removed(id) => {
                self.removing.remove(&id);
            }
            Note::Cleared(slot) => {
                self.clearing.remove(&slot);
            }
            Note::Undecided(slot) => {
                if let Some(held) = self.held.get_mut(&slot) {
                    held.undecided();
                }
            }
        }
        self.look_soon();
    }

    fn take(&mut self, slot: Slot, lease: Held) {
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

    fn lose(&mut self, slot: &Slot, token: u64) {
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
    fn leave(&mut self, slot: &Slot, instances: Vec<String>, still_held: bool) {
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
    fn campaign(&mut self) {
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
    fn clear(&mut self) {
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
    fn tell_load(&self) {
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

    /// Does what there is to do about the instances now. Answers after how long it wants to look again.
    async fn settle(&mut self) -> Duration {
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
    fn endure(&mut self, why: String) -> Duration {
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
    fn remove_orphans(&mut self, observed: &BTreeMap<Slot, Vec<Instance>>) {
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
    fn want(&self, slot: &Slot, trigger: &Trigger, revision: u64) -> (Want, Option<String>) {
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

    async fn settle_slot(&mut self, slot: &Slot, instances: &[Instance]) -> Duration {
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
    fn judge(&mut self, slot: &Slot, trigger: &Arc<Trigger>, revision: u64, plan: &Plan) {
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
    fn remove(&mut self, id: String, pumps: Vec<JoinHandle<()>>) {
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

    /// Leaves all slots, side by side.
    async fn leave_all(mut self) {
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
