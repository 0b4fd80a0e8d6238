//! Agents that tell the gateway how events ended.

use super::{OUT_OF_SCOPE, World};
use async_trait::async_trait;
use belfry_mesh::event::{Ending, Event};
use belfry_mesh::outcome::{Holder, Outcome, Status};
use belfry_mesh::port::Error;
use belfry_mesh::port::calls::{Answer, Calls, Handler, Serving};
use belfry_mesh::{NodeName, TriggerName};
use bytes::Bytes;
use std::time::Duration;

impl World {
    /// Tells how an event ended, as its agent would. Answers why it was not heard, if it was not.
    pub(crate) async fn tell(&self, event: &Event, status: Status) -> Option<u16> {
        let outcome = Outcome {
            event_id: event.id.clone(),
            trigger: TriggerName::parse("t").unwrap(),
            attempt: 1,
            status,
            reason: Some("asked at 10.0.0.7:4222".into()),
            http_status: Some(422),
            execution_id: Some("exec-1".into()),
            latency_ms: 1,
            at: self.now(),
            retry_at: None,
            by: Holder {
                node: NodeName::parse("n").unwrap(),
                slot: 0,
                token: 1,
                revision: 1,
            },
        };
        let ending = Ending {
            outcome,
            result: None,
        };
        let ear = self.ear.lock().unwrap().clone().unwrap();
        let answer = ear(serde_json::to_vec(&ending).unwrap().into()).await;
        answer.fault.map(|fault| fault.code)
    }

    /// Whether the gateway hears how events ended.
    pub(crate) fn is_heard(&self) -> bool {
        self.ear.lock().unwrap().is_some()
    }
}

#[async_trait]
impl Calls for World {
    async fn request(&self, _: &str, _: Bytes, _: Duration) -> Result<Answer, Error> {
        unreachable!("{OUT_OF_SCOPE}")
    }

    async fn serve(&self, subject: &str, handler: Handler) -> Result<Serving, Error> {
        assert!(subject.starts_with("belfry.answer."), "{subject}");
        *self.ear.lock().unwrap() = Some(handler);
        Ok(Serving::new(()))
    }
}
