//! What all requests share, and the way from a path to its answer.

use crate::answer::{self, Refused, Reply};
use crate::body::Body;
use crate::outage::Outage;
use crate::ready::Readiness;
use crate::routes::Table;
use crate::{Config, hook};
use belfry_mesh::port::Ports;
use http::{Method, Request, StatusCode};
use hyper::body::Incoming;
use rand::TryRng;
use serde_json::json;
use std::convert::Infallible;
use std::sync::Arc;
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
    pub(crate) bus: Outage,
    pub(crate) dedup: Outage,
    /// Everything that runs: connections, deliveries, the keeper of the table.
    pub(crate) tasks: TaskTracker,
    /// Ends what is left of it when the grace is over.
    pub(crate) cut_off: CancellationToken,
}

/// Draws 64 random bits.
pub(crate) type Random = Box<dyn Fn() -> u64 + Send + Sync>;

/// The same as a source of random numbers.
pub(crate) struct Draw<'a>(pub(crate) &'a Random);

impl Doors {
    pub(crate) fn new(config: Config, ports: Ports, random: Random) -> Self {
        Self {
            permits: Arc::new(Semaphore::new(config.max_concurrent)),
            config,
            ports,
            random,
            table: Table::default(),
            readiness: Readiness::default(),
            bus: Outage::new(
                "the event log",
                "deliveries are answered 503 until it works",
            ),
            dedup: Outage::new(
                "deduplication",
                "deliveries are taken without it and without rate limits; the event log's own window keeps repetitions out",
            ),
            tasks: TaskTracker::new(),
            cut_off: CancellationToken::new(),
        }
    }

    /// Answers one request.
    pub(crate) async fn answer(self: Arc<Self>, request: Request<Incoming>) -> Reply {
        let (head, incoming) = request.into_parts();
        let mut body = Body::new(incoming, &head.headers);
        let reply = match head.uri.path() {
            "/health" => {
                probe(&head.method, async || {
                    answer::json(StatusCode::OK, &json!({"status": "up"}))
                })
                .await
            }
            "/ready" => probe(&head.method, async || self.ready().await).await,
            path if path.starts_with(hook::PREFIX) => hook::receive(&self, head, &mut body).await,
            _ => answer::problem(&Refused::NoSuchPath),
        };
        if let Some(linger) = body.linger(self.config.read_deadline) {
            self.spawn(linger);
        }
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
        answer::problem(&Refused::Method("GET, HEAD"))
    }
}
