//! The circuit breaker: when a target is sick, deliveries are not pulled, so that its sickness burns no attempts.

use std::time::Duration;

/// When the breaker opens and how long it stays open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Settings {
    /// How many failures in a row open it.
    pub(crate) threshold: u32,
    /// How long it stays open at first; each further failure doubles it.
    pub(crate) cooldown: Duration,
    /// The longest that it stays open.
    pub(crate) cap: Duration,
}

impl Default for Settings {
    /// Five failures in a row; one second, doubling up to thirty.
    fn default() -> Self {
        Self {
            threshold: 5,
            cooldown: Duration::from_secs(1),
            cap: Duration::from_secs(30),
        }
    }
}

/// The breaker of one trigger's pump. Instants are durations since any fixed origin.
#[derive(Debug, Clone, Default)]
pub(crate) struct Breaker {
    settings: Settings,
    failures: u32,
    opened_at: Duration,
    closed_from: Duration,
}

/// What may be pulled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Allowance {
    /// As much as there is room for.
    All,
    /// One delivery, to see whether the target is well again.
    One,
    /// Nothing for this long.
    Nothing(Duration),
}

impl Breaker {
    /// A closed breaker.
    #[must_use]
    pub(crate) fn new(settings: Settings) -> Self {
        Self {
            settings,
            ..Self::default()
        }
    }

    /// What may be pulled now, `in_flight` being how many deliveries are being tried.
    #[must_use]
    pub(crate) fn allowance(&self, now: Duration, in_flight: usize) -> Allowance {
        if self.failures < self.settings.threshold {
            return Allowance::All;
        }
        match self.closed_from.checked_sub(now) {
            Some(wait) if !wait.is_zero() => Allowance::Nothing(wait),
            // The probe that is under way will say; an attempt that ends wakes the pump.
            _ if in_flight > 0 => Allowance::Nothing(self.settings.cap),
            _ => Allowance::One,
        }
    }

    /// Takes note of how an attempt that began at `began` ended: whether the target failed (did not answer, or answered that it
    /// cannot now). Of those that were under way when the breaker opened, only a success says something new. Answers whether
    /// this opened or closed the breaker.
    pub(crate) fn note(&mut self, began: Duration, now: Duration, failed: bool) -> Option<Turn> {
        let was_open = self.failures >= self.settings.threshold;
        if !failed {
            self.failures = 0;
            return was_open.then_some(Turn::Closed);
        }
        if was_open && began < self.opened_at {
            return None;
        }
        self.failures = self.failures.saturating_add(1);
        let beyond = self.failures.checked_sub(self.settings.threshold)?;
        let wait = self
            .settings
            .cooldown
            .saturating_mul(2_u32.saturating_pow(beyond))
            .min(self.settings.cap);
        self.opened_at = now;
        self.closed_from = now + wait;
        (!was_open).then_some(Turn::Opened)
    }
}

/// A change of the breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    /// It opened: the target is sick.
    Opened,
    /// It closed: the target is well again.
    Closed,
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn sick(failures: u32) -> Breaker {
        let mut breaker = Breaker::new(Settings::default());
        for _ in 0..failures {
            breaker.note(Duration::ZERO, Duration::ZERO, true);
        }
        breaker
    }

    #[test]
    fn it_opens_at_the_threshold_and_stops_the_pulling() {
        assert_eq!(sick(4).allowance(Duration::ZERO, 0), Allowance::All);
        assert_eq!(
            sick(4).note(Duration::ZERO, Duration::ZERO, true),
            Some(Turn::Opened)
        );
        assert_eq!(
            sick(5).allowance(Duration::ZERO, 0),
            Allowance::Nothing(SECOND)
        );
    }

    #[test]
    fn after_its_cooldown_one_delivery_probes_the_target() {
        let breaker = sick(5);
        assert_eq!(breaker.allowance(SECOND, 0), Allowance::One);
        assert!(matches!(
            breaker.allowance(SECOND, 1),
            Allowance::Nothing(_)
        ));
    }

    #[test]
    fn a_failed_probe_doubles_the_cooldown_up_to_its_cap() {
        let mut breaker = sick(5);
        assert_eq!(breaker.note(SECOND, SECOND, true), None);
        assert_eq!(breaker.allowance(SECOND, 0), Allowance::Nothing(2 * SECOND));
        for _ in 0..40 {
            breaker.note(SECOND, SECOND, true);
        }
        assert_eq!(
            breaker.allowance(SECOND, 0),
            Allowance::Nothing(30 * SECOND)
        );
    }

    #[test]
    fn one_success_closes_it() {
        let mut breaker = sick(9);
        assert_eq!(breaker.note(SECOND, SECOND, false), Some(Turn::Closed));
        assert_eq!(breaker.allowance(SECOND, 3), Allowance::All);
        assert_eq!(breaker.note(SECOND, SECOND, false), None);
    }

    #[test]
    fn what_was_under_way_when_it_opened_does_not_keep_it_open() {
        let mut breaker = sick(4);
        breaker.note(Duration::ZERO, SECOND, true);
        for _ in 0..16 {
            assert_eq!(breaker.note(Duration::ZERO, SECOND, true), None);
        }
        assert_eq!(breaker.allowance(2 * SECOND, 0), Allowance::One);
        let mut breaker = breaker.clone();
        assert_eq!(
            breaker.note(Duration::ZERO, SECOND, false),
            Some(Turn::Closed)
        );
    }
}
