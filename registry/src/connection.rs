//! How the registry's connections are served.

use axum::Router;
use belfry_serve::{Config, Tasks};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// How long answers may still run after the shutdown was asked for. What is left then is cut off.
const GRACE: Duration = Duration::from_secs(5);

/// Serves until the shutdown is asked for and every connection has ended.
pub(crate) async fn serve(listener: TcpListener, router: Router, shutdown: CancellationToken) {
    let (tasks, answer) = (Tasks::default(), belfry_serve::routed(router));
    belfry_serve::serve(listener, answer, &Config::default(), &shutdown, &tasks).await;
    let left = tasks.end(GRACE).await;
    if left > 0 {
        tracing::warn!(
            open = left,
            "connections were still open {} s after the shutdown, and were cut off",
            GRACE.as_secs()
        );
    }
}
