//! Events: run, searched, shown.

use crate::harness::Mesh;
use crate::http::Request;
use belfry_mesh::outcome::Status;
use serde_json::json;

#[tokio::test]
async fn an_operators_run_can_be_followed_to_its_execution() {
    let mesh = Mesh::start().await;
    mesh.install("hook").await;
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let run = Request::new("POST", "/triggers/hook/run")
        .json(&json!({"n": 1.50}))
        .header("traceparent", trace);
    let answer = mesh.send(run).await;
    assert_eq!(
        (answer.status, &answer.json()["status"]),
        (202, &json!("accepted"))
    );
    let id = answer.json()["event_id"].as_str().unwrap().to_owned();

    let shown = mesh.read(&format!("/events/{id}")).await;
    for (key, value) in [
        ("id", json!(id)),
        ("trigger", json!("hook")),
        ("status", json!("waiting")),
        ("attempts", json!(0)),
        ("type", json!("belfry.run")),
        ("source", json!("/triggers/hook/run")),
        ("size", json!(9)),
        ("kept", json!(true)),
        ("data", json!({"n": 1.5})),
        ("outcome", json!(null)),
        ("outcomes", json!([])),
        ("replays", json!([])),
        ("dead_letter", json!(false)),
        ("trace_id", json!("4bf92f3577b34da6a3ce929d0e0e4736")),
    ] {
        assert_eq!(shown[key], value, "{key}");
    }
    mesh.settle("hook", Status::Retrying).await;
    mesh.settle("hook", Status::Triggered).await;
    let path = format!("/events?execution_id=exec-{id}");
    let found = mesh
        .until(&path, |page| {
            page["events"]
                .as_array()
                .is_some_and(|events| !events.is_empty())
        })
        .await;
    let event = &found["events"][0];
    assert_eq!(
        (&event["id"], &event["status"], &event["attempts"]),
        (&json!(id), &json!("triggered"), &json!(2))
    );
    assert_eq!(event["outcome"]["execution_id"], format!("exec-{id}"));
    let outcomes = mesh.read(&format!("/events/{id}")).await["outcomes"].clone();
    let statuses: Vec<_> = outcomes
        .as_array()
        .unwrap()
        .iter()
        .map(|outcome| outcome["status"].clone())
        .collect();
    assert_eq!(statuses, ["retrying", "triggered"]);
    mesh.stop().await;
}

#[tokio::test]
async fn two_runs_are_two_events_and_a_run_without_a_body_has_an_empty_one() {
    let mesh = Mesh::start().await;
    mesh.install("hook").await;
    let first = mesh.command("POST", "/triggers/hook/run").await.json();
    let second = mesh.command("POST", "/triggers/hook/run").await.json();
    assert_ne!(first["event_id"], second["event_id"]);
    let shown = mesh
        .read(&format!("/events/{}", second["event_id"].as_str().unwrap()))
        .await;
    assert_eq!(shown["data"], json!({}));
    mesh.stop().await;
}

#[tokio::test]
async fn an_id_with_a_slash_is_percent_encoded_in_the_path() {
    let mesh = Mesh::start().await;
    mesh.install("hook").await;
    mesh.store("hook", "tick/hook/1/2026-11-22T08:00:00Z", "{}")
        .await;
    let shown = mesh
        .read("/events/tick%2Fhook%2F1%2F2026-11-22T08%3A00%3A00Z")
        .await;
    assert_eq!(shown["id"], "tick/hook/1/2026-11-22T08:00:00Z");
    mesh.settle("hook", Status::Dead).await;
    mesh.until("/dead-letters", |page| page["count"] == 1).await;
    let replayed = mesh
        .command(
            "POST",
            "/events/tick%2Fhook%2F1%2F2026-11-22T08:00:00Z/replay",
        )
        .await;
    assert_eq!(replayed.status, 202);
    mesh.stop().await;
}

#[tokio::test]
async fn a_body_is_shown_as_it_is() {
    let mesh = Mesh::start().await;
    mesh.install("hook").await;
    let bodies: [(&str, &[u8], _, _); 6] = [
        (
            "object",
            b"{\"b\": 1, \"a\": 12345678901234567890123}",
            Some("{\"b\": 1, \"a\": 12345678901234567890123}"),
            None,
        ),
        ("text", b"\"x\"", Some("\"x\""), None),
        ("binary", b"\xff\x00", None, Some("/wA=")),
        (
            "form",
            b"payload=%7B%7D",
            None,
            Some("cGF5bG9hZD0lN0IlN0Q="),
        ),
        ("bom", b"\xef\xbb\xbf{}", None, Some("77u/e30=")),
        ("empty", b"", None, Some("")),
    ];
    for (id, data, json, base64) in bodies {
        mesh.store("hook", id, data).await;
        let answer = mesh.get(&format!("/events/{id}")).await;
        assert_eq!(answer.status, 200);
        let text = String::from_utf8(answer.body.clone()).unwrap();
        match json {
            Some(json) => assert!(text.contains(&format!("\"data\":{json},")), "{id}: {text}"),
            None => assert_eq!(answer.json().get("data"), None, "{id}"),
        }
        assert_eq!(
            answer.json().get("data_base64"),
            base64.map(|text| json!(text)).as_ref(),
            "{id}"
        );
        assert_eq!(answer.json()["size"], data.len());
    }
    mesh.stop().await;
}

#[tokio::test]
async fn a_search_goes_through_pages_that_what_is_stored_meanwhile_does_not_move() {
    let mesh = Mesh::start().await;
    mesh.install("one").await;
    mesh.install("two").await;
    for number in 0..5 {
        mesh.store("one", &format!("one-{number}"), "{}").await;
        mesh.store("two", &format!("two-{number}"), "{}").await;
    }
    mesh.read("/events/two-4").await;
    let (mut ids, mut path) = (Vec::new(), "/events?trigger=one&limit=2".to_owned());
    loop {
        let page = mesh.read(&path).await;
        let events = page["events"].as_array().unwrap();
        ids.extend(
            events
                .iter()
                .map(|event| event["id"].as_str().unwrap().to_owned()),
        );
        let Some(next) = page["next"].as_str() else {
            break;
        };
        path = format!("/events?trigger=one&limit=2&cursor={next}");
        let new = format!("one-later-{}", ids.len());
        mesh.store("one", &new, "{}").await;
        mesh.read(&format!("/events/{new}")).await;
    }
    assert_eq!(ids, ["one-4", "one-3", "one-2", "one-1", "one-0"]);
    assert_eq!(
        mesh.read("/events?status=waiting&trigger=two").await["events"]
            .as_array()
            .unwrap()
            .len(),
        5
    );
    assert_eq!(
        mesh.read("/events?status=dead").await,
        json!({"events": [], "next": null})
    );
    assert_eq!(
        mesh.read("/events?delivery_id=none").await["events"],
        json!([])
    );
    mesh.stop().await;
}

#[tokio::test]
async fn an_event_that_is_not_there_is_not_found() {
    let mesh = Mesh::start().await;
    for (method, path) in [
        ("GET", "/events/none"),
        ("POST", "/events/none/replay"),
        ("GET", "/events/no%20id"),
        ("DELETE", "/dead-letters/none"),
    ] {
        let answer = mesh.command(method, path).await;
        assert_eq!(answer.status, 404, "{method} {path}");
    }
    mesh.stop().await;
}
