//! What is said of a webhook's deliveries: how they are verified, how many are taken and from where, and which gateways refuse them.

use crate::harness::{Mesh, SOON};
use belfry_backends::clock::System;
use belfry_mesh::command::subject;
use belfry_mesh::package::Kind;
use belfry_mesh::port::clock::Clock;
use belfry_mesh::port::state::Bucket;
use belfry_mesh::{Trigger, control};
use serde_json::{Value, json};

/// A mesh with a package that leaves verification to its installer.
async fn mesh() -> Mesh {
    let mesh = Mesh::start().await;
    mesh.publish_package(
        "webhook",
        "1.0.0",
        json!({"type": "webhook", "auth": "install"}),
    );
    mesh
}

const WEBHOOK: &str = "/registries/install/trigger/webhook-1.0.0";

fn billing() -> Value {
    json!({"name": "billing", "workflow_id": "w", "auth": {"scheme": "standard", "secret": "${BILLING_SECRET}"}})
}

async fn trigger(mesh: &Mesh, name: &str) -> Trigger {
    let entry = mesh.ports.state.get(Bucket::Triggers, name).await.unwrap();
    control::decode(&entry.unwrap()).unwrap()
}

/// A gateway says how it is.
async fn say(mesh: &Mesh, name: &str, refusing: &Value) {
    let said = json!({
        "name": name, "version": "1.2.3", "since": System.now(), "refusing": refusing, "degraded": ["dedup"],
        "spool": {"records": 2, "bytes": 64, "oldest": System.now()}
    });
    let key = format!("{name}.gateway");
    let put = mesh
        .ports
        .state
        .put(Bucket::Nodes, &key, said.to_string().into());
    put.await.unwrap();
}

#[tokio::test]
async fn a_package_for_any_provider_takes_its_scheme_at_install() {
    let mesh = mesh().await;
    let without = json!({"name": "billing", "workflow_id": "w"});
    let refused = mesh.post(WEBHOOK, &without).await;
    assert_eq!(refused.status, 400);
    let says = "package `webhook` takes any provider's deliveries, so its installer must say how they are verified";
    assert!(refused.detail().starts_with(says), "{}", refused.detail());
    assert!(!mesh.is_installed("billing").await);

    let installed = mesh.post(WEBHOOK, &billing()).await;
    assert_eq!(installed.status, 200, "{}", installed.detail());
    let installed = installed.json();
    assert_eq!(
        (&installed["status"], &installed["webhook_path"]),
        (&json!("installed"), &json!("/hooks/billing"))
    );
    let status = mesh.read("/triggers/billing/status").await;
    assert_eq!(status["auth"], billing()["auth"]);
    let again = mesh.post(WEBHOOK, &billing()).await.json();
    assert_eq!(again["status"], "already_installed");
    let mut other = billing();
    other["auth"]["secret"] = json!("${ANOTHER}");
    let taken = mesh.post(WEBHOOK, &other).await;
    assert_eq!(taken.status, 409);
    assert!(
        taken.detail().contains("`belfry update` changes them"),
        "{}",
        taken.detail()
    );
    mesh.stop().await;
}

#[tokio::test]
async fn the_bus_takes_the_same_at_install_and_update() {
    let mesh = mesh().await;
    let ask = async |verb: &str, request: Value| -> Value {
        let calls = &mesh.ports.calls;
        let subject = subject(Kind::Trigger, verb);
        let answer = calls.request(&subject, request.to_string().into(), SOON);
        let answer = answer.await.unwrap();
        serde_json::from_slice(&answer.payload).unwrap()
    };
    let mut request = billing();
    request["package"] = json!("webhook-1.0.0");
    request["allow_ips"] = json!(["192.0.2.0/24"]);
    assert_eq!(ask("install", request).await["status"], "installed");
    let update = json!({
        "name": "billing", "auth": {"scheme": "github", "secret": "${A}"}, "allow_ips": null,
        "rate_limit": {"requests": 5, "window_seconds": 60}
    });
    let updated = ask("update", update).await;
    assert_eq!(updated["status"], "updated", "{updated}");
    let status = ask("status", json!({"name": "billing"})).await;
    assert_eq!(
        (&status["auth"]["scheme"], &status["rate_limit"]["burst"]),
        (&json!("github"), &json!(5))
    );
    assert_eq!(status.get("allow_ips"), None);
    let refused = ask("update", json!({"name": "billing", "auth": null})).await;
    assert_eq!(refused["status"], 400, "{refused}");
    mesh.stop().await;
}

#[tokio::test]
async fn an_update_of_the_hook_leaves_the_package_and_its_containers_alone() {
    let mesh = mesh().await;
    mesh.post(WEBHOOK, &billing()).await;
    mesh.publish_package(
        "webhook",
        "1.1.0",
        json!({"type": "webhook", "auth": "install"}),
    );
    let path = "/triggers/billing/update";
    let before = mesh.read("/triggers/billing/status").await;
    let both = json!({
        "auth": {"scheme": "standard", "secret": ["${NEW}", "${BILLING_SECRET}"]},
        "rate_limit": {"requests": 100, "window_seconds": 60, "burst": 20},
        "allow_ips": ["203.0.113.7", "2001:db8::/32"]
    });
    let updated = mesh.post(path, &both).await.json();
    assert_eq!(
        (&updated["status"], &updated["version"]),
        (&json!("updated"), &json!("1.0.0"))
    );
    let after = trigger(&mesh, "billing").await;
    assert_eq!(after.containers, before["revision"].as_u64());
    assert_eq!(after.change.what, "changed auth, rate_limit, allow_ips");
    assert_eq!(mesh.post(path, &both).await.json()["status"], "unchanged");
    let status = mesh.read("/triggers/billing/status").await;
    assert_eq!(
        status["allow_ips"],
        json!(["203.0.113.7/32", "2001:db8::/32"])
    );

    // A newer package comes alone, and a rollback takes nothing of it back.
    let newer = mesh.command("POST", path).await.json();
    assert_eq!(
        (&newer["status"], &newer["version"]),
        (&json!("updated"), &json!("1.1.0"))
    );
    let back = mesh.command("POST", "/triggers/billing/rollback").await;
    assert_eq!(back.json()["version"], "1.0.0");
    let rolled_back = trigger(&mesh, "billing").await;
    assert_eq!(rolled_back.auth, after.auth);
    assert_eq!(rolled_back.allow_ips, after.allow_ips);
    mesh.stop().await;
}

#[tokio::test]
async fn what_cannot_be_set_says_why_and_what_would_do() {
    let mesh = mesh().await;
    mesh.publish_package("bell", "1.0.0", json!({"type": "manual"}));
    mesh.post(WEBHOOK, &billing()).await;
    mesh.post(
        "/registries/install/trigger/bell",
        &json!({"workflow_id": "w"}),
    )
    .await;
    for (name, query, body, says) in [
        (
            "billing",
            "",
            json!({"allow_ips": ["10.0.0.1/8"]}),
            "allow_ips[0]: `10.0.0.1/8` has bits set behind its prefix; write `10.0.0.0/8`",
        ),
        (
            "billing",
            "",
            json!({"allow_ips": []}),
            "would admit nobody",
        ),
        (
            "billing",
            "",
            json!({"rate_limit": {"requests": 0, "window_seconds": 1}}),
            "rate_limit.requests: found 0; a whole number",
        ),
        ("billing", "", json!({"auth": null}), "give `auth`"),
        (
            "billing",
            "",
            json!({"auth": "s3cr3t"}),
            "`auth` must be an object",
        ),
        (
            "billing",
            "",
            json!({"auth": {"scheme": "github", "secret": "s3cr3t"}}),
            "a secret is named, never written",
        ),
        (
            "billing",
            "",
            json!({"auth": {"scheme": "githb", "secret": "${A}"}}),
            "unknown scheme `githb`; known: ",
        ),
        (
            "billing",
            "?registry_id=main",
            json!({"allow_ips": ["10.0.0.1"]}),
            "do one after the other",
        ),
        (
            "billing",
            "",
            json!({"alow_ips": []}),
            "unknown field `alow_ips`",
        ),
        (
            "bell",
            "",
            json!({"allow_ips": ["10.0.0.1"]}),
            "`allow_ips` is for webhooks, and package `bell` takes its events from: manual",
        ),
    ] {
        let path = format!("/triggers/{name}/update{query}");
        let answer = mesh.post(&path, &body).await;
        assert_eq!(answer.status, 400, "{body}");
        let detail = answer.detail();
        assert!(detail.contains(says), "{body}: {detail}");
        assert!(!detail.contains("s3cr3t"), "{detail}");
    }
    mesh.stop().await;
}

#[tokio::test]
async fn what_gateways_refuse_is_in_the_status_and_in_their_list() {
    let mesh = mesh().await;
    mesh.post(WEBHOOK, &billing()).await;
    assert_eq!(mesh.read("/gateways").await, json!([]));
    let why = "secret `BILLING_SECRET` is not set";
    say(&mesh, "g1", &json!({"billing": why})).await;
    say(&mesh, "g2", &json!({})).await;
    let refusing = json!([{"why": why, "gateways": ["g1"]}]);
    let status = mesh.read("/triggers/billing/status").await;
    assert_eq!(
        (&status["refusing"], &status["state"]),
        (&refusing, &json!("running"))
    );
    let list = mesh.read("/triggers").await;
    assert_eq!(list[0]["refusing"], refusing);
    assert_eq!(
        list[0]["detail"],
        "no delivery is taken: secret `BILLING_SECRET` is not set on gateway g1"
    );
    let gateways = mesh.read("/gateways").await;
    assert_eq!(
        (&gateways[0]["name"], &gateways[0]["refusing"]),
        (&json!("g1"), &json!({"billing": why}))
    );
    assert_eq!(
        (
            &gateways[1]["spool"]["records"],
            &gateways[1]["degraded"],
            &gateways[1]["version"]
        ),
        (&json!(2), &json!(["dedup"]), &json!("1.2.3"))
    );
    assert_eq!(
        mesh.read("/nodes").await.as_array().unwrap().len(),
        1,
        "a gateway is no node"
    );
    say(&mesh, "g1", &json!({})).await;
    let status = mesh.read("/triggers/billing/status").await;
    assert_eq!(status.get("refusing"), None);
    mesh.stop().await;
}
