//! Tasks whose end is awaited.

use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// What a role runs: tasks whose end is awaited at its shutdown, and which are cut off when its grace is over.
#[derive(Debug, Clone, Default)]
pub struct Tasks {
    tracker: TaskTracker,
    cut_off: CancellationToken,
}

impl Tasks {
    /// The tasks on this tracker, which end when `cut_off` is cancelled.
    #[must_use]
    pub fn new(tracker: TaskTracker, cut_off: CancellationToken) -> Self {
        Self { tracker, cut_off }
    }

    /// Runs a task.
    pub fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let cut_off = self.cut_off.clone();
        self.tracker
            .spawn(async move { cut_off.run_until_cancelled(task).await });
    }

    /// Waits until all have ended, for this long, then cuts off those that are left and waits for them. Answers how many that
    /// were. Nothing should be spawned any more but by these tasks themselves.
    pub async fn end(&self, grace: Duration) -> usize {
        self.tracker.close();
        let ended = tokio::time::timeout(grace, self.tracker.wait()).await;
        let left = if ended.is_ok() { 0 } else { self.tracker.len() };
        self.cut_off.cancel();
        self.tracker.wait().await;
        left
    }
}

/// HTTP/2 runs each request as a task.
impl<F> hyper::rt::Executor<F> for Tasks
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, task: F) {
        self.spawn(task);
    }
}
