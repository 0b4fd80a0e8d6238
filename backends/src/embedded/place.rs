//! What one trigger has left to do, and who is at it: decided here without a clock or a disk.

use belfry_mesh::port::log::{Sequence, Subscription};
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

/// A trigger's unsettled events. Eight bytes for each that was never tried, some sixty for each that was.
pub(super) struct Place {
    pub(super) subscription: Subscription,
    /// Wakes whoever waits for a delivery.
    pub(super) changed: Arc<Notify>,
    /// Never tried, in the order of the log.
    fresh: VecDeque<Sequence>,
    tried: HashMap<Sequence, Tried>,
    /// Those of `tried` that somebody holds, by the end of the claim.
    held: BTreeSet<(Instant, Sequence)>,
    /// Those of `tried` that nobody holds, by when they are due.
    due: BTreeSet<(Instant, Sequence)>,
}

/// An event that was tried. The attempt's number tells its holder from earlier ones.
struct Tried {
    attempt: u32,
    held: bool,
    /// When its claim ends, or when it is due.
    at: Instant,
}

/// An event that is given to a holder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Taken {
    pub(super) sequence: Sequence,
    pub(super) attempt: u32,
}

impl Place {
    pub(super) fn new(subscription: Subscription) -> Self {
        Self {
            subscription,
            changed: Arc::default(),
            fresh: VecDeque::new(),
            tried: HashMap::new(),
            held: BTreeSet::new(),
            due: BTreeSet::new(),
        }
    }

    /// A new event, later than all before.
    pub(super) fn arrive(&mut self, sequence: Sequence) {
        self.fresh.push_back(sequence);
        self.changed.notify_waiters();
    }

    /// An event that was tried in an earlier life and is due at `at`.
    pub(super) fn restore(&mut self, taken: Taken, at: Instant) {
        self.tried.insert(
            taken.sequence,
            Tried {
                attempt: taken.attempt,
                held: false,
                at,
            },
        );
        self.due.insert((at, taken.sequence));
    }

    /// Gives up to `max` events to a holder: first those that are due again, then new ones.
    pub(super) fn take(&mut self, max: usize, now: Instant) -> Vec<Taken> {
        self.end_claims(now);
        let mut taken = Vec::new();
        while taken.len() < max {
            let sequence = match self.due.first() {
                Some(&(at, sequence)) if at <= now => sequence,
                _ => match self.fresh.pop_front() {
                    Some(sequence) => sequence,
                    None => break,
                },
            };
            let attempt = self
                .forget(sequence)
                .map_or(0, |tried| tried.attempt)
                .saturating_add(1);
            let at = later(now, self.subscription.claim);
            self.tried.insert(
                sequence,
                Tried {
                    attempt,
                    held: true,
                    at,
                },
            );
            self.held.insert((at, sequence));
            taken.push(Taken { sequence, attempt });
        }
        taken
    }

    /// When there may be something to take if nothing else happens.
    pub(super) fn wakes_at(&self) -> Option<Instant> {
        let next = |queue: &BTreeSet<(Instant, Sequence)>| queue.first().map(|&(at, _)| at);
        [next(&self.held), next(&self.due)]
            .into_iter()
            .flatten()
            .min()
    }

    /// Keeps a claim for another claim time. Answers whether the event is still this holder's.
    pub(super) fn extend(&mut self, taken: Taken, now: Instant) -> bool {
        if !self.is_last(taken) {
            return false;
        }
        self.forget(taken.sequence);
        let at = later(now, self.subscription.claim);
        self.tried.insert(
            taken.sequence,
            Tried {
                attempt: taken.attempt,
                held: true,
                at,
            },
        );
        self.held.insert((at, taken.sequence));
        true
    }

    /// Hands an event back until `at`, unless somebody else has it by now.
    pub(super) fn postpone(&mut self, taken: Taken, at: Instant) {
        if self.is_last(taken) {
            self.forget(taken.sequence);
            self.restore(taken, at);
            self.changed.notify_waiters();
        }
    }

    /// Settles an event, whoever holds it.
    pub(super) fn settle(&mut self, sequence: Sequence) {
        if self.forget(sequence).is_some() {
            self.changed.notify_waiters();
        }
    }

    /// How many are not settled.
    pub(super) fn backlog(&self) -> usize {
        self.fresh.len() + self.tried.len()
    }

    /// All that are not settled.
    pub(super) fn unsettled(&self) -> impl Iterator<Item = Sequence> {
        self.fresh.iter().chain(self.tried.keys()).copied()
    }

    fn is_last(&self, taken: Taken) -> bool {
        self.tried
            .get(&taken.sequence)
            .is_some_and(|tried| tried.attempt == taken.attempt)
    }

    fn end_claims(&mut self, now: Instant) {
        while let Some(&(at, sequence)) = self.held.first()
            && at <= now
        {
            self.held.pop_first();
            self.due.insert((at, sequence));
            if let Some(tried) = self.tried.get_mut(&sequence) {
                tried.held = false;
            }
        }
    }

    fn forget(&mut self, sequence: Sequence) -> Option<Tried> {
        let tried = self.tried.remove(&sequence)?;
        let queue = if tried.held {
            &mut self.held
        } else {
            &mut self.due
        };
        queue.remove(&(tried.at, sequence));
        Some(tried)
    }
}

/// The moment after a wait. The clock knows no moment that is centuries away, so a longer wait is taken for ten years.
pub(super) fn later(now: Instant, wait: Duration) -> Instant {
    now + wait.min(Duration::from_secs(10 * 365 * 24 * 3_600))
}

#[cfg(test)]
mod tests {
    use super::*;
    use belfry_mesh::name::TriggerName;

    const CLAIM: Duration = Duration::from_secs(30);

    fn place(events: u64) -> (Place, Instant) {
        let trigger = TriggerName::parse("a").unwrap();
        let mut place = Place::new(Subscription {
            trigger,
            signals: Vec::new(),
            claim: CLAIM,
        });
        (1..=events).for_each(|sequence| place.arrive(sequence));
        (place, Instant::now())
    }

    fn taken(sequence: Sequence, attempt: u32) -> Taken {
        Taken { sequence, attempt }
    }

    #[test]
    fn what_is_due_again_goes_before_what_is_new() {
        let (mut place, now) = place(3);
        assert_eq!(place.take(1, now), [taken(1, 1)]);
        place.postpone(taken(1, 1), now + CLAIM / 2);
        assert_eq!(place.take(1, now), [taken(2, 1)]);
        assert_eq!(place.take(9, now + CLAIM / 2), [taken(1, 2), taken(3, 1)]);
    }

    #[test]
    fn what_is_held_is_given_to_nobody_else_until_its_claim_ends() {
        let (mut place, now) = place(3);
        assert_eq!(place.take(2, now), [taken(1, 1), taken(2, 1)]);
        assert_eq!(place.take(9, now), [taken(3, 1)]);
        assert_eq!(place.take(9, now), []);
        assert_eq!(place.wakes_at(), Some(now + CLAIM));
        place.settle(2);
        assert_eq!(place.take(9, now + CLAIM), [taken(1, 2), taken(3, 2)]);
        assert_eq!(place.backlog(), 2);
    }

    #[test]
    fn an_earlier_holder_can_settle_but_neither_hold_nor_hand_back() {
        let (mut place, now) = place(1);
        let first = place.take(1, now)[0];
        let later = now + CLAIM;
        let second = place.take(1, later)[0];
        assert!(!place.extend(first, later));
        place.postpone(first, later);
        assert_eq!(
            place.take(1, later),
            [],
            "the second holder lost its claim to the first"
        );
        assert!(place.extend(second, later + CLAIM / 2));
        assert_eq!(place.take(1, later + CLAIM), []);
        place.settle(first.sequence);
        assert!(!place.extend(second, later));
        assert_eq!((place.backlog(), place.wakes_at()), (0, None));
    }

    #[test]
    fn an_ended_claim_is_taken_up_again_by_its_holder_if_nobody_else_has() {
        let (mut place, now) = place(2);
        let first = place.take(1, now)[0];
        let later = now + CLAIM * 2;
        place.end_claims(later);
        assert!(place.extend(first, later));
        assert_eq!(place.take(9, later), [taken(2, 1)]);
    }
}
