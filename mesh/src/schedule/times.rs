//! Which times of day a cron expression names: the fields `second`, `minute` and `hour` together.

use super::bits::{down, under, up};
use jiff::civil::Time;

/// The times of day of a schedule, none of the sets being empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Times {
    pub(super) hours: u32,
    pub(super) minutes: u64,
    pub(super) seconds: u64,
}

impl Times {
    pub(super) fn include(&self, time: Time) -> bool {
        let (hour, minute, second) = parts(time);
        self.hours >> hour & 1 == 1
            && self.minutes >> minute & 1 == 1
            && self.seconds >> second & 1 == 1
    }

    /// The first of the day.
    pub(super) fn first(&self) -> Option<Time> {
        self.search_up(0, 0, 0)
    }

    /// The last of the day.
    pub(super) fn last(&self) -> Option<Time> {
        self.search_down(23, 59, 59)
    }

    /// The first one that is not before this time.
    pub(super) fn from(&self, time: Time) -> Option<Time> {
        let (hour, minute, second) = parts(time);
        self.search_up(hour, minute, second)
    }

    /// The first one after this time.
    pub(super) fn after(&self, time: Time) -> Option<Time> {
        let (hour, minute, second) = parts(time);
        self.search_up(hour, minute, second + 1)
    }

    /// The last one that is not after this time.
    pub(super) fn until(&self, time: Time) -> Option<Time> {
        let (hour, minute, second) = parts(time);
        self.search_down(hour, minute, second)
    }

    /// How many there are in a day.
    pub(super) fn a_day(&self) -> u64 {
        let (hours, minutes, seconds) = (
            self.hours.count_ones(),
            self.minutes.count_ones(),
            self.seconds.count_ones(),
        );
        u64::from(hours * minutes * seconds)
    }

    /// How many there are before this time.
    pub(super) fn count_before(&self, time: Time) -> u64 {
        let (hour, minute, second) = parts(time);
        let a_minute = u64::from(self.seconds.count_ones());
        let an_hour = u64::from(self.minutes.count_ones()) * a_minute;
        let mut count = under(u64::from(self.hours), hour) * an_hour;
        if self.hours >> hour & 1 == 1 {
            count += under(self.minutes, minute) * a_minute;
            if self.minutes >> minute & 1 == 1 {
                count += under(self.seconds, second);
            }
        }
        count
    }

    fn search_up(&self, hour: u32, minute: u32, second: u32) -> Option<Time> {
        let hours = u64::from(self.hours);
        if hours >> hour & 1 == 1 {
            if self.minutes >> minute & 1 == 1
                && let Some(second) = up(self.seconds, second)
            {
                return time(hour, minute, second);
            }
            if let Some(minute) = up(self.minutes, minute + 1) {
                return time(hour, minute, up(self.seconds, 0)?);
            }
        }
        let hour = up(hours, hour + 1)?;
        time(hour, up(self.minutes, 0)?, up(self.seconds, 0)?)
    }

    fn search_down(&self, hour: u32, minute: u32, second: u32) -> Option<Time> {
        let hours = u64::from(self.hours);
        if hours >> hour & 1 == 1 {
            if self.minutes >> minute & 1 == 1
                && let Some(second) = down(self.seconds, second)
            {
                return time(hour, minute, second);
            }
            if let Some(minute) = minute
                .checked_sub(1)
                .and_then(|most| down(self.minutes, most))
            {
                return time(hour, minute, down(self.seconds, 59)?);
            }
        }
        let hour = down(hours, hour.checked_sub(1)?)?;
        time(hour, down(self.minutes, 59)?, down(self.seconds, 59)?)
    }
}

fn parts(time: Time) -> (u32, u32, u32) {
    (
        time.hour() as u32,
        time.minute() as u32,
        time.second() as u32,
    )
}

fn time(hour: u32, minute: u32, second: u32) -> Option<Time> {
    Time::new(hour as i8, minute as i8, second as i8, 0).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::bits::series;
    use proptest::prelude::*;

    fn all() -> impl Iterator<Item = Time> {
        (0..86_400).map(|at| time(at / 3_600, at / 60 % 60, at % 60).unwrap())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(8))]
        #[test]
        fn every_search_and_count_is_what_walking_the_day_finds(
            hours in 1_u32..1 << 24,
            minutes in 1_u64..1 << 60,
            seconds in 1_u64..1 << 60,
        ) {
            let times = Times { hours, minutes, seconds };
            let (mut count, mut last) = (0, None);
            for time in all() {
                prop_assert_eq!(times.count_before(time), count);
                if times.include(time) {
                    prop_assert_eq!(times.from(time), Some(time));
                    if let Some(last) = last {
                        prop_assert_eq!(times.after(last), Some(time));
                    } else {
                        prop_assert_eq!(times.first(), Some(time));
                    }
                    (count, last) = (count + 1, Some(time));
                }
                prop_assert_eq!(times.until(time), last);
            }
            prop_assert_eq!((times.a_day(), times.last()), (count, last));
            prop_assert_eq!(times.after(last.unwrap()), None);
        }
    }

    #[test]
    fn the_edges_of_the_day_are_no_trap() {
        let times = Times {
            hours: 1 << 23,
            minutes: 1 << 59,
            seconds: series(0, 59, 59),
        };
        let end = Time::constant(23, 59, 59, 0);
        assert_eq!(times.last(), Some(end));
        assert_eq!(times.after(end), None);
        assert_eq!(times.until(Time::midnight()), None);
    }
}
