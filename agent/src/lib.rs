//! The agent: one a node. It takes the slots that are its to take, makes their containers so, pumps events into them and
//! records what became of each.

mod admin;
mod answering;
mod attempt;
mod breaker;
mod campaign;
pub mod docker;
mod door;
mod environment;
mod heartbeat;
mod plan;
mod postmortem;
mod pump;
mod recent;
mod reconcile;
mod slot;
mod start;
mod tenure;
mod trial;
mod view;

pub use attempt::client;

use belfry_mesh::NodeName;
use belfry_mesh::node::{Availability, Capacity, Load, Node};
use belfry_mesh::port::Ports;
use belfry_mesh::port::runtime::Runtime;
use belfry_mesh::port::secrets::Secrets;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How an agent behaves.
#[derive(Debug, Clone)]
pub struct Config {
    /// The node's name, one a mesh.
    pub node: NodeName,
    /// What placement may ask for.
    pub labels: BTreeMap<String, String>,
    /// What the node has for slots. Default: no bound.
    pub capacity: Capacity,
    /// Where workflows live: `ORCHESTRATOR_URL` of the trigger contract.
    pub orchestrator: String,
    /// Where the orchestrator's web socket is: `ORCHESTRATOR_WS` of the trigger contract.
    pub orchestrator_ws: Option<String>,
    /// The time to live of a slot's lease. Default 10 s: so long its slots stay idle when a node dies. At least 3 s.
    pub lease_ttl: Duration,
    /// How long each place in the line for a slot waits longer than the one before it. Default 500 ms.
    pub patience_step: Duration,
    /// How often all is looked at again without anything having happened. Default 10 s.
    pub resync: Duration,
    /// How long attempts in flight may take to end when the agent stops. Default 30 s.
    pub grace: Duration,
    /// Seeds the jitter of retries.
    pub seed: u64,
}

impl Config {
    /// The defaults for a node.
    #[must_use]
    pub fn new(node: NodeName, orchestrator: String) -> Self {
        Self {
            node,
            labels: BTreeMap::new(),
            capacity: Capacity::default(),
            orchestrator,
            orchestrator_ws: None,
            lease_ttl: Duration::from_secs(10),
            patience_step: Duration::from_millis(500),
            resync: Duration::from_secs(10),
            grace: Duration::from_secs(30),
            seed: 0,
        }
    }
}

/// What is wanted of a node, what its slots take, and what keeps it from taking more.
type Condition = (Availability, Load, Option<String>);

/// An agent, ready to run.
pub struct Agent {
    config: Config,
    ports: Ports,
    runtime: Arc<dyn Runtime>,
    secrets: Arc<dyn Secrets>,
    http: reqwest::Client,
    /// What is wanted of the node, and what its slots take.
    standing: Mutex<Condition>,
    /// Told when others should hear of the node before its next heartbeat.
    news: Notify,
}

impl Agent {
    /// An agent over these ports. `http` posts the events.
    #[must_use]
    pub fn build(
        config: Config,
        ports: Ports,
        runtime: Arc<dyn Runtime>,
        secrets: Arc<dyn Secrets>,
        http: reqwest::Client,
    ) -> Self {
        Self {
            config,
            ports,
            runtime,
            secrets,
            http,
            standing: Mutex::default(),
            news: Notify::new(),
        }
    }

    /// What the node says of itself now.
    fn node(&self) -> Node {
        let standing = self.standing.lock().unwrap_or_else(PoisonError::into_inner);
        let (availability, used, trouble) = standing.clone();
        drop(standing);
        Node {
            name: self.config.node.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            runtime: self.runtime.kind().to_owned(),
            labels: self.config.labels.clone(),
            availability,
            capacity: self.config.capacity,
            used,
            trouble,
            seen_at: self.ports.clock.now(),
        }
    }

    /// Takes note of what is wanted of the node and what its slots take.
    fn tell(&self, availability: Availability, load: Load, trouble: Option<String>) {
        let mut standing = self.standing.lock().unwrap_or_else(PoisonError::into_inner);
        let (before, _, had) = std::mem::replace(&mut *standing, (availability, load, trouble));
        if before != availability || had != standing.2 {
            self.news.notify_one();
        }
    }

    /// Runs until `shutdown`, then stops pulling, lets what is in flight end, releases its slots, and returns when all that it
    /// started has ended. On `admin` it says meanwhile how it is: `GET /health`, `GET /ready`.
    pub async fn run(self, admin: Option<TcpListener>, shutdown: CancellationToken) {
        let agent = Arc::new(self);
        let tasks = TaskTracker::new();
        if let Some(listener) = admin {
            tasks.spawn(admin::serve(agent.clone(), listener, shutdown.clone()));
        }
        tasks.spawn(heartbeat::run(agent.clone(), shutdown.clone()));
        tasks.spawn(door::run(agent.clone(), shutdown.clone()));
        reconcile::run(agent, &tasks, shutdown).await;
        tasks.close();
        tasks.wait().await;
    }
}
