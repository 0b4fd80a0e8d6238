use crate::{HandSet, Storage, next, subscription, trigger, within};
use belfry_backends::{Config, Limits, Retention};
use belfry_mesh::event::EventId;
use belfry_mesh::name::NodeName;
use belfry_mesh::outcome::{Holder, Outcome, Status};
use belfry_mesh::port::Error;
use belfry_mesh::port::log::{Consumer, Range};
use futures::StreamExt;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;

const DAY: Duration = Duration::from_secs(24 * 3_600);
const STORED: Range = Range {
    after: 0,
    live: false,
};

/// Storage with this much room, in bytes.
fn small(data: &Path, events: u64, outcomes: u64) -> Config {
    let mut retention = Retention::default();
    retention.events = Limits {
        bytes: events,
        ..retention.events
    };
    retention.outcomes = Limits {
        bytes: outcomes,
        ..retention.outcomes
    };
    Config {
        data: data.to_owned(),
        retention,
        ..Config::default()
    }
}

async fn open(data: &Path, events: u64, clock: &HandSet) -> Storage {
    Storage::open_with(small(data, events, 1 << 30), Arc::new(clock.clone())).await
}

async fn ack_one(consumer: &mut dyn Consumer) {
    for delivery in next(consumer, 1).await {
        delivery.claim.ack().await.unwrap();
    }
}

#[tokio::test]
async fn a_full_log_makes_room_from_what_is_handled_and_keeps_what_is_unread() {
    let (directory, clock) = (TempDir::new().unwrap(), HandSet::new());
    let storage = open(directory.path(), 200_000, &clock).await;
    let (busy, idle) = (trigger("busy"), trigger("idle"));
    for name in [&busy, &idle] {
        storage
            .ports
            .events
            .subscribe(&subscription(name))
            .await
            .unwrap();
    }
    storage.publish(&idle, "unread", 5_000).await.unwrap();
    let mut consumer = storage.consumer(&busy).await;
    for i in 0..200 {
        storage
            .publish(&busy, &format!("e-{i}"), 5_000)
            .await
            .unwrap();
        ack_one(&mut *consumer).await;
    }
    let kept = storage
        .ports
        .events
        .read(STORED)
        .await
        .unwrap()
        .count()
        .await;
    assert!(
        (10..40).contains(&kept),
        "{kept} events of 5 kB are kept in 200 kB"
    );
    assert_eq!(
        next(&mut *storage.consumer(&idle).await, 1).await[0]
            .event
            .id
            .as_str(),
        "unread"
    );
    let repeated = storage.publish(&busy, "e-0", 5_000).await.unwrap();
    assert!(
        !repeated,
        "a repetition within the window was stored again although its event had to make room"
    );
    clock.advance(Duration::from_secs(121));
    assert!(storage.publish(&busy, "new", 5_000).await.unwrap());
    storage.close().await;
}

#[tokio::test]
async fn a_full_log_is_still_full_after_a_restart_and_says_so_when_asked() {
    let (directory, clock) = (TempDir::new().unwrap(), HandSet::new());
    let storage = open(directory.path(), 100_000, &clock).await;
    let name = trigger("a");
    storage
        .ports
        .events
        .subscribe(&subscription(&name))
        .await
        .unwrap();
    let mut stored = 0;
    while storage
        .publish(&name, &format!("e-{stored}"), 1_000)
        .await
        .is_ok()
    {
        stored += 1;
    }
    storage.close().await;
    let storage = open(directory.path(), 100_000, &clock).await;
    let error = storage.publish(&name, "one-more", 1_000).await.unwrap_err();
    assert!(matches!(error, Error::Full { .. }), "{error}");
    assert!(matches!(
        storage.publish(&name, "small", 0).await,
        Ok(_) | Err(Error::Full { .. })
    ));
    assert_eq!(
        storage.publish(&name, "e-0", 1_000).await,
        Ok(false),
        "a repetition needs no room"
    );
    let mut filler = 0;
    while storage
        .publish(&name, &format!("f-{filler}"), 0)
        .await
        .is_ok()
    {
        filler += 1;
    }
    assert!(matches!(
        storage.ports.events.ping().await,
        Err(Error::Full { .. })
    ));
    let mut consumer = storage.consumer(&name).await;
    ack_one(&mut *consumer).await;
    storage.ports.events.ping().await.unwrap();
    storage.publish(&name, "one-more", 1_000).await.unwrap();
    storage.close().await;
}

#[tokio::test]
async fn what_an_unsubscribed_trigger_left_makes_room() {
    let (directory, clock) = (TempDir::new().unwrap(), HandSet::new());
    let storage = open(directory.path(), 200_000, &clock).await;
    let (gone, kept) = (trigger("gone"), trigger("kept"));
    for name in [&gone, &kept] {
        storage
            .ports
            .events
            .subscribe(&subscription(name))
            .await
            .unwrap();
    }
    let mut stored = 0;
    while storage
        .publish(&gone, &format!("e-{stored}"), 1_000)
        .await
        .is_ok()
    {
        stored += 1;
    }
    storage.ports.events.unsubscribe(&gone).await.unwrap();
    for i in 0..stored {
        storage
            .publish(&kept, &format!("k-{i}"), 1_000)
            .await
            .unwrap();
    }
    storage.close().await;
}

#[tokio::test]
async fn an_event_goes_when_its_time_has_passed_but_never_before_it_is_handled() {
    let (directory, clock) = (TempDir::new().unwrap(), HandSet::new());
    let storage = open(directory.path(), 1 << 30, &clock).await;
    let name = trigger("a");
    storage
        .ports
        .events
        .subscribe(&subscription(&name))
        .await
        .unwrap();
    let mut consumer = storage.consumer(&name).await;
    storage.publish(&name, "handled", 10).await.unwrap();
    ack_one(&mut *consumer).await;
    storage.publish(&name, "unread", 10).await.unwrap();
    clock.advance(DAY * 6);
    storage.publish(&name, "young", 10).await.unwrap();
    storage
        .publish(&trigger("nobody"), "unaddressed", 10)
        .await
        .unwrap();
    clock.advance(DAY * 2);
    storage.close().await;
    let storage = open(directory.path(), 1 << 30, &clock).await;
    let kept = async {
        loop {
            let entries: Vec<_> = storage
                .ports
                .events
                .read(STORED)
                .await
                .unwrap()
                .collect()
                .await;
            let ids: Vec<_> = entries
                .into_iter()
                .map(|entry| entry.unwrap().value.id.to_string())
                .collect();
            if ids.len() < 4 {
                return ids;
            }
        }
    };
    assert_eq!(
        within("the end of what is too old", kept).await,
        ["unread", "young", "unaddressed"]
    );
    assert_eq!(next(&mut *storage.consumer(&name).await, 9).await.len(), 2);
    storage.close().await;
}

#[tokio::test]
async fn the_oldest_outcomes_make_room() {
    let directory = TempDir::new().unwrap();
    let config = small(directory.path(), 1 << 30, 50_000);
    let storage = Storage::open_with(config, Arc::new(HandSet::new())).await;
    for attempt in 1..=500 {
        storage
            .ports
            .outcomes
            .record(&outcome(attempt))
            .await
            .unwrap();
    }
    let kept: Vec<_> = storage
        .ports
        .outcomes
        .outcomes(STORED)
        .await
        .unwrap()
        .collect()
        .await;
    let kept: Vec<_> = kept
        .into_iter()
        .map(|entry| entry.unwrap().value.attempt)
        .collect();
    assert!(
        (50..150).contains(&kept.len()),
        "{} outcomes are kept in 50 kB",
        kept.len()
    );
    let newest: Vec<_> = (501 - u32::try_from(kept.len()).unwrap()..=500).collect();
    assert_eq!(kept, newest);
    storage.close().await;
}

#[tokio::test]
async fn the_file_does_not_grow_while_as_much_goes_as_comes() {
    let (directory, clock) = (TempDir::new().unwrap(), HandSet::new());
    let size = || {
        fs::metadata(directory.path().join("belfry.db"))
            .unwrap()
            .len()
    };
    let mut sizes = Vec::new();
    for round in 0..4 {
        let storage = open(directory.path(), 1_000_000, &clock).await;
        for i in 0..500 {
            storage
                .publish(&trigger("nobody"), &format!("{round}-{i}"), 5_000)
                .await
                .unwrap();
        }
        clock.advance(Duration::from_secs(300));
        storage.close().await;
        sizes.push(size());
    }
    assert!(
        sizes[3] < 3_000_000 && sizes[3] <= sizes[1] + sizes[1] / 4,
        "{sizes:?}"
    );
}

fn outcome(attempt: u32) -> Outcome {
    Outcome {
        event_id: EventId::parse("e-1").unwrap(),
        trigger: trigger("a"),
        attempt,
        status: Status::Retrying,
        reason: None,
        http_status: None,
        execution_id: None,
        latency_ms: 1,
        at: "2026-11-22T08:00:00Z".parse().unwrap(),
        retry_at: None,
        by: Holder {
            node: NodeName::parse("node-1").unwrap(),
            slot: 0,
            token: 1,
            revision: 1,
        },
    }
}
