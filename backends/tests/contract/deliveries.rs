//! What every event log keeps: subscriptions and deliveries.

use crate::{Fixture, drain, never, one, open, run, subscription, trigger, within};
use belfry_mesh::port::Error;
use belfry_mesh::port::log::Subscription;
use futures::future;
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::time::Instant;

/// Long enough for the slowest machine to renew a claim in time, short enough to wait for its end.
const CLAIM: Duration = Duration::from_secs(2);

pub(crate) async fn a_new_subscription_begins_with_what_is_published_after_it<F: Fixture>() {
    let (_fixture, ports) = open::<F>().await;
    let name = trigger("a");
    ports.events.publish(&run(&name, "before")).await.unwrap();
    ports.events.subscribe(&subscription(&name)).await.unwrap();
    ports.events.publish(&run(&name, "after")).await.unwrap();
    let mut consumer = ports.events.consumer(&name).await.unwrap();
    assert_eq!(drain(&mut *consumer, 1).await, ["after"]);
    assert_eq!(ports.events.backlog(&name).await.unwrap(), 0);
}

pub(crate) async fn a_changed_subscription_keeps_its_position<F: Fixture>() {
    let (_fixture, ports) = open::<F>().await;
    let name = trigger("a");
    ports.events.subscribe(&subscription(&name)).await.unwrap();
    for id in ["e-1", "e-2"] {
        ports.events.publish(&run(&name, id)).await.unwrap();
    }
    let mut consumer = ports.events.consumer(&name).await.unwrap();
    assert_eq!(drain(&mut *consumer, 1).await, ["e-1"]);
    let changed = Subscription {
        signals: vec!["workflow.>".into()],
        ..subscription(&name)
    };
    ports.events.subscribe(&changed).await.unwrap();
    let mut consumer = ports.events.consumer(&name).await.unwrap();
    assert_eq!(drain(&mut *consumer, 1).await, ["e-2"]);
}

pub(crate) async fn a_trigger_receives_its_own_events_and_no_others<F: Fixture>() {
    let (_fixture, ports) = open::<F>().await;
    let (a, b) = (trigger("a"), trigger("b"));
    for name in [&a, &b] {
        ports.events.subscribe(&subscription(name)).await.unwrap();
    }
    for (name, id) in [(&a, "a-1"), (&b, "b-1"), (&a, "a-2"), (&b, "b-2")] {
        ports.events.publish(&run(name, id)).await.unwrap();
    }
    let mut consumer = ports.events.consumer(&b).await.unwrap();
    assert_eq!(drain(&mut *consumer, 2).await, ["b-1", "b-2"]);
    never("an event of another trigger", consumer.next(1)).await;
}

pub(crate) async fn a_trigger_without_a_place_has_no_consumer<F: Fixture>() {
    let (_fixture, ports) = open::<F>().await;
    let name = trigger("a");
    assert!(matches!(
        ports.events.consumer(&name).await.err(),
        Some(Error::NotFound(_))
    ));
    assert!(matches!(
        ports.events.backlog(&name).await,
        Err(Error::NotFound(_))
    ));
    ports.events.unsubscribe(&name).await.unwrap();
}

pub(crate) async fn unsubscribing_forgets_what_was_left_to_do<F: Fixture>() {
    let (_fixture, ports) = open::<F>().await;
    let name = trigger("a");
    ports.events.subscribe(&subscription(&name)).await.unwrap();
    ports.events.publish(&run(&name, "old")).await.unwrap();
    ports.events.unsubscribe(&name).await.unwrap();
    assert!(matches!(
        ports.events.backlog(&name).await,
        Err(Error::NotFound(_))
    ));
    ports.events.subscribe(&subscription(&name)).await.unwrap();
    ports.events.publish(&run(&name, "new")).await.unwrap();
    let mut consumer = ports.events.consumer(&name).await.unwrap();
    assert_eq!(drain(&mut *consumer, 1).await, ["new"]);
}

pub(crate) async fn a_consumer_that_waits_learns_that_its_trigger_was_unsubscribed<F: Fixture>() {
    let (_fixture, ports) = open::<F>().await;
    let name = trigger("a");
    ports.events.subscribe(&subscription(&name)).await.unwrap();
    let mut consumer = ports.events.consumer(&name).await.unwrap();
    let (waited, ()) = future::join(within("the news", consumer.next(1)), async {
        ports.events.unsubscribe(&name).await.unwrap();
    })
    .await;
    assert!(matches!(waited.err(), Some(Error::NotFound(_))));
}

pub(crate) async fn first_deliveries_come_in_the_order_of_the_log<F: Fixture>() {
    let (_fixture, ports) = open::<F>().await;
    let name = trigger("a");
    ports.events.subscribe(&subscription(&name)).await.unwrap();
    let ids: Vec<_> = (0..50).map(|i| format!("e-{i}")).collect();
    for id in &ids {
        ports.events.publish(&run(&name, id)).await.unwrap();
    }
    let mut consumer = ports.events.consumer(&name).await.unwrap();
    assert_eq!(drain(&mut *consumer, ids.len()).await, ids);
}

pub(crate) async fn a_consumer_that_waits_is_woken_by_a_publish<F: Fixture>() {
    let (_fixture, ports) = open::<F>().await;
    let name = trigger("a");
    ports.events.subscribe(&subscription(&name)).await.unwrap();
    let mut consumer = ports.events.consumer(&name).await.unwrap();
    never("a delivery before there is an event", consumer.next(1)).await;
    let (delivery, ()) = future::join(one(&mut *consumer), async {
        ports.events.publish(&run(&name, "e-1")).await.unwrap();
    })
    .await;
    assert_eq!((delivery.event.id.as_str(), delivery.attempt), ("e-1", 1));
}

pub(crate) async fn two_consumers_share_the_work_and_no_event_goes_to_both<F: Fixture>() {
    let (_fixture, ports) = open::<F>().await;
    let name = trigger("a");
    ports.events.subscribe(&subscription(&name)).await.unwrap();
    for i in 0..40 {
        ports
            .events
            .publish(&run(&name, &format!("e-{i}")))
            .await
            .unwrap();
    }
    let mut consumers = [
        ports.events.consumer(&name).await.unwrap(),
        ports.events.consumer(&name).await.unwrap(),
    ];
    let [first, second] = &mut consumers;
    let (a, b) = future::join(drain(&mut **first, 20), drain(&mut **second, 20)).await;
    let all: BTreeSet<_> = a.iter().chain(&b).collect();
    assert_eq!(all.len(), 40, "an event went to both: {a:?} {b:?}");
    assert_eq!(ports.events.backlog(&name).await.unwrap(), 0);
}

pub(crate) async fn what_waits_for_its_retry_holds_up_nothing_fresh<F: Fixture>() {
    const FAILING: usize = 1_200;
    let (_fixture, ports) = open::<F>().await;
    let name = trigger("a");
    let place = subscription(&name);
    ports.events.subscribe(&place).await.unwrap();
    let publish = |id: String| {
        let (events, event) = (ports.events.clone(), run(&name, &id));
        async move { events.publish(&event).await.unwrap() }
    };
    future::join_all((0..FAILING).map(|i| publish(format!("failing-{i}")))).await;
    let mut consumer = ports.events.consumer(&name).await.unwrap();
    let mut failed = 0;
    while failed < FAILING {
        for delivery in consumer.next(64).await.unwrap() {
            let an_hour = Duration::from_secs(3_600);
            delivery.claim.retry_after(an_hour).await.unwrap();
            failed += 1;
        }
    }
    publish("fresh".into()).await;
    assert_eq!(one(&mut *consumer).await.event.id.as_str(), "fresh");
}

pub(crate) async fn an_acknowledged_event_is_not_delivered_again<F: Fixture>() {
    let (mut fixture, ports) = open::<F>().await;
    let name = trigger("a");
    let short = Subscription {
        claim: CLAIM,
        ..subscription(&name)
    };
    ports.events.subscribe(&short).await.unwrap();
    for id in ["acked", "given-up"] {
        ports.events.publish(&run(&name, id)).await.unwrap();
    }
    let mut consumer = ports.events.consumer(&name).await.unwrap();
    one(&mut *consumer).await.claim.ack().await.unwrap();
    one(&mut *consumer).await.claim.give_up().await.unwrap();
    assert!(
        tokio::time::timeout(CLAIM * 2, consumer.next(1))
            .await
            .is_err(),
        "a settled event came again"
    );
    fixture.stop().await;
    fixture.start().await;
    let ports = fixture.ports();
    assert_eq!(ports.events.backlog(&name).await.unwrap(), 0);
    let mut consumer = ports.events.consumer(&name).await.unwrap();
    never("a settled event", consumer.next(1)).await;
}

pub(crate) async fn an_unacked_delivery_comes_again_when_its_claim_ends<F: Fixture>() {
    let (_fixture, ports) = open::<F>().await;
    let name = trigger("a");
    ports
        .events
        .subscribe(&Subscription {
            claim: CLAIM,
            ..subscription(&name)
        })
        .await
        .unwrap();
    ports.events.publish(&run(&name, "e-1")).await.unwrap();
    let mut consumer = ports.events.consumer(&name).await.unwrap();
    let claimed = Instant::now();
    assert_eq!(one(&mut *consumer).await.attempt, 1);
    let again = one(&mut *consumer).await;
    assert_eq!((again.event.id.as_str(), again.attempt), ("e-1", 2));
    assert!(
        claimed.elapsed() >= CLAIM - Duration::from_millis(50),
        "it came again after {:?}",
        claimed.elapsed()
    );
}

pub(crate) async fn extend_keeps_a_claim<F: Fixture>() {
    let (_fixture, ports) = open::<F>().await;
    let name = trigger("a");
    ports
        .events
        .subscribe(&Subscription {
            claim: CLAIM,
            ..subscription(&name)
        })
        .await
        .unwrap();
    ports.events.publish(&run(&name, "e-1")).await.unwrap();
    let mut consumer = ports.events.consumer(&name).await.unwrap();
    let delivery = one(&mut *consumer).await;
    let work = async {
        for _ in 0..6 {
            tokio::time::sleep(CLAIM / 3).await;
            delivery.claim.extend().await.unwrap();
        }
    };
    let mut other = ports.events.consumer(&name).await.unwrap();
    let first = tokio::select! {
        _ = other.next(1) => "another",
        () = work => "its holder",
    };
    assert_eq!(
        first, "its holder",
        "it went to another although its claim was renewed"
    );
    delivery.claim.ack().await.unwrap();
    assert_eq!(ports.events.backlog(&name).await.unwrap(), 0);
}

pub(crate) async fn a_retry_is_never_early<F: Fixture>() {
    let (_fixture, ports) = open::<F>().await;
    let name = trigger("a");
    ports.events.subscribe(&subscription(&name)).await.unwrap();
    ports.events.publish(&run(&name, "e-1")).await.unwrap();
    let mut consumer = ports.events.consumer(&name).await.unwrap();
    let delivery = one(&mut *consumer).await;
    let (delay, asked) = (Duration::from_millis(700), Instant::now());
    delivery.claim.retry_after(delay).await.unwrap();
    let again = one(&mut *consumer).await;
    assert!(
        asked.elapsed() >= delay,
        "it came after {:?}",
        asked.elapsed()
    );
    assert_eq!(again.attempt, 2);
}

pub(crate) async fn a_retry_without_a_delay_comes_at_once<F: Fixture>() {
    let (_fixture, ports) = open::<F>().await;
    let name = trigger("a");
    ports.events.subscribe(&subscription(&name)).await.unwrap();
    ports.events.publish(&run(&name, "e-1")).await.unwrap();
    let mut consumer = ports.events.consumer(&name).await.unwrap();
    for attempt in 1..=5 {
        let delivery = one(&mut *consumer).await;
        assert_eq!(delivery.attempt, attempt);
        delivery.claim.retry_after(Duration::ZERO).await.unwrap();
    }
}

pub(crate) async fn a_retry_holds_up_no_other_event<F: Fixture>() {
    let (_fixture, ports) = open::<F>().await;
    let name = trigger("a");
    ports.events.subscribe(&subscription(&name)).await.unwrap();
    for id in ["later", "now"] {
        ports.events.publish(&run(&name, id)).await.unwrap();
    }
    let mut consumer = ports.events.consumer(&name).await.unwrap();
    one(&mut *consumer)
        .await
        .claim
        .retry_after(Duration::from_secs(60))
        .await
        .unwrap();
    assert_eq!(drain(&mut *consumer, 1).await, ["now"]);
    assert_eq!(ports.events.backlog(&name).await.unwrap(), 1);
}

pub(crate) async fn attempts_go_on_counting_after_a_restart<F: Fixture>() {
    let (mut fixture, ports) = open::<F>().await;
    let name = trigger("a");
    ports
        .events
        .subscribe(&Subscription {
            claim: CLAIM,
            ..subscription(&name)
        })
        .await
        .unwrap();
    ports.events.publish(&run(&name, "e-1")).await.unwrap();
    let mut consumer = ports.events.consumer(&name).await.unwrap();
    one(&mut *consumer)
        .await
        .claim
        .retry_after(Duration::ZERO)
        .await
        .unwrap();
    let second = one(&mut *consumer).await;
    assert_eq!(second.attempt, 2);
    fixture.stop().await;
    fixture.start().await;
    let ports = fixture.ports();
    let mut consumer = ports.events.consumer(&name).await.unwrap();
    assert_eq!(one(&mut *consumer).await.attempt, 3);
}

pub(crate) async fn the_backlog_counts_what_waits_and_what_is_tried<F: Fixture>() {
    let (_fixture, ports) = open::<F>().await;
    let name = trigger("a");
    ports.events.subscribe(&subscription(&name)).await.unwrap();
    for i in 0..4 {
        ports
            .events
            .publish(&run(&name, &format!("e-{i}")))
            .await
            .unwrap();
    }
    let mut consumer = ports.events.consumer(&name).await.unwrap();
    one(&mut *consumer).await.claim.ack().await.unwrap();
    one(&mut *consumer)
        .await
        .claim
        .retry_after(Duration::from_secs(60))
        .await
        .unwrap();
    let _held = one(&mut *consumer).await;
    assert_eq!(ports.events.backlog(&name).await.unwrap(), 3);
}

pub(crate) async fn an_entry_that_is_no_event_holds_up_no_delivery<F: Fixture>() {
    let (mut fixture, ports) = open::<F>().await;
    let name = trigger("a");
    ports.events.subscribe(&subscription(&name)).await.unwrap();
    fixture.store_nonsense(&name).await;
    let ports = fixture.ports();
    ports.events.publish(&run(&name, "e-1")).await.unwrap();
    let mut consumer = ports.events.consumer(&name).await.unwrap();
    assert_eq!(drain(&mut *consumer, 1).await, ["e-1"]);
    never("the entry that is no event", consumer.next(1)).await;
}
