//! The binary mode that the HTTP and the NATS binding of CloudEvents share: attributes as `ce-*` headers, the body untouched
//! (<https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md>, section 3.1).

use super::{Address, AnswerTo, Event, EventId};
use crate::trace::TraceParent;
use bytes::Bytes;
use std::borrow::Cow;

/// A header of the binary mode: its lower-case name and its value, already encoded.
pub type Attribute = (Cow<'static, str>, String);

/// Where the sender waits, which only those who carry an event need to know.
const ANSWER_TO: &str = "ce-answerto";

/// Why headers do not make an event.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// A required attribute is not there.
    #[error("the CloudEvents attribute `{0}` is missing")]
    Missing(&'static str),
    /// An attribute is there, but its value is not one of its kind.
    #[error("the CloudEvents attribute `{0}` has an unusable value")]
    Invalid(&'static str),
}

impl Event {
    /// The event's attributes as headers. `traceparent` and `content-type` keep their own names; the provider's headers travel
    /// as `http-{name}`.
    #[must_use]
    pub fn attributes(&self) -> Vec<Attribute> {
        let mut list: Vec<Attribute> = Vec::with_capacity(10 + self.headers.len());
        let mut add = |name: &'static str, value: &str| list.push((name.into(), encode(value)));
        add("ce-specversion", "1.0");
        add("ce-id", self.id.as_str());
        add("ce-source", &self.source);
        add("ce-type", &self.event_type);
        add("ce-time", &self.time.to_string());
        for (name, value) in [
            ("ce-subject", self.subject.as_deref()),
            ("ce-deliveryid", self.delivery_id.as_deref()),
            ("ce-replayof", self.replay_of.as_ref().map(EventId::as_str)),
            (ANSWER_TO, self.answer_to.as_ref().map(AnswerTo::as_str)),
        ] {
            if let Some(value) = value {
                add(name, value);
            }
        }
        if let Some(content_type) = &self.content_type {
            list.push(("content-type".into(), content_type.clone()));
        }
        if let Some(trace) = &self.trace {
            list.push(("traceparent".into(), trace.to_string()));
        }
        list.extend(
            self.headers
                .iter()
                .map(|(name, value)| (format!("http-{name}").into(), encode(value))),
        );
        list
    }

    /// The same without what is no business of the trigger's.
    pub fn attributes_for_trigger(&self) -> impl Iterator<Item = Attribute> {
        let all = self.attributes().into_iter();
        all.filter(|(name, _)| name != ANSWER_TO)
    }

    /// The value, not encoded, of what travels beside the body under this lower-case name in the binary mode, as templates refer to
    /// it. `ce-datacontenttype` is the `content-type`.
    #[must_use]
    pub fn attribute(&self, name: &str) -> Option<String> {
        match name {
            "ce-specversion" => Some("1.0".to_owned()),
            "ce-id" => Some(self.id.to_string()),
            "ce-source" => Some(self.source.clone()),
            "ce-type" => Some(self.event_type.clone()),
            "ce-time" => Some(self.time.to_string()),
            "ce-subject" => self.subject.clone(),
            "ce-deliveryid" => self.delivery_id.clone(),
            "ce-replayof" => self.replay_of.as_ref().map(EventId::to_string),
            "ce-datacontenttype" => self.content_type.clone(),
            _ => {
                let name = name.strip_prefix("http-")?;
                let mut headers = self.headers.iter();
                let (_, value) = headers.find(|(found, _)| found == name)?;
                Some(value.clone())
            }
        }
    }

    /// The event that these headers (any case) and this body make.
    ///
    /// # Errors
    /// [`Malformed`] if a required attribute is missing or unusable. An unusable `traceparent` is dropped, as its standard
    /// says, and so is an unusable `answerto`: at worst nobody is told.
    pub fn from_attributes<'a>(
        address: Address,
        attributes: impl IntoIterator<Item = (&'a str, &'a str)>,
        data: Bytes,
    ) -> Result<Self, Malformed> {
        let mut found = Found::default();
        for (name, value) in attributes {
            found.take(&name.to_ascii_lowercase(), value);
        }
        if found.specversion.ok_or(Malformed::Missing("specversion"))? != "1.0" {
            return Err(Malformed::Invalid("specversion"));
        }
        let id = |text: String, name| EventId::parse(&text).map_err(|_| Malformed::Invalid(name));
        Ok(Self {
            id: id(found.id.ok_or(Malformed::Missing("id"))?, "id")?,
            source: found.source.ok_or(Malformed::Missing("source"))?,
            event_type: found.event_type.ok_or(Malformed::Missing("type"))?,
            subject: found.subject,
            time: found
                .time
                .ok_or(Malformed::Missing("time"))?
                .parse()
                .map_err(|_| Malformed::Invalid("time"))?,
            content_type: found.content_type,
            data,
            address,
            delivery_id: found.delivery_id,
            replay_of: found
                .replay_of
                .map(|text| id(text, "replayof"))
                .transpose()?,
            answer_to: found.answer_to.as_deref().and_then(AnswerTo::parse),
            headers: found.headers,
            trace: found.trace,
        })
    }
}

#[derive(Default)]
struct Found {
    specversion: Option<String>,
    id: Option<String>,
    source: Option<String>,
    event_type: Option<String>,
    subject: Option<String>,
    time: Option<String>,
    content_type: Option<String>,
    delivery_id: Option<String>,
    replay_of: Option<String>,
    answer_to: Option<String>,
    headers: Vec<(String, String)>,
    trace: Option<TraceParent>,
}

impl Found {
    fn take(&mut self, name: &str, value: &str) {
        let slot = match name {
            "ce-specversion" => &mut self.specversion,
            "ce-id" => &mut self.id,
            "ce-source" => &mut self.source,
            "ce-type" => &mut self.event_type,
            "ce-subject" => &mut self.subject,
            "ce-time" => &mut self.time,
            "ce-deliveryid" => &mut self.delivery_id,
            "ce-replayof" => &mut self.replay_of,
            ANSWER_TO => &mut self.answer_to,
            "content-type" => {
                self.content_type = Some(value.to_owned());
                return;
            }
            "traceparent" => {
                self.trace = TraceParent::parse(value);
                return;
            }
            _ => {
                if let Some(name) = name.strip_prefix("http-") {
                    self.headers.push((name.to_owned(), decode(value)));
                }
                return;
            }
        };
        *slot = Some(decode(value));
    }
}

/// Percent-encodes what the HTTP binding (section 3.1.3.2) says must be: everything outside visible ASCII, `"`, `%` and the space.
fn encode(value: &str) -> String {
    let plain = |b: &u8| b.is_ascii_graphic() && !matches!(b, b'"' | b'%');
    if value.bytes().all(|b| plain(&b)) {
        return value.to_owned();
    }
    let mut out = String::with_capacity(value.len() + 16);
    for byte in value.bytes() {
        if plain(&byte) {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.push_str(&hex::encode_upper([byte]));
        }
    }
    out
}

fn decode(value: &str) -> String {
    if !value.contains('%') {
        return value.to_owned();
    }
    let bytes = value.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let escape = bytes
            .get(at..at + 3)
            .filter(|e| e[0] == b'%')
            .and_then(|e| hex::decode(&e[1..]).ok());
        match escape {
            Some(byte) => {
                out.extend(byte);
                at += 3;
            }
            None => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::name::TriggerName;
    use proptest::prelude::*;

    fn event(source: String, headers: Vec<(String, String)>) -> Event {
        Event {
            id: EventId::parse("e-1").unwrap(),
            source,
            event_type: "com.github.push".into(),
            subject: Some("a b".into()),
            time: "2026-11-22T08:00:00.123Z".parse().unwrap(),
            content_type: Some("application/json; charset=utf-8".into()),
            data: Bytes::from_static(b"\xff\x00 not json"),
            address: Address::Trigger(TriggerName::parse("t").unwrap()),
            delivery_id: Some("72d3162e".into()),
            replay_of: Some(EventId::parse("e-0").unwrap()),
            answer_to: AnswerTo::parse("0123456789abcdef"),
            headers,
            trace: TraceParent::parse("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
        }
    }

    fn through_headers(event: &Event) -> Event {
        let attributes = event.attributes();
        for (name, value) in &attributes {
            assert!(
                value.bytes().all(|b| b.is_ascii_graphic() || b == b' '),
                "{name}: {value:?} cannot be a header"
            );
        }
        let pairs = attributes
            .iter()
            .map(|(name, value)| (name.as_ref(), value.as_str()));
        Event::from_attributes(event.address.clone(), pairs, event.data.clone()).unwrap()
    }

    #[test]
    fn an_event_survives_its_headers_byte_for_byte() {
        let event = event(
            "/hooks/t".into(),
            vec![("x-github-event".into(), "push".into())],
        );
        assert_eq!(through_headers(&event), event);
    }

    #[test]
    fn a_trigger_does_not_learn_where_the_sender_waits() {
        let event = event("/hooks/t".into(), Vec::new());
        let told: Vec<_> = event.attributes_for_trigger().collect();
        assert_eq!(told.len() + 1, event.attributes().len());
        assert!(
            !format!("{told:?}").contains("0123456789abcdef"),
            "{told:?}"
        );
        assert_eq!(event.attribute("ce-answerto"), None);
    }

    #[test]
    fn where_a_sender_waits_is_dropped_if_it_could_be_somewhere_else() {
        let event = event("/hooks/t".into(), Vec::new());
        let pairs: Vec<_> = event
            .attributes()
            .into_iter()
            .map(|(name, value)| match name.as_ref() {
                ANSWER_TO => (name, "a.>".to_owned()),
                _ => (name, value),
            })
            .collect();
        let pairs = pairs.iter().map(|(n, v)| (n.as_ref(), v.as_str()));
        let read = Event::from_attributes(event.address.clone(), pairs, event.data.clone());
        assert_eq!(read.unwrap().answer_to, None);
    }

    #[test]
    fn a_missing_or_unusable_attribute_is_named() {
        let address = Address::Signal("a".into());
        let parse = |pairs: &[(&str, &str)]| {
            Event::from_attributes(address.clone(), pairs.iter().copied(), Bytes::new())
                .unwrap_err()
        };
        assert_eq!(parse(&[]), Malformed::Missing("specversion"));
        assert_eq!(
            parse(&[("ce-specversion", "0.3")]),
            Malformed::Invalid("specversion")
        );
        assert_eq!(
            parse(&[("Ce-SpecVersion", "1.0")]),
            Malformed::Missing("id")
        );
    }

    proptest! {
        #[test]
        fn any_text_survives_a_header(text in "\\PC{0,40}|[\\x00-\\x7f]{0,40}") {
            let event = event(text.clone(), vec![("x".into(), text)]);
            prop_assert_eq!(through_headers(&event), event);
        }
    }
}
