//! How much memory the bodies take that have not come to their end.

use crate::answer::Refused;
use bytes::Bytes;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// What a body that has begun to arrive counts for at least, in bytes: it keeps the buffer that its first bytes came in.
const LEAST: usize = 16 << 10;

/// Up to how many bytes a body is small. Webhooks mostly are.
pub(super) const SMALL: usize = 64 << 10;

/// How much memory bodies may take together. Large ones share half of it, so that those who send them slowly, or send many, leave
/// room for the small ones.
#[derive(Debug)]
pub(crate) struct Budget {
    total: usize,
    spent: AtomicUsize,
}

/// What one body takes of the budget, given back when it is dropped.
#[derive(Debug)]
pub(super) struct Held {
    budget: Arc<Budget>,
    /// What it has.
    bytes: usize,
    /// What it counts for.
    counted: usize,
}

/// A body and what it holds.
struct Kept {
    body: Bytes,
    _held: Held,
}

impl Budget {
    pub(crate) fn new(total: usize) -> Arc<Self> {
        Arc::new(Self {
            total,
            spent: AtomicUsize::new(0),
        })
    }

    /// How many bytes are spent.
    #[cfg(test)]
    pub(crate) fn spent(&self) -> usize {
        self.spent.load(Relaxed)
    }

    fn spend(&self, bytes: usize, bound: usize) -> Result<(), Refused> {
        let fits = |spent: usize| spent.checked_add(bytes).filter(|&sum| sum <= bound);
        match self.spent.fetch_update(Relaxed, Relaxed, fits) {
            Ok(_) => Ok(()),
            Err(_) => Err(Refused::Busy),
        }
    }
}

impl Held {
    pub(super) fn none(budget: &Arc<Budget>) -> Self {
        Self {
            budget: budget.clone(),
            bytes: 0,
            counted: 0,
        }
    }

    /// Takes so much more.
    ///
    /// # Errors
    /// [`Refused::Busy`] if there is not so much left.
    pub(super) fn grow(&mut self, by: usize) -> Result<(), Refused> {
        let bytes = self.bytes + by;
        let count = bytes.max(LEAST);
        if count > self.counted {
            let total = self.budget.total;
            let bound = if count > SMALL { total / 2 } else { total };
            self.budget.spend(count - self.counted, bound)?;
            self.counted = count;
        }
        self.bytes = bytes;
        Ok(())
    }

    /// Gives back all that it has.
    pub(super) fn release(&mut self) {
        self.budget.spent.fetch_sub(self.counted, Relaxed);
        (self.bytes, self.counted) = (0, 0);
    }

    /// All that it has, as another's.
    pub(super) fn take(&mut self) -> Self {
        let none = Self::none(&self.budget);
        std::mem::replace(self, none)
    }

    /// The body, which holds this for as long as there is a copy of it.
    pub(super) fn keep_with(self, body: Bytes) -> Bytes {
        Bytes::from_owner(Kept { body, _held: self })
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.release();
    }
}

impl AsRef<[u8]> for Kept {
    fn as_ref(&self) -> &[u8] {
        &self.body
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_bodies_leave_half_of_it_to_the_small_ones() {
        let budget = Budget::new(1 << 20);
        let mut large = Held::none(&budget);
        large.grow(500 << 10).unwrap();
        assert!(Held::none(&budget).grow(SMALL + 1).is_err());
        let mut small: Vec<Held> = Vec::new();
        for _ in 0..8 {
            let mut one = Held::none(&budget);
            one.grow(SMALL).unwrap();
            assert!(one.grow(1).is_err(), "it became large");
            small.push(one);
        }
        assert!(Held::none(&budget).grow(SMALL).is_err());
        assert_eq!(budget.spent(), (500 << 10) + 8 * SMALL);
        drop((large, small));
        assert_eq!(budget.spent(), 0);
    }

    #[test]
    fn a_byte_counts_for_the_buffer_that_it_came_in() {
        let budget = Budget::new(40 << 10);
        let mut one = Held::none(&budget);
        one.grow(1).unwrap();
        one.grow(1).unwrap();
        assert_eq!(budget.spent(), LEAST);
        one.release();
        assert_eq!(budget.spent(), 0);
    }

    #[test]
    fn a_body_is_counted_until_its_last_copy_is_gone() {
        let budget = Budget::new(1 << 20);
        let mut held = Held::none(&budget);
        held.grow(100 << 10).unwrap();
        let body = held.take().keep_with(Bytes::from(vec![7; 100 << 10]));
        drop(held);
        let copy = body.slice(5..10);
        drop(body);
        assert_eq!((budget.spent(), copy.as_ref()), (100 << 10, &[7; 5][..]));
        drop(copy);
        assert_eq!(budget.spent(), 0);
    }
}
