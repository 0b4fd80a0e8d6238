//! Where the sender of an event waits for what becomes of it.

use crate::outcome::Outcome;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fmt;
use std::sync::Arc;

/// Where an answer is awaited: the name that a gateway gave itself when it started. It travels with the event as the CloudEvents
/// extension `answerto`, so that whoever makes the attempt knows whom to tell, be it after a crash. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnswerTo(Arc<str>);

/// How an event ended, as who waits for it is told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ending {
    /// Its last outcome: triggered, ignored or dead.
    pub outcome: Outcome,
    /// What the orchestrator answered, if the trigger passes it on. It is told here and recorded nowhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<Value>,
}

impl AnswerTo {
    /// The longest one, in bytes.
    pub const MAX_LEN: usize = 64;

    /// One that no other gateway has.
    pub fn random(rng: &mut impl rand::Rng) -> Self {
        Self(format!("{:016x}", rng.next_u64()).into())
    }

    /// Takes the text if it is one: 1 to [`AnswerTo::MAX_LEN`] lower-case letters and digits, so that it is one part of a subject.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let fits = (1..=Self::MAX_LEN).contains(&text.len());
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        (fits && text.bytes().all(plain)).then(|| Self(text.into()))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Where the [`Ending`] of an event is told: `belfry.answer.{…}`.
    #[must_use]
    pub fn subject(&self) -> String {
        format!("belfry.answer.{self}")
    }
}

impl fmt::Display for AnswerTo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_be_more_than_one_part_of_a_subject_is_no_address() {
        for bad in ["", "a.b", "*", ">", "a b", "A", "ä", &"x".repeat(65)] {
            assert_eq!(AnswerTo::parse(bad), None, "{bad:?} was taken");
        }
        let address = AnswerTo::parse("0123456789abcdef").unwrap();
        assert_eq!(address.subject(), "belfry.answer.0123456789abcdef");
    }
}
