//! Belfry as people run it: roles on NATS and Redis, or all in one process.

use super::{Running, Tools, backend, subdirectory};
use crate::body::SECRET;
use crate::process::{Process, Start, free_address, request, until};
use anyhow::{Result, ensure};
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::Path;
use tempfile::TempDir;

/// The standard package for pull requests, and the trigger that is installed from it.
const PACKAGE: &str = "github-pr-webhook";

/// The stream that holds Belfry's events.
const STREAM: &str = "BELFRY_EVENTS";

/// A role and its flag.
struct Role {
    name: &'static str,
    says: &'static str,
}

const GATEWAY: Role = Role {
    name: "gateway",
    says: "gateway listens",
};
const CONSOLE: Role = Role {
    name: "console",
    says: "console listens",
};
const REGISTRY: Role = Role {
    name: "registry",
    says: "registry listens",
};

/// The gateway on NATS and Redis. The console, which prepares the bus, and the registry install the trigger and are then stopped, as
/// they are elsewhere in a mesh of many machines; there is no agent, so events pile up in the stream.
pub(super) fn on_nats(tools: &Tools, directory: TempDir) -> Result<Running> {
    let backends = backend::start(tools, directory.path())?;
    let secrets = secrets(directory.path())?;
    let bus: [OsString; 4] = [
        "--nats-url".into(),
        backends.nats_url.clone().into(),
        "--redis-url".into(),
        backends.redis_url.clone().into(),
    ];
    let (address, console, registry) = (free_address()?, free_address()?, free_address()?);
    let role = |role: Role, at: SocketAddr, more: Vec<OsString>| {
        let mut arguments: Vec<OsString> = vec![role.name.into()];
        arguments.extend([
            format!("--{}-addr", role.name).into(),
            at.to_string().into(),
        ]);
        arguments.extend(more);
        start(tools, directory.path(), role, at, arguments)
    };
    let data =
        |name: &str| -> [OsString; 2] { ["--data".into(), directory.path().join(name).into()] };
    let install_with = (
        role(REGISTRY, registry, Vec::new())?,
        role(
            CONSOLE,
            console,
            [
                &bus[..],
                &data("console"),
                &["--registry-addr".into(), registry.to_string().into()],
            ]
            .concat(),
        )?,
    );
    let receiver = role(
        GATEWAY,
        address,
        [&bus[..], &data("gateway"), &["--secrets".into(), secrets]].concat(),
    )?;
    install(console, address)?;
    drop(install_with);
    Ok(Running {
        address,
        path: format!("/hooks/{PACKAGE}"),
        receiver,
        behind: backends.processes,
        store: Some((backends.monitor, STREAM)),
        _directory: directory,
    })
}

/// `belfry dev`, whose own stand-in is the orchestrator.
pub(super) fn embedded(tools: &Tools, directory: TempDir) -> Result<Running> {
    let secrets = secrets(directory.path())?;
    let (address, console) = (free_address()?, free_address()?);
    let mut arguments: Vec<OsString> = vec!["dev".into()];
    for (role, at) in [
        ("gateway", address),
        ("console", console),
        ("registry", free_address()?),
        ("standin", free_address()?),
    ] {
        arguments.extend([format!("--{role}-addr").into(), at.to_string().into()]);
    }
    arguments.extend(["--data".into(), directory.path().join("data").into()]);
    arguments.extend(["--secrets".into(), secrets]);
    let role = Role {
        name: "dev",
        says: "Belfry is up.",
    };
    let receiver = start(tools, directory.path(), role, address, arguments)?;
    install(console, address)?;
    Ok(Running {
        address,
        path: format!("/hooks/{PACKAGE}"),
        receiver,
        behind: Vec::new(),
        store: None,
        _directory: directory,
    })
}

fn start(
    tools: &Tools,
    directory: &Path,
    role: Role,
    address: SocketAddr,
    arguments: Vec<OsString>,
) -> Result<Process> {
    let start = Start {
        name: role.name,
        program: &tools.built("belfry"),
        arguments,
        environment: Vec::new(),
        says: Some(role.says),
        address,
    };
    Process::start(directory, start)
}

/// A directory with the secret that the package names.
fn secrets(directory: &Path) -> Result<OsString> {
    let secrets = subdirectory(directory, "secrets")?;
    std::fs::write(secrets.join("GITHUB_WEBHOOK_SECRET"), SECRET)?;
    Ok(secrets.into_os_string())
}

/// Installs the trigger, and returns when its hook is open: it then refuses a delivery that nobody signed.
fn install(console: SocketAddr, gateway: SocketAddr) -> Result<()> {
    let path = format!("/registries/install/trigger/{PACKAGE}");
    let (status, answer) = request(console, "POST", &path, Some(r#"{"workflow_id":"bench"}"#))?;
    ensure!(status < 300, "installing {PACKAGE}: {status} {answer}");
    until("the hook is open", || {
        let (status, _) = request(gateway, "POST", &format!("/hooks/{PACKAGE}"), Some("{}"))?;
        Ok(status == 401)
    })
}
