//! What every role's process needs: the signal to end, its sockets, its backends.

use crate::settings;
use anyhow::{Context, anyhow};
use belfry_backends::clock::System;
use belfry_backends::{Config, Limits, Retention};
use belfry_mesh::NodeName;
use belfry_mesh::port::Ports;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::info;

/// A token that is cancelled at the first SIGINT or SIGTERM. At the second the process ends at once.
pub(crate) fn shutdown_on_signal() -> anyhow::Result<CancellationToken> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let token = CancellationToken::new();
    let cancelled = token.clone();
    // It listens for as long as the process lives, so nobody awaits its end.
    TaskTracker::new().spawn(async move {
        for times in 1.. {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            if times > 1 {
                std::process::exit(130);
            }
            info!("stopping: what is in flight may end; a second signal ends at once");
            cancelled.cancel();
        }
    });
    Ok(token)
}

/// Listens for a role.
pub(crate) async fn listen(address: SocketAddr, flag: &str) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| {
        format!("cannot listen on {address}; choose another address with --{flag}")
    })
}

/// Opens the backends that the settings name, for a process that says this of itself to whoever asks the bus. What they do in the
/// background is on `tasks` and ends with `ends`.
pub(crate) async fn open(
    settings: &settings::Backends,
    says: &[(&str, &str)],
    tasks: &TaskTracker,
    ends: &CancellationToken,
) -> anyhow::Result<Ports> {
    let defaults = Retention::default();
    let config = Config {
        nats_url: settings.nats_url.clone(),
        redis_url: settings.redis_url.clone(),
        data: settings.data.clone(),
        retention: Retention {
            events: Limits {
                age: Some(settings.events_max_age),
                bytes: settings.events_max_bytes,
            },
            ..defaults
        },
        replicas: settings.replicas,
        metadata: says
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect(),
        ..Config::default()
    };
    Ok(belfry_backends::open(&config, Arc::new(System), tasks, ends).await?)
}

/// The node's name: the one that is given, or the host's, made fit.
pub(crate) fn node(given: Option<NodeName>) -> anyhow::Result<NodeName> {
    if let Some(name) = given {
        return Ok(name);
    }
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let fit: String = host
        .trim()
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || c == '-' {
                c.to_ascii_lowercase()
            } else {
                '-'
            }
        })
        .take(belfry_mesh::name::MAX_LEN)
        .collect();
    NodeName::parse(fit.trim_matches('-')).map_err(|_| {
        anyhow!(
            "the host's name `{}` cannot name a node; give --node",
            host.trim()
        )
    })
}
