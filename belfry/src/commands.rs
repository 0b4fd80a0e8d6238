//! The client commands: one call of the console's API each, or a few, answered for people or for machines.

mod cron;
mod events;
mod gateways;
pub(crate) mod hook;
mod install;
mod installed;
mod logs;
mod nodes;
mod schemes;
mod versions;

use crate::cli::{self, Command};
use anyhow::{Context, bail};
use belfry_backends::clock::System;
use serde_json::Value;
use std::io::Read;
use std::path::Path;
use std::time::Duration;

/// Does a client command and returns what is to be printed.
///
/// # Errors
/// If the console is not there or refuses.
pub(crate) async fn run(command: Command) -> anyhow::Result<String> {
    match command {
        Command::Install(args) => install::install(*args).await,
        Command::Uninstall(args) => installed::uninstall(args).await,
        Command::Update(args) => versions::update(*args).await,
        Command::Rotate(args) => hook::rotate(args, &System).await,
        Command::Rollback(args) => versions::rollback(args).await,
        Command::History(args) => versions::history(args).await,
        Command::List(client) => installed::list(&client).await,
        Command::Status(args) => installed::status(args).await,
        Command::Logs(args) => logs::logs(args).await,
        Command::Start(args) => installed::change(args, "start").await,
        Command::Stop(args) => installed::change(args, "stop").await,
        Command::Restart(args) => installed::change(args, "restart").await,
        Command::Scale(args) => installed::scale(args).await,
        Command::Pause(args) => installed::change_trigger(args, "pause").await,
        Command::Resume(args) => installed::change_trigger(args, "resume").await,
        Command::Run(args) => events::run_once(args).await,
        Command::Events(args) => events::events(args).await,
        Command::Replay(args) => events::replay(args).await,
        Command::DeadLetters(args) => events::dead_letters(args).await,
        Command::Packages(client) => install::packages(&client).await,
        Command::Schemes(args) => schemes::run(&args),
        Command::Gateways(client) => gateways::gateways(&client).await,
        Command::Nodes(args) => nodes::nodes(args).await,
        Command::Cordon(args) => nodes::change(args, "cordon").await,
        Command::Drain(args) => nodes::change(args, "drain").await,
        Command::Uncordon(args) => nodes::change(args, "uncordon").await,
        Command::ForgetNode(args) => nodes::forget(args).await,
        Command::Cron(args) => cron::cron(args),
        Command::Health(args) => health(args).await,
        Command::Dev(_)
        | Command::Gateway(_)
        | Command::Console(_)
        | Command::Agent(_)
        | Command::Registry(_)
        | Command::Send(_)
        | Command::Config => bail!("not a client command"),
    }
}

/// How long a role may take to say how it is.
const HEALTH: Duration = Duration::from_secs(5);

/// The answer of a role that is well.
async fn health(args: cli::Health) -> anyhow::Result<String> {
    let url = &args.url;
    // A role is asked where it is, never through somebody else.
    let http = reqwest::Client::builder()
        .no_proxy()
        .timeout(HEALTH)
        .build()?;
    let response = http
        .get(url)
        .send()
        .await
        .with_context(|| format!("nobody answers at {url}"))?;
    let status = response.status();
    let answer = response.text().await.unwrap_or_default();
    if !status.is_success() {
        bail!("{url} answered {status}: {answer}");
    }
    Ok(answer.trim_end().to_owned() + "\n")
}

/// The answer as it came, or in words.
fn show(
    client: &cli::Client,
    answer: &Value,
    words: impl FnOnce(&Value) -> String,
) -> anyhow::Result<String> {
    if client.json {
        Ok(serde_json::to_string_pretty(answer)? + "\n")
    } else {
        Ok(words(answer))
    }
}

fn list_of(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// A value as people read it: nothing for null.
fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// What there is to say besides.
fn note(answer: &Value) -> String {
    match answer["detail"].as_str() {
        Some(detail) => format!("note: {detail}\n"),
        None => String::new(),
    }
}

/// A file's content; `-` is standard input.
pub(crate) fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    if path == Path::new("-") {
        let mut content = Vec::new();
        std::io::stdin()
            .read_to_end(&mut content)
            .context("standard input")?;
        return Ok(content);
    }
    std::fs::read(path).with_context(|| path.display().to_string())
}
