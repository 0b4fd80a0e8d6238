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
    /// Say what a cron expression means and when it is due; needs no server.
    #[command(subcommand)]
    Cron(Cron),
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

/// `belfry cron`.
#[derive(Debug, Subcommand)]
pub enum Cron {
    /// Say in words what an expression means, when it is due next, and what clock changes do to it.
    #[command(
        after_help = "Example: belfry cron explain \"0 9 * * 1\" --tz America/New_York\n\nFields: [second] minute hour day-of-month month day-of-week; Monday is 1, Sunday 0 or 7.\nExits with 1 if the expression or the zone does not hold."
    )]
    Explain(CronExplain),
    /// Print the next instants that an expression is due at, one a line, in universal time.
    #[command(
        after_help = "Examples:\n  belfry cron next \"*/15 9-17 * * MON-FRI\" --tz Europe/Berlin --after 2026-03-28T00:00:00Z --count 5\n  echo '{\"expr\":\"0 9 * * 1\",\"tz\":\"UTC\",\"after\":\"2026-01-01T00:00:00Z\",\"count\":2}' | belfry cron next --jsonl\n\nExits with 1 if the expression or the zone does not hold; with --jsonl that is the answer to its line, and the rest goes on."
    )]
    Next(CronNext),
}

/// `belfry cron explain`.
#[derive(Debug, Args)]
pub struct CronExplain {
    /// The expression, such as "0 9 * * 1", or a macro, such as @daily.
    #[arg(value_name = "EXPR", allow_hyphen_values = true)]
    pub expression: String,
    /// The zone on whose clocks it is read, such as America/New_York.
    #[arg(long, value_name = "ZONE", default_value = "UTC")]
    pub tz: String,
    /// From when on; from now on if it is not said.
    #[arg(long, value_name = "RFC3339")]
    pub after: Option<String>,
}

/// `belfry cron next`.
#[derive(Debug, Args)]
pub struct CronNext {
    /// The expression, such as "0 9 * * 1", or a macro, such as @daily.
    #[arg(
        value_name = "EXPR",
        allow_hyphen_values = true,
        required_unless_present = "jsonl"
    )]
    pub expression: Option<String>,
    /// The zone on whose clocks it is read, such as America/New_York.
    #[arg(long, value_name = "ZONE", default_value = "UTC")]
    pub tz: String,
    /// From when on, that instant not included; from now on if it is not said.
    #[arg(long, value_name = "RFC3339")]
    pub after: Option<String>,
    /// How many: 1 to 10000.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub count: u64,
    /// Read questions from standard input, one JSON object {"expr","tz","after","count"} a line, and answer each with a line,
    /// {"next":[…]} or {"error":"…"}; tz is UTC, after now and count 1 where they are left out.
    #[arg(long, conflicts_with_all = ["expression", "tz", "after", "count"])]
    pub jsonl: bool,
}
