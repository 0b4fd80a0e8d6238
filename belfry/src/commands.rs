//! The client commands: one call of the console's API each, answered for people or for machines.

use crate::cli::{self, Command};
use crate::client::Console;
use crate::table::table;
use anyhow::{Context, bail};
use serde_json::{Map, Value, json};
use std::io::Read;
use std::path::Path;
use std::time::Duration;

/// Does a client command and returns what is to be printed.
///
/// # Errors
/// If the console is not there or refuses.
pub(crate) async fn run(command: Command) -> anyhow::Result<String> {
    match command {
        Command::Install(args) => install(args).await,
        Command::Uninstall(args) => {
            let answer = Console::new(&args.client)?
                .delete(&["triggers", &args.name])
                .await?;
            show(&args.client, &answer, |_| {
                format!("{} is uninstalled\n", args.name)
            })
        }
        Command::Start(args) => lifecycle(args, "start").await,
        Command::Stop(args) => lifecycle(args, "stop").await,
        Command::Restart(args) => lifecycle(args, "restart").await,
        Command::Update(args) => update(args).await,
        Command::List(client) => {
            let answer = Console::new(&client)?.get(&["triggers"], &[]).await?;
            show(&client, &answer, list)
        }
        Command::Status(args) => {
            let answer = Console::new(&args.client)?
                .get(&["triggers", &args.name, "status"], &[])
                .await?;
            show(&args.client, &answer, status)
        }
        Command::Run(args) => run_once(args).await,
        Command::Events(args) => events(args).await,
        Command::Replay(args) => {
            let answer = Console::new(&args.client)?
                .post(&["events", &args.id, "replay"], &[], json!({}))
                .await?;
            show(&args.client, &answer, |answer| {
                format!("replayed as event {}\n", text(&answer["event_id"]))
            })
        }
        Command::DeadLetters(args) => dead_letters(args).await,
        Command::Health(args) => health(args).await,
        Command::Packages(client) => {
            let answer = Console::new(&client)?.get(&["packages"], &[]).await?;
            show(&client, &answer, packages)
        }
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

async fn install(args: cli::Install) -> anyhow::Result<String> {
    let mut body = Map::new();
    let given = [
        ("workflow_id", args.workflow),
        ("team_id", args.team),
        ("name", args.name),
    ];
    body.extend(
        given
            .into_iter()
            .filter_map(|(key, value)| Some((key.to_owned(), Value::String(value?)))),
    );
    if !args.set.is_empty() {
        body.insert("config".into(), Value::Object(pairs(&args.set)?));
    }
    let query: Vec<_> = args
        .registry
        .into_iter()
        .map(|id| ("registry_id", id))
        .collect();
    let path = ["registries", "install", "trigger", args.package.as_str()];
    let answer = Console::new(&args.client)?
        .post(&path, &query, Value::Object(body))
        .await?;
    show(&args.client, &answer, |answer| {
        let verb = if answer["status"] == "already_installed" {
            "was installed already"
        } else {
            "is installed"
        };
        let mut words = format!(
            "{} {} {verb}: {}\n",
            text(&answer["name"]),
            text(&answer["version"]),
            text(&answer["state"])
        );
        if let Some(detail) = answer["detail"].as_str() {
            words += &format!("note: {detail}\n");
        }
        if let Some(path) = answer["webhook_path"].as_str() {
            words += &format!("webhooks go to {path} of the gateway\n");
        }
        words
    })
}

fn pairs(given: &[String]) -> anyhow::Result<Map<String, Value>> {
    let pair = |text: &String| {
        let (key, value) = text
            .split_once('=')
            .with_context(|| format!("--set `{text}` is not KEY=VALUE"))?;
        Ok((key.to_owned(), Value::String(value.to_owned())))
    };
    given.iter().map(pair).collect()
}

async fn lifecycle(args: cli::Named, verb: &str) -> anyhow::Result<String> {
    let answer = Console::new(&args.client)?
        .post(&["triggers", &args.name, verb], &[], json!({}))
        .await?;
    show(&args.client, &answer, |answer| {
        format!("{} is {}\n", args.name, text(&answer["status"]))
    })
}

async fn update(args: cli::Update) -> anyhow::Result<String> {
    let query: Vec<_> = args
        .registry
        .into_iter()
        .map(|id| ("registry_id", id))
        .collect();
    let answer = Console::new(&args.client)?
        .post(&["triggers", &args.name, "update"], &query, json!({}))
        .await?;
    show(&args.client, &answer, |answer| {
        match answer["status"].as_str() {
            Some("updated") => {
                format!(
                    "{} is updated from {} to {}\n",
                    args.name,
                    text(&answer["old_version"]),
                    text(&answer["new_version"])
                )
            }
            _ => format!("{} has the newest version already\n", args.name),
        }
    })
}

async fn run_once(args: cli::Run) -> anyhow::Result<String> {
    let body = match &args.payload {
        Some(path) => serde_json::from_slice(&read(path)?)
            .with_context(|| format!("{} is not JSON", path.display()))?,
        None => json!({}),
    };
    let answer = Console::new(&args.client)?
        .post(&["triggers", &args.name, "run"], &[], body)
        .await?;
    show(&args.client, &answer, |answer| {
        format!("accepted as event {}\n", text(&answer["event_id"]))
    })
}

async fn events(args: cli::Events) -> anyhow::Result<String> {
    let console = Console::new(&args.client)?;
    if let Some(id) = &args.id {
        let answer = console.get(&["events", id], &[]).await?;
        return show(&args.client, &answer, event);
    }
    let mut query = vec![("limit", args.limit.to_string())];
    let filters = [
        ("trigger", args.trigger),
        ("status", args.status),
        ("delivery_id", args.delivery_id),
        ("execution_id", args.execution_id),
        ("cursor", args.cursor),
    ];
    query.extend(
        filters
            .into_iter()
            .filter_map(|(key, value)| Some((key, value?))),
    );
    let answer = console.get(&["events"], &query).await?;
    show(&args.client, &answer, |answer| {
        let row = |event: &Value| {
            [
                "/time",
                "/trigger",
                "/type",
                "/status",
                "/attempts",
                "/outcome/execution_id",
                "/id",
            ]
            .map(|at| event.pointer(at).map(text).unwrap_or_default())
            .to_vec()
        };
        let rows: Vec<_> = list_of(&answer["events"]).iter().map(row).collect();
        if rows.is_empty() {
            return "no events\n".to_owned();
        }
        let mut words = table(
            &[
                "time",
                "trigger",
                "type",
                "status",
                "attempts",
                "execution",
                "event",
            ],
            &rows,
        );
        if let Some(next) = answer["next"].as_str() {
            words += &format!("more with --cursor {next}\n");
        }
        words
    })
}

async fn dead_letters(args: cli::DeadLetters) -> anyhow::Result<String> {
    let console = Console::new(&args.client)?;
    if let Some(id) = &args.discard {
        let answer = console.delete(&["dead-letters", id]).await?;
        return show(&args.client, &answer, |_| {
            format!("the dead letter of event {id} is discarded\n")
        });
    }
    let answer = console.get(&["dead-letters"], &[]).await?;
    show(&args.client, &answer, |answer| {
        let letters = list_of(&answer["dead_letters"]);
        let rows: Vec<_> = letters
            .iter()
            .map(|letter| {
                let last = &letter["outcome"];
                vec![
                    text(&last["at"]),
                    text(&letter["trigger"]),
                    text(&last["attempt"]),
                    text(&last["reason"]),
                    text(&letter["event_id"]),
                ]
            })
            .collect();
        if rows.is_empty() {
            return "no dead letters\n".to_owned();
        }
        table(&["died", "trigger", "attempts", "reason", "event"], &rows)
            + "run one again with: belfry replay EVENT\n"
    })
}

fn list(answer: &Value) -> String {
    let row = |trigger: &Value| {
        ["name", "version", "state", "trigger_type"]
            .map(|key| text(&trigger[key]))
            .into_iter()
            .chain([target(trigger), text(&trigger["detail"])])
            .collect()
    };
    let rows: Vec<Vec<String>> = list_of(answer).iter().map(row).collect();
    if rows.is_empty() {
        return "no triggers; `belfry packages` lists what can be installed\n".to_owned();
    }
    table(
        &["name", "version", "state", "source", "target", "detail"],
        &rows,
    )
}

fn status(answer: &Value) -> String {
    let mut words = String::new();
    for (label, value) in [
        ("name", text(&answer["name"])),
        (
            "package",
            format!(
                "{} {}",
                text(&answer["package"]["name"]),
                text(&answer["version"])
            ),
        ),
        ("state", text(&answer["state"])),
        ("desired", text(&answer["desired"])),
        ("source", text(&answer["trigger_type"])),
        ("target", target(answer)),
        (
            "revision",
            format!(
                "{} ({})",
                text(&answer["revision"]),
                text(&answer["change"])
            ),
        ),
        ("installed", text(&answer["installed_at"])),
        ("detail", text(&answer["detail"])),
    ] {
        if !value.is_empty() {
            words += &format!("{label:<10} {value}\n");
        }
    }
    if let Some(slots) = answer["slots"].as_object() {
        let row = |(index, slot): (&String, &Value)| {
            vec![
                index.clone(),
                text(&slot["node"]),
                text(&slot["state"]),
                text(&slot["revision"]),
                text(&slot["since"]),
            ]
        };
        let rows: Vec<_> = slots.iter().map(row).collect();
        if !rows.is_empty() {
            words += "\n";
            words += &table(&["slot", "node", "state", "revision", "since"], &rows);
        }
    }
    words
}

fn target(trigger: &Value) -> String {
    let pair = trigger["target"]
        .as_object()
        .and_then(|target| target.iter().next());
    pair.map_or_else(String::new, |(kind, id)| {
        format!("{} {}", kind.trim_end_matches("_id"), text(id))
    })
}

fn event(answer: &Value) -> String {
    let mut words = String::new();
    for key in [
        "id",
        "trigger",
        "type",
        "time",
        "status",
        "delivery_id",
        "replay_of",
        "trace_id",
    ] {
        let value = text(&answer[key]);
        if !value.is_empty() {
            words += &format!("{key:<12} {value}\n");
        }
    }
    let row = |outcome: &Value| {
        [
            "attempt",
            "at",
            "status",
            "http_status",
            "latency_ms",
            "execution_id",
            "reason",
        ]
        .map(|key| text(&outcome[key]))
        .to_vec()
    };
    let rows: Vec<_> = list_of(&answer["outcomes"]).iter().map(row).collect();
    if !rows.is_empty() {
        words += "\n";
        words += &table(
            &[
                "attempt",
                "ended",
                "status",
                "http",
                "ms",
                "execution",
                "reason",
            ],
            &rows,
        );
    }
    if !answer["data"].is_null() {
        words += "\n";
        words += &serde_json::to_string_pretty(&answer["data"]).unwrap_or_default();
        words += "\n";
    }
    words
}

fn packages(answer: &Value) -> String {
    let entries = if answer.is_array() {
        answer
    } else {
        &answer["packages"]
    };
    let row = |package: &Value| {
        [
            "name",
            "version",
            "trigger_type",
            "registry",
            "publisher",
            "description",
        ]
        .map(|key| text(&package[key]))
        .to_vec()
    };
    let rows: Vec<_> = list_of(entries).iter().map(row).collect();
    table(
        &[
            "name",
            "version",
            "source",
            "registry",
            "publisher",
            "description",
        ],
        &rows,
    )
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
