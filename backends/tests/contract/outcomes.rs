//! What every outcome log keeps.

use crate::{Fixture, Limits, never, now, open, open_with, trace, trigger, with_body, within};
use belfry_mesh::event::EventId;
use belfry_mesh::name::NodeName;
use belfry_mesh::outcome::{DeadLetter, Holder, Outcome, Status};
use belfry_mesh::port::log::Range;
use belfry_mesh::port::{Error, Ports};
use bytes::Bytes;
use futures::StreamExt;

const STORED: Range = Range {
    after: 0,
    live: false,
};

pub(crate) async fn an_outcome_survives_whole<F: Fixture>() {
    let (_fixture, ports) = open::<F>().await;
    let full = Outcome {
        status: Status::Retrying,
        reason: Some("der Dienst antwortet nicht: 503 „überlastet“".into()),
        http_status: Some(503),
        execution_id: Some("exec-1".into()),
        retry_at: Some(now()),
        ..outcome("e-1", 1)
    };
    let bare = outcome("e-1", 2);
    for outcome in [&full, &bare] {
        ports.outcomes.record(outcome).await.unwrap();
    }
    assert_eq!(outcomes(&ports).await, [full, bare]);
}

pub(crate) async fn an_outcome_recorded_twice_is_recorded_once<F: Fixture>() {
    let (_fixture, ports) = open::<F>().await;
    let first = ports.outcomes.record(&outcome("e-1", 1)).await.unwrap();
    ports.outcomes.record(&outcome("e-1", 1)).await.unwrap();
    assert_eq!(outcomes(&ports).await, [outcome("e-1", 1)]);
    let other_attempt = ports.outcomes.record(&outcome("e-1", 2)).await.unwrap();
    assert!(other_attempt > first);
    let mut other_holder = outcome("e-1", 1);
    other_holder.by.token = 8;
    ports.outcomes.record(&other_holder).await.unwrap();
    assert_eq!(outcomes(&ports).await.len(), 3);
}

pub(crate) async fn outcomes_and_dead_letters_survive_a_restart<F: Fixture>() {
    let (mut fixture, ports) = open::<F>().await;
    ports.outcomes.record(&outcome("e-1", 1)).await.unwrap();
    ports.outcomes.bury(&letter("e-1")).await.unwrap();
    fixture.stop().await;
    let away = within("an answer", ports.outcomes.record(&outcome("e-2", 1))).await;
    assert!(away.is_err_and(|error| error.is_retryable()));
    fixture.start().await;
    let ports = fixture.ports();
    assert_eq!(outcomes(&ports).await, [outcome("e-1", 1)]);
    assert_eq!(letters(&ports).await, [letter("e-1")]);
    ports.outcomes.record(&outcome("e-2", 1)).await.unwrap();
}

pub(crate) async fn a_live_read_of_outcomes_goes_on<F: Fixture>() {
    let (_fixture, ports) = open::<F>().await;
    ports.outcomes.record(&outcome("e-1", 1)).await.unwrap();
    let mut entries = ports
        .outcomes
        .outcomes(Range {
            after: 0,
            live: true,
        })
        .await
        .unwrap();
    for attempt in 1..=3 {
        let entry = within("an outcome", entries.next())
            .await
            .expect("it has no end")
            .unwrap();
        assert_eq!(entry.value, outcome("e-1", attempt));
        never("an outcome before it is recorded", entries.next()).await;
        ports
            .outcomes
            .record(&outcome("e-1", attempt + 1))
            .await
            .unwrap();
    }
}

pub(crate) async fn a_dead_letter_survives_whole<F: Fixture>() {
    let (_fixture, ports) = open::<F>().await;
    let mut letter = letter("e-1");
    letter.event.data = (0..=255_u8).cycle().take(5_000).collect();
    letter.event.headers = vec![("x-note".into(), "naïve\t☕".into())];
    letter.outcome.reason = Some("dreimal versucht, dreimal „nein“".into());
    ports.outcomes.bury(&letter).await.unwrap();
    assert_eq!(letters(&ports).await, [letter]);
}

pub(crate) async fn an_event_is_buried_once_a_trigger<F: Fixture>() {
    let (_fixture, ports) = open::<F>().await;
    ports.outcomes.bury(&letter("e-1")).await.unwrap();
    ports.outcomes.bury(&letter("e-1")).await.unwrap();
    assert_eq!(letters(&ports).await.len(), 1);
    let mut other = letter("e-1");
    other.outcome.trigger = trigger("b");
    ports.outcomes.bury(&other).await.unwrap();
    assert_eq!(letters(&ports).await.len(), 2);
}

pub(crate) async fn a_discarded_letter_is_gone_and_the_others_stay<F: Fixture>() {
    let (_fixture, ports) = open::<F>().await;
    let first = ports.outcomes.bury(&letter("e-1")).await.unwrap();
    ports.outcomes.bury(&letter("e-2")).await.unwrap();
    assert!(ports.outcomes.discard(first).await.unwrap());
    assert!(
        !ports.outcomes.discard(first).await.unwrap(),
        "it was there twice"
    );
    assert!(
        !ports.outcomes.discard(1_000_000).await.unwrap(),
        "a letter that never was is there"
    );
    assert_eq!(letters(&ports).await, [letter("e-2")]);
}

pub(crate) async fn a_full_log_of_dead_letters_refuses_and_drops_none<F: Fixture>() {
    let (_fixture, ports) = open_with::<F>(Limits {
        dead_letters: 200_000,
        ..Limits::default()
    })
    .await;
    let big = |id: &str| {
        let mut letter = letter(id);
        letter.event.data = Bytes::from(vec![b'x'; 5_000]);
        letter
    };
    let mut sequences = Vec::new();
    let error = loop {
        match ports
            .outcomes
            .bury(&big(&format!("e-{}", sequences.len())))
            .await
        {
            Ok(sequence) => sequences.push(sequence),
            Err(error) => break error,
        }
        assert!(sequences.len() < 100, "more was kept than the log may hold");
    };
    assert!(matches!(error, Error::Full { .. }), "{error}");
    assert_eq!(letters(&ports).await.len(), sequences.len());
    assert!(ports.outcomes.discard(sequences[0]).await.unwrap());
    ports.outcomes.bury(&big("after")).await.unwrap();
}

fn outcome(id: &str, attempt: u32) -> Outcome {
    Outcome {
        event_id: EventId::parse(id).unwrap(),
        trigger: trigger("a"),
        attempt,
        status: Status::Triggered,
        reason: None,
        http_status: None,
        execution_id: None,
        latency_ms: 12,
        at: now(),
        retry_at: None,
        by: Holder {
            node: NodeName::parse("node-1").unwrap(),
            slot: 0,
            token: 7,
            revision: 3,
        },
    }
}

fn letter(id: &str) -> DeadLetter {
    let event = with_body(&trigger("a"), id, Bytes::from_static(b"{}"))
        .event()
        .clone();
    assert_eq!(event.trace, Some(trace()));
    DeadLetter {
        event,
        outcome: Outcome {
            status: Status::Dead,
            ..outcome(id, 5)
        },
    }
}

async fn outcomes(ports: &Ports) -> Vec<Outcome> {
    let entries = ports.outcomes.outcomes(STORED).await.unwrap();
    within(
        "the end",
        entries.map(|entry| entry.unwrap().value).collect(),
    )
    .await
}

async fn letters(ports: &Ports) -> Vec<DeadLetter> {
    let entries = ports.outcomes.dead_letters(STORED).await.unwrap();
    within(
        "the end",
        entries.map(|entry| entry.unwrap().value).collect(),
    )
    .await
}
