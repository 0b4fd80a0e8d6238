//! Deliveries, when the server fails or nobody waits for them.

use crate::{DEADLINE, api, name, only, publish, subscribed, within};
use belfry_mesh::port::Error;
use futures::future;
use serde_json::json;
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::time::{Instant, timeout, timeout_at};

#[tokio::test]
async fn a_consumer_that_waits_goes_on_after_the_server_was_killed_and_restarted() {
    let (mut nats, ports) = subscribed(Duration::from_secs(30)).await;
    let mut consumer = ports.events.consumer(&name()).await.unwrap();
    for round in 0..3 {
        let id = format!("e-{round}");
        let wait = async {
            let mut outages = 0;
            loop {
                match consumer.next(10).await {
                    Ok(deliveries) => return (only(deliveries), outages),
                    Err(Error::Unavailable { .. }) => outages += 1,
                    Err(other) => panic!("{other}"),
                }
            }
        };
        let fail = async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            nats.kill().unwrap();
            tokio::time::sleep(DEADLINE * 2).await;
            nats.restart().unwrap();
            publish(&ports, &id).await;
            Instant::now()
        };
        let ((delivery, outages), published) = within(future::join(wait, fail)).await;
        assert_eq!(
            (delivery.event.id.as_str(), delivery.attempt),
            (id.as_str(), 1)
        );
        assert!(
            published.elapsed() < Duration::from_secs(2),
            "it came {:?} after it was published",
            published.elapsed()
        );
        assert!(
            (1..=5).contains(&outages),
            "an outage of {:?} was reported {outages} times",
            DEADLINE * 2
        );
        delivery.claim.ack().await.unwrap();
    }
}

#[tokio::test]
async fn a_consumer_whose_connection_falls_silent_asks_again() {
    let (mut nats, ports) = subscribed(Duration::from_secs(30)).await;
    let mut consumer = ports.events.consumer(&name()).await.unwrap();
    assert!(
        timeout(Duration::from_millis(100), consumer.next(1))
            .await
            .is_err()
    );
    nats.pause().unwrap();
    assert!(
        timeout(Duration::from_secs(1), consumer.next(1))
            .await
            .is_err()
    );
    nats.resume().unwrap();
    publish(&ports, "e-1").await;
    assert_eq!(only(within(consumer.next(1)).await.unwrap()).attempt, 1);
}

#[tokio::test]
async fn a_consumer_that_somebody_deletes_is_not_found() {
    let (nats, ports) = subscribed(Duration::from_secs(30)).await;
    let mut consumer = ports.events.consumer(&name()).await.unwrap();
    assert!(
        timeout(Duration::from_millis(100), consumer.next(1))
            .await
            .is_err()
    );
    api(&nats, "CONSUMER.DELETE.BELFRY_EVENTS.trigger-a", json!({})).await;
    for _ in 0..2 {
        let error = within(consumer.next(1)).await.err().expect("it is gone");
        assert!(matches!(error, Error::NotFound(_)), "{error}");
    }
}

#[tokio::test]
async fn what_comes_when_nobody_waits_is_handed_out_by_the_next_call() {
    let (_nats, ports) = subscribed(Duration::from_secs(30)).await;
    let mut consumer = ports.events.consumer(&name()).await.unwrap();
    assert!(
        timeout(Duration::from_millis(100), consumer.next(10))
            .await
            .is_err()
    );
    for id in ["e-1", "e-2", "e-3"] {
        publish(&ports, id).await;
    }
    let mut found = Vec::new();
    while found.len() < 3 {
        found.extend(within(consumer.next(2)).await.unwrap());
    }
    let found: Vec<_> = found
        .iter()
        .map(|delivery| (delivery.event.id.as_str(), delivery.attempt))
        .collect();
    assert_eq!(found, [("e-1", 1), ("e-2", 1), ("e-3", 1)]);
}

#[tokio::test]
async fn what_comes_when_nobody_waits_for_long_is_not_handed_out_on_a_claim_that_ended() {
    let (_nats, ports) = subscribed(Duration::from_secs(1)).await;
    let mut consumer = ports.events.consumer(&name()).await.unwrap();
    assert!(
        timeout(Duration::from_millis(50), consumer.next(1))
            .await
            .is_err()
    );
    publish(&ports, "e-1").await;
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    let delivery = only(within(consumer.next(1)).await.unwrap());
    assert!(
        delivery.attempt >= 2,
        "it is the first attempt still, though its claim has ended"
    );
    delivery.claim.ack().await.unwrap();
    assert_eq!(ports.events.backlog(&name()).await.unwrap(), 0);
}

#[tokio::test]
async fn a_dropped_consumer_hands_back_what_nobody_took() {
    let (_nats, ports) = subscribed(Duration::from_secs(60)).await;
    let mut first = ports.events.consumer(&name()).await.unwrap();
    assert!(
        timeout(Duration::from_millis(50), first.next(4))
            .await
            .is_err()
    );
    publish(&ports, "e-1").await;
    drop(first);
    let mut second = ports.events.consumer(&name()).await.unwrap();
    let delivery = only(within(second.next(1)).await.unwrap());
    assert_eq!((delivery.event.id.as_str(), delivery.attempt), ("e-1", 2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn consumers_that_come_and_go_while_events_pour_in_leave_none_to_wait_for_its_claim() {
    const EVENTS: usize = 1_000;
    let (_nats, ports) = subscribed(Duration::from_secs(30)).await;
    let pour = async {
        for number in 0..EVENTS {
            publish(&ports, &format!("e-{number}")).await;
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    let mut seen = BTreeSet::new();
    let come_and_go = async {
        let mut quiet = 0;
        while seen.len() < EVENTS && quiet < 100 {
            let mut consumer = ports.events.consumer(&name()).await.unwrap();
            let term = Instant::now() + Duration::from_millis(30);
            // As a pump is stopped: amid whatever goes on then.
            while let Ok(deliveries) = timeout_at(term, consumer.next(10)).await {
                quiet = 0;
                for delivery in deliveries.unwrap() {
                    delivery.claim.ack().await.unwrap();
                    seen.insert(delivery.event.id.to_string());
                }
            }
            quiet += 1;
        }
    };
    future::join(pour, come_and_go).await;
    assert_eq!(seen.len(), EVENTS, "the others wait for the end of a claim");
}

#[tokio::test]
async fn a_delay_survives_the_death_of_the_server() {
    let (mut nats, ports) = subscribed(Duration::from_secs(1)).await;
    publish(&ports, "e-1").await;
    let mut consumer = ports.events.consumer(&name()).await.unwrap();
    let delivery = only(within(consumer.next(1)).await.unwrap());
    let (delay, asked) = (Duration::from_secs(4), Instant::now());
    delivery.claim.retry_after(delay).await.unwrap();
    // The server writes what was settled a moment later.
    tokio::time::sleep(Duration::from_millis(300)).await;
    nats.kill().unwrap();
    nats.restart().unwrap();
    let again = within(async {
        loop {
            if let Ok(deliveries) = consumer.next(1).await {
                return only(deliveries);
            }
        }
    })
    .await;
    // In its file the server counts whole seconds.
    assert!(
        asked.elapsed() >= delay - Duration::from_secs(1),
        "it came again after {:?}",
        asked.elapsed()
    );
    assert_eq!(again.attempt, 2);
}
