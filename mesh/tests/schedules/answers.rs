//! Answers known by heart.

use super::{instant, next, schedule};
use belfry_mesh::schedule::Schedule;

#[test]
fn monday_is_one_and_sunday_both_zero_and_seven() {
    assert_eq!(
        next("0 9 * * 1", "UTC", "2026-11-20T00:00:00Z", 1),
        ["2026-11-23T09:00:00Z"]
    );
    for sunday in ["0", "7", "SUN", "sun"] {
        assert_eq!(
            next(
                &format!("0 9 * * {sunday}"),
                "UTC",
                "2026-11-20T00:00:00Z",
                1
            ),
            ["2026-11-22T09:00:00Z"]
        );
    }
    assert_eq!(
        schedule("0 9 * * 5-7", "UTC"),
        schedule("0 9 * * 5-7", "utc")
    );
}

#[test]
fn an_instant_that_matches_is_not_its_own_next() {
    assert_eq!(
        next("0 9 * * *", "UTC", "2026-01-01T09:00:00Z", 1),
        ["2026-01-02T09:00:00Z"]
    );
    assert_eq!(
        next("0 9 * * *", "UTC", "2026-01-01T08:59:59.999999999Z", 1),
        ["2026-01-01T09:00:00Z"]
    );
    let daily = schedule("0 9 * * *", "UTC");
    assert_eq!(
        daily.previous(instant("2026-01-01T09:00:00Z")),
        Some(instant("2025-12-31T09:00:00Z"))
    );
    assert_eq!(
        daily.previous(instant("2026-01-01T09:00:00.000000001Z")),
        Some(instant("2026-01-01T09:00:00Z"))
    );
}

#[test]
fn a_leap_day_is_waited_for_and_2100_has_none() {
    assert_eq!(
        next("0 0 29 2 *", "UTC", "2095-01-01T00:00:00Z", 2),
        ["2096-02-29T00:00:00Z", "2104-02-29T00:00:00Z"]
    );
    assert_eq!(
        next("0 0 L 2 *", "UTC", "2099-03-01T00:00:00Z", 1),
        ["2100-02-28T00:00:00Z"]
    );
    assert_eq!(
        next("0 0 1 3 *", "Europe/Berlin", "2100-02-28T12:00:00Z", 1),
        ["2100-02-28T23:00:00Z"]
    );
    assert_eq!(
        next("0 12 * 2 MON#5", "UTC", "2072-02-01T00:00:00Z", 2),
        ["2072-02-29T12:00:00Z", "2112-02-29T12:00:00Z"]
    );
}

#[test]
fn macros_are_what_they_stand_for() {
    for (name, text) in [
        ("@hourly", "0 * * * *"),
        ("@daily", "0 0 * * *"),
        ("@midnight", "0 0 * * *"),
        ("@weekly", "0 0 * * 0"),
        ("@monthly", "0 0 1 * *"),
        ("@yearly", "0 0 1 1 *"),
        ("@ANNUALLY", "0 0 1 1 *"),
    ] {
        let (short, long) = (schedule(name, "Asia/Tokyo"), schedule(text, "Asia/Tokyo"));
        let from = instant("2026-05-05T05:05:05Z");
        assert_eq!(
            short.after(from).take(3).collect::<Vec<_>>(),
            long.after(from).take(3).collect::<Vec<_>>()
        );
        assert_eq!(
            (short.expression(), short.to_string()),
            (name.to_owned(), long.to_string())
        );
    }
}

#[test]
fn blanks_and_zeros_in_front_change_nothing() {
    let from = instant("2026-05-05T05:05:05Z");
    let plain = schedule("5 9 * * 1", "UTC").next(from);
    assert_eq!(schedule("  05\t009  *\n* 01 ", "UTC").next(from), plain);
}

#[test]
fn steps_start_where_they_are_told_to() {
    assert_eq!(
        next("7/20 * * * *", "UTC", "2026-01-01T00:00:00Z", 4),
        [
            "2026-01-01T00:07:00Z",
            "2026-01-01T00:27:00Z",
            "2026-01-01T00:47:00Z",
            "2026-01-01T01:07:00Z"
        ]
    );
    assert_eq!(
        next("0 0 10-20/7 * *", "UTC", "2026-01-01T00:00:00Z", 3),
        [
            "2026-01-10T00:00:00Z",
            "2026-01-17T00:00:00Z",
            "2026-02-10T00:00:00Z"
        ]
    );
    assert_eq!(
        schedule("0/20 * * * *", "UTC").to_string(),
        "every 20 minutes, UTC"
    );
    assert_eq!(
        schedule("0-0/20 * * * *", "UTC").to_string(),
        "every 20 minutes, UTC"
    );
    assert_eq!(
        schedule("0 0 * * 1/2", "UTC").to_string(),
        "at 00:00 on Monday, Wednesday, Friday and Sunday, UTC"
    );
    // A step beyond the field leaves its first value.
    assert_eq!(
        next("*/90 * * * *", "UTC", "2026-01-01T00:30:00Z", 1),
        ["2026-01-01T01:00:00Z"]
    );
}

#[test]
fn an_interval_is_counted_from_the_epoch_and_knows_no_clock_change() {
    let every = |text: &str| Schedule::every(text).unwrap();
    let from = instant("2026-10-25T00:59:45Z");
    let found: Vec<_> = every("30s")
        .after(from)
        .take(2)
        .map(|at| at.to_string())
        .collect();
    assert_eq!(found, ["2026-10-25T01:00:00Z", "2026-10-25T01:00:30Z"]);
    assert_eq!(every("1h 30m").next(from).unwrap().as_second() % 5_400, 0);
    assert_eq!(every("PT30S"), every("30s"));
    assert_eq!(
        every("30s").previous(instant("2026-01-01T00:00:30Z")),
        Some(instant("2026-01-01T00:00:00Z"))
    );
    assert_eq!(
        every("30s").count(from, instant("2026-10-26T00:59:45Z")),
        2_880
    );
    assert_eq!(
        every("30s").next(instant("1969-12-31T23:59:59.5Z")),
        Some(instant("1970-01-01T00:00:00Z"))
    );
    assert_eq!(every("90m").to_string(), "every 1 hour and 30 minutes");
}

#[test]
fn one_instant_is_due_once() {
    let once = Schedule::at("2026-12-24T18:00:00+01:00", "Europe/Berlin").unwrap();
    assert_eq!(
        once.next(instant("2026-01-01T00:00:00Z")),
        Some(instant("2026-12-24T17:00:00Z"))
    );
    assert_eq!(once.next(instant("2026-12-24T17:00:00Z")), None);
    assert_eq!(
        once.previous(instant("2027-01-01T00:00:00Z")),
        Some(instant("2026-12-24T17:00:00Z"))
    );
    assert_eq!(
        once.count(
            instant("2026-01-01T00:00:00Z"),
            instant("2026-12-24T17:00:00Z")
        ),
        1
    );
    assert_eq!(
        once.to_string(),
        "once at 2026-12-24 18:00:00 +01:00, Europe/Berlin"
    );
    let local = |text: &str| {
        Schedule::at(text, "Europe/Berlin")
            .unwrap()
            .next(jiff::Timestamp::MIN)
            .unwrap()
            .to_string()
    };
    assert_eq!(local("2026-12-24T18:00"), "2026-12-24T17:00:00Z");
    assert_eq!(local("2026-03-29T02:30:00"), "2026-03-29T01:00:00Z");
    assert_eq!(local("2026-10-25T02:30:00"), "2026-10-25T00:30:00Z");
}

#[test]
fn a_schedule_says_in_words_when_it_is_due() {
    assert_eq!(
        schedule("0 9 * * 1", "Europe/Berlin").to_string(),
        "at 09:00 on Monday, Europe/Berlin"
    );
    assert_eq!(
        schedule("*/15 * * * *", "UTC").to_string(),
        "every 15 minutes, UTC"
    );
    assert_eq!(
        Schedule::every("30s").unwrap().to_string(),
        "every 30 seconds"
    );
}
