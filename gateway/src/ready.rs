//! Readiness: whether deliveries can be taken, and what is missing.

use crate::answer::{self, Reply};
use crate::doors::Doors;
use belfry_mesh::port;
use http::StatusCode;
use serde::Serialize;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::Instant;

/// How long a backend may take to say that it is there.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long an answer is good for, so that a public path cannot be used to hammer the backends.
const FRESH: Duration = Duration::from_millis(200);

/// What was found last, and when.
#[derive(Default)]
pub(crate) struct Readiness {
    last: Mutex<Option<(Instant, Report)>>,
}

#[derive(Clone, Copy, Serialize)]
struct Report {
    status: Status,
    checks: Checks,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Status {
    Ready,
    Degraded,
    Unavailable,
}

#[derive(Clone, Copy, Serialize)]
struct Checks {
    routes: Check,
    bus: Check,
    dedup: Check,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Check {
    Ok,
    Unavailable,
}

impl Check {
    fn of(ok: bool) -> Self {
        if ok { Self::Ok } else { Self::Unavailable }
    }
}

impl Checks {
    /// Without the bus or the routes nothing can be taken; without deduplication the log's own window still guards.
    fn status(self) -> Status {
        match self {
            Self {
                routes: Check::Ok,
                bus: Check::Ok,
                dedup: Check::Ok,
            } => Status::Ready,
            Self {
                routes: Check::Ok,
                bus: Check::Ok,
                ..
            } => Status::Degraded,
            _ => Status::Unavailable,
        }
    }
}

impl Doors {
    /// Answers whether deliveries can be taken: 200 if so, 503 if not.
    pub(crate) async fn ready(&self) -> Reply {
        let mut last = self.readiness.last.lock().await;
        let report = match *last {
            Some((at, report)) if at.elapsed() < FRESH => report,
            _ => {
                let report = self.look().await;
                *last = Some((Instant::now(), report));
                report
            }
        };
        drop(last);
        let unavailable = report.status == Status::Unavailable;
        let status = if unavailable {
            StatusCode::SERVICE_UNAVAILABLE
        } else {
            StatusCode::OK
        };
        answer::json(status, &report)
    }

    async fn look(&self) -> Report {
        let (bus, dedup) = futures::join!(
            in_time("the event log", self.ports.events.ping()),
            in_time("deduplication", self.ports.dedup.ping()),
        );
        let checks = Checks {
            routes: Check::of(self.table.is_loaded()),
            bus: Check::of(self.bus.note(bus).is_ok()),
            dedup: Check::of(self.dedup.note(dedup).is_ok()),
        };
        Report {
            status: checks.status(),
            checks,
        }
    }
}

async fn in_time(
    who: &str,
    ping: impl Future<Output = Result<(), port::Error>>,
) -> Result<(), port::Error> {
    let late = |_| port::Error::Deadline {
        who: who.to_owned(),
        after: PATIENCE,
    };
    tokio::time::timeout(PATIENCE, ping).await.map_err(late)?
}
