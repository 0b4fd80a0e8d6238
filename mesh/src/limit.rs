//! Rate limits: the generic cell rate algorithm (ITU-T I.371), as a pure function over one number.

use std::time::Duration;

/// A rate: how many in how long, and how many of them at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// How many are admitted in a window, at least one.
    pub requests: u32,
    /// The window.
    pub window: Duration,
    /// How many are admitted at once after a quiet time, at least one.
    pub burst: u32,
}

impl Rate {
    /// The time that one admission takes up, at least a nanosecond.
    #[must_use]
    pub fn interval(&self) -> Duration {
        (self.window / self.requests.max(1)).max(Duration::from_nanos(1))
    }
}

/// Decides on one request. Times are since any fixed origin. `full_at` is when the bucket of the admitted ones runs out (the
/// theoretical arrival time), zero at first.
///
/// # Errors
/// The wait after which a request will be admitted.
pub fn admit(rate: &Rate, full_at: Duration, now: Duration) -> Result<Duration, Duration> {
    let interval = rate.interval();
    let next = full_at.max(now) + interval;
    let allowance = interval.saturating_mul(rate.burst.max(1));
    let ahead = next.saturating_sub(now);
    if ahead <= allowance {
        Ok(next)
    } else {
        Err(ahead - allowance)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TEN_A_SECOND: Rate = Rate {
        requests: 10,
        window: Duration::from_secs(1),
        burst: 3,
    };

    fn admitted(rate: &Rate, times: impl Iterator<Item = Duration>) -> usize {
        let mut full_at = Duration::ZERO;
        times
            .filter(|&now| admit(rate, full_at, now).map(|next| full_at = next).is_ok())
            .count()
    }

    #[test]
    fn a_burst_passes_and_the_next_one_waits_for_its_interval() {
        let now = Duration::from_secs(100);
        let mut full_at = Duration::ZERO;
        for _ in 0..3 {
            full_at = admit(&TEN_A_SECOND, full_at, now).unwrap();
        }
        assert_eq!(
            admit(&TEN_A_SECOND, full_at, now),
            Err(Duration::from_millis(100))
        );
        assert!(admit(&TEN_A_SECOND, full_at, now + Duration::from_millis(100)).is_ok());
    }

    proptest! {
        #[test]
        fn no_pattern_of_arrivals_overshoots_the_rate(gaps in proptest::collection::vec(0_u64..40, 1..400)) {
            let mut now = Duration::from_secs(1);
            let times: Vec<_> = gaps.iter().map(|&ms| { now += Duration::from_millis(ms); now }).collect();
            let span = now - Duration::from_secs(1);
            let most = 3 + (span.as_millis() / 100) as usize;
            prop_assert!(admitted(&TEN_A_SECOND, times.into_iter()) <= most);
        }
    }
}
