//! What only NATS can do to its adapter: die, fall silent, forget, forbid.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on is to end there"
)]

use async_nats::HeaderMap;
use belfry_backends::{Config, Limits, Retention, clock};
use belfry_mesh::event::{Event, EventId, Proven};
use belfry_mesh::name::{NodeName, TriggerName};
use belfry_mesh::outcome::{DeadLetter, Holder, Outcome, Status};
use belfry_mesh::port::lease::Held;
use belfry_mesh::port::log::{Delivery, Range, Stored, Subscription};
use belfry_mesh::port::{Error, Ports};
use belfry_mesh::trace::TraceParent;
use belfry_tests::servers::Nats;
use bytes::Bytes;
use futures::{FutureExt, StreamExt, future};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

const PATIENCE: Duration = Duration::from_secs(20);

/// Short enough that an outage shows soon.
const DEADLINE: Duration = Duration::from_millis(500);

fn config(nats: &Nats) -> Config {
    Config {
        nats_url: Some(nats.url().into()),
        nats_deadline: DEADLINE,
        ..Config::default()
    }
}

async fn open(config: &Config) -> Result<Ports, Error> {
    let (tasks, shutdown) = (TaskTracker::new(), CancellationToken::new());
    belfry_backends::open(config, Arc::new(clock::System), &tasks, &shutdown).await
}

/// A server and a process on it, with a trigger that has its place in the log.
async fn subscribed(claim: Duration) -> (Nats, Ports) {
    let nats = Nats::start().unwrap();
    let ports = open(&config(&nats)).await.unwrap();
    let subscription = Subscription {
        trigger: name(),
        signals: vec!["workflow.*".into()],
        claim,
    };
    ports.events.subscribe(&subscription).await.unwrap();
    (nats, ports)
}

fn name() -> TriggerName {
    TriggerName::parse("a").unwrap()
}

fn event(id: &str) -> Proven {
    let trace =
        TraceParent::parse("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01").unwrap();
    let id = EventId::parse(id).unwrap();
    Proven::run(&name(), id, Bytes::from_static(b"{\"a\": 1}"), at(), trace)
}

fn at() -> Timestamp {
    "2026-11-22T08:00:00.123Z".parse().unwrap()
}

async fn within<T>(future: impl Future<Output = T>) -> T {
    timeout(PATIENCE, future)
        .await
        .expect("it did not come in time")
}

/// Asks JetStream's API as another client would.
async fn api(nats: &Nats, verb: &str, body: Value) -> Value {
    let client = async_nats::connect(nats.url()).await.unwrap();
    let answer = client
        .request(format!("$JS.API.{verb}"), body.to_string().into())
        .await
        .unwrap();
    serde_json::from_slice(&answer.payload).unwrap()
}

/// The event, though a bus that is just coming back refuses it at first. Publishing again is safe.
async fn publish(ports: &Ports, id: &str) {
    within(async {
        while ports.events.publish(&event(id)).await.is_err() {
            tokio::time::sleep(Duration::from_millis(5)).await
        }
    })
    .await;
}

fn only(mut deliveries: Vec<Delivery>) -> Delivery {
    assert_eq!(deliveries.len(), 1);
    deliveries.pop().unwrap()
}

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

#[tokio::test]
async fn a_lease_outlives_a_renewal_whose_answer_was_lost() {
    let (mut nats, ports) = subscribed(Duration::from_secs(30)).await;
    let ttl = Duration::from_secs(3);
    let held = acquire(&ports, ttl).await.expect("it is free");
    // The renewal that is due after a third of the time is stored when the server comes round, and by then nobody listens.
    tokio::time::sleep(ttl / 4).await;
    nats.pause().unwrap();
    tokio::time::sleep(DEADLINE * 2).await;
    nats.resume().unwrap();
    let end = Instant::now() + ttl * 2;
    while Instant::now() < end {
        assert!(held.hold.lost().now_or_never().is_none(), "it was lost");
        assert!(
            acquire(&ports, ttl).await.is_none(),
            "somebody else took it"
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn a_lease_on_a_silent_server_is_lost_before_another_can_take_it() {
    let (mut nats, ports) = subscribed(Duration::from_secs(30)).await;
    let ttl = Duration::from_secs(2);
    let held = acquire(&ports, ttl).await.expect("it is free");
    let asked = Instant::now();
    nats.pause().unwrap();
    within(held.hold.lost()).await;
    assert!(
        asked.elapsed() < ttl,
        "the loss was known only after {:?}",
        asked.elapsed()
    );
    nats.resume().unwrap();
}

// On one thread, a call that blocks is a process that stands still.
#[tokio::test(flavor = "current_thread")]
async fn a_process_that_stood_still_knows_at_once_that_its_lease_is_lost() {
    let (_nats, ports) = subscribed(Duration::from_secs(30)).await;
    let ttl = Duration::from_secs(1);
    let held = acquire(&ports, ttl).await.expect("it is free");
    assert!(held.hold.lost().now_or_never().is_none());
    std::thread::sleep(ttl);
    assert!(held.hold.lost().now_or_never().is_some());
    tokio::time::sleep(ttl).await;
    assert!(
        held.hold.lost().now_or_never().is_some(),
        "what is lost came back"
    );
}

#[tokio::test]
async fn a_stream_is_widened_to_what_is_configured_and_never_narrowed() {
    let nats = Nats::start().unwrap();
    let with = |bytes, days: u64| {
        let events = Limits {
            age: Some(Duration::from_secs(days * 86_400)),
            bytes,
        };
        Config {
            retention: Retention {
                events,
                ..Retention::default()
            },
            ..config(&nats)
        }
    };
    for (bytes, days, expected) in [
        (1 << 20, 2, (1 << 20, 2)),
        (2 << 20, 3, (2 << 20, 3)),
        (1 << 20, 1, (2 << 20, 3)),
    ] {
        open(&with(bytes, days)).await.unwrap();
        let info = api(&nats, "STREAM.INFO.BELFRY_EVENTS", json!({})).await;
        let nanoseconds: u64 = expected.1 * 86_400 * 1_000_000_000;
        assert_eq!(
            (&info["config"]["max_bytes"], &info["config"]["max_age"]),
            (&json!(expected.0), &json!(nanoseconds))
        );
        assert_eq!(info["config"]["discard"], "new");
    }
}

#[tokio::test]
async fn several_processes_that_start_at_once_make_the_streams_once() {
    let nats = Nats::start().unwrap();
    let config = config(&nats);
    for opened in future::join_all((0..8).map(|_| open(&config))).await {
        opened.unwrap();
    }
}

#[tokio::test]
async fn a_server_that_belfry_cannot_use_is_refused_with_what_to_do() {
    let error = async |nats: &Nats, url: String| {
        let config = Config {
            nats_url: Some(url.into()),
            ..config(nats)
        };
        open(&config)
            .await
            .err()
            .expect("it cannot be used")
            .to_string()
    };
    let nats = Nats::start_without_jetstream().unwrap();
    let without_jetstream = error(&nats, nats.url()).await;
    assert!(
        without_jetstream.contains("nats-server -js"),
        "{without_jetstream}"
    );

    let account = "authorization { users = [{ user: belfry, password: \"s3:cret\", permissions: { publish: \"belfry.>\" } }] }";
    let nats = Nats::start_with(account).unwrap();
    let with = |credentials: &str| {
        nats.url()
            .replace("nats://", &format!("nats://{credentials}@"))
    };
    let wrong = error(&nats, with("belfry:wr0ng")).await;
    assert!(
        wrong.contains("check the user and the password") && !wrong.contains("wr0ng"),
        "{wrong}"
    );
    let forbidden = error(&nats, with("belfry:s3%3Acret")).await;
    assert!(
        forbidden.contains("Permissions Violation for Publish to") && !forbidden.contains("cret"),
        "{forbidden}"
    );

    let mut nats = Nats::start().unwrap();
    nats.stop().unwrap();
    let away = error(&nats, nats.url()).await;
    assert!(
        away.contains(&nats.url()) && away.contains("unavailable"),
        "{away}"
    );
}

async fn acquire(ports: &Ports, ttl: Duration) -> Option<Held> {
    ports.leases.acquire("a.0", "node-1", ttl).await.unwrap()
}
