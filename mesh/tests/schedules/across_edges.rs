//! Every clock change of every zone, against the plain reading.

use super::plain::Plain;
use super::{instant, next, schedule};
use belfry_mesh::schedule::{Effect, Schedule, Zone};
use jiff::tz::{TimeZone, TimeZoneDatabase};
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeSet;

/// Fixed jobs and paces, dense and sparse, around the hours at which clocks change somewhere.
const JOBS: [&str; 12] = [
    "0 0 * * *",
    "30 2 * * *",
    "0,15,30,45 1,2 * * *",
    "59 1 * * *",
    "0-59 0-4 * * *",
    "10-50/20 0-23/2 * * 0-7",
    "5 23,0 * * *",
    "* * * * *",
    "*/20 * * * *",
    "*/30 1-3 * * *",
    "30 * * * *",
    "0 */2 * * *",
];

/// Asks for the same instants upwards, downwards, one by one and as a number.
fn assert_alike(
    job: &str,
    schedule: &Schedule,
    from: Timestamp,
    to: Timestamp,
    expected: &[Timestamp],
) {
    let told = || format!("{job}, {}, from {from}", schedule.zone());
    let found: Vec<_> = schedule.after(from).take_while(|at| *at <= to).collect();
    assert_eq!(found, expected, "{}", told());
    let beyond = to.checked_add(SignedDuration::from_secs(1)).unwrap();
    let mut back: Vec<_> = schedule
        .before(beyond)
        .take_while(|at| *at > from)
        .collect();
    back.reverse();
    assert_eq!(back, expected, "backwards: {}", told());
    assert_eq!(
        schedule.count(from, to),
        expected.len() as u64,
        "counted: {}",
        told()
    );
}

/// Checks all jobs for so long before and after an instant.
fn check_around(zone: &TimeZone, jobs: &[(Schedule, Plain)], at: Timestamp, span: SignedDuration) {
    let (from, to) = (at.checked_sub(span).unwrap(), at.checked_add(span).unwrap());
    for (job, (schedule, plain)) in JOBS.iter().zip(jobs) {
        assert_eq!(schedule.is_fixed(), plain.fixed, "{job}");
        let expected = plain.fires(zone, from, to);
        assert_alike(job, schedule, from, to, &expected);
        // From anywhere near the change, the next and the previous one are those that walking finds.
        for minute in (from.as_second()..to.as_second()).step_by(7 * 60) {
            let asked = Timestamp::from_second(minute).unwrap();
            if let Some(after) = expected.iter().find(|at| **at > asked) {
                assert_eq!(
                    schedule.next(asked),
                    Some(*after),
                    "{job} after {asked}, {}",
                    schedule.zone()
                );
            }
            if let Some(before) = expected.iter().rev().find(|at| **at < asked) {
                assert_eq!(
                    schedule.previous(asked),
                    Some(*before),
                    "{job} before {asked}, {}",
                    schedule.zone()
                );
            }
        }
    }
}

#[test]
fn every_clock_change_of_every_zone_from_2024_to_2030_is_kept_to() {
    let zones = TimeZoneDatabase::bundled();
    let (start, end) = (
        instant("2024-01-01T00:00:00Z"),
        instant("2031-01-01T00:00:00Z"),
    );
    // Zones that are links to one another change alike; each set of changes is checked once.
    let mut seen = BTreeSet::new();
    let mut edges = 0;
    for name in Zone::names() {
        let zone = zones.get(&name).unwrap();
        let changes: Vec<_> = zone
            .following(start)
            .take_while(|change| change.timestamp() < end)
            .collect();
        let rules: Vec<_> = changes
            .iter()
            .map(|change| (change.timestamp(), change.offset().seconds()))
            .collect();
        if changes.is_empty() || !seen.insert(rules) {
            continue;
        }
        let jobs = JOBS.map(|job| (schedule(job, &name), Plain::read(job).unwrap()));
        for change in changes {
            check_around(
                &zone,
                &jobs,
                change.timestamp(),
                SignedDuration::from_mins(270),
            );
            edges += 1;
        }
    }
    assert!(edges > 400, "{edges} edges");
}

#[test]
fn the_oddest_changes_are_kept_to() {
    let zones = TimeZoneDatabase::bundled();
    for (name, at) in [
        // Days that were left out, and hours that came twice by more than one.
        ("Pacific/Apia", "2011-12-30T10:00:00Z"),
        ("Pacific/Kwajalein", "1993-08-21T12:00:00Z"),
        ("Antarctica/Vostok", "2023-12-17T19:00:00Z"),
        // Half an hour, and clocks that change at a quarter to.
        ("Australia/Lord_Howe", "2026-04-04T15:00:00Z"),
        ("Pacific/Chatham", "2026-09-26T14:00:00Z"),
        // Two hours.
        ("Antarctica/Troll", "2026-03-29T01:00:00Z"),
        // At midnight.
        ("America/Havana", "2026-03-08T05:00:00Z"),
        ("Asia/Beirut", "2026-03-28T22:00:00Z"),
        // Beyond the table of changes, by rule.
        ("Europe/Berlin", "2100-03-28T01:00:00Z"),
        ("America/New_York", "2100-11-07T06:00:00Z"),
    ] {
        let jobs = JOBS.map(|job| (schedule(job, name), Plain::read(job).unwrap()));
        check_around(
            &zones.get(name).unwrap(),
            &jobs,
            instant(at),
            SignedDuration::from_hours(40),
        );
    }
}

#[test]
fn a_fixed_job_fires_once_at_either_edge() {
    assert_eq!(
        next("30 2 * * *", "America/New_York", "2026-03-07T12:00:00Z", 3),
        [
            "2026-03-08T07:00:00Z",
            "2026-03-09T06:30:00Z",
            "2026-03-10T06:30:00Z"
        ]
    );
    assert_eq!(
        next("30 1 * * *", "America/New_York", "2026-11-01T00:00:00Z", 2),
        ["2026-11-01T05:30:00Z", "2026-11-02T06:30:00Z"]
    );
    // Asked in the second pass, 01:10 for the second time, it does not fire again.
    assert_eq!(
        next("30 1 * * *", "America/New_York", "2026-11-01T06:10:00Z", 1),
        ["2026-11-02T06:30:00Z"]
    );
    // Seconds do not make it another job.
    assert_eq!(
        next(
            "30 30 1 * * *",
            "America/New_York",
            "2026-11-01T00:00:00Z",
            2
        ),
        ["2026-11-01T05:30:30Z", "2026-11-02T06:30:30Z"]
    );
}

#[test]
fn a_list_or_a_range_in_a_gap_fires_once() {
    assert_eq!(
        next(
            "0,15,30,45 2,3 * * *",
            "Europe/Berlin",
            "2026-03-29T00:30:00Z",
            3
        ),
        [
            "2026-03-29T01:00:00Z",
            "2026-03-29T01:15:00Z",
            "2026-03-29T01:30:00Z"
        ]
    );
    assert_eq!(
        next("0 9 * * *", "Pacific/Apia", "2011-12-29T00:00:00Z", 4),
        [
            "2011-12-29T19:00:00Z",
            "2011-12-30T10:00:00Z",
            "2011-12-30T19:00:00Z",
            "2011-12-31T19:00:00Z"
        ]
    );
}

#[test]
fn a_pace_keeps_to_the_instants_that_are() {
    assert_eq!(
        next(
            "*/30 2 * * *",
            "America/New_York",
            "2026-03-07T12:00:00Z",
            2
        ),
        ["2026-03-09T06:00:00Z", "2026-03-09T06:30:00Z"]
    );
    assert_eq!(
        next(
            "*/30 1 * * *",
            "America/New_York",
            "2026-11-01T00:00:00Z",
            5
        ),
        [
            "2026-11-01T05:00:00Z",
            "2026-11-01T05:30:00Z",
            "2026-11-01T06:00:00Z",
            "2026-11-01T06:30:00Z",
            "2026-11-02T06:00:00Z"
        ]
    );
}

#[test]
fn the_changes_that_touch_a_schedule_are_told_with_what_they_do() {
    let (from, until) = (
        instant("2026-01-01T00:00:00Z"),
        instant("2027-01-01T00:00:00Z"),
    );
    let effects = |job: &str, zone: &str| {
        let edges: Vec<_> = schedule(job, zone)
            .edges(from, until)
            .map(|edge| edge.effect)
            .collect();
        edges
    };
    assert_eq!(
        effects("30 2 * * *", "Europe/Berlin"),
        [Effect::OnceAfterTheGap, Effect::FirstPassOnly]
    );
    assert_eq!(
        effects("*/5 * * * *", "Europe/Berlin"),
        [Effect::Skipped, Effect::BothPasses]
    );
    assert_eq!(effects("0 9 * * *", "Europe/Berlin"), []);
    assert_eq!(effects("30 2 * * *", "Asia/Kolkata"), []);
    let told: Vec<_> = schedule("30 2 * * *", "Europe/Berlin")
        .edges(from, until)
        .map(|edge| edge.to_string())
        .collect();
    assert_eq!(
        told,
        [
            "2026-03-29 02:00: clocks go to 03:00; what falls between fires once, right then",
            "2026-10-25 03:00: clocks go to 02:00; what comes twice fires the first time only"
        ]
    );
}
