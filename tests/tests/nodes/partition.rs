//! Agents that are cut off from the bus and from Redis, or frozen, for longer than their lease.

use super::load::{Load, told};
use super::mesh::{Bus, LEASE, Mesh, START};
use super::outcomes;
use super::relay::Relay;
use crate::crash::ledger::balance;
use crate::docker::engine::docker;
use crate::world::senders::TRIGGER;
use anyhow::{Context, Result, ensure};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use tokio::task::block_in_place;

/// How long an event may wait that the bus handed to an agent that is cut off: as long as the bus keeps the agent's request, and as
/// long as a claim lasts that is not renewed; the rest is for a slow machine.
const HELD: Duration = Duration::from_secs(8 + 10 + 2);

/// How long an agent may take to notice that the link is back, and to yield.
const YIELD: Duration = Duration::from_secs(20);

/// An agent's links to the bus and to Redis.
struct Links([Relay; 2]);

impl Links {
    async fn of(mesh: &Mesh) -> Result<Self> {
        Ok(Self([
            Relay::to(mesh.nats.port()).await?,
            Relay::to(mesh.redis.port()).await?,
        ]))
    }

    fn bus(&self) -> Bus {
        let [nats, redis] = &self.0;
        Bus {
            nats: format!("nats://127.0.0.1:{}", nats.port),
            redis: format!("redis://127.0.0.1:{}", redis.port),
        }
    }

    fn cut(&self) {
        self.0.iter().for_each(Relay::cut);
    }

    fn heal(&self) {
        self.0.iter().for_each(Relay::heal);
    }
}

/// A mesh of two agents that can be cut off.
struct Divisible {
    mesh: Mesh,
    links: BTreeMap<&'static str, Links>,
}

impl Divisible {
    async fn start() -> Result<Self> {
        let mut mesh = Mesh::docker().await?;
        let mut links = BTreeMap::new();
        for node in ["a", "b"] {
            let own = Links::of(&mesh).await?;
            mesh.join_over(&own.bus(), node, &[]).await?;
            links.insert(node, own);
        }
        Ok(Self { mesh, links })
    }

    /// Cuts off the holder of the slot until another has taken it, and longer. With `crash` its container dies meanwhile, about
    /// which it has something to say that nobody may believe. Answers how long it took until the other served.
    async fn cut_off_the_holder(&self, load: &mut Load, crash: bool) -> Result<Duration> {
        let mesh = &self.mesh;
        let holder = mesh.slots(TRIGGER).await?[&0].node.to_string();
        let links = &self.links[holder.as_str()];
        let containers = mesh.containers_on(&holder)?;
        ensure!(containers.len() == 1, "{containers:?}");
        links.cut();
        let cut = Instant::now();
        if crash {
            docker(&["kill", &containers[0]])?;
        }
        let taken = mesh
            .slots_once(TRIGGER, "another node serves", |slots| {
                slots
                    .get(&0)
                    .is_some_and(|slot| slot.node.as_str() != holder && slot.state.is_up())
            })
            .await?;
        let moved = cut.elapsed();
        // It does not know, and its container is there for events that do not come.
        load.more(300).await?;
        links.heal();
        let healed = Instant::now();
        mesh.doors
            .within(YIELD, "the one that was cut off has yielded", || async {
                let node = mesh.node(&holder).await?;
                let empty = node["live"] == true
                    && node["used"]["slots"] == 0
                    && mesh.containers_on(&holder)?.is_empty();
                Ok(empty.then_some(()))
            })
            .await?;
        println!(
            "{holder} was cut off{}: another node served after {moved:.1?} (lease {LEASE:?}); {holder} yielded {:.1?} after the link was back",
            if crash { " and its container died" } else { "" },
            healed.elapsed()
        );
        load.more(100).await?;
        let now = mesh.running(TRIGGER, 1).await?;
        ensure!(
            now[&0].node == taken[&0].node && now[&0].token == taken[&0].token,
            "{taken:?} became {now:?}"
        );
        Ok(moved)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_that_is_cut_off_loses_its_slot_and_yields_when_it_is_back() -> Result<()> {
    let divisible = Divisible::start().await?;
    divisible.mesh.install(1).await?;
    let mut load = Load::begin(&divisible.mesh.doors, 0);
    load.more(100).await?;
    for crash in [false, true] {
        let moved = divisible.cut_off_the_holder(&mut load, crash).await?;
        assert!(moved <= LEASE + START, "the other served after {moved:?}");
    }
    let delivered = load.end().await?;
    acted_one_after_the_other(divisible.mesh, delivered, 3).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_that_was_frozen_does_nothing_under_the_lease_that_it_lost() -> Result<()> {
    let mut mesh = Mesh::in_process().await?;
    for node in ["a", "b"] {
        mesh.join(node, &[]).await?;
    }
    mesh.install(1).await?;
    let mut load = Load::begin(&mesh.doors, 0);
    for _ in 0..2 {
        load.more(100).await?;
        let holder = mesh.slots(TRIGGER).await?[&0].node.to_string();
        block_in_place(|| mesh.agent(&holder)?.pause())?;
        let frozen = Instant::now();
        mesh.slots_once(TRIGGER, "another node serves", |slots| {
            slots
                .get(&0)
                .is_some_and(|slot| slot.node.as_str() != holder && slot.state.is_up())
        })
        .await?;
        println!(
            "{holder} was frozen: another node served after {:.1?}",
            frozen.elapsed()
        );
        load.more(100).await?;
        block_in_place(|| mesh.agent(&holder)?.resume())?;
        mesh.doors
            .within(YIELD, "the one that was frozen has yielded", || async {
                let node = mesh.node(&holder).await?;
                Ok((node["live"] == true && node["used"]["slots"] == 0).then_some(()))
            })
            .await?;
    }
    let delivered = load.end().await?;
    acted_one_after_the_other(mesh, delivered, 3).await
}

/// Every event has run under one key, and of the so many holders of the slot none acted after the next had begun to.
async fn acted_one_after_the_other(
    mesh: Mesh,
    delivered: super::load::Delivered,
    holders: usize,
) -> Result<()> {
    let repeated = balance(&delivered.sent, &mesh.doors, &mesh.orchestrator).await?;
    let outcomes = outcomes::read(&mesh.nats).await?;
    outcomes::one_run_each(&outcomes)?;
    let terms = outcomes::terms(&outcomes, 0)?;
    for term in &terms {
        println!(
            "token {}: node {}, {} attempts from {} to {}",
            term.token, term.node, term.attempts, term.began.0, term.began.1
        );
    }
    let waits = delivered.waits(&mesh.orchestrator)?;
    println!(
        "{} events ran, each under one key, {} of them called more than once; they waited {}",
        delivered.sent.events.len(),
        repeated.len(),
        told(&waits),
    );
    assert_eq!(terms.len(), holders);
    assert!(
        terms.windows(2).all(|pair| pair[0].node != pair[1].node),
        "{terms:?}"
    );
    let longest = *waits.last().context("nothing was delivered")?;
    assert!(longest <= HELD, "an event waited for {longest:?}");
    mesh.end().await
}
