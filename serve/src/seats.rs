//! How many connections there may be, and which of them make room for another.

use crate::pulse::Pulse;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;

/// How many descriptors are left to the process for all else that it does: its backends, its files.
const RESERVE: u64 = 128;

/// How many go when all seats are taken: one of this many, so that a flood of new ones does not look through all of them each
/// time.
const SHARE: usize = 64;

/// For how long those must have been of no use that go along with the one that must.
const USELESS: Duration = Duration::from_secs(1);

/// The connections that are open.
#[derive(Debug)]
pub(crate) struct Seats {
    max: usize,
    taken: Mutex<Taken>,
    /// Told when one is given up.
    pub(crate) freed: Notify,
}

#[derive(Debug, Default)]
struct Taken {
    next: u64,
    by: HashMap<u64, Arc<Pulse>>,
}

/// A connection's seat, given up when it is dropped.
#[derive(Debug)]
pub(crate) struct Seat {
    seats: Arc<Seats>,
    number: u64,
    pub(crate) pulse: Arc<Pulse>,
}

impl Seats {
    /// So many seats, or as many as the process can have.
    pub(crate) fn new(max: usize) -> Self {
        let can = getrlimit(Resource::Nofile).current.map(|descriptors| {
            // With very few descriptors half of them are better than none.
            usize::try_from((descriptors / 2).max(descriptors.saturating_sub(RESERVE)))
                .unwrap_or(usize::MAX)
        });
        let possible = can.map_or(max, |can| can.min(max)).max(1);
        if possible < max {
            tracing::warn!(
                "at most {possible} connections are taken, not {max}: raise the limit of open files (`ulimit -n`)"
            );
        }
        Self {
            max: possible,
            taken: Mutex::default(),
            freed: Notify::new(),
        }
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn max(&self) -> usize {
        self.max
    }

    pub(crate) fn are_taken(&self) -> bool {
        self.taken().by.len() >= self.max
    }

    /// A seat for one more.
    pub(crate) fn take(self: &Arc<Self>) -> Seat {
        let pulse = Arc::new(Pulse::new());
        let mut taken = self.taken();
        let number = taken.next;
        taken.next += 1;
        taken.by.insert(number, pulse.clone());
        Seat {
            seats: self.clone(),
            number,
            pulse,
        }
    }

    /// Asks connections to leave: of those that can be spared the one that could be for longest, and some that could be for long
    /// as well. Answers how many.
    pub(crate) fn make_room(&self) -> usize {
        let taken = self.taken();
        let mut spare: Vec<_> = taken
            .by
            .values()
            .filter_map(|pulse| Some((pulse.spare_since()?, pulse)))
            .collect();
        let share = self.max.div_ceil(SHARE).min(spare.len());
        let Some(last) = share.checked_sub(1) else {
            return 0;
        };
        spare.select_nth_unstable_by_key(last, |(since, _)| *since);
        let share = &mut spare[..share];
        share.sort_unstable_by_key(|(since, _)| *since);
        let useless = share.partition_point(|(since, _)| since.elapsed() >= USELESS);
        let leaving = &share[..useless.max(1)];
        for (_, pulse) in leaving {
            pulse.leave.notify_one();
        }
        leaving.len()
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.seats.taken().by.remove(&self.number);
        self.seats.freed.notify_one();
    }
}

/// Raises the number of descriptors that this process may have to what it may raise it to, since each connection takes one.
/// Answers how many that is, if there is a bound.
///
/// # Errors
/// What the system says.
pub fn raise_descriptors() -> std::io::Result<Option<u64>> {
    let limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        setrlimit(
            Resource::Nofile,
            Rlimit {
                current: limit.maximum,
                maximum: limit.maximum,
            },
        )?;
    }
    Ok(limit.maximum)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    /// Which of them are asked to leave.
    async fn asked(seats: &[Seat]) -> Vec<usize> {
        let mut asked = Vec::new();
        for (index, seat) in seats.iter().enumerate() {
            let told = tokio::time::timeout(Duration::ZERO, seat.pulse.leave.notified());
            if told.await.is_ok() {
                asked.push(index);
            }
        }
        asked
    }

    #[tokio::test]
    async fn who_is_of_no_use_for_longest_goes_and_never_who_is_worked_on() {
        let seats = Arc::new(Seats::new(4));
        let mut all = Vec::new();
        for _ in 0..4 {
            all.push(seats.take());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert!(seats.are_taken());
        all[0].pulse.begin();
        assert_eq!((seats.make_room(), asked(&all).await), (1, vec![1]));
        // It has been of use since, so that another is not for longer.
        all[1].pulse.begin();
        all[1].pulse.end();
        assert_eq!((seats.make_room(), asked(&all).await), (1, vec![2]));
        tokio::time::sleep(Duration::from_millis(5)).await;
        // One that sends on and on is no better than one that is silent.
        all[2].pulse.begin();
        all[2].pulse.body_begins();
        all[3].pulse.begin();
        assert_eq!((seats.make_room(), asked(&all).await), (1, vec![1]));
        all[1].pulse.begin();
        assert_eq!((seats.make_room(), asked(&all).await), (1, vec![2]));
        all[2].pulse.body_ends(true);
        assert_eq!((seats.make_room(), asked(&all).await), (0, vec![]));
        all.pop();
        assert!(!seats.are_taken());
    }

    #[tokio::test]
    async fn of_very_many_some_go_at_once_if_they_are_of_no_use_for_long() {
        let seats = Arc::new(Seats::new(10 * SHARE));
        let all: Vec<_> = (0..seats.max()).map(|_| seats.take()).collect();
        assert_eq!((seats.make_room(), asked(&all).await.len()), (1, 1));
        tokio::time::sleep(USELESS).await;
        assert_eq!((seats.make_room(), asked(&all).await.len()), (10, 10));
    }

    #[test]
    fn there_are_never_more_seats_than_descriptors() {
        let descriptors = getrlimit(Resource::Nofile).current;
        let seats = Seats::new(usize::MAX);
        assert!(descriptors.is_none_or(|most| (seats.max() as u64) < most));
    }
}
