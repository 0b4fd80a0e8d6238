//! Logs, which the console asks of the node that has the slot.

use crate::harness::{Mesh, SOON};
use belfry_mesh::Problem;
use belfry_mesh::command::{self, ReadLog};
use belfry_mesh::port::calls::Serving;
use futures::FutureExt;
use http::StatusCode;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_util::sync::{CancellationToken, DropGuard};

const AT: &str = "2026-11-22T08:00:00.123456789Z";

/// Plays node `n1`: it answers the request itself as its only line, and waits for as long as it is told to.
async fn play_node(mesh: &Mesh) -> (Serving, DropGuard) {
    let ends = CancellationToken::new();
    let guard = ends.clone().drop_guard();
    let handler = move |payload: bytes::Bytes| {
        let ends = ends.clone();
        async move {
            let asked: ReadLog = command::read(&payload).unwrap();
            let wait = tokio::time::sleep(asked.wait().unwrap());
            ends.run_until_cancelled(wait).await;
            if asked.after.is_some() {
                let gone = Problem::new(StatusCode::NOT_FOUND, "the container is gone");
                return command::answer::<Value>(Err(gone));
            }
            let line = json!({"at": AT, "text": String::from_utf8(payload.to_vec()).unwrap()});
            command::answer(Ok(json!({
                "node": "n1", "slot": asked.slot, "container_name": "c", "lines": [line], "after": AT
            })))
        }
        .boxed()
    };
    let calls = &mesh.ports.calls;
    let serving = calls.serve("belfry.cmd.node.n1.logs", Arc::new(handler));
    (serving.await.unwrap(), guard)
}

#[tokio::test]
async fn a_log_is_asked_of_the_node_that_has_the_slot() {
    let mesh = Mesh::start().await;
    let _node = play_node(&mesh).await;
    mesh.install("hook").await;
    mesh.post("/triggers/hook/scale", &json!({"replicas": 2}))
        .await;
    for (query, asked) in [
        ("", json!({"name": "hook", "slot": 0})),
        (
            "?slot=1&lines=7&wait_seconds=0",
            json!({"name": "hook", "slot": 1, "lines": 7, "wait_seconds": 0}),
        ),
    ] {
        let page = mesh.read(&format!("/triggers/hook/logs{query}")).await;
        assert_eq!((&page["node"], &page["after"]), (&json!("n1"), &json!(AT)));
        let text = page["lines"][0]["text"].as_str().unwrap();
        let was: Value = serde_json::from_str(text).unwrap();
        assert_eq!(was, asked);
    }
    mesh.stop().await;
}

#[tokio::test]
async fn a_log_that_cannot_be_read_says_why() {
    let mesh = Mesh::start().await;
    mesh.install("hook").await;
    let refused = async |query: &str, status, says: &str| {
        let answer = mesh.get(&format!("/triggers/hook/logs{query}")).await;
        assert_eq!(answer.status, status, "{query}");
        assert!(answer.detail().contains(says), "{}", answer.detail());
    };
    refused("?lines=0", 400, "`lines` is 0; it may be 1 to 1000").await;
    refused("?wait_seconds=31", 400, "`wait_seconds` is 31").await;
    refused("?after=yesterday", 400, "after").await;
    refused("?line=7", 400, "unknown field `line`").await;
    refused("?slot=1", 404, "`hook` has no slot 1: it has 1, from 0").await;
    let silent =
        "node `n1`, which has slot 0 of `hook`, does not answer: its agent is not on the bus";
    refused("", 503, silent).await;
    let node = play_node(&mesh).await;
    refused(&format!("?after={AT}"), 503, "the container is gone").await;
    drop(node);
    let bucket = belfry_mesh::port::state::Bucket::Status;
    mesh.ports
        .state
        .delete(bucket, "hook.0", None)
        .await
        .unwrap();
    refused(
        "",
        503,
        "no node has a slot of `hook` now: no node has taken it yet",
    )
    .await;
    mesh.stop().await;
}

#[tokio::test]
async fn whoever_waits_for_a_line_does_not_hold_up_the_consoles_end() {
    let mesh = Mesh::start().await;
    let node = play_node(&mesh).await;
    mesh.install("hook").await;
    let began = Instant::now();
    let wait = mesh.get("/triggers/hook/logs?wait_seconds=30");
    let stop = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        mesh.begin_to_stop();
    };
    let (answer, ()) = tokio::join!(wait, stop);
    assert_eq!(answer.status, 503);
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
    drop(node);
    mesh.stop().await;
}
