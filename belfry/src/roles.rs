//! The roles, each in a process of its own, over shared backends.

use crate::cli::{AgentRole, ConsoleRole, GatewayRole};
use crate::process::{listen, node, open, shutdown_on_signal};
use crate::web::Https;
use crate::{process, secrets, settings};
use anyhow::{Context, bail};
use belfry_agent::Agent;
use belfry_agent::docker::{self, Docker};
use belfry_backends::clock::System;
use belfry_console::Console;
use belfry_gateway::{AccessLog, Gateway};
use belfry_mesh::NodeName;
use belfry_mesh::node::Capacity;
use belfry_mesh::port::Ports;
use belfry_mesh::port::packages::Packages;
use belfry_mesh::port::runtime::Runtime;
use belfry_registry::{Registry, registries};
use belfry_serve::tls::Files;
use belfry_triggers::program::Tools;
use belfry_triggers::runtime::InProcess;
use rand::Rng;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{info, warn};

/// Where an orchestrator is, unless something else is said: the name that containers know it by.
const ORCHESTRATOR: &str = "http://orchestrator:8000";

/// Runs a gateway until a signal.
pub(crate) async fn gateway(args: GatewayRole) -> anyhow::Result<()> {
    shared("gateway", &args.backends)?;
    let tasks = TaskTracker::new();
    let shutdown = shutdown_on_signal()?;
    let listener = listen(args.gateway.gateway_addr, "gateway-addr").await?;
    let ends = CancellationToken::new();
    // A bus that is not prepared yet is waited for, but not against a signal.
    let opened = open(&args.backends, &[("role", "gateway")], &tasks, &ends);
    let Some(ports) = shutdown.run_until_cancelled(opened).await else {
        return end(tasks, ends).await;
    };
    let ports = ports?;
    if args.backends.redis_url.is_none() {
        warn!(
            "no Redis: deduplication and rate limits are this process's own, which is right for one gateway only; set \
             BELFRY_REDIS_URL to share them"
        );
    }
    info!(address = %listener.local_addr()?, "gateway listens");
    let port = listener.local_addr()?.port();
    let gateway = build_gateway(&args.gateway, port, &args.secrets, &args.backends, ports)?;
    gateway.run(listener, shutdown).await?;
    end(tasks, ends).await
}

/// Runs a console until a signal.
pub(crate) async fn console(args: ConsoleRole) -> anyhow::Result<()> {
    shared("console", &args.backends)?;
    let tasks = TaskTracker::new();
    let shutdown = shutdown_on_signal()?;
    let listener = listen(args.console.console_addr, "console-addr").await?;
    let ends = CancellationToken::new();
    // A bus that is not prepared yet is waited for, but not against a signal.
    let opened = open(&args.backends, &[("role", "console")], &tasks, &ends);
    let Some(ports) = shutdown.run_until_cancelled(opened).await else {
        return end(tasks, ends).await;
    };
    let ports = ports?;
    let packages = packages(&args.console, args.registry_addr)?;
    info!(address = %listener.local_addr()?, "console listens");
    build_console(&args.backends, ports, packages)?
        .run(listener, shutdown)
        .await?;
    end(tasks, ends).await
}

/// Runs an agent until a signal.
pub(crate) async fn agent(args: AgentRole) -> anyhow::Result<()> {
    shared("agent", &args.backends)?;
    let tasks = TaskTracker::new();
    let shutdown = shutdown_on_signal()?;
    let listener = listen(args.agent_addr, "agent-addr").await?;
    let ends = CancellationToken::new();
    let node = node(args.agent.node.clone())?;
    let says = [("role", "agent"), ("node", node.as_str())];
    // A bus that is not prepared yet is waited for, but not against a signal.
    let opened = open(&args.backends, &says, &tasks, &ends);
    let Some(ports) = shutdown.run_until_cancelled(opened).await else {
        return end(tasks, ends).await;
    };
    let ports = ports?;
    let agent = build_agent(AgentParts {
        agent: &args.agent,
        containers: &args.containers,
        backends: &args.backends,
        orchestrator: args
            .orchestrator
            .orchestrator
            .unwrap_or_else(|| ORCHESTRATOR.to_owned()),
        orchestrator_ws: args.orchestrator.orchestrator_ws,
        secrets: node_secrets(&args.secrets, &args.backends),
        ports,
        tasks: &tasks,
        ends: &ends,
    })
    .await?;
    info!(address = %listener.local_addr()?, "agent runs");
    agent.run(Some(listener), shutdown).await;
    end(tasks, ends).await
}

/// Runs a registry until a signal.
pub(crate) async fn registry(args: settings::Registry) -> anyhow::Result<()> {
    let tasks = TaskTracker::new();
    let shutdown = shutdown_on_signal()?;
    let listener = listen(args.registry_addr, "registry-addr").await?;
    info!(address = %listener.local_addr()?, "registry listens");
    build_registry(&args)?.run(listener, shutdown).await;
    end(tasks, CancellationToken::new()).await
}

/// Roles in processes of their own meet on the bus: without it each would be alone on storage of its own.
fn shared(role: &str, backends: &settings::Backends) -> anyhow::Result<()> {
    if backends.nats_url.is_none() {
        bail!(
            "{role} meets the other roles over NATS: give --nats-url or BELFRY_NATS_URL (`belfry dev` runs all roles in one process without it)"
        );
    }
    Ok(())
}

/// Ends what the process started besides its role.
async fn end(tasks: TaskTracker, ends: CancellationToken) -> anyhow::Result<()> {
    ends.cancel();
    tasks.close();
    tasks.wait().await;
    Ok(())
}

pub(crate) fn build_gateway(
    settings: &settings::Gateway,
    port: u16,
    secrets: &settings::Secrets,
    backends: &settings::Backends,
    ports: Ports,
) -> anyhow::Result<Gateway> {
    let config = belfry_gateway::Config {
        name: process::gateway(settings.gateway_name.clone(), port)?,
        max_body: settings.max_body_bytes,
        max_concurrent: settings.max_requests,
        max_connections: settings.max_connections,
        max_buffered: settings.max_buffered_bytes,
        read_deadline: settings.read_deadline,
        idle_deadline: settings.idle_deadline,
        tls: tls(settings),
        trusted_proxies: settings.trusted_proxies.clone(),
        drain_delay: settings.drain_delay,
        max_waiting: settings.max_waiting,
        store_deadline: settings.store_deadline,
        spool: spool(settings, backends),
        metrics_allow: settings.metrics_allow.clone(),
        access_log: match settings.access_log {
            settings::AccessLog::All => AccessLog::All,
            settings::AccessLog::Refused => AccessLog::Refused,
            settings::AccessLog::Off => AccessLog::Off,
        },
        ..belfry_gateway::Config::default()
    };
    let secrets = Arc::new(node_secrets(secrets, backends));
    let random = || rand::rng().next_u64();
    let web = Arc::new(Https::new()?);
    Ok(Gateway::build(config, ports, secrets, random, web)?)
}

/// Where a gateway keeps events while the bus is away. What is embedded is on the same disk, and cannot be away.
fn spool(
    settings: &settings::Gateway,
    backends: &settings::Backends,
) -> Option<belfry_gateway::spool::Config> {
    let wanted = backends.nats_url.is_some() && settings.spool_max_bytes > 0;
    wanted.then(|| {
        let config = belfry_gateway::spool::Config::new(backends.data.join("spool"));
        belfry_gateway::spool::Config {
            max_bytes: settings.spool_max_bytes,
            segment_bytes: config.segment_bytes.min(settings.spool_max_bytes),
            ..config
        }
    })
}

/// Where the gateway's certificate is; the one flag asks for the other.
fn tls(settings: &settings::Gateway) -> Option<Files> {
    Some(Files {
        certificates: settings.gateway_tls_cert.clone()?,
        key: settings.gateway_tls_key.clone()?,
    })
}

pub(crate) fn build_console(
    backends: &settings::Backends,
    ports: Ports,
    packages: Arc<dyn Packages>,
) -> anyhow::Result<Console> {
    let config = belfry_console::Config::new(backends.data.clone());
    Ok(Console::build(config, ports, packages, rand::make_rng())?)
}

pub(crate) fn build_registry(settings: &settings::Registry) -> anyhow::Result<Registry> {
    let config = belfry_registry::Config {
        packages: settings.packages.clone(),
    };
    Ok(Registry::build(config)?)
}

/// The registries of the settings, or the one at this address.
pub(crate) fn packages(
    settings: &settings::Console,
    registry: SocketAddr,
) -> anyhow::Result<Arc<dyn Packages>> {
    let registries = match &settings.registries {
        Some(file) => registries::load(file)?,
        None => vec![registries::Registry::local(registries::Address::parse(
            &format!("http://{registry}"),
        )?)],
    };
    Ok(Arc::new(belfry_registry::Client::new(
        registries,
        reqwest::Client::builder(),
    )?))
}

/// What an agent is made of.
pub(crate) struct AgentParts<'a> {
    pub(crate) agent: &'a settings::Agent,
    pub(crate) containers: &'a settings::Containers,
    pub(crate) backends: &'a settings::Backends,
    /// Where the orchestrator is.
    pub(crate) orchestrator: String,
    pub(crate) orchestrator_ws: Option<String>,
    pub(crate) secrets: secrets::Node,
    pub(crate) ports: Ports,
    /// What the runtime does is on `tasks`, and ends with `ends`: after the agent, whose triggers run in it.
    pub(crate) tasks: &'a TaskTracker,
    pub(crate) ends: &'a CancellationToken,
}

pub(crate) async fn build_agent(parts: AgentParts<'_>) -> anyhow::Result<Agent> {
    let mut config =
        belfry_agent::Config::new(node(parts.agent.node.clone())?, parts.orchestrator.clone());
    config.orchestrator_ws = parts.orchestrator_ws.clone();
    config.labels = parts.agent.labels.iter().cloned().collect();
    config.capacity = Capacity {
        slots: parts.agent.max_slots,
        memory: parts.agent.slot_memory_bytes.or_else(machine_memory),
    };
    config.lease_ttl = parts.agent.lease_ttl;
    config.grace = parts.agent.grace;
    config.seed = rand::random();
    let runtime: Arc<dyn Runtime> = match parts.containers.runtime {
        settings::Runtime::Docker => Arc::new(docker(&parts, &config.node).await?),
        settings::Runtime::InProcess => Arc::new(in_process(&parts).await?),
    };
    let http = belfry_agent::client().build()?;
    Ok(Agent::build(
        config,
        parts.ports,
        runtime,
        Arc::new(parts.secrets),
        http,
    ))
}

/// The machine's memory in bytes, where the kernel says (proc_meminfo(5)).
fn machine_memory() -> Option<u64> {
    let told = std::fs::read_to_string("/proc/meminfo").ok()?;
    let total = told
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kibibytes: u64 = total.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1024)
}

async fn in_process(parts: &AgentParts<'_>) -> anyhow::Result<InProcess> {
    let tools = Tools {
        http: belfry_triggers::orchestrator::client().build()?,
        clock: Arc::new(System),
        rng: rand::make_rng(),
    };
    let (ends, grace) = (parts.ends.clone(), parts.agent.grace);
    Ok(InProcess::listen(tools, parts.tasks, ends, grace).await?)
}

async fn docker(parts: &AgentParts<'_>, node: &NodeName) -> anyhow::Result<Docker> {
    let settings = parts.containers;
    let owner = docker::Owner {
        mesh: mesh(settings, parts.backends)?,
        node: node.clone(),
    };
    let config = docker::Config {
        host: settings.docker_host.clone(),
        image: settings.trigger_image.clone(),
        network: settings.docker_network.clone(),
        policy: docker::Policy {
            networks: settings.allow_networks.iter().cloned().collect(),
            capabilities: settings.allow_capabilities.iter().cloned().collect(),
            mounts: settings.allow_mounts.clone(),
            builds: settings.allow_builds.clone(),
            max_memory: settings.max_memory_bytes,
            max_cpus: settings.max_cpus,
            max_pids: settings.max_pids,
            publish: settings.publish_addr,
        },
        variables: variables(&settings.allow_variables),
        docker_config: settings
            .docker_config
            .clone()
            .or_else(|| Some(std::env::home_dir()?.join(".docker"))),
        ..docker::Config::new(owner)
    };
    let http = belfry_agent::client().build()?;
    Docker::connect(config, http)
        .await
        .context("start a Docker Engine, say where it is with --docker-host, or do without with --runtime in-process")
}

/// The variables of these names that are set.
fn variables(names: &[String]) -> BTreeMap<String, String> {
    let set = |name: &String| Some((name.clone(), std::env::var(name).ok()?));
    names.iter().filter_map(set).collect()
}

/// The mesh's name. What is embedded in a data directory is a mesh of its own, which must not touch the containers of another one.
fn mesh(settings: &settings::Containers, backends: &settings::Backends) -> anyhow::Result<String> {
    if let Some(name) = &settings.mesh {
        // It is a part of the names of volumes and images, which must be told apart; a node's name has the same rule.
        if NodeName::parse(name).is_err() {
            bail!(
                "--mesh or BELFRY_MESH is `{name}`, which is not 1 to 63 lower-case letters, digits, `-` and `_`, the first a letter or a digit"
            );
        }
        return Ok(name.clone());
    }
    if backends.nats_url.is_some() {
        return Ok("belfry".to_owned());
    }
    let directory = backends.data.canonicalize()?;
    let digest = Sha256::digest(directory.as_os_str().as_encoded_bytes());
    Ok(format!("embedded-{}", hex::encode(&digest[..4])))
}

/// Where the secrets of this node are.
pub(crate) fn node_secrets(
    settings: &settings::Secrets,
    backends: &settings::Backends,
) -> secrets::Node {
    secrets::Node::new(secrets_directory(settings, backends))
}

/// The directory of this node's secrets.
pub(crate) fn secrets_directory(
    settings: &settings::Secrets,
    backends: &settings::Backends,
) -> std::path::PathBuf {
    settings
        .secrets
        .clone()
        .unwrap_or_else(|| backends.data.join("secrets"))
}
