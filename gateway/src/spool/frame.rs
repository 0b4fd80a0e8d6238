//! How a record lies in a segment, and how it is found again when what is before it is damaged.
//!
//! A record is the segment's mark (8 bytes), the length of its body (4), the CRC-32 of length and body (4), and the body: the time
//! it was spooled (8 bytes, microseconds since 1970) and the event ([`Proven::to_record`]). Numbers have their lowest byte first.
//! The mark is drawn at random for each segment and stands in its file's name: a sender cannot know it, so that no body can hold
//! bytes that pass for a record where a damaged segment is searched for the next one.

use belfry_mesh::Proven;
use belfry_mesh::event::MalformedRecord;
use jiff::Timestamp;
use std::fmt;

/// What comes before the body.
const HEAD: usize = 16;

/// The time, at the begin of the body.
const TIME: usize = 8;

/// What begins each record of one segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark(u64);

/// A record, ready to be written once it has the mark of its segment.
pub(super) struct Frame {
    bytes: Vec<u8>,
}

/// What is found at one place of a segment. Ends are offsets in the bytes that were searched.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    /// A record as it was written.
    Record { body: &'a [u8], end: usize },
    /// Bytes that are none, up to the next record or the end.
    Damaged { end: usize },
    /// The beginning of a record at the end of the segment, or nothing but zeros there: what a crash in the middle of a write
    /// leaves behind.
    Torn,
    /// More bytes of the segment are needed to tell.
    Unfinished,
}

impl Mark {
    /// A mark of 64 drawn bits. Zeros are what a disk holds that was never written, so they are none.
    pub(super) fn new(drawn: u64) -> Self {
        Self(drawn.max(1))
    }

    /// The mark that [`fmt::Display`] wrote.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let digits =
            text.len() == 16 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        let mark = digits.then(|| u64::from_str_radix(text, 16).ok())??;
        (mark != 0).then_some(Self(mark))
    }

    fn bytes(self) -> [u8; 8] {
        self.0.to_le_bytes()
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl Frame {
    /// The record of an event that is spooled at this time; `None` if its length does not go into four bytes.
    pub(super) fn new(event: &Proven, spooled: Timestamp) -> Option<Self> {
        let mut bytes = vec![0; HEAD];
        bytes.extend_from_slice(&spooled.as_microsecond().to_le_bytes());
        event.to_record(&mut bytes);
        let length = u32::try_from(bytes.len() - HEAD).ok()?.to_le_bytes();
        let sum = checksum(length, &bytes[HEAD..]);
        bytes[8..12].copy_from_slice(&length);
        bytes[12..HEAD].copy_from_slice(&sum);
        Some(Self { bytes })
    }

    /// How much of a segment it takes.
    pub(super) fn len(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// Its bytes for the segment of this mark.
    pub(super) fn marked(&mut self, mark: Mark) -> &[u8] {
        self.bytes[..8].copy_from_slice(&mark.bytes());
        &self.bytes
    }
}

/// What is at `at`, which is not beyond the end. `whole` says that the bytes reach to the end of the segment.
pub(super) fn piece(bytes: &[u8], at: usize, mark: Mark, whole: bool) -> Piece<'_> {
    let rest = &bytes[at..];
    let Some((head, after)) = rest.split_first_chunk::<HEAD>() else {
        return open_end(rest, at, mark, whole);
    };
    if head[..8] != mark.bytes() {
        return open_end(rest, at, mark, whole);
    }
    let [.., l0, l1, l2, l3, c0, c1, c2, c3] = *head;
    let length = [l0, l1, l2, l3];
    let Some(body) = usize::try_from(u32::from_le_bytes(length))
        .ok()
        .and_then(|length| after.get(..length))
    else {
        return open_end(rest, at, mark, whole);
    };
    if checksum(length, body) != [c0, c1, c2, c3] {
        return open_end(rest, at, mark, whole);
    }
    let end = at + HEAD + body.len();
    Piece::Record { body, end }
}

/// Takes a body apart into the time it was spooled and the event.
pub(super) fn open(body: &[u8]) -> Result<(Timestamp, Proven), MalformedRecord> {
    let (time, record) = body
        .split_first_chunk::<TIME>()
        .ok_or(MalformedRecord::Cut("time"))?;
    let time = Timestamp::from_microsecond(i64::from_le_bytes(*time))
        .map_err(|_| MalformedRecord::Unusable("time"))?;
    Ok((time, Proven::from_record(record)?))
}

/// What bytes are that hold no record at their beginning.
fn open_end(rest: &[u8], at: usize, mark: Mark, whole: bool) -> Piece<'_> {
    let mark = mark.bytes();
    let next = rest.iter().skip(1).enumerate();
    let next = next
        .filter(|(_, byte)| **byte == mark[0])
        .map(|(before, _)| before + 1)
        .find(|&next| rest[next..].starts_with(&mark));
    match next {
        // Its length is damaged, or reaches beyond what was read so far.
        Some(_) if !whole && could_go_on(rest, mark) => Piece::Unfinished,
        Some(next) => Piece::Damaged { end: at + next },
        None if !whole => Piece::Unfinished,
        None if could_go_on(rest, mark) || rest.iter().all(|byte| *byte == 0) => Piece::Torn,
        None => Piece::Damaged {
            end: at + rest.len(),
        },
    }
}

/// Whether the bytes are the beginning of a record that they do not hold to its end.
fn could_go_on(rest: &[u8], mark: [u8; 8]) -> bool {
    let Some((head, after)) = rest.split_first_chunk::<HEAD>() else {
        return rest.starts_with(&mark) || mark.starts_with(rest);
    };
    let [.., l0, l1, l2, l3, _, _, _, _] = *head;
    let length = u32::from_le_bytes([l0, l1, l2, l3]);
    head.starts_with(&mark) && u64::from(length) > after.len() as u64
}

fn checksum(length: [u8; 4], body: &[u8]) -> [u8; 4] {
    let mut sum = crc32fast::Hasher::new();
    sum.update(&length);
    sum.update(body);
    sum.finalize().to_le_bytes()
}

#[cfg(test)]
mod tests;
