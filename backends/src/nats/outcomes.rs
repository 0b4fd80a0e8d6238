//! The outcomes and the dead letters: the streams `BELFRY_OUTCOMES` and `BELFRY_DEAD`. An outcome is a JSON body; a dead letter is
//! its event, whole, with its outcome in one header and where it was addressed in another.

use super::feed::{Feed, Source};
use super::kv;
use super::layout::{self, DEAD, OUTCOMES};
use super::link::Link;
use super::message::{self, Entry};
use async_nats::HeaderMap;
use async_nats::header::NATS_MESSAGE_ID;
use async_trait::async_trait;
use belfry_mesh::outcome::{DeadLetter, Outcome};
use belfry_mesh::port::Error;
use belfry_mesh::port::log::{Entries, OutcomeLog, Range, Sequence, Stored};
use std::sync::Arc;

/// The header of a dead letter that holds its last outcome, as JSON.
const OUTCOME: &str = "belfry-outcome";
/// The header of a dead letter that holds the subject of its event.
const ADDRESS: &str = "belfry-address";

/// How much of the reason a dead letter repeats, in bytes: with all else it fits into what an event leaves free.
const REASON: usize = 4 * 1024;

/// The outcomes and the dead letters.
pub(super) struct Outcomes {
    link: Arc<Link>,
}

impl Outcomes {
    pub(super) fn new(link: Arc<Link>) -> Self {
        Self { link }
    }

    async fn store(
        &self,
        stream: &str,
        subject: String,
        headers: HeaderMap,
        payload: bytes::Bytes,
    ) -> Result<Sequence, Error> {
        let (size, limit) = (
            message::size(&headers) + payload.len(),
            self.link.max_payload(),
        );
        if size > limit {
            return Err(Error::TooLarge {
                what: format!("an entry of {stream}"),
                size,
                limit,
            });
        }
        match self.link.publish(subject, headers, payload).await {
            Ok(ack) => Ok(ack.sequence),
            Err(refusal) => Err(layout::not_stored(&self.link, stream, refusal)),
        }
    }
}

#[async_trait]
impl OutcomeLog for Outcomes {
    async fn record(&self, outcome: &Outcome) -> Result<Sequence, Error> {
        let Outcome {
            event_id,
            trigger,
            attempt,
            by,
            ..
        } = outcome;
        let mut headers = HeaderMap::new();
        headers.insert(
            NATS_MESSAGE_ID,
            format!("{trigger}/{attempt}/{}/{event_id}", by.token),
        );
        self.store(
            OUTCOMES,
            format!("belfry.outcome.{trigger}"),
            headers,
            json(outcome).into(),
        )
        .await
    }

    async fn bury(&self, letter: &DeadLetter) -> Result<Sequence, Error> {
        let DeadLetter { event, outcome } = letter;
        let mut headers = message::headers(event)?;
        headers.insert(NATS_MESSAGE_ID, format!("{}/{}", outcome.trigger, event.id));
        headers.insert(ADDRESS, event.address.subject());
        headers.insert(OUTCOME, json(&shortened(outcome)));
        self.store(
            DEAD,
            format!("belfry.dead.{}", outcome.trigger),
            headers,
            event.data.clone(),
        )
        .await
    }

    async fn outcomes(&self, range: Range) -> Result<Entries<Outcome>, Error> {
        Ok(Feed::open(self.link.clone(), Source::log(OUTCOMES, range))
            .await?
            .entries(recorded))
    }

    async fn dead_letters(&self, range: Range) -> Result<Entries<DeadLetter>, Error> {
        Ok(Feed::open(self.link.clone(), Source::log(DEAD, range))
            .await?
            .entries(buried))
    }

    async fn discard(&self, sequence: Sequence) -> Result<bool, Error> {
        kv::delete(&self.link, DEAD, sequence).await
    }
}

fn recorded(entry: Entry) -> Result<Stored<Outcome>, Error> {
    let value = serde_json::from_slice(&entry.payload)
        .map_err(|error| corrupt(OUTCOMES, entry.sequence, &error))?;
    Ok(Stored {
        sequence: entry.sequence,
        stored_at: entry.stored_at,
        value,
    })
}

fn buried(entry: Entry) -> Result<Stored<DeadLetter>, Error> {
    let outcome = serde_json::from_str(entry.header(OUTCOME).unwrap_or_default())
        .map_err(|error| corrupt(DEAD, entry.sequence, &error))?;
    let address = entry.header(ADDRESS).unwrap_or_default().to_owned();
    let Stored {
        sequence,
        stored_at,
        value: event,
    } = entry.event(DEAD, &address)?;
    Ok(Stored {
        sequence,
        stored_at,
        value: DeadLetter { event, outcome },
    })
}

fn corrupt(stream: &str, sequence: Sequence, why: &serde_json::Error) -> Error {
    Error::Corrupt {
        what: format!("entry {sequence} of {stream}"),
        why: why.to_string(),
    }
}

/// The outcome with no more of its reason than fits.
fn shortened(outcome: &Outcome) -> Outcome {
    let mut outcome = outcome.clone();
    if let Some(reason) = outcome
        .reason
        .as_mut()
        .filter(|reason| reason.len() > REASON)
    {
        reason.truncate(reason.floor_char_boundary(REASON));
        reason.push('…');
    }
    outcome
}

fn json(outcome: &Outcome) -> String {
    serde_json::to_string(outcome).expect("an outcome has only string keys and finite numbers")
}
