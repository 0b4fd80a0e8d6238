//! Installing packages.

use crate::harness::{Mesh, Setup};
use crate::http::Request;
use belfry_mesh::control;
use belfry_mesh::port::state::Bucket;
use serde_json::json;
use std::time::Duration;

const HOOK: &str = "/registries/install/trigger/hook";

#[tokio::test]
async fn an_install_is_answered_as_existing_clients_expect_and_repeated_changes_nothing() {
    let mesh = Mesh::start().await;
    for (path, status) in [
        ("/registries/install/trigger/hook-1.0.0", "installed"),
        (
            "/registries/install/trigger/hook/1.0.0",
            "already_installed",
        ),
        ("/registries/install/trigger/hook", "already_installed"),
        (
            "/registries/install/trigger/hook?registry_id=main",
            "already_installed",
        ),
    ] {
        let answer = mesh
            .post(path, &json!({"workflow_id": "w1", "team_id": null}))
            .await;
        assert_eq!(answer.status, 200, "{path}");
        let answer = answer.json();
        let revision = answer["revision"].as_u64().unwrap();
        let expected = json!({
            "status": status, "name": "hook", "version": "1.0.0", "container_name": "container-of-hook",
            "registry": "main", "state": "running", "revision": revision, "webhook_path": "/hooks/hook"
        });
        assert_eq!(answer, expected, "{path}");
    }
    mesh.stop().await;
}

#[tokio::test]
async fn the_newest_version_is_installed_unless_one_is_named() {
    let mesh = Mesh::start().await;
    mesh.publish_package("hook", "1.2.0", json!({"type": "manual"}));
    let newest = mesh
        .post(HOOK, &json!({"team_id": "t", "name": "newest"}))
        .await
        .json();
    assert_eq!(
        (&newest["version"], newest.get("webhook_path")),
        (&json!("1.2.0"), None)
    );
    let named = mesh
        .post(
            &format!("{HOOK}-1.0.0"),
            &json!({"team_id": "t", "name": "named"}),
        )
        .await
        .json();
    assert_eq!(named["version"], "1.0.0");
    let missing = mesh
        .post(&format!("{HOOK}/9.9.9"), &json!({"team_id": "t"}))
        .await;
    assert_eq!(missing.status, 404);
    mesh.stop().await;
}

#[tokio::test]
async fn exactly_one_target_must_be_named() {
    let mesh = Mesh::start().await;
    for body in [
        json!({}),
        json!({"workflow_id": ""}),
        json!({"name": "x", "config": {}}),
    ] {
        let answer = mesh.post(HOOK, &body).await;
        assert_eq!(
            (answer.status, answer.detail().as_str()),
            (400, "Must specify workflow_id or team_id")
        );
    }
    let answer = mesh.command("POST", HOOK).await;
    assert_eq!(
        (answer.status, answer.detail().as_str()),
        (400, "Must specify workflow_id or team_id")
    );
    let both = mesh
        .post(HOOK, &json!({"workflow_id": "w", "team_id": "t"}))
        .await;
    assert_eq!(both.status, 400);
    assert!(!mesh.is_installed("hook").await);
    mesh.stop().await;
}

#[tokio::test]
async fn what_cannot_be_installed_says_why() {
    let mesh = Mesh::start().await;
    let w = json!({"workflow_id": "w"});
    for (path, body, status, says) in [
        (
            "/registries/install/trigger/nothing",
            w.clone(),
            404,
            "`nothing` is in none of the registries (main)",
        ),
        (
            "/registries/install/trigger/hook?registry_id=other",
            w.clone(),
            404,
            "no registry `other`",
        ),
        (
            "/registries/install/trigger/hook/newest",
            w.clone(),
            400,
            "`newest` is not a version",
        ),
        (
            "/registries/install/trigger/No%20Name",
            w.clone(),
            400,
            "`No Name` is not a package name",
        ),
        (
            "/registries/install/trigger/hook?registry=main",
            w.clone(),
            400,
            "registry_id",
        ),
        (
            HOOK,
            json!({"workflow_id": "w", "name": "No Name"}),
            400,
            "`No Name` is not a trigger name",
        ),
        (
            HOOK,
            json!({"workflow_id": "w", "name": "installed"}),
            400,
            "`installed` is a word of this API",
        ),
        (
            HOOK,
            json!({"workflow_id": "w", "nmae": "x"}),
            400,
            "unknown field `nmae`",
        ),
        (
            HOOK,
            json!({"workflow_id": "w", "config": {"A-B": "x"}}),
            400,
            "`A-B` cannot be an environment variable",
        ),
        (
            HOOK,
            json!({"workflow_id": "w", "auth": {"scheme": "githb", "secret": "${A}"}}),
            400,
            "unknown scheme `githb`",
        ),
        (HOOK, json!(["w"]), 400, "the body must be a JSON object"),
    ] {
        let answer = mesh.post(path, &body).await;
        assert_eq!(answer.status, status, "{path} {body}");
        assert!(
            answer.detail().contains(says),
            "{path} {body}: {}",
            answer.detail()
        );
    }
    assert_eq!(mesh.read("/triggers").await, json!([]));
    mesh.stop().await;
}

#[tokio::test]
async fn slots_and_nodes_that_cannot_be_are_refused() {
    let mesh = Mesh::start().await;
    for (key, value, says) in [
        (
            "replicas",
            json!(65),
            "65 replicas are not possible: 1 to 64 are",
        ),
        ("replicas", json!(0), "0 replicas are not possible"),
        (
            "constraints",
            json!(["zone"]),
            "`zone` is not a constraint: write `label=value`",
        ),
    ] {
        let mut body = json!({"workflow_id": "w"});
        body[key] = value;
        let answer = mesh.post(HOOK, &body).await;
        assert_eq!(answer.status, 400, "{body}");
        assert!(answer.detail().contains(says), "{}", answer.detail());
    }
    mesh.stop().await;
}

#[tokio::test]
async fn one_package_is_installed_several_times_under_names_of_their_own() {
    let mesh = Mesh::start().await;
    mesh.install("one").await;
    mesh.install("two").await;
    let names: Vec<_> = mesh
        .read("/triggers/installed")
        .await
        .as_array()
        .unwrap()
        .iter()
        .map(|t| t["name"].clone())
        .collect();
    assert_eq!(names, ["one", "two"]);
    let taken = mesh
        .post(HOOK, &json!({"workflow_id": "another", "name": "one"}))
        .await;
    assert_eq!(taken.status, 409);
    assert!(
        taken
            .detail()
            .contains("the name `one` is taken by the same package with workflow_id=`w1`"),
        "{}",
        taken.detail()
    );
    mesh.stop().await;
}

#[tokio::test]
async fn a_secret_is_named_and_never_written_or_shown() {
    let mesh = Mesh::start().await;
    mesh.publish_package(
        "signed",
        "1.0.0",
        json!({"type": "webhook", "auth": {"scheme": "github", "secret": "${HOOK_SECRET}"}}),
    );
    let signed = "/registries/install/trigger/signed";
    for auth in [
        json!("s3cr3t"),
        json!({"scheme": "github", "secret": "s3cr3t"}),
        json!({"scheme": "github", "secret": ["s3cr3t"]}),
        json!({"scheme": "github", "secret": {"s3cr3t": 1}}),
    ] {
        let answer = mesh
            .post(signed, &json!({"workflow_id": "w", "auth": auth}))
            .await;
        assert_eq!(answer.status, 400, "{auth}");
        assert!(
            !String::from_utf8_lossy(&answer.body).contains("s3cr3t"),
            "{}",
            answer.detail()
        );
    }
    let plain = mesh
        .post(
            signed,
            &json!({"workflow_id": "w", "config": {"HOOK_SECRET": "s3cr3t"}}),
        )
        .await;
    assert_eq!(plain.status, 400);
    assert!(!plain.detail().contains("s3cr3t"));

    let body = json!({
        "workflow_id": "w", "auth": {"scheme": "standard", "secret": "${OTHER}"}, "config": {"HOOK_SECRET": "${BILLING_SECRET}"}
    });
    assert_eq!(mesh.post(signed, &body).await.status, 200);
    let entry = mesh
        .ports
        .state
        .get(Bucket::Triggers, "signed")
        .await
        .unwrap()
        .unwrap();
    let trigger = control::decode(&entry).unwrap();
    let auth = trigger.auth().unwrap();
    assert_eq!(
        (auth.scheme().name(), auth.secrets()[0].name()),
        ("standard", "OTHER")
    );
    assert_eq!(
        mesh.read("/triggers/signed/status").await["user_config"],
        json!({"HOOK_SECRET": "${BILLING_SECRET}"})
    );
    mesh.stop().await;
}

#[tokio::test]
async fn without_an_agent_an_install_says_how_far_it_is() {
    let mesh = Setup {
        agent: false,
        patience: Duration::from_millis(50),
        ..Setup::default()
    }
    .start()
    .await;
    let answer = mesh.post(HOOK, &json!({"workflow_id": "w"})).await.json();
    assert_eq!(
        (&answer["status"], &answer["state"]),
        (&json!("installed"), &json!("container_missing"))
    );
    assert_eq!(answer["container_name"], "belfry-hook-0");
    assert!(
        answer["detail"]
            .as_str()
            .unwrap()
            .contains("is an agent running?"),
        "{answer}"
    );
    mesh.stop().await;
}

#[tokio::test]
async fn who_asks_is_on_record() {
    let mesh = Mesh::start().await;
    let by = async |mesh: &Mesh| {
        let entry = mesh
            .ports
            .state
            .get(Bucket::Triggers, "hook")
            .await
            .unwrap()
            .unwrap();
        control::decode(&entry).unwrap().change.by
    };
    mesh.install("hook").await;
    assert_eq!(by(&mesh).await, "api");
    let request =
        Request::new("POST", "/triggers/hook/stop").header("X-Belfry-By", "ada of operations");
    assert_eq!(mesh.send(request).await.status, 200);
    assert_eq!(by(&mesh).await, "ada of operations");
    for bad in ["", "é", &"x".repeat(65)] {
        let request = Request::new("POST", "/triggers/hook/start").header("X-Belfry-By", bad);
        assert_eq!(mesh.send(request).await.status, 400, "{bad}");
    }
    mesh.stop().await;
}

#[tokio::test]
async fn the_catalogue_lists_what_the_registries_have() {
    let mesh = Mesh::start().await;
    let packages = mesh.read("/packages").await;
    let expected = json!({
        "kind": "trigger", "name": "hook", "version": "1.0.0", "versions": ["1.0.0"], "description": "for tests", "publisher": "belfry",
        "trigger_type": "webhook", "registry": "main"
    });
    assert_eq!(packages, json!({"packages": [expected]}));
    mesh.stop().await;
}
