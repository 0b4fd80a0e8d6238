//! Asking the history.

use super::fake::{Fake, event};
use super::{Console, id, id_list, page, trigger};
use crate::answer::EventStatus;
use crate::history::{Filter, History, LetterFilter, Phase};
use belfry_mesh::event::{Address, Event};
use belfry_mesh::outcome::Status;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The ids of a page that is asked for as in a query, such as `trigger=t status=dead`.
async fn found(history: &History, search: &str) -> Vec<String> {
    let mut filter = Filter {
        limit: 50,
        ..Filter::default()
    };
    for (key, value) in search
        .split_whitespace()
        .filter_map(|part| part.split_once('='))
    {
        match key {
            "trigger" => filter.trigger = Some(trigger(value)),
            "status" => filter.status = Some(EventStatus::parse(value).unwrap()),
            "delivery" => filter.delivery_id = Some(value.into()),
            "execution" => filter.execution_id = Some(value.into()),
            "before" => filter.before = Some(value.parse().unwrap()),
            _ => panic!("there is no filter `{key}`"),
        }
    }
    id_list(&page(history, filter).await)
}

#[tokio::test]
async fn each_filter_finds_what_it_says_and_all_that_are_given_must_hold() {
    let (directory, logs) = (tempfile::tempdir().unwrap(), Fake::new());
    for (id, to) in [
        ("a", "one"),
        ("b", "two"),
        ("c", "one"),
        ("d", "one"),
        ("e", "two"),
    ] {
        logs.event_for(id, to);
    }
    let signal = Address::Signal("workflow.completed".into());
    logs.store_event(Event {
        address: signal,
        ..event("s", "one")
    });
    for (id, status) in [
        ("a", Status::Triggered),
        ("b", Status::Ignored),
        ("c", Status::Dead),
        ("d", Status::Retrying),
    ] {
        logs.outcome(id, 1, status);
    }
    let console = Console::start(directory.path(), &logs);
    console.until_live().await;
    let history = &console.history;
    for (search, ids) in [
        ("", &["s", "e", "d", "c", "b", "a"][..]),
        ("before=4", &["c", "b", "a"]),
        ("trigger=one", &["d", "c", "a"]),
        ("trigger=one before=4", &["c", "a"]),
        ("trigger=three", &[]),
        ("status=waiting", &["s", "e"]),
        ("status=triggered", &["a"]),
        ("status=ignored", &["b"]),
        ("status=dead", &["c"]),
        ("status=retrying", &["d"]),
        ("trigger=one status=dead", &["c"]),
        ("trigger=one status=ignored", &[]),
        ("delivery=delivery-b", &["b"]),
        ("delivery=delivery-b before=2", &[]),
        ("execution=exec-a", &["a"]),
        ("execution=exec-a trigger=two", &[]),
    ] {
        assert_eq!(found(history, search).await, ids, "{search}");
    }
    let signal = history.event(&id("s"), &*logs).await.unwrap().unwrap();
    assert_eq!(signal.trigger, None);
    console.stop().await;
}

#[tokio::test]
async fn pages_are_the_same_whatever_is_stored_between_them() {
    let (directory, logs) = (tempfile::tempdir().unwrap(), Fake::new());
    for number in 0..10 {
        logs.event(&format!("e{number}"));
        logs.bury(&format!("e{number}"));
    }
    let console = Console::start(directory.path(), &logs);
    console.until_live().await;
    let (mut events, mut letters) = (Vec::new(), Vec::new());
    let (mut before, mut letters_before) = (None, None);
    for round in 0..4 {
        let page = page(
            &console.history,
            Filter {
                before,
                limit: 3,
                ..Filter::default()
            },
        )
        .await;
        events.extend(id_list(&page));
        before = page.next;
        assert_eq!(before.is_none(), round == 3);
        let filter = LetterFilter {
            before: letters_before,
            limit: 3,
            ..LetterFilter::default()
        };
        let (page, _) = console.history.dead_letters(filter).await.unwrap();
        letters.extend(page.items.iter().map(|letter| letter.event_id.to_string()));
        letters_before = page.next;
        let newest = format!("new-{round}");
        logs.event(&newest);
        logs.bury(&newest);
        console
            .history
            .event(&id(&newest), &*logs)
            .await
            .unwrap()
            .unwrap();
    }
    let expected: Vec<_> = (0..10).rev().map(|number| format!("e{number}")).collect();
    assert_eq!(events, expected);
    assert_eq!(letters, expected);
    console.stop().await;
}

#[tokio::test]
async fn the_outcome_that_settles_an_event_or_its_replay_names_the_next_replay() {
    let (directory, logs) = (tempfile::tempdir().unwrap(), Fake::new());
    logs.event("root");
    logs.event("other");
    let console = Console::start(directory.path(), &logs);
    console.until_live().await;
    let settled = async || console.history.settled(id("root")).await.unwrap();
    assert_eq!(settled().await, 0);

    logs.outcome("other", 1, Status::Triggered);
    logs.outcome("root", 1, Status::Retrying);
    let dead = logs.outcome("root", 2, Status::Dead);
    console
        .until("dead", async |_| settled().await == dead)
        .await;

    logs.store_event(Event {
        replay_of: Some(id("root")),
        ..event("again", "t")
    });
    logs.outcome("again", 1, Status::Retrying);
    let attempts = async |history: &History| history.outcomes(id("again")).await.unwrap().len();
    console
        .until("retrying", async |history| attempts(history).await == 1)
        .await;
    assert_eq!(
        settled().await,
        dead,
        "a replay that is under way is still the same replay"
    );

    let done = logs.outcome("again", 2, Status::Triggered);
    console
        .until("done", async |_| settled().await == done)
        .await;
    assert_eq!(
        console.history.replays(id("root")).await.unwrap()[0].id,
        id("again")
    );
    console.stop().await;
}

const MANY: usize = 100_000;

/// Many events for twenty triggers. One in ten thousand is dead, one in a thousand waits, and the rest ran.
fn store_many(logs: &Arc<Fake>) {
    for number in 0..MANY {
        let id = format!("{number:032x}");
        logs.event_for(&id, &format!("trigger-{}", number % 20));
        match (number % 10_000, number % 1_000) {
            (17, _) => logs.outcome(&id, 8, Status::Dead),
            (_, 3) => continue,
            _ => logs.outcome(&id, 1, Status::Triggered),
        };
    }
}

#[tokio::test]
async fn a_hundred_thousand_events_are_searched_in_milliseconds() {
    let (directory, logs) = (tempfile::tempdir().unwrap(), Fake::new());
    store_many(&logs);
    let began = Instant::now();
    let console = Console::start(directory.path(), &logs);
    let is_live = || {
        console
            .history
            .standings()
            .all(|(_, standing)| standing.phase == Phase::Live)
    };
    while !is_live() {
        assert!(
            began.elapsed() < Duration::from_secs(120),
            "it takes too long"
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let (took, file) = (began.elapsed(), directory.path().join("history.db"));
    let size = std::fs::metadata(file).unwrap().len() / MANY as u64;
    println!("{MANY} events with their outcomes: read in {took:?}, {size} bytes an event");

    let some = |number: usize| format!("{number:032x}");
    for (search, expected) in [
        ("", 50),
        ("before=50000", 50),
        ("trigger=trigger-7 before=50000", 50),
        ("status=triggered before=50000", 50),
        ("status=dead", 10),
        ("trigger=trigger-17 status=dead", 10),
        ("trigger=trigger-1 status=dead", 0),
        (&format!("delivery=delivery-{}", some(42)), 1),
        (&format!("execution=exec-{}", some(77)), 1),
        ("execution=none", 0),
    ] {
        let began = Instant::now();
        let count = found(&console.history, search).await.len();
        let took = began.elapsed();
        println!("{search:<60} {count:>3} in {took:?}");
        assert_eq!(count, expected, "{search}");
        assert!(took < Duration::from_millis(50), "{search} took {took:?}");
    }
    console.stop().await;
}
