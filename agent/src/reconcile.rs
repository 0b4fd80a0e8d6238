//! The loop that makes what is into what should be: level-triggered, woken by watches, by its own steps and by a slow resync.

use crate::environment;
use crate::plan::{self, Want};
use crate::slot::HeldSlot;
use crate::{Agent, campaign, postmortem};
use belfry_mesh::control;
use belfry_mesh::node::Node;
use belfry_mesh::placement::{Slot, rank};
use belfry_mesh::port::lease::Held;
use belfry_mesh::port::runtime::{Instance, Spec};
use belfry_mesh::port::state::{Bucket, Change};
use belfry_mesh::trigger::Desired;
use belfry_mesh::{NodeName, Trigger, TriggerName};
use futures::StreamExt;
use futures::stream::BoxStream;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{info, warn};

/// How often a slot that is not settled is looked at again.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// How long a state that is away is left alone before it is watched again.
const RECONNECT: Duration = Duration::from_secs(1);

/// What the loop is told by what it started.
pub(crate) enum Note {
    /// A slot's lease was taken.
    Taken(Slot, Held),
    /// A slot's lease was lost.
    Lost(Slot, u64),
    /// An instance was started, or could not be.
    Started(Slot, u64, Result<(), String>),
    /// An instance is gone.
    Removed(String),
}

struct Reconciler {
    agent: Arc<Agent>,
    tasks: TaskTracker,
    notes: UnboundedSender<Note>,
    triggers: BTreeMap<TriggerName, (Arc<Trigger>, u64)>,
    nodes: BTreeMap<NodeName, Node>,
    /// What was there at the start has been seen: before that, an instance without a trigger is no orphan.
    seen_all: bool,
    campaigns: BTreeMap<Slot, CancellationToken>,
    held: BTreeMap<Slot, HeldSlot>,
    removing: BTreeSet<String>,
    /// The state took the latest report.
    heard: bool,
}

/// Reconciles until `shutdown`, then leaves its slots.
pub(crate) async fn run(agent: Arc<Agent>, tasks: &TaskTracker, shutdown: CancellationToken) {
    let (sender, notes) = unbounded_channel();
    let mut reconciler = Reconciler {
        agent,
        tasks: tasks.clone(),
        notes: sender,
        triggers: BTreeMap::new(),
        nodes: BTreeMap::new(),
        seen_all: false,
        campaigns: BTreeMap::new(),
        held: BTreeMap::new(),
        removing: BTreeSet::new(),
        heard: true,
    };
    shutdown.run_until_cancelled(reconciler.follow(notes)).await;
    reconciler.leave_all().await;
}

impl Reconciler {
    async fn follow(&mut self, mut notes: UnboundedReceiver<Note>) {
        let mut triggers = self.watch(Bucket::Triggers).await;
        let mut nodes = self.watch(Bucket::Nodes).await;
        loop {
            let wake = self.settle().await;
            tokio::select! {
                Some(change) = triggers.next() => self.see_trigger(change),
                Some(change) = nodes.next() => self.see_node(&change),
                Some(note) = notes.recv() => self.take_note(note),
                () = tokio::time::sleep(wake) => {}
            }
        }
    }

    async fn watch(&self, bucket: Bucket) -> BoxStream<'static, Change> {
        loop {
            match self.agent.ports.state.watch(bucket).await {
                Ok(changes) => return changes,
                Err(error) => {
                    warn!(bucket = bucket.name(), %error, "the state cannot be watched; trying again")
                }
            }
            tokio::time::sleep(RECONNECT).await;
        }
    }

    fn see_trigger(&mut self, change: Change) {
        match change {
            Change::Put(entry) => match control::decode(&entry) {
                Ok(trigger) if trigger.leaving => {
                    self.triggers.remove(&trigger.name);
                }
                Ok(trigger) => {
                    self.triggers
                        .insert(trigger.name.clone(), (Arc::new(trigger), entry.revision));
                }
                // What runs goes on running: a record that cannot be read says nothing.
                Err(error) => warn!(%error, "a trigger is left as it is"),
            },
            Change::Deleted { key, .. } => {
                self.triggers.remove(key.as_str());
            }
            Change::Current => self.seen_all = true,
        }
    }

    fn see_node(&mut self, change: &Change) {
        match change {
            Change::Put(entry) => {
                if let Ok(node) = serde_json::from_slice::<Node>(&entry.value) {
                    self.nodes.insert(node.name.clone(), node);
                }
            }
            Change::Deleted { key, .. } => {
                self.nodes.remove(key.as_str());
            }
            Change::Current => {}
        }
    }

    fn take_note(&mut self, note: Note) {
        match note {
            Note::Taken(slot, lease) => self.take(slot, lease),
            Note::Lost(slot, token) => self.lose(&slot, token),
            Note::Started(slot, revision, result) => {
                let Some(held) = self.held.get_mut(&slot) else {
                    return;
                };
                held.starting = None;
                if let Err(reason) = result {
                    warn!(%slot, revision, reason, "a trigger could not be started");
                    held.failed(revision, reason);
                }
            }
            Note::Removed(id) => {
                self.removing.remove(&id);
            }
        }
    }

    fn take(&mut self, slot: Slot, lease: Held) {
        info!(%slot, token = lease.token, node = %self.agent.config.node, "slot taken");
        self.campaigns.remove(&slot);
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
        if let Some(held) = self.held.remove(slot) {
            self.tasks
                .spawn(held.leave(self.agent.clone(), Vec::new(), false));
        }
    }

    /// Does what there is to do now. Answers after how long it wants to look again.
    async fn settle(&mut self) -> Duration {
        self.campaign();
        let observed = match self.agent.runtime.list().await {
            Ok(observed) => observed,
            Err(error) => {
                warn!(%error, "the runtime cannot be asked; trying again");
                return RECONNECT;
            }
        };
        let mut by_slot: BTreeMap<Slot, Vec<Instance>> = BTreeMap::new();
        for instance in observed {
            by_slot
                .entry(instance.slot.clone())
                .or_default()
                .push(instance);
        }
        self.remove_orphans(&by_slot);
        let mut slots: Vec<Slot> = self.held.keys().cloned().collect();
        slots.retain(|slot| self.keep(slot, by_slot.get(slot)));
        let mut wake = self.agent.config.resync;
        self.heard = true;
        for slot in slots {
            let instances = by_slot.remove(&slot).unwrap_or_default();
            wake = wake.min(self.settle_slot(&slot, &instances).await);
        }
        wake
    }

    /// Tries for slots that should be held, and no more for those that should not.
    fn campaign(&mut self) {
        let wanted: BTreeSet<Slot> = self
            .triggers
            .keys()
            .map(|name| Slot {
                trigger: name.clone(),
                index: 0,
            })
            .collect();
        self.campaigns.retain(|slot, stop| {
            let keep = wanted.contains(slot);
            if !keep {
                stop.cancel();
            }
            keep
        });
        let now = self.agent.ports.clock.now();
        for slot in wanted {
            if self.held.contains_key(&slot) || self.campaigns.contains_key(&slot) {
                continue;
            }
            let live = self
                .nodes
                .values()
                .filter(|node| node.is_live(now))
                .map(|node| &node.name);
            let rank = rank(&slot, live, &self.agent.config.node);
            let stop = CancellationToken::new();
            self.campaigns.insert(slot.clone(), stop.clone());
            self.tasks.spawn(campaign::run(
                self.agent.clone(),
                slot,
                rank,
                self.notes.clone(),
                stop,
            ));
        }
    }

    /// Removes instances whose trigger is no more.
    fn remove_orphans(&mut self, observed: &BTreeMap<Slot, Vec<Instance>>) {
        if !self.seen_all {
            return;
        }
        let orphan = |slot: &&Slot| {
            !self.triggers.contains_key(&slot.trigger) && !self.held.contains_key(slot)
        };
        let orphans: Vec<String> = observed
            .keys()
            .filter(orphan)
            .flat_map(|slot| observed[slot].iter().map(|instance| instance.id.clone()))
            .collect();
        for id in orphans {
            self.remove(id, None);
        }
    }

    /// Whether the slot is still to be held. One whose trigger is no more is left.
    fn keep(&mut self, slot: &Slot, instances: Option<&Vec<Instance>>) -> bool {
        if self.triggers.contains_key(&slot.trigger) {
            return true;
        }
        if let Some(held) = self.held.remove(slot) {
            info!(%slot, "the trigger is uninstalled; its slot is left");
            let ids = instances
                .into_iter()
                .flatten()
                .map(|instance| instance.id.clone())
                .collect();
            self.tasks.spawn(held.leave(self.agent.clone(), ids, true));
        }
        false
    }

    async fn settle_slot(&mut self, slot: &Slot, instances: &[Instance]) -> Duration {
        let (Some((trigger, revision)), Some(held)) = (
            self.triggers.get(&slot.trigger).cloned(),
            self.held.get_mut(slot),
        ) else {
            return self.agent.config.resync;
        };
        let present: Vec<Instance> = instances
            .iter()
            .filter(|instance| !self.removing.contains(&instance.id))
            .cloned()
            .collect();
        let plan = plan::plan(
            Want {
                revision,
                running: trigger.desired == Desired::Running,
            },
            &present,
        );
        let ended = held.serve(&self.agent, &trigger, plan.serve.clone(), &self.tasks);
        if let Some(failed) = &plan.failed {
            // It is told once: from here on it is being removed.
            let reason = postmortem::tell(&self.agent, &trigger, failed).await;
            warn!(%slot, revision, reason, "a trigger's container failed");
            held.failed(revision, reason);
        }
        if plan.start && held.may_start(revision) {
            held.starting = Some(revision);
            let start = start(
                self.agent.clone(),
                slot.clone(),
                trigger,
                revision,
                self.notes.clone(),
            );
            self.tasks.spawn(start);
        }
        // A state that is away is not asked again for each of many slots.
        if self.heard {
            self.heard = held.report(&self.agent, revision, &plan).await;
        }
        let wake = match (held.is_settled(), self.heard) {
            (true, _) => self.agent.config.resync,
            (false, true) => LOOK_AGAIN,
            (false, false) => RECONNECT,
        };
        let due = held
            .wakes_at()
            .map(|at| at.saturating_duration_since(tokio::time::Instant::now()));
        let mut ended = ended;
        for id in plan.remove {
            let pump = ended
                .take_if(|(pumped, _)| *pumped == id)
                .map(|(_, pump)| pump);
            self.remove(id, pump);
        }
        due.map_or(wake, |due| wake.min(due))
    }

    /// Removes an instance once its pump, if it has one, has ended.
    fn remove(&mut self, id: String, pump: Option<JoinHandle<()>>) {
        if !self.removing.insert(id.clone()) {
            return;
        }
        let (agent, notes) = (self.agent.clone(), self.notes.clone());
        self.tasks.spawn(async move {
            if let Some(pump) = pump {
                pump.await.ok();
            }
            if let Err(error) = agent.runtime.remove(&id, agent.config.grace).await {
                warn!(instance = id, %error, "an instance could not be removed; trying again");
            }
            notes.send(Note::Removed(id)).ok();
        });
    }

    /// Leaves all slots, side by side.
    async fn leave_all(mut self) {
        for stop in self.campaigns.values() {
            stop.cancel();
        }
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

/// Resolves what the trigger needs on this node, and starts it.
async fn start(
    agent: Arc<Agent>,
    slot: Slot,
    trigger: Arc<Trigger>,
    revision: u64,
    notes: UnboundedSender<Note>,
) {
    let result = async {
        let contract = contract(&agent, &trigger);
        let environment = environment::resolve(&trigger, &contract, agent.secrets.as_ref()).await;
        let spec = Spec {
            slot: slot.clone(),
            revision,
            manifest: trigger.manifest.clone(),
            target: trigger.target.clone(),
            environment: environment.map_err(|error| error.to_string())?,
        };
        agent
            .runtime
            .start(&spec)
            .await
            .map(drop)
            .map_err(|error| error.to_string())
    };
    let result = result.await;
    notes.send(Note::Started(slot, revision, result)).ok();
}

/// The variables of the trigger contract. Where the orchestrator is the installer may say otherwise; what is run it may not.
fn contract(agent: &Agent, trigger: &Trigger) -> BTreeMap<String, String> {
    let mut contract = BTreeMap::from([("TRIGGER_NAME".to_owned(), trigger.name.to_string())]);
    let (variable, id) = trigger.target.environment();
    contract.insert(variable.to_owned(), id.to_owned());
    for (name, value) in [
        ("ORCHESTRATOR_URL", Some(&agent.config.orchestrator)),
        ("ORCHESTRATOR_WS", agent.config.orchestrator_ws.as_ref()),
    ] {
        if let Some(value) = value.filter(|_| !trigger.user_config.contains_key(name)) {
            contract.insert(name.to_owned(), value.clone());
        }
    }
    contract
}
