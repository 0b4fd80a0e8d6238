//! A rolling restart: every service in turn, while deliveries go on.

use super::load::{Load, told};
use super::mesh::Mesh;
use super::outcomes;
use crate::crash::ledger::balance;
use crate::world::senders::TRIGGER;
use anyhow::Result;
use std::time::Instant;
use tokio::task::block_in_place;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rolling_restart_of_every_role_runs_each_acknowledged_event_once() -> Result<()> {
    let mut mesh = Mesh::in_process().await?;
    for node in ["a", "b"] {
        mesh.join(node, &[]).await?;
    }
    mesh.install(1).await?;
    let mut load = Load::begin(&mesh.doors, 0);
    load.more(50).await?;
    for role in ["gateway", "a", "b", "console"] {
        let began = Instant::now();
        block_in_place(|| {
            let role = match role {
                "gateway" => &mut mesh.gateway,
                "console" => &mut mesh.console,
                node => mesh.agent(node)?,
            };
            role.stop()?;
            role.restart()
        })?;
        println!("{role} was restarted in {:.1?}", began.elapsed());
        load.more(50).await?;
        mesh.running(TRIGGER, 1).await?;
    }
    load.more(50).await?;
    let delivered = load.end().await?;
    let repeated = balance(&delivered.sent, &mesh.doors, &mesh.orchestrator).await?;
    let outcomes = outcomes::read(&mesh.nats).await?;
    outcomes::one_run_each(&outcomes)?;
    let terms = outcomes::terms(&outcomes, 0)?;
    println!(
        "{} events ran, each under one key, {} called more than once, over {} terms; {} tries were not taken at once; events waited {}",
        delivered.sent.events.len(),
        repeated.len(),
        terms.len(),
        delivered.sent.broken,
        told(&delivered.waits(&mesh.orchestrator)?),
    );
    // In an orderly stop nothing is cut off that runs.
    assert!(repeated.is_empty(), "{repeated:?}");
    mesh.end().await
}
