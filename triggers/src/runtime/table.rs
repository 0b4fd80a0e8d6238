//! The instances of the in-process runtime, under their secrets.

use crate::program::Program;
use belfry_mesh::placement::Slot;
use rand::Rng;
use std::borrow::Borrow;
use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// For how many removed instances it is remembered that they were there.
const REMEMBERED: usize = 1_024;

/// An instance.
pub(super) struct Cell {
    pub(super) id: String,
    pub(super) container_name: String,
    pub(super) slot: Slot,
    pub(super) revision: u64,
    pub(super) secret: Secret,
    pub(super) program: Program,
    /// Its calls in flight; closed once it takes no more.
    pub(super) calls: TaskTracker,
    /// Cancelled when its calls in flight are to be dropped, and when it is gone.
    pub(super) dropped: CancellationToken,
}

/// The part of an instance's path that nobody can guess: 128 random bits in lower-case hex.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Secret(String);

/// What a path leads to.
pub(super) enum Found {
    /// An instance that takes events.
    Open(Arc<Cell>),
    /// One that takes no more. To a straggler that is not the same as a wrong path: its event has to be brought again, not given
    /// up.
    Closed,
    /// Nothing.
    Nothing,
}

#[derive(Default)]
pub(super) struct Table(RwLock<Cells>);

#[derive(Default)]
struct Cells {
    open: HashMap<Secret, Arc<Cell>>,
    removed: VecDeque<(Secret, Slot)>,
}

impl Secret {
    pub(super) fn random(rng: &mut impl Rng) -> Self {
        Self(format!("{:016x}{:016x}", rng.next_u64(), rng.next_u64()))
    }
}

impl Table {
    /// The instance at this secret, if it is this slot's.
    pub(super) fn find(&self, secret: &str, slot: &str) -> Found {
        let Some(slot) = Slot::parse(slot) else {
            return Found::Nothing;
        };
        let cells = self.read();
        match cells.open.get(secret) {
            Some(cell) if cell.slot != slot => Found::Nothing,
            Some(cell) if cell.calls.is_closed() => Found::Closed,
            Some(cell) => Found::Open(cell.clone()),
            None if cells
                .removed
                .iter()
                .any(|removed| removed.0.0 == secret && removed.1 == slot) =>
            {
                Found::Closed
            }
            None => Found::Nothing,
        }
    }

    pub(super) fn by_id(&self, id: &str) -> Option<Arc<Cell>> {
        self.read().by_id(id)
    }

    /// All instances, by slot and revision.
    pub(super) fn all(&self) -> Vec<Arc<Cell>> {
        let mut cells: Vec<_> = self.read().open.values().cloned().collect();
        cells.sort_by(|a, b| (&a.slot, a.revision).cmp(&(&b.slot, b.revision)));
        cells
    }

    /// Takes an instance in, unless one of its id is there: then that one is returned.
    pub(super) fn insert(&self, cell: Cell) -> Arc<Cell> {
        let mut cells = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(present) = cells.by_id(&cell.id) {
            return present;
        }
        let cell = Arc::new(cell);
        cells.open.insert(cell.secret.clone(), cell.clone());
        cell
    }

    pub(super) fn remove(&self, cell: &Cell) {
        let mut cells = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if cells.open.remove(&cell.secret).is_none() {
            return;
        }
        if cells.removed.len() == REMEMBERED {
            cells.removed.pop_front();
        }
        cells
            .removed
            .push_back((cell.secret.clone(), cell.slot.clone()));
    }

    fn read(&self) -> RwLockReadGuard<'_, Cells> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Cells {
    fn by_id(&self, id: &str) -> Option<Arc<Cell>> {
        self.open.values().find(|cell| cell.id == id).cloned()
    }
}

impl Borrow<str> for Secret {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
