//! The bus as a door: the same commands, the same answers.

use crate::harness::{Mesh, SOON, Setup};
use belfry_mesh::port::Error;
use belfry_mesh::port::calls::Answer;
use futures::future::join_all;
use serde_json::{Value, json};
use std::collections::BTreeSet;

impl Mesh {
    /// Sends a request over the bus, as any of its clients would.
    async fn ask(&self, subject: &str, request: &str) -> Answer {
        let subject = format!("belfry.cmd.{subject}");
        loop {
            let answer = self
                .ports
                .calls
                .request(&subject, request.to_owned().into(), SOON)
                .await;
            match answer {
                Ok(answer) => return answer,
                // The console has just been started.
                Err(Error::NotFound(_)) => tokio::task::yield_now().await,
                Err(other) => panic!("{subject}: {other}"),
            }
        }
    }

    /// The answer to a request, which must be done.
    async fn done(&self, subject: &str, request: &Value) -> Value {
        let answer = self.ask(subject, &request.to_string()).await;
        assert_eq!(answer.fault, None, "{subject} {request}");
        serde_json::from_slice(&answer.payload).unwrap()
    }
}

#[tokio::test]
async fn any_client_of_the_bus_installs_runs_and_uninstalls() {
    let mesh = Mesh::start().await;
    let list = mesh.ask("trigger.list", "").await;
    assert_eq!((list.payload.as_ref(), list.fault), (&b"[]"[..], None));
    let request = json!({
        "package": "hook-1.0.0", "name": "h", "workflow_id": "w", "config": {"A": "b"}, "auth": null, "replicas": 2,
        "constraints": ["zone=eu"], "registry_id": "main", "by": "ada"
    });
    let installed = mesh.done("trigger.install", &request).await;
    assert_eq!(
        (&installed["status"], &installed["webhook_path"]),
        (&json!("installed"), &json!("/hooks/h"))
    );
    let mut revision = installed["revision"].as_u64().unwrap();
    for (verb, more, status) in [
        ("stop", json!({}), "stopped"),
        ("start", json!({}), "started"),
        ("restart", json!({}), "restarted"),
        ("pause", json!({}), "paused"),
        ("resume", json!({}), "resumed"),
        ("scale", json!({"replicas": 1}), "scaled"),
    ] {
        let mut request = json!({"name": "h", "by": "ada"});
        request
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        let answer = mesh.done(&format!("trigger.{verb}"), &request).await;
        assert_eq!(answer["status"], status);
        let now = answer["revision"].as_u64().unwrap();
        assert!(now > revision, "{verb} told no revision of its own");
        revision = now;
    }
    mesh.publish_package("hook", "1.1.0", json!({"type": "manual"}));
    let updated = mesh
        .done(
            "trigger.update",
            &json!({"name": "h", "registry_id": "main"}),
        )
        .await;
    assert_eq!(updated["status"], "updated");
    let back = mesh
        .done(
            "trigger.rollback",
            &json!({"name": "h", "revision": revision}),
        )
        .await;
    assert_eq!(back["version"], "1.0.0");

    // What both doors answer is the same.
    let name = json!({"name": "h"});
    for (verb, path) in [
        ("status", "/triggers/h/status"),
        ("history", "/triggers/h/history"),
    ] {
        let answer = mesh.done(&format!("trigger.{verb}"), &name).await;
        assert_eq!(answer, mesh.read(path).await);
    }
    let list = mesh.done("trigger.list", &json!({})).await;
    assert_eq!(list, mesh.read("/triggers").await);
    let history = mesh.read("/triggers/h/history").await;
    assert_eq!(
        (&history[0]["by"], &history[2]["by"]),
        (&json!("bus"), &json!("ada"))
    );
    let gone = mesh.done("trigger.uninstall", &name).await;
    assert_eq!(
        (&gone["status"], gone["revision"].as_u64() > Some(revision)),
        (&json!("uninstalled"), true)
    );
    mesh.stop().await;
}

#[tokio::test]
async fn services_have_subjects_of_their_own() {
    let mesh = Mesh::start().await;
    mesh.publish_service("files", "1.0.0");
    mesh.install("hook").await;
    let request = json!({"package": "files"});
    assert_eq!(
        mesh.done("mcp.install", &request).await["status"],
        "installed"
    );
    let list = mesh.done("mcp.list", &json!({})).await;
    assert_eq!(
        (list.as_array().unwrap().len(), &list[0]["name"]),
        (1, &json!("files"))
    );
    let fault = mesh.ask("mcp.stop", r#"{"name": "hook"}"#).await.fault;
    assert_eq!(fault.unwrap().code, 404);
    let calls = &mesh.ports.calls;
    let pause = calls
        .request("belfry.cmd.mcp.pause", "{}".into(), SOON)
        .await;
    assert!(matches!(pause, Err(Error::NotFound(_))), "{pause:?}");
    mesh.stop().await;
}

#[tokio::test]
async fn a_request_that_is_refused_is_a_fault_and_a_problem_document() {
    let mesh = Mesh::start().await;
    mesh.install("hook").await;
    for (subject, request, code, says) in [
        (
            "trigger.stop",
            r#"{"name":"nobody"}"#,
            404,
            "`nobody` is not installed",
        ),
        (
            "trigger.stop",
            r#"{"nmae":"hook"}"#,
            400,
            "expected `name` or `by`",
        ),
        ("trigger.stop", r#"["hook"]"#, 400, "must be a JSON object"),
        ("trigger.stop", "", 400, "missing field `name`"),
        (
            "trigger.stop",
            r#"{"name":"hook","by":"é"}"#,
            400,
            "`by` must say who asks",
        ),
        ("trigger.stop", "\u{0}", 400, "must be a JSON object"),
        (
            "trigger.list",
            r#"{"all":true}"#,
            400,
            "unknown field `all`",
        ),
        (
            "trigger.scale",
            r#"{"name":"hook"}"#,
            400,
            "missing field `replicas`",
        ),
        (
            "trigger.rollback",
            r#"{"name":"hook","revision":99}"#,
            404,
            "not kept",
        ),
        (
            "trigger.install",
            r#"{"package":"hook","workflw_id":"w"}"#,
            400,
            "`workflow_id`",
        ),
        (
            "trigger.install",
            r#"{"package":"hook"}"#,
            400,
            "Must specify workflow_id or team_id",
        ),
        (
            "trigger.install",
            r#"{"package":"no","team_id":"t"}"#,
            404,
            "in none of the registries",
        ),
        (
            "trigger.logs",
            r#"{"name":"hook","lines":0}"#,
            400,
            "`lines` is 0",
        ),
    ] {
        let answer = mesh.ask(subject, request).await;
        let fault = answer.fault.unwrap();
        let problem: Value = serde_json::from_slice(&answer.payload).unwrap();
        assert_eq!(fault.code, code, "{subject} {request}: {problem}");
        assert_eq!(problem["status"], code);
        assert_eq!(problem["detail"], json!(fault.description));
        assert!(
            fault.description.contains(says),
            "{subject} {request}: {problem}"
        );
    }
    mesh.stop().await;
}

#[tokio::test]
async fn requests_that_race_are_all_done_and_each_tells_the_revision_it_made() {
    let mesh = Mesh::start().await;
    mesh.install("hook").await;
    let hook = json!({"name": "hook"});
    let restart = || mesh.done("trigger.restart", &hook);
    let answers = join_all((0..4).map(|_| restart())).await;
    let revisions: BTreeSet<u64> = answers
        .iter()
        .map(|answer| answer["revision"].as_u64().unwrap())
        .collect();
    assert_eq!(revisions.len(), 4, "{answers:#?}");
    let history = mesh.read("/triggers/hook/history").await;
    for revision in &revisions {
        let made = history.as_array().unwrap().iter();
        let made: Vec<_> = made.filter(|it| it["revision"] == *revision).collect();
        assert_eq!((made.len(), &made[0]["what"]), (1, &json!("restarted")));
    }
    mesh.stop().await;
}

#[tokio::test]
async fn a_long_list_is_told_in_parts_to_whoever_asks_so() {
    let mesh = Mesh::start().await;
    for name in ["a", "b", "c"] {
        mesh.install(name).await;
    }
    let names = async |request: Value| -> Vec<Value> {
        let list = mesh.done("trigger.list", &request).await;
        let list = list.as_array().unwrap().iter();
        list.map(|status| status["name"].clone()).collect()
    };
    assert_eq!(names(json!({"limit": 2})).await, ["a", "b"]);
    assert_eq!(names(json!({"limit": 2, "after": "b"})).await, ["c"]);
    mesh.stop().await;
}

#[tokio::test]
async fn a_command_over_the_bus_is_finished_before_the_console_ends() {
    let mesh = Setup {
        agent: false,
        patience: std::time::Duration::from_millis(300),
        ..Setup::default()
    }
    .start()
    .await;
    mesh.ask("trigger.list", "").await;
    let request = json!({"package": "hook", "workflow_id": "w"});
    let install = mesh.done("trigger.install", &request);
    let stop = async {
        while !mesh.is_installed("hook").await {
            tokio::task::yield_now().await;
        }
        mesh.begin_to_stop();
    };
    let (installed, ()) = tokio::join!(install, stop);
    assert_eq!(installed["status"], "installed");
    let calls = mesh.ports.calls.clone();
    mesh.stop().await;
    let after = calls
        .request("belfry.cmd.trigger.list", "".into(), SOON)
        .await;
    assert!(matches!(after, Err(Error::NotFound(_))), "{after:?}");
}
