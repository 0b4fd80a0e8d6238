//! Public HTTP: verifies webhooks and publishes them before it says yes.
//!
//! A delivery to `POST /hooks/{trigger}` is routed by a table in memory, read under a bound of size and time, verified over its
//! raw bytes, looked up and counted in one round trip, stored in the event log, and only then answered 202. `GET /health` says
//! that the process is up, `GET /ready` whether deliveries can be taken.

mod access;
mod address;
mod answer;
mod body;
mod connection;
mod doors;
mod hook;
mod metrics;
mod outage;
mod provider;
mod ready;
mod report;
mod routes;
pub mod spool;
mod store;
mod waiting;

pub use provider::Web;

use belfry_mesh::GatewayName;
use belfry_mesh::port::Ports;
use belfry_mesh::port::secrets::Secrets;
use belfry_serve::tls;
use doors::Doors;
use ipnet::IpNet;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How a gateway behaves. Every value has a default; [`Gateway::build`] checks the bounds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Its name, one a mesh, by which operators see it. Default `gateway`, which does for a mesh with one.
    pub name: GatewayName,
    /// The largest body that is taken, in bytes. Default 5 MiB, at least 1. A larger one is answered 413.
    pub max_body: usize,
    /// How long a client may take to send its headers, and again to send its body. Default 10 s, more than zero. A slower one
    /// is cut off, or answered 408.
    pub read_deadline: Duration,
    /// How many deliveries are worked on at once. Default 1024, at least 1. One more is answered 503 with `Retry-After`, since
    /// a queue would only hide the overload; together with `max_body` it bounds the memory.
    pub max_concurrent: usize,
    /// How many senders may wait at once for what becomes of their events (`response.sync` of a package). Default 1024, at least 1.
    /// One more is answered 503 before its event is stored.
    pub max_waiting: usize,
    /// How long the event log may take to store an event before it counts as away. Default 1 s, more than zero. The event goes into
    /// the spool then, under the same id, in case the log has taken it after all.
    pub store_deadline: Duration,
    /// Where events wait on this gateway's disk while the event log is away. Default none: deliveries are answered 503 then.
    pub spool: Option<spool::Config>,
    /// Who may read `/metrics`. Default: this machine.
    pub metrics_allow: Vec<IpNet>,
    /// Which requests to hooks are logged. Default: those that are refused.
    pub access_log: AccessLog,
    /// How many connections may be open at once. Default 16,384, at least 1. When one more comes, the one that has been idle
    /// for longest is closed, and if there is none, the one that has been sending its body for longest.
    pub max_connections: usize,
    /// How long a connection may stay open without a request. Default 75 s, more than zero.
    pub idle_deadline: Duration,
    /// How much memory the bodies of requests may take together, in bytes. Default 256 MiB, at least twice `max_body`. Bodies of
    /// more than 64 KiB share half of it. What does not fit is answered 503 with `Retry-After`.
    pub max_buffered: usize,
    /// The certificate that the gateway has, if it is to serve HTTPS. Default none.
    pub tls: Option<tls::Files>,
    /// The proxies in front of the gateway, whose `X-Forwarded-For` and `Forwarded` headers tell who sends. Default none: the
    /// sender is who opened the connection.
    pub trusted_proxies: Vec<IpNet>,
    /// How long, at a shutdown, the gateway still takes deliveries while `/ready` says that it will not, so that load balancers
    /// send them elsewhere first. Default 0 s.
    pub drain_delay: Duration,
    /// For how long a published delivery is remembered, so that a repetition is recognised. Default 24 h, more than zero.
    pub dedup_ttl: Duration,
    /// How often the secrets are looked up again, so that one that is set or rotated takes effect without a restart. Default
    /// 5 s, at least 100 ms.
    pub secrets_refresh: Duration,
    /// How long deliveries that were taken may still run after the shutdown was asked for. Default 10 s. What is left then is
    /// cut off, unanswered, so that its sender repeats it. Senders that wait for what becomes of their events do so for half of it,
    /// and are then answered 202.
    pub shutdown_grace: Duration,
}

/// Which requests to hooks are logged, a line each.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum AccessLog {
    /// Every one.
    All,
    /// Those that are not answered with a 2xx.
    #[default]
    Refused,
    /// None.
    Off,
}

/// The gateway, built but not yet listening.
pub struct Gateway {
    doors: Doors,
    connections: belfry_serve::Config,
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
    /// The spool cannot be opened.
    #[error(transparent)]
    Spool(#[from] spool::Error),
    /// The certificate cannot be served with.
    #[error(transparent)]
    Tls(#[from] tls::Error),
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
            name: GatewayName::parse("gateway").expect("it is one"),
            max_body: 5 << 20,
            read_deadline: Duration::from_secs(10),
            max_concurrent: 1024,
            max_waiting: 1024,
            store_deadline: Duration::from_secs(1),
            spool: None,
            metrics_allow: vec![
                IpNet::new_assert(Ipv4Addr::LOCALHOST.into(), 8),
                IpNet::new_assert(Ipv6Addr::LOCALHOST.into(), 128),
            ],
            access_log: AccessLog::default(),
            max_connections: 16_384,
            idle_deadline: Duration::from_secs(75),
            max_buffered: 256 << 20,
            tls: None,
            trusted_proxies: Vec::new(),
            drain_delay: Duration::ZERO,
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
            (
                (1..=tokio::sync::Semaphore::MAX_PERMITS).contains(&self.max_waiting),
                "max_waiting",
                "at least 1 and no more than a semaphore can count",
            ),
            (
                !self.store_deadline.is_zero(),
                "store_deadline",
                "more than zero",
            ),
            (self.max_connections >= 1, "max_connections", "at least 1"),
            (
                !self.idle_deadline.is_zero(),
                "idle_deadline",
                "more than zero",
            ),
            (
                self.max_buffered / 2 >= self.max_body,
                "max_buffered",
                "at least twice max_body",
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
    /// A gateway over these ports. It takes up what its spool holds from before. `random` draws 64 bits for new traces and for the ids of deliveries that name themselves in
    /// no way: `|| rand::rng().next_u64()`, or a seeded one in a simulation. It is called on the hot path by many at once.
    ///
    /// # Errors
    /// [`Error::Config`] if a setting is out of its bounds, [`Error::Tls`] if there is no certificate where it says,
    /// [`Error::Spool`] if the spool cannot be used.
    pub fn build(
        config: Config,
        ports: Ports,
        secrets: Arc<dyn Secrets>,
        random: impl Fn() -> u64 + Send + Sync + 'static,
        web: Arc<dyn Web>,
    ) -> Result<Self, Error> {
        config.check()?;
        let connections = belfry_serve::Config {
            tls: config.tls.clone().map(tls::Identity::load).transpose()?,
            max_connections: config.max_connections,
            head_deadline: config.read_deadline,
            idle_deadline: config.idle_deadline,
            ..belfry_serve::Config::default()
        };
        let random: doors::Random = Arc::new(random);
        let open = |config: &spool::Config| {
            let random = random.clone();
            spool::Spool::open(config.clone(), ports.clock.clone(), move || random())
        };
        let spool = config.spool.as_ref().map(open).transpose()?;
        Ok(Self {
            connections,
            doors: Doors::new(config, ports, random, spool, web),
            secrets,
        })
    }

    /// Serves `listener` until `shutdown`, and for [`Config::drain_delay`] longer. Then it takes no more, finishes what it has taken, and returns when everything it
    /// started has ended, at the latest after [`Config::shutdown_grace`]. Dropped earlier, it cuts everything off.
    ///
    /// # Errors
    /// [`Error::Unfinished`] if something had to be cut off.
    pub async fn run(
        self,
        listener: TcpListener,
        shutdown: CancellationToken,
    ) -> Result<(), Error> {
        let Self {
            doors,
            connections,
            secrets,
        } = self;
        let doors = Arc::new(doors);
        let cut_off = doors.cut_off.clone();
        let _cut_off_if_dropped = cut_off.clone().drop_guard();
        let shutdown = leave(&doors, shutdown);

        let keep = routes::Keeper::new(&doors, secrets).keep();
        let stop = shutdown.clone();
        doors.spawn(async move {
            stop.run_until_cancelled(keep).await;
        });
        let standing = doors.clone();
        let report = report::keep(doors.clone(), move || standing.standing(), shutdown.clone());
        doors.spawn(report);
        let (draining, stop) = (doors.clone(), shutdown.clone());
        doors.spawn(async move {
            stop.run_until_cancelled(draining.drain_spool()).await;
        });
        // Beside the rest: it is of use for as long as a sender waits.
        let (hearing, deaf) = (TaskTracker::new(), cut_off.child_token());
        let ports = &doors.ports;
        let listen = doors.waiting.clone();
        let listen = listen.listen(ports.calls.clone(), ports.clock.clone());
        hearing.spawn(deaf.clone().run_until_cancelled_owned(listen));
        connection::accept(&doors, listener, &connections, &shutdown).await;

        let finished = finish(&doors).await;
        let left = doors.tasks.len();
        cut_off.cancel();
        doors.tasks.wait().await;
        hearing.close();
        hearing.wait().await;
        if let Some(spool) = &doors.spool {
            spool.close().await;
        }
        match finished {
            true => Ok(()),
            false => Err(Error::Unfinished {
                left,
                grace: doors.config.shutdown_grace,
            }),
        }
    }
}

/// Waits for the end of what was taken, within the grace. In its first half senders may still wait for what becomes of their events.
async fn finish(doors: &Doors) -> bool {
    doors.tasks.close();
    let half = doors.config.shutdown_grace / 2;
    let ended = async || {
        let ended = tokio::time::timeout(half, doors.tasks.wait()).await;
        ended.is_ok()
    };
    if ended().await {
        return true;
    }
    doors.waiting.close();
    ended().await
}

/// Says from `asked` on that the gateway will end. Answers when it is to take no more.
fn leave(doors: &Arc<Doors>, asked: CancellationToken) -> CancellationToken {
    let closing = CancellationToken::new();
    let (leaving, close) = (doors.clone(), closing.clone());
    doors.spawn(async move {
        asked.cancelled().await;
        leaving.leaving.store(true, Ordering::Relaxed);
        tokio::time::sleep(leaving.config.drain_delay).await;
        close.cancel();
    });
    closing
}
