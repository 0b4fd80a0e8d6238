//! What is installed: triggers, and mcps beside them.

use super::{hook, list_of, note, show, text};
use crate::cli;
use crate::client::Console;
use crate::table::table;
use serde_json::{Value, json};

pub(super) async fn uninstall(args: cli::Named) -> anyhow::Result<String> {
    let answer = Console::new(&args.client)?.uninstall(&args.name).await?;
    show(&args.client, &answer, |_| {
        format!("{} is uninstalled\n", args.name)
    })
}

pub(super) async fn change(args: cli::Named, verb: &str) -> anyhow::Result<String> {
    let console = Console::new(&args.client)?;
    let answer = console.order(&args.name, verb, &[], json!({})).await?;
    show(&args.client, &answer, |answer| changed(&args.name, answer))
}

/// A change that only what takes events knows.
pub(super) async fn change_trigger(args: cli::Named, verb: &str) -> anyhow::Result<String> {
    let console = Console::new(&args.client)?;
    let answer = console.order_trigger(&args.name, verb, json!({})).await?;
    show(&args.client, &answer, |answer| changed(&args.name, answer))
}

fn changed(name: &str, answer: &Value) -> String {
    let status = text(&answer["status"]);
    format!("{name} is {status}\n{}", note(answer))
}

pub(super) async fn scale(args: cli::Scale) -> anyhow::Result<String> {
    let body = json!({"replicas": args.replicas});
    let console = Console::new(&args.client)?;
    let answer = console.order(&args.name, "scale", &[], body).await?;
    show(&args.client, &answer, |answer| {
        let (name, replicas) = (&args.name, args.replicas);
        format!("{name} is scaled to {replicas}\n{}", note(answer))
    })
}

pub(super) async fn list(client: &cli::Client) -> anyhow::Result<String> {
    let answer = Console::new(client)?.list().await?;
    show(client, &answer, |answer| {
        let row = |one: &Value| {
            vec![
                text(&one["name"]),
                text(&one["kind"]),
                text(&one["version"]),
                state(one),
                slots(one),
                text(&one["trigger_type"]),
                target(one),
                text(&one["detail"]),
            ]
        };
        let rows: Vec<_> = list_of(answer).iter().map(row).collect();
        if rows.is_empty() {
            return "nothing is installed; `belfry packages` lists what can be\n".to_owned();
        }
        table(
            &[
                "name", "kind", "version", "state", "slots", "source", "target", "detail",
            ],
            &rows,
        )
    })
}

pub(super) async fn status(args: cli::Named) -> anyhow::Result<String> {
    let console = Console::new(&args.client)?;
    let answer = console.ask(&args.name, "status", &[]).await?;
    show(&args.client, &answer, sheet)
}

fn sheet(answer: &Value) -> String {
    let package = text(&answer["package"]["name"]) + " " + &text(&answer["version"]);
    let revision = text(&answer["revision"]) + " (" + &text(&answer["change"]) + ")";
    let constraints = list_of(&answer["constraints"]).iter().map(text);
    let allowed = list_of(&answer["allow_ips"]).iter().map(text);
    let mut words = String::new();
    for (label, value) in [
        ("name", text(&answer["name"])),
        ("kind", text(&answer["kind"])),
        ("package", package),
        ("state", state(answer)),
        ("desired", text(&answer["desired"])),
        ("slots", slots(answer)),
        ("on nodes", constraints.collect::<Vec<_>>().join(" ")),
        ("source", text(&answer["trigger_type"])),
        ("verified", hook::auth_in_words(&answer["auth"])),
        ("rate limit", hook::rate_in_words(&answer["rate_limit"])),
        ("allowed", allowed.collect::<Vec<_>>().join(" ")),
        ("refusing", refusing(answer)),
        ("target", target(answer)),
        ("revision", revision),
        ("installed", text(&answer["installed_at"])),
        ("detail", text(&answer["detail"])),
    ] {
        if !value.is_empty() {
            words += &format!("{label:<10} {value}\n");
        }
    }
    let row = |(index, slot): (&String, &Value)| {
        [
            "node",
            "state",
            "revision",
            "since",
            "container_name",
            "detail",
        ]
        .into_iter()
        .map(|key| text(&slot[key]))
        .fold(vec![index.clone()], |mut row, cell| {
            row.push(cell);
            row
        })
    };
    let rows: Vec<_> = answer["slots"]
        .as_object()
        .into_iter()
        .flatten()
        .map(row)
        .collect();
    if !rows.is_empty() {
        words += "\n";
        words += &table(
            &[
                "slot",
                "node",
                "state",
                "revision",
                "since",
                "container",
                "detail",
            ],
            &rows,
        );
    }
    words
}

/// How it is, in a word or two; what is paused runs, and has no events. What refuses all deliveries has none to run for.
fn state(one: &Value) -> String {
    let is_paused = one["desired"] == "paused" && one["running"] == true;
    let state = if is_paused {
        "paused".to_owned()
    } else {
        text(&one["state"])
    };
    match list_of(&one["refusing"]).is_empty() {
        true => state,
        false => state + " (refusing)",
    }
}

/// Why deliveries are all refused, and by which gateways.
fn refusing(one: &Value) -> String {
    let says = |refusing: &Value| {
        let gateways = list_of(&refusing["gateways"]).iter().map(text);
        let gateways = gateways.collect::<Vec<_>>().join(", ");
        format!("{} on gateway {gateways}", text(&refusing["why"]))
    };
    let all = list_of(&one["refusing"]).iter().map(says);
    all.collect::<Vec<_>>().join("; ")
}

/// How many of the slots that it should have are up: `2/3`.
fn slots(one: &Value) -> String {
    let slots = one["slots"].as_object();
    let is_up = |slot: &&Value| slot["state"] == "running" || slot["state"] == "paused";
    let up = slots.map_or(0, |slots| slots.values().filter(is_up).count());
    format!("{up}/{}", text(&one["replicas"]))
}

fn target(trigger: &Value) -> String {
    let pair = trigger["target"]
        .as_object()
        .and_then(|target| target.iter().next());
    pair.map_or_else(String::new, |(kind, id)| {
        format!("{} {}", kind.trim_end_matches("_id"), text(id))
    })
}
