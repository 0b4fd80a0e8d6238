//! What every state keeps.

use crate::{Fixture, open, text, within};
use belfry_mesh::port::Error;
use belfry_mesh::port::state::{Bucket, Entry, State};
use bytes::Bytes;
use futures::future;

const TRIGGERS: Bucket = Bucket::Triggers;

pub(crate) async fn a_value_is_read_as_it_was_written<F: Fixture>() {
    let (_fixture, ports) = open::<F>().await;
    assert_eq!(ports.state.get(TRIGGERS, "a").await.unwrap(), None);
    let value: Bytes = (0..=255_u8).collect();
    let revision = ports
        .state
        .create(TRIGGERS, "a", value.clone())
        .await
        .unwrap();
    let entry = ports
        .state
        .get(TRIGGERS, "a")
        .await
        .unwrap()
        .expect("it is there");
    assert_eq!(
        (entry.key.as_str(), entry.value, entry.revision),
        ("a", value, revision)
    );
}

pub(crate) async fn a_bucket_sees_nothing_of_another<F: Fixture>() {
    let (_fixture, ports) = open::<F>().await;
    ports
        .state
        .put(Bucket::Status, "a.0", text("status"))
        .await
        .unwrap();
    assert_eq!(ports.state.get(Bucket::Nodes, "a.0").await.unwrap(), None);
    assert_eq!(ports.state.list(Bucket::Nodes).await.unwrap(), []);
    assert_eq!(ports.state.list(Bucket::Status).await.unwrap().len(), 1);
}

pub(crate) async fn a_list_holds_every_key_that_is_there<F: Fixture>() {
    let (_fixture, ports) = open::<F>().await;
    for key in ["a", "b-1", "c_2", "d.0"] {
        ports.state.create(TRIGGERS, key, text(key)).await.unwrap();
    }
    ports.state.delete(TRIGGERS, "b-1", None).await.unwrap();
    let mut list = ports.state.list(TRIGGERS).await.unwrap();
    list.sort_by(|a, b| a.key.cmp(&b.key));
    let list: Vec<_> = list
        .into_iter()
        .map(|entry| (entry.key, entry.value))
        .collect();
    assert_eq!(
        list,
        ["a", "c_2", "d.0"].map(|key| (key.to_owned(), text(key)))
    );
}

pub(crate) async fn a_key_is_created_once<F: Fixture>() {
    let (_fixture, ports) = open::<F>().await;
    ports
        .state
        .create(TRIGGERS, "a", text("first"))
        .await
        .unwrap();
    let error = ports
        .state
        .create(TRIGGERS, "a", text("second"))
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Conflict { .. }), "{error}");
    assert_eq!(value(&*ports.state, "a").await, "first");
    ports.state.delete(TRIGGERS, "a", None).await.unwrap();
    ports
        .state
        .create(TRIGGERS, "a", text("third"))
        .await
        .unwrap();
    assert_eq!(value(&*ports.state, "a").await, "third");
}

pub(crate) async fn revisions_grow_with_every_change<F: Fixture>() {
    let (_fixture, ports) = open::<F>().await;
    let a = ports.state.create(TRIGGERS, "a", text("1")).await.unwrap();
    let b = ports.state.put(TRIGGERS, "b", text("1")).await.unwrap();
    let c = ports
        .state
        .update(TRIGGERS, "a", text("2"), a)
        .await
        .unwrap();
    ports.state.delete(TRIGGERS, "a", Some(c)).await.unwrap();
    let d = ports.state.create(TRIGGERS, "a", text("3")).await.unwrap();
    assert!(a < b && b < c && c < d, "{a} {b} {c} {d}");
}

pub(crate) async fn an_update_on_an_old_revision_conflicts<F: Fixture>() {
    let (_fixture, ports) = open::<F>().await;
    let first = ports.state.create(TRIGGERS, "a", text("1")).await.unwrap();
    let second = ports
        .state
        .update(TRIGGERS, "a", text("2"), first)
        .await
        .unwrap();
    let error = ports
        .state
        .update(TRIGGERS, "a", text("3"), first)
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Conflict { .. }), "{error}");
    assert_eq!(value(&*ports.state, "a").await, "2");
    ports
        .state
        .delete(TRIGGERS, "a", Some(second))
        .await
        .unwrap();
    let error = ports
        .state
        .update(TRIGGERS, "a", text("3"), second)
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Conflict { .. }), "{error}");
}

pub(crate) async fn of_many_concurrent_updates_on_one_revision_one_succeeds<F: Fixture>() {
    let (_fixture, ports) = open::<F>().await;
    let revision = ports.state.create(TRIGGERS, "a", text("0")).await.unwrap();
    let updates = (0..32).map(|i| {
        ports
            .state
            .update(TRIGGERS, "a", text(&i.to_string()), revision)
    });
    let results = future::join_all(updates).await;
    let winners: Vec<_> = results
        .iter()
        .enumerate()
        .filter_map(|(i, result)| result.is_ok().then_some(i))
        .collect();
    assert_eq!(winners.len(), 1, "{results:?}");
    assert_eq!(value(&*ports.state, "a").await, winners[0].to_string());
    assert!(
        results
            .iter()
            .flat_map(|result| result.as_ref().err())
            .all(|e| matches!(e, Error::Conflict { .. }))
    );
}

pub(crate) async fn of_many_concurrent_creates_one_succeeds<F: Fixture>() {
    let (_fixture, ports) = open::<F>().await;
    let creates = (0..32).map(|i| ports.state.create(TRIGGERS, "a", text(&i.to_string())));
    let created = future::join_all(creates)
        .await
        .into_iter()
        .filter(Result::is_ok)
        .count();
    assert_eq!(created, 1);
}

pub(crate) async fn a_delete_on_an_old_revision_conflicts_and_without_one_never<F: Fixture>() {
    let (_fixture, ports) = open::<F>().await;
    let first = ports.state.create(TRIGGERS, "a", text("1")).await.unwrap();
    ports
        .state
        .update(TRIGGERS, "a", text("2"), first)
        .await
        .unwrap();
    let error = ports
        .state
        .delete(TRIGGERS, "a", Some(first))
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Conflict { .. }), "{error}");
    assert_eq!(value(&*ports.state, "a").await, "2");
    ports.state.delete(TRIGGERS, "a", None).await.unwrap();
    assert_eq!(ports.state.get(TRIGGERS, "a").await.unwrap(), None);
    ports.state.delete(TRIGGERS, "a", None).await.unwrap();
    ports
        .state
        .delete(TRIGGERS, "never-there", None)
        .await
        .unwrap();
    assert!(
        ports
            .state
            .delete(TRIGGERS, "never-there", Some(first))
            .await
            .is_err()
    );
}

pub(crate) async fn the_history_keeps_values_in_order_beyond_a_deletion<F: Fixture>() {
    let (_fixture, ports) = open::<F>().await;
    let revision = ports.state.create(TRIGGERS, "a", text("1")).await.unwrap();
    let revision = ports
        .state
        .update(TRIGGERS, "a", text("2"), revision)
        .await
        .unwrap();
    ports
        .state
        .create(TRIGGERS, "b", text("other"))
        .await
        .unwrap();
    ports
        .state
        .delete(TRIGGERS, "a", Some(revision))
        .await
        .unwrap();
    ports.state.create(TRIGGERS, "a", text("3")).await.unwrap();
    let history = ports.state.history(TRIGGERS, "a").await.unwrap();
    let values: Vec<_> = history.iter().map(|entry| entry.value.clone()).collect();
    assert_eq!(values, ["1", "2", "3"].map(text));
    assert!(history.is_sorted_by_key(|entry| entry.revision));
    assert_eq!(
        ports.state.history(TRIGGERS, "never-there").await.unwrap(),
        []
    );
}

pub(crate) async fn the_history_is_as_long_as_its_bucket_says<F: Fixture>() {
    let (_fixture, ports) = open::<F>().await;
    for i in 0..70 {
        ports
            .state
            .put(TRIGGERS, "a", text(&i.to_string()))
            .await
            .unwrap();
        ports
            .state
            .put(Bucket::Nodes, "n", text(&i.to_string()))
            .await
            .unwrap();
    }
    let values = |history: Vec<Entry>| {
        history
            .into_iter()
            .map(|entry| entry.value)
            .collect::<Vec<_>>()
    };
    let kept = values(ports.state.history(TRIGGERS, "a").await.unwrap());
    assert_eq!(
        kept,
        (6..70).map(|i| text(&i.to_string())).collect::<Vec<_>>()
    );
    assert_eq!(
        values(ports.state.history(Bucket::Nodes, "n").await.unwrap()),
        [text("69")]
    );
}

pub(crate) async fn state_survives_a_restart<F: Fixture>() {
    let (mut fixture, ports) = open::<F>().await;
    let revision = ports.state.create(TRIGGERS, "a", text("1")).await.unwrap();
    ports.state.put(TRIGGERS, "gone", text("1")).await.unwrap();
    ports.state.delete(TRIGGERS, "gone", None).await.unwrap();
    let before = ports.state.get(TRIGGERS, "a").await.unwrap();
    fixture.stop().await;
    let away = within("an answer", ports.state.put(TRIGGERS, "b", text("1"))).await;
    assert!(away.is_err_and(|error| error.is_retryable()));
    fixture.start().await;
    let ports = fixture.ports();
    assert_eq!(ports.state.get(TRIGGERS, "a").await.unwrap(), before);
    assert_eq!(ports.state.get(TRIGGERS, "gone").await.unwrap(), None);
    let next = ports
        .state
        .update(TRIGGERS, "a", text("2"), revision)
        .await
        .unwrap();
    assert!(next > revision + 1, "revision {next} was used before");
}

pub(crate) async fn a_value_that_is_too_large_is_refused<F: Fixture>() {
    let (_fixture, ports) = open::<F>().await;
    let value = Bytes::from(vec![0; 16 << 20]);
    let error = ports.state.put(TRIGGERS, "a", value).await.unwrap_err();
    assert!(matches!(error, Error::TooLarge { .. }), "{error}");
    assert_eq!(ports.state.get(TRIGGERS, "a").await.unwrap(), None);
}

async fn value(state: &dyn State, key: &str) -> String {
    let entry = state
        .get(TRIGGERS, key)
        .await
        .unwrap()
        .expect("it is there");
    String::from_utf8(entry.value.to_vec()).unwrap()
}
