//! The commands that run roles.

use crate::settings;
use clap::Args;
use std::net::SocketAddr;

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
