//! What is wrong is refused with words that say what to do, and nothing of it reaches the bus.

use crate::world::{Dev, SECRET, github, pull_request, signed};
use anyhow::{Context, Result};
use belfry::send::Delivery;
use http::HeaderValue;
use serde_json::{Value, json};
use std::process::Command;

async fn mesh() -> Result<Dev> {
    let dev = Dev::start().await?;
    dev.doors
        .install("github-pr-webhook", json!({"workflow_id": "review"}))
        .await?;
    dev.doors
        .install("linear-webhook", json!({"workflow_id": "triage"}))
        .await?;
    Ok(dev)
}

/// Delivers, and sees it refused with this status and these words.
async fn refused(
    dev: &Dev,
    trigger: &str,
    delivery: Delivery,
    status: u16,
    words: &str,
) -> Result<()> {
    let (answered, problem) = dev.doors.deliver(trigger, delivery).await?;
    let detail = problem["detail"].as_str().unwrap_or_default();
    assert!(
        answered == status && detail.contains(words),
        "wanted {status} and `{words}`, got {answered}: {problem}"
    );
    assert_eq!(
        problem["status"],
        json!(status),
        "not a problem document: {problem}"
    );
    assert!(!problem.to_string().contains(SECRET), "the secret was told");
    Ok(())
}

/// Nothing but `known` events is on the bus: one that is delivered last is also the only one.
async fn nothing_was_stored(dev: &Dev) -> Result<()> {
    let (_, answer) = dev
        .doors
        .deliver(
            "github-pr-webhook",
            github("the-only-one", &pull_request(1)),
        )
        .await?;
    dev.doors
        .event(answer["event_id"].as_str().context("no id")?, "triggered")
        .await?;
    let (_, events) = dev.doors.console("GET", "/events", None).await?;
    assert_eq!(
        events["events"].as_array().map(Vec::len),
        Some(1),
        "{events}"
    );
    assert_eq!(dev.orchestrator.calls.calls().len(), 1);
    Ok(())
}

fn with(mut delivery: Delivery, name: &'static str, value: &str) -> Delivery {
    delivery
        .headers
        .insert(name, HeaderValue::from_str(value).expect("a header value"));
    delivery
}

#[tokio::test]
async fn a_forged_delivery_is_refused_whatever_is_wrong_with_it() -> Result<()> {
    let dev = mesh().await?;
    let genuine = || github("d-1", &pull_request(1));
    let signature = genuine().headers["x-hub-signature-256"]
        .to_str()?
        .to_owned();
    let trigger = "github-pr-webhook";

    refused(
        &dev,
        trigger,
        with(
            genuine(),
            "x-hub-signature-256",
            &format!("sha256={}", "0".repeat(64)),
        ),
        401,
        "does not match",
    )
    .await?;
    refused(
        &dev,
        trigger,
        with(genuine(), "x-hub-signature-256", &signature[..30]),
        401,
        "x-hub-signature-256",
    )
    .await?;
    refused(
        &dev,
        trigger,
        with(genuine(), "x-hub-signature-256", ""),
        401,
        "x-hub-signature-256",
    )
    .await?;
    let mut missing = genuine();
    missing.headers.remove("x-hub-signature-256");
    refused(&dev, trigger, missing, 401, "x-hub-signature-256").await?;
    let mut repeated = genuine();
    repeated
        .headers
        .append("x-hub-signature-256", HeaderValue::from_str(&signature)?);
    refused(&dev, trigger, repeated, 400, "x-hub-signature-256").await?;
    let body = serde_json::to_vec(&pull_request(1))?;
    refused(
        &dev,
        trigger,
        signed("github", "another secret", "d-1", body),
        401,
        "same secret",
    )
    .await?;
    let mut changed = genuine();
    changed.body.push(b' ');
    refused(&dev, trigger, changed, 401, "does not match").await?;
    nothing_was_stored(&dev).await
}

#[tokio::test]
async fn a_linear_delivery_of_yesterday_is_refused() -> Result<()> {
    let dev = mesh().await?;
    let scheme = belfry_mesh::signature::Scheme::named("linear")?;
    let yesterday = jiff::Timestamp::UNIX_EPOCH;
    let body = br#"{"type":"Issue","action":"create"}"#.to_vec();
    let stale = belfry::send::sign(
        &scheme,
        Some(&SECRET.into()),
        body.clone(),
        None,
        "d-1",
        yesterday,
    )?;
    refused(&dev, "linear-webhook", stale, 401, "old and at most 60s").await?;
    nothing_was_stored(&dev).await?;
    let (status, answer) = dev
        .doors
        .deliver("linear-webhook", signed("linear", SECRET, "d-2", body))
        .await?;
    assert_eq!(status, 202, "{answer}");
    Ok(())
}

#[tokio::test]
async fn what_is_too_large_or_not_there_or_not_understood_is_refused() -> Result<()> {
    let dev = mesh().await?;
    let large = signed("github", SECRET, "d-1", vec![b'x'; 10 << 20]);
    refused(&dev, "github-pr-webhook", large, 413, "bytes").await?;
    refused(
        &dev,
        "no-such-trigger",
        github("d-1", &pull_request(1)),
        404,
        "no-such-trigger",
    )
    .await?;
    refused(
        &dev,
        "github-pr-webhook",
        with(github("d-1", &pull_request(1)), "content-encoding", "br"),
        415,
        "Content-Encoding",
    )
    .await?;
    let url = format!(
        "http://127.0.0.1:{}/hooks/github-pr-webhook",
        dev.doors.gateway
    );
    let response = dev.doors.http.get(url).send().await?;
    assert_eq!(response.status(), 405);
    assert_eq!(response.headers()["allow"], "POST");
    nothing_was_stored(&dev).await
}

#[tokio::test]
async fn broken_json_is_refused_even_when_it_is_genuine() -> Result<()> {
    let dev = mesh().await?;
    for body in [&b"{\"broken\":"[..], b"", b"{} trailing", b"\xff"] {
        let delivery = signed("github", SECRET, "d-1", body.to_vec());
        refused(&dev, "github-pr-webhook", delivery, 400, "JSON").await?;
    }
    nothing_was_stored(&dev).await
}

#[tokio::test]
async fn a_trigger_whose_secret_is_not_set_refuses_all_until_it_is() -> Result<()> {
    let dev = Dev::start().await?;
    let config = json!({"GITHUB_WEBHOOK_SECRET": "${NOT_SET_YET}"});
    dev.doors
        .console(
            "POST",
            "/registries/install/trigger/github-pr-webhook",
            Some(json!({"workflow_id": "w", "config": config})),
        )
        .await?;
    dev.doors
        .until("the hook is known", || async {
            let (status, _) = dev
                .doors
                .deliver("github-pr-webhook", github("d-1", &pull_request(1)))
                .await?;
            Ok((status != 404).then_some(()))
        })
        .await?;
    refused(
        &dev,
        "github-pr-webhook",
        github("d-1", &pull_request(1)),
        401,
        "`NOT_SET_YET`",
    )
    .await?;
    let (_, seen) = dev
        .doors
        .console("GET", "/triggers/github-pr-webhook/status", None)
        .await?;
    assert!(
        seen["detail"]
            .as_str()
            .is_some_and(|detail| detail.contains("`NOT_SET_YET`")),
        "{seen}"
    );
    crate::world::set_secret(dev.secrets.path(), "NOT_SET_YET", SECRET)?;
    dev.doors
        .until("the secret is taken up", || async {
            let (status, _) = dev
                .doors
                .deliver("github-pr-webhook", github("d-1", &pull_request(1)))
                .await?;
            Ok((status == 202).then_some(()))
        })
        .await?;
    dev.orchestrator
        .calls
        .wait_for(1, crate::world::PATIENCE)
        .await;
    assert_eq!(dev.orchestrator.calls.calls().len(), 1);
    Ok(())
}

#[tokio::test]
async fn an_install_that_makes_no_sense_says_what_would() -> Result<()> {
    let dev = Dev::start().await?;
    let cases: [(&str, Value, u16, &str); 6] = [
        (
            "github-pr-webhook",
            json!({}),
            400,
            "Must specify workflow_id or team_id",
        ),
        (
            "github-pr-webhook",
            json!({"workflow_id": "a", "team_id": "b"}),
            400,
            "one of them",
        ),
        (
            "no-such-package",
            json!({"workflow_id": "a"}),
            404,
            "belfry packages",
        ),
        (
            "github-pr-webhook-9.9.9",
            json!({"workflow_id": "a"}),
            404,
            "9.9.9",
        ),
        (
            "github-pr-webhook",
            json!({"workflow_id": "a", "name": "Not A Name"}),
            400,
            "lower-case",
        ),
        (
            "github-pr-webhook",
            json!({"workflow_id": "a", "config": {"GITHUB_WEBHOOK_SECRET": "plain text"}}),
            400,
            "plain text",
        ),
    ];
    for (package, body, status, words) in cases {
        let path = format!("/registries/install/trigger/{package}");
        let (answered, problem) = dev.doors.console("POST", &path, Some(body.clone())).await?;
        let detail = problem["detail"].as_str().unwrap_or_default();
        assert!(
            answered == status && detail.contains(words),
            "{body}: wanted {status} and `{words}`, got {answered}: {problem}"
        );
    }
    let (_, list) = dev.doors.console("GET", "/triggers", None).await?;
    assert_eq!(list, json!([]), "something was installed all the same");
    Ok(())
}

#[tokio::test]
async fn a_package_with_an_unknown_trigger_type_is_refused_by_name() -> Result<()> {
    let packages = tempfile::tempdir()?;
    std::fs::create_dir(packages.path().join("triggers"))?;
    let odd = json!({"name": "odd", "version": "1.0.0", "type": "trigger", "trigger": {"type": "webook"}, "deployment": {"image": "x"}});
    std::fs::write(
        packages.path().join("triggers/odd-1.0.0.json"),
        odd.to_string(),
    )?;
    let dev = Dev::start_with(&["--packages", &packages.path().to_string_lossy()]).await?;
    let (status, problem) = dev
        .doors
        .console(
            "POST",
            "/registries/install/trigger/odd",
            Some(json!({"workflow_id": "w"})),
        )
        .await?;
    let detail = problem["detail"].as_str().unwrap_or_default();
    assert!(
        (400..=502).contains(&status) && detail.contains("`webook`") && detail.contains("webhook"),
        "{status}: {problem}"
    );
    Ok(())
}

#[test]
fn a_process_that_cannot_start_says_why_and_what_to_do() -> Result<()> {
    let exe = std::env::current_exe()?;
    let binary = exe
        .parent()
        .and_then(|deps| deps.parent())
        .context("no target directory")?
        .join("belfry");
    let taken = std::net::TcpListener::bind("127.0.0.1:0")?;
    let address = taken.local_addr()?.to_string();
    let data = tempfile::tempdir()?;
    let config = data.path().join("belfry.toml");
    std::fs::write(&config, "gateway_addr = \"x\"")?;
    let cases: [(&[&str], &str); 5] = [
        (
            &[
                "dev",
                "--gateway-addr",
                &address,
                "--standin-addr",
                "127.0.0.1:0",
            ],
            "--gateway-addr",
        ),
        (&["gateway"], "--nats-url"),
        (
            &[
                "agent",
                "--nats-url",
                "nats://user:hidden@127.0.0.1:1",
                "--agent-addr",
                "127.0.0.1:0",
            ],
            "127.0.0.1:1",
        ),
        (
            &["dev", "--config", &config.to_string_lossy()],
            "gateway-addr",
        ),
        (
            &[
                "registry",
                "--packages",
                "/no/such/directory",
                "--registry-addr",
                "127.0.0.1:0",
            ],
            "/no/such/directory",
        ),
    ];
    for (arguments, words) in cases {
        let output = Command::new(&binary)
            .args(arguments)
            .env("BELFRY_DATA", data.path())
            .output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(
            !output.status.success() && said.contains(words),
            "belfry {arguments:?} said: {said}"
        );
        assert!(!said.contains("hidden"), "a password was told: {said}");
    }
    Ok(())
}
