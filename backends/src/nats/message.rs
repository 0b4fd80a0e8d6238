//! Messages of JetStream: what stands in them beside the body, and events as the NATS binding of CloudEvents writes them in binary
//! mode (<https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/nats-protocol-binding.md>).

use async_nats::{HeaderMap, HeaderName, HeaderValue, Message};
use belfry_mesh::event::{Address, Event};
use belfry_mesh::port::Error;
use belfry_mesh::port::log::{Sequence, Stored};
use bytes::Bytes;
use jiff::Timestamp;
use std::borrow::Cow;

/// A message of a stream.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) subject: String,
    pub(super) sequence: Sequence,
    pub(super) stored_at: Timestamp,
    pub(super) headers: HeaderMap,
    pub(super) payload: Bytes,
}

/// What the subject says to which a delivery is answered.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) sequence: Sequence,
    /// Which delivery of the message this is, from 1.
    pub(super) delivered: u32,
    pub(super) stored_at: Timestamp,
    /// How many more wait for the consumer.
    pub(super) pending: u64,
}

impl Place {
    /// Reads `$JS.ACK.{stream}.{consumer}.{delivered}.{sequence}.{consumer sequence}.{nanoseconds}.{pending}`, or the longer form
    /// `$JS.ACK.{domain}.{account}.{stream}.…` (<https://github.com/nats-io/nats-architecture-and-design/blob/main/adr/ADR-15.md>).
    pub(super) fn parse(reply: &str) -> Option<Self> {
        let tokens: Vec<_> = reply.strip_prefix("$JS.ACK.")?.split('.').collect();
        let numbers = match tokens.len() {
            7 => &tokens[2..],
            9.. => &tokens[4..],
            _ => return None,
        };
        Some(Self {
            delivered: numbers[0].parse().ok()?,
            sequence: numbers[1].parse().ok()?,
            stored_at: Timestamp::from_nanosecond(numbers[3].parse().ok()?).ok()?,
            pending: numbers[4].parse().ok()?,
        })
    }
}

impl Entry {
    /// The entry that a delivery carries.
    pub(super) fn of(message: Message, place: &Place) -> Self {
        Self {
            subject: message.subject.into_string(),
            sequence: place.sequence,
            stored_at: place.stored_at,
            headers: message.headers.unwrap_or_default(),
            payload: message.payload,
        }
    }

    /// A header's text.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(HeaderValue::as_str)
    }

    /// The event in this entry, in the log that is named.
    pub(super) fn event(self, log: &str, address: &str) -> Result<Stored<Event>, Error> {
        let corrupt = |why: String| Error::Corrupt {
            what: format!("entry {} of {log}", self.sequence),
            why,
        };
        let address =
            Address::parse(address).ok_or_else(|| corrupt(format!("`{address}` is no address")))?;
        // Their order is lost on the way, so they get one.
        let mut attributes: Vec<(&str, &str)> = self
            .headers
            .iter()
            .flat_map(|(name, values)| {
                values
                    .iter()
                    .map(move |value| (name.as_ref(), value.as_str()))
            })
            .collect();
        attributes.sort_by_key(|(name, _)| *name);
        let value = Event::from_attributes(address, attributes, self.payload.clone())
            .map_err(|malformed| corrupt(malformed.to_string()))?;
        Ok(Stored {
            sequence: self.sequence,
            stored_at: self.stored_at,
            value,
        })
    }
}

/// The headers of an event. It is on the way of every one: names that are known beforehand are not copied, and values are moved.
pub(super) fn headers(event: &Event) -> Result<HeaderMap, Error> {
    let refused = || Error::Refused {
        what: format!("event `{}`", event.id),
        why: "the name or the value of one of its headers cannot be a header".into(),
    };
    let mut headers = HeaderMap::new();
    for (name, value) in event.attributes() {
        // What NATS itself asks of a value.
        if value.bytes().any(|byte| matches!(byte, b'\r' | b'\n')) {
            return Err(refused());
        }
        match name {
            Cow::Borrowed(name) => headers.insert(HeaderName::from_static(name), value),
            Cow::Owned(name) => {
                let name: HeaderName = name.parse().map_err(|_| refused())?;
                headers.append(name, value);
            }
        }
    }
    Ok(headers)
}

/// How many bytes headers take on the wire.
pub(super) fn size(headers: &HeaderMap) -> usize {
    const FRAME: usize = "NATS/1.0\r\n\r\n".len();
    let line = |name: &HeaderName, value: &HeaderValue| {
        let name: &str = name.as_ref();
        name.len() + value.as_str().len() + ": \r\n".len()
    };
    FRAME
        + headers
            .iter()
            .flat_map(|(name, values)| values.iter().map(move |value| line(name, value)))
            .sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_of_a_delivery_is_read_from_both_forms() {
        let place = Place {
            sequence: 100,
            delivered: 3,
            stored_at: "2026-11-22T08:00:00Z".parse().unwrap(),
            pending: 42,
        };
        let numbers = "3.100.7.1795334400000000000.42";
        assert_eq!(
            Place::parse(&format!("$JS.ACK.S.trigger-a.{numbers}")).as_ref(),
            Some(&place)
        );
        assert_eq!(
            Place::parse(&format!("$JS.ACK._.hash.S.trigger-a.{numbers}")).as_ref(),
            Some(&place)
        );
        assert_eq!(
            Place::parse(&format!("$JS.ACK.hub.hash.S.trigger-a.{numbers}.more")).as_ref(),
            Some(&place)
        );
        for bad in [
            "",
            "$JS.ACK.S.a.3.100.7.1",
            "$JS.FC.S.a.3.100.7.1.42",
            "$JS.ACK.S.a.3.x.7.1.42",
        ] {
            assert_eq!(Place::parse(bad), None, "{bad}");
        }
    }
}
