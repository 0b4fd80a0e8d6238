//! What the templates of a package are looked up in.

use crate::environment::Environment;
use belfry_mesh::event::{Event, EventId};
use belfry_mesh::template::Scope;
use jiff::Timestamp;
use serde_json::Value;

/// An event and the environment of the trigger that it runs.
pub(super) struct EventScope<'a> {
    event: &'a Event,
    body: &'a Value,
    environment: &'a Environment,
    now: Timestamp,
}

impl<'a> EventScope<'a> {
    pub(super) fn new(
        event: &'a Event,
        body: &'a Value,
        environment: &'a Environment,
        now: Timestamp,
    ) -> Self {
        Self {
            event,
            body,
            environment,
            now,
        }
    }
}

impl Scope for EventScope<'_> {
    fn event(&self) -> &Value {
        self.body
    }

    fn now(&self) -> Timestamp {
        self.now
    }

    fn attribute(&self, name: &str) -> Option<String> {
        let event = self.event;
        match name {
            "ce-specversion" => Some("1.0".to_owned()),
            "ce-id" => Some(event.id.to_string()),
            "ce-source" => Some(event.source.clone()),
            "ce-type" => Some(event.event_type.clone()),
            "ce-time" => Some(event.time.to_string()),
            "ce-subject" => event.subject.clone(),
            "ce-deliveryid" => event.delivery_id.clone(),
            "ce-replayof" => event.replay_of.as_ref().map(EventId::to_string),
            "ce-datacontenttype" => event.content_type.clone(),
            _ => {
                let name = name.strip_prefix("http-")?;
                event
                    .headers
                    .iter()
                    .find(|(found, _)| found == name)
                    .map(|(_, value)| value.clone())
            }
        }
    }

    fn variable(&self, name: &str) -> Option<String> {
        self.environment.get(name).map(str::to_owned)
    }
}
