//! A slot that this node holds: its lease, its pump, and what was last said of it.

use crate::Agent;
use crate::plan::Plan;
use crate::pump::{self, Job, Tools};
use crate::recent::Recent;
use crate::tenure::Tenure;
use crate::trial::{Seen, Trial};
use belfry_mesh::Trigger;
use belfry_mesh::control::{self, Probation};
use belfry_mesh::outcome::Holder;
use belfry_mesh::placement::Slot;
use belfry_mesh::port::lease::Held;
use belfry_mesh::port::runtime::Instance;
use belfry_mesh::port::state::Bucket;
use belfry_mesh::retry::{self, Policy};
use belfry_mesh::trigger::{Desired, SlotState, SlotStatus};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, info};

/// How failed starts are spaced.
const RESTART: Policy = Policy {
    max_attempts: u32::MAX,
    base: Duration::from_millis(500),
    cap: Duration::from_secs(30),
};

/// A slot that this node holds.
pub(crate) struct HeldSlot {
    pub(crate) slot: Slot,
    pub(crate) lease: Arc<Tenure>,
    stop: CancellationToken,
    /// The revision that is being started.
    pub(crate) starting: Option<u64>,
    failure: Option<Failure>,
    serving: Option<Serving>,
    reported: Option<SlotStatus>,
    /// The revision of that report.
    reported_at: u64,
    /// Somebody who does not hold the slot has had the last word on it.
    overruled: bool,
    trial: Option<Trial>,
    /// The probation has a finding, which is being written.
    judged: bool,
    /// The probation has shown that the update holds here.
    passed: bool,
    /// Pumps that were told to end, and the instances that they pump into.
    ending: Vec<(String, JoinHandle<()>)>,
}

/// A start that failed.
struct Failure {
    revision: u64,
    times: u32,
    again_at: Instant,
    /// The instance that failed, if there was one.
    instance: Option<String>,
    reason: String,
}

/// The instance that a slot serves with, and the pump into it, if there is one.
struct Serving {
    instance: Instance,
    pump: Option<Pump>,
}

/// A pump that runs.
struct Pump {
    stop: CancellationToken,
    ended: JoinHandle<()>,
    recent: Arc<Mutex<Recent>>,
}

impl Serving {
    fn recent(&self) -> Recent {
        let recent = self.pump.as_ref().map(|pump| &pump.recent);
        recent.map_or_else(Recent::default, |recent| {
            recent
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone()
        })
    }
}

impl HeldSlot {
    /// A slot that was just taken. Whoever cancels `stop` stops its pumps: when the lease is lost, nothing more is pulled.
    pub(crate) fn new(slot: Slot, lease: Held, stop: CancellationToken) -> Self {
        Self {
            slot,
            lease: Arc::new(Tenure::new(lease)),
            stop,
            starting: None,
            failure: None,
            serving: None,
            reported: None,
            reported_at: 0,
            overruled: false,
            trial: None,
            judged: false,
            passed: false,
            ending: Vec::new(),
        }
    }

    /// Takes note of a start that failed: the next waits longer.
    pub(crate) fn failed(&mut self, revision: u64, instance: Option<String>, reason: String) {
        let before = self.failure.as_ref();
        let before = before.filter(|failure| failure.revision == revision);
        // What has not changed is one failure.
        if before.is_some_and(|it| it.again_at > Instant::now() && it.reason == reason) {
            return;
        }
        let times = before.map_or(1, |failure| failure.times + 1);
        let again_at = Instant::now() + retry::backoff(&RESTART, times);
        self.failure = Some(Failure {
            revision,
            times,
            again_at,
            instance,
            reason,
        });
    }

    /// Whether it is not known yet that this instance failed.
    pub(crate) fn is_news(&self, instance: &str) -> bool {
        let known = self.failure.as_ref().and_then(|it| it.instance.as_deref());
        known != Some(instance)
    }

    /// Whether this revision may be started now.
    pub(crate) fn may_start(&self, revision: u64) -> bool {
        let waits =
            |failure: &Failure| failure.revision == revision && failure.again_at > Instant::now();
        self.starting != Some(revision) && !self.failure.as_ref().is_some_and(waits)
    }

    /// When a start that failed is due again.
    pub(crate) fn wakes_at(&self) -> Option<Instant> {
        self.failure
            .as_ref()
            .map(|failure| failure.again_at)
            .filter(|at| *at > Instant::now())
    }

    /// Serves with this instance, or none, with a pump into it or without. A pump that it ends may have attempts in flight, see
    /// [`HeldSlot::ended`].
    pub(crate) fn serve(
        &mut self,
        agent: &Agent,
        trigger: &Trigger,
        instance: Option<Instance>,
        pumps: bool,
        tasks: &TaskTracker,
    ) {
        let same = |serving: &Serving| {
            // A container that its runtime started again may be elsewhere.
            instance.as_ref().is_some_and(|new| {
                new.id == serving.instance.id && new.event_url == serving.instance.event_url
            }) && pumps == serving.pump.is_some()
        };
        if self.serving.as_ref().is_some_and(same) {
            return;
        }
        self.ending.retain(|(_, pump)| !pump.is_finished());
        if let Some(Serving {
            instance,
            pump: Some(pump),
        }) = self.serving.take()
        {
            pump.stop.cancel();
            self.ending.push((instance.id, pump.ended));
        }
        if let Some(instance) = instance.filter(|new| !pumps || new.event_url.is_some()) {
            self.forgive(instance.revision);
            info!(slot = %self.slot, revision = instance.revision, container = %instance.container_name, pumps, "the slot serves");
            let url = instance.event_url.clone().filter(|_| pumps);
            let pump = url.map(|url| self.pump(agent, trigger, instance.revision, url, tasks));
            self.serving = Some(Serving { instance, pump });
        }
    }

    /// The pumps into an instance that are ending.
    pub(crate) fn ended(&mut self, instance: &str) -> Vec<JoinHandle<()>> {
        let of_it = self.ending.extract_if(.., |(id, _)| id == instance);
        of_it.map(|(_, pump)| pump).collect()
    }

    /// Forgets a failure of a revision that serves now; in its probation it counts.
    fn forgive(&mut self, revision: u64) {
        if self.trial.is_none() {
            self.failure.take_if(|failure| failure.revision == revision);
        }
    }

    fn pump(
        &self,
        agent: &Agent,
        trigger: &Trigger,
        revision: u64,
        url: String,
        tasks: &TaskTracker,
    ) -> Pump {
        let delivery = trigger.manifest.delivery();
        let recent = Arc::new(Mutex::new(Recent::default()));
        let job = Job {
            trigger: self.slot.trigger.clone(),
            subscription: control::subscription(trigger),
            url,
            policy: delivery.retry,
            timeout: delivery.timeout,
            max_in_flight: delivery.max_in_flight as usize,
            lease: self.lease.clone(),
            recent: recent.clone(),
            holder: Holder {
                node: agent.config.node.clone(),
                slot: self.slot.index,
                token: self.lease.token,
                revision,
            },
        };
        let seed = agent.config.seed ^ self.lease.token;
        let tools = Tools {
            ports: agent.ports.clone(),
            http: agent.http.clone(),
            seed,
        };
        let stop = self.stop.child_token();
        let ended = tasks.spawn(pump::run(job, tools, stop.clone(), agent.config.grace));
        Pump {
            stop,
            ended,
            recent,
        }
    }

    /// Begins the probation of an update when its turn has come, and forgets one that was about something else.
    pub(crate) fn begin_trial(&mut self, trigger: &Trigger, revision: u64, plan: &Plan) {
        let on_trial = trigger.fallback.is_some() && trigger.desired == Desired::Running;
        if self
            .trial
            .as_ref()
            .is_some_and(|trial| !on_trial || trial.revision != revision)
        {
            self.trial = None;
            self.judged = false;
            self.passed = false;
        }
        if !on_trial || plan.waits || self.trial.is_some() {
            return;
        }
        let rules = trigger.manifest.update();
        let recent = self.serving.as_ref().map(Serving::recent);
        let sick =
            recent.and_then(|recent| recent.sickness(rules.min_attempts, rules.max_failure_ratio));
        self.trial = Some(Trial::new(revision, Instant::now(), sick.is_some()));
    }

    /// Whether an update is on probation here.
    pub(crate) fn is_on_trial(&self) -> bool {
        self.trial.is_some() && !self.judged && !self.passed
    }

    /// What is found of the update on probation.
    pub(crate) fn judge(&mut self, trigger: &Trigger, plan: &Plan) -> Option<Probation> {
        let trial = self.trial.as_mut().filter(|_| !self.judged)?;
        // It holds here, whatever happens while other slots have yet to show it.
        if self.passed {
            return Some(Probation::Held);
        }
        let wanted = trigger.container_revision(trial.revision);
        let serving = self.serving.as_ref();
        let serving = serving.filter(|serving| serving.instance.revision == wanted);
        let failure = self.failure.as_ref();
        let failure = failure.filter(|failure| failure.revision == wanted);
        let seen = Seen {
            serves: serving.is_some() && plan.state.is_up(),
            failures: failure.map_or((0, None), |failure| {
                (failure.times, Some(failure.reason.as_str()))
            }),
            recent: &serving.map(Serving::recent).unwrap_or_default(),
        };
        let found = trial.judge(Instant::now(), &trigger.manifest.update(), seen);
        self.passed = found == Some(Probation::Held);
        found
    }

    /// The finding is being written.
    pub(crate) fn judged(&mut self) {
        self.judged = true;
    }

    /// The finding was not written: it is found again.
    pub(crate) fn undecided(&mut self) {
        self.judged = false;
    }

    /// Reports how the slot is, if that changed. Answers whether there is nothing left to report.
    /// `revision` is that of the trigger's record, and that which its containers are made from.
    pub(crate) async fn report(
        &mut self,
        agent: &Agent,
        (revision, wanted): (u64, u64),
        plan: &Plan,
    ) -> bool {
        let failure = self
            .failure
            .as_ref()
            .filter(|failure| failure.revision == wanted);
        let (state, detail) = match failure {
            Some(failure) if plan.state == SlotState::Starting => {
                (SlotState::Error, Some(failure.reason.clone()))
            }
            _ => (plan.state, plan.detail.clone()),
        };
        let serving = self.serving.as_ref().map(|serving| &serving.instance);
        // One that waits for its turn is as it was before.
        let before = self.reported.as_ref().map(|reported| reported.revision);
        let revision = match serving {
            Some(instance) if plan.waits => before.unwrap_or(instance.revision),
            _ => revision,
        };
        let mut status = SlotStatus {
            node: agent.config.node.clone(),
            token: self.lease.token,
            revision,
            state,
            serving: serving.map(|instance| instance.revision),
            detail,
            container_name: serving.map(|instance| instance.container_name.clone()),
            since: agent.ports.clock.now(),
        };
        if let Some(reported) = &self.reported {
            let since = std::mem::replace(&mut status.since, reported.since);
            let is_news = *reported != status;
            if !is_news && !self.overruled {
                return true;
            }
            if is_news {
                status.since = since;
            }
        }
        if self.lease.is_over() {
            // The word is another's.
            return true;
        }
        let value = serde_json::to_vec(&status).expect("a status has only string keys");
        match agent
            .ports
            .state
            .put(Bucket::Status, &self.slot.key(), value.into())
            .await
        {
            Ok(revision) => {
                self.reported = Some(status);
                self.reported_at = revision;
                self.overruled = false;
                true
            }
            Err(error) => {
                debug!(slot = %self.slot, %error, "the slot's status could not be reported yet");
                false
            }
        }
    }

    /// Takes note of what is said of the slot, under this token. An earlier holder that was cut off may say something too late, or
    /// say that the slot is free: it is then reported anew.
    pub(crate) fn hear(&mut self, token: u64, revision: u64) {
        if revision > self.reported_at && token < self.lease.token {
            self.overruled = true;
        }
    }

    /// Whether everything that there is to say of the slot has been said.
    pub(crate) fn is_settled(&self) -> bool {
        self.starting.is_none()
            && self
                .reported
                .as_ref()
                .is_some_and(|status| status.state != SlotState::Starting)
    }

    /// Leaves the slot: ends the pump, waits for what is in flight, removes the instances. With the lease still held, says that
    /// the slot is free and gives it back.
    pub(crate) async fn leave(self, agent: Arc<Agent>, instances: Vec<String>, still_held: bool) {
        if let Some(pump) = self.serving.and_then(|serving| serving.pump) {
            pump.stop.cancel();
            pump.ended.await.ok();
        }
        futures::future::join_all(self.ending.into_iter().map(|(_, pump)| pump)).await;
        for id in instances {
            if let Err(error) = agent.runtime.remove(&id, agent.config.grace).await {
                tracing::warn!(slot = %self.slot, instance = id, %error, "an instance could not be removed");
            }
        }
        if !still_held {
            return;
        }
        if let Err(error) = agent
            .ports
            .state
            .delete(Bucket::Status, &self.slot.key(), None)
            .await
        {
            debug!(slot = %self.slot, %error, "the slot's status could not be removed");
        }
        self.lease.release().await;
    }
}
