//! The pump of one slot: pull, post, record the outcome, settle.

use crate::answering;
use crate::attempt::{self, Reply};
use crate::breaker::{Allowance, Breaker, Settings, Turn};
use crate::recent::Recent;
use crate::tenure::Tenure;
use belfry_mesh::event::Ending;
use belfry_mesh::name::TriggerName;
use belfry_mesh::outcome::{Holder, Status};
use belfry_mesh::port::log::{Claim, Consumer, Delivery, Subscription};
use belfry_mesh::port::{Error, Ports};
use belfry_mesh::retry::{self, Decision, Policy};
use belfry_mesh::{DeadLetter, Event, Outcome};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, info, warn};

/// How often a claim is renewed: often enough that two renewals may fail within the claim time of 10 s.
const EXTEND_EVERY: Duration = Duration::from_secs(3);

/// How long a bus that is away is left alone before it is asked again, at first and at most.
const RECONNECT: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(1));

/// How long an outcome is tried to be recorded. After that its delivery is left to come again, under the same idempotency key.
const RECORD_FOR: Duration = Duration::from_secs(120);

/// How many attempts more than its policy's an event gets whose attempts ended without an answer, because their holder died or
/// stopped. They may have run; the idempotency key keeps the repetition from running twice.
const UNANSWERED: u32 = 3;

/// What a pump works on.
#[derive(Clone)]
pub(crate) struct Job {
    pub(crate) trigger: TriggerName,
    /// Its place in the event log.
    pub(crate) subscription: Subscription,
    /// Where events are posted to.
    pub(crate) url: String,
    pub(crate) policy: Policy,
    /// How long the trigger may take to answer.
    pub(crate) timeout: Duration,
    /// How many events are posted at once.
    pub(crate) max_in_flight: usize,
    pub(crate) holder: Holder,
    /// Takes note of how the attempts go.
    pub(crate) recent: Arc<Mutex<Recent>>,
    /// The slot's lease. Once it is over another holder tries the slot's events.
    pub(crate) lease: Arc<Tenure>,
}

/// What a pump works with.
#[derive(Clone)]
pub(crate) struct Tools {
    pub(crate) ports: Ports,
    pub(crate) http: reqwest::Client,
    /// Seeds the jitter.
    pub(crate) seed: u64,
}

struct Pump {
    job: Job,
    tools: Tools,
    breaker: Mutex<Breaker>,
    rng: Mutex<StdRng>,
    /// Told when an attempt ends, for a breaker that waits for its probe.
    ended: Notify,
    began: Instant,
    /// What is in flight: attempts, and the word to those who wait for them.
    attempts: TaskTracker,
}

/// Pumps until `stop`, then pulls no more, lets what is in flight end for up to `grace`, and leaves the rest to be delivered
/// again.
pub(crate) async fn run(job: Job, tools: Tools, stop: CancellationToken, grace: Duration) {
    let attempts = TaskTracker::new();
    let pump = Arc::new(Pump {
        breaker: Mutex::new(Breaker::new(Settings::default())),
        rng: Mutex::new(StdRng::seed_from_u64(tools.seed)),
        ended: Notify::new(),
        began: Instant::now(),
        attempts: attempts.clone(),
        job,
        tools,
    });
    let give_up = CancellationToken::new();
    stop.run_until_cancelled(pump.clone().pull(&give_up)).await;
    attempts.close();
    if tokio::time::timeout(grace, attempts.wait()).await.is_err() {
        warn!(trigger = %pump.job.trigger, in_flight = attempts.len(), "attempts did not end in time and will be delivered again");
        give_up.cancel();
        attempts.wait().await;
    }
}

impl Pump {
    async fn pull(self: Arc<Self>, give_up: &CancellationToken) {
        let room = Arc::new(Semaphore::new(self.job.max_in_flight));
        // As this revision needs it, in case whoever wrote it was cut off before it could.
        self.subscribe_anew().await;
        let mut wait = RECONNECT.0;
        loop {
            let error = match self.tools.ports.events.consumer(&self.job.trigger).await {
                Ok(mut consumer) => {
                    wait = RECONNECT.0;
                    self.consume(consumer.as_mut(), &room, give_up).await
                }
                Err(error) => error,
            };
            warn!(trigger = %self.job.trigger, %error, "events cannot be pulled; trying again");
            if matches!(error, Error::NotFound(_)) {
                self.subscribe_anew().await;
            }
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(RECONNECT.1);
        }
    }

    /// Makes the trigger's place in the log where it was lost (an uninstall that raced with this install, a stream that was made
    /// anew): the slot is held, so the trigger is installed.
    async fn subscribe_anew(&self) {
        if let Err(error) = self
            .tools
            .ports
            .events
            .subscribe(&self.job.subscription)
            .await
        {
            warn!(trigger = %self.job.trigger, %error, "the trigger's place in the event log cannot be made");
        }
    }

    /// Pulls until the consumer fails.
    async fn consume(
        self: &Arc<Self>,
        consumer: &mut dyn Consumer,
        room: &Arc<Semaphore>,
        give_up: &CancellationToken,
    ) -> Error {
        loop {
            let mut permits = vec![self.acquire(room).await];
            let in_flight = self.job.max_in_flight - room.available_permits() - 1;
            // Listening before looking: an attempt that ends in between is not missed.
            let ended = self.ended.notified();
            let allowance = self.breaker().allowance(self.now(), in_flight);
            let most = match allowance {
                Allowance::All => self.job.max_in_flight,
                Allowance::One => 1,
                Allowance::Nothing(wait) => {
                    drop(permits);
                    tokio::time::timeout(wait, ended).await.ok();
                    continue;
                }
            };
            while permits.len() < most
                && let Ok(permit) = room.clone().try_acquire_owned()
            {
                permits.push(permit);
            }
            let deliveries = match consumer.next(permits.len()).await {
                Ok(deliveries) => deliveries,
                Err(error) => return error,
            };
            for (delivery, permit) in deliveries.into_iter().zip(permits) {
                self.attempts
                    .spawn(self.clone().handle(delivery, permit, give_up.clone()));
            }
        }
    }

    async fn acquire(&self, room: &Arc<Semaphore>) -> OwnedSemaphorePermit {
        room.clone()
            .acquire_owned()
            .await
            .expect("the semaphore is never closed")
    }

    async fn handle(
        self: Arc<Self>,
        delivery: Delivery,
        permit: OwnedSemaphorePermit,
        give_up: CancellationToken,
    ) {
        let Delivery {
            event,
            attempt,
            claim,
            ..
        } = delivery;
        let work = self.attempt(&event, attempt, claim.as_ref());
        let settled = match give_up.run_until_cancelled(work).await {
            Some(Some(ending)) => {
                let settling = self.clone().settle(&event, ending, claim);
                give_up
                    .run_until_cancelled(settling)
                    .await
                    .unwrap_or(Ok(()))
            }
            // It may be in another's hands by now: if not, it comes again when its claim ends.
            Some(None) => Ok(()),
            // Handed back, so that the next holder need not wait for the claim to end.
            None => claim.retry_after(Duration::ZERO).await,
        };
        if let Err(error) = settled {
            warn!(trigger = %self.job.trigger, event_id = %event.id, %error, "an event could not be settled; it will be delivered again");
        }
        drop(permit);
        self.ended.notify_waiters();
    }

    /// Makes the attempt, with the claim kept alive, and says what became of it. None is made once the lease is over.
    async fn attempt(&self, event: &Event, attempt: u32, claim: &dyn Claim) -> Option<Ending> {
        // In this order: whatever stops the process after the look, the attempt began before it.
        let began = Instant::now();
        if self.job.lease.is_over() {
            info!(trigger = %self.job.trigger, event_id = %event.id, "an event came after its slot was lost; the slot's new holder tries it");
            return None;
        }
        if attempt > self.job.policy.max_attempts + UNANSWERED {
            let reason = "its last attempts ended without an answer, for their agents died or stopped; it may have run";
            let none = Reply::none(reason.to_owned());
            return Some(self.outcome(event, attempt - 1, began, Decision::Spent, none));
        }
        let post = attempt::post(&self.tools.http, &self.job.url, event, self.job.timeout);
        let reply = keep_alive(claim, post).await;
        let decision = retry::decide(&self.job.policy, attempt, reply.answer, self.draw());
        self.note(
            began,
            matches!(decision, Decision::Retry(_) | Decision::Spent),
        );
        Some(self.outcome(event, attempt, began, decision, reply))
    }

    fn outcome(
        &self,
        event: &Event,
        attempt: u32,
        began: Instant,
        decision: Decision,
        reply: Reply,
    ) -> Ending {
        let at = self.tools.ports.clock.now();
        let (status, retry_at) = match decision {
            Decision::Done => (reply.status, None),
            Decision::Retry(wait) => (Status::Retrying, Some(at + wait)),
            Decision::Refused | Decision::Spent => (Status::Dead, None),
        };
        let http_status = match reply.answer {
            retry::Answer::Status(status, _) => Some(status),
            retry::Answer::None => None,
        };
        let outcome = Outcome {
            event_id: event.id.clone(),
            trigger: self.job.trigger.clone(),
            attempt,
            status,
            reason: reply.reason,
            http_status,
            execution_id: reply.execution_id,
            latency_ms: u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
            at,
            retry_at,
            by: self.job.holder.clone(),
        };
        Ending {
            outcome,
            result: reply.result,
        }
    }

    /// Stores what became of the attempt, then settles the delivery: in this order, so that no event is settled unseen.
    async fn settle(
        self: Arc<Self>,
        event: &Event,
        ending: Ending,
        claim: Box<dyn Claim>,
    ) -> Result<(), Error> {
        let outcome = &ending.outcome;
        let Outcome {
            status,
            attempt,
            retry_at,
            at,
            latency_ms,
            ref reason,
            ..
        } = *outcome;
        let failed = matches!(status, Status::Dead | Status::Retrying);
        if failed && self.job.lease.is_over() {
            info!(trigger = %self.job.trigger, event_id = %event.id, attempt, "an attempt failed after its slot was lost; the slot's new holder tries the event");
            return Ok(());
        }
        let record = async {
            if status == Status::Dead {
                let letter = DeadLetter {
                    event: event.clone(),
                    outcome: outcome.clone(),
                };
                self.insist(|| self.tools.ports.outcomes.bury(&letter))
                    .await?;
            }
            self.insist(|| self.tools.ports.outcomes.record(outcome))
                .await
        };
        keep_alive(claim.as_ref(), record).await?;
        self.remember(failed, reason.as_deref());
        info!(
            trigger = %self.job.trigger, event_id = %event.id, attempt, status = status.as_str(),
            duration_ms = latency_ms, reason = reason.as_deref(), "attempt ended"
        );
        self.tell(event, ending);
        match (status, retry_at) {
            (Status::Dead, _) => claim.give_up().await,
            (Status::Retrying, Some(due)) => {
                claim
                    .retry_after(due.duration_since(at).unsigned_abs())
                    .await
            }
            _ => claim.ack().await,
        }
    }

    /// Tells who waits for the event how it ended, beside everything else: nothing waits for it but the pump's end.
    fn tell(self: &Arc<Self>, event: &Event, ending: Ending) {
        if ending.outcome.status == Status::Retrying {
            return;
        }
        if let Some(address) = event.answer_to.clone() {
            let calls = self.tools.ports.calls.clone();
            self.attempts
                .spawn(async move { answering::tell(calls.as_ref(), &address, &ending).await });
        }
    }

    /// Asks again while the backend is away, for a bounded time.
    async fn insist<T, F>(&self, ask: impl Fn() -> F) -> Result<T, Error>
    where
        F: Future<Output = Result<T, Error>>,
    {
        let (began, mut wait) = (Instant::now(), RECONNECT.0);
        loop {
            match ask().await {
                Err(error) if error.is_retryable() && began.elapsed() < RECORD_FOR => {
                    debug!(trigger = %self.job.trigger, %error, "an outcome cannot be stored yet");
                }
                result => return result,
            }
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(RECONNECT.1);
        }
    }

    fn remember(&self, failed: bool, reason: Option<&str>) {
        let failure = failed.then(|| reason.unwrap_or("no reason was given"));
        let mut recent = self
            .job
            .recent
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        recent.note(failure);
    }

    fn note(&self, began: Instant, failed: bool) {
        let began = began.saturating_duration_since(self.began);
        let turn = self.breaker().note(began, self.now(), failed);
        match turn {
            Some(Turn::Opened) => {
                warn!(trigger = %self.job.trigger, "the target keeps failing; pulling stops but for a probe now and then")
            }
            Some(Turn::Closed) => {
                info!(trigger = %self.job.trigger, "the target answers again; pulling goes on")
            }
            None => {}
        }
    }

    fn breaker(&self) -> std::sync::MutexGuard<'_, Breaker> {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Duration {
        self.began.elapsed()
    }

    fn draw(&self) -> f64 {
        self.rng
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .random()
    }
}

/// Does the work and renews the claim meanwhile. A renewal that fails is not the work's business: at worst the event is
/// delivered again under the same idempotency key.
async fn keep_alive<T>(claim: &dyn Claim, work: impl Future<Output = T>) -> T {
    let renew = async {
        loop {
            tokio::time::sleep(EXTEND_EVERY).await;
            if let Err(error) = claim.extend().await {
                debug!(%error, "a claim could not be renewed");
            }
        }
    };
    tokio::select! {
        done = work => done,
        () = renew => unreachable!("renewal never ends by itself"),
    }
}
