//! The life of triggers, and of everything else that is installed: the same under paths of its own.

use super::Api;
use super::extract::{By, Json as Body, Name, Of, Query};
use super::refusal::{Refusal, Refused};
use crate::answer::{Changed, Scale, Uninstalled, shape};
use crate::desk::Change;
use axum::Json;
use axum::extract::State;
use belfry_mesh::command::{LogPage, ReadLog};
use belfry_mesh::control::Status;
use jiff::Timestamp;
use serde::Deserialize;
use std::sync::Arc;
use utoipa::IntoParams;

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Lines {
    /// Which of its slots; the first that a node holds if it is not said.
    slot: Option<u32>,
    /// How many lines at most, 1 to 1000: the last ones, or with `after` the next ones. Default 100.
    lines: Option<usize>,
    /// Only lines that were written after that: the `after` of the answer before.
    after: Option<Timestamp>,
    /// How long to wait for a line if there is none, in seconds, up to 30. Default 0.
    wait_seconds: Option<u64>,
}

/// List the triggers
#[utoipa::path(
    get,
    path = "/triggers",
    tag = "triggers",
    operation_id = "list_triggers",
    responses((status = 200, description = "All triggers, by name.", body = Vec<shape::Trigger>), Refused::<503>)
)]
pub(super) async fn list(
    State(api): State<Arc<Api>>,
    Of(kind): Of,
) -> Result<Json<Vec<Status>>, Refusal> {
    Ok(Json(api.desk.list(kind).await?))
}

/// Show a trigger
#[utoipa::path(
    get,
    path = "/triggers/{name}/status",
    tag = "triggers",
    operation_id = "trigger_status",
    params(("name" = String, Path, description = "The trigger")),
    responses((status = 200, description = "How it is.", body = shape::Trigger), Refused::<404>, Refused::<503>)
)]
pub(super) async fn status(
    State(api): State<Arc<Api>>,
    Of(kind): Of,
    Name(name): Name,
) -> Result<Json<Status>, Refusal> {
    Ok(Json(api.desk.status(kind, &name).await?))
}

/// Read the log of a trigger
///
/// What one of its containers wrote. To follow it, ask again with the `after` of the answer, and `wait_seconds`.
#[utoipa::path(
    get,
    path = "/triggers/{name}/logs",
    tag = "triggers",
    operation_id = "trigger_logs",
    params(("name" = String, Path, description = "The trigger"), Lines),
    responses((status = 200, description = "What it wrote.", body = shape::LogPage), Refused::<400>, Refused::<404>, Refused::<503>)
)]
pub(super) async fn logs(
    State(api): State<Arc<Api>>,
    Of(kind): Of,
    Name(name): Name,
    Query(asked): Query<Lines>,
) -> Result<Json<LogPage>, Refusal> {
    let asked = ReadLog {
        name,
        slot: asked.slot,
        lines: asked.lines,
        after: asked.after,
        wait_seconds: asked.wait_seconds,
    };
    Ok(Json(api.desk.logs(kind, asked).await?))
}

/// Start a trigger
///
/// What waited for it while it was stopped is delivered.
#[utoipa::path(
    post,
    path = "/triggers/{name}/start",
    tag = "triggers",
    operation_id = "start_trigger",
    params(("name" = String, Path, description = "The trigger"), By),
    responses((status = 200, description = "It should run.", body = Changed), Refused::<400>, Refused::<404>, Refused::<409>, Refused::<503>)
)]
pub(super) async fn start(
    State(api): State<Arc<Api>>,
    Of(kind): Of,
    Name(name): Name,
    By { by }: By,
) -> Result<Json<Changed>, Refusal> {
    Ok(Json(api.desk.change(kind, name, Change::Start, by).await?))
}

/// Stop a trigger
///
/// Its events wait until it is started again.
#[utoipa::path(
    post,
    path = "/triggers/{name}/stop",
    tag = "triggers",
    operation_id = "stop_trigger",
    params(("name" = String, Path, description = "The trigger"), By),
    responses((status = 200, description = "It should not run.", body = Changed), Refused::<400>, Refused::<404>, Refused::<409>, Refused::<503>)
)]
pub(super) async fn stop(
    State(api): State<Arc<Api>>,
    Of(kind): Of,
    Name(name): Name,
    By { by }: By,
) -> Result<Json<Changed>, Refusal> {
    Ok(Json(api.desk.change(kind, name, Change::Stop, by).await?))
}

/// Restart a trigger
///
/// Starts it anew, whether it runs or not.
#[utoipa::path(
    post,
    path = "/triggers/{name}/restart",
    tag = "triggers",
    operation_id = "restart_trigger",
    params(("name" = String, Path, description = "The trigger"), By),
    responses((status = 200, description = "It should run anew.", body = Changed), Refused::<400>, Refused::<404>, Refused::<409>, Refused::<503>)
)]
pub(super) async fn restart(
    State(api): State<Arc<Api>>,
    Of(kind): Of,
    Name(name): Name,
    By { by }: By,
) -> Result<Json<Changed>, Refusal> {
    Ok(Json(
        api.desk.change(kind, name, Change::Restart, by).await?,
    ))
}

/// Scale a trigger
///
/// Gives it so many slots, each with a container of its own. Those that it has go on.
#[utoipa::path(
    post,
    path = "/triggers/{name}/scale",
    tag = "triggers",
    operation_id = "scale_trigger",
    params(("name" = String, Path, description = "The trigger"), By),
    request_body = Scale,
    responses(
        (status = 200, description = "It should have so many slots.", body = Changed),
        Refused::<400>, Refused::<404>, Refused::<409>, Refused::<413>, Refused::<415>, Refused::<503>
    )
)]
pub(super) async fn scale(
    State(api): State<Arc<Api>>,
    Of(kind): Of,
    Name(name): Name,
    By { by }: By,
    Body(to): Body<Scale>,
) -> Result<Json<Changed>, Refusal> {
    let change = Change::Scale(to.replicas);
    Ok(Json(api.desk.change(kind, name, change, by).await?))
}

/// Uninstall a trigger
///
/// What it had left to do is dropped; its history stays.
#[utoipa::path(
    delete,
    path = "/triggers/{name}",
    tag = "triggers",
    operation_id = "uninstall_trigger",
    params(("name" = String, Path, description = "The trigger"), By),
    responses((status = 200, description = "It is gone.", body = Uninstalled), Refused::<400>, Refused::<404>, Refused::<409>, Refused::<503>)
)]
pub(super) async fn uninstall(
    State(api): State<Arc<Api>>,
    Of(kind): Of,
    Name(name): Name,
    By { by }: By,
) -> Result<Json<Uninstalled>, Refusal> {
    Ok(Json(api.desk.uninstall(kind, name, by).await?))
}
