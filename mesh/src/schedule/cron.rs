//! Cron expressions: what they say, on a wall clock that knows no zone.

use super::days::Days;
use super::error::Error;
use super::field::{FIELDS, Field, Piece};
use super::times::Times;
use crate::document::{shorten, unknown};
use jiff::civil::DateTime;

/// The longest expression, in bytes: more than twice what naming every value of every field takes.
const LONGEST: usize = 1_024;

/// Short names of whole expressions.
const MACROS: [(&str, &str); 7] = [
    ("@hourly", "0 * * * *"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@weekly", "0 0 * * 0"),
    ("@monthly", "0 0 1 * *"),
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
];

/// A cron expression that can fire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cron {
    /// As it was written.
    pub(super) text: Box<str>,
    pub(super) times: Times,
    pub(super) days: Days,
    /// Whether it names times of day, rather than a pace: neither seconds nor minutes nor hours begin with `*`.
    pub(super) fixed: bool,
}

impl Cron {
    pub(super) fn parse(text: &str) -> Result<Self, Error> {
        if text.len() > LONGEST {
            return Err(Error::expression(format!(
                "{} characters are too many; write at most {LONGEST}",
                text.len()
            )));
        }
        let trimmed = text.trim_ascii();
        if trimmed.starts_with('@') {
            let mut cron = Self::fields(spelt_out(trimmed)?)?;
            cron.text = trimmed.into();
            return Ok(cron);
        }
        Self::fields(text)
    }

    fn fields(text: &str) -> Result<Self, Error> {
        let (pieces, fields) = split(text)?;
        let zero = Piece {
            field: Field::Second,
            text: "0",
            column: 1,
        };
        let [second, minute, hour, day_of_month, month, day_of_week] = match fields {
            6 => pieces,
            _ => {
                let [minute, hour, day_of_month, month, day_of_week, _] = pieces;
                [zero, minute, hour, day_of_month, month, day_of_week]
            }
        };
        Ok(Self {
            text: text.trim_ascii().into(),
            times: Times {
                seconds: second.set()?,
                minutes: minute.set()?,
                hours: hour.set()? as u32,
            },
            days: Days::parse(day_of_month, month, day_of_week)?,
            fixed: [second, minute, hour]
                .iter()
                .all(|piece| !piece.text.starts_with('*')),
        })
    }

    pub(super) fn includes(&self, wall: DateTime) -> bool {
        self.times.include(wall.time()) && self.days.include(wall.date())
    }

    /// The first named wall time that is not before this one.
    pub(super) fn from(&self, wall: DateTime) -> Option<DateTime> {
        self.forward(wall, self.times.from(wall.time()))
    }

    /// The first named wall time after this one.
    pub(super) fn after(&self, wall: DateTime) -> Option<DateTime> {
        self.forward(wall, self.times.after(wall.time()))
    }

    fn forward(&self, wall: DateTime, today: Option<jiff::civil::Time>) -> Option<DateTime> {
        let date = wall.date();
        match today {
            Some(time) if self.days.include(date) => Some(date.to_datetime(time)),
            _ => Some(self.days.after(date)?.to_datetime(self.times.first()?)),
        }
    }

    /// The last named wall time that is not after this one.
    pub(super) fn until(&self, wall: DateTime) -> Option<DateTime> {
        let date = wall.date();
        match self.times.until(wall.time()) {
            Some(time) if self.days.include(date) => Some(date.to_datetime(time)),
            _ => Some(self.days.before(date)?.to_datetime(self.times.last()?)),
        }
    }

    /// How many named wall times there are from `from` on and before `to`.
    pub(super) fn count(&self, from: DateTime, to: DateTime) -> u64 {
        if from >= to {
            return 0;
        }
        let before = |wall: DateTime| match self.days.include(wall.date()) {
            true => self.times.count_before(wall.time()),
            false => 0,
        };
        let days = self.days.count(from.date(), to.date());
        days * self.times.a_day() + before(to) - before(from)
    }
}

/// The fields of an expression with their columns, and how many there are: five or six.
fn split(text: &str) -> Result<([Piece<'_>; 6], usize), Error> {
    let mut pieces = [Piece {
        field: Field::DayOfWeek,
        text: "",
        column: 1,
    }; 6];
    let mut count = 0;
    let mut column = 1;
    let mut rest = text;
    loop {
        let blank = rest.len() - rest.trim_ascii_start().len();
        (column, rest) = (column + blank, &rest[blank..]);
        if rest.is_empty() {
            break;
        }
        let end = rest
            .find(|c: char| c.is_ascii_whitespace())
            .unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        if let Some(piece) = pieces.get_mut(count) {
            (piece.text, piece.column) = (word, column);
        }
        count += 1;
        (column, rest) = (column + word.chars().count(), after);
    }
    let first = match count {
        5 => 1,
        6 => 0,
        other => return Err(Error::expression(miscounted(other, text))),
    };
    for (piece, field) in pieces.iter_mut().zip(&FIELDS[first..]) {
        piece.field = *field;
    }
    Ok((pieces, count))
}

/// Why this is not as many fields as an expression has.
fn miscounted(count: usize, text: &str) -> String {
    const WANTED: &str = "`minute hour day-of-month month day-of-week`, or six with `second` first";
    match count {
        0 => format!("it is empty; write five fields, {WANTED}"),
        7 => format!("7 fields, but a year is not known; write five fields, {WANTED}"),
        1 => format!("1 field; write five, separated by blanks, {WANTED}"),
        _ if !text.is_ascii() && text.contains(|c: char| c.is_whitespace() && !c.is_ascii()) => {
            format!(
                "{count} fields, and a blank that is none of ASCII; write five fields, {WANTED}, with plain blanks between them"
            )
        }
        _ => format!("{count} fields; write five, {WANTED}"),
    }
}

/// What a macro stands for.
fn spelt_out(name: &str) -> Result<&'static str, Error> {
    if let Some((_, text)) = MACROS
        .iter()
        .find(|(known, _)| known.eq_ignore_ascii_case(name))
    {
        return Ok(text);
    }
    let word = name.split_ascii_whitespace().next().unwrap_or(name);
    Err(Error::expression(match word.to_ascii_lowercase().as_str() {
        "@every" => "`@every` is no cron expression; write the interval itself, as in `every: 30s`".to_owned(),
        "@reboot" => "`@reboot` is not known, as a schedule belongs to no one machine; write `at` with an instant, or times of day".to_owned(),
        _ => unknown("macro", &shorten(name), &MACROS.map(|(known, _)| known)),
    }))
}
