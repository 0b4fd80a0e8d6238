//! The Docker runtime: each trigger in a container of its own, as little able as it can be.
//!
//! What the agent made it knows again by labels, mesh and node among them, and it touches nothing else. Containers outlive an
//! agent that is killed; the next one on the node finds them.

mod access;
mod archive;
mod changes;
mod container;
mod failure;
mod ignore;
mod image;
mod labels;
mod log;
mod mount;
mod network;
mod observe;
mod policy;
mod pulse;

pub use policy::Policy;

use async_trait::async_trait;
use belfry_mesh::NodeName;
use belfry_mesh::placement::Slot;
use belfry_mesh::port::runtime::{Error, Instance, LogLine, Logs, Runtime, Spec, Stats};
use bollard::models::{ContainerSummaryStateEnum as State, NetworkConnectRequest};
use bollard::query_parameters::{
    CreateContainerOptions, RemoveContainerOptions, StopContainerOptions,
};
use container::Container;
use failure::{refused, status, unavailable, words};
use futures::stream::BoxStream;
use image::Failure;
use pulse::Pulse;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{info, warn};

const KIND: &str = "docker";

/// How long the engine may take to begin an answer.
const ANSWER: Duration = Duration::from_secs(60);

/// How often a container is made for whose network another agent had no use any more, just then.
const TIMES: usize = 3;

/// How often an instance whose removal somebody else began is looked for.
const GONE: Duration = Duration::from_millis(50);

/// Whose containers they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// The mesh's name: agents of several meshes may share an engine.
    pub mesh: String,
    /// The node.
    pub node: NodeName,
}

/// How containers are made.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Where the engine is: `unix://…`, `tcp://…` or `http://…`. Default `unix:///var/run/docker.sock`.
    pub host: String,
    /// Whose containers they are.
    pub owner: Owner,
    /// The image of the standard trigger. Default `belfry-trigger` of this version.
    pub image: String,
    /// The network that containers are on, and on which the agent reaches them. None, the default: one of the mesh's own, made
    /// when it is needed, on which they do not reach each other.
    pub network: Option<String>,
    /// How long a container may take until it answers its health check for the first time. Default 60 s.
    pub patience: Duration,
    /// What packages may have.
    pub policy: Policy,
    /// What stands for the variables of images, ports and mounts, besides the trigger's own environment.
    pub variables: BTreeMap<String, String>,
    /// The directory with the `config.json` in which `docker login` keeps how it gets into registries. None: none is kept.
    pub docker_config: Option<PathBuf>,
}

impl Config {
    /// The defaults for an owner.
    #[must_use]
    pub fn new(owner: Owner) -> Self {
        Self {
            host: "unix:///var/run/docker.sock".to_owned(),
            owner,
            image: concat!("belfry-trigger:", env!("CARGO_PKG_VERSION")).to_owned(),
            network: None,
            patience: Duration::from_secs(60),
            policy: Policy::default(),
            variables: BTreeMap::new(),
            docker_config: None,
        }
    }

    /// The name of the network that containers are on.
    fn network(&self) -> String {
        let own = || network::name(&self.owner.mesh);
        self.network.clone().unwrap_or_else(own)
    }
}

/// Runs triggers on a Docker Engine (API 1.41, which is 20.10, and later).
pub struct Docker {
    engine: bollard::Docker,
    config: Config,
    http: reqwest::Client,
    pulses: Mutex<HashMap<String, Pulse>>,
    /// What is between its creation and its start.
    making: Mutex<BTreeSet<(Slot, u64)>>,
    network: network::Own,
    /// The starts that are under way.
    starts: TaskTracker,
    /// Cancelled when nothing more is to be started.
    closing: CancellationToken,
}

impl Docker {
    /// Connects to the engine and agrees on a version of its API. `http` checks the containers' health.
    ///
    /// # Errors
    /// [`Error::Unavailable`] if there is no engine.
    pub async fn connect(config: Config, http: reqwest::Client) -> Result<Self, Error> {
        let connected = async {
            bollard::Docker::connect_with_host(&config.host)?
                .with_timeout(ANSWER)
                .negotiate_version()
                .await
        };
        let engine = connected.await.map_err(|error| Error::Unavailable {
            runtime: KIND,
            why: format!("no engine at {}: {}", config.host, words(&error)),
        })?;
        Ok(Self {
            engine,
            config,
            http,
            pulses: Mutex::default(),
            making: Mutex::default(),
            network: network::Own::default(),
            starts: TaskTracker::new(),
            closing: CancellationToken::new(),
        })
    }

    /// The instance of this slot and revision that runs already. One that does not run gives way.
    async fn present(&self, spec: &Spec) -> Result<Option<Instance>, Error> {
        for summary in self.summaries_of(&spec.slot).await? {
            let Some(found) = self.observe(&summary).await else {
                continue;
            };
            if (&found.slot, found.revision) != (&spec.slot, spec.revision) {
                continue;
            }
            if summary.state == Some(State::RUNNING) {
                return Ok(Some(found));
            }
            self.discard(&found.id).await?;
        }
        Ok(None)
    }

    async fn begin(&self, spec: &Spec) -> Result<Instance, Error> {
        let unrunnable = |why| Error::Unrunnable {
            slot: spec.slot.clone(),
            why,
        };
        let image = image::image(spec, &self.config).map_err(unrunnable)?;
        let mut container =
            container::container(spec, &image.name, &self.config).map_err(unrunnable)?;
        let followed = container.follow_mounts(&self.config.policy).await;
        followed.map_err(unrunnable)?;
        let _making = Making::begin(&self.making, spec);
        if let Some(instance) = self.present(spec).await? {
            return Ok(instance);
        }
        let provided = self
            .closing
            .run_until_cancelled(self.provide(&image))
            .await
            .ok_or_else(closed)?;
        let user = provided.map_err(|failure| match failure {
            Failure::Refused(why) => unrunnable(why),
            Failure::Other(error) => error,
        })?;
        container.body.user = container::user(user.as_deref());
        self.make(container, spec).await
    }

    async fn make(&self, mut container: Container, spec: &Spec) -> Result<Instance, Error> {
        let is_own = self.config.network.is_none() && container.is_on(&self.config.network());
        let mut left = TIMES;
        let id = loop {
            if is_own {
                let network = self.own_network().await;
                let network = network.map_err(|error| network::refused(spec, &error))?;
                container.set_network(network);
            }
            match self.launch(&container, spec).await {
                Err(error) if is_own && left > 1 && network::is_gone(&error) => {
                    left -= 1;
                    self.network.forget().await;
                }
                launched => break launched.map_err(|error| refused(spec, &error))?,
            }
        };
        let found = self.summaries_of(&spec.slot).await?;
        for summary in found.iter().filter(|found| found.id.as_ref() == Some(&id)) {
            if let Some(instance) = self.observe(summary).await {
                info!(slot = %spec.slot, revision = spec.revision, container = %instance.container_name, "a container is started");
                return Ok(instance);
            }
        }
        Err(Error::NotFound(id))
    }

    /// Creates a container and starts it. Nothing half-made is left.
    async fn launch(
        &self,
        container: &Container,
        spec: &Spec,
    ) -> Result<String, bollard::errors::Error> {
        let owner = &self.config.owner;
        let mut created = self.create(container.name.clone(), container).await;
        if created
            .as_ref()
            .is_err_and(|error| status(error) == Some(409))
        {
            // Another agent's, on the same engine: the labels tell them apart, people need the longer name.
            let full = format!("{}.{}.{}", container.name, owner.mesh, owner.node);
            created = self.create(full, container).await;
        }
        let id = created?;
        let launched = async {
            for network in &container.networks {
                let request = NetworkConnectRequest {
                    container: id.clone(),
                    endpoint_config: None,
                };
                self.engine.connect_network(network, request).await?;
            }
            self.engine.start_container(&id, None).await
        };
        if let Err(error) = launched.await {
            if let Err(left) = self.discard(&id).await {
                warn!(slot = %spec.slot, error = %left, "a container that could not be started is still there");
            }
            return Err(error);
        }
        Ok(id)
    }

    async fn create(
        &self,
        name: String,
        container: &Container,
    ) -> Result<String, bollard::errors::Error> {
        let options = CreateContainerOptions {
            name: Some(name),
            ..CreateContainerOptions::default()
        };
        let body = container.body.clone();
        let created = self.engine.create_container(Some(options), body).await?;
        for warning in created.warnings {
            warn!(
                warning,
                "the engine cannot do all that a container should have"
            );
        }
        Ok(created.id)
    }

    /// Removes a container at once, with the volumes that nobody can name.
    async fn discard(&self, id: &str) -> Result<(), Error> {
        let options = RemoveContainerOptions {
            force: true,
            v: true,
            link: false,
        };
        match self.engine.remove_container(id, Some(options)).await {
            Ok(()) => Ok(()),
            Err(error) if status(&error) == Some(404) => Ok(()),
            Err(error) if status(&error) == Some(409) => self.gone(id).await,
            Err(error) => Err(unavailable(&error)),
        }
    }

    /// Waits until a container is gone whose removal is under way.
    async fn gone(&self, id: &str) -> Result<(), Error> {
        let looking = async {
            loop {
                match self.engine.inspect_container(id, None).await {
                    Ok(_) => tokio::time::sleep(GONE).await,
                    Err(error) if status(&error) == Some(404) => return Ok(()),
                    Err(error) => return Err(unavailable(&error)),
                }
            }
        };
        tokio::time::timeout(ANSWER, looking)
            .await
            .unwrap_or_else(|_| {
                Err(Error::Unavailable {
                    runtime: KIND,
                    why: format!("container `{id}` is being removed, and still there"),
                })
            })
    }
}

#[async_trait]
impl Runtime for Docker {
    fn kind(&self) -> &'static str {
        KIND
    }

    async fn start(&self, spec: &Spec) -> Result<Instance, Error> {
        // Before the question, so that whoever closes either waits for this start or prevents it.
        let _underway = self.starts.token();
        if self.closing.is_cancelled() {
            return Err(closed());
        }
        self.begin(spec).await
    }

    async fn list(&self) -> Result<Vec<Instance>, Error> {
        let summaries = self.summaries().await?;
        self.forget_all_but(&summaries);
        let observed = summaries.iter().map(|summary| self.observe(summary));
        let observed = futures::future::join_all(observed).await;
        Ok(observed.into_iter().flatten().collect())
    }

    async fn remove(&self, id: &str, grace: Duration) -> Result<(), Error> {
        let options = StopContainerOptions {
            t: i32::try_from(grace.as_secs()).ok(),
            signal: None,
        };
        let patient = self.engine.clone().with_timeout(grace + ANSWER);
        match patient.stop_container(id, Some(options)).await {
            Ok(()) => {}
            Err(error) if status(&error) == Some(404) => return Ok(()),
            // One that cannot be stopped, being stopped already or never started, is removed all the same.
            Err(error) if status(&error).is_some() => {}
            Err(error) => return Err(unavailable(&error)),
        }
        self.discard(id).await?;
        self.leave_network().await;
        Ok(())
    }

    fn logs(&self, id: &str, what: Logs) -> BoxStream<'static, Result<LogLine, Error>> {
        self.read_log(id, what)
    }

    async fn stats(&self, id: &str) -> Result<Stats, Error> {
        self.measure(id).await
    }

    fn changes(&self) -> BoxStream<'static, ()> {
        changes::stream(self.engine.clone(), &self.config.owner)
    }

    async fn close(&self) {
        self.closing.cancel();
        self.starts.close();
        self.starts.wait().await;
    }
}

fn closed() -> Error {
    Error::Unavailable {
        runtime: KIND,
        why: "the agent ends, and starts nothing more".to_owned(),
    }
}

/// Marks what is being made, for as long as it is.
struct Making<'a> {
    all: &'a Mutex<BTreeSet<(Slot, u64)>>,
    this: (Slot, u64),
}

impl<'a> Making<'a> {
    fn begin(all: &'a Mutex<BTreeSet<(Slot, u64)>>, spec: &Spec) -> Self {
        let this = (spec.slot.clone(), spec.revision);
        all.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(this.clone());
        Self { all, this }
    }
}

impl Drop for Making<'_> {
    fn drop(&mut self) {
        self.all
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&self.this);
    }
}
