//! How the latest attempts of a pump went.

use std::collections::VecDeque;

/// How many attempts are looked back upon.
const KEPT: usize = 20;

/// How the latest attempts of a pump went.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Recent {
    /// Whether each failed, the latest last.
    failed: VecDeque<bool>,
    /// Why the last one that failed did.
    why: Option<String>,
}

impl Recent {
    /// Takes note of an attempt, and why it failed if it did.
    pub(crate) fn note(&mut self, failure: Option<&str>) {
        if self.failed.len() == KEPT {
            self.failed.pop_front();
        }
        self.failed.push_back(failure.is_some());
        if let Some(why) = failure {
            self.why = Some(why.to_owned());
        }
    }

    /// What is wrong, in words, if at least `min` attempts were made and a larger share than `ratio` of them failed.
    pub(crate) fn sickness(&self, min: u32, ratio: f64) -> Option<String> {
        let made = self.failed.len();
        let failed = self.failed.iter().filter(|failed| **failed).count();
        let sick = made >= min as usize && failed as f64 > ratio * made as f64;
        sick.then(|| {
            let why = self.why.as_deref().unwrap_or("no reason was given");
            format!("{failed} of its last {made} attempts failed, the last because: {why}")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_sick_when_more_than_the_share_of_enough_attempts_failed() {
        let mut recent = Recent::default();
        for _ in 0..4 {
            recent.note(Some("502"));
        }
        assert_eq!(recent.sickness(5, 0.5), None);
        recent.note(None);
        let words = recent.sickness(5, 0.5).unwrap();
        assert_eq!(
            words,
            "4 of its last 5 attempts failed, the last because: 502"
        );
        for _ in 0..3 {
            recent.note(None);
        }
        assert_eq!(recent.sickness(5, 0.5), None);
    }

    #[test]
    fn old_attempts_are_forgotten() {
        let mut recent = Recent::default();
        for _ in 0..100 {
            recent.note(Some("502"));
        }
        for _ in 0..KEPT {
            recent.note(None);
        }
        assert_eq!(recent.sickness(1, 0.0), None);
    }
}
