//! Events, dead letters and packages as the API shows them.

use super::shape;
use belfry_mesh::outcome::{self, Outcome};
use belfry_mesh::port::log::Sequence;
use belfry_mesh::port::packages::Listed;
use belfry_mesh::{EventId, TriggerName};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// What became of an event so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum EventStatus {
    /// It is stored, and no attempt has ended yet.
    Waiting,
    /// The target runs.
    Triggered,
    /// The trigger's filter or conditions did not want it.
    Ignored,
    /// An attempt failed, and another will be made.
    Retrying,
    /// Its attempts are spent.
    Dead,
}

/// What is known of an event without its body.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(crate) struct Event {
    /// Its id, the same for each repetition of one delivery.
    #[schema(value_type = String)]
    pub(crate) id: EventId,
    /// Where it stands in the event log; `null` if only its dead letter is left.
    pub(crate) sequence: Option<Sequence>,
    /// The trigger that it is addressed to; `null` for a signal, which is addressed to nobody.
    #[schema(value_type = Option<String>)]
    pub(crate) trigger: Option<TriggerName>,
    /// What became of it so far: its latest outcome's status, or `waiting`.
    pub(crate) status: EventStatus,
    /// How many attempts have ended.
    pub(crate) attempts: u32,
    /// The CloudEvents `type`.
    #[serde(rename = "type")]
    pub(crate) event_type: String,
    /// The CloudEvents `source`.
    pub(crate) source: String,
    /// The CloudEvents `subject`.
    pub(crate) subject: Option<String>,
    /// When it was received, or the nominal instant of a tick.
    pub(crate) time: Timestamp,
    /// The provider's own name for the delivery.
    pub(crate) delivery_id: Option<String>,
    /// The media type of its body.
    pub(crate) content_type: Option<String>,
    /// The length of its body in bytes.
    pub(crate) size: u64,
    /// For a replay, the event that it repeats.
    #[schema(value_type = Option<String>)]
    pub(crate) replay_of: Option<EventId>,
    /// The trace that leads from the request to the run (W3C trace context), in hex.
    pub(crate) trace_id: Option<String>,
    /// Its latest outcome.
    #[schema(value_type = Option<shape::Outcome>)]
    pub(crate) outcome: Option<Outcome>,
}

/// A page of events, newest first.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(crate) struct EventPage {
    /// The events.
    pub(crate) events: Vec<Event>,
    /// What to pass as `cursor` for the next page; `null` on the last one.
    pub(crate) next: Option<String>,
}

/// An event with its body, its outcomes and its replays.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EventDetail {
    #[serde(flatten)]
    pub(crate) event: Event,
    /// Whether the log still holds its headers and its body.
    pub(crate) kept: bool,
    /// The provider's headers that sign or identify the delivery, by lower-case name.
    pub(crate) headers: BTreeMap<String, String>,
    #[serde(flatten)]
    #[schema(inline)]
    pub(crate) body: Body,
    /// What became of each attempt, oldest first.
    #[schema(value_type = Vec<shape::Outcome>)]
    pub(crate) outcomes: Vec<Outcome>,
    /// Its replays, newest first.
    pub(crate) replays: Vec<Event>,
    /// Whether a dead letter of it is kept.
    pub(crate) dead_letter: bool,
}

/// The body of an event. At most one of the two is there, and none once the log has dropped it.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(crate) struct Body {
    /// The body, if it is JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<serde_json::Value>)]
    pub(crate) data: Option<Box<RawValue>>,
    /// The body in base64, if it is not JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) data_base64: Option<String>,
}

/// An event whose attempts are spent.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(crate) struct DeadLetter {
    /// Where it stands in the log of dead letters.
    pub(crate) sequence: Sequence,
    /// The event.
    #[schema(value_type = String)]
    pub(crate) event_id: EventId,
    /// The trigger that gave it up.
    #[schema(value_type = String)]
    pub(crate) trigger: TriggerName,
    /// The CloudEvents `type`.
    #[serde(rename = "type")]
    pub(crate) event_type: String,
    /// When the event was received, or the nominal instant of a tick.
    pub(crate) time: Timestamp,
    /// When it became a dead letter.
    pub(crate) stored_at: Timestamp,
    /// The provider's own name for the delivery.
    pub(crate) delivery_id: Option<String>,
    /// The length of its body in bytes.
    pub(crate) size: u64,
    /// For a replay, the event that it repeats.
    #[schema(value_type = Option<String>)]
    pub(crate) replay_of: Option<EventId>,
    /// Its last outcome.
    #[schema(value_type = shape::Outcome)]
    pub(crate) outcome: Outcome,
}

/// A page of dead letters, newest first.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(crate) struct DeadLetterPage {
    /// The dead letters.
    pub(crate) dead_letters: Vec<DeadLetter>,
    /// How many there are in all, of the trigger if one was asked for.
    pub(crate) count: u64,
    /// What to pass as `cursor` for the next page; `null` on the last one.
    pub(crate) next: Option<String>,
}

/// What can be installed.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Catalogue {
    /// The packages of the registries that answer.
    #[schema(value_type = Vec<shape::Package>)]
    pub(crate) packages: Vec<Listed>,
}

impl Event {
    /// What is known of an event that is stored.
    pub(crate) fn stored(event: belfry_mesh::Event, sequence: Sequence) -> Self {
        Self {
            id: event.id,
            sequence: Some(sequence),
            trigger: event.address.trigger().cloned(),
            status: EventStatus::Waiting,
            attempts: 0,
            event_type: event.event_type,
            source: event.source,
            subject: event.subject,
            time: event.time,
            delivery_id: event.delivery_id,
            content_type: event.content_type,
            size: event.data.len() as u64,
            replay_of: event.replay_of,
            trace_id: event.trace.map(|trace| trace.trace_id()),
            outcome: None,
        }
    }

    /// What is known of an event of which only the dead letter is left.
    pub(crate) fn buried(letter: belfry_mesh::DeadLetter) -> Self {
        Self {
            sequence: None,
            status: EventStatus::Dead,
            attempts: letter.outcome.attempt,
            outcome: Some(letter.outcome),
            ..Self::stored(letter.event, 0)
        }
    }
}

impl EventStatus {
    /// All of them.
    pub(crate) const ALL: [Self; 5] = [
        Self::Waiting,
        Self::Triggered,
        Self::Ignored,
        Self::Retrying,
        Self::Dead,
    ];

    /// The word for it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Triggered => outcome::Status::Triggered.as_str(),
            Self::Ignored => outcome::Status::Ignored.as_str(),
            Self::Retrying => outcome::Status::Retrying.as_str(),
            Self::Dead => outcome::Status::Dead.as_str(),
        }
    }

    /// What the word means.
    pub(crate) fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == word)
    }
}
