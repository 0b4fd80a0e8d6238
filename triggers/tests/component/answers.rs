//! What becomes of an event, and how the caller learns it.

use crate::scripted::Reply;
use crate::story::{
    Answered, Story, TRACE, client, event, github, github_event, linear, older, open, team,
    workflow,
};
use belfry_mesh::event::Event;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// Sends an event that must be ignored, and says why it was.
async fn ignored(story: Story, event: &Event) -> String {
    let answered = story.send(event).await;
    assert_eq!(
        (answered.status, &answered.body["status"]),
        (200, &json!("ignored"))
    );
    story.end().await;
    answered.body["reason"].as_str().unwrap().to_owned()
}

/// Sends an event to a trigger whose orchestrator answers so.
async fn answered(reply: Reply) -> Answered {
    let mut story = workflow(None).start().await;
    story.orchestrator.next(reply);
    let answered = story.send(&event("com.example.x", &json!({}))).await;
    story.orchestrator.call().await;
    story.end().await;
    answered
}

#[tokio::test]
async fn a_call_carries_the_event_id_and_the_trace_to_the_orchestrator() {
    let mut story = workflow(None).start().await;
    story.send(&event("com.example.x", &json!({}))).await;
    let call = story.orchestrator.call().await;
    assert_eq!(call.path, "/workflows/execute");
    assert_eq!(call.headers["idempotency-key"], "e-1");
    assert_eq!(call.headers["content-type"], "application/json");
    let trace = call.headers["traceparent"].to_str().unwrap();
    assert_ne!(trace, TRACE);
    assert_eq!(
        (&trace[..36], &trace[52..]),
        (&TRACE[..36], &TRACE[52..]),
        "{trace}"
    );
    story.end().await;
}

#[tokio::test]
async fn an_event_without_a_trace_begins_one() {
    let mut story = workflow(None).start().await;
    story
        .send(&Event {
            trace: None,
            ..event("com.example.x", &json!({}))
        })
        .await;
    let call = story.orchestrator.call().await;
    assert!(
        belfry_mesh::trace::TraceParent::parse(call.headers["traceparent"].to_str().unwrap())
            .is_some()
    );
    story.end().await;
}

#[tokio::test]
async fn what_the_orchestrator_answered_is_told_where_the_sender_waits_for_it_and_nowhere_else() {
    const LIMIT: usize = 48 * 1024;
    let tells = json!({"sync": true, "body": "${execution.result.score}"});
    let does_not = json!({"sync": true, "body": "${execution.id}"});
    let score = json!({"id": "ex-1", "score": 7});
    let large = json!({"id": "ex-1", "score": "x".repeat(LIMIT)});
    for (response, said, told) in [
        (&tells, &score, Some(&score)),
        (&tells, &large, None),
        (&does_not, &score, None),
    ] {
        let mut story = workflow(open(json!({"response": response}))).start().await;
        story.orchestrator.next(Reply::json(200, said.clone()));
        let answered = story.send(&event("com.example.x", &json!({}))).await;
        story.orchestrator.call().await;
        assert_eq!(answered.body["execution_id"], "ex-1");
        assert_eq!(answered.body.get("result"), told, "{response}");
        story.end().await;
    }
}

#[tokio::test]
async fn what_the_filter_does_not_want_is_ignored_and_says_why() {
    let closed = github_event("pull_request", &json!({"action": "closed"}));
    let reason = ignored(workflow(github()).start().await, &closed).await;
    assert!(
        reason.contains("closed") && reason.contains("opened"),
        "{reason}"
    );
    let star = github_event("star", &json!({"action": "created"}));
    let reason = ignored(workflow(github()).start().await, &star).await;
    assert!(
        reason.contains("star") && reason.contains("pull_request"),
        "{reason}"
    );
}

#[tokio::test]
async fn the_installers_filter_takes_the_place_of_the_packages() {
    let mut story = workflow(github())
        .set("FILTER_ACTIONS", "closed,reopened")
        .start()
        .await;
    story
        .run(&github_event("pull_request", &json!({"action": "closed"})))
        .await;
    let opened = github_event("pull_request", &json!({"action": "opened"}));
    assert!(ignored(story, &opened).await.contains("reopened"));
}

#[tokio::test]
async fn an_event_that_does_not_meet_the_conditions_is_ignored() {
    let package =
        || open(json!({"conditions": [{"field": "event.branch", "in": ["main", "release"]}]}));
    let mut story = workflow(package()).start().await;
    story
        .run(&event("com.example.x", &json!({"branch": "main"})))
        .await;
    let reason = ignored(story, &event("com.example.x", &json!({"branch": "fix"}))).await;
    assert!(
        reason.contains("event.branch") && reason.contains("release"),
        "{reason}"
    );
}

#[tokio::test]
async fn a_signal_from_elsewhere_is_ignored() {
    let package =
        || older(json!({"type": "event", "event": "workflow.completed", "source": "orchestrator"}));
    let from = |source: &str| Event {
        source: source.into(),
        ..event("workflow.completed", &json!({"a": 1}))
    };
    let mut story = workflow(package()).start().await;
    story.run(&from("orchestrator")).await;
    assert!(
        ignored(story, &from("elsewhere"))
            .await
            .contains("elsewhere")
    );
}

#[tokio::test]
async fn a_refusal_is_passed_on_with_its_words() {
    let refusal = answered(Reply::json(422, json!({"detail": "no such\nworkflow"}))).await;
    assert_eq!(refusal.status, 422);
    assert!(
        refusal
            .detail()
            .starts_with("the orchestrator at http://127.0.0.1:"),
        "{}",
        refusal.detail()
    );
    assert!(
        refusal
            .detail()
            .ends_with("answered 422 Unprocessable Entity: no such workflow"),
        "{}",
        refusal.detail()
    );
}

#[tokio::test]
async fn an_unknown_team_is_a_404() {
    let mut story = team(None).start().await;
    story
        .orchestrator
        .next(Reply::json(404, json!({"detail": "Team t not found"})));
    let answered = story.send(&event("com.example.x", &json!({}))).await;
    story.orchestrator.call().await;
    assert_eq!(answered.status, 404);
    assert!(answered.detail().ends_with("Team t not found"));
    story.end().await;
}

#[tokio::test]
async fn a_wait_that_the_orchestrator_asks_for_is_passed_on() {
    for (status, passed_on) in [(429, 429), (408, 408), (425, 425), (503, 502)] {
        let answered = answered(Reply::json(status, json!({})).with("retry-after", "7")).await;
        assert_eq!(
            (answered.status, &answered.headers["retry-after"]),
            (passed_on, &"7".parse().unwrap())
        );
    }
    let date =
        answered(Reply::json(429, json!({})).with("retry-after", "Sun, 22 Nov 2026 08:00:30 GMT"))
            .await;
    assert_eq!(date.headers["retry-after"], "30");
}

#[tokio::test]
async fn a_failure_behind_the_trigger_is_a_502() {
    let failed = answered(Reply::json(500, json!({"detail": "boom"}))).await;
    assert_eq!(failed.status, 502);
    assert!(
        failed.detail().ends_with("500 Internal Server Error: boom"),
        "{}",
        failed.detail()
    );
    let redirect =
        answered(Reply::json(307, json!({})).with("location", "https://elsewhere/")).await;
    assert_eq!(redirect.status, 502);
    assert!(
        redirect.detail().contains("set ORCHESTRATOR_URL"),
        "{}",
        redirect.detail()
    );
}

#[tokio::test]
async fn an_orchestrator_that_is_not_there_is_a_503_that_names_it_without_secrets() {
    let closed = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    let story = workflow(None)
        .set(
            "ORCHESTRATOR_URL",
            &format!("http://user:hunter2@{closed}/t0ken"),
        )
        .start()
        .await;
    let answered = story.send(&event("com.example.x", &json!({}))).await;
    assert_eq!(answered.status, 503);
    assert!(
        answered
            .detail()
            .contains(&format!("http://{closed} cannot be reached")),
        "{}",
        answered.detail()
    );
    assert!(
        answered.detail().contains("refused")
            && !["hunter2", "t0ken"]
                .iter()
                .any(|secret| answered.detail().contains(secret)),
        "{}",
        answered.detail()
    );
    story.end().await;
}

#[tokio::test]
async fn a_timeout_of_the_client_is_a_504() {
    let mut story = workflow(None)
        .calling_with(client().timeout(Duration::from_millis(50)))
        .start()
        .await;
    let dropped = CancellationToken::new();
    story.orchestrator.next(Reply::Never(dropped.clone()));
    assert_eq!(
        story.send(&event("com.example.x", &json!({}))).await.status,
        504
    );
    story.orchestrator.call().await;
    dropped.cancelled().await;
    story.end().await;
}

#[tokio::test]
async fn a_connection_that_breaks_off_is_a_502() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let story = workflow(None)
        .set(
            "ORCHESTRATOR_URL",
            &format!("http://{}", listener.local_addr().unwrap()),
        )
        .start()
        .await;
    let event = event("com.example.x", &json!({}));
    let (answered, ()) = tokio::join!(story.send(&event), async {
        drop(listener.accept().await.unwrap())
    });
    assert_eq!(answered.status, 502, "{}", answered.body);
    assert!(
        answered.detail().contains("broke the connection off"),
        "{}",
        answered.detail()
    );
    story.end().await;
}

#[tokio::test]
async fn a_run_without_a_name_runs_all_the_same() {
    let huge = json!({"id": "ex-1", "result": "x".repeat(1_100_000)});
    for reply in [
        Reply::json(200, json!({"ok": true})),
        Reply::json(202, json!([1])),
        Reply::json(200, huge),
    ] {
        let answered = answered(reply).await;
        assert_eq!(
            (answered.status, answered.body),
            (200, json!({"status": "triggered", "execution_id": null}))
        );
    }
    let named = answered(Reply::json(201, json!({"execution_id": 12}))).await;
    assert_eq!(named.body["execution_id"], "12");
}

#[tokio::test]
async fn a_body_that_is_not_json_is_a_422_and_calls_nobody() {
    let story = workflow(None).start().await;
    let answered = story
        .send(&Event {
            data: "<xml/>".into(),
            ..event("com.example.x", &Value::Null)
        })
        .await;
    assert_eq!(answered.status, 422);
    assert!(
        answered.detail().contains("not JSON") && !answered.detail().contains("xml"),
        "{}",
        answered.detail()
    );
    story.end().await;
}

#[tokio::test]
async fn a_run_of_seconds_is_waited_for() {
    let mut story = workflow(None).start().await;
    story
        .orchestrator
        .next(Reply::After(Duration::from_secs(3)));
    let began = std::time::Instant::now();
    let answered = story.send(&event("com.example.x", &json!({}))).await;
    assert_eq!(
        answered.body,
        json!({"status": "triggered", "execution_id": "late"})
    );
    assert!(began.elapsed() >= Duration::from_secs(3));
    story.orchestrator.call().await;
    story.end().await;
}

#[tokio::test]
async fn events_run_side_by_side() {
    let mut story = workflow(None).start().await;
    let released = Arc::new(Notify::new());
    story.orchestrator.next(Reply::When(released.clone()));
    let slow = event("com.example.slow", &json!({}));
    let slow = async {
        let answered = story.send(&slow).await;
        assert_eq!(answered.body["execution_id"], "released");
    };
    let fast = event("com.example.fast", &json!({}));
    let fast = async {
        story.orchestrator.got(1).await;
        assert_eq!(story.send(&fast).await.body["execution_id"], "ex-1");
        released.notify_one();
    };
    tokio::join!(slow, fast);
    story.orchestrator.call().await;
    story.orchestrator.call().await;
    story.end().await;
}

#[tokio::test]
async fn a_caller_that_hangs_up_drops_the_call() {
    let mut story = workflow(None).start().await;
    let dropped = CancellationToken::new();
    story.orchestrator.next(Reply::Never(dropped.clone()));
    {
        let event = event("com.example.x", &json!({}));
        let sent = story.send(&event);
        let mut sent = std::pin::pin!(sent);
        tokio::select! {
            _ = &mut sent => panic!("nobody answers"),
            () = story.orchestrator.got(1) => {}
        }
        assert!(!dropped.is_cancelled());
    }
    tokio::time::timeout(Duration::from_secs(10), dropped.cancelled())
        .await
        .expect("the call is dropped");
    story.orchestrator.call().await;
    story.end().await;
}

#[tokio::test]
async fn a_secret_that_a_refusal_repeats_is_not_passed_on() {
    let mut story = workflow(linear())
        .set("LINEAR_CLIENT_ID", "id-7")
        .set("LINEAR_CLIENT_SECRET", "hunter2")
        .start()
        .await;
    let echo = json!({"detail": [{"input": {"linear_oauth": {"client_id": "id-7", "client_secret": "hunter2"}}}]});
    story.orchestrator.next(Reply::json(422, echo));
    let body = json!({"type": "AgentSessionEvent", "action": "created"});
    let answered = story
        .send(&event("app.linear.AgentSessionEvent.created", &body))
        .await;
    story.orchestrator.call().await;
    assert_eq!(answered.status, 422);
    assert!(
        answered.detail().contains("[redacted]"),
        "{}",
        answered.detail()
    );
    assert!(
        !answered.detail().contains("hunter2") && !answered.detail().contains("id-7"),
        "{}",
        answered.detail()
    );
    story.end().await;
}
