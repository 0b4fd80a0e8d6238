//! Containers come and go: created, started, removed.

use super::container::Container;
use super::failure::{refused, status, unavailable};
use super::{ANSWER, Docker, KIND, network};
use belfry_mesh::placement::Slot;
use belfry_mesh::port::runtime::{Error, Instance, Spec};
use bollard::models::{ContainerSummaryStateEnum as State, NetworkConnectRequest};
use bollard::query_parameters::{CreateContainerOptions, RemoveContainerOptions};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::OwnedMutexGuard;
use tracing::{info, warn};

/// How often a container is made for whose network another agent had no use any more, just then.
const TIMES: usize = 3;

/// How often an instance whose removal somebody else began is looked for.
const GONE: Duration = Duration::from_millis(50);

impl Docker {
    /// The instance of this slot and revision that runs already. One that does not run gives way.
    pub(super) async fn present(&self, spec: &Spec) -> Result<Option<Instance>, Error> {
        for summary in self.summaries_of(&spec.slot).await? {
            if let (Some(State::DEAD), Some(id)) = (summary.state, &summary.id) {
                self.bury(id).await;
            }
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

    pub(super) async fn make(
        &self,
        mut container: Container,
        spec: &Spec,
    ) -> Result<Instance, Error> {
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
    pub(super) async fn discard(&self, id: &str) -> Result<(), Error> {
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

    /// Tries again to remove what a failed removal left. What is started now does not depend on it.
    async fn bury(&self, id: &str) {
        if let Err(error) = self.discard(id).await {
            warn!(container = id, %error, "what is left of a container cannot be removed; restart the engine, which then removes it");
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

/// What is being made: marked for as long as anybody makes it or waits to, who take turns.
#[derive(Default)]
pub(super) struct Makings(Mutex<HashMap<(Slot, u64), Turns>>);

#[derive(Default)]
struct Turns {
    /// How many make it or wait.
    wanted: usize,
    turn: Arc<tokio::sync::Mutex<()>>,
}

impl Makings {
    /// Whether this revision of a slot is being made.
    pub(super) fn is_making(&self, slot: &Slot, revision: u64) -> bool {
        self.all().contains_key(&(slot.clone(), revision))
    }

    /// Whether nothing is being made.
    pub(super) fn is_empty(&self) -> bool {
        self.all().is_empty()
    }

    fn all(&self) -> MutexGuard<'_, HashMap<(Slot, u64), Turns>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One making of a slot's revision. Another one of the same waits for its end, and finds what it made.
pub(super) struct Making<'a> {
    all: &'a Makings,
    this: (Slot, u64),
    turn: Option<OwnedMutexGuard<()>>,
}

impl<'a> Making<'a> {
    pub(super) async fn begin(all: &'a Makings, spec: &Spec) -> Self {
        let this = (spec.slot.clone(), spec.revision);
        let turn = {
            let mut makings = all.all();
            let turns = makings.entry(this.clone()).or_default();
            turns.wanted += 1;
            turns.turn.clone()
        };
        // Before the wait, so that whoever gives up waiting leaves no mark.
        let mut making = Self {
            all,
            this,
            turn: None,
        };
        making.turn = Some(turn.lock_owned().await);
        making
    }
}

impl Drop for Making<'_> {
    fn drop(&mut self) {
        self.turn = None;
        let mut makings = self.all.all();
        if let Some(turns) = makings.get_mut(&self.this) {
            turns.wanted -= 1;
            if turns.wanted == 0 {
                makings.remove(&self.this);
            }
        }
    }
}

#[cfg(test)]
mod tests;
