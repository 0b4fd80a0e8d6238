//! The gateways.

use super::{list_of, show, text};
use crate::cli;
use crate::client::Console;
use crate::table::table;
use serde_json::Value;

pub(super) async fn gateways(client: &cli::Client) -> anyhow::Result<String> {
    let answer = Console::new(client)?.get(&["gateways"], &[]).await?;
    show(client, &answer, sheet)
}

fn sheet(answer: &Value) -> String {
    let gateways = list_of(answer);
    if gateways.is_empty() {
        return "no gateway was heard of lately; start one with `belfry gateway`\n".to_owned();
    }
    let row = |gateway: &Value| {
        vec![
            text(&gateway["name"]),
            text(&gateway["version"]),
            text(&gateway["since"]),
            spool(gateway),
            degraded(gateway),
            refusing(gateway).len().to_string(),
        ]
    };
    let rows: Vec<_> = gateways.iter().map(row).collect();
    let mut words = table(
        &["name", "version", "since", "spool", "without", "refusing"],
        &rows,
    );
    for gateway in gateways {
        for (trigger, why) in refusing(gateway) {
            let name = text(&gateway["name"]);
            words += &format!(
                "{name} refuses all deliveries to {trigger}: {}\n",
                text(why)
            );
        }
    }
    words
}

/// What waits for the bus, and how long it has: `3 events, 1.2 kB, 12 s`.
fn spool(gateway: &Value) -> String {
    let spool = &gateway["spool"];
    match spool["records"].as_u64() {
        None => "none".to_owned(),
        Some(0) => "empty".to_owned(),
        Some(records) => format!(
            "{records} events, {} bytes, {} s",
            text(&spool["bytes"]),
            gateway["spool_age_seconds"].as_u64().unwrap_or_default()
        ),
    }
}

fn degraded(gateway: &Value) -> String {
    let without = list_of(&gateway["degraded"]).iter().map(text);
    without.collect::<Vec<_>>().join(" ")
}

fn refusing(gateway: &Value) -> Vec<(&String, &Value)> {
    let refusing = gateway["refusing"].as_object();
    refusing.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_waits_and_what_is_refused_is_shown_by_gateway() {
        let shown = sheet(&json!([
            {"name": "g1", "version": "1", "since": "2026-11-22T08:00:00Z", "degraded": ["bus"],
             "spool": {"records": 3, "bytes": 1200}, "spool_age_seconds": 12,
             "refusing": {"billing": "secret `X` is not set"}},
            {"name": "g2", "version": "1", "since": "2026-11-22T08:00:00Z", "degraded": [], "refusing": {}},
        ]));
        assert!(shown.contains("3 events, 1200 bytes, 12 s  bus"), "{shown}");
        assert!(
            shown.ends_with("g1 refuses all deliveries to billing: secret `X` is not set\n"),
            "{shown}"
        );
        assert!(sheet(&json!([])).starts_with("no gateway"));
    }
}
