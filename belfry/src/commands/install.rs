//! Packages, and installing them.

use super::{hook, list_of, note, show, text};
use crate::cli;
use crate::client::Console;
use crate::table::table;
use anyhow::{Context, bail};
use belfry_mesh::port::packages::Reference;
use serde_json::{Map, Value};

pub(super) async fn install(args: cli::Install) -> anyhow::Result<String> {
    // Only a trigger runs something.
    let is_trigger = args.workflow.is_some() || args.team.is_some();
    let kind = if is_trigger { "trigger" } else { "mcp" };
    let query: Vec<_> = args
        .registry
        .iter()
        .map(|id| ("registry_id", id.clone()))
        .collect();
    let path = ["registries", "install", kind, args.package.as_str()];
    let body = body(&args)?;
    let console = Console::new(&args.client)?;
    let answer = match console.post(&path, &query, Value::Object(body)).await {
        Err(_) if !is_trigger && is_listed_trigger(&console, &args.package).await => bail!(
            "`{}` is a trigger: say what it runs with --workflow ID or --team ID",
            args.package
        ),
        answer => answer?,
    };
    show(&args.client, &answer, |answer| {
        let verb = if answer["status"] == "already_installed" {
            "was installed already"
        } else {
            "is installed"
        };
        let mut words = format!(
            "{} {} {verb}: {}\n{}",
            text(&answer["name"]),
            text(&answer["version"]),
            text(&answer["state"]),
            note(answer)
        );
        if let Some(path) = answer["webhook_path"].as_str() {
            words += &format!("webhooks go to {path} of the gateway\n");
        }
        words
    })
}

/// Whether the catalogue has a trigger of this name.
async fn is_listed_trigger(console: &Console, package: &str) -> bool {
    let Ok(Reference { name, .. }) = Reference::parse(package) else {
        return false;
    };
    let listed = console.get(&["packages"], &[]).await.unwrap_or_default();
    let mut listed = list_of(&listed["packages"]).iter();
    listed.any(|one| one["kind"] == "trigger" && one["name"] == name.as_str())
}

fn body(args: &cli::Install) -> anyhow::Result<Map<String, Value>> {
    let mut body = Map::new();
    let given = [
        ("workflow_id", args.workflow.clone().map(Value::from)),
        ("team_id", args.team.clone().map(Value::from)),
        ("name", args.name.clone().map(Value::from)),
        ("replicas", args.replicas.map(Value::from)),
    ];
    for (key, value) in given {
        body.extend(value.map(|value| (key.to_owned(), value)));
    }
    if !args.set.is_empty() {
        body.insert("config".into(), Value::Object(pairs(&args.set)?));
    }
    body.extend(hook::body(&args.hook, None)?);
    if !args.constraints.is_empty() {
        body.insert("constraints".into(), args.constraints.clone().into());
    }
    Ok(body)
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

pub(super) async fn packages(client: &cli::Client) -> anyhow::Result<String> {
    let answer = Console::new(client)?.get(&["packages"], &[]).await?;
    show(client, &answer, table_of)
}

fn table_of(answer: &Value) -> String {
    let entries = if answer.is_array() {
        answer
    } else {
        &answer["packages"]
    };
    let row = |package: &Value| {
        [
            "name",
            "kind",
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
            "kind",
            "version",
            "source",
            "registry",
            "publisher",
            "description",
        ],
        &rows,
    )
}
