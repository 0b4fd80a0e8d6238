//! `belfry dev`: all roles in one process.

use crate::cli::Dev;
use crate::demo::{self, say};
use crate::process::{listen, open, shutdown_on_signal};
use crate::roles;
use crate::standin::StandIn;
use anyhow::Context;
use belfry_backends::clock::System;
use belfry_gateway::Gateway;
use belfry_mesh::port::Ports;
use belfry_mesh::port::clock::Clock;
use std::net::SocketAddr;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::error;

/// The sockets of all roles, bound before anything is started.
struct Sockets {
    gateway: TcpListener,
    console: TcpListener,
    registry: TcpListener,
    standin: Option<TcpListener>,
}

/// Where the roles can be found.
struct Addresses {
    gateway: SocketAddr,
    console: SocketAddr,
    registry: SocketAddr,
    orchestrator: String,
}

/// Runs all roles until a signal: the gateway ends first, then the agent has brought home what it was at, then the rest.
pub(crate) async fn run(args: Dev) -> anyhow::Result<()> {
    let (intake, inner) = (TaskTracker::new(), TaskTracker::new());
    let shutdown = shutdown_on_signal()?;
    let ends = CancellationToken::new();
    let sockets = bind(&args).await?;
    let addresses = sockets.addresses(&args)?;
    if args.demo {
        let secrets = roles::secrets_directory(&args.secrets, &args.backends);
        demo::make_secrets(&secrets, &mut rand::rng())?;
    }
    let storage = TaskTracker::new();
    let storage_ends = CancellationToken::new();
    let ports = open(&args.backends, &[("role", "dev")], &storage, &storage_ends).await?;
    let standin = sockets.standin;
    let registry = roles::build_registry(&args.registry)?;
    let console = roles::build_console(
        &args.backends,
        ports.clone(),
        roles::packages(&args.console, addresses.registry)?,
    )?;
    let gateway = gateway(&args, addresses.gateway.port(), ports.clone())?;
    let agent = roles::build_agent(roles::AgentParts {
        agent: &args.agent,
        containers: &args.containers,
        backends: &args.backends,
        orchestrator: addresses.orchestrator.clone(),
        orchestrator_ws: args.orchestrator.orchestrator_ws.clone(),
        secrets: roles::node_secrets(&args.secrets, &args.backends),
        ports,
        tasks: &inner,
        ends: &ends,
    })
    .await?;

    if let Some(listener) = standin {
        start(
            &inner,
            "stand-in",
            &shutdown,
            StandIn::default().run(listener, ends.clone()),
        );
    }
    inner.spawn(registry.run(sockets.registry, ends.clone()));
    start(
        &inner,
        "console",
        &shutdown,
        console.run(sockets.console, ends.clone()),
    );
    start(
        &intake,
        "gateway",
        &shutdown,
        gateway.run(sockets.gateway, shutdown.clone()),
    );
    let agent_ends = CancellationToken::new();
    let agent = inner.spawn(agent.run(None, agent_ends.clone()));

    let told = shutdown.run_until_cancelled(greet(&args, &addresses)).await;
    if let Some(Err(error)) = told {
        error!(
            error = format!("{error:#}"),
            "the demonstration did not go as it should"
        );
    }
    shutdown.cancelled().await;
    intake.close();
    intake.wait().await;
    agent_ends.cancel();
    agent.await.context("the agent ended badly")?;
    ends.cancel();
    inner.close();
    inner.wait().await;
    storage_ends.cancel();
    storage.close();
    storage.wait().await;
    Ok(())
}

fn gateway(args: &Dev, port: u16, ports: Ports) -> anyhow::Result<Gateway> {
    roles::build_gateway(&args.gateway, port, &args.secrets, &args.backends, ports)
}

async fn bind(args: &Dev) -> anyhow::Result<Sockets> {
    let standin = match args.orchestrator.orchestrator {
        Some(_) => None,
        None => Some(listen(args.standin_addr, "standin-addr").await?),
    };
    Ok(Sockets {
        gateway: listen(args.gateway.gateway_addr, "gateway-addr").await?,
        console: listen(args.console.console_addr, "console-addr").await?,
        registry: listen(args.registry.registry_addr, "registry-addr").await?,
        standin,
    })
}

impl Sockets {
    fn addresses(&self, args: &Dev) -> anyhow::Result<Addresses> {
        let standin = self
            .standin
            .as_ref()
            .map(TcpListener::local_addr)
            .transpose()?;
        let given = args.orchestrator.orchestrator.clone();
        Ok(Addresses {
            gateway: self.gateway.local_addr()?,
            console: self.console.local_addr()?,
            registry: self.registry.local_addr()?,
            orchestrator: given
                .or_else(|| standin.map(|address| format!("http://{address}")))
                .unwrap_or_default(),
        })
    }
}

/// Runs a role on its tracker. One that fails takes the process down, loudly: half a mesh is worse than none.
fn start<E: Into<anyhow::Error> + Send + 'static>(
    tasks: &TaskTracker,
    role: &'static str,
    shutdown: &CancellationToken,
    run: impl Future<Output = Result<(), E>> + Send + 'static,
) {
    let shutdown = shutdown.clone();
    tasks.spawn(async move {
        if let Err(error) = run.await {
            error!(
                role,
                error = format!("{:#}", error.into()),
                "a role failed; everything stops"
            );
            shutdown.cancel();
        }
    });
}

async fn greet(args: &Dev, at: &Addresses) -> anyhow::Result<()> {
    if args.demo {
        let secrets = roles::secrets_directory(&args.secrets, &args.backends);
        let scene = demo::Scene {
            gateway: at.gateway,
            console: at.console,
            secrets: &secrets,
            now: System.now(),
        };
        demo::tell(&scene).await?;
        say("")?;
    }
    say("Belfry is up.")?;
    say(&format!(
        "  webhooks      http://{}/hooks/{{trigger}}",
        at.gateway
    ))?;
    say(&format!(
        "  console       http://{}  (API: /openapi.json)",
        at.console
    ))?;
    say(&format!("  registry      http://{}", at.registry))?;
    let orchestrator = match args.orchestrator.orchestrator {
        Some(_) => String::new(),
        None => "  (a stand-in: GET /calls lists what it was asked)".to_owned(),
    };
    say(&format!(
        "  orchestrator  {}{orchestrator}",
        at.orchestrator
    ))?;
    say(&format!("  data          {}", args.backends.data.display()))?;
    say("\nTry next, in another terminal:")?;
    // As it was called, which need not be on the PATH.
    let called = std::env::args()
        .next()
        .unwrap_or_else(|| "belfry".to_owned());
    for command in next_commands(args.demo) {
        say(&format!(
            "  {}",
            command.replace("belfry ", &format!("{called} "))
        ))?;
    }
    Ok(())
}

fn next_commands(demo: bool) -> &'static [&'static str] {
    if demo {
        &[
            "belfry list",
            "belfry events",
            "belfry run daily-scan",
            "belfry packages",
            "belfry stop simple-webhook",
        ]
    } else {
        &[
            "belfry packages",
            "belfry install simple-webhook --workflow hello",
            "echo '{\"hello\":\"bell\"}' | belfry send none -",
            "belfry events",
        ]
    }
}
