//! Events that operators bring about: runs and replays.

use super::{Control, Error};
use crate::event::{Event, EventId, Proven};
use crate::name::TriggerName;
use crate::package::Kind;
use crate::port::log::{Receipt, Sequence, Stored};
use crate::trace::TraceParent;
use bytes::Bytes;

impl Control {
    /// Runs a trigger once for a body that the operator gives.
    ///
    /// # Errors
    /// [`Error::NotInstalled`], or if the event cannot be stored.
    pub async fn run(
        &self,
        name: &TriggerName,
        id: EventId,
        data: Bytes,
        trace: TraceParent,
    ) -> Result<EventId, Error> {
        self.takes_events(name).await?;
        let event = Proven::run(name, id, data, self.clock.now(), trace);
        self.events.publish(&event).await?;
        Ok(event.event().id.clone())
    }

    /// Replays a stored event to a trigger; `after` is the sequence of the event's latest known outcome. A dead letter that it
    /// comes from is discarded once the replay is stored.
    ///
    /// # Errors
    /// [`Error::NotInstalled`], or if the event cannot be stored.
    pub async fn replay(
        &self,
        stored: &Stored<Event>,
        name: &TriggerName,
        after: Sequence,
        dead_letter: Option<Sequence>,
    ) -> Result<(EventId, Receipt), Error> {
        self.takes_events(name).await?;
        let event = Proven::replay(stored, name, after, self.clock.now());
        let receipt = self.events.publish(&event).await?;
        if let Some(sequence) = dead_letter {
            self.outcomes.discard(sequence).await?;
        }
        Ok((event.event().id.clone(), receipt))
    }

    async fn takes_events(&self, name: &TriggerName) -> Result<(), Error> {
        let (trigger, _) = self.installed(name).await?;
        match trigger.kind() {
            Kind::Trigger => Ok(()),
            Kind::Mcp => Err(Error::Unfit(format!(
                "`{name}` is an mcp, which takes no events"
            ))),
        }
    }
}
