//! What cannot be asked for through the ports yet: signals and ticks.

use super::*;
use crate::clock::System;
use belfry_mesh::event::{Address, Event, EventId};
use belfry_mesh::name::TriggerName;
use belfry_mesh::port::log::Subscription;
use bytes::Bytes;
use jiff::Timestamp;
use std::time::Duration;
use tempfile::TempDir;

fn event(id: &str, address: Address) -> Event {
    Event {
        id: EventId::parse(id).unwrap(),
        source: "/test".into(),
        event_type: "test".into(),
        subject: None,
        time: Timestamp::UNIX_EPOCH,
        content_type: None,
        data: Bytes::new(),
        address,
        delivery_id: None,
        replay_of: None,
        answer_to: None,
        headers: Vec::new(),
        trace: None,
    }
}

#[tokio::test]
async fn a_signal_goes_to_every_trigger_whose_pattern_matches_and_a_tick_to_its_own() {
    let temporary = TempDir::new().unwrap();
    let embedded = open_file(temporary.path(), Retention::default(), Arc::new(System)).unwrap();
    let ports = ports(&embedded.store, TaskTracker::new());
    let names = ["all", "completed", "none"].map(|name| TriggerName::parse(name).unwrap());
    let patterns = [
        vec!["workflow.>".to_owned()],
        vec!["team.*".into(), "*.completed".into()],
        vec![],
    ];
    for (trigger, signals) in names.iter().cloned().zip(patterns) {
        let claim = Duration::from_secs(30);
        ports
            .events
            .subscribe(&Subscription {
                trigger,
                signals,
                claim,
            })
            .await
            .unwrap();
    }
    for (id, address) in [
        ("completed", Address::Signal("workflow.completed".into())),
        ("failed", Address::Signal("workflow.failed".into())),
        ("unheard", Address::Signal("node.failed".into())),
        ("tick", Address::Tick(names[2].clone())),
    ] {
        let record = events::Record::new(&event(id, address)).unwrap();
        embedded
            .store
            .writer
            .run(move |work| record.publish(work, u64::MAX))
            .await
            .unwrap();
    }
    for (trigger, expected) in
        names
            .iter()
            .zip([vec!["completed", "failed"], vec!["completed"], vec!["tick"]])
    {
        let mut consumer = ports.events.consumer(trigger).await.unwrap();
        let deliveries = consumer.next(9).await.unwrap();
        let ids: Vec<_> = deliveries
            .iter()
            .map(|delivery| delivery.event.id.as_str())
            .collect();
        assert_eq!(ids, expected, "what trigger `{trigger}` received");
    }
    embedded.close().await;
}
