//! Which days a cron expression names: the fields `day-of-month`, `month` and `day-of-week` together.

use super::bits::{down, members, series, up};
use super::error::Error;
use super::field::{Field, Piece};
use jiff::civil::Date;

/// How many days a month has at most, from January on.
const LONGEST: [u32; 12] = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/// Saturday, with Sunday as 0.
const SATURDAY: u32 = 6;

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

/// What `day-of-month` names.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct OfMonth {
    /// By number; bit 1 is the first.
    pub(super) days: u32,
    /// `nW`: the day from Monday to Friday of the same month that is nearest to this one.
    pub(super) nearest: u32,
    /// `L`: the last day.
    pub(super) last: bool,
    /// `LW`: the last day from Monday to Friday.
    pub(super) last_weekday: bool,
}

/// What `day-of-week` names; bit 0 is Sunday.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct OfWeek {
    /// In every week.
    pub(super) every: u8,
    /// `d#n`: the nth one of the month.
    pub(super) nth: [u8; 5],
    /// `dL`: the last one of the month.
    pub(super) last: u8,
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
        count + u64::from((self.of(year, month) & under) as u32 >> least).count_ones() as u64
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

/// What the days of a month depend on.
#[derive(Debug, Clone, Copy)]
struct Month {
    /// In days.
    length: u32,
    /// The day of the week of its first.
    first: u32,
}

impl Month {
    fn weekday(self, day: u32) -> u32 {
        (self.first + day - 1) % 7
    }

    /// These days of the week, 0 being Sunday, in the seven days from `day` on; bit 0 is that day.
    fn week_from(self, day: u32, weekdays: u8) -> u32 {
        let shift = self.weekday(day);
        let twice = u32::from(weekdays) | u32::from(weekdays) << 7;
        twice >> shift & 0x7f
    }

    /// The day from Monday to Friday that is nearest to this one, without leaving the month.
    fn nearest(self, day: u32) -> u32 {
        match self.weekday(day) {
            SATURDAY if day == 1 => 3,
            SATURDAY => day - 1,
            0 if day == self.length => day - 2,
            0 => day + 1,
            _ => day,
        }
    }
}

impl OfMonth {
    fn is_whole(self) -> bool {
        u64::from(self.days) == series(1, 31, 1)
    }

    fn parse(piece: Piece<'_>) -> Result<Self, Error> {
        let mut days = Self::default();
        for item in piece.items() {
            let item = item?;
            if item.is("L") {
                days.last = true;
            } else if item.is("LW") {
                days.last_weekday = true;
            } else if item.text.ends_with(['W', 'w']) {
                let number = item.but_last();
                if number.number().is_none() {
                    return Err(item.refuse(
                        "`W` stands after one day, as in `15W`; write `LW` for the last weekday of the month",
                    ));
                }
                days.nearest |= 1 << number.value()?;
            } else if item.text.starts_with(['L', 'l']) {
                return Err(item.refuse(format!(
                    "`{}` is not known; write `L` for the last day, `LW` for the last weekday of the month",
                    crate::document::shorten(item.text)
                )));
            } else {
                days.days |= item.range()? as u32;
            }
        }
        Ok(days)
    }

    fn of(self, month: Month) -> u32 {
        let mut days = self.days;
        if self.last {
            days |= 1 << month.length;
        }
        if self.last_weekday {
            days |= 1 << month.nearest_before_end();
        }
        for day in members(u64::from(self.nearest)).take_while(|day| *day <= month.length) {
            days |= 1 << month.nearest(day);
        }
        days
    }
}

impl Month {
    fn nearest_before_end(self) -> u32 {
        match self.weekday(self.length) {
            SATURDAY => self.length - 1,
            0 => self.length - 2,
            _ => self.length,
        }
    }
}

impl OfWeek {
    fn is_whole(self) -> bool {
        self.every == 0x7f
    }

    fn parse(piece: Piece<'_>) -> Result<Self, Error> {
        let mut days = Self::default();
        for item in piece.items() {
            let item = item?;
            if let Some((day, nth)) = item.split_at('#') {
                let day = weekday(day)?;
                match nth.number() {
                    Some(n @ 1..=5) => days.nth[n as usize - 1] |= day,
                    _ => {
                        return Err(nth.refuse(format!(
                            "`#{}`: a weekday comes 1 to 5 times a month; write it as in `1#2`, the second Monday",
                            crate::document::shorten(nth.text)
                        )));
                    }
                }
            } else if item.is("L") {
                return Err(item.refuse(
                    "`L` needs a day before it; write `5L` for the last Friday of the month, `6` for Saturday",
                ));
            } else if item.text.ends_with(['L', 'l']) {
                days.last |= weekday(item.but_last())?;
            } else {
                days.every |= folded(item.range()?);
            }
        }
        Ok(days)
    }

    fn of(self, month: Month) -> u32 {
        let whole = series(0, 4, 1);
        let mut days = 0;
        for week in members(whole) {
            let day = 1 + 7 * week;
            let named = self.every | self.nth[week as usize];
            // The fifth week reaches beyond the month; what is not in it is masked out later.
            days |= u64::from(month.week_from(day, named)) << day;
        }
        let start = month.length - 6;
        (days | u64::from(month.week_from(start, self.last)) << start) as u32
    }
}

/// One day of the week, as its bit.
fn weekday(piece: Piece<'_>) -> Result<u8, Error> {
    Ok(folded(1 << piece.value()?))
}

/// Days of the week with both Sundays as one.
fn folded(set: u64) -> u8 {
    ((set | set >> 7) & 0x7f) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    fn days(day_of_month: &str, month: &str, day_of_week: &str) -> Result<Days, Error> {
        let piece = |field, text| Piece {
            field,
            text,
            column: 1,
        };
        Days::parse(
            piece(Field::DayOfMonth, day_of_month),
            piece(Field::Month, month),
            piece(Field::DayOfWeek, day_of_week),
        )
    }

    fn of(day_of_month: &str, day_of_week: &str, year: i16, month: u32) -> Vec<u32> {
        let days = days(day_of_month, "*", day_of_week).unwrap();
        members(u64::from(days.of(year, month))).collect()
    }

    #[test]
    fn the_last_day_and_the_last_weekday_are_the_month_s_own() {
        assert_eq!(of("L", "*", 2024, 2), [29]);
        assert_eq!(of("L", "*", 2100, 2), [28]);
        assert_eq!(of("1,L", "*", 2026, 4), [1, 30]);
        // 31 January 2026 is a Saturday, 31 May 2026 a Sunday.
        assert_eq!(of("LW", "*", 2026, 1), [30]);
        assert_eq!(of("LW", "*", 2026, 5), [29]);
        assert_eq!(of("lw", "*", 2026, 6), [30]);
    }

    #[test]
    fn the_nearest_weekday_does_not_leave_the_month() {
        // 15 August 2026 is a Saturday, 15 November 2026 a Sunday.
        assert_eq!(of("15W", "*", 2026, 8), [14]);
        assert_eq!(of("15w", "*", 2026, 11), [16]);
        assert_eq!(of("15W", "*", 2026, 7), [15]);
        // 1 August 2026 is a Saturday, 31 May 2026 a Sunday.
        assert_eq!(of("1W", "*", 2026, 8), [3]);
        assert_eq!(of("31W", "*", 2026, 5), [29]);
        assert_eq!(of("31W", "*", 2026, 6), [0; 0]);
    }

    #[test]
    fn a_weekday_is_named_in_every_week_by_its_place_or_as_the_last() {
        // January 2026 begins with a Thursday.
        assert_eq!(of("*", "MON", 2026, 1), [5, 12, 19, 26]);
        assert_eq!(of("*", "0", 2026, 1), of("*", "7", 2026, 1));
        assert_eq!(of("*", "4#5", 2026, 1), [29]);
        assert_eq!(of("*", "1#5", 2026, 1), [0; 0]);
        assert_eq!(of("*", "5L", 2026, 1), [30]);
        assert_eq!(of("*", "SUNL", 2026, 1), [25]);
        assert_eq!(of("*", "1#1,FRI#2,6L", 2026, 1), [5, 9, 31]);
        assert_eq!(of("*", "FRI-SUN", 2026, 2), of("*", "0,5,6", 2026, 2));
    }

    #[test]
    fn of_two_restricted_day_fields_either_matches() {
        assert_eq!(of("13", "5", 2026, 2), [6, 13, 20, 27]);
        assert_eq!(of("14", "5", 2026, 2), [6, 13, 14, 20, 27]);
        assert_eq!(of("1-31", "5", 2026, 2).len(), 28);
        assert_eq!(of("*,5", "5", 2026, 2), of("*", "5", 2026, 2));
        assert_eq!(of("*/7", "0-7", 2026, 2), of("*/7", "*", 2026, 2));
        assert_eq!(of("1-31", "*/3", 2026, 2), of("*", "*/3", 2026, 2));
    }

    #[test]
    fn days_are_walked_both_ways_and_counted_over_leap_years() {
        let leap = days("29", "2", "*").unwrap();
        let date = |year, month, day| Date::new(year, month, day).unwrap();
        assert_eq!(leap.after(date(2096, 2, 29)), Some(date(2104, 2, 29)));
        assert_eq!(leap.before(date(2104, 2, 29)), Some(date(2096, 2, 29)));
        assert_eq!(leap.count(date(2000, 1, 1), date(2400, 1, 1)), 97);
        assert_eq!(leap.count(date(2024, 2, 29), date(2024, 2, 29)), 0);
        assert_eq!(leap.count(date(2024, 2, 29), date(2024, 3, 1)), 1);
        assert_eq!(leap.after(date(9999, 1, 1)), None);
        assert_eq!(leap.before(date(-9999, 2, 1)), None);
    }
}
