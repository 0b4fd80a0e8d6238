//! Each role does its work as its own user.

use super::Mesh;
use crate::world::{github, pull_request};
use anyhow::{Context, Result};
use belfry::standin::Answer;
use belfry_tests::servers::Nats;
use serde_json::{Value, json};
use tokio::task::block_in_place;

const TRIGGER: &str = "github-pr-webhook";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_role_does_its_work_with_no_more_than_its_user_may() -> Result<()> {
    let nats = Nats::deployed()?;
    let mut mesh = Mesh::start(|user| nats.url_of(user), &[]).await?;
    let installed = json!({"workflow_id": "review"});
    mesh.doors.install(TRIGGER, installed).await?;

    let id = deliver(&mesh, 1).await?;
    mesh.doors.event(&id, "triggered").await?;
    assert_eq!(mesh.orchestrator.runs_of(&id), 1);

    // A dead letter is buried, told, and replayed.
    mesh.orchestrator.calls.answer(Answer {
        status: 422,
        times: 1,
        delay_ms: 0,
        retry_after: None,
    });
    let dead = deliver(&mesh, 2).await?;
    mesh.doors.event(&dead, "dead").await?;
    let replay = format!("/events/{dead}/replay");
    let (status, answer) = mesh.doors.console("POST", &replay, Some(json!({}))).await?;
    assert_eq!(status, 202, "{answer}");
    let again = answer["event_id"].as_str().context("no id")?;
    mesh.doors.event(again, "triggered").await?;
    mesh.doors
        .until("the dead letter is gone", || async {
            let (_, letters) = mesh.doors.console("GET", "/dead-letters", None).await?;
            Ok((letters["dead_letters"] == json!([])).then_some(()))
        })
        .await?;

    let (status, answer) = mesh
        .doors
        .console("DELETE", &format!("/triggers/{TRIGGER}"), None)
        .await?;
    assert_eq!(status, 200, "{answer}");
    // It gives back what it held.
    mesh.doors
        .install(TRIGGER, json!({"workflow_id": "review"}))
        .await?;
    block_in_place(|| mesh.agent.stop())?;
    assert_eq!(mesh.complaints(), Vec::<String>::new());
    Ok(())
}

async fn deliver(mesh: &Mesh, number: u64) -> Result<String> {
    let delivery = github(&format!("d-{number}"), &pull_request(number));
    let (status, answer): (u16, Value) = mesh.doors.deliver(TRIGGER, delivery).await?;
    assert_eq!(status, 202, "{answer}");
    let id = answer["event_id"].as_str().context("no event id")?;
    Ok(id.to_owned())
}
