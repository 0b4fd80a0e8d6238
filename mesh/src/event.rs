//! Events: CloudEvents 1.0, and the proof of origin without which none is published.

mod answer;
mod binding;
mod body;
mod id;
mod proven;
mod record;

pub use answer::{AnswerTo, Ending};
pub use binding::{Attribute, Malformed};
pub use body::NotJson;
pub use id::{Error as IdError, EventId};
pub use proven::{Origin, Proven};
pub use record::Malformed as MalformedRecord;

use crate::name::TriggerName;
use crate::trace::TraceParent;
use bytes::Bytes;
use jiff::Timestamp;
use std::fmt;

/// One happening. Its attributes are those of CloudEvents 1.0
/// (<https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md>); the rest are extensions that travel beside them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Stable for the same delivery, so it doubles as the idempotency key all the way to the target.
    pub id: EventId,
    /// Where the event arose, a URI reference such as `/hooks/github-pr`.
    pub source: String,
    /// The CloudEvents `type`, such as `com.github.pull_request.opened`.
    pub event_type: String,
    /// The CloudEvents `subject`: what within the source it is about.
    pub subject: Option<String>,
    /// When Belfry received it, or the nominal instant of a tick.
    pub time: Timestamp,
    /// The media type of `data`, as the provider named it.
    pub content_type: Option<String>,
    /// The body, byte for byte as received.
    pub data: Bytes,
    /// To whom it is addressed.
    pub address: Address,
    /// The provider's own name for the delivery.
    pub delivery_id: Option<String>,
    /// For a replay, the event that it repeats.
    pub replay_of: Option<EventId>,
    /// Where its sender waits for what becomes of it, if it does. No business of the trigger's.
    pub answer_to: Option<AnswerTo>,
    /// The provider's headers that sign or identify the delivery, lower-case names, so that a container can verify again.
    pub headers: Vec<(String, String)>,
    /// The trace that leads from the request to the run.
    pub trace: Option<TraceParent>,
}

/// To whom an event is addressed. It is the event's subject on the bus.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Address {
    /// One trigger: what its webhook received, or what an operator sent it.
    Trigger(TriggerName),
    /// One trigger: a tick of its clock.
    Tick(TriggerName),
    /// Nobody: any trigger whose pattern matches the type receives it. The text is the signal's type, such as
    /// `workflow.completed`.
    Signal(String),
}

impl Address {
    /// The subject on the bus: `belfry.event.{trigger}`, `belfry.tick.{trigger}`, `belfry.signal.{type…}`.
    #[must_use]
    pub fn subject(&self) -> String {
        self.to_string()
    }

    /// The address that a subject names.
    #[must_use]
    pub fn parse(subject: &str) -> Option<Self> {
        let (kind, rest) = subject.strip_prefix("belfry.")?.split_once('.')?;
        match kind {
            "event" => TriggerName::parse(rest).ok().map(Self::Trigger),
            "tick" => TriggerName::parse(rest).ok().map(Self::Tick),
            "signal" if !rest.is_empty() => Some(Self::Signal(rest.to_owned())),
            _ => None,
        }
    }

    /// The trigger that is addressed, if it is one.
    #[must_use]
    pub fn trigger(&self) -> Option<&TriggerName> {
        match self {
            Self::Trigger(name) | Self::Tick(name) => Some(name),
            Self::Signal(_) => None,
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Trigger(name) => write!(f, "belfry.event.{name}"),
            Self::Tick(name) => write!(f, "belfry.tick.{name}"),
            Self::Signal(kind) => write!(f, "belfry.signal.{kind}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_survives_its_subject() {
        let name = TriggerName::parse("github-pr").unwrap();
        for address in [
            Address::Trigger(name.clone()),
            Address::Tick(name),
            Address::Signal("workflow.completed".into()),
        ] {
            assert_eq!(Address::parse(&address.subject()), Some(address));
        }
        assert_eq!(Address::parse("belfry.event.a.b"), None);
        assert_eq!(Address::parse("other.event.a"), None);
    }
}
