//! Where an event is stored: in the event log, or, while that is away, in the spool, out of which it is drained.

use crate::answer::{Durability, Refused, Stored};
use crate::doors::Doors;
use crate::spool::{self, Appended};
use belfry_mesh::event::Event;
use belfry_mesh::port;
use belfry_mesh::port::dedup::Verdict;
use belfry_mesh::port::log::Receipt;
use belfry_mesh::{EventId, Proven};
use std::sync::atomic::Ordering;
use tokio::time::Instant;

impl Stored {
    /// A delivery that is in the spool already.
    pub(crate) fn spooled_before(event: &Event) -> Self {
        Self::Duplicate {
            event_id: event.id.clone(),
            delivery_id: event.delivery_id.clone(),
            durability: Some(Durability::Spooled),
        }
    }

    /// Whether all gateways may know that it is stored.
    pub(crate) fn is_in_the_log(&self) -> bool {
        match self {
            Self::Accepted { durability, .. } | Self::Duplicate { durability, .. } => {
                durability.is_none()
            }
        }
    }
}

impl Doors {
    /// Stores the event. Only what this returns may be answered with a 2xx.
    pub(crate) async fn store(&self, event: &Proven) -> Result<Stored, Refused> {
        // While the event log is known to be away nobody waits for it. What is drained finds out when it is back.
        let mut refused = None;
        if self.is_away.load(Ordering::Relaxed) && self.spool.is_some() {
            match self.spool(event).await {
                // With nothing to drain, this delivery has to find out.
                Err(error @ (Refused::SpoolFull | Refused::NotSpooled)) => refused = Some(error),
                settled => return settled,
            }
        }
        match self.publish(event).await {
            Ok(receipt) => Ok(stored(event, receipt)),
            Err(error) if is_outage(&error) && self.spool.is_some() => match refused {
                Some(refused) => Err(refused),
                None => self.spool(event).await,
            },
            Err(error) => Err(Refused::NotStored(error)),
        }
    }

    /// Stores an event of the spool in the event log, unless it is known to be there.
    pub(crate) async fn drain(&self, event: &Proven) -> Result<(), port::Error> {
        let checked = self.ports.dedup.check(&event.event().id, "", None).await;
        if let Ok(Verdict::Seen(_)) = self.dedup.note(checked) {
            return Ok(());
        }
        self.publish(event).await?;
        // Also one without a name of its own: a crash may drain it again, after more time than the log's window.
        self.mark(event.event()).await;
        Ok(())
    }

    /// Whether it waits in the spool.
    pub(crate) fn is_spooled(&self, id: &EventId) -> bool {
        self.spool.as_ref().is_some_and(|spool| spool.contains(id))
    }

    /// Lets all gateways know that the delivery is stored. Never before it is: a crash in between would turn the provider's
    /// repetition into a lost event.
    pub(crate) async fn remember(&self, event: &Proven) {
        let event = event.event();
        if event.delivery_id.is_some() {
            self.mark(event).await;
        }
    }

    async fn mark(&self, event: &Event) {
        let ttl = self.config.dedup_ttl;
        let marked = self.ports.dedup.mark(&event.id, ttl).await;
        // What this failure means is known and logged; the delivery is stored.
        let _ = self.dedup.note(marked);
    }

    async fn publish(&self, event: &Proven) -> Result<Receipt, port::Error> {
        let begun = Instant::now();
        let deadline = self.config.store_deadline;
        let late = |_| port::Error::Deadline {
            who: "the event log".to_owned(),
            after: deadline,
        };
        let published = tokio::time::timeout(deadline, self.ports.events.publish(event)).await;
        self.metrics.store.observe(begun.elapsed());
        let published = published.map_err(late).flatten();
        let is_away = matches!(&published, Err(error) if is_outage(error));
        // Read first: a write a request would bounce the cache line between all cores.
        if self.is_away.load(Ordering::Relaxed) != is_away {
            self.is_away.store(is_away, Ordering::Relaxed);
        }
        match published {
            // One event that is too large says nothing of the log.
            Err(error @ port::Error::TooLarge { .. }) => Err(error),
            other => self.bus.note(other),
        }
    }

    async fn spool(&self, event: &Proven) -> Result<Stored, Refused> {
        let Some(spool) = &self.spool else {
            return Err(Refused::SpoolFull);
        };
        // What the log will never take is not to be acknowledged in its absence.
        self.ports.events.fits(event).map_err(Refused::NotStored)?;
        let appended = match spool.append(event).await {
            // How much waits is no failure.
            Err(spool::Error::Full { .. }) => return Err(Refused::SpoolFull),
            other => self.spooling.note(other),
        };
        match appended {
            Ok(Appended::New) => Ok(Stored::Accepted {
                event_id: event.event().id.clone(),
                durability: Some(Durability::Spooled),
            }),
            Ok(Appended::Known) => Ok(Stored::spooled_before(event.event())),
            Err(_) => Err(Refused::NotSpooled),
        }
    }
}

/// Whether the event log is away, rather than full or unwilling: a spool helps against that only.
fn is_outage(error: &port::Error) -> bool {
    matches!(
        error,
        port::Error::Unavailable { .. } | port::Error::Deadline { .. }
    )
}

fn stored(event: &Proven, receipt: Receipt) -> Stored {
    let event = event.event();
    let event_id = event.id.clone();
    if receipt.duplicate {
        Stored::Duplicate {
            event_id,
            delivery_id: event.delivery_id.clone(),
            durability: None,
        }
    } else {
        Stored::Accepted {
            event_id,
            durability: None,
        }
    }
}
