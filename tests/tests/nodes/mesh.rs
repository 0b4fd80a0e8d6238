//! A mesh of several agents, each a process of its own.

use crate::docker::engine::{Containers, docker, gateway};
use crate::world::senders::TRIGGER;
use crate::world::{Doors, Orchestrator, secrets};
use anyhow::{Context, Result, ensure};
use belfry_mesh::trigger::SlotStatus;
use belfry_tests::servers::{Belfry, Nats, Redis, Role, Server};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;
use tempfile::TempDir;
use tokio::task::{JoinSet, block_in_place};

/// The time to live of a slot's lease: short, so that tests of its end are.
pub(super) const LEASE: Duration = Duration::from_secs(4);

/// How long a start may take besides, on a machine that others use too: the next try for a lease that ran out, a container, its
/// health check.
pub(super) const START: Duration = Duration::from_secs(6);

/// The roles in processes of their own, on real NATS and Redis; agents join it.
pub(super) struct Mesh {
    pub(super) doors: Doors,
    pub(super) orchestrator: Orchestrator,
    pub(super) gateway: Belfry,
    pub(super) console: Belfry,
    pub(super) agents: BTreeMap<String, Belfry>,
    pub(super) redis: Redis,
    pub(super) nats: Nats,
    /// The time to live of leases of agents that join from now on.
    pub(super) lease: Duration,
    registry: Belfry,
    secrets: TempDir,
    /// Dropped last: until then an agent would make them again.
    containers: Option<Containers>,
}

/// Where an agent finds the bus and Redis.
pub(super) struct Bus {
    pub(super) nats: String,
    pub(super) redis: String,
}

impl Mesh {
    /// A mesh without agents whose triggers run in their agents.
    pub(super) async fn in_process() -> Result<Self> {
        Self::start(Orchestrator::start().await?, None)
    }

    /// A mesh without agents whose triggers run in containers.
    pub(super) async fn docker() -> Result<Self> {
        let containers = Containers::of_this_test()?;
        let orchestrator = Orchestrator::at(&format!("{}:0", gateway()?)).await?;
        Self::start(orchestrator, Some(containers))
    }

    fn start(orchestrator: Orchestrator, containers: Option<Containers>) -> Result<Self> {
        let secrets = secrets()?;
        let (nats, redis) = (Nats::start()?, Redis::start()?);
        let registry = Belfry::role(Role::Registry, &[])?;
        let (nats_url, redis_url) = (nats.url(), redis.url());
        let bus = ["--nats-url", &nats_url, "--redis-url", &redis_url];
        let secrets_path = text(secrets.path())?;
        let gateway = [&bus[..], &["--secrets", &secrets_path]].concat();
        let gateway = Belfry::role(Role::Gateway, &gateway)?;
        let registry_addr = format!("127.0.0.1:{}", registry.port());
        let console = [&bus[..], &["--registry-addr", &registry_addr]].concat();
        let console = Belfry::role(Role::Console, &console)?;
        Ok(Self {
            doors: Doors::new(gateway.port(), console.port()),
            orchestrator,
            gateway,
            console,
            agents: BTreeMap::new(),
            redis,
            nats,
            lease: LEASE,
            registry,
            secrets,
            containers,
        })
    }

    /// Starts an agent with these arguments besides.
    pub(super) async fn join(&mut self, node: &str, arguments: &[&str]) -> Result<()> {
        let bus = Bus {
            nats: self.nats.url(),
            redis: self.redis.url(),
        };
        self.join_over(&bus, node, arguments).await
    }

    /// The same over other addresses of the bus.
    pub(super) async fn join_over(
        &mut self,
        bus: &Bus,
        node: &str,
        arguments: &[&str],
    ) -> Result<()> {
        let secrets = text(self.secrets.path())?;
        let lease = format!("{}s", self.lease.as_secs());
        let mut all = vec![
            "--nats-url",
            &bus.nats,
            "--redis-url",
            &bus.redis,
            "--secrets",
            &secrets,
            "--orchestrator",
            &self.orchestrator.url,
            "--node",
            node,
            "--lease-ttl",
            &lease,
        ];
        if let Some(containers) = &self.containers {
            all.extend(["--runtime", "docker", "--mesh", &containers.mesh]);
        }
        all.extend(arguments);
        let agent = block_in_place(|| Belfry::role(Role::Agent, &all))?;
        self.agents.insert(node.to_owned(), agent);
        let heard = || async {
            let there = self.node(node).await?["live"] == true;
            Ok(there.then_some(()))
        };
        self.doors
            .until(&format!("{node} is heard of"), heard)
            .await
    }

    pub(super) fn agent(&mut self, node: &str) -> Result<&mut Belfry> {
        let agent = self.agents.get_mut(node);
        agent.with_context(|| format!("no agent {node}"))
    }

    /// What the console says of a node; nothing if it knows none of the name.
    pub(super) async fn node(&self, node: &str) -> Result<Value> {
        let path = format!("/nodes/{node}");
        Ok(self.doors.console("GET", &path, None).await?.1)
    }

    /// Gives an order to the console.
    pub(super) async fn order(&self, path: &str, body: Option<Value>) -> Result<Value> {
        let (status, answer) = self.doors.console("POST", path, body).await?;
        ensure!(status == 200, "{path}: {status} {answer}");
        Ok(answer)
    }

    /// Installs the trigger that is sent to, with so many slots, and sees all of them run.
    pub(super) async fn install(&self, replicas: u32) -> Result<BTreeMap<u32, SlotStatus>> {
        let body = json!({"workflow_id": "review", "replicas": replicas});
        self.doors.install(TRIGGER, body).await?;
        self.running(TRIGGER, replicas).await
    }

    /// Asks for an install of the package that verifies nobody, under this name.
    pub(super) async fn ask_for(&self, name: &str, with: Value) -> Result<Value> {
        let mut body = json!({"workflow_id": "w", "name": name});
        if let (Value::Object(body), Value::Object(with)) = (&mut body, with) {
            body.extend(with);
        }
        let path = "/registries/install/trigger/simple-webhook";
        self.order(path, Some(body)).await
    }

    pub(super) async fn status(&self, trigger: &str) -> Result<Value> {
        let path = format!("/triggers/{trigger}/status");
        Ok(self.doors.console("GET", &path, None).await?.1)
    }

    /// What holders say of the slots of a trigger.
    pub(super) async fn slots(&self, trigger: &str) -> Result<BTreeMap<u32, SlotStatus>> {
        let status = self.status(trigger).await?;
        Ok(serde_json::from_value(status["slots"].clone())?)
    }

    /// The slots of a trigger once so many of them run, and no other is left.
    pub(super) async fn running(
        &self,
        trigger: &str,
        count: u32,
    ) -> Result<BTreeMap<u32, SlotStatus>> {
        let what = format!("{count} slots of {trigger} run");
        self.slots_once(trigger, &what, |slots| {
            slots.len() == count as usize && slots.values().all(|slot| slot.state.is_up())
        })
        .await
    }

    /// The slots of a trigger once they are so.
    pub(super) async fn slots_once(
        &self,
        trigger: &str,
        what: &str,
        is: impl Fn(&BTreeMap<u32, SlotStatus>) -> bool,
    ) -> Result<BTreeMap<u32, SlotStatus>> {
        let looked = self.doors.until(what, || async {
            let slots = self.slots(trigger).await?;
            Ok(is(&slots).then_some(slots))
        });
        match looked.await {
            Ok(slots) => Ok(slots),
            Err(error) => Err(error.context(self.status(trigger).await?)),
        }
    }

    /// Of each container: its id and when it was started, by its name.
    pub(super) fn identities(&self) -> Result<BTreeMap<String, String>> {
        let containers = self.containers.as_ref().context("it has no containers")?;
        let names = containers.names()?.into_iter();
        let identity = |name: String| {
            let format = "{{.Id}} {{.State.StartedAt}}";
            let identity = docker(&["inspect", "--format", format, &name])?;
            Ok((name, identity))
        };
        names.map(identity).collect()
    }

    /// The ids of a node's containers that run.
    pub(super) fn containers_on(&self, node: &str) -> Result<Vec<String>> {
        let containers = self.containers.as_ref().context("it has no containers")?;
        let mesh = format!("label=belfry.mesh={}", containers.mesh);
        let node = format!("label=belfry.node={node}");
        let listed = docker(&["ps", "--quiet", "--filter", &mesh, "--filter", &node])?;
        Ok(listed.lines().map(str::to_owned).collect())
    }

    /// Ends it in an orderly way, agents first and all at once, and sees that no container, network or process of it is left.
    pub(super) async fn end(mut self) -> Result<()> {
        let mut stops = JoinSet::new();
        let mut processes = Vec::new();
        for mut agent in std::mem::take(&mut self.agents).into_values() {
            // One that was killed has none.
            processes.extend(agent.pid());
            stops.spawn_blocking(move || agent.pid().is_err() || agent.stop().is_ok());
        }
        while let Some(stopped) = stops.join_next().await {
            ensure!(stopped?, "an agent could not be stopped");
        }
        if let Some(containers) = &self.containers {
            let left = [containers.names()?, containers.networks()?].concat();
            ensure!(left.is_empty(), "the agents left {left:?} behind");
        }
        let roles = [&self.gateway, &self.console, &self.registry].map(|role| role.pid());
        processes.extend(roles.into_iter().flatten());
        let servers: [&Server; 2] = [&self.nats, &self.redis];
        processes.extend(servers.iter().flat_map(|server| server.pid()));
        block_in_place(|| drop(self));
        processes.retain(|pid| Path::new(&format!("/proc/{pid}")).exists());
        ensure!(processes.is_empty(), "processes {processes:?} are left");
        Ok(())
    }
}

fn text(path: &Path) -> Result<String> {
    let text = path.to_str().context("a path that is no text")?;
    Ok(text.to_owned())
}
