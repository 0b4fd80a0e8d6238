//! What every role's process needs: the signal to end, its sockets, its backends.

use crate::settings;
use anyhow::{Context, anyhow};
use belfry_backends::clock::System;
use belfry_backends::{Config, Limits, Retention};
use belfry_mesh::name::MAX_LEN;
use belfry_mesh::port::Ports;
use belfry_mesh::{GatewayName, NodeName};
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

/// Listens for a role. Each connection takes a descriptor, so the process is let have as many as it may.
pub(crate) async fn listen(address: SocketAddr, flag: &str) -> anyhow::Result<TcpListener> {
    if let Err(error) = belfry_serve::raise_descriptors() {
        tracing::warn!(%error, "the limit of open files could not be raised");
    }
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
    let host = host();
    NodeName::parse(&fit(&host, MAX_LEN))
        .map_err(|_| anyhow!("the host's name `{host}` cannot name a node; give --node"))
}

/// The gateway's name: the one that is given, or the host's, made fit, and the port: several may be on a host.
pub(crate) fn gateway(given: Option<GatewayName>, port: u16) -> anyhow::Result<GatewayName> {
    if let Some(name) = given {
        return Ok(name);
    }
    let host = host();
    let port = format!("-{port}");
    GatewayName::parse(&(fit(&host, MAX_LEN - port.len()) + &port))
        .map_err(|_| anyhow!("the host's name `{host}` cannot name a gateway; give --gateway-name"))
}

fn host() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    host.trim().to_owned()
}

/// As much of a host's name as can be a part of a name.
fn fit(host: &str, most: usize) -> String {
    let plain = |c: char| match c.is_ascii_alphanumeric() {
        true => c.to_ascii_lowercase(),
        false => '-',
    };
    let fit: String = host.chars().map(plain).collect();
    let fit = fit.trim_matches('-');
    fit[..fit.len().min(most)].trim_matches('-').to_owned()
}
