//! How the gateway's connections are served.

use crate::doors::Doors;
use belfry_serve::Tasks;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// Accepts and serves connections until `shutdown`, each as a task of the gateway's own, so that its end can be awaited.
pub(crate) async fn accept(
    doors: &Arc<Doors>,
    listener: TcpListener,
    config: &belfry_serve::Config,
    shutdown: &CancellationToken,
) {
    let tasks = Tasks::new(doors.tasks.clone(), doors.cut_off.clone());
    let answering = doors.clone();
    let answer = move |request, peer| answering.clone().answer(peer, request);
    belfry_serve::serve(listener, answer, config, shutdown, &tasks).await;
}
