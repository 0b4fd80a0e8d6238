//! The ports that a gateway is given and never uses.

use super::{OUT_OF_SCOPE, World};
use async_trait::async_trait;
use belfry_mesh::outcome::{DeadLetter, Outcome};
use belfry_mesh::port::Error;
use belfry_mesh::port::lease::{Held, Leases};
use belfry_mesh::port::log::{Entries, OutcomeLog, Range, Sequence};
use std::time::Duration;

#[async_trait]
impl OutcomeLog for World {
    async fn record(&self, _: &Outcome) -> Result<Sequence, Error> {
        unreachable!("{OUT_OF_SCOPE}")
    }

    async fn bury(&self, _: &DeadLetter) -> Result<Sequence, Error> {
        unreachable!("{OUT_OF_SCOPE}")
    }

    async fn outcomes(&self, _: Range) -> Result<Entries<Outcome>, Error> {
        unreachable!("{OUT_OF_SCOPE}")
    }

    async fn dead_letters(&self, _: Range) -> Result<Entries<DeadLetter>, Error> {
        unreachable!("{OUT_OF_SCOPE}")
    }

    async fn discard(&self, _: Sequence) -> Result<bool, Error> {
        unreachable!("{OUT_OF_SCOPE}")
    }
}

#[async_trait]
impl Leases for World {
    async fn acquire(&self, _: &str, _: &str, _: Duration) -> Result<Option<Held>, Error> {
        unreachable!("{OUT_OF_SCOPE}")
    }
}
