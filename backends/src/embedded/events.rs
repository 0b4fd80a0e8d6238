//! The event log.

use super::consumer::Reader;
use super::entries::{self, Kept, Unreadable};
use super::fault::Fault;
use super::memory::{Memory, PlaceId};
use super::retention;
use super::store::Store;
use super::writer::Work;
use async_trait::async_trait;
use belfry_mesh::event::{Address, Attribute, Event, EventId, Proven};
use belfry_mesh::name::TriggerName;
use belfry_mesh::port::Error;
use belfry_mesh::port::log::{
    Consumer, Entries, EventLog, Range, Receipt, Sequence, Stored, Subscription,
};
use bytes::Bytes;
use rusqlite::{OptionalExtension, Row};
use std::sync::Arc;
use tokio::sync::watch;

/// The largest event, its attributes and headers included.
pub(super) const MAX_EVENT: usize = 8 << 20;

/// What an entry takes beside its own bytes: its rows in the indexes, and the room that pages leave.
pub(super) const OVERHEAD: usize = 200;

/// The event log.
pub(super) struct Events(pub(super) Arc<Store>);

/// An event as it is stored.
pub(super) struct Record {
    id: EventId,
    address: Address,
    subject: String,
    attributes: Vec<u8>,
    data: Bytes,
    size: usize,
}

impl Record {
    /// # Errors
    /// [`Error::TooLarge`].
    pub(super) fn new(event: &Event) -> Result<Self, Error> {
        let (subject, attributes) = (event.address.subject(), encode(&event.attributes()));
        let size = attributes.len()
            + subject.len()
            + event.id.as_str().len()
            + event.data.len()
            + OVERHEAD;
        if size > MAX_EVENT {
            return Err(Error::TooLarge {
                what: format!("event `{}`", event.id),
                size,
                limit: MAX_EVENT,
            });
        }
        let (id, address, data) = (event.id.clone(), event.address.clone(), event.data.clone());
        Ok(Self {
            id,
            address,
            subject,
            attributes,
            data,
            size,
        })
    }

    /// Stores the event unless one of its id is kept, with a delivery for each who receives it.
    pub(super) fn publish(&self, work: &mut Work<'_>, limit: u64) -> Result<Receipt, Fault> {
        if let Some(sequence) = find(work, &self.id)? {
            return Ok(Receipt {
                sequence,
                duplicate: true,
            });
        }
        retention::make_room_for_event(work, self.size as u64, limit)?;
        work.execute(
            "INSERT INTO events (id, stored_at, size, subject, attributes, data) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            (self.id.as_str(), work.now, self.size, &self.subject, &self.attributes, &*self.data),
        )?;
        let sequence =
            Sequence::try_from(work.conn.last_insert_rowid()).expect("SQLite counts from 1");
        work.usage.events += self.size as u64;
        let receivers = work.memory.places().receivers(&self.address);
        for place in &receivers {
            work.execute(
                "INSERT INTO deliveries (sequence, subscription) VALUES (?1, ?2)",
                (sequence, place),
            )?;
        }
        if receivers.is_empty() {
            work.execute("INSERT INTO handled (sequence) VALUES (?1)", [sequence])?;
        }
        work.afterwards(move |memory| {
            let mut places = memory.places();
            receivers
                .iter()
                .for_each(|&place| places.arrive(place, sequence));
            drop(places);
            memory.events.send_replace(sequence);
        });
        Ok(Receipt {
            sequence,
            duplicate: false,
        })
    }
}

#[async_trait]
impl EventLog for Events {
    async fn publish(&self, event: &Proven) -> Result<Receipt, Error> {
        let (record, limit) = (Record::new(event.event())?, self.0.retention.events.bytes);
        self.0
            .writer
            .run(move |work| record.publish(work, limit))
            .await
    }

    async fn subscribe(&self, subscription: &Subscription) -> Result<(), Error> {
        let subscription = subscription.clone();
        self.0
            .writer
            .run(move |work| subscribe(work, &subscription))
            .await
    }

    async fn unsubscribe(&self, trigger: &TriggerName) -> Result<(), Error> {
        let trigger = trigger.clone();
        self.0
            .writer
            .run(move |work| unsubscribe(work, &trigger))
            .await
    }

    async fn consumer(&self, trigger: &TriggerName) -> Result<Box<dyn Consumer>, Error> {
        if self.0.closed.is_cancelled() {
            return Err(self.0.closed_error());
        }
        let places = self.0.memory.places();
        let (id, place) = places.find(trigger).ok_or_else(|| no_place(trigger))?;
        Ok(Box::new(Reader::new(
            self.0.clone(),
            trigger.clone(),
            id,
            place,
        )))
    }

    async fn backlog(&self, trigger: &TriggerName) -> Result<u64, Error> {
        if self.0.closed.is_cancelled() {
            return Err(self.0.closed_error());
        }
        let places = self.0.memory.places();
        let (_, place) = places.find(trigger).ok_or_else(|| no_place(trigger))?;
        Ok(place.backlog() as u64)
    }

    async fn read(&self, range: Range) -> Result<Entries<Event>, Error> {
        Ok(entries::read(&self.0, range))
    }

    async fn get(&self, sequence: Sequence) -> Result<Option<Stored<Event>>, Error> {
        if sequence > *self.0.memory.events.borrow() {
            return Ok(None);
        }
        self.0
            .readers
            .run(move |conn| entries::get(conn, sequence))
            .await?
            .transpose()
    }

    async fn ping(&self) -> Result<(), Error> {
        let limit = self.0.retention.events.bytes;
        self.0.writer.run(move |work| ping(work, limit)).await
    }
}

impl Kept for Event {
    const WHAT: &'static str = "event";
    const SELECT: &'static str =
        "SELECT sequence, stored_at, size, subject, attributes, data FROM events
        WHERE sequence > ?1 AND sequence <= ?2 ORDER BY sequence";

    fn decode(row: &Row<'_>) -> Result<Self, Unreadable> {
        decode(row, 3)
    }

    fn head(memory: &Memory) -> &watch::Sender<Sequence> {
        &memory.events
    }
}

/// The event in three columns: subject, attributes, data.
pub(super) fn decode(row: &Row<'_>, first: usize) -> Result<Event, Unreadable> {
    let subject = row.get_ref(first)?.as_str()?;
    let address =
        Address::parse(subject).ok_or_else(|| format!("`{subject}` is no subject of an event"))?;
    let attributes: Vec<(String, String)> =
        serde_json::from_slice(row.get_ref(first + 1)?.as_blob()?)?;
    let data = Bytes::copy_from_slice(row.get_ref(first + 2)?.as_blob()?);
    let pairs = attributes
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()));
    Ok(Event::from_attributes(address, pairs, data)?)
}

/// The attributes as they are stored: a JSON list of pairs.
pub(super) fn encode(attributes: &[Attribute]) -> Vec<u8> {
    serde_json::to_vec(attributes).expect("texts are JSON")
}

/// Settles a delivery. Once nobody has the event left to do, it may be dropped.
pub(super) fn settle(work: &mut Work<'_>, place: PlaceId, sequence: Sequence) -> Result<(), Fault> {
    let key = (sequence, place);
    if work.execute(
        "DELETE FROM deliveries WHERE sequence = ?1 AND subscription = ?2",
        key,
    )? > 0
    {
        work.execute(
            "INSERT INTO handled SELECT ?1 WHERE NOT EXISTS (SELECT 1 FROM deliveries WHERE sequence = ?1)",
            [sequence],
        )?;
    }
    work.afterwards(move |memory| {
        if let Some(place) = memory.places().get(place) {
            place.settle(sequence);
        }
    });
    Ok(())
}

pub(super) fn no_place(trigger: &TriggerName) -> Error {
    Error::NotFound(format!("the place of trigger `{trigger}` in the event log"))
}

fn find(work: &Work<'_>, id: &EventId) -> Result<Option<Sequence>, rusqlite::Error> {
    let sql = "SELECT sequence FROM events WHERE id = ?1
        UNION ALL SELECT sequence FROM remembered WHERE id = ?1 LIMIT 1";
    work.conn
        .prepare_cached(sql)?
        .query_row([id.as_str()], |row| row.get(0))
        .optional()
}

fn subscribe(work: &mut Work<'_>, subscription: &Subscription) -> Result<(), Fault> {
    let signals = serde_json::to_vec(&subscription.signals).expect("texts are JSON");
    let claim = u64::try_from(subscription.claim.as_micros())
        .unwrap_or(u64::MAX)
        .min(i64::MAX as u64);
    let mut statement = work.conn.prepare_cached(
        "INSERT INTO subscriptions (trigger, signals, claim_us) VALUES (?1, ?2, ?3)
         ON CONFLICT (trigger) DO UPDATE SET signals = ?2, claim_us = ?3 RETURNING id",
    )?;
    let params = (subscription.trigger.as_str(), signals, claim);
    let id = statement.query_row(params, |row| row.get(0))?;
    let subscription = subscription.clone();
    work.afterwards(move |memory| memory.places().subscribe(id, subscription));
    Ok(())
}

/// Its deliveries are settled later, piece by piece, so that a long backlog holds nobody up.
fn unsubscribe(work: &mut Work<'_>, trigger: &TriggerName) -> Result<(), Fault> {
    let mut statement = work
        .conn
        .prepare_cached("DELETE FROM subscriptions WHERE trigger = ?1 RETURNING id")?;
    let id = statement
        .query_row([trigger.as_str()], |row| row.get(0))
        .optional()?;
    if let Some(id) = id {
        work.afterwards(move |memory| memory.places().unsubscribe(id));
    }
    Ok(())
}

/// Sees that there is room for an event of the usual size, and writes: only a write shows that the disk takes one.
fn ping(work: &mut Work<'_>, limit: u64) -> Result<(), Fault> {
    retention::make_room_for_event(work, OVERHEAD as u64, limit)?;
    work.execute(
        "UPDATE counters SET value = value WHERE name = 'lease_token'",
        [],
    )?;
    Ok(())
}
