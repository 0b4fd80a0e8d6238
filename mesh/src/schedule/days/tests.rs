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
