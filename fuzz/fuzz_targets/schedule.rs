//! Schedules: any text is read or refused, instants go strictly forward and back, and what is counted is what is walked.

#![no_main]

use arbitrary::Arbitrary;
use belfry_mesh::schedule::Schedule;
use jiff::{SignedDuration, Timestamp};
use libfuzzer_sys::fuzz_target;

const ZONES: [&str; 12] = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "America/St_Johns",
    "Australia/Lord_Howe",
    "Africa/Casablanca",
    "Pacific/Apia",
    "America/Sao_Paulo",
    "Asia/Kathmandu",
    "Antarctica/Troll",
    "Pacific/Kiritimati",
    "Africa/Monrovia",
];

#[derive(Debug, Arbitrary)]
struct Input<'a> {
    kind: u8,
    zone: u8,
    own_zone: Option<&'a str>,
    /// In seconds, anywhere in the calendar, or near 2026.
    from: Result<i64, i32>,
    text: &'a str,
}

fuzz_target!(|input: Input<'_>| {
    let zone = ZONES[usize::from(input.zone) % ZONES.len()];
    let zone = input.own_zone.unwrap_or(zone);
    let parsed = match input.kind % 8 {
        0 => Schedule::every(input.text),
        1 => Schedule::at(input.text, zone),
        _ => Schedule::parse(input.text, zone),
    };
    let schedule = match parsed {
        Ok(schedule) => schedule,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return;
        }
    };
    let from = match input.from {
        Ok(seconds) => seconds % 377_705_116_800,
        Err(near) => 1_795_000_000 + i64::from(near),
    };
    let Ok(from) = Timestamp::from_second(from) else {
        return;
    };
    assert!(!schedule.to_string().is_empty() && !schedule.local(from).is_empty());
    let mut last = from;
    for (walked, next) in (1..=4).zip(schedule.after(from)) {
        assert!(next > last, "{next} comes after {last} of {schedule}");
        assert_eq!(next.subsec_nanosecond(), 0);
        assert_eq!(
            schedule.count(from, next),
            walked,
            "{schedule} from {from} to {next}"
        );
        assert!(
            schedule
                .previous(next)
                .is_none_or(|previous| previous < next)
        );
        if last > from {
            assert_eq!(
                schedule.previous(next),
                Some(last),
                "{schedule} before {next}"
            );
        }
        last = next;
    }
    for (_, (earlier, later)) in (0..3).zip(
        schedule
            .before(from)
            .zip([from].into_iter().chain(schedule.before(from))),
    ) {
        assert!(
            earlier < later,
            "{earlier} comes before {later} of {schedule}"
        );
        assert_eq!(
            schedule.next(earlier).is_none_or(|next| next >= later),
            true,
            "{schedule} after {earlier}"
        );
    }
    if let Ok(until) = from.checked_add(SignedDuration::from_hours(24 * 400)) {
        let mut edges = schedule.edges(from, until).take(8);
        let _ = edges.next();
        let _ = edges.count();
    }
    let again = match input.kind % 8 {
        0 => Schedule::every(&schedule.expression()),
        1 => Schedule::at(&schedule.expression(), zone),
        _ => Schedule::parse(&schedule.expression(), zone),
    };
    assert_eq!(again.as_ref(), Ok(&schedule));
});
