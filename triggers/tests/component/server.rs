//! The door: what is an event, what the log says, and how it closes.

use crate::scripted::Reply;
use crate::story::{event, linear, read, team, workflow};
use http::Method;
use serde_json::json;
use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::MakeWriter;

#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl Captured {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    fn capture(&self) -> tracing::subscriber::DefaultGuard {
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(LevelFilter::TRACE)
            .with_ansi(false)
            .with_writer(self.clone())
            .finish();
        tracing::subscriber::set_default(subscriber)
    }
}

impl Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Captured {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[tokio::test]
async fn a_missing_attribute_is_named() {
    let story = workflow(None).start().await;
    let answered = read(
        story
            .request(Method::POST, "/event")
            .header("ce-specversion", "1.0")
            .body("{}"),
    )
    .await;
    assert_eq!(answered.status, 400);
    assert!(
        answered
            .detail()
            .starts_with("the CloudEvents attribute `id` is missing"),
        "{}",
        answered.detail()
    );
    story.end().await;
}

#[tokio::test]
async fn other_paths_methods_and_sizes_are_refused() {
    let story = workflow(None).start().await;
    assert_eq!(
        read(story.request(Method::POST, "/events")).await.status,
        404
    );
    let answered = read(story.request(Method::GET, "/event")).await;
    assert_eq!(
        (answered.status, &answered.headers["allow"]),
        (405, &"POST".parse().unwrap())
    );
    let mut large = event("com.example.x", &json!({}));
    large.data = vec![b' '; belfry_triggers::server::MAX_BODY + 1].into();
    let answered = story.send(&large).await;
    assert_eq!(answered.status, 413);
    assert!(
        answered.detail().contains("10485760 bytes"),
        "{}",
        answered.detail()
    );
    story.end().await;
}

#[tokio::test]
async fn it_says_that_it_is_well() {
    let story = workflow(None).start().await;
    let answered = read(story.request(Method::GET, "/health")).await;
    assert_eq!(
        (answered.status, answered.body),
        (200, json!({"status": "ok"}))
    );
    story.end().await;
}

#[tokio::test]
async fn the_log_says_what_became_of_an_event_and_holds_no_secret_and_no_body() {
    let captured = Captured::default();
    let guard = captured.capture();
    let mut story = workflow(linear())
        .set("TRIGGER_NAME", "my-linear")
        .set("LINEAR_CLIENT_ID", "client-id-7")
        .set("LINEAR_CLIENT_SECRET", "hunter2")
        .start()
        .await;
    let body = json!({"type": "AgentSessionEvent", "action": "created", "guidance": "the payload"});
    let asked = story
        .run(&event("app.linear.AgentSessionEvent.created", &body))
        .await;
    assert_eq!(asked["params"]["linear_oauth"]["client_secret"], "hunter2");
    story.orchestrator.next(Reply::json(
        422,
        json!({"detail": "hunter2 and the payload"}),
    ));
    story
        .send(&event("app.linear.AgentSessionEvent.created", &body))
        .await;
    story.orchestrator.call().await;
    story
        .send(&event(
            "app.linear.Issue.created",
            &json!({"type": "Issue", "action": "created"}),
        ))
        .await;
    story.end().await;
    drop(guard);
    let log = captured.text();
    for said in [
        "triggered",
        "execution_id=\"ex-1\"",
        "event_id=\"e-1\"",
        "trigger=\"my-linear\"",
        "failed with 422",
        "ignored: ",
    ] {
        assert!(log.contains(said), "{said} is not in {log}");
    }
    for secret in ["hunter2", "client-id-7", "the payload"] {
        assert!(!log.contains(secret), "{secret} is in {log}");
    }
}

#[tokio::test]
async fn a_task_template_that_does_not_fit_leaves_a_warning() {
    let captured = Captured::default();
    let guard = captured.capture();
    let mut story = team(None)
        .set("TASK_TEMPLATE", "Review {pull_request.title}")
        .start()
        .await;
    story.run(&event("com.example.x", &json!({}))).await;
    story.end().await;
    drop(guard);
    assert!(
        captured.text().contains("no `pull_request.title`"),
        "{}",
        captured.text()
    );
}

#[tokio::test]
async fn what_is_in_flight_ends_before_the_server_does() {
    let mut story = workflow(None).start().await;
    let released = Arc::new(Notify::new());
    story.orchestrator.next(Reply::When(released.clone()));
    let event = event("com.example.x", &json!({}));
    let sent = story.send(&event);
    let (answered, ()) = tokio::join!(sent, async {
        story.orchestrator.got(1).await;
        story.stop();
        while tokio::net::TcpStream::connect(story.address).await.is_ok() {
            tokio::task::yield_now().await;
        }
        released.notify_one();
    });
    assert_eq!(answered.body["execution_id"], "released");
    story.orchestrator.call().await;
    story.stopped().await;
    story.end().await;
}

#[tokio::test]
async fn what_outlasts_the_grace_is_dropped_and_told_to_come_again() {
    let captured = Captured::default();
    let _guard = captured.capture();
    let mut story = workflow(None)
        .grace(Duration::from_millis(50))
        .start()
        .await;
    let dropped = CancellationToken::new();
    story.orchestrator.next(Reply::Never(dropped.clone()));
    let event = event("com.example.x", &json!({}));
    let (answered, ()) = tokio::join!(story.send(&event), async {
        story.orchestrator.got(1).await;
        story.stop();
    });
    assert_eq!(
        (answered.status, &answered.headers["retry-after"]),
        (503, &"1".parse().unwrap())
    );
    dropped.cancelled().await;
    assert!(
        captured.text().contains("the call was dropped"),
        "{}",
        captured.text()
    );
    story.orchestrator.call().await;
    story.end().await;
}
