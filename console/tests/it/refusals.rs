//! Every no is a problem document, and web pages get no other answer.

use crate::harness::Mesh;
use crate::http::Request;
use serde_json::json;

/// Sends each request, which must be refused with this status and a detail that says this.
async fn all_refused(mesh: &Mesh, requests: impl IntoIterator<Item = (Request, u16, &str)>) {
    for (request, status, says) in requests {
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
}

#[tokio::test]
async fn a_path_or_a_method_that_is_not_there_is_a_problem_too() {
    let mesh = Mesh::start().await;
    let requests = [
        ("GET", "/", 404, "there is no `/` here"),
        ("GET", "/triggers/", 404, "there is no `/triggers/` here"),
        ("GET", "/nothing?x=1", 404, "there is no `/nothing` here"),
        ("PUT", "/triggers", 405, "`/triggers` does not take PUT"),
        ("DELETE", "/triggers/installed", 405, "does not take DELETE"),
    ];
    let requests =
        requests.map(|(method, path, status, says)| (Request::new(method, path), status, says));
    all_refused(&mesh, requests).await;
    let answer = mesh.command("PUT", "/triggers").await;
    assert_eq!(answer.headers["allow"], "GET,HEAD");
    mesh.stop().await;
}

#[tokio::test]
async fn a_query_that_cannot_be_taken_says_what_is_wrong_with_it() {
    let mesh = Mesh::start().await;
    let requests = [
        ("/events?limit=0", "`limit` is 0; it may be 1 to 500"),
        ("/events?limit=501", "`limit` is 501"),
        ("/events?limit=many", "limit"),
        ("/events?cursor=x", "`cursor` is not one"),
        ("/events?cursor=18446744073709551615", "`cursor` is not one"),
        ("/events?status=lost", "unknown variant `lost`"),
        ("/events?stauts=dead", "unknown field `stauts`"),
        (
            "/events?trigger=No%20Name",
            "`No Name` is not a trigger name",
        ),
        ("/dead-letters?limit=-1", "limit"),
    ];
    all_refused(
        &mesh,
        requests.map(|(path, says)| (Request::new("GET", path), 400, says)),
    )
    .await;
    mesh.stop().await;
}

#[tokio::test]
async fn a_body_that_cannot_be_taken_stores_nothing() {
    let mesh = Mesh::start().await;
    mesh.install("hook").await;
    let requests = [
        (
            "application/json",
            b"{\"a\": ".to_vec(),
            400,
            "the body cannot be taken: EOF",
        ),
        (
            "application/json",
            b"\xef\xbb\xbf{}".to_vec(),
            400,
            "the body cannot be taken",
        ),
        (
            "application/json",
            b"{} {}".to_vec(),
            400,
            "trailing characters",
        ),
        (
            "application/x-www-form-urlencoded",
            b"a=1".to_vec(),
            415,
            "`Content-Type: application/json`",
        ),
        (
            "text/plain",
            b"{}".to_vec(),
            415,
            "`Content-Type: application/json`",
        ),
        (
            "application/json",
            vec![b' '; 64 * 1024 + 1],
            413,
            "longer than this console reads",
        ),
    ];
    let run = Request::new("POST", "/triggers/hook/run");
    let requests =
        requests.map(|(kind, body, status, says)| (run.clone().body(kind, body), status, says));
    all_refused(&mesh, requests).await;
    assert_eq!(mesh.read("/events").await["events"], json!([]));
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
