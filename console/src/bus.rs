//! Commands over the bus, from any of its clients: the same as the API's, answered with the same JSON.

use crate::answer::{self, Install, said};
use crate::api::Refusal;
use crate::desk::{Change, Desk, Order};
use belfry_mesh::command::{self, ReadLog};
use belfry_mesh::control::Status;
use belfry_mesh::package::Kind;
use belfry_mesh::port::calls::{Calls, Handler};
use belfry_mesh::port::clock::Clock;
use belfry_mesh::port::packages::Reference;
use belfry_mesh::{Problem, TriggerName};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Named {
    name: TriggerName,
    by: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Scale {
    name: TriggerName,
    replicas: u32,
    by: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Update {
    name: TriggerName,
    registry_id: Option<String>,
    #[serde(default, deserialize_with = "said")]
    auth: Option<Value>,
    #[serde(default, deserialize_with = "said")]
    rate_limit: Option<Value>,
    #[serde(default, deserialize_with = "said")]
    allow_ips: Option<Value>,
    by: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rollback {
    name: TriggerName,
    revision: Option<u64>,
    by: Option<String>,
}

/// All of them, unless it is said how many and after which name: one answer of the bus does not hold thousands.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct List {
    after: Option<String>,
    limit: Option<usize>,
    #[serde(rename = "by")]
    _by: Option<String>,
}

/// The body of the API's install, and what stands in its path.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct InstallPackage {
    package: String,
    name: Option<String>,
    workflow_id: Option<String>,
    team_id: Option<String>,
    #[serde(default)]
    config: BTreeMap<String, String>,
    auth: Option<Value>,
    rate_limit: Option<Value>,
    allow_ips: Option<Value>,
    replicas: Option<u32>,
    #[serde(default)]
    constraints: Vec<String>,
    registry_id: Option<String>,
    by: Option<String>,
}

/// Serves the commands until `shutdown`.
pub(crate) async fn serve(
    desk: Arc<Desk>,
    calls: Arc<dyn Calls>,
    clock: Arc<dyn Clock>,
    shutdown: CancellationToken,
) {
    let endpoints = [Kind::Trigger, Kind::Mcp]
        .into_iter()
        .flat_map(|kind| {
            endpoints(&Door {
                desk: desk.clone(),
                kind,
            })
        })
        .collect();
    drop(desk);
    let complain = |subject: &str, error: &_| {
        tracing::warn!(subject, %error, "commands over the bus are not heard; trying again");
    };
    let served = command::serve(calls.as_ref(), clock.as_ref(), endpoints, complain);
    if let Some(_serving) = shutdown.run_until_cancelled(served).await {
        tracing::debug!("commands are heard over the bus");
        shutdown.cancelled().await;
    }
}

/// The desk, for packages of one kind.
#[derive(Clone)]
struct Door {
    desk: Arc<Desk>,
    kind: Kind,
}

fn endpoints(door: &Door) -> Vec<(String, Handler)> {
    let mut all = vec![
        door.verb("list", |door, asked: List| async move {
            Ok(page(door.desk.list(door.kind).await?, &asked))
        }),
        door.verb("status", |door, asked: Named| async move {
            door.desk.status(door.kind, &asked.name).await
        }),
        door.verb("history", |door, asked: Named| async move {
            door.desk.history(door.kind, &asked.name).await
        }),
        door.verb("logs", |door, asked: ReadLog| async move {
            door.desk.logs(door.kind, asked).await
        }),
        door.verb("install", |door, asked: InstallPackage| async move {
            let by = command::by(asked.by.as_deref())?;
            door.desk.install(asked.order(door.kind)?, by).await
        }),
        door.verb("uninstall", |door, asked: Named| async move {
            let by = command::by(asked.by.as_deref())?;
            door.desk.uninstall(door.kind, asked.name, by).await
        }),
        door.verb("update", |door, asked: Update| async move {
            let by = command::by(asked.by.as_deref())?;
            let to = answer::Update {
                auth: asked.auth,
                rate_limit: asked.rate_limit,
                allow_ips: asked.allow_ips,
            };
            let (name, registry) = (asked.name, asked.registry_id);
            door.desk.update(door.kind, name, registry, to, by).await
        }),
        door.verb("rollback", |door, asked: Rollback| async move {
            let by = command::by(asked.by.as_deref())?;
            let Rollback { name, revision, .. } = asked;
            door.desk.rollback(door.kind, name, revision, by).await
        }),
        door.verb("scale", |door, asked: Scale| async move {
            let by = command::by(asked.by.as_deref())?;
            let to = Change::Scale(asked.replicas);
            door.desk.change(door.kind, asked.name, to, by).await
        }),
        door.change("start", Change::Start),
        door.change("stop", Change::Stop),
        door.change("restart", Change::Restart),
    ];
    if door.kind == Kind::Trigger {
        all.push(door.change("pause", Change::Pause));
        all.push(door.change("resume", Change::Resume));
    }
    all
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
        F: Future<Output = Result<A, Refusal>> + Send,
    {
        let (door, subject) = (self.clone(), command::subject(self.kind, verb));
        let heard = subject.clone();
        let handler: Handler = Arc::new(move |payload| {
            let (door, act, subject) = (door.clone(), act.clone(), heard.clone());
            Box::pin(async move {
                let result = match command::read(&payload) {
                    Ok(asked) => act(door, asked).await.map_err(Problem::from),
                    Err(problem) => Err(problem),
                };
                note(&subject, result.as_ref().err());
                command::answer(result)
            })
        });
        (subject, handler)
    }

    fn change(&self, verb: &str, change: Change) -> (String, Handler) {
        self.verb(verb, move |door, asked: Named| async move {
            let by = command::by(asked.by.as_deref())?;
            door.desk.change(door.kind, asked.name, change, by).await
        })
    }
}

impl InstallPackage {
    fn order(self, kind: Kind) -> Result<Order, Refusal> {
        let package = Reference::parse(&self.package);
        Ok(Order {
            kind,
            package: package.map_err(|error| Refusal::bad_request(error.to_string()))?,
            registry: self.registry_id,
            with: Install {
                workflow_id: self.workflow_id,
                team_id: self.team_id,
                name: self.name,
                config: self.config,
                auth: self.auth,
                rate_limit: self.rate_limit,
                allow_ips: self.allow_ips,
                replicas: self.replicas,
                constraints: self.constraints,
            },
        })
    }
}

/// Logs what became of a request. What is wrong with one may repeat what is in it.
fn note(subject: &str, refused: Option<&Problem>) {
    match refused {
        Some(problem) if problem.status >= 500 => {
            tracing::warn!(subject, "a request over the bus failed: {}", problem.detail);
        }
        Some(problem) => {
            tracing::debug!(
                subject,
                problem.status,
                "a request over the bus was refused"
            );
        }
        None => tracing::debug!(subject, "a request over the bus was answered"),
    }
}

/// The part of a list that is asked for.
fn page(list: Vec<Status>, asked: &List) -> Vec<Status> {
    let after = |status: &Status| {
        asked
            .after
            .as_ref()
            .is_none_or(|after| status.name > *after)
    };
    list.into_iter()
        .filter(after)
        .take(asked.limit.unwrap_or(usize::MAX))
        .collect()
}
