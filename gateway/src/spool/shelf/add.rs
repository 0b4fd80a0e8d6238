//! Adding records: all that are given share one fsync.

use super::{Segment, Shelf};
use crate::spool::Error;
use crate::spool::directory::Name;
use crate::spool::disk::Medium;
use crate::spool::thread::Append;
use std::io;

impl Shelf {
    /// Adds the events, and tells of each whether it is on the disk now. Whatever fails, what was acknowledged before stays, and
    /// the segment ends with it.
    pub(in crate::spool) fn add(&mut self, events: &mut [Append]) -> Vec<Result<(), Error>> {
        let room = self.room(events.iter().map(|event| event.frame.len()).sum());
        let (name, mut medium) = match self.open_segment() {
            Ok(open) => open,
            Err(error) => return vec![Err(error); events.len()],
        };
        let begin = self.segments.back().map_or(0, |last| last.end);
        let mut end = begin;
        let mut is_sound = true;
        let mut added: Vec<Result<(), Error>> = Vec::with_capacity(events.len());
        for event in &mut *events {
            let length = event.frame.len();
            added.push(if end - begin + length > room {
                Err(self.full())
            } else if let Err(error) = medium.write(event.frame.marked(name.mark), end) {
                // What was written of it must not stand before the next one.
                is_sound &= medium.cut(end).is_ok();
                Err(self.failed(name, "cannot be written to", &error))
            } else {
                end += length;
                Ok(())
            });
        }
        if end > begin
            && let Err(error) = medium.sync()
        {
            // Nobody knows what is on the disk now, and a second fsync would not tell: the system may have dropped the pages
            // that it could not write. So none counts, and this file gets no more of them.
            is_sound = false;
            // If this fails too, the next start may find events that were not acknowledged. They are genuine all the same.
            let _ = medium.cut(begin);
            end = begin;
            let error = self.failed(name, "cannot be made durable", &error);
            for outcome in added.iter_mut().filter(|outcome| outcome.is_ok()) {
                *outcome = Err(error.clone());
            }
        }
        self.active = is_sound.then_some(medium);
        let durable = events
            .iter()
            .zip(&added)
            .filter(|(_, outcome)| outcome.is_ok());
        let durable: Vec<_> = durable.map(|(event, _)| event.spooled).collect();
        if let (Some(last), Some(oldest)) = (self.segments.back_mut(), durable.first()) {
            if self.depth == 0 {
                self.oldest = Some(*oldest);
            }
            last.end = end;
            last.waiting += durable.len() as u64;
            self.depth += durable.len() as u64;
            self.bytes += end - begin;
        }
        added
    }

    /// How much may still be added, if this much is wanted.
    fn room(&mut self, wanted: u64) -> u64 {
        let left = |shelf: &Self| {
            let taken = shelf.bytes + shelf.aside.bytes;
            shelf.config.max_bytes.saturating_sub(taken)
        };
        if left(self) < wanted && self.aside.bytes > 0 {
            // An operator may have taken away what lies beside the segments. If it cannot be counted, the old count holds.
            self.aside = self.directory.aside().unwrap_or(self.aside);
        }
        left(self)
    }

    /// The file that gets the next records: the last one, or a new one if that is large enough.
    fn open_segment(&mut self) -> Result<(Name, Box<dyn Medium>), Error> {
        if let (Some(medium), Some(last)) = (self.active.take(), self.segments.back())
            && last.end < self.config.segment_bytes
        {
            return Ok((last.name, medium));
        }
        let name = Name {
            number: self.next,
            mark: (self.marks)(),
        };
        let path = self.directory.segment(name);
        let made = self.disk.create(&path);
        let made = made.and_then(|medium| self.directory.sync().map(|()| medium));
        match made {
            Ok(medium) => {
                self.next += 1;
                self.segments.push_back(Segment {
                    name,
                    end: 0,
                    waiting: 0,
                });
                Ok((name, medium))
            }
            Err(error) => {
                // The number is used again, under another mark.
                let _ = self.directory.remove(name);
                Err(self.failed(name, "cannot be made", &error))
            }
        }
    }

    fn full(&self) -> Error {
        Error::Full {
            max_bytes: self.config.max_bytes,
        }
    }

    fn failed(&self, name: Name, what: &'static str, error: &io::Error) -> Error {
        Error::io(what, &self.directory.segment(name), error)
    }
}
