//! The commands, over a mesh in memory whose agents the tests play.

mod world;

use self::world::{PATIENCE, World, package};
use super::*;
use crate::gateway;
use crate::name::{GatewayName, NodeName};
use crate::node::Availability;
use crate::port::state::Bucket;
use crate::target::Target;
use serde_json::json;
use std::collections::BTreeMap;
use tokio::time::Instant;

fn name() -> TriggerName {
    TriggerName::parse("t").unwrap()
}

fn node(name: &str) -> NodeName {
    NodeName::parse(name).unwrap()
}

/// A mesh with the live nodes `a` and `b`, and a trigger of so many slots, of which `a` holds the first, `b` the second.
async fn mesh(replicas: u32) -> (Arc<World>, Control) {
    let (world, control) = World::new();
    for node in ["a", "b"] {
        world.beat(node).await;
    }
    let request = Install {
        kind: Kind::Trigger,
        package: "p".parse().unwrap(),
        version: None,
        registry: None,
        name: Some(name()),
        target: Some(Target::Workflow("w".into())),
        config: BTreeMap::new(),
        auth: None,
        rate_limit: None,
        allow_ips: None,
        replicas: Some(replicas),
        constraints: Vec::new(),
    };
    let slots = async {
        let (_, revision) = written(&world, &control, 0).await;
        for (index, node) in (0..replicas).zip(["a", "b"]) {
            world.hold(&format!("t.{index}"), node, revision).await;
        }
    };
    let (installed, ()) = tokio::join!(control.install(request, "me"), slots);
    assert!(installed.unwrap().status.running);
    (world, control)
}

/// The record, once it has a later revision.
async fn written(world: &World, control: &Control, after: Revision) -> (Trigger, Revision) {
    let mut changes = world.watch(Bucket::Triggers).await.unwrap();
    loop {
        if let Some((trigger, revision)) = control.find(&name()).await.unwrap()
            && revision > after
        {
            return (trigger, revision);
        }
        futures::StreamExt::next(&mut changes).await.unwrap();
    }
}

/// The nodes but these die.
async fn only_live(world: &World, live: &[&str]) {
    for _ in 0..5 {
        tokio::time::advance(Duration::from_secs(3)).await;
        for node in live {
            world.beat(node).await;
        }
    }
}

async fn update(world: &World, control: &Control, to: Arc<crate::package::Manifest>) {
    *world.package.lock().unwrap() = to;
    let before = control.status(&name()).await.unwrap().revision;
    let slots = async {
        let (_, revision) = written(world, control, before).await;
        world.hold("t.0", "a", revision).await;
    };
    let name = name();
    let (updated, ()) = tokio::join!(control.update(&name, None, "me"), slots);
    assert!(updated.unwrap().changed);
}

/// What an agent does to an update that does not hold.
async fn reject(world: &World, control: &Control) {
    let (trigger, revision) = control.find(&name()).await.unwrap().unwrap();
    let found = Probation::Failed("it was sick".into());
    let ended = end_probation(world, world, world, (&trigger, revision), &found, "a");
    assert!(ended.await.unwrap());
    let (_, revision) = control.find(&name()).await.unwrap().unwrap();
    world.hold("t.0", "a", revision).await;
}

async fn drain(control: &Control, name: &str) -> NodeStatus {
    let (nodes, node) = (control.nodes(), node(name));
    let drained = nodes.set_availability(&node, Availability::Drained, "me");
    drained.await.unwrap()
}

fn subscribed(world: &World) -> Vec<String> {
    world.subscribed.lock().unwrap().concat()
}

#[tokio::test(start_paused = true)]
async fn what_a_new_package_waits_for_is_stored_before_it_runs() {
    let (world, control) = mesh(1).await;
    *world.package.lock().unwrap() = package("1.1.0", "second", "eu");
    let before = control.status(&name()).await.unwrap().revision;
    // No agent takes it up, so the command waits. It may die of that.
    let name = name();
    let dies = tokio::time::timeout(PATIENCE / 2, control.update(&name, None, "me"));
    assert!(dies.await.is_err());
    assert!(control.status(&name).await.unwrap().revision > before);
    assert_eq!(subscribed(&world), ["first", "second"]);
    let dies = tokio::time::timeout(PATIENCE / 2, control.rollback(&name, None, "me"));
    assert!(dies.await.is_err());
    assert_eq!(subscribed(&world), ["first", "second", "first"]);
    // What changes no package leaves its place alone.
    control.stop(&name, "me").await.unwrap();
    assert_eq!(subscribed(&world).len(), 3);
}

#[tokio::test(start_paused = true)]
async fn an_update_that_is_taken_back_gives_the_place_in_the_log_back() {
    let (world, control) = mesh(1).await;
    update(&world, &control, package("1.1.0", "second", "eu")).await;
    let (stale, revision) = control.find(&name()).await.unwrap().unwrap();
    reject(&world, &control).await;
    assert_eq!(subscribed(&world), ["first", "second", "first"]);
    // What was not written changes nothing.
    let found = Probation::Failed("it was sick".into());
    let world = world.as_ref();
    let again = end_probation(world, world, world, (&stale, revision), &found, "b");
    assert!(!again.await.unwrap());
    assert_eq!(subscribed(world).len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_rollback_does_not_go_to_what_was_taken_back() {
    let (world, control) = mesh(1).await;
    update(&world, &control, package("1.1.0", "first", "eu")).await;
    let bad = control.status(&name()).await.unwrap().revision;
    reject(&world, &control).await;
    let refusal = control.rollback(&name(), None, "me").await.unwrap_err();
    let says = refusal.to_string();
    assert!(
        says.starts_with("`t` was rolled back from 1.1.0 by itself already"),
        "{says}"
    );
    assert!(says.contains(&format!("--to {bad}")), "{says}");
    assert_eq!(refusal.status(), http::StatusCode::NOT_FOUND);
    // With a version before it, it goes there: 1.2.0 held, 1.3.0 did not.
    update(&world, &control, package("1.2.0", "first", "eu")).await;
    let (trigger, revision) = control.find(&name()).await.unwrap().unwrap();
    let of = (&trigger, revision);
    let state = world.as_ref();
    end_probation(state, state, state, of, &Probation::Held, "a")
        .await
        .unwrap();
    update(&world, &control, package("1.3.0", "first", "eu")).await;
    reject(&world, &control).await;
    assert_eq!(control.status(&name()).await.unwrap().version, "1.2.0");
    let back = control.rollback(&name(), None, "me").await.unwrap();
    assert_eq!(back.status.version, "1.0.0");
}

#[tokio::test(start_paused = true)]
async fn a_rollback_skips_the_update_that_did_not_hold_even_where_it_was_tried_before() {
    let (world, control) = mesh(1).await;
    let bad = package("1.1.0", "first", "eu");
    for _ in 0..2 {
        update(&world, &control, bad.clone()).await;
        reject(&world, &control).await;
    }
    let refusal = control.rollback(&name(), None, "me").await.unwrap_err();
    assert!(matches!(refusal, Error::RolledBack { .. }), "{refusal}");
}

#[tokio::test(start_paused = true)]
async fn what_no_live_node_may_run_is_refused() {
    let (world, control) = mesh(1).await;
    let before = control.status(&name()).await.unwrap();
    *world.package.lock().unwrap() = package("1.1.0", "first", "us");
    let refusal = control.update(&name(), None, "me").await.unwrap_err();
    assert_eq!(
        refusal.to_string(),
        "no node may run `t` with version 1.1.0 of its package: node `a` does not meet `zone=us`, node `b` does not meet `zone=us`"
    );
    let after = control.status(&name()).await.unwrap();
    assert_eq!(after.revision, before.revision);
    // Of nodes that are dead nothing is known.
    only_live(&world, &[]).await;
    let taken = control.update(&name(), None, "me").await.unwrap();
    assert!(taken.changed);
    // And the way back is refused likewise, once a node is there.
    *world.package.lock().unwrap() = package("1.2.0", "first", "eu");
    control.update(&name(), None, "me").await.unwrap();
    world.beat("a").await;
    let refusal = control.rollback(&name(), None, "me").await.unwrap_err();
    assert!(refusal.to_string().contains("`zone=us`"), "{refusal}");
}

#[tokio::test(start_paused = true)]
async fn a_dead_node_runs_nothing_and_the_status_says_who_it_was() {
    let (world, control) = mesh(2).await;
    only_live(&world, &["a"]).await;
    let status = &control.list().await.unwrap()[0];
    // The other slot runs.
    assert!(status.running);
    assert_eq!(status.slots.len(), 2);
    let says =
        "node `b`, which holds slot 1, was not heard of for 15 s; 1 of its 2 slots have a node";
    assert_eq!(status.detail.as_deref(), Some(says));
    only_live(&world, &[]).await;
    let status = &control.list().await.unwrap()[0];
    assert_eq!(
        (status.running, status.state),
        (false, RunState::ContainerMissing)
    );
}

#[tokio::test(start_paused = true)]
async fn a_dead_holder_of_a_slot_that_there_is_no_more_blocks_no_command() {
    let (world, control) = mesh(2).await;
    only_live(&world, &["a"]).await;
    let before = control.status(&name()).await.unwrap().revision;
    let began = Instant::now();
    let slots = async {
        let (_, revision) = written(&world, &control, before).await;
        world.hold("t.0", "a", revision).await;
    };
    let name = name();
    let (scaled, ()) = tokio::join!(control.scale(&name, 1, "me"), slots);
    let status = scaled.unwrap().status;
    assert_eq!(began.elapsed(), Duration::ZERO);
    assert_eq!((status.running, status.slots.len()), (true, 1));
    assert_eq!(status.detail, None);
    // Nor does it when it comes back.
    world.beat("b").await;
    let drained = drain(&control, "b").await;
    assert_eq!((drained.live, drained.slots), (true, Vec::new()));
    assert_eq!(began.elapsed(), Duration::ZERO);
    assert!(control.status(&name).await.unwrap().running);
}

#[tokio::test(start_paused = true)]
async fn a_command_waits_for_the_node_that_takes_over_from_a_dead_one() {
    let (world, control) = mesh(1).await;
    only_live(&world, &["b"]).await;
    let before = control.status(&name()).await.unwrap().revision;
    let takeover = Duration::from_secs(7);
    let began = Instant::now();
    let slots = async {
        let (_, revision) = written(&world, &control, before).await;
        world.beat("b").await;
        tokio::time::sleep(takeover).await;
        world.hold("t.0", "b", revision).await;
    };
    let name = name();
    let (restarted, ()) = tokio::join!(control.restart(&name, "me"), slots);
    assert!(began.elapsed() >= takeover);
    let status = restarted.unwrap().status;
    assert_eq!((status.running, status.detail), (true, None));
}

#[tokio::test(start_paused = true)]
async fn an_uninstall_and_a_drain_wait_for_a_node_until_it_is_dead() {
    for uninstall in [true, false] {
        let (_world, control) = mesh(1).await;
        let began = Instant::now();
        if uninstall {
            control.uninstall(&name(), "me").await.unwrap();
        } else {
            assert!(!drain(&control, "a").await.live);
        }
        let waited = began.elapsed();
        let bound = crate::node::LIVE_FOR;
        assert!(
            bound < waited && waited < bound + Duration::from_secs(3),
            "{waited:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_node_that_is_forgotten_takes_what_it_said_with_it() {
    let (world, control) = mesh(2).await;
    only_live(&world, &["a"]).await;
    control.nodes().forget(&node("b")).await.unwrap();
    let status = control.status(&name()).await.unwrap();
    assert_eq!(status.slots.keys().collect::<Vec<_>>(), [&0]);
    assert_eq!(
        status.detail.as_deref(),
        Some("1 of its 2 slots have a node")
    );
    // A node whose own clock is far off is live all the same.
    let refusal = control.nodes().forget(&node("a")).await.unwrap_err();
    assert!(refusal.to_string().contains("node `a` lives"), "{refusal}");
}

#[tokio::test(start_paused = true)]
async fn a_status_says_which_gateways_refuse_and_why_until_they_are_silent() {
    let (world, control) = mesh(1).await;
    let why = "secret `X` is not set";
    for (name, why) in [("g1", Some(why)), ("g2", None), ("g3", Some(why))] {
        world.say(name, why.map(|why| ("t", why))).await;
    }
    let names = |list: &[&str]| -> Vec<GatewayName> {
        list.iter()
            .map(|it| GatewayName::parse(it).unwrap())
            .collect()
    };
    let status = control.status(&name()).await.unwrap();
    let refusing = Refusing {
        why: why.into(),
        gateways: names(&["g1", "g3"]),
    };
    assert_eq!(status.refusing, [refusing]);
    assert_eq!(
        status.detail.as_deref(),
        Some("no delivery is taken: secret `X` is not set on gateway g1, g3")
    );
    assert!(status.running, "its container runs all the same");
    // One comes to know the secret, the other dies.
    world.say("g1", None).await;
    let nodes = control.nodes().list().await.unwrap();
    assert_eq!(nodes.len(), 2, "a gateway is no node: {nodes:?}");
    only_live(&world, &["a", "b"]).await;
    let status = &control.list().await.unwrap()[0];
    assert_eq!((&status.refusing, &status.detail), (&Vec::new(), &None));
    assert_eq!(control.gateways().await.unwrap(), []);
}

#[tokio::test(start_paused = true)]
async fn a_gateway_is_shown_while_it_is_heard_of_and_swept_a_day_later() {
    let (world, control) = mesh(1).await;
    world.say("g1", None).await;
    let shown = control.gateways().await.unwrap();
    assert_eq!(shown.len(), 1);
    let gateway = &shown[0];
    assert_eq!(gateway.name.as_str(), "g1");
    assert_eq!(gateway.spool.unwrap().records, 3);
    assert_eq!(gateway.spool_age_seconds, Some(60));
    let key = gateway::key(&gateway.name);
    let there = async || {
        let entry = State::get(world.as_ref(), Bucket::Nodes, &key);
        entry.await.unwrap().is_some()
    };
    tokio::time::advance(Duration::from_secs(3_600)).await;
    assert_eq!(control.gateways().await.unwrap(), []);
    assert!(there().await);
    tokio::time::advance(Duration::from_secs(24 * 3_600)).await;
    assert_eq!(control.gateways().await.unwrap(), []);
    assert!(!there().await);
}

#[tokio::test(start_paused = true)]
async fn what_is_set_for_a_hook_keeps_the_containers_and_the_package() {
    let (world, control) = mesh(1).await;
    let signal = Hook {
        allow_ips: Setting::Own(json!(["10.0.0.0/8"]).try_into().unwrap()),
        ..Hook::default()
    };
    let refusal = control.set_hook(&name(), &signal, "me").await.unwrap_err();
    let says = "`allow_ips` is for webhooks, and package `p` takes its events from: event";
    assert_eq!(refusal.to_string(), says);
    let webhook = json!({
        "manifest": 2, "name": "p", "version": "2.0.0", "type": "trigger",
        "trigger": {"type": "webhook", "auth": {"scheme": "none"}}
    });
    let webhook = crate::package::Manifest::try_from(webhook).unwrap();
    update(&world, &control, Arc::new(webhook)).await;
    let before = control.status(&name()).await.unwrap();
    let slots = async {
        let (trigger, revision) = written(&world, &control, before.revision).await;
        world.hold("t.0", "a", revision).await;
        trigger
    };
    let trigger_name = name();
    let (set, trigger) = tokio::join!(control.set_hook(&trigger_name, &signal, "me"), slots);
    let set = set.unwrap();
    assert!(set.changed);
    assert_eq!(trigger.containers, Some(before.revision));
    assert_eq!(
        (set.status.version.as_str(), set.status.change.as_str()),
        ("2.0.0", "changed allow_ips")
    );
    assert!(set.status.allow_ips.is_some());
    let again = control.set_hook(&name(), &signal, "me").await.unwrap();
    assert!(!again.changed);
}
