//! The labels by which an agent knows its containers again.

use super::Owner;
use belfry_mesh::TriggerName;
use belfry_mesh::package::Check;
use belfry_mesh::placement::Slot;
use belfry_mesh::port::runtime::Spec;
use std::collections::HashMap;

/// The mesh: of its containers and of its network.
pub(super) const MESH: &str = "belfry.mesh";
const NODE: &str = "belfry.node";
/// The trigger: of its containers and of its volumes.
pub(super) const TRIGGER: &str = "belfry.trigger";
const SLOT: &str = "belfry.slot";
const REVISION: &str = "belfry.revision";
const PORT: &str = "belfry.port";
const PATH: &str = "belfry.path";
const HEALTH: &str = "belfry.health";

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
    /// How it is known to be well.
    pub(super) health: Check,
}

impl Marks {
    pub(super) fn of(spec: &Spec) -> Self {
        let deployment = spec.manifest.deployment();
        Self {
            slot: spec.slot.clone(),
            revision: spec.revision,
            port: deployment.port,
            path: deployment.path.clone(),
            health: deployment.health.clone(),
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
            (HEALTH, write_check(&self.health)),
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
            health: read_check(text(HEALTH)?)?,
        })
    }
}

fn write_check(check: &Check) -> String {
    match check {
        Check::Get(path) => format!("get {path}"),
        Check::Connect => "connect".to_owned(),
        Check::Running => "running".to_owned(),
    }
}

fn read_check(text: &str) -> Option<Check> {
    match text.split_once(' ') {
        Some(("get", path)) => Some(Check::Get(path.to_owned())),
        None if text == "connect" => Some(Check::Connect),
        None if text == "running" => Some(Check::Running),
        _ => None,
    }
}

/// The filter that finds the containers of a slot, of whichever revision.
pub(super) fn slot_filter(owner: &Owner, slot: &Slot) -> HashMap<String, Vec<String>> {
    let mut filter = filter(owner);
    filter.entry("label".to_owned()).or_default().extend([
        format!("{TRIGGER}={}", slot.trigger),
        format!("{SLOT}={}", slot.index),
    ]);
    filter
}

/// The filter that finds all containers of an owner, and no other.
pub(super) fn filter(owner: &Owner) -> HashMap<String, Vec<String>> {
    let labels = vec![
        format!("{MESH}={}", owner.mesh),
        format!("{NODE}={}", owner.node),
    ];
    HashMap::from([("label".to_owned(), labels)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use belfry_mesh::NodeName;

    #[test]
    fn what_is_written_on_a_container_is_read_again() {
        let owner = Owner {
            mesh: "m".to_owned(),
            node: NodeName::parse("n").unwrap(),
        };
        for health in [
            Check::Get("/a b".to_owned()),
            Check::Connect,
            Check::Running,
        ] {
            let marks = Marks {
                slot: Slot {
                    trigger: TriggerName::parse("bell").unwrap(),
                    index: 2,
                },
                revision: 7,
                port: 8080,
                path: "/event".to_owned(),
                health,
            };
            assert_eq!(Marks::read(&marks.write(&owner)), Some(marks));
        }
        assert_eq!(Marks::read(&Labels::new()), None);
    }
}
