//! Updates, the way back, and what is on record of both.

use crate::harness::Mesh;
use crate::http::Request;
use serde_json::{Value, json};

fn webhook() -> Value {
    json!({"type": "webhook", "auth": {"scheme": "none"}})
}

#[tokio::test]
async fn an_update_that_does_not_hold_is_answered_as_rolled_back_and_says_why() {
    let mesh = Mesh::start().await;
    mesh.install("hook").await;
    mesh.publish_package("hook", "6.0.0", webhook());
    let answer = mesh.command("POST", "/triggers/hook/update").await;
    assert_eq!(answer.status, 200);
    let answer = answer.json();
    let why = "the update to 6.0.0 did not hold and was rolled back: it never got healthy";
    for (key, value) in [
        ("status", "rolled_back"),
        ("version", "1.0.0"),
        ("old_version", "1.0.0"),
        ("new_version", "6.0.0"),
        ("detail", why),
    ] {
        assert_eq!(answer[key], value, "{key}");
    }
    let status = mesh.read("/triggers/hook/status").await;
    assert_eq!(status["rejected"]["revision"], answer["revision"]);
    assert_eq!(
        (&status["version"], &status["detail"]),
        (&json!("1.0.0"), &json!(why))
    );
    let history = mesh.read("/triggers/hook/history").await;
    let by: Vec<_> = history
        .as_array()
        .unwrap()
        .iter()
        .map(|revision| (&revision["by"], &revision["version"]))
        .collect();
    let (api, node) = (json!("api"), json!("n1"));
    let (old, new) = (json!("1.0.0"), json!("6.0.0"));
    assert_eq!(by, [(&node, &old), (&api, &new), (&api, &old)]);
    // The version that did not hold is not what a rollback goes to.
    let back = mesh.command("POST", "/triggers/hook/rollback").await;
    assert_eq!(back.status, 404);
    let says = "`hook` was rolled back from 6.0.0 by itself already";
    assert!(back.detail().contains(says), "{}", back.detail());
    mesh.stop().await;
}

#[tokio::test]
async fn a_rollback_gives_the_package_back_and_keeps_the_configuration() {
    let mesh = Mesh::start().await;
    let config = json!({"COLOUR": "red"});
    let body = json!({"workflow_id": "w", "name": "hook", "config": config});
    let path = "/registries/install/trigger/hook";
    let first = mesh.post(path, &body).await.json()["revision"].clone();
    let nothing = mesh.command("POST", "/triggers/hook/rollback").await;
    assert_eq!(nothing.status, 404);
    assert!(
        nothing.detail().contains("nothing to roll back to"),
        "{}",
        nothing.detail()
    );
    for version in ["1.1.0", "1.2.0"] {
        mesh.publish_package("hook", version, webhook());
        let updated = mesh.command("POST", "/triggers/hook/update").await.json();
        assert_eq!(updated["status"], "updated", "{updated}");
    }
    let back = async |query: &str| {
        let path = format!("/triggers/hook/rollback{query}");
        let answer = mesh.send(Request::new("POST", &path).header("X-Belfry-By", "ada"));
        answer.await
    };
    let answer = back("").await.json();
    assert_eq!(
        (
            &answer["status"],
            &answer["old_version"],
            &answer["version"]
        ),
        (&json!("rolled_back"), &json!("1.2.0"), &json!("1.1.0"))
    );
    let answer = back(&format!("?revision={first}")).await.json();
    assert_eq!(answer["version"], "1.0.0");
    let again = back(&format!("?revision={first}")).await.json();
    assert_eq!(
        (&again["status"], &again["revision"]),
        (&json!("unchanged"), &answer["revision"])
    );
    for (query, status, says) in [
        ("?revision=999", 404, "revision 999 of `hook` is not kept"),
        ("?revision=x", 400, "revision"),
        ("?to=1", 400, "expected `revision`"),
    ] {
        let refused = back(query).await;
        assert_eq!(refused.status, status, "{query}");
        assert!(refused.detail().contains(says), "{}", refused.detail());
    }
    let status = mesh.read("/triggers/hook/status").await;
    assert_eq!(status["user_config"], config);
    let history = mesh.read("/triggers/hook/history").await;
    let newest = &history[0];
    assert_eq!(
        (&newest["current"], &newest["by"], &newest["revision"]),
        (&json!(true), &json!("ada"), &answer["revision"])
    );
    assert!(
        newest["what"]
            .as_str()
            .unwrap()
            .starts_with("rolled back from 1.1.0 to 1.0.0"),
        "{newest}"
    );
    assert_eq!(history.as_array().unwrap().len(), 5);
    assert_eq!(history[4]["what"], "installed 1.0.0");
    mesh.stop().await;
}
