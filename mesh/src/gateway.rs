//! Gateways: processes that receive webhooks, as they say of themselves how they are.

use crate::name::{GatewayName, TriggerName};
use crate::port::state::Entry;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// What a gateway says of itself, renewed every [`BEAT`] and at once when it changes. It is deleted at an orderly end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gateway {
    /// Its name, one a mesh.
    pub name: GatewayName,
    /// The version of Belfry that it runs.
    pub version: String,
    /// Since when it runs, by its own clock.
    pub since: Timestamp,
    /// What waits in its spool for the bus. None: it has no spool.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spool: Option<Spool>,
    /// The triggers of which it refuses every delivery, and why, in words: up to [`MOST_REFUSING`] of them, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub refusing: BTreeMap<TriggerName, String>,
    /// What it does without meanwhile, in words: `bus`, `dedup`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub degraded: Vec<String>,
}

/// What waits on a gateway's disk for the bus.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Spool {
    /// How many events.
    pub records: u64,
    /// How many bytes they take.
    pub bytes: u64,
    /// When the oldest of them was received.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oldest: Option<Timestamp>,
}

/// How often a gateway says how it is.
pub const BEAT: Duration = Duration::from_secs(3);

/// How long what it said counts: three beats were missed.
pub const LIVE_FOR: Duration = Duration::from_secs(10);

/// How many refusing triggers one gateway tells of: what it says must fit one value of the state.
pub const MOST_REFUSING: usize = 1_000;

/// Whether what the state took at `heard_at` still counts `now`; see [`crate::node::is_live`] on the clocks.
#[must_use]
pub fn is_live(heard_at: Timestamp, now: Timestamp) -> bool {
    // What comes from the future is not of long ago.
    Duration::try_from(now.duration_since(heard_at)).map_or(true, |silent| silent <= LIVE_FOR)
}

/// The key under which a gateway says how it is, beside the heartbeats of nodes, whose names have no dot.
#[must_use]
pub fn key(name: &GatewayName) -> String {
    format!("{name}{SUFFIX}")
}

/// The gateway that a key of [`key`] is about.
#[must_use]
pub fn of_key(key: &str) -> Option<GatewayName> {
    GatewayName::parse(key.strip_suffix(SUFFIX)?).ok()
}

/// The gateway of an entry, if it is one.
#[must_use]
pub fn decode(entry: &Entry) -> Option<Gateway> {
    let name = of_key(&entry.key)?;
    let gateway: Gateway = serde_json::from_slice(&entry.value).ok()?;
    (gateway.name == name).then_some(gateway)
}

const SUFFIX: &str = ".gateway";

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn entry(key: &str, value: &serde_json::Value) -> Entry {
        Entry {
            key: key.to_owned(),
            value: value.to_string().into(),
            revision: 1,
            changed_at: Timestamp::UNIX_EPOCH,
        }
    }

    #[test]
    fn what_a_gateway_says_is_found_under_its_name_and_nothing_else_is() {
        let said = json!({"name": "g1", "version": "1", "since": "2026-01-01T00:00:00Z"});
        let name = GatewayName::parse("g1").unwrap();
        assert_eq!(decode(&entry(&key(&name), &said)).unwrap().name, name);
        for key in ["g1", "g1.wanted", "g2.gateway", ".gateway", "g1.gateway.x"] {
            assert_eq!(decode(&entry(key, &said)), None, "{key}");
        }
        assert!(
            serde_json::from_value::<crate::node::Node>(said).is_err(),
            "it would be taken for a node"
        );
    }

    #[test]
    fn what_was_said_three_beats_ago_counts_no_more() {
        let at = |second| Timestamp::from_second(second).unwrap();
        assert!(is_live(at(90), at(100)) && is_live(at(200), at(100)));
        assert!(!is_live(at(89), at(100)));
    }
}
