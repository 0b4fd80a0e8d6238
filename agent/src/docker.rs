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
mod make;
mod mount;
mod network;
mod observe;
mod policy;
mod pulse;

pub use policy::Policy;

use async_trait::async_trait;
use belfry_mesh::NodeName;
use belfry_mesh::port::runtime::{Error, Instance, LogLine, Logs, Runtime, Spec, Stats};
use bollard::query_parameters::StopContainerOptions;
use failure::{status, unavailable, words};
use futures::stream::BoxStream;
use image::Failure;
use make::{Making, Makings};
use pulse::Pulse;
use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

const KIND: &str = "docker";

/// How long the engine may take to begin an answer.
const ANSWER: Duration = Duration::from_secs(60);

/// How long an image may take to get onto the node, unless something else is said.
const FETCH: Duration = Duration::from_secs(600);

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
    /// How long the pull or the build of an image may take. Default 10 min.
    pub fetch: Duration,
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
            fetch: FETCH,
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
    making: Makings,
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
            making: Makings::default(),
            network: network::Own::default(),
            starts: TaskTracker::new(),
            closing: CancellationToken::new(),
        })
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
        let _making = Making::begin(&self.making, spec).await;
        if let Some(instance) = self.present(spec).await? {
            return Ok(instance);
        }
        let provided = self
            .closing
            .run_until_cancelled(self.provide(&image))
            .await
            .ok_or_else(closed)?;
        let provided = provided.map_err(|failure| match failure {
            Failure::Refused(why) => unrunnable(why),
            Failure::Other(error) => error,
        })?;
        container.body.user = Some(container::user(provided.as_deref()));
        self.make(container, spec).await
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
