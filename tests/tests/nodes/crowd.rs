//! Many triggers on a few agents, and what an agent costs while nothing happens.

use super::mesh::Mesh;
use anyhow::{Context, Result};
use belfry_tests::servers::Belfry;
use futures::{StreamExt, TryStreamExt};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// How many triggers there are, and how many are installed at once.
const TRIGGERS: usize = 200;
const AT_ONCE: usize = 8;

/// How long all of them may take to run, from the first install on.
const SETTLED: Duration = Duration::from_secs(180);

/// How long after that the agents are left alone until they are measured, and for how long they are.
const CALM: Duration = Duration::from_secs(5);
const IDLE: Duration = Duration::from_secs(20);

/// The time to live of leases as agents have it that are not told otherwise: how often they are renewed follows from it.
const LEASE: Duration = Duration::from_secs(10);

/// What an agent may cost: the share of one processor while it is idle, and its memory in bytes.
///
/// A release build is asked for what is promised, 1 % and 60 MB. It is measured when `BELFRY_TEST_BELFRY` names one (`cargo build
/// --profile image -p belfry`) or the tests are built like it. The debug build that tests otherwise run is slower: of it twice
/// the processor is asked, and the same memory.
fn allowed() -> (f64, u64) {
    let debug = cfg!(debug_assertions) && std::env::var_os("BELFRY_TEST_BELFRY").is_none();
    (if debug { 0.02 } else { 0.01 }, 60_000_000)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_triggers_settle_on_three_agents_that_then_idle() -> Result<()> {
    let mut mesh = Mesh::docker().await?;
    mesh.lease = LEASE;
    for node in ["a", "b", "c"] {
        mesh.join(node, &[]).await?;
    }
    let began = Instant::now();
    let orders = (0..TRIGGERS).map(|number| {
        let mesh = &mesh;
        async move { mesh.ask_for(&format!("bell-{number:03}"), json!({})).await }
    });
    let _: Vec<Value> = futures::stream::iter(orders)
        .buffer_unordered(AT_ONCE)
        .try_collect()
        .await?;
    let asked = began.elapsed();
    let running = || async {
        let (_, list) = mesh.doors.console("GET", "/triggers", None).await?;
        let running = list
            .as_array()
            .context("no list")?
            .iter()
            .filter(|trigger| trigger["running"] == true)
            .count();
        tokio::time::sleep(Duration::from_millis(200)).await;
        Ok((running == TRIGGERS).then_some(()))
    };
    mesh.doors
        .within(SETTLED, "all triggers run", running)
        .await?;
    println!(
        "{TRIGGERS} triggers on 3 agents: all installs answered after {asked:.1?}, all containers running after {:.1?}",
        began.elapsed()
    );
    let mut shares = BTreeMap::new();
    for node in mesh.agents.keys() {
        let held = mesh.node(node).await?["used"]["slots"]
            .as_u64()
            .context("no load")?;
        shares.insert(node.clone(), held);
    }
    println!("slots by node: {shares:?}");
    assert!(
        shares.values().all(|share| (40..=95).contains(share)),
        "{shares:?}"
    );

    tokio::time::sleep(CALM).await;
    let before = cpu_of_all(&mesh)?;
    tokio::time::sleep(IDLE).await;
    let after = cpu_of_all(&mesh)?;
    let (most_cpu, most_memory) = allowed();
    let mut over = Vec::new();
    for (node, agent) in &mesh.agents {
        let share = (after[node] - before[node]).as_secs_f64() / IDLE.as_secs_f64();
        let resident = agent.resident()?;
        println!(
            "agent {node}, idle for {IDLE:?} with {} containers: {:.2} % of a processor, {:.1} MB resident",
            shares[node],
            share * 100.0,
            resident as f64 / 1e6
        );
        if share >= most_cpu || resident >= most_memory {
            over.push(node);
        }
    }
    assert!(
        over.is_empty(),
        "{over:?} took more than {most_cpu} of a processor or {most_memory} bytes"
    );
    mesh.end().await
}

fn cpu_of_all(mesh: &Mesh) -> Result<BTreeMap<String, Duration>> {
    let each = mesh.agents.iter();
    each.map(|(node, agent)| Ok((node.clone(), cpu(agent)?)))
        .collect()
}

/// The processor time that a process has used so far (proc_pid_stat(5): fields 14 and 15, in ticks of a hundredth of a second).
fn cpu(agent: &Belfry) -> Result<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", agent.pid()?))?;
    let (_, fields) = stat.rsplit_once(") ").context("no end of the name")?;
    let ticks = fields.split(' ').skip(11).take(2).map(str::parse::<u64>);
    let ticks = ticks.sum::<Result<u64, _>>()?;
    Ok(Duration::from_millis(ticks * 10))
}
