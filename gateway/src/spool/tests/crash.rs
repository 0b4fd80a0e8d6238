//! The death of the process, at any point.

use super::rig::{Log, Rig, drain_all, event, files, fill, id, ids, scratch};
use crate::spool::{Config, Spool};
use belfry_mesh::EventId;
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

#[tokio::test]
async fn the_last_record_cut_at_every_byte_costs_no_other_and_is_never_half_there() {
    let rig = Rig::new();
    let spool = rig.open();
    fill(&spool, 0..2).await;
    let begin = spool.status().bytes;
    fill(&spool, [2]).await;
    let end = spool.status().bytes;
    spool.close().await;
    for cut in begin..=end {
        let copy = rig.as_if_killed();
        let directory = copy.path().join("spool");
        let segment = files(&directory, "spool").remove(0);
        let file = std::fs::OpenOptions::new()
            .write(true)
            .open(&segment)
            .unwrap();
        file.set_len(cut).unwrap();

        let spool = rig.open_at(&directory);
        let there = if cut == end { 3 } else { 2 };
        assert_eq!(spool.status().depth, there, "cut at {cut}");
        assert_eq!(spool.status().set_aside, 0, "cut at {cut}");
        let torn = files(&directory, "torn");
        assert_eq!(
            torn.len(),
            usize::from(cut != begin && cut != end),
            "cut at {cut}"
        );
        if there == 2 {
            assert_eq!(segment.metadata().unwrap().len(), begin, "cut at {cut}");
        }
        // It goes on as if nothing had been, and the next start finds nothing wrong.
        fill(&spool, [3]).await;
        spool.close().await;
        let expected = if cut == end {
            ids(0..4)
        } else {
            ids([0, 1, 3])
        };
        assert_eq!(
            drain_all(rig.open_at(&directory)).await,
            expected,
            "cut at {cut}"
        );
        assert_eq!(files(&directory, "torn").len(), torn.len());
    }
}

#[tokio::test]
async fn what_was_stored_before_the_position_was_kept_is_stored_again_under_its_id() {
    let rig = Rig::new();
    let spool = rig.open();
    fill(&spool, 0..5).await;
    let killed = rig.as_if_killed();
    assert_eq!(drain_all(spool).await, ids(0..5));
    assert_eq!(drain_all(rig.open()).await, []);
    let again = rig.open_at(&killed.path().join("spool"));
    assert_eq!(drain_all(again).await, ids(0..5));
}

#[tokio::test]
async fn a_draft_that_a_crash_left_is_taken_away() {
    let rig = Rig::new();
    rig.open().close().await;
    let drafts = ["position.draft", "refused/x.draft"].map(|name| rig.path().join(name));
    for draft in &drafts {
        std::fs::write(draft, b"half").unwrap();
    }
    let spool = rig.open();
    fill(&spool, [0]).await;
    assert!(drafts.iter().all(|draft| !draft.exists()));
    assert_eq!(drain_all(spool).await, ids([0]));
}

#[derive(Debug, Clone)]
enum Step {
    Append(usize),
    /// Drain until this many wait at most.
    Drain(usize),
    Reopen,
    /// Go on with what a killed process would have left.
    Kill,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (1_usize..8).prop_map(Step::Append),
        3 => (0_usize..6).prop_map(Step::Drain),
        1 => Just(Step::Reopen),
        2 => Just(Step::Kill),
    ];
    proptest::collection::vec(step, 1..14)
}

/// Plays the steps. What was acknowledged is stored in the end, in its order and nothing else; and what is stored twice was on its
/// way when the process was killed.
async fn play(steps: Vec<Step>) {
    let mut rig = Rig::new();
    rig.segment_bytes = 1_200;
    let mut homes = Vec::new();
    let mut directory = rig.path();
    let mut spool = rig.open();
    let (mut acknowledged, mut stored): (usize, Vec<EventId>) = (0, Vec::new());
    for step in steps {
        match step {
            Step::Append(count) => {
                fill(&spool, acknowledged..acknowledged + count).await;
                acknowledged += count;
            }
            Step::Drain(left) => {
                let log = Log::default();
                let from = acknowledged.saturating_sub(left);
                let held = (from..acknowledged).map(|number| (id(number), super::rig::away()));
                log.refuses.lock().unwrap().extend(held);
                log.drain(&spool, || spool.status().depth <= left as u64)
                    .await;
                stored.extend(log.stored());
            }
            Step::Reopen => {
                spool.close().await;
                spool = rig.open_at(&directory);
            }
            Step::Kill => {
                let home = scratch();
                let copy = home.path().join("spool");
                super::rig::copy_all(&directory, &copy);
                spool.close().await;
                (directory, spool) = (copy.clone(), rig.open_at(&copy));
                homes.push(home);
            }
        }
        let depth = usize::try_from(spool.status().depth).unwrap();
        let known: BTreeSet<_> = stored.iter().cloned().collect();
        let missing = (0..acknowledged).filter(|number| !known.contains(&id(*number)));
        for number in missing {
            assert!(
                spool.contains(&id(number)),
                "event {number} is neither stored nor spooled"
            );
        }
        assert!(depth <= acknowledged, "{depth} wait of {acknowledged}");
    }
    stored.extend(drain_all(spool).await);
    let all: BTreeSet<_> = stored.into_iter().collect();
    assert_eq!(all, ids(0..acknowledged).into_iter().collect());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn whatever_happens_all_that_was_acknowledged_is_stored_and_nothing_else(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(play(steps));
    }
}

/// Where the child of the next test finds its directory.
const CHILD: &str = "BELFRY_TEST_SPOOL";

/// Not a test of its own: what the child process of the next one does until it is killed.
#[tokio::test]
#[ignore = "the child of another test"]
async fn a_child_spools_until_it_is_killed() {
    let directory = std::env::var(CHILD).expect("only another test starts this");
    let spool = Spool::open(Config::new(directory), Rig::new().clock, || 7).unwrap();
    let log = Log::default();
    let fill = async {
        for number in 0.. {
            spool.append(&event(number)).await.unwrap();
            println!("acknowledged {number}");
        }
    };
    let drain = spool.drain(async |event| {
        // Slower than they are added, so that some are left.
        let stored = log.store(&event);
        println!("stored {}", event.event().id);
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        stored
    });
    futures::join!(fill, drain);
}

#[tokio::test]
async fn a_process_that_is_killed_loses_nothing_that_it_acknowledged() {
    for lines in [1, 40, 300, 1_000] {
        let rig = Rig::new();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([
                "--ignored",
                "--exact",
                "--nocapture",
                "spool::tests::crash::a_child_spools_until_it_is_killed",
            ])
            .env(CHILD, rig.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = BufReader::new(child.stdout.take().unwrap()).lines();
        let (mut acknowledged, mut stored) = (0, BTreeSet::new());
        let mut note = |line: String| {
            // The first line may follow the name of the test.
            if line.contains("acknowledged ") {
                acknowledged += 1;
            } else if let Some((_, id)) = line.split_once("stored ") {
                stored.insert(EventId::parse(id).unwrap());
            }
        };
        said.by_ref()
            .take(lines)
            .for_each(|line| note(line.unwrap()));
        child.kill().unwrap();
        child.wait().unwrap();
        // It may have said more before it died; a line that it did not end counts for nothing.
        said.map_while(Result::ok).for_each(&mut note);

        let spool = Spool::open(Config::new(rig.path()), rig.clock.clone(), || 8).unwrap();
        assert_eq!(spool.status().set_aside, 0);
        let left = drain_all(spool).await;
        assert!(left.is_sorted_by_key(|id| id.as_str()[2..].parse::<usize>().unwrap()));
        let all: BTreeSet<_> = stored.into_iter().chain(left).collect();
        let missing: Vec<_> = (0..acknowledged)
            .map(id)
            .filter(|id| !all.contains(id))
            .collect();
        assert!(
            missing.is_empty(),
            "{acknowledged} were acknowledged, {missing:?} are lost"
        );
        assert!(acknowledged > 0 || lines == 1);
    }
}
