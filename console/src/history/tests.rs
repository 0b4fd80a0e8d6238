//! The history over logs that the test writes, breaks and replaces.

mod fake;
mod following;
mod searching;

use super::{Filter, History, Page, Phase};
use crate::answer::Event;
use crate::config::Retention;
use belfry_mesh::{EventId, TriggerName};
use fake::Fake;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long a test waits for what must come.
const SOON: Duration = Duration::from_secs(10);

/// A history that follows.
struct Console {
    history: History,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Console {
    fn start(directory: &Path, logs: &Arc<Fake>) -> Self {
        Self::start_with(directory, logs, Retention::default())
    }

    fn start_with(directory: &Path, logs: &Arc<Fake>, retention: Retention) -> Self {
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let history = History::open(directory, &tasks).unwrap();
        history.follow(&logs.logs(), retention, &tasks, &stop);
        Self {
            history,
            tasks,
            stop,
        }
    }

    /// Ends it as a shutdown does; nothing of it may be left.
    async fn stop(self) {
        self.stop.cancel();
        drop(self.history);
        self.tasks.close();
        tokio::time::timeout(SOON, self.tasks.wait())
            .await
            .expect("a thread or a task of the history did not end");
    }

    /// Waits until the check holds, looking again whenever there is more to see.
    async fn until(&self, what: &str, check: impl AsyncFn(&History) -> bool) {
        let mut seen = self.history.seen.subscribe();
        let wait = async {
            while !check(&self.history).await {
                // A standing changes without anything new to see.
                let _ = tokio::time::timeout(Duration::from_millis(20), seen.changed()).await;
            }
        };
        if tokio::time::timeout(SOON, wait).await.is_err() {
            panic!("never came true: {what}; there are {:?}", self.ids().await);
        }
    }

    async fn until_events(&self, ids: &[&str]) {
        self.until(&format!("events {ids:?}"), async |history| {
            id_list(&page(history, all()).await) == ids
        })
        .await;
    }

    async fn until_live(&self) {
        self.until("all logs are followed live", async |history| {
            history
                .standings()
                .all(|(_, standing)| standing.phase == Phase::Live)
        })
        .await;
    }

    async fn ids(&self) -> Vec<String> {
        id_list(&page(&self.history, all()).await)
    }
}

fn all() -> Filter {
    Filter {
        limit: 100,
        ..Filter::default()
    }
}

async fn page(history: &History, filter: Filter) -> Page<Event> {
    history.events(filter).await.unwrap()
}

fn id_list(page: &Page<Event>) -> Vec<String> {
    page.items
        .iter()
        .map(|event| event.id.to_string())
        .collect()
}

fn id(text: &str) -> EventId {
    EventId::parse(text).unwrap()
}

fn trigger(text: &str) -> TriggerName {
    TriggerName::parse(text).unwrap()
}
