//! A delivery, in the one order that loses none: route, read, verify, look up, store, answer, remember.

use crate::access::Line;
use crate::address::Client;
use crate::answer::{self, Refused, Reply, Stored, Taken};
use crate::body::{Body, Coding};
use crate::doors::{Doors, Draw};
use crate::provider;
use crate::routes::{self, Gate, Webhook};
use crate::waiting::{self, Wording};
use belfry_mesh::port::dedup::Verdict;
use belfry_mesh::signature::{self, Certificate, Delivery, Genuine, Handshake, Verified, Verifier};
use belfry_mesh::trace::TraceParent;
use belfry_mesh::{EventId, Proven};
use bytes::Bytes;
use http::Method;
use http::request::Parts;
use jiff::Timestamp;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio::time::Instant;

/// Where deliveries go: this and the trigger's name.
pub(crate) const PREFIX: &str = "/hooks/";

/// A request to a hook whose body has arrived. From here on it runs to its end, whether or not its client still waits.
struct Request {
    doors: Arc<Doors>,
    webhook: Arc<Webhook>,
    head: Parts,
    client: Client,
    body: Bytes,
    begun: Instant,
    /// Counts it among those that are worked on until it has come to its end.
    _permit: OwnedSemaphorePermit,
}

/// What a request has come to, and how its package has that answered.
type Done = (Result<Taken, Refused>, Option<Wording>);

/// Answers one request to a hook.
pub(crate) async fn receive(
    doors: &Arc<Doors>,
    client: Client,
    head: Parts,
    body: &mut Body,
) -> Reply {
    let begun = Instant::now();
    let reply = match admit(doors, client, &head, body).await {
        Ok((webhook, body, permit)) => {
            let request = Request {
                doors: doors.clone(),
                webhook,
                head,
                client,
                body,
                begun,
                _permit: permit,
            };
            request.see_through().await
        }
        Err(refused) => {
            let outcome = Err(refused);
            Line {
                doors,
                trigger: routes::shorten(name(&head)),
                head: &head,
                client: client.address,
                bytes: 0,
                begun,
            }
            .write(&outcome);
            answer::to_delivery(outcome)
        }
    };
    doors.metrics.answered(reply.status(), begun.elapsed());
    reply
}

/// Route, method, sender, bound and body: what can be decided without looking at what was sent.
async fn admit(
    doors: &Doors,
    client: Client,
    head: &Parts,
    body: &mut Body,
) -> Result<(Arc<Webhook>, Bytes, OwnedSemaphorePermit), Refused> {
    let webhook = doors.table.find(name(head))?;
    let read = async {
        webhook.admits(head, client)?;
        let coding = Coding::of(&head.headers)?;
        let limit = doors.config.max_body;
        let body = body.read(limit, doors.config.read_deadline, coding).await?;
        // Whoever is slow to send takes nobody's turn: his body is bounded by itself.
        let permits = doors.permits.clone();
        let permit = permits.try_acquire_owned().map_err(|_| Refused::Busy)?;
        Ok((body, permit))
    };
    match read.await {
        Ok((body, permit)) => Ok((webhook, body, permit)),
        Err(refused) => {
            webhook.tally.count(answer::counted(&refused));
            Err(refused)
        }
    }
}

/// The trigger's name, as it was asked for.
fn name(head: &Parts) -> &str {
    head.uri.path().strip_prefix(PREFIX).unwrap_or_default()
}

impl Request {
    /// Runs it as a task of its own and waits for the answer. What its package has to say to that comes after the task, so that a
    /// sender that waits for long, or hangs up, is nobody else's business.
    async fn see_through(self) -> Reply {
        let doors = self.doors.clone();
        let (tell, told) = oneshot::channel();
        doors.spawn(self.carry_out(tell));
        match told.await {
            Ok((Ok(Taken::Stored(stored)), Some(wording))) => {
                wording.answer(stored, doors.ports.clock.as_ref()).await
            }
            Ok((outcome, _)) => answer::to_delivery(outcome),
            Err(_) => answer::to_delivery(Err(Refused::CutOff)),
        }
    }

    async fn carry_out(mut self, tell: oneshot::Sender<Done>) {
        let bytes = self.body.len();
        let (outcome, wording, fresh) = match self.take().await {
            Ok(Way {
                taken,
                wording,
                fresh,
            }) => (Ok(taken), wording, fresh),
            Err(refused) => (Err(refused), None, None),
        };
        self.webhook.tally.count(answer::status(&outcome).1);
        Line {
            doors: &self.doors,
            trigger: self.webhook.trigger.as_str(),
            head: &self.head,
            client: self.client.address,
            bytes,
            begun: self.begun,
        }
        .write(&outcome);
        // A client that went away is owed no answer, but what follows is done all the same.
        let _ = tell.send((outcome, wording));
        if let Some(event) = fresh {
            self.doors.remember(&event).await;
        }
    }

    /// What the request comes to. Where it is a delivery: look up, store, in this order.
    async fn take(&mut self) -> Result<Way, Refused> {
        let event = match self.prove().await? {
            Proof::Event(event) => event,
            Proof::Handshake(handshake) => return Ok(Way::of(Taken::Handshake(handshake), None)),
        };
        let (waiting, response) = (&self.doors.waiting, self.webhook.response.as_ref());
        if let Some(known) = self.look_up(&event).await? {
            let wording = waiting::repeated(waiting, response, event.event());
            return Ok(Way::of(Taken::Stored(known), wording));
        }
        let (event, wording) = waiting::begin(waiting, response, event)?;
        let stored = self.doors.store(&event).await?;
        if !stored.is_in_the_log() {
            return Ok(Way::of(Taken::Stored(stored), wording));
        }
        if let Some(wording) = &wording {
            wording.note(&stored);
        }
        Ok(Way {
            taken: Taken::Stored(stored),
            wording,
            fresh: Some(event),
        })
    }

    /// Verifies the request, which makes it an event.
    async fn prove(&mut self) -> Result<Proof, Refused> {
        let webhook = self.webhook.clone();
        let verifier = webhook.verifier()?;
        let body = std::mem::take(&mut self.body);
        let certificate = self.certificate(verifier, &body).await?;
        let now = self.doors.ports.clock.now();
        let delivery = Delivery {
            method: &self.head.method,
            query: self.head.uri.query(),
            headers: &self.head.headers,
            body,
            certificate: certificate.as_deref(),
        };
        let genuine = verifier.receive(delivery, now);
        match genuine.map_err(|refusal| webhook.unverified(refusal))? {
            Genuine::Event(verified) => self.event(verified, now).map(Proof::Event),
            Genuine::Handshake(handshake) => {
                if let Some(address) = &handshake.visit {
                    let visited = self.doors.provider.visit(address).await;
                    visited.map_err(|error| webhook.provider_away(error))?;
                }
                Ok(Proof::Handshake(handshake))
            }
        }
    }
}

/// What a genuine request turned out to be.
#[allow(
    clippy::large_enum_variant,
    reason = "it is moved once; a box would be an allocation more for each delivery"
)]
enum Proof {
    Event(Proven),
    Handshake(Handshake),
}

/// What became of a genuine request.
struct Way {
    taken: Taken,
    wording: Option<Wording>,
    /// The event that is in the log since now, which all gateways are to know.
    fresh: Option<Proven>,
}

impl Way {
    fn of(taken: Taken, wording: Option<Wording>) -> Self {
        Self {
            taken,
            wording,
            fresh: None,
        }
    }
}

impl Request {
    /// The provider's certificate, where the scheme signs with one.
    async fn certificate(
        &self,
        verifier: &Verifier,
        body: &[u8],
    ) -> Result<Option<Arc<Certificate>>, Refused> {
        let needed = verifier.certificate(body);
        match needed.map_err(|refusal| self.webhook.unverified(refusal))? {
            None => Ok(None),
            Some(address) => {
                let now = self.doors.ports.clock.now();
                let found = self.doors.provider.certificate(address.as_str(), now).await;
                found
                    .map(Some)
                    .map_err(|error| self.webhook.provider_away(error))
            }
        }
    }

    fn event(&self, verified: Verified, now: Timestamp) -> Result<Proven, Refused> {
        if !verified.is_json() && !is_what_it_says(verified.content_type(), verified.body()) {
            return Err(Refused::NotJson);
        }
        let verified = if self.webhook.dedup {
            verified
        } else {
            verified.unnamed()
        };
        let mut rng = Draw(&self.doors.random);
        let incoming = self
            .head
            .headers
            .get("traceparent")
            .and_then(|value| TraceParent::parse(value.to_str().ok()?));
        let trace = incoming.unwrap_or_else(|| TraceParent::new(&mut rng));
        let fresh = || EventId::random(&mut rng);
        Ok(Proven::delivery(
            &self.webhook.trigger,
            verified,
            now,
            trace,
            fresh,
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
        if self.doors.is_spooled(&event.id) {
            return Ok(Some(Stored::spooled_before(event)));
        }
        let begun = Instant::now();
        let verdict = self
            .doors
            .ports
            .dedup
            .check(&event.id, trigger.as_str(), rate.as_ref())
            .await;
        self.doors.metrics.check.observe(begun.elapsed());
        match self.doors.dedup.note(verdict) {
            Ok(Verdict::Fresh) | Err(_) => Ok(None),
            Ok(Verdict::Seen(event_id)) => Ok(Some(Stored::Duplicate {
                event_id,
                delivery_id: event.delivery_id.clone(),
                durability: None,
            })),
            Ok(Verdict::Limited { retry_after }) => {
                Err(Refused::Limited(trigger.clone(), retry_after))
            }
        }
    }
}

impl Webhook {
    /// Whether a request may be read at all: its method has a use, and its sender may send.
    fn admits(&self, head: &Parts, client: Client) -> Result<(), Refused> {
        let methods = match &self.gate {
            Gate::Open(verifier) => verifier.methods(),
            _ => &[Method::POST],
        };
        if !methods.contains(&head.method) {
            let methods: Vec<&str> = methods.iter().map(Method::as_str).collect();
            return Err(Refused::Method(methods.join(", ")));
        }
        match &self.allow {
            Some(allowed) if !(client.is_known && allowed.admits(client.address)) => {
                Err(Refused::NotAllowed(self.trigger.clone(), client.address))
            }
            _ => Ok(()),
        }
    }

    fn verifier(&self) -> Result<&Verifier, Refused> {
        let trigger = || self.trigger.clone();
        match &self.gate {
            Gate::Open(verifier) => Ok(verifier),
            Gate::NotSet(secret) => Err(Refused::SecretNotSet(trigger(), secret.clone())),
            Gate::NotReadable(secret) => Err(Refused::SecretUnreadable(trigger(), secret.clone())),
            Gate::Misconfigured(why) => Err(Refused::Misconfigured(trigger(), why.clone())),
        }
    }

    fn unverified(&self, refusal: signature::Refusal) -> Refused {
        Refused::Unverified(self.trigger.clone(), refusal)
    }

    fn provider_away(&self, error: provider::Error) -> Refused {
        Refused::ProviderAway(self.trigger.clone(), error.to_string())
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
