//! What the two day fields name, and of which days of a month that is said.

use crate::document::shorten;
use crate::schedule::bits::{members, series};
use crate::schedule::error::Error;
use crate::schedule::field::Piece;

/// Saturday, with Sunday as 0.
const SATURDAY: u32 = 6;

/// What `day-of-month` names.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::schedule) struct OfMonth {
    /// By number; bit 1 is the first.
    pub(in crate::schedule) days: u32,
    /// `nW`: the day from Monday to Friday of the same month that is nearest to this one.
    pub(in crate::schedule) nearest: u32,
    /// `L`: the last day.
    pub(in crate::schedule) last: bool,
    /// `LW`: the last day from Monday to Friday.
    pub(in crate::schedule) last_weekday: bool,
}

/// What `day-of-week` names; bit 0 is Sunday.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::schedule) struct OfWeek {
    /// In every week.
    pub(in crate::schedule) every: u8,
    /// `d#n`: the nth one of the month.
    pub(in crate::schedule) nth: [u8; 5],
    /// `dL`: the last one of the month.
    pub(in crate::schedule) last: u8,
}

/// What the days of a month depend on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Month {
    /// In days.
    pub(super) length: u32,
    /// The day of the week of its first.
    pub(super) first: u32,
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

    /// Its last day from Monday to Friday.
    fn last_weekday(self) -> u32 {
        match self.weekday(self.length) {
            SATURDAY => self.length - 1,
            0 => self.length - 2,
            _ => self.length,
        }
    }
}

impl OfMonth {
    pub(super) fn is_whole(self) -> bool {
        u64::from(self.days) == series(1, 31, 1)
    }

    pub(super) fn parse(piece: Piece<'_>) -> Result<Self, Error> {
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
                    shorten(item.text)
                )));
            } else {
                days.days |= item.range()? as u32;
            }
        }
        Ok(days)
    }

    pub(super) fn of(self, month: Month) -> u32 {
        let mut days = self.days;
        if self.last {
            days |= 1 << month.length;
        }
        if self.last_weekday {
            days |= 1 << month.last_weekday();
        }
        for day in members(u64::from(self.nearest)).take_while(|day| *day <= month.length) {
            days |= 1 << month.nearest(day);
        }
        days
    }
}

impl OfWeek {
    pub(super) fn is_whole(self) -> bool {
        self.every == 0x7f
    }

    pub(super) fn parse(piece: Piece<'_>) -> Result<Self, Error> {
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
                            shorten(nth.text)
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

    pub(super) fn of(self, month: Month) -> u32 {
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
