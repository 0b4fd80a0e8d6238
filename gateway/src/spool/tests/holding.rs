//! Adding, looking, and the hold on the directory.

use super::rig::{Rig, drain_all, event, fill, id, ids, sized};
use crate::spool::{Appended, Config, Error, Spool, Standing};
use belfry_mesh::port::clock::Clock;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

#[tokio::test]
async fn what_is_spooled_survives_in_order_and_whole() {
    let rig = Rig::new();
    let spool = rig.open();
    fill(&spool, 0..20).await;
    spool.close().await;

    let spool = rig.open();
    assert_eq!(spool.status().depth, 20);
    let back = std::sync::Mutex::new(Vec::new());
    let store = async |event: Arc<belfry_mesh::Proven>| {
        back.lock().unwrap().push(event);
        Ok(())
    };
    tokio::select! {
        () = spool.drain(store) => panic!("a drain ended"),
        () = super::rig::until(|| spool.is_empty()) => {}
    }
    for (number, found) in back.into_inner().unwrap().iter().enumerate() {
        assert_eq!(found.event(), event(number).event());
        assert_eq!(found.origin(), event(number).origin());
    }
}

#[tokio::test]
async fn a_spool_says_what_it_holds_and_since_when() {
    let rig = Rig::new();
    let spool = rig.open();
    assert_eq!(spool.status(), Standing::default());
    rig.clock.set(100);
    fill(&spool, [0]).await;
    rig.clock.set(200);
    fill(&spool, [1]).await;

    let seen = spool.status();
    assert_eq!((seen.depth, seen.set_aside), (2, 0));
    assert_eq!(seen.oldest.unwrap().as_second(), 100);
    assert_eq!(seen.bytes, rig.segments()[0].metadata().unwrap().len());
    spool.close().await;

    let spool = rig.open();
    assert_eq!(spool.status(), seen);
    assert_eq!(drain_all(spool).await, ids(0..2));
    let left = rig.open().status();
    assert_eq!(left, Standing::default());
    assert!(rig.segments().is_empty());
}

#[tokio::test]
async fn a_repetition_of_what_waits_is_known_and_not_added() {
    let rig = Rig::new();
    let spool = rig.open();
    assert!(!spool.contains(&id(0)));
    assert_eq!(spool.append(&event(0)).await, Ok(Appended::New));
    assert_eq!(spool.append(&event(0)).await, Ok(Appended::Known));
    assert!(spool.contains(&id(0)));
    assert!(!spool.contains(&id(1)));
    spool.close().await;

    let spool = rig.open();
    assert!(spool.contains(&id(0)));
    assert_eq!(spool.append(&event(0)).await, Ok(Appended::Known));
    let log = super::rig::Log::default();
    log.drain(&spool, || spool.is_empty()).await;
    assert_eq!(log.stored(), ids([0]));
    assert!(!spool.contains(&id(0)));
}

#[tokio::test]
async fn those_that_wait_at_once_share_one_fsync_and_one_id_is_added_once() {
    let rig = Rig::new();
    let spool = rig.open();
    rig.disk.hold();
    let first = event(0);
    let first = spool.append(&first);
    tokio::pin!(first);
    assert!(futures::poll!(first.as_mut()).is_pending());
    super::rig::until(|| rig.disk.syncs.load(Ordering::SeqCst) == 1).await;

    // While the thread waits for the disk, these gather; two of them are the same.
    let mut events: Vec<_> = (1..64).map(event).collect();
    events.push(event(63));
    let mut waiting: Vec<_> = events
        .iter()
        .map(|event| Box::pin(spool.append(event)))
        .collect();
    for one in &mut waiting {
        assert!(futures::poll!(one.as_mut()).is_pending());
    }
    rig.disk.release();
    assert_eq!(first.await, Ok(Appended::New));
    let outcomes = futures::future::join_all(waiting).await;
    let known = outcomes
        .iter()
        .filter(|outcome| **outcome == Ok(Appended::Known));
    assert_eq!(known.count(), 1);
    assert_eq!(rig.disk.syncs.load(Ordering::SeqCst), 2);
    assert_eq!(spool.status().depth, 64);
    let log = super::rig::Log::default();
    log.drain(&spool, || spool.is_empty()).await;
    assert_eq!(log.stored(), ids(0..64));
}

#[tokio::test]
async fn a_full_spool_refuses_and_takes_again_once_it_is_drained() {
    let mut rig = Rig::new();
    rig.max_bytes = 8_000;
    rig.segment_bytes = 2_000;
    let spool = rig.open();
    let mut taken = 0;
    let error = loop {
        match spool.append(&event(taken)).await {
            Ok(_) => taken += 1,
            Err(error) => break error,
        }
    };
    assert_eq!(error, Error::Full { max_bytes: 8_000 });
    assert!(spool.status().bytes <= 8_000);
    assert!(taken > 10, "only {taken} were taken");
    assert!(rig.segments().len() > 2);

    let log = super::rig::Log::default();
    log.drain(&spool, || spool.is_empty() && spool.status().bytes == 0)
        .await;
    assert_eq!(log.stored(), ids(0..taken));
    assert_eq!(spool.append(&event(taken)).await, Ok(Appended::New));
}

#[tokio::test]
async fn what_lies_aside_counts_until_it_is_taken_away() {
    let mut rig = Rig::new();
    rig.max_bytes = 8_000;
    rig.segment_bytes = 2_000;
    std::fs::create_dir_all(rig.path().join("refused")).unwrap();
    let old = rig
        .path()
        .join("refused/000000000001-0000000000000001-000000000000.event");
    std::fs::write(&old, vec![b'x'; 8_000]).unwrap();
    let spool = rig.open();
    assert_eq!(spool.status().set_aside, 1);
    assert!(matches!(
        spool.append(&event(0)).await,
        Err(Error::Full { .. })
    ));
    std::fs::remove_file(old).unwrap();
    assert_eq!(spool.append(&event(0)).await, Ok(Appended::New));
    assert_eq!(spool.status().set_aside, 0);
}

#[tokio::test]
async fn a_directory_has_one_spool_at_a_time() {
    let rig = Rig::new();
    let spool = rig.open();
    let again = || Spool::open(Config::new(rig.path()), rig.clock.clone(), || 7);
    let error = again().err().unwrap();
    assert_eq!(
        error,
        Error::Held {
            directory: rig.path()
        }
    );
    spool.close().await;
    assert!(again().is_ok());
    assert_eq!(spool.append(&event(0)).await, Err(Error::Closed));
    spool.close().await;
}

#[tokio::test]
async fn nobody_else_may_read_what_is_spooled() {
    let rig = Rig::new();
    std::fs::create_dir(rig.path()).unwrap();
    let spool = rig.open();
    fill(&spool, 0..3).await;
    let log = super::rig::Log::default();
    let refused = (id(2), super::rig::too_large());
    log.refuses.lock().unwrap().push(refused);
    log.drain(&spool, || spool.is_empty()).await;
    fill(&spool, [3]).await;
    spool.close().await;

    let mode = |path: &std::path::Path| path.metadata().unwrap().permissions().mode() & 0o777;
    let mut seen = 0;
    let mut directories = vec![rig.path()];
    while let Some(directory) = directories.pop() {
        assert_eq!(mode(&directory), 0o700, "{}", directory.display());
        for entry in directory.read_dir().unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                directories.push(path);
            } else {
                assert_eq!(mode(&path), 0o600, "{}", path.display());
                seen += 1;
            }
        }
    }
    assert_eq!(seen, 4, "a lock, a position, a segment, a refused event");
}

#[test]
fn a_setting_out_of_its_bounds_is_named() {
    let config = |max_bytes, segment_bytes| Config {
        max_bytes,
        segment_bytes,
        ..Config::new("unused")
    };
    let setting = |config: Config| match config.check() {
        Err(Error::Config { setting, .. }) => Some(setting),
        _ => None,
    };
    assert_eq!(setting(Config::new("unused")), None);
    assert_eq!(setting(config(1, 1)), None);
    assert_eq!(setting(config(1 << 30, 0)), Some("segment_bytes"));
    assert_eq!(
        setting(config(1 << 30, (64 << 20) + 1)),
        Some("segment_bytes")
    );
    assert_eq!(setting(config(9, 10)), Some("max_bytes"));
}

#[tokio::test]
async fn an_event_longer_than_what_is_read_at_once_survives() {
    let rig = Rig::new();
    let spool = rig.open();
    for (number, size) in [3 << 20, 10, 5 << 20, 10].into_iter().enumerate() {
        spool.append(&sized(number, size)).await.unwrap();
    }
    assert_eq!(drain_all(spool).await, ids(0..4));
}

/// What one spool takes, with 64 senders that each wait for their answer. The bound is what the gateway promises to take
/// while the bus is away.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "it measures this machine's disk"]
async fn it_takes_more_than_500_events_a_second_at_64_at_once() {
    for size in [1 << 10, 28 << 10] {
        let rig = Rig::new();
        let spool = Arc::new(
            Spool::open(
                Config::new(rig.path()),
                rig.clock.clone() as Arc<dyn Clock>,
                || 7,
            )
            .unwrap(),
        );
        let tasks = tokio_util::task::TaskTracker::new();
        let each = 200;
        let begun = Instant::now();
        for sender in 0..64 {
            let spool = spool.clone();
            tasks.spawn(async move {
                for number in 0..each {
                    spool
                        .append(&sized(sender * each + number, size))
                        .await
                        .unwrap();
                }
            });
        }
        tasks.close();
        tasks.wait().await;
        let taken = (64 * each) as f64 / begun.elapsed().as_secs_f64();
        println!("{size} bytes: {taken:.0} events a second");
        assert!(taken > 500.0, "{taken:.0} events a second at {size} bytes");
        spool.close().await;
        let begun = Instant::now();
        let spool = rig.open();
        println!(
            "{size} bytes: {} events read back in {:?}",
            spool.status().depth,
            begun.elapsed()
        );
        let begun = Instant::now();
        let log = Arc::new(super::rig::Log::default());
        log.drain(&spool, || spool.is_empty()).await;
        let drained = (64 * each) as f64 / begun.elapsed().as_secs_f64();
        println!("{size} bytes: {drained:.0} events a second drained");
    }
}
