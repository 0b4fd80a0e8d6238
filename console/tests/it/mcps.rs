//! Services beside triggers: the same commands under paths of their own, and neither sees the other.

use crate::harness::Mesh;
use serde_json::json;

const FILES: &str = "/registries/install/mcp/files";

#[tokio::test]
async fn a_service_lives_as_a_trigger_does() {
    let mesh = Mesh::start().await;
    mesh.publish_service("files", "1.0.0");
    let installed = mesh
        .post(&format!("{FILES}-1.0.0"), &json!({"replicas": 2}))
        .await;
    assert_eq!(installed.status, 200);
    let installed = installed.json();
    let revision = installed["revision"].as_u64().unwrap();
    let expected = json!({
        "status": "installed", "name": "files", "version": "1.0.0", "container_name": "container-of-files",
        "registry": "main", "state": "running", "revision": revision
    });
    assert_eq!(installed, expected);
    let again = mesh.command("POST", &format!("{FILES}/1.0.0")).await.json();
    assert_eq!(again["status"], "already_installed");

    let status = mesh.read("/mcps/files/status").await;
    assert_eq!(
        (
            &status["kind"],
            &status["trigger_type"],
            status.get("target")
        ),
        (&json!("mcp"), &json!("none"), None)
    );
    assert_eq!(mesh.read("/mcps").await, json!([status]));
    for (verb, word) in [
        ("stop", "stopped"),
        ("start", "started"),
        ("restart", "restarted"),
    ] {
        let answer = mesh.command("POST", &format!("/mcps/files/{verb}")).await;
        assert_eq!(answer.json()["status"], word);
    }
    let scaled = mesh
        .post("/mcps/files/scale", &json!({"replicas": 1}))
        .await;
    assert_eq!(scaled.json()["status"], "scaled");
    mesh.publish_service("files", "1.1.0");
    let updated = mesh.command("POST", "/mcps/files/update").await.json();
    assert_eq!(
        (&updated["status"], &updated["version"]),
        (&json!("updated"), &json!("1.1.0"))
    );
    let back = mesh.command("POST", "/mcps/files/rollback").await.json();
    assert_eq!(
        (&back["status"], &back["version"]),
        (&json!("rolled_back"), &json!("1.0.0"))
    );
    let history = mesh.read("/mcps/files/history").await;
    assert_eq!(history.as_array().unwrap().len(), 7, "{history:#}");
    let gone = mesh.command("DELETE", "/mcps/files").await;
    assert_eq!(gone.json()["status"], "uninstalled");
    assert_eq!(mesh.read("/mcps").await, json!([]));
    mesh.stop().await;
}

#[tokio::test]
async fn triggers_and_services_do_not_see_each_other() {
    let mesh = Mesh::start().await;
    mesh.publish_service("files", "1.0.0");
    mesh.install("hook").await;
    assert_eq!(mesh.command("POST", FILES).await.status, 200);
    for (mine, other) in [("triggers", "files"), ("mcps", "hook")] {
        for (method, path) in [
            ("GET", format!("/{mine}/{other}/status")),
            ("GET", format!("/{mine}/{other}/history")),
            ("GET", format!("/{mine}/{other}/logs")),
            ("POST", format!("/{mine}/{other}/start")),
            ("POST", format!("/{mine}/{other}/update")),
            ("POST", format!("/{mine}/{other}/rollback")),
            ("DELETE", format!("/{mine}/{other}")),
        ] {
            let answer = mesh.command(method, &path).await;
            assert_eq!(answer.status, 404, "{method} {path}");
            assert!(
                answer.detail().contains("is not installed"),
                "{}",
                answer.detail()
            );
        }
        let list = mesh.read(&format!("/{mine}")).await;
        assert_eq!(list.as_array().unwrap().len(), 1);
        assert_ne!(list[0]["name"], other);
    }
    for path in ["run", "pause", "resume"] {
        let none = mesh.command("POST", &format!("/mcps/files/{path}")).await;
        assert_eq!(none.status, 404, "{path}");
        let wrong = mesh
            .command("POST", &format!("/triggers/files/{path}"))
            .await;
        assert_eq!(wrong.status, 404, "{path}");
    }
    mesh.stop().await;
}

#[tokio::test]
async fn a_package_is_installed_as_what_it_is() {
    let mesh = Mesh::start().await;
    mesh.publish_service("files", "1.0.0");
    mesh.install("hook").await;
    for (path, body, status, says) in [
        (FILES, json!({"workflow_id": "w"}), 400, "runs no workflow"),
        (
            FILES,
            json!({"name": "hook"}),
            409,
            "the name `hook` is taken",
        ),
        (
            "/registries/install/mcp/hook",
            json!({}),
            404,
            "`hook` is in none of the registries",
        ),
        (
            "/registries/install/trigger/files",
            json!({"workflow_id": "w"}),
            404,
            "`files` is in none of the registries",
        ),
    ] {
        let refused = mesh.post(path, &body).await;
        assert_eq!(refused.status, status, "{path}: {}", refused.detail());
        assert!(refused.detail().contains(says), "{}", refused.detail());
    }
    mesh.stop().await;
}
