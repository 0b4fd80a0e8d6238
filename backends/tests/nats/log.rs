//! The log on the wire, and under a server that fails.

use crate::{DEADLINE, at, event, name, only, publish, subscribed, within};
use async_nats::HeaderMap;
use belfry_mesh::event::{Event, Proven};
use belfry_mesh::name::NodeName;
use belfry_mesh::outcome::{DeadLetter, Holder, Outcome, Status};
use belfry_mesh::port::Error;
use belfry_mesh::port::log::{Range, Stored};
use bytes::Bytes;
use futures::{StreamExt, future};
use std::time::Duration;
use tokio::time::Instant;

#[tokio::test]
async fn an_event_on_the_wire_is_a_cloudevent_in_binary_mode() {
    let (nats, ports) = subscribed(Duration::from_secs(30)).await;
    let client = async_nats::connect(nats.url()).await.unwrap();
    let mut wire = client.subscribe("belfry.>").await.unwrap();
    // An answer on the same connection, if only that nobody is there, comes after the server has heard of the subscription.
    client
        .request(client.new_inbox(), Bytes::new())
        .await
        .unwrap_err();
    ports.events.publish(&event("e-1")).await.unwrap();
    let message = within(wire.next()).await.unwrap();
    assert_eq!(message.subject.as_str(), "belfry.event.a");
    assert_eq!(message.payload, "{\"a\": 1}");
    let headers = message.headers.unwrap();
    for (name, value) in [
        ("Nats-Msg-Id", "e-1"),
        ("ce-specversion", "1.0"),
        ("ce-id", "e-1"),
        ("ce-type", "belfry.run"),
        ("ce-time", "2026-11-22T08:00:00.123Z"),
        ("content-type", "application/json"),
        (
            "traceparent",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        ),
    ] {
        assert_eq!(
            headers.get(name).map(|found| found.as_str()),
            Some(value),
            "{name}"
        );
    }
}

#[tokio::test]
async fn a_signal_of_any_client_reaches_the_triggers_whose_pattern_matches() {
    let (nats, ports) = subscribed(Duration::from_secs(30)).await;
    let client = async_nats::connect(nats.url()).await.unwrap();
    for kind in ["team.completed", "workflow.completed"] {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("ce-specversion", "1.0"),
            ("ce-id", kind),
            ("ce-source", "/x"),
            ("ce-type", kind),
            ("ce-time", "2026-11-22T08:00:00Z"),
        ] {
            headers.insert(name, value);
        }
        let request = async_nats::Request::new()
            .headers(headers)
            .payload("{}".into());
        client
            .send_request(format!("belfry.signal.{kind}"), request)
            .await
            .unwrap();
    }
    let mut consumer = ports.events.consumer(&name()).await.unwrap();
    let delivery = only(within(consumer.next(10)).await.unwrap());
    assert_eq!(delivery.event.event_type, "workflow.completed");
    assert_eq!(
        delivery.event.address.subject(),
        "belfry.signal.workflow.completed"
    );
}

#[tokio::test]
async fn publishing_to_a_silent_server_fails_in_time_and_is_safe_to_repeat() {
    let (mut nats, ports) = subscribed(Duration::from_secs(30)).await;
    publish(&ports, "e-0").await;
    nats.pause().unwrap();
    let asked = Instant::now();
    let attempts: Vec<_> = (0..40).map(|i| event(&format!("e-{i}"))).collect();
    for result in future::join_all(attempts.iter().map(|event| ports.events.publish(event))).await {
        assert!(
            matches!(result, Err(Error::Unavailable { .. })),
            "{result:?}"
        );
    }
    assert!(
        asked.elapsed() < DEADLINE * 3,
        "it took {:?}",
        asked.elapsed()
    );
    nats.resume().unwrap();
    for i in 0..40 {
        publish(&ports, &format!("e-{i}")).await;
    }
    let stored = ports
        .events
        .read(Range {
            after: 0,
            live: false,
        })
        .await
        .unwrap();
    assert_eq!(stored.count().await, 40);
}

#[tokio::test]
async fn publishing_to_a_dead_server_fails_at_once() {
    let (mut nats, ports) = subscribed(Duration::from_secs(30)).await;
    nats.kill().unwrap();
    while ports.events.publish(&event("e-1")).await.is_ok() {}
    let asked = Instant::now();
    for _ in 0..10 {
        assert!(
            ports
                .events
                .publish(&event("e-1"))
                .await
                .unwrap_err()
                .is_retryable()
        );
    }
    assert!(
        asked.elapsed() < DEADLINE,
        "ten attempts took {:?}",
        asked.elapsed()
    );
}

#[tokio::test]
async fn the_largest_event_that_can_be_published_can_be_buried() {
    let (_nats, ports) = subscribed(Duration::from_secs(30)).await;
    let with_body = |size| {
        let stored = Stored {
            sequence: 1,
            stored_at: at(),
            value: event("e-1").event().clone(),
        };
        let value = Event {
            data: vec![b'x'; size].into(),
            ..stored.value.clone()
        };
        Proven::replay(&Stored { value, ..stored }, &name(), 0, at())
    };
    let mut size = 1 << 20;
    let largest = loop {
        match ports.events.publish(&with_body(size)).await {
            Ok(_) => break with_body(size),
            Err(Error::TooLarge {
                size: found, limit, ..
            }) => size -= found - limit,
            Err(other) => panic!("{other}"),
        }
    };
    // The same is told without the log, for who keeps events elsewhere while it is away.
    ports.events.fits(&largest).unwrap();
    let error = ports.events.fits(&with_body(size + 1)).unwrap_err();
    assert!(matches!(error, Error::TooLarge { .. }), "{error}");
    let outcome = Outcome {
        event_id: largest.event().id.clone(),
        trigger: name(),
        attempt: 5,
        status: Status::Dead,
        reason: Some("ß".repeat(100_000)),
        http_status: Some(500),
        execution_id: None,
        latency_ms: 12,
        at: at(),
        retry_at: None,
        by: Holder {
            node: NodeName::parse("node-1").unwrap(),
            slot: 0,
            token: 7,
            revision: 3,
        },
    };
    let letter = DeadLetter {
        event: largest.event().clone(),
        outcome,
    };
    ports.outcomes.bury(&letter).await.unwrap();
    let letters = ports
        .outcomes
        .dead_letters(Range {
            after: 0,
            live: false,
        })
        .await
        .unwrap();
    let buried: Vec<_> = letters.map(|letter| letter.unwrap().value).collect().await;
    assert_eq!(buried[0].event, letter.event);
    assert!(
        buried[0]
            .outcome
            .reason
            .as_ref()
            .is_some_and(|reason| reason.starts_with("ßß"))
    );
}

#[tokio::test]
async fn a_live_read_goes_on_after_the_server_was_restarted() {
    let (mut nats, ports) = subscribed(Duration::from_secs(30)).await;
    publish(&ports, "e-0").await;
    let mut entries = ports
        .events
        .read(Range {
            after: 0,
            live: true,
        })
        .await
        .unwrap();
    for i in 0..3 {
        let entry = within(entries.next()).await.unwrap().unwrap();
        assert_eq!(entry.value.id.as_str(), format!("e-{i}"));
        nats.kill().unwrap();
        nats.restart().unwrap();
        publish(&ports, &format!("e-{}", i + 1)).await;
    }
}
