//! The probation of an update on one slot: a pure function of what was seen of it.

use crate::recent::Recent;
use belfry_mesh::control::Probation;
use belfry_mesh::package::Update;
use std::time::Duration;
use tokio::time::Instant;

/// How often a container that was well may fail in its probation.
const MAX_CRASHES: u32 = 2;

/// The probation of an update on one slot.
#[derive(Debug, Clone)]
pub(crate) struct Trial {
    /// The revision that is on probation.
    pub(crate) revision: u64,
    began: Instant,
    /// Since when its container is well, and how often it had failed before.
    well: Option<(Instant, u32)>,
    /// Its attempts failed before the update already, so that they say nothing about it.
    sick_before: bool,
}

/// What is seen of a slot.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seen<'a> {
    /// Whether events go into the new revision, or would if there were any.
    pub(crate) serves: bool,
    /// How often a container of the new revision failed, and why it last did.
    pub(crate) failures: (u32, Option<&'a str>),
    /// How the attempts of the new revision went.
    pub(crate) recent: &'a Recent,
}

impl Trial {
    pub(crate) fn new(revision: u64, now: Instant, sick_before: bool) -> Self {
        Self {
            revision,
            began: now,
            well: None,
            sick_before,
        }
    }

    /// What is found of the update so far; none as long as it may still go either way.
    pub(crate) fn judge(
        &mut self,
        now: Instant,
        rules: &Update,
        seen: Seen<'_>,
    ) -> Option<Probation> {
        let (times, last) = seen.failures;
        if seen.serves && self.well.is_none() {
            self.well = Some((now, times));
        }
        let last = last.map(|last| format!(": {last}")).unwrap_or_default();
        let Some((well, before)) = self.well else {
            let late = now.duration_since(self.began) >= rules.deadline;
            let why = || format!("it was not well within {}{last}", seconds(rules.deadline));
            return late.then(|| Probation::Failed(why()));
        };
        let times = times.saturating_sub(before);
        if times > MAX_CRASHES {
            let why = format!("its container failed {times} times{last}");
            return Some(Probation::Failed(why));
        }
        let sickness = seen
            .recent
            .sickness(rules.min_attempts, rules.max_failure_ratio);
        if let Some(why) = sickness.filter(|_| !self.sick_before) {
            return Some(Probation::Failed(why));
        }
        (seen.serves && now.duration_since(well) >= rules.probation).then_some(Probation::Held)
    }
}

fn seconds(duration: Duration) -> String {
    format!("{} s", duration.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: Update = Update {
        deadline: Duration::from_secs(10),
        probation: Duration::from_secs(60),
        max_failure_ratio: 0.5,
        min_attempts: 3,
    };

    fn recent(failed: usize) -> Recent {
        let mut recent = Recent::default();
        (0..failed).for_each(|_| recent.note(Some("500")));
        recent
    }

    fn seen(serves: bool, recent: &Recent) -> Seen<'_> {
        Seen {
            serves,
            failures: (0, None),
            recent,
        }
    }

    #[test]
    fn an_update_that_is_not_well_in_time_fails_and_says_the_last_reason() {
        let (began, calm) = (Instant::now(), recent(0));
        let mut trial = Trial::new(2, began, false);
        let seen = Seen {
            failures: (4, Some("no such image")),
            ..seen(false, &calm)
        };
        assert_eq!(trial.judge(began, &RULES, seen), None);
        let found = trial.judge(began + RULES.deadline, &RULES, seen);
        let why = "it was not well within 10 s: no such image".to_owned();
        assert_eq!(found, Some(Probation::Failed(why)));
    }

    #[test]
    fn an_update_that_is_well_for_its_probation_holds() {
        let (began, calm) = (Instant::now(), recent(1));
        let mut trial = Trial::new(2, began, false);
        assert_eq!(trial.judge(began, &RULES, seen(true, &calm)), None);
        let late = began + RULES.probation;
        assert_eq!(
            trial.judge(late, &RULES, seen(true, &calm)),
            Some(Probation::Held)
        );
    }

    #[test]
    fn failing_attempts_fail_an_update_unless_they_failed_before() {
        let (began, sick) = (Instant::now(), recent(3));
        for (before, fails) in [(false, true), (true, false)] {
            let mut trial = Trial::new(2, began, before);
            let found = trial.judge(began, &RULES, seen(true, &sick));
            assert_eq!(matches!(found, Some(Probation::Failed(_))), fails);
        }
    }

    #[test]
    fn a_container_that_keeps_failing_in_its_probation_fails_the_update() {
        let (began, calm) = (Instant::now(), recent(0));
        let mut trial = Trial::new(2, began, false);
        assert_eq!(trial.judge(began, &RULES, seen(true, &calm)), None);
        let crashed = Seen {
            failures: (3, Some("exited")),
            ..seen(false, &calm)
        };
        let found = trial.judge(began, &RULES, crashed);
        let why = "its container failed 3 times: exited".to_owned();
        assert_eq!(found, Some(Probation::Failed(why)));
    }
}
