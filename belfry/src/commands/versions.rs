//! Updates, the way back, and what was changed.

use super::{hook, list_of, note, show, text};
use crate::cli;
use crate::client::Console;
use crate::table::table;
use anyhow::bail;
use serde_json::{Map, Value, json};

/// Updates. One that was taken back is no success, whatever the console's answer.
pub(super) async fn update(args: cli::Update) -> anyhow::Result<String> {
    let console = Console::new(&args.client)?;
    let body = settings(&args, &console).await?;
    let query: Vec<_> = args
        .registry
        .into_iter()
        .map(|id| ("registry_id", id))
        .collect();
    let is_of_package = body.is_empty();
    let answer = console
        .order(&args.name, "update", &query, Value::Object(body))
        .await?;
    if !is_of_package {
        return show(&args.client, &answer, |answer| {
            format!("{} {}", args.name, settle(answer))
        });
    }
    let (name, old, new) = (
        &args.name,
        text(&answer["old_version"]),
        text(&answer["new_version"]),
    );
    if answer["status"] == "rolled_back" {
        if args.client.json {
            crate::print(&show(&args.client, &answer, |_| String::new())?)?;
        }
        bail!(
            "{name} has version {old} still: {}",
            text(&answer["detail"])
        );
    }
    show(&args.client, &answer, |answer| {
        if answer["status"] == "updated" {
            format!("{name} is updated from {old} to {new}\n{}", note(answer))
        } else {
            format!("{name} has the newest version already: {new}\n")
        }
    })
}

/// What is to be set of a trigger whose package stays as it is.
async fn settings(args: &cli::Update, console: &Console) -> anyhow::Result<Map<String, Value>> {
    let status = match hook::builds_on_what_is_there(&args.hook) {
        true => console.ask(&args.name, "status", &[]).await?,
        false => Value::Null,
    };
    let mut body = hook::body(&args.hook, Some(&status["auth"]))?;
    for key in &args.reset {
        if body.insert(key.clone(), Value::Null).is_some() {
            bail!("`{key}` is to be set and to be reset; do one of both");
        }
    }
    Ok(body)
}

/// What came of it.
pub(super) fn settle(answer: &Value) -> String {
    let what = match answer["status"].as_str() {
        Some("unchanged") => "is set so already",
        _ => "is set so",
    };
    format!("{what}\n{}", note(answer))
}

pub(super) async fn rollback(args: cli::Rollback) -> anyhow::Result<String> {
    let query: Vec<_> = args
        .to
        .into_iter()
        .map(|to| ("revision", to.to_string()))
        .collect();
    let console = Console::new(&args.client)?;
    let answer = console
        .order(&args.name, "rollback", &query, json!({}))
        .await?;
    show(&args.client, &answer, |answer| {
        let (name, version) = (&args.name, text(&answer["version"]));
        if answer["status"] == "rolled_back" {
            let old = text(&answer["old_version"]);
            format!(
                "{name} is rolled back from {old} to {version}\n{}",
                note(answer)
            )
        } else {
            format!("{name} has that package already: {version}\n")
        }
    })
}

pub(super) async fn history(args: cli::Named) -> anyhow::Result<String> {
    let console = Console::new(&args.client)?;
    let answer = console.ask(&args.name, "history", &[]).await?;
    show(&args.client, &answer, |answer| {
        let row = |revision: &Value| {
            let mark = if revision["current"] == true { "*" } else { "" };
            vec![
                text(&revision["revision"]) + mark,
                text(&revision["at"]),
                text(&revision["by"]),
                text(&revision["version"]),
                text(&revision["what"]),
            ]
        };
        let rows: Vec<_> = list_of(answer).iter().map(row).collect();
        table(&["revision", "at", "by", "version", "what"], &rows)
    })
}
