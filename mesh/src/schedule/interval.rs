//! Fixed intervals: a pace that no clock change touches.

use super::error::Error;
use crate::document::shorten;
use jiff::{SignedDuration, Timestamp};

/// The longest interval, in seconds: a year of 366 days.
const LONGEST: i64 = 366 * 86_400;

/// Every so many seconds, counted from 1970-01-01T00:00:00Z, so that whoever computes an instant finds the same one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Interval {
    pub(super) seconds: i64,
}

impl Interval {
    pub(super) fn parse(text: &str) -> Result<Self, Error> {
        let refuse = |reason: &str| Error::Interval {
            text: shorten(text).into_owned(),
            reason: reason.into(),
        };
        const FORM: &str = "write a duration such as `30s`, `5m`, `1h 30m` or `PT30S`";
        if text.len() > 64 {
            return Err(refuse(FORM));
        }
        let duration: SignedDuration = text.trim_ascii().parse().map_err(|_| refuse(FORM))?;
        if duration.subsec_nanos() != 0 {
            return Err(refuse("it is not of whole seconds; write at least `1s`"));
        }
        match duration.as_secs() {
            seconds @ 1..=LONGEST => Ok(Self { seconds }),
            ..1 => Err(refuse("it is too short; write at least `1s`")),
            _ => Err(refuse(
                "it is too long; write at most 366 days (`8784h`), or a cron expression",
            )),
        }
    }

    /// The instant that is this many intervals from the origin.
    fn instant(self, number: i64) -> Option<Timestamp> {
        Timestamp::from_second(number.checked_mul(self.seconds)?).ok()
    }

    /// How many intervals there are from the origin to this instant, rounded down.
    fn number(self, instant: Timestamp) -> i64 {
        instant
            .as_nanosecond()
            .div_euclid(i128::from(self.seconds) * 1_000_000_000) as i64
    }

    pub(super) fn next(self, after: Timestamp) -> Option<Timestamp> {
        self.instant(self.number(after) + 1)
    }

    pub(super) fn previous(self, before: Timestamp) -> Option<Timestamp> {
        let number = self.number(before);
        let last = self.instant(number)?;
        if last < before {
            Some(last)
        } else {
            self.instant(number - 1)
        }
    }

    pub(super) fn count(self, after: Timestamp, until: Timestamp) -> u64 {
        u64::try_from(self.number(until) - self.number(after)).unwrap_or(0)
    }
}
