use crate::{Storage, event, subscription, trigger, within};
use belfry_backends::{Config, clock};
use belfry_mesh::port::Error;
use belfry_mesh::port::state::Bucket;
use futures::StreamExt;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use tempfile::TempDir;

async fn refusal(data: &Path) -> String {
    let config = Config {
        data: data.to_owned(),
        ..Config::default()
    };
    match Storage::try_open(config, Arc::new(clock::System)).await {
        Err(error @ Error::Refused { .. }) => error.to_string(),
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("it was opened"),
    }
}

#[tokio::test]
async fn a_second_process_is_refused_and_told_which_directory_is_taken() {
    let directory = TempDir::new().unwrap();
    let storage = Storage::open(directory.path()).await;
    let error = refusal(directory.path()).await;
    assert!(
        error.contains(directory.path().to_str().unwrap()) && error.contains("another process"),
        "{error}"
    );
    storage.ports.events.ping().await.unwrap();
    storage.close().await;
    Storage::open(directory.path()).await.close().await;
}

#[tokio::test]
async fn a_storage_of_another_version_is_refused_and_left_alone() {
    let directory = TempDir::new().unwrap();
    Storage::open(directory.path()).await.close().await;
    let file = rusqlite::Connection::open(directory.path().join("belfry.db")).unwrap();
    file.pragma_update(None, "user_version", 99).unwrap();
    drop(file);
    let error = refusal(directory.path()).await;
    assert!(
        error.contains("another version") && error.contains("99"),
        "{error}"
    );
}

#[tokio::test]
async fn a_directory_that_cannot_be_made_is_named() {
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("file");
    fs::write(&file, "").unwrap();
    let error = refusal(&file.join("data")).await;
    assert!(error.contains(file.to_str().unwrap()), "{error}");
}

#[tokio::test]
async fn closing_finishes_what_was_asked_for_and_leaves_nothing_open() {
    let directory = TempDir::new().unwrap();
    let storage = Storage::open(directory.path()).await;
    let name = trigger("a");
    storage
        .ports
        .events
        .subscribe(&subscription(&name))
        .await
        .unwrap();
    let mut watch = storage.ports.state.watch(Bucket::Nodes).await.unwrap();
    let mut consumer = storage.consumer(&name).await;
    let ports = storage.ports.clone();
    let publishes = (0..100)
        .map(|i| event(&name, &format!("e-{i}"), 10))
        .collect::<Vec<_>>();
    let mut publishing: Vec<_> = publishes
        .iter()
        .map(|event| ports.events.publish(event))
        .collect();
    // Polled once, each has left its work with the writer.
    for publish in &mut publishing {
        assert!(futures::poll!(publish).is_pending());
    }
    storage.close().await;
    for publish in publishing {
        publish.await.unwrap();
    }
    assert!(within("the end of a wait", consumer.next(1)).await.is_err());
    while within("the end of a watch", watch.next()).await.is_some() {}
    let mut files: Vec<_> = fs::read_dir(directory.path())
        .unwrap()
        .map(|f| f.unwrap().file_name())
        .collect();
    files.sort();
    assert_eq!(files, ["belfry.db", "belfry.lock"]);
    let storage = Storage::open(directory.path()).await;
    assert_eq!(storage.ports.events.backlog(&name).await.unwrap(), 100);
    storage.close().await;
}
