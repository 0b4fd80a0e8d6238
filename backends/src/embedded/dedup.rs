//! Deduplication and rate limits, in memory: after a restart the event log itself knows what was published.

use async_trait::async_trait;
use belfry_mesh::event::EventId;
use belfry_mesh::limit::{self, Rate};
use belfry_mesh::port::Error;
use belfry_mesh::port::dedup::{Dedup, Verdict};
use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// How many deliveries are remembered, at some 150 bytes each. The oldest make room: their repetitions are recognised by the event
/// log.
const DELIVERIES: usize = 100_000;

/// How many rates are known before those that are not in use are forgotten.
const RATES: usize = 1_024;

/// What the gateway of this process has seen and may admit.
pub(super) struct Seen {
    began: Instant,
    /// How many deliveries are remembered.
    bound: usize,
    table: Mutex<Table>,
}

#[derive(Default)]
struct Table {
    /// Until when each delivery is remembered.
    marks: HashMap<EventId, Instant>,
    /// The marks in the order in which they were made, those that were made anew as well.
    order: VecDeque<(EventId, Instant)>,
    /// What [`limit::admit`] keeps of each subject.
    rates: HashMap<String, Duration>,
}

impl Seen {
    /// Nothing was seen so far, and everything may be admitted.
    pub(super) fn new() -> Self {
        Self::with_bound(DELIVERIES)
    }

    fn with_bound(bound: usize) -> Self {
        Self {
            began: Instant::now(),
            bound,
            table: Mutex::default(),
        }
    }

    fn decide(&self, key: &EventId, subject: &str, rate: Option<&Rate>, now: Instant) -> Verdict {
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        if table.marks.get(key).is_some_and(|&until| until > now) {
            return Verdict::Seen(key.clone());
        }
        let Some(rate) = rate else {
            return Verdict::Fresh;
        };
        let since = now.duration_since(self.began);
        if table.rates.len() >= RATES && !table.rates.contains_key(subject) {
            table.rates.retain(|_, full_at| *full_at > since);
        }
        match limit::admit(
            rate,
            table.rates.get(subject).copied().unwrap_or_default(),
            since,
        ) {
            Ok(full_at) => {
                table.rates.insert(subject.to_owned(), full_at);
                Verdict::Fresh
            }
            Err(retry_after) => Verdict::Limited { retry_after },
        }
    }

    fn remember(&self, key: &EventId, ttl: Duration, now: Instant) {
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        let until = super::place::later(now, ttl);
        table.marks.insert(key.clone(), until);
        table.order.push_back((key.clone(), until));
        while table.order.len() > self.bound
            || table.order.front().is_some_and(|(_, until)| *until <= now)
        {
            let Some((oldest, until)) = table.order.pop_front() else {
                break;
            };
            if table.marks.get(&oldest) == Some(&until) {
                table.marks.remove(&oldest);
            }
        }
    }
}

#[async_trait]
impl Dedup for Seen {
    async fn check(
        &self,
        key: &EventId,
        subject: &str,
        rate: Option<&Rate>,
    ) -> Result<Verdict, Error> {
        Ok(self.decide(key, subject, rate, Instant::now()))
    }

    async fn mark(&self, key: &EventId, ttl: Duration) -> Result<(), Error> {
        self.remember(key, ttl, Instant::now());
        Ok(())
    }

    async fn ping(&self) -> Result<(), Error> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: usize) -> EventId {
        EventId::parse(&format!("e-{number}")).unwrap()
    }

    #[test]
    fn the_oldest_marks_make_room_and_ended_ones_are_forgotten() {
        let (seen, now) = (Seen::with_bound(3), Instant::now());
        let ttl = Duration::from_secs(60);
        (0..5).for_each(|number| seen.remember(&id(number), ttl, now));
        let known = |number| seen.decide(&id(number), "a", None, now) != Verdict::Fresh;
        assert_eq!([0, 1, 2, 3, 4].map(known), [false, false, true, true, true]);
        seen.remember(&id(9), ttl, now + ttl);
        let table = seen.table.lock().unwrap();
        assert_eq!((table.marks.len(), table.order.len()), (1, 1));
    }

    #[test]
    fn rates_that_are_not_in_use_are_forgotten() {
        let (seen, now) = (Seen::with_bound(3), Instant::now());
        let rate = Rate {
            requests: 1,
            window: Duration::from_secs(1),
            burst: 1,
        };
        let ask = |subject: usize, now| seen.decide(&id(0), &subject.to_string(), Some(&rate), now);
        (0..RATES).for_each(|subject| assert_eq!(ask(subject, now), Verdict::Fresh));
        assert!(matches!(ask(0, now), Verdict::Limited { .. }));
        assert_eq!(ask(RATES, now + Duration::from_secs(2)), Verdict::Fresh);
        assert_eq!(seen.table.lock().unwrap().rates.len(), 1);
    }
}
