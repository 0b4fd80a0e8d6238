//! The command line.

mod events;
mod hook;
mod installed;
mod nodes;
mod roles;
mod send;

pub use events::{DeadLetters, Events, Replay, Run};
pub use hook::{Hook, Rotate};
pub use installed::{Install, Logs, Named, Rollback, Scale, Update};
pub use nodes::{NodeNamed, Nodes};
pub use roles::{AgentRole, ConsoleRole, Dev, GatewayRole, Health};
pub use send::Send;

use crate::settings;
use clap::{Args, Parser, Subcommand, ValueEnum};
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
    Install(Box<Install>),
    /// Uninstall a trigger or an mcp; events that wait for it are dropped, its history stays.
    Uninstall(Named),
    /// Take the newest version of the package, or set how its deliveries are verified, how many are taken, and from where.
    Update(Box<Update>),
    /// Give a webhook a new secret, and let the old one do for a while.
    Rotate(Rotate),
    /// Give the package back that it had before; its configuration, auth and limits stay as they are.
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
    /// List the ways in which deliveries can be verified, or show what one needs.
    Schemes(Schemes),
    /// List the nodes, or show one with what it runs.
    Nodes(Nodes),
    /// List the gateways: what waits in their spools, what they do without, and what they refuse.
    Gateways(Client),
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

/// `belfry schemes`.
#[derive(Debug, Args)]
pub struct Schemes {
    /// The scheme to show; all if none is given.
    pub name: Option<String>,
    /// Answer in JSON, for machines.
    #[arg(long)]
    pub json: bool,
}
