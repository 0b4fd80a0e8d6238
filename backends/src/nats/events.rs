//! The event log: the stream `BELFRY_EVENTS`, and a durable consumer for each trigger.

use super::consumer::Deliveries;
use super::feed::{self, Feed};
use super::layout::{self, EVENTS};
use super::link::{Link, Refusal};
use super::message::{self, Entry};
use super::{filter, kv};
use async_nats::HeaderMap;
use async_nats::header::NATS_MESSAGE_ID;
use async_nats::jetstream::ErrorCode;
use async_trait::async_trait;
use belfry_mesh::event::{Event, Proven};
use belfry_mesh::name::TriggerName;
use belfry_mesh::port::Error;
use belfry_mesh::port::log::{
    Consumer, Entries, EventLog, Range, Receipt, Sequence, Stored, Subscription,
};
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;

/// What is left free in a message for the outcome that its event gets as a dead letter: what can be published can be buried.
pub(super) const RESERVE: usize = 8 * 1024;

/// The most that NATS takes as headers of a stored message: `JSStreamHeaderExceedsMaximumErr` in nats-server's `errors.json`.
const MAX_HEADERS: usize = 64 * 1024;

/// How many events of one trigger may be held or wait for their retry at once, so that the server's memory of them is bounded. How
/// many are tried at once is their holder's affair.
const MOST_UNSETTLED: u32 = 20_000;

/// The event log.
pub(super) struct Events {
    link: Arc<Link>,
}

/// A trigger's consumer, as far as it matters here.
#[derive(Deserialize)]
pub(super) struct PlaceInfo {
    pub(super) config: PlaceConfig,
    num_pending: u64,
    num_ack_pending: u64,
}

/// How it is configured.
#[derive(Deserialize)]
pub(super) struct PlaceConfig {
    /// In nanoseconds.
    pub(super) ack_wait: u64,
}

impl Events {
    pub(super) fn new(link: Arc<Link>) -> Self {
        Self { link }
    }

    /// The headers of an event that fits into a message.
    fn headers(&self, event: &Event) -> Result<HeaderMap, Error> {
        let mut headers = message::headers(event)?;
        headers.insert(NATS_MESSAGE_ID, event.id.as_str());
        self.check_size(event, message::size(&headers))?;
        Ok(headers)
    }

    fn check_size(&self, event: &Event, headers: usize) -> Result<(), Error> {
        let what = || format!("event `{}` with its headers", event.id);
        if headers > MAX_HEADERS - RESERVE {
            let what = format!("what event `{}` has beside its body", event.id);
            return Err(Error::TooLarge {
                what,
                size: headers,
                limit: MAX_HEADERS - RESERVE,
            });
        }
        let (size, limit) = (
            headers + event.data.len(),
            self.link.max_payload().saturating_sub(RESERVE),
        );
        if size > limit {
            Err(Error::TooLarge {
                what: what(),
                size,
                limit,
            })
        } else {
            Ok(())
        }
    }
}

#[async_trait]
impl EventLog for Events {
    async fn publish(&self, event: &Proven) -> Result<Receipt, Error> {
        let event = event.event();
        let headers = self.headers(event)?;
        match self
            .link
            .publish(event.address.subject(), headers, event.data.clone())
            .await
        {
            Ok(ack) => Ok(Receipt {
                sequence: ack.sequence,
                duplicate: ack.duplicate,
            }),
            Err(refusal) => Err(layout::not_stored(&self.link, EVENTS, refusal)),
        }
    }

    fn fits(&self, event: &Proven) -> Result<(), Error> {
        self.headers(event.event()).map(drop)
    }

    async fn subscribe(&self, subscription: &Subscription) -> Result<(), Error> {
        let name = consumer(&subscription.trigger);
        let verb = format!("CONSUMER.CREATE.{EVENTS}.{name}");
        // Without an action, what is there is updated and keeps its position.
        let request = json!({ "stream_name": EVENTS, "config": {
            "name": name,
            "durable_name": name,
            "deliver_policy": "new",
            "ack_policy": "explicit",
            "ack_wait": u64::try_from(subscription.claim.as_nanos()).unwrap_or(u64::MAX / 2),
            "max_deliver": -1,
            "max_ack_pending": MOST_UNSETTLED,
            "filter_subjects": filter::subjects(subscription)?,
            "replay_policy": "instant",
        }});
        let created: Result<Value, Refusal> = self.link.api(&verb, &request).await;
        created.map(drop).map_err(|refusal| {
            self.link
                .explain(refusal, &place_name(&subscription.trigger))
        })
    }

    async fn unsubscribe(&self, trigger: &TriggerName) -> Result<(), Error> {
        let verb = format!("CONSUMER.DELETE.{EVENTS}.{}", consumer(trigger));
        match self.link.api::<Value>(&verb, &json!({})).await {
            Err(refusal) if !refusal.is(ErrorCode::CONSUMER_NOT_FOUND) => {
                Err(self.link.explain(refusal, &place_name(trigger)))
            }
            _ => Ok(()),
        }
    }

    async fn consumer(&self, trigger: &TriggerName) -> Result<Box<dyn Consumer>, Error> {
        Ok(Box::new(
            Deliveries::open(self.link.clone(), trigger).await?,
        ))
    }

    async fn backlog(&self, trigger: &TriggerName) -> Result<u64, Error> {
        let place = place(&self.link, trigger).await?;
        Ok(place.num_pending + place.num_ack_pending)
    }

    async fn read(&self, range: Range) -> Result<Entries<Event>, Error> {
        let feed = Feed::open(self.link.clone(), feed::Source::log(EVENTS, range)).await?;
        Ok(feed.entries(|entry| {
            let subject = entry.subject.clone();
            entry.event(EVENTS, &subject)
        }))
    }

    async fn get(&self, sequence: Sequence) -> Result<Option<Stored<Event>>, Error> {
        let found = kv::message(&self.link, EVENTS, sequence).await?;
        let event = |entry: Entry| {
            let subject = entry.subject.clone();
            entry.event(EVENTS, &subject)
        };
        found.map(event).transpose()
    }

    async fn ping(&self) -> Result<(), Error> {
        layout::check_room(&self.link, EVENTS).await
    }
}

/// The trigger's consumer.
///
/// # Errors
/// [`Error::NotFound`] if it has none.
pub(super) async fn place(link: &Link, trigger: &TriggerName) -> Result<PlaceInfo, Error> {
    let verb = format!("CONSUMER.INFO.{EVENTS}.{}", consumer(trigger));
    link.api(&verb, &json!({}))
        .await
        .map_err(|refusal| link.explain(refusal, &place_name(trigger)))
}

/// The name of the trigger's consumer.
pub(super) fn consumer(trigger: &TriggerName) -> String {
    format!("trigger-{trigger}")
}

/// What errors call the trigger's consumer.
pub(super) fn place_name(trigger: &TriggerName) -> String {
    format!(
        "the place of trigger `{trigger}` in the event log (consumer `{}`)",
        consumer(trigger)
    )
}
