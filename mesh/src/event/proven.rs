//! Proof of origin: the only way onto the bus.

use super::{Address, AnswerTo, Event, EventId};
use crate::name::TriggerName;
use crate::port::log::Stored;
use crate::signature::Verified;
use crate::trace::TraceParent;
use bytes::Bytes;
use jiff::Timestamp;

/// How an event proved where it comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// A delivery whose signature was verified over the very bytes that are published.
    Verified,
    /// A run that an operator asked for through an authenticated door.
    Operator,
    /// A repetition of an event that the log already holds.
    Replay,
}

/// An event with a proof of its origin. There is no way to make one from bytes that nobody vouched for: the constructors take
/// the proof itself, or what this role itself wrote down of one ([`Proven::from_record`]).
#[derive(Debug, Clone)]
pub struct Proven {
    event: Event,
    origin: Origin,
}

impl Proven {
    /// The event of a verified delivery to a trigger. Its id follows from the trigger and the delivery id; a delivery without
    /// one gets `fresh`, since identical bodies may be different events.
    #[must_use]
    pub fn delivery(
        trigger: &TriggerName,
        verified: Verified,
        received: Timestamp,
        trace: TraceParent,
        fresh: impl FnOnce() -> EventId,
    ) -> Self {
        let parts = verified.into_parts();
        let id = parts
            .delivery_id
            .as_deref()
            .map_or_else(fresh, |id| EventId::of_delivery(trigger, id));
        let event = Event {
            id,
            source: format!("/hooks/{trigger}"),
            event_type: parts.event_type,
            subject: None,
            time: received,
            content_type: parts.content_type,
            data: parts.body,
            address: Address::Trigger(trigger.clone()),
            delivery_id: parts.delivery_id,
            replay_of: None,
            answer_to: None,
            headers: parts.headers,
            trace: Some(trace),
        };
        Self {
            event,
            origin: Origin::Verified,
        }
    }

    /// The event of a run that an operator asked for: `data` is the JSON that the trigger receives as its body.
    #[must_use]
    pub fn run(
        trigger: &TriggerName,
        id: EventId,
        data: Bytes,
        asked: Timestamp,
        trace: TraceParent,
    ) -> Self {
        let event = Event {
            id,
            source: format!("/triggers/{trigger}/run"),
            event_type: "belfry.run".into(),
            subject: None,
            time: asked,
            content_type: Some("application/json".into()),
            data,
            address: Address::Trigger(trigger.clone()),
            delivery_id: None,
            replay_of: None,
            answer_to: None,
            headers: Vec::new(),
            trace: Some(trace),
        };
        Self {
            event,
            origin: Origin::Operator,
        }
    }

    /// A replay of a stored event, addressed to `trigger`. `after` is the sequence of the latest outcome that the operator saw
    /// (0 for none); see [`EventId::of_replay`]. Replaying a replay repeats the first event. Nobody waits for it.
    #[must_use]
    pub fn replay(
        stored: &Stored<Event>,
        trigger: &TriggerName,
        after: u64,
        asked: Timestamp,
    ) -> Self {
        let root = stored.value.replay_of.as_ref().unwrap_or(&stored.value.id);
        let event = Event {
            id: EventId::of_replay(&stored.value.id, after),
            replay_of: Some(root.clone()),
            answer_to: None,
            address: Address::Trigger(trigger.clone()),
            time: asked,
            ..stored.value.clone()
        };
        Self {
            event,
            origin: Origin::Replay,
        }
    }

    /// The same, with its sender waiting there for what becomes of it.
    #[must_use]
    pub fn answered_to(mut self, address: AnswerTo) -> Self {
        self.event.answer_to = Some(address);
        self
    }

    /// The event of a record, as it was proven before it was written down.
    pub(super) fn recorded(event: Event, origin: Origin) -> Self {
        Self { event, origin }
    }

    /// The event.
    #[must_use]
    pub fn event(&self) -> &Event {
        &self.event
    }

    /// How it proved its origin.
    #[must_use]
    pub fn origin(&self) -> Origin {
        self.origin
    }
}
