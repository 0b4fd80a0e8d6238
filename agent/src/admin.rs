//! How the agent is, for those who look after it.

use crate::Agent;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use belfry_serve::{Config, Tasks};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// How long answers may still run after the shutdown was asked for.
const GRACE: Duration = Duration::from_secs(5);

/// Serves until `shutdown`, and what was asked before it.
pub(crate) async fn serve(agent: Arc<Agent>, listener: TcpListener, shutdown: CancellationToken) {
    let router = Router::new()
        .route("/health", get(|| async { Json(json!({"status": "ok"})) }))
        .route("/ready", get(ready))
        .with_state(agent);
    let (tasks, answer) = (Tasks::default(), belfry_serve::routed(router));
    belfry_serve::serve(listener, answer, &Config::default(), &shutdown, &tasks).await;
    tasks.end(GRACE).await;
}

/// Whether events can be pulled and containers run.
async fn ready(State(agent): State<Arc<Agent>>) -> (StatusCode, Json<Value>) {
    let told = |result: Result<(), String>| match result {
        Ok(()) => json!({"status": "ok"}),
        Err(why) => json!({"status": "unavailable", "detail": why}),
    };
    let bus = agent
        .ports
        .events
        .ping()
        .await
        .map_err(|error| error.to_string());
    let runtime = agent
        .runtime
        .list()
        .await
        .map(drop)
        .map_err(|error| error.to_string());
    let ready = bus.is_ok() && runtime.is_ok();
    let body = json!({
        "status": if ready { "ready" } else { "unavailable" },
        "node": agent.config.node,
        "checks": {"bus": told(bus), "runtime": told(runtime)},
    });
    let status = if ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (status, Json(body))
}
