//! Secrets that are good until a set time.

use jiff::Timestamp;

/// Something that may come to an end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Termed<T> {
    pub(super) value: T,
    pub(super) until: Option<Timestamp>,
}

impl<T> Termed<T> {
    /// Something that does not end.
    pub(super) fn forever(value: T) -> Self {
        Self { value, until: None }
    }

    /// Whether it has not come to its end yet.
    pub(super) fn is_active(&self, now: Timestamp) -> bool {
        self.until.is_none_or(|until| now < until)
    }

    pub(super) fn try_map<U, E>(
        &self,
        map: impl FnOnce(&T) -> Result<U, E>,
    ) -> Result<Termed<U>, E> {
        Ok(Termed {
            value: map(&self.value)?,
            until: self.until,
        })
    }
}

/// The end of the last of them, if each has one.
pub(super) fn end<T>(all: &[Termed<T>]) -> Option<Timestamp> {
    let ends: Option<Vec<Timestamp>> = all.iter().map(|termed| termed.until).collect();
    ends?.into_iter().max()
}
