//! What became of one attempt.

use crate::event::{Event, EventId};
use crate::name::{NodeName, TriggerName};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What became of one attempt to run a trigger for an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// The event.
    pub event_id: EventId,
    /// The trigger that it was for.
    pub trigger: TriggerName,
    /// Which attempt it was, from 1.
    pub attempt: u32,
    /// What became of it.
    pub status: Status,
    /// Why it was ignored, retried or given up, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The HTTP status that the trigger container answered with; none if it did not answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http_status: Option<u16>,
    /// The orchestrator's name for the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub execution_id: Option<String>,
    /// How long the trigger took to answer, in milliseconds.
    pub latency_ms: u64,
    /// When the attempt ended.
    pub at: Timestamp,
    /// When the next attempt is due, for one that is tried again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_at: Option<Timestamp>,
    /// Who made the attempt.
    pub by: Holder,
}

/// What became of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// The target runs.
    Triggered,
    /// The trigger's filter or conditions did not want the event.
    Ignored,
    /// The attempt failed and another will be made.
    Retrying,
    /// The attempt failed and no other will be made: the event is a dead letter.
    Dead,
}

impl Status {
    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Triggered => "triggered",
            Self::Ignored => "ignored",
            Self::Retrying => "retrying",
            Self::Dead => "dead",
        }
    }
}

/// Who held the slot that made an attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// The node.
    pub node: NodeName,
    /// Which replica of the trigger.
    pub slot: u32,
    /// The fencing token of the lease under which the slot was held: of two holders, the larger is the later.
    pub token: u64,
    /// The trigger's revision that ran.
    pub revision: u64,
}

/// An event whose attempts are spent, kept with its last outcome until it is replayed or discarded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// The event as it was stored.
    pub event: Event,
    /// Its last outcome.
    pub outcome: Outcome,
}
