//! The in-process runtime, by the contract of its port.

use crate::scripted::{Orchestrator, Reply};
use crate::story::{Answered, client, event, github, manifest, older, post, tools};
use belfry_mesh::name::TriggerName;
use belfry_mesh::placement::Slot;
use belfry_mesh::port::runtime::{Error, Health, Instance, LogLine, Logs, Runtime, Spec, Stats};
use belfry_mesh::target::Target;
use belfry_triggers::InProcess;
use futures::{StreamExt, TryStreamExt};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

const GRACE: Duration = Duration::from_secs(10);

struct Node {
    orchestrator: Orchestrator,
    runtime: InProcess,
    http: reqwest::Client,
    shutdown: CancellationToken,
    tasks: TaskTracker,
}

impl Node {
    async fn start(seed: u64) -> Self {
        let (shutdown, tasks) = (CancellationToken::new(), TaskTracker::new());
        let http = client().build().unwrap();
        let runtime = InProcess::listen(tools(http.clone(), seed), &tasks, shutdown.clone(), GRACE)
            .await
            .unwrap();
        Self {
            orchestrator: Orchestrator::start().await,
            runtime,
            http,
            shutdown,
            tasks,
        }
    }

    fn spec(&self, trigger: &str, revision: u64, package: Value) -> Spec {
        let environment = BTreeMap::from([(
            "ORCHESTRATOR_URL".to_owned(),
            self.orchestrator.url.as_str().into(),
        )]);
        Spec {
            slot: Slot {
                trigger: TriggerName::parse(trigger).unwrap(),
                index: 0,
            },
            revision,
            manifest: manifest(package),
            target: Some(Target::Workflow(format!("{trigger}-{revision}"))),
            environment,
            concealed: BTreeSet::new(),
        }
    }

    async fn send(&self, url: &str) -> Answered {
        post(&self.http, url, &event("com.example.x", &json!({"a": 1}))).await
    }

    async fn lines(&self, id: &str, what: Logs) -> Result<Vec<LogLine>, Error> {
        self.runtime.logs(id, what).try_collect().await
    }

    async fn ids(&self) -> Vec<String> {
        self.runtime
            .list()
            .await
            .unwrap()
            .into_iter()
            .map(|instance| instance.id)
            .collect()
    }

    async fn end(self) {
        self.shutdown.cancel();
        self.tasks.close();
        tokio::time::timeout(GRACE, self.tasks.wait())
            .await
            .expect("the listener ends");
        self.orchestrator.end().await;
    }
}

fn webhook() -> Value {
    older(json!({"type": "webhook"}))
}

fn url(instance: &Instance) -> &str {
    instance.event_url.as_deref().unwrap()
}

#[tokio::test]
async fn an_instance_runs_a_package_that_names_somebody_elses_image() {
    let mut node = Node::start(1).await;
    let mut package = github();
    package["deployment"] = json!({"image": "ghcr.io/somebody/else:1", "ports": [{"host": "${PORT:-8100}", "container": "8100"}]});
    let instance = node
        .runtime
        .start(&node.spec("github-pr", 3, package))
        .await
        .unwrap();
    assert_eq!(instance.health, Health::Healthy);
    assert_eq!(
        (instance.container_name.as_str(), instance.revision),
        ("belfry-github-pr-0", 3)
    );
    let event = crate::story::github_event("push", &json!({"commits": [1]}));
    let answered = post(&node.http, url(&instance), &event).await;
    assert_eq!(answered.body["execution_id"], "ex-1");
    let call = node.orchestrator.call().await;
    assert_eq!(
        (&call.body["workflow_id"], &call.body["params"]["commits"]),
        (&json!("github-pr-3"), &json!(1))
    );
    node.end().await;
}

#[tokio::test]
async fn starting_twice_is_one_instance_and_another_revision_stands_beside_it() {
    let mut node = Node::start(2).await;
    let first = node
        .runtime
        .start(&node.spec("t", 1, webhook()))
        .await
        .unwrap();
    assert_eq!(
        node.runtime
            .start(&node.spec("t", 1, webhook()))
            .await
            .unwrap(),
        first
    );
    let second = node
        .runtime
        .start(&node.spec("t", 2, webhook()))
        .await
        .unwrap();
    let list = node.runtime.list().await.unwrap();
    assert_eq!(list, [first.clone(), second.clone()]);
    for (instance, workflow) in [(&first, "t-1"), (&second, "t-2")] {
        assert_eq!(node.send(url(instance)).await.status, 200);
        assert_eq!(node.orchestrator.call().await.body["workflow_id"], workflow);
    }
    node.end().await;
}

#[tokio::test]
async fn a_path_that_was_not_given_out_leads_nowhere() {
    let node = Node::start(3).await;
    let instance = node
        .runtime
        .start(&node.spec("t", 1, webhook()))
        .await
        .unwrap();
    let base = url(&instance).strip_suffix("/t.0/event").unwrap();
    let (root, secret) = base.rsplit_once('/').unwrap();
    assert_eq!(secret.len(), 32);
    for wrong in [
        format!("{root}/{}/t.0/event", "0".repeat(32)),
        format!("{root}/{}/t.0/event", secret.to_uppercase()),
        format!("{root}/{}/t.0/event", &secret[..31]),
        format!("{base}/t.1/event"),
        format!("{base}/t.0/other"),
        format!("{root}/event"),
    ] {
        let answered = node.send(&wrong).await;
        assert_eq!(answered.status, 404, "{wrong}");
        assert_eq!(answered.detail(), "there is nothing here");
    }
    node.end().await;
}

#[tokio::test]
async fn the_seed_decides_the_paths_and_no_two_are_alike() {
    let mut paths = Vec::new();
    for (seed, trigger) in [(4, "a"), (4, "a"), (5, "a")] {
        let node = Node::start(seed).await;
        let instance = node
            .runtime
            .start(&node.spec(trigger, 1, webhook()))
            .await
            .unwrap();
        paths.push(url(&instance).split('/').nth(3).unwrap().to_owned());
        node.end().await;
    }
    assert_eq!(paths[0], paths[1]);
    assert_ne!(paths[0], paths[2]);
}

#[tokio::test]
async fn a_removed_instance_ends_its_calls_first_and_stragglers_come_again() {
    let mut node = Node::start(6).await;
    let instance = node
        .runtime
        .start(&node.spec("t", 1, webhook()))
        .await
        .unwrap();
    let released = std::sync::Arc::new(tokio::sync::Notify::new());
    node.orchestrator.next(Reply::When(released.clone()));
    let (answered, ()) = tokio::join!(node.send(url(&instance)), async {
        node.orchestrator.got(1).await;
        let removed = node.runtime.remove(&instance.id, GRACE);
        let straggler = async {
            let answered = node.send(url(&instance)).await;
            assert_eq!(
                (answered.status, &answered.headers["retry-after"]),
                (503, &"1".parse().unwrap())
            );
            assert!(matches!(
                node.runtime.start(&node.spec("t", 1, webhook())).await,
                Err(Error::Unavailable { .. })
            ));
            released.notify_one();
        };
        let (removed, ()) = tokio::join!(removed, straggler);
        removed.unwrap();
    });
    assert_eq!(answered.body["execution_id"], "released");
    node.orchestrator.call().await;
    assert!(node.ids().await.is_empty());
    assert_eq!(node.send(url(&instance)).await.status, 503);
    node.runtime.remove(&instance.id, GRACE).await.unwrap();
    let anew = node
        .runtime
        .start(&node.spec("t", 1, webhook()))
        .await
        .unwrap();
    assert_ne!(url(&anew), url(&instance));
    node.end().await;
}

#[tokio::test]
async fn a_call_that_outlasts_the_grace_of_a_removal_is_dropped() {
    let mut node = Node::start(7).await;
    let instance = node
        .runtime
        .start(&node.spec("t", 1, webhook()))
        .await
        .unwrap();
    let dropped = CancellationToken::new();
    node.orchestrator.next(Reply::Never(dropped.clone()));
    let (answered, ()) = tokio::join!(node.send(url(&instance)), async {
        node.orchestrator.got(1).await;
        node.runtime
            .remove(&instance.id, Duration::from_millis(50))
            .await
            .unwrap();
    });
    assert_eq!(answered.status, 503);
    dropped.cancelled().await;
    node.orchestrator.call().await;
    node.end().await;
}

#[tokio::test]
async fn the_logs_tell_what_became_of_each_event() {
    let mut node = Node::start(8).await;
    let instance = node
        .runtime
        .start(&node.spec("t", 1, webhook()))
        .await
        .unwrap();
    node.send(url(&instance)).await;
    node.orchestrator
        .next(Reply::json(500, json!({"detail": "the answer's body"})));
    node.send(url(&instance)).await;
    for _ in 0..2 {
        node.orchestrator.call().await;
    }
    let lines = node.lines(&instance.id, Logs::last(10)).await.unwrap();
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0].at.to_string(), "2026-11-22T08:00:00Z");
    assert!(
        lines[0]
            .text
            .starts_with("INFO triggered event_id=e-1 execution_id=ex-1 duration_ms="),
        "{lines:?}"
    );
    let failed = &lines[1].text;
    assert!(
        failed.contains("WARN failed with 502: the orchestrator at http://127.0.0.1:"),
        "{failed}"
    );
    assert!(!failed.contains("the answer's body"), "{failed}");
    assert_eq!(
        node.lines(&instance.id, Logs::last(1)).await.unwrap(),
        lines[1..]
    );
    let after = Logs {
        after: Some(lines[1].at),
        ..Logs::last(10)
    };
    assert_eq!(node.lines(&instance.id, after).await.unwrap(), []);
    assert_eq!(
        node.lines("t.0.r9", Logs::last(1)).await,
        Err(Error::NotFound("t.0.r9".into()))
    );
    node.end().await;
}

#[tokio::test]
async fn logs_are_followed_until_the_instance_is_gone() {
    let mut node = Node::start(8).await;
    let mut changes = node.runtime.changes();
    let instance = node
        .runtime
        .start(&node.spec("t", 1, webhook()))
        .await
        .unwrap();
    changes.next().await.unwrap();
    let follow = Logs {
        follow: true,
        ..Logs::last(0)
    };
    let mut followed = node.runtime.logs(&instance.id, follow);
    node.send(url(&instance)).await;
    node.orchestrator.call().await;
    let line = followed.next().await.unwrap().unwrap();
    assert!(line.text.contains("event_id=e-1"), "{line:?}");
    assert_eq!(node.runtime.stats(&instance.id).await, Ok(Stats::default()));
    node.runtime.remove(&instance.id, GRACE).await.unwrap();
    assert!(followed.next().await.is_none());
    changes.next().await.unwrap();
    node.end().await;
}

#[tokio::test]
async fn a_runtime_that_is_closed_starts_nothing_and_goes_on_with_what_runs() {
    let node = Node::start(8).await;
    let spec = |trigger| node.spec(trigger, 1, webhook());
    let running = node.runtime.start(&spec("t")).await.unwrap();
    node.runtime.close().await;
    let refused = node.runtime.start(&spec("u")).await;
    assert!(matches!(refused, Err(Error::Unavailable { .. })));
    assert_eq!(node.ids().await, [running.id]);
    node.end().await;
}

#[tokio::test]
async fn what_cannot_run_says_what_to_do_and_leaves_nothing() {
    let node = Node::start(9).await;
    let mut spec = node.spec("t", 1, webhook());
    spec.environment
        .insert("ORCHESTRATOR_URL".into(), "orchestrator:8000".into());
    let error = node.runtime.start(&spec).await.unwrap_err();
    assert!(matches!(error, Error::Unrunnable { .. }));
    assert!(
        error
            .to_string()
            .starts_with("t.0 cannot run: ORCHESTRATOR_URL cannot be used"),
        "{error}"
    );
    assert!(node.ids().await.is_empty());
    node.end().await;
}

#[tokio::test]
async fn after_its_end_it_is_unavailable() {
    let node = Node::start(10).await;
    node.shutdown.cancel();
    node.tasks.close();
    node.tasks.wait().await;
    assert!(matches!(
        node.runtime.list().await,
        Err(Error::Unavailable { .. })
    ));
    assert!(matches!(
        node.runtime.start(&node.spec("t", 1, webhook())).await,
        Err(Error::Unavailable { .. })
    ));
    assert_eq!(node.runtime.kind(), "in-process");
    node.end().await;
}
