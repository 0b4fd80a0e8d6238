//! What the standard triggers make of an event: the parameters of a run, for packages that declare none of their own.
//!
//! The names are those that existing workflows read. A field that the event does not have is `null`, not left out, except where
//! a function says otherwise: a workflow can rely on the names.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

/// Which of the standard triggers a package is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Extraction {
    /// Any webhook of no provider below, a signal, or an event by hand: [`simple`].
    Simple,
    /// GitHub: [`github`].
    GitHub,
    /// Linear: [`linear`].
    Linear,
    /// A clock: [`schedule`].
    Schedule,
}

/// The parameters of a run, by name.
pub type Params = Map<String, Value>;

/// The event's body itself. A body that is no object is the one parameter `payload`, since a run takes an object.
#[must_use]
pub fn simple(body: &Value) -> Params {
    match body {
        Value::Object(map) => map.clone(),
        other => params(json!({"payload": other})),
    }
}

/// Of a GitHub event of this type (`X-GitHub-Event`,
/// <https://docs.github.com/en/webhooks/webhook-events-and-payloads>). `commits` is how many there are: 0 if the event has none.
#[must_use]
pub fn github(event_type: &str, body: &Value) -> Params {
    let repository = at(body, "/repository/full_name");
    params(match event_type {
        "pull_request" => json!({
            "github_event": event_type,
            "pr_number": at(body, "/pull_request/number"),
            "pr_title": at(body, "/pull_request/title"),
            "pr_author": at(body, "/pull_request/user/login"),
            "pr_head_ref": at(body, "/pull_request/head/ref"),
            "pr_base_ref": at(body, "/pull_request/base/ref"),
            "pr_url": at(body, "/pull_request/html_url"),
            "repository": repository,
            "action": at(body, "/action"),
        }),
        "push" => json!({
            "github_event": event_type,
            "ref": at(body, "/ref"),
            "repository": repository,
            "pusher": at(body, "/pusher/name"),
            "commits": at(body, "/commits").as_array().map_or(0, Vec::len),
        }),
        _ => json!({
            "github_event": event_type,
            "repository": repository,
            "sender": at(body, "/sender/login"),
        }),
    })
}

/// Of a Linear event of this type (`Linear-Event`, the body's `type`; <https://linear.app/developers/webhooks>), in either
/// spelling: `AgentSessionEvent` or `agentSession`, `Issue` or `issue`.
///
/// Of an agent session (<https://linear.app/developers/agent-interaction>), `prompt` is there only if the action is `prompted`,
/// and is a string, empty if there is no text; `guidance` and `previousComments` are there only if the event has them. The
/// session's `state` is what Linear calls `status` now.
#[must_use]
pub fn linear(event_type: &str, body: &Value) -> Params {
    let mut found = params(json!({"linear_event": event_type, "action": at(body, "/action")}));
    let is = |names: &[&str]| {
        names
            .iter()
            .any(|name| event_type.eq_ignore_ascii_case(name))
    };
    let more = if is(&["AgentSessionEvent", "agentSession"]) {
        agent_session(body)
    } else if is(&["Issue"]) {
        params(json!({
            "issue_id": at(body, "/data/id"),
            "issue_title": at(body, "/data/title"),
            "issue_state": at(body, "/data/state/name"),
            "assignee": at(body, "/data/assignee/name"),
        }))
    } else {
        params(json!({"data_id": at(body, "/data/id")}))
    };
    found.extend(more);
    found
}

/// Of a tick of a clock: the instant that it stands for, and the schedule in its own words.
#[must_use]
pub fn schedule(triggered_at: Timestamp, cron_expression: &str) -> Params {
    params(json!({
        "triggered_at": triggered_at.to_string(),
        "trigger_type": "schedule",
        "cron_expression": cron_expression,
    }))
}

fn agent_session(body: &Value) -> Params {
    let first = |pointers: [&str; 2]| {
        pointers
            .into_iter()
            .map(|way| at(body, way))
            .find(|found| !found.is_null())
    };
    let mut found = params(json!({
        "session_id": at(body, "/agentSession/id"),
        "issue_id": first(["/agentSession/issueId", "/agentSession/issue/id"]),
        "state": first(["/agentSession/state", "/agentSession/status"]),
        "created_at": at(body, "/agentSession/createdAt"),
        "updated_at": at(body, "/agentSession/updatedAt"),
    }));
    if at(body, "/action") == "prompted" {
        found.insert(
            "prompt".into(),
            prompt(at(body, "/agentActivity/content")).into(),
        );
    }
    for name in ["guidance", "previousComments"] {
        if let Some(value) = body.get(name).filter(|value| !value.is_null()) {
            found.insert(name.into(), value.clone());
        }
    }
    found
}

/// What the user wrote, from either form that the content of an activity has.
fn prompt(content: &Value) -> &str {
    content
        .as_str()
        .or_else(|| content.get("body")?.as_str())
        .unwrap_or_default()
}

/// The value at a JSON pointer (RFC 6901), `null` if there is none.
fn at<'v>(value: &'v Value, pointer: &str) -> &'v Value {
    value.pointer(pointer).unwrap_or(&Value::Null)
}

fn params(object: Value) -> Params {
    match object {
        Value::Object(map) => map,
        other => Params::from_iter([("payload".to_owned(), other)]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(found: Params) -> Value {
        Value::Object(found)
    }

    #[test]
    fn a_simple_webhook_hands_on_its_payload() {
        assert_eq!(of(simple(&json!({"a": {"b": 1}}))), json!({"a": {"b": 1}}));
        for body in [json!([1, 2]), json!("text"), json!(null)] {
            assert_eq!(of(simple(&body)), json!({"payload": body}));
        }
    }

    #[test]
    fn a_pull_request_is_taken_apart() {
        let body = json!({
            "action": "opened",
            "pull_request": {
                "number": 7, "title": "Fix", "user": {"login": "ada"}, "head": {"ref": "fix"}, "base": {"ref": "main"},
                "html_url": "https://github.com/o/r/pull/7", "body": null,
            },
            "repository": {"full_name": "o/r", "private": true},
            "sender": {"login": "ada"},
        });
        assert_eq!(
            of(github("pull_request", &body)),
            json!({
                "github_event": "pull_request", "pr_number": 7, "pr_title": "Fix", "pr_author": "ada", "pr_head_ref": "fix",
                "pr_base_ref": "main", "pr_url": "https://github.com/o/r/pull/7", "repository": "o/r", "action": "opened",
            })
        );
    }

    #[test]
    fn a_push_counts_its_commits() {
        let body = json!({
            "ref": "refs/heads/main", "repository": {"full_name": "o/r"}, "pusher": {"name": "ada", "email": "a@b.c"},
            "commits": [{"id": "1"}, {"id": "2"}],
        });
        let expected = json!({"github_event": "push", "ref": "refs/heads/main", "repository": "o/r", "pusher": "ada", "commits": 2});
        assert_eq!(of(github("push", &body)), expected);
        assert_eq!(github("push", &json!({}))["commits"], 0);
    }

    #[test]
    fn other_github_events_say_where_and_who() {
        let body = json!({"action": "opened", "issue": {"number": 1}, "repository": {"full_name": "o/r"}, "sender": {"login": "ada"}});
        for event_type in ["issues", "release"] {
            assert_eq!(
                of(github(event_type, &body)),
                json!({"github_event": event_type, "repository": "o/r", "sender": "ada"})
            );
        }
    }

    #[test]
    fn a_field_that_is_missing_is_null_and_not_left_out() {
        let found = github("pull_request", &json!({"pull_request": "not an object"}));
        assert_eq!(found.len(), 9);
        assert_eq!(found["pr_author"], Value::Null);
        assert_eq!(
            of(linear("Comment", &Value::Null)),
            json!({"linear_event": "Comment", "action": null, "data_id": null})
        );
    }

    fn session(action: &str, more: Value) -> Value {
        let mut body = json!({
            "type": "AgentSessionEvent", "action": action,
            "agentSession": {
                "id": "s-1", "issueId": "i-1", "issue": {"id": "i-1", "title": "Fix"}, "status": "active",
                "createdAt": "2026-11-22T10:00:00.000Z", "updatedAt": "2026-11-22T10:00:01.000Z",
            },
        });
        body.as_object_mut().unwrap().extend(params(more));
        body
    }

    #[test]
    fn a_new_agent_session_is_taken_apart() {
        let body = session(
            "created",
            json!({"guidance": "be brief", "previousComments": [{"body": "x"}]}),
        );
        for event_type in ["AgentSessionEvent", "agentSession"] {
            assert_eq!(
                of(linear(event_type, &body)),
                json!({
                    "linear_event": event_type, "action": "created", "session_id": "s-1", "issue_id": "i-1", "state": "active",
                    "created_at": "2026-11-22T10:00:00.000Z", "updated_at": "2026-11-22T10:00:01.000Z",
                    "guidance": "be brief", "previousComments": [{"body": "x"}],
                })
            );
        }
    }

    #[test]
    fn an_agent_session_has_a_prompt_only_when_it_was_prompted() {
        for (activity, prompt) in [
            (
                json!({"content": {"type": "prompt", "body": "do it"}}),
                "do it",
            ),
            (json!({"content": "do it"}), "do it"),
            (json!({"content": {"type": "prompt"}}), ""),
            (json!({"content": {"body": 7}}), ""),
            (json!({"content": ["x"]}), ""),
            (json!({}), ""),
            (json!(null), ""),
        ] {
            let body = session("prompted", json!({"agentActivity": activity}));
            assert_eq!(
                linear("AgentSessionEvent", &body)["prompt"],
                prompt,
                "{body}"
            );
        }
        let found = linear(
            "AgentSessionEvent",
            &session("created", json!({"guidance": null})),
        );
        for absent in ["prompt", "guidance", "previousComments"] {
            assert!(!found.contains_key(absent), "{absent}");
        }
    }

    #[test]
    fn a_session_of_an_older_form_is_read_too() {
        let body = json!({"action": "created", "agentSession": {"id": "s", "state": "pending", "status": "x", "issue": {"id": "i"}}});
        let found = linear("agentSession", &body);
        assert_eq!(
            (&found["state"], &found["issue_id"]),
            (&json!("pending"), &json!("i"))
        );
        assert_eq!(found["created_at"], Value::Null);
    }

    #[test]
    fn a_linear_issue_is_taken_apart() {
        let body = json!({
            "action": "update", "type": "Issue",
            "data": {"id": "i-1", "title": "Fix", "state": {"name": "Todo"}, "assignee": {"name": "Ada"}},
        });
        for event_type in ["Issue", "issue"] {
            assert_eq!(
                of(linear(event_type, &body)),
                json!({
                    "linear_event": event_type, "action": "update", "issue_id": "i-1", "issue_title": "Fix",
                    "issue_state": "Todo", "assignee": "Ada",
                })
            );
        }
        assert_eq!(
            of(linear("Comment", &body)),
            json!({"linear_event": "Comment", "action": "update", "data_id": "i-1"})
        );
    }

    #[test]
    fn a_tick_says_when_and_by_which_schedule() {
        let at: Timestamp = "2026-11-22T02:00:00Z".parse().unwrap();
        assert_eq!(
            of(schedule(at, "0 2 * * *")),
            json!({"triggered_at": "2026-11-22T02:00:00Z", "trigger_type": "schedule", "cron_expression": "0 2 * * *"})
        );
    }

    proptest! {
        #[test]
        fn no_event_makes_the_extraction_panic(
            event_type in prop_oneof![Just("push".to_owned()), Just("pull_request".to_owned()), Just("Issue".to_owned()),
                Just("agentSession".to_owned()), "\\PC{0,8}"],
            key in proptest::sample::select(vec!["pull_request", "commits", "agentSession", "data", "agentActivity", "action"]),
            value in prop_oneof![Just(json!(null)), Just(json!("prompted")), Just(json!([1])), Just(json!({"content": 1}))],
        ) {
            for body in [json!({key: value}), value] {
                prop_assert!(!simple(&body).contains_key("github_event"));
                prop_assert_eq!(&github(&event_type, &body)["github_event"], &json!(event_type));
                prop_assert_eq!(&linear(&event_type, &body)["linear_event"], &json!(event_type));
            }
        }
    }
}
