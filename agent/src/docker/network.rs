//! The mesh's own network on an engine: on it containers reach the node and what the node reaches, and not each other.
//!
//! All agents of a mesh on one engine share it. It is made with the first container and goes with the last. The engine would
//! make two of one name, but not two bridges of one name, so the bridge is named too.

use super::container::Refusal;
use super::failure::{refused as refused_container, status, words};
use super::{Docker, labels};
use belfry_mesh::port::runtime::{Error, Spec};
use bollard::models::NetworkCreateRequest;
use bollard::query_parameters::{ListContainersOptions, ListNetworksOptions};
use jiff::Timestamp;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::time::Duration;
use tokio::sync::Mutex;
use tracing::{debug, info};

type Failed = bollard::errors::Error;

/// How often a network is looked for that another agent is about to have made, and how long after each time.
const TRIES: u32 = 50;
const AGAIN: Duration = Duration::from_millis(100);

/// The id of the mesh's own network, once it is known.
#[derive(Default)]
pub(super) struct Own(Mutex<Option<String>>);

impl Own {
    /// It is not there any more.
    pub(super) async fn forget(&self) {
        *self.0.lock().await = None;
    }
}

/// The name of a mesh's own network.
pub(super) fn name(mesh: &str) -> String {
    format!("belfry-{mesh}")
}

/// The name of its bridge: an interface's has 15 bytes at most.
fn bridge(mesh: &str) -> String {
    let digest = Sha256::digest(mesh);
    let digits = digest.iter().take(6).map(|byte| format!("{byte:02x}"));
    format!("bf-{}", digits.collect::<String>())
}

fn request(mesh: &str) -> NetworkCreateRequest {
    let options = [
        // Short for communication among containers.
        ("com.docker.network.bridge.enable_icc", "false".to_owned()),
        ("com.docker.network.bridge.name", bridge(mesh)),
    ];
    let owned = |(key, value): (&str, String)| (key.to_owned(), value);
    NetworkCreateRequest {
        name: name(mesh),
        driver: Some("bridge".to_owned()),
        labels: Some(HashMap::from([(labels::MESH.to_owned(), mesh.to_owned())])),
        options: Some(options.into_iter().map(owned).collect()),
        ..NetworkCreateRequest::default()
    }
}

impl Docker {
    /// The mesh's own network, made if it is not there.
    pub(super) async fn own_network(&self) -> Result<String, Failed> {
        let mut known = self.network.0.lock().await;
        if let Some(id) = &*known {
            return Ok(id.clone());
        }
        let id = self.find_or_make_network().await?;
        *known = Some(id.clone());
        Ok(id)
    }

    async fn find_or_make_network(&self) -> Result<String, Failed> {
        let mut tries = 1;
        loop {
            if let Some(id) = self.oldest_network().await? {
                return Ok(id);
            }
            match self.make_network().await {
                // Another agent is making or removing it, and the engine shows only one that is there.
                Err(error) if tries < TRIES && words(&error).contains("same bridge name") => {
                    tries += 1;
                    tokio::time::sleep(AGAIN).await;
                }
                made => return made,
            }
        }
    }

    async fn make_network(&self) -> Result<String, Failed> {
        let made = self
            .engine
            .create_network(request(&self.config.owner.mesh))
            .await;
        // Another agent may have been quicker, whose network is then everybody's.
        match (self.oldest_network().await?, made) {
            (Some(id), Ok(made)) if made.id != id => {
                self.engine.remove_network(&made.id).await?;
                Ok(id)
            }
            (_, Ok(made)) => {
                info!(network = %self.config.network(), "the mesh's network is made");
                Ok(made.id)
            }
            (Some(id), Err(_)) => Ok(id),
            (None, Err(error)) => Err(error),
        }
    }

    async fn oldest_network(&self) -> Result<Option<String>, Failed> {
        let mesh = &self.config.owner.mesh;
        let label = format!("{}={mesh}", labels::MESH);
        let options = ListNetworksOptions {
            filters: Some(HashMap::from([("label".to_owned(), vec![label])])),
        };
        let listed = self.engine.list_networks(Some(options)).await?;
        let own = listed
            .into_iter()
            .filter(|network| network.name == Some(name(mesh)))
            .filter_map(|network| {
                let made: Option<Timestamp> = network.created.and_then(|at| at.parse().ok());
                Some((made, network.id?))
            });
        Ok(own.min().map(|(_, id)| id))
    }

    /// Removes the mesh's own network if no container of the mesh is left.
    pub(super) async fn leave_network(&self) {
        if self.config.network.is_some() {
            return;
        }
        let mut known = self.network.0.lock().await;
        let leaving = async {
            if !self.making.is_empty() || self.is_peopled().await? {
                return Ok(());
            }
            if let Some(id) = self.oldest_network().await? {
                self.engine.remove_network(&id).await?;
                *known = None;
            }
            Ok(())
        };
        match leaving.await {
            Ok(()) => {}
            // Somebody is on it after all, or somebody else has removed it.
            Err(error) if matches!(status(&error), Some(403 | 404)) => *known = None,
            Err(error) => debug!(%error, "the mesh's network is still there"),
        }
    }

    /// Whether a container of the mesh is there, whichever node's.
    async fn is_peopled(&self) -> Result<bool, Failed> {
        let label = format!("{}={}", labels::MESH, self.config.owner.mesh);
        let options = ListContainersOptions {
            all: true,
            limit: Some(1),
            filters: Some(HashMap::from([("label".to_owned(), vec![label])])),
            ..ListContainersOptions::default()
        };
        let listed = self.engine.list_containers(Some(options)).await?;
        Ok(!listed.is_empty())
    }
}

/// Whether a container was refused because its network is gone.
pub(super) fn is_gone(error: &Failed) -> bool {
    let words = words(error);
    status(error) == Some(404) && words.contains("network") && words.contains("not found")
}

/// Why there is no network of the mesh's own.
pub(super) fn refused(spec: &Spec, error: &Failed) -> Error {
    let why: Refusal = format!(
        "the engine makes no network for it: {}; make room for one (`docker network prune`), or name one that is there with --docker-network",
        words(error)
    );
    match refused_container(spec, error) {
        Error::Unrunnable { slot, .. } => Error::Unrunnable { slot, why },
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bridge_is_named_after_its_mesh_within_what_an_interface_may_be_called() {
        let long = "a-mesh-with-a-name-that-is-longer-than-any-interface-has";
        assert_eq!(bridge(long).len(), 15);
        assert_ne!(bridge(long), bridge("belfry"));
        assert_eq!(bridge("belfry"), bridge("belfry"));
    }
}
