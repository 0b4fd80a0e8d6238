//! What the last process left, taken up again.

use super::Error;
use super::directory::{Directory, Kind, Name, report, write_only};
use super::frame::{self, Piece, piece};
use super::keys::Keys;
use super::position::{Kept, Place};
use super::shelf::Segment;
use jiff::Timestamp;
use std::collections::VecDeque;
use std::io;

/// What lies in the directory and still waits.
#[derive(Default)]
pub(super) struct Recovered {
    /// The segments that are left, by their numbers.
    pub(super) segments: VecDeque<Segment>,
    /// How many bytes of the first are settled.
    pub(super) settled: u64,
    /// The number of the next segment.
    pub(super) next: u64,
    /// When the first that waits was spooled.
    pub(super) oldest: Option<Timestamp>,
}

/// Reads the whole directory. Damaged bytes are put aside, a torn end is cut, and both are reported.
pub(super) fn recover(directory: &Directory, keys: &Keys) -> Result<Recovered, Error> {
    let failed = |error: io::Error| Error::io("cannot be recovered", directory.path(), &error);
    let mut names = directory.segments().map_err(failed)?;
    let position = position(directory, &names).map_err(failed)?;
    // A crash came between the position and the removal.
    let settled = names.partition_point(|name| name.number < position.segment);
    for name in names.drain(..settled) {
        directory.remove(name).map_err(failed)?;
    }
    report_missing(position, &names);
    let mut recovered = Recovered {
        next: names
            .last()
            .map_or(position.segment, |last| last.number + 1),
        ..Recovered::default()
    };
    for name in names {
        let settled = match name.number == position.segment {
            true => position.offset(name.mark),
            false => 0,
        };
        let found = survey(directory, name, settled, keys).map_err(failed)?;
        if recovered.segments.is_empty() && found.segment.waiting == 0 {
            directory.remove(name).map_err(failed)?;
            continue;
        }
        if recovered.segments.is_empty() {
            recovered.settled = found.settled;
            recovered.oldest = found.oldest;
        }
        recovered.segments.push_back(found.segment);
    }
    Ok(recovered)
}

/// How far the spool was drained. One that cannot be made out means that everything is stored again: under the same ids, so that
/// the event log can tell.
fn position(directory: &Directory, names: &[Name]) -> io::Result<Place> {
    let from_the_start = Place::start_of(names.first().map_or(1, |first| first.number));
    match Place::kept(directory)? {
        Kept::At(place) => Ok(place),
        Kept::Nothing => Ok(from_the_start),
        Kept::Unusable => {
            tracing::warn!(
                directory = %directory.path().display(),
                "the spool's position cannot be read; all that lies there is stored again, under the same ids"
            );
            // Whatever comes next, a later start must not stumble over it again.
            from_the_start.keep(directory)?;
            Ok(from_the_start)
        }
    }
}

/// Segments are made and removed in the order of their numbers, so a gap is nobody's doing here.
fn report_missing(position: Place, names: &[Name]) {
    let mut expected = position.segment;
    for name in names {
        if name.number > expected {
            tracing::error!(
                first = expected,
                last = name.number - 1,
                "segments of the spool are missing; unless they were drained, their events are lost"
            );
        }
        expected = name.number + 1;
    }
}

/// What one segment holds.
struct Found {
    segment: Segment,
    settled: u64,
    oldest: Option<Timestamp>,
}

fn survey(directory: &Directory, name: Name, settled: u64, keys: &Keys) -> io::Result<Found> {
    let bytes = std::fs::read(directory.segment(name))?;
    let pieces = pieces(&bytes, name);
    let settled = on_a_border(settled, &pieces, bytes.len(), name);
    let mut found = Found {
        segment: Segment {
            name,
            end: bytes.len() as u64,
            waiting: 0,
        },
        settled,
        oldest: None,
    };
    let mut known = Vec::new();
    for (at, piece) in pieces {
        if (at as u64) < settled {
            continue;
        }
        let (kind, end, why) = match piece {
            Piece::Record { body, end } => match frame::open(body) {
                Ok((spooled, event)) => {
                    known.push(keys.of(&event.event().id));
                    found.segment.waiting += 1;
                    found.oldest.get_or_insert(spooled);
                    continue;
                }
                Err(error) => (Kind::Damaged, end, error.to_string()),
            },
            Piece::Damaged { end } => (Kind::Damaged, end, "the checksum is wrong".to_owned()),
            Piece::Torn | Piece::Unfinished => {
                (Kind::Torn, bytes.len(), "it ends too early".to_owned())
            }
        };
        let is_new = directory.put_aside(kind, name, at as u64, &bytes[at..end])?;
        if is_new {
            report(kind, name, at as u64, end - at, &why);
        }
        if kind == Kind::Torn {
            cut(directory, name, at as u64)?;
            found.segment.end = at as u64;
        }
    }
    keys.add(known);
    Ok(found)
}

/// All that lies in a segment, and where.
fn pieces(bytes: &[u8], name: Name) -> Vec<(usize, Piece<'_>)> {
    let mut pieces = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let piece = piece(bytes, at, name.mark, true);
        let end = match piece {
            Piece::Record { end, .. } | Piece::Damaged { end } => end,
            Piece::Torn | Piece::Unfinished => bytes.len(),
        };
        pieces.push((at, piece));
        at = end;
    }
    pieces
}

/// A position that is not between two records is not to be trusted.
fn on_a_border(settled: u64, pieces: &[(usize, Piece<'_>)], end: usize, name: Name) -> u64 {
    let is_border = settled == end as u64 || pieces.iter().any(|(at, _)| *at as u64 == settled);
    if settled == 0 || is_border {
        return settled;
    }
    tracing::warn!(
        segment = name.number,
        offset = settled,
        "the spool's position is not between two events; the whole segment is stored again, under the same ids"
    );
    0
}

fn cut(directory: &Directory, name: Name, end: u64) -> io::Result<()> {
    let file = write_only(&directory.segment(name), |options| options)?;
    file.set_len(end)?;
    file.sync_all()
}
