//! What is said of a webhook's deliveries: how they are verified, how many are taken, and from where.

use super::Client;
use clap::Args;
use std::time::Duration;

/// How a webhook's deliveries are taken.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Deliveries of a webhook")]
pub struct Hook {
    /// How deliveries are verified, instead of the way that the package says: `belfry schemes` lists them with what each needs.
    #[arg(long, value_name = "SCHEME")]
    pub scheme: Option<String>,
    /// The name of a secret that is set on the gateways, never the secret itself; NAME@END for one that does until then, such as
    /// OLD@2026-12-01T00:00:00Z. May be given again: any of them may match.
    #[arg(long = "secret", value_name = "NAME[@END]")]
    pub secrets: Vec<String>,
    /// What else the scheme needs: public_key, public_url, header, signed … A key that is given again is a list.
    #[arg(long = "auth", value_name = "KEY=VALUE")]
    pub auth: Vec<String>,
    /// All of it as the API takes it, in place of --scheme, --secret and --auth: a JSON object, a file with one, or `-`.
    #[arg(long, value_name = "JSON|FILE", conflicts_with_all = ["scheme", "secrets", "auth"])]
    pub auth_json: Option<String>,
    /// How many deliveries are taken over all gateways: REQUESTS/SECONDS, such as 100/60; 100/60/20 for at most 20 at once.
    #[arg(long, value_name = "REQUESTS/SECONDS[/BURST]")]
    pub rate_limit: Option<String>,
    /// Where deliveries may come from: an address or a network, such as 203.0.113.7 or 192.0.2.0/24. May be given again.
    #[arg(long = "allow-ip", value_name = "ADDRESS|NETWORK")]
    pub allow_ips: Vec<String>,
}

/// `belfry rotate`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  belfry rotate billing --secret STRIPE_2027               what did so far does for another 24 h
  belfry rotate billing --secret NEW --keep OLD --for 2h   only OLD does, and for 2 h
  belfry rotate billing --secret NEW --at-once             the old ones do no more

The secrets are named, never written: set the new one on every gateway first (`belfry status` says where one is missing).
No delivery is refused meanwhile that either secret signs.")]
pub struct Rotate {
    /// The trigger's name.
    pub name: String,
    /// The name of the new secret, as it is set on the gateways.
    #[arg(long, value_name = "NAME")]
    pub secret: String,
    /// An old secret that does for a while; all that do now if none is given. May be given again.
    #[arg(long, value_name = "NAME", conflicts_with = "at_once")]
    pub keep: Vec<String>,
    /// For how long the old ones do, such as 24h, 7d.
    #[arg(long = "for", value_name = "DURATION", default_value = "24h", value_parser = crate::settings::duration, conflicts_with = "at_once")]
    pub keep_for: Duration,
    /// Give the old ones up at once.
    #[arg(long)]
    pub at_once: bool,
    /// Where and how.
    #[command(flatten)]
    pub client: Client,
}
