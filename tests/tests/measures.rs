//! What it costs, printed from a run and bounded: a debug build on a small machine that others use too is measured here, so the
//! bounds say what is broken, not what is possible.

use crate::world::senders::{Senders, TRIGGER};
use crate::world::{Dev, PATIENCE, github, pull_request};
use anyhow::{Context, Result, ensure};
use serde_json::json;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

#[tokio::test]
async fn an_idle_mesh_in_one_process_takes_under_40_mb() -> Result<()> {
    let dev = Dev::start().await?;
    let started = dev.belfry.resident()?;
    for package in [
        "simple-webhook",
        "github-pr-webhook",
        "linear-webhook",
        "daily-scan",
    ] {
        dev.doors
            .install(package, json!({"workflow_id": "w"}))
            .await?;
    }
    tokio::time::sleep(Duration::from_secs(5)).await;
    let idle = dev.belfry.resident()?;
    println!(
        "belfry dev, idle with the four standard packages: {:.1} MB resident ({:.1} MB when it was just up)",
        megabytes(idle),
        megabytes(started)
    );
    assert!(idle < 40_000_000, "{idle} bytes");
    Ok(())
}

#[tokio::test]
async fn a_delivery_reaches_the_orchestrator_within_milliseconds() -> Result<()> {
    const RATE: u32 = 200;
    const FOR: Duration = Duration::from_secs(10);
    let dev = Dev::start().await?;
    dev.doors
        .install(TRIGGER, json!({"workflow_id": "review"}))
        .await?;
    // Connections and caches are warm once a first second has passed.
    steadily(&dev, 0, RATE, Duration::from_secs(1)).await?;
    let mut latencies = steadily(&dev, 1_000_000, RATE, FOR).await?;
    latencies.sort_unstable();
    let at = |share: f64| latencies[((latencies.len() - 1) as f64 * share).round() as usize];
    let (p50, p90, p99, max) = (at(0.5), at(0.9), at(0.99), at(1.0));
    println!(
        "belfry dev, {RATE}/s for {} s: POST → orchestrator p50 {} p90 {} p99 {} max {}",
        FOR.as_secs(),
        ms(p50),
        ms(p90),
        ms(p99),
        ms(max)
    );
    assert!(p50 < Duration::from_millis(5), "p50 is {p50:?}");
    assert!(p99 < Duration::from_millis(25), "p99 is {p99:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_deliveries_go_through_at_64_connections() -> Result<()> {
    const DELIVERIES: u64 = 10_000;
    let dev = Dev::start().await?;
    dev.doors
        .install(TRIGGER, json!({"workflow_id": "review"}))
        .await?;
    let began = Instant::now();
    let sent = Senders::begin(&dev.doors, 0..DELIVERIES, 64).end().await?;
    let acknowledged = began.elapsed();
    assert_eq!((sent.broken, sent.refused), (0, 0));
    let all = sent.events.len();
    let ran = dev.orchestrator.calls.wait_for(all, 2 * PATIENCE).await;
    let all_ran = began.elapsed();
    println!(
        "belfry dev, {DELIVERIES} signed deliveries at 64 connections: {:.0}/s acknowledged, {:.0}/s run",
        all as f64 / acknowledged.as_secs_f64(),
        ran as f64 / all_ran.as_secs_f64()
    );
    assert_eq!(ran, all);
    Ok(())
}

/// Sends so many deliveries a second, each when it is due and whether or not those before are answered. Answers how long each took
/// from just before it was sent until it had arrived at the orchestrator.
async fn steadily(
    dev: &Dev,
    first: u64,
    rate: u32,
    duration: Duration,
) -> Result<Vec<Duration>> {
    let before = dev.orchestrator.calls.calls().len();
    let mut due = tokio::time::interval(Duration::from_secs(1) / rate);
    due.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut sending = JoinSet::new();
    for number in first..first + u64::from(rate) * duration.as_secs() {
        let delivery = github(&format!("delivery-{number}"), &pull_request(number));
        let doors = dev.doors.clone();
        due.tick().await;
        sending.spawn(async move {
            let sent = Instant::now();
            let (status, answer) = doors.deliver(TRIGGER, delivery).await?;
            ensure!(status == 202, "delivery {number}: {status} {answer}");
            Ok((number, sent))
        });
    }
    let mut sent = BTreeMap::new();
    while let Some(one) = sending.join_next().await {
        let (number, at) = one??;
        sent.insert(number, at);
    }
    dev.orchestrator
        .calls
        .wait_for(before + sent.len(), PATIENCE)
        .await;
    let mut arrived = BTreeMap::new();
    for call in dev.orchestrator.calls.calls() {
        let number = call.body["params"]["pr_number"].as_u64();
        arrived.insert(number.context("no number")?, call.arrived);
    }
    sent.into_iter()
        .map(|(number, at)| {
            let arrived = arrived.get(&number).context("a delivery did not arrive")?;
            Ok(arrived.duration_since(at))
        })
        .collect()
}

fn ms(duration: Duration) -> String {
    format!("{:.1} ms", duration.as_secs_f64() * 1e3)
}

fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}
