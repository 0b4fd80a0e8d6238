//! What the engine tells of a mesh's containers while it happens.

use super::{Owner, labels};
use bollard::models::EventMessage;
use bollard::query_parameters::EventsOptions;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use std::time::Duration;
use tokio::time::{sleep, timeout};
use tracing::debug;

/// What may change what there is.
const EVENTS: [&str; 9] = [
    "create", "start", "restart", "die", "oom", "pause", "unpause", "rename", "destroy",
];

/// How long changes are gathered: what happens to one container comes in several.
const GATHERED: Duration = Duration::from_millis(20);

/// How long after listening began it is told that something may have been missed before.
const SETTLED: Duration = Duration::from_secs(1);

/// How long an engine that is away is left alone.
const AGAIN: Duration = Duration::from_secs(1);

type Events = BoxStream<'static, Result<EventMessage, bollard::errors::Error>>;

struct Listening {
    engine: bollard::Docker,
    options: EventsOptions,
    events: Option<Events>,
    /// It was told that something may have been missed.
    settled: bool,
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
        settled: false,
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
                    self.settled = false;
                    let events = self.engine.events(Some(self.options.clone()));
                    self.events.insert(events.boxed())
                }
            };
            let event = if self.settled {
                events.next().await
            } else {
                let Ok(event) = timeout(SETTLED, events.next()).await else {
                    self.settled = true;
                    return;
                };
                event
            };
            match event {
                Some(Ok(_)) => return gather(events).await,
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
