//! `belfry send`.

use clap::Args;
use std::path::PathBuf;

/// `belfry send`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  echo '{\"hello\":\"bell\"}' | belfry send none -
  belfry send github push.json --event push --secret-file .belfry/secrets/GITHUB_WEBHOOK_SECRET
  belfry send stripe paid.json --trigger billing --secret-file stripe.secret
  belfry send hmac alert.json --trigger alerts --auth header=X-Signature --auth prefix=sha256= --secret-file alerts.secret
  belfry send twilio call.json --trigger calls --auth public_url=https://hooks.example/hooks/calls --secret-file twilio.secret

It signs as the provider would, with the time it is now. What a provider signs with a key that only the provider has (discord, \
sendgrid, sns) cannot be signed here.")]
pub struct Send {
    /// As which provider: a scheme such as github, stripe or standard, or none for an unsigned delivery; `belfry schemes` lists them.
    pub scheme: String,
    /// A file with the payload; `-` for standard input.
    pub payload: PathBuf,
    /// The trigger to send it to; of github, linear and none, the standard package if none is given.
    #[arg(long)]
    pub trigger: Option<String>,
    /// What else the scheme needs, as the trigger has it: public_url, header, signed … A key that is given again is a list.
    #[arg(long = "auth", value_name = "KEY=VALUE")]
    pub auth: Vec<String>,
    /// What the payload is.
    #[arg(long, value_name = "TYPE", default_value = "application/json")]
    pub content_type: String,
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
    /// The event type, where the provider names it in a header: push, pull_request, Issue, orders/create …
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
