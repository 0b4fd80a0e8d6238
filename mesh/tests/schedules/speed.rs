//! How long the next instant takes, beside the crates `croner` and `cron`. `cargo test --release -- --nocapture speed` prints it.

use super::schedule;
use belfry_mesh::schedule::Schedule;
use jiff::tz::TimeZoneDatabase;
use jiff::{Timestamp, Zoned};
use std::hint::black_box;
use std::str::FromStr;
use std::time::{Duration, Instant};

const JOBS: [(&str, &str); 6] = [
    ("* * * * *", "0 * * * * *"),
    ("*/5 9-17 * * 1-5", "0 */5 9-17 * * Mon-Fri"),
    ("0 9 * * 1", "0 0 9 * * Mon"),
    ("30 2 * * *", "0 30 2 * * *"),
    ("0 0 L * *", ""),
    ("0 0 29 2 *", "0 0 0 29 2 *"),
];

/// The mean of so many calls, each for another instant of the next years.
fn mean(times: u32, mut call: impl FnMut(i64)) -> Duration {
    let from = 1_767_225_600;
    let start = Instant::now();
    for time in 0..times {
        call(from + i64::from(time) * 60_013 % 150_000_000);
    }
    start.elapsed() / times
}

fn ours(text: &str, zone: &str, times: u32) -> Duration {
    let job = schedule(text, zone);
    mean(times, |second| {
        black_box(job.next(Timestamp::from_second(second).unwrap()));
    })
}

fn croner(text: &str, zone: &str, times: u32) -> Duration {
    let job = croner::Cron::from_str(text).unwrap();
    let zone = TimeZoneDatabase::bundled().get(zone).unwrap();
    mean(times, |second| {
        let after = Timestamp::from_second(second)
            .unwrap()
            .to_zoned(zone.clone());
        black_box(job.find_next_occurrence::<Zoned>(&after, false).unwrap());
    })
}

/// In UTC only: the crate needs another one for zones.
fn cron(text: &str, times: u32) -> Duration {
    let job = cron::Schedule::from_str(text).unwrap();
    mean(times, |second| {
        black_box(
            job.after(&chrono::DateTime::from_timestamp(second, 0).unwrap())
                .next(),
        );
    })
}

#[test]
fn the_speed_of_the_next_instant_is_within_its_bound() {
    let times = if cfg!(debug_assertions) {
        2_000
    } else {
        50_000
    };
    for zone in ["UTC", "Europe/Berlin"] {
        for (text, theirs) in JOBS {
            let took = ours(text, zone, times);
            let croner = croner(text, zone, times / 10);
            let cron = (zone == "UTC" && !theirs.is_empty()).then(|| cron(theirs, times / 10));
            println!("{zone} {text:18} {took:?}, croner {croner:?}, cron {cron:?}");
            // A hundred times what it takes in a release, for debug builds and machines that are busy.
            assert!(
                took < Duration::from_micros(100),
                "{text} in {zone}: {took:?}"
            );
        }
    }
    let parsed = mean(times, |_| {
        black_box(Schedule::parse("*/5 9-17 * * MON-FRI", "Europe/Berlin").unwrap());
    });
    println!("parsing {parsed:?}");
    assert!(parsed < Duration::from_micros(200), "{parsed:?}");
}

#[test]
fn counting_a_century_walks_months_and_not_instants() {
    let job = schedule("* * * * * *", "Europe/Berlin");
    let (from, to) = (
        super::instant("2026-01-01T00:00:00Z"),
        super::instant("2126-01-01T00:00:00Z"),
    );
    let start = Instant::now();
    let count = job.count(from, to);
    let took = start.elapsed();
    println!("counting a century of seconds {took:?}");
    assert_eq!(count, (to.as_second() - from.as_second()) as u64);
    assert!(took < Duration::from_millis(50), "{took:?}");
}
