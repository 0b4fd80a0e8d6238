//! What every state keeps.

use crate::{Fixture, never, open, within};
use belfry_mesh::port::Error;
use belfry_mesh::port::state::{Bucket, Change, Entry, State};
use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{StreamExt, future};
use std::collections::BTreeMap;

const TRIGGERS: Bucket = Bucket::Triggers;

pub(crate) async fn a_value_is_read_as_it_was_written<F: Fixture>() {
    let (_fixture, ports) = open::<F>().await;
    assert_eq!(ports.state.get(TRIGGERS, "a").await.unwrap(), None);
    let value: Bytes = (0..=255_u8).collect();
    let revision = ports.state.create(TRIGGERS, "a", value.clone()).await.unwrap();
    let entry = ports.state.get(TRIGGERS, "a").await.unwrap().expect("it is there");
    assert_eq!((entry.key.as_str(), entry.value, entry.revision), ("a", value, revision));
}

pub(crate) async fn a_bucket_sees_nothing_of_another<F: Fixture>() {
    let (_fixture, ports) = open::<F>().await;
    ports.state.put(Bucket::Status, "a.0", text("status")).await.unwrap();
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
    let list: Vec<_> = list.into_iter().map(|entry| (entry.key, entry.value)).collect();
    assert_eq!(list, ["a", "c_2", "d.0"].map(|key| (key.to_owned(), text(key))));
}

pub(crate) async fn a_key_is_created_once<F: Fixture>() {
    let (_fixture, ports) = open::<F>().await;
    ports.state.create(TRIGGERS, "a", text("first")).await.unwrap();
    let error = ports.state.create(TRIGGERS, "a", text("second")).await.unwrap_err();
    assert!(matches!(error, Error::Conflict { .. }), "{error}");
    assert_eq!(value(&*ports.state, "a").await, "first");
    ports.state.delete(TRIGGERS, "a", None).await.unwrap();
    ports.state.create(TRIGGERS, "a", text("third")).await.unwrap();
    assert_eq!(value(&*ports.state, "a").await, "third");
}

pub(crate) async fn revisions_grow_with_every_change<F: Fixture>() {
    let (_fixture, ports) = open::<F>().await;
    let a = ports.state.create(TRIGGERS, "a", text("1")).await.unwrap();
    let b = ports.state.put(TRIGGERS, "b", text("1")).await.unwrap();
    let c = ports.state.update(TRIGGERS, "a", text("2"), a).await.unwrap();
    ports.state.delete(TRIGGERS, "a", Some(c)).await.unwrap();
    let d = ports.state.create(TRIGGERS, "a", text("3")).await.unwrap();
    assert!(a < b && b < c && c < d, "{a} {b} {c} {d}");
}

pub(crate) async fn an_update_on_an_old_revision_conflicts<F: Fixture>() {
    let (_fixture, ports) = open::<F>().await;
    let first = ports.state.create(TRIGGERS, "a", text("1")).await.unwrap();
    let second = ports.state.update(TRIGGERS, "a", text("2"), first).await.unwrap();
    let error = ports.state.update(TRIGGERS, "a", text("3"), first).await.unwrap_err();
    assert!(matches!(error, Error::Conflict { .. }), "{error}");
    assert_eq!(value(&*ports.state, "a").await, "2");
    ports.state.delete(TRIGGERS, "a", Some(second)).await.unwrap();
    let error = ports.state.update(TRIGGERS, "a", text("3"), second).await.unwrap_err();
    assert!(matches!(error, Error::Conflict { .. }), "{error}");
}

pub(crate) async fn of_many_concurrent_updates_on_one_revision_one_succeeds<F: Fixture>() {
    let (_fixture, ports) = open::<F>().await;
    let revision = ports.state.create(TRIGGERS, "a", text("0")).await.unwrap();
    let updates = (0..32).map(|i| ports.state.update(TRIGGERS, "a", text(&i.to_string()), revision));
    let results = future::join_all(updates).await;
    let winners: Vec<_> = results.iter().enumerate().filter_map(|(i, result)| result.is_ok().then_some(i)).collect();
    assert_eq!(winners.len(), 1, "{results:?}");
    assert_eq!(value(&*ports.state, "a").await, winners[0].to_string());
    assert!(results.iter().flat_map(|result| result.as_ref().err()).all(|e| matches!(e, Error::Conflict { .. })));
}

pub(crate) async fn of_many_concurrent_creates_one_succeeds<F: Fixture>() {
    let (_fixture, ports) = open::<F>().await;
    let creates = (0..32).map(|i| ports.state.create(TRIGGERS, "a", text(&i.to_string())));
    let created = future::join_all(creates).await.into_iter().filter(Result::is_ok).count();
    assert_eq!(created, 1);
}

pub(crate) async fn a_delete_on_an_old_revision_conflicts_and_without_one_never<F: Fixture>() {
    let (_fixture, ports) = open::<F>().await;
    let first = ports.state.create(TRIGGERS, "a", text("1")).await.unwrap();
    ports.state.update(TRIGGERS, "a", text("2"), first).await.unwrap();
    let error = ports.state.delete(TRIGGERS, "a", Some(first)).await.unwrap_err();
    assert!(matches!(error, Error::Conflict { .. }), "{error}");
    assert_eq!(value(&*ports.state, "a").await, "2");
    ports.state.delete(TRIGGERS, "a", None).await.unwrap();
    assert_eq!(ports.state.get(TRIGGERS, "a").await.unwrap(), None);
    ports.state.delete(TRIGGERS, "a", None).await.unwrap();
    ports.state.delete(TRIGGERS, "never-there", None).await.unwrap();
    assert!(ports.state.delete(TRIGGERS, "never-there", Some(first)).await.is_err());
}

pub(crate) async fn the_history_keeps_values_in_order_beyond_a_deletion<F: Fixture>() {
    let (_fixture, ports) = open::<F>().await;
    let revision = ports.state.create(TRIGGERS, "a", text("1")).await.unwrap();
    let revision = ports.state.update(TRIGGERS, "a", text("2"), revision).await.unwrap();
    ports.state.create(TRIGGERS, "b", text("other")).await.unwrap();
    ports.state.delete(TRIGGERS, "a", Some(revision)).await.unwrap();
    ports.state.create(TRIGGERS, "a", text("3")).await.unwrap();
    let history = ports.state.history(TRIGGERS, "a").await.unwrap();
    let values: Vec<_> = history.iter().map(|entry| entry.value.clone()).collect();
    assert_eq!(values, ["1", "2", "3"].map(text));
    assert!(history.is_sorted_by_key(|entry| entry.revision));
    assert_eq!(ports.state.history(TRIGGERS, "never-there").await.unwrap(), []);
}

pub(crate) async fn the_history_is_as_long_as_its_bucket_says<F: Fixture>() {
    let (_fixture, ports) = open::<F>().await;
    for i in 0..70 {
        ports.state.put(TRIGGERS, "a", text(&i.to_string())).await.unwrap();
        ports.state.put(Bucket::Nodes, "n", text(&i.to_string())).await.unwrap();
    }
    let values = |history: Vec<Entry>| history.into_iter().map(|entry| entry.value).collect::<Vec<_>>();
    let kept = values(ports.state.history(TRIGGERS, "a").await.unwrap());
    assert_eq!(kept, (6..70).map(|i| text(&i.to_string())).collect::<Vec<_>>());
    assert_eq!(values(ports.state.history(Bucket::Nodes, "n").await.unwrap()), [text("69")]);
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
    let next = ports.state.update(TRIGGERS, "a", text("2"), revision).await.unwrap();
    assert!(next > revision + 1, "revision {next} was used before");
}

pub(crate) async fn a_value_that_is_too_large_is_refused<F: Fixture>() {
    let (_fixture, ports) = open::<F>().await;
    let value = Bytes::from(vec![0; 16 << 20]);
    let error = ports.state.put(TRIGGERS, "a", value).await.unwrap_err();
    assert!(matches!(error, Error::TooLarge { .. }), "{error}");
    assert_eq!(ports.state.get(TRIGGERS, "a").await.unwrap(), None);
}

pub(crate) async fn a_watch_begins_with_what_is_there<F: Fixture>() {
    let (_fixture, ports) = open::<F>().await;
    for key in ["a", "b", "gone"] {
        ports.state.put(TRIGGERS, key, text(key)).await.unwrap();
    }
    ports.state.put(TRIGGERS, "a", text("again")).await.unwrap();
    ports.state.delete(TRIGGERS, "gone", None).await.unwrap();
    let mut watch = ports.state.watch(TRIGGERS).await.unwrap();
    let mut table = Table::default();
    table.follow(&mut watch, |table| table.current).await;
    assert_eq!(table.values(), [("a", "again"), ("b", "b")]);
    never("news before there is any", watch.next()).await;
}

pub(crate) async fn a_watch_of_an_empty_bucket_is_current_at_once<F: Fixture>() {
    let (_fixture, ports) = open::<F>().await;
    let mut watch = ports.state.watch(Bucket::Status).await.unwrap();
    assert_eq!(within("the beginning", watch.next()).await, Some(Change::Current));
    ports.state.put(Bucket::Status, "a.0", text("1")).await.unwrap();
    assert!(matches!(within("the news", watch.next()).await, Some(Change::Put(entry)) if entry.key == "a.0"));
}

pub(crate) async fn a_watch_sees_changes_in_order<F: Fixture>() {
    let (_fixture, ports) = open::<F>().await;
    let mut watch = ports.state.watch(TRIGGERS).await.unwrap();
    assert_eq!(within("the beginning", watch.next()).await, Some(Change::Current));
    let first = ports.state.create(TRIGGERS, "a", text("1")).await.unwrap();
    let second = ports.state.update(TRIGGERS, "a", text("2"), first).await.unwrap();
    ports.state.delete(TRIGGERS, "a", Some(second)).await.unwrap();
    let third = ports.state.create(TRIGGERS, "a", text("3")).await.unwrap();
    let mut seen = Vec::new();
    while seen.len() < 4 {
        seen.push(match within("a change", watch.next()).await.expect("it has no end") {
            Change::Put(entry) => (entry.revision, Some(entry.value)),
            Change::Deleted { key, revision } => {
                assert_eq!(key, "a");
                assert!(revision > second && revision < third);
                (0, None)
            }
            Change::Current => panic!("it began anew"),
        });
    }
    assert_eq!(seen, [(first, Some(text("1"))), (second, Some(text("2"))), (0, None), (third, Some(text("3")))]);
}

pub(crate) async fn a_watch_sees_every_latest_value<F: Fixture>() {
    const KEYS: usize = 8;
    const CHANGES: usize = 300;
    let (_fixture, ports) = open::<F>().await;
    for key in 0..KEYS {
        ports.state.put(TRIGGERS, &format!("k{key}"), text("first")).await.unwrap();
    }
    let mut watch = ports.state.watch(TRIGGERS).await.unwrap();
    let writers = (0..KEYS).map(|key| {
        let state = ports.state.clone();
        async move {
            for i in 0..CHANGES {
                state.put(TRIGGERS, &format!("k{key}"), text(&i.to_string())).await.unwrap();
            }
            state.put(TRIGGERS, &format!("k{key}"), text("last")).await.unwrap();
            if key % 2 == 1 {
                state.delete(TRIGGERS, &format!("k{key}"), None).await.unwrap();
            }
        }
    });
    // Nobody reads the watch meanwhile, so that it lags behind as far as it can.
    future::join_all(writers).await;
    let mut table = Table::default();
    table.follow(&mut watch, |table| table.values() == [("k0", "last"), ("k2", "last"), ("k4", "last"), ("k6", "last")]).await;
}

pub(crate) async fn a_watch_goes_on_after_a_restart<F: Fixture>() {
    let (mut fixture, ports) = open::<F>().await;
    ports.state.put(TRIGGERS, "a", text("1")).await.unwrap();
    let mut watch = ports.state.watch(TRIGGERS).await.unwrap();
    let mut table = Table::default();
    table.follow(&mut watch, |table| table.current).await;
    fixture.stop().await;
    fixture.start().await;
    let ports = fixture.ports();
    ports.state.put(TRIGGERS, "a", text("2")).await.unwrap();
    if F::SHARED {
        table.follow(&mut watch, |table| table.values() == [("a", "2")]).await;
    } else {
        within("the end", watch.count()).await;
    }
}

/// What a reader of a watch knows, kept as the port tells readers to keep it.
#[derive(Default)]
struct Table {
    values: BTreeMap<String, (u64, String)>,
    current: bool,
}

impl Table {
    async fn follow(&mut self, watch: &mut BoxStream<'static, Change>, done: impl Fn(&Self) -> bool) {
        while !done(self) {
            match within("a change", watch.next()).await.expect("it has no end") {
                Change::Put(entry) => {
                    let value = String::from_utf8(entry.value.to_vec()).unwrap();
                    let before = self.values.insert(entry.key, (entry.revision, value));
                    assert!(before.is_none_or(|(revision, _)| revision <= entry.revision), "it went back in time");
                }
                Change::Deleted { key, .. } => {
                    self.values.remove(&key);
                }
                Change::Current => self.current = true,
            }
        }
    }

    fn values(&self) -> Vec<(&str, &str)> {
        self.values.iter().map(|(key, (_, value))| (key.as_str(), value.as_str())).collect()
    }
}

fn text(text: &str) -> Bytes {
    Bytes::from(text.to_owned())
}

async fn value(state: &dyn State, key: &str) -> String {
    let entry = state.get(TRIGGERS, key).await.unwrap().expect("it is there");
    String::from_utf8(entry.value.to_vec()).unwrap()
}
