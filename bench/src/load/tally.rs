//! What is counted.

use anyhow::Result;
use hdrhistogram::Histogram;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Latencies are kept in nanoseconds up to this; a slower answer counts as this slow.
const SLOWEST: Duration = Duration::from_secs(60);

/// How many decimal digits of a latency are kept.
const DIGITS: u8 = 3;

/// Counts while a run goes on.
pub(super) struct Tally {
    begin: Instant,
    end: Instant,
    latencies: Histogram<u64>,
    /// Answers that came in the measured time.
    completed: u64,
    /// All answers by their status, those of the warm-up too.
    statuses: BTreeMap<u16, u64>,
    broken: u64,
    unanswered: u64,
}

/// What a run showed.
#[derive(Debug, Clone)]
pub struct Measured {
    /// Latencies in nanoseconds, of the requests that were due (open loop) or sent (closed loop) in the measured time.
    pub latencies: Histogram<u64>,
    /// Answers a second in the measured time.
    pub throughput: f64,
    /// How long was measured.
    pub seconds: f64,
    /// The rate that was asked for, of an open loop.
    pub rate: Option<f64>,
    /// All answers by their status, those of the warm-up too.
    pub statuses: BTreeMap<u16, u64>,
    /// All requests that were sent.
    pub sent: u64,
    /// Requests whose connection was closed before an answer.
    pub broken: u64,
    /// Requests that were due and had no answer long after the end.
    pub unanswered: u64,
}

impl Tally {
    pub(super) fn new(begin: Instant, measured: Duration) -> Self {
        let slowest = u64::try_from(SLOWEST.as_nanos()).unwrap_or(u64::MAX);
        Self {
            begin,
            end: begin + measured,
            latencies: Histogram::new_with_max(slowest, DIGITS).expect("bounds that fit together"),
            completed: 0,
            statuses: BTreeMap::new(),
            broken: 0,
            unanswered: 0,
        }
    }

    pub(super) fn answered(&mut self, status: u16, intended: Instant, now: Instant) {
        *self.statuses.entry(status).or_default() += 1;
        self.completed += u64::from(self.counts(now));
        self.record(intended, now);
    }

    pub(super) fn broken(&mut self, intended: Instant) {
        self.broken += 1;
        self.record(intended, Instant::now());
    }

    pub(super) fn unanswered(&mut self, intended: Instant) {
        self.unanswered += 1;
        self.record(intended, Instant::now());
    }

    pub(super) fn finish(
        mut self,
        unsent: impl Iterator<Item = Instant>,
        sent: u64,
        rate: Option<f64>,
    ) -> Result<Measured> {
        unsent.for_each(|intended| self.unanswered(intended));
        let seconds = (self.end - self.begin).as_secs_f64();
        Ok(Measured {
            latencies: self.latencies,
            throughput: self.completed as f64 / seconds,
            seconds,
            rate,
            statuses: self.statuses,
            sent,
            broken: self.broken,
            unanswered: self.unanswered,
        })
    }

    fn record(&mut self, intended: Instant, now: Instant) {
        if self.counts(intended) {
            let nanos = now.saturating_duration_since(intended).as_nanos();
            self.latencies
                .saturating_record(u64::try_from(nanos).unwrap_or(u64::MAX));
        }
    }

    fn counts(&self, time: Instant) -> bool {
        (self.begin..self.end).contains(&time)
    }
}

impl Measured {
    /// The latency that this share of the requests did not exceed, in milliseconds.
    #[must_use]
    pub fn latency(&self, share: f64) -> f64 {
        self.latencies.value_at_quantile(share) as f64 / 1e6
    }

    /// How many answers had a status of the 2xx.
    #[must_use]
    pub fn accepted(&self) -> u64 {
        let good = self.statuses.range(200..300);
        good.map(|(_, count)| count).sum()
    }

    /// Whether each request that was due was answered with a 2xx.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.accepted() == self.sent && self.broken == 0 && self.unanswered == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_measured_time_counts_and_waiting_to_be_sent_is_latency() {
        let begin = Instant::now();
        let ms = |ms| begin + Duration::from_millis(ms);
        let mut tally = Tally::new(ms(100), Duration::from_millis(100));
        // Warm-up: it was due before, and only its status counts, and that an answer came meanwhile.
        tally.answered(202, ms(50), ms(110));
        tally.answered(202, ms(100), ms(103));
        // Due in time, answered after the end.
        tally.answered(503, ms(199), ms(299));
        let measured = tally.finish([ms(150)].into_iter(), 3, None).unwrap();
        assert_eq!(measured.latencies.len(), 3);
        assert!((measured.throughput - 20.0).abs() < 1e-9);
        let near = |share, ms: f64| (measured.latency(share) - ms).abs() < ms / 500.0;
        assert!(near(0.6, 3.0) && near(1.0, 100.0));
        assert_eq!(measured.statuses, BTreeMap::from([(202, 2), (503, 1)]));
        assert_eq!((measured.accepted(), measured.unanswered), (2, 1));
        assert!(!measured.is_clean());
    }
}
