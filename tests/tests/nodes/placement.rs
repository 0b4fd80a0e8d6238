//! Which node has what: replicas, labels, room, and what operators say.

use super::load::{Load, told};
use super::mesh::Mesh;
use super::outcomes;
use crate::crash::ledger::balance;
use crate::world::senders::TRIGGER;
use anyhow::{Context, Result, ensure};
use belfry_mesh::trigger::SlotStatus;
use futures::StreamExt;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tokio::task::block_in_place;

fn nodes(slots: &BTreeMap<u32, SlotStatus>) -> BTreeSet<&str> {
    slots.values().map(|slot| slot.node.as_str()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_are_on_different_nodes_and_scaling_leaves_the_first_one_alone() -> Result<()> {
    let mut mesh = Mesh::docker().await?;
    for node in ["a", "b", "c"] {
        mesh.join(node, &[]).await?;
    }
    let first = mesh.install(1).await?.remove(&0).context("no first slot")?;
    let identity = mesh.identities()?;
    let mut load = Load::begin(&mesh.doors, 0);
    load.more(50).await?;
    let scale = format!("/triggers/{TRIGGER}/scale");
    mesh.order(&scale, Some(json!({"replicas": 3}))).await?;
    let three = mesh.running(TRIGGER, 3).await?;
    assert_eq!(nodes(&three).len(), 3, "{three:?}");
    load.more(200).await?;
    mesh.order(&scale, Some(json!({"replicas": 1}))).await?;
    mesh.running(TRIGGER, 1).await?;
    load.more(50).await?;
    let delivered = load.end().await?;
    let repeated = balance(&delivered.sent, &mesh.doors, &mesh.orchestrator).await?;

    mesh.doors
        .until("only the first container is left", || async {
            Ok((mesh.identities()? == identity).then_some(()))
        })
        .await?;
    let last = mesh
        .slots(TRIGGER)
        .await?
        .remove(&0)
        .context("no first slot")?;
    assert_eq!(
        (last.token, &last.container_name),
        (first.token, &first.container_name)
    );
    let outcomes = outcomes::read(&mesh.nats).await?;
    let shares = outcomes::by_node(&outcomes);
    println!(
        "1 → 3 → 1 slots under load: attempts by node {shares:?}; {} called more than once; events waited {}",
        repeated.len(),
        told(&delivered.waits(&mesh.orchestrator)?)
    );
    assert!(
        shares.len() == 3 && shares.values().all(|share| *share >= 10),
        "{shares:?}"
    );
    assert_eq!(repeated, BTreeMap::new());
    mesh.end().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn constraints_are_kept_and_what_fits_nowhere_says_why() -> Result<()> {
    let mut mesh = Mesh::in_process().await?;
    mesh.join("a", &["--labels", "zone=eu"]).await?;
    mesh.join("b", &["--labels", "zone=us"]).await?;
    mesh.join("c", &["--labels", "zone=eu,disk=fast"]).await?;
    let eu = json!({"constraints": ["zone=eu"], "replicas": 4});
    mesh.ask_for("eu-bell", eu).await?;
    let slots = mesh.running("eu-bell", 4).await?;
    assert_eq!(nodes(&slots), ["a", "c"].into(), "{slots:?}");
    let here = slots.values().filter(|slot| slot.node.as_str() == "a");
    assert_eq!(here.count(), 2, "{slots:?}");

    mesh.ask_for(
        "slow-bell",
        json!({"constraints": ["zone=eu", "disk!=fast"]}),
    )
    .await?;
    assert_eq!(nodes(&mesh.running("slow-bell", 1).await?), ["a"].into());

    let answer = mesh
        .ask_for("moon-bell", json!({"constraints": ["zone=moon"]}))
        .await?;
    let detail = answer["detail"].as_str().unwrap_or_default();
    println!("moon-bell: {detail}");
    for node in ["a", "b", "c"] {
        let why = format!("`{node}` does not meet `zone=moon`");
        assert!(detail.contains(&why), "{answer}");
    }
    assert_eq!(mesh.slots("moon-bell").await?.len(), 0);
    // It is taken as soon as there is a node for it.
    mesh.join("d", &["--labels", "zone=moon"]).await?;
    assert_eq!(nodes(&mesh.running("moon-bell", 1).await?), ["d"].into());
    assert_eq!(mesh.status("moon-bell").await?["detail"], Value::Null);
    mesh.end().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_never_holds_more_than_it_has_room_for() -> Result<()> {
    let mut mesh = Mesh::in_process().await?;
    mesh.join("a", &["--max-slots", "2"]).await?;
    mesh.join("b", &["--max-slots", "3"]).await?;
    // All at once, so that many are tried for while there is still room for one.
    let orders = (0..7).map(|number| {
        let mesh = &mesh;
        async move { mesh.ask_for(&format!("bell-{number}"), json!({})).await }
    });
    let all: Vec<Result<Value>> = futures::stream::iter(orders)
        .buffer_unordered(7)
        .collect()
        .await;
    all.into_iter().collect::<Result<Vec<_>>>()?;
    mesh.doors
        .until("the nodes are full", || async {
            Ok((held(&mesh, "a").await? == 2 && held(&mesh, "b").await? == 3).then_some(()))
        })
        .await?;
    let (_, list) = mesh.doors.console("GET", "/triggers", None).await?;
    let list = list.as_array().context("no list")?;
    let homeless: Vec<&Value> = list
        .iter()
        .filter(|trigger| trigger["running"] == false)
        .collect();
    assert_eq!(homeless.len(), 2, "{homeless:?}");
    for trigger in homeless {
        let detail = trigger["detail"].as_str().unwrap_or_default();
        assert!(
            detail.contains("node `a` is full, node `b` is full"),
            "{detail}"
        );
    }
    // What a node took it kept: it never had too much.
    for (node, room) in [("a", 2), ("b", 3)] {
        let log = mesh.agent(node)?.log();
        assert_eq!(log.matches("slot taken").count(), room, "{log}");
    }
    // Room that comes is used.
    mesh.join("c", &["--max-slots", "2"]).await?;
    for number in 0..7 {
        mesh.running(&format!("bell-{number}"), 1).await?;
    }
    assert_eq!(held(&mesh, "c").await?, 2);
    mesh.end().await
}

/// How many slots a node holds, as the holders report.
async fn held(mesh: &Mesh, node: &str) -> Result<usize> {
    let status = mesh.node(node).await?;
    let slots = status["slots"].as_array();
    Ok(slots.context("no slots")?.len())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_is_cordoned_drained_and_taken_back_without_losing_an_event() -> Result<()> {
    let mut mesh = Mesh::in_process().await?;
    mesh.join("a", &[]).await?;
    mesh.install(1).await?;
    mesh.order("/nodes/a/cordon", None).await?;
    mesh.join("b", &[]).await?;
    let mut load = Load::begin(&mesh.doors, 0);
    load.more(50).await?;

    // Cordoned, it keeps what it has and takes nothing more.
    for number in 0..4 {
        let name = format!("bell-{number}");
        mesh.ask_for(&name, json!({})).await?;
        assert_eq!(nodes(&mesh.running(&name, 1).await?), ["b"].into());
    }
    assert_eq!(nodes(&mesh.running(TRIGGER, 1).await?), ["a"].into());

    // Drained, it has left its slots when that is answered, and another runs them.
    let drained = mesh.order("/nodes/a/drain", None).await?;
    assert_eq!(
        (&drained["availability"], &drained["slots"]),
        (&json!("drained"), &json!([])),
        "{drained}"
    );
    assert_eq!(nodes(&mesh.running(TRIGGER, 1).await?), ["b"].into());
    load.more(50).await?;

    // What is wanted of it holds over a restart.
    block_in_place(|| {
        mesh.agent("a")?.stop()?;
        mesh.agent("a")?.restart()
    })?;
    mesh.doors
        .until("a is back", || async {
            let node = mesh.node("a").await?;
            Ok((node["live"] == true && node["availability"] == "drained").then_some(()))
        })
        .await?;
    mesh.order("/nodes/a/cordon", None).await?;
    block_in_place(|| {
        mesh.agent("a")?.kill()?;
        mesh.agent("a")?.restart()
    })?;
    mesh.ask_for("bell-4", json!({})).await?;
    assert_eq!(nodes(&mesh.running("bell-4", 1).await?), ["b"].into());
    ensure!(
        held(&mesh, "a").await? == 0,
        "a took a slot while it was cordoned"
    );

    // Uncordoned, it takes slots again: those that have no other place.
    mesh.order("/nodes/a/uncordon", None).await?;
    mesh.order("/nodes/b/drain", None).await?;
    assert_eq!(nodes(&mesh.running(TRIGGER, 1).await?), ["a"].into());
    for number in 0..5 {
        assert_eq!(
            nodes(&mesh.running(&format!("bell-{number}"), 1).await?),
            ["a"].into()
        );
    }
    load.more(50).await?;
    let delivered = load.end().await?;
    let repeated = balance(&delivered.sent, &mesh.doors, &mesh.orchestrator).await?;
    let waits = delivered.waits(&mesh.orchestrator)?;
    println!(
        "cordon, drain and back under load: {} called more than once; events waited {}",
        repeated.len(),
        told(&waits)
    );
    // Nothing was in doubt: what was in flight ended where it was.
    assert_eq!(repeated, BTreeMap::new());
    let longest = *waits.last().context("nothing was delivered")?;
    assert!(
        longest < Duration::from_secs(5),
        "an event waited for {longest:?}"
    );
    outcomes::terms(&outcomes::read(&mesh.nats).await?, 0)?;
    mesh.end().await
}
