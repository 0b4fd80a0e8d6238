//! What requests carry, taken so that whatever cannot be taken is refused with a problem document.

use super::refusal::Refusal;
use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use belfry_mesh::command::MAX_BY;
use belfry_mesh::package::Kind;
use belfry_mesh::trace::TraceParent;
use belfry_mesh::{EventId, NodeName, TriggerName};
use bytes::Bytes;
use serde::de::{DeserializeOwned, IgnoredAny};
use utoipa::IntoParams;

/// A JSON object as the body. No body at all is as good as `{}`.
pub(crate) struct Json<T>(pub(crate) T);

/// A JSON body as it was sent, byte for byte. No body at all is as good as `{}`.
pub(crate) struct JsonBytes(pub(crate) Bytes);

/// The query.
pub(crate) struct Query<T>(pub(crate) T);

/// The parts of the path.
pub(crate) struct Path<T>(pub(crate) T);

/// The name of a trigger, the only part of the path. What cannot be a name is the name of no trigger.
pub(crate) struct Name(pub(crate) TriggerName);

/// The name of a node, the only part of the path. What cannot be a name is the name of no node.
pub(crate) struct Node(pub(crate) NodeName);

/// The kind of packages that the path is for.
pub(crate) struct Of(pub(crate) Kind);

/// The id of an event, the only part of the path. What cannot be an id is the id of no event.
pub(crate) struct Id(pub(crate) EventId);

/// Who asks, for the record.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub(crate) struct By {
    /// Who asks, for the record: up to 64 visible ASCII characters or spaces. `api` if it is not said.
    #[param(rename = "X-Belfry-By", value_type = Option<String>)]
    pub(crate) by: String,
}

/// The trace that a request belongs to.
pub(crate) struct Trace(pub(crate) Option<TraceParent>);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Json<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refusal> {
        let JsonBytes(body) = JsonBytes::from_request(request, state).await?;
        // The parser would take a list for an object, its items in the order of the fields.
        if body.trim_ascii_start().first() != Some(&b'{') {
            return Err(Refusal::bad_request("the body must be a JSON object"));
        }
        parse(&body).map(Self)
    }
}

impl<S: Send + Sync> FromRequest<S> for JsonBytes {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refusal> {
        let named = request
            .headers()
            .get(header::CONTENT_TYPE)
            .map(|value| is_json(value.as_bytes()));
        let body = Bytes::from_request(request, state)
            .await
            .map_err(unreadable)?;
        if body.is_empty() {
            return Ok(Self(Bytes::from_static(b"{}")));
        }
        // A web page may send what it likes to any host, but not under this name.
        if named != Some(true) {
            let detail = "the body must be sent with `Content-Type: application/json`";
            return Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail));
        }
        parse::<IgnoredAny>(&body)?;
        Ok(Self(body))
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let query = axum::extract::Query::from_request_parts(parts, state).await;
        query
            .map(|query| Self(query.0))
            .map_err(|error| Refusal::bad_request(error.body_text()))
    }
}

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Path<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let path = axum::extract::Path::from_request_parts(parts, state).await;
        path.map(|path| Self(path.0))
            .map_err(|error| Refusal::bad_request(error.body_text()))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Name {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let Path(name) = Path::<String>::from_request_parts(parts, state).await?;
        TriggerName::parse(&name)
            .map(Self)
            .map_err(|error| Refusal::not_found(error.to_string()))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Node {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let Path(name) = Path::<String>::from_request_parts(parts, state).await?;
        NodeName::parse(&name)
            .map(Self)
            .map_err(|error| Refusal::not_found(error.to_string()))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Of {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let kind = parts.extensions.get().copied();
        Ok(Self(kind.unwrap_or_default()))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let Path(id) = Path::<String>::from_request_parts(parts, state).await?;
        EventId::parse(&id)
            .map(Self)
            .map_err(|error| Refusal::not_found(error.to_string()))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for By {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        let Some(value) = parts.headers.get("x-belfry-by") else {
            return Ok(Self {
                by: "api".to_owned(),
            });
        };
        let said = value.to_str().map(str::trim).unwrap_or_default();
        if said.is_empty() || said.len() > MAX_BY {
            return Err(Refusal::bad_request(format!(
                "the header X-Belfry-By must say who asks in 1 to {MAX_BY} visible ASCII characters or spaces"
            )));
        }
        Ok(Self {
            by: said.to_owned(),
        })
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Trace {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(Self(trace(&parts.headers)))
    }
}

fn trace(headers: &HeaderMap) -> Option<TraceParent> {
    TraceParent::parse(headers.get("traceparent")?.to_str().ok()?)
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refusal> {
    serde_json::from_slice(body)
        .map_err(|error| Refusal::bad_request(format!("the body cannot be taken: {error}")))
}

fn unreadable(rejection: BytesRejection) -> Refusal {
    let detail = if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
        "the body is longer than this console reads".to_owned()
    } else {
        format!("the body cannot be read: {}", rejection.body_text())
    };
    Refusal::new(rejection.status(), detail)
}

/// Whether a media type is JSON: `application/json`, or anything that ends in `+json` (RFC 6839, section 3.1).
fn is_json(content_type: &[u8]) -> bool {
    let essence = content_type
        .split(|&b| b == b';')
        .next()
        .unwrap_or_default()
        .trim_ascii()
        .to_ascii_lowercase();
    essence == b"application/json"
        || (essence.starts_with(b"application/") && essence.ends_with(b"+json"))
}
