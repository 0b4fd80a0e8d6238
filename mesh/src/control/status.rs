//! How a trigger is: what should be beside what is, in the words that existing clients know, and some of our own.

use crate::package::{Manifest, Source};
use crate::placement::Slot;
use crate::target::Target;
use crate::trigger::{Desired, SlotState, SlotStatus, Trigger};
use jiff::Timestamp;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;

/// How a trigger is.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Status {
    /// Its name.
    pub name: String,
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
    /// Whether it should run.
    pub desired: Desired,
    /// What it runs.
    pub target: Target,
    /// The revision of its desired state.
    pub revision: u64,
    /// What made that revision.
    pub change: String,
    /// Why it does not run, in words, when there is something to say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// What its holders report, by slot.
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
    pub fn of(trigger: &Trigger, revision: u64, slots: Vec<(u32, SlotStatus)>) -> Self {
        let slots: BTreeMap<_, _> = slots.into_iter().collect();
        let state = run_state(&slots);
        let container = slots.values().find_map(|slot| slot.container_name.clone());
        let first = Slot {
            trigger: trigger.name.clone(),
            index: 0,
        };
        Self {
            name: trigger.name.to_string(),
            version: trigger.manifest.version().to_string(),
            registry: trigger.registry.clone(),
            container_name: container.unwrap_or_else(|| first.container_name()),
            state,
            running: state == RunState::Running,
            installed_at: trigger.installed_at,
            trigger_type: trigger.manifest.source().kind(),
            package: trigger.manifest.clone(),
            user_config: trigger.user_config.clone(),
            desired: trigger.desired,
            target: trigger.target.clone(),
            revision,
            change: trigger.change.what.clone(),
            detail: detail(trigger, &slots),
            slots,
        }
    }
}

fn run_state(slots: &BTreeMap<u32, SlotStatus>) -> RunState {
    if slots.values().any(|slot| slot.serving.is_some()) {
        RunState::Running
    } else if slots.is_empty() || slots.values().all(|slot| slot.state == SlotState::Starting) {
        RunState::ContainerMissing
    } else {
        RunState::Exited
    }
}

fn detail(trigger: &Trigger, slots: &BTreeMap<u32, SlotStatus>) -> Option<String> {
    if let Some(told) = slots.values().find_map(|slot| slot.detail.clone()) {
        return Some(told);
    }
    if trigger.desired == Desired::Running && slots.is_empty() {
        return Some("no node has taken it yet; is an agent running? (`belfry agent`)".to_owned());
    }
    let clockless = matches!(trigger.manifest.source(), Source::Schedule { .. });
    clockless.then(|| {
        format!(
            "this version has no scheduler: only `belfry run {}` runs it",
            trigger.name
        )
    })
}

/// Whether the slots are at the revision and neither starting nor unheld.
pub(super) fn is_settled(
    desired: Desired,
    revision: u64,
    slots: &BTreeMap<u32, SlotStatus>,
) -> bool {
    let settled = |slot: &SlotStatus| {
        slot.revision >= revision
            && match slot.state {
                SlotState::Starting => false,
                SlotState::Running => desired == Desired::Running,
                SlotState::Stopped => desired == Desired::Stopped,
                SlotState::Error => true,
            }
    };
    !slots.is_empty() && slots.values().all(settled)
}
