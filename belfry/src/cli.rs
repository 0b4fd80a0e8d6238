//! The command line.

use crate::settings;
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::net::SocketAddr;
use std::path::PathBuf;

/// A distributed trigger mesh: webhooks, clocks and signals run workflows, once, soon, provably.
#[derive(Debug, Parser)]
#[command(
    name = "belfry",
    version,
    about,
    after_help = "Start with: belfry dev --demo",
    propagate_version = true
)]
pub struct Cli {
    /// Settings of the roles, in TOML; `belfry config` prints one with every default. Flags and environment come before it.
    #[arg(
        long,
        global = true,
        env = "BELFRY_CONFIG",
        value_name = "FILE",
        help_heading = "General"
    )]
    pub config: Option<PathBuf>,
    /// What is logged: error, warn, info, debug, trace, or per module such as info,belfry_gateway=debug.
    #[arg(
        long,
        global = true,
        env = "BELFRY_LOG",
        default_value = "info,async_nats=warn",
        value_name = "FILTER",
        help_heading = "General"
    )]
    pub log: String,
    /// How logs are written, to standard error.
    #[arg(
        long,
        global = true,
        env = "BELFRY_LOG_FORMAT",
        value_name = "FORMAT",
        default_value = "text",
        help_heading = "General"
    )]
    pub log_format: LogFormat,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// How logs are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run everything in one process, on embedded storage, with nothing to install.
    Dev(Box<Dev>),
    /// Run a gateway: receives webhooks, verifies them, stores them.
    Gateway(Box<GatewayRole>),
    /// Run a console: the management API and the history.
    Console(Box<ConsoleRole>),
    /// Run an agent: runs triggers on this node and brings events to them.
    Agent(Box<AgentRole>),
    /// Run a registry: serves packages.
    Registry(settings::Registry),
    /// Install a package: a trigger, with what it runs, or an mcp, a service that takes no events.
    Install(Install),
    /// Uninstall a trigger or an mcp; events that wait for it are dropped, its history stays.
    Uninstall(Named),
    /// Take the newest version of the package; one that does not hold is rolled back by itself.
    Update(Update),
    /// Give the package back that it had before; its configuration stays as it is.
    Rollback(Rollback),
    /// List who changed what of a trigger or an mcp, and when.
    History(Named),
    /// List what is installed: triggers and mcps.
    List(Client),
    /// Show how a trigger or an mcp is.
    Status(Named),
    /// Show what its containers wrote.
    Logs(Logs),
    /// Start a trigger or an mcp.
    Start(Named),
    /// Stop a trigger or an mcp; its events wait.
    Stop(Named),
    /// Start a trigger or an mcp anew.
    Restart(Named),
    /// Give it so many slots, each with a container of its own.
    Scale(Scale),
    /// Let a trigger's events wait, with its container up.
    Pause(Named),
    /// Deliver a paused trigger's events again.
    Resume(Named),
    /// Run a trigger once, with a body of your own.
    Run(Run),
    /// List events, newest first, or show one with all its attempts.
    Events(Events),
    /// Run an event once more.
    Replay(Replay),
    /// List the events whose attempts are spent, or discard one.
    DeadLetters(DeadLetters),
    /// Sign a payload and send it, as its provider would.
    Send(Send),
    /// List the packages that can be installed.
    Packages(Client),
    /// List the nodes, or show one with what it runs.
    Nodes(Nodes),
    /// Let a node keep the slots that it has and take no more.
    Cordon(NodeNamed),
    /// Let a node leave its slots to other nodes and take none, until it is uncordoned.
    Drain(NodeNamed),
    /// Let a node take slots again.
    Uncordon(NodeNamed),
    /// Forget a node that is dead.
    ForgetNode(NodeNamed),
    /// Ask a role how it is, and fail unless it is well: for health checks in images that have nothing else to ask with.
    Health(Health),
    /// Print a configuration file with every setting of the roles, its meaning and its default.
    Config,
}

/// `belfry dev`.
#[derive(Debug, Args)]
pub struct Dev {
    /// Install the standard packages with generated secrets, send a genuine, a forged and a repeated delivery, say what became
    /// of each, and stay up.
    #[arg(long)]
    pub demo: bool,
    /// Where the stand-in for the orchestrator listens when no --orchestrator is given.
    #[arg(
        long,
        env = "BELFRY_STANDIN_ADDR",
        value_name = "ADDR",
        default_value = "127.0.0.1:8000"
    )]
    pub standin_addr: SocketAddr,
    /// What of the other settings applies.
    #[command(flatten)]
    pub backends: settings::Backends,
    /// The gateway's.
    #[command(flatten)]
    pub gateway: settings::Gateway,
    /// The console's.
    #[command(flatten)]
    pub console: settings::Console,
    /// The registry's.
    #[command(flatten)]
    pub registry: settings::Registry,
    /// The agent's.
    #[command(flatten)]
    pub agent: settings::Agent,
    /// The containers'.
    #[command(flatten)]
    pub containers: settings::Containers,
    /// The orchestrator's.
    #[command(flatten)]
    pub orchestrator: settings::Orchestrator,
    /// The secrets'.
    #[command(flatten)]
    pub secrets: settings::Secrets,
}

/// `belfry gateway`.
#[derive(Debug, Args)]
pub struct GatewayRole {
    /// The backends'.
    #[command(flatten)]
    pub backends: settings::Backends,
    /// The gateway's.
    #[command(flatten)]
    pub gateway: settings::Gateway,
    /// The secrets'.
    #[command(flatten)]
    pub secrets: settings::Secrets,
}

/// `belfry console`.
#[derive(Debug, Args)]
pub struct ConsoleRole {
    /// The backends'.
    #[command(flatten)]
    pub backends: settings::Backends,
    /// The console's.
    #[command(flatten)]
    pub console: settings::Console,
    /// Where the registry is when no --registries are given.
    #[arg(
        long,
        env = "BELFRY_REGISTRY_ADDR",
        value_name = "ADDR",
        default_value = "127.0.0.1:9000",
        help_heading = "Console"
    )]
    pub registry_addr: SocketAddr,
}

/// `belfry agent`.
#[derive(Debug, Args)]
pub struct AgentRole {
    /// Where the agent says how it is.
    #[arg(
        long,
        env = "BELFRY_AGENT_ADDR",
        value_name = "ADDR",
        default_value = "127.0.0.1:8082",
        help_heading = "Agent"
    )]
    pub agent_addr: SocketAddr,
    /// The backends'.
    #[command(flatten)]
    pub backends: settings::Backends,
    /// The agent's.
    #[command(flatten)]
    pub agent: settings::Agent,
    /// The containers'.
    #[command(flatten)]
    pub containers: settings::Containers,
    /// The orchestrator's.
    #[command(flatten)]
    pub orchestrator: settings::Orchestrator,
    /// The secrets'.
    #[command(flatten)]
    pub secrets: settings::Secrets,
}

/// `belfry health`.
#[derive(Debug, Args)]
pub struct Health {
    /// Where to ask: /health of a role says whether it lives, /ready whether it can do its work.
    #[arg(value_name = "URL", default_value = "http://127.0.0.1:8080/health")]
    pub url: String,
}

/// How the client commands reach the console and answer.
#[derive(Debug, Clone, Args)]
pub struct Client {
    /// The console's base URL.
    #[arg(
        long,
        env = "BELFRY_CONSOLE_URL",
        default_value = "http://127.0.0.1:8081",
        value_name = "URL"
    )]
    pub console_url: String,
    /// Who asks, for the record; this user if it is not said.
    #[arg(long, env = "BELFRY_BY", value_name = "WHO")]
    pub by: Option<String>,
    /// Answer in JSON, as the API does, for machines.
    #[arg(long)]
    pub json: bool,
}

/// A command on one trigger or mcp.
#[derive(Debug, Args)]
pub struct Named {
    /// Its name.
    pub name: String,
    /// Where and how.
    #[command(flatten)]
    pub client: Client,
}

/// `belfry install`.
#[derive(Debug, Args)]
pub struct Install {
    /// The package: its name, or name-version.
    pub package: String,
    /// The workflow that a trigger runs. Without it and --team the package is installed as an mcp.
    #[arg(long, value_name = "ID", conflicts_with = "team")]
    pub workflow: Option<String>,
    /// The team of agents that a trigger runs.
    #[arg(long, value_name = "ID")]
    pub team: Option<String>,
    /// Its name, when one package is installed several times; the package's name if none is given.
    #[arg(long)]
    pub name: Option<String>,
    /// Environment of its containers, over the package's own; a secret only as a reference: TOKEN='${NAME_ON_THE_NODE}'.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// How many slots it has, each with a container of its own: 1 to 64.
    #[arg(long, value_name = "COUNT")]
    pub replicas: Option<u32>,
    /// What a node must be like to take one: label=value or label!=value, such as zone=eu or node!=a. May be given again.
    #[arg(long = "constraint", value_name = "LABEL=VALUE")]
    pub constraints: Vec<String>,
    /// The registry to take the package from; the first that has it if none is given.
    #[arg(long, value_name = "ID")]
    pub registry: Option<String>,
    /// Where and how.
    #[command(flatten)]
    pub client: Client,
}

/// `belfry rollback`.
#[derive(Debug, Args)]
pub struct Rollback {
    /// The name of the trigger or mcp.
    pub name: String,
    /// The revision whose package it is to have again, as `belfry history` lists them; the last one with another package if none
    /// is given.
    #[arg(long, value_name = "REVISION")]
    pub to: Option<u64>,
    /// Where and how.
    #[command(flatten)]
    pub client: Client,
}

/// `belfry scale`.
#[derive(Debug, Args)]
pub struct Scale {
    /// The name of the trigger or mcp.
    pub name: String,
    /// How many slots: 1 to 64.
    #[arg(value_name = "COUNT")]
    pub replicas: u32,
    /// Where and how.
    #[command(flatten)]
    pub client: Client,
}

/// `belfry logs`.
#[derive(Debug, Args)]
pub struct Logs {
    /// The name of the trigger or mcp.
    pub name: String,
    /// Go on with what is written from now on.
    #[arg(short, long)]
    pub follow: bool,
    /// How many of the last lines of each slot, up to 1000.
    #[arg(short = 'n', long, value_name = "COUNT", default_value_t = 100)]
    pub lines: usize,
    /// Only this slot's; all slots' if none is given.
    #[arg(long, value_name = "SLOT")]
    pub slot: Option<u32>,
    /// Where and how.
    #[command(flatten)]
    pub client: Client,
}

/// `belfry nodes`.
#[derive(Debug, Args)]
pub struct Nodes {
    /// The node to show; all if none is given.
    pub name: Option<String>,
    /// Where and how.
    #[command(flatten)]
    pub client: Client,
}

/// A command on one node.
#[derive(Debug, Args)]
pub struct NodeNamed {
    /// The node's name.
    pub name: String,
    /// Where and how.
    #[command(flatten)]
    pub client: Client,
}

/// `belfry update`.
#[derive(Debug, Args)]
pub struct Update {
    /// The name of the trigger or mcp.
    pub name: String,
    /// The registry to take the package from; the one it came from if none is given.
    #[arg(long, value_name = "ID")]
    pub registry: Option<String>,
    /// Where and how.
    #[command(flatten)]
    pub client: Client,
}

/// `belfry run`.
#[derive(Debug, Args)]
pub struct Run {
    /// The trigger's name.
    pub name: String,
    /// A file with the JSON body; `-` for standard input; an empty object if none is given.
    pub payload: Option<PathBuf>,
    /// Where and how.
    #[command(flatten)]
    pub client: Client,
}

/// `belfry events`.
#[derive(Debug, Args)]
pub struct Events {
    /// The event to show; all if none is given.
    pub id: Option<String>,
    /// Only this trigger's.
    #[arg(long)]
    pub trigger: Option<String>,
    /// Only those that stand so: waiting, triggered, ignored, retrying, dead.
    #[arg(long)]
    pub status: Option<String>,
    /// Only the one with this delivery id of its provider.
    #[arg(long)]
    pub delivery_id: Option<String>,
    /// Only the one that led to this run.
    #[arg(long)]
    pub execution_id: Option<String>,
    /// How many at most.
    #[arg(long, default_value_t = 20)]
    pub limit: u32,
    /// Where to go on: the `next` of the answer before.
    #[arg(long)]
    pub cursor: Option<String>,
    /// Where and how.
    #[command(flatten)]
    pub client: Client,
}

/// `belfry replay`.
#[derive(Debug, Args)]
pub struct Replay {
    /// The event's id.
    pub id: String,
    /// Where and how.
    #[command(flatten)]
    pub client: Client,
}

/// `belfry dead-letters`.
#[derive(Debug, Args)]
pub struct DeadLetters {
    /// Discard the dead letter of this event.
    #[arg(long, value_name = "EVENT_ID")]
    pub discard: Option<String>,
    /// Where and how.
    #[command(flatten)]
    pub client: Client,
}

/// `belfry send`.
#[derive(Debug, Args)]
pub struct Send {
    /// As which provider: github, linear, standard (Standard Webhooks), or none for an unsigned delivery.
    pub scheme: String,
    /// A file with the payload; `-` for standard input.
    pub payload: PathBuf,
    /// The trigger to send it to; the standard package of the provider if none is given.
    #[arg(long)]
    pub trigger: Option<String>,
    /// The secret to sign with, verbatim.
    #[arg(
        long,
        env = "BELFRY_SEND_SECRET",
        hide_env_values = true,
        conflicts_with = "secret_file"
    )]
    pub secret: Option<String>,
    /// A file with the secret to sign with, such as one of `belfry dev`'s: .belfry/secrets/GITHUB_WEBHOOK_SECRET.
    #[arg(long, value_name = "FILE")]
    pub secret_file: Option<PathBuf>,
    /// The event type, where the provider names it in a header: push, pull_request, Issue …
    #[arg(long, value_name = "TYPE")]
    pub event: Option<String>,
    /// The delivery id; a new one if none is given. Send the same again to see it recognised.
    #[arg(long, value_name = "ID")]
    pub delivery_id: Option<String>,
    /// The gateway's base URL.
    #[arg(
        long,
        env = "BELFRY_GATEWAY_URL",
        default_value = "http://127.0.0.1:8080",
        value_name = "URL"
    )]
    pub gateway_url: String,
    /// Answer in JSON, as the gateway does, for machines.
    #[arg(long)]
    pub json: bool,
}
