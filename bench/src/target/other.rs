//! What Belfry is compared with.

use super::{Running, Tools, backend, on_path};
use crate::body::SECRET;
use crate::process::{Process, Start, free_address};
use anyhow::Result;
use serde_json::json;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::Path;
use tempfile::TempDir;

/// The stream of the bare pipeline.
const STREAM: &str = "BENCH_EVENTS";

/// The FastAPI application.
const FASTAPI: &str = include_str!("../../receivers/fastapi_receiver.py");

/// The bare pipeline on NATS and Redis.
pub(super) fn bare(tools: &Tools, directory: TempDir) -> Result<Running> {
    let backends = backend::start(tools, directory.path())?;
    let address = free_address()?;
    let arguments = [
        "pipeline".to_owned(),
        address.to_string(),
        backends.nats_url,
        backends.redis_url,
    ];
    let receiver = built(tools, directory.path(), "bare", address, &arguments)?;
    Ok(Running {
        address,
        path: "/".to_owned(),
        receiver,
        behind: backends.processes,
        store: Some((backends.monitor, STREAM)),
        _directory: directory,
    })
}

/// HTTP and the check of the signature.
pub(super) fn http(tools: &Tools, directory: TempDir) -> Result<Running> {
    let address = free_address()?;
    let arguments = ["http".to_owned(), address.to_string()];
    let receiver = built(tools, directory.path(), "http", address, &arguments)?;
    Ok(alone(address, "/", receiver, Vec::new(), directory))
}

/// Debian's `webhook` with one hook, which starts `/bin/true` for each delivery whose signature is right. It answers without waiting.
pub(super) fn webhook(directory: TempDir) -> Result<Running> {
    let hooks = json!([{
        "id": "github",
        "execute-command": "/bin/true",
        "http-methods": ["POST"],
        "trigger-rule": {"match": {
            "type": "payload-hmac-sha256",
            "secret": SECRET,
            "parameter": {"source": "header", "name": "X-Hub-Signature-256"},
        }},
    }]);
    let file = directory.path().join("hooks.json");
    std::fs::write(&file, hooks.to_string())?;
    let address = free_address()?;
    let port = address.port().to_string();
    let mut arguments: Vec<OsString> = vec!["-hooks".into(), file.into()];
    arguments.extend(["-ip", "127.0.0.1", "-port", &port].map(OsString::from));
    let start = Start {
        name: "webhook",
        program: &on_path("webhook", "the Debian package `webhook`")?,
        arguments,
        environment: Vec::new(),
        says: None,
        address,
    };
    let receiver = Process::start(directory.path(), start)?;
    Ok(alone(
        address,
        "/hooks/github",
        receiver,
        Vec::new(),
        directory,
    ))
}

/// The FastAPI application under uvicorn with one worker, and the orchestrator that it calls.
pub(super) fn fastapi(tools: &Tools, directory: TempDir) -> Result<Running> {
    let (address, orchestrator) = (free_address()?, free_address()?);
    let arguments = ["orchestrator".to_owned(), orchestrator.to_string()];
    let behind = built(
        tools,
        directory.path(),
        "orchestrator",
        orchestrator,
        &arguments,
    )?;
    std::fs::write(directory.path().join("fastapi_receiver.py"), FASTAPI)?;
    let port = address.port().to_string();
    let arguments = [
        "-m",
        "uvicorn",
        "fastapi_receiver:app",
        "--host",
        "127.0.0.1",
        "--port",
        &port,
        "--workers",
        "1",
        "--no-access-log",
        "--log-level",
        "warning",
    ];
    let start = Start {
        name: "uvicorn",
        program: &tools.venv.join("bin/python"),
        arguments: arguments.map(OsString::from).to_vec(),
        environment: vec![
            ("SECRET", SECRET.into()),
            ("ORCHESTRATOR_URL", format!("http://{orchestrator}").into()),
        ],
        says: None,
        address,
    };
    let receiver = Process::start(directory.path(), start)?;
    Ok(alone(
        address,
        "/hooks/github",
        receiver,
        vec![behind],
        directory,
    ))
}

fn built(
    tools: &Tools,
    directory: &Path,
    name: &'static str,
    address: SocketAddr,
    arguments: &[String],
) -> Result<Process> {
    let start = Start {
        name,
        program: &tools.built("belfry-bench-bare"),
        arguments: arguments.iter().map(OsString::from).collect(),
        environment: Vec::new(),
        says: None,
        address,
    };
    Process::start(directory, start)
}

/// A receiver without a bus.
fn alone(
    address: SocketAddr,
    path: &str,
    receiver: Process,
    behind: Vec<Process>,
    directory: TempDir,
) -> Running {
    Running {
        address,
        path: path.to_owned(),
        receiver,
        behind,
        store: None,
        _directory: directory,
    }
}
