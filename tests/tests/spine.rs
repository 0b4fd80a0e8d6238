//! The spine: a signed webhook runs a workflow, once.

use crate::world::{Dev, Mesh, PATIENCE, github, pull_request, signed, unsigned};
use anyhow::{Context, Result};
use belfry::standin::Answer;
use belfry_tests::servers::Belfry;
use serde_json::{Value, json};
use std::process::Command;

#[tokio::test]
async fn a_genuine_delivery_runs_its_workflow_with_the_parameters_it_should_have() -> Result<()> {
    let dev = Dev::start().await?;
    dev.doors
        .install("github-pr-webhook", json!({"workflow_id": "review"}))
        .await?;
    let (status, answer) = dev
        .doors
        .deliver("github-pr-webhook", github("d-1", &pull_request(7)))
        .await?;
    assert_eq!(
        (status, &answer["status"]),
        (202, &json!("accepted")),
        "{answer}"
    );
    let id = answer["event_id"].as_str().context("no event id")?;

    assert_eq!(dev.orchestrator.calls.wait_for(1, PATIENCE).await, 1);
    let call = dev.orchestrator.calls.calls().remove(0);
    assert_eq!(call.path, "/workflows/execute");
    assert_eq!(call.idempotency_key.as_deref(), Some(id));
    assert_eq!(call.body["workflow_id"], "review");
    assert_eq!(
        call.body["params"],
        json!({
            "github_event": "pull_request", "pr_number": 7, "pr_title": "Ring once", "pr_author": "octocat",
            "pr_head_ref": "ring", "pr_base_ref": "main", "pr_url": "https://github.com/o/r/pull/1",
            "repository": "o/r", "action": "opened",
        })
    );

    let event = dev.doors.event(id, "triggered").await?;
    assert_eq!(event["type"], "com.github.pull_request.opened");
    assert_eq!(event["delivery_id"], "d-1");
    assert_eq!(
        event["outcomes"][0]["execution_id"].as_str(),
        call.execution_id.as_deref()
    );
    assert_eq!(event["data"], pull_request(7));
    let trace = call.traceparent.context("no trace")?;
    let first = event["trace_id"]
        .as_str()
        .context("no trace of the event")?;
    assert_eq!(
        &trace[3..35],
        first,
        "the run is not in the trace of its event"
    );
    Ok(())
}

#[tokio::test]
async fn a_team_gets_its_task_and_the_parameters_as_context() -> Result<()> {
    let dev = Dev::start().await?;
    let body = json!({"team_id": "reviewers", "name": "team-hook", "config": {"TASK_TEMPLATE": "Review {pull_request.title}"}});
    dev.doors.install("github-pr-webhook", body).await?;
    let (status, _) = dev
        .doors
        .deliver("team-hook", github("d-1", &pull_request(7)))
        .await?;
    assert_eq!(status, 202);
    dev.orchestrator.calls.wait_for(1, PATIENCE).await;
    let call = dev.orchestrator.calls.calls().remove(0);
    assert_eq!(call.path, "/teams/run");
    assert_eq!(call.body["task"], "Review Ring once");
    assert_eq!(call.body["context"]["pr_number"], 7);
    Ok(())
}

#[tokio::test]
async fn a_delivery_that_the_filter_does_not_want_is_ignored_with_its_reason() -> Result<()> {
    let dev = Dev::start().await?;
    dev.doors
        .install("github-pr-webhook", json!({"workflow_id": "review"}))
        .await?;
    let mut body = pull_request(7);
    body["action"] = "labeled".into();
    let (status, answer) = dev
        .doors
        .deliver("github-pr-webhook", github("d-1", &body))
        .await?;
    assert_eq!(status, 202);
    let event = dev
        .doors
        .event(answer["event_id"].as_str().context("no id")?, "ignored")
        .await?;
    let reason = event["outcomes"][0]["reason"].as_str().unwrap_or_default();
    assert!(reason.contains("labeled"), "{reason}");
    assert!(dev.orchestrator.calls.calls().is_empty());
    Ok(())
}

#[tokio::test]
async fn fifty_concurrent_copies_of_one_delivery_make_one_call_embedded() -> Result<()> {
    let dev = Dev::start().await?;
    dev.doors
        .install("github-pr-webhook", json!({"workflow_id": "review"}))
        .await?;
    fifty_copies(&dev.doors, &dev.orchestrator, "d-1").await
}

#[tokio::test]
async fn fifty_concurrent_copies_make_one_call_with_redis_and_without_it() -> Result<()> {
    let mut mesh = Mesh::start().await?;
    mesh.doors
        .install("github-pr-webhook", json!({"workflow_id": "review"}))
        .await?;
    assert_eq!(mesh.doors.readiness().await?.1["status"], "ready");
    fifty_copies(&mesh.doors, &mesh.orchestrator, "d-1").await?;

    mesh.redis.kill()?;
    fifty_copies(&mesh.doors, &mesh.orchestrator, "d-2").await?;
    mesh.doors
        .until("the gateway says that it is degraded", || async {
            let (status, ready) = mesh.doors.readiness().await?;
            Ok((status == 200 && ready["status"] == "degraded").then_some(()))
        })
        .await?;

    mesh.redis.restart()?;
    mesh.doors
        .until("the gateway is whole again", || async {
            Ok((mesh.doors.readiness().await?.1["status"] == "ready").then_some(()))
        })
        .await
}

async fn fifty_copies(
    doors: &crate::world::Doors,
    orchestrator: &crate::world::Orchestrator,
    delivery_id: &str,
) -> Result<()> {
    let copy = || doors.deliver("github-pr-webhook", github(delivery_id, &pull_request(1)));
    let answers = futures::future::try_join_all((0..50).map(|_| copy())).await?;
    let ids: std::collections::BTreeSet<&str> = answers
        .iter()
        .filter_map(|(_, answer)| answer["event_id"].as_str())
        .collect();
    assert_eq!(ids.len(), 1, "{ids:?}");
    assert!(
        answers
            .iter()
            .all(|(status, _)| matches!(status, 200 | 202)),
        "{answers:?}"
    );
    let id = *ids.first().context("no id")?;
    doors.event(id, "triggered").await?;
    // A copy that was stored twice would be tried at once, as the first was; the next delivery to run is a later one.
    let (_, marker) = doors
        .deliver(
            "github-pr-webhook",
            github(&format!("{delivery_id}-marker"), &pull_request(2)),
        )
        .await?;
    doors
        .event(marker["event_id"].as_str().context("no id")?, "triggered")
        .await?;
    assert_eq!(orchestrator.runs_of(id), 1);
    let (status, again) = copy().await?;
    assert_eq!(
        (status, &again["status"], &again["delivery_id"]),
        (200, &json!("duplicate"), &json!(delivery_id))
    );
    assert_eq!(again["event_id"], id);
    Ok(())
}

#[tokio::test]
async fn an_install_is_live_in_under_a_second() -> Result<()> {
    let dev = Dev::start().await?;
    let began = std::time::Instant::now();
    dev.doors
        .install("simple-webhook", json!({"workflow_id": "w"}))
        .await?;
    assert!(began.elapsed().as_millis() < 1_000, "{:?}", began.elapsed());
    Ok(())
}

#[tokio::test]
async fn several_instances_of_one_package_have_their_own_names_secrets_and_targets() -> Result<()> {
    let dev = Dev::start().await?;
    crate::world::set_secret(dev.secrets.path(), "BILLING_SECRET", "other")?;
    dev.doors
        .install("github-pr-webhook", json!({"workflow_id": "a"}))
        .await?;
    let config = json!({"GITHUB_WEBHOOK_SECRET": "${BILLING_SECRET}"});
    dev.doors
        .install(
            "github-pr-webhook",
            json!({"workflow_id": "b", "name": "billing", "config": config}),
        )
        .await?;
    let body = serde_json::to_vec(&pull_request(1))?;
    let (status, _) = dev
        .doors
        .deliver("billing", github("d-1", &pull_request(1)))
        .await?;
    assert_eq!(status, 401, "the other instance's secret was taken");
    let (status, answer) = dev
        .doors
        .deliver("billing", signed("github", "other", "d-1", body))
        .await?;
    assert_eq!(status, 202, "{answer}");
    dev.orchestrator.calls.wait_for(1, PATIENCE).await;
    assert_eq!(dev.orchestrator.calls.calls()[0].body["workflow_id"], "b");
    Ok(())
}

#[tokio::test]
async fn a_stopped_trigger_keeps_its_events_until_it_is_started() -> Result<()> {
    let dev = Dev::start().await?;
    dev.doors
        .install("simple-webhook", json!({"workflow_id": "w"}))
        .await?;
    let (_, stopped) = dev
        .doors
        .console("POST", "/triggers/simple-webhook/stop", None)
        .await?;
    assert_eq!(stopped["status"], "stopped", "{stopped}");
    assert_eq!(stopped["name"], "simple-webhook");
    let (_, seen) = dev
        .doors
        .console("GET", "/triggers/simple-webhook/status", None)
        .await?;
    assert_eq!(
        (&seen["state"], &seen["running"]),
        (&json!("exited"), &json!(false)),
        "{seen}"
    );
    let (status, answer) = dev.doors.deliver("simple-webhook", unsigned("d-1")).await?;
    assert_eq!(status, 202);
    let id = answer["event_id"].as_str().context("no id")?;
    dev.doors.event(id, "waiting").await?;
    assert!(dev.orchestrator.calls.calls().is_empty());
    dev.doors
        .console("POST", "/triggers/simple-webhook/start", None)
        .await?;
    dev.doors.event(id, "triggered").await?;
    Ok(())
}

#[tokio::test]
async fn an_uninstalled_trigger_is_gone_and_comes_back_without_its_old_events() -> Result<()> {
    let dev = Dev::start().await?;
    dev.doors
        .install("simple-webhook", json!({"workflow_id": "w"}))
        .await?;
    dev.doors
        .console("POST", "/triggers/simple-webhook/stop", None)
        .await?;
    dev.doors.deliver("simple-webhook", unsigned("old")).await?;
    let (status, answer) = dev
        .doors
        .console("DELETE", "/triggers/simple-webhook", None)
        .await?;
    assert_eq!(
        (status, &answer["status"], &answer["name"]),
        (200, &json!("uninstalled"), &json!("simple-webhook"))
    );
    let (status, _) = dev
        .doors
        .console("GET", "/triggers/simple-webhook/status", None)
        .await?;
    assert_eq!(status, 404);
    dev.doors
        .until("the hook is shut", || async {
            Ok((dev.doors.deliver("simple-webhook", unsigned("x")).await?.0 == 404).then_some(()))
        })
        .await?;
    dev.doors
        .install("simple-webhook", json!({"workflow_id": "w"}))
        .await?;
    let (_, answer) = dev.doors.deliver("simple-webhook", unsigned("new")).await?;
    dev.doors
        .event(answer["event_id"].as_str().context("no id")?, "triggered")
        .await?;
    assert_eq!(dev.orchestrator.calls.calls().len(), 1);
    Ok(())
}

#[tokio::test]
async fn a_manual_run_reaches_the_workflow() -> Result<()> {
    let dev = Dev::start().await?;
    dev.doors
        .install("daily-scan", json!({"workflow_id": "scan"}))
        .await?;
    let (status, answer) = dev
        .doors
        .console("POST", "/triggers/daily-scan/run", Some(json!({})))
        .await?;
    assert_eq!(status, 202, "{answer}");
    dev.doors
        .event(answer["event_id"].as_str().context("no id")?, "triggered")
        .await?;
    let call = dev.orchestrator.calls.calls().remove(0);
    assert_eq!(call.body["params"]["trigger_type"], "schedule");
    assert_eq!(call.body["params"]["cron_expression"], "0 2 * * *");
    Ok(())
}

/// The demonstration as a newcomer meets it, to the last word.
#[tokio::test]
async fn the_demonstration_tells_what_became_of_each_delivery() -> Result<()> {
    let secrets = tempfile::tempdir()?;
    let belfry = Belfry::dev(secrets.path(), &["--demo"])?;
    let told = belfry.log();
    for words in [
        "genuine   202: signature verified",
        "forged    401",
        "nothing was stored",
        "repeated  200",
        "ran 1 time in all",
    ] {
        assert!(
            told.contains(words),
            "the demonstration does not say `{words}`:\n{told}"
        );
    }
    for name in ["GITHUB_WEBHOOK_SECRET", "LINEAR_WEBHOOK_SECRET"] {
        let secret = std::fs::read_to_string(secrets.path().join(name))?;
        assert!(
            secret.len() == 64 && !told.contains(&secret),
            "{name} is weak or was told"
        );
    }
    Ok(())
}

#[tokio::test]
async fn the_command_line_does_it_all_against_the_console() -> Result<()> {
    let dev = Dev::start().await?;
    let url = format!("http://127.0.0.1:{}", dev.doors.console);
    let belfry = |args: &[&str]| -> Result<(bool, String)> {
        let exe = std::env::current_exe()?;
        let binary = exe
            .parent()
            .and_then(|deps| deps.parent())
            .context("no target directory")?
            .join("belfry");
        let output = Command::new(binary)
            .args(args)
            .env("BELFRY_CONSOLE_URL", &url)
            .env("NO_COLOR", "1")
            .output()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned()
            + &String::from_utf8_lossy(&output.stderr);
        Ok((output.status.success(), text))
    };
    let expect = |args: &[&str], words: &str| -> Result<String> {
        let (succeeded, text) = belfry(args)?;
        assert!(succeeded && text.contains(words), "belfry {args:?}: {text}");
        Ok(text)
    };
    expect(&["packages"], "github-pr-webhook")?;
    expect(
        &["install", "simple-webhook", "--workflow", "hello"],
        "is installed: running",
    )?;
    expect(
        &["install", "simple-webhook", "--workflow", "hello"],
        "was installed already",
    )?;
    expect(&["list"], "workflow hello")?;
    expect(&["status", "simple-webhook"], "running")?;
    let payload = dev.secrets.path().join("payload.json");
    std::fs::write(&payload, br#"{"hello":"bell"}"#)?;
    let gateway = format!("http://127.0.0.1:{}", dev.doors.gateway);
    let sent = [
        "send",
        "none",
        &payload.to_string_lossy(),
        "--gateway-url",
        &gateway,
        "--json",
    ];
    let answer: Value = serde_json::from_str(&expect(&sent, "accepted")?)?;
    let id = answer["event_id"].as_str().context("no id")?;
    dev.doors.event(id, "triggered").await?;
    expect(&["events"], id)?;
    expect(&["events", id], "\"hello\": \"bell\"")?;
    expect(&["replay", id], "replayed as event")?;
    expect(&["dead-letters"], "no dead letters")?;
    expect(&["stop", "simple-webhook"], "stopped")?;
    expect(&["start", "simple-webhook"], "started")?;
    expect(&["restart", "simple-webhook"], "restarted")?;
    expect(&["update", "simple-webhook"], "newest version")?;
    expect(&["uninstall", "simple-webhook"], "uninstalled")?;
    let (succeeded, text) = belfry(&["status", "simple-webhook"])?;
    assert!(!succeeded && text.contains("is not installed"), "{text}");
    let (succeeded, text) = belfry(&["list", "--console-url", "http://127.0.0.1:1"])?;
    assert!(!succeeded && text.contains("belfry dev"), "{text}");
    Ok(())
}

#[tokio::test]
async fn two_identical_installs_at_once_make_one_trigger_that_loses_nothing() -> Result<()> {
    let dev = Dev::start().await?;
    let path = "/registries/install/trigger/simple-webhook";
    let install = || {
        dev.doors
            .console("POST", path, Some(json!({"workflow_id": "w"})))
    };
    let answers = futures::future::try_join_all((0..8).map(|_| install())).await?;
    let count = |word: &str| answers.iter().filter(|(_, a)| a["status"] == word).count();
    assert_eq!(
        (count("installed"), count("already_installed")),
        (1, 7),
        "{answers:?}"
    );
    dev.doors
        .install("simple-webhook", json!({"workflow_id": "w"}))
        .await?;
    let (status, answer) = dev.doors.deliver("simple-webhook", unsigned("d-1")).await?;
    assert_eq!(status, 202);
    let id = answer["event_id"].as_str().context("no id")?;
    dev.doors.event(id, "triggered").await?;
    Ok(())
}

#[tokio::test]
async fn an_install_right_after_an_uninstall_gets_none_of_the_old_events_and_all_of_its_own()
-> Result<()> {
    let dev = Dev::start().await?;
    let slow = Answer {
        status: 200,
        times: 16,
        delay_ms: 3_000,
        retry_after: None,
    };
    dev.orchestrator.calls.answer(slow);
    let body = |workflow: &str| json!({"workflow_id": workflow});
    dev.doors.install("simple-webhook", body("old")).await?;
    // Sixteen of them are under way and eight wait when the trigger goes.
    for i in 0..24 {
        dev.doors
            .deliver("simple-webhook", unsigned(&format!("old-{i}")))
            .await?;
    }
    let uninstall = dev
        .doors
        .console("DELETE", "/triggers/simple-webhook", None);
    let install = dev.doors.until("the name is free", || async {
        let path = "/registries/install/trigger/simple-webhook";
        let (status, _) = dev.doors.console("POST", path, Some(body("new"))).await?;
        Ok((status == 200).then_some(()))
    });
    let (uninstalled, installed) = futures::join!(uninstall, install);
    assert_eq!(uninstalled?.0, 200);
    installed?;
    dev.doors.install("simple-webhook", body("new")).await?;
    let (_, answer) = dev.doors.deliver("simple-webhook", unsigned("new")).await?;
    let id = answer["event_id"].as_str().context("no id")?;
    dev.doors.event(id, "triggered").await?;
    let calls = dev.orchestrator.calls.calls();
    let new: Vec<_> = calls
        .iter()
        .filter(|call| call.body["workflow_id"] == "new")
        .collect();
    assert_eq!(new.len(), 1, "an old event ran on the new target");
    Ok(())
}
