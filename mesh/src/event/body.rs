//! The body of an event as JSON.

use super::Event;
use serde_json::Value;

/// Why a body is not JSON.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotJson {
    /// It is something else; where it ceases to be JSON, without its text.
    #[error("the event's body is not JSON: {0}")]
    Syntax(String),
    /// It is a form that holds no JSON.
    #[error(
        "the event's body is a form without exactly one `payload` field; let the provider send application/json"
    )]
    NoPayload,
}

impl Event {
    /// The body as JSON. A form is read as GitHub sends one where a webhook is set to forms: its `payload` field is the JSON
    /// (<https://docs.github.com/en/webhooks/using-webhooks/creating-webhooks>). No body at all is `null`, for there are events that
    /// say all in their attributes.
    ///
    /// # Errors
    /// [`NotJson`].
    pub fn body(&self) -> Result<Value, NotJson> {
        if self.data.is_empty() {
            return Ok(Value::Null);
        }
        if !is_form(self) {
            return parse(&self.data);
        }
        let mut payloads = self
            .data
            .split(|b| *b == b'&')
            .filter_map(|pair| pair.strip_prefix(b"payload="));
        match (payloads.next(), payloads.next()) {
            (Some(payload), None) => parse(&decode(payload)),
            // Of two, what the delivery was routed by may be the other.
            (None, _) | (Some(_), Some(_)) => Err(NotJson::NoPayload),
        }
    }
}

fn is_form(event: &Event) -> bool {
    let media = event
        .content_type
        .as_deref()
        .and_then(|value| value.split(';').next())
        .unwrap_or_default();
    media
        .trim()
        .eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

/// The message of the parser says what and where, and shows nothing of the text.
fn parse(text: &[u8]) -> Result<Value, NotJson> {
    serde_json::from_slice(text).map_err(|error| NotJson::Syntax(error.to_string()))
}

/// Decodes a value of a form (<https://url.spec.whatwg.org/#application/x-www-form-urlencoded>): `+` is a space, `%XX` a byte.
fn decode(value: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(value.len());
    let mut rest = value;
    while let Some((&first, tail)) = rest.split_first() {
        let escaped = tail
            .first_chunk::<2>()
            .filter(|_| first == b'%')
            .and_then(|pair| hex::decode(pair).ok());
        match escaped {
            Some(byte) => {
                out.extend(byte);
                rest = &tail[2..];
            }
            None => {
                out.push(if first == b'+' { b' ' } else { first });
                rest = tail;
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Address, EventId};
    use bytes::Bytes;
    use serde_json::json;

    fn read_as(content_type: Option<&str>, data: &'static str) -> Result<Value, NotJson> {
        Event {
            id: EventId::parse("e-1").unwrap(),
            source: "/hooks/t".into(),
            event_type: "push".into(),
            subject: None,
            time: jiff::Timestamp::UNIX_EPOCH,
            content_type: content_type.map(str::to_owned),
            data: Bytes::from_static(data.as_bytes()),
            address: Address::Signal("push".into()),
            delivery_id: None,
            replay_of: None,
            answer_to: None,
            headers: Vec::new(),
            trace: None,
        }
        .body()
    }

    #[test]
    fn json_is_read_whatever_it_is_called_and_nothing_is_null() {
        for content_type in [
            None,
            Some("application/json; charset=utf-8"),
            Some("text/plain"),
        ] {
            assert_eq!(read_as(content_type, r#"{"a":[1]}"#), Ok(json!({"a": [1]})));
        }
        assert_eq!(read_as(None, ""), Ok(Value::Null));
        assert!(matches!(read_as(None, r#"{"a":"#), Err(NotJson::Syntax(_))));
    }

    #[test]
    fn the_payload_of_a_form_is_read() {
        let form = Some("application/x-www-form-urlencoded; charset=UTF-8");
        let encoded = "x=1&payload=%7B%22title%22%3A+%22a%26b+%2B+%C3%BC%22%7d";
        assert_eq!(read_as(form, encoded), Ok(json!({"title": "a&b + ü"})));
        for odd in ["a=1", "payload", "payload={}&payload={}"] {
            assert_eq!(read_as(form, odd), Err(NotJson::NoPayload), "{odd}");
        }
        assert!(matches!(
            read_as(form, "payload=%7B%"),
            Err(NotJson::Syntax(_))
        ));
    }
}
