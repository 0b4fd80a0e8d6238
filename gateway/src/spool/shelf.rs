//! The segments: what waits in them, how far they are drained, and what lies beside them. The thread owns it, so nothing here is
//! shared.

mod add;
mod read;

pub(super) use read::Entry;

use super::directory::{Aside, Directory, Kind, Name};
use super::disk::{Disk, Medium};
use super::frame::Mark;
use super::position::Place;
use super::recovery::Recovered;
use super::{Config, Error};
use jiff::Timestamp;
use std::collections::VecDeque;
use std::io;
use std::path::Path;

/// Draws the mark of a new segment.
pub(super) type Marks = Box<dyn FnMut() -> Mark + Send>;

/// A file that records were added to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Segment {
    pub(super) name: Name,
    /// Up to here it holds what was acknowledged.
    pub(super) end: u64,
    /// How many of its events are not settled.
    pub(super) waiting: u64,
}

/// Where a record lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Spot {
    pub(super) name: Name,
    pub(super) at: u64,
    pub(super) end: u64,
}

/// The segments, the oldest first.
pub(super) struct Shelf {
    config: Config,
    directory: Directory,
    disk: Box<dyn Disk>,
    marks: Marks,
    segments: VecDeque<Segment>,
    /// The file of the last segment, while records may still be added to it.
    active: Option<Box<dyn Medium>>,
    /// How many bytes of the first segment are settled.
    settled: u64,
    /// The number of the next segment.
    next: u64,
    /// Segments that are drained, whose files go once the position is kept.
    drained: Vec<Segment>,
    /// How many times it changed since the position was kept.
    unkept: u64,
    depth: u64,
    bytes: u64,
    oldest: Option<Timestamp>,
    aside: Aside,
}

impl Shelf {
    pub(super) fn new(
        directory: Directory,
        recovered: Recovered,
        config: Config,
        disk: Box<dyn Disk>,
        marks: Marks,
    ) -> Result<Self, Error> {
        let aside = directory
            .aside()
            .map_err(|error| Error::io("cannot be read", directory.path(), &error))?;
        let segments = recovered.segments;
        Ok(Self {
            config,
            directory,
            disk,
            marks,
            depth: segments.iter().map(|segment| segment.waiting).sum(),
            bytes: segments.iter().map(|segment| segment.end).sum(),
            segments,
            active: None,
            settled: recovered.settled,
            next: recovered.next,
            drained: Vec::new(),
            unkept: 0,
            oldest: recovered.oldest,
            aside,
        })
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// How many events wait.
    pub(super) fn depth(&self) -> u64 {
        self.depth
    }

    /// How much the segments take on the disk.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// When the first that waits was spooled.
    pub(super) fn oldest(&self) -> Option<Timestamp> {
        self.oldest
    }

    /// What lies beside the segments.
    pub(super) fn aside(&self) -> Aside {
        self.aside
    }

    /// How many changes of the position are not on the disk.
    pub(super) fn unkept(&self) -> u64 {
        self.unkept
    }

    /// The record at this spot, and all before it, are stored in the event log or set aside. `next` is when the one after it was
    /// spooled, if that is known.
    pub(super) fn settle(&mut self, spot: Spot, next: Option<Timestamp>) {
        while self
            .segments
            .front()
            .is_some_and(|first| first.name.number < spot.name.number)
        {
            self.shed();
        }
        let Some(first) = self.segments.front_mut() else {
            return;
        };
        if first.name != spot.name || spot.end <= self.settled {
            return;
        }
        self.settled = spot.end;
        if first.waiting > 0 {
            first.waiting -= 1;
            self.depth -= 1;
        }
        self.oldest = next.or(self.oldest);
        self.unkept += 1;
        if self.depth == 0 {
            self.shed_all();
        } else if self.settled >= first.end && self.segments.len() > 1 {
            self.shed();
        }
    }

    /// Puts an event aside that the event log does not take, as this text. It is settled by [`Shelf::settle`], in its turn.
    ///
    /// # Errors
    /// [`Error::Io`] if the disk fails or is full.
    pub(super) fn refuse(&mut self, spot: Spot, text: &[u8]) -> Result<(), Error> {
        self.put_aside(Kind::Refused, spot.name, spot.at, text)
            .map(|_| ())
            .map_err(|error| Error::io("cannot set an event aside", self.path(), &error))
    }

    /// Keeps the position, and takes the drained segments away. They go even if the position cannot be kept: that they are gone
    /// says as much, and on a full disk nothing else makes room.
    pub(super) fn keep(&mut self) -> io::Result<()> {
        let kept = self.place().keep(&self.directory);
        for segment in std::mem::take(&mut self.drained) {
            self.bytes -= segment.end;
            if let Err(error) = self.directory.remove(segment.name) {
                tracing::warn!(segment = segment.name.number, %error, "a drained segment of the spool could not be removed");
            }
        }
        if kept.is_ok() {
            self.unkept = 0;
        }
        kept
    }

    fn place(&self) -> Place {
        match self.segments.front() {
            Some(first) => Place {
                segment: first.name.number,
                settled: Some((first.name.mark, self.settled)),
            },
            None => Place::start_of(self.next),
        }
    }

    fn put_aside(&mut self, kind: Kind, from: Name, at: u64, bytes: &[u8]) -> io::Result<bool> {
        let is_new = self.directory.put_aside(kind, from, at, bytes)?;
        if is_new {
            self.aside.count += 1;
            self.aside.bytes += bytes.len() as u64;
        }
        Ok(is_new)
    }

    /// Lets go of the first segment. What is not settled in it cannot be read.
    fn shed(&mut self) {
        if let Some(first) = self.segments.pop_front() {
            self.depth -= first.waiting;
            self.settled = 0;
            self.drained.push(first);
            self.unkept += 1;
        }
        if self.segments.is_empty() {
            self.active = None;
        }
    }

    fn shed_all(&mut self) {
        while !self.segments.is_empty() {
            self.shed();
        }
    }
}
