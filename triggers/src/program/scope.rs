//! What the templates of a package are looked up in.

use crate::environment::Environment;
use belfry_mesh::event::Event;
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
        self.event.attribute(name)
    }

    fn variable(&self, name: &str) -> Option<String> {
        self.environment.get(name).map(str::to_owned)
    }
}
