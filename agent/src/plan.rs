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
    /// Whether two revisions cannot run at once, since both want the same port of the node: the old one goes first.
    pub(crate) alone: bool,
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

impl Plan {
    /// Nothing to do, in a slot that is so.
    fn idle(state: SlotState) -> Self {
        Self {
            start: false,
            serve: None,
            remove: Vec::new(),
            failed: None,
            waits: false,
            state,
            detail: None,
        }
    }

    /// Serves with an instance, without all others.
    fn serving(state: SlotState, instance: &Instance, observed: &[Instance]) -> Self {
        let rest = observed.iter().filter(|other| other.id != instance.id);
        Self {
            serve: Some(instance.clone()),
            remove: rest.map(|other| other.id.clone()).collect(),
            ..Self::idle(state)
        }
    }
}

/// Plans a slot. The wanted revision takes over once it is healthy; until then the one before it serves. What is neither
/// wanted nor serving goes.
#[must_use]
pub(crate) fn plan(want: Want, observed: &[Instance]) -> Plan {
    let all = |instances: &[Instance]| instances.iter().map(|one| one.id.clone()).collect();
    if want.desired == Desired::Stopped {
        return Plan {
            remove: all(observed),
            ..Plan::idle(SlotState::Stopped)
        };
    }
    let is_wanted = |instance: &&Instance| instance.revision == want.revision;
    let is_well = |instance: &&Instance| instance.health == Health::Healthy;
    if let Some(healthy) = observed.iter().filter(is_wanted).find(is_well) {
        return Plan::serving(up(want), healthy, observed);
    }
    let is_begun = observed.iter().any(|instance| is_wanted(&instance));
    let others = observed.iter().filter(|instance| !is_wanted(instance));
    let fallback = others.filter(is_well).max_by_key(|other| other.revision);
    if let (Some(serving), false, false) = (fallback, is_begun, want.its_turn) {
        return Plan {
            waits: true,
            detail: Some(WAITS.to_owned()),
            ..Plan::serving(up(want), serving, observed)
        };
    }
    if want.alone && !is_begun && !observed.is_empty() {
        return Plan {
            remove: all(observed),
            ..Plan::idle(SlotState::Starting)
        };
    }
    replace(want, observed, fallback)
}

const WAITS: &str = "it goes over to the new revision once the slots before it run that";

/// Brings the wanted revision up beside the one that serves.
fn replace(want: Want, observed: &[Instance], fallback: Option<&Instance>) -> Plan {
    let (wanted, others): (Vec<_>, Vec<_>) = observed
        .iter()
        .partition(|instance| instance.revision == want.revision);
    let failed: Vec<&Instance> = wanted
        .iter()
        .copied()
        .filter(|instance| is_failed(&instance.health))
        .collect();
    let starting = wanted.len() > failed.len();
    let served = fallback.map(|fallback| &fallback.id);
    let rest = others.into_iter().filter(|other| Some(&other.id) != served);
    let gone = failed.iter().copied().chain(rest);
    Plan {
        start: !starting,
        serve: fallback.cloned(),
        remove: gone.map(|instance| instance.id.clone()).collect(),
        detail: failed.first().map(|instance| describe(instance)),
        failed: failed.first().map(|instance| (*instance).clone()),
        ..Plan::idle(if failed.is_empty() || starting {
            SlotState::Starting
        } else {
            SlotState::Error
        })
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
        alone: false,
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
    fn one_that_cannot_run_beside_another_waits_until_that_is_gone() {
        let want = Want {
            alone: true,
            ..WANT
        };
        let first = plan(want, &[instance("old", 1, Health::Healthy)]);
        assert_eq!(
            (first.start, served(&first), first.remove.as_slice()),
            (false, None, &["old".to_owned()][..])
        );
        assert!(plan(want, &[]).start);
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
