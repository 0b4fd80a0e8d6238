//! When a delivery was sent.

use super::Refusal;
use super::body::Scalar;
use super::recipe::{Stamp, Unit};
use jiff::Timestamp;
use std::time::Duration;

impl Stamp {
    /// Whether the header's text is a time near now.
    pub(super) fn check_text(&self, text: &str, now: Timestamp) -> Result<(), Refusal> {
        self.check(self.unit.time(digits(text)), now)
    }

    /// Whether the body's field is a time near now.
    pub(super) fn check_field(
        &self,
        value: Option<&Scalar<'_>>,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let time = match (self.unit, value) {
            (Unit::Date, Some(Scalar::Text(text))) => text.parse().ok(),
            (_, Some(Scalar::Whole(number))) => self.unit.time(Some(*number)),
            _ => None,
        };
        self.check(time, now)
    }

    fn check(&self, time: Option<Timestamp>, now: Timestamp) -> Result<(), Refusal> {
        let Some(time) = time else {
            return Err(Refusal::Unusable {
                place: self.place.clone(),
                expected: self.unit.to_string(),
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
    fn time(self, number: Option<i128>) -> Option<Timestamp> {
        let number = i64::try_from(number?).ok()?;
        match self {
            Self::Seconds => Timestamp::from_second(number).ok(),
            Self::Milliseconds => Timestamp::from_millisecond(number).ok(),
            Self::Date => None,
        }
    }

    /// The time as it is written in this unit.
    pub(super) fn write(self, time: Timestamp) -> String {
        match self {
            Self::Seconds => time.as_second().to_string(),
            Self::Milliseconds => time.as_millisecond().to_string(),
            Self::Date => time.to_string(),
        }
    }
}

/// A number that is written in digits only: no sign, no blank, no fraction.
fn digits(text: &str) -> Option<i128> {
    let plain = text.len() <= 20 && text.bytes().all(|b| b.is_ascii_digit());
    if plain { text.parse().ok() } else { None }
}
