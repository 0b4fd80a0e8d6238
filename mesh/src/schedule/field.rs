//! The fields of a cron expression, and what is read in all of them: values, names, ranges, steps and lists.

use super::bits::series;
use super::error::Error;
use crate::document::{nearest, shorten};
use std::fmt;

/// A field of a cron expression.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    /// 0 to 59; the first of six fields, 0 if there are five.
    Second,
    /// 0 to 59.
    Minute,
    /// 0 to 23.
    Hour,
    /// 1 to 31.
    DayOfMonth,
    /// 1 to 12, or a name.
    Month,
    /// 0 to 7, or a name; Monday is 1, Sunday 0 and 7.
    DayOfWeek,
}

pub(super) const FIELDS: [Field; 6] = [
    Field::Second,
    Field::Minute,
    Field::Hour,
    Field::DayOfMonth,
    Field::Month,
    Field::DayOfWeek,
];

const MONTHS: [&str; 12] = [
    "JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC",
];
const WEEKDAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

/// Sunday as the end of a week.
const LAST_SUNDAY: u32 = 7;

impl Field {
    /// The least and the greatest value.
    pub(super) fn bounds(self) -> (u32, u32) {
        match self {
            Self::Second | Self::Minute => (0, 59),
            Self::Hour => (0, 23),
            Self::DayOfMonth => (1, 31),
            Self::Month => (1, 12),
            Self::DayOfWeek => (0, LAST_SUNDAY),
        }
    }

    /// The names of its values from the least on.
    fn names(self) -> &'static [&'static str] {
        match self {
            Self::Month => &MONTHS,
            Self::DayOfWeek => &WEEKDAYS,
            _ => &[],
        }
    }

    /// What can be written, as a mend says it.
    fn choice(self) -> &'static str {
        match self {
            Self::Second | Self::Minute => "0 to 59",
            Self::Hour => "0 to 23",
            Self::DayOfMonth => "1 to 31",
            Self::Month => "1 to 12 or JAN to DEC",
            Self::DayOfWeek => "0 to 7 (Monday is 1, Sunday 0 or 7) or SUN to SAT",
        }
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Second => "second",
            Self::Minute => "minute",
            Self::Hour => "hour",
            Self::DayOfMonth => "day-of-month",
            Self::Month => "month",
            Self::DayOfWeek => "day-of-week",
        })
    }
}

/// A piece of an expression, in a field, and where it stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Piece<'a> {
    pub(super) field: Field,
    pub(super) text: &'a str,
    /// In characters, from 1.
    pub(super) column: usize,
}

impl<'a> Piece<'a> {
    pub(super) fn refuse(&self, reason: impl Into<String>) -> Error {
        Error::Field {
            field: self.field,
            column: self.column,
            reason: reason.into(),
        }
    }

    /// What stands from this byte on.
    fn from(&self, start: usize, end: usize) -> Self {
        Self {
            text: &self.text[start..end],
            column: self.column + self.text[..start].chars().count(),
            ..*self
        }
    }

    /// What stands before and after the first `mark`.
    pub(super) fn split_at(&self, mark: char) -> Option<(Self, Self)> {
        let at = self.text.find(mark)?;
        let after = at + mark.len_utf8();
        Some((self.from(0, at), self.from(after, self.text.len())))
    }

    /// The same without its last character.
    pub(super) fn but_last(&self) -> Self {
        let end = self.text.char_indices().last().map_or(0, |(at, _)| at);
        self.from(0, end)
    }

    pub(super) fn is(&self, word: &str) -> bool {
        self.text.eq_ignore_ascii_case(word)
    }

    /// The items of a list, none of which is empty.
    pub(super) fn items(self) -> impl Iterator<Item = Result<Self, Error>> {
        let mut start = 0;
        self.text.split(',').map(move |text| {
            let item = self.from(start, start + text.len());
            start += text.len() + 1;
            if text.is_empty() {
                return Err(item
                    .refuse("there is no value at this comma; write one or take the comma away"));
            }
            Ok(item)
        })
    }

    /// The values that the whole field names.
    pub(super) fn set(self) -> Result<u64, Error> {
        self.items()
            .try_fold(0, |set, item| Ok(set | item?.range()?))
    }

    /// The values that one item names: `*`, `a`, `a-b`, each with or without `/step`. With a step, one value is where it starts.
    pub(super) fn range(self) -> Result<u64, Error> {
        let Some((range, step)) = self.split_at('/') else {
            let (low, high) = self.ends()?;
            return Ok(series(low, high, 1));
        };
        if range.text.is_empty() {
            return Err(self.refuse(format!(
                "a step needs a range before it; write `*/{}`",
                shorten(step.text)
            )));
        }
        let step = step.step()?;
        let (low, mut high) = range.ends()?;
        if low == high {
            high = range.field.bounds().1;
        }
        Ok(series(low, high, step))
    }

    fn step(&self) -> Result<u32, Error> {
        let step = self.number().ok_or_else(|| {
            self.refuse(match self.text {
                "" => "there is no step after the slash; write one, as in `*/5`".to_owned(),
                text => format!(
                    "`{}` is no step; write a whole number, as in `*/5`",
                    shorten(text)
                ),
            })
        })?;
        if step == 0 {
            return Err(self.refuse("a step of 0 never moves; write 1 or more"));
        }
        Ok(step)
    }

    /// The first and the last value of a range.
    fn ends(&self) -> Result<(u32, u32), Error> {
        if self.text == "*" {
            return Ok(self.field.bounds());
        }
        let Some((low, high)) = self.split_at('-') else {
            let value = self.value()?;
            return Ok((value, value));
        };
        if low.text.is_empty() || high.text.is_empty() {
            let (least, most) = self.field.bounds();
            return Err(self.refuse(format!(
                "a range has two ends; write it as in `{least}-{most}`"
            )));
        }
        let (from, mut to) = (low.value()?, high.value()?);
        if from > to && high.is(WEEKDAYS[0]) {
            to = LAST_SUNDAY;
        }
        if from > to {
            return Err(self.refuse(self.backwards(from, to)));
        }
        Ok((from, to))
    }

    fn backwards(&self, from: u32, to: u32) -> String {
        let text = self.text;
        let (least, most) = self.field.bounds();
        if self.field == Field::DayOfWeek && to == 0 {
            return format!("`{text}` runs backwards; write `{from}-7`");
        }
        let last = if self.field == Field::DayOfWeek {
            most - 1
        } else {
            most
        };
        let part = |low, high| {
            if low == high {
                format!("{low}")
            } else {
                format!("{low}-{high}")
            }
        };
        let (end, start) = (part(from, last.max(from)), part(least, to));
        format!("`{text}` runs backwards; write `{end},{start}`")
    }

    /// A number in digits only, however many; too large a one is the largest.
    pub(super) fn number(&self) -> Option<u32> {
        let digits = !self.text.is_empty() && self.text.bytes().all(|b| b.is_ascii_digit());
        digits.then(|| self.text.parse().unwrap_or(u32::MAX))
    }

    /// One value: a number or a name.
    pub(super) fn value(&self) -> Result<u32, Error> {
        let (least, most) = self.field.bounds();
        let names = self.field.names();
        if let Some(number) = self.number() {
            let wrong = match number {
                n if n < least => "under",
                n if n > most => "over",
                _ => return Ok(number),
            };
            let bound = if number < least { least } else { most };
            return Err(self.refuse(format!(
                "{} is {wrong} {bound}; write {}",
                shorten(self.text),
                self.field.choice()
            )));
        }
        match names.iter().position(|name| self.is(name)) {
            Some(at) => Ok(least + at as u32),
            None => Err(self.refuse(self.no_value())),
        }
    }

    /// Why this is no value, and what may have been meant.
    fn no_value(&self) -> String {
        let text = shorten(self.text);
        let choice = self.field.choice();
        let named = |names: &[&'static str]| names.iter().any(|name| self.is(name));
        if self.text.contains('*') {
            return format!("`{text}` is no value; `*` stands alone or before a step, as in `*/5`");
        }
        if self.text.contains(['-', '/']) {
            return format!("`{text}` is no value; a range is `a-b`, with a step `a-b/n`");
        }
        if self.is("?") {
            return "`?` is not known; write `*`".to_owned();
        }
        if named(&MONTHS) || named(&WEEKDAYS) {
            let other = if named(&MONTHS) {
                Field::Month
            } else {
                Field::DayOfWeek
            };
            return format!("`{text}` belongs in the field `{other}`; write {choice} here");
        }
        let word = if self.text.len() > 3 && self.text.is_char_boundary(3) {
            &self.text[..3]
        } else {
            self.text
        };
        match nearest(word, self.field.names()) {
            Some(near) => format!("`{text}` is no value; did you mean `{near}`?"),
            None => format!("`{text}` is no value; write {choice}"),
        }
    }
}
