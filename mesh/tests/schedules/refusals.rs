//! What is refused, where, and with what advice.

use belfry_mesh::schedule::Schedule;
use std::time::{Duration, Instant};

fn refusal(text: &str) -> String {
    match Schedule::parse(text, "UTC") {
        Ok(schedule) => panic!("`{text}` is read as {schedule}"),
        Err(error) => error.to_string(),
    }
}

/// Expressions and what is said of them.
const REFUSED: &[(&str, &str)] = &[
    (
        "75 * * * *",
        "field `minute`, column 1: 75 is over 59; write 0 to 59",
    ),
    (
        "5,75 * * * *",
        "field `minute`, column 3: 75 is over 59; write 0 to 59",
    ),
    (
        "0 24 * * *",
        "field `hour`, column 3: 24 is over 23; write 0 to 23",
    ),
    (
        "0 0 0 * *",
        "field `day-of-month`, column 5: 0 is under 1; write 1 to 31",
    ),
    (
        "0 0 * 13 *",
        "field `month`, column 7: 13 is over 12; write 1 to 12 or JAN to DEC",
    ),
    (
        "0 0 * * 8",
        "field `day-of-week`, column 9: 8 is over 7; write 0 to 7 (Monday is 1, Sunday 0 or 7) or SUN to SAT",
    ),
    (
        "60 * * * * *",
        "field `second`, column 1: 60 is over 59; write 0 to 59",
    ),
    (
        "1,,2 * * * *",
        "field `minute`, column 3: there is no value at this comma; write one or take the comma away",
    ),
    (
        "/5 * * * *",
        "field `minute`, column 1: a step needs a range before it; write `*/5`",
    ),
    (
        "*/ * * * *",
        "field `minute`, column 3: there is no step after the slash; write one, as in `*/5`",
    ),
    (
        "*/0 * * * *",
        "field `minute`, column 3: a step of 0 never moves; write 1 or more",
    ),
    (
        "0 22-2 * * *",
        "field `hour`, column 3: `22-2` runs backwards; write `22-23,0-2`",
    ),
    (
        "0 0 * * 6-0",
        "field `day-of-week`, column 9: `6-0` runs backwards; write `6-7`",
    ),
    (
        "0 0 * * FRI-MON",
        "field `day-of-week`, column 9: `FRI-MON` runs backwards; write `5-6,0-1`",
    ),
    (
        "0 5- * * *",
        "field `hour`, column 3: a range has two ends; write it as in `0-23`",
    ),
    (
        "MON * * * *",
        "field `minute`, column 1: `MON` belongs in the field `day-of-week`; write 0 to 59 here",
    ),
    (
        "0 0 * JANFEB *",
        "field `month`, column 7: `JANFEB` is no value; did you mean `JAN`?",
    ),
    (
        "0 0 * * tusday",
        "field `day-of-week`, column 9: `tusday` is no value; did you mean `TUE`?",
    ),
    (
        "0 0 * * MONDAY",
        "field `day-of-week`, column 9: `MONDAY` is no value; did you mean `MON`?",
    ),
    (
        "0 0 * * ?",
        "field `day-of-week`, column 9: `?` is not known; write `*`",
    ),
    (
        "0 0 ** * *",
        "field `day-of-month`, column 5: `**` is no value; `*` stands alone or before a step, as in `*/5`",
    ),
    (
        "0 0 * * L",
        "field `day-of-week`, column 9: `L` needs a day before it; write `5L` for the last Friday of the month, `6` for Saturday",
    ),
    (
        "0 0 * * 1#6",
        "field `day-of-week`, column 11: `#6`: a weekday comes 1 to 5 times a month; write it as in `1#2`, the second Monday",
    ),
    (
        "0 0 L-3 * *",
        "field `day-of-month`, column 5: `L-3` is not known; write `L` for the last day, `LW` for the last weekday of the month",
    ),
    (
        "0 0 */2 * MON",
        "field `day-of-month`, column 5: a step over `*` beside another day field means both days to some and either to others; write `1-31/2` for either",
    ),
    (
        "0 0 13 * */2",
        "field `day-of-week`, column 10: a step over `*` beside another day field means both days to some and either to others; write `0-6/2` for either",
    ),
    (
        "  0   0 30 2 *",
        "field `day-of-month`, column 9: no month that is named has a day 30, so it would never fire; write at most 29, or `L` for the last day",
    ),
    (
        "0 0 31 4,6,9,NOV *",
        "field `day-of-month`, column 5: no month that is named has a day 31, so it would never fire; write at most 30, or `L` for the last day",
    ),
    (
        "é * * * *",
        "field `minute`, column 1: `é` is no value; write 0 to 59",
    ),
];

#[test]
fn a_refusal_points_at_the_field_and_the_column_and_says_what_to_write() {
    for (text, said) in REFUSED {
        assert_eq!(refusal(text), *said, "{text}");
    }
}

#[test]
fn what_is_not_five_or_six_fields_is_refused_as_a_whole() {
    for (text, said) in [
        ("", "cron expression: it is empty;"),
        (" \t", "cron expression: it is empty;"),
        ("0 ******", "cron expression: 2 fields; write five,"),
        (
            "* * * * * * *",
            "cron expression: 7 fields, but a year is not known;",
        ),
        (
            "*\u{a0}* * * *",
            "cron expression: 4 fields, and a blank that is none of ASCII;",
        ),
        (
            "@dayly",
            "cron expression: unknown macro `@dayly`; known: @hourly, @daily, @midnight, @weekly, @monthly, @yearly, @annually; did you mean `@daily`?",
        ),
        (
            "@every 5m",
            "cron expression: `@every` is no cron expression; write the interval itself, as in `every: 30s`",
        ),
        ("@reboot", "cron expression: `@reboot` is not known,"),
    ] {
        let refusal = refusal(text);
        assert!(refusal.starts_with(said), "{text}: {refusal}");
    }
}

#[test]
fn intervals_and_instants_are_refused_with_what_to_write() {
    for (text, said) in [
        ("", "interval ``: write a duration such as"),
        ("5", "interval `5`: write a duration such as"),
        ("0s", "interval `0s`: it is too short; write at least `1s`"),
        ("-5m", "interval `-5m`: it is too short;"),
        ("500ms", "interval `500ms`: it is not of whole seconds;"),
        ("9000h", "interval `9000h`: it is too long;"),
    ] {
        let error = Schedule::every(text).unwrap_err().to_string();
        assert!(error.starts_with(said), "{text}: {error}");
    }
    for (text, said) in [
        ("tomorrow", "instant `tomorrow`: write a time such as"),
        (
            "2026-12-24T18:00:00.5Z",
            "instant `2026-12-24T18:00:00.5Z`: it is not of whole seconds;",
        ),
    ] {
        let error = Schedule::at(text, "UTC").unwrap_err().to_string();
        assert!(error.starts_with(said), "{text}: {error}");
    }
    let error = Schedule::at("2026-12-24T18:00:00Z", "Europe/Berlni")
        .unwrap_err()
        .to_string();
    assert_eq!(
        error,
        "time zone `Europe/Berlni`: there is no such zone; did you mean `Europe/Berlin`?"
    );
}

#[test]
fn a_megabyte_of_anything_is_refused_in_microseconds() {
    for part in [",", "* ", "1,", "@", "é", "\u{a0}", "*/"] {
        let text = part.repeat((1 << 20) / part.len());
        let start = Instant::now();
        let refusal = refusal(&text);
        let took = start.elapsed();
        assert!(refusal.len() < 500, "{refusal}");
        // Two hundred times what it takes, for machines that are busy.
        assert!(took < Duration::from_millis(2), "{part:?} took {took:?}");
    }
    let lists = format!("{} * * * *", ",".repeat(1_000));
    assert!(refusal(&lists).starts_with("field `minute`, column 1:"));
    assert!(Schedule::parse("* * * * *", &"/".repeat(1 << 20)).is_err());
}
