//! What all requests share, and the way from a path to its answer.

use crate::address::{self, Client};
use crate::answer::{self, Refused, Reply};
use crate::body::{Body, Budget};
use crate::metrics::{self, Metrics};
use crate::outage::Outage;
use crate::provider::{Provider, Web};
use crate::ready::Readiness;
use crate::routes::Table;
use crate::spool::Spool;
use crate::waiting::Waiting;
use crate::{Config, hook, report};
use belfry_mesh::Proven;
use belfry_mesh::event::AnswerTo;
use belfry_mesh::gateway;
use belfry_mesh::port::Ports;
use belfry_serve::{Incoming, Peer};
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use rand::TryRng;
use serde_json::json;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// What all requests share.
pub(crate) struct Doors {
    pub(crate) config: Config,
    pub(crate) ports: Ports,
    pub(crate) random: Random,
    pub(crate) table: Table,
    pub(crate) readiness: Readiness,
    /// One permit for each delivery that may be worked on at once.
    pub(crate) permits: Arc<Semaphore>,
    /// The memory of the bodies that arrive.
    pub(crate) budget: Arc<Budget>,
    /// Whether the gateway is about to end and wants no more deliveries, though it still takes them.
    pub(crate) leaving: AtomicBool,
    /// The senders that wait for what becomes of their events.
    pub(crate) waiting: Arc<Waiting>,
    pub(crate) bus: Outage,
    pub(crate) dedup: Outage,
    pub(crate) spooling: Outage,
    /// Whether the event log was away the last time, so that deliveries go to the spool at once.
    pub(crate) is_away: AtomicBool,
    /// Where events go while the event log is away.
    pub(crate) spool: Option<Spool>,
    pub(crate) provider: Provider,
    pub(crate) metrics: Metrics,
    /// Everything that runs: connections, deliveries, the keeper of the table.
    pub(crate) tasks: TaskTracker,
    /// Ends what is left of it when the grace is over.
    pub(crate) cut_off: CancellationToken,
}

/// Draws 64 random bits.
pub(crate) type Random = Arc<dyn Fn() -> u64 + Send + Sync>;

/// The same as a source of random numbers.
pub(crate) struct Draw<'a>(pub(crate) &'a Random);

impl Doors {
    pub(crate) fn new(
        config: Config,
        ports: Ports,
        random: Random,
        spool: Option<Spool>,
        web: Arc<dyn Web>,
    ) -> Self {
        let meanwhile = match spool {
            Some(_) => "deliveries are spooled on this gateway's disk until it works",
            None => "deliveries are answered 503 until it works",
        };
        Self {
            permits: Arc::new(Semaphore::new(config.max_concurrent)),
            budget: Budget::new(config.max_buffered),
            leaving: AtomicBool::new(false),
            waiting: Waiting::new(AnswerTo::random(&mut Draw(&random)), config.max_waiting),
            config,
            ports,
            random,
            table: Table::default(),
            readiness: Readiness::default(),
            bus: Outage::new("the event log", meanwhile),
            dedup: Outage::new(
                "deduplication",
                "deliveries are taken without it and without rate limits; the event log's own window keeps repetitions out",
            ),
            is_away: AtomicBool::new(false),
            spooling: Outage::new(
                "the spool",
                "while the event log is away deliveries are answered 503",
            ),
            spool,
            provider: Provider::new(web),
            metrics: Metrics::new(),
            tasks: TaskTracker::new(),
            cut_off: CancellationToken::new(),
        }
    }

    /// Answers one request.
    pub(crate) async fn answer(self: Arc<Self>, peer: Peer, request: Request<Incoming>) -> Reply {
        let (head, incoming) = request.into_parts();
        let trusted = &self.config.trusted_proxies;
        let client = address::of(peer.address.ip(), &head.headers, trusted);
        let mut body = Body::new(incoming, &head.headers, &self.budget);
        let reply = match head.uri.path() {
            "/health" => {
                probe(&head.method, async || {
                    answer::json(StatusCode::OK, &json!({"status": "up"}))
                })
                .await
            }
            "/ready" => probe(&head.method, async || self.ready().await).await,
            "/metrics" if self.may_count(client) => {
                probe(&head.method, async || self.counts()).await
            }
            path if path.starts_with(hook::PREFIX) => {
                hook::receive(&self, client, head, &mut body).await
            }
            _ => answer::problem(&Refused::NoSuchPath),
        };
        if let Some(linger) = body.linger(self.config.read_deadline) {
            self.spawn(linger);
        }
        reply
    }

    /// Stores what waits in the spool, without end.
    pub(crate) async fn drain_spool(self: Arc<Self>) {
        let Some(spool) = &self.spool else {
            return;
        };
        let store = |event: Arc<Proven>| {
            let doors = self.clone();
            async move { doors.drain(&event).await }
        };
        spool.drain(store).await;
    }

    /// How it is, for operators.
    pub(crate) fn standing(&self) -> report::Standing {
        let spool = self.spool.as_ref().map(|spool| {
            let standing = spool.status();
            gateway::Spool {
                records: standing.depth,
                bytes: standing.bytes,
                oldest: standing.oldest,
            }
        });
        let parts = [("bus", &self.bus), ("dedup", &self.dedup)];
        let away = parts.into_iter().filter(|(_, outage)| outage.is_on());
        report::Standing {
            spool,
            degraded: away.map(|(name, _)| name.to_owned()).collect(),
        }
    }

    /// Whether this one may read what is counted, which names the triggers that there are.
    fn may_count(&self, client: Client) -> bool {
        let mut allowed = self.config.metrics_allow.iter();
        client.is_known && allowed.any(|network| network.contains(&client.address))
    }

    fn counts(self: &Arc<Self>) -> Reply {
        let text = metrics::text(self).expect("a string takes what is written into it");
        let mut reply = Response::new(Full::new(text.into()));
        let media_type = HeaderValue::from_static(metrics::MEDIA_TYPE);
        reply.headers_mut().insert(header::CONTENT_TYPE, media_type);
        reply
    }

    /// Runs a task whose end is awaited at shutdown, and which is cut off when the grace is over.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let cut_off = self.cut_off.clone();
        self.tasks
            .spawn(async move { cut_off.run_until_cancelled(task).await });
    }
}

impl TryRng for Draw<'_> {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(((self.0)() >> 32) as u32)
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok((self.0)())
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        rand::rand_core::utils::fill_bytes_via_next_word(bytes, || self.try_next_u64())
    }
}

async fn probe(method: &Method, answer: impl AsyncFnOnce() -> Reply) -> Reply {
    if matches!(*method, Method::GET | Method::HEAD) {
        answer().await
    } else {
        answer::problem(&Refused::Method("GET, HEAD".to_owned()))
    }
}
