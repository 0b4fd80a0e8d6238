//! The OpenAPI document, made from the routes.

use super::refusal::{Refusal, described};
use super::routes;
use crate::answer::shape;
use axum::http::header;
use axum::response::IntoResponse;
use std::sync::LazyLock;
use utoipa::openapi::path::Operation;
use utoipa::openapi::tag::TagBuilder;
use utoipa::openapi::{
    ComponentsBuilder, InfoBuilder, LicenseBuilder, OpenApi, OpenApiBuilder, RefOr,
};
use utoipa::{PartialSchema, ToSchema};

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
        tag("triggers", "What is installed."),
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
