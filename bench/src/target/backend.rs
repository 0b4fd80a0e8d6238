//! NATS and Redis as they are measured.

use super::{Tools, on_path, subdirectory};
use crate::process::{Process, Start, free_address, request};
use anyhow::{Context, Result};
use serde_json::Value;
use std::net::SocketAddr;
use std::path::Path;

/// NATS and Redis for one receiver.
pub(super) struct Backends {
    pub(super) nats_url: String,
    pub(super) redis_url: String,
    /// Where NATS tells what it has stored.
    pub(super) monitor: SocketAddr,
    pub(super) processes: Vec<Process>,
}

/// Starts both, empty. NATS stores in files, with its own default of two minutes between two fsyncs: an acknowledged event has been
/// written, and outlives the server's process but not the power. Redis keeps in memory, and writes nothing to disk.
pub(super) fn start(tools: &Tools, directory: &Path) -> Result<Backends> {
    let (nats, monitor, redis) = (free_address()?, free_address()?, free_address()?);
    let store = subdirectory(directory, "jetstream")?;
    let configuration = directory.join("nats.conf");
    let text =
        format!("listen: \"{nats}\"\nhttp: \"{monitor}\"\njetstream {{ store_dir: {store:?} }}\n");
    std::fs::write(&configuration, text)?;
    let nats_server = Process::start(
        directory,
        Start {
            name: "nats-server",
            program: &tools.nats,
            arguments: vec!["-c".into(), configuration.into()],
            environment: Vec::new(),
            says: Some("Server is ready"),
            address: nats,
        },
    )?;
    let port = redis.port().to_string();
    let arguments = [
        "--bind",
        "127.0.0.1",
        "--port",
        &port,
        "--save",
        "",
        "--appendonly",
        "no",
    ];
    let redis_server = Process::start(
        directory,
        Start {
            name: "redis-server",
            program: &on_path("redis-server", "the Debian package `redis-server`")?,
            arguments: arguments.map(Into::into).to_vec(),
            environment: Vec::new(),
            says: Some("Ready to accept connections"),
            address: redis,
        },
    )?;
    Ok(Backends {
        nats_url: format!("nats://{nats}"),
        redis_url: format!("redis://{redis}"),
        monitor,
        processes: vec![nats_server, redis_server],
    })
}

/// How many messages a stream holds, by NATS's monitoring.
pub(super) fn stored(monitor: SocketAddr, stream: &str) -> Result<u64> {
    let (_, answer) = request(monitor, "GET", "/jsz?streams=true", None)?;
    let told: Value = serde_json::from_str(&answer)?;
    let accounts = told["account_details"].as_array().into_iter().flatten();
    let mut streams =
        accounts.flat_map(|account| account["stream_detail"].as_array().into_iter().flatten());
    let found = streams.find(|detail| detail["name"] == stream);
    found
        .and_then(|detail| detail["state"]["messages"].as_u64())
        .with_context(|| format!("NATS does not tell of stream {stream}"))
}
