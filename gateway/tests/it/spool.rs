//! The spool: what becomes of deliveries while the event log is away, and after.

use crate::fakes::{Step, World, unavailable};
use crate::gateway::{Running, eventually, with_config};
use belfry_gateway::{Config, spool};
use belfry_mesh::port::Error;
use serde_json::json;
use std::time::Duration;
use tempfile::TempDir;

fn spooling(directory: &TempDir) -> Config {
    Config {
        spool: Some(spool::Config::new(directory.path().join("spool"))),
        ..Config::default()
    }
}

fn directory() -> TempDir {
    tempfile::tempdir().unwrap()
}

/// Lets the drain try again until the log holds so many events.
async fn drained(gateway: &Running, events: usize) {
    eventually(async || {
        gateway.world.tick();
        gateway.world.stored().len() == events
    })
    .await;
}

#[tokio::test]
async fn while_the_log_is_away_deliveries_are_spooled_and_then_drained_under_their_ids_and_marked()
{
    let directory = directory();
    with_config(spooling(&directory), async |gateway| {
        gateway.world.fail_bus(Some(unavailable("the bus")));
        let mut ids = Vec::new();
        for n in 0..5 {
            let answer = gateway.deliver(&n.to_string()).await;
            assert_eq!(answer.status, 202, "{answer:?}");
            assert_eq!(answer.body["durability"], "spooled");
            ids.push(answer.event_id().to_owned());
        }
        let published = |steps: &[Step]| {
            let publishes = steps.iter().filter(|step| matches!(step, Step::Publish(_)));
            publishes.count()
        };
        assert!(gateway.world.stored().is_empty());
        let waited_for = published(&gateway.world.steps.borrow());
        assert!(waited_for > 0, "nobody asked the log");

        gateway.world.fail_bus(None);
        drained(gateway, 5).await;
        let stored: Vec<String> = gateway
            .world
            .stored()
            .iter()
            .map(|event| event.id.to_string())
            .collect();
        assert_eq!(stored, ids, "in the order of their arrival");
        let last = gateway.world.stored()[4].id.clone();
        gateway
            .world
            .until(|steps| steps.contains(&Step::Mark(last.clone())))
            .await;
        let after = gateway.deliver("6").await;
        assert_eq!(
            (after.status, &after.body["durability"]),
            (202, &json!(null))
        );
    })
    .await;
}

#[tokio::test]
async fn a_log_that_does_not_answer_costs_a_delivery_no_more_than_the_deadline() {
    let directory = directory();
    let config = Config {
        store_deadline: Duration::from_millis(50),
        ..spooling(&directory)
    };
    with_config(config, async |gateway| {
        gateway.world.hold_bus(true);
        for delivery in ["d-1", "d-2", "d-3"] {
            assert_eq!(
                gateway.deliver(delivery).await.body["durability"],
                "spooled"
            );
        }
        gateway.world.hold_bus(false);
        drained(gateway, 3).await;
    })
    .await;
}

#[tokio::test]
async fn a_repetition_of_what_is_spooled_is_answered_as_one() {
    let directory = directory();
    with_config(spooling(&directory), async |gateway| {
        gateway.world.fail_bus(Some(unavailable("the bus")));
        let first = gateway.deliver("d-1").await;
        let again = gateway.deliver("d-1").await;
        assert_eq!(again.status, 200);
        assert_eq!(again.body["status"], "duplicate");
        assert_eq!(again.body["durability"], "spooled");
        assert_eq!(again.event_id(), first.event_id());
        gateway.world.fail_bus(None);
        drained(gateway, 1).await;
    })
    .await;
}

#[tokio::test]
async fn what_all_gateways_know_to_be_stored_is_not_stored_again_from_the_spool() {
    let directory = directory();
    with_config(spooling(&directory), async |gateway| {
        gateway.world.fail_bus(Some(unavailable("the bus")));
        gateway.world.fail_dedup(Some(unavailable("redis")));
        let first = gateway.deliver("d-1").await;
        gateway.deliver("d-2").await;
        // Another gateway took the provider's repetition of the first.
        gateway.world.saw(first.event_id());
        gateway.world.fail_dedup(None);
        gateway.world.fail_bus(None);
        drained(gateway, 1).await;
        assert_eq!(
            gateway.world.stored()[0].delivery_id.as_deref(),
            Some("d-2")
        );
    })
    .await;
}

#[tokio::test]
async fn a_full_spool_is_said_and_what_it_holds_is_drained_all_the_same() {
    let directory = directory();
    let mut config = spooling(&directory);
    let spool = config.spool.as_mut().unwrap();
    (spool.max_bytes, spool.segment_bytes) = (4096, 4096);
    with_config(config, async |gateway| {
        gateway.world.fail_bus(Some(unavailable("the bus")));
        let mut taken = 0;
        let refused = loop {
            let answer = gateway.deliver(&taken.to_string()).await;
            if answer.status != 202 {
                break answer;
            }
            taken += 1;
        };
        assert!(refused.problem(503).contains("the spool is full"));
        assert!(taken > 1, "nothing was spooled");
        eventually(async || gateway.get("/ready").await.status == 503).await;
        gateway.world.fail_bus(None);
        drained(gateway, taken).await;
        eventually(async || gateway.get("/ready").await.status == 200).await;
    })
    .await;
}

#[tokio::test]
async fn a_full_log_is_not_away_and_refuses() {
    let directory = directory();
    with_config(spooling(&directory), async |gateway| {
        gateway.world.fail_bus(Some(Error::Full {
            log: "the event log".into(),
            why: "4 GiB".into(),
        }));
        assert!(gateway.deliver("d-1").await.problem(503).contains("full"));
        gateway.world.fail_bus(None);
        eventually(async || gateway.deliver("d-1").await.status == 202).await;
    })
    .await;
}

#[tokio::test]
async fn what_is_spooled_is_drained_by_the_gateway_that_comes_after() {
    let directory = directory();
    let before = Running::start(spooling(&directory)).await;
    before.world.fail_bus(Some(unavailable("the bus")));
    let first = before.deliver("d-1").await;
    before.end().await.unwrap();

    let world = World::new();
    let after = Running::over(world, spooling(&directory)).await;
    drained(&after, 1).await;
    let events = after.world.stored();
    assert_eq!(events[0].id.as_str(), first.event_id());
    assert_eq!(events[0].data, br#"{"ref":"refs/heads/main"}"#.as_slice());
    after.end().await.unwrap();
}

#[tokio::test]
async fn readiness_says_that_the_spool_stands_in_and_how_much_waits() {
    let directory = directory();
    with_config(spooling(&directory), async |gateway| {
        let checks = async || gateway.get("/ready").await;
        eventually(async || checks().await.body["status"] == "ready").await;
        gateway.world.fail_bus(Some(unavailable("the bus")));
        gateway.deliver("d-1").await;
        eventually(async || {
            let answer = checks().await;
            answer.status == 200
                && answer.body["status"] == "degraded"
                && answer.body["checks"]["bus"] == "unavailable"
                && answer.body["checks"]["spool"] == "draining"
                && answer.body["spool"]["events"] == 1
        })
        .await;
        gateway.world.fail_bus(None);
        drained(gateway, 1).await;
        eventually(async || checks().await.body["status"] == "ready").await;
    })
    .await;
}

#[tokio::test]
async fn two_gateways_do_not_share_a_spool() {
    let directory = directory();
    let first = Running::start(spooling(&directory)).await;
    let error = Running::refused(&World::new(), spooling(&directory));
    assert!(error.contains("is in use by another gateway"), "{error}");
    first.end().await.unwrap();
}

#[tokio::test]
async fn a_spool_that_takes_nothing_keeps_no_delivery_from_a_log_that_is_back() {
    let directory = directory();
    let mut config = spooling(&directory);
    let spool = config.spool.as_mut().unwrap();
    (spool.max_bytes, spool.segment_bytes) = (64, 64);
    with_config(config, async |gateway| {
        gateway.world.fail_bus(Some(unavailable("the bus")));
        for delivery in ["d-1", "d-2"] {
            gateway.deliver(delivery).await.problem(503);
        }
        gateway.world.fail_bus(None);
        let answer = gateway.deliver("d-1").await;
        assert_eq!(answer.status, 202, "{answer:?}");
        assert_eq!(gateway.world.stored().len(), 1);
    })
    .await;
}
