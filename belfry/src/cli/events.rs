//! The commands on events.

use super::Client;
use clap::Args;
use std::path::PathBuf;

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
