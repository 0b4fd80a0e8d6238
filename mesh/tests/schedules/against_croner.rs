//! Against the crate `croner`, on the expressions of the oracles' file.

use super::against_oracles::{COUNT, Case, DISPUTED, Difference, cases};
use jiff::tz::TimeZoneDatabase;
use jiff::{Timestamp, Zoned};
use std::collections::BTreeMap;
use std::str::FromStr;

fn croner(case: &Case) -> Option<Vec<Timestamp>> {
    let cron = croner::Cron::from_str(&case.expr).ok()?;
    let zone = TimeZoneDatabase::bundled().get(&case.tz).ok()?;
    let start = case.after().to_zoned(zone);
    let found = std::iter::successors(
        cron.find_next_occurrence::<Zoned>(&start, false).ok(),
        |last| cron.find_next_occurrence(last, false).ok(),
    );
    Some(found.take(COUNT).map(|zoned| zoned.timestamp()).collect())
}

/// Why it is as it is with croner.
fn rule(difference: &Difference<'_>) -> Option<&'static str> {
    let fields = difference.case.fields();
    let starts = |item: &str| {
        item.split_once('/')
            .is_some_and(|(start, _)| start != "*" && !start.contains('-'))
    };
    let started = fields.iter().any(|field| field.split(',').any(starts));
    let sunday_first = fields[5]
        .to_ascii_uppercase()
        .split(',')
        .any(|item| item.starts_with("SUN-") || item.ends_with("-SUN"));
    Some(match () {
        () if difference.refused_because("a step over `*`") => DISPUTED,
        () if difference.refused_because("would never fire") => "it searches for what never fires",
        () if difference.refused_because("a year is not known") => "it knows years",
        () if difference.refused_because("`?` is not known") => "it takes `?` for `*`",
        () if difference.ours.is_err() && difference.case.cronsim().is_none() => {
            "it lets pass what cronsim refuses too: empty items, names in other fields"
        }
        () if difference.theirs.is_none() && started => "it refuses a step from one value",
        () if difference.range_of_one() => "of a range of one value with a step it takes the one",
        () if sunday_first => "it takes Sunday in a range for 7",
        () if difference.plain_at_an_edge() => "it takes for fixed what names one time only",
        () => return None,
    })
}

#[test]
fn croner_s_answers_are_ours_or_differ_by_a_rule() {
    let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
    let mut unexplained = Vec::new();
    let mut alike = 0;
    // Unoptimised, it takes its time.
    let every = if cfg!(debug_assertions) { 5 } else { 1 };
    for case in cases().into_iter().step_by(every) {
        let (ours, theirs) = (case.ours(), croner(&case));
        let answer = ours.as_ref().ok().map(|(_, instants)| instants.clone());
        if answer == theirs {
            alike += 1;
            continue;
        }
        let difference = Difference {
            case: &case,
            ours,
            theirs,
        };
        match rule(&difference) {
            Some(rule) => *kinds.entry(rule).or_default() += 1,
            None => unexplained.push(format!(
                "{} in {} after {}: {answer:?}, not {:?}",
                case.expr,
                case.tz,
                case.after(),
                difference.theirs
            )),
        }
    }
    println!("{alike} answers alike; differences: {kinds:#?}");
    assert!(
        unexplained.is_empty(),
        "{} differ by no rule:\n{}",
        unexplained.len(),
        unexplained.join("\n")
    );
    assert!(alike > 5_500 / every, "{alike}");
}
