//! The labels by which an agent knows its containers again.

use super::Owner;
use belfry_mesh::TriggerName;
use belfry_mesh::placement::Slot;
use belfry_mesh::port::runtime::Spec;
use std::collections::HashMap;

const MESH: &str = "belfry.mesh";
const NODE: &str = "belfry.node";
const TRIGGER: &str = "belfry.trigger";
const SLOT: &str = "belfry.slot";
const REVISION: &str = "belfry.revision";
const PORT: &str = "belfry.port";
const PATH: &str = "belfry.path";

/// Labels as the engine has them.
pub(super) type Labels = HashMap<String, String>;

/// What the labels of a container say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Marks {
    pub(super) slot: Slot,
    pub(super) revision: u64,
    /// Where it takes events and says whether it is well.
    pub(super) port: u16,
    /// The path on which it takes events.
    pub(super) path: String,
}

impl Marks {
    pub(super) fn of(spec: &Spec) -> Self {
        let deployment = spec.manifest.deployment();
        Self {
            slot: spec.slot.clone(),
            revision: spec.revision,
            port: deployment.port,
            path: deployment.path.clone(),
        }
    }

    pub(super) fn write(&self, owner: &Owner) -> Labels {
        let labels = [
            (MESH, owner.mesh.clone()),
            (NODE, owner.node.to_string()),
            (TRIGGER, self.slot.trigger.to_string()),
            (SLOT, self.slot.index.to_string()),
            (REVISION, self.revision.to_string()),
            (PORT, self.port.to_string()),
            (PATH, self.path.clone()),
        ];
        labels
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect()
    }

    /// What these labels say. None of a container that Belfry did not make.
    pub(super) fn read(labels: &Labels) -> Option<Self> {
        let text = |name: &str| labels.get(name).map(String::as_str);
        Some(Self {
            slot: Slot {
                trigger: TriggerName::parse(text(TRIGGER)?).ok()?,
                index: text(SLOT)?.parse().ok()?,
            },
            revision: text(REVISION)?.parse().ok()?,
            port: text(PORT)?.parse().ok()?,
            path: text(PATH)?.to_owned(),
        })
    }
}

/// The filter that finds all containers of an owner, and no other.
pub(super) fn filter(owner: &Owner) -> HashMap<String, Vec<String>> {
    let labels = vec![
        format!("{MESH}={}", owner.mesh),
        format!("{NODE}={}", owner.node),
    ];
    HashMap::from([("label".to_owned(), labels)])
}
