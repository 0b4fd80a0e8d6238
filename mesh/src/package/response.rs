//! How the sender of a webhook is answered.

use super::Error;
use crate::document::{Form, Node};
use crate::template::Template;
use std::time::Duration;

/// How the sender of a webhook is answered.
#[derive(Debug, Clone, PartialEq)]
pub struct Response {
    /// Whether the sender waits for the run: `sync`, default false.
    pub sync: bool,
    /// How long it waits, after which it is answered as if it did not: `timeout`, in seconds, 1 to 300, default 30. Older
    /// manifests may write `"30s"`, and a longer one counts as 300 seconds.
    pub timeout: Duration,
    /// The status of the answer: `status`, 200 to 299, default 200.
    pub status: u16,
    /// The answer's body: `body`. None: what became of the event.
    pub body: Option<Template>,
}

const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);
const LONGEST: f64 = 300.0;

impl Response {
    pub(super) fn read(node: &Node<'_>) -> Result<Self, Error> {
        let object = node.object()?;
        object.only(&["sync", "timeout", "status", "body"])?;
        let status = object.read("status", |node| node.whole(200..=299))?;
        let template =
            |node: &Node<'_>| Template::parse(node.value()).map_err(|error| node.refuse(error));
        Ok(Self {
            sync: object.read("sync", Node::truth)?.unwrap_or(false),
            timeout: object.read("timeout", timeout)?.unwrap_or(DEFAULT_TIMEOUT),
            status: status
                .and_then(|status| status.try_into().ok())
                .unwrap_or(200),
            body: object.read("body", template)?,
        })
    }
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
                status: 200,
                body: None
            }
        );
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
}
