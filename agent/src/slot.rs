//! A slot that this node holds: its lease, its pump, and what was last said of it.

use crate::Agent;
use crate::plan::Plan;
use crate::pump::{self, Job, Tools};
use belfry_mesh::Trigger;
use belfry_mesh::control;
use belfry_mesh::outcome::Holder;
use belfry_mesh::placement::Slot;
use belfry_mesh::port::lease::Held;
use belfry_mesh::port::runtime::Instance;
use belfry_mesh::port::state::Bucket;
use belfry_mesh::retry::{self, Policy};
use belfry_mesh::trigger::{SlotState, SlotStatus};
use std::sync::Arc;
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
    pub(crate) lease: Held,
    stop: CancellationToken,
    /// The revision that is being started.
    pub(crate) starting: Option<u64>,
    failure: Option<Failure>,
    pumping: Option<Pumping>,
    reported: Option<SlotStatus>,
}

/// A start that failed.
struct Failure {
    revision: u64,
    times: u32,
    again_at: Instant,
    reason: String,
}

/// The pump of a slot, and what it pumps into.
struct Pumping {
    instance: Instance,
    stop: CancellationToken,
    ended: JoinHandle<()>,
}

impl HeldSlot {
    /// A slot that was just taken. Whoever cancels `stop` stops its pumps: when the lease is lost, nothing more is pulled.
    pub(crate) fn new(slot: Slot, lease: Held, stop: CancellationToken) -> Self {
        Self {
            slot,
            lease,
            stop,
            starting: None,
            failure: None,
            pumping: None,
            reported: None,
        }
    }

    /// Takes note of a start that failed: the next waits longer.
    pub(crate) fn failed(&mut self, revision: u64, reason: String) {
        let times = self
            .failure
            .as_ref()
            .filter(|failure| failure.revision == revision)
            .map_or(1, |failure| failure.times + 1);
        let again_at = Instant::now() + retry::backoff(&RESTART, times);
        self.failure = Some(Failure {
            revision,
            times,
            again_at,
            reason,
        });
    }

    /// Whether this revision may be started now.
    pub(crate) fn may_start(&self, revision: u64) -> bool {
        let waits =
            |failure: &Failure| failure.revision == revision && failure.again_at > Instant::now();
        self.starting.is_none() && !self.failure.as_ref().is_some_and(waits)
    }

    /// When a start that failed is due again.
    pub(crate) fn wakes_at(&self) -> Option<Instant> {
        self.failure
            .as_ref()
            .map(|failure| failure.again_at)
            .filter(|at| *at > Instant::now())
    }

    /// Makes the pump serve this instance, or none. Answers the pump that it ended, which may have attempts in flight.
    pub(crate) fn serve(
        &mut self,
        agent: &Agent,
        trigger: &Trigger,
        instance: Option<Instance>,
        tasks: &TaskTracker,
    ) -> Option<(String, JoinHandle<()>)> {
        let same = |pumping: &Pumping| {
            // A container that its runtime started again may be elsewhere.
            instance.as_ref().is_some_and(|new| {
                new.id == pumping.instance.id && new.event_url == pumping.instance.event_url
            })
        };
        if self.pumping.as_ref().is_some_and(same) {
            return None;
        }
        let old = self.pumping.take().map(|pumping| {
            pumping.stop.cancel();
            (pumping.instance.id, pumping.ended)
        });
        if let Some((instance, url)) =
            instance.and_then(|new| new.event_url.clone().map(|url| (new, url)))
        {
            self.failure = None;
            info!(slot = %self.slot, revision = instance.revision, container = %instance.container_name, "events are pumped");
            self.pumping = Some(self.start(agent, trigger, instance, url, tasks));
        }
        old
    }

    fn start(
        &self,
        agent: &Agent,
        trigger: &Trigger,
        instance: Instance,
        url: String,
        tasks: &TaskTracker,
    ) -> Pumping {
        let delivery = trigger.manifest.delivery();
        let job = Job {
            trigger: self.slot.trigger.clone(),
            subscription: control::subscription(trigger),
            url,
            policy: delivery.retry,
            timeout: delivery.timeout,
            max_in_flight: delivery.max_in_flight as usize,
            lost: self.stop.clone(),
            holder: Holder {
                node: agent.config.node.clone(),
                slot: self.slot.index,
                token: self.lease.token,
                revision: instance.revision,
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
        Pumping {
            instance,
            stop,
            ended,
        }
    }

    /// Reports how the slot is, if that changed. Answers whether there is nothing left to report.
    pub(crate) async fn report(&mut self, agent: &Agent, revision: u64, plan: &Plan) -> bool {
        let failure = self
            .failure
            .as_ref()
            .filter(|failure| failure.revision == revision);
        let (state, detail) = match failure {
            Some(failure) if plan.state == SlotState::Starting => {
                (SlotState::Error, Some(failure.reason.clone()))
            }
            _ => (plan.state, plan.detail.clone()),
        };
        let serving = self.pumping.as_ref().map(|pumping| &pumping.instance);
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
            let since = status.since;
            status.since = reported.since;
            if *reported == status {
                return true;
            }
            status.since = since;
        }
        let value = serde_json::to_vec(&status).expect("a status has only string keys");
        match agent
            .ports
            .state
            .put(Bucket::Status, &self.slot.key(), value.into())
            .await
        {
            Ok(_) => {
                self.reported = Some(status);
                true
            }
            Err(error) => {
                debug!(slot = %self.slot, %error, "the slot's status could not be reported yet");
                false
            }
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
        if let Some(pumping) = self.pumping {
            pumping.stop.cancel();
            pumping.ended.await.ok();
        }
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
        self.lease.hold.release().await;
    }
}
