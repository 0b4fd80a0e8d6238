//! The bus as it is deployed: with a user a role, and as a cluster of three.

mod cluster;
mod forbidden;
mod roles;

use crate::world::{Doors, Orchestrator, secrets};
use anyhow::{Context, Result};
use belfry_tests::servers::{Belfry, Role};
use std::path::Path;
use tempfile::TempDir;
use tokio::task::spawn_blocking;

/// The roles, each in a process of its own and with its user on the bus.
struct Mesh {
    doors: Doors,
    orchestrator: Orchestrator,
    gateway: Belfry,
    console: Belfry,
    agent: Belfry,
    _registry: Belfry,
    _secrets: TempDir,
}

impl Mesh {
    /// Starts all roles at once, in whatever order they come up, with these arguments besides.
    async fn start(url_of: impl Fn(&str) -> String, arguments: &[&str]) -> Result<Self> {
        let (secrets, orchestrator) = (secrets()?, Orchestrator::start().await?);
        let registry = Belfry::role(Role::Registry, &[])?;
        let registry_addr = format!("127.0.0.1:{}", registry.port());
        let with = |user: &str, more: &[&str]| -> Vec<String> {
            let url = url_of(user);
            let all = ["--nats-url", &url];
            let all = all.iter().chain(arguments).chain(more);
            all.map(|text| (*text).to_owned()).collect()
        };
        let secrets_path = path(secrets.path())?;
        let gateway = start(
            Role::Gateway,
            with("gateway", &["--secrets", &secrets_path]),
        );
        let mine = [
            "--secrets",
            &secrets_path,
            "--orchestrator",
            &orchestrator.url,
            "--node",
            "node-a",
        ];
        let agent = start(Role::Agent, with("agent", &mine));
        let console = start(
            Role::Console,
            with("console", &["--registry-addr", &registry_addr]),
        );
        let (gateway, agent, console) = tokio::try_join!(gateway, agent, console)?;
        Ok(Self {
            doors: Doors::new(gateway.port(), console.port()),
            orchestrator,
            gateway,
            console,
            agent,
            _registry: registry,
            _secrets: secrets,
        })
    }

    /// What the roles have logged about what the bus forbids, but for the streams that only the console makes.
    fn complaints(&self) -> Vec<String> {
        let logs = [&self.gateway, &self.console, &self.agent].map(|role| role.log());
        let lines = logs.iter().flat_map(|log| log.lines());
        lines
            .filter(|line| line.contains("Permissions Violation"))
            .filter(|line| !line.contains("$JS.API.STREAM.CREATE."))
            .map(str::to_owned)
            .collect()
    }
}

async fn start(role: Role, arguments: Vec<String>) -> Result<Belfry> {
    let started = spawn_blocking(move || {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        Belfry::role(role, &arguments)
    });
    started.await?
}

fn path(path: &Path) -> Result<String> {
    let text = path.to_str().context("a path that is no text")?;
    Ok(text.to_owned())
}
