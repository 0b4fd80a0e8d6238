//! The way into the event log.

use super::rig::{Log, Rig, away, drain_all, event, files, fill, id, ids, sized, too_large, until};
use belfry_mesh::port;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

#[tokio::test]
async fn a_drain_runs_as_a_task_beside_new_events_until_it_is_dropped() {
    let rig = Rig::new();
    let spool = Arc::new(rig.open());
    let log = Arc::new(Log::default());
    let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
    tasks.spawn({
        let (spool, log, stop) = (spool.clone(), log.clone(), stop.clone());
        async move {
            let store = |event: Arc<belfry_mesh::Proven>| {
                let log = log.clone();
                async move { log.store(&event) }
            };
            stop.run_until_cancelled(spool.drain(store)).await;
        }
    });
    for round in 0..5 {
        fill(&spool, round * 100..(round + 1) * 100).await;
        until(|| spool.is_empty()).await;
    }
    assert_eq!(log.stored(), ids(0..500));
    stop.cancel();
    tasks.close();
    tasks.wait().await;
}

#[tokio::test]
async fn events_are_handed_on_in_order_and_at_most_128_at_once() {
    let rig = Rig::new();
    let spool = rig.open();
    fill(&spool, 0..300).await;
    let (order, running, most) = (
        Mutex::new(Vec::new()),
        AtomicUsize::new(0),
        AtomicUsize::new(0),
    );
    let store = async |event: Arc<belfry_mesh::Proven>| {
        let now = running.fetch_add(1, Ordering::SeqCst) + 1;
        most.fetch_max(now, Ordering::SeqCst);
        order.lock().unwrap().push(event.event().id.clone());
        tokio::task::yield_now().await;
        running.fetch_sub(1, Ordering::SeqCst);
        Ok(())
    };
    tokio::select! {
        () = spool.drain(store) => panic!("a drain ended"),
        () = until(|| spool.is_empty()) => {}
    }
    assert_eq!(order.into_inner().unwrap(), ids(0..300));
    assert_eq!(most.into_inner(), 128);
}

#[tokio::test]
async fn while_the_log_is_away_nothing_is_lost_and_the_pauses_grow_to_their_bound() {
    let rig = Rig::new();
    let spool = rig.open();
    fill(&spool, 0..3).await;
    let log = Log::default();
    // The three go out at once, so each round takes three answers.
    *log.answers.lock().unwrap() = vec![Err(away()); 3 * 8];
    log.drain(&spool, || spool.is_empty()).await;
    assert_eq!(log.stored(), ids(0..3));
    let pauses = [50, 100, 200, 400, 800, 1600, 2000, 2000].map(Duration::from_millis);
    assert_eq!(*rig.clock.slept.lock().unwrap(), pauses);
}

#[tokio::test]
async fn a_full_log_holds_up_and_what_it_took_meanwhile_is_not_stored_again() {
    let rig = Rig::new();
    let spool = rig.open();
    fill(&spool, 0..4).await;
    let full = port::Error::Full {
        log: "events".into(),
        why: "bytes".into(),
    };
    let log = Log::default();
    *log.answers.lock().unwrap() = vec![Ok(()), Err(full), Ok(())];
    log.drain(&spool, || spool.is_empty()).await;
    assert_eq!(log.stored(), ids([0, 2, 3, 1]));
    assert_eq!(spool.status().set_aside, 0);
}

#[tokio::test]
async fn the_position_passes_only_what_is_stored_without_a_gap() {
    let rig = Rig::new();
    let spool = rig.open();
    fill(&spool, 0..10).await;
    let log = Log::default();
    log.refuses.lock().unwrap().push((id(3), away()));
    log.drain(&spool, || log.stored().len() == 9).await;
    until(|| spool.status().depth == 7).await;
    spool.close().await;
    // The rest is stored again, since one of them is not.
    assert_eq!(drain_all(rig.open()).await, ids(3..10));
}

#[tokio::test]
async fn an_event_that_is_too_large_is_set_aside_and_the_rest_goes_on() {
    let rig = Rig::new();
    let spool = rig.open();
    fill(&spool, 0..5).await;
    let log = Log::default();
    log.refuses.lock().unwrap().push((id(2), too_large()));
    log.drain(&spool, || spool.is_empty()).await;
    assert_eq!(log.stored(), ids([0, 1, 3, 4]));
    assert_eq!(spool.status().set_aside, 1);
    assert!(!spool.contains(&id(2)));

    let refused = files(&rig.path().join("refused"), "event");
    let text = std::fs::read_to_string(&refused[0]).unwrap();
    let (head, data) = text.split_once("\n\n").unwrap();
    assert!(
        head.starts_with("refused: the event is too large: 2 bytes, at most 1\n"),
        "{head}"
    );
    assert!(head.contains("\nsubject: belfry.event.t\n"), "{head}");
    assert!(head.contains("\nce-id: e-2\n"), "{head}");
    assert_eq!(data, "xxxxxxxxxx");
    spool.close().await;
    assert_eq!(rig.open().status().set_aside, 1);
}

#[tokio::test]
async fn a_lone_event_that_is_too_large_is_set_aside_too() {
    let rig = Rig::new();
    let spool = rig.open();
    fill(&spool, [0]).await;
    let log = Log::default();
    log.refuses.lock().unwrap().push((id(0), too_large()));
    log.drain(&spool, || spool.is_empty()).await;
    assert_eq!(spool.status().set_aside, 1);
    until(|| rig.segments().is_empty()).await;
}

#[tokio::test]
async fn a_refusal_is_the_log_s_unless_it_takes_another_event() {
    let refusal = port::Error::Refused {
        what: "the bus".into(),
        why: "no permission".into(),
    };
    let rig = Rig::new();
    let spool = rig.open();
    fill(&spool, [0]).await;
    let log = Log::default();
    log.refuses.lock().unwrap().push((id(0), refusal));
    log.drain(&spool, || rig.clock.slept.lock().unwrap().len() > 5)
        .await;
    assert_eq!((spool.status().depth, spool.status().set_aside), (1, 0));

    fill(&spool, [1]).await;
    log.drain(&spool, || spool.is_empty()).await;
    assert_eq!(log.stored(), ids([1]));
    assert_eq!(spool.status().set_aside, 1);
}

#[tokio::test]
async fn an_event_that_cannot_be_set_aside_stays() {
    let rig = Rig::new();
    let spool = rig.open();
    fill(&spool, 0..2).await;
    let refused = rig.path().join("refused");
    std::fs::remove_dir(&refused).unwrap();
    let log = Log::default();
    log.refuses.lock().unwrap().push((id(0), too_large()));
    log.drain(&spool, || {
        if rig.clock.slept.lock().unwrap().len() >= 5 && !refused.exists() {
            assert_eq!(spool.status().depth, 2);
            std::fs::create_dir(&refused).unwrap();
        }
        spool.is_empty()
    })
    .await;
    assert_eq!(log.stored(), ids([1]));
    assert_eq!(spool.status().set_aside, 1);
}

#[tokio::test]
async fn a_drain_that_is_dropped_at_any_point_loses_nothing() {
    for point in 0..30 {
        let rig = Rig::new();
        let spool = rig.open();
        fill(&spool, 0..5).await;
        let log = Log::default();
        let mut polls = 0;
        log.drain(&spool, || {
            polls += 1;
            polls > point
        })
        .await;
        spool.close().await;
        let first = log.stored();
        let second = drain_all(rig.open()).await;
        assert_eq!(first, ids(0..first.len()), "dropped at {point}");
        assert_eq!(second, ids(5 - second.len()..5), "dropped at {point}");
        assert!(
            first.len() + second.len() >= 5,
            "dropped at {point}: {first:?} and {second:?}"
        );
    }
}

#[tokio::test]
async fn a_drain_ends_when_the_spool_is_closed() {
    let rig = Rig::new();
    let spool = rig.open();
    let close = async {
        // The drain waits by now: the first of the two is polled first.
        spool.close().await;
    };
    let ended = futures::future::join(spool.drain(async |_| Ok(())), close);
    let bound = Duration::from_secs(20);
    assert!(tokio::time::timeout(bound, ended).await.is_ok());
}

#[tokio::test]
async fn drained_segments_are_freed_while_later_ones_fill() {
    let mut rig = Rig::new();
    rig.segment_bytes = 1_000;
    let spool = rig.open();
    fill(&spool, 0..50).await;
    let before = rig.segments();
    assert!(before.len() >= 10, "{} segments", before.len());
    let log = Log::default();
    log.refuses.lock().unwrap().push((id(40), away()));
    log.drain(&spool, || spool.status().depth == 10).await;
    until(|| rig.segments().len() < 6).await;
    assert_eq!(rig.segments().last(), before.last());
    log.refuses.lock().unwrap().clear();
    log.drain(&spool, || spool.is_empty()).await;
    until(|| rig.segments().is_empty() && spool.status().bytes == 0).await;
}

#[tokio::test]
async fn a_held_up_drain_holds_a_bounded_part_in_memory() {
    let rig = Rig::new();
    let spool = rig.open();
    for number in 0..40 {
        spool.append(&sized(number, 1 << 20)).await.unwrap();
    }
    let seen = AtomicUsize::new(0);
    let store = async |_| {
        seen.fetch_add(1, Ordering::SeqCst);
        Err(away())
    };
    tokio::select! {
        () = spool.drain(store) => panic!("a drain ended"),
        () = until(|| rig.clock.slept.lock().unwrap().len() > 20) => {}
    }
    let rounds = rig.clock.slept.lock().unwrap().len() + 1;
    let most = seen.into_inner() / rounds + 1;
    assert!(most <= 9, "{most} events of 1 MiB were held at once");
    spool.append(&event(40)).await.unwrap();
    assert_eq!(drain_all(spool).await, ids(0..41));
}
