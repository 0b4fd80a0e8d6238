//! Public HTTP: verifies webhooks and publishes them before it says yes.
//!
//! A delivery to `POST /hooks/{trigger}` is routed by a table in memory, read under a bound of size and time, verified over its
//! raw bytes, looked up and counted in one round trip, stored in the event log, and only then answered 202. `GET /health` says
//! that the process is up, `GET /ready` whether deliveries can be taken.

mod answer;
mod body;
mod connection;
mod doors;
mod hook;
mod outage;
mod ready;
mod routes;

use belfry_mesh::port::Ports;
use belfry_mesh::port::secrets::Secrets;
use doors::Doors;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// How a gateway behaves. Every value has a default; [`Gateway::build`] checks the bounds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The largest body that is taken, in bytes. Default 5 MiB, at least 1. A larger one is answered 413.
    pub max_body: usize,
    /// How long a client may take to send its headers, and again to send its body. Default 10 s, more than zero. A slower one
    /// is cut off, or answered 408. It also ends a connection that is kept alive without a request.
    pub read_deadline: Duration,
    /// How many deliveries are worked on at once. Default 1024, at least 1. One more is answered 503 with `Retry-After`, since
    /// a queue would only hide the overload; together with `max_body` it bounds the memory.
    pub max_concurrent: usize,
    /// For how long a published delivery is remembered, so that a repetition is recognised. Default 24 h, more than zero.
    pub dedup_ttl: Duration,
    /// How often the secrets are looked up again, so that one that is set or rotated takes effect without a restart. Default
    /// 5 s, at least 100 ms.
    pub secrets_refresh: Duration,
    /// How long deliveries that were taken may still run after the shutdown was asked for. Default 10 s. What is left then is
    /// cut off, unanswered, so that its sender repeats it.
    pub shutdown_grace: Duration,
}

/// The gateway, built but not yet listening.
pub struct Gateway {
    doors: Doors,
    secrets: Arc<dyn Secrets>,
}

/// Why a gateway cannot be built, or did not end well.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A value of the [`Config`] is out of its bounds.
    #[error("gateway setting `{setting}` must be {bound}")]
    Config {
        /// The setting.
        setting: &'static str,
        /// What it must be.
        bound: &'static str,
    },
    /// Work that did not end within the grace was cut off. None of it was answered with a 2xx before it was stored.
    #[error("{left} tasks of the gateway did not end within {} ms and were cut off", grace.as_millis())]
    Unfinished {
        /// How many.
        left: usize,
        /// [`Config::shutdown_grace`].
        grace: Duration,
    },
}

impl Default for Config {
    fn default() -> Self {
        Self {
            max_body: 5 << 20,
            read_deadline: Duration::from_secs(10),
            max_concurrent: 1024,
            dedup_ttl: Duration::from_hours(24),
            secrets_refresh: Duration::from_secs(5),
            shutdown_grace: Duration::from_secs(10),
        }
    }
}

impl Config {
    fn check(&self) -> Result<(), Error> {
        let bounds = [
            (self.max_body >= 1, "max_body", "at least 1 byte"),
            (
                !self.read_deadline.is_zero(),
                "read_deadline",
                "more than zero",
            ),
            (
                (1..=tokio::sync::Semaphore::MAX_PERMITS).contains(&self.max_concurrent),
                "max_concurrent",
                "at least 1 and no more than a semaphore can count",
            ),
            (!self.dedup_ttl.is_zero(), "dedup_ttl", "more than zero"),
            (
                self.secrets_refresh >= Duration::from_millis(100),
                "secrets_refresh",
                "at least 100 ms",
            ),
        ];
        match bounds.into_iter().find(|(kept, ..)| !kept) {
            Some((_, setting, bound)) => Err(Error::Config { setting, bound }),
            None => Ok(()),
        }
    }
}

impl Gateway {
    /// A gateway over these ports. `random` draws 64 bits for new traces and for the ids of deliveries that name themselves in
    /// no way: `|| rand::rng().next_u64()`, or a seeded one in a simulation. It is called on the hot path by many at once.
    ///
    /// # Errors
    /// [`Error::Config`] if a setting is out of its bounds.
    pub fn build(
        config: Config,
        ports: Ports,
        secrets: Arc<dyn Secrets>,
        random: impl Fn() -> u64 + Send + Sync + 'static,
    ) -> Result<Self, Error> {
        config.check()?;
        Ok(Self {
            doors: Doors::new(config, ports, Box::new(random)),
            secrets,
        })
    }

    /// Serves `listener` until `shutdown`. Then it takes no more, finishes what it has taken, and returns when everything it
    /// started has ended, at the latest after [`Config::shutdown_grace`]. Dropped earlier, it cuts everything off.
    ///
    /// # Errors
    /// [`Error::Unfinished`] if something had to be cut off.
    pub async fn run(
        self,
        listener: TcpListener,
        shutdown: CancellationToken,
    ) -> Result<(), Error> {
        let Self { doors, secrets } = self;
        let doors = Arc::new(doors);
        let cut_off = doors.cut_off.clone();
        let _cut_off_if_dropped = cut_off.clone().drop_guard();

        let keep = routes::Keeper::new(&doors, secrets).keep();
        let stop = shutdown.clone();
        doors.spawn(async move {
            stop.run_until_cancelled(keep).await;
        });
        shutdown
            .run_until_cancelled(connection::accept(&doors, &listener, &shutdown))
            .await;
        drop(listener);

        doors.tasks.close();
        let grace = doors.config.shutdown_grace;
        if tokio::time::timeout(grace, doors.tasks.wait())
            .await
            .is_ok()
        {
            return Ok(());
        }
        let left = doors.tasks.len();
        cut_off.cancel();
        doors.tasks.wait().await;
        Err(Error::Unfinished { left, grace })
    }
}
