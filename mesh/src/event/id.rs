//! Event ids.

use crate::name::TriggerName;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fmt;
use std::sync::Arc;

/// The id of an event: the CloudEvents `id`, the bus's `Nats-Msg-Id` and the target's `Idempotency-Key`. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EventId(Arc<str>);

/// Why a text is not an event id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "not an event id: 1 to {} visible ASCII characters are allowed",
    EventId::MAX_LEN
)]
pub struct Error;

impl EventId {
    /// The longest id, in bytes.
    pub const MAX_LEN: usize = 200;

    /// The id of a provider's delivery to a trigger: the same for each repetition of it, at whichever gateway it arrives, and
    /// different for the same delivery id at another trigger.
    #[must_use]
    pub fn of_delivery(trigger: &TriggerName, delivery_id: &str) -> Self {
        Self::digest(&["delivery", trigger.as_str(), delivery_id])
    }

    /// An id for a happening that names itself in no way: no repetition of it can be recognised.
    pub fn random(rng: &mut impl rand::Rng) -> Self {
        Self(format!("{:016x}{:016x}", rng.next_u64(), rng.next_u64()).into())
    }

    /// The id of a replay of `event` that is asked for when its latest outcome is the one numbered `after`. Asking twice in
    /// that state (two clicks, two operators) names the same replay; asking after the replay has had its outcome names the next.
    #[must_use]
    pub fn of_replay(event: &Self, after: u64) -> Self {
        Self::digest(&["replay", event.as_str(), &after.to_string()])
    }

    /// Takes the text if it is an id.
    ///
    /// # Errors
    /// For an empty text, one over [`EventId::MAX_LEN`] bytes, or one with anything but visible ASCII.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let fits = (1..=Self::MAX_LEN).contains(&text.len());
        if fits && text.bytes().all(|b| b.is_ascii_graphic()) {
            Ok(Self(text.into()))
        } else {
            Err(Error)
        }
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// 128 bits of SHA-256 over the length-prefixed parts, so that no two lists of parts run together.
    fn digest(parts: &[&str]) -> Self {
        let mut hash = Sha256::new();
        for part in parts {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part.as_bytes());
        }
        Self(hex::encode(&hash.finalize()[..16]).into())
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for EventId {
    type Error = Error;
    fn try_from(text: String) -> Result<Self, Error> {
        Self::parse(&text)
    }
}

impl From<EventId> for String {
    fn from(id: EventId) -> Self {
        id.0.as_ref().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repeated_delivery_has_one_id_and_another_trigger_another() {
        let (a, b) = (
            TriggerName::parse("a").unwrap(),
            TriggerName::parse("b").unwrap(),
        );
        assert_eq!(
            EventId::of_delivery(&a, "d1"),
            EventId::of_delivery(&a, "d1")
        );
        assert_ne!(
            EventId::of_delivery(&a, "d1"),
            EventId::of_delivery(&b, "d1")
        );
        assert_ne!(
            EventId::of_delivery(&a, "d1"),
            EventId::of_delivery(&a, "d2")
        );
    }

    #[test]
    fn a_replay_asked_for_twice_in_one_state_is_one_replay() {
        let id = EventId::parse("e1").unwrap();
        assert_eq!(EventId::of_replay(&id, 7), EventId::of_replay(&id, 7));
        assert_ne!(EventId::of_replay(&id, 7), EventId::of_replay(&id, 9));
        assert_ne!(EventId::of_replay(&id, 7), id);
    }

    #[test]
    fn an_id_that_could_break_a_header_is_refused() {
        for bad in ["", "a b", "a\r\nb", "é", &"x".repeat(201)] {
            assert!(EventId::parse(bad).is_err(), "{bad:?} was taken");
        }
    }
}
