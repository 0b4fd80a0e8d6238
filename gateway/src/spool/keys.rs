//! Which events wait, by their ids.

use belfry_mesh::EventId;
use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// 128 bits that stand for an id. The hash is keyed anew in each process, so nobody can prepare two ids of one key; that two of
/// the millions that a spool can hold share one by chance is as good as impossible.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Key(u128);

/// The keys of what waits: about 32 bytes of memory an event.
#[derive(Default)]
pub(super) struct Keys {
    halves: [RandomState; 2],
    known: Mutex<HashSet<Key>>,
}

impl Keys {
    /// The key of an id.
    pub(super) fn of(&self, id: &EventId) -> Key {
        let [high, low] = &self.halves;
        let (high, low) = (high.hash_one(id), low.hash_one(id));
        Key(u128::from(high) << 64 | u128::from(low))
    }

    pub(super) fn contains(&self, key: Key) -> bool {
        self.known().contains(&key)
    }

    pub(super) fn add(&self, keys: impl IntoIterator<Item = Key>) {
        self.known().extend(keys);
    }

    pub(super) fn remove(&self, key: Key) {
        self.known().remove(&key);
    }

    /// Forgets all of them, and gives their memory back.
    pub(super) fn clear(&self) {
        *self.known() = HashSet::new();
    }

    fn known(&self) -> MutexGuard<'_, HashSet<Key>> {
        // Each of these operations leaves the set whole, whatever panicked.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
