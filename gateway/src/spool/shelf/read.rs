//! Reading what waits, in the order in which it was added.

use super::{Segment, Shelf, Spot};
use crate::spool::Error;
use crate::spool::directory::{self, Kind};
use crate::spool::frame::{self, Piece, piece};
use crate::spool::keys::{Key, Keys};
use belfry_mesh::Proven;
use jiff::Timestamp;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

/// How much of a segment is read at once, unless a record is longer.
const STRETCH: u64 = 1 << 20;

/// How many bytes of records are handed out at once, unless one is longer: they lie in memory until they are stored.
const AT_ONCE: u64 = 4 << 20;

/// An event that waits.
pub(in crate::spool) struct Entry {
    pub(in crate::spool) event: Arc<Proven>,
    pub(in crate::spool) spooled: Timestamp,
    pub(in crate::spool) key: Key,
    pub(in crate::spool) spot: Spot,
}

/// What was found so far, up to a bound.
struct Basket {
    entries: Vec<Entry>,
    bytes: u64,
    most: usize,
}

/// Bytes of a segment.
struct Stretch<'a> {
    segment: Segment,
    from: u64,
    bytes: &'a [u8],
    /// Whether they reach to the segment's end.
    is_whole: bool,
}

impl Shelf {
    /// The next events, at most `most`: those after a spot, or from the first that waits on. What turns out to be damaged is put
    /// aside. None means that nothing is left after the spot.
    ///
    /// # Errors
    /// [`Error::Io`] if a segment cannot be read, or what is damaged cannot be put aside.
    pub(in crate::spool) fn read(
        &mut self,
        after: Option<Spot>,
        most: usize,
        keys: &Keys,
    ) -> Result<Vec<Entry>, Error> {
        let mut basket = Basket {
            entries: Vec::new(),
            bytes: 0,
            most,
        };
        for index in 0..self.segments.len() {
            let segment = self.segments[index];
            let from = match after {
                Some(spot) if segment.name.number < spot.name.number => continue,
                Some(spot) if segment.name == spot.name => spot.end,
                None if index == 0 => self.settled,
                _ => 0,
            };
            self.read_segment(segment, from, keys, &mut basket)
                .map_err(|error| {
                    let path = self.directory.segment(segment.name);
                    Error::io("cannot be read", &path, &error)
                })?;
            if basket.is_full() {
                break;
            }
        }
        if basket.entries.is_empty() && after.is_none() && !self.segments.is_empty() {
            // Only damage was left, and it is put aside.
            self.shed_all();
        }
        Ok(basket.entries)
    }

    fn read_segment(
        &mut self,
        segment: Segment,
        mut from: u64,
        keys: &Keys,
        basket: &mut Basket,
    ) -> io::Result<()> {
        let path = self.directory.segment(segment.name);
        let mut length = STRETCH;
        while from < segment.end && !basket.is_full() {
            let wanted = length.min(segment.end - from);
            let bytes = read(&path, from, wanted)?;
            let is_short = (bytes.len() as u64) < wanted;
            let stretch = Stretch {
                segment,
                from,
                bytes: &bytes,
                is_whole: is_short || from + wanted == segment.end,
            };
            let passed = self.take_apart(&stretch, keys, basket)?;
            from += passed as u64;
            if is_short && passed == bytes.len() {
                tracing::error!(
                    segment = segment.name.number,
                    at = from,
                    "a segment of the spool is shorter than it was written; the events at its end are lost"
                );
                keys.clear();
                break;
            }
            // A record that is longer than the stretch needs a longer one.
            length = if passed == 0 { length * 2 } else { STRETCH };
        }
        Ok(())
    }

    /// Takes as many events as are wanted out of a stretch. How many of its bytes they and the damage between them take.
    fn take_apart(
        &mut self,
        stretch: &Stretch<'_>,
        keys: &Keys,
        basket: &mut Basket,
    ) -> io::Result<usize> {
        let (name, bytes) = (stretch.segment.name, stretch.bytes);
        let mut from = 0;
        while from < bytes.len() && !basket.is_full() {
            let at = stretch.from + from as u64;
            let (end, why) = match piece(bytes, from, name.mark, stretch.is_whole) {
                Piece::Record { body, end } => match frame::open(body) {
                    Ok((spooled, event)) => {
                        basket.add(Entry {
                            key: keys.of(&event.event().id),
                            event: Arc::new(event),
                            spooled,
                            spot: Spot {
                                name,
                                at,
                                end: stretch.from + end as u64,
                            },
                        });
                        from = end;
                        continue;
                    }
                    Err(error) => (end, error.to_string()),
                },
                Piece::Damaged { end } => (end, "the checksum is wrong".to_owned()),
                Piece::Torn => (bytes.len(), "the record ends too early".to_owned()),
                Piece::Unfinished => break,
            };
            if self.put_aside(Kind::Damaged, name, at, &bytes[from..end])? {
                directory::report(Kind::Damaged, name, at, end - from, &why);
                // Whose events they were is unknown; a repetition of one must not pass for a duplicate.
                keys.clear();
            }
            from = end;
        }
        Ok(from)
    }
}

impl Basket {
    fn is_full(&self) -> bool {
        self.entries.len() >= self.most || self.bytes >= AT_ONCE
    }

    fn add(&mut self, entry: Entry) {
        self.bytes += entry.spot.end - entry.spot.at;
        self.entries.push(entry);
    }
}

/// Reads this much, or what is there of it.
fn read(path: &Path, from: u64, wanted: u64) -> io::Result<Vec<u8>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let left = file.metadata()?.len().saturating_sub(from);
    let length = usize::try_from(wanted.min(left)).map_err(io::Error::other)?;
    let mut bytes = vec![0; length];
    file.read_exact_at(&mut bytes, from)?;
    Ok(bytes)
}
