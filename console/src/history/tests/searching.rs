//! Asking the history.

use super::fake::{Fake, event};
use super::{Console, all, id, id_list, page, trigger};
use crate::answer::EventStatus;
use crate::history::{Filter, History, LetterFilter};
use belfry_mesh::event::{Address, Event};
use belfry_mesh::outcome::Status;
use std::time::{Duration, Instant};

async fn found(history: &History, filter: Filter) -> Vec<String> {
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
    logs.store_event(Event {
        address: Address::Signal("workflow.completed".into()),
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

    let one = Filter {
        trigger: Some(trigger("one")),
        ..all()
    };
    assert_eq!(found(history, one.clone()).await, ["d", "c", "a"]);
    assert_eq!(
        found(
            history,
            Filter {
                trigger: Some(trigger("three")),
                ..all()
            }
        )
        .await,
        [""; 0]
    );
    for (status, ids) in [
        (EventStatus::Waiting, &["s", "e"][..]),
        (EventStatus::Triggered, &["a"]),
        (EventStatus::Ignored, &["b"]),
        (EventStatus::Dead, &["c"]),
        (EventStatus::Retrying, &["d"]),
    ] {
        assert_eq!(
            found(
                history,
                Filter {
                    status: Some(status),
                    ..all()
                }
            )
            .await,
            ids
        );
    }
    assert_eq!(
        found(
            history,
            Filter {
                status: Some(EventStatus::Dead),
                ..one.clone()
            }
        )
        .await,
        ["c"]
    );
    assert_eq!(
        found(
            history,
            Filter {
                status: Some(EventStatus::Ignored),
                ..one
            }
        )
        .await,
        [""; 0]
    );
    assert_eq!(
        found(
            history,
            Filter {
                delivery_id: Some("delivery-b".into()),
                ..all()
            }
        )
        .await,
        ["b"]
    );
    assert_eq!(
        found(
            history,
            Filter {
                execution_id: Some("exec-a".into()),
                ..all()
            }
        )
        .await,
        ["a"]
    );
    let both = Filter {
        execution_id: Some("exec-a".into()),
        trigger: Some(trigger("two")),
        ..all()
    };
    assert_eq!(found(history, both).await, [""; 0]);
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

#[tokio::test]
async fn a_hundred_thousand_events_are_searched_in_milliseconds() {
    const EVENTS: usize = 100_000;
    let (directory, logs) = (tempfile::tempdir().unwrap(), Fake::new());
    for number in 0..EVENTS {
        let id = format!("{number:032x}");
        logs.event_for(&id, &format!("trigger-{}", number % 20));
        // One in ten thousand is dead, one in a thousand waits, and the rest ran.
        match (number % 10_000, number % 1_000) {
            (17, _) => {
                logs.outcome(&id, 8, Status::Dead);
            }
            (_, 3) => {}
            _ => {
                logs.outcome(&id, 1, Status::Triggered);
            }
        }
    }
    let began = Instant::now();
    let console = Console::start(directory.path(), &logs);
    let caught_up = async {
        while !console
            .history
            .standings()
            .all(|(_, standing)| standing.phase == crate::history::Phase::Live)
        {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(120), caught_up)
        .await
        .unwrap();
    let size = std::fs::metadata(directory.path().join("history.db"))
        .unwrap()
        .len();
    println!(
        "{EVENTS} events and their outcomes: read in {:?}, {} bytes an event",
        began.elapsed(),
        size / EVENTS as u64
    );

    let some = |number: usize| format!("{number:032x}");
    let page = Filter {
        limit: 50,
        ..Filter::default()
    };
    let middle = Some(EVENTS as u64 / 2);
    for (what, filter, expected) in [
        ("the newest", page.clone(), 50),
        (
            "from the middle",
            Filter {
                before: middle,
                ..page.clone()
            },
            50,
        ),
        (
            "of a trigger",
            Filter {
                trigger: Some(trigger("trigger-7")),
                before: middle,
                ..page.clone()
            },
            50,
        ),
        (
            "that ran",
            Filter {
                status: Some(EventStatus::Triggered),
                before: middle,
                ..page.clone()
            },
            50,
        ),
        (
            "that are dead",
            Filter {
                status: Some(EventStatus::Dead),
                ..page.clone()
            },
            10,
        ),
        (
            "of a trigger that are dead",
            Filter {
                trigger: Some(trigger("trigger-1")),
                status: Some(EventStatus::Dead),
                ..page.clone()
            },
            0,
        ),
        (
            "of a delivery",
            Filter {
                delivery_id: Some(format!("delivery-{}", some(42))),
                ..page.clone()
            },
            1,
        ),
        (
            "of an execution",
            Filter {
                execution_id: Some(format!("exec-{}", some(77))),
                ..page.clone()
            },
            1,
        ),
        (
            "of an execution that is not",
            Filter {
                execution_id: Some("none".into()),
                ..page.clone()
            },
            0,
        ),
    ] {
        let began = Instant::now();
        let found = found(&console.history, filter).await.len();
        let took = began.elapsed();
        println!("{what}: {found} in {took:?}");
        assert_eq!(found, expected, "{what}");
        assert!(took < Duration::from_millis(50), "{what} took {took:?}");
    }
    let began = Instant::now();
    assert!(
        console
            .history
            .event(&id(&some(50_000)), &*logs)
            .await
            .unwrap()
            .is_some()
    );
    println!("one by id: {:?}", began.elapsed());
    console.stop().await;
}
