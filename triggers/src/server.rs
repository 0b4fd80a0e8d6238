//! The HTTP server of a trigger (the trigger contract): it takes events and says whether it is well.

use crate::answer::{Answer, Failure};
use crate::program::Program;
use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, State};
use axum::routing::get;
use belfry_mesh::event::{Address, Event};
use belfry_mesh::port::clock::Clock;
use belfry_mesh::problem::Problem;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, Uri, header};
use std::future::IntoFuture;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// Where events are posted if the package does not say.
pub const DEFAULT_PATH: &str = "/event";

/// The largest body of an event, in bytes.
pub const MAX_BODY: usize = 10 * 1024 * 1024;

/// How long connections get to take their last answer once their calls were dropped.
const LAST_ANSWERS: Duration = Duration::from_secs(1);

/// One program behind one listener.
#[derive(Debug)]
pub struct Server {
    /// Where it listens.
    pub listener: TcpListener,
    /// What it runs.
    pub program: Program,
    /// Where events are posted, such as [`DEFAULT_PATH`].
    pub path: String,
    /// How long calls in flight get to end by themselves after the shutdown begins.
    pub grace: Duration,
}

#[derive(Clone)]
struct Door {
    program: Arc<Program>,
    path: Arc<str>,
    dropped: CancellationToken,
}

impl Server {
    /// Serves until `shutdown` is cancelled and what was in flight has ended, or its grace has.
    ///
    /// # Errors
    /// If the listener fails.
    pub async fn run(self, clock: &dyn Clock, shutdown: CancellationToken) -> io::Result<()> {
        let dropped = CancellationToken::new();
        let door = Door {
            program: Arc::new(self.program),
            path: self.path.into(),
            dropped: dropped.clone(),
        };
        let router = Router::new()
            .route("/health", get(health))
            .fallback(take)
            .layer(DefaultBodyLimit::max(MAX_BODY))
            .with_state(door);
        serve(
            self.listener,
            router,
            clock,
            &Stop {
                shutdown,
                grace: self.grace,
                dropped,
            },
        )
        .await
    }
}

/// How a server ends.
pub(crate) struct Stop {
    /// Cancelled from outside, it begins the end: nothing more is accepted.
    pub(crate) shutdown: CancellationToken,
    /// How long calls in flight get then.
    pub(crate) grace: Duration,
    /// Cancelled by the server once the grace is over: calls that are still in flight are dropped and answered with a 503.
    pub(crate) dropped: CancellationToken,
}

pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    clock: &dyn Clock,
    stop: &Stop,
) -> io::Result<()> {
    let serving = axum::serve(listener, router)
        .with_graceful_shutdown(stop.shutdown.clone().cancelled_owned());
    let mut serving = std::pin::pin!(serving.into_future());
    let grace_over = async {
        stop.shutdown.cancelled().await;
        clock.sleep(stop.grace).await;
    };
    tokio::select! {
        ended = &mut serving => return ended,
        () = grace_over => stop.dropped.cancel(),
    }
    tokio::select! {
        ended = serving => ended,
        () = clock.sleep(LAST_ANSWERS) => Ok(()),
    }
}

/// Hands an event to the program. When `dropped` is cancelled, the program's call is dropped and the caller is told to come again.
pub(crate) async fn answer(
    program: &Program,
    dropped: &CancellationToken,
    headers: &HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response<String> {
    let event = match body
        .map_err(|error| unread(&error))
        .and_then(|body| event(program, headers, body))
    {
        Ok(event) => event,
        Err(problem) => return problem.into_response(),
    };
    let answer = tokio::select! {
        biased;
        () = dropped.cancelled() => stopped(),
        answer = program.handle(&event) => answer,
    };
    answer.into_response()
}

/// The answer of a trigger that stops or has stopped. The event is not lost: its holder brings it again, to the next instance.
pub(crate) fn stopped() -> Answer {
    let summary =
        "the trigger is stopping, and its call was dropped; the event has to be brought again";
    let retry_after = Some(Duration::from_secs(1));
    Answer::Failed(Failure {
        retry_after,
        ..Failure::new(StatusCode::SERVICE_UNAVAILABLE, summary)
    })
}

pub(crate) fn well() -> Response<String> {
    let mut response = Response::new(r#"{"status":"ok"}"#.to_owned());
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    response
}

/// The path is compared as it is, since a package may have put anything into it.
async fn take(
    State(door): State<Door>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response<String> {
    if uri.path() != &*door.path {
        let detail = format!(
            "there is nothing at {}; events are taken at {}",
            uri.path(),
            door.path
        );
        return Problem::new(StatusCode::NOT_FOUND, detail).into_response();
    }
    if method != Method::POST {
        let detail = format!("events are posted to {}, not sent with {method}", door.path);
        let mut response = Problem::new(StatusCode::METHOD_NOT_ALLOWED, detail).into_response();
        response
            .headers_mut()
            .insert(header::ALLOW, HeaderValue::from_static("POST"));
        return response;
    }
    answer(&door.program, &door.dropped, &headers, body).await
}

async fn health() -> Response<String> {
    well()
}

fn event(program: &Program, headers: &HeaderMap, body: Bytes) -> Result<Event, Problem> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let address = match program.trigger() {
        Some(name) => Address::Trigger(name.clone()),
        None => Address::Signal(text("ce-type").unwrap_or_default().to_owned()),
    };
    let attributes = headers
        .iter()
        .filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
    Event::from_attributes(address, attributes, body).map_err(|error| {
        let detail = format!("{error}; an event comes in the HTTP binary mode of CloudEvents 1.0, its attributes in ce-* headers");
        Problem::new(StatusCode::BAD_REQUEST, detail)
    })
}

fn unread(error: &BytesRejection) -> Problem {
    match error.status() {
        StatusCode::PAYLOAD_TOO_LARGE => Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!("the event's body is over {MAX_BODY} bytes"),
        ),
        _ => Problem::new(StatusCode::BAD_REQUEST, "the event's body broke off"),
    }
}
