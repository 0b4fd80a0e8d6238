//! The API: its routes, each described where it is handled, so that the routes and the OpenAPI document are one list.

mod dead_letters;
mod document;
mod events;
mod extract;
mod guard;
mod health;
mod install;
mod packages;
mod page;
mod refusal;
mod triggers;

pub(crate) use guard::Guard;

use crate::history::History;
use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::Response;
use belfry_mesh::control::Control;
use belfry_mesh::port::Ports;
use belfry_mesh::port::packages::Packages;
use belfry_mesh::trace::TraceParent;
use belfry_mesh::{EventId, Problem};
use rand::rngs::StdRng;
use refusal::Refusal;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// What the handlers work with.
pub(crate) struct Api {
    pub(crate) ports: Ports,
    pub(crate) packages: Arc<dyn Packages>,
    pub(crate) control: Control,
    pub(crate) history: History,
    pub(crate) rng: Mutex<StdRng>,
    pub(crate) commands: Commands,
}

/// Where commands run: apart from the connections that brought them.
pub(crate) struct Commands {
    pub(crate) tasks: TaskTracker,
    /// Ends commands in the middle of whatever they do.
    pub(crate) cut_off: CancellationToken,
}

impl Commands {
    /// Does a command to its end, even if the client hangs up meanwhile: half a command is worse than none.
    async fn see_through<T: Send + 'static>(
        &self,
        command: impl Future<Output = Result<T, Refusal>> + Send + 'static,
    ) -> Result<T, Refusal> {
        let cut_off = self.cut_off.clone();
        let task = self
            .tasks
            .spawn(async move { cut_off.run_until_cancelled(command).await });
        match task.await {
            Ok(Some(result)) => result,
            Ok(None) => Err(Refusal::cut_off()),
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }
}

impl Api {
    /// A fresh event id, and a fresh trace unless the request belongs to one.
    fn fresh(&self, trace: Option<TraceParent>) -> (EventId, TraceParent) {
        let mut rng = self.rng.lock().unwrap_or_else(PoisonError::into_inner);
        let id = EventId::random(&mut *rng);
        (id, trace.unwrap_or_else(|| TraceParent::new(&mut *rng)))
    }
}

/// All routes.
fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::with_openapi(document::frame())
        .routes(routes!(install::install))
        .routes(routes!(install::install_version))
        .routes(routes!(triggers::list))
        .routes(routes!(triggers::installed))
        .routes(routes!(triggers::uninstall))
        .routes(routes!(triggers::status))
        .routes(routes!(triggers::start))
        .routes(routes!(triggers::stop))
        .routes(routes!(triggers::restart))
        .routes(routes!(triggers::update))
        .routes(routes!(triggers::run))
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
