//! What every watch of the state keeps.

use crate::{Fixture, never, open, text, within};
use belfry_mesh::port::state::{Bucket, Change};
use futures::stream::BoxStream;
use futures::{StreamExt, future};
use std::collections::BTreeMap;

const TRIGGERS: Bucket = Bucket::Triggers;

/// What a reader of a watch knows, kept as the port tells readers to keep it.
#[derive(Default)]
struct Table {
    values: BTreeMap<String, (u64, String)>,
    current: bool,
}

impl Table {
    async fn follow(
        &mut self,
        watch: &mut BoxStream<'static, Change>,
        done: impl Fn(&Self) -> bool,
    ) {
        while !done(self) {
            match within("a change", watch.next())
                .await
                .expect("it has no end")
            {
                Change::Put(entry) => {
                    let value = String::from_utf8(entry.value.to_vec()).unwrap();
                    let before = self.values.insert(entry.key, (entry.revision, value));
                    assert!(
                        before.is_none_or(|(revision, _)| revision <= entry.revision),
                        "it went back in time"
                    );
                }
                Change::Deleted { key, .. } => {
                    self.values.remove(&key);
                }
                Change::Current => self.current = true,
            }
        }
    }

    fn values(&self) -> Vec<(&str, &str)> {
        self.values
            .iter()
            .map(|(key, (_, value))| (key.as_str(), value.as_str()))
            .collect()
    }
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
    assert_eq!(
        within("the beginning", watch.next()).await,
        Some(Change::Current)
    );
    ports
        .state
        .put(Bucket::Status, "a.0", text("1"))
        .await
        .unwrap();
    assert!(
        matches!(within("the news", watch.next()).await, Some(Change::Put(entry)) if entry.key == "a.0")
    );
}

pub(crate) async fn a_watch_sees_changes_in_order<F: Fixture>() {
    let (_fixture, ports) = open::<F>().await;
    let mut watch = ports.state.watch(TRIGGERS).await.unwrap();
    assert_eq!(
        within("the beginning", watch.next()).await,
        Some(Change::Current)
    );
    let first = ports.state.create(TRIGGERS, "a", text("1")).await.unwrap();
    let second = ports
        .state
        .update(TRIGGERS, "a", text("2"), first)
        .await
        .unwrap();
    ports
        .state
        .delete(TRIGGERS, "a", Some(second))
        .await
        .unwrap();
    let third = ports.state.create(TRIGGERS, "a", text("3")).await.unwrap();
    let mut seen = Vec::new();
    while seen.len() < 4 {
        seen.push(
            match within("a change", watch.next())
                .await
                .expect("it has no end")
            {
                Change::Put(entry) => (entry.revision, Some(entry.value)),
                Change::Deleted { key, revision } => {
                    assert_eq!(key, "a");
                    assert!(revision > second && revision < third);
                    (0, None)
                }
                Change::Current => panic!("it began anew"),
            },
        );
    }
    assert_eq!(
        seen,
        [
            (first, Some(text("1"))),
            (second, Some(text("2"))),
            (0, None),
            (third, Some(text("3")))
        ]
    );
}

pub(crate) async fn a_watch_sees_every_latest_value<F: Fixture>() {
    const KEYS: usize = 8;
    const CHANGES: usize = 300;
    let (_fixture, ports) = open::<F>().await;
    for key in 0..KEYS {
        ports
            .state
            .put(TRIGGERS, &format!("k{key}"), text("first"))
            .await
            .unwrap();
    }
    let mut watch = ports.state.watch(TRIGGERS).await.unwrap();
    let writers = (0..KEYS).map(|key| {
        let state = ports.state.clone();
        async move {
            for i in 0..CHANGES {
                state
                    .put(TRIGGERS, &format!("k{key}"), text(&i.to_string()))
                    .await
                    .unwrap();
            }
            state
                .put(TRIGGERS, &format!("k{key}"), text("last"))
                .await
                .unwrap();
            if key % 2 == 1 {
                state
                    .delete(TRIGGERS, &format!("k{key}"), None)
                    .await
                    .unwrap();
            }
        }
    });
    // Nobody reads the watch meanwhile, so that it lags behind as far as it can.
    future::join_all(writers).await;
    let mut table = Table::default();
    table
        .follow(&mut watch, |table| {
            table.values()
                == [
                    ("k0", "last"),
                    ("k2", "last"),
                    ("k4", "last"),
                    ("k6", "last"),
                ]
        })
        .await;
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
        table
            .follow(&mut watch, |table| table.values() == [("a", "2")])
            .await;
    } else {
        within("the end", watch.count()).await;
    }
}
