//! The outcomes and the dead letters.

use super::entries::{self, Kept, Unreadable};
use super::events::{MAX_EVENT, OVERHEAD, decode, encode};
use super::fault::Fault;
use super::memory::Memory;
use super::retention;
use super::store::Store;
use super::writer::Work;
use async_trait::async_trait;
use belfry_mesh::outcome::{DeadLetter, Outcome};
use belfry_mesh::port::Error;
use belfry_mesh::port::log::{Entries, OutcomeLog, Range, Sequence};
use bytes::Bytes;
use rusqlite::{OptionalExtension, Row};
use std::sync::Arc;
use tokio::sync::watch;

/// The outcomes and the dead letters.
pub(super) struct Outcomes(pub(super) Arc<Store>);

/// A dead letter as it is stored.
struct Letter {
    event_id: String,
    trigger: String,
    outcome: Vec<u8>,
    subject: String,
    attributes: Vec<u8>,
    data: Bytes,
}

#[async_trait]
impl OutcomeLog for Outcomes {
    async fn record(&self, outcome: &Outcome) -> Result<Sequence, Error> {
        let (outcome, limit) = (outcome.clone(), self.0.retention.outcomes.bytes);
        let json = to_json(&outcome);
        self.0
            .writer
            .run(move |work| record(work, &outcome, &json, limit))
            .await
    }

    async fn bury(&self, letter: &DeadLetter) -> Result<Sequence, Error> {
        let letter = Letter {
            event_id: letter.event.id.to_string(),
            trigger: letter.outcome.trigger.to_string(),
            outcome: to_json(&letter.outcome),
            subject: letter.event.address.subject(),
            attributes: encode(&letter.event.attributes()),
            data: letter.event.data.clone(),
        };
        let (what, size, limit) = (
            format!("dead letter `{}`", letter.event_id),
            letter.size(),
            MAX_EVENT * 2,
        );
        if size > limit {
            return Err(Error::TooLarge { what, size, limit });
        }
        let limit = self.0.retention.dead_letters.bytes;
        self.0
            .writer
            .run(move |work| bury(work, &letter, limit))
            .await
    }

    async fn outcomes(&self, range: Range) -> Result<Entries<Outcome>, Error> {
        Ok(entries::read(&self.0, range))
    }

    async fn dead_letters(&self, range: Range) -> Result<Entries<DeadLetter>, Error> {
        Ok(entries::read(&self.0, range))
    }

    async fn discard(&self, sequence: Sequence) -> Result<bool, Error> {
        if sequence > *self.0.memory.dead_letters.borrow() {
            return Ok(false);
        }
        self.0.writer.run(move |work| discard(work, sequence)).await
    }
}

impl Kept for Outcome {
    const WHAT: &'static str = "outcome";
    const SELECT: &'static str = "SELECT sequence, stored_at, size, outcome FROM outcomes
        WHERE sequence > ?1 AND sequence <= ?2 ORDER BY sequence";

    fn decode(row: &Row<'_>) -> Result<Self, Unreadable> {
        Ok(serde_json::from_slice(row.get_ref(3)?.as_blob()?)?)
    }

    fn head(memory: &Memory) -> &watch::Sender<Sequence> {
        &memory.outcomes
    }
}

impl Kept for DeadLetter {
    const WHAT: &'static str = "dead letter";
    const SELECT: &'static str =
        "SELECT sequence, stored_at, size, outcome, subject, attributes, data
        FROM dead_letters WHERE sequence > ?1 AND sequence <= ?2 ORDER BY sequence";

    fn decode(row: &Row<'_>) -> Result<Self, Unreadable> {
        let outcome = serde_json::from_slice(row.get_ref(3)?.as_blob()?)?;
        Ok(Self {
            event: decode(row, 4)?,
            outcome,
        })
    }

    fn head(memory: &Memory) -> &watch::Sender<Sequence> {
        &memory.dead_letters
    }
}

impl Letter {
    fn size(&self) -> usize {
        let texts = self.event_id.len() + self.trigger.len() + self.subject.len();
        texts + self.outcome.len() + self.attributes.len() + self.data.len() + OVERHEAD
    }
}

fn record(
    work: &mut Work<'_>,
    outcome: &Outcome,
    json: &[u8],
    limit: u64,
) -> Result<Sequence, Fault> {
    let key = (
        outcome.event_id.as_str(),
        outcome.trigger.as_str(),
        outcome.attempt,
        outcome.by.token,
    );
    let sql = "SELECT sequence FROM outcomes WHERE event_id = ?1 AND trigger = ?2 AND attempt = ?3 AND token = ?4";
    let known = work
        .conn
        .prepare_cached(sql)?
        .query_row(key, |row| row.get(0))
        .optional()?;
    if let Some(sequence) = known {
        return Ok(sequence);
    }
    let size = (json.len() + 2 * key.0.len() + key.1.len() + OVERHEAD) as u64;
    retention::make_room_for_outcome(work, size, limit)?;
    work.execute(
        "INSERT INTO outcomes (event_id, trigger, attempt, token, stored_at, size, outcome)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        (key.0, key.1, key.2, key.3, work.now, size, json),
    )?;
    work.usage.outcomes += size;
    let sequence = last_sequence(work);
    work.afterwards(move |memory| {
        memory.outcomes.send_replace(sequence);
    });
    Ok(sequence)
}

fn bury(work: &mut Work<'_>, letter: &Letter, limit: u64) -> Result<Sequence, Fault> {
    let sql = "SELECT sequence FROM dead_letters WHERE event_id = ?1 AND trigger = ?2";
    let key = (&letter.event_id, &letter.trigger);
    let known = work
        .conn
        .prepare_cached(sql)?
        .query_row(key, |row| row.get(0))
        .optional()?;
    if let Some(sequence) = known {
        return Ok(sequence);
    }
    let size = letter.size() as u64;
    if work.usage.dead_letters + size > limit {
        let why = format!("it may hold {limit} bytes; replay or discard some");
        return Err(Fault::Refused(Error::Full {
            log: "the log of dead letters".into(),
            why,
        }));
    }
    work.execute(
        "INSERT INTO dead_letters (event_id, trigger, stored_at, size, outcome, subject, attributes, data)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        (
            &letter.event_id,
            &letter.trigger,
            work.now,
            size,
            &letter.outcome,
            &letter.subject,
            &letter.attributes,
            &*letter.data,
        ),
    )?;
    work.usage.dead_letters += size;
    let sequence = last_sequence(work);
    work.afterwards(move |memory| {
        memory.dead_letters.send_replace(sequence);
    });
    Ok(sequence)
}

fn discard(work: &mut Work<'_>, sequence: Sequence) -> Result<bool, Fault> {
    let mut delete = work
        .conn
        .prepare_cached("DELETE FROM dead_letters WHERE sequence = ?1 RETURNING size")?;
    let size: Option<u64> = delete.query_row([sequence], |row| row.get(0)).optional()?;
    work.usage.dead_letters = work.usage.dead_letters.saturating_sub(size.unwrap_or(0));
    Ok(size.is_some())
}

fn last_sequence(work: &Work<'_>) -> Sequence {
    Sequence::try_from(work.conn.last_insert_rowid()).expect("SQLite counts from 1")
}

fn to_json(outcome: &Outcome) -> Vec<u8> {
    serde_json::to_vec(outcome).expect("an outcome has only string keys and finite numbers")
}
