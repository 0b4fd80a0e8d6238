//! Deduplication and rate limits in Redis (7 or later), shared by all gateways.
//!
//! A check is one command, or with a rate one script, and so one round trip. The script's two keys have no slot in common, so this is for one Redis, with replicas or
//! without, and not for a Redis Cluster.

mod gather;

use crate::config::without_credentials;
use ::redis::aio::{ConnectionManager, ConnectionManagerConfig};
use ::redis::{Client, Cmd, FromRedisValue, Pipeline, RedisError, Script, ScriptInvocation};
use arc_swap::ArcSwap;
use async_trait::async_trait;
use belfry_mesh::event::EventId;
use belfry_mesh::limit::Rate;
use belfry_mesh::port::Error;
use belfry_mesh::port::dedup::{Dedup, Verdict};
use gather::Gather;
use secrecy::{ExposeSecret, SecretString};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::task::TaskTracker;

/// The oldest Redis that Belfry is tested with.
const OLDEST: u32 = 7;

/// The script of [`Dedup::check`].
const CHECK: &str = include_str!("redis/check.lua");

/// What the gateways share in Redis.
struct Shared {
    connection: Arc<Connection>,
    gather: Gather,
    check: Script,
}

/// The one connection of this process to Redis.
struct Connection {
    client: Client,
    /// Read by every request, and so without a lock.
    manager: ArcSwap<ConnectionManager>,
    address: String,
    deadline: Duration,
}

/// Opens the port. It connects when it is needed, and again when it was cut off, so a Redis that is away now is only said.
///
/// # Errors
/// [`Error::Refused`] if the address cannot be one, or the server is too old.
pub(crate) async fn open(
    url: &SecretString,
    deadline: Duration,
    tracker: &TaskTracker,
) -> Result<Arc<dyn Dedup>, Error> {
    let address = format!("Redis at {}", without_credentials(url.expose_secret()));
    let refused = |why: String| Error::Refused {
        what: address.clone(),
        why,
    };
    let client = Client::open(url.expose_secret()).map_err(|error| {
        refused(format!(
            "{error}: write redis://[user:password@]host[:port][/database]"
        ))
    })?;
    let manager = connect(&client, deadline).map_err(|error| refused(error.to_string()))?;
    let connection = Arc::new(Connection {
        client,
        manager: ArcSwap::from_pointee(manager),
        address,
        deadline,
    });
    match connection.version().await {
        Ok(Some(version)) if version < OLDEST => {
            let why = format!("it is version {version}, and Belfry needs {OLDEST} or later");
            return Err(Error::Refused {
                what: connection.address.clone(),
                why,
            });
        }
        Ok(_) => {}
        Err(error) => {
            tracing::warn!(%error, "deduplication and rate limits are out of order until it is back")
        }
    }
    Ok(Arc::new(Shared {
        gather: Gather::over(connection.clone(), tracker),
        connection,
        check: Script::new(CHECK),
    }))
}

/// A connection that is made at the first request. It is never tried twice for one: an outage must not hold up deliveries.
fn connect(client: &Client, deadline: Duration) -> Result<ConnectionManager, RedisError> {
    let config = ConnectionManagerConfig::new()
        .set_connection_timeout(Some(deadline))
        .set_response_timeout(Some(deadline))
        .set_number_of_retries(0);
    ConnectionManager::new_lazy_with_config(client.clone(), config)
}

impl Connection {
    /// Makes one request, within the deadline all in all.
    async fn request<T>(
        &self,
        ask: impl AsyncFnOnce(&mut ConnectionManager) -> Result<T, RedisError>,
    ) -> Result<T, Error> {
        let mut manager = ConnectionManager::clone(&self.manager.load());
        match tokio::time::timeout(self.deadline, ask(&mut manager)).await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => {
                self.renew_after(&error);
                Err(self.unavailable(error.to_string()))
            }
            Err(_) => Err(self.late()),
        }
    }

    fn late(&self) -> Error {
        self.unavailable(format!("no answer within {} ms", self.deadline.as_millis()))
    }

    fn unavailable(&self, why: String) -> Error {
        Error::Unavailable {
            what: self.address.clone(),
            why,
        }
    }

    /// The connection comes back by itself after an error of the network. One that the server turned away (too many clients, a
    /// replica that may not write) would stay as it is, so it is replaced.
    fn renew_after(&self, error: &RedisError) {
        if !error.is_io_error()
            && let Ok(fresh) = connect(&self.client, self.deadline)
        {
            self.manager.store(Arc::new(fresh));
        }
    }

    async fn command<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, Error> {
        self.request(async |manager| command.query_async(manager).await)
            .await
    }

    async fn pipeline<T: FromRedisValue>(&self, pipeline: &Pipeline) -> Result<T, Error> {
        self.request(async |manager| pipeline.query_async(manager).await)
            .await
    }

    /// The server's major version, if it says one.
    async fn version(&self) -> Result<Option<u32>, Error> {
        let info: String = self.command(::redis::cmd("INFO").arg("server")).await?;
        let version = info
            .lines()
            .find_map(|line| line.strip_prefix("redis_version:"));
        Ok(version.and_then(|version| version.split('.').next()?.parse().ok()))
    }
}

impl Shared {
    /// What the task that gathers answers, within the deadline all in all.
    async fn gathered<T>(
        &self,
        answer: impl Future<Output = Option<Result<T, Error>>>,
    ) -> Result<T, Error> {
        match tokio::time::timeout(self.connection.deadline, answer).await {
            Ok(Some(answer)) => answer,
            Ok(None) => Err(self
                .connection
                .unavailable("too much waits for it".to_owned())),
            Err(_) => Err(self.connection.late()),
        }
    }
}

#[async_trait]
impl Dedup for Shared {
    async fn check(
        &self,
        key: &EventId,
        subject: &str,
        rate: Option<&Rate>,
    ) -> Result<Verdict, Error> {
        let Some(rate) = rate else {
            let known = self.gathered(self.gather.look_up(key)).await?;
            return Ok(if known {
                Verdict::Seen(key.clone())
            } else {
                Verdict::Fresh
            });
        };
        let mut invocation = self.check.key(seen(key));
        invocation.key(format!("belfry:rate:{subject}"));
        add(&mut invocation, rate);
        let answer: Vec<u64> = self
            .connection
            .request(async |manager| invocation.invoke_async(manager).await)
            .await?;
        match answer[..] {
            [0] => Ok(Verdict::Fresh),
            [1] => Ok(Verdict::Seen(key.clone())),
            [2, wait] => Ok(Verdict::Limited {
                retry_after: Duration::from_nanos(wait),
            }),
            _ => Err(Error::Corrupt {
                what: format!("an answer of {}", self.connection.address),
                why: format!("it is {answer:?}"),
            }),
        }
    }

    async fn mark(&self, key: &EventId, ttl: Duration) -> Result<(), Error> {
        self.gathered(self.gather.mark(key, ttl)).await
    }

    async fn ping(&self) -> Result<(), Error> {
        self.connection.command(&::redis::cmd("PING")).await
    }
}

/// The key that is there once a delivery was published.
fn seen(key: &EventId) -> String {
    format!("belfry:seen:{key}")
}

/// The rate as the script takes it.
fn add(invocation: &mut ScriptInvocation<'_>, rate: &Rate) {
    let interval = rate.interval();
    let nanos = |duration: Duration| u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
    invocation
        .arg(nanos(interval))
        .arg(nanos(interval.saturating_mul(rate.burst.max(1))));
}

#[cfg(test)]
mod tests;
