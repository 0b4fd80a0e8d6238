//! `belfry-trigger`: the program of the standard trigger container. It takes its configuration from the environment alone.

use belfry_mesh::package::Manifest;
use belfry_mesh::port::clock::Clock;
use belfry_triggers::{Environment, Program, Server, Tools, orchestrator};
use jiff::Timestamp;
use std::io::{IsTerminal, Write};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing_subscriber::filter::LevelFilter;

const HELP: &str = "\
The program of the standard trigger container: it takes an event, decides, and runs a workflow or a team.

Usage: belfry-trigger [--help | --version]

It takes CloudEvents at POST /event and says whether it is well at GET /health. All it needs is in its environment:

  WORKFLOW_ID or TEAM_ID      what it runs; exactly one of them
  ORCHESTRATOR_URL            where that runs [default: http://orchestrator:8000]
  BELFRY_PACKAGE              the package's manifest, as JSON [default: a plain webhook, the payload is the parameters]
  BELFRY_TRIGGER_ADDR         where it listens [default: 0.0.0.0 and the package's port, or 8080]
  BELFRY_TRIGGER_GRACE        seconds that calls in flight get after SIGTERM [default: 30]
  BELFRY_LOG                  off, error, warn, info, debug or trace [default: info]
  TRIGGER_NAME                the trigger's name, for the log
  TASK_TEMPLATE               a team's task, with fields of the event: Review {pull_request.title}
  TASK_DESCRIPTION            a team's task when a schedule strikes
  FILTER_ACTIONS, FILTER_EVENT_TYPES
                              the only ones that run, separated by commas, over the package's own
  LINEAR_CLIENT_ID, LINEAR_CLIENT_SECRET, LINEAR_REDIRECT_URI
                              handed to the run of a Linear event as linear_oauth
";

/// The status of a process that was configured wrongly, as command lines have it.
const MISCONFIGURED: u8 = 2;

struct System;

#[async_trait::async_trait]
impl Clock for System {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the Clock that the rest takes the time from"
    )]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

struct Config {
    address: SocketAddr,
    grace: Duration,
    program: Program,
    path: String,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match std::env::args().nth(1).as_deref() {
        None => {}
        Some("-h" | "--help") => return say(HELP),
        Some("-V" | "--version") => {
            return say(concat!("belfry-trigger ", env!("CARGO_PKG_VERSION"), "\n"));
        }
        Some(other) => {
            return fail(
                MISCONFIGURED,
                &format!("`{other}` is not an option; see belfry-trigger --help"),
            );
        }
    }
    let config = match configure(&Environment::of_process()) {
        Ok(config) => config,
        Err(why) => return fail(MISCONFIGURED, &why),
    };
    match run(config).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => fail(1, &why),
    }
}

fn configure(environment: &Environment) -> Result<Config, String> {
    log_at(environment.get("BELFRY_LOG").unwrap_or("info"))?;
    let manifest = environment
        .get("BELFRY_PACKAGE")
        .map(Manifest::parse)
        .transpose();
    let manifest = manifest
        .map_err(|error| format!("BELFRY_PACKAGE is not a package: {error}"))?
        .map(Arc::new);
    let deployment = manifest
        .as_ref()
        .map(|package| package.deployment().clone())
        .unwrap_or_default();
    let address = match environment.get("BELFRY_TRIGGER_ADDR") {
        Some(address) => address.to_owned(),
        None => format!("0.0.0.0:{}", deployment.port),
    };
    let address = address
        .parse()
        .map_err(|_| format!("BELFRY_TRIGGER_ADDR is `{address}`, which is not an address and a port such as 0.0.0.0:8080"))?;
    let grace = environment.get("BELFRY_TRIGGER_GRACE").unwrap_or("30");
    let grace = grace.parse().map(Duration::from_secs).map_err(|_| {
        format!("BELFRY_TRIGGER_GRACE is `{grace}`, which is not a whole number of seconds")
    })?;
    rustls::crypto::ring::default_provider()
        .install_default()
        .map_err(|_| "a TLS provider is installed already")?;
    let http = orchestrator::client()
        .build()
        .map_err(|error| format!("no HTTP client can be had: {error}"))?;
    let tools = Tools {
        http,
        clock: Arc::new(System),
        rng: rand::make_rng(),
    };
    let program =
        Program::try_new(manifest, environment, tools).map_err(|error| error.to_string())?;
    Ok(Config {
        address,
        grace,
        program,
        path: deployment.path,
    })
}

async fn run(config: Config) -> Result<(), String> {
    let listener = TcpListener::bind(config.address).await.map_err(|error| {
        format!(
            "cannot listen on {}: {error}; set BELFRY_TRIGGER_ADDR",
            config.address
        )
    })?;
    let (shutdown, tracker) = (CancellationToken::new(), TaskTracker::new());
    let mut terminate =
        signal(SignalKind::terminate()).map_err(|error| format!("cannot hear SIGTERM: {error}"))?;
    let mut interrupt =
        signal(SignalKind::interrupt()).map_err(|error| format!("cannot hear SIGINT: {error}"))?;
    let told = shutdown.clone();
    tracker.spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping: no more events are taken, those in flight end");
        told.cancel();
    });
    let address = listener
        .local_addr()
        .map_err(|error| format!("the listener has no address: {error}"))?;
    tracing::info!(%address, "taking events");
    let server = Server {
        listener,
        program: config.program,
        path: config.path,
        grace: config.grace,
    };
    server
        .run(&System, shutdown)
        .await
        .map_err(|error| format!("the listener failed: {error}"))
}

fn log_at(level: &str) -> Result<(), String> {
    let level: LevelFilter = level.parse().map_err(|_| {
        format!("BELFRY_LOG is `{level}`; use off, error, warn, info, debug or trace")
    })?;
    tracing_subscriber::fmt()
        .with_max_level(level)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        .init();
    Ok(())
}

fn say(text: &str) -> ExitCode {
    // Whoever closes the pipe has seen enough.
    let _ = std::io::stdout().write_all(text.as_bytes());
    ExitCode::SUCCESS
}

fn fail(status: u8, why: &str) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "belfry-trigger: {why}");
    ExitCode::from(status)
}
