//! A disk that is full or broken.

use super::rig::{Rig, drain_all, event, fill, ids};
use crate::spool::{Appended, Error};

#[tokio::test]
async fn a_full_disk_fails_the_event_and_harms_no_other() {
    let rig = Rig::new();
    let spool = rig.open();
    fill(&spool, 0..3).await;
    let length = rig.segments()[0].metadata().unwrap().len();
    for room in 0..(length / 3) as usize {
        *rig.disk.room.lock().unwrap() = Some(room);
        let error = spool.append(&event(3)).await.unwrap_err();
        assert!(
            error.to_string().contains("cannot be written to"),
            "{error}"
        );
        assert_eq!(rig.segments()[0].metadata().unwrap().len(), length);
    }
    assert_eq!(spool.status().depth, 3);
    *rig.disk.room.lock().unwrap() = None;
    assert_eq!(spool.append(&event(4)).await, Ok(Appended::New));
    spool.close().await;
    let spool = rig.open();
    assert_eq!(spool.status().set_aside, 0);
    assert_eq!(drain_all(spool).await, ids([0, 1, 2, 4]));
}

#[tokio::test]
async fn of_a_group_those_are_taken_that_fit() {
    let rig = Rig::new();
    let spool = rig.open();
    fill(&spool, [0]).await;
    let length = rig.segments()[0].metadata().unwrap().len() as usize;
    *rig.disk.room.lock().unwrap() = Some(length * 5 / 2);
    rig.disk.hold();
    let events: Vec<_> = (1..5).map(event).collect();
    let appends = futures::future::join_all(events.iter().map(|event| spool.append(event)));
    tokio::pin!(appends);
    assert!(futures::poll!(appends.as_mut()).is_pending());
    rig.disk.release();
    let taken: Vec<bool> = appends.await.iter().map(Result::is_ok).collect();
    assert_eq!(taken, [true, true, false, false]);
    assert_eq!(spool.status().depth, 3);
    *rig.disk.room.lock().unwrap() = None;
    spool.close().await;
    assert_eq!(drain_all(rig.open()).await, ids(0..3));
}

#[tokio::test]
async fn after_a_failed_write_that_cannot_be_cut_off_the_next_go_into_a_new_segment() {
    let rig = Rig::new();
    let spool = rig.open();
    fill(&spool, 0..2).await;
    *rig.disk.room.lock().unwrap() = Some(100);
    *rig.disk.no_cut.lock().unwrap() = true;
    assert!(matches!(
        spool.append(&event(2)).await,
        Err(Error::Io { .. })
    ));
    *rig.disk.room.lock().unwrap() = None;
    *rig.disk.no_cut.lock().unwrap() = false;
    fill(&spool, 3..5).await;
    assert_eq!(rig.segments().len(), 2);

    // Whether it goes on or is killed there, what was acknowledged is there and nothing else.
    let copy = rig.as_if_killed();
    assert_eq!(drain_all(spool).await, ids([0, 1, 3, 4]));
    let spool = rig.open_at(&copy.path().join("spool"));
    assert_eq!(spool.status().set_aside, 0);
    assert_eq!(drain_all(spool).await, ids([0, 1, 3, 4]));
}

#[tokio::test]
async fn what_an_fsync_failed_for_is_not_acknowledged_and_its_file_gets_no_more() {
    let rig = Rig::new();
    let spool = rig.open();
    fill(&spool, 0..2).await;
    *rig.disk.no_sync.lock().unwrap() = true;
    let error = spool.append(&event(2)).await.unwrap_err();
    assert!(
        error.to_string().contains("cannot be made durable"),
        "{error}"
    );
    assert!(matches!(
        spool.append(&event(3)).await,
        Err(Error::Io { .. })
    ));
    *rig.disk.no_sync.lock().unwrap() = false;
    fill(&spool, 4..6).await;
    assert_eq!(spool.status().depth, 4);
    spool.close().await;
    assert_eq!(drain_all(rig.open()).await, ids([0, 1, 4, 5]));
}

#[tokio::test]
async fn a_directory_that_is_gone_fails_the_event_clearly() {
    let rig = Rig::new();
    let spool = rig.open();
    std::fs::remove_dir_all(rig.path()).unwrap();
    let error = spool.append(&event(0)).await.unwrap_err();
    assert!(error.to_string().contains("cannot be made"), "{error}");
    assert!(spool.is_empty());
}
