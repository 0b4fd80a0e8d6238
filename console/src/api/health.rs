//! Health and readiness.

use super::Api;
use super::refusal::Refusal;
use crate::answer::{Check, Checks, Health, HealthStatus, Readiness, ReadyStatus};
use crate::history::Phase;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use belfry_mesh::port::Error;
use belfry_mesh::port::state::Bucket;
use std::sync::Arc;
use std::time::Duration;

/// How long a backend may take to say that it is there.
const PATIENCE: Duration = Duration::from_secs(2);

/// From which lag on the history counts as behind, in milliseconds.
const LATE_MS: u64 = 5_000;

/// Whether the process answers
#[utoipa::path(
    get,
    path = "/health",
    tag = "health",
    operation_id = "health",
    responses((status = 200, description = "It does.", body = Health))
)]
pub(super) async fn health() -> Json<Health> {
    Json(Health {
        status: HealthStatus::Up,
    })
}

/// Whether the console can do its work
#[utoipa::path(
    get,
    path = "/ready",
    tag = "health",
    operation_id = "ready",
    responses(
        (status = 200, description = "It can: `ready`, or `degraded` while the history is not complete.", body = Readiness),
        (status = 503, description = "It cannot, and `checks` says why.", body = Readiness)
    )
)]
pub(super) async fn ready(
    State(api): State<Arc<Api>>,
) -> Result<(StatusCode, Json<Readiness>), Refusal> {
    let (bus, state) = futures::join!(
        in_time("the event log", api.ports.events.ping()),
        in_time("the state", async {
            api.ports.state.get(Bucket::Nodes, "ready").await.map(drop)
        }),
    );
    let (history, behind, history_lag_ms) = history(&api);
    let checks = Checks {
        bus: check(&bus),
        state: check(&state),
        history,
    };
    let status = match checks {
        Checks {
            bus: Check::Ok,
            state: Check::Ok,
            history: Check::Ok,
        } => ReadyStatus::Ready,
        Checks {
            bus: Check::Ok,
            state: Check::Ok,
            ..
        } => ReadyStatus::Degraded,
        _ => ReadyStatus::Unavailable,
    };
    let wrong: Vec<String> = [bus.err(), state.err()]
        .into_iter()
        .flatten()
        .map(|error| error.to_string())
        .chain(behind)
        .collect();
    let detail = (!wrong.is_empty()).then(|| wrong.join("; "));
    let code = if status == ReadyStatus::Unavailable {
        StatusCode::SERVICE_UNAVAILABLE
    } else {
        StatusCode::OK
    };
    Ok((
        code,
        Json(Readiness {
            status,
            checks,
            history_lag_ms,
            detail,
        }),
    ))
}

/// How the history is: the worst of what it is made from, why, and the largest lag.
fn history(api: &Api) -> (Check, Option<String>, Option<u64>) {
    let (mut check, mut why, mut lag_ms) = (Check::Ok, None, None);
    for (stream, standing) in api.history.standings() {
        let (found, what) = match standing.phase {
            Phase::Failed(error) => (
                Check::Unavailable,
                Some(format!("the history of {stream}: {error}")),
            ),
            Phase::CatchingUp => (
                Check::Behind,
                Some(format!("the history of {stream} is catching up")),
            ),
            Phase::Live if standing.lag_ms.is_some_and(|lag| lag >= LATE_MS) => (
                Check::Behind,
                Some(format!("the history of {stream} is late")),
            ),
            Phase::Live => (Check::Ok, None),
        };
        if found > check {
            (check, why) = (found, what);
        }
        lag_ms = lag_ms.max(standing.lag_ms);
    }
    (check, why, lag_ms)
}

fn check(result: &Result<(), Error>) -> Check {
    if result.is_ok() {
        Check::Ok
    } else {
        Check::Unavailable
    }
}

async fn in_time(who: &str, ping: impl Future<Output = Result<(), Error>>) -> Result<(), Error> {
    let late = |_| Error::Deadline {
        who: who.to_owned(),
        after: PATIENCE,
    };
    tokio::time::timeout(PATIENCE, ping).await.map_err(late)?
}
