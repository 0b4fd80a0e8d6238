//! What every event log keeps.

use crate::{
    Fixture, Limits, drain, never, next, now, one, open, open_with, run, subscription, trace, trigger, with_body,
    with_content, within,
};
use belfry_mesh::event::{Address, Event, EventId};
use belfry_mesh::port::Error;
use belfry_mesh::port::log::{Range, Receipt, Subscription};
use bytes::Bytes;
use futures::{StreamExt, future};
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::time::Instant;

/// Long enough for the slowest machine to renew a claim in time, short enough to wait for its end.
const CLAIM: Duration = Duration::from_secs(2);

const STORED: Range = Range { after: 0, live: false };

pub(crate) async fn an_event_published_twice_is_stored_once<F: Fixture>() {
    let (_fixture, ports) = open::<F>().await;
    let name = trigger("a");
    ports.events.subscribe(&subscription(&name)).await.unwrap();
    let first = ports.events.publish(&run(&name, "e-1")).await.unwrap();
    let second = ports.events.publish(&run(&name, "e-1")).await.unwrap();
    assert_eq!(first, Receipt { sequence: first.sequence, duplicate: false });
    assert_eq!(second, Receipt { sequence: first.sequence, duplicate: true });
    assert_eq!(ports.events.read(STORED).await.unwrap().count().await, 1);
    assert_eq!(ports.events.backlog(&name).await.unwrap(), 1);
}

pub(crate) async fn copies_published_at_once_are_stored_once<F: Fixture>() {
    let (_fixture, ports) = open::<F>().await;
    let event = run(&trigger("a"), "e-1");
    let receipts = future::join_all((0..50).map(|_| ports.events.publish(&event))).await;
    let receipts: Vec<_> = receipts.into_iter().map(Result::unwrap).collect();
    assert_eq!(receipts.iter().filter(|receipt| !receipt.duplicate).count(), 1);
    assert!(receipts.iter().all(|receipt| receipt.sequence == receipts[0].sequence), "{receipts:?}");
}

pub(crate) async fn sequences_grow_in_the_order_of_publishing<F: Fixture>() {
    let (_fixture, ports) = open::<F>().await;
    let mut last = 0;
    for i in 0..20 {
        let receipt = ports.events.publish(&run(&trigger("a"), &format!("e-{i}"))).await.unwrap();
        assert!(receipt.sequence > last);
        last = receipt.sequence;
    }
}

pub(crate) async fn a_stored_event_survives_a_restart<F: Fixture>() {
    let (mut fixture, ports) = open::<F>().await;
    let name = trigger("a");
    ports.events.subscribe(&subscription(&name)).await.unwrap();
    let event = run(&name, "e-1");
    let receipt = ports.events.publish(&event).await.unwrap();
    fixture.stop().await;
    fixture.start().await;
    let ports = fixture.ports();
    let again = ports.events.publish(&event).await.unwrap();
    assert_eq!(again, Receipt { sequence: receipt.sequence, duplicate: true });
    let stored = ports.events.get(receipt.sequence).await.unwrap().expect("it is kept");
    assert_eq!(&stored.value, event.event());
    let mut consumer = ports.events.consumer(&name).await.unwrap();
    assert_eq!(&one(&mut *consumer).await.event, event.event());
}

pub(crate) async fn publishing_while_the_backend_is_away_fails_and_works_again_after<F: Fixture>() {
    let (mut fixture, ports) = open::<F>().await;
    fixture.stop().await;
    let error = within("an answer", ports.events.publish(&run(&trigger("a"), "e-1"))).await.unwrap_err();
    assert!(error.is_retryable(), "{error}");
    assert!(within("an answer", ports.events.ping()).await.is_err());
    fixture.start().await;
    let ports = fixture.ports();
    ports.events.ping().await.unwrap();
    ports.events.publish(&run(&trigger("a"), "e-1")).await.unwrap();
}

pub(crate) async fn a_body_survives_byte_for_byte<F: Fixture>() {
    let (_fixture, ports) = open::<F>().await;
    let name = trigger("a");
    ports.events.subscribe(&subscription(&name)).await.unwrap();
    let every_byte: Bytes = (0..=255_u8).cycle().take(70_000).collect();
    for (i, body) in [Bytes::new(), Bytes::from_static(b"\r\n\r\n\0"), every_byte].into_iter().enumerate() {
        let receipt = ports.events.publish(&with_body(&name, &format!("e-{i}"), body.clone())).await.unwrap();
        let stored = ports.events.get(receipt.sequence).await.unwrap().expect("it is kept");
        assert_eq!(stored.value.data, body);
        let mut consumer = ports.events.consumer(&name).await.unwrap();
        let delivery = one(&mut *consumer).await;
        assert_eq!(delivery.event.data, body);
        delivery.claim.ack().await.unwrap();
    }
}

pub(crate) async fn every_attribute_survives_those_with_other_scripts_too<F: Fixture>() {
    let (_fixture, ports) = open::<F>().await;
    let name = trigger("a");
    ports.events.subscribe(&subscription(&name)).await.unwrap();
    let content = Event {
        id: EventId::parse("e-0").unwrap(),
        source: "/hooks/größe".into(),
        event_type: "com.github.push".into(),
        subject: Some("ветка \"main\", 100 %".into()),
        time: now(),
        content_type: Some("application/json; charset=utf-8".into()),
        data: Bytes::from_static(b"{}"),
        address: Address::Trigger(name.clone()),
        delivery_id: Some("日本".into()),
        replay_of: None,
        headers: vec![("x-github-event".into(), "push".into()), ("x-note".into(), "naïve\t☕".into())],
        trace: Some(trace()),
    };
    let event = with_content(&name, content);
    let receipt = ports.events.publish(&event).await.unwrap();
    let stored = ports.events.get(receipt.sequence).await.unwrap().expect("it is kept");
    assert_eq!(&stored.value, event.event());
    let mut consumer = ports.events.consumer(&name).await.unwrap();
    assert_eq!(&one(&mut *consumer).await.event, event.event());
}

pub(crate) async fn an_event_that_is_too_large_is_refused_and_the_largest_is_not<F: Fixture>() {
    let (_fixture, ports) = open::<F>().await;
    let name = trigger("a");
    let largest = with_body(&name, "e-1", vec![b'x'; F::LARGEST_BODY].into());
    ports.events.publish(&largest).await.unwrap();
    let larger = with_body(&name, "e-2", vec![b'x'; F::LARGEST_BODY * 2].into());
    let error = ports.events.publish(&larger).await.unwrap_err();
    assert!(matches!(error, Error::TooLarge { .. }), "{error}");
    assert_eq!(ports.events.read(STORED).await.unwrap().count().await, 1);
}

pub(crate) async fn a_full_log_refuses_and_drops_nothing_unread<F: Fixture>() {
    let (_fixture, ports) = open_with::<F>(Limits { events: 200_000, ..Limits::default() }).await;
    let name = trigger("a");
    ports.events.subscribe(&subscription(&name)).await.unwrap();
    let mut stored = Vec::new();
    let error = loop {
        let id = format!("e-{}", stored.len());
        match ports.events.publish(&with_body(&name, &id, vec![b'x'; 5_000].into())).await {
            Ok(_) => stored.push(id),
            Err(error) => break error,
        }
        assert!(stored.len() < 100, "more was stored than the log may hold");
    };
    assert!(matches!(error, Error::Full { .. }), "{error}");
    assert!(error.is_retryable());
    assert!(stored.len() > 20, "only {} events of 5 kB fitted into 200 kB", stored.len());
    let mut consumer = ports.events.consumer(&name).await.unwrap();
    assert_eq!(drain(&mut *consumer, stored.len()).await, stored);
}

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
    let changed = Subscription { signals: vec!["workflow.>".into()], max_in_flight: 5, ..subscription(&name) };
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
    assert!(matches!(ports.events.consumer(&name).await.err(), Some(Error::NotFound(_))));
    assert!(matches!(ports.events.backlog(&name).await, Err(Error::NotFound(_))));
    ports.events.unsubscribe(&name).await.unwrap();
}

pub(crate) async fn unsubscribing_forgets_what_was_left_to_do<F: Fixture>() {
    let (_fixture, ports) = open::<F>().await;
    let name = trigger("a");
    ports.events.subscribe(&subscription(&name)).await.unwrap();
    ports.events.publish(&run(&name, "old")).await.unwrap();
    ports.events.unsubscribe(&name).await.unwrap();
    assert!(matches!(ports.events.backlog(&name).await, Err(Error::NotFound(_))));
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
        ports.events.publish(&run(&name, &format!("e-{i}"))).await.unwrap();
    }
    let mut consumers = [ports.events.consumer(&name).await.unwrap(), ports.events.consumer(&name).await.unwrap()];
    let [first, second] = &mut consumers;
    let (a, b) = future::join(drain(&mut **first, 20), drain(&mut **second, 20)).await;
    let all: BTreeSet<_> = a.iter().chain(&b).collect();
    assert_eq!(all.len(), 40, "an event went to both: {a:?} {b:?}");
    assert_eq!(ports.events.backlog(&name).await.unwrap(), 0);
}

pub(crate) async fn no_more_is_in_flight_than_the_subscription_allows<F: Fixture>() {
    let (_fixture, ports) = open::<F>().await;
    let name = trigger("a");
    ports.events.subscribe(&Subscription { max_in_flight: 3, ..subscription(&name) }).await.unwrap();
    for i in 0..10 {
        ports.events.publish(&run(&name, &format!("e-{i}"))).await.unwrap();
    }
    let mut first = ports.events.consumer(&name).await.unwrap();
    let mut second = ports.events.consumer(&name).await.unwrap();
    let mut held = next(&mut *first, 2).await;
    while held.len() < 3 {
        held.extend(next(&mut *second, 10).await);
    }
    assert_eq!(held.len(), 3);
    never("a fourth delivery", first.next(1)).await;
    held.pop().expect("three are held").claim.ack().await.unwrap();
    assert_eq!(next(&mut *second, 10).await.len(), 1);
}

pub(crate) async fn an_acknowledged_event_is_not_delivered_again<F: Fixture>() {
    let (mut fixture, ports) = open::<F>().await;
    let name = trigger("a");
    let short = Subscription { claim: CLAIM, ..subscription(&name) };
    ports.events.subscribe(&short).await.unwrap();
    for id in ["acked", "given-up"] {
        ports.events.publish(&run(&name, id)).await.unwrap();
    }
    let mut consumer = ports.events.consumer(&name).await.unwrap();
    one(&mut *consumer).await.claim.ack().await.unwrap();
    one(&mut *consumer).await.claim.give_up().await.unwrap();
    assert!(tokio::time::timeout(CLAIM * 2, consumer.next(1)).await.is_err(), "a settled event came again");
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
    ports.events.subscribe(&Subscription { claim: CLAIM, ..subscription(&name) }).await.unwrap();
    ports.events.publish(&run(&name, "e-1")).await.unwrap();
    let mut consumer = ports.events.consumer(&name).await.unwrap();
    let claimed = Instant::now();
    assert_eq!(one(&mut *consumer).await.attempt, 1);
    let again = one(&mut *consumer).await;
    assert_eq!((again.event.id.as_str(), again.attempt), ("e-1", 2));
    assert!(claimed.elapsed() >= CLAIM - Duration::from_millis(50), "it came again after {:?}", claimed.elapsed());
}

pub(crate) async fn extend_keeps_a_claim<F: Fixture>() {
    let (_fixture, ports) = open::<F>().await;
    let name = trigger("a");
    ports.events.subscribe(&Subscription { claim: CLAIM, ..subscription(&name) }).await.unwrap();
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
    assert_eq!(first, "its holder", "it went to another although its claim was renewed");
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
    assert!(asked.elapsed() >= delay, "it came after {:?}", asked.elapsed());
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
    one(&mut *consumer).await.claim.retry_after(Duration::from_secs(60)).await.unwrap();
    assert_eq!(drain(&mut *consumer, 1).await, ["now"]);
    assert_eq!(ports.events.backlog(&name).await.unwrap(), 1);
}

pub(crate) async fn attempts_go_on_counting_after_a_restart<F: Fixture>() {
    let (mut fixture, ports) = open::<F>().await;
    let name = trigger("a");
    ports.events.subscribe(&Subscription { claim: CLAIM, ..subscription(&name) }).await.unwrap();
    ports.events.publish(&run(&name, "e-1")).await.unwrap();
    let mut consumer = ports.events.consumer(&name).await.unwrap();
    one(&mut *consumer).await.claim.retry_after(Duration::ZERO).await.unwrap();
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
        ports.events.publish(&run(&name, &format!("e-{i}"))).await.unwrap();
    }
    let mut consumer = ports.events.consumer(&name).await.unwrap();
    one(&mut *consumer).await.claim.ack().await.unwrap();
    one(&mut *consumer).await.claim.retry_after(Duration::from_secs(60)).await.unwrap();
    let _held = one(&mut *consumer).await;
    assert_eq!(ports.events.backlog(&name).await.unwrap(), 3);
}

pub(crate) async fn a_read_ends_with_what_is_stored_when_it_began<F: Fixture>() {
    let (_fixture, ports) = open::<F>().await;
    for i in 0..300 {
        ports.events.publish(&run(&trigger("a"), &format!("e-{i}"))).await.unwrap();
    }
    let entries: Vec<_> = within("the end", ports.events.read(STORED).await.unwrap().collect()).await;
    let entries: Vec<_> = entries.into_iter().map(Result::unwrap).collect();
    let ids: Vec<_> = entries.iter().map(|entry| entry.value.id.to_string()).collect();
    assert_eq!(ids, (0..300).map(|i| format!("e-{i}")).collect::<Vec<_>>());
    let after = entries[9].sequence;
    let rest: Vec<_> = ports.events.read(Range { after, live: false }).await.unwrap().collect().await;
    assert_eq!(rest.len(), 290);
    assert_eq!(rest[0].as_ref().unwrap(), &entries[10]);
}

pub(crate) async fn a_read_of_an_empty_log_ends_at_once<F: Fixture>() {
    let (_fixture, ports) = open::<F>().await;
    let mut entries = ports.events.read(STORED).await.unwrap();
    assert!(within("the end", entries.next()).await.is_none());
    let mut entries = ports.events.read(Range { after: 1_000, live: false }).await.unwrap();
    assert!(within("the end", entries.next()).await.is_none());
}

pub(crate) async fn a_live_read_goes_on_with_what_is_stored_later<F: Fixture>() {
    let (_fixture, ports) = open::<F>().await;
    let name = trigger("a");
    ports.events.publish(&run(&name, "e-0")).await.unwrap();
    let mut entries = ports.events.read(Range { after: 0, live: true }).await.unwrap();
    for i in 1..=3 {
        let entry = within("an entry", entries.next()).await.expect("it has no end").unwrap();
        assert_eq!(entry.value.id.as_str(), format!("e-{}", i - 1));
        never("an entry before it is stored", entries.next()).await;
        ports.events.publish(&run(&name, &format!("e-{i}"))).await.unwrap();
    }
}

pub(crate) async fn reading_claims_nothing<F: Fixture>() {
    let (_fixture, ports) = open::<F>().await;
    let name = trigger("a");
    ports.events.subscribe(&subscription(&name)).await.unwrap();
    ports.events.publish(&run(&name, "e-1")).await.unwrap();
    assert_eq!(ports.events.read(STORED).await.unwrap().count().await, 1);
    let mut consumer = ports.events.consumer(&name).await.unwrap();
    assert_eq!(drain(&mut *consumer, 1).await, ["e-1"]);
    assert_eq!(ports.events.read(STORED).await.unwrap().count().await, 1);
}

pub(crate) async fn an_entry_that_is_not_there_is_none<F: Fixture>() {
    let (_fixture, ports) = open::<F>().await;
    assert_eq!(ports.events.get(1).await.unwrap(), None);
    let receipt = ports.events.publish(&run(&trigger("a"), "e-1")).await.unwrap();
    assert_eq!(ports.events.get(receipt.sequence + 1).await.unwrap(), None);
}

pub(crate) async fn a_read_goes_on_after_an_entry_that_is_no_event<F: Fixture>() {
    let (mut fixture, ports) = open::<F>().await;
    let name = trigger("a");
    ports.events.publish(&run(&name, "e-1")).await.unwrap();
    fixture.store_nonsense(&name).await;
    let ports = fixture.ports();
    ports.events.publish(&run(&name, "e-2")).await.unwrap();
    let entries: Vec<_> = ports.events.read(STORED).await.unwrap().collect().await;
    assert_eq!(entries.len(), 3);
    assert_eq!(entries[0].as_ref().unwrap().value.id.as_str(), "e-1");
    assert!(matches!(entries[1], Err(Error::Corrupt { .. })), "{:?}", entries[1]);
    assert_eq!(entries[2].as_ref().unwrap().value.id.as_str(), "e-2");
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
