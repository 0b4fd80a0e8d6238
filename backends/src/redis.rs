//! Deduplication and rate limits in Redis (7 or later), shared by all gateways.
//!
//! A check is one command, or with a rate one script, and so one round trip. The script's two keys have no slot in common, so this is for one Redis, with replicas or
//! without, and not for a Redis Cluster.

use crate::config::without_credentials;
use ::redis::aio::{ConnectionManager, ConnectionManagerConfig};
use ::redis::{Client, Cmd, FromRedisValue, RedisError, Script, ScriptInvocation};
use arc_swap::ArcSwap;
use async_trait::async_trait;
use belfry_mesh::event::EventId;
use belfry_mesh::limit::Rate;
use belfry_mesh::port::Error;
use belfry_mesh::port::dedup::{Dedup, Verdict};
use secrecy::{ExposeSecret, SecretString};
use std::sync::Arc;
use std::time::Duration;

/// The oldest Redis that Belfry is tested with.
const OLDEST: u32 = 7;

/// The script of [`Dedup::check`].
const CHECK: &str = include_str!("redis/check.lua");

/// What the gateways share in Redis.
struct Shared {
    client: Client,
    /// Read by every delivery, and so without a lock.
    connection: ArcSwap<ConnectionManager>,
    check: Script,
    address: String,
    deadline: Duration,
}

/// Opens the port. It connects when it is needed, and again when it was cut off, so a Redis that is away now is only said.
///
/// # Errors
/// [`Error::Refused`] if the address cannot be one, or the server is too old.
pub(crate) async fn open(url: &SecretString, deadline: Duration) -> Result<Arc<dyn Dedup>, Error> {
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
    let connection = connect(&client, deadline).map_err(|error| refused(error.to_string()))?;
    let shared = Shared {
        client,
        connection: ArcSwap::from_pointee(connection),
        check: Script::new(CHECK),
        address,
        deadline,
    };
    match shared.version().await {
        Ok(Some(version)) if version < OLDEST => {
            let why = format!("it is version {version}, and Belfry needs {OLDEST} or later");
            return Err(Error::Refused {
                what: shared.address,
                why,
            });
        }
        Ok(_) => {}
        Err(error) => {
            tracing::warn!(%error, "deduplication and rate limits are out of order until it is back")
        }
    }
    Ok(Arc::new(shared))
}

/// A connection that is made at the first request. It is never tried twice for one: an outage must not hold up deliveries.
fn connect(client: &Client, deadline: Duration) -> Result<ConnectionManager, RedisError> {
    let config = ConnectionManagerConfig::new()
        .set_connection_timeout(Some(deadline))
        .set_response_timeout(Some(deadline))
        .set_number_of_retries(0);
    ConnectionManager::new_lazy_with_config(client.clone(), config)
}

impl Shared {
    /// Makes one request, within the deadline all in all.
    async fn request<T>(
        &self,
        ask: impl AsyncFnOnce(&mut ConnectionManager) -> Result<T, RedisError>,
    ) -> Result<T, Error> {
        let mut connection = ConnectionManager::clone(&self.connection.load());
        let unavailable = |why: String| Error::Unavailable {
            what: self.address.clone(),
            why,
        };
        match tokio::time::timeout(self.deadline, ask(&mut connection)).await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => {
                self.renew_after(&error);
                Err(unavailable(error.to_string()))
            }
            Err(_) => Err(unavailable(format!(
                "no answer within {} ms",
                self.deadline.as_millis()
            ))),
        }
    }

    /// The connection comes back by itself after an error of the network. One that the server turned away (too many clients, a
    /// replica that may not write) would stay as it is, so it is replaced.
    fn renew_after(&self, error: &RedisError) {
        if !error.is_io_error()
            && let Ok(fresh) = connect(&self.client, self.deadline)
        {
            self.connection.store(Arc::new(fresh));
        }
    }

    async fn command<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, Error> {
        self.request(async |connection| command.query_async(connection).await)
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

#[async_trait]
impl Dedup for Shared {
    async fn check(
        &self,
        key: &EventId,
        subject: &str,
        rate: Option<&Rate>,
    ) -> Result<Verdict, Error> {
        let Some(rate) = rate else {
            let known: bool = self
                .command(::redis::cmd("EXISTS").arg(seen(key)))
                .await?;
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
            .request(async |connection| invocation.invoke_async(connection).await)
            .await?;
        match answer[..] {
            [0] => Ok(Verdict::Fresh),
            [1] => Ok(Verdict::Seen(key.clone())),
            [2, wait] => Ok(Verdict::Limited {
                retry_after: Duration::from_nanos(wait),
            }),
            _ => Err(Error::Corrupt {
                what: format!("an answer of {}", self.address),
                why: format!("it is {answer:?}"),
            }),
        }
    }

    async fn mark(&self, key: &EventId, ttl: Duration) -> Result<(), Error> {
        let ttl = u64::try_from(ttl.as_millis())
            .unwrap_or(u64::MAX / 2)
            .max(1);
        self.command(
            ::redis::cmd("SET")
                .arg(seen(key))
                .arg("")
                .arg("PX")
                .arg(ttl),
        )
        .await
    }

    async fn ping(&self) -> Result<(), Error> {
        self.command(&::redis::cmd("PING")).await
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
