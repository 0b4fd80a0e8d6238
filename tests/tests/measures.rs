//! What it costs, printed from a run and bounded: a debug build on a small machine that others use too is measured here, so the
//! bounds say what is broken, not what is possible.

use crate::world::senders::{Senders, TRIGGER};
use crate::world::{Dev, PATIENCE, github, pull_request};
use anyhow::{Context, Result, bail, ensure};
use serde_json::json;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// How many deliveries a second are steady.
const RATE: u32 = 200;

/// Whether what is measured is a debug build: otherwise `BELFRY_TEST_BELFRY` names one like people run, as `scripts/test` does for
/// these tests.
fn is_debug() -> bool {
    cfg!(debug_assertions) && std::env::var_os("BELFRY_TEST_BELFRY").is_none()
}

/// How much memory an idle mesh may take, in bytes: 40 MB, and 60 MB of a debug build, which is mostly its own code.
fn resident_at_most() -> u64 {
    if is_debug() { 60_000_000 } else { 40_000_000 }
}

/// How long a delivery may take to the orchestrator, half of them and 99 of 100: 5 and 25 ms, and twice that of a debug build.
fn latency_at_most() -> (Duration, Duration) {
    let times = if is_debug() { 2 } else { 1 };
    (
        times * Duration::from_millis(5),
        times * Duration::from_millis(25),
    )
}

#[tokio::test]
async fn an_idle_mesh_in_one_process_takes_little_memory() -> Result<()> {
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
    assert!(idle < resident_at_most(), "{idle} bytes");
    Ok(())
}

#[tokio::test]
async fn a_delivery_reaches_the_orchestrator_within_milliseconds() -> Result<()> {
    // Whoever else uses the machine may spoil a run, but not all of them.
    const RUNS: u64 = 3;
    let dev = Dev::start().await?;
    dev.doors
        .install(TRIGGER, json!({"workflow_id": "review"}))
        .await?;
    // Connections and caches are warm once a first second has passed.
    steadily(&dev, 0, Duration::from_secs(1)).await?;
    let (most, mut slow) = (latency_at_most(), Vec::new());
    for run in 1..=RUNS {
        let seconds = 10;
        let Latencies { answered, arrived } =
            steadily(&dev, run * 1_000_000, Duration::from_secs(seconds)).await?;
        println!(
            "belfry dev, {RATE}/s for {seconds} s: POST → 202 {}",
            told(&answered)
        );
        println!(
            "belfry dev, {RATE}/s for {seconds} s: POST → orchestrator {}",
            told(&arrived)
        );
        let (p50, p99) = (share(&arrived, 0.5), share(&arrived, 0.99));
        if p50 < most.0 && p99 < most.1 {
            return Ok(());
        }
        slow.push((p50, p99));
    }
    bail!("p50 and p99 were not under {most:?} in any run: {slow:?}")
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

/// How long deliveries took from just before each was sent, sorted.
struct Latencies {
    /// Until it was answered.
    answered: Vec<Duration>,
    /// Until its call had arrived at the orchestrator.
    arrived: Vec<Duration>,
}

/// Sends [`RATE`] deliveries a second, each when it is due, whether or not those before it are answered.
async fn steadily(dev: &Dev, first: u64, duration: Duration) -> Result<Latencies> {
    let before = dev.orchestrator.calls.calls().len();
    let mut due = tokio::time::interval(Duration::from_secs(1) / RATE);
    let mut sending = JoinSet::new();
    for number in first..first + u64::from(RATE) * duration.as_secs() {
        let delivery = github(&format!("delivery-{number}"), &pull_request(number));
        let doors = dev.doors.clone();
        due.tick().await;
        sending.spawn(async move {
            let sent = Instant::now();
            let (status, answer) = doors.deliver(TRIGGER, delivery).await?;
            ensure!(status == 202, "delivery {number}: {status} {answer}");
            Ok((number, sent, sent.elapsed()))
        });
    }
    let (mut sent, mut answered) = (BTreeMap::new(), Vec::new());
    while let Some(one) = sending.join_next().await {
        let (number, at, took) = one??;
        sent.insert(number, at);
        answered.push(took);
    }
    let all = before + sent.len();
    let came = dev.orchestrator.calls.wait_for(all, PATIENCE).await;
    ensure!(came == all, "{came} of {all} deliveries ran");
    let mut arrived = Vec::new();
    for call in dev.orchestrator.calls.calls().split_off(before) {
        let number = call.body["params"]["pr_number"].as_u64();
        let sent = sent.get(&number.context("a call without its number")?);
        arrived.push(
            call.arrived
                .duration_since(*sent.context("nobody sent it")?),
        );
    }
    answered.sort_unstable();
    arrived.sort_unstable();
    Ok(Latencies { answered, arrived })
}

/// What so large a share of them did not exceed.
fn share(sorted: &[Duration], share: f64) -> Duration {
    sorted[((sorted.len() - 1) as f64 * share).round() as usize]
}

fn told(sorted: &[Duration]) -> String {
    let ms = |of| format!("{:.1} ms", share(sorted, of).as_secs_f64() * 1e3);
    format!(
        "p50 {} p90 {} p99 {} max {}",
        ms(0.5),
        ms(0.9),
        ms(0.99),
        ms(1.0)
    )
}

fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}
