//! Key-value buckets as NATS lays them out on a stream, and single messages of a stream
//! (<https://github.com/nats-io/nats-architecture-and-design/blob/main/adr/ADR-8.md>).

use super::layout;
use super::link::{Link, Refusal};
use super::message::Entry;
use async_nats::HeaderMap;
use async_nats::header::{NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, NATS_MESSAGE_TTL};
use async_nats::jetstream::ErrorCode;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use belfry_mesh::port::Error;
use belfry_mesh::port::log::Sequence;
use belfry_mesh::port::state::Revision;
use bytes::Bytes;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};
use std::time::Duration;

/// The header of a message that says that its key is gone.
const OPERATION: &str = "KV-Operation";

/// A change of one key.
pub(super) struct Write<'a> {
    pub(super) bucket: &'a str,
    pub(super) key: &'a str,
    /// None removes the key.
    pub(super) value: Option<Bytes>,
    /// The revision that it must have; zero if it must not be there. None if it does not matter.
    pub(super) expected: Option<Revision>,
    /// After which time the message goes by itself, in whole seconds, at least one.
    pub(super) ttl: Option<Duration>,
}

impl Write<'_> {
    /// Makes the change; its revision.
    ///
    /// # Errors
    /// [`Error::Conflict`] if the key has another revision than expected.
    pub(super) async fn make(self, link: &Link) -> Result<Revision, Error> {
        let mut headers = HeaderMap::new();
        if let Some(expected) = self.expected {
            headers.insert(NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, expected.to_string());
        }
        if let Some(ttl) = self.ttl {
            headers.insert(NATS_MESSAGE_TTL, ttl.as_secs().to_string());
        }
        if self.value.is_none() {
            headers.insert(OPERATION, "DEL");
        }
        let name = || format!("key `{}` of {}", self.key, self.bucket);
        let value = self.value.unwrap_or_default();
        let (size, limit) = (
            super::message::size(&headers) + value.len(),
            link.max_payload(),
        );
        if size > limit {
            return Err(Error::TooLarge {
                what: name(),
                size,
                limit,
            });
        }
        match link
            .publish(subject(self.bucket, self.key), headers, value)
            .await
        {
            Ok(ack) => Ok(ack.sequence),
            Err(refusal) if is_conflict(&refusal) => Err(Error::Conflict { key: name() }),
            Err(refusal) => Err(layout::not_stored(link, self.bucket, refusal)),
        }
    }
}

/// The stream of a bucket.
pub(super) fn stream(bucket: &str) -> String {
    format!("KV_{bucket}")
}

/// The subject of a key.
pub(super) fn subject(bucket: &str, key: &str) -> String {
    format!("$KV.{bucket}.{key}")
}

/// The key of a subject.
pub(super) fn key<'a>(bucket: &str, subject: &'a str) -> Option<&'a str> {
    subject
        .strip_prefix("$KV.")?
        .strip_prefix(bucket)?
        .strip_prefix('.')
}

/// Whether a message says that its key is gone.
pub(super) fn is_removal(entry: &Entry) -> bool {
    entry
        .header(OPERATION)
        .is_some_and(|operation| operation != "PUT")
}

/// The latest message of a key, be it a value or a removal.
pub(super) async fn latest(link: &Link, bucket: &str, key: &str) -> Result<Option<Entry>, Error> {
    let which = json!({ "last_by_subj": subject(bucket, key) });
    find(link, &stream(bucket), &which).await
}

/// One message of a stream.
pub(super) async fn message(
    link: &Link,
    stream: &str,
    sequence: Sequence,
) -> Result<Option<Entry>, Error> {
    match sequence {
        // There is none, and the server takes it for no question.
        0 => Ok(None),
        _ => find(link, stream, &json!({ "seq": sequence })).await,
    }
}

/// Asks the stream's leader, since a replica may not know yet what was just stored.
async fn find(link: &Link, stream: &str, which: &Value) -> Result<Option<Entry>, Error> {
    #[derive(Deserialize)]
    struct Answer {
        message: Stored,
    }
    #[derive(Deserialize)]
    struct Stored {
        subject: String,
        seq: u64,
        #[serde(default)]
        hdrs: String,
        #[serde(default)]
        data: String,
        time: Timestamp,
    }
    let Stored {
        subject,
        seq,
        hdrs,
        data,
        time,
    } = match link.api(&format!("STREAM.MSG.GET.{stream}"), which).await {
        Ok(Answer { message }) => message,
        Err(refusal) if refusal.is(ErrorCode::NO_MESSAGE_FOUND) => return Ok(None),
        Err(refusal) => return Err(link.explain(refusal, stream)),
    };
    let corrupt = || Error::Corrupt {
        what: format!("entry {seq} of {stream}"),
        why: "it is not encoded as it should be".into(),
    };
    let payload = BASE64_STANDARD.decode(data).map_err(|_| corrupt())?.into();
    let headers = BASE64_STANDARD
        .decode(hdrs)
        .ok()
        .and_then(|bytes| headers(&bytes))
        .ok_or_else(corrupt)?;
    Ok(Some(Entry {
        subject,
        sequence: seq,
        stored_at: time,
        headers,
        payload,
    }))
}

/// Deletes one message of a stream. Answers whether it was there.
pub(super) async fn delete(link: &Link, stream: &str, sequence: u64) -> Result<bool, Error> {
    let request = json!({ "seq": sequence, "no_erase": true });
    let verb = format!("STREAM.MSG.DELETE.{stream}");
    let Err(refusal) = link.api::<Value>(&verb, &request).await else {
        return Ok(true);
    };
    // The server has one answer for a message that is not there and for a disk that fails.
    if refusal.is(ErrorCode::STREAM_MESSAGE_DELETE_FAILED)
        && message(link, stream, sequence).await?.is_none()
    {
        return Ok(false);
    }
    Err(link.explain(refusal, stream))
}

/// The headers of a stored message, as they were on the wire. There may be none.
fn headers(bytes: &[u8]) -> Option<HeaderMap> {
    let mut headers = HeaderMap::new();
    let lines = std::str::from_utf8(bytes).ok()?.split("\r\n").skip(1);
    for line in lines.filter(|line| !line.is_empty()) {
        let (name, value) = line.split_once(':')?;
        let name: async_nats::HeaderName = name.parse().ok()?;
        let value: async_nats::HeaderValue = value.trim().parse().ok()?;
        headers.append(name, value);
    }
    Some(headers)
}

fn is_conflict(refusal: &Refusal) -> bool {
    refusal.is(ErrorCode::STREAM_WRONG_LAST_SEQUENCE)
        || refusal.is(ErrorCode::STREAM_WRONG_LAST_SEQUENCE_CONSTANT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_found_in_its_subject() {
        assert_eq!(
            key("belfry-status", &subject("belfry-status", "a.0")),
            Some("a.0")
        );
        assert_eq!(key("belfry-status", "$KV.belfry-nodes.a"), None);
        assert_eq!(key("belfry-status", "$KV.belfry-statuses.a"), None);
    }

    #[test]
    fn headers_keep_every_value_of_a_name() {
        let found =
            headers(b"NATS/1.0\r\nhttp-x: a\r\nhttp-x: b: c\r\nce-id: e-1\r\n\r\n").unwrap();
        let values: Vec<_> = found
            .get_all("http-x")
            .map(|value| value.as_str())
            .collect();
        assert_eq!(values, ["a", "b: c"]);
        assert_eq!(found.get("ce-id").unwrap().as_str(), "e-1");
        assert!(headers(b"").unwrap().is_empty());
        assert!(headers(b"NATS/1.0\r\nno header\r\n\r\n").is_none());
    }
}
