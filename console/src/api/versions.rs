//! The versions that something installed has, had, and can have.

use super::Api;
use super::extract::{By, Json as Body, Name, Of, Query};
use super::install::From;
use super::refusal::{Refusal, Refused};
use crate::answer::{Update, Updated, shape};
use axum::Json;
use axum::extract::State;
use belfry_mesh::control::Revised;
use serde::Deserialize;
use std::sync::Arc;
use utoipa::IntoParams;

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct To {
    /// The revision whose package it is to have again; the last one with another package if it is not said.
    revision: Option<u64>,
}

/// Update a trigger
///
/// Takes the newest version of its package. If that does not hold, it is rolled back by itself: the answer says so if that is
/// soon, the status does later. With `auth`, `rate_limit` or `allow_ips` in the body it sets those instead, with the package and
/// the containers as they are: gateways take them up as they go, and refuse nothing meanwhile.
#[utoipa::path(
    post,
    path = "/triggers/{name}/update",
    tag = "triggers",
    operation_id = "update_trigger",
    params(("name" = String, Path, description = "The trigger"), From, By),
    request_body = Update,
    responses(
        (status = 200, description = "It has the newest version or what was to be set, or has its old version back.", body = Updated),
        Refused::<400>, Refused::<404>, Refused::<409>, Refused::<413>, Refused::<415>, Refused::<502>, Refused::<503>
    )
)]
pub(super) async fn update(
    State(api): State<Arc<Api>>,
    Of(kind): Of,
    Name(name): Name,
    Query(from): Query<From>,
    By { by }: By,
    Body(to): Body<Update>,
) -> Result<Json<Updated>, Refusal> {
    let done = api.desk.update(kind, name, from.registry_id, to, by);
    Ok(Json(done.await?))
}

/// Roll a trigger back
///
/// Gives it the package back that it had in an earlier revision. Its configuration stays as it is, and so do its auth and limits:
/// a secret that was given up does not come back with a package.
#[utoipa::path(
    post,
    path = "/triggers/{name}/rollback",
    tag = "triggers",
    operation_id = "rollback_trigger",
    params(("name" = String, Path, description = "The trigger"), To, By),
    responses(
        (status = 200, description = "It has that package again.", body = Updated),
        Refused::<400>, Refused::<404>, Refused::<409>, Refused::<503>
    )
)]
pub(super) async fn rollback(
    State(api): State<Arc<Api>>,
    Of(kind): Of,
    Name(name): Name,
    Query(to): Query<To>,
    By { by }: By,
) -> Result<Json<Updated>, Refusal> {
    let done = api.desk.rollback(kind, name, to.revision, by);
    Ok(Json(done.await?))
}

/// List the revisions of a trigger
///
/// Those that are kept since its install, the newest first: who changed what, and when.
#[utoipa::path(
    get,
    path = "/triggers/{name}/history",
    tag = "triggers",
    operation_id = "trigger_history",
    params(("name" = String, Path, description = "The trigger")),
    responses((status = 200, description = "Its revisions.", body = Vec<shape::Revision>), Refused::<404>, Refused::<503>)
)]
pub(super) async fn history(
    State(api): State<Arc<Api>>,
    Of(kind): Of,
    Name(name): Name,
) -> Result<Json<Vec<Revised>>, Refusal> {
    Ok(Json(api.desk.history(kind, &name).await?))
}
