//! The loop that makes what is into what should be: level-triggered, woken by watches, by the runtime, by its own steps and by a
//! slow resync.

mod holding;
mod settle;

use crate::Agent;
use crate::campaign::Campaign;
use crate::slot::HeldSlot;
use crate::view::{Touched, View};
use belfry_mesh::TriggerName;
use belfry_mesh::placement::Slot;
use belfry_mesh::port::lease::Held;
use belfry_mesh::port::state::{Bucket, Change};
use belfry_mesh::trigger::SlotStatus;
use futures::stream::{BoxStream, select_all};
use futures::{FutureExt, StreamExt};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::warn;

/// How long a state that is away is left alone before it is watched again.
const RECONNECT: Duration = Duration::from_secs(1);

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
    /// The triggers of which there were instances at the last look.
    present: BTreeSet<TriggerName>,
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
        present: BTreeSet::new(),
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
            Touched::Trigger(name) => {
                self.present.contains(name) || self.held.keys().any(|slot| slot.trigger == *name)
            }
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
}
