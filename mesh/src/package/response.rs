//! How the sender of a webhook is answered.

use super::Error;
use crate::document::{Form, Node};
use crate::template::Template;
use std::time::Duration;

/// How the sender of a webhook is answered.
#[derive(Debug, Clone, PartialEq)]
pub struct Response {
    /// Whether the sender waits for what becomes of its event: `sync`, default false. If it does not, it is answered as soon as
    /// the event is stored.
    pub sync: bool,
    /// How long it waits, after which it is answered 504 and the event is seen to all the same: `timeout`, in seconds, 1 to 300,
    /// default 30. Older manifests may write `"30s"`, and a longer one counts as 300 seconds.
    pub timeout: Duration,
    /// The status of the answer: `status`, 200 to 299, default 200, and 202 for an answer at once without a body. In an answer to a
    /// sender that waits it stands for an event that was triggered.
    pub status: u16,
    /// The answer's body: `body`. None: what became of the event, or that it was accepted. It may refer to the event, and to the
    /// run if the sender waits for it; there are no variables where it is rendered.
    pub body: Option<Template>,
}

const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);
const LONGEST: f64 = 300.0;

impl Response {
    pub(super) fn read(node: &Node<'_>) -> Result<Self, Error> {
        let object = node.object()?;
        object.only(&["sync", "timeout", "status", "body"])?;
        let status = object.read("status", |node| node.whole(200..=299))?;
        let sync = object.read("sync", Node::truth)?.unwrap_or(false);
        let body = object.read("body", |node| body(node, sync))?;
        let default = if sync || body.is_some() { 200 } else { 202 };
        let status = status
            .and_then(|status| status.try_into().ok())
            .unwrap_or(default);
        if object.form() == Form::Strict && body.is_some() && is_empty(status) {
            let refusal = format!("an answer {status} has no body; leave one of the two out");
            return Err(object.node("body").refuse(refusal));
        }
        Ok(Self {
            sync,
            timeout: object.read("timeout", timeout)?.unwrap_or(DEFAULT_TIMEOUT),
            status,
            body,
        })
    }

    /// The body of an answer that is given before there is a run. An older manifest's may refer to one all the same; it has no
    /// effect.
    #[must_use]
    pub fn body_at_once(&self) -> Option<&Template> {
        let body = self.body.as_ref();
        body.filter(|body| !self.sync && !body.needs_execution())
    }

    /// Whether its status is one that has no body (RFC 9110, sections 15.3.5 and 15.3.6).
    #[must_use]
    pub fn is_empty(&self) -> bool {
        is_empty(self.status)
    }
}

fn is_empty(status: u16) -> bool {
    matches!(status, 204 | 205)
}

fn body(node: &Node<'_>, sync: bool) -> Result<Template, Error> {
    let body = Template::parse(node.value()).map_err(|error| node.refuse(error))?;
    if node.form() == Form::Older {
        return Ok(body);
    }
    if !sync && body.needs_execution() {
        return Err(node.refuse(
            "refers to the run, and the sender is answered before there is one; set `response.sync`, or leave `${execution.…}` out",
        ));
    }
    if body.needs_environment() {
        return Err(node.refuse(
            "refers to a variable of the trigger's environment, which is not known where the sender is answered; use `event.…`, `ce.…`, \
             `http.…`, `execution.…` or `now`",
        ));
    }
    Ok(body)
}

fn timeout(node: &Node<'_>) -> Result<Duration, Error> {
    if node.form() == Form::Strict {
        return node.seconds(1.0..=LONGEST);
    }
    let written = node
        .value()
        .as_str()
        .and_then(|text| text.parse::<jiff::SignedDuration>().ok());
    let duration = match written.and_then(|duration| Duration::try_from(duration).ok()) {
        Some(duration) => duration,
        None => node.seconds(0.0..=f64::from(u32::MAX))?,
    };
    Ok(duration.clamp(Duration::from_secs(1), Duration::from_secs_f64(LONGEST)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn read(value: Value, form: Form) -> Result<Response, Error> {
        Response::read(&Node::root(&value, "response", form))
    }

    #[test]
    fn what_is_not_said_is_the_default() {
        let response = read(json!({}), Form::Strict).unwrap();
        assert_eq!(
            response,
            Response {
                sync: false,
                timeout: Duration::from_secs(30),
                status: 202,
                body: None
            }
        );
        for (said, status) in [
            (json!({"sync": true}), 200),
            (json!({"body": "well"}), 200),
            (json!({"status": 201}), 201),
        ] {
            let response = read(said.clone(), Form::Strict).unwrap();
            assert_eq!(response.status, status, "{said}");
        }
    }

    #[test]
    fn an_older_manifest_may_write_its_timeout_in_several_ways() {
        for (timeout, seconds) in [
            (json!(45), 45),
            (json!("45"), 45),
            (json!("45s"), 45),
            (json!("2m"), 120),
            (json!(3600), 300),
            (json!(0), 1),
        ] {
            let response = read(json!({"timeout": timeout}), Form::Older).unwrap();
            assert_eq!(response.timeout, Duration::from_secs(seconds), "{timeout}");
        }
        assert!(read(json!({"timeout": "soon"}), Form::Older).is_err());
        assert!(read(json!({"timeout": "45s"}), Form::Strict).is_err());
        assert!(read(json!({"timeout": 301}), Form::Strict).is_err());
    }

    #[test]
    fn the_body_may_refer_to_the_run() {
        let response = read(
            json!({"sync": true, "status": 201, "body": {"run": "${execution.id}"}}),
            Form::Strict,
        )
        .unwrap();
        assert!(
            response.sync && response.status == 201 && response.body.unwrap().needs_execution()
        );
        let error = read(json!({"body": "${execution.id"}), Form::Older)
            .unwrap_err()
            .to_string();
        assert!(
            error.starts_with("response.body: `${execution.id` has no closing"),
            "{error}"
        );
        assert!(read(json!({"status": 500}), Form::Strict).is_err());
    }

    #[test]
    fn a_body_that_could_not_be_told_is_refused_and_an_older_one_has_no_effect() {
        for (said, words) in [
            (
                json!({"body": {"run": "${execution.id}"}}),
                "response.body: refers to the run, and the sender is answered before there is one; set `response.sync`",
            ),
            (
                json!({"sync": true, "body": ["${GITHUB_WEBHOOK_SECRET}"]}),
                "response.body: refers to a variable of the trigger's environment",
            ),
            (
                json!({"status": 204, "body": "well"}),
                "response.body: an answer 204 has no body",
            ),
        ] {
            let error = read(said.clone(), Form::Strict).unwrap_err().to_string();
            assert!(error.starts_with(words), "{error}");
            let response = read(said, Form::Older).unwrap();
            assert!(response.body.is_some());
        }
        let older = json!({"status": 200, "body": {"run": "${execution.id}"}});
        assert_eq!(read(older, Form::Older).unwrap().body_at_once(), None);
        let slack = read(json!({"body": "got ${event.text}"}), Form::Strict).unwrap();
        assert!(slack.body_at_once().is_some());
    }
}
