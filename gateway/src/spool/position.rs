//! How far the spool is drained, kept in a small file.

use super::directory::Directory;
use super::frame::Mark;
use std::io;

/// The file, in the spool's directory.
pub(super) const FILE: &str = "position";

/// The first word of the file: its layout.
const LAYOUT: &str = "belfry-spool-1";

/// A place in the spool. Everything before it is stored in the event log or set aside; so is every segment of a smaller number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    /// The number of a segment, which need not be there yet.
    pub(super) segment: u64,
    /// How many bytes of it are settled, if it is the segment of this mark.
    pub(super) settled: Option<(Mark, u64)>,
}

/// What the file says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kept {
    /// There is none: nothing was drained yet, or it was taken away.
    Nothing,
    /// This.
    At(Place),
    /// It is not what [`Place::keep`] writes.
    Unusable,
}

impl Place {
    /// The beginning of a segment.
    pub(super) fn start_of(segment: u64) -> Self {
        Self {
            segment,
            settled: None,
        }
    }

    /// How many bytes of the segment with this mark are settled.
    pub(super) fn offset(&self, mark: Mark) -> u64 {
        match self.settled {
            Some((of, offset)) if of == mark => offset,
            _ => 0,
        }
    }

    /// Keeps it: it is on the disk whole, or what was there before still is.
    pub(super) fn keep(&self, directory: &Directory) -> io::Result<()> {
        let settled = self.settled.map_or_else(
            || "- 0".to_owned(),
            |(mark, offset)| format!("{mark} {offset}"),
        );
        let line = format!("{LAYOUT} {} {settled}", self.segment);
        let sum = crc32fast::hash(line.as_bytes());
        directory.replace(FILE, format!("{line} {sum:08x}\n").as_bytes())
    }

    /// What was kept last.
    pub(super) fn kept(directory: &Directory) -> io::Result<Kept> {
        let Some(bytes) = directory.read(FILE)? else {
            return Ok(Kept::Nothing);
        };
        let place = std::str::from_utf8(&bytes).ok().and_then(Self::parse);
        Ok(place.map_or(Kept::Unusable, Kept::At))
    }

    fn parse(text: &str) -> Option<Self> {
        let (line, sum) = text.strip_suffix('\n')?.rsplit_once(' ')?;
        if sum != format!("{:08x}", crc32fast::hash(line.as_bytes())) {
            return None;
        }
        let words: Vec<&str> = line.split(' ').collect();
        let [LAYOUT, segment, mark, offset] = words[..] else {
            return None;
        };
        let settled = match mark {
            "-" => None,
            mark => Some((Mark::parse(mark)?, offset.parse().ok()?)),
        };
        Some(Self {
            segment: segment.parse().ok()?,
            settled,
        })
    }
}
