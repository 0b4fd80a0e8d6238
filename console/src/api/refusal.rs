//! How the API says no: every refusal is a problem document.

use crate::answer::shape;
use crate::history;
use axum::body::Body;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use belfry_mesh::{Problem, control, port};
use std::collections::BTreeMap;
use std::time::Duration;
use utoipa::openapi::{ContentBuilder, Ref, RefOr, ResponseBuilder};
use utoipa::{IntoResponses, ToSchema};

/// When a client should come again after an outage of what the console stands on.
const COME_AGAIN: Duration = Duration::from_secs(2);

/// A refusal.
#[derive(Debug)]
pub(crate) struct Refusal(Problem);

/// In the OpenAPI document, a refusal of this status.
pub(crate) struct Refused<const STATUS: u16>;

impl Refusal {
    pub(crate) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        let problem = Problem::new(status, detail);
        Self(if status == StatusCode::SERVICE_UNAVAILABLE {
            problem.retry_after(COME_AGAIN)
        } else {
            problem
        })
    }

    /// What was sent cannot be taken.
    pub(crate) fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }

    /// There is no such thing.
    pub(crate) fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, detail)
    }

    pub(crate) fn cut_off() -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "the console is shutting down; whether the command was done is not known",
        )
    }
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        Self(problem)
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        refusal.0
    }
}

impl From<control::Error> for Refusal {
    fn from(error: control::Error) -> Self {
        Self::new(error.status(), error.to_string())
    }
}

impl From<port::Error> for Refusal {
    fn from(error: port::Error) -> Self {
        control::Error::from(error).into()
    }
}

impl From<history::Error> for Refusal {
    fn from(error: history::Error) -> Self {
        let status = match error {
            history::Error::Ended => StatusCode::SERVICE_UNAVAILABLE,
            history::Error::Database(_) | history::Error::Damaged(_) => {
                StatusCode::INTERNAL_SERVER_ERROR
            }
        };
        Self::new(status, error.to_string())
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut response = self.0.clone().into_response().map(Body::from);
        response.extensions_mut().insert(self.0);
        response
    }
}

impl<const STATUS: u16> IntoResponses for Refused<STATUS> {
    fn responses() -> BTreeMap<String, RefOr<utoipa::openapi::Response>> {
        [(STATUS.to_string(), described(STATUS).into())].into()
    }
}

/// What a refusal of this status is in the OpenAPI document.
pub(crate) fn described(status: u16) -> utoipa::openapi::Response {
    let description = match status {
        400 => "The request cannot be taken; `detail` says why.",
        403 => "The request comes from a web page of another origin.",
        404 => "There is no such thing; `detail` says which.",
        409 => {
            "Something else is there, or somebody else changed it at the same time; `detail` says what to do."
        }
        410 => "The event is known, but its body is not kept any more.",
        413 => "The body is longer than is read.",
        415 => "The body is not said to be JSON.",
        421 => "The request is for a host that this console is not.",
        500 => "Something is broken; the log says more.",
        502 => "A registry did not answer, or not with a package.",
        503 => {
            "The bus, the state or a node cannot be reached, or is not as far; the same request may work later."
        }
        _ => "The request was refused; `detail` says why.",
    };
    let content = ContentBuilder::new()
        .schema(Some(Ref::from_schema_name(shape::Problem::name())))
        .build();
    ResponseBuilder::new()
        .description(description)
        .content("application/problem+json", content)
        .build()
}
