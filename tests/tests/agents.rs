//! Agents in this process, on embedded storage, over a runtime that does as it is told: what goes wrong around containers.

mod rig;

use anyhow::Result;
use belfry_mesh::Trigger;
use belfry_mesh::control::{Probation, end_probation};
use belfry_mesh::node::Capacity;
use belfry_mesh::port::state::Bucket;
use belfry_mesh::trigger::{Desired, SlotState};
use rig::{Fake, Rig, trigger, version};
use std::sync::Arc;
use std::time::{Duration, Instant};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_health_check_that_hangs_does_not_keep_others_from_starting() -> Result<()> {
    let rig = Rig::open().await?;
    let fake = Arc::new(Fake {
        list_takes: Duration::from_secs(1),
        never_well: Some("hung"),
        ..Fake::default()
    });
    rig.agent("a", fake.clone(), Capacity::default());
    rig.put(&trigger("hung", 1)).await?;
    rig.until("the sick one is started", async || fake.starts() == 1)
        .await?;
    let began = Instant::now();
    for i in 0..10 {
        rig.put(&trigger(&format!("t{i}"), 1)).await?;
    }
    rig.until("all are started", async || fake.starts() == 11)
        .await?;
    println!(
        "ten installs beside a hanging health check: {:.1?}",
        began.elapsed()
    );
    assert!(began.elapsed() < Duration::from_secs(6));
    rig.end().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_removal_that_fails_is_tried_again_in_its_own_time() -> Result<()> {
    let rig = Rig::open().await?;
    let fake = Arc::new(Fake {
        remove_fails: true,
        ..Fake::default()
    });
    rig.agent("a", fake.clone(), Capacity::default());
    rig.put(&trigger("t", 1)).await?;
    rig.until_state("t.0", SlotState::Running).await?;
    let stopped = Trigger {
        desired: Desired::Stopped,
        ..trigger("t", 1)
    };
    rig.put(&stopped).await?;
    rig.until("it is tried again", async || fake.removes() == 2)
        .await?;
    // The second try comes seconds after the first, and was not followed by others at once.
    assert_eq!(fake.removes(), 2);
    rig.end().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_report_that_an_earlier_holder_made_too_late_does_not_stand() -> Result<()> {
    let rig = Rig::open().await?;
    rig.agent("a", Arc::new(Fake::default()), Capacity::default());
    rig.put(&trigger("t", 1)).await?;
    let said = rig.until_state("t.0", SlotState::Running).await?;
    let late = belfry_mesh::trigger::SlotStatus {
        node: "b".parse()?,
        token: said.token - 1,
        ..said
    };
    rig.put_status("t.0", &late).await?;
    rig.until_held_by("t.0", "a").await?;
    rig.ports.state.delete(Bucket::Status, "t.0", None).await?;
    rig.until_held_by("t.0", "a").await?;
    rig.end().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_whose_engine_is_away_gives_way_to_one_that_is_well() -> Result<()> {
    let rig = Rig::open().await?;
    let sick = Arc::new(Fake {
        list_fails: true,
        ..Fake::default()
    });
    rig.agent("sick", sick, Capacity::default());
    rig.agent("well", Arc::new(Fake::default()), Capacity::default());
    for i in 0..8 {
        rig.put(&trigger(&format!("t{i}"), 1)).await?;
    }
    for i in 0..8 {
        rig.until_held_by(&format!("t{i}.0"), "well").await?;
    }
    rig.end().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_update_does_not_wait_for_a_slot_of_a_dead_node() -> Result<()> {
    let rig = Rig::open().await?;
    // Somebody has the first slot's lease, and died before it could say anything new.
    let _lease = rig.lease("t.0").await?;
    let one = Capacity {
        slots: Some(1),
        memory: None,
    };
    rig.agent("a", Arc::new(Fake::default()), one);
    rig.put(&trigger("t", 2)).await?;
    let mut dead = rig.until_state("t.1", SlotState::Running).await?;
    dead.node = "dead".parse()?;
    rig.put_status("t.0", &dead).await?;
    let revision = rig.put(&trigger("t", 2)).await?;
    rig.until("the second slot serves the new revision", async || {
        let status = rig.status("t.1").await;
        status.is_some_and(|status| status.serving == Some(revision))
    })
    .await?;
    rig.end().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn probation_ends_though_a_slot_has_no_node() -> Result<()> {
    let rig = Rig::open().await?;
    let one = Capacity {
        slots: Some(1),
        memory: None,
    };
    rig.agent("a", Arc::new(Fake::default()), one);
    let old = rig.put(&version("1.0.0", 1, "[]")).await?;
    rig.until_state("t.0", SlotState::Running).await?;
    let update = Trigger {
        fallback: Some(old),
        ..version("1.1.0", 2, "[]")
    };
    rig.put(&update).await?;
    rig.until("the update is on no probation any more", async || {
        let record = rig.record("t").await;
        record.is_some_and(|record| {
            record.fallback.is_none() && record.manifest.version().to_string() == "1.1.0"
        })
    })
    .await?;
    rig.end().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_update_that_asks_for_a_node_that_is_not_there_is_taken_back() -> Result<()> {
    let rig = Rig::open().await?;
    let fake = Arc::new(Fake::default());
    rig.agent("a", fake.clone(), Capacity::default());
    let old = rig.put(&version("1.0.0", 1, "[]")).await?;
    rig.until_state("t.0", SlotState::Running).await?;
    let update = Trigger {
        fallback: Some(old),
        ..version("1.1.0", 1, r#"["gpu=yes"]"#)
    };
    rig.put(&update).await?;
    rig.until("it is taken back and says why", async || {
        let rejected = rig.record("t").await.and_then(|record| record.rejected);
        rejected.is_some_and(|rejected| rejected.why.contains("does not meet `gpu=yes`"))
    })
    .await?;
    // The old container has served all the time.
    assert_eq!((fake.starts(), fake.removes()), (1, 0));
    rig.end().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rollback_right_after_the_automatic_one_does_not_bring_the_bad_version_back() -> Result<()>
{
    let rig = Rig::open().await?;
    let old = rig.put(&version("1.0.0", 1, "[]")).await?;
    let bad = Trigger {
        fallback: Some(old),
        ..version("1.1.0", 1, "[]")
    };
    let revision = rig.put(&bad).await?;
    let sick = Probation::Failed("it is sick".into());
    let ports = &rig.ports;
    let ended = end_probation(
        ports.state.as_ref(),
        ports.events.as_ref(),
        ports.clock.as_ref(),
        (&bad, revision),
        &sick,
        "agent",
    );
    assert!(ended.await?);
    let refused = rig.control().rollback(&bad.name, None, "ann").await;
    println!("{:?}", refused.map(|done| done.status.version));
    let record = rig.record("t").await;
    assert_eq!(
        record
            .map(|record| record.manifest.version().to_string())
            .as_deref(),
        Some("1.0.0")
    );
    rig.end().await
}
