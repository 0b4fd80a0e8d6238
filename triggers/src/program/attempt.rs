//! The lines that an attempt leaves in the journal.

use super::Program;
use crate::answer::Answer;
use crate::journal::Line;
use belfry_mesh::event::Event;
use tokio::time::Instant;

/// An attempt under way, so that one that is dropped leaves a line too.
pub(super) struct Attempt<'a> {
    program: &'a Program,
    event: &'a Event,
    began: Instant,
    ended: bool,
}

impl<'a> Attempt<'a> {
    pub(super) fn begin(program: &'a Program, event: &'a Event) -> Self {
        Self {
            program,
            event,
            began: Instant::now(),
            ended: false,
        }
    }

    /// The attempt's last line: what became of the event.
    pub(super) fn end(mut self, answer: &Answer) {
        self.ended = true;
        match answer {
            Answer::Triggered {
                execution_id: id, ..
            } => self.write(false, "triggered", id.as_deref()),
            Answer::Ignored { reason } => self.write(false, &format!("ignored: {reason}"), None),
            Answer::Failed(failure) => {
                let (status, why) = (failure.status.as_u16(), &failure.summary);
                self.write(true, &format!("failed with {status}: {why}"), None);
            }
        }
    }

    /// A line on the way there.
    pub(super) fn write(&self, severe: bool, text: &str, execution_id: Option<&str>) {
        let text = text.replace(char::is_control, " ");
        let line = Line {
            severe,
            text: &text,
            trigger: self.program.trigger.as_ref(),
            event: &self.event.id,
            execution_id,
            took: self.began.elapsed(),
        };
        self.program.journal.write(&line, self.program.clock.now());
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        if !self.ended {
            let text = "the call was dropped: its caller hung up, or the trigger is stopping";
            self.write(true, text, None);
        }
    }
}
