//! What must be true once everything that was acknowledged has run.

use crate::world::senders::Sent;
use crate::world::{Doors, Orchestrator};
use anyhow::{Context, Result, bail, ensure};
use belfry::standin::Call;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// How long a backlog may take to run. A claim of a holder that died ends after 30 s, and it may be so more than once.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// The calls for one delivery, by their idempotency key.
type Runs = BTreeMap<u64, BTreeMap<String, usize>>;

/// Waits until every delivery has run, and sees that each ran under one key, which is the event id that it was acknowledged
/// with. Answers how often each was called more than once, by its number.
pub(crate) async fn balance(
    sent: &Sent,
    doors: &Doors,
    orchestrator: &Orchestrator,
) -> Result<BTreeMap<u64, usize>> {
    all_have_run(sent, orchestrator).await?;
    all_are_settled(sent, doors).await?;
    let runs = runs(&orchestrator.calls.calls())?;
    let mut repeated = BTreeMap::new();
    for (number, keys) in &runs {
        let acknowledged = sent
            .events
            .get(number)
            .with_context(|| format!("delivery {number} ran, and nobody sent it"))?;
        ensure!(
            keys.keys().eq([acknowledged]),
            "delivery {number} was acknowledged as {acknowledged} and ran as {keys:?}"
        );
        let calls = keys.values().sum();
        if calls > 1 {
            repeated.insert(*number, calls);
        }
    }
    Ok(repeated)
}

/// Every delivery that was acknowledged is found in the orchestrator's record by its event id.
pub(crate) async fn all_have_run(sent: &Sent, orchestrator: &Orchestrator) -> Result<()> {
    let began = Instant::now();
    loop {
        let calls = orchestrator.calls.calls();
        let keys: BTreeSet<&str> = calls
            .iter()
            .filter_map(|call| call.idempotency_key.as_deref())
            .collect();
        let missing: Vec<_> = sent
            .events
            .iter()
            .filter(|(_, id)| !keys.contains(id.as_str()))
            .collect();
        if missing.is_empty() {
            return Ok(());
        }
        let left = PATIENCE.saturating_sub(began.elapsed());
        if left.is_zero() {
            bail!(
                "{} of {} acknowledged deliveries have not run, such as {:?}",
                missing.len(),
                sent.events.len(),
                &missing[..missing.len().min(3)]
            );
        }
        let least = calls.len() + missing.len();
        orchestrator.calls.wait_for(least, left).await;
    }
}

/// Nothing is left that might still run: the history says of each event that it was triggered.
async fn all_are_settled(sent: &Sent, doors: &Doors) -> Result<()> {
    let ids: BTreeSet<String> = sent.events.values().cloned().collect();
    ensure!(
        ids.len() == sent.events.len(),
        "two deliveries were acknowledged with one event id"
    );
    doors
        .within(PATIENCE, "the history tells of every run", || async {
            let settled = events(doors, "waiting", 1).await?.is_empty()
                && events(doors, "triggered", usize::MAX)
                    .await?
                    .is_superset(&ids);
            Ok(settled.then_some(()))
        })
        .await
}

/// The ids of the events that stand so, as the history tells: the newest, and at most so many.
async fn events(doors: &Doors, status: &str, most: usize) -> Result<BTreeSet<String>> {
    let mut ids = BTreeSet::new();
    let mut cursor = String::new();
    while ids.len() < most {
        let limit = (most - ids.len()).min(500);
        let path = format!("/events?status={status}&limit={limit}{cursor}");
        let (_, page) = doors.console("GET", &path, None).await?;
        let events = page["events"].as_array().context("no page of events")?;
        ids.extend(
            events
                .iter()
                .filter_map(|event| event["id"].as_str().map(str::to_owned)),
        );
        match &page["next"] {
            Value::String(next) => cursor = format!("&cursor={next}"),
            _ => break,
        }
    }
    Ok(ids)
}

fn runs(calls: &[Call]) -> Result<Runs> {
    let mut runs = Runs::new();
    for call in calls {
        let number = call.body["params"]["pr_number"]
            .as_u64()
            .with_context(|| format!("a call without its delivery's number: {call:?}"))?;
        let key = call
            .idempotency_key
            .clone()
            .context("a call without a key")?;
        *runs.entry(number).or_default().entry(key).or_default() += 1;
    }
    Ok(runs)
}
