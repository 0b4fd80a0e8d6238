//! What a run gets.

use crate::story::{Story, event, github, github_event, linear, open, schedule, team, workflow};
use belfry_mesh::event::Event;
use bytes::Bytes;
use serde_json::{Value, json};

fn pull_request() -> Value {
    json!({
        "action": "opened",
        "pull_request": {
            "number": 7, "title": "Fix", "user": {"login": "ada"}, "head": {"ref": "fix"}, "base": {"ref": "main"},
            "html_url": "https://github.com/o/r/pull/7",
        },
        "repository": {"full_name": "o/r"},
        "sender": {"login": "ada"},
    })
}

fn pull_request_params() -> Value {
    json!({
        "github_event": "pull_request", "pr_number": 7, "pr_title": "Fix", "pr_author": "ada", "pr_head_ref": "fix",
        "pr_base_ref": "main", "pr_url": "https://github.com/o/r/pull/7", "repository": "o/r", "action": "opened",
    })
}

/// Runs the event, and says what workflow `w` got.
async fn params(mut story: Story, event: &Event) -> Value {
    let mut asked = story.run(event).await;
    assert_eq!(asked["workflow_id"], "w");
    assert_eq!(asked.as_object().unwrap().len(), 2);
    story.end().await;
    asked["params"].take()
}

#[tokio::test]
async fn a_plain_webhook_hands_on_its_payload() {
    let body = json!({"b": [1, {"c": null}], "a": "x"});
    assert_eq!(
        params(workflow(None).start().await, &event("com.example.x", &body)).await,
        body
    );
}

#[tokio::test]
async fn a_pull_request_is_taken_apart() {
    let story = workflow(github()).start().await;
    assert_eq!(
        params(story, &github_event("pull_request", &pull_request())).await,
        pull_request_params()
    );
}

#[tokio::test]
async fn a_pull_request_in_a_form_is_taken_apart() {
    let encoded: String = pull_request()
        .to_string()
        .bytes()
        .map(|byte| format!("%{byte:02X}"))
        .collect();
    let event = Event {
        content_type: Some("application/x-www-form-urlencoded".into()),
        data: Bytes::from(format!("payload={encoded}")),
        ..github_event("pull_request", &Value::Null)
    };
    assert_eq!(
        params(workflow(github()).start().await, &event).await,
        pull_request_params()
    );
}

#[tokio::test]
async fn a_push_and_an_issue_are_taken_apart() {
    let body = json!({
        "ref": "refs/heads/main", "repository": {"full_name": "o/r"}, "pusher": {"name": "ada"}, "commits": [{}, {}],
    });
    let expected = json!({"github_event": "push", "ref": "refs/heads/main", "repository": "o/r", "pusher": "ada", "commits": 2});
    assert_eq!(
        params(
            workflow(github()).start().await,
            &github_event("push", &body)
        )
        .await,
        expected
    );
    let body =
        json!({"action": "opened", "repository": {"full_name": "o/r"}, "sender": {"login": "ada"}});
    let expected = json!({"github_event": "issues", "repository": "o/r", "sender": "ada"});
    assert_eq!(
        params(
            workflow(github()).start().await,
            &github_event("issues", &body)
        )
        .await,
        expected
    );
}

#[tokio::test]
async fn the_kind_of_a_github_event_is_known_from_its_type_alone() {
    let bare = event("com.github.pull_request.opened", &pull_request());
    assert_eq!(
        params(workflow(github()).start().await, &bare).await,
        pull_request_params()
    );
}

fn session() -> Value {
    json!({
        "type": "AgentSessionEvent", "action": "prompted", "guidance": "be brief",
        "agentSession": {"id": "s-1", "issueId": "i-1", "status": "active", "createdAt": "c", "updatedAt": "u"},
        "agentActivity": {"content": {"type": "prompt", "body": "do it"}},
    })
}

fn session_params() -> Value {
    json!({
        "linear_event": "AgentSessionEvent", "action": "prompted", "session_id": "s-1", "issue_id": "i-1",
        "state": "active", "created_at": "c", "updated_at": "u", "prompt": "do it", "guidance": "be brief",
    })
}

#[tokio::test]
async fn an_agent_session_is_taken_apart() {
    let story = workflow(linear()).start().await;
    assert_eq!(
        params(
            story,
            &event("app.linear.AgentSessionEvent.prompted", &session())
        )
        .await,
        session_params()
    );
}

#[tokio::test]
async fn a_configured_oauth_client_is_handed_to_the_run() {
    let story = workflow(linear())
        .set("LINEAR_CLIENT_ID", "id")
        .set("LINEAR_CLIENT_SECRET", "hunter2")
        .set("LINEAR_REDIRECT_URI", "https://x/cb")
        .start()
        .await;
    let mut expected = session_params();
    expected["linear_oauth"] =
        json!({"client_id": "id", "client_secret": "hunter2", "redirect_uri": "https://x/cb"});
    assert_eq!(
        params(
            story,
            &event("app.linear.AgentSessionEvent.prompted", &session())
        )
        .await,
        expected
    );
}

#[tokio::test]
async fn a_linear_issue_runs_where_the_installer_wants_issues() {
    let body = json!({
        "type": "Issue", "action": "update",
        "data": {"id": "i-1", "title": "Fix", "state": {"name": "Todo"}, "assignee": {"name": "Ada"}},
    });
    let story = workflow(linear())
        .set("FILTER_EVENT_TYPES", "Comment, Issue")
        .start()
        .await;
    let expected = json!({
        "linear_event": "Issue", "action": "update", "issue_id": "i-1", "issue_title": "Fix", "issue_state": "Todo",
        "assignee": "Ada",
    });
    assert_eq!(
        params(story, &event("app.linear.Issue.update", &body)).await,
        expected
    );
}

#[tokio::test]
async fn a_tick_says_its_nominal_instant_and_its_schedule() {
    let tick = Event {
        data: Bytes::new(),
        content_type: None,
        ..event("belfry.tick", &Value::Null)
    };
    for (story, cron) in [
        (workflow(schedule()).start().await, "0 2 * * *"),
        (
            workflow(schedule())
                .set("CRON_EXPRESSION", "*/5 * * * *")
                .start()
                .await,
            "*/5 * * * *",
        ),
    ] {
        let expected = json!({"triggered_at": "2026-11-22T02:00:00Z", "trigger_type": "schedule", "cron_expression": cron});
        assert_eq!(params(story, &tick).await, expected);
    }
}

#[tokio::test]
async fn the_packages_own_params_are_exactly_what_the_run_gets_with_their_types() {
    let package = open(json!({"action": {"params": {
        "number": "${event.n}", "on": "${event.on}", "list": "${event.list}", "none": "${event.no}",
        "text": "#${event.n} in ${REGION:-nowhere}", "region": "${REGION}", "at": "${now}", "kind": "${ce.type}",
        "delivery": "${http.x-id}", "fixed": [1, {"a": true}],
    }}}));
    let body = json!({"n": 7, "on": false, "list": [1, "b"], "secret": "left out"});
    let event = Event {
        headers: vec![("x-id".into(), "h-1".into())],
        ..event("com.example.x", &body)
    };
    let story = workflow(package).set("REGION", "eu").start().await;
    assert_eq!(
        params(story, &event).await,
        json!({
            "number": 7, "on": false, "list": [1, "b"], "none": null, "text": "#7 in eu", "region": "eu",
            "at": "2026-11-22T08:00:00Z", "kind": "com.example.x", "delivery": "h-1", "fixed": [1, {"a": true}],
        })
    );
}

#[tokio::test]
async fn a_team_gets_a_task_in_words_and_the_params_as_context() {
    let mut story = team(github())
        .set(
            "TASK_TEMPLATE",
            "Review #{pull_request.number}: {pull_request.title}",
        )
        .start()
        .await;
    let event = github_event("pull_request", &pull_request());
    assert_eq!(story.send(&event).await.status, 200);
    let call = story.orchestrator.call().await;
    assert_eq!(call.path, "/teams/run");
    assert_eq!(
        call.body,
        json!({"team_id": "t", "task": "Review #7: Fix", "context": pull_request_params()})
    );
    story.end().await;
}

#[tokio::test]
async fn a_team_without_a_template_or_with_one_that_does_not_fit_gets_the_whole_event() {
    for template in ["", "Review {pull_request.milestone.title}"] {
        let mut story = team(None).set("TASK_TEMPLATE", template).start().await;
        let asked = story.run(&event("com.example.x", &json!({"a": 1}))).await;
        assert_eq!(asked["task"], r#"Process webhook event: {"a":1}"#);
        story.end().await;
    }
}

#[tokio::test]
async fn a_team_on_a_schedule_gets_its_task_description() {
    for (given, task) in [
        ("", "Execute scheduled task"),
        ("Sweep {the} floor", "Sweep {the} floor"),
    ] {
        let mut story = team(schedule())
            .set("TASK_DESCRIPTION", given)
            .start()
            .await;
        let asked = story.run(&event("belfry.tick", &Value::Null)).await;
        assert_eq!(asked["task"], task);
        assert_eq!(asked["context"]["trigger_type"], "schedule");
        story.end().await;
    }
}
