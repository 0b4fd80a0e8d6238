//! Schedules in plain words.

use super::bits::{down, members, series, up};
use super::cron::Cron;
use super::days::{Days, OfMonth, OfWeek};
use super::times::Times;

/// How many times of day are listed one by one.
const LISTED: u64 = 6;

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const WEEKDAYS: [&str; 7] = [
    "Sunday",
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
];
const PLACES: [&str; 5] = ["first", "second", "third", "fourth", "fifth"];

/// The whole sixty, and the whole day.
const SIXTY: u64 = (1 << 60) - 1;
const DAY: u64 = (1 << 24) - 1;

/// What an expression says.
pub(super) fn describe(cron: &Cron) -> String {
    let (times, listed) = times(&cron.times);
    let days = days(&cron.days);
    match (days, listed) {
        (Some(days), _) => format!("{times} {days}"),
        (None, true) => format!("{times} every day"),
        (None, false) => times,
    }
}

/// What an interval says.
pub(super) fn interval(seconds: i64) -> String {
    let units = [
        (86_400, "day"),
        (3_600, "hour"),
        (60, "minute"),
        (1, "second"),
    ];
    let mut rest = seconds;
    let mut parts = Vec::new();
    for (length, unit) in units {
        let count = rest / length;
        rest %= length;
        match count {
            0 => {}
            1 => parts.push(format!("1 {unit}")),
            _ => parts.push(format!("{count} {unit}s")),
        }
    }
    match parts.as_slice() {
        [one] if one.starts_with("1 ") => format!("every {}", &one[2..]),
        _ => format!("every {}", joined(&parts)),
    }
}

/// The times of day, and whether they are listed one by one.
fn times(times: &Times) -> (String, bool) {
    let &Times {
        hours,
        minutes,
        seconds,
    } = times;
    let hours = u64::from(hours);
    if times.a_day() <= LISTED {
        return (format!("at {}", clock(hours, minutes, seconds)), true);
    }
    if seconds == 1 {
        return (minutely(hours, minutes), false);
    }
    let text = match (pace(seconds, SIXTY), minutes == SIXTY) {
        (Some(1), true) => format!("every second{}", span(hours)),
        (Some(n), true) => format!("every {n} seconds{}", span(hours)),
        (Some(1), false) => format!(
            "every second of {}{}",
            numbers("minute", minutes),
            of(hours)
        ),
        (Some(n), false) => format!(
            "every {n} seconds of {}{}",
            numbers("minute", minutes),
            of(hours)
        ),
        (None, true) => format!(
            "at {} of every minute{}",
            numbers("second", seconds),
            span(hours)
        ),
        (None, false) => format!(
            "at {} of {}{}",
            numbers("second", seconds),
            numbers("minute", minutes),
            of(hours)
        ),
    };
    (text, false)
}

/// Times at full minutes.
fn minutely(hours: u64, minutes: u64) -> String {
    match (pace(minutes, SIXTY), pace(hours, DAY)) {
        (Some(1), _) => format!("every minute{}", span(hours)),
        (Some(n), _) => format!("every {n} minutes{}", span(hours)),
        (None, Some(1)) if minutes == 1 => "every hour".to_owned(),
        (None, Some(n)) if minutes == 1 => format!("every {n} hours"),
        (None, _) => format!("at {}{}", numbers("minute", minutes), of(hours)),
    }
}

/// The n of which a set is every nth value, if it is and comes out even.
fn pace(set: u64, whole: u64) -> Option<u32> {
    let length = whole.count_ones();
    let n = match up(set, 1) {
        Some(second) if set & 1 == 1 => second,
        _ => return None,
    };
    (length.is_multiple_of(n) && set == series(0, length - 1, n)).then_some(n)
}

/// Each time of day.
fn clock(hours: u64, minutes: u64, seconds: u64) -> String {
    let mut all = Vec::new();
    for hour in members(hours) {
        for minute in members(minutes) {
            for second in members(seconds) {
                all.push(match seconds {
                    1 => format!("{hour:02}:{minute:02}"),
                    _ => format!("{hour:02}:{minute:02}:{second:02}"),
                });
            }
        }
    }
    joined(&all)
}

/// In which hours a pace is kept.
fn span(hours: u64) -> String {
    if hours == DAY {
        return String::new();
    }
    match (up(hours, 0), down(hours, 23)) {
        (Some(first), Some(last)) if hours == series(first, last, 1) => {
            format!(" from {first:02}:00 to {last:02}:59")
        }
        _ => format!(" in {}", numbers("hour", hours)),
    }
}

/// Of which hours something is a part.
fn of(hours: u64) -> String {
    match pace(hours, DAY) {
        Some(1) => " of every hour".to_owned(),
        _ => format!(" of {}", numbers("hour", hours)),
    }
}

/// `minute 5`, `minutes 5 and 10`, `hours 9 to 17`.
fn numbers(unit: &str, set: u64) -> String {
    let plural = if set.count_ones() > 1 { "s" } else { "" };
    format!("{unit}{plural} {}", runs(set, |value| value.to_string()))
}

/// The days and months, if not all of them.
fn days(days: &Days) -> Option<String> {
    let named = match (days.of_month, days.of_week) {
        (None, None) => None,
        (Some(of_month), None) => Some(day_of_month(of_month)),
        (None, Some(of_week)) => Some(day_of_week(of_week)),
        (Some(of_month), Some(of_week)) => Some(format!(
            "{} or {}",
            day_of_month(of_month),
            day_of_week(of_week)
        )),
    };
    let months = u64::from(days.months);
    let months = (months != series(1, 12, 1)).then(|| {
        let months = runs(months, |month| MONTHS[month as usize - 1].to_owned());
        format!("in {months}")
    });
    match (named, months) {
        (Some(named), Some(months)) => Some(format!("{named} {months}")),
        (None, Some(months)) => Some(format!("every day {months}")),
        (named, None) => named,
    }
}

fn day_of_month(days: OfMonth) -> String {
    let mut parts = Vec::new();
    if days.days != 0 {
        parts.push(numbers("day", u64::from(days.days)));
    }
    for day in members(u64::from(days.nearest)) {
        parts.push(format!("the weekday nearest to day {day}"));
    }
    if days.last {
        parts.push("the last day".to_owned());
    }
    if days.last_weekday {
        parts.push("the last weekday".to_owned());
    }
    format!("on {} of the month", joined(&parts))
}

fn day_of_week(days: OfWeek) -> String {
    let mut parts = Vec::new();
    // Sunday is named last, so that a run reads from Monday on.
    let week = u64::from(days.every);
    let week = week & !1 | (week & 1) << 7;
    if week != 0 {
        parts.push(runs(week, weekday));
    }
    for (place, set) in PLACES.iter().zip(days.nth) {
        for day in members(u64::from(set)) {
            parts.push(format!("the {place} {} of the month", weekday(day)));
        }
    }
    for day in members(u64::from(days.last)) {
        parts.push(format!("the last {} of the month", weekday(day)));
    }
    format!("on {}", joined(&parts))
}

fn weekday(day: u32) -> String {
    WEEKDAYS[day as usize % 7].to_owned()
}

/// The members of a set, three and more in a row as `a to b`.
fn runs(set: u64, name: impl Fn(u32) -> String) -> String {
    let mut parts = Vec::new();
    let mut from = 0;
    while let Some(first) = up(set, from) {
        let mut last = first;
        while up(set, last + 1) == Some(last + 1) {
            last += 1;
        }
        match last - first {
            0 => parts.push(name(first)),
            1 => parts.extend([name(first), name(last)]),
            _ => parts.push(format!("{} to {}", name(first), name(last))),
        }
        from = last + 1;
    }
    joined(&parts)
}

/// `a, b and c`.
fn joined(parts: &[String]) -> String {
    match parts {
        [] => String::new(),
        [one] => one.clone(),
        [rest @ .., last] => format!("{} and {last}", rest.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_are_said_in_plain_words() {
        for (text, words) in [
            ("0 9 * * 1", "at 09:00 on Monday"),
            (
                "30 9,17 * * MON-FRI",
                "at 09:30 and 17:30 on Monday to Friday",
            ),
            ("0 0 * * *", "at 00:00 every day"),
            ("0 30 2 * * *", "at 02:30 every day"),
            ("15 30 2 * * *", "at 02:30:15 every day"),
            ("* * * * *", "every minute"),
            ("*/5 * * * *", "every 5 minutes"),
            (
                "*/7 * * * 0",
                "at minutes 0, 7, 14, 21, 28, 35, 42, 49 and 56 of every hour on Sunday",
            ),
            (
                "*/5 9-17 * * 1-5",
                "every 5 minutes from 09:00 to 17:59 on Monday to Friday",
            ),
            ("* 1,3 * * *", "every minute in hours 1 and 3"),
            ("@hourly", "every hour"),
            ("30 * * * *", "at minute 30 of every hour"),
            ("0 */2 * * *", "every 2 hours"),
            ("0,20 9-17 * * *", "at minutes 0 and 20 of hours 9 to 17"),
            ("* * * * * *", "every second"),
            ("*/10 * 8 * * *", "every 10 seconds from 08:00 to 08:59"),
            (
                "*/10 5 8 * * *",
                "at 08:05:00, 08:05:10, 08:05:20, 08:05:30, 08:05:40 and 08:05:50 every day",
            ),
            ("*/5 5 8 * * *", "every 5 seconds of minute 5 of hour 8"),
            ("5,6 * * * * *", "at seconds 5 and 6 of every minute"),
            ("0 0 13 * 5", "at 00:00 on day 13 of the month or on Friday"),
            (
                "0 0 1-3,15 1,6-8 *",
                "at 00:00 on days 1 to 3 and 15 of the month in January and June to August",
            ),
            ("0 0 * 12 *", "at 00:00 every day in December"),
            ("0 0 L * *", "at 00:00 on the last day of the month"),
            (
                "0 0 LW,15W * *",
                "at 00:00 on the weekday nearest to day 15 and the last weekday of the month",
            ),
            ("0 0 * * 5L", "at 00:00 on the last Friday of the month"),
            ("0 0 * * 1#2", "at 00:00 on the second Monday of the month"),
            ("0 0 * * 6,7", "at 00:00 on Saturday and Sunday"),
        ] {
            assert_eq!(describe(&Cron::parse(text).unwrap()), words, "{text}");
        }
    }

    #[test]
    fn intervals_are_said_in_their_largest_units() {
        for (seconds, words) in [
            (1, "every second"),
            (30, "every 30 seconds"),
            (60, "every minute"),
            (5_400, "every 1 hour and 30 minutes"),
            (86_400, "every day"),
        ] {
            assert_eq!(interval(seconds), words);
        }
    }
}
