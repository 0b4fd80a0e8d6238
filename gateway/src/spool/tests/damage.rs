//! Bytes that change on the disk, and files that go.

use super::rig::{Log, Rig, copy_all, drain_all, event, files, fill, id, ids, scratch};
use crate::spool::Appended;
use std::path::Path;

/// A closed spool with these events, and the ends of its records in its one segment.
async fn filled(rig: &Rig, count: usize) -> Vec<usize> {
    let spool = rig.open();
    let mut ends = vec![0];
    for number in 0..count {
        fill(&spool, [number]).await;
        ends.push(usize::try_from(spool.status().bytes).unwrap());
    }
    spool.close().await;
    ends
}

/// Changes a file.
fn change(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = std::fs::read(path).unwrap();
    change(&mut bytes);
    std::fs::write(path, bytes).unwrap();
}

#[tokio::test]
async fn a_flipped_byte_anywhere_costs_one_event_whose_bytes_are_kept() {
    let rig = Rig::new();
    let ends = filled(&rig, 3).await;
    let whole = std::fs::read(&rig.segments()[0]).unwrap();
    for at in ends[1]..ends[2] {
        let copy = rig.as_if_killed();
        let directory = copy.path().join("spool");
        change(&files(&directory, "spool")[0], |bytes| bytes[at] ^= 0x10);
        let spool = rig.open_at(&directory);
        assert_eq!(
            (spool.status().depth, spool.status().set_aside),
            (2, 1),
            "byte {at}"
        );
        assert_eq!(drain_all(spool).await, ids([0, 2]), "byte {at}");
        let mut kept = std::fs::read(&files(&directory, "bad")[0]).unwrap();
        kept[at - ends[1]] ^= 0x10;
        assert_eq!(kept, whole[ends[1]..ends[2]], "byte {at}");
        assert_eq!(rig.open_at(&directory).status().set_aside, 1);
    }
}

#[tokio::test]
async fn a_flipped_byte_of_the_last_event_is_kept_too() {
    let rig = Rig::new();
    let ends = filled(&rig, 2).await;
    for at in ends[1]..ends[2] {
        let copy = rig.as_if_killed();
        let directory = copy.path().join("spool");
        change(&files(&directory, "spool")[0], |bytes| bytes[at] ^= 0x10);
        assert_eq!(
            drain_all(rig.open_at(&directory)).await,
            ids([0]),
            "byte {at}"
        );
        // A longer length cannot be told from a write that was torn; the bytes are there either way.
        let kept = [files(&directory, "bad"), files(&directory, "torn")].concat();
        let length = kept[0].metadata().unwrap().len();
        assert_eq!(length, (ends[2] - ends[1]) as u64, "byte {at}");
    }
}

#[tokio::test]
async fn damage_that_comes_while_it_runs_is_set_aside_and_its_repetition_is_taken() {
    let rig = Rig::new();
    let spool = rig.open();
    fill(&spool, [0]).await;
    let at = usize::try_from(spool.status().bytes).unwrap() + 30;
    fill(&spool, [1, 2]).await;
    change(&rig.segments()[0], |bytes| bytes[at] ^= 1);
    let log = Log::default();
    log.refuses
        .lock()
        .unwrap()
        .push((id(2), super::rig::away()));
    log.drain(&spool, || {
        log.stored() == ids([0]) && spool.status().set_aside == 1
    })
    .await;
    assert!(!spool.contains(&id(1)));
    assert_eq!(spool.append(&event(1)).await, Ok(Appended::New));
    log.refuses.lock().unwrap().clear();
    log.drain(&spool, || spool.is_empty()).await;
    assert_eq!(log.stored(), ids([0, 2, 1]));
}

#[tokio::test]
async fn a_spool_of_nothing_but_damage_becomes_empty() {
    let rig = Rig::new();
    let spool = rig.open();
    fill(&spool, 0..3).await;
    change(&rig.segments()[0], |bytes| bytes.fill(b'?'));
    let log = Log::default();
    log.drain(&spool, || spool.is_empty()).await;
    assert_eq!(log.stored(), []);
    assert_eq!(spool.status().set_aside, 1);
    fill(&spool, [3]).await;
    assert_eq!(drain_all(spool).await, ids([3]));
}

#[tokio::test]
async fn a_segment_that_is_cut_or_gone_while_it_runs_costs_only_what_was_in_it() {
    let mut rig = Rig::new();
    rig.segment_bytes = 1_000;
    let spool = rig.open();
    fill(&spool, 0..12).await;
    let segments = rig.segments();
    assert!(segments.len() >= 3);
    change(&segments[0], |bytes| bytes.truncate(bytes.len() - 10));
    std::fs::remove_file(&segments[1]).unwrap();
    let each = 12 / segments.len();
    let log = Log::default();
    log.drain(&spool, || spool.is_empty()).await;
    assert_eq!(log.stored(), ids((0..each - 1).chain(2 * each..12)));
}

#[tokio::test]
async fn a_missing_segment_costs_only_what_was_in_it() {
    let mut rig = Rig::new();
    rig.segment_bytes = 1_000;
    let spool = rig.open();
    fill(&spool, 0..12).await;
    spool.close().await;
    let segments = rig.segments();
    let each = 12 / segments.len();
    std::fs::remove_file(&segments[1]).unwrap();
    assert_eq!(
        drain_all(rig.open()).await,
        ids((0..each).chain(2 * each..12))
    );
}

#[tokio::test]
async fn without_a_position_that_can_be_read_everything_is_stored_again() {
    let rig = Rig::new();
    let spool = rig.open();
    fill(&spool, 0..6).await;
    let log = Log::default();
    log.refuses
        .lock()
        .unwrap()
        .push((id(3), super::rig::away()));
    log.drain(&spool, || spool.status().depth == 3).await;
    spool.close().await;
    let position = std::fs::read(rig.path().join("position")).unwrap();
    let with_position = async |bytes: Option<&[u8]>| {
        let copy = rig.as_if_killed();
        let directory = copy.path().join("spool");
        match bytes {
            Some(bytes) => std::fs::write(directory.join("position"), bytes).unwrap(),
            None => std::fs::remove_file(directory.join("position")).unwrap(),
        }
        let again = scratch();
        copy_all(&directory, again.path());
        let stored = drain_all(rig.open_at(&directory)).await;
        // Opening alone changes nothing of that.
        rig.open_at(again.path()).close().await;
        assert_eq!(drain_all(rig.open_at(again.path())).await, stored);
        stored
    };
    assert_eq!(with_position(Some(&position)).await, ids(3..6));
    assert_eq!(with_position(None).await, ids(0..6));
    for end in 0..position.len() {
        assert_eq!(
            with_position(Some(&position[..end])).await,
            ids(0..6),
            "cut at {end}"
        );
    }
    for at in 0..position.len() {
        let mut flipped = position.clone();
        flipped[at] ^= 1;
        assert_eq!(with_position(Some(&flipped)).await, ids(0..6), "byte {at}");
    }
}

#[tokio::test]
async fn a_position_beyond_the_data_or_within_an_event_is_not_believed() {
    let rig = Rig::new();
    let ends = filled(&rig, 3).await;
    let segment = rig.segments().remove(0);
    let name = segment.file_stem().unwrap().to_str().unwrap().to_owned();
    let (number, mark) = name.split_once('-').unwrap();
    let number: u64 = number.parse().unwrap();
    let with_position = async |offset: usize, mark: &str| {
        let copy = rig.as_if_killed();
        let directory = copy.path().join("spool");
        let line = format!("belfry-spool-1 {number} {mark} {offset}");
        let sum = crc32fast::hash(line.as_bytes());
        std::fs::write(directory.join("position"), format!("{line} {sum:08x}\n")).unwrap();
        drain_all(rig.open_at(&directory)).await
    };
    assert_eq!(with_position(ends[1], mark).await, ids(1..3));
    assert_eq!(with_position(ends[3], mark).await, []);
    assert_eq!(with_position(ends[3] + 1, mark).await, ids(0..3));
    assert_eq!(with_position(ends[1] + 1, mark).await, ids(0..3));
    assert_eq!(with_position(ends[1], "00000000000000ff").await, ids(0..3));
}
