//! Every no is a problem document, and web pages get no other answer.

use crate::harness::Mesh;
use crate::http::Request;
use serde_json::json;

#[tokio::test]
async fn what_cannot_be_taken_is_refused_with_a_problem() {
    let mesh = Mesh::start().await;
    mesh.install("hook").await;
    let run = || Request::new("POST", "/triggers/hook/run");
    for (request, status, says) in [
        (Request::new("GET", "/"), 404, "there is no `/` here"),
        (
            Request::new("GET", "/triggers/"),
            404,
            "there is no `/triggers/` here",
        ),
        (
            Request::new("GET", "/nothing?x=1"),
            404,
            "there is no `/nothing` here",
        ),
        (
            Request::new("PUT", "/triggers"),
            405,
            "`/triggers` does not take PUT",
        ),
        (
            Request::new("DELETE", "/triggers/installed"),
            405,
            "does not take DELETE",
        ),
        (
            Request::new("GET", "/events?limit=0"),
            400,
            "`limit` is 0; it may be 1 to 500",
        ),
        (
            Request::new("GET", "/events?limit=501"),
            400,
            "`limit` is 501",
        ),
        (Request::new("GET", "/events?limit=many"), 400, "limit"),
        (
            Request::new("GET", "/events?cursor=x"),
            400,
            "`cursor` is not one",
        ),
        (
            Request::new("GET", "/events?cursor=18446744073709551615"),
            400,
            "`cursor` is not one",
        ),
        (
            Request::new("GET", "/events?status=lost"),
            400,
            "unknown variant `lost`",
        ),
        (
            Request::new("GET", "/events?stauts=dead"),
            400,
            "unknown field `stauts`",
        ),
        (
            Request::new("GET", "/events?trigger=No%20Name"),
            400,
            "`No Name` is not a trigger name",
        ),
        (Request::new("GET", "/dead-letters?limit=-1"), 400, "limit"),
        (
            run().body("application/json", "{\"a\": "),
            400,
            "the body cannot be taken: EOF",
        ),
        (
            run().body("application/json", "\u{feff}{}"),
            400,
            "the body cannot be taken",
        ),
        (
            run().body("application/json", "{} {}"),
            400,
            "trailing characters",
        ),
        (
            run().body("application/x-www-form-urlencoded", "a=1"),
            415,
            "`Content-Type: application/json`",
        ),
        (
            run().body("text/plain", "{}"),
            415,
            "`Content-Type: application/json`",
        ),
        (
            run().body("application/json", vec![b' '; 64 * 1024 + 1]),
            413,
            "longer than this console reads",
        ),
    ] {
        let what = format!("{} {}", request.method, request.path);
        let answer = mesh.send(request).await;
        assert_eq!(answer.status, status, "{what}: {}", answer.detail());
        assert_eq!(answer.json()["status"], status, "{what}");
        assert!(
            answer.detail().contains(says),
            "{what}: {}",
            answer.detail()
        );
    }
    let answer = mesh.command("PUT", "/triggers").await;
    assert_eq!(answer.headers["allow"], "GET,HEAD");
    assert_eq!(
        mesh.read("/events").await["events"],
        json!([]),
        "nothing was stored"
    );
    mesh.stop().await;
}

#[tokio::test]
async fn json_of_any_name_is_taken() {
    let mesh = Mesh::start().await;
    mesh.install("hook").await;
    for content_type in [
        "application/json; charset=utf-8",
        "Application/JSON",
        "application/cloudevents+json",
    ] {
        let run = Request::new("POST", "/triggers/hook/run").body(content_type, "[1]");
        assert_eq!(mesh.send(run).await.status, 202, "{content_type}");
    }
    mesh.stop().await;
}

#[tokio::test]
async fn a_web_page_can_neither_command_nor_read() {
    let mesh = Mesh::start().await;
    mesh.install("hook").await;
    for origin in ["https://evil.example", "null", "http://localhost:3000"] {
        let stop = Request::new("POST", "/triggers/hook/stop").header("origin", origin);
        assert_eq!(mesh.send(stop).await.status, 403, "{origin}");
        let read = Request::new("GET", "/triggers").header("origin", origin);
        assert_eq!(mesh.send(read).await.status, 403, "{origin}");
        let preflight = Request::new("OPTIONS", "/triggers/hook/stop").header("origin", origin);
        let answer = mesh.send(preflight).await;
        assert_eq!(answer.status, 403, "{origin}");
        assert!(
            !answer
                .headers
                .keys()
                .any(|name| name.starts_with("access-control-")),
            "{origin}"
        );
    }
    for host in ["evil.example", "rebound.example:8081", "10.1.2.3"] {
        let rebound = Request::new("POST", "/triggers/hook/stop").header("host", host);
        let answer = mesh.send(rebound).await;
        assert_eq!(answer.status, 421, "{host}");
        assert!(answer.detail().contains(host), "{}", answer.detail());
    }
    assert_eq!(mesh.read("/triggers/hook/status").await["state"], "running");
    mesh.stop().await;
}

#[tokio::test]
async fn the_consoles_own_pages_and_names_are_answered() {
    let mesh = Mesh::start().await;
    let port = mesh.address.port();
    for (host, origin) in [
        (
            format!("localhost:{port}"),
            format!("http://localhost:{port}"),
        ),
        (
            format!("127.0.0.1:{port}"),
            format!("http://127.0.0.1:{port}"),
        ),
        ("console.example".into(), "https://console.example".into()),
    ] {
        let request = Request::new("GET", "/triggers")
            .header("host", &host)
            .header("origin", &origin);
        assert_eq!(mesh.send(request).await.status, 200, "{origin}");
    }
    mesh.stop().await;
}
