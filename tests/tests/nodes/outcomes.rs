//! What agents have recorded, read from the stream of outcomes itself.

use anyhow::{Context, Result, ensure};
use belfry_mesh::Outcome;
use belfry_tests::servers::Nats;
use futures::StreamExt;
use jiff::{SignedDuration, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// All outcomes so far, in the order in which they were stored.
pub(super) async fn read(nats: &Nats) -> Result<Vec<Outcome>> {
    let client = async_nats::connect(nats.url()).await?;
    let jetstream = async_nats::jetstream::new(client);
    let mut stream = jetstream.get_stream("BELFRY_OUTCOMES").await?;
    let stored = stream.info().await?.state.messages;
    let consumer = stream
        .create_consumer(async_nats::jetstream::consumer::pull::OrderedConfig::default())
        .await?;
    let mut messages = consumer.messages().await?;
    let mut outcomes = Vec::new();
    while (outcomes.len() as u64) < stored {
        let next = tokio::time::timeout(Duration::from_secs(10), messages.next());
        let message = next.await?.context("the stream ended")??;
        outcomes.push(serde_json::from_slice(&message.payload)?);
    }
    Ok(outcomes)
}

/// How a holder of a slot acted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Term {
    /// The fencing token of its lease.
    pub(super) token: u64,
    pub(super) node: String,
    pub(super) attempts: usize,
    /// When its first attempt began, and its last one.
    pub(super) began: (Timestamp, Timestamp),
}

/// The holders of one slot, by their tokens, seen to have acted one after the other: whatever began under one token began before
/// anything did under a newer one.
pub(super) fn terms(outcomes: &[Outcome], slot: u32) -> Result<Vec<Term>> {
    let mut terms: BTreeMap<u64, Term> = BTreeMap::new();
    for outcome in outcomes.iter().filter(|outcome| outcome.by.slot == slot) {
        let latency = SignedDuration::from_millis(i64::try_from(outcome.latency_ms)?);
        let (began, by) = (outcome.at.checked_sub(latency)?, &outcome.by);
        let term = terms.entry(by.token).or_insert_with(|| Term {
            token: by.token,
            node: by.node.to_string(),
            attempts: 0,
            began: (began, began),
        });
        ensure!(
            term.node == by.node.as_str(),
            "token {} is of two nodes",
            by.token
        );
        term.attempts += 1;
        term.began = (term.began.0.min(began), term.began.1.max(began));
    }
    let terms: Vec<Term> = terms.into_values().collect();
    for pair in terms.windows(2) {
        ensure!(
            pair[0].began.1 < pair[1].began.0,
            "two holders acted at once: {:?} and {:?}",
            pair[0],
            pair[1]
        );
    }
    Ok(terms)
}

/// How many outcomes each node recorded.
pub(super) fn by_node(outcomes: &[Outcome]) -> BTreeMap<&str, usize> {
    let mut counts = BTreeMap::new();
    for outcome in outcomes {
        *counts.entry(outcome.by.node.as_str()).or_default() += 1;
    }
    counts
}

/// Every event was triggered under one name for its run, however often it was attempted.
pub(super) fn one_run_each(outcomes: &[Outcome]) -> Result<()> {
    let mut runs: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for outcome in outcomes {
        let of = runs.entry(outcome.event_id.as_str()).or_default();
        of.extend(outcome.execution_id.as_deref());
    }
    for (event, runs) in runs {
        ensure!(runs.len() == 1, "event {event} ran as {runs:?}");
    }
    Ok(())
}
