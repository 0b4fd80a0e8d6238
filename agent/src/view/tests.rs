use super::*;
use belfry_mesh::Target;
use belfry_mesh::node::{Capacity, Load};
use belfry_mesh::package::Manifest;
use belfry_mesh::port::state::Entry;
use belfry_mesh::trigger::{Change as Changed, Desired, SlotState};
use jiff::Timestamp;
use serde::Serialize;

const LIVE_FOR: Duration = Duration::from_secs(10);

fn name(text: &str) -> NodeName {
    NodeName::parse(text).unwrap()
}

fn slot(index: u32) -> Slot {
    let trigger = TriggerName::parse("t").unwrap();
    Slot { trigger, index }
}

fn put(key: &str, value: &impl Serialize) -> Change {
    Change::Put(Entry {
        key: key.to_owned(),
        value: serde_json::to_vec(value).unwrap().into(),
        revision: 1,
        changed_at: Timestamp::UNIX_EPOCH,
    })
}

fn node(text: &str) -> Node {
    Node {
        name: name(text),
        version: "1".into(),
        runtime: "docker".into(),
        labels: BTreeMap::new(),
        availability: Availability::Active,
        capacity: Capacity::default(),
        used: Load::default(),
        trouble: None,
        seen_at: Timestamp::UNIX_EPOCH,
    }
}

fn held_by(node: &str) -> SlotStatus {
    SlotStatus {
        node: name(node),
        token: 1,
        revision: 1,
        state: SlotState::Running,
        serving: Some(1),
        detail: None,
        container_name: None,
        since: Timestamp::UNIX_EPOCH,
    }
}

fn trigger(replicas: u32, constraints: &[&str]) -> Trigger {
    let manifest = r#"{"name":"t","version":"1.0.0","type":"trigger","trigger":{"type":"manual"}}"#;
    Trigger {
        name: slot(0).trigger,
        registry: "main".into(),
        manifest: Arc::new(Manifest::parse(manifest).unwrap()),
        target: Some(Target::Workflow("w".into())),
        user_config: BTreeMap::new(),
        auth: None,
        rate_limit: None,
        allow_ips: None,
        desired: Desired::Running,
        replicas,
        constraints: constraints
            .iter()
            .map(|text| text.parse().unwrap())
            .collect(),
        containers: None,
        fallback: None,
        rejected: None,
        leaving: false,
        installed_at: Timestamp::UNIX_EPOCH,
        change: Changed {
            what: "installed".into(),
            by: "test".into(),
            at: Timestamp::UNIX_EPOCH,
        },
    }
}

/// What node `a` sees of itself and `b`, and of a trigger.
fn view(trigger: &Trigger, now: Instant) -> View {
    let mut view = View::new(name("a"), LIVE_FOR);
    view.see(Bucket::Triggers, put("t", trigger), now);
    for other in ["a", "b"] {
        view.see(Bucket::Nodes, put(other, &node(other)), now);
    }
    for bucket in Bucket::ALL {
        view.see(bucket, Change::Current, now);
    }
    view
}

#[test]
fn a_slot_is_free_when_its_holder_is_dead_or_silent_or_this_node() {
    let now = Instant::now();
    let mut view = view(&trigger(1, &[]), now);
    let mine = node("a");
    assert!(matches!(
        view.standing(&slot(0), &mine, now),
        Standing::Free(_)
    ));
    view.see(Bucket::Status, put("t.0", &held_by("b")), now);
    assert_eq!(view.standing(&slot(0), &mine, now), Standing::Held);
    let death = view.next_death(now).unwrap();
    assert_eq!(death, now + LIVE_FOR);
    assert_eq!(view.standing(&slot(0), &mine, death), Standing::Free(0));
    // What it reported in an earlier life.
    view.see(Bucket::Status, put("t.0", &held_by("a")), now);
    assert!(matches!(
        view.standing(&slot(0), &mine, now),
        Standing::Free(_)
    ));
}

#[test]
fn before_everything_has_been_seen_nothing_is_taken_and_nothing_removed() {
    let now = Instant::now();
    let mut view = View::new(name("a"), LIVE_FOR);
    view.see(Bucket::Triggers, put("t", &trigger(1, &[])), now);
    view.see(Bucket::Triggers, Change::Current, now);
    view.see(Bucket::Nodes, Change::Current, now);
    assert_eq!(view.standing(&slot(0), &node("a"), now), Standing::NotMine);
    assert!(!view.is_orphan(&slot(7)));
}

#[test]
fn a_node_that_is_cordoned_full_or_unlike_takes_nothing() {
    let now = Instant::now();
    let free = view(&trigger(1, &[]), now);
    let full = Node {
        capacity: Capacity {
            slots: Some(1),
            memory: None,
        },
        used: Load {
            slots: 1,
            memory: 0,
        },
        ..node("a")
    };
    let cordoned = Node {
        availability: Availability::Cordoned,
        ..node("a")
    };
    for mine in [full, cordoned] {
        assert_eq!(free.standing(&slot(0), &mine, now), Standing::NotMine);
        assert!(!free.is_to_leave(&slot(0), &mine), "what it holds it keeps");
    }
    let elsewhere = view(&trigger(1, &["node=b"]), now);
    assert_eq!(
        elsewhere.standing(&slot(0), &node("a"), now),
        Standing::NotMine
    );
    assert!(elsewhere.is_to_leave(&slot(0), &node("a")));
}

#[test]
fn a_drained_node_leaves_what_it_holds() {
    let now = Instant::now();
    let mut view = view(&trigger(1, &[]), now);
    let wanted = Wanted {
        availability: Availability::Drained,
        change: trigger(1, &[]).change,
    };
    let touched = view.see(Bucket::Nodes, put("a.wanted", &wanted), now);
    assert_eq!(touched, Touched::All);
    let mine = Node {
        availability: view.availability(),
        ..node("a")
    };
    assert!(view.is_to_leave(&slot(0), &mine));
}

#[test]
fn an_instance_is_an_orphan_without_its_slot_or_when_another_node_has_it() {
    let now = Instant::now();
    let mut view = view(&trigger(2, &[]), now);
    assert!(!view.is_orphan(&slot(1)) && view.is_orphan(&slot(2)));
    view.see(Bucket::Status, put("t.1", &held_by("a")), now);
    assert!(!view.is_orphan(&slot(1)));
    view.see(Bucket::Status, put("t.1", &held_by("b")), now);
    assert!(view.is_orphan(&slot(1)));
    let deleted = Change::Deleted {
        key: "t".into(),
        revision: 2,
    };
    view.see(Bucket::Triggers, deleted, now);
    assert!(view.is_orphan(&slot(0)));
}

#[test]
fn the_replicas_of_a_trigger_stand_in_different_lines() {
    let now = Instant::now();
    let mut view = view(&trigger(2, &[]), now);
    let lines = |view: &View| [0, 1].map(|index| view.standing(&slot(index), &node("a"), now));
    let ranks = lines(&view);
    assert!(
        ranks.contains(&Standing::Free(0)) && ranks.contains(&Standing::Free(1)),
        "{ranks:?}"
    );
    // Where it holds one already, it stands back for the other.
    view.see(Bucket::Status, put("t.0", &held_by("a")), now);
    assert_eq!(view.standing(&slot(1), &node("a"), now), Standing::Free(1));
}
