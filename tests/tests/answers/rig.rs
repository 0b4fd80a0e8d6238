//! A mesh with one package, whose `response` is the test's.

use crate::world::{Doors, Orchestrator, PATIENCE, SECRET, secrets, signed};
use anyhow::{Context, Result, ensure};
use belfry::standin::Answer;
use belfry_tests::servers::{Belfry, Nats, Redis, Role};
use serde_json::{Value, json};
use std::time::Duration;
use tempfile::TempDir;
use tokio::task::block_in_place;

const TRIGGER: &str = "told";

/// `belfry dev` with the package installed.
pub(super) struct Rig {
    pub(super) doors: Doors,
    pub(super) orchestrator: Orchestrator,
    _belfry: Belfry,
    _files: [TempDir; 2],
}

/// Two gateways and the other roles, on the bus as it is deployed, with the package installed.
pub(super) struct Mesh {
    pub(super) doors: Doors,
    pub(super) orchestrator: Orchestrator,
    pub(super) gateways: Vec<Belfry>,
    agent: Belfry,
    _console: Belfry,
    _registry: Belfry,
    _redis: Redis,
    pub(super) nats: Nats,
    _files: [TempDir; 2],
}

/// An answer, as it came.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) status: u16,
    pub(super) content_type: String,
    pub(super) body: String,
}

impl Rig {
    pub(super) async fn dev(response: Value) -> Result<Self> {
        Self::dev_with(package(response)).await
    }

    pub(super) async fn dev_with(package: Value) -> Result<Self> {
        let (secrets, orchestrator) = (secrets()?, Orchestrator::start().await?);
        let packages = shelf(&package)?;
        let shelf = packages.path().to_string_lossy().into_owned();
        let arguments = ["--orchestrator", &orchestrator.url, "--packages", &shelf];
        let belfry = Belfry::dev(secrets.path(), &arguments)?;
        let doors = Doors::new(belfry.port(), belfry.console_port());
        doors.install(TRIGGER, json!({"workflow_id": "w"})).await?;
        Ok(Self {
            doors,
            orchestrator,
            _belfry: belfry,
            _files: [secrets, packages],
        })
    }

    pub(super) async fn deliver(&self, delivery_id: &str) -> Result<Said> {
        deliver(&self.doors, self.doors.gateway, delivery_id).await
    }
}

impl Mesh {
    pub(super) async fn start(response: Value) -> Result<Self> {
        let (secrets, orchestrator) = (secrets()?, Orchestrator::start().await?);
        let packages = shelf(&package(response))?;
        let (nats, redis) = (Nats::deployed()?, Redis::start()?);
        let secrets_path = secrets.path().to_string_lossy().into_owned();
        let start = |role, user: &str, more: &[&str]| {
            let (nats_url, redis_url) = (nats.url_of(user), redis.url());
            let bus = ["--nats-url", &nats_url, "--redis-url", &redis_url];
            Belfry::role(role, &[&bus, more].concat())
        };
        let shelf = packages.path().to_string_lossy().into_owned();
        let registry = Belfry::role(Role::Registry, &["--packages", &shelf])?;
        let registry_addr = format!("127.0.0.1:{}", registry.port());
        let console = ["--registry-addr", &registry_addr];
        let console = start(Role::Console, "console", &console)?;
        let gateway = || start(Role::Gateway, "gateway", &["--secrets", &secrets_path]);
        let gateways = vec![gateway()?, gateway()?];
        let url = &orchestrator.url;
        let agent = ["--secrets", &secrets_path, "--orchestrator", url];
        let agent = [&agent[..], &["--node", "node-a", "--lease-ttl", "3s"]].concat();
        let agent = start(Role::Agent, "agent", &agent)?;
        // The second gateway's hook is seen to be open first.
        let doors = Doors::new(gateways[1].port(), console.port());
        doors.install(TRIGGER, json!({"workflow_id": "w"})).await?;
        let doors = Doors::new(gateways[0].port(), console.port());
        doors.install(TRIGGER, json!({"workflow_id": "w"})).await?;
        Ok(Self {
            doors,
            orchestrator,
            gateways,
            agent,
            _console: console,
            _registry: registry,
            _redis: redis,
            nats,
            _files: [secrets, packages],
        })
    }

    pub(super) async fn deliver(&self, gateway: u16, delivery_id: &str) -> Result<Said> {
        deliver(&self.doors, gateway, delivery_id).await
    }

    /// Kills the agent and starts it again.
    pub(super) fn kill_agent(&mut self) -> Result<()> {
        block_in_place(|| {
            self.agent.kill()?;
            self.agent.restart()
        })
    }

    /// What gateways and agent have logged about what the bus forbids, but for the streams that only the console makes.
    pub(super) fn complaints(&self) -> Vec<String> {
        let logs = self.gateways.iter().chain([&self.agent]);
        let logs: Vec<String> = logs.map(|role| role.log()).collect();
        let lines = logs.iter().flat_map(|log| log.lines());
        lines
            .filter(|line| line.contains("Permissions Violation"))
            .filter(|line| !line.contains("$JS.API.STREAM.CREATE."))
            .map(str::to_owned)
            .collect()
    }
}

impl Said {
    pub(super) fn json(&self) -> Result<Value> {
        serde_json::from_str(&self.body).with_context(|| format!("not JSON: {self:?}"))
    }

    /// That it is a problem of this status, and what it says.
    pub(super) fn problem(&self, status: u16) -> Result<Value> {
        let is_one = self.status == status && self.content_type == "application/problem+json";
        ensure!(is_one, "no problem {status}: {self:?}");
        self.json()
    }
}

/// A package that is tried three times, fast, and has its senders answered so.
pub(super) fn package(response: Value) -> Value {
    json!({
        "manifest": 2, "name": TRIGGER, "version": "1.0.0", "type": "trigger", "description": "Answers.",
        "requirements": {"secrets": ["GITHUB_WEBHOOK_SECRET"]},
        "deployment": {"image": "belfry-trigger:0.1.0"},
        "trigger": {"type": "webhook", "auth": {"scheme": "github", "secret": "${GITHUB_WEBHOOK_SECRET}"}},
        "delivery": {"max_attempts": 3, "backoff_seconds": 0.1, "max_backoff_seconds": 0.2, "timeout_seconds": 30},
        "response": response,
    })
}

/// A run that takes so many milliseconds, once.
pub(super) fn after(delay_ms: u64) -> Answer {
    Answer {
        status: 200,
        times: 1,
        delay_ms,
        retry_after: None,
    }
}

pub(super) fn fail(status: u16, times: u32) -> Answer {
    Answer {
        status,
        times,
        delay_ms: 0,
        retry_after: None,
    }
}

/// Waits until so many calls have reached the orchestrator, whether or not it has answered them.
pub(super) async fn begun(orchestrator: &Orchestrator, count: usize) -> Result<()> {
    let came = orchestrator.calls.wait_for_arrival(count, PATIENCE).await;
    ensure!(came >= count, "only {came} calls came");
    Ok(())
}

/// Of sorted times, the one that so many in a hundred do not exceed.
pub(super) fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    let rank = (sorted.len() * percent).div_ceil(100);
    sorted[rank.saturating_sub(1)]
}

fn shelf(package: &Value) -> Result<TempDir> {
    let packages = TempDir::with_prefix("belfry-packages-")?;
    let triggers = packages.path().join("triggers");
    std::fs::create_dir(&triggers)?;
    std::fs::write(triggers.join("told-1.0.0.json"), package.to_string())?;
    Ok(packages)
}

pub(super) async fn deliver(doors: &Doors, gateway: u16, delivery_id: &str) -> Result<Said> {
    let body = br#"{"hello":"bell"}"#.to_vec();
    let delivery = signed("github", SECRET, delivery_id, body);
    let request = doors
        .http
        .post(format!("http://127.0.0.1:{gateway}/hooks/{TRIGGER}"))
        .headers(delivery.headers)
        .body(delivery.body);
    let response = request.send().await?;
    let content_type = response.headers().get("content-type");
    let content_type = content_type.map(|value| value.to_str().map(str::to_owned));
    Ok(Said {
        status: response.status().as_u16(),
        content_type: content_type.transpose()?.unwrap_or_default(),
        body: response.text().await?,
    })
}
