//! The commands on what is installed.

use super::{Client, Hook};
use clap::Args;

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
#[command(after_help = "\
Examples:
  belfry install github-pr-webhook --workflow review
  belfry install webhook --name billing --scheme stripe --secret STRIPE_WEBHOOK_SECRET --workflow w
  belfry install webhook --name alerts --scheme hmac --secret ALERTS --auth header=X-Signature --auth prefix=sha256= --team ops
  belfry install webhook --name bare --scheme none --allow-ip 192.0.2.0/24 --rate-limit 100/60 --workflow w

A secret is named, never written: set it on every gateway under that name. `belfry schemes` says what each scheme needs.")]
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
    /// How its deliveries are taken.
    #[command(flatten)]
    pub hook: Hook,
    /// How many slots it has, each with a container of its own: 1 to 64.
    #[arg(long, value_name = "COUNT", help_heading = "Options")]
    pub replicas: Option<u32>,
    /// What a node must be like to take one: label=value or label!=value, such as zone=eu or node!=a. May be given again.
    #[arg(
        long = "constraint",
        value_name = "LABEL=VALUE",
        help_heading = "Options"
    )]
    pub constraints: Vec<String>,
    /// The registry to take the package from; the first that has it if none is given.
    #[arg(long, value_name = "ID", help_heading = "Options")]
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

/// `belfry update`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  belfry update billing                                     the newest version of its package
  belfry update billing --secret NEW --secret OLD@2026-12-01T00:00:00Z
  belfry update billing --scheme standard --secret SVIX_SECRET
  belfry update billing --allow-ip 203.0.113.7 --rate-limit 100/60
  belfry update billing --reset allow_ips --reset rate_limit

With anything but --registry the package and its containers stay as they are. Gateways take the change up as they go, and refuse \
no delivery meanwhile that both the old and the new would take. A rollback of the package leaves it as it is.")]
pub struct Update {
    /// The name of the trigger or mcp.
    pub name: String,
    /// The registry to take the package from; the one it came from if none is given.
    #[arg(long, value_name = "ID")]
    pub registry: Option<String>,
    /// How its deliveries are taken from now on.
    #[command(flatten)]
    pub hook: Hook,
    /// Have it as the package says again: auth, rate_limit or allow_ips. May be given again.
    #[arg(long, value_name = "KEY", value_parser = ["auth", "rate_limit", "allow_ips"])]
    pub reset: Vec<String>,
    /// Where and how.
    #[command(flatten)]
    pub client: Client,
}
