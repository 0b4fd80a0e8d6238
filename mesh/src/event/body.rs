//! The body of an event as JSON.

use super::Event;
use serde_json::map::Entry;
use serde_json::{Map, Value};

/// Why a body is not JSON.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotJson {
    /// It is something else; where it ceases to be JSON, without its text.
    #[error("the event's body is not JSON: {0}")]
    Syntax(String),
    /// It is a form that holds JSON twice.
    #[error(
        "the event's body is a form with more than one `payload` field; let the provider send application/json"
    )]
    Payloads,
}

impl Event {
    /// The body as JSON. A form is read as GitHub sends one where a webhook is set to forms: its `payload` field is the JSON
    /// (<https://docs.github.com/en/webhooks/using-webhooks/creating-webhooks>). One without it, as Twilio and Slack's commands send
    /// them, is an object of its fields, with a list where a name is there more than once. No body at all is `null`, for there are events that
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
            (None, _) => fields(&self.data),
            // Of two, what the delivery was routed by may be the other.
            (Some(_), Some(_)) => Err(NotJson::Payloads),
        }
    }
}

/// The fields of a form, by their names.
fn fields(form: &[u8]) -> Result<Value, NotJson> {
    let text = |bytes: &[u8]| {
        String::from_utf8(decode(bytes))
            .map_err(|_| NotJson::Syntax("a field of the form is not UTF-8".to_owned()))
    };
    let mut found = Map::new();
    for pair in form.split(|b| *b == b'&').filter(|pair| !pair.is_empty()) {
        let at = pair.iter().position(|b| *b == b'=').unwrap_or(pair.len());
        let value = Value::String(text(pair.get(at + 1..).unwrap_or_default())?);
        match found.entry(text(&pair[..at])?) {
            Entry::Vacant(vacant) => drop(vacant.insert(value)),
            Entry::Occupied(mut there) => match there.get_mut() {
                Value::Array(list) => list.push(value),
                one => *one = Value::Array(vec![one.take(), value]),
            },
        }
    }
    Ok(Value::Object(found))
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
        let twice = read_as(form, "payload={}&payload={}");
        assert_eq!(twice, Err(NotJson::Payloads));
        assert!(matches!(
            read_as(form, "payload=%7B%"),
            Err(NotJson::Syntax(_))
        ));
    }

    #[test]
    fn a_form_without_a_payload_is_an_object_of_its_fields() {
        let form = Some("application/x-www-form-urlencoded");
        for (sent, read) in [
            ("a=1", json!({"a": "1"})),
            (
                "From=%2B49151&Body=hi+there&",
                json!({"From": "+49151", "Body": "hi there"}),
            ),
            (
                "a=1&b=2&a=&a=x%3Dy",
                json!({"a": ["1", "", "x=y"], "b": "2"}),
            ),
            ("payload", json!({"payload": ""})),
        ] {
            assert_eq!(read_as(form, sent), Ok(read), "{sent}");
        }
        assert!(matches!(read_as(form, "a=%ff"), Err(NotJson::Syntax(_))));
    }
}
