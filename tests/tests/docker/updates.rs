//! Updates that hold, and updates that do not.

use super::engine::{Image, docker};
use super::{Mesh, foreign, identity};
use crate::world::{Doors, unsigned};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::path::Path;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

const TRIGGER: &str = "bell";

/// Never answers its health check.
const DEAF: &str = r#"FROM scratch
COPY busybox /bin/busybox
STOPSIGNAL SIGKILL
ENTRYPOINT ["/bin/busybox", "sleep", "3600"]
"#;

/// Fails every event.
const FAILING: &str = r#"#!/bin/sh
/bin/busybox cat >/dev/null
printf 'Status: 500\r\nContent-Type: text/plain\r\n\r\nthe new version is broken\n'
"#;

/// Puts a version of the package into a registry's directory.
fn publish(directory: &Path, version: &str, deployment: Value) -> Result<()> {
    let triggers = directory.join("triggers");
    std::fs::create_dir_all(&triggers)?;
    let manifest = json!({
        "manifest": 2, "name": TRIGGER, "version": version, "type": "trigger", "description": "for a test",
        "deployment": deployment,
        "trigger": {"type": "webhook", "auth": {"scheme": "none"}},
        "delivery": {"backoff_seconds": 0.1, "max_backoff_seconds": 1, "max_attempts": 50},
        "update": {"deadline_seconds": 4, "probation_seconds": 4, "min_attempts": 3},
    });
    let file = triggers.join(format!("{TRIGGER}-{version}.json"));
    Ok(std::fs::write(file, manifest.to_string())?)
}

/// A mesh with the first version of the package, running.
async fn running(packages: &TempDir, replicas: u32) -> Result<Mesh> {
    publish(packages.path(), "1.0.0", json!({}))?;
    let mesh = Mesh::start(&["--packages", &packages.path().to_string_lossy()]).await?;
    let body = json!({"workflow_id": "review", "replicas": replicas});
    mesh.dev.doors.install(TRIGGER, body).await?;
    Ok(mesh)
}

async fn command(mesh: &Mesh, verb: &str) -> Result<Value> {
    let path = format!("/triggers/{TRIGGER}/{verb}");
    let (status, answer) = mesh.dev.doors.console("POST", &path, None).await?;
    ensure!(status == 200, "{verb}: {status} {answer}");
    Ok(answer)
}

/// The name of the container that events go into.
async fn container(mesh: &Mesh) -> Result<String> {
    let status = mesh.status(TRIGGER).await?;
    let name = status["container_name"].as_str();
    Ok(name.context("no container")?.to_owned())
}

/// The status of the trigger once it is so.
async fn until(mesh: &Mesh, what: &str, is: impl Fn(&Value) -> bool) -> Result<Value> {
    let looked = mesh.dev.doors.until(what, || async {
        let status = mesh.status(TRIGGER).await?;
        Ok(is(&status).then_some(status))
    });
    match looked.await {
        Ok(status) => Ok(status),
        Err(error) => Err(error.context(mesh.status(TRIGGER).await?)),
    }
}

/// Delivers twenty events a second until told to stop. Answers their ids.
async fn deliver_until(doors: Doors, stop: CancellationToken) -> Result<Vec<String>> {
    let (mut ids, mut ticks) = (Vec::new(), tokio::time::interval(Duration::from_millis(50)));
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        let delivery = unsigned(&format!("d-{}", ids.len()));
        let (status, answer) = doors.deliver(TRIGGER, delivery).await?;
        ensure!(status == 202, "{status}: {answer}");
        ids.push(
            answer["event_id"]
                .as_str()
                .context("no event id")?
                .to_owned(),
        );
    }
    Ok(ids)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_update_that_never_gets_well_is_taken_back_and_fails_no_event() -> Result<()> {
    let (packages, deaf) = (
        TempDir::with_prefix("belfry-packages-")?,
        Image::build(&[("Dockerfile", DEAF)])?,
    );
    let mesh = running(&packages, 1).await?;
    let name = container(&mesh).await?;
    let old = identity(&name)?;
    publish(packages.path(), "1.1.0", json!({"image": deaf.0}))?;

    let stop = CancellationToken::new();
    let load = TaskTracker::new().spawn(deliver_until(mesh.dev.doors.clone(), stop.clone()));
    let began = Instant::now();
    let answer = command(&mesh, "update").await?;
    let after = began.elapsed();
    assert_eq!(answer["status"], "rolled_back", "{answer}");
    let detail = answer["detail"].as_str().unwrap_or_default();
    assert!(
        detail.contains("1.1.0") && detail.contains("was not well within 4 s"),
        "{answer}"
    );
    stop.cancel();
    let ids = load.await??;
    println!(
        "the update was taken back {after:.1?} after it was asked for; {} events meanwhile",
        ids.len()
    );
    for id in &ids {
        let event = mesh.dev.doors.event(id, "triggered").await?;
        let outcomes = event["outcomes"].as_array().context("no outcomes")?;
        assert_eq!(outcomes.len(), 1, "{event}");
        assert_eq!(mesh.dev.orchestrator.runs_of(id), 1);
    }
    // The same container, never started anew.
    assert_eq!(identity(&container(&mesh).await?)?, old);
    let status = until(&mesh, "it runs the old version", |status| {
        status["version"] == "1.0.0" && status["running"] == true
    })
    .await?;
    assert_eq!(status["rejected"]["version"], "1.1.0");
    let path = format!("/triggers/{TRIGGER}/history");
    let (_, history) = mesh.dev.doors.console("GET", &path, None).await?;
    let what: Vec<&str> = history
        .as_array()
        .context("no list")?
        .iter()
        .filter_map(|revision| revision["what"].as_str())
        .collect();
    assert!(
        what[0].starts_with("rolled back from 1.1.0 to 1.0.0 by itself: it was not well"),
        "{what:?}"
    );
    assert_eq!(what[1..], ["updated 1.0.0 to 1.1.0", "installed 1.0.0"]);
    mesh.uninstall(TRIGGER).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_update_whose_attempts_fail_is_taken_back_and_its_events_run_after_all() -> Result<()> {
    let packages = TempDir::with_prefix("belfry-packages-")?;
    let sick = foreign::image_of(FAILING)?;
    let mesh = running(&packages, 1).await?;
    let deployment = foreign::deployment(&sick);
    publish(packages.path(), "1.1.0", deployment)?;
    let answer = command(&mesh, "update").await?;
    assert_eq!(answer["status"], "updated", "{answer}");

    let stop = CancellationToken::new();
    let load = TaskTracker::new().spawn(deliver_until(mesh.dev.doors.clone(), stop.clone()));
    let status = until(&mesh, "the update is taken back", |status| {
        status["version"] == "1.0.0" && status["running"] == true
    })
    .await?;
    stop.cancel();
    let why = status["rejected"]["why"].as_str().unwrap_or_default();
    assert!(
        why.contains("attempts failed") && why.contains("500"),
        "{status}"
    );
    for id in load.await?? {
        mesh.dev.doors.event(&id, "triggered").await?;
        assert_eq!(mesh.dev.orchestrator.runs_of(&id), 1);
    }
    mesh.uninstall(TRIGGER).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_update_goes_slot_by_slot_and_a_rollback_takes_the_package_back() -> Result<()> {
    let packages = TempDir::with_prefix("belfry-packages-")?;
    let shell = foreign::image()?;
    let mesh = running(&packages, 2).await?;
    let since = super::now();
    publish(packages.path(), "1.1.0", foreign::deployment(&shell))?;
    let updated = command(&mesh, "update").await?;
    assert_eq!(updated["status"], "updated", "{updated}");
    until(&mesh, "both slots run the update, and it held", |status| {
        let slots = status["slots"].as_object();
        slots.is_some_and(|slots| slots.values().all(|slot| slot["state"] == "running"))
            && status["change"] == "the update to 1.1.0 held"
    })
    .await?;
    let history = mesh.containers.history(since, super::now() + 1)?;
    let revision = &updated["revision"];
    let at = |what: &str, slot: u32| {
        let line = format!("{what} belfry-bell-{slot}-{revision}");
        let at = history.iter().position(|other| *other == line);
        at.with_context(|| format!("no `{line}`: {history:?}"))
    };
    assert!(
        at("start", 0)? < at("create", 1)?,
        "both slots went at once: {history:?}"
    );

    let back = command(&mesh, "rollback").await?;
    assert_eq!(back["version"], "1.0.0", "{back}");
    let status = until(&mesh, "both slots run the old version again", |status| {
        let slots = status["slots"].as_object();
        status["replicas"] == 2
            && slots.is_some_and(|slots| {
                slots.len() == 2
                    && slots.values().all(|slot| {
                        slot["state"] == "running" && slot["revision"] == back["revision"]
                    })
            })
    })
    .await?;
    // Two slots of the standard image again, whatever is still ending.
    for slot in status["slots"].as_object().context("no slots")?.values() {
        let name = slot["container_name"].as_str().context("no container")?;
        let image = docker(&["inspect", "--format", "{{.Config.Image}}", name])?;
        assert!(image.starts_with("belfry-trigger:"), "{name}: {image}");
    }
    mesh.uninstall(TRIGGER).await
}
