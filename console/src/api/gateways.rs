//! The gateways.

use super::Api;
use super::refusal::{Refusal, Refused};
use crate::answer::shape;
use axum::Json;
use axum::extract::State;
use belfry_mesh::control::GatewayStatus;
use std::sync::Arc;

/// List the gateways
///
/// Each says every few seconds how it is; one that was not heard of for ten is left out.
#[utoipa::path(
    get,
    path = "/gateways",
    tag = "gateways",
    operation_id = "list_gateways",
    responses((status = 200, description = "All gateways that were heard of lately, by name.", body = Vec<shape::Gateway>), Refused::<503>)
)]
pub(super) async fn list(State(api): State<Arc<Api>>) -> Result<Json<Vec<GatewayStatus>>, Refusal> {
    Ok(Json(api.desk.gateways().await?))
}
