//! What holds for every schedule, whenever it is asked.

use super::schedule;
use belfry_mesh::schedule::Schedule;
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

const ZONES: [&str; 8] = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "Africa/Casablanca",
    "Pacific/Chatham",
    "Asia/Kathmandu",
];

/// The values of a field as they are written, within its bounds.
fn field(low: u32, high: u32) -> impl Strategy<Value = String> {
    let value = low..=high;
    prop_oneof![
        4 => Just("*".to_owned()),
        4 => value.clone().prop_map(|value| value.to_string()),
        2 => prop::collection::vec(value.clone(), 2..4).prop_map(|values| values.iter().map(u32::to_string).collect::<Vec<_>>().join(",")),
        1 => (value.clone(), value).prop_map(|(a, b)| format!("{}-{}", a.min(b), a.max(b))),
        1 => (1..=high).prop_map(|step| format!("*/{step}")),
    ]
}

/// The three fields of days, one of them free.
fn days() -> impl Strategy<Value = String> {
    let month = || prop_oneof![3 => Just("*".to_owned()), 1 => field(1, 12)];
    let special = prop::sample::select(vec!["L", "LW", "15W", "1,L", "29", "31"]);
    let place = prop::sample::select(vec!["5L", "1#5", "0#1", "MON-FRI", "6,7"]);
    prop_oneof![
        3 => (prop_oneof![field(1, 28), special.prop_map(str::to_owned)], month()).prop_map(|(day, month)| format!("{day} {month} *")),
        3 => (prop_oneof![field(0, 7), place.prop_map(str::to_owned)], month()).prop_map(|(day, month)| format!("* {month} {day}")),
        1 => (1_u32..=31, 0_u32..=7).prop_map(|(day, weekday)| format!("{day} * {weekday}")),
    ]
}

fn cron() -> impl Strategy<Value = Schedule> {
    let seconds =
        prop_oneof![3 => Just(String::new()), 1 => field(0, 59).prop_map(|field| field + " ")];
    let zone = prop::sample::select(ZONES.to_vec());
    (seconds, field(0, 59), field(0, 23), days(), zone).prop_filter_map(
        "never fires",
        |(second, minute, hour, days, zone)| {
            Schedule::parse(&format!("{second}{minute} {hour} {days}"), zone).ok()
        },
    )
}

fn any_schedule() -> impl Strategy<Value = Schedule> {
    prop_oneof![
        8 => cron(),
        1 => (1_u32..400_000).prop_map(|seconds| Schedule::every(&format!("{seconds}s")).unwrap()),
        1 => instants().prop_map(|at| Schedule::at(&Timestamp::from_second(at.as_second()).unwrap().to_string(), "UTC").unwrap()),
    ]
}

/// Any instant from 1900 to 2200, half of them close to a clock change of this decade.
fn instants() -> impl Strategy<Value = Timestamp> {
    let edges = prop::sample::select(vec![
        1_774_746_000_i64,
        1_793_494_800,
        1_772_953_200,
        1_793_512_800,
        1_775_314_800,
        1_325_239_200,
    ]);
    let near = (edges, -100_000_i64..100_000).prop_map(|(edge, away)| edge + away);
    let second = prop_oneof![-2_208_988_800_i64..7_258_118_400, near];
    (second, prop_oneof![Just(0), 0..1_000_000_000])
        .prop_map(|(second, nanosecond)| Timestamp::new(second, nanosecond).unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn iterating_is_asking_again_and_strictly_increases(schedule in any_schedule(), after in instants()) {
        let iterated: Vec<_> = schedule.after(after).take(12).collect();
        let mut last = after;
        for at in iterated {
            prop_assert!(at > last);
            prop_assert_eq!(at.subsec_nanosecond(), 0);
            prop_assert_eq!(schedule.next(last), Some(at));
            // Asked from anywhere in between, it is the same one.
            let between = Timestamp::from_nanosecond(i128::midpoint(last.as_nanosecond(), at.as_nanosecond())).unwrap();
            if between < at {
                prop_assert_eq!(schedule.next(between), Some(at));
            }
            last = at;
        }
    }

    #[test]
    fn the_previous_one_undoes_the_next(schedule in any_schedule(), after in instants()) {
        let found: Vec<_> = schedule.after(after).take(8).collect();
        for pair in found.windows(2) {
            prop_assert_eq!(schedule.previous(pair[1]), Some(pair[0]));
        }
        if let Some(first) = found.first() {
            let before = schedule.previous(*first);
            prop_assert!(before.is_none_or(|before| before <= after));
            if let Some(before) = before {
                prop_assert_eq!(schedule.next(before), Some(*first));
            }
        }
    }

    #[test]
    fn counting_is_iterating(schedule in any_schedule(), after in instants(), most in 0_usize..300) {
        let found: Vec<_> = schedule.after(after).take(most).collect();
        if let Some(last) = found.last() {
            prop_assert_eq!(schedule.count(after, *last), found.len() as u64);
            let short = last.checked_sub(SignedDuration::from_nanos(1)).unwrap();
            prop_assert_eq!(schedule.count(after, short), found.len() as u64 - 1);
            prop_assert_eq!(schedule.count(*last, after), 0);
        }
    }

    #[test]
    fn what_is_said_is_read_again_as_the_same(schedule in any_schedule()) {
        let text = schedule.expression();
        let zone = schedule.zone().name();
        let read = Schedule::parse(&text, zone).or_else(|_| Schedule::every(&text)).or_else(|_| Schedule::at(&text, zone));
        prop_assert_eq!(read.unwrap(), schedule.clone());
        prop_assert!(!schedule.to_string().contains("  "));
    }

    #[test]
    fn no_text_is_a_panic(text in "[-*/,#LWlw0-9A-Za-z@? \\t\u{e9}\u{a0}]{0,40}", zone in "[A-Za-z/_+0-9-]{0,50}") {
        let _ = Schedule::parse(&text, "UTC").map(|schedule| (schedule.next(Timestamp::UNIX_EPOCH), schedule.to_string()));
        let _ = Schedule::parse("* * * * *", &zone);
        let _ = Schedule::every(&text);
        let _ = Schedule::at(&text, "Europe/Berlin");
    }
}

#[test]
fn what_is_due_is_inside_its_fields() {
    let zone = jiff::tz::TimeZoneDatabase::bundled()
        .get("Europe/Berlin")
        .unwrap();
    let job = schedule("5,35 7-9 * 3,10 1-5", "Europe/Berlin");
    for at in job
        .after("2024-01-01T00:00:00Z".parse().unwrap())
        .take(2_000)
    {
        let wall = zone.to_datetime(at);
        assert!(
            [5, 35].contains(&wall.minute()) && (7..=9).contains(&wall.hour()),
            "{wall}"
        );
        assert!(
            [3, 10].contains(&wall.month()) && wall.weekday().to_monday_one_offset() <= 5,
            "{wall}"
        );
        assert_eq!(wall.second(), 0);
    }
}

#[test]
fn the_ends_of_the_calendar_are_ends_and_not_panics() {
    for text in ["* * * * * *", "0 0 1 1 *", "*/5 * 29 2 *", "0 0 * 2 1#5"] {
        for zone in [
            "UTC",
            "America/New_York",
            "Pacific/Kiritimati",
            "Pacific/Pago_Pago",
        ] {
            let job = schedule(text, zone);
            assert_eq!(job.next(Timestamp::MAX), None);
            assert_eq!(job.previous(Timestamp::MIN), None);
            assert!(job.previous(Timestamp::MAX).is_some());
            assert!(job.next(Timestamp::MIN).is_some());
            assert_eq!(job.count(Timestamp::MAX, Timestamp::MAX), 0);
        }
    }
    let whole = schedule("0 0 29 2 *", "UTC").count(Timestamp::MIN, Timestamp::MAX);
    assert!((4_840..4_860).contains(&whole), "{whole}");
}
