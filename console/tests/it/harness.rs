//! A mesh of one console, with embedded storage, a registry that the test fills, and an agent that the test plays.

use crate::document::Document;
use crate::forgetful::Forgetful;
use crate::http::{Answer, Request};
use crate::stamped::Stamped;
use anyhow::Result;
use async_trait::async_trait;
use belfry_backends::clock::System;
use belfry_console::{Config, Console, Error};
use belfry_mesh::control::Probation;
use belfry_mesh::event::Proven;
use belfry_mesh::node::{Availability, Capacity, HEARTBEAT, Load, Node};
use belfry_mesh::outcome::{DeadLetter, Holder, Outcome, Status};
use belfry_mesh::package::{Kind, Manifest, PackageName};
use belfry_mesh::placement::Slot;
use belfry_mesh::port::Ports;
use belfry_mesh::port::clock::Clock;
use belfry_mesh::port::log::{Delivery, Range, Sequence};
use belfry_mesh::port::packages::{self, Found, Listed, Packages};
use belfry_mesh::port::state::{Bucket, Change};
use belfry_mesh::trace::TraceParent;
use belfry_mesh::trigger::{Desired, SlotState, SlotStatus};
use belfry_mesh::{EventId, NodeName, Trigger, TriggerName, control};
use bytes::Bytes;
use futures::StreamExt;
use jiff::Timestamp;
use rand::SeedableRng;
use rand::rngs::StdRng;
use semver::Version;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long a test waits for what must come.
pub(crate) const SOON: Duration = Duration::from_secs(10);

pub(crate) struct Mesh {
    pub(crate) ports: Ports,
    pub(crate) address: SocketAddr,
    registry: Arc<Registry>,
    document: Document,
    stop: CancellationToken,
    console: JoinHandle<Result<(), Error>>,
    backends: (TaskTracker, CancellationToken),
    agent: (TaskTracker, CancellationToken),
    _directory: TempDir,
}

/// A mesh that is still to be set up.
pub(crate) struct Setup {
    pub(crate) patience: Duration,
    pub(crate) shutdown_grace: Duration,
    pub(crate) agent: bool,
    /// Whether the log that the console sees has dropped the bodies of all events.
    pub(crate) forgetful: bool,
}

/// The registry `main`.
#[derive(Default)]
struct Registry {
    packages: Mutex<Vec<Arc<Manifest>>>,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            patience: SOON,
            shutdown_grace: SOON,
            agent: true,
            forgetful: false,
        }
    }
}

impl Setup {
    pub(crate) async fn start(self) -> Mesh {
        let directory = tempfile::tempdir().unwrap();
        let (backend_tasks, backend_stop) = (TaskTracker::new(), CancellationToken::new());
        let backends = belfry_backends::Config {
            data: directory.path().join("mesh"),
            ..<_>::default()
        };
        let ports =
            belfry_backends::open(&backends, Arc::new(System), &backend_tasks, &backend_stop)
                .await
                .unwrap();

        let agent = (TaskTracker::new(), CancellationToken::new());
        if self.agent {
            let ports = ports.clone();
            let running = async move { tokio::join!(play_agent(ports.clone()), beat(&ports)) };
            let stop = agent.1.clone();
            agent
                .0
                .spawn(async move { stop.run_until_cancelled(running).await });
        }

        let registry = Arc::new(Registry::default());
        let (address, stop, console) = self
            .console(directory.path(), &ports, registry.clone())
            .await;
        let document = Document::read(address).await;
        let backends = (backend_tasks, backend_stop);
        let mesh = Mesh {
            ports,
            address,
            registry,
            document,
            stop,
            console,
            backends,
            agent,
            _directory: directory,
        };
        mesh.publish_package(
            "hook",
            "1.0.0",
            json!({"type": "webhook", "auth": {"scheme": "none"}}),
        );
        mesh
    }

    async fn console(
        &self,
        directory: &Path,
        ports: &Ports,
        registry: Arc<Registry>,
    ) -> (SocketAddr, CancellationToken, JoinHandle<Result<(), Error>>) {
        let config = Config {
            patience: self.patience,
            shutdown_grace: self.shutdown_grace,
            max_body: 64 * 1024,
            hosts: vec!["console.example".into()],
            ..Config::new(directory.join("console"))
        };
        let mut ports = ports.clone();
        ports.state = Arc::new(Stamped(ports.state));
        if self.forgetful {
            ports.events = Arc::new(Forgetful(ports.events));
        }
        let console = Console::build(config, ports, registry, StdRng::seed_from_u64(7)).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let running = TaskTracker::new().spawn(console.run(listener, stop.clone()));
        (address, stop, running)
    }
}

impl Mesh {
    pub(crate) async fn start() -> Self {
        Setup::default().start().await
    }

    /// Puts a package into the registry.
    pub(crate) fn publish_package(&self, name: &str, version: &str, trigger: Value) {
        let document = json!({
            "manifest": 2, "name": name, "version": version, "type": "trigger", "publisher": "belfry",
            "description": "for tests", "trigger": trigger
        });
        let manifest = Manifest::parse(document.to_string()).unwrap();
        self.registry
            .packages
            .lock()
            .unwrap()
            .push(Arc::new(manifest));
    }

    /// Puts a service into the registry.
    pub(crate) fn publish_service(&self, name: &str, version: &str) {
        let document = json!({
            "manifest": 2, "name": name, "version": version, "type": "mcp", "publisher": "belfry",
            "description": "for tests", "deployment": {"image": "files:1"}
        });
        let manifest = Manifest::parse(document.to_string()).unwrap();
        let mut packages = self.registry.packages.lock().unwrap();
        packages.push(Arc::new(manifest));
    }

    /// Sends a request and holds the answer against the OpenAPI document.
    pub(crate) async fn send(&self, request: Request) -> Answer {
        let answer = request.send(self.address).await.unwrap();
        self.document.check(&request, &answer);
        answer
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(Request::new("GET", path)).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(Request::new("POST", path).json(body)).await
    }

    pub(crate) async fn command(&self, method: &str, path: &str) -> Answer {
        self.send(Request::new(method, path)).await
    }

    /// What `GET` on this path answers with 200.
    pub(crate) async fn read(&self, path: &str) -> Value {
        let answer = self.get(path).await;
        assert_eq!(
            answer.status,
            200,
            "{path}: {:?}",
            String::from_utf8_lossy(&answer.body)
        );
        answer.json()
    }

    /// Asks until the check holds.
    pub(crate) async fn until(&self, path: &str, check: impl Fn(&Value) -> bool) -> Value {
        let wait = async {
            loop {
                let found = self.read(path).await;
                if check(&found) {
                    return found;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        match tokio::time::timeout(SOON, wait).await {
            Ok(found) => found,
            Err(_) => panic!("never came true: {path}; it is {:#}", self.read(path).await),
        }
    }

    /// Installs the package `hook` under a name.
    pub(crate) async fn install(&self, name: &str) {
        let body = json!({"workflow_id": "w1", "name": name});
        let answer = self.post("/registries/install/trigger/hook", &body).await;
        assert_eq!(
            answer.status,
            200,
            "{:?}",
            String::from_utf8_lossy(&answer.body)
        );
    }

    /// Stores an event for a trigger, as an operator's run, under an id of the test's choice.
    pub(crate) async fn store(&self, trigger: &str, id: &str, data: impl Into<Bytes>) -> Sequence {
        let event = event(&TriggerName::parse(trigger).unwrap(), id, data.into());
        self.ports.events.publish(&event).await.unwrap().sequence
    }

    /// Plays the pump: takes the next delivery of a trigger, which must be there, and records what became of it.
    pub(crate) async fn settle(&self, trigger: &str, status: Status) -> Sequence {
        let trigger = TriggerName::parse(trigger).unwrap();
        let mut consumer = self.ports.events.consumer(&trigger).await.unwrap();
        let taken = tokio::time::timeout(SOON, consumer.next(1))
            .await
            .expect("nothing to deliver")
            .unwrap();
        let Delivery {
            event,
            attempt,
            claim,
            ..
        } = taken.into_iter().next().unwrap();
        let outcome = outcome(&event.id, trigger, attempt, status);
        let sequence = self.ports.outcomes.record(&outcome).await.unwrap();
        match status {
            Status::Triggered | Status::Ignored => claim.ack().await.unwrap(),
            Status::Retrying => claim.retry_after(Duration::ZERO).await.unwrap(),
            Status::Dead => {
                self.ports
                    .outcomes
                    .bury(&DeadLetter { event, outcome })
                    .await
                    .unwrap();
                claim.give_up().await.unwrap();
            }
        }
        sequence
    }

    /// Buries an event that the log does not have.
    pub(crate) async fn bury(&self, trigger: &str, id: &str, data: &'static str) {
        let trigger = TriggerName::parse(trigger).unwrap();
        let event = event(&trigger, id, data.into()).event().clone();
        let outcome = outcome(&event.id, trigger, 8, Status::Dead);
        self.ports
            .outcomes
            .bury(&DeadLetter { event, outcome })
            .await
            .unwrap();
    }

    /// How many dead letters the log has.
    pub(crate) async fn letters_in_the_log(&self) -> usize {
        let range = Range {
            after: 0,
            live: false,
        };
        self.ports
            .outcomes
            .dead_letters(range)
            .await
            .unwrap()
            .count()
            .await
    }

    /// Whether a trigger is in the state.
    pub(crate) async fn is_installed(&self, name: &str) -> bool {
        let entry = self.ports.state.get(Bucket::Triggers, name).await.unwrap();
        entry.is_some_and(|entry| !control::decode(&entry).unwrap().leaving)
    }

    /// Closes the storage under the console.
    pub(crate) async fn lose_backends(&self) {
        self.backends.1.cancel();
        self.backends.0.close();
        self.backends.0.wait().await;
    }

    /// Tells the console to stop.
    pub(crate) fn begin_to_stop(&self) {
        self.stop.cancel();
    }

    /// Ends all, and answers how the console ended. Nothing may be left of it.
    pub(crate) async fn end(self) -> Result<(), Error> {
        self.stop.cancel();
        let ended = tokio::time::timeout(2 * SOON, self.console)
            .await
            .expect("the console does not end")
            .unwrap();
        self.agent.1.cancel();
        self.agent.0.close();
        self.agent.0.wait().await;
        self.backends.1.cancel();
        self.backends.0.close();
        self.backends.0.wait().await;
        ended
    }

    /// Ends all, which must go well.
    pub(crate) async fn stop(self) {
        self.end().await.unwrap();
    }
}

fn event(trigger: &TriggerName, id: &str, data: Bytes) -> Proven {
    let trace =
        TraceParent::parse("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01").unwrap();
    Proven::run(
        trigger,
        EventId::parse(id).unwrap(),
        data,
        System.now(),
        trace,
    )
}

fn outcome(event_id: &EventId, trigger: TriggerName, attempt: u32, status: Status) -> Outcome {
    let ran = status == Status::Triggered;
    Outcome {
        event_id: event_id.clone(),
        trigger,
        attempt,
        status,
        reason: (!ran).then(|| "the test says so".into()),
        http_status: Some(if ran { 200 } else { 503 }),
        execution_id: ran.then(|| format!("exec-{event_id}")),
        latency_ms: 3,
        at: System.now(),
        retry_at: (status == Status::Retrying).then(|| System.now()),
        by: Holder {
            node: NodeName::parse("n1").unwrap(),
            slot: 0,
            token: 1,
            revision: 1,
        },
    }
}

/// An agent that makes every trigger so at once, but for one of the name `sick`, which cannot run, and for an update to version
/// 6, which does not hold.
async fn play_agent(ports: Ports) {
    put_node(&ports, "n1", System.now()).await;
    let mut changes = ports.state.watch(Bucket::Triggers).await.unwrap();
    while let Some(change) = changes.next().await {
        match change {
            Change::Put(entry) => {
                let trigger = control::decode(&entry).unwrap();
                if trigger.manifest.version().major == 6 && trigger.fallback.is_some() {
                    let (found, by) = (Probation::Failed("it never got healthy".into()), "n1");
                    let of = (&trigger, entry.revision);
                    let (state, events) = (ports.state.as_ref(), ports.events.as_ref());
                    let clock = ports.clock.as_ref();
                    control::end_probation(state, events, clock, of, &found, by)
                        .await
                        .unwrap();
                    continue;
                }
                fill_slots(&ports, &trigger, entry.revision).await;
            }
            Change::Deleted { key, .. } => empty_slots(&ports, &key, 0).await,
            Change::Current => {}
        }
    }
}

/// Says again and again that node `n1` is there.
async fn beat(ports: &Ports) {
    loop {
        tokio::time::sleep(HEARTBEAT).await;
        put_node(ports, "n1", System.now()).await;
    }
}

/// Says that all slots of a trigger are as it wants them, on node `n1`.
async fn fill_slots(ports: &Ports, trigger: &Trigger, revision: u64) {
    let sick = trigger.name.as_str() == "sick";
    let state = match trigger.desired {
        Desired::Running if sick => SlotState::Error,
        Desired::Running => SlotState::Running,
        Desired::Paused => SlotState::Paused,
        Desired::Stopped => SlotState::Stopped,
    };
    let slots = if trigger.leaving { 0 } else { trigger.replicas };
    for index in 0..slots {
        let status = SlotStatus {
            node: NodeName::parse("n1").unwrap(),
            token: 1,
            revision,
            state,
            serving: state.is_up().then_some(revision),
            detail: sick.then(|| "trigger `sick`: secret `X` is not set on this node".into()),
            container_name: Some(format!("container-of-{}", trigger.name)),
            since: System.now(),
        };
        let slot = Slot {
            trigger: trigger.name.clone(),
            index,
        };
        let value = serde_json::to_vec(&status).unwrap().into();
        let key = slot.key();
        let put = ports.state.put(Bucket::Status, &key, value);
        put.await.unwrap();
    }
    empty_slots(ports, trigger.name.as_str(), slots).await;
}

/// Leaves all slots of a trigger but the first ones.
async fn empty_slots(ports: &Ports, trigger: &str, keep: u32) {
    for entry in ports.state.list(Bucket::Status).await.unwrap() {
        let slot = Slot::parse(&entry.key).unwrap();
        if slot.trigger.as_str() == trigger && slot.index >= keep {
            let delete = ports.state.delete(Bucket::Status, &entry.key, None);
            delete.await.unwrap();
        }
    }
}

/// Says that a node was there at this time.
pub(crate) async fn put_node(ports: &Ports, name: &str, seen_at: Timestamp) {
    let node = Node {
        name: NodeName::parse(name).unwrap(),
        version: "1.2.3".into(),
        runtime: "in-process".into(),
        labels: [("zone".to_owned(), "eu".to_owned())].into(),
        availability: Availability::Active,
        capacity: Capacity {
            slots: Some(8),
            memory: None,
        },
        used: Load::default(),
        trouble: None,
        seen_at,
    };
    let value = serde_json::to_vec(&node).unwrap().into();
    ports.state.put(Bucket::Nodes, name, value).await.unwrap();
}

#[async_trait]
impl Packages for Registry {
    async fn find(
        &self,
        kind: Kind,
        name: &PackageName,
        version: Option<&Version>,
        registry: Option<&str>,
    ) -> Result<Found, packages::Error> {
        if let Some(asked) = registry.filter(|asked| *asked != "main") {
            return Err(packages::Error::UnknownRegistry {
                asked: asked.into(),
                known: vec!["main".into()],
            });
        }
        let packages = self.packages.lock().unwrap();
        let fitting = packages.iter().filter(|manifest| {
            manifest.kind() == kind
                && manifest.name() == name
                && version.is_none_or(|version| version == manifest.version())
        });
        match fitting.max_by_key(|manifest| manifest.version().clone()) {
            Some(manifest) => Ok(Found {
                registry: "main".into(),
                manifest: manifest.clone(),
            }),
            None => Err(packages::Error::NotFound {
                reference: name.to_string(),
                searched: vec!["main".into()],
            }),
        }
    }

    async fn list(&self) -> Result<Vec<Listed>, packages::Error> {
        let line = |manifest: &Arc<Manifest>| Listed {
            kind: manifest.kind(),
            name: manifest.name().to_string(),
            version: manifest.version().to_string(),
            versions: vec![manifest.version().to_string()],
            description: manifest.description().to_owned(),
            publisher: manifest.publisher().unwrap_or_default().to_owned(),
            trigger_type: manifest.source().kind().to_owned(),
            registry: "main".into(),
        };
        Ok(self.packages.lock().unwrap().iter().map(line).collect())
    }
}
