//! What is there: the containers of this agent, and how they are.

use super::labels::{self, Marks};
use super::{Docker, pulse, unavailable};
use belfry_mesh::port::runtime::{Error, Health, Instance};
use bollard::models::{ContainerSummary, ContainerSummaryStateEnum as State};
use bollard::query_parameters::ListContainersOptions;
use std::collections::HashMap;
use std::sync::{MutexGuard, PoisonError};
use tokio::time::Instant;

impl Docker {
    /// All containers of this mesh and node, in whatever state.
    pub(super) async fn summaries(&self) -> Result<Vec<ContainerSummary>, Error> {
        let options = ListContainersOptions {
            all: true,
            filters: Some(labels::filter(&self.config.owner)),
            ..ListContainersOptions::default()
        };
        let listed = self.engine.list_containers(Some(options)).await;
        listed.map_err(|error| unavailable(&error))
    }

    /// What a container is an instance of, and how it is. None of one that is being removed.
    pub(super) async fn observe(&self, summary: &ContainerSummary) -> Option<Instance> {
        let marks = Marks::read(summary.labels.as_ref()?)?;
        let id = summary.id.clone()?;
        let origin = self
            .address(summary)
            .map(|address| format!("http://{address}:{}", marks.port));
        let health = match summary.state {
            Some(State::REMOVING) => return None,
            Some(State::RUNNING | State::PAUSED) => self.health(&id, origin.as_deref()).await,
            Some(State::CREATED) if self.is_making(&marks) => Health::Starting,
            // Created and never started: whoever made it was killed in between.
            Some(State::CREATED) => Health::Exited(None),
            _ => Health::Exited(self.exit_status(&id).await),
        };
        let names = summary.names.as_ref().and_then(|names| names.first());
        Some(Instance {
            container_name: names
                .map_or(&id, |name| name)
                .trim_start_matches('/')
                .to_owned(),
            id,
            slot: marks.slot,
            revision: marks.revision,
            health,
            event_url: origin.map(|origin| origin + &marks.path),
        })
    }

    /// Forgets the pulse of whatever is not there any more.
    pub(super) fn forget_all_but(&self, summaries: &[ContainerSummary]) {
        self.pulses()
            .retain(|id, _| summaries.iter().any(|there| there.id.as_ref() == Some(id)));
    }

    async fn health(&self, id: &str, origin: Option<&str>) -> Health {
        let known = self.pulses().get(id).cloned();
        let mut pulse = known.unwrap_or_else(|| pulse::Pulse::new(Instant::now()));
        if pulse.is_due(Instant::now()) {
            let check = match origin {
                Some(origin) => pulse::check(&self.http, origin).await,
                None => Err("it has no address on its network".to_owned()),
            };
            pulse.take(Instant::now(), check);
        }
        let health = pulse.health(Instant::now(), self.config.patience);
        self.pulses().insert(id.to_owned(), pulse);
        health
    }

    /// Where the agent reaches a container: on the agent's network, else on any that it is on. On the node's own network that is
    /// the node itself.
    fn address(&self, summary: &ContainerSummary) -> Option<String> {
        let networks = summary.network_settings.as_ref()?.networks.as_ref()?;
        if networks.contains_key("host") {
            return Some("127.0.0.1".to_owned());
        }
        let address = |name: &String| {
            let address = networks.get(name)?.ip_address.as_ref()?;
            (!address.is_empty()).then(|| address.clone())
        };
        let mut names: Vec<&String> = networks.keys().collect();
        names.sort();
        address(&self.config.network).or_else(|| names.into_iter().find_map(address))
    }

    fn is_making(&self, marks: &Marks) -> bool {
        let making = self.making.lock().unwrap_or_else(PoisonError::into_inner);
        making.contains(&(marks.slot.clone(), marks.revision))
    }

    async fn exit_status(&self, id: &str) -> Option<i64> {
        let inspected = self.engine.inspect_container(id, None).await.ok()?;
        let state = inspected.state?;
        // The engine may have started it again meanwhile, and says 0 of one that runs.
        let runs = state.running == Some(true) && state.restarting != Some(true);
        state.exit_code.filter(|_| !runs)
    }

    fn pulses(&self) -> MutexGuard<'_, HashMap<String, pulse::Pulse>> {
        self.pulses.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
