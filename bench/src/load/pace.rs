//! When requests are due.

use std::time::{Duration, Instant};

/// A schedule of requests.
pub(super) struct Pace {
    begun: Instant,
    end: Instant,
    /// Requests a second, of an open loop.
    rate: Option<f64>,
    taken: u64,
}

impl Pace {
    pub(super) fn new(begun: Instant, length: Duration, rate: Option<f64>) -> Self {
        Self {
            begun,
            end: begun + length,
            rate,
            taken: 0,
        }
    }

    pub(super) fn end(&self) -> Instant {
        self.end
    }

    /// Takes the next request if it is due, and says since when. In a closed loop that is now; in an open one it is the time on the
    /// schedule, and all that was due before the end is still taken after it.
    pub(super) fn take(&mut self, now: Instant) -> Option<Instant> {
        let due = match self.rate {
            None => now,
            Some(rate) => self.due(rate),
        };
        let takes = due <= now && due < self.end;
        self.taken += u64::from(takes);
        takes.then_some(due)
    }

    /// Whether nothing more will be due.
    pub(super) fn is_over(&self, now: Instant) -> bool {
        match self.rate {
            None => now >= self.end,
            Some(rate) => self.due(rate) >= self.end,
        }
    }

    /// Until when there is nothing to do but to wait for answers. Once nothing more is due, those are waited for as long as
    /// `patience` says.
    pub(super) fn wake_at(&self, is_idle: bool, patience: Duration) -> Instant {
        match self.rate {
            Some(rate) if is_idle && self.due(rate) < self.end => self.due(rate),
            _ => self.end + patience,
        }
    }

    /// The requests that were due and never taken, for want of a connection: since when.
    pub(super) fn unsent(&self) -> impl Iterator<Item = Instant> {
        let (begun, end, taken) = (self.begun, self.end, self.taken);
        self.rate
            .into_iter()
            .flat_map(move |rate| (taken..).map(move |number| time(begun, rate, number)))
            .take_while(move |due| *due < end)
    }

    fn due(&self, rate: f64) -> Instant {
        time(self.begun, rate, self.taken)
    }
}

/// When the request of this number is due. Counted from the beginning each time, so that rounding does not add up.
fn time(begun: Instant, rate: f64, number: u64) -> Instant {
    begun + Duration::from_secs_f64(number as f64 / rate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_open_loop_is_due_by_the_clock_and_not_by_the_answers() {
        let begun = Instant::now();
        let mut pace = Pace::new(begun, Duration::from_secs(1), Some(4.0));
        let ms = |ms| begun + Duration::from_millis(ms);
        assert_eq!(pace.take(begun), Some(begun));
        assert_eq!(pace.take(ms(249)), None);
        assert_eq!(pace.wake_at(true, Duration::ZERO), ms(250));
        // After a stall, what was due is sent with the times it was due at.
        assert_eq!(pace.take(ms(600)), Some(ms(250)));
        assert_eq!(pace.take(ms(600)), Some(ms(500)));
        assert_eq!(pace.take(ms(600)), None);
        assert_eq!(pace.unsent().collect::<Vec<_>>(), [ms(750)]);
        assert_eq!(pace.take(ms(2_000)), Some(ms(750)));
        assert!(pace.is_over(ms(2_000)) && pace.unsent().next().is_none());
        assert_eq!(pace.take(ms(2_000)), None);
    }

    #[test]
    fn a_closed_loop_is_due_at_once_until_its_end() {
        let begun = Instant::now();
        let mut pace = Pace::new(begun, Duration::from_secs(1), None);
        let later = begun + Duration::from_millis(999);
        assert_eq!(pace.take(later), Some(later));
        assert_eq!(pace.take(begun + Duration::from_secs(1)), None);
        assert!(!pace.is_over(later) && pace.unsent().next().is_none());
    }
}
