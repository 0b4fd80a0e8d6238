//! The API: its routes, each described where it is handled, so that the routes and the OpenAPI document are one list.

mod dead_letters;
mod document;
mod events;
mod extract;
mod gateways;
mod guard;
mod health;
mod install;
mod lifecycle;
mod nodes;
mod packages;
mod page;
mod refusal;
mod triggers;
mod versions;

pub(crate) use guard::Guard;
pub(crate) use refusal::Refusal;

use crate::desk::Desk;
use crate::history::History;
use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::Response;
use belfry_mesh::package::Kind;
use belfry_mesh::port::Ports;
use belfry_mesh::port::packages::Packages;
use belfry_mesh::trace::TraceParent;
use belfry_mesh::{EventId, Problem};
use document::Routes;
use rand::rngs::StdRng;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// What the handlers work with.
pub(crate) struct Api {
    pub(crate) ports: Ports,
    pub(crate) packages: Arc<dyn Packages>,
    pub(crate) desk: Arc<Desk>,
    pub(crate) history: History,
    pub(crate) rng: Mutex<StdRng>,
}

impl Api {
    /// A fresh event id, and a fresh trace unless the request belongs to one.
    fn fresh(&self, trace: Option<TraceParent>) -> (EventId, TraceParent) {
        let mut rng = self.rng.lock().unwrap_or_else(PoisonError::into_inner);
        let id = EventId::random(&mut *rng);
        (id, trace.unwrap_or_else(|| TraceParent::new(&mut *rng)))
    }
}

/// What can be done with packages of every kind.
const OF_EACH_KIND: [fn() -> Routes; 13] = [
    || routes!(install::install),
    || routes!(install::install_version),
    || routes!(lifecycle::list),
    || routes!(lifecycle::uninstall),
    || routes!(lifecycle::status),
    || routes!(lifecycle::logs),
    || routes!(lifecycle::start),
    || routes!(lifecycle::stop),
    || routes!(lifecycle::restart),
    || routes!(lifecycle::scale),
    || routes!(versions::update),
    || routes!(versions::rollback),
    || routes!(versions::history),
];

/// All routes.
fn routes() -> OpenApiRouter<Arc<Api>> {
    let mut router = OpenApiRouter::with_openapi(document::frame());
    for kind in [Kind::Trigger, Kind::Mcp] {
        for routes in OF_EACH_KIND {
            router = router.routes(document::of_kind(kind, routes()));
        }
    }
    router
        .routes(routes!(triggers::installed))
        .routes(routes!(triggers::pause))
        .routes(routes!(triggers::resume))
        .routes(routes!(triggers::run))
        .routes(routes!(nodes::list))
        .routes(routes!(nodes::status, nodes::forget))
        .routes(routes!(nodes::cordon))
        .routes(routes!(nodes::uncordon))
        .routes(routes!(nodes::drain))
        .routes(routes!(gateways::list))
        .routes(routes!(packages::list))
        .routes(routes!(events::list))
        .routes(routes!(events::show))
        .routes(routes!(events::replay))
        .routes(routes!(dead_letters::list))
        .routes(routes!(dead_letters::discard))
        .routes(routes!(health::health))
        .routes(routes!(health::ready))
        .routes(routes!(document::openapi))
}

/// The API as a service that reads bodies of up to `max_body` bytes.
pub(crate) fn router(api: Arc<Api>, guard: Guard, max_body: usize) -> Router {
    let (router, _) = routes().split_for_parts();
    router
        .fallback(no_such_path)
        .method_not_allowed_fallback(no_such_method)
        .layer(DefaultBodyLimit::max(max_body))
        .layer(middleware::from_fn_with_state(
            Arc::new(guard),
            guard::admit,
        ))
        .layer(middleware::from_fn(note))
        .with_state(api)
}

async fn no_such_path(request: Request) -> Refusal {
    let detail = format!(
        "there is no `{}` here; /openapi.json describes what there is",
        request.uri().path()
    );
    Problem::new(StatusCode::NOT_FOUND, detail).into()
}

async fn no_such_method(request: Request) -> Refusal {
    let detail = format!(
        "`{}` does not take {}; /openapi.json describes what it takes",
        request.uri().path(),
        request.method()
    );
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, detail).into()
}

/// Logs what became of a request, and says that answers are of the moment and are what they say they are.
async fn note(request: Request, next: Next) -> Response {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let began = Instant::now();
    let mut response = next.run(request).await;
    let (status, duration_ms) = (response.status().as_u16(), began.elapsed().as_millis());
    match response.extensions().get::<Problem>() {
        Some(problem) if status >= 500 => {
            tracing::warn!(%method, path, status, duration_ms, "a request failed: {}", problem.detail);
        }
        // What is wrong with a request may repeat what is in it.
        Some(_) => tracing::debug!(%method, path, status, duration_ms, "a request was refused"),
        None if method.is_safe() => {
            tracing::debug!(%method, path, status, duration_ms, "a request was answered")
        }
        None => tracing::info!(%method, path, status, duration_ms, "a command was carried out"),
    }
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    response
}
