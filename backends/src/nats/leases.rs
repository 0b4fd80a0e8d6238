//! Leases: keys of the bucket `belfry-leases` that the server removes when nobody renews them
//! (<https://github.com/nats-io/nats-architecture-and-design/blob/main/adr/ADR-43.md>).
//!
//! The server counts in whole seconds, at least one, from when it stored the key, and never removes it before. The holder counts on
//! its own clock that never steps, from before it asked, and gives up after nine tenths: so it knows of its loss before another
//! can take the lease, whether or not the bus answers, and at once when its process was stopped for a while. What is left is a
//! wall clock of the server that jumps ahead; against that, and against a holder that acts without looking, there is the token.

use super::kv::{self, Write};
use super::layout::LEASES;
use super::link::Link;
use async_trait::async_trait;
use belfry_mesh::port::Error;
use belfry_mesh::port::lease::{Held, Hold, Leases};
use belfry_mesh::port::state::Revision;
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::{CancellationToken, DropGuard};

/// How long the answer to a renewal is waited for: this part of the time to live, and half a second at least. What was asked of a
/// leader that died is never answered, and the next one is elected within seconds: better ask again. A renewal that was stored though
/// its answer was not waited for is recognised.
const PATIENCE: (u32, Duration) = (8, Duration::from_millis(500));

/// The renewals of a process fall together: at the multiples of this part of the time to live.
const STEP: u32 = 12;

/// The leases.
pub(super) struct Bucket {
    link: Arc<Link>,
}

/// What stands in a lease's key.
#[derive(Debug, Serialize, Deserialize)]
struct Value {
    holder: String,
    /// The token; none while the lease is being taken, since it is the revision of just that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    token: Option<u64>,
}

/// A lease that is held.
struct Lease {
    state: watch::Receiver<State>,
    renewal: DropGuard,
    terms: Arc<Terms>,
}

/// How a lease is.
#[derive(Debug, Clone, Copy)]
struct State {
    revision: Revision,
    /// Until when it is surely held.
    deadline: Instant,
    /// Whether it is over, whatever the deadline says.
    over: bool,
}

/// What stays the same while a lease is held.
struct Terms {
    link: Arc<Link>,
    key: String,
    holder: String,
    token: u64,
    ttl: Duration,
}

impl Bucket {
    pub(super) fn new(link: Arc<Link>) -> Self {
        Self { link }
    }
}

#[async_trait]
impl Leases for Bucket {
    async fn acquire(&self, key: &str, holder: &str, ttl: Duration) -> Result<Option<Held>, Error> {
        let ttl = whole_seconds(ttl);
        let asked = Instant::now();
        let value = encode(&Value {
            holder: holder.to_owned(),
            token: None,
        });
        let token = match (Write {
            bucket: LEASES,
            key,
            value: Some(value),
            expected: Some(0),
            ttl: Some(ttl),
        })
        .make(&self.link)
        .await
        {
            Ok(revision) => revision,
            Err(Error::Conflict { .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        let terms = Terms {
            link: self.link.clone(),
            key: key.to_owned(),
            holder: holder.to_owned(),
            token,
            ttl,
        };
        Ok(Some(hold(Arc::new(terms), asked)))
    }
}

/// Begins to renew a lease that was just taken.
fn hold(terms: Arc<Terms>, asked: Instant) -> Held {
    let state = State {
        revision: terms.token,
        deadline: asked + surely(terms.ttl),
        over: false,
    };
    let (sender, receiver) = watch::channel(state);
    let ended = CancellationToken::new();
    let renewal = ended.clone().drop_guard();
    let renewed = terms.clone();
    terms.link.tracker().spawn(async move {
        renew(&renewed, &sender, &ended).await;
        sender.send_modify(|state| state.over = true);
    });
    Held {
        token: terms.token,
        hold: Box::new(Lease {
            state: receiver,
            renewal,
            terms,
        }),
    }
}

/// Renews the lease until it is lost or ended.
async fn renew(terms: &Terms, state: &watch::Sender<State>, ended: &CancellationToken) {
    let mut wait = terms.rest();
    loop {
        tokio::select! {
            () = ended.cancelled() => return,
            () = sleep(wait) => {}
        }
        let State {
            revision, deadline, ..
        } = *state.borrow();
        let asked = Instant::now();
        let answer = tokio::select! {
            biased;
            () = sleep_until(deadline) => Ok(None),
            () = sleep((terms.ttl / PATIENCE.0).max(PATIENCE.1)) => Err(terms.link.unavailable("no answer in time")),
            answer = terms.renew(revision) => answer,
        };
        match answer {
            // An answer that comes too late is none: by then the loss may be known.
            Ok(Some(revision)) if Instant::now() < deadline => {
                state.send_replace(State {
                    revision,
                    deadline: asked + surely(terms.ttl),
                    over: false,
                });
                wait = terms.rest();
            }
            Ok(_) => {
                tracing::warn!(
                    lease = terms.key,
                    holder = terms.holder,
                    token = terms.token,
                    "the lease is lost"
                );
                return;
            }
            Err(error) => {
                tracing::debug!(lease = terms.key, holder = terms.holder, %error, "the lease was not renewed; trying again");
                // Until the deadline there are some more attempts.
                wait = terms.ttl / 20;
            }
        }
    }
}

impl Terms {
    /// How long the lease is left alone before it is renewed: a third of its time to live, or a bit less.
    fn rest(&self) -> Duration {
        self.link.together(self.ttl / 3, self.ttl / STEP)
    }

    /// Renews the lease that has this revision; the new one, or none if it is somebody else's.
    async fn renew(&self, revision: Revision) -> Result<Option<Revision>, Error> {
        match self.write(revision).await {
            Err(Error::Conflict { .. }) => {}
            other => return other.map(Some),
        }
        // An earlier renewal may have been stored although its answer was lost.
        let Some(found) = kv::latest(&self.link, LEASES, &self.key).await? else {
            return Ok(None);
        };
        if !serde_json::from_slice(&found.payload)
            .is_ok_and(|value: Value| value.token == Some(self.token))
        {
            return Ok(None);
        }
        match self.write(found.sequence).await {
            Err(Error::Conflict { .. }) => Ok(None),
            other => other.map(Some),
        }
    }

    async fn write(&self, expected: Revision) -> Result<Revision, Error> {
        let value = encode(&Value {
            holder: self.holder.clone(),
            token: Some(self.token),
        });
        let ttl = Some(self.ttl);
        Write {
            bucket: LEASES,
            key: &self.key,
            value: Some(value),
            expected: Some(expected),
            ttl,
        }
        .make(&self.link)
        .await
    }
}

impl Hold for Lease {
    fn lost(&self) -> BoxFuture<'static, ()> {
        let mut state = self.state.clone();
        Box::pin(async move {
            loop {
                let State { deadline, over, .. } = *state.borrow_and_update();
                if over || Instant::now() >= deadline {
                    return;
                }
                tokio::select! {
                    () = sleep_until(deadline) => {}
                    // Nobody is left to renew it, so the deadline stands.
                    Err(_) = state.changed() => return sleep_until(deadline).await,
                }
            }
        })
    }

    fn release(self: Box<Self>) -> BoxFuture<'static, ()> {
        let Self {
            mut state,
            renewal,
            terms,
        } = *self;
        drop(renewal);
        Box::pin(async move {
            // A renewal that is under way makes another revision.
            while state.changed().await.is_ok() {}
            let revision = state.borrow().revision;
            if let Err(error) = kv::delete(&terms.link, &kv::stream(LEASES), revision).await {
                tracing::debug!(lease = terms.key, holder = terms.holder, %error, "the lease was not released; it runs out");
            }
        })
    }
}

/// How long the holder counts on a lease: a tenth is left for clocks that run at different speeds.
fn surely(ttl: Duration) -> Duration {
    ttl * 9 / 10
}

/// What the server can count: whole seconds, at least one.
fn whole_seconds(ttl: Duration) -> Duration {
    Duration::from_secs(ttl.as_secs() + u64::from(ttl.subsec_nanos() > 0))
        .max(Duration::from_secs(1))
}

fn encode(value: &Value) -> bytes::Bytes {
    serde_json::to_vec(value)
        .expect("a lease has only string keys")
        .into()
}
