//! What becomes of an event when its target fails.

use crate::world::{Dev, Orchestrator, PATIENCE};
use anyhow::{Context, Result};
use belfry::standin::Answer;
use serde_json::{Value, json};

/// A package that is tried three times, fast.
fn impatient() -> Value {
    json!({
        "manifest": 2, "name": "impatient", "version": "1.0.0", "type": "trigger", "description": "Fails fast.",
        "deployment": {"image": "belfry-trigger:0.1.0"},
        "trigger": {"type": "webhook", "auth": {"scheme": "none"}},
        "delivery": {"max_attempts": 3, "backoff_seconds": 0.1, "max_backoff_seconds": 0.2, "timeout_seconds": 5},
    })
}

/// A mesh with that package installed, and one delivery accepted.
async fn deliver_to(answers: &[Answer]) -> Result<(Dev, tempfile::TempDir, String)> {
    let packages = tempfile::tempdir()?;
    let triggers = packages.path().join("triggers");
    std::fs::create_dir(&triggers)?;
    std::fs::write(
        triggers.join("impatient-1.0.0.json"),
        impatient().to_string(),
    )?;
    let dev = Dev::start_with(&["--packages", &packages.path().to_string_lossy()]).await?;
    dev.doors
        .install("impatient", json!({"workflow_id": "w"}))
        .await?;
    for answer in answers {
        dev.orchestrator.calls.answer(answer.clone());
    }
    let id = deliver(&dev, "d-1").await?;
    Ok((dev, packages, id))
}

async fn deliver(dev: &Dev, delivery_id: &str) -> Result<String> {
    let (status, answer) = dev
        .doors
        .deliver("impatient", crate::world::unsigned(delivery_id))
        .await?;
    assert_eq!(status, 202, "{answer}");
    Ok(answer["event_id"]
        .as_str()
        .context("no event id")?
        .to_owned())
}

fn fail(status: u16, times: u32) -> Answer {
    Answer {
        status,
        times,
        delay_ms: 0,
        retry_after: None,
    }
}

fn statuses(event: &Value) -> Vec<&str> {
    event["outcomes"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|outcome| outcome["status"].as_str())
        .collect()
}

#[tokio::test]
async fn an_orchestrator_that_answers_500_then_200_runs_once_and_both_attempts_are_told()
-> Result<()> {
    let (dev, _packages, id) = deliver_to(&[fail(500, 1)]).await?;
    let event = dev.doors.event(&id, "triggered").await?;
    assert_eq!(statuses(&event), ["retrying", "triggered"]);
    assert_eq!(event["outcomes"][0]["http_status"], 502);
    assert_eq!(
        (
            &event["outcomes"][0]["attempt"],
            &event["outcomes"][1]["attempt"]
        ),
        (&json!(1), &json!(2))
    );
    assert_eq!(dev.orchestrator.runs_of(&id), 1);
    let calls = dev.orchestrator.calls.calls();
    assert!(
        calls.len() == 2
            && calls
                .iter()
                .all(|call| call.idempotency_key.as_deref() == Some(id.as_str()))
    );
    Ok(())
}

#[tokio::test]
async fn a_retry_after_of_the_orchestrator_is_honoured() -> Result<()> {
    let wait = Answer {
        status: 429,
        times: 1,
        delay_ms: 0,
        retry_after: Some(2),
    };
    let (dev, _packages, id) = deliver_to(&[wait]).await?;
    let event = dev.doors.event(&id, "triggered").await?;
    let time = |index: usize| -> Result<jiff::Timestamp> {
        Ok(event["outcomes"][index]["at"]
            .as_str()
            .context("no time")?
            .parse()?)
    };
    assert!(
        time(1)?.duration_since(time(0)?).as_millis() >= 2_000,
        "{event}"
    );
    Ok(())
}

#[tokio::test]
async fn an_orchestrator_that_answers_422_makes_a_dead_letter_at_once_and_its_replay_runs()
-> Result<()> {
    let (dev, _packages, id) = deliver_to(&[fail(422, 1)]).await?;
    let event = dev.doors.event(&id, "dead").await?;
    assert_eq!(statuses(&event), ["dead"]);
    assert_eq!(event["outcomes"][0]["http_status"], 422);
    let letters = dead_letters(&dev).await?;
    assert_eq!(letters, [id.as_str()]);

    let (status, answer) = dev
        .doors
        .console("POST", &format!("/events/{id}/replay"), Some(json!({})))
        .await?;
    assert_eq!(
        (status, &answer["replay_of"]),
        (202, &json!(id)),
        "{answer}"
    );
    let replayed = dev
        .doors
        .event(answer["event_id"].as_str().context("no id")?, "triggered")
        .await?;
    assert_eq!(replayed["replay_of"], json!(id));
    dev.doors
        .until("the dead letter is gone", || async {
            Ok(dead_letters(&dev).await?.is_empty().then_some(()))
        })
        .await
}

#[tokio::test]
async fn an_orchestrator_that_keeps_failing_spends_the_attempts_and_the_dead_letter_can_be_discarded()
-> Result<()> {
    let (dev, _packages, id) = deliver_to(&[fail(503, 3)]).await?;
    let event = dev.doors.event(&id, "dead").await?;
    assert_eq!(statuses(&event), ["retrying", "retrying", "dead"]);
    let (status, _) = dev
        .doors
        .console("DELETE", &format!("/dead-letters/{id}"), None)
        .await?;
    assert_eq!(status, 200);
    dev.doors
        .until("the dead letter is gone", || async {
            Ok(dead_letters(&dev).await?.is_empty().then_some(()))
        })
        .await?;
    assert_eq!(dev.orchestrator.calls.calls().len(), 3);
    Ok(())
}

#[tokio::test]
async fn an_orchestrator_that_is_away_is_retried_and_a_replay_runs_when_it_is_back() -> Result<()> {
    let (mut dev, _packages, first) = deliver_to(&[]).await?;
    dev.doors.event(&first, "triggered").await?;
    let address = dev
        .orchestrator
        .url
        .trim_start_matches("http://")
        .to_owned();
    // Another orchestrator takes its place; the old one ends with it.
    dev.orchestrator = Orchestrator::start().await?;
    let gone = std::time::Instant::now();
    while tokio::net::TcpStream::connect(&address).await.is_ok() {
        assert!(gone.elapsed() < PATIENCE, "the orchestrator does not go");
    }
    let id = deliver(&dev, "d-2").await?;
    let event = dev.doors.event(&id, "dead").await?;
    assert_eq!(statuses(&event), ["retrying", "retrying", "dead"]);
    assert_eq!(event["outcomes"][0]["http_status"], 503, "{event}");

    dev.orchestrator = Orchestrator::at(&address).await?;
    let (status, answer) = dev
        .doors
        .console("POST", &format!("/events/{id}/replay"), Some(json!({})))
        .await?;
    assert_eq!(status, 202, "{answer}");
    dev.doors
        .event(answer["event_id"].as_str().context("no id")?, "triggered")
        .await?;
    assert_eq!(dev.orchestrator.calls.calls().len(), 1);
    Ok(())
}

#[tokio::test]
async fn a_run_that_outlasts_the_claim_is_not_delivered_again() -> Result<()> {
    let packages = tempfile::tempdir()?;
    std::fs::create_dir(packages.path().join("triggers"))?;
    let mut manifest = impatient();
    manifest["delivery"]["timeout_seconds"] = json!(120);
    std::fs::write(
        packages.path().join("triggers/impatient-1.0.0.json"),
        manifest.to_string(),
    )?;
    let dev = Dev::start_with(&["--packages", &packages.path().to_string_lossy()]).await?;
    dev.doors
        .install("impatient", json!({"workflow_id": "w"}))
        .await?;
    // Longer than the claim of 30 s, which only its renewals keep.
    dev.orchestrator.calls.answer(Answer {
        status: 200,
        times: 1,
        delay_ms: 35_000,
        retry_after: None,
    });
    let id = deliver(&dev, "d-1").await?;
    assert_eq!(dev.orchestrator.calls.wait_for(1, 2 * PATIENCE).await, 1);
    let event = dev.doors.event(&id, "triggered").await?;
    assert_eq!(statuses(&event), ["triggered"]);
    assert_eq!(dev.orchestrator.calls.calls().len(), 1);
    Ok(())
}

async fn dead_letters(dev: &Dev) -> Result<Vec<String>> {
    let (_, answer) = dev.doors.console("GET", "/dead-letters", None).await?;
    let letters = answer["dead_letters"]
        .as_array()
        .with_context(|| format!("not a list: {answer}"))?;
    Ok(letters
        .iter()
        .filter_map(|letter| letter["event_id"].as_str().map(str::to_owned))
        .collect())
}
