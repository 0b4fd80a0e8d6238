//! One package for any provider: its scheme, secrets and limits by every door, and what an operator sees of them.

use super::{Stranger, Terminal};
use crate::world::{Dev, Doors, Mesh, SECRET, set_secret};
use anyhow::{Context, Result, ensure};
use belfry::send::{self, Delivery};
use belfry_mesh::signature::{Scheme, schemes};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use tokio::task::spawn_blocking;

/// The name under which all nodes of a mesh know [`SECRET`].
const NAME: &str = "GITHUB_WEBHOOK_SECRET";

/// A delivery as a provider with these settings would send it now.
fn signed(scheme: &Value, secret: &str, delivery_id: &str) -> Result<Delivery> {
    let scheme: Scheme = serde_json::from_value(scheme.clone())?;
    let body = json!({"id": delivery_id, "type": "invoice.paid", "event_id": delivery_id});
    #[expect(
        clippy::disallowed_methods,
        reason = "a sender has the time of its machine"
    )]
    let now = Timestamp::now();
    let body = body.to_string().into_bytes();
    send::sign(&scheme, Some(&secret.into()), body, None, delivery_id, now)
}

/// Delivers, and answers the status.
async fn deliver(doors: &Doors, trigger: &str, delivery: Delivery) -> Result<u16> {
    Ok(doors.deliver(trigger, delivery).await?.0)
}

/// Delivers until the gateway has taken up what was changed.
async fn becomes(doors: &Doors, trigger: &str, secret: &str, expected: u16) -> Result<()> {
    let sent = AtomicUsize::new(0);
    let what = format!("{trigger} answers {expected}");
    let github = json!({"scheme": "github"});
    doors
        .until(&what, || async {
            let id = format!("{expected}-{}", sent.fetch_add(1, Ordering::Relaxed));
            let status = deliver(doors, trigger, signed(&github, secret, &id)?).await?;
            Ok((status == expected).then_some(()))
        })
        .await
}

#[tokio::test]
async fn one_package_takes_any_provider_s_deliveries_by_every_door() -> Result<()> {
    let mesh = Mesh::start().await?;
    let nats = Stranger::beside(&mesh).await?;
    let belfry = Terminal::at(&mesh.doors)?;
    let reference = format!("${{{NAME}}}");

    let stripe = json!({"scheme": "stripe"});
    let body = json!({"name": "billing", "workflow_id": "w", "auth": {"scheme": "stripe", "secret": reference}});
    mesh.doors.install("webhook-1.0.0", body).await?;

    let slack = json!({"scheme": "slack"});
    let request = json!({
        "package": "webhook-1.0.0", "name": "chat", "workflow_id": "w", "auth": {"scheme": "slack", "secret": reference}
    });
    let installed = nats.ask("trigger.install", request).await?;
    assert_eq!(installed["webhook_path"], "/hooks/chat");

    let hmac = json!({"scheme": "hmac", "header": "X-Signature", "prefix": "v1="});
    let install = [
        "install",
        "webhook",
        "--name",
        "alerts",
        "--workflow",
        "w",
        "--scheme",
        "hmac",
        "--secret",
        NAME,
        "--auth",
        "header=X-Signature",
        "--auth",
        "prefix=v1=",
    ];
    belfry.succeeds(&install, "webhooks go to /hooks/alerts")?;
    let github = json!({"scheme": "github"});
    let install = [
        "install",
        "webhook",
        "--name",
        "code",
        "--workflow",
        "w",
        "--scheme",
        "github",
        "--secret",
        NAME,
    ];
    belfry.succeeds(&install, "is installed: running")?;
    belfry.fails(
        &["install", "webhook", "--name", "bare", "--workflow", "w"],
        "its installer must say how they are verified",
    )?;

    for (trigger, scheme) in [
        ("billing", stripe),
        ("chat", slack),
        ("alerts", hmac),
        ("code", github),
    ] {
        let forged = signed(&scheme, "another secret", "forged")?;
        assert_eq!(
            deliver(&mesh.doors, trigger, forged).await?,
            401,
            "{trigger}"
        );
        let id = format!("{trigger}-1");
        let (status, answer) = mesh
            .doors
            .deliver(trigger, signed(&scheme, SECRET, &id)?)
            .await?;
        assert_eq!(status, 202, "{trigger}: {answer}");
        let event = answer["event_id"].as_str().context("no id")?;
        let told = mesh.doors.event(event, "triggered").await?;
        assert_eq!(mesh.orchestrator.runs_of(event), 1, "{trigger}");
        let calls = mesh.orchestrator.calls.calls();
        let call = calls
            .iter()
            .find(|call| call.idempotency_key.as_deref() == Some(event));
        let params = &call.context("no call")?.body["params"];
        assert_eq!(params["payload"]["id"], json!(id), "{trigger}");
        assert_eq!(params["event_id"], event);
        assert_eq!(params["event_type"], told["type"], "{trigger}");
    }
    Ok(())
}

#[tokio::test]
async fn a_secret_is_rotated_without_a_refused_delivery_and_the_old_one_comes_to_its_end()
-> Result<()> {
    let dev = Dev::start().await?;
    let belfry = Terminal::at(&dev.doors)?;
    set_secret(dev.secrets.path(), "OLD", "the old secret")?;
    set_secret(dev.secrets.path(), "NEW", "the new secret")?;
    let auth = json!({"scheme": "github", "secret": "${OLD}"});
    let body = json!({"name": "code", "workflow_id": "w", "auth": auth});
    dev.doors.install("webhook", body).await?;
    becomes(&dev.doors, "code", "the new secret", 401).await?;

    let done = AtomicBool::new(false);
    let github = json!({"scheme": "github"});
    let senders = async {
        let mut sent = 0_usize;
        while !done.load(Ordering::Relaxed) {
            let delivery = signed(&github, "the old secret", &format!("old-{sent}"))?;
            let status = deliver(&dev.doors, "code", delivery).await?;
            ensure!(status == 202, "delivery {sent} of the old secret: {status}");
            sent += 1;
        }
        Ok(sent)
    };
    let rotate = async {
        let terminal = Terminal::at(&dev.doors)?;
        // Beside the senders, whose thread this is.
        let said = spawn_blocking(move || {
            let rotate = ["rotate", "code", "--secret", "NEW", "--keep", "OLD"];
            terminal.succeeds(&rotate, "code takes what NEW signs")
        });
        let said = said.await?;
        let new = becomes(&dev.doors, "code", "the new secret", 202).await;
        done.store(true, Ordering::Relaxed);
        new.and(said)
    };
    let (sent, said) = tokio::join!(senders, rotate);
    let (sent, said) = (sent?, said?);
    ensure!(sent > 0, "nobody sent");
    assert!(said.contains("OLD still until"), "{said}");
    belfry.succeeds(&["status", "code"], "github with NEW or OLD until")?;
    belfry.succeeds(&["history", "code"], "changed auth")?;

    let rotate = ["rotate", "code", "--secret", "NEW", "--for", "1s"];
    belfry.succeeds(&rotate, "OLD still until")?;
    becomes(&dev.doors, "code", "the old secret", 401).await?;
    becomes(&dev.doors, "code", "the new secret", 202).await?;
    belfry.succeeds(
        &["rotate", "code", "--secret", "OLD", "--at-once"],
        "no other does",
    )?;
    becomes(&dev.doors, "code", "the new secret", 401).await?;
    becomes(&dev.doors, "code", "the old secret", 202).await
}

#[tokio::test]
async fn a_secret_that_is_missing_is_seen_by_every_door_until_it_is_set() -> Result<()> {
    let dev = Dev::start_with(&["--gateway-name", "front"]).await?;
    let belfry = Terminal::at(&dev.doors)?;
    let install = [
        "install",
        "webhook",
        "--name",
        "billing",
        "--workflow",
        "w",
        "--scheme",
        "github",
        "--secret",
        "MISSING",
    ];
    belfry.succeeds(&install, "is installed")?;
    let why = "secret `MISSING` is not set on gateway front";
    let path = "/triggers/billing/status";
    let told = dev.doors.until("the status says so", || async {
        let (_, status) = dev.doors.console("GET", path, None).await?;
        Ok(status["refusing"][0]["why"].is_string().then_some(status))
    });
    let told = told.await?;
    assert_eq!(
        told["refusing"],
        json!([{"why": "secret `MISSING` is not set", "gateways": ["front"]}])
    );
    belfry.succeeds(&["status", "billing"], why)?;
    belfry.succeeds(&["list"], "running (refusing)")?;
    belfry.succeeds(
        &["gateways"],
        "front refuses all deliveries to billing: secret `MISSING` is not set",
    )?;
    let delivery = signed(&json!({"scheme": "github"}), "any", "d-1")?;
    let refused = deliver(&dev.doors, "billing", delivery).await?;
    ensure!(refused >= 400, "it took what nobody can verify: {refused}");

    set_secret(dev.secrets.path(), "MISSING", "set at last")?;
    becomes(&dev.doors, "billing", "set at last", 202).await?;
    let gone = dev.doors.until("the status says no more", || async {
        let (_, status) = dev.doors.console("GET", path, None).await?;
        Ok(status.get("refusing").is_none().then_some(()))
    });
    gone.await?;
    let (succeeded, list) = belfry.run(&["list"])?;
    ensure!(succeeded && !list.contains("refusing"), "{list}");
    let gateways = belfry.succeeds(&["gateways"], "front")?;
    ensure!(!gateways.contains("refuses"), "{gateways}");
    Ok(())
}

#[tokio::test]
async fn who_may_send_and_how_often_is_set_without_a_new_container() -> Result<()> {
    let dev = Dev::start().await?;
    let belfry = Terminal::at(&dev.doors)?;
    set_secret(dev.secrets.path(), "CODE", "s")?;
    let install = [
        "install",
        "webhook",
        "--name",
        "code",
        "--workflow",
        "w",
        "--scheme",
        "github",
        "--secret",
        "CODE",
        "--allow-ip",
        "192.0.2.0/24",
    ];
    belfry.succeeds(&install, "is installed")?;
    becomes(&dev.doors, "code", "s", 403).await?;
    belfry.fails(
        &["update", "code", "--allow-ip", "127.0.0.1/8"],
        "`127.0.0.1/8` has bits set behind its prefix; write `127.0.0.0/8`",
    )?;
    let (_, before) = dev
        .doors
        .console("GET", "/triggers/code/status", None)
        .await?;
    belfry.succeeds(
        &["update", "code", "--allow-ip", "127.0.0.1"],
        "code is set so",
    )?;
    becomes(&dev.doors, "code", "s", 202).await?;
    belfry.succeeds(
        &["update", "code", "--rate-limit", "2/3600"],
        "code is set so",
    )?;
    becomes(&dev.doors, "code", "s", 429).await?;
    let reset = [
        "update",
        "code",
        "--reset",
        "rate_limit",
        "--reset",
        "allow_ips",
    ];
    belfry.succeeds(&reset, "code is set so")?;
    belfry.succeeds(&reset, "code is set so already")?;
    becomes(&dev.doors, "code", "s", 202).await?;
    let (_, after) = dev
        .doors
        .console("GET", "/triggers/code/status", None)
        .await?;
    assert_eq!(
        (&after["container_name"], &after["slots"]["0"]["serving"]),
        (&before["container_name"], &before["slots"]["0"]["serving"]),
        "a new container was made"
    );
    Ok(())
}

#[tokio::test]
async fn every_scheme_that_can_be_signed_is_installed_and_sent_as_it_is_listed() -> Result<()> {
    let dev = Dev::start().await?;
    let belfry = Terminal::at(&dev.doors)?;
    let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    set_secret(dev.secrets.path(), "SHARED", secret)?;
    let payload = dev.secrets.path().join("payload.json");
    let body = json!({
        "id": "1", "type": "paid", "event": "paid", "event_id": "1", "topic": "paid", "value": [{"id": 1}]
    });
    std::fs::write(&payload, body.to_string())?;
    let path = |name: &str| dev.secrets.path().join(name).to_string_lossy().into_owned();
    let (payload, secret_file) = (path("payload.json"), path("SHARED"));
    let gateway = format!("http://127.0.0.1:{}", dev.doors.gateway);
    let listed = schemes().into_iter().filter(|scheme| !scheme.is_private);
    let mut sent = 0;
    for scheme in listed {
        let name = scheme.name;
        let trigger = format!("of-{name}");
        let mut settings = Vec::new();
        for key in &scheme.needs {
            match *key {
                "secret" => {}
                "public_url" => {
                    settings.push(format!("public_url=https://hooks.example/hooks/{trigger}"))
                }
                "header|field" | "header" => settings.push("header=X-Proof".to_owned()),
                other => anyhow::bail!("{name} needs `{other}`, of which this test knows nothing"),
            }
        }
        let settings: Vec<&str> = settings
            .iter()
            .flat_map(|one| ["--auth", one.as_str()])
            .collect();
        let (named, signed_with) = match scheme.needs.contains(&"secret") {
            true => (
                vec!["--secret", "SHARED"],
                vec!["--secret-file", secret_file.as_str()],
            ),
            false => (Vec::new(), Vec::new()),
        };
        let install = [
            "install",
            "webhook",
            "--workflow",
            "w",
            "--name",
            &trigger,
            "--scheme",
            name,
        ];
        belfry.succeeds(&[&install[..], &named, &settings].concat(), "is installed")?;
        let send = [
            "send",
            name,
            &payload,
            "--trigger",
            &trigger,
            "--gateway-url",
            &gateway,
        ];
        let send = [&send[..], &signed_with, &settings].concat();
        let what = format!("{name} is taken");
        let taken = dev.doors.until(&what, || async {
            belfry.succeeds(&send, "202 Accepted").map(Some)
        });
        taken.await?;
        sent += 1;
    }
    ensure!(sent > 15, "{sent} schemes");
    Ok(())
}
