//! Events: what happened, and once more.

use super::{list_of, read, show, text};
use crate::cli;
use crate::client::Console;
use crate::table::table;
use anyhow::Context;
use serde_json::{Value, json};

pub(super) async fn run_once(args: cli::Run) -> anyhow::Result<String> {
    let body = match &args.payload {
        Some(path) => serde_json::from_slice(&read(path)?)
            .with_context(|| format!("{} is not JSON", path.display()))?,
        None => json!({}),
    };
    let answer = Console::new(&args.client)?
        .order_trigger(&args.name, "run", body)
        .await?;
    show(&args.client, &answer, |answer| {
        format!("accepted as event {}\n", text(&answer["event_id"]))
    })
}

pub(super) async fn events(args: cli::Events) -> anyhow::Result<String> {
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

pub(super) async fn replay(args: cli::Replay) -> anyhow::Result<String> {
    let answer = Console::new(&args.client)?
        .post(&["events", &args.id, "replay"], &[], json!({}))
        .await?;
    show(&args.client, &answer, |answer| {
        format!("replayed as event {}\n", text(&answer["event_id"]))
    })
}

pub(super) async fn dead_letters(args: cli::DeadLetters) -> anyhow::Result<String> {
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
