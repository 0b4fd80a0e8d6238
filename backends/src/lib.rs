//! Adapters of the ports of mesh: NATS JetStream, Redis and embedded SQLite. [`open`] is the one place that chooses.

pub mod clock;
mod config;
mod embedded;
mod nats;
mod redis;

pub use config::{Config, Limits, Retention};

use belfry_mesh::port::clock::Clock;
use belfry_mesh::port::{Error, Ports};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Opens the backends that the configuration names: NATS and Redis where their addresses are given, embedded ones in their place
/// where they are not. What goes on in the background runs on `tracker`, and ends with `shutdown` or with what it belongs to.
///
/// On NATS without Redis, deduplication and limits are in the memory of this process. One gateway is right that way; two would
/// each admit the whole rate (the log itself still keeps one event an id).
///
/// # Errors
/// [`Error::Unavailable`] if NATS does not answer, [`Error::Refused`] if it lacks what Belfry needs, [`Error::Corrupt`] or
/// [`Error::Unavailable`] if the embedded storage cannot be opened. A Redis that does not answer is no error: what needs it fails
/// until it does, which the gateway is made for.
pub async fn open(
    config: &Config,
    clock: Arc<dyn Clock>,
    tracker: &TaskTracker,
    shutdown: &CancellationToken,
) -> Result<Ports, Error> {
    let mut ports = match &config.nats_url {
        // Connecting is a large future.
        Some(url) => Box::pin(nats::open(url, config, clock.clone(), tracker)).await?,
        None => embedded::open(config, clock, tracker, shutdown).await?,
    };
    if let Some(url) = &config.redis_url {
        ports.dedup = redis::open(url, config.redis_deadline, tracker).await?;
    }
    Ok(ports)
}
