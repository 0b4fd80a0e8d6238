//! The commands on nodes.

use super::Client;
use clap::Args;

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
