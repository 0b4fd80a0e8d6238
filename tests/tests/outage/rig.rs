//! Gateways over one bus and one Redis that are broken and mended under load.

use super::flood::{self, Flood, Kind, Record};
use super::ledger;
use crate::world::senders::TRIGGER;
use crate::world::{Doors, PATIENCE, secrets};
use anyhow::{Context, Result, bail, ensure};
use belfry_tests::servers::{Belfry, Nats, Redis, Role, Server};
use serde_json::json;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::task::block_in_place;

/// How many deliveries a second there are, if a test does not say otherwise.
pub(super) const RATE: u32 = 500;

/// How long a spool may take to drain once the bus is back.
const DRAIN: Duration = Duration::from_secs(15);

/// Gateways, console and registry in processes of their own, with one webhook installed. Nobody takes its events: what the gateways
/// store stays to be counted.
pub(super) struct Rig {
    /// The doors of each gateway.
    pub(super) doors: Vec<Doors>,
    pub(super) gateways: Vec<Belfry>,
    pub(super) redis: Redis,
    pub(super) nats: Nats,
    /// The number of the next flood's first delivery.
    next: u64,
    _console: Belfry,
    _registry: Belfry,
    _secrets: TempDir,
}

/// How a server fails.
#[derive(Debug, Clone, Copy)]
pub(super) enum Fault {
    /// It ends in good order.
    Stopped,
    /// It dies.
    Killed,
    /// It is silent, and its connections stay open.
    Frozen,
}

/// What fails, and for how long.
#[derive(Debug, Clone, Copy)]
pub(super) struct Outage {
    pub(super) bus: Option<Fault>,
    pub(super) redis: Option<Fault>,
    /// The first gateway is killed half-way. It starts again after the bus, which it needs to start.
    pub(super) gateway_dies: bool,
    pub(super) lasts: Duration,
    /// How many deliveries a second there are.
    pub(super) rate: u32,
}

/// How an outage went.
pub(super) struct Story {
    pub(super) record: Record,
    /// From when to when something was away.
    pub(super) away: (Instant, Instant),
    /// How long after that the spools were empty.
    pub(super) drained: Duration,
}

impl Rig {
    /// So many gateways, with these arguments besides.
    pub(super) async fn start(gateways: usize, arguments: &[&str]) -> Result<Self> {
        let secrets = secrets()?;
        let (nats, redis) = (Nats::start()?, Redis::start()?);
        let (nats_url, redis_url) = (nats.url(), redis.url());
        let secrets_path = secrets.path().to_string_lossy().into_owned();
        let bus = ["--nats-url", &nats_url, "--redis-url", &redis_url];
        let registry = Belfry::role(Role::Registry, &[])?;
        let registry_addr = format!("127.0.0.1:{}", registry.port());
        let console = [&bus[..], &["--registry-addr", &registry_addr]].concat();
        let console = Belfry::role(Role::Console, &console)?;
        let gateway = [&bus[..], &["--secrets", &secrets_path], arguments].concat();
        let gateways = (0..gateways).map(|_| Belfry::role(Role::Gateway, &gateway));
        let gateways: Vec<Belfry> = gateways.collect::<Result<_>>()?;
        let doors = |gateway: &Belfry| Doors::new(gateway.port(), console.port());
        let rig = Self {
            doors: gateways.iter().map(doors).collect(),
            gateways,
            redis,
            nats,
            next: 0,
            _console: console,
            _registry: registry,
            _secrets: secrets,
        };
        rig.install().await?;
        Ok(rig)
    }

    /// The console would wait for an agent to run it, and there is none, which no gateway cares about.
    async fn install(&self) -> Result<()> {
        let path = format!("/registries/install/trigger/{TRIGGER}");
        let body = json!({"workflow_id": "review"});
        let installed = async {
            match self.doors[0].console("POST", &path, Some(body)).await {
                Ok((200, _)) => std::future::pending().await,
                other => bail!("installing {TRIGGER}: {other:?}"),
            }
        };
        let opened = async {
            for doors in &self.doors {
                doors.opened(TRIGGER).await?;
            }
            Ok(())
        };
        tokio::select! {
            opened = opened => opened,
            refused = installed => refused,
        }
    }

    /// Something is away while deliveries pour in, from half a second before to half a second after. `meanwhile` looks at it. Afterwards the
    /// spools drain, and each delivery is in the log once.
    pub(super) async fn suffer(
        &mut self,
        outage: Outage,
        meanwhile: impl AsyncFnOnce(&Self, &Flood) -> Result<()>,
    ) -> Result<Story> {
        let a_few = outage.rate as usize / 2;
        let flood = Flood::begin(&self.doors, outage.rate, self.next);
        flood.more(a_few, &Kind::ACKNOWLEDGED).await?;
        let began = Instant::now();
        block_in_place(|| self.fail(outage))?;
        let watched = async {
            if outage.gateway_dies {
                tokio::time::sleep(outage.lasts / 2).await;
                block_in_place(|| self.gateways[0].kill())?;
            }
            meanwhile(self, &flood).await
        };
        watched.await?;
        tokio::time::sleep(outage.lasts.saturating_sub(began.elapsed())).await;
        block_in_place(|| self.mend(outage))?;
        let mended = Instant::now();
        let over = async {
            flood.more(a_few, &Kind::ACKNOWLEDGED).await?;
            flood.end().await
        };
        let (record, drained) = tokio::try_join!(over, self.drained())?;
        // What came last may have been spooled yet.
        self.drained().await?;
        let story = Story {
            record,
            away: (began, mended),
            drained: drained - mended,
        };
        story.tell(outage);
        let stored = ledger::balance(&ledger::read(&self.nats).await?, &story.record)?;
        println!("    all of {stored} deliveries are in the log once");
        let last = story.record.answers.iter().map(|answer| answer.number);
        self.next = last.max().context("nothing was answered")? + 1;
        Ok(story)
    }

    fn fail(&mut self, outage: Outage) -> Result<()> {
        outage
            .bus
            .map_or(Ok(()), |fault| fault.begin(&mut self.nats))?;
        let redis = outage.redis;
        redis.map_or(Ok(()), |fault| fault.begin(&mut self.redis))
    }

    fn mend(&mut self, outage: Outage) -> Result<()> {
        let redis = outage.redis;
        redis.map_or(Ok(()), |fault| fault.end(&mut self.redis))?;
        outage
            .bus
            .map_or(Ok(()), |fault| fault.end(&mut self.nats))?;
        if outage.gateway_dies {
            self.gateways[0].restart()?;
        }
        Ok(())
    }

    /// Answers when all spools were empty.
    pub(super) async fn drained(&self) -> Result<Instant> {
        for gateway in 0..self.doors.len() {
            let empty = || async {
                let depth = self.counted(gateway, "belfry_spool_events").await?;
                Ok((depth == 0.0).then_some(()))
            };
            self.doors[gateway]
                .within(2 * PATIENCE, "the spool is empty", empty)
                .await?;
        }
        Ok(Instant::now())
    }

    /// A number of `/metrics` of a gateway, by its name and labels.
    pub(super) async fn counted(&self, gateway: usize, name: &str) -> Result<f64> {
        let doors = &self.doors[gateway];
        let url = format!("http://127.0.0.1:{}/metrics", doors.gateway);
        let text = doors.http.get(url).send().await?.text().await?;
        let value = |line: &str| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok();
        let value = text.lines().find_map(value);
        value.with_context(|| format!("no {name} in the metrics:\n{text}"))
    }

    /// Looks at a gateway whose bus is away: it is ready, and says how much waits since when.
    pub(super) async fn shows_its_spool(&self, gateway: usize, least: u64) -> Result<()> {
        let (status, ready) = self.doors[gateway].readiness().await?;
        let checks = &ready["checks"];
        ensure!(
            status == 200
                && ready["status"] == "degraded"
                && checks["bus"] == "unavailable"
                && checks["spool"] == "draining",
            "{status} {ready}"
        );
        let events = ready["spool"]["events"].as_u64().unwrap_or_default();
        let age = ready["spool"]["oldest_seconds"].as_u64();
        let age = age.with_context(|| format!("no age: {ready}"))?;
        ensure!(events >= least, "only {events} events wait: {ready}");
        // The counts are of a moment later.
        let up = self.counted(gateway, "belfry_gateway_up{part=\"event_log\"}");
        ensure!(up.await? == 0.0, "the event log counts as up");
        let counted = self.counted(gateway, "belfry_spool_events").await?;
        let waits = self.counted(gateway, "belfry_spool_age_seconds").await?;
        ensure!(
            counted >= events as f64 && waits >= age as f64 && waits < age as f64 + 10.0,
            "{ready} and then {counted} events for {waits} s"
        );
        println!("    meanwhile /ready: {ready}; /metrics: {counted} events for {waits:.1} s");
        Ok(())
    }
}

impl Outage {
    /// So many seconds in which nothing fails yet.
    pub(super) fn of(seconds: u64) -> Self {
        Self {
            bus: None,
            redis: None,
            gateway_dies: false,
            lasts: Duration::from_secs(seconds),
            rate: RATE,
        }
    }

    pub(super) fn bus(self, fault: Fault) -> Self {
        Self {
            bus: Some(fault),
            ..self
        }
    }

    pub(super) fn redis(self, fault: Fault) -> Self {
        Self {
            redis: Some(fault),
            ..self
        }
    }
}

impl Fault {
    fn begin(self, server: &mut Server) -> Result<()> {
        match self {
            Self::Stopped => server.stop(),
            Self::Killed => server.kill(),
            Self::Frozen => server.pause(),
        }
    }

    fn end(self, server: &mut Server) -> Result<()> {
        match self {
            Self::Stopped | Self::Killed => server.restart(),
            Self::Frozen => server.resume(),
        }
    }
}

impl Story {
    /// No sender got anything but a 2xx, none waited longer than this, and the spools drained in time.
    pub(super) fn nobody_noticed(&self, longest: Duration) -> Result<()> {
        let counts = &self.record.counts;
        ensure!(
            self.record.count(&Kind::ACKNOWLEDGED) == self.record.answers.len(),
            "somebody got no 2xx: {counts:?}"
        );
        let took = self.record.answers.iter().map(|answer| answer.took);
        let took = took.max().unwrap_or_default();
        ensure!(took <= longest, "an answer took {took:?}");
        self.has_drained()
    }

    /// The spools drained in time.
    pub(super) fn has_drained(&self) -> Result<()> {
        let drained = self.drained;
        ensure!(drained <= DRAIN, "the spools took {drained:?} to drain");
        Ok(())
    }

    fn tell(&self, outage: Outage) {
        let (from, to) = self.away;
        println!(
            "bus {:?}, Redis {:?}, {} a second {}for {:.1?}: {:?}",
            outage.bus,
            outage.redis,
            outage.rate,
            if outage.gateway_dies {
                "and the gateway killed half-way, "
            } else {
                ""
            },
            to - from,
            self.record.counts
        );
        let took = self.record.latencies(from, to);
        if let Some(longest) = took.last() {
            let share = |share| flood::share(&took, share);
            println!(
                "    {} answers to what was due meanwhile: p50 {:.1?} p99 {:.1?} max {longest:.1?}; the spools were empty {:.1?} after it",
                took.len(),
                share(0.5),
                share(0.99),
                self.drained
            );
        }
    }
}
