//! Agents that are killed, alone or with all that they ran.

use super::load::{Load, told};
use super::mesh::{LEASE, Mesh, START};
use super::outcomes;
use crate::crash::ledger::balance;
use crate::docker::engine::docker;
use crate::world::senders::TRIGGER;
use anyhow::{Context, Result};
use std::time::Instant;
use tokio::task::block_in_place;

/// How many events a trigger of the standard packages has in flight at once: what one kill may interrupt.
const IN_FLIGHT: usize = 16;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_agent_s_containers_go_on_and_are_its_own_again_when_it_is_back() -> Result<()> {
    let mut mesh = Mesh::docker().await?;
    for node in ["a", "b"] {
        mesh.join(node, &[]).await?;
    }
    let before = mesh.install(2).await?;
    let containers = mesh.identities()?;
    let (slot, held) = before
        .iter()
        .find(|(_, slot)| slot.node.as_str() == "a")
        .context("none is on a")?;

    let mut load = Load::begin(&mesh.doors, 0);
    load.more(100).await?;
    block_in_place(|| mesh.agent("a")?.kill())?;
    let killed = Instant::now();
    assert_eq!(
        mesh.identities()?,
        containers,
        "they did not outlive their agent"
    );
    load.more(100).await?;
    block_in_place(|| mesh.agent("a")?.restart())?;
    let slots = mesh
        .slots_once(TRIGGER, "the slot is held anew", |slots| {
            slots
                .get(slot)
                .is_some_and(|now| now.token > held.token && now.state.is_up())
        })
        .await?;
    let back = killed.elapsed();
    load.more(100).await?;
    let delivered = load.end().await?;
    let repeated = balance(&delivered.sent, &mesh.doors, &mesh.orchestrator).await?;

    assert_eq!(slots[slot].node.as_str(), "a", "{slots:?}");
    assert_eq!(
        mesh.identities()?,
        containers,
        "one was made or started again"
    );
    let outcomes = outcomes::read(&mesh.nats).await?;
    outcomes::one_run_each(&outcomes)?;
    let terms = outcomes::terms(&outcomes, *slot)?;
    assert!(
        terms.len() == 2 && terms.iter().all(|term| term.node == "a"),
        "{terms:?}"
    );
    println!(
        "the slot of the killed agent served {back:.1?} after the kill (lease {LEASE:?}) with its old container; {} events ran, each under \
         one key, {} of them called more than once; they waited {}",
        delivered.sent.events.len(),
        repeated.len(),
        told(&delivered.waits(&mesh.orchestrator)?),
    );
    assert!(repeated.len() <= IN_FLIGHT, "{repeated:?}");
    mesh.end().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_node_s_slots_run_elsewhere_within_the_lease_and_a_start() -> Result<()> {
    let mut mesh = Mesh::docker().await?;
    for node in ["a", "b"] {
        mesh.join(node, &[]).await?;
    }
    let victim = mesh.install(1).await?[&0].node.to_string();
    let heir = if victim == "a" { "b" } else { "a" };

    let mut load = Load::begin(&mesh.doors, 0);
    load.more(100).await?;
    let containers = mesh.containers_on(&victim)?;
    assert_eq!(containers.len(), 1, "{containers:?}");
    let killed = Instant::now();
    block_in_place(|| mesh.agent(&victim)?.kill())?;
    docker(&["kill", &containers[0]])?;
    let slots = mesh
        .slots_once(TRIGGER, "the slot runs elsewhere", |slots| {
            slots
                .get(&0)
                .is_some_and(|now| now.node.as_str() == heir && now.state.is_up())
        })
        .await?;
    load.more(100).await?;
    let delivered = load.end().await?;
    let repeated = balance(&delivered.sent, &mesh.doors, &mesh.orchestrator).await?;

    let gap = mesh.orchestrator.longest_pause(killed);
    println!(
        "runs stood still for {gap:.1?} when agent and container were killed (lease {LEASE:?}); {} events ran, each under one key, {} of \
         them called more than once; they waited {}",
        delivered.sent.events.len(),
        repeated.len(),
        told(&delivered.waits(&mesh.orchestrator)?),
    );
    assert!(gap <= LEASE + START, "runs stood still for {gap:?}");
    let outcomes = outcomes::read(&mesh.nats).await?;
    outcomes::one_run_each(&outcomes)?;
    let nodes: Vec<_> = outcomes::terms(&outcomes, 0)?
        .into_iter()
        .map(|term| term.node)
        .collect();
    assert_eq!(nodes, [victim.as_str(), heir], "{slots:?}");

    // What is left of it is cleared away by its agent, which leaves the slot where it is.
    assert_eq!(mesh.identities()?.len(), 2);
    block_in_place(|| mesh.agent(&victim)?.restart())?;
    mesh.doors
        .until("the dead container is gone", || async {
            Ok((mesh.identities()?.len() == 1).then_some(()))
        })
        .await?;
    assert_eq!(mesh.slots(TRIGGER).await?, slots);
    mesh.end().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_container_that_dies_is_replaced_at_once() -> Result<()> {
    let mut mesh = Mesh::docker().await?;
    mesh.join("a", &[]).await?;
    mesh.install(1).await?;
    let dead = mesh.containers_on("a")?;
    let killed = Instant::now();
    docker(&["kill", &dead[0]])?;
    mesh.doors
        .until("another is there, and the slot serves", || async {
            let there = mesh.containers_on("a")?;
            let running = mesh.status(TRIGGER).await?["running"] == true;
            Ok((running && there.len() == 1 && there != dead).then_some(()))
        })
        .await?;
    let gap = killed.elapsed();
    println!("a container that was killed was replaced after {gap:.1?}");
    // Not only when all is looked at again, every ten seconds.
    assert!(gap < START, "{gap:?}");
    mesh.end().await
}
