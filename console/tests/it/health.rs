//! Health and readiness.

use crate::harness::Mesh;
use serde_json::json;

#[tokio::test]
async fn a_console_is_ready_once_its_history_is_complete_and_says_how_late_it_is() {
    let mesh = Mesh::start().await;
    assert_eq!(mesh.read("/health").await, json!({"status": "up"}));
    let ready = mesh
        .until("/ready", |ready| ready["status"] == "ready")
        .await;
    assert_eq!(
        ready["checks"],
        json!({"bus": "ok", "state": "ok", "history": "ok"})
    );
    mesh.install("hook").await;
    mesh.store("hook", "e", "{}").await;
    mesh.read("/events/e").await;
    let ready = mesh
        .until("/ready", |ready| ready["history_lag_ms"].is_u64())
        .await;
    assert!(ready["history_lag_ms"].as_u64().unwrap() < 100, "{ready}");
    mesh.stop().await;
}

#[tokio::test]
async fn a_console_without_its_backends_is_up_and_not_ready() {
    let mesh = Mesh::start().await;
    mesh.until("/ready", |ready| ready["status"] == "ready")
        .await;
    mesh.lose_backends().await;
    let answer = mesh.get("/ready").await;
    assert_eq!(answer.status, 503);
    let ready = answer.json();
    assert_eq!(ready["status"], "unavailable");
    assert_eq!(
        (&ready["checks"]["bus"], &ready["checks"]["state"]),
        (&json!("unavailable"), &json!("unavailable"))
    );
    assert!(!ready["detail"].as_str().unwrap().is_empty());
    assert_eq!(mesh.get("/health").await.status, 200);

    let refused = mesh.command("POST", "/triggers/hook/start").await;
    assert_eq!(refused.status, 503);
    assert!(refused.headers["retry-after"].parse::<u64>().unwrap() >= 1);
    assert_eq!(
        mesh.get("/events").await.status,
        200,
        "the history needs no backend"
    );
    mesh.stop().await;
}
