//! How a trigger is: what should be beside what is, in the words that existing clients know, and some of our own.

use super::Refusing;
use super::heard::Heard;
use crate::name::GatewayName;
use crate::package::{Kind, Manifest, Source};
use crate::placement::{Constraint, Slot, fits};
use crate::signature::Auth;
use crate::target::Target;
use crate::trigger::{AllowIps, Desired, RateLimit, Rejected, SlotState, SlotStatus, Trigger};
use jiff::Timestamp;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;

/// How a trigger is.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Status {
    /// Its name.
    pub name: String,
    /// Whether it is a trigger or a service.
    pub kind: Kind,
    /// The version of its package.
    pub version: String,
    /// The registry that its package came from.
    pub registry: String,
    /// The name of its first container.
    pub container_name: String,
    /// How it is, in one word.
    pub state: RunState,
    /// Whether it runs.
    pub running: bool,
    /// When it was installed.
    pub installed_at: Timestamp,
    /// Where its events come from.
    pub trigger_type: &'static str,
    /// Its package, whole.
    pub package: Arc<Manifest>,
    /// The environment that its installer set.
    pub user_config: BTreeMap<String, String>,
    /// How its deliveries are verified, by its installer's word or its package's. Secrets by name only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth: Option<Auth>,
    /// How often its hook may be called, likewise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate_limit: Option<RateLimit>,
    /// Where its deliveries may come from, likewise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allow_ips: Option<AllowIps>,
    /// Why its deliveries are all refused, and by which gateways.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub refusing: Vec<Refusing>,
    /// Whether it should run.
    pub desired: Desired,
    /// How many slots it should have.
    pub replicas: u32,
    /// What its installer asks of a node.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub constraints: Vec<Constraint>,
    /// What it runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<Target>,
    /// The revision of its desired state.
    pub revision: u64,
    /// What made that revision.
    pub change: String,
    /// The update that did not hold and was taken back, until the next one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rejected: Option<Rejected>,
    /// Why it does not run, in words, when there is something to say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// What its holders report, by slot; of one whose node is dead, what it said last.
    pub slots: BTreeMap<u32, SlotStatus>,
}

/// The words of existing clients for how a trigger is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RunState {
    /// It runs.
    Running,
    /// Its container is there and does not run, or should not.
    Exited,
    /// No node has a container for it.
    ContainerMissing,
}

impl Status {
    /// Puts together what should be and what is reported.
    #[must_use]
    pub(super) fn of(
        trigger: &Trigger,
        revision: u64,
        mut slots: BTreeMap<u32, SlotStatus>,
        heard: &Heard,
    ) -> Self {
        slots.retain(|index, _| *index < trigger.replicas);
        let held = heard.held(trigger.replicas, &slots);
        let state = run_state(&held);
        let container = held.values().find_map(|slot| slot.container_name.clone());
        let first = Slot {
            trigger: trigger.name.clone(),
            index: 0,
        };
        Self {
            name: trigger.name.to_string(),
            kind: trigger.kind(),
            version: trigger.manifest.version().to_string(),
            registry: trigger.registry.clone(),
            container_name: container.unwrap_or_else(|| first.container_name()),
            state,
            running: state == RunState::Running,
            installed_at: trigger.installed_at,
            trigger_type: trigger.manifest.source().kind(),
            package: trigger.manifest.clone(),
            user_config: trigger.user_config.clone(),
            auth: trigger.auth().cloned(),
            rate_limit: trigger.rate_limit().map(RateLimit::of),
            allow_ips: trigger.allow_ips().cloned(),
            refusing: heard.refusing(&trigger.name),
            desired: trigger.desired,
            replicas: trigger.replicas,
            constraints: trigger.constraints.clone(),
            target: trigger.target.clone(),
            revision,
            change: trigger.change.what.clone(),
            rejected: trigger.rejected.clone(),
            detail: detail(trigger, &slots, heard),
            slots,
        }
    }
}

fn run_state(slots: &BTreeMap<u32, &SlotStatus>) -> RunState {
    if slots.values().any(|slot| slot.serving.is_some()) {
        RunState::Running
    } else if slots.is_empty() || slots.values().all(|slot| slot.state == SlotState::Starting) {
        RunState::ContainerMissing
    } else {
        RunState::Exited
    }
}

fn detail(trigger: &Trigger, slots: &BTreeMap<u32, SlotStatus>, heard: &Heard) -> Option<String> {
    let held = heard.held(trigger.replicas, slots);
    if let Some(told) = held.values().find_map(|slot| slot.detail.clone()) {
        return Some(told);
    }
    if held.len() < trigger.replicas as usize {
        let dead = slots.iter().find(|(index, _)| !held.contains_key(index));
        let dead = dead.map(|(index, status)| heard.silence(&status.node, *index));
        let unplaced = unplaced(trigger, held.len(), heard);
        return Some(
            dead.into_iter()
                .chain([unplaced])
                .collect::<Vec<_>>()
                .join("; "),
        );
    }
    if let Some(rejected) = &trigger.rejected {
        return Some(format!(
            "the update to {} did not hold and was rolled back: {}",
            rejected.version, rejected.why
        ));
    }
    let refusing = heard.refusing(&trigger.name);
    if !refusing.is_empty() {
        return Some(format!("no delivery is taken: {}", said(&refusing)));
    }
    if let Some(field) = trigger.auth().and_then(|auth| auth.scheme().secret_field()) {
        return Some(format!(
            "its senders put the secret itself into the body, as `{field}`, so it is stored with every event; use a header or a \
             signature if they can"
        ));
    }
    let clockless = matches!(trigger.manifest.source(), Source::Schedule { .. });
    clockless.then(|| {
        format!(
            "this version has no scheduler: only `belfry run {}` runs it",
            trigger.name
        )
    })
}

/// Why deliveries are refused, and where, in words.
fn said(refusing: &[Refusing]) -> String {
    let one = |refusing: &Refusing| {
        let names: Vec<&str> = refusing.gateways.iter().map(GatewayName::as_str).collect();
        format!("{} on gateway {}", refusing.why, names.join(", "))
    };
    refusing.iter().map(one).collect::<Vec<_>>().join("; ")
}

/// Why slots have no node, in words.
fn unplaced(trigger: &Trigger, held: usize, heard: &Heard) -> String {
    let have = match (held, trigger.replicas) {
        (0, 1) => "no node has taken it yet".to_owned(),
        (held, wanted) => format!("{held} of its {wanted} slots have a node"),
    };
    let reasons: Vec<String> = heard
        .live()
        .filter_map(|node| Some(format!("`{}` {}", node.name, fits(trigger, node).err()?)))
        .collect();
    let nodes = heard.live().count();
    if nodes == 0 {
        format!("{have}; is an agent running? (`belfry agent`)")
    } else if reasons.len() == nodes {
        format!("{have}, and none may: node {}", reasons.join(", node "))
    } else {
        have
    }
}

/// Whether every slot is held at the revision of this record and as it should be. One that is in error is as far as it gets, unless
/// an update on probation is about to be taken back for it.
pub(super) fn is_settled(
    trigger: &Trigger,
    revision: u64,
    slots: &BTreeMap<u32, SlotStatus>,
    heard: &Heard,
) -> bool {
    let held = heard.held(trigger.replicas, slots);
    let settled = |slot: &&SlotStatus| {
        slot.revision >= revision
            && match slot.state {
                SlotState::Starting => false,
                SlotState::Running => trigger.desired == Desired::Running,
                SlotState::Paused => trigger.desired == Desired::Paused,
                SlotState::Stopped => trigger.desired == Desired::Stopped,
                SlotState::Error => trigger.fallback.is_none(),
            }
    };
    held.len() == trigger.replicas as usize && held.values().all(settled)
}
