//! A delivery, in the one order that loses none: route, read, verify, look up, store, answer, remember.

use crate::answer::{self, Refused, Reply, Stored};
use crate::body::Body;
use crate::doors::{Doors, Draw};
use crate::routes::{self, Gate, Webhook};
use belfry_mesh::port;
use belfry_mesh::port::dedup::Verdict;
use belfry_mesh::port::log::Receipt;
use belfry_mesh::signature::Verified;
use belfry_mesh::trace::TraceParent;
use belfry_mesh::{EventId, Proven};
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, Method, header};
use jiff::Timestamp;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio::time::Instant;

/// Where deliveries go: this and the trigger's name.
pub(crate) const PREFIX: &str = "/hooks/";

/// A delivery whose body has arrived. From here on it runs to its end, whether or not its client still waits.
struct Delivery {
    doors: Arc<Doors>,
    webhook: Arc<Webhook>,
    headers: HeaderMap,
    body: Bytes,
    begun: Instant,
    /// Counts it among those that are worked on until it has come to its end.
    _permit: OwnedSemaphorePermit,
}

/// Answers one delivery.
pub(crate) async fn receive(doors: &Arc<Doors>, mut head: Parts, body: &mut Body) -> Reply {
    let begun = Instant::now();
    let outcome = match admit(doors, &mut head, body, begun).await {
        Ok(delivery) => delivery.see_through().await,
        Err(refused) => {
            let outcome = Err(refused);
            log(routes::shorten(name(&head)), &outcome, 0, begun);
            outcome
        }
    };
    answer::to_delivery(&outcome)
}

/// Route, method, bound and body: what can be decided without looking at what was sent.
async fn admit(
    doors: &Arc<Doors>,
    head: &mut Parts,
    body: &mut Body,
    begun: Instant,
) -> Result<Delivery, Refused> {
    let webhook = doors.table.find(name(head))?;
    if head.method != Method::POST {
        return Err(Refused::Method("POST"));
    }
    let permit = doors
        .permits
        .clone()
        .try_acquire_owned()
        .map_err(|_| Refused::Busy)?;
    if is_encoded(&head.headers) {
        return Err(Refused::Encoded);
    }
    let body = body
        .read(doors.config.max_body, doors.config.read_deadline)
        .await?;
    let headers = std::mem::take(&mut head.headers);
    Ok(Delivery {
        doors: doors.clone(),
        webhook,
        headers,
        body,
        begun,
        _permit: permit,
    })
}

/// The trigger's name, as it was asked for.
fn name(head: &Parts) -> &str {
    head.uri.path().strip_prefix(PREFIX).unwrap_or_default()
}

impl Delivery {
    /// Runs it as a task of its own and waits for the answer.
    async fn see_through(self) -> Result<Stored, Refused> {
        let (tell, told) = oneshot::channel();
        self.doors.clone().spawn(self.carry_out(tell));
        told.await.unwrap_or(Err(Refused::CutOff))
    }

    async fn carry_out(mut self, tell: oneshot::Sender<Result<Stored, Refused>>) {
        let size = self.body.len();
        let webhook = self.webhook.clone();
        let begun = self.begun;
        let answer = |outcome: Result<Stored, Refused>| {
            log(webhook.trigger.as_str(), &outcome, size, begun);
            // A client that went away is owed no answer, but what follows is done all the same.
            let _ = tell.send(outcome);
        };
        let event = match self.prove() {
            Ok(event) => event,
            Err(refused) => return answer(Err(refused)),
        };
        match self.look_up(&event).await {
            Ok(None) => {}
            Ok(Some(known)) => return answer(Ok(known)),
            Err(refused) => return answer(Err(refused)),
        }
        match self.publish(&event).await {
            Ok(stored) => {
                answer(Ok(stored));
                self.remember(&event).await;
            }
            Err(refused) => answer(Err(refused)),
        }
    }

    /// Verifies the delivery, which makes it an event.
    fn prove(&mut self) -> Result<Proven, Refused> {
        let now = self.doors.ports.clock.now();
        let verified = self
            .webhook
            .verify(&self.headers, std::mem::take(&mut self.body), now)?;
        if !is_what_it_says(verified.content_type(), verified.body()) {
            return Err(Refused::NotJson);
        }
        let mut rng = Draw(&self.doors.random);
        let incoming = self
            .headers
            .get("traceparent")
            .and_then(|value| TraceParent::parse(value.to_str().ok()?));
        let trace = incoming.unwrap_or_else(|| TraceParent::new(&mut rng));
        Ok(Proven::delivery(
            &self.webhook.trigger,
            verified,
            now,
            trace,
            || EventId::random(&mut rng),
        ))
    }

    /// Whether the delivery was stored before, and if not, whether the rate admits it. What is out of order is passed over: the
    /// event log keeps one event an id by itself.
    async fn look_up(&self, event: &Proven) -> Result<Option<Stored>, Refused> {
        let Webhook { trigger, rate, .. } = self.webhook.as_ref();
        let event = event.event();
        if event.delivery_id.is_none() && rate.is_none() {
            return Ok(None);
        }
        let verdict = self
            .doors
            .ports
            .dedup
            .check(&event.id, trigger.as_str(), rate.as_ref())
            .await;
        match self.doors.dedup.note(verdict) {
            Ok(Verdict::Fresh) | Err(_) => Ok(None),
            Ok(Verdict::Seen(event_id)) => Ok(Some(Stored::Duplicate {
                event_id,
                delivery_id: event.delivery_id.clone(),
            })),
            Ok(Verdict::Limited { retry_after }) => {
                Err(Refused::Limited(trigger.clone(), retry_after))
            }
        }
    }

    /// Stores the event. Only what this returns may be answered with a 2xx.
    async fn publish(&self, event: &Proven) -> Result<Stored, Refused> {
        let receipt = match self.doors.ports.events.publish(event).await {
            // One event that is too large says nothing of the log.
            Err(error @ port::Error::TooLarge { .. }) => Err(error),
            other => self.doors.bus.note(other),
        };
        let event = event.event();
        let event_id = event.id.clone();
        match receipt.map_err(Refused::NotStored)? {
            Receipt {
                duplicate: false, ..
            } => Ok(Stored::Accepted { event_id }),
            Receipt {
                duplicate: true, ..
            } => Ok(Stored::Duplicate {
                event_id,
                delivery_id: event.delivery_id.clone(),
            }),
        }
    }

    /// Lets all gateways know that the delivery is stored. Never before it is: a crash in between would turn the provider's
    /// repetition into a lost event.
    async fn remember(&self, event: &Proven) {
        let event = event.event();
        if event.delivery_id.is_some() {
            let marked = self
                .doors
                .ports
                .dedup
                .mark(&event.id, self.doors.config.dedup_ttl)
                .await;
            // What this failure means is known and logged; the delivery is stored.
            let _ = self.doors.dedup.note(marked);
        }
    }
}

impl Webhook {
    fn verify(
        &self,
        headers: &HeaderMap,
        body: Bytes,
        now: Timestamp,
    ) -> Result<Verified, Refused> {
        let trigger = || self.trigger.clone();
        match &self.gate {
            Gate::Open(verifier) => {
                let verified = verifier
                    .verify(headers, body, now)
                    .map_err(|refusal| Refused::Unverified(trigger(), refusal))?;
                Ok(if self.dedup {
                    verified
                } else {
                    verified.unnamed()
                })
            }
            Gate::NotSet(secret) => Err(Refused::SecretNotSet(trigger(), secret.clone())),
            Gate::NotReadable(secret) => Err(Refused::SecretUnreadable(trigger(), secret.clone())),
            Gate::Misconfigured(why) => Err(Refused::Misconfigured(trigger(), why.clone())),
        }
    }
}

/// Whether the body is something else than what was signed.
fn is_encoded(headers: &HeaderMap) -> bool {
    let mut encodings = headers.get_all(header::CONTENT_ENCODING).iter();
    encodings.any(|value| {
        !value
            .as_bytes()
            .trim_ascii()
            .eq_ignore_ascii_case(b"identity")
    })
}

/// The line of the access log. What went well is of interest only to who looks for it.
fn log(trigger: &str, outcome: &Result<Stored, Refused>, bytes: usize, begun: Instant) {
    let duration_ms = begun.elapsed().as_secs_f64() * 1e3;
    let status = answer::status(outcome).as_u16();
    match outcome {
        Ok(stored) => {
            let event_id = stored.event_id().as_str();
            tracing::debug!(
                trigger,
                status,
                event_id,
                duration_ms,
                bytes,
                "delivery stored"
            );
        }
        Err(refused) => {
            tracing::info!(trigger, status, duration_ms, bytes, reason = %refused, "delivery refused")
        }
    }
}

/// Whether a body that is said to be JSON is. One that is said to be something else, or nothing, is opaque.
fn is_what_it_says(content_type: Option<&str>, body: &[u8]) -> bool {
    let media = content_type
        .unwrap_or_default()
        .split(';')
        .next()
        .unwrap_or_default()
        .trim();
    let is_json = media.eq_ignore_ascii_case("application/json")
        || media.len() > 5
            && media.is_char_boundary(media.len() - 5)
            && media[media.len() - 5..].eq_ignore_ascii_case("+json");
    !is_json
        || (std::str::from_utf8(body).is_ok()
            && serde_json::from_slice::<serde::de::IgnoredAny>(body).is_ok())
}
