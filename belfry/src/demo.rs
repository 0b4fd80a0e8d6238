//! `belfry dev --demo`: a genuine delivery, a forged one and a repeated one, and what became of each, in plain words.

use crate::cli;
use crate::client::Console;
use crate::send;
use anyhow::{Context, bail};
use belfry_mesh::signature::Scheme;
use jiff::Timestamp;
use rand::{CryptoRng, Rng};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use std::io::{ErrorKind, Write};
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::time::Duration;

/// The secrets that the standard packages name.
const SECRETS: [&str; 2] = ["GITHUB_WEBHOOK_SECRET", "LINEAR_WEBHOOK_SECRET"];

/// What is installed, and the workflow that each runs.
const PACKAGES: [(&str, &str); 4] = [
    ("github-pr-webhook", "review-pull-request"),
    ("linear-webhook", "triage-issue"),
    ("daily-scan", "daily-scan"),
    ("simple-webhook", "hello"),
];

/// A pull request as GitHub tells of it, cut to what matters.
const PAYLOAD: &str = include_str!("demo/pull_request.json");

/// How long the demonstration waits for a run.
const PATIENCE: Duration = Duration::from_secs(15);

/// Makes the secrets that are not there yet, readable by this user only.
///
/// # Errors
/// If they cannot be written.
pub(crate) fn make_secrets(directory: &Path, rng: &mut impl CryptoRng) -> anyhow::Result<()> {
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)
        .with_context(|| format!("directory for secrets {}", directory.display()))?;
    for name in SECRETS {
        let path = directory.join(name);
        let file = std::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path);
        match file {
            Ok(mut file) => {
                let mut bytes = [0_u8; 32];
                rng.fill_bytes(&mut bytes);
                file.write_all(hex::encode(bytes).as_bytes())
                    .with_context(|| path.display().to_string())?;
            }
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error).with_context(|| path.display().to_string()),
        }
    }
    Ok(())
}

/// Where the roles are, as the demonstration meets them.
pub(crate) struct Scene<'a> {
    pub(crate) gateway: SocketAddr,
    pub(crate) console: SocketAddr,
    pub(crate) secrets: &'a Path,
    pub(crate) now: Timestamp,
}

/// Tells the story, to standard output.
///
/// # Errors
/// If it does not go as it should.
pub(crate) async fn tell(scene: &Scene<'_>) -> anyhow::Result<()> {
    let client = cli::Client {
        console_url: format!("http://{}", scene.console),
        by: Some("demo".to_owned()),
        json: false,
    };
    let console = Console::new(&client)?;
    say("Installing the standard packages:")?;
    for (package, workflow) in PACKAGES {
        let path = ["registries", "install", "trigger", package];
        let answer = console
            .post(&path, &[], json!({ "workflow_id": workflow }))
            .await?;
        say(&format!(
            "  {package:<18} {} runs workflow `{workflow}`",
            word(&answer, "state")
        ))?;
    }
    let secret = std::fs::read_to_string(scene.secrets.join(SECRETS[0]))
        .context("the demonstration's secret")?;
    let genuine = SecretString::from(secret);
    let forged = SecretString::from(format!("not {}", genuine.expose_secret()));
    let delivery_id = fresh_id(&mut rand::rng());

    let (status, answer) = deliver(scene, &genuine, &delivery_id).await?;
    expect(status, 202, &answer)?;
    let event = word(&answer, "event_id");
    let run = await_run(&console, &event).await?;
    say("\nThree deliveries of a pull request, as GitHub sends them:")?;
    say(&format!(
        "  genuine   {status}: signature verified, stored as event {event},"
    ))?;
    say(&format!(
        "            and workflow `{}` runs as execution {run}",
        PACKAGES[0].1
    ))?;

    let (status, answer) = deliver(scene, &forged, &fresh_id(&mut rand::rng())).await?;
    expect(status, 401, &answer)?;
    say(&format!(
        "  forged    {status}: {}; nothing was stored",
        word(&answer, "detail")
    ))?;

    let (status, answer) = deliver(scene, &genuine, &delivery_id).await?;
    expect(status, 200, &answer)?;
    let attempts = console.get(&["events", &event], &[]).await?["outcomes"]
        .as_array()
        .map_or(0, Vec::len);
    say(&format!(
        "  repeated  {status}: recognised as event {}, which ran {attempts} time in all",
        word(&answer, "event_id")
    ))
}

async fn deliver(
    scene: &Scene<'_>,
    secret: &SecretString,
    delivery_id: &str,
) -> anyhow::Result<(u16, Value)> {
    let event = Some("pull_request");
    let delivery = send::sign(
        &Scheme::named("github")?,
        Some(secret),
        PAYLOAD.into(),
        event,
        delivery_id,
        scene.now,
    )?;
    let url = format!("http://{}/hooks/{}", scene.gateway, PACKAGES[0].0);
    let response = send::post(&reqwest::Client::new(), &url, delivery)
        .await
        .context("the gateway does not answer")?;
    Ok((
        response.status().as_u16(),
        response.json().await.unwrap_or(Value::Null),
    ))
}

async fn await_run(console: &Console, event: &str) -> anyhow::Result<String> {
    let look = async {
        loop {
            let seen = console.get(&["events", event], &[]).await?;
            match seen["status"].as_str() {
                Some("triggered") => {
                    let outcomes = seen["outcomes"].as_array().cloned().unwrap_or_default();
                    let run = outcomes
                        .iter()
                        .find_map(|outcome| outcome["execution_id"].as_str());
                    return Ok(run.unwrap_or("(the orchestrator named none)").to_owned());
                }
                Some("dead" | "ignored") => bail!(
                    "the event ended as {}: {}",
                    seen["status"],
                    seen["outcomes"]
                ),
                _ => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    };
    match tokio::time::timeout(PATIENCE, look).await {
        Ok(run) => run,
        Err(_) => bail!(
            "event {event} did not run within {} s; see `belfry events {event}`",
            PATIENCE.as_secs()
        ),
    }
}

fn expect(status: u16, expected: u16, answer: &Value) -> anyhow::Result<()> {
    if status == expected {
        return Ok(());
    }
    bail!("the gateway answered {status} where {expected} was due: {answer}")
}

fn fresh_id(rng: &mut impl Rng) -> String {
    let (a, b) = (rng.next_u64(), rng.next_u64());
    format!(
        "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
        a >> 32,
        a >> 16 & 0xffff,
        a & 0xffff,
        b >> 48,
        b & 0xffff_ffff_ffff
    )
}

fn word(answer: &Value, key: &str) -> String {
    answer[key].as_str().unwrap_or_default().to_owned()
}

pub(crate) fn say(line: &str) -> anyhow::Result<()> {
    writeln!(std::io::stdout(), "{line}").context("standard output")
}
