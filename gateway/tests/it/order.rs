//! Check, publish, mark: in this order, all of it, whatever the client and the backends do.

use crate::client::{request, send, with_length};
use crate::fakes::{Step, unavailable};
use crate::gateway::{Running, with_gateway};
use belfry_mesh::{EventId, TriggerName};
use futures::future::join_all;

const BODY: &[u8] = b"{}";

fn id(delivery: &str) -> EventId {
    EventId::of_delivery(&TriggerName::parse("github").unwrap(), delivery)
}

/// Sends a delivery and hangs up once it is being published.
async fn hang_up(gateway: &Running, delivery: &str) {
    gateway.world.hold_bus(true);
    let headers = with_length(&gateway.sign("github", delivery, BODY), BODY.len());
    let stream = send(
        gateway.at,
        &request("POST", "/hooks/github", &headers, BODY),
    )
    .await;
    gateway
        .world
        .until(|steps| steps.contains(&Step::Publish(id(delivery))))
        .await;
    drop(stream);
}

#[tokio::test]
async fn a_delivery_is_checked_then_published_then_marked() {
    with_gateway(async |gateway| {
        assert_eq!(gateway.deliver("d-1").await.status, 202);
        let steps = gateway
            .world
            .until(|steps| steps.contains(&Step::Mark(id("d-1"))))
            .await;
        let id = || id("d-1");
        assert_eq!(
            steps,
            [
                Step::Check(id()),
                Step::Publish(id()),
                Step::Stored(id()),
                Step::Mark(id())
            ]
        );
    })
    .await;
}

#[tokio::test]
async fn what_was_not_stored_is_never_marked() {
    with_gateway(async |gateway| {
        gateway.world.fail_bus(Some(unavailable("the bus")));
        gateway.deliver("d-1").await.problem(503);
        gateway.world.fail_bus(None);
        assert_eq!(gateway.deliver("d-1").await.status, 202);
        let steps = gateway
            .world
            .until(|steps| steps.contains(&Step::Mark(id("d-1"))))
            .await;
        let id = || id("d-1");
        let failed = [Step::Check(id()), Step::Publish(id())];
        let stored = [
            Step::Check(id()),
            Step::Publish(id()),
            Step::Stored(id()),
            Step::Mark(id()),
        ];
        assert_eq!(steps, [&failed[..], &stored[..]].concat());
    })
    .await;
}

#[tokio::test]
async fn a_client_that_hangs_up_interrupts_none_of_it() {
    with_gateway(async |gateway| {
        hang_up(gateway, "d-1").await;
        // A second request shows that the gateway has had the time to notice.
        assert_eq!(gateway.get("/health").await.status, 200);
        gateway.world.hold_bus(false);
        gateway
            .world
            .until(|steps| steps.ends_with(&[Step::Stored(id("d-1")), Step::Mark(id("d-1"))]))
            .await;
        assert_eq!(gateway.deliver("d-1").await.status, 200);
    })
    .await;
}

#[tokio::test]
async fn a_shutdown_does_not_interrupt_a_delivery_whose_client_hung_up() {
    let gateway = Running::start(belfry_gateway::Config::default()).await;
    hang_up(&gateway, "d-1").await;
    let world = gateway.world.clone();
    gateway.ask_to_end();
    world.hold_bus(false);
    gateway.end().await.unwrap();
    assert!(
        world
            .steps
            .borrow()
            .ends_with(&[Step::Stored(id("d-1")), Step::Mark(id("d-1"))])
    );
}

#[tokio::test]
async fn fifty_copies_at_once_are_one_event() {
    with_gateway(async |gateway| {
        gateway.world.hold_bus(true);
        let copies = join_all((0..50).map(|_| gateway.deliver("d-1")));
        let release = async {
            // All of them are past the check before the first is stored.
            gateway.world.publishes(50).await;
            gateway.world.hold_bus(false);
        };
        let (answers, ()) = futures::join!(copies, release);
        assert_eq!(
            answers.iter().filter(|answer| answer.status == 202).count(),
            1
        );
        assert_eq!(
            answers.iter().filter(|answer| answer.status == 200).count(),
            49
        );
        assert!(
            answers
                .iter()
                .all(|answer| answer.event_id() == id("d-1").as_str())
        );
        assert_eq!(gateway.world.stored().len(), 1);
    })
    .await;
}

#[tokio::test]
async fn without_deduplication_deliveries_are_taken_and_the_log_keeps_one() {
    with_gateway(async |gateway| {
        gateway.world.fail_dedup(Some(unavailable("redis")));
        let answers = join_all((0..10).map(|_| gateway.deliver("d-1"))).await;
        assert!(
            answers
                .iter()
                .all(|answer| matches!(answer.status, 200 | 202))
        );
        assert_eq!(
            answers.iter().filter(|answer| answer.status == 202).count(),
            1
        );
        assert_eq!(gateway.world.stored().len(), 1);
    })
    .await;
}

#[tokio::test]
async fn a_delivery_that_has_neither_a_name_nor_a_rate_asks_nobody() {
    with_gateway(async |gateway| {
        let answer = gateway.post("none", &http::HeaderMap::new(), BODY).await;
        let id = EventId::parse(answer.event_id()).unwrap();
        // The next one's mark comes after whatever the first one still does.
        assert_eq!(gateway.deliver("d-1").await.status, 202);
        let steps = gateway
            .world
            .until(|steps| steps.contains(&Step::Mark(self::id("d-1"))))
            .await;
        assert_eq!(
            steps[..2],
            [Step::Publish(id.clone()), Step::Stored(id.clone())]
        );
        assert!(!steps.contains(&Step::Check(id.clone())) && !steps.contains(&Step::Mark(id)));
    })
    .await;
}
