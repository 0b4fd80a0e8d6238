//! Request and reply within one process.

use async_trait::async_trait;
use belfry_mesh::port::Error;
use belfry_mesh::port::calls::{Answer, Calls, Handler, Serving};
use bytes::Bytes;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio_util::task::TaskTracker;

/// Who serves what in this process.
pub(super) struct Switchboard {
    lines: Arc<Mutex<Lines>>,
    tasks: TaskTracker,
}

#[derive(Default)]
struct Lines {
    by_subject: HashMap<String, Vec<(u64, Handler)>>,
    /// Counts those who ever served, and whose turn it is.
    served: u64,
    asked: usize,
}

/// One who serves.
struct Line {
    lines: Arc<Mutex<Lines>>,
    subject: String,
    number: u64,
}

impl Switchboard {
    /// Handlers run as tasks of their own, so that a caller who hangs up interrupts none.
    pub(super) fn new(tasks: TaskTracker) -> Self {
        Self {
            lines: Arc::default(),
            tasks,
        }
    }

    fn pick(&self, subject: &str) -> Option<Handler> {
        let mut lines = lock(&self.lines);
        lines.asked = lines.asked.wrapping_add(1);
        let handlers = lines.by_subject.get(subject)?;
        handlers
            .get(lines.asked % handlers.len().max(1))
            .map(|(_, handler)| handler.clone())
    }
}

#[async_trait]
impl Calls for Switchboard {
    async fn request(
        &self,
        subject: &str,
        payload: Bytes,
        deadline: Duration,
    ) -> Result<Answer, Error> {
        let handler = self
            .pick(subject)
            .ok_or_else(|| Error::NotFound(format!("a service of `{subject}`")))?;
        match tokio::time::timeout(deadline, self.tasks.spawn(handler(payload))).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(ended)) => Err(Error::Unavailable {
                what: format!("the service of `{subject}`"),
                why: ended.to_string(),
            }),
            Err(_) => Err(Error::Deadline {
                who: subject.to_owned(),
                after: deadline,
            }),
        }
    }

    async fn serve(&self, subject: &str, handler: Handler) -> Result<Serving, Error> {
        let mut lines = lock(&self.lines);
        lines.served += 1;
        let number = lines.served;
        lines
            .by_subject
            .entry(subject.to_owned())
            .or_default()
            .push((number, handler));
        drop(lines);
        Ok(Serving::new(Line {
            lines: self.lines.clone(),
            subject: subject.to_owned(),
            number,
        }))
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        let mut lines = lock(&self.lines);
        if let Some(handlers) = lines.by_subject.get_mut(&self.subject) {
            handlers.retain(|(number, _)| *number != self.number);
            if handlers.is_empty() {
                lines.by_subject.remove(&self.subject);
            }
        }
    }
}

fn lock(lines: &Mutex<Lines>) -> MutexGuard<'_, Lines> {
    lines.lock().unwrap_or_else(PoisonError::into_inner)
}
