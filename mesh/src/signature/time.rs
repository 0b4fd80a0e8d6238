//! When a delivery was sent.

use super::Refusal;
use super::body::Scalar;
use super::recipe::{Stamp, Unit};
use jiff::Timestamp;
use std::time::Duration;

impl Stamp {
    pub(super) fn check(&self, number: Option<i128>, now: Timestamp) -> Result<(), Refusal> {
        let Some(time) = number.and_then(|number| self.unit.time(number)) else {
            let expected = format!("a whole number of {} since 1970", self.unit);
            return Err(Refusal::Unusable {
                place: self.place.clone(),
                expected,
            });
        };
        let passed = now.duration_since(time);
        let distance = passed.unsigned_abs();
        let tolerance = self.tolerance;
        if distance <= tolerance {
            return Ok(());
        }
        let rounded = Duration::new(distance.as_secs(), distance.subsec_millis() * 1_000_000);
        Err(if passed.is_negative() {
            Refusal::TooNew {
                ahead: rounded,
                tolerance,
            }
        } else {
            Refusal::TooOld {
                age: rounded,
                tolerance,
            }
        })
    }
}

impl Unit {
    fn time(self, number: i128) -> Option<Timestamp> {
        let number = i64::try_from(number).ok()?;
        match self {
            Self::Seconds => Timestamp::from_second(number).ok(),
            Self::Milliseconds => Timestamp::from_millisecond(number).ok(),
        }
    }

    /// The time as a whole number of this unit.
    pub(super) fn count(self, time: Timestamp) -> i64 {
        match self {
            Self::Seconds => time.as_second(),
            Self::Milliseconds => time.as_millisecond(),
        }
    }
}

impl Scalar<'_> {
    /// The number that it is; a text is none, whatever it says.
    pub(super) fn whole(self) -> Option<i128> {
        match self {
            Self::Whole(number) => Some(number),
            Self::Text(_) => None,
        }
    }
}

/// A number that is written in digits only: no sign, no blank, no fraction.
pub(super) fn digits(text: &str) -> Option<i128> {
    let plain = text.len() <= 20 && text.bytes().all(|b| b.is_ascii_digit());
    if plain { text.parse().ok() } else { None }
}
