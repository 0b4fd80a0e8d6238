//! `compose.yaml` as a project of a test's own, with names, ports and passwords of its own.

use crate::docker::engine::{self, docker};
use crate::world::{Doors, Orchestrator, secrets};
use anyhow::{Context, Result, anyhow, ensure};
use belfry_tests::servers::free_port;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::hash::{BuildHasher, RandomState};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long a service may take to be healthy: its check is asked every ten seconds.
const HEALTHY: Duration = Duration::from_secs(60);

/// Belfry's image.
const BELFRY: &str = concat!("belfry:", env!("CARGO_PKG_VERSION"));

/// The balancer's image, which has a shell's tools.
pub(super) const TOOLS: &str = "haproxy:2.6-alpine";

/// What the names of tests' projects begin with; the test's process follows.
const PREFIX: &str = "belfry-test-";

/// Every service, in the order in which a careful operator restarts them.
pub(super) const SERVICES: [&str; 11] = [
    "nats-1",
    "nats-2",
    "nats-3",
    "redis",
    "registry",
    "console",
    "gateway-1",
    "gateway-2",
    "agent-1",
    "agent-2",
    "balancer",
];

/// The project. All of it goes with the test, however it ends: containers of triggers too.
pub(super) struct Project {
    pub(super) name: String,
    pub(super) doors: Doors,
    pub(super) orchestrator: Orchestrator,
    /// The ports that are published on 127.0.0.1.
    pub(super) inner_ports: Vec<u16>,
    settings: TempDir,
    secrets: TempDir,
    ended: bool,
}

impl Project {
    /// Brings it up, on an engine that has the images.
    pub(super) async fn up() -> Result<Self> {
        for image in [engine::IMAGE, BELFRY, TOOLS] {
            docker(&["image", "inspect", image])
                .with_context(|| format!("the engine has no {image}: run scripts/images"))?;
        }
        sweep()?;
        let draw = RandomState::new().hash_one(std::process::id()) >> 48;
        let name = format!("{PREFIX}{}-{draw:04x}", std::process::id());
        // Trigger containers reach it, as they would reach an orchestrator on their node.
        let orchestrator = Orchestrator::at(&format!("{}:0", engine::gateway()?)).await?;
        let ports: Vec<u16> = (0..7).map(|_| free_port()).collect::<Result<_>>()?;
        let project = Self {
            doors: Doors::new(ports[0], ports[1]),
            inner_ports: ports[1..].to_vec(),
            settings: TempDir::with_prefix("belfry-compose-")?,
            secrets: secrets()?,
            ended: false,
            orchestrator,
            name,
        };
        project.write_settings(&ports)?;
        let began = Instant::now();
        project.compose(&["up", "--detach"])?;
        for service in SERVICES {
            project.healthy(service).await?;
        }
        println!("up and healthy: {:.1?}", began.elapsed());
        Ok(project)
    }

    fn settings_file(&self) -> PathBuf {
        self.settings.path().join("env")
    }

    fn write_settings(&self, ports: &[u16]) -> Result<()> {
        let port = self
            .orchestrator
            .url
            .rsplit(':')
            .next()
            .context("no port")?;
        let mut text = format!(
            "ORCHESTRATOR_URL=http://host.docker.internal:{port}\nBELFRY_MESH={}\nBELFRY_LISTEN=127.0.0.1\nBELFRY_LEASE_TTL=3s\n",
            self.name
        );
        let names = [
            "PORT",
            "CONSOLE_PORT",
            "NATS_PORT_1",
            "NATS_PORT_2",
            "NATS_PORT_3",
            "AGENT_PORT_1",
            "AGENT_PORT_2",
        ];
        for (name, port) in names.iter().zip(ports) {
            writeln!(text, "BELFRY_{name}={port}")?;
        }
        // Two projects on an engine must not have one range, and the port is nobody else's.
        let [high, low] = self.doors.gateway.to_be_bytes();
        writeln!(text, "BELFRY_FRONT_NETWORK=10.{high}.{low}.0/24")?;
        std::fs::write(self.settings_file(), text)?;
        let output = Command::new(root().join("scripts/compose-env"))
            .arg(self.settings_file())
            .arg(self.secrets.path())
            .output()?;
        ensure!(
            output.status.success(),
            "scripts/compose-env: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(())
    }

    /// Does a command of compose.
    pub(super) fn compose(&self, arguments: &[&str]) -> Result<String> {
        let file = self.settings_file();
        let output = compose()
            .args(["--project-name", &self.name, "--env-file"])
            .arg(file)
            .args(arguments)
            .output()
            .context("no docker-compose: install docker-compose")?;
        ensure!(
            output.status.success(),
            "compose {}: {}",
            arguments.join(" "),
            String::from_utf8_lossy(&output.stderr).trim()
        );
        Ok(String::from_utf8(output.stdout)?)
    }

    /// The id of a service's container.
    pub(super) fn container(&self, service: &str) -> Result<String> {
        let service = format!("label=com.docker.compose.service={service}");
        let id = docker(&[
            "ps",
            "--all",
            "--quiet",
            "--filter",
            &self.label(),
            "--filter",
            &service,
        ])?;
        ensure!(!id.is_empty(), "no container has {service}");
        Ok(id)
    }

    /// Waits until a service's own check says that it is healthy.
    pub(super) async fn healthy(&self, service: &str) -> Result<()> {
        let container = self.container(service)?;
        let format = "{{.State.Health.Status}}";
        let look = || async {
            let health = docker(&["inspect", "--format", format, &container])?;
            Ok((health == "healthy").then_some(()))
        };
        let what = format!("{service} is healthy");
        let waited = self.doors.within(HEALTHY, &what, look).await;
        waited.with_context(|| {
            docker(&["logs", "--tail", "30", &container]).unwrap_or_else(|error| error.to_string())
        })
    }

    /// What a service's container answers to a command of its own.
    pub(super) fn exec(&self, service: &str, command: &[&str]) -> Result<String> {
        let container = self.container(service)?;
        docker(&[&["exec", &container], command].concat())
    }

    /// A service's address in the networks of the project.
    pub(super) fn address(&self, service: &str) -> Result<Ipv4Addr> {
        let format = "{{range .NetworkSettings.Networks}}{{.IPAddress}} {{end}}";
        let addresses = docker(&["inspect", "--format", format, &self.container(service)?])?;
        let first = addresses.split_whitespace().next();
        Ok(first.context("no address")?.parse()?)
    }

    fn label(&self) -> String {
        format!("label=com.docker.compose.project={}", self.name)
    }

    /// Takes it down, and sees that nothing is left.
    pub(super) fn down(mut self) -> Result<()> {
        // Agents that end take the containers of their triggers with them.
        self.compose(&["stop", "--timeout", "30"])?;
        let mesh = format!("label=belfry.mesh={}", self.name);
        let left = docker(&["ps", "--all", "--filter", &mesh, "--format", "{{.Names}}"])?;
        assert_eq!(left, "", "agents that ended left containers");
        remove(&self.name, HEALTHY)?;
        self.ended = true;
        for (what, found) in left_of(&self.name)? {
            assert_eq!(found, [""; 0], "{what}");
        }
        Ok(())
    }
}

/// What there is of a project: how it is removed, and the ids; agents before the containers that they would make again.
fn left_of(project: &str) -> Result<Vec<(&'static str, Vec<String>)>> {
    let of = format!("label=com.docker.compose.project={project}");
    let mesh = format!("label=belfry.mesh={project}");
    let named = format!("name={project}");
    let find = |list: &[&str], filter: &str| -> Result<Vec<String>> {
        let found = docker(&[list, &["--quiet", "--filter", filter]].concat())?;
        Ok(found.lines().map(str::to_owned).collect())
    };
    Ok(vec![
        ("container", find(&["ps", "--all"], &of)?),
        ("container", find(&["ps", "--all"], &mesh)?),
        // Compose's, and the one that agents make: it has the mesh's name in its own.
        ("network", find(&["network", "ls"], &named)?),
        ("volume", find(&["volume", "ls"], &of)?),
    ])
}

/// Removes a project. An engine has what it removed still in use for a moment, and loses count of a network's members when several
/// are removed at once.
fn remove(project: &str, patience: Duration) -> Result<()> {
    let began = Instant::now();
    loop {
        let mut failed = None;
        for (what, ids) in left_of(project)? {
            let force: &[&str] = match what {
                "container" => &["--force", "--volumes"],
                _ => &[],
            };
            for id in ids {
                failed = docker(&[&[what, "rm"], force, &[&id]].concat())
                    .err()
                    .or(failed);
            }
        }
        if left_of(project)?.iter().all(|(_, ids)| ids.is_empty()) {
            return Ok(());
        }
        if began.elapsed() >= patience {
            return Err(failed.unwrap_or_else(|| anyhow!("{project} comes back")));
        }
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// Removes what tests left that were killed: what compose starts would come back with the engine for ever.
fn sweep() -> Result<()> {
    let format = "{{.Label \"com.docker.compose.project\"}}";
    let mut projects = BTreeSet::new();
    for list in [&["ps", "--all"][..], &["network", "ls"], &["volume", "ls"]] {
        let found = docker(&[list, &["--format", format]].concat())?;
        projects.extend(found.lines().map(str::to_owned));
    }
    for project in &projects {
        let of = project
            .strip_prefix(PREFIX)
            .and_then(|rest| rest.split('-').next());
        if of.is_some_and(|process| !Path::new("/proc").join(process).exists()) {
            remove(project, Duration::ZERO)
                .unwrap_or_else(|error| println!("{project} was left by a test: {error:#}"));
        }
    }
    Ok(())
}

impl Drop for Project {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        match self.compose(&["logs", "--tail", "15", "--no-color"]) {
            Ok(logs) => println!("{logs}"),
            Err(error) => println!("no logs: {error:#}"),
        }
        if let Err(error) = remove(&self.name, HEALTHY) {
            println!("the project {} is not removed: {error:#}", self.name);
        }
    }
}

/// The checkout.
pub(super) fn root() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// The command, in the checkout: Docker's plugin where it is there, else docker-compose.
fn compose() -> Command {
    let mut command = if has_plugin() {
        let mut command = Command::new("docker");
        command.arg("compose");
        command
    } else {
        Command::new("docker-compose")
    };
    command.current_dir(root());
    command
}

/// Whether `docker compose` is there.
pub(super) fn has_plugin() -> bool {
    let asked = Command::new("docker").args(["compose", "version"]).output();
    asked.is_ok_and(|output| output.status.success())
}
