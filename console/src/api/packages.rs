//! What can be installed.

use super::Api;
use super::refusal::{Refusal, Refused};
use crate::answer::Catalogue;
use axum::Json;
use axum::extract::State;
use belfry_mesh::control;
use std::sync::Arc;

/// List the packages
///
/// What the registries have, those that answer.
#[utoipa::path(
    get,
    path = "/packages",
    tag = "packages",
    operation_id = "list_packages",
    responses((status = 200, description = "The catalogue.", body = Catalogue), Refused::<502>)
)]
pub(super) async fn list(State(api): State<Arc<Api>>) -> Result<Json<Catalogue>, Refusal> {
    let packages = api.packages.list().await.map_err(control::Error::from)?;
    Ok(Json(Catalogue { packages }))
}
