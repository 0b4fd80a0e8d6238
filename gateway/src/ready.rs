//! Readiness: whether deliveries can be taken, and what is missing.

use crate::answer::{self, Reply};
use crate::doors::Doors;
use belfry_mesh::port;
use http::StatusCode;
use serde::Serialize;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::Instant;

/// How long a backend may take to say that it is there.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long an answer is good for, so that a public path cannot be used to hammer the backends.
const FRESH: Duration = Duration::from_millis(200);

/// The part of a spool that is its reserve: a gateway whose spool is filled up to it should get no more deliveries, although the
/// small ones among them would still fit.
const RESERVE: u64 = 64;

/// What was found last, and when.
#[derive(Default)]
pub(crate) struct Readiness {
    last: Mutex<Option<(Instant, Report)>>,
}

#[derive(Clone, Copy, Serialize)]
struct Report {
    status: Status,
    checks: Checks,
    #[serde(skip_serializing_if = "Option::is_none")]
    spool: Option<Depth>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Status {
    /// All is well.
    Ready,
    /// Deliveries are taken, and something is not as it should be.
    Degraded,
    /// Deliveries are answered 503.
    Unavailable,
    /// This gateway ends: what comes now is still taken, but should go elsewhere.
    Leaving,
}

#[derive(Clone, Copy, Serialize)]
struct Checks {
    routes: Check,
    bus: Check,
    dedup: Check,
    #[serde(skip_serializing_if = "Option::is_none")]
    spool: Option<Check>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Check {
    Ok,
    Unavailable,
    /// The spool holds events that the log does not have yet.
    Draining,
    /// The spool takes no more.
    Full,
}

/// How much waits in the spool.
#[derive(Clone, Copy, Serialize)]
struct Depth {
    events: u64,
    bytes: u64,
    /// How long the oldest waits.
    oldest_seconds: u64,
}

impl Check {
    fn of(ok: bool) -> Self {
        if ok { Self::Ok } else { Self::Unavailable }
    }
}

impl Checks {
    /// Without the routes nothing can be taken, and without the bus only what the spool has room for; without deduplication the
    /// log's own window still guards.
    fn status(self) -> Status {
        let stored =
            self.bus == Check::Ok || matches!(self.spool, Some(Check::Ok | Check::Draining));
        let well = |check: Option<Check>| check.is_none_or(|check| check == Check::Ok);
        if self.routes != Check::Ok || !stored {
            Status::Unavailable
        } else if [Some(self.bus), Some(self.dedup), self.spool]
            .into_iter()
            .all(well)
        {
            Status::Ready
        } else {
            Status::Degraded
        }
    }
}

impl Doors {
    /// Answers whether deliveries can be taken: 200 if so, 503 if not.
    pub(crate) async fn ready(&self) -> Reply {
        let mut last = self.readiness.last.lock().await;
        let mut report = match *last {
            Some((at, report)) if at.elapsed() < FRESH => report,
            _ => {
                let report = self.look().await;
                *last = Some((Instant::now(), report));
                report
            }
        };
        drop(last);
        if self.leaving.load(Ordering::Relaxed) {
            report.status = Status::Leaving;
        }
        let status = match report.status {
            Status::Ready | Status::Degraded => StatusCode::OK,
            Status::Unavailable | Status::Leaving => StatusCode::SERVICE_UNAVAILABLE,
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
            spool: self.spool_check(),
        };
        Report {
            status: checks.status(),
            checks,
            spool: self.depth(),
        }
    }

    fn spool_check(&self) -> Option<Check> {
        let standing = self.spool.as_ref()?.status();
        let most = self.config.spool.as_ref()?.max_bytes;
        Some(if standing.bytes >= most - most / RESERVE {
            Check::Full
        } else if self.spooling.is_on() && (standing.depth > 0 || self.bus.is_on()) {
            Check::Unavailable
        } else if standing.depth > 0 {
            Check::Draining
        } else {
            Check::Ok
        })
    }

    /// How much waits in the spool, if anything does.
    fn depth(&self) -> Option<Depth> {
        let standing = self.spool.as_ref()?.status();
        let oldest = standing.oldest?;
        let age = self.ports.clock.now().duration_since(oldest);
        Some(Depth {
            events: standing.depth,
            bytes: standing.bytes,
            oldest_seconds: u64::try_from(age.as_secs()).unwrap_or_default(),
        })
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

#[cfg(test)]
mod tests {
    use super::*;

    fn status(bus: Check, dedup: Check, spool: Option<Check>) -> Status {
        let routes = Check::Ok;
        Checks {
            routes,
            bus,
            dedup,
            spool,
        }
        .status()
    }

    #[test]
    fn without_the_bus_a_gateway_is_as_good_as_its_spool() {
        use Check::{Draining, Full, Ok, Unavailable};
        assert_eq!(status(Ok, Ok, None), Status::Ready);
        assert_eq!(status(Ok, Ok, Some(Ok)), Status::Ready);
        assert_eq!(status(Ok, Unavailable, Some(Ok)), Status::Degraded);
        assert_eq!(status(Ok, Ok, Some(Draining)), Status::Degraded);
        assert_eq!(status(Ok, Ok, Some(Full)), Status::Degraded);
        assert_eq!(status(Unavailable, Ok, Some(Draining)), Status::Degraded);
        assert_eq!(status(Unavailable, Ok, Some(Ok)), Status::Degraded);
        assert_eq!(status(Unavailable, Ok, Some(Full)), Status::Unavailable);
        assert_eq!(status(Unavailable, Ok, None), Status::Unavailable);
    }
}
