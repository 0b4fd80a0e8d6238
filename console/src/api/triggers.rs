//! What can be done with triggers only: they take events.

use super::Api;
use super::extract::{By, JsonBytes, Name, Trace};
use super::refusal::{Refusal, Refused};
use crate::answer::{Accepted, AcceptedStatus, Changed, shape};
use crate::desk::Change;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use belfry_mesh::control::Status;
use belfry_mesh::package::Kind;
use std::sync::Arc;

/// List the triggers
///
/// The same as `/triggers`.
#[utoipa::path(
    get,
    path = "/triggers/installed",
    tag = "triggers",
    operation_id = "list_installed_triggers",
    responses((status = 200, description = "All triggers, by name.", body = Vec<shape::Trigger>), Refused::<503>)
)]
pub(super) async fn installed(State(api): State<Arc<Api>>) -> Result<Json<Vec<Status>>, Refusal> {
    Ok(Json(api.desk.list(Kind::Trigger).await?))
}

/// Pause a trigger
///
/// Its container stays up, and its events wait.
#[utoipa::path(
    post,
    path = "/triggers/{name}/pause",
    tag = "triggers",
    operation_id = "pause_trigger",
    params(("name" = String, Path, description = "The trigger"), By),
    responses((status = 200, description = "It should have no events.", body = Changed), Refused::<400>, Refused::<404>, Refused::<409>, Refused::<503>)
)]
pub(super) async fn pause(
    State(api): State<Arc<Api>>,
    Name(name): Name,
    By { by }: By,
) -> Result<Json<Changed>, Refusal> {
    let done = api.desk.change(Kind::Trigger, name, Change::Pause, by);
    Ok(Json(done.await?))
}

/// Resume a trigger
///
/// What waited for it while it was paused is delivered.
#[utoipa::path(
    post,
    path = "/triggers/{name}/resume",
    tag = "triggers",
    operation_id = "resume_trigger",
    params(("name" = String, Path, description = "The trigger"), By),
    responses((status = 200, description = "It should have events.", body = Changed), Refused::<400>, Refused::<404>, Refused::<409>, Refused::<503>)
)]
pub(super) async fn resume(
    State(api): State<Arc<Api>>,
    Name(name): Name,
    By { by }: By,
) -> Result<Json<Changed>, Refusal> {
    let done = api.desk.change(Kind::Trigger, name, Change::Resume, by);
    Ok(Json(done.await?))
}

/// Run a trigger
///
/// Runs it once for a body that the operator gives: its event's data, any JSON, `{}` if there is none.
#[utoipa::path(
    post,
    path = "/triggers/{name}/run",
    tag = "triggers",
    operation_id = "run_trigger",
    params(("name" = String, Path, description = "The trigger")),
    request_body(content = serde_json::Value, description = "The data of the event."),
    responses(
        (status = 202, description = "The event is stored.", body = Accepted),
        Refused::<400>, Refused::<404>, Refused::<413>, Refused::<415>, Refused::<503>
    )
)]
pub(super) async fn run(
    State(api): State<Arc<Api>>,
    Name(name): Name,
    Trace(trace): Trace,
    JsonBytes(data): JsonBytes,
) -> Result<(StatusCode, Json<Accepted>), Refusal> {
    let (id, trace) = api.fresh(trace);
    let control = api.desk.control.of(Kind::Trigger);
    let command = async move { Ok(control.run(&name, id, data, trace).await?) };
    let event_id = api.desk.commands.see_through(command).await?;
    Ok((
        StatusCode::ACCEPTED,
        Json(Accepted {
            status: AcceptedStatus::Accepted,
            event_id,
        }),
    ))
}
