//! An event log that has dropped what it held, as one does with age.

use async_trait::async_trait;
use belfry_mesh::TriggerName;
use belfry_mesh::event::{Event, Proven};
use belfry_mesh::port::Error;
use belfry_mesh::port::log::{
    Consumer, Entries, EventLog, Range, Receipt, Sequence, Stored, Subscription,
};
use std::sync::Arc;

/// A log whose entries can be read when they come, and not any more later.
pub(crate) struct Forgetful(pub(crate) Arc<dyn EventLog>);

#[async_trait]
impl EventLog for Forgetful {
    async fn publish(&self, event: &Proven) -> Result<Receipt, Error> {
        self.0.publish(event).await
    }

    async fn subscribe(&self, subscription: &Subscription) -> Result<(), Error> {
        self.0.subscribe(subscription).await
    }

    async fn unsubscribe(&self, trigger: &TriggerName) -> Result<(), Error> {
        self.0.unsubscribe(trigger).await
    }

    async fn consumer(&self, trigger: &TriggerName) -> Result<Box<dyn Consumer>, Error> {
        self.0.consumer(trigger).await
    }

    async fn backlog(&self, trigger: &TriggerName) -> Result<u64, Error> {
        self.0.backlog(trigger).await
    }

    async fn read(&self, range: Range) -> Result<Entries<Event>, Error> {
        self.0.read(range).await
    }

    async fn get(&self, _: Sequence) -> Result<Option<Stored<Event>>, Error> {
        Ok(None)
    }

    async fn ping(&self) -> Result<(), Error> {
        self.0.ping().await
    }
}
