//! Keeping up with logs: away, broken, repeated, replaced.

use super::fake::{Fake, event};
use super::{Console, all, id, page};
use crate::answer::EventStatus;
use crate::config::Retention;
use crate::history::{LetterFilter, Phase};
use belfry_mesh::outcome::Status;
use std::time::{Duration, Instant};

async fn letters(console: &Console) -> Vec<String> {
    let filter = LetterFilter {
        limit: 100,
        ..LetterFilter::default()
    };
    let (page, count) = console.history.dead_letters(filter).await.unwrap();
    assert_eq!(page.items.len() as u64, count);
    page.items
        .iter()
        .map(|letter| letter.event_id.to_string())
        .collect()
}

#[tokio::test]
async fn what_came_while_the_console_was_away_is_read_from_where_it_stopped() {
    let (directory, logs) = (tempfile::tempdir().unwrap(), Fake::new());
    logs.event("a");
    logs.event("b");
    let console = Console::start(directory.path(), &logs);
    console.until_events(&["b", "a"]).await;
    console.stop().await;

    logs.events.read.lock().unwrap().clear();
    logs.event("c");
    let console = Console::start(directory.path(), &logs);
    console.until_events(&["c", "b", "a"]).await;
    console.until_live().await;
    let first = logs
        .events
        .read
        .lock()
        .unwrap()
        .iter()
        .map(|range| range.after)
        .min();
    assert_eq!(
        first,
        Some(1),
        "nothing before the last known entry, at 2, is read again"
    );
    console.stop().await;
}

#[tokio::test]
async fn a_deleted_history_is_made_anew_from_the_logs() {
    let (directory, logs) = (tempfile::tempdir().unwrap(), Fake::new());
    logs.event("a");
    logs.outcome("a", 1, Status::Triggered);
    logs.bury("z");
    let console = Console::start(directory.path(), &logs);
    console.until_live().await;
    let before = console.history.event(&id("a"), &*logs).await.unwrap();
    console.stop().await;

    std::fs::remove_file(directory.path().join("history.db")).unwrap();
    let console = Console::start(directory.path(), &logs);
    console.until_live().await;
    assert_eq!(
        console.history.event(&id("a"), &*logs).await.unwrap(),
        before
    );
    assert_eq!(letters(&console).await, ["z"]);
    console.stop().await;
}

#[tokio::test]
async fn a_file_that_is_no_history_is_made_anew() {
    let (directory, logs) = (tempfile::tempdir().unwrap(), Fake::new());
    logs.event("a");
    let path = directory.path().join("history.db");
    std::fs::write(
        &path,
        "this is not a database, and long enough to be taken for the head of one".repeat(20),
    )
    .unwrap();
    let console = Console::start(directory.path(), &logs);
    console.until_events(&["a"]).await;
    console.stop().await;

    let other = rusqlite::Connection::open(&path).unwrap();
    other.pragma_update(None, "user_version", 99).unwrap();
    drop(other);
    let console = Console::start(directory.path(), &logs);
    console.until_events(&["a"]).await;
    console.stop().await;
}

#[tokio::test]
async fn entries_that_are_sent_twice_change_nothing() {
    let (directory, logs) = (tempfile::tempdir().unwrap(), Fake::new());
    logs.event("a");
    logs.outcome("a", 1, Status::Retrying);
    logs.outcome("a", 2, Status::Triggered);
    let console = Console::start(directory.path(), &logs);
    console.until_live().await;
    let before = console
        .history
        .event(&id("a"), &*logs)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (before.status, before.attempts),
        (EventStatus::Triggered, 2)
    );

    logs.events.send_again();
    logs.outcomes.send_again();
    logs.event("b");
    logs.outcome("b", 1, Status::Ignored);
    console
        .until("b is ignored", async |history| {
            page(history, all())
                .await
                .items
                .iter()
                .any(|event| event.status == EventStatus::Ignored)
        })
        .await;
    assert_eq!(
        console
            .history
            .event(&id("a"), &*logs)
            .await
            .unwrap()
            .unwrap(),
        before
    );
    assert_eq!(console.history.outcomes(id("a")).await.unwrap().len(), 2);
    console.stop().await;
}

#[tokio::test]
async fn an_id_that_is_stored_again_long_after_is_one_event() {
    let (directory, logs) = (tempfile::tempdir().unwrap(), Fake::new());
    logs.event("a");
    logs.event("a");
    logs.event("b");
    let console = Console::start(directory.path(), &logs);
    console.until_events(&["b", "a"]).await;
    console.stop().await;
}

#[tokio::test]
async fn an_outcome_may_come_before_its_event() {
    let (directory, logs) = (tempfile::tempdir().unwrap(), Fake::new());
    logs.outcome("a", 1, Status::Retrying);
    logs.outcome("a", 2, Status::Dead);
    let console = Console::start(directory.path(), &logs);
    console.until_live().await;
    logs.event("a");
    console.until_events(&["a"]).await;
    let event = console
        .history
        .event(&id("a"), &*logs)
        .await
        .unwrap()
        .unwrap();
    assert_eq!((event.status, event.attempts), (EventStatus::Dead, 2));
    console.stop().await;
}

#[tokio::test]
async fn a_log_that_was_replaced_while_the_console_was_away_replaces_the_history() {
    for (left, more) in [(3, 1), (3, 3), (2, 5)] {
        let (directory, logs) = (tempfile::tempdir().unwrap(), Fake::new());
        for number in 0..left {
            logs.event(&format!("old-{number}"));
            logs.outcome(&format!("old-{number}"), 1, Status::Triggered);
        }
        let console = Console::start(directory.path(), &logs);
        console.until_live().await;
        console.stop().await;

        logs.events.replace();
        logs.outcomes.replace();
        let mut ids: Vec<_> = (0..more).map(|number| format!("new-{number}")).collect();
        for id in &ids {
            logs.event(id);
        }
        logs.outcome("new-0", 1, Status::Ignored);
        ids.reverse();
        let console = Console::start(directory.path(), &logs);
        console
            .until_events(&ids.iter().map(String::as_str).collect::<Vec<_>>())
            .await;
        console.until_live().await;
        assert!(
            console
                .history
                .outcomes(id("old-0"))
                .await
                .unwrap()
                .is_empty()
        );
        assert_eq!(
            console.history.outcomes(id("new-0")).await.unwrap().len(),
            1
        );
        console.stop().await;
    }
}

#[tokio::test]
async fn a_log_that_is_replaced_under_the_console_replaces_the_history() {
    let (directory, logs) = (tempfile::tempdir().unwrap(), Fake::new());
    logs.event("old-1");
    logs.event("old-2");
    let console = Console::start(directory.path(), &logs);
    console.until_live().await;
    logs.events.replace();
    logs.event("new-1");
    console.until_events(&["new-1"]).await;
    console.stop().await;
}

#[tokio::test]
async fn a_log_that_dropped_everything_keeps_the_history_and_a_new_one_does_not() {
    let (directory, logs) = (tempfile::tempdir().unwrap(), Fake::new());
    logs.event("a");
    logs.event("b");
    let console = Console::start(directory.path(), &logs);
    console.until_live().await;
    console.stop().await;

    logs.events.expire();
    let console = Console::start(directory.path(), &logs);
    console.until_live().await;
    logs.event("c");
    console.until_events(&["c", "b", "a"]).await;
    console.stop().await;

    logs.events.replace();
    let console = Console::start(directory.path(), &logs);
    console.until_live().await;
    assert_eq!(
        console.ids().await,
        ["c", "b", "a"],
        "an empty log says nothing"
    );
    logs.event("new");
    console.until_events(&["new"]).await;
    console.stop().await;
}

#[tokio::test]
async fn an_outage_of_a_log_is_waited_out() {
    let (directory, logs) = (tempfile::tempdir().unwrap(), Fake::new());
    logs.event("a");
    let console = Console::start(directory.path(), &logs);
    console.until_live().await;
    logs.events.set_down(true);
    console
        .until("the failure shows", async |history| {
            history.standings().any(|(stream, standing)| {
                stream == "events" && matches!(standing.phase, Phase::Failed(_))
            })
        })
        .await;
    logs.event("b");
    assert_eq!(console.ids().await, ["a"]);
    logs.events.set_down(false);
    console.until_events(&["b", "a"]).await;
    console.until_live().await;
    console.stop().await;
}

#[tokio::test]
async fn an_entry_that_cannot_be_read_is_left_out() {
    let (directory, logs) = (tempfile::tempdir().unwrap(), Fake::new());
    logs.event("a");
    logs.events.push_unreadable();
    logs.event("b");
    let console = Console::start(directory.path(), &logs);
    console.until_events(&["b", "a"]).await;
    console.stop().await;
}

#[tokio::test]
async fn dead_letters_that_were_discarded_elsewhere_are_forgotten() {
    let (directory, logs) = (tempfile::tempdir().unwrap(), Fake::new());
    for id in ["a", "b", "c"] {
        logs.event(id);
        logs.bury(id);
    }
    let console = Console::start(directory.path(), &logs);
    console.until_live().await;
    assert_eq!(letters(&console).await, ["c", "b", "a"]);
    console.history.forget_dead_letter(1).await.unwrap();
    assert_eq!(letters(&console).await, ["c", "b"]);
    console.stop().await;

    logs.letters.discard(1);
    logs.letters.discard(3);
    let console = Console::start(directory.path(), &logs);
    console.until_live().await;
    assert_eq!(letters(&console).await, ["b"]);
    logs.bury("d");
    console
        .until("d is there", async |_| {
            letters(&console).await == ["d", "b"]
        })
        .await;
    console.stop().await;
}

#[tokio::test]
async fn old_and_surplus_events_go_with_their_outcomes() {
    let (directory, logs) = (tempfile::tempdir().unwrap(), Fake::new());
    for number in 0..20 {
        let id = format!("e{number}");
        logs.event(&id);
        logs.outcome(&id, 1, Status::Triggered);
        if number == 9 {
            logs.wait(Duration::from_hours(48));
        }
    }
    logs.bury("e0");
    let console = Console::start(directory.path(), &logs);
    console.until_live().await;
    assert_eq!(console.ids().await.len(), 20);
    console.stop().await;

    let by_count = Retention {
        max_events: 15,
        ..Retention::default()
    };
    let console = Console::start_with(directory.path(), &logs, by_count);
    console
        .until("15 are left", async |history| {
            page(history, all()).await.items.len() == 15
        })
        .await;
    assert_eq!(console.ids().await.last().unwrap(), "e5");
    console.stop().await;

    let by_age = Retention {
        max_age: Duration::from_hours(24),
        ..by_count
    };
    let console = Console::start_with(directory.path(), &logs, by_age);
    console
        .until("10 are left", async |history| {
            page(history, all()).await.items.len() == 10
        })
        .await;
    for (number, kept) in [(4, 0), (9, 0), (10, 1), (19, 1)] {
        let outcomes = console
            .history
            .outcomes(id(&format!("e{number}")))
            .await
            .unwrap();
        assert_eq!(outcomes.len(), kept, "e{number}");
    }
    assert_eq!(letters(&console).await, ["e0"], "dead letters stay");
    console.until_live().await;
    assert_eq!(
        console.ids().await.len(),
        10,
        "what was dropped is not read again"
    );
    console.stop().await;
}

#[tokio::test]
async fn a_question_waits_for_an_event_that_is_on_its_way_and_not_for_ever() {
    let (directory, logs) = (tempfile::tempdir().unwrap(), Fake::new());
    let console = Console::start(directory.path(), &logs);
    console.until_live().await;
    let wanted = id("a");
    let question = console.history.event(&wanted, &*logs);
    let publish = async {
        tokio::task::yield_now().await;
        logs.event("a");
    };
    let (answer, ()) = futures::join!(question, publish);
    assert_eq!(answer.unwrap().unwrap().id, wanted);

    let began = Instant::now();
    assert_eq!(
        console.history.event(&id("never"), &*logs).await.unwrap(),
        None
    );
    assert!(
        (900..3_000).contains(&began.elapsed().as_millis()),
        "{:?}",
        began.elapsed()
    );
    console.stop().await;
}

#[tokio::test]
async fn a_live_event_is_visible_within_a_tenth_of_a_second() {
    let (directory, logs) = (tempfile::tempdir().unwrap(), Fake::new());
    let console = Console::start(directory.path(), &logs);
    console.until_live().await;
    let mut took = Vec::new();
    for number in 0..50 {
        let text = format!("e{number}");
        let began = Instant::now();
        logs.store_event(event(&text, "t"));
        assert!(
            console
                .history
                .event(&id(&text), &*logs)
                .await
                .unwrap()
                .is_some()
        );
        took.push(began.elapsed());
    }
    took.sort();
    println!(
        "stored to visible: median {:?}, worst of 50 {:?}",
        took[25], took[49]
    );
    assert!(took[25] < Duration::from_millis(100), "{took:?}");
    console.stop().await;
}
