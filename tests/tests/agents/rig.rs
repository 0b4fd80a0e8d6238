//! Agents, the mesh's state, and a runtime that does as it is told.

use anyhow::{Context, Result, bail};
use async_trait::async_trait;
use belfry_agent::{Agent, Config};
use belfry_backends::clock::System;
use belfry_mesh::control::Control;
use belfry_mesh::node::Capacity;
use belfry_mesh::package::{Kind, Manifest, PackageName};
use belfry_mesh::port::Ports;
use belfry_mesh::port::lease::Held;
use belfry_mesh::port::packages::{self, Found, Listed, Packages};
use belfry_mesh::port::runtime::{Error, Health, Instance, LogLine, Logs, Runtime, Spec, Stats};
use belfry_mesh::port::secrets::{self, Secrets};
use belfry_mesh::port::state::Bucket;
use belfry_mesh::trigger::{Change, Desired, SlotState, SlotStatus};
use belfry_mesh::{Target, Trigger};
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use jiff::Timestamp;
use secrecy::SecretString;
use semver::Version;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// A runtime that does as it is told.
#[derive(Default)]
pub(super) struct Fake {
    /// How long it takes to tell what there is, if one of them is not well.
    pub(super) list_takes: Duration,
    /// The engine is away.
    pub(super) list_fails: bool,
    /// Nothing can be removed.
    pub(super) remove_fails: bool,
    /// The trigger whose instances never get well.
    pub(super) never_well: Option<&'static str>,
    pub(super) instances: Mutex<BTreeMap<String, Instance>>,
    pub(super) starts: AtomicUsize,
    pub(super) removes: AtomicUsize,
}

impl Fake {
    pub(super) fn starts(&self) -> usize {
        self.starts.load(Ordering::SeqCst)
    }

    fn there(&self) -> MutexGuard<'_, BTreeMap<String, Instance>> {
        self.instances
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn removes(&self) -> usize {
        self.removes.load(Ordering::SeqCst)
    }
}

fn away() -> Error {
    Error::Unavailable {
        runtime: "fake",
        why: "it is away".into(),
    }
}

#[async_trait]
impl Runtime for Fake {
    fn kind(&self) -> &'static str {
        "fake"
    }

    async fn start(&self, spec: &Spec) -> Result<Instance, Error> {
        if self.list_fails {
            return Err(away());
        }
        self.starts.fetch_add(1, Ordering::SeqCst);
        let id = format!("{}-{}", spec.slot, spec.revision);
        let sick = self.never_well == Some(spec.slot.trigger.as_str());
        let instance = Instance {
            id: id.clone(),
            container_name: id.clone(),
            slot: spec.slot.clone(),
            revision: spec.revision,
            health: if sick {
                Health::Starting
            } else {
                Health::Healthy
            },
            event_url: Some("http://127.0.0.1:9/event".into()),
        };
        self.there().insert(id, instance.clone());
        Ok(instance)
    }

    async fn list(&self) -> Result<Vec<Instance>, Error> {
        if self.list_fails {
            return Err(away());
        }
        let all: Vec<Instance> = self.there().values().cloned().collect();
        // As an engine whose slowest health check hangs.
        if all.iter().any(|one| one.health == Health::Starting) {
            tokio::time::sleep(self.list_takes).await;
        }
        Ok(all)
    }

    async fn remove(&self, id: &str, _: Duration) -> Result<(), Error> {
        self.removes.fetch_add(1, Ordering::SeqCst);
        if self.remove_fails {
            return Err(away());
        }
        self.there().remove(id);
        Ok(())
    }

    fn logs(&self, _: &str, _: Logs) -> BoxStream<'static, Result<LogLine, Error>> {
        stream::empty().boxed()
    }

    async fn stats(&self, _: &str) -> Result<Stats, Error> {
        Ok(Stats::default())
    }

    fn changes(&self) -> BoxStream<'static, ()> {
        stream::pending().boxed()
    }

    async fn close(&self) {}
}

/// No secrets and no packages.
struct Nothing;

#[async_trait]
impl Secrets for Nothing {
    async fn resolve(&self, _: &str) -> Result<Option<SecretString>, secrets::Error> {
        Ok(None)
    }
}

#[async_trait]
impl Packages for Nothing {
    async fn find(
        &self,
        _: Kind,
        name: &PackageName,
        _: Option<&Version>,
        _: Option<&str>,
    ) -> Result<Found, packages::Error> {
        Err(packages::Error::NotFound {
            reference: name.to_string(),
            searched: Vec::new(),
        })
    }

    async fn list(&self) -> Result<Vec<Listed>, packages::Error> {
        Ok(Vec::new())
    }
}

/// The mesh's state, and what runs on it.
pub(super) struct Rig {
    pub(super) ports: Ports,
    tasks: TaskTracker,
    end: CancellationToken,
    ends: CancellationToken,
    backend: TaskTracker,
    _directory: TempDir,
}

impl Rig {
    pub(super) async fn open() -> Result<Self> {
        // Another test of this process may have installed it already.
        rustls::crypto::ring::default_provider()
            .install_default()
            .ok();
        let directory = TempDir::with_prefix("belfry-agents-")?;
        let (backend, ends) = (TaskTracker::new(), CancellationToken::new());
        let config = belfry_backends::Config {
            data: directory.path().to_owned(),
            ..belfry_backends::Config::default()
        };
        let ports = belfry_backends::open(&config, Arc::new(System), &backend, &ends).await?;
        Ok(Self {
            ports,
            tasks: TaskTracker::new(),
            end: CancellationToken::new(),
            ends,
            backend,
            _directory: directory,
        })
    }

    /// Runs an agent on a node of this name, until the end.
    pub(super) fn agent(&self, node: &str, runtime: Arc<Fake>, capacity: Capacity) {
        let node = node.parse().expect("a node's name");
        let config = Config {
            lease_ttl: Duration::from_secs(3),
            grace: Duration::from_secs(1),
            capacity,
            ..Config::new(node, "http://127.0.0.1:9".into())
        };
        let (ports, http) = (self.ports.clone(), reqwest::Client::new());
        let agent = Agent::build(config, ports, runtime, Arc::new(Nothing), http);
        self.tasks.spawn(agent.run(None, self.end.child_token()));
    }

    pub(super) fn control(&self) -> Control {
        Control::new(&self.ports, Arc::new(Nothing), Duration::from_millis(50))
    }

    /// Writes a record as control does. Answers its revision.
    pub(super) async fn put(&self, trigger: &Trigger) -> Result<u64> {
        let (key, value) = (trigger.name.as_str(), serde_json::to_vec(trigger)?);
        Ok(self
            .ports
            .state
            .put(Bucket::Triggers, key, value.into())
            .await?)
    }

    pub(super) async fn record(&self, key: &str) -> Option<Trigger> {
        let entry = self.ports.state.get(Bucket::Triggers, key).await.ok()??;
        serde_json::from_slice(&entry.value).ok()
    }

    pub(super) async fn put_status(&self, key: &str, status: &SlotStatus) -> Result<()> {
        let value = serde_json::to_vec(status)?.into();
        self.ports.state.put(Bucket::Status, key, value).await?;
        Ok(())
    }

    pub(super) async fn status(&self, key: &str) -> Option<SlotStatus> {
        let entry = self.ports.state.get(Bucket::Status, key).await.ok()??;
        serde_json::from_slice(&entry.value).ok()
    }

    /// Takes a slot's lease, as another node would.
    pub(super) async fn lease(&self, key: &str) -> Result<Held> {
        let ttl = Duration::from_secs(3);
        let held = self.ports.leases.acquire(key, "another", ttl).await?;
        held.context("somebody has it")
    }

    pub(super) async fn until_state(&self, key: &str, state: SlotState) -> Result<SlotStatus> {
        self.until(&format!("{key} is {state:?}"), async || {
            self.status(key)
                .await
                .is_some_and(|status| status.state == state)
        })
        .await?;
        self.status(key).await.context("it is gone again")
    }

    pub(super) async fn until_held_by(&self, key: &str, node: &str) -> Result<()> {
        self.until(&format!("{key} is held by {node}"), async || {
            self.status(key)
                .await
                .is_some_and(|status| status.node.as_str() == node)
        })
        .await
    }

    pub(super) async fn until(&self, what: &str, is_so: impl AsyncFn() -> bool) -> Result<()> {
        let began = Instant::now();
        while !is_so().await {
            if began.elapsed() > PATIENCE {
                bail!("it is still not so that {what}");
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    /// Ends everything, and sees that it has ended.
    pub(super) async fn end(self) -> Result<()> {
        for (tasks, end) in [(&self.tasks, &self.end), (&self.backend, &self.ends)] {
            end.cancel();
            tasks.close();
            let ended = tokio::time::timeout(PATIENCE, tasks.wait()).await;
            ended.with_context(|| format!("{} tasks go on", tasks.len()))?;
        }
        Ok(())
    }
}

/// A trigger that takes no event by itself.
pub(super) fn trigger(name: &str, replicas: u32) -> Trigger {
    let manifest = r#"{"name":"t","version":"1.0.0","type":"trigger","trigger":{"type":"manual"}}"#;
    of(name, manifest, replicas)
}

/// A version of `t` with a short probation, for nodes of these constraints.
pub(super) fn version(version: &str, replicas: u32, constraints: &str) -> Trigger {
    let manifest = format!(
        r#"{{"manifest":2,"name":"t","version":"{version}","type":"trigger","trigger":{{"type":"manual"}},
        "requirements":{{"constraints":{constraints}}},"update":{{"deadline_seconds":2,"probation_seconds":1}}}}"#
    );
    of("t", &manifest, replicas)
}

fn of(name: &str, manifest: &str, replicas: u32) -> Trigger {
    Trigger {
        name: name.parse().expect("a trigger's name"),
        registry: "main".into(),
        manifest: Arc::new(Manifest::parse(manifest).expect("a manifest")),
        target: Some(Target::Workflow("w".into())),
        user_config: BTreeMap::new(),
        auth: None,
        rate_limit: None,
        allow_ips: None,
        desired: Desired::Running,
        replicas,
        constraints: Vec::new(),
        containers: None,
        fallback: None,
        rejected: None,
        leaving: false,
        installed_at: Timestamp::UNIX_EPOCH,
        change: Change {
            what: "installed".into(),
            by: "a test".into(),
            at: Timestamp::UNIX_EPOCH,
        },
    }
}
