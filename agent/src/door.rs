//! Commands to this node over the bus: how it is, whether it takes slots, and what its containers write.

mod log;

use crate::Agent;
use belfry_mesh::Problem;
use belfry_mesh::command::{self, ReadLog};
use belfry_mesh::control::{self, NodeStatus, Nodes};
use belfry_mesh::node::Availability;
use belfry_mesh::port::calls::Handler;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

/// How long a drain waits until the node has left its slots.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    by: Option<String>,
}

/// What commands need. It ends waits when the agent ends.
#[derive(Clone)]
struct Door {
    agent: Arc<Agent>,
    nodes: Nodes,
    shutdown: CancellationToken,
}

/// Serves this node's commands until `shutdown`.
pub(crate) async fn run(agent: Arc<Agent>, shutdown: CancellationToken) {
    let door = Door {
        nodes: Nodes::new(&agent.ports, PATIENCE),
        agent: agent.clone(),
        shutdown: shutdown.clone(),
    };
    let endpoints = vec![
        door.verb("status", |door, _: Asked| async move {
            door.answer(door.nodes.status(&door.agent.config.node).await)
        }),
        door.verb("logs", |door, asked: ReadLog| async move {
            log::read(&door.agent, asked, &door.shutdown).await
        }),
        door.availability("cordon", Availability::Cordoned),
        door.availability("uncordon", Availability::Active),
        door.availability("drain", Availability::Drained),
    ];
    drop(door);
    let ports = &agent.ports;
    let complain = |subject: &str, error: &_| {
        warn!(subject, %error, "commands to this node are not heard; trying again");
    };
    let (calls, clock) = (ports.calls.as_ref(), ports.clock.as_ref());
    let served = command::serve(calls, clock, endpoints, complain);
    if let Some(_serving) = shutdown.run_until_cancelled(served).await {
        debug!("commands to this node are heard");
        shutdown.cancelled().await;
    }
}

impl Door {
    /// What takes requests of this verb.
    fn verb<T, A, F>(
        &self,
        verb: &str,
        act: impl Fn(Self, T) -> F + Clone + Send + Sync + 'static,
    ) -> (String, Handler)
    where
        T: DeserializeOwned + Send,
        A: Serialize,
        F: Future<Output = Result<A, Problem>> + Send,
    {
        let subject = command::node_subject(&self.agent.config.node, verb);
        let door = self.clone();
        let handler: Handler = Arc::new(move |payload| {
            let (door, act) = (door.clone(), act.clone());
            Box::pin(async move {
                let result = match command::read(&payload) {
                    Ok(asked) => act(door, asked).await,
                    Err(problem) => Err(problem),
                };
                command::answer(result)
            })
        });
        (subject, handler)
    }

    fn availability(&self, verb: &str, availability: Availability) -> (String, Handler) {
        self.verb(verb, move |door, asked: Asked| async move {
            let by = command::by(asked.by.as_deref())?;
            let node = &door.agent.config.node;
            let set = door.nodes.set_availability(node, availability, &by);
            match door.shutdown.run_until_cancelled(set).await {
                Some(set) => door.answer(set),
                None => door.answer(door.nodes.status(node).await),
            }
        })
    }

    fn answer(&self, result: Result<NodeStatus, control::Error>) -> Result<NodeStatus, Problem> {
        result.map_err(|error| Problem::new(error.status(), error.to_string()))
    }
}
