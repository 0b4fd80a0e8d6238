//! Against cronsim and croniter, whose answers `scripts/cron-oracles` has written down.
//!
//! Where both agree, so do we; every difference is of a kind that is named here, with the rule of ours that it follows from.

use super::plain::{Plain, ends};
use belfry_mesh::schedule::{Error, Schedule};
use jiff::tz::TimeZoneDatabase;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use std::collections::BTreeMap;

/// How many instants were asked for.
pub(crate) const COUNT: usize = 4;

/// A case of the file: what was asked, and the answers, none being a refusal.
#[derive(Debug, Deserialize)]
pub(crate) struct Case {
    pub(crate) expr: String,
    pub(crate) tz: String,
    after: i64,
    both: Option<Vec<i64>>,
    cronsim: Option<Vec<i64>>,
    croniter: Option<Vec<i64>>,
}

pub(crate) type Answer = Option<Vec<Timestamp>>;

impl Case {
    pub(crate) fn after(&self) -> Timestamp {
        Timestamp::from_second(self.after).unwrap()
    }

    pub(crate) fn cronsim(&self) -> Answer {
        instants(self.both.as_ref().or(self.cronsim.as_ref()))
    }

    fn croniter(&self) -> Answer {
        instants(self.both.as_ref().or(self.croniter.as_ref()))
    }

    pub(crate) fn ours(&self) -> Result<(Schedule, Vec<Timestamp>), Error> {
        let schedule = Schedule::parse(&self.expr, &self.tz)?;
        let answer = schedule.after(self.after()).take(COUNT).collect();
        Ok((schedule, answer))
    }

    /// The fields, six of them whether seconds were written or not.
    pub(crate) fn fields(&self) -> Vec<&str> {
        let mut fields: Vec<_> = self.expr.split_ascii_whitespace().collect();
        if fields.len() == 5 {
            fields.insert(0, "0");
        }
        fields
    }

    pub(crate) fn has_seconds(&self) -> bool {
        self.expr.split_ascii_whitespace().count() == 6
    }
}

fn instants(seconds: Option<&Vec<i64>>) -> Answer {
    let seconds = seconds?.iter();
    Some(
        seconds
            .map(|second| Timestamp::from_second(*second).unwrap())
            .collect(),
    )
}

pub(crate) fn cases() -> Vec<Case> {
    let text = include_str!("oracles.jsonl");
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// What is asked of a difference: who differs, and how.
pub(crate) struct Difference<'c> {
    pub(crate) case: &'c Case,
    pub(crate) ours: Result<(Schedule, Vec<Timestamp>), Error>,
    pub(crate) theirs: Answer,
}

impl Difference<'_> {
    pub(crate) fn refused_because(&self, reason: &str) -> bool {
        self.ours
            .as_ref()
            .is_err_and(|error| error.to_string().contains(reason))
    }

    /// Whether they refuse what one of these marks in a day field stands for.
    pub(crate) fn refused_for(&self, marks: &[&str]) -> bool {
        let fields = self.case.fields();
        let marked = |field: &str| {
            marks
                .iter()
                .any(|mark| field.to_ascii_uppercase().contains(mark))
        };
        self.theirs.is_none() && self.ours.is_ok() && (marked(fields[3]) || marked(fields[5]))
    }

    /// Whether clocks change within a day of the instants, and the plain reading of the rules is what we answer.
    pub(crate) fn plain_at_an_edge(&self) -> bool {
        let Ok((schedule, ours)) = &self.ours else {
            return false;
        };
        let Some(plain) = Plain::read(&self.case.expr) else {
            return false;
        };
        let zone = TimeZoneDatabase::bundled()
            .get(schedule.zone().name())
            .unwrap();
        let day = SignedDuration::from_hours(25);
        let (after, last) = (self.case.after(), ours[ours.len() - 1]);
        let start = after.checked_sub(day).unwrap();
        let end = last.checked_add(day).unwrap();
        let edge = zone
            .following(start)
            .next()
            .is_some_and(|change| change.timestamp() < end);
        edge && plain.fires(&zone, after, last) == *ours
    }

    /// Whether a field has a range of which both ends are the same value.
    pub(crate) fn range_of_one(&self) -> bool {
        self.case.fields().iter().enumerate().any(|(field, text)| {
            text.split(',').any(|item| {
                let range = item.split('/').next().unwrap_or(item);
                let same = |(first, last)| first == last || (field, first, last) == (5, 0, 7);
                range.contains('-') && ends(range, field).is_some_and(same)
            })
        })
    }

    /// Why it is as it is with cronsim.
    fn with_cronsim(&self) -> Option<&'static str> {
        let fixed = self
            .ours
            .as_ref()
            .is_ok_and(|(schedule, _)| schedule.is_fixed());
        Some(match () {
            () if self.refused_because("a step over `*`") => DISPUTED,
            () if self.refused_for(&["W"]) => "it knows no `W`",
            () if self.plain_at_an_edge() && fixed && self.case.has_seconds() => {
                "with seconds, it takes no job for fixed"
            }
            () if self.plain_at_an_edge() && fixed => {
                "asked in the second pass, it answers with the first"
            }
            () if self.plain_at_an_edge() => {
                "it steps whole hours and days over a change, past or onto what is not named"
            }
            () => return None,
        })
    }

    /// Why it is as it is with croniter.
    fn with_croniter(&self) -> Option<&'static str> {
        let fields = self.case.fields();
        Some(match () {
            () if self.refused_because("a step over `*`") => DISPUTED,
            () if self.refused_because("runs backwards") => "it lets ranges wrap around",
            () if self.refused_because("a year is not known") => "it knows years",
            () if self.refused_because("`?` is not known") => "it takes `?` for `*`",
            () if self.refused_for(&["L", "#"]) => {
                "it knows neither `LW` nor `5L`, nor `#` in a list with days"
            }
            () if self.range_of_one() => "it takes a range of one value for all values",
            () if self.plain_at_an_edge() => {
                "it runs fixed jobs in both passes, and what has an hour in a gap after it"
            }
            () if Plain::read(&self.case.expr).is_some() && fields[5].contains('/') => {
                "it ends a week with Saturday"
            }
            () => return None,
        })
    }
}

pub(crate) const DISPUTED: &str = "we refuse a step over `*` beside another day field";

#[test]
fn the_oracles_answers_are_ours_or_differ_by_a_rule() {
    let mut kinds: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    let mut unexplained = Vec::new();
    let mut alike = 0;
    for case in cases() {
        let ours = || case.ours();
        let answer: Answer = ours().ok().map(|(_, instants)| instants);
        for (oracle, theirs) in [("cronsim", case.cronsim()), ("croniter", case.croniter())] {
            if answer == theirs {
                alike += 1;
                continue;
            }
            let difference = Difference {
                case: &case,
                ours: ours(),
                theirs,
            };
            let rule = if oracle == "cronsim" {
                difference.with_cronsim()
            } else {
                difference.with_croniter()
            };
            match rule {
                Some(rule) => *kinds.entry((oracle, rule)).or_default() += 1,
                None => unexplained.push(format!(
                    "{oracle}: {} in {} after {}: {answer:?}, not {:?}",
                    case.expr,
                    case.tz,
                    case.after(),
                    difference.theirs
                )),
            }
        }
    }
    println!("{alike} answers alike; differences: {kinds:#?}");
    assert!(
        unexplained.is_empty(),
        "{} differ by no rule:\n{}",
        unexplained.len(),
        unexplained.join("\n")
    );
    assert!(alike > 11_000, "{alike}");
}

/// Where the oracles agree with each other, they must agree with us, but for what we refuse and one slip that both make.
#[test]
fn where_both_oracles_agree_so_do_we() {
    let mut odd = Vec::new();
    let mut agreed = 0;
    for case in cases() {
        let (one, other) = (case.cronsim(), case.croniter());
        if one != other {
            continue;
        }
        agreed += 1;
        match case.ours() {
            Ok((_, ours)) if Some(&ours) == one.as_ref() => {}
            Err(error) if one.is_none() || error.to_string().contains("a step over `*`") => {}
            _ => odd.push(case.expr.clone()),
        }
    }
    assert!(agreed > 5_500, "{agreed}");
    // A pace with hours, over a gap at midnight: both fire at 01:00, which is not among the hours that are named.
    assert_eq!(odd, ["*/13 3,3,0 * * 0,7,4"]);
}
