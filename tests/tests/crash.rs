//! Processes that are killed while deliveries pour in: what was acknowledged has run, once they are up again, and under one key.

pub(crate) mod ledger;

use crate::world::senders::{Senders, Sent, TRIGGER};
use crate::world::{Dev, Mesh, Orchestrator};
use anyhow::{Result, ensure};
use belfry::standin::Answer;
use belfry_tests::servers::Server;
use ledger::{all_have_run, balance};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use tokio::task::block_in_place;

const DELIVERIES: u64 = 10_000;
const CONNECTIONS: usize = 64;

/// How many events a trigger of the standard packages has in flight at once: what one kill may interrupt.
const IN_FLIGHT: usize = 16;

/// How long runs may stand still after the death of the only agent: its lease lives for 3 s, the rest is for a slow machine.
const TAKEOVER: Duration = Duration::from_secs(15);

/// Fixes the moments of the kills, to those of an earlier run that printed it.
const SEED: &str = "BELFRY_TEST_SEED";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_when_the_one_process_is_killed() -> Result<()> {
    let mut rng = seeded()?;
    let mut dev = Dev::start().await?;
    dev.doors.install(TRIGGER, review()).await?;
    dev.orchestrator.calls.answer(after(5));

    let senders = Senders::begin(&dev.doors, 0..DELIVERIES, CONNECTIONS);
    let moment = rng.random_range(3_000..7_000);
    kill_among(&senders, moment, &mut dev.belfry).await?;
    println!("belfry dev was killed when {moment} deliveries were acknowledged");

    let sent = senders.end().await?;
    let repeated = balance(&sent, &dev.doors, &dev.orchestrator).await?;
    tell(&sent, &repeated);
    assert!(repeated.len() <= IN_FLIGHT, "{repeated:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_when_the_kill_follows_the_last_answer_at_once() -> Result<()>
{
    const ROUNDS: u64 = 10;
    const EACH: u64 = 50;
    let mut dev = Dev::start().await?;
    dev.doors.install(TRIGGER, review()).await?;
    dev.orchestrator.calls.answer(after(50));
    let (mut all, mut waited) = (Sent::default(), 0);
    for round in 0..ROUNDS {
        let numbers = round * EACH..(round + 1) * EACH;
        let senders = Senders::begin(&dev.doors, numbers, EACH as usize);
        let sent = senders.end().await?;
        block_in_place(|| dev.belfry.kill())?;
        let ids = sent.events.values();
        waited += ids.filter(|id| dev.orchestrator.runs_of(id) == 0).count();
        block_in_place(|| dev.belfry.restart())?;
        all_have_run(&sent, &dev.orchestrator).await?;
        all.add(sent);
    }
    println!(
        "{ROUNDS} kills, each right after {EACH} answers, met {waited} deliveries that had not run"
    );
    assert_eq!(all.broken, 0, "an answer was missing before a kill");
    assert!(waited > 0, "the kills came too late to show anything");
    let repeated = balance(&all, &dev.doors, &dev.orchestrator).await?;
    tell(&all, &repeated);
    assert!(
        repeated.len() <= ROUNDS as usize * IN_FLIGHT,
        "{repeated:?}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_when_gateway_and_agent_are_killed_in_turn() -> Result<()> {
    const ROUNDS: u64 = 3;
    let mut rng = seeded()?;
    let mut mesh = Mesh::start().await?;
    mesh.doors.install(TRIGGER, review()).await?;
    mesh.orchestrator.calls.answer(after(5));

    let mut all = Sent::default();
    for round in 0..ROUNDS {
        let numbers = round * DELIVERIES / ROUNDS..(round + 1) * DELIVERIES / ROUNDS;
        let senders = Senders::begin(&mesh.doors, numbers, CONNECTIONS);
        let moment = rng.random_range(300..1_500);
        kill_among(&senders, moment, &mut mesh.gateway).await?;
        println!(
            "the gateway was killed when {moment} deliveries of round {round} were acknowledged"
        );

        let moment = rng.random_range(1_800..3_000);
        senders.acknowledged(moment).await?;
        let (killed, ran) = (Instant::now(), mesh.orchestrator.calls.calls().len());
        kill(&mut mesh.agent)?;
        all.add(senders.end().await?);
        runs(&mesh.orchestrator, ran + 2 * IN_FLIGHT).await?;
        let pause = pause(&mesh.orchestrator, killed);
        println!(
            "the agent was killed when {moment} deliveries of round {round} were acknowledged and {ran} of all had run; runs \
             went on after {pause:.1?}"
        );
        assert!(pause < TAKEOVER, "runs stood still for {pause:?}");
    }
    let repeated = balance(&all, &mesh.doors, &mesh.orchestrator).await?;
    tell(&all, &repeated);
    assert!(
        repeated.len() <= ROUNDS as usize * IN_FLIGHT,
        "{repeated:?}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_when_the_bus_is_killed() -> Result<()> {
    let mut rng = seeded()?;
    let mut mesh = Mesh::start().await?;
    mesh.doors.install(TRIGGER, review()).await?;
    mesh.orchestrator.calls.answer(after(5));

    let senders = Senders::begin(&mesh.doors, 0..DELIVERIES, CONNECTIONS);
    let moment = rng.random_range(3_000..7_000);
    senders.acknowledged(moment).await?;
    block_in_place(|| mesh.nats.kill())?;
    println!("the bus was killed when {moment} deliveries were acknowledged");
    // Meanwhile deliveries are acknowledged out of the gateway's spool.
    senders.acknowledged(moment + 500).await?;
    block_in_place(|| mesh.nats.restart())?;

    let sent = senders.end().await?;
    assert_eq!(sent.broken, 0, "the gateway did not answer");
    let repeated = balance(&sent, &mesh.doors, &mesh.orchestrator).await?;
    tell(&sent, &repeated);
    Ok(())
}

/// Kills a process that takes deliveries once so many are acknowledged, and starts it again.
async fn kill_among(senders: &Senders, acknowledged: usize, server: &mut Server) -> Result<()> {
    senders.acknowledged(acknowledged).await?;
    let before = senders.broken();
    kill(server)?;
    ensure!(senders.broken() > before, "no sender noticed the kill");
    Ok(())
}

/// Waits until so many calls have reached the orchestrator.
async fn runs(orchestrator: &Orchestrator, count: usize) -> Result<()> {
    let came = orchestrator.calls.wait_for(count, ledger::PATIENCE).await;
    ensure!(came >= count, "only {came} calls came");
    Ok(())
}

/// How long nothing reached the orchestrator after a kill. What was on its way then arrives within milliseconds of it.
fn pause(orchestrator: &Orchestrator, killed: Instant) -> Duration {
    let mut arrived = vec![killed];
    let calls = orchestrator.calls.calls();
    arrived.extend(
        calls
            .iter()
            .map(|call| call.arrived)
            .filter(|&at| at > killed),
    );
    arrived.sort_unstable();
    let pauses = arrived.windows(2).map(|pair| pair[1] - pair[0]);
    pauses.max().unwrap_or_default()
}

/// Kills a process and starts it again.
fn kill(server: &mut Server) -> Result<()> {
    block_in_place(|| {
        server.kill()?;
        server.restart()
    })
}

fn review() -> Value {
    json!({"workflow_id": "review"})
}

/// A run that takes so many milliseconds to be accepted, from now on.
fn after(delay_ms: u64) -> Answer {
    Answer {
        status: 200,
        times: u32::MAX,
        delay_ms,
        retry_after: None,
    }
}

fn seeded() -> Result<StdRng> {
    let seed = match std::env::var(SEED) {
        Ok(seed) => seed.parse()?,
        Err(_) => rand::random(),
    };
    println!("the moments of the kills come from {SEED}={seed}");
    Ok(StdRng::seed_from_u64(seed))
}

fn tell(sent: &Sent, repeated: &BTreeMap<u64, usize>) {
    println!(
        "{} deliveries acknowledged and run, each under one key ({} broken off, {} answered 503, {} stored already when they \
         were repeated)",
        sent.events.len(),
        sent.broken,
        sent.refused,
        sent.repeated,
    );
    println!(
        "{} of them called more than once under that key, for they were in flight at a kill: {:?}",
        repeated.len(),
        repeated.keys()
    );
}
