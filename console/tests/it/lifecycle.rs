//! The life of a trigger.

use crate::harness::Mesh;
use serde_json::json;

#[tokio::test]
async fn a_trigger_is_stopped_started_restarted_and_uninstalled() {
    let mesh = Mesh::start().await;
    mesh.install("hook").await;
    let mut revision = mesh.read("/triggers/hook/status").await["revision"]
        .as_u64()
        .unwrap();
    for (verb, status, state, changes) in [
        ("stop", "stopped", "exited", true),
        ("stop", "stopped", "exited", false),
        ("start", "started", "running", true),
        ("start", "started", "running", false),
        ("restart", "restarted", "running", true),
        ("restart", "restarted", "running", true),
        ("pause", "paused", "running", true),
        ("pause", "paused", "running", false),
        ("resume", "resumed", "running", true),
        ("resume", "resumed", "running", false),
    ] {
        let answer = mesh
            .command("POST", &format!("/triggers/hook/{verb}"))
            .await;
        assert_eq!(answer.status, 200, "{verb}");
        let answer = answer.json();
        let now = answer["revision"].as_u64().unwrap();
        assert_eq!(
            answer,
            json!({"status": status, "name": "hook", "state": state, "revision": now})
        );
        assert_eq!(now > revision, changes, "{verb}");
        revision = now;
        let shown = mesh.read("/triggers/hook/status").await;
        assert_eq!(
            (&shown["state"], &shown["running"]),
            (&json!(state), &json!(state == "running"))
        );
    }
    let gone = mesh.command("DELETE", "/triggers/hook").await;
    assert_eq!(gone.status, 200);
    let gone = gone.json();
    let last = gone["revision"].as_u64().unwrap();
    assert_eq!(
        gone,
        json!({"status": "uninstalled", "name": "hook", "revision": last})
    );
    assert!(last > revision);
    assert_eq!(mesh.get("/triggers/hook/status").await.status, 404);
    assert_eq!(mesh.read("/triggers").await, json!([]));
    mesh.stop().await;
}

#[tokio::test]
async fn a_status_has_what_existing_clients_read() {
    let mesh = Mesh::start().await;
    mesh.install("hook").await;
    let status = mesh.read("/triggers/hook/status").await;
    for (key, value) in [
        ("name", json!("hook")),
        ("version", json!("1.0.0")),
        ("container_name", json!("container-of-hook")),
        ("state", json!("running")),
        ("running", json!(true)),
        ("trigger_type", json!("webhook")),
        ("user_config", json!({})),
        ("registry", json!("main")),
        ("target", json!({"workflow_id": "w1"})),
        ("kind", json!("trigger")),
        ("replicas", json!(1)),
    ] {
        assert_eq!(status[key], value, "{key}");
    }
    assert!(status["installed_at"].as_str().unwrap().ends_with('Z'));
    assert_eq!(status["package"]["name"], "hook");
    for path in ["/triggers", "/triggers/installed"] {
        assert_eq!(mesh.read(path).await, json!([status]));
    }
    mesh.stop().await;
}

#[tokio::test]
async fn a_trigger_that_cannot_run_says_why() {
    let mesh = Mesh::start().await;
    let body = json!({"workflow_id": "w", "name": "sick"});
    let installed = mesh
        .post("/registries/install/trigger/hook", &body)
        .await
        .json();
    let why = json!("trigger `sick`: secret `X` is not set on this node");
    assert_eq!(
        (&installed["state"], &installed["detail"]),
        (&json!("exited"), &why)
    );
    let status = mesh.read("/triggers/sick/status").await;
    assert_eq!(
        (&status["detail"], &status["slots"]["0"]["detail"]),
        (&why, &why)
    );
    assert_eq!(status["slots"]["0"]["state"], "error");
    mesh.stop().await;
}

#[tokio::test]
async fn an_update_takes_the_newest_version_once() {
    let mesh = Mesh::start().await;
    mesh.install("hook").await;
    let latest = mesh.command("POST", "/triggers/hook/update").await.json();
    assert_eq!(
        (&latest["status"], &latest["version"]),
        (&json!("already_latest"), &json!("1.0.0"))
    );
    mesh.publish_package(
        "hook",
        "1.1.0",
        json!({"type": "webhook", "auth": {"scheme": "none"}}),
    );
    let updated = mesh
        .command("POST", "/triggers/hook/update?registry_id=main")
        .await
        .json();
    assert_eq!(updated["status"], "updated");
    assert_eq!(
        (&updated["old_version"], &updated["new_version"]),
        (&json!("1.0.0"), &json!("1.1.0"))
    );
    assert_eq!(mesh.read("/triggers/hook/status").await["version"], "1.1.0");
    let again = mesh.command("POST", "/triggers/hook/update").await.json();
    assert_eq!(again["status"], "already_latest");
    assert_eq!(
        mesh.command("POST", "/triggers/hook/update?registry_id=other")
            .await
            .status,
        404
    );
    mesh.stop().await;
}

#[tokio::test]
async fn what_is_not_installed_is_not_found() {
    let mesh = Mesh::start().await;
    for name in ["nobody", "No%20Name", "%2E%2E", "installed"] {
        for (method, path) in [
            ("GET", format!("/triggers/{name}/status")),
            ("POST", format!("/triggers/{name}/start")),
            ("POST", format!("/triggers/{name}/stop")),
            ("POST", format!("/triggers/{name}/restart")),
            ("POST", format!("/triggers/{name}/update")),
            ("POST", format!("/triggers/{name}/run")),
            ("POST", format!("/triggers/{name}/pause")),
            ("POST", format!("/triggers/{name}/resume")),
            ("POST", format!("/triggers/{name}/rollback")),
            ("GET", format!("/triggers/{name}/history")),
            ("GET", format!("/triggers/{name}/logs")),
            ("GET", format!("/mcps/{name}/status")),
            ("POST", format!("/mcps/{name}/start")),
            ("GET", format!("/nodes/{name}")),
            ("POST", format!("/nodes/{name}/drain")),
        ] {
            assert_eq!(
                mesh.command(method, &path).await.status,
                404,
                "{method} {path}"
            );
        }
    }
    let answer = mesh.command("DELETE", "/triggers/nobody").await;
    assert_eq!(answer.status, 404);
    assert!(
        answer
            .detail()
            .contains("trigger `nobody` is not installed"),
        "{}",
        answer.detail()
    );
    mesh.stop().await;
}

#[tokio::test]
async fn a_trigger_is_scaled_up_and_down() {
    let mesh = Mesh::start().await;
    let body =
        json!({"workflow_id": "w", "name": "hook", "replicas": 2, "constraints": ["zone=eu"]});
    let path = "/registries/install/trigger/hook";
    assert_eq!(mesh.post(path, &body).await.status, 200);
    let status = mesh.read("/triggers/hook/status").await;
    assert_eq!(
        (&status["replicas"], &status["constraints"]),
        (&json!(2), &json!(["zone=eu"]))
    );
    for replicas in [3, 1] {
        let scaled = mesh
            .post("/triggers/hook/scale", &json!({"replicas": replicas}))
            .await;
        assert_eq!(scaled.status, 200);
        let scaled = scaled.json();
        assert_eq!(
            (&scaled["status"], &scaled["state"]),
            (&json!("scaled"), &json!("running"))
        );
        let status = mesh.read("/triggers/hook/status").await;
        let slots = status["slots"].as_object().unwrap().len();
        assert_eq!((&status["replicas"], slots), (&json!(replicas), replicas));
        assert_eq!(status["revision"], scaled["revision"]);
    }
    for (body, says) in [
        (json!({"replicas": 0}), "0 replicas are not possible"),
        (json!({"replicas": -1}), "invalid value"),
        (json!({}), "missing field `replicas`"),
        (json!({"replicas": 2, "slots": 2}), "expected `replicas`"),
    ] {
        let refused = mesh.post("/triggers/hook/scale", &body).await;
        assert_eq!(refused.status, 400, "{body}");
        assert!(refused.detail().contains(says), "{}", refused.detail());
    }
    mesh.stop().await;
}

#[tokio::test]
async fn what_is_stopped_cannot_pause() {
    let mesh = Mesh::start().await;
    mesh.install("hook").await;
    mesh.command("POST", "/triggers/hook/stop").await;
    for verb in ["pause", "resume"] {
        let refused = mesh
            .command("POST", &format!("/triggers/hook/{verb}"))
            .await;
        assert_eq!(refused.status, 400);
        assert!(
            refused
                .detail()
                .contains("`hook` is stopped; start it first"),
            "{}",
            refused.detail()
        );
    }
    mesh.stop().await;
}
