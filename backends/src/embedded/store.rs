//! What all ports on one file share.

use super::memory::Memory;
use super::reader::Readers;
use super::writer::Writer;
use crate::config::Retention;
use belfry_mesh::port::Error;
use belfry_mesh::port::clock::Clock;
use jiff::Timestamp;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// The storage, as the ports see it.
pub(super) struct Store {
    /// What it is called in errors.
    pub(super) name: Arc<str>,
    pub(super) retention: Retention,
    pub(super) writer: Writer,
    pub(super) readers: Arc<Readers>,
    pub(super) memory: Arc<Memory>,
    pub(super) clock: Arc<dyn Clock>,
    /// Ends everything that waits.
    pub(super) closed: CancellationToken,
}

impl Store {
    /// What a caller is told when it is closed.
    pub(super) fn closed_error(&self) -> Error {
        super::fault::closed(&self.name)
    }
}

/// The time of a stored number of microseconds since 1970.
pub(super) fn time(microseconds: i64) -> Timestamp {
    Timestamp::from_microsecond(microseconds).unwrap_or(if microseconds < 0 {
        Timestamp::MIN
    } else {
        Timestamp::MAX
    })
}
