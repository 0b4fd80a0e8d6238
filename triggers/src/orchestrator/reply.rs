//! What an orchestrator's answer says.

use http::{HeaderMap, header};
use jiff::Timestamp;
use jiff::fmt::rfc2822;
use reqwest::Response;
use serde_json::Value;
use std::time::Duration;

/// How much of an orchestrator's answer is read, in bytes.
const MAX_ANSWER: usize = 1024 * 1024;

/// The longest name of a run that is believed, in bytes.
const MAX_EXECUTION_ID: usize = 256;

/// How much of it is passed on to a sender that waits, in bytes: all of what a trigger answers must be less than its agent reads.
const MAX_RESULT: usize = 48 * 1024;

/// A run that was started.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Started {
    pub(crate) execution_id: Option<String>,
    /// What was answered, if it is JSON of no more than [`MAX_RESULT`] bytes.
    pub(crate) answer: Option<Value>,
    /// Why it has no name, where that is worth a line in the log.
    pub(crate) warning: Option<&'static str>,
}

/// The run runs, whatever the body of a 2xx says or lacks.
pub(super) async fn started(mut response: Response) -> Started {
    let (body, whole) = read(&mut response).await;
    if !whole {
        return Started {
            execution_id: None,
            answer: None,
            warning: Some("the orchestrator's answer was cut off or too long"),
        };
    }
    let answer: Option<Value> = serde_json::from_slice(&body).ok();
    let execution_id = answer.as_ref().and_then(execution_id);
    Started {
        warning: match execution_id {
            Some(_) => None,
            None => Some("the orchestrator's answer names no execution"),
        },
        execution_id,
        answer: answer.filter(|_| body.len() <= MAX_RESULT),
    }
}

/// Reads up to [`MAX_ANSWER`] bytes of a body, and says whether that is the whole of it.
pub(super) async fn read(response: &mut Response) -> (Vec<u8>, bool) {
    let mut body = Vec::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if body.len() + chunk.len() <= MAX_ANSWER => {
                body.extend_from_slice(&chunk)
            }
            Ok(Some(_)) | Err(_) => return (body, false),
            Ok(None) => return (body, true),
        }
    }
}

fn execution_id(answer: &Value) -> Option<String> {
    ["id", "execution_id"]
        .iter()
        .find_map(|key| match answer.get(key)? {
            Value::String(id)
                if id.is_empty()
                    || id.len() > MAX_EXECUTION_ID
                    || id.contains(char::is_control) =>
            {
                None
            }
            Value::String(id) => Some(id.clone()),
            Value::Number(id) => Some(id.to_string()),
            _ => None,
        })
}

/// `Retry-After` as seconds or as a date (RFC 9110, section 10.2.3).
pub(super) fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let value = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    match value.parse() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_) => {
            let date = rfc2822::DateTimeParser::new().parse_timestamp(value).ok()?;
            Some(Duration::try_from(date.duration_since(now)).unwrap_or_default())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_run_is_named_by_its_id_in_either_spelling() {
        let id = |body: &str| execution_id(&serde_json::from_str(body).unwrap());
        assert_eq!(id(r#"{"id":"a","execution_id":"b"}"#).as_deref(), Some("a"));
        assert_eq!(id(r#"{"id":null,"execution_id":7}"#).as_deref(), Some("7"));
        for none in [
            "[]",
            "\"x\"",
            "{}",
            r#"{"id":""}"#,
            r#"{"id":"a\nb"}"#,
            r#"{"id":{"a":1}}"#,
        ] {
            assert_eq!(id(none), None, "{none}");
        }
    }

    #[test]
    fn a_wait_is_read_as_seconds_and_as_a_date() {
        let now: Timestamp = "2026-11-22T08:00:00Z".parse().unwrap();
        let wait = |value: &'static str| {
            retry_after(
                &HeaderMap::from_iter([(header::RETRY_AFTER, value.parse().unwrap())]),
                now,
            )
        };
        assert_eq!(wait("7"), Some(Duration::from_secs(7)));
        assert_eq!(
            wait("Sun, 22 Nov 2026 08:00:09 GMT"),
            Some(Duration::from_secs(9))
        );
        assert_eq!(wait("Sun, 22 Nov 2026 07:00:00 GMT"), Some(Duration::ZERO));
        assert_eq!(wait("soon"), None);
    }
}
