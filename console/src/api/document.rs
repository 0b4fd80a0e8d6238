//! The OpenAPI document, made from the routes.

use super::Api;
use super::refusal::{Refusal, described};
use super::routes;
use crate::answer::shape;
use axum::Extension;
use axum::http::header;
use axum::response::IntoResponse;
use belfry_mesh::package::Kind;
use std::sync::{Arc, LazyLock};
use utoipa::openapi::path::{Operation, Paths};
use utoipa::openapi::tag::TagBuilder;
use utoipa::openapi::{
    ComponentsBuilder, InfoBuilder, LicenseBuilder, OpenApi, OpenApiBuilder, RefOr,
};
use utoipa::{PartialSchema, ToSchema};
use utoipa_axum::router::UtoipaMethodRouter;

/// What handles a path, and how it is described.
pub(super) type Routes = UtoipaMethodRouter<Arc<Api>>;

/// What every request may be answered, whatever it asks: the guard's refusals, and a fault of the console's own.
const ALWAYS: [u16; 3] = [403, 421, 500];

/// The document before the routes are in it.
pub(super) fn frame() -> OpenApi {
    let info = InfoBuilder::new()
        .title("Belfry")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some("The management API of Belfry's console. Every refusal is an `application/problem+json` document (RFC 9457)."))
        .license(Some(LicenseBuilder::new().name("Apache-2.0").identifier(Some("Apache-2.0")).build()));
    let tag = |name: &str, description: &str| {
        TagBuilder::new()
            .name(name)
            .description(Some(description))
            .build()
    };
    let tags = [
        tag("triggers", "What is installed and takes events."),
        tag("mcps", "What is installed and takes none: services."),
        tag("nodes", "The machines that all of it runs on."),
        tag("gateways", "The processes that receive webhooks."),
        tag("packages", "What can be installed."),
        tag("events", "What happened, and what became of it."),
        tag("health", "The console itself."),
    ];
    let components =
        ComponentsBuilder::new().schema(shape::Problem::name(), shape::Problem::schema());
    OpenApiBuilder::new()
        .info(info)
        .tags(Some(tags))
        .components(Some(components.build()))
        .build()
}

/// The whole document.
pub(super) fn document() -> OpenApi {
    let (_, mut document) = routes().split_for_parts();
    for path in document.paths.paths.values_mut() {
        for operation in [&mut path.get, &mut path.post, &mut path.delete]
            .into_iter()
            .flatten()
        {
            add_refusals(operation);
        }
    }
    document
}

/// The same routes for packages of a kind: those of triggers as they are written, those of others under paths and names of
/// their own.
pub(super) fn of_kind(kind: Kind, routes: Routes) -> Routes {
    let (schemas, paths, methods) = routes;
    let paths = match kind {
        Kind::Trigger => paths,
        Kind::Mcp => renamed(&paths, kind.as_str()),
    };
    (schemas, paths, methods.layer(Extension(kind)))
}

/// Paths that speak of another kind than triggers. Schemas begin with a capital letter and are shared.
fn renamed(paths: &Paths, kind: &str) -> Paths {
    let text = serde_json::to_string(paths).expect("the document has only string keys");
    let text = text
        .replace("a trigger", &format!("an {kind}"))
        .replace("trigger", kind);
    serde_json::from_str(&text).expect("it was written from such")
}

fn add_refusals(operation: &mut Operation) {
    for status in ALWAYS {
        operation
            .responses
            .responses
            .entry(status.to_string())
            .or_insert_with(|| RefOr::T(described(status)));
    }
}

/// This document
#[utoipa::path(
    get,
    path = "/openapi.json",
    tag = "health",
    operation_id = "openapi",
    responses((status = 200, description = "The API as an OpenAPI 3.1 document.", body = serde_json::Value))
)]
pub(super) async fn openapi() -> Result<impl IntoResponse, Refusal> {
    static DOCUMENT: LazyLock<String> = LazyLock::new(|| {
        document()
            .to_json()
            .expect("the document has only string keys")
    });
    Ok((
        [(header::CONTENT_TYPE, "application/json")],
        DOCUMENT.as_str(),
    ))
}
