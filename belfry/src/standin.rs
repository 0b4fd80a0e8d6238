//! A stand-in for the orchestrator, for development and tests: it records what it was asked, and fails on request.

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::serve::ListenerExt;
use axum::{Json, Router};
use belfry_mesh::Problem;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How many calls are kept; older ones are forgotten.
const KEPT: usize = 50_000;

/// The stand-in. Clones share one record.
#[derive(Clone)]
pub struct StandIn {
    inner: Arc<Inner>,
}

struct Inner {
    record: Mutex<Record>,
    /// How many calls came, for those who wait for one.
    count: watch::Sender<usize>,
    /// How many calls have arrived, answered or not.
    arrivals: watch::Sender<usize>,
    /// The calls that are worked on: one whose caller has gone away is carried out all the same.
    work: TaskTracker,
}

#[derive(Default)]
struct Record {
    calls: VecDeque<Call>,
    executions: BTreeMap<String, String>,
    answers: VecDeque<Answer>,
    total: usize,
}

/// A call as it came.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Call {
    /// The path that was called.
    pub path: String,
    /// Its `Idempotency-Key`.
    pub idempotency_key: Option<String>,
    /// Its `traceparent`.
    pub traceparent: Option<String>,
    /// The status that it was answered with.
    pub status: u16,
    /// The run that it was told of.
    pub execution_id: Option<String>,
    /// What was sent.
    pub body: Value,
    /// When it had arrived.
    #[serde(skip)]
    pub arrived: Instant,
}

/// How the next calls are answered instead of with a run.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// The status; a 2xx starts a run.
    pub status: u16,
    /// For how many calls.
    #[serde(default = "once")]
    pub times: u32,
    /// How long it takes, in milliseconds.
    #[serde(default)]
    pub delay_ms: u64,
    /// Its `Retry-After`, in seconds.
    #[serde(default)]
    pub retry_after: Option<u64>,
}

fn once() -> u32 {
    1
}

impl Default for StandIn {
    fn default() -> Self {
        Self {
            inner: Arc::new(Inner {
                record: Mutex::default(),
                count: watch::Sender::new(0),
                arrivals: watch::Sender::new(0),
                work: TaskTracker::new(),
            }),
        }
    }
}

impl StandIn {
    /// Serves until `shutdown`.
    ///
    /// # Errors
    /// If the listener fails.
    pub async fn run(
        self,
        listener: TcpListener,
        shutdown: CancellationToken,
    ) -> std::io::Result<()> {
        let router = Router::new()
            .route("/workflows/execute", post(execute))
            .route("/teams/run", post(execute))
            .route(
                "/teams",
                get(|| async { Json(json!([{"id": "demo-team", "name": "Demo team"}])) }),
            )
            .route("/calls", get(calls).delete(forget))
            .route("/calls/{key}", get(calls_of))
            .route("/answers", post(answers))
            .route("/health", get(|| async { Json(json!({"status": "ok"})) }))
            .with_state(self.clone());
        // Answers are small and must not wait for more to send; a socket that cannot be told so works all the same.
        let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
        let served = axum::serve(listener, router)
            .with_graceful_shutdown(shutdown.cancelled_owned())
            .await;
        self.inner.work.close();
        self.inner.work.wait().await;
        served
    }

    /// The calls so far, oldest first.
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        self.record().calls.iter().cloned().collect()
    }

    /// Answers the next calls so, after those that were asked for before.
    pub fn answer(&self, answer: Answer) {
        self.record().answers.push_back(answer);
    }

    /// Returns once at least `count` calls came, or after `patience`; answers how many came.
    pub async fn wait_for(&self, count: usize, patience: Duration) -> usize {
        let mut seen = self.inner.count.subscribe();
        tokio::time::timeout(patience, seen.wait_for(|&came| came >= count))
            .await
            .ok();
        *self.inner.count.borrow()
    }

    /// Returns once at least `count` calls have arrived, whether or not they are answered, or after `patience`; answers how many.
    pub async fn wait_for_arrival(&self, count: usize, patience: Duration) -> usize {
        let mut arrived = self.inner.arrivals.subscribe();
        tokio::time::timeout(patience, arrived.wait_for(|&came| came >= count))
            .await
            .ok();
        *self.inner.arrivals.borrow()
    }

    fn record(&self) -> std::sync::MutexGuard<'_, Record> {
        self.inner
            .record
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Record {
    fn next_answer(&mut self) -> Answer {
        let ordinary = Answer {
            status: 200,
            times: 1,
            delay_ms: 0,
            retry_after: None,
        };
        let Some(first) = self.answers.front_mut() else {
            return ordinary;
        };
        let answer = first.clone();
        first.times = first.times.saturating_sub(1);
        if first.times == 0 {
            self.answers.pop_front();
        }
        answer
    }

    /// The run of a key: the same key names the same run, as an orchestrator that honours it answers.
    fn execution(&mut self, key: Option<&str>) -> String {
        let next = format!("exec-{:06}", self.executions.len() + 1);
        let key = key.map_or_else(|| next.clone(), str::to_owned);
        self.executions.entry(key).or_insert(next).clone()
    }
}

async fn execute(
    State(standin): State<StandIn>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let arrived = Instant::now();
    standin.inner.arrivals.send_modify(|count| *count += 1);
    let work = standin.inner.work.clone();
    let run = work.spawn(run(standin, arrived, uri, headers, body));
    run.await
        .unwrap_or_else(|_| StatusCode::INTERNAL_SERVER_ERROR.into_response())
}

async fn run(
    standin: StandIn,
    arrived: Instant,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let header = |name| {
        headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .map(str::to_owned)
    };
    let answer = standin.record().next_answer();
    tokio::time::sleep(Duration::from_millis(answer.delay_ms)).await;
    let key = header("idempotency-key");
    let succeeded = (200..300).contains(&answer.status);
    let call = {
        let mut record = standin.record();
        let execution_id = succeeded.then(|| record.execution(key.as_deref()));
        let call = Call {
            path: uri.path().to_owned(),
            idempotency_key: key,
            traceparent: header("traceparent"),
            status: answer.status,
            execution_id,
            body: serde_json::from_slice(&body).unwrap_or(Value::Null),
            arrived,
        };
        record.calls.push_back(call.clone());
        record.total += 1;
        if record.calls.len() > KEPT {
            record.calls.pop_front();
        }
        standin.inner.count.send_replace(record.total);
        call
    };
    respond(&answer, &call)
}

fn respond(answer: &Answer, call: &Call) -> Response {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    if let Some(id) = &call.execution_id {
        return (status, Json(json!({"id": id, "status": "started"}))).into_response();
    }
    let mut problem = Problem::new(
        status,
        format!("the stand-in was told to answer {}", answer.status),
    );
    if let Some(seconds) = answer.retry_after {
        problem = problem.retry_after(Duration::from_secs(seconds));
    }
    problem.into_response().into_response()
}

async fn calls(State(standin): State<StandIn>) -> Json<Vec<Call>> {
    Json(standin.calls())
}

async fn calls_of(State(standin): State<StandIn>, Path(key): Path<String>) -> Json<Vec<Call>> {
    let of = |call: &Call| call.idempotency_key.as_deref() == Some(key.as_str());
    Json(standin.calls().into_iter().filter(of).collect())
}

async fn forget(State(standin): State<StandIn>) -> StatusCode {
    standin.record().calls.clear();
    StatusCode::NO_CONTENT
}

async fn answers(State(standin): State<StandIn>, Json(answer): Json<Answer>) -> StatusCode {
    standin.answer(answer);
    StatusCode::ACCEPTED
}
