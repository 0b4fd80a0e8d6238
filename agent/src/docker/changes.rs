//! What the engine tells of a mesh's containers while it happens.

use super::{Owner, labels};
use bollard::models::EventMessage;
use bollard::query_parameters::EventsOptions;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tracing::debug;

/// What may change what there is.
const EVENTS: [&str; 9] = [
    "create", "start", "restart", "die", "oom", "pause", "unpause", "rename", "destroy",
];

/// How long changes are gathered: what happens to one container comes in several.
const GATHERED: Duration = Duration::from_millis(20);

/// How long after listening began it is told that something may have been missed before.
const SETTLED: Duration = Duration::from_secs(1);

/// How long after the last change it is told again, twice: an engine says that a container has ended before it has cleaned up after
/// it, and until then lists it as one that runs.
const AFTERWARDS: [Duration; 2] = [Duration::from_millis(300), Duration::from_secs(2)];

/// How long an engine that is away is left alone.
const AGAIN: Duration = Duration::from_secs(1);

type Events = BoxStream<'static, Result<EventMessage, bollard::errors::Error>>;

struct Listening {
    engine: bollard::Docker,
    options: EventsOptions,
    events: Option<Events>,
    /// When it is told, the next last, though nothing more has happened.
    due: Vec<Instant>,
}

/// Tells of changes, see [`Runtime::changes`](belfry_mesh::port::runtime::Runtime::changes).
pub(super) fn stream(engine: bollard::Docker, owner: &Owner) -> BoxStream<'static, ()> {
    let mut filters = labels::filter(owner);
    filters.insert("type".to_owned(), vec!["container".to_owned()]);
    filters.insert("event".to_owned(), EVENTS.map(str::to_owned).to_vec());
    let listening = Listening {
        engine,
        options: EventsOptions {
            filters: Some(filters),
            ..EventsOptions::default()
        },
        events: None,
        due: Vec::new(),
    };
    stream::unfold(listening, |mut listening| async {
        listening.change().await;
        Some(((), listening))
    })
    .boxed()
}

impl Listening {
    async fn change(&mut self) {
        loop {
            let events = match &mut self.events {
                Some(events) => events,
                None => {
                    self.due = vec![Instant::now() + SETTLED];
                    let events = self.engine.events(Some(self.options.clone()));
                    self.events.insert(events.boxed())
                }
            };
            let event = match self.due.last() {
                Some(due) => {
                    let Ok(event) = timeout_at(*due, events.next()).await else {
                        self.due.pop();
                        return;
                    };
                    event
                }
                None => events.next().await,
            };
            match event {
                Some(Ok(_)) => {
                    gather(events).await;
                    let now = Instant::now();
                    self.due = AFTERWARDS.iter().rev().map(|after| now + *after).collect();
                    return;
                }
                Some(Err(error)) => {
                    debug!(%error, "the engine's events cannot be followed; trying again")
                }
                None => debug!("the engine's events have ended; trying again"),
            }
            self.events = None;
            sleep(AGAIN).await;
        }
    }
}

/// Takes what comes close behind, up to a failure, which the next round meets again.
async fn gather(events: &mut Events) {
    let all = async { while let Some(Ok(_)) = events.next().await {} };
    timeout(GATHERED, all).await.ok();
}
