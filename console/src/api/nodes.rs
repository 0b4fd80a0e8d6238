//! The nodes.

use super::Api;
use super::extract::{By, Node};
use super::refusal::{Refusal, Refused};
use crate::answer::{Forgotten, shape};
use axum::Json;
use axum::extract::State;
use belfry_mesh::control::NodeStatus;
use belfry_mesh::node::Availability;
use std::sync::Arc;

/// List the nodes
#[utoipa::path(
    get,
    path = "/nodes",
    tag = "nodes",
    operation_id = "list_nodes",
    responses((status = 200, description = "All nodes that were heard of and not forgotten, by name.", body = Vec<shape::Node>), Refused::<503>)
)]
pub(super) async fn list(State(api): State<Arc<Api>>) -> Result<Json<Vec<NodeStatus>>, Refusal> {
    Ok(Json(api.desk.nodes().await?))
}

/// Show a node
#[utoipa::path(
    get,
    path = "/nodes/{name}",
    tag = "nodes",
    operation_id = "node_status",
    params(("name" = String, Path, description = "The node")),
    responses((status = 200, description = "How it is.", body = shape::Node), Refused::<404>, Refused::<503>)
)]
pub(super) async fn status(
    State(api): State<Arc<Api>>,
    Node(name): Node,
) -> Result<Json<NodeStatus>, Refusal> {
    Ok(Json(api.desk.node(&name).await?))
}

/// Cordon a node
///
/// It keeps the slots that it has and takes no more, until it is uncordoned.
#[utoipa::path(
    post,
    path = "/nodes/{name}/cordon",
    tag = "nodes",
    operation_id = "cordon_node",
    params(("name" = String, Path, description = "The node"), By),
    responses((status = 200, description = "It takes no more slots.", body = shape::Node), Refused::<400>, Refused::<404>, Refused::<503>)
)]
pub(super) async fn cordon(
    State(api): State<Arc<Api>>,
    Node(name): Node,
    By { by }: By,
) -> Result<Json<NodeStatus>, Refusal> {
    let done = api.desk.set_availability(name, Availability::Cordoned, by);
    Ok(Json(done.await?))
}

/// Uncordon a node
///
/// It takes slots again, cordoned or drained.
#[utoipa::path(
    post,
    path = "/nodes/{name}/uncordon",
    tag = "nodes",
    operation_id = "uncordon_node",
    params(("name" = String, Path, description = "The node"), By),
    responses((status = 200, description = "It takes slots.", body = shape::Node), Refused::<400>, Refused::<404>, Refused::<503>)
)]
pub(super) async fn uncordon(
    State(api): State<Arc<Api>>,
    Node(name): Node,
    By { by }: By,
) -> Result<Json<NodeStatus>, Refusal> {
    let done = api.desk.set_availability(name, Availability::Active, by);
    Ok(Json(done.await?))
}

/// Drain a node
///
/// It leaves its slots to other nodes and takes none, until it is uncordoned. The answer waits a while for that.
#[utoipa::path(
    post,
    path = "/nodes/{name}/drain",
    tag = "nodes",
    operation_id = "drain_node",
    params(("name" = String, Path, description = "The node"), By),
    responses((status = 200, description = "It takes no slots; those that it still has are in `slots`.", body = shape::Node), Refused::<400>, Refused::<404>, Refused::<503>)
)]
pub(super) async fn drain(
    State(api): State<Arc<Api>>,
    Node(name): Node,
    By { by }: By,
) -> Result<Json<NodeStatus>, Refusal> {
    let done = api.desk.set_availability(name, Availability::Drained, by);
    Ok(Json(done.await?))
}

/// Forget a node
///
/// One that is dead, and what was wanted of it. One that lives is not forgotten.
#[utoipa::path(
    delete,
    path = "/nodes/{name}",
    tag = "nodes",
    operation_id = "forget_node",
    params(("name" = String, Path, description = "The node")),
    responses((status = 200, description = "It is forgotten.", body = Forgotten), Refused::<400>, Refused::<404>, Refused::<503>)
)]
pub(super) async fn forget(
    State(api): State<Arc<Api>>,
    Node(name): Node,
) -> Result<Json<Forgotten>, Refusal> {
    Ok(Json(api.desk.forget(name).await?))
}
