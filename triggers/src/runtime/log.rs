//! What an instance wrote, as a stream.

use super::table::Cell;
use belfry_mesh::port::runtime::{Error, LogLine, Logs};
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use std::collections::VecDeque;
use std::sync::Arc;

struct Reading {
    cell: Arc<Cell>,
    /// What is still to be told.
    next: VecDeque<LogLine>,
    /// How many lines were seen.
    seen: usize,
    follow: bool,
}

/// What an instance wrote, see [`Runtime::logs`](belfry_mesh::port::runtime::Runtime::logs).
pub(super) fn read(cell: Arc<Cell>, what: Logs) -> BoxStream<'static, Result<LogLine, Error>> {
    let mut reading = Reading {
        cell,
        next: VecDeque::new(),
        seen: 0,
        follow: what.follow,
    };
    reading.look();
    reading
        .next
        .retain(|line| what.after.is_none_or(|after| line.at > after));
    let surplus = reading.next.len().saturating_sub(what.lines);
    reading.next.drain(..surplus);
    stream::unfold(reading, |mut reading| async {
        let line = reading.line().await?;
        Some((Ok(line), reading))
    })
    .boxed()
}

impl Reading {
    fn look(&mut self) {
        if let Some(memory) = self.cell.program.journal() {
            let (lines, seen) = memory.since(self.seen);
            self.next.extend(lines);
            self.seen = seen;
        }
    }

    async fn line(&mut self) -> Option<LogLine> {
        let mut written = self.cell.program.journal()?.written();
        while self.next.is_empty() && self.follow {
            if *written.borrow_and_update() == self.seen {
                tokio::select! {
                    biased;
                    _ = written.changed() => {}
                    () = self.cell.dropped.cancelled() => self.follow = false,
                }
            }
            self.look();
        }
        self.next.pop_front()
    }
}
