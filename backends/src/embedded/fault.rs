//! Why work is not done, and what its caller is told.

use belfry_mesh::port::Error;
use rusqlite::ErrorCode;

/// Why a piece of work was not done.
#[derive(Debug)]
pub(super) enum Fault {
    /// It was refused before it wrote anything; its neighbours in the transaction go on.
    Refused(Error),
    /// The storage failed: the whole transaction is rolled back.
    Failed(rusqlite::Error),
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        Self::Failed(error)
    }
}

/// Whether it has to do with the disk and not with what was asked, so that everything else fails like it.
pub(super) fn is_of_the_disk(error: &rusqlite::Error) -> bool {
    use ErrorCode::{
        CannotOpen, DatabaseBusy, DatabaseCorrupt, DiskFull, OutOfMemory, ReadOnly, SystemIoFailure,
    };
    let of_the_disk = |code| {
        matches!(
            code,
            CannotOpen
                | DatabaseBusy
                | DatabaseCorrupt
                | DiskFull
                | OutOfMemory
                | ReadOnly
                | SystemIoFailure
        )
    };
    error.sqlite_error_code().is_some_and(of_the_disk)
}

/// What a caller is told of an error of the storage called `name`.
pub(super) fn failure(name: &str, error: &rusqlite::Error) -> Error {
    let (what, why) = (name.to_owned(), error.to_string());
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => Error::Unavailable {
            what,
            why: "no space is left on its disk; make some, and it goes on by itself".into(),
        },
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Error::Corrupt { what, why },
        Some(code) if is_of_the_disk(error) || code == ErrorCode::DatabaseLocked => {
            Error::Unavailable { what, why }
        }
        _ => Error::Refused { what, why },
    }
}

/// What a caller is told when there is no storage any more.
pub(super) fn closed(name: &str) -> Error {
    Error::Unavailable {
        what: name.to_owned(),
        why: "it was closed".into(),
    }
}
