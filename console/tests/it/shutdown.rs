//! What is under way when a client goes away, and when the console does.

use crate::harness::{SOON, Setup, put_node};
use crate::http::Request;
use belfry_backends::clock::System;
use belfry_console::Error;
use belfry_mesh::port::clock::Clock;
use belfry_mesh::port::state::Bucket;
use belfry_mesh::trigger::{SlotState, SlotStatus};
use belfry_mesh::{NodeName, TriggerName, port};
use bytes::Bytes;
use serde_json::json;
use std::time::{Duration, Instant};
use tokio::io::AsyncReadExt;

fn install() -> Request {
    Request::new("POST", "/registries/install/trigger/hook").json(&json!({"workflow_id": "w"}))
}

fn slot() -> Bytes {
    let status = SlotStatus {
        node: NodeName::parse("n1").unwrap(),
        token: 1,
        revision: 1,
        state: SlotState::Running,
        serving: Some(1),
        detail: None,
        container_name: None,
        since: "2026-11-22T08:00:00Z".parse().unwrap(),
    };
    serde_json::to_vec(&status).unwrap().into()
}

async fn until(what: &str, check: impl AsyncFn() -> bool) {
    let wait = async {
        while !check().await {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    if tokio::time::timeout(SOON, wait).await.is_err() {
        panic!("never came true: {what}");
    }
}

#[tokio::test]
async fn a_client_that_hangs_up_interrupts_no_command() {
    let mesh = Setup {
        agent: false,
        patience: Duration::from_millis(300),
        ..Setup::default()
    }
    .start()
    .await;
    mesh.send(install()).await;
    let hook = TriggerName::parse("hook").unwrap();
    assert!(mesh.ports.events.backlog(&hook).await.is_ok());
    // A slot that nobody empties, of a node that lives, lets the command wait before its last step.
    put_node(&mesh.ports, "n1", System.now()).await;
    mesh.ports
        .state
        .put(Bucket::Status, "hook.0", slot())
        .await
        .unwrap();
    let connection = Request::new("DELETE", "/triggers/hook")
        .begin(mesh.address)
        .await
        .unwrap();
    until("it is not installed any more", async || {
        !mesh.is_installed("hook").await
    })
    .await;
    drop(connection);
    let is_forgotten = async || {
        matches!(
            mesh.ports.events.backlog(&hook).await,
            Err(port::Error::NotFound(_))
        )
    };
    assert!(!is_forgotten().await);
    until("its place in the log is forgotten", is_forgotten).await;
    mesh.stop().await;
}

#[tokio::test]
async fn a_shutdown_lets_a_command_end() {
    let mesh = Setup {
        agent: false,
        patience: Duration::from_millis(500),
        ..Setup::default()
    }
    .start()
    .await;
    let mut connection = install().begin(mesh.address).await.unwrap();
    until("it is installed", async || mesh.is_installed("hook").await).await;
    mesh.begin_to_stop();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    mesh.stop().await;
}

#[tokio::test]
async fn a_shutdown_cuts_off_what_does_not_end_in_time() {
    let setup = Setup {
        agent: false,
        shutdown_grace: Duration::from_millis(100),
        ..Setup::default()
    };
    let mesh = setup.start().await;
    let _command = install().begin(mesh.address).await.unwrap();
    let idle = tokio::net::TcpStream::connect(mesh.address).await.unwrap();
    until("it is installed", async || mesh.is_installed("hook").await).await;
    let began = Instant::now();
    let ended = mesh.end().await;
    assert!(
        matches!(ended, Err(Error::Unfinished { left: 1.., .. })),
        "{ended:?}"
    );
    assert!(
        began.elapsed() < Duration::from_secs(5),
        "{:?}",
        began.elapsed()
    );
    drop(idle);
}
