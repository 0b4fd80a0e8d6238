//! The life of triggers.

use super::Api;
use super::extract::{By, JsonBytes, Name, Query, Trace};
use super::install::From;
use super::refusal::{Refusal, Refused};
use crate::answer::{
    Accepted, AcceptedStatus, Changed, ChangedStatus, Uninstalled, UninstalledStatus, Updated,
    UpdatedStatus, shape,
};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use belfry_mesh::control::{Control, Done, Error, Status};
use std::sync::Arc;

/// List the triggers
#[utoipa::path(
    get,
    path = "/triggers",
    tag = "triggers",
    operation_id = "list_triggers",
    responses((status = 200, description = "All triggers, by name.", body = Vec<shape::Trigger>), Refused::<503>)
)]
pub(super) async fn list(State(api): State<Arc<Api>>) -> Result<Json<Vec<Status>>, Refusal> {
    Ok(Json(api.control.list().await?))
}

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
pub(super) async fn installed(state: State<Arc<Api>>) -> Result<Json<Vec<Status>>, Refusal> {
    list(state).await
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
    Name(name): Name,
) -> Result<Json<Status>, Refusal> {
    Ok(Json(api.control.status(&name).await?))
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
    Name(name): Name,
    by: By,
) -> Result<Json<Changed>, Refusal> {
    change(&api, ChangedStatus::Started, async move |control| {
        control.start(&name, &by.by).await
    })
    .await
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
    Name(name): Name,
    by: By,
) -> Result<Json<Changed>, Refusal> {
    change(&api, ChangedStatus::Stopped, async move |control| {
        control.stop(&name, &by.by).await
    })
    .await
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
    Name(name): Name,
    by: By,
) -> Result<Json<Changed>, Refusal> {
    change(&api, ChangedStatus::Restarted, async move |control| {
        control.restart(&name, &by.by).await
    })
    .await
}

/// Update a trigger
///
/// Takes the newest version of its package.
#[utoipa::path(
    post,
    path = "/triggers/{name}/update",
    tag = "triggers",
    operation_id = "update_trigger",
    params(("name" = String, Path, description = "The trigger"), From, By),
    responses(
        (status = 200, description = "It has the newest version.", body = Updated),
        Refused::<400>, Refused::<404>, Refused::<409>, Refused::<502>, Refused::<503>
    )
)]
pub(super) async fn update(
    State(api): State<Arc<Api>>,
    Name(name): Name,
    Query(from): Query<From>,
    by: By,
) -> Result<Json<Updated>, Refusal> {
    let control = api.control.clone();
    let command = async move {
        Ok(control
            .update(&name, from.registry_id.as_deref(), &by.by)
            .await?)
    };
    let done = api.commands.see_through(command).await?;
    let old_version = done.before.map_or_else(
        || done.status.version.clone(),
        |trigger| trigger.manifest.version().to_string(),
    );
    Ok(Json(Updated {
        status: if done.changed {
            UpdatedStatus::Updated
        } else {
            UpdatedStatus::AlreadyLatest
        },
        name: done.status.name,
        version: done.status.version.clone(),
        old_version,
        new_version: done.status.version,
        state: done.status.state,
        revision: done.status.revision,
        detail: done.status.detail,
    }))
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
    Name(name): Name,
    by: By,
) -> Result<Json<Uninstalled>, Refusal> {
    let control = api.control.clone();
    let gone = name.clone();
    api.commands
        .see_through(async move { Ok(control.uninstall(&gone, &by.by).await?) })
        .await?;
    Ok(Json(Uninstalled {
        status: UninstalledStatus::Uninstalled,
        name: name.to_string(),
    }))
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
    let control = api.control.clone();
    let event_id = api
        .commands
        .see_through(async move { Ok(control.run(&name, id, data, trace).await?) })
        .await?;
    Ok((
        StatusCode::ACCEPTED,
        Json(Accepted {
            status: AcceptedStatus::Accepted,
            event_id,
        }),
    ))
}

async fn change<F>(
    api: &Api,
    status: ChangedStatus,
    command: impl FnOnce(Control) -> F,
) -> Result<Json<Changed>, Refusal>
where
    F: Future<Output = Result<Done, Error>> + Send + 'static,
{
    let command = command(api.control.clone());
    let done = api
        .commands
        .see_through(async move { Ok(command.await?) })
        .await?;
    Ok(Json(Changed::new(status, done.status)))
}
