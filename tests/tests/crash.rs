//! Processes that are killed while deliveries pour in: what was acknowledged has run, once they are up again, and under one key.

mod ledger;

use crate::world::senders::{Senders, Sent, TRIGGER};
use crate::world::{Dev, Mesh};
use anyhow::Result;
use belfry::standin::Answer;
use belfry_tests::servers::Server;
use ledger::{all_have_run, balance};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Instant;

const DELIVERIES: u64 = 10_000;
const CONNECTIONS: usize = 64;

/// How many events a trigger of the standard packages has in flight at once: what one kill may interrupt.
const IN_FLIGHT: usize = 16;

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
    senders.acknowledged(moment).await?;
    kill(&mut dev.belfry)?;
    println!("belfry dev was killed when {moment} deliveries were acknowledged");

    let sent = senders.end().await?;
    assert!(sent.broken > 0, "no sender noticed the kill");
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
        tokio::task::block_in_place(|| dev.belfry.kill())?;
        let waiting = sent
            .events
            .values()
            .filter(|id| dev.orchestrator.runs_of(id) == 0);
        waited += waiting.count();
        tokio::task::block_in_place(|| dev.belfry.restart())?;
        all_have_run(&sent, &dev.orchestrator).await?;
        all.add(sent);
    }
    println!(
        "{ROUNDS} kills, each right after {EACH} answers, met {waited} deliveries that had not run"
    );
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
    const ROUNDS: usize = 2;
    let mut rng = seeded()?;
    let mut mesh = Mesh::start().await?;
    mesh.doors.install(TRIGGER, review()).await?;
    mesh.orchestrator.calls.answer(after(5));

    let senders = Senders::begin(&mesh.doors, 0..DELIVERIES, CONNECTIONS);
    for round in 0..ROUNDS {
        let moment = rng.random_range(1_000..3_000) + round * 4_000;
        senders.acknowledged(moment).await?;
        kill(&mut mesh.gateway)?;
        println!("the gateway was killed when {moment} deliveries were acknowledged");
        let moment = rng.random_range(500..2_000) + round * 4_000;
        mesh.orchestrator
            .calls
            .wait_for(moment, ledger::PATIENCE)
            .await;
        let began = Instant::now();
        kill(&mut mesh.agent)?;
        mesh.orchestrator
            .calls
            .wait_for(moment + 2 * IN_FLIGHT, ledger::PATIENCE)
            .await;
        println!(
            "the agent was killed after {moment} runs, and runs went on after {:.1?}",
            began.elapsed()
        );
    }
    let sent = senders.end().await?;
    assert!(sent.broken > 0, "no sender noticed the kills");
    let repeated = balance(&sent, &mesh.doors, &mesh.orchestrator).await?;
    tell(&sent, &repeated);
    assert!(repeated.len() <= ROUNDS * IN_FLIGHT, "{repeated:?}");
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
    tokio::task::block_in_place(|| mesh.nats.kill())?;
    println!("the bus was killed when {moment} deliveries were acknowledged");
    // Every sender has been told that its delivery is not stored, and tries again.
    senders.refused(CONNECTIONS).await?;
    tokio::task::block_in_place(|| mesh.nats.restart())?;

    let sent = senders.end().await?;
    assert_eq!(sent.broken, 0, "the gateway did not answer");
    let repeated = balance(&sent, &mesh.doors, &mesh.orchestrator).await?;
    tell(&sent, &repeated);
    Ok(())
}

/// Kills a process and starts it again.
fn kill(server: &mut Server) -> Result<()> {
    tokio::task::block_in_place(|| {
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
        "{} calls were in flight at a kill and repeated under their own key: {repeated:?}",
        repeated.len()
    );
}
