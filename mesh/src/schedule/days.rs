//! Which days a cron expression names: the fields `day-of-month`, `month` and `day-of-week` together.

mod fields;
#[cfg(test)]
mod tests;

use super::bits::{down, members, up};
use super::error::Error;
use super::field::{Field, Piece};
use fields::Month;
pub(super) use fields::{OfMonth, OfWeek};
use jiff::civil::Date;

/// How many days a month has at most, from January on.
const LONGEST: [u32; 12] = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/// The days of a schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Days {
    /// None if any day of the month will do.
    pub(super) of_month: Option<OfMonth>,
    /// None if any day of the week will do.
    pub(super) of_week: Option<OfWeek>,
    /// Bit 1 is January.
    pub(super) months: u16,
}

impl Days {
    /// Reads the three fields.
    pub(super) fn parse(
        day_of_month: Piece<'_>,
        month: Piece<'_>,
        day_of_week: Piece<'_>,
    ) -> Result<Self, Error> {
        let of_month = OfMonth::parse(day_of_month)?;
        let of_week = OfWeek::parse(day_of_week)?;
        let months = month.set()? as u16;
        let mut days = Self {
            of_month: (!is_any(day_of_month)).then_some(of_month),
            of_week: (!is_any(day_of_week)).then_some(of_week),
            months,
        };
        if days.of_month.is_some() && days.of_week.is_some() {
            match (is_stepped(day_of_month), is_stepped(day_of_week)) {
                (false, false) => {}
                // All days of the one field and every nth of the other are every nth, to everybody.
                (true, false) if of_week.is_whole() => days.of_week = None,
                (false, true) if of_month.is_whole() => days.of_month = None,
                (true, _) => return Err(disputed(day_of_month)),
                (_, true) => return Err(disputed(day_of_week)),
            }
        }
        days.fires_at_all(day_of_month)?;
        Ok(days)
    }

    /// Refuses days of the month that no month of the schedule has. A day of the week comes in every month.
    fn fires_at_all(&self, day_of_month: Piece<'_>) -> Result<(), Error> {
        let (None, Some(of_month)) = (self.of_week, self.of_month) else {
            return Ok(());
        };
        let longest = members(u64::from(self.months))
            .map(|month| LONGEST[month as usize - 1])
            .max()
            .unwrap_or(0);
        let numbered = u64::from(of_month.days | of_month.nearest);
        let first = up(numbered, 1).unwrap_or(u32::MAX);
        if first <= longest || of_month.last || of_month.last_weekday {
            return Ok(());
        }
        Err(day_of_month.refuse(format!(
            "no month that is named has a day {first}, so it would never fire; write at most {longest}, or `L` for the last day"
        )))
    }

    /// The days of a month that are named; bit 1 is the first.
    fn of(&self, year: i16, month: u32) -> u32 {
        if self.months >> month & 1 == 0 {
            return 0;
        }
        let Ok(first) = Date::new(year, month as i8, 1) else {
            return 0;
        };
        let length = first.days_in_month() as u32;
        let month = Month {
            length,
            first: first.weekday().to_sunday_zero_offset() as u32,
        };
        let all = (u32::MAX >> (31 - length)) & !1;
        let found = match (self.of_month, self.of_week) {
            (None, None) => all,
            (Some(days), None) => days.of(month),
            (None, Some(days)) => days.of(month),
            (Some(days), Some(of_week)) => days.of(month) | of_week.of(month),
        };
        found & all
    }

    /// Whether this day is named.
    pub(super) fn include(&self, date: Date) -> bool {
        self.of(date.year(), date.month() as u32) >> date.day() & 1 == 1
    }

    /// The first named day after this one, if the calendar, which ends with the year 9999, has one.
    pub(super) fn after(&self, date: Date) -> Option<Date> {
        let (mut year, mut month) = (date.year(), date.month() as u32);
        let mut least = date.day() as u32 + 1;
        loop {
            if let Some(day) = up(u64::from(self.of(year, month)), least) {
                return Date::new(year, month as i8, day as i8).ok();
            }
            least = 1;
            month = match up(u64::from(self.months), month + 1) {
                Some(month) => month,
                None => {
                    year = year
                        .checked_add(1)
                        .filter(|year| *year <= Date::MAX.year())?;
                    up(u64::from(self.months), 1)?
                }
            };
        }
    }

    /// The last named day before this one, if the calendar has one.
    pub(super) fn before(&self, date: Date) -> Option<Date> {
        let (mut year, mut month) = (date.year(), date.month() as u32);
        let mut most = date.day() as u32 - 1;
        loop {
            if let Some(day) = down(u64::from(self.of(year, month)), most) {
                return Date::new(year, month as i8, day as i8).ok();
            }
            most = 31;
            month = match down(u64::from(self.months), month - 1) {
                Some(month) => month,
                None => {
                    year = year
                        .checked_sub(1)
                        .filter(|year| *year >= Date::MIN.year())?;
                    down(u64::from(self.months), 12)?
                }
            };
        }
    }

    /// How many named days there are from `from` on and before `to`.
    pub(super) fn count(&self, from: Date, to: Date) -> u64 {
        if from >= to {
            return 0;
        }
        let (mut year, mut month) = (from.year(), from.month() as u32);
        let mut count = 0;
        let mut least = from.day() as u32;
        while (year, month) < (to.year(), to.month() as u32) {
            count += u64::from((self.of(year, month) >> least).count_ones());
            least = 0;
            month += 1;
            if month > 12 {
                (year, month) = (year + 1, 1);
            }
        }
        let under = (1 << to.day()) - 1;
        let rest = (self.of(year, month) & under) >> least;
        count + u64::from(rest.count_ones())
    }
}

/// Whether a day field is `*`, alone or before a list.
fn is_any(piece: Piece<'_>) -> bool {
    piece.text == "*" || piece.text.starts_with("*,")
}

/// Whether a day field is a step over `*`, alone or before a list.
fn is_stepped(piece: Piece<'_>) -> bool {
    piece.text.starts_with("*/")
}

/// Refuses a step over `*` in a day field when the other one is restricted too: vixie's cron asks for both days then, most others
/// for either.
fn disputed(piece: Piece<'_>) -> Error {
    let range = match piece.field {
        Field::DayOfWeek => "0-6",
        _ => "1-31",
    };
    let rest = crate::document::shorten(&piece.text[1..]);
    piece.refuse(format!(
        "a step over `*` beside another day field means both days to some and either to others; write `{range}{rest}` for either"
    ))
}
