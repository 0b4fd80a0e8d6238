//! The nodes.

use super::{list_of, show, text};
use crate::cli;
use crate::client::Console;
use crate::table::table;
use serde_json::{Value, json};

pub(super) async fn nodes(args: cli::Nodes) -> anyhow::Result<String> {
    let console = Console::new(&args.client)?;
    if let Some(name) = &args.name {
        let answer = console.get(&["nodes", name], &[]).await?;
        return show(&args.client, &answer, sheet);
    }
    let answer = console.get(&["nodes"], &[]).await?;
    show(&args.client, &answer, |answer| {
        let nodes = list_of(answer);
        if nodes.is_empty() {
            return "no node was heard of; start one with `belfry agent`\n".to_owned();
        }
        rows(nodes)
    })
}

pub(super) async fn change(args: cli::NodeNamed, verb: &str) -> anyhow::Result<String> {
    let answer = Console::new(&args.client)?
        .post(&["nodes", &args.name, verb], &[], json!({}))
        .await?;
    show(&args.client, &answer, |answer| {
        let (name, availability) = (&args.name, text(&answer["availability"]));
        let left = list_of(&answer["slots"]).len();
        match (availability.as_str(), left) {
            ("drained", 1..) => format!(
                "{name} is to be drained and has {left} slots still; `belfry nodes {name}` shows them\n"
            ),
            _ => format!("{name} is {availability}\n"),
        }
    })
}

pub(super) async fn forget(args: cli::NodeNamed) -> anyhow::Result<String> {
    let console = Console::new(&args.client)?;
    let answer = console.delete(&["nodes", &args.name]).await?;
    show(&args.client, &answer, |_| {
        format!("{} is forgotten\n", args.name)
    })
}

fn rows(nodes: &[Value]) -> String {
    let row = |node: &Value| {
        vec![
            text(&node["name"]),
            if node["live"] == true { "yes" } else { "no" }.to_owned(),
            text(&node["availability"]),
            load(node),
            text(&node["version"]),
            text(&node["runtime"]),
            labels(node),
            text(&node["seen_at"]),
        ]
    };
    let rows: Vec<_> = nodes.iter().map(row).collect();
    table(
        &[
            "name",
            "live",
            "availability",
            "slots",
            "version",
            "runtime",
            "labels",
            "seen",
        ],
        &rows,
    )
}

/// A node with what it runs.
fn sheet(node: &Value) -> String {
    let mut words = rows(std::slice::from_ref(node));
    if let Some(change) = node["change"].as_object() {
        let said = |key: &str| change.get(key).map(text).unwrap_or_default();
        words += &format!("{} by {} at {}\n", said("what"), said("by"), said("at"));
    }
    let row = |slot: &Value| {
        ["trigger", "slot", "state", "container_name", "detail"]
            .map(|key| text(&slot[key]))
            .to_vec()
    };
    let rows: Vec<_> = list_of(&node["slots"]).iter().map(row).collect();
    if !rows.is_empty() {
        words += "\n";
        words += &table(&["name", "slot", "state", "container", "detail"], &rows);
    }
    words
}

/// How many slots a node has, of how many if there is a bound: `3/8`.
fn load(node: &Value) -> String {
    let used = list_of(&node["slots"]).len().to_string();
    match &node["capacity"]["slots"] {
        Value::Null => used,
        most => format!("{used}/{most}"),
    }
}

fn labels(node: &Value) -> String {
    let labels = node["labels"].as_object().into_iter().flatten();
    let pair = |(key, value): (&String, &Value)| format!("{key}={}", text(value));
    labels.map(pair).collect::<Vec<_>>().join(" ")
}
