//! What every event log keeps: storing and reading. Deliveries have a suite of their own.

use crate::{
    Fixture, Limits, drain, never, now, one, open, open_with, run, subscription, trace, trigger,
    with_body, with_content, within,
};
use belfry_mesh::event::{Address, AnswerTo, Event, EventId};
use belfry_mesh::port::Error;
use belfry_mesh::port::log::{Range, Receipt};
use bytes::Bytes;
use futures::{StreamExt, future};

const STORED: Range = Range {
    after: 0,
    live: false,
};

pub(crate) async fn an_event_published_twice_is_stored_once<F: Fixture>() {
    let (_fixture, ports) = open::<F>().await;
    let name = trigger("a");
    ports.events.subscribe(&subscription(&name)).await.unwrap();
    let first = ports.events.publish(&run(&name, "e-1")).await.unwrap();
    let second = ports.events.publish(&run(&name, "e-1")).await.unwrap();
    assert_eq!(
        first,
        Receipt {
            sequence: first.sequence,
            duplicate: false
        }
    );
    assert_eq!(
        second,
        Receipt {
            sequence: first.sequence,
            duplicate: true
        }
    );
    assert_eq!(ports.events.read(STORED).await.unwrap().count().await, 1);
    assert_eq!(ports.events.backlog(&name).await.unwrap(), 1);
}

pub(crate) async fn copies_published_at_once_are_stored_once<F: Fixture>() {
    let (_fixture, ports) = open::<F>().await;
    let event = run(&trigger("a"), "e-1");
    let receipts = future::join_all((0..50).map(|_| ports.events.publish(&event))).await;
    let receipts: Vec<_> = receipts.into_iter().map(Result::unwrap).collect();
    assert_eq!(
        receipts.iter().filter(|receipt| !receipt.duplicate).count(),
        1
    );
    assert!(
        receipts
            .iter()
            .all(|receipt| receipt.sequence == receipts[0].sequence),
        "{receipts:?}"
    );
}

pub(crate) async fn sequences_grow_in_the_order_of_publishing<F: Fixture>() {
    let (_fixture, ports) = open::<F>().await;
    let mut last = 0;
    for i in 0..20 {
        let receipt = ports
            .events
            .publish(&run(&trigger("a"), &format!("e-{i}")))
            .await
            .unwrap();
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
    assert_eq!(
        again,
        Receipt {
            sequence: receipt.sequence,
            duplicate: true
        }
    );
    let stored = ports
        .events
        .get(receipt.sequence)
        .await
        .unwrap()
        .expect("it is kept");
    assert_eq!(&stored.value, event.event());
    let mut consumer = ports.events.consumer(&name).await.unwrap();
    assert_eq!(&one(&mut *consumer).await.event, event.event());
}

pub(crate) async fn publishing_while_the_backend_is_away_fails_and_works_again_after<F: Fixture>() {
    let (mut fixture, ports) = open::<F>().await;
    fixture.stop().await;
    let error = within(
        "an answer",
        ports.events.publish(&run(&trigger("a"), "e-1")),
    )
    .await
    .unwrap_err();
    assert!(error.is_retryable(), "{error}");
    assert!(within("an answer", ports.events.ping()).await.is_err());
    fixture.start().await;
    let ports = fixture.ports();
    ports.events.ping().await.unwrap();
    ports
        .events
        .publish(&run(&trigger("a"), "e-1"))
        .await
        .unwrap();
}

pub(crate) async fn a_body_survives_byte_for_byte<F: Fixture>() {
    let (_fixture, ports) = open::<F>().await;
    let name = trigger("a");
    ports.events.subscribe(&subscription(&name)).await.unwrap();
    let every_byte: Bytes = (0..=255_u8).cycle().take(70_000).collect();
    for (i, body) in [Bytes::new(), Bytes::from_static(b"\r\n\r\n\0"), every_byte]
        .into_iter()
        .enumerate()
    {
        let receipt = ports
            .events
            .publish(&with_body(&name, &format!("e-{i}"), body.clone()))
            .await
            .unwrap();
        let stored = ports
            .events
            .get(receipt.sequence)
            .await
            .unwrap()
            .expect("it is kept");
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
        answer_to: None,
        headers: vec![
            ("x-github-event".into(), "push".into()),
            ("x-note".into(), "naïve\t☕".into()),
        ],
        trace: Some(trace()),
    };
    let waits_at = AnswerTo::parse("0123456789abcdef").unwrap();
    let event = with_content(&name, content).answered_to(waits_at);
    let receipt = ports.events.publish(&event).await.unwrap();
    let stored = ports
        .events
        .get(receipt.sequence)
        .await
        .unwrap()
        .expect("it is kept");
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
    let (_fixture, ports) = open_with::<F>(Limits {
        events: 200_000,
        ..Limits::default()
    })
    .await;
    let name = trigger("a");
    ports.events.subscribe(&subscription(&name)).await.unwrap();
    let mut stored = Vec::new();
    let error = loop {
        let id = format!("e-{}", stored.len());
        match ports
            .events
            .publish(&with_body(&name, &id, vec![b'x'; 5_000].into()))
            .await
        {
            Ok(_) => stored.push(id),
            Err(error) => break error,
        }
        assert!(stored.len() < 100, "more was stored than the log may hold");
    };
    assert!(matches!(error, Error::Full { .. }), "{error}");
    assert!(error.is_retryable());
    assert!(
        stored.len() > 20,
        "only {} events of 5 kB fitted into 200 kB",
        stored.len()
    );
    let mut consumer = ports.events.consumer(&name).await.unwrap();
    assert_eq!(drain(&mut *consumer, stored.len()).await, stored);
}

pub(crate) async fn a_read_ends_with_what_is_stored_when_it_began<F: Fixture>() {
    let (_fixture, ports) = open::<F>().await;
    for i in 0..300 {
        ports
            .events
            .publish(&run(&trigger("a"), &format!("e-{i}")))
            .await
            .unwrap();
    }
    let entries: Vec<_> = within(
        "the end",
        ports.events.read(STORED).await.unwrap().collect(),
    )
    .await;
    let entries: Vec<_> = entries.into_iter().map(Result::unwrap).collect();
    let ids: Vec<_> = entries
        .iter()
        .map(|entry| entry.value.id.to_string())
        .collect();
    assert_eq!(ids, (0..300).map(|i| format!("e-{i}")).collect::<Vec<_>>());
    let after = entries[9].sequence;
    let rest: Vec<_> = ports
        .events
        .read(Range { after, live: false })
        .await
        .unwrap()
        .collect()
        .await;
    assert_eq!(rest.len(), 290);
    assert_eq!(rest[0].as_ref().unwrap(), &entries[10]);
}

pub(crate) async fn a_read_of_an_empty_log_ends_at_once<F: Fixture>() {
    let (_fixture, ports) = open::<F>().await;
    let mut entries = ports.events.read(STORED).await.unwrap();
    assert!(within("the end", entries.next()).await.is_none());
    let mut entries = ports
        .events
        .read(Range {
            after: 1_000,
            live: false,
        })
        .await
        .unwrap();
    assert!(within("the end", entries.next()).await.is_none());
}

pub(crate) async fn a_live_read_goes_on_with_what_is_stored_later<F: Fixture>() {
    let (_fixture, ports) = open::<F>().await;
    let name = trigger("a");
    ports.events.publish(&run(&name, "e-0")).await.unwrap();
    let mut entries = ports
        .events
        .read(Range {
            after: 0,
            live: true,
        })
        .await
        .unwrap();
    for i in 1..=3 {
        let entry = within("an entry", entries.next())
            .await
            .expect("it has no end")
            .unwrap();
        assert_eq!(entry.value.id.as_str(), format!("e-{}", i - 1));
        never("an entry before it is stored", entries.next()).await;
        ports
            .events
            .publish(&run(&name, &format!("e-{i}")))
            .await
            .unwrap();
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
    let receipt = ports
        .events
        .publish(&run(&trigger("a"), "e-1"))
        .await
        .unwrap();
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
    assert!(
        matches!(entries[1], Err(Error::Corrupt { .. })),
        "{:?}",
        entries[1]
    );
    assert_eq!(entries[2].as_ref().unwrap().value.id.as_str(), "e-2");
}
