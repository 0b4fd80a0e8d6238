//! What a sender is told of its event: pure functions of what is known.

use crate::answer::{Reply, Stored};
use belfry_mesh::event::{Ending, Event};
use belfry_mesh::outcome::{Outcome, Status};
use belfry_mesh::package::Response;
use belfry_mesh::template::{Execution, Scope, Template};
use belfry_mesh::{EventId, Problem};
use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};
use http_body_util::Full;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};
use std::borrow::Cow;
use std::cell::OnceCell;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

const JSON: &str = "application/json";
const TEXT: &str = "text/plain; charset=utf-8";
const PROBLEM: &str = "application/problem+json";

/// An answer. Without a content type it has no body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Said {
    pub(super) status: StatusCode,
    pub(super) content_type: Option<&'static str>,
    pub(super) body: Bytes,
}

/// A problem with the event that it is about.
#[derive(Serialize)]
struct About<'a> {
    #[serde(flatten)]
    problem: Problem,
    event_id: &'a EventId,
}

/// What templates refer to.
struct Known<'a> {
    event: &'a Event,
    body: OnceCell<Value>,
    now: Timestamp,
    execution: Option<(&'a str, &'a Value)>,
}

/// The answer to a sender that does not wait; none if its package leaves it as it is.
pub(super) fn at_once(
    response: &Response,
    event: &Event,
    stored: &Stored,
    now: Timestamp,
) -> Option<Said> {
    let status = status(response);
    if response.is_empty() {
        return Some(Said::empty(status));
    }
    match (response.body_at_once(), stored) {
        (Some(body), _) => Some(worded(status, body, event, None, now)),
        (None, Stored::Duplicate { .. }) => None,
        (None, stored) => Some(Said::json(status, stored)),
    }
}

/// The answer to a sender that waited until its event ended.
pub(super) fn ended(response: &Response, event: &Event, ending: &Ending, now: Timestamp) -> Said {
    let outcome = &ending.outcome;
    match outcome.status {
        Status::Triggered => triggered(response, event, ending, now),
        Status::Ignored => {
            let reason = outcome.reason.as_deref().map(without_addresses);
            let told = json!({"status": "ignored", "event_id": event.id, "reason": reason});
            Said::json(StatusCode::OK, &told)
        }
        Status::Dead | Status::Retrying => {
            let detail = format!(
                "{}; the event is kept as a dead letter until it is replayed",
                failure(outcome)
            );
            Said::problem(StatusCode::BAD_GATEWAY, detail, &event.id)
        }
    }
}

/// The answer to a sender that waited in vain.
pub(super) fn late(event: &Event, waited: Duration) -> Said {
    let detail = format!(
        "what becomes of the event was not known within {} s; the event is stored and seen to all the same, do not send it again",
        waited.as_secs_f32()
    );
    Said::problem(StatusCode::GATEWAY_TIMEOUT, detail, &event.id)
}

fn triggered(response: &Response, event: &Event, ending: &Ending, now: Timestamp) -> Said {
    let status = status(response);
    if response.is_empty() {
        return Said::empty(status);
    }
    let id = ending.outcome.execution_id.as_deref();
    let Some(body) = &response.body else {
        let told = json!({"status": "triggered", "event_id": event.id, "execution_id": id});
        return Said::json(status, &told);
    };
    let execution = (id.unwrap_or_default(), result(ending));
    worded(status, body, event, Some(execution), now)
}

fn result(ending: &Ending) -> &Value {
    ending.result.as_ref().unwrap_or(&Value::Null)
}

fn worded(
    status: StatusCode,
    body: &Template,
    event: &Event,
    execution: Option<(&str, &Value)>,
    now: Timestamp,
) -> Said {
    let known = Known {
        event,
        body: OnceCell::new(),
        now,
        execution,
    };
    match body.render(&known) {
        Value::String(text) => Said {
            status,
            content_type: Some(TEXT),
            body: text.into(),
        },
        value => Said::json(status, &value),
    }
}

/// Why an event is dead, for the outside: a trigger that refuses it speaks to its sender, one that fails to its operator.
fn failure(outcome: &Outcome) -> String {
    let tries = match outcome.attempt {
        1 => "at the first attempt".to_owned(),
        count => format!("at each of {count} attempts"),
    };
    match (outcome.http_status, &outcome.reason) {
        (Some(status @ 400..500), Some(reason)) => format!(
            "the trigger refused the event with status {status}: {}",
            without_addresses(reason)
        ),
        (Some(status), _) => {
            format!("the trigger failed {tries}, at last with status {status}")
        }
        (None, _) => format!("the trigger failed {tries}, at last without an answer"),
    }
}

/// The text with whatever names a place in our network left out.
fn without_addresses(text: &str) -> String {
    let words = text.split(' ').map(|word| match names_a_place(word) {
        true => Cow::Borrowed("…"),
        false => Cow::Borrowed(word),
    });
    words.collect::<Vec<_>>().join(" ")
}

fn names_a_place(word: &str) -> bool {
    word.contains("://")
        || word
            .split(|c: char| !(c.is_ascii_alphanumeric() || "._-:[]".contains(c)))
            .any(|part| is_address(part) || is_address(part.trim_end_matches(['.', ':'])))
}

/// An IP address, with a port or without, or a name with a port.
fn is_address(part: &str) -> bool {
    let is_port = |port: &str| (2..=5).contains(&port.len()) && port.parse::<u16>().is_ok();
    let bare = part.trim_start_matches('[').trim_end_matches(']');
    bare.parse::<IpAddr>().is_ok()
        || part.parse::<SocketAddr>().is_ok()
        || part
            .rsplit_once(':')
            .is_some_and(|(host, port)| !host.is_empty() && is_port(port))
}

fn status(response: &Response) -> StatusCode {
    StatusCode::from_u16(response.status).unwrap_or(StatusCode::OK)
}

impl Said {
    fn json(status: StatusCode, value: &impl Serialize) -> Self {
        Self::written(status, JSON, value)
    }

    fn problem(status: StatusCode, detail: String, event_id: &EventId) -> Self {
        let problem = Problem::new(status, detail);
        Self::written(status, PROBLEM, &About { problem, event_id })
    }

    fn written(status: StatusCode, content_type: &'static str, value: &impl Serialize) -> Self {
        Self {
            status,
            content_type: Some(content_type),
            body: serde_json::to_vec(value)
                .expect("answers have only string keys")
                .into(),
        }
    }

    fn empty(status: StatusCode) -> Self {
        Self {
            status,
            content_type: None,
            body: Bytes::new(),
        }
    }

    /// As HTTP. It may hold what the sender sent, so nobody may guess that it is something else.
    pub(super) fn into_reply(self) -> Reply {
        let mut reply = Reply::new(Full::new(self.body));
        *reply.status_mut() = self.status;
        let headers = reply.headers_mut();
        if let Some(content_type) = self.content_type {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
            let nosniff = HeaderValue::from_static("nosniff");
            headers.insert(header::X_CONTENT_TYPE_OPTIONS, nosniff);
        }
        reply
    }
}

impl Scope for Known<'_> {
    /// A body that is not JSON has no parts to refer to.
    fn event(&self) -> &Value {
        self.body
            .get_or_init(|| self.event.body().unwrap_or_default())
    }

    fn now(&self) -> Timestamp {
        self.now
    }

    fn attribute(&self, name: &str) -> Option<String> {
        self.event.attribute(name)
    }

    fn execution(&self) -> Option<Execution<'_>> {
        let (id, result) = self.execution?;
        Some(Execution { id, result })
    }
}

#[cfg(test)]
mod tests;
