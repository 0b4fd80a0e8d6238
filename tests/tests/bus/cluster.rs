//! A cluster of three that loses a server under load.

use super::Mesh;
use crate::crash::ledger::balance;
use crate::world::senders::{Senders, TRIGGER};
use anyhow::{Context, Result, ensure};
use async_nats::{Client, ConnectOptions, ServerAddr};
use belfry::standin::Answer;
use belfry_tests::servers::{Cluster, password};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tokio::task::block_in_place;

const DELIVERIES: u64 = 4_000;
const CONNECTIONS: usize = 16;

/// How many are acknowledged when the server is killed, and when it comes back.
const KILLED_AT: usize = 1_000;
const BACK_AT: usize = 2_500;

/// How long deliveries may stand still when a leader dies. Another is elected after 4 to 9 s (`minElectionTimeoutDefault` and
/// `maxElectionTimeoutDefault` in nats-server's `raft.go`), and it may take a second round; the rest is for a slow machine.
const ELECTION: Duration = Duration::from_secs(25);

/// How long a server that was away may take to have what the others have.
const CATCH_UP: Duration = Duration::from_secs(60);

const STREAMS: [&str; 7] = [
    "BELFRY_EVENTS",
    "BELFRY_OUTCOMES",
    "BELFRY_DEAD",
    "KV_belfry-triggers",
    "KV_belfry-status",
    "KV_belfry-nodes",
    "KV_belfry-leases",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_when_the_leader_of_the_events_is_killed() -> Result<()> {
    lose(|leaders, _| leaders.events.clone()).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_when_another_server_of_the_bus_is_killed() -> Result<()> {
    lose(|Leaders { events, leases }, mut names| {
        if leases != events {
            return leases.clone();
        }
        names.find(|name| name != events).unwrap_or_default()
    })
    .await
}

/// Which servers lead.
struct Leaders {
    events: String,
    leases: String,
}

/// Kills the server that is chosen while deliveries pour in.
async fn lose(choose: impl Fn(&Leaders, std::vec::IntoIter<String>) -> String) -> Result<()> {
    let mut cluster = Cluster::start()?;
    let mut mesh = Mesh::start(|user| cluster.url_of(user), &["--replicas", "3"]).await?;
    mesh.doors
        .install(TRIGGER, json!({"workflow_id": "review"}))
        .await?;
    mesh.orchestrator.calls.answer(Answer {
        status: 200,
        times: u32::MAX,
        delay_ms: 5,
        retry_after: None,
    });
    let operator = operator(&cluster).await?;
    let leaders = Leaders {
        events: leader(&operator, "BELFRY_EVENTS").await?,
        leases: leader(&operator, "KV_belfry-leases").await?,
    };
    let victim = choose(&leaders, cluster.names().into_iter());

    let (senders, began) = (
        Senders::begin(&mesh.doors, 0..DELIVERIES, CONNECTIONS),
        Instant::now(),
    );
    senders.acknowledged(KILLED_AT).await?;
    block_in_place(|| cluster.node(&victim)?.kill())?;
    let killed = Instant::now();
    println!(
        "{victim} was killed ({} led the events, {} the leases) when {KILLED_AT} deliveries were acknowledged, {:.0} a second",
        leaders.events,
        leaders.leases,
        KILLED_AT as f64 / began.elapsed().as_secs_f64()
    );
    senders.acknowledged(BACK_AT).await?;
    println!(
        "{BACK_AT} were acknowledged {:.1?} later, without it",
        killed.elapsed()
    );
    block_in_place(|| cluster.node(&victim)?.restart())?;
    let back = Instant::now();

    let sent = senders.end().await?;
    let repeated = balance(&sent, &mesh.doors, &mesh.orchestrator).await?;
    let pause = longest_pause(&mesh, killed);
    println!(
        "{} deliveries acknowledged and run, each under one key; {} broken off, {} answered 503, {} stored already when they were \
         repeated; {} called more than once; runs stood still for {pause:.1?} at most",
        sent.events.len(),
        sent.broken,
        sent.refused,
        sent.repeated,
        repeated.len(),
    );
    assert!(pause < ELECTION, "runs stood still for {pause:?}");
    caught_up(&mesh, &operator).await?;
    println!(
        "{victim} was seen to have caught up {:.1?} after it was back",
        back.elapsed()
    );
    let lost = mesh.agent.log().matches("the lease is lost").count();
    println!("the agent's lease was lost {lost} times");
    assert_eq!(mesh.complaints(), Vec::<String>::new());
    block_in_place(|| mesh.agent.stop())
}

/// How long nothing reached the orchestrator after the kill.
fn longest_pause(mesh: &Mesh, killed: Instant) -> Duration {
    let calls = mesh.orchestrator.calls.calls();
    let arrived = calls.iter().map(|call| call.arrived);
    let mut after: Vec<Instant> = arrived.filter(|&at| at > killed).collect();
    after.push(killed);
    after.sort_unstable();
    let pauses = after.windows(2).map(|pair| pair[1] - pair[0]);
    pauses.max().unwrap_or_default()
}

/// Waits until each stream has three copies that are the same.
async fn caught_up(mesh: &Mesh, operator: &Client) -> Result<()> {
    for stream in STREAMS {
        let what = format!("all servers have all of {stream}");
        let look = || async {
            let Ok(info) = info(operator, stream).await else {
                return Ok(None);
            };
            let replicas = info["cluster"]["replicas"].as_array().cloned();
            let replicas = replicas.unwrap_or_default();
            let is_current = |replica: &Value| {
                replica["current"] == true
                    && replica["offline"] != true
                    && replica["lag"].as_u64().unwrap_or_default() == 0
            };
            Ok((replicas.len() == 2 && replicas.iter().all(is_current)).then_some(()))
        };
        mesh.doors.within(CATCH_UP, &what, look).await?;
    }
    Ok(())
}

/// People, who look for themselves.
async fn operator(cluster: &Cluster) -> Result<Client> {
    let name = "operator".to_owned();
    let options = ConnectOptions::new().user_and_password(name, password("operator"));
    let addresses = cluster.url_of("operator");
    let addresses: Vec<ServerAddr> = addresses
        .split(',')
        .map(str::parse)
        .collect::<Result<_, _>>()?;
    Ok(options.connect(addresses).await?)
}

async fn leader(operator: &Client, stream: &str) -> Result<String> {
    let info = info(operator, stream).await?;
    let leader = info["cluster"]["leader"].as_str();
    let leader = leader.with_context(|| format!("{stream} has no leader"))?;
    Ok(leader.to_owned())
}

async fn info(operator: &Client, stream: &str) -> Result<Value> {
    let subject = format!("$JS.API.STREAM.INFO.{stream}");
    let answer = operator.request(subject, "".into()).await?;
    let info: Value = serde_json::from_slice(&answer.payload)?;
    ensure!(info["error"].is_null(), "{stream}: {info}");
    Ok(info)
}
