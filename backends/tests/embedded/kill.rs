//! A process is killed in the middle of its work. The test runs itself as that process.

use crate::{Storage, next, subscription, trigger};
use belfry_mesh::port::log::Subscription;
use std::collections::BTreeSet;
use std::env;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::Arc;
use tempfile::TempDir;

/// Where the process that is to be killed keeps its data. Not set, there is none.
const DATA: &str = "BELFRY_TEST_KILLED_DATA";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_process_loses_no_acknowledged_event_and_repeats_no_settled_one() {
    let directory = TempDir::new().unwrap();
    let (mut published, mut settled) = (BTreeSet::new(), BTreeSet::new());
    for _life in 0..3 {
        live_and_die(&directory, &mut published, &mut settled);
    }
    let storage = Storage::open(directory.path()).await;
    let name = trigger("a");
    let mut consumer = storage.consumer(&name).await;
    let mut again = BTreeSet::new();
    for _ in 0..storage.ports.events.backlog(&name).await.unwrap() {
        for delivery in next(&mut *consumer, 1).await {
            assert!(
                again.insert(delivery.event.id.to_string()),
                "{} came twice",
                delivery.event.id
            );
            delivery.claim.ack().await.unwrap();
        }
    }
    assert!(
        again.is_disjoint(&settled),
        "settled events came again: {:?}",
        again.intersection(&settled)
    );
    // What the process settles are those with even numbers; of those it may have settled more than it could tell of.
    let odd = |id: &&String| id.ends_with(['1', '3', '5', '7', '9']);
    let lost: Vec<_> = published
        .iter()
        .filter(odd)
        .filter(|id| !again.contains(*id))
        .collect();
    assert!(
        lost.is_empty(),
        "{} of {} acknowledged events are lost: {lost:?}",
        lost.len(),
        published.len()
    );
    assert!(
        published.len() > 1_000 && settled.len() > 100,
        "{} {}",
        published.len(),
        settled.len()
    );
    storage.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "run by a_killed_process_loses_no_acknowledged_event_and_repeats_no_settled_one as the process to kill"]
async fn work_until_killed() {
    let Some(data) = env::var_os(DATA) else {
        return;
    };
    let storage = Arc::new(Storage::open(data.as_ref()).await);
    let name = trigger("a");
    // Room for all that it takes and leaves unsettled.
    let roomy = Subscription {
        ..subscription(&name)
    };
    storage.ports.events.subscribe(&roomy).await.unwrap();
    for worker in 0..8 {
        let (storage, name) = (storage.clone(), name.clone());
        storage.clone().tasks.spawn(async move {
            for i in 0.. {
                let id = format!("{}-{worker}-{i}", std::process::id());
                storage.publish(&name, &id, 1_000).await.unwrap();
                println!("published {id}");
            }
        });
    }
    let mut consumer = storage.consumer(&name).await;
    loop {
        for delivery in next(&mut *consumer, 8).await {
            let id = delivery.event.id.to_string();
            if id.ends_with(['0', '2', '4', '6', '8']) {
                delivery.claim.ack().await.unwrap();
                println!("settled {id}");
            }
        }
    }
}

/// Runs the process, kills it once it has published a good deal, and notes what it said it had done.
fn live_and_die(
    directory: &TempDir,
    published: &mut BTreeSet<String>,
    settled: &mut BTreeSet<String>,
) {
    let mut process = Command::new(env::current_exe().unwrap())
        .args([
            "--exact",
            "kill::work_until_killed",
            "--ignored",
            "--nocapture",
        ])
        .env(DATA, directory.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let said = BufReader::new(process.stdout.take().unwrap());
    let enough = published.len() + 500;
    for line in said.lines().map_while(Result::ok) {
        // The first line shares its line with what the test harness says.
        if let Some((_, id)) = line.split_once("published ") {
            published.insert(id.to_owned());
        } else if let Some((_, id)) = line.split_once("settled ") {
            settled.insert(id.to_owned());
        }
        if published.len() == enough {
            // The kernel's SIGKILL: no destructor runs, nothing is flushed. What it said before is still in the pipe.
            process.kill().unwrap();
        }
    }
    process.wait().unwrap();
}
