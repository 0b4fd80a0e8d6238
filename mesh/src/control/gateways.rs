//! Gateways, as operators see them.

use super::{Control, Error};
use crate::gateway::{self, Spool};
use crate::name::{GatewayName, TriggerName};
use crate::port::state::Bucket;
use jiff::Timestamp;
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::Duration;

/// After how long what a gateway said that did not end well is swept.
const SWEEP: Duration = Duration::from_hours(24);

/// How a gateway is.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct GatewayStatus {
    /// Its name.
    pub name: GatewayName,
    /// The version of Belfry that it runs.
    pub version: String,
    /// Since when it runs, by its own clock.
    pub since: Timestamp,
    /// When it was last heard of, by the clock of the state.
    pub seen_at: Timestamp,
    /// What waits in its spool for the bus.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spool: Option<Spool>,
    /// How long the oldest of that has waited, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spool_age_seconds: Option<u64>,
    /// The triggers of which it refuses every delivery, and why.
    pub refusing: BTreeMap<TriggerName, String>,
    /// What it does without meanwhile.
    pub degraded: Vec<String>,
}

/// Why deliveries to a trigger are all refused, and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Refusing {
    /// Why, in words.
    pub why: String,
    /// The gateways that say so.
    pub gateways: Vec<GatewayName>,
}

impl Control {
    /// The gateways that were heard of lately, by name.
    ///
    /// # Errors
    /// If the state cannot be read.
    pub async fn gateways(&self) -> Result<Vec<GatewayStatus>, Error> {
        let now = self.clock.now();
        let mut list = Vec::new();
        for entry in self.state.list(Bucket::Nodes).await? {
            let Some(said) = gateway::decode(&entry) else {
                continue;
            };
            if gateway::is_live(entry.changed_at, now) {
                list.push(status(said, entry.changed_at, now));
            } else if Duration::try_from(now.duration_since(entry.changed_at))
                .is_ok_and(|silent| silent > SWEEP)
            {
                // Names such as those of containers do not come again. Of one that spoke just now, the revision is another.
                let gone = self
                    .state
                    .delete(Bucket::Nodes, &entry.key, Some(entry.revision));
                // What is not swept now is later.
                let _ = gone.await;
            }
        }
        list.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(list)
    }
}

fn status(said: gateway::Gateway, seen_at: Timestamp, now: Timestamp) -> GatewayStatus {
    let oldest = said.spool.and_then(|spool| spool.oldest);
    let age = |oldest| Duration::try_from(now.duration_since(oldest)).unwrap_or_default();
    GatewayStatus {
        name: said.name,
        version: said.version,
        since: said.since,
        seen_at,
        spool: said.spool,
        spool_age_seconds: oldest.map(|oldest| age(oldest).as_secs()),
        refusing: said.refusing,
        degraded: said.degraded,
    }
}
