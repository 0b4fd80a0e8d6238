//! A gateway that is watched, a sender that behaves beside the strangers, and what both went through.

use crate::world::senders::TRIGGER;
use crate::world::{Dev, PATIENCE, github, pull_request};
use anyhow::{Context, Result, ensure};
use serde_json::json;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{Mutex, MutexGuard};
use tokio::task::JoinHandle;

/// How long a delivery beside a siege may take at most, on a small machine that a debug build and its attackers share.
const LATEST: Duration = Duration::from_secs(3);

/// How often the sender beside sends.
const EVERY: Duration = Duration::from_millis(25);

/// How often the memory is looked at.
const LOOK: Duration = Duration::from_millis(20);

/// One at a time, so that each is measured alone.
static TURN: Mutex<()> = Mutex::const_new(());

/// A gateway under siege.
pub(crate) struct Siege {
    pub(crate) dev: Dev,
    pub(crate) at: SocketAddr,
    what: &'static str,
    idle: u64,
    highest: Arc<AtomicU64>,
    over: Arc<AtomicBool>,
    watch: JoinHandle<()>,
    neighbour: JoinHandle<Result<Vec<Duration>>>,
    _turn: MutexGuard<'static, ()>,
}

impl Siege {
    /// Begins one, with a sender beside it that sends by turns on a connection that it keeps and on a new one.
    pub(crate) async fn begin(what: &'static str, arguments: &[&str]) -> Result<Self> {
        Self::begin_beside(what, arguments, true).await
    }

    /// The same with a sender that keeps no connection.
    pub(crate) async fn begin_beside_who_keeps_none(
        what: &'static str,
        arguments: &[&str],
    ) -> Result<Self> {
        Self::begin_beside(what, arguments, false).await
    }

    async fn begin_beside(what: &'static str, arguments: &[&str], keeps: bool) -> Result<Self> {
        let turn = TURN.lock().await;
        let dev = Dev::start_with(arguments).await?;
        dev.doors
            .install(TRIGGER, json!({"workflow_id": "review"}))
            .await?;
        // Connections and caches are warm once a few deliveries have passed.
        for number in 0..5 {
            deliver(&dev, &dev.doors.http, 1_000_000 + number).await?;
        }
        let idle = dev.belfry.resident()?;
        let (highest, over) = (
            Arc::new(AtomicU64::new(idle)),
            Arc::new(AtomicBool::new(false)),
        );
        let at = SocketAddr::from(([127, 0, 0, 1], dev.doors.gateway));
        let watch = watch(&dev, &highest, &over)?;
        let neighbour = neighbour(&dev, &over, keeps);
        Ok(Self {
            dev,
            at,
            what,
            idle,
            highest,
            over,
            watch,
            neighbour,
            _turn: turn,
        })
    }

    pub(crate) async fn connect(&self) -> Result<TcpStream> {
        Ok(TcpStream::connect(self.at).await?)
    }

    /// Connects and sends.
    pub(crate) async fn send(&self, bytes: &[u8]) -> Result<TcpStream> {
        let mut stream = self.connect().await?;
        stream.write_all(bytes).await?;
        Ok(stream)
    }

    /// How much more memory than before is in use at this moment, in bytes.
    pub(crate) fn grown(&self) -> Result<u64> {
        Ok(self.dev.belfry.resident()?.saturating_sub(self.idle))
    }

    /// Ends it: the sender beside was answered 202 in time, each time, and the memory never grew by more than this many bytes.
    pub(crate) async fn end(self, most: u64) -> Result<()> {
        self.over.store(true, Ordering::Relaxed);
        self.watch.await?;
        let mut latencies = self.neighbour.await?.context(self.what)?;
        latencies.sort_unstable();
        let last = latencies.last().copied().context("nobody was beside")?;
        let share = |percent: usize| latencies[(latencies.len() - 1) * percent / 100];
        let grown = self.highest.load(Ordering::Relaxed) - self.idle;
        println!(
            "{}: {:.1} MB at rest, {:.1} MB more at the most (bound {:.0} MB); beside it {} deliveries, p50 {:?} p99 {:?} max {last:?}",
            self.what,
            megabytes(self.idle),
            megabytes(grown),
            megabytes(most),
            latencies.len(),
            share(50),
            share(99),
        );
        ensure!(
            grown <= most,
            "{}: the memory grew by {grown} bytes",
            self.what
        );
        ensure!(last <= LATEST, "{}: a delivery took {last:?}", self.what);
        Ok(())
    }
}

fn watch(dev: &Dev, highest: &Arc<AtomicU64>, over: &Arc<AtomicBool>) -> Result<JoinHandle<()>> {
    let status = format!("/proc/{}/status", dev.belfry.pid()?);
    let (highest, over) = (highest.clone(), over.clone());
    Ok(spawn(async move {
        while !over.load(Ordering::Relaxed) {
            let told = std::fs::read_to_string(&status).unwrap_or_default();
            let resident = told.lines().find_map(|line| {
                let kib = line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB")?;
                Some(kib.trim().parse::<u64>().ok()? * 1024)
            });
            highest.fetch_max(resident.unwrap_or_default(), Ordering::Relaxed);
            tokio::time::sleep(LOOK).await;
        }
    }))
}

/// Sends until it is over, on new connections and, if it keeps one, on that by turns.
fn neighbour(dev: &Dev, over: &Arc<AtomicBool>, keeps: bool) -> JoinHandle<Result<Vec<Duration>>> {
    let (doors, over) = (dev.doors.clone(), over.clone());
    spawn(async move {
        let fresh = reqwest::Client::builder()
            .pool_max_idle_per_host(0)
            .timeout(PATIENCE)
            .build()?;
        let mut due = tokio::time::interval(EVERY);
        let mut latencies = Vec::new();
        while !over.load(Ordering::Relaxed) {
            due.tick().await;
            let number = latencies.len() as u64;
            let kept = keeps && number.is_multiple_of(2);
            let client = if kept { &doors.http } else { &fresh };
            let began = Instant::now();
            post(doors.gateway, client, number).await?;
            latencies.push(began.elapsed());
        }
        Ok(latencies)
    })
}

async fn deliver(dev: &Dev, client: &reqwest::Client, number: u64) -> Result<()> {
    post(dev.doors.gateway, client, number).await
}

async fn post(port: u16, client: &reqwest::Client, number: u64) -> Result<()> {
    let delivery = github(&format!("beside-{number}"), &pull_request(number));
    let response = client
        .post(format!("http://127.0.0.1:{port}/hooks/{TRIGGER}"))
        .headers(delivery.headers)
        .body(delivery.body)
        .send()
        .await
        .with_context(|| format!("delivery {number} was not answered"))?;
    let status = response.status();
    ensure!(
        status == 202,
        "delivery {number}: {status} {}",
        response.text().await?
    );
    Ok(())
}

#[expect(
    clippy::disallowed_methods,
    reason = "what besets a test ends with its runtime"
)]
pub(crate) fn spawn<T: Send + 'static>(
    task: impl Future<Output = T> + Send + 'static,
) -> JoinHandle<T> {
    tokio::spawn(task)
}

/// The head of a delivery by a stranger, with these headers besides.
pub(crate) fn head(more: &str) -> String {
    format!("POST /hooks/{TRIGGER} HTTP/1.1\r\nhost: belfry\r\n{more}\r\n")
}

/// The status of the next answer, and the end of its head. `None` if the connection ends without one.
pub(crate) async fn status(stream: &mut TcpStream) -> Option<u16> {
    let read = async {
        let mut told = Vec::new();
        while !told.ends_with(b"\r\n\r\n") {
            told.push(stream.read_u8().await.ok()?);
        }
        std::str::from_utf8(told.get(9..12)?).ok()?.parse().ok()
    };
    tokio::time::timeout(PATIENCE, read).await.ok()?
}

pub(crate) fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}
