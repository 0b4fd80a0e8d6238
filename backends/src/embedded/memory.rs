//! What one process needs not write down, because nobody else could read it: who holds which delivery, and a copy of the state.
//! The writer changes it after each commit, so that nothing is seen before it is stored.

use super::mirror::Mirror;
use super::pattern;
use super::place::{Place, Taken};
use belfry_mesh::event::Address;
use belfry_mesh::name::TriggerName;
use belfry_mesh::port::log::{Sequence, Subscription};
use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;
use tokio::time::Instant;

/// The number of a subscription, never used twice.
pub(super) type PlaceId = i64;

/// What is in memory.
pub(super) struct Memory {
    places: Mutex<Places>,
    pub(super) mirror: Mirror,
    /// The last sequence of the event log.
    pub(super) events: watch::Sender<Sequence>,
    /// The last sequence of the outcomes.
    pub(super) outcomes: watch::Sender<Sequence>,
    /// The last sequence of the dead letters.
    pub(super) dead_letters: watch::Sender<Sequence>,
}

/// The triggers' places in the event log.
#[derive(Default)]
pub(super) struct Places {
    by_id: HashMap<PlaceId, Place>,
    by_trigger: HashMap<TriggerName, PlaceId>,
    /// Deliveries of places that are no more, still to be settled.
    pub(super) orphans: VecDeque<(PlaceId, Sequence)>,
}

impl Memory {
    pub(super) fn new(places: Places, mirror: Mirror, heads: [Sequence; 3]) -> Self {
        let [events, outcomes, dead_letters] = heads.map(|head| watch::channel(head).0);
        Self {
            places: Mutex::new(places),
            mirror,
            events,
            outcomes,
            dead_letters,
        }
    }

    /// The places, for a moment. Nothing panics while it holds them, so a poisoned lock is as good as any.
    pub(super) fn places(&self) -> MutexGuard<'_, Places> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Places {
    /// Makes a place, or changes its terms.
    pub(super) fn subscribe(&mut self, id: PlaceId, subscription: Subscription) {
        match self.by_id.get_mut(&id) {
            Some(place) => {
                place.subscription = subscription;
                place.changed.notify_waiters();
            }
            None => {
                self.by_trigger.insert(subscription.trigger.clone(), id);
                self.by_id.insert(id, Place::new(subscription));
            }
        }
    }

    /// Forgets a place; what it had left to do becomes orphaned.
    pub(super) fn unsubscribe(&mut self, id: PlaceId) {
        if let Some(place) = self.by_id.remove(&id) {
            self.by_trigger.remove(&place.subscription.trigger);
            self.orphans
                .extend(place.unsettled().map(|sequence| (id, sequence)));
            place.changed.notify_waiters();
        }
    }

    /// Who receives what has this address.
    pub(super) fn receivers(&self, address: &Address) -> Vec<PlaceId> {
        match address {
            Address::Trigger(name) | Address::Tick(name) => {
                self.by_trigger.get(name).copied().into_iter().collect()
            }
            Address::Signal(kind) => {
                let wants = |place: &Place| {
                    place
                        .subscription
                        .signals
                        .iter()
                        .any(|p| pattern::matches(p, kind))
                };
                self.by_id
                    .iter()
                    .filter(|(_, place)| wants(place))
                    .map(|(&id, _)| id)
                    .collect()
            }
        }
    }

    /// A new event for a place.
    pub(super) fn arrive(&mut self, id: PlaceId, sequence: Sequence) {
        match self.by_id.get_mut(&id) {
            Some(place) => place.arrive(sequence),
            None => self.orphans.push_back((id, sequence)),
        }
    }

    /// A delivery that an earlier life of the storage left behind, with the attempts that were made.
    pub(super) fn restore(&mut self, id: PlaceId, sequence: Sequence, attempt: u32, due: Instant) {
        match self.by_id.get_mut(&id) {
            Some(place) if attempt == 0 => place.arrive(sequence),
            Some(place) => place.restore(Taken { sequence, attempt }, due),
            None => self.orphans.push_back((id, sequence)),
        }
    }

    pub(super) fn find(&self, trigger: &TriggerName) -> Option<(PlaceId, &Place)> {
        let id = *self.by_trigger.get(trigger)?;
        self.by_id.get(&id).map(|place| (id, place))
    }

    pub(super) fn get(&mut self, id: PlaceId) -> Option<&mut Place> {
        self.by_id.get_mut(&id)
    }
}
