//! What is there: the containers of this agent, and how they are.

use super::labels::{self, Marks};
use super::{Docker, failure, pulse, unavailable};
use belfry_mesh::package::Check;
use belfry_mesh::placement::Slot;
use belfry_mesh::port::runtime::{Error, Health, Instance, Stats};
use bollard::models::{ContainerSummary, ContainerSummaryStateEnum as State};
use bollard::query_parameters::{ListContainersOptions, StatsOptions};
use futures::StreamExt;
use std::collections::HashMap;
use std::sync::{MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

impl Docker {
    /// All containers of this mesh and node, in whatever state.
    pub(super) async fn summaries(&self) -> Result<Vec<ContainerSummary>, Error> {
        self.listed(labels::filter(&self.config.owner)).await
    }

    /// Those of one slot.
    pub(super) async fn summaries_of(&self, slot: &Slot) -> Result<Vec<ContainerSummary>, Error> {
        self.listed(labels::slot_filter(&self.config.owner, slot))
            .await
    }

    async fn listed(
        &self,
        filters: HashMap<String, Vec<String>>,
    ) -> Result<Vec<ContainerSummary>, Error> {
        let options = ListContainersOptions {
            all: true,
            filters: Some(filters),
            ..ListContainersOptions::default()
        };
        let listed = self.engine.list_containers(Some(options)).await;
        listed.map_err(|error| unavailable(&error))
    }

    /// What a container is an instance of, and how it is. None of one that is being removed, nor of a dead one: that is what is
    /// left where a removal failed. It never runs again, and the engine itself ends its removal when it starts next.
    pub(super) async fn observe(&self, summary: &ContainerSummary) -> Option<Instance> {
        let marks = Marks::read(summary.labels.as_ref()?)?;
        let id = summary.id.clone()?;
        let place = self
            .address(summary)
            .map(|address| format!("{address}:{}", marks.port));
        let health = match summary.state {
            Some(State::REMOVING | State::DEAD) => return None,
            Some(State::RUNNING | State::PAUSED) => {
                self.health(&id, place.as_deref(), &marks.health).await
            }
            Some(State::CREATED) if self.making.is_making(&marks.slot, marks.revision) => {
                Health::Starting
            }
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
            event_url: place.map(|place| format!("http://{place}{}", marks.path)),
        })
    }

    /// Forgets the pulse of whatever is not there any more.
    pub(super) fn forget_all_but(&self, summaries: &[ContainerSummary]) {
        self.pulses()
            .retain(|id, _| summaries.iter().any(|there| there.id.as_ref() == Some(id)));
    }

    async fn health(&self, id: &str, place: Option<&str>, check: &Check) -> Health {
        let known = self.pulses().get(id).cloned();
        let mut pulse = known.unwrap_or_else(|| pulse::Pulse::new(Instant::now()));
        if pulse.is_due(Instant::now()) {
            let checked = pulse::check(&self.http, place, check).await;
            pulse.take(Instant::now(), checked);
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
        address(&self.config.network()).or_else(|| names.into_iter().find_map(address))
    }

    async fn exit_status(&self, id: &str) -> Option<i64> {
        let inspected = self.engine.inspect_container(id, None).await.ok()?;
        let state = inspected.state?;
        // The engine may have started it again meanwhile, and says 0 of one that runs.
        let runs = state.running == Some(true) && state.restarting != Some(true);
        state.exit_code.filter(|_| !runs)
    }

    /// What a container uses, see [`Runtime::stats`](belfry_mesh::port::runtime::Runtime::stats).
    pub(super) async fn measure(&self, id: &str) -> Result<Stats, Error> {
        let options = StatsOptions {
            stream: false,
            // Without waiting for a second look, which only a share of the processor needs.
            one_shot: true,
        };
        let told = self.engine.stats(id, Some(options)).boxed().next().await;
        let told = match told {
            Some(Ok(told)) => told,
            Some(Err(error)) if failure::status(&error) == Some(404) => {
                return Err(Error::NotFound(id.to_owned()));
            }
            Some(Err(error)) => return Err(unavailable(&error)),
            None => return Ok(Stats::default()),
        };
        let memory = told.memory_stats.unwrap_or_default();
        let cached = memory.stats.as_ref().and_then(|stats| {
            // The names of the two versions of control groups.
            let either = stats.get("total_inactive_file");
            either.or_else(|| stats.get("inactive_file")).copied()
        });
        let used = told
            .cpu_stats
            .and_then(|stats| stats.cpu_usage?.total_usage);
        Ok(Stats {
            memory_bytes: memory
                .usage
                .map(|usage| usage.saturating_sub(cached.unwrap_or(0))),
            cpu_seconds: used.map(|used| Duration::from_nanos(used).as_secs_f64()),
            pids: told.pids_stats.and_then(|stats| stats.current),
        })
    }

    fn pulses(&self) -> MutexGuard<'_, HashMap<String, pulse::Pulse>> {
        self.pulses.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::docker::make::Makings;
    use crate::docker::{Config, Owner, network};
    use belfry_mesh::{NodeName, TriggerName};
    use std::sync::Mutex;
    use tokio_util::sync::CancellationToken;
    use tokio_util::task::TaskTracker;

    /// On an engine that is not there.
    fn docker() -> Docker {
        let provider = rustls::crypto::ring::default_provider();
        // Another test of this process may have installed it already.
        provider.install_default().ok();
        let owner = Owner {
            mesh: "m".to_owned(),
            node: NodeName::parse("n").unwrap(),
        };
        Docker {
            engine: bollard::Docker::connect_with_host("tcp://127.0.0.1:1").unwrap(),
            config: Config::new(owner),
            http: crate::client().build().unwrap(),
            pulses: Mutex::default(),
            making: Makings::default(),
            network: network::Own::default(),
            starts: TaskTracker::new(),
            closing: CancellationToken::new(),
        }
    }

    #[tokio::test]
    async fn what_a_failed_removal_left_is_no_instance() {
        let docker = docker();
        let slot = Slot {
            trigger: TriggerName::parse("bell").unwrap(),
            index: 0,
        };
        let marks = Marks {
            slot,
            revision: 7,
            port: 8080,
            path: "/event".to_owned(),
            health: Check::Running,
        };
        let observed = async |state| {
            let summary = ContainerSummary {
                id: Some("id".to_owned()),
                labels: Some(marks.write(&docker.config.owner)),
                state: Some(state),
                ..ContainerSummary::default()
            };
            Some(docker.observe(&summary).await?.health)
        };
        assert_eq!(observed(State::DEAD).await, None);
        assert_eq!(observed(State::REMOVING).await, None);
        assert_eq!(observed(State::CREATED).await, Some(Health::Exited(None)));
        assert_eq!(observed(State::EXITED).await, Some(Health::Exited(None)));
    }
}
