//! What to do about one slot: a pure function of what should be and what is.

use belfry_mesh::port::runtime::{Health, Instance};
use belfry_mesh::trigger::{Desired, SlotState};

/// What should be in a slot that this node holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Want {
    /// The revision that its container is to be made from.
    pub(crate) revision: u64,
    /// Whether it should run.
    pub(crate) desired: Desired,
    /// Whether it may replace a container that serves: the slots of a trigger do one after the other.
    pub(crate) its_turn: bool,
}

/// What to do about a slot, and how it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Plan {
    /// Whether an instance of the wanted revision is to be started.
    pub(crate) start: bool,
    /// The instance that events are pumped into.
    pub(crate) serve: Option<Instance>,
    /// The instances to remove, by id, once nothing is pumped into them any more.
    pub(crate) remove: Vec<String>,
    /// The instance of the wanted revision that failed, if one did: it goes, and the next start waits.
    pub(crate) failed: Option<Instance>,
    /// Whether it serves an earlier revision until it is its turn.
    pub(crate) waits: bool,
    /// How the slot is.
    pub(crate) state: SlotState,
    /// Why, when there is something to say.
    pub(crate) detail: Option<String>,
}

/// Plans a slot. The wanted revision takes over once it is healthy; until then the one before it serves. What is neither
/// wanted nor serving goes.
#[must_use]
pub(crate) fn plan(want: Want, observed: &[Instance]) -> Plan {
    if want.desired == Desired::Stopped {
        let remove = observed
            .iter()
            .map(|instance| instance.id.clone())
            .collect();
        return Plan {
            start: false,
            serve: None,
            remove,
            failed: None,
            waits: false,
            state: SlotState::Stopped,
            detail: None,
        };
    }
    let (wanted, others): (Vec<_>, Vec<_>) = observed
        .iter()
        .partition(|instance| instance.revision == want.revision);
    if let Some(healthy) = wanted
        .iter()
        .find(|instance| instance.health == Health::Healthy)
    {
        let rest = observed.iter().filter(|instance| instance.id != healthy.id);
        let remove = rest.map(|instance| instance.id.clone()).collect();
        return Plan {
            start: false,
            serve: Some((*healthy).clone()),
            remove,
            failed: None,
            waits: false,
            state: up(want),
            detail: None,
        };
    }
    let fallback = others
        .iter()
        .filter(|instance| instance.health == Health::Healthy)
        .max_by_key(|instance| instance.revision)
        .map(|instance| (*instance).clone());
    if let (Some(serving), true, false) = (&fallback, wanted.is_empty(), want.its_turn) {
        let rest = others.iter().filter(|other| other.id != serving.id);
        return Plan {
            start: false,
            remove: rest.map(|other| other.id.clone()).collect(),
            serve: fallback,
            failed: None,
            waits: true,
            state: up(want),
            detail: None,
        };
    }
    let failed: Vec<&Instance> = wanted
        .iter()
        .copied()
        .filter(|instance| is_failed(&instance.health))
        .collect();
    let starting = wanted.len() > failed.len();
    let gone = failed.iter().copied().chain(
        others
            .into_iter()
            .filter(|other| Some(&other.id) != fallback.as_ref().map(|f| &f.id)),
    );
    Plan {
        start: !starting,
        waits: false,
        remove: gone.map(|instance| instance.id.clone()).collect(),
        state: if failed.is_empty() || starting {
            SlotState::Starting
        } else {
            SlotState::Error
        },
        detail: failed.first().map(|instance| describe(instance)),
        failed: failed.first().map(|instance| (*instance).clone()),
        serve: fallback,
    }
}

/// How a slot is whose container is up and well.
fn up(want: Want) -> SlotState {
    match want.desired {
        Desired::Paused => SlotState::Paused,
        Desired::Running | Desired::Stopped => SlotState::Running,
    }
}

fn is_failed(health: &Health) -> bool {
    matches!(health, Health::Unhealthy(_) | Health::Exited(_))
}

/// How an instance is, in words.
pub(crate) fn describe(instance: &Instance) -> String {
    let name = &instance.container_name;
    match &instance.health {
        Health::Unhealthy(why) => format!("container `{name}` fails its health check: {why}"),
        Health::Exited(Some(status)) => format!("container `{name}` exited with status {status}"),
        Health::Exited(None) => format!("container `{name}` exited"),
        Health::Starting | Health::Healthy => format!("container `{name}` is up"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use belfry_mesh::TriggerName;
    use belfry_mesh::placement::Slot;

    fn instance(id: &str, revision: u64, health: Health) -> Instance {
        let trigger = TriggerName::parse("t").unwrap();
        Instance {
            id: id.into(),
            container_name: id.into(),
            slot: Slot { trigger, index: 0 },
            revision,
            health,
            event_url: Some("http://127.0.0.1:1/event".into()),
        }
    }

    fn served(plan: &Plan) -> Option<&str> {
        plan.serve.as_ref().map(|instance| instance.id.as_str())
    }

    const WANT: Want = Want {
        revision: 2,
        desired: Desired::Running,
        its_turn: true,
    };

    #[test]
    fn an_empty_slot_is_started() {
        let plan = plan(WANT, &[]);
        assert!(plan.start && plan.serve.is_none() && plan.remove.is_empty());
        assert_eq!(plan.state, SlotState::Starting);
    }

    #[test]
    fn the_old_revision_serves_until_the_new_one_is_healthy() {
        let old = instance("old", 1, Health::Healthy);
        let before = plan(WANT, std::slice::from_ref(&old));
        assert!(before.start);
        assert_eq!(served(&before), Some("old"));

        let during = plan(WANT, &[old.clone(), instance("new", 2, Health::Starting)]);
        assert_eq!(
            (during.start, served(&during), during.remove.len()),
            (false, Some("old"), 0)
        );

        let after = plan(WANT, &[old, instance("new", 2, Health::Healthy)]);
        assert_eq!(
            (served(&after), after.remove.as_slice()),
            (Some("new"), &["old".to_owned()][..])
        );
        assert_eq!(after.state, SlotState::Running);
    }

    #[test]
    fn a_new_revision_that_fails_is_tried_again_while_the_old_one_serves() {
        let failed = instance("new", 2, Health::Exited(Some(1)));
        let plan = plan(WANT, &[instance("old", 1, Health::Healthy), failed]);
        assert_eq!(
            (plan.start, served(&plan), plan.remove.as_slice()),
            (true, Some("old"), &["new".to_owned()][..])
        );
        assert_eq!(
            plan.failed.map(|instance| instance.id).as_deref(),
            Some("new")
        );
        assert_eq!(plan.state, SlotState::Error);
        assert!(plan.detail.unwrap().contains("status 1"));
    }

    #[test]
    fn a_slot_waits_for_its_turn_only_while_it_serves() {
        let want = Want {
            its_turn: false,
            ..WANT
        };
        let waiting = plan(want, &[instance("old", 1, Health::Healthy)]);
        assert!(waiting.waits && !waiting.start);
        assert_eq!(
            (served(&waiting), waiting.state),
            (Some("old"), SlotState::Running)
        );
        for nothing_served in [vec![], vec![instance("old", 1, Health::Exited(None))]] {
            let plan = plan(want, &nothing_served);
            assert!(plan.start && !plan.waits);
        }
        // One that was begun is brought to its end.
        let begun = [
            instance("old", 1, Health::Healthy),
            instance("new", 2, Health::Healthy),
        ];
        assert_eq!(served(&plan(want, &begun)), Some("new"));
    }

    #[test]
    fn an_earlier_revision_can_be_the_wanted_one_again() {
        let observed = [
            instance("old", 2, Health::Healthy),
            instance("new", 3, Health::Starting),
        ];
        let plan = plan(WANT, &observed);
        assert_eq!(
            (served(&plan), plan.start, plan.remove.as_slice()),
            (Some("old"), false, &["new".to_owned()][..])
        );
    }

    #[test]
    fn a_paused_slot_keeps_its_container() {
        let want = Want {
            desired: Desired::Paused,
            ..WANT
        };
        let plan = plan(want, &[instance("a", 2, Health::Healthy)]);
        assert_eq!((served(&plan), plan.state), (Some("a"), SlotState::Paused));
    }

    #[test]
    fn a_stopped_slot_is_emptied() {
        let plan = plan(
            Want {
                desired: Desired::Stopped,
                ..WANT
            },
            &[instance("a", 2, Health::Healthy)],
        );
        assert_eq!(
            (plan.remove, plan.state),
            (vec!["a".to_owned()], SlotState::Stopped)
        );
        assert!(plan.serve.is_none());
    }

    #[test]
    fn a_second_copy_of_the_wanted_revision_goes() {
        let plan = plan(
            WANT,
            &[
                instance("a", 2, Health::Healthy),
                instance("b", 2, Health::Healthy),
            ],
        );
        assert_eq!(
            (served(&plan), plan.remove.as_slice()),
            (Some("a"), &["b".to_owned()][..])
        );
    }
}
