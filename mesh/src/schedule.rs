//! When something is due: cron expressions, fixed intervals and single instants. All pure: the same schedule gives the same
//! instants on every node, whoever asks and whenever.
//!
//! # Cron expressions
//!
//! Five fields, `minute hour day-of-month month day-of-week`, or six with `second` first; or a macro: `@hourly`, `@daily`,
//! `@midnight`, `@weekly`, `@monthly`, `@yearly`, `@annually`.
//!
//! | field | values |
//! |---|---|
//! | `second`, `minute` | 0 to 59 |
//! | `hour` | 0 to 23 |
//! | `day-of-month` | 1 to 31; `L` the last day, `LW` the last weekday, `15W` the weekday nearest the 15th, in the same month |
//! | `month` | 1 to 12, JAN to DEC |
//! | `day-of-week` | 0 to 7, SUN to SAT: Monday is 1, Sunday 0 and 7; `5L` the last Friday of the month, `1#2` the second Monday |
//!
//! In every field `*` is all values, `a-b` a range, `/n` every nth value of what is before it (from one value, `a/n` or `a-a/n`, it goes
//! on to the end), and `,` joins. Names are read in any case. A day that the month does not have is not there, nor is its `W`.
//!
//! - If `day-of-month` and `day-of-week` are both restricted, either matches, as in vixie's cron. A day field that is `*` or a list
//!   beginning with it is not restricted. `*/n` beside a restricted day field is refused, as the parsers of the world disagree on it,
//!   unless the other field names every day.
//! - What can never fire, such as 30 February, is refused.
//! - A job of which neither seconds nor minutes nor hours begin with `*` is *fixed*: when clocks are put forward, what falls in the gap
//!   fires once, at the first instant after it; when they are put back, what comes twice fires the first time. Any other job
//!   fires at every instant at which the clock shows a named time: not in a gap, and in both passes of an hour that comes twice.

mod bits;
mod cron;
mod days;
mod edge;
mod error;
mod field;
mod instants;
mod interval;
mod times;
mod words;
mod zone;

use crate::document::shorten;
use cron::Cron;
pub use edge::{Edge, Effect};
pub use error::Error;
pub use field::Field;
use interval::Interval;
use jiff::Timestamp;
use jiff::civil::DateTime;
use std::fmt;
pub use zone::Zone;

/// When something is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    kind: Kind,
    zone: Zone,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    Cron(Cron),
    Every(Interval),
    At(Timestamp),
}

impl Schedule {
    /// A cron expression, read on the clocks of a zone of the IANA database.
    ///
    /// # Errors
    /// [`Error`] says where the expression does not hold and what to write, or that there is no such zone.
    pub fn parse(expression: &str, zone: &str) -> Result<Self, Error> {
        let cron = Cron::parse(expression)?;
        let zone = Zone::find(zone)?;
        let kind = Kind::Cron(cron);
        Ok(Self { kind, zone })
    }

    /// A fixed interval of 1 second to 366 days: `30s`, `5m`, `1h 30m`, `PT30S`. It is counted from 1970-01-01T00:00:00Z, so `30s` is
    /// due at every full and every half minute, and no clock change touches it.
    ///
    /// # Errors
    /// [`Error::Interval`] says what to write.
    pub fn every(interval: &str) -> Result<Self, Error> {
        let kind = Kind::Every(Interval::parse(interval)?);
        let zone = Zone::UTC;
        Ok(Self { kind, zone })
    }

    /// One instant, in whole seconds: `2026-12-24T18:00:00Z`, or without an offset on the clocks of the zone. A time that the
    /// zone's clocks skip is the first instant after the gap, one that comes twice is the first of both.
    ///
    /// # Errors
    /// [`Error::Instant`] says what to write; [`Error::Zone`] that there is no such zone.
    pub fn at(instant: &str, zone: &str) -> Result<Self, Error> {
        let zone = Zone::find(zone)?;
        let refuse = |reason: &str| Error::Instant {
            text: shorten(instant).into_owned(),
            reason: reason.into(),
        };
        const FORM: &str = "write a time such as `2026-12-24T18:00:00Z`, or without an offset for the zone's own clocks";
        if instant.len() > 64 {
            return Err(refuse(FORM));
        }
        let at = match instant.parse::<Timestamp>() {
            Ok(at) => at,
            Err(_) => {
                let wall: DateTime = instant.parse().map_err(|_| refuse(FORM))?;
                instants::first_pass(zone.rules(), wall)
                    .ok_or_else(|| refuse("it is beyond the calendar"))?
            }
        };
        if at.subsec_nanosecond() != 0 {
            return Err(refuse(
                "it is not of whole seconds; leave the fraction away",
            ));
        }
        let kind = Kind::At(at);
        Ok(Self { kind, zone })
    }

    /// The first instant after `after` that it is due at, in whole seconds. None if there is none any more: after the one instant
    /// of [`Schedule::at`], or beyond the year 9999.
    #[must_use]
    pub fn next(&self, after: Timestamp) -> Option<Timestamp> {
        match &self.kind {
            Kind::Cron(cron) => instants::next(cron, self.zone.rules(), after),
            Kind::Every(interval) => interval.next(after),
            Kind::At(at) => Some(*at).filter(|at| *at > after),
        }
    }

    /// The last instant before `before` that it is due at.
    #[must_use]
    pub fn previous(&self, before: Timestamp) -> Option<Timestamp> {
        match &self.kind {
            Kind::Cron(cron) => instants::previous(cron, self.zone.rules(), before),
            Kind::Every(interval) => interval.previous(before),
            Kind::At(at) => Some(*at).filter(|at| *at < before),
        }
    }

    /// The instants after `after`, ascending: what asking [`Schedule::next`] again and again gives.
    pub fn after(&self, after: Timestamp) -> impl Iterator<Item = Timestamp> {
        std::iter::successors(self.next(after), |last| self.next(*last))
    }

    /// The instants before `before`, descending.
    pub fn before(&self, before: Timestamp) -> impl Iterator<Item = Timestamp> {
        std::iter::successors(self.previous(before), |last| self.previous(*last))
    }

    /// How many instants after `after` and not after `until` it is due at. It walks months and clock changes, not instants.
    #[must_use]
    pub fn count(&self, after: Timestamp, until: Timestamp) -> u64 {
        match &self.kind {
            Kind::Cron(cron) => instants::count(cron, self.zone.rules(), after, until),
            Kind::Every(interval) => interval.count(after, until),
            Kind::At(at) => u64::from(*at > after && *at <= until),
        }
    }

    /// The clock changes after `after` and not after `until` that touch it, and how.
    pub fn edges(&self, after: Timestamp, until: Timestamp) -> impl Iterator<Item = Edge> {
        let cron = match &self.kind {
            Kind::Cron(cron) => Some(cron),
            Kind::Every(_) | Kind::At(_) => None,
        };
        let edges = cron.map(|cron| edge::edges(cron, self.zone.rules(), after, until));
        edges.into_iter().flatten()
    }

    /// Whether it names times of day and so fires once for each in spite of clock changes; false for what keeps a pace.
    #[must_use]
    pub fn is_fixed(&self) -> bool {
        match &self.kind {
            Kind::Cron(cron) => cron.fixed,
            Kind::Every(_) => false,
            Kind::At(_) => true,
        }
    }

    /// The zone whose clocks it is read on; UTC for an interval.
    #[must_use]
    pub fn zone(&self) -> &Zone {
        &self.zone
    }

    /// What the zone's clocks show at this instant, with their offset: `2026-03-29 09:00:00 +02:00`.
    #[must_use]
    pub fn local(&self, instant: Timestamp) -> String {
        let zoned = instant.to_zoned(self.zone.rules().clone());
        zoned.strftime("%Y-%m-%d %H:%M:%S %:z").to_string()
    }
}

/// In plain words: `at 09:00 on Monday, Europe/Berlin`.
impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Cron(cron) => write!(f, "{}, {}", words::describe(cron), self.zone),
            Kind::Every(interval) => f.write_str(&words::interval(interval.seconds)),
            Kind::At(at) => write!(f, "once at {}, {}", self.local(*at), self.zone),
        }
    }
}

impl Schedule {
    /// How it was written: the cron expression, or the interval or instant in one fixed spelling.
    #[must_use]
    pub fn expression(&self) -> String {
        match &self.kind {
            Kind::Cron(cron) => cron.text.to_string(),
            Kind::Every(interval) => format!("{}s", interval.seconds),
            Kind::At(at) => at.to_string(),
        }
    }
}
