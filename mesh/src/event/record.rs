//! A proven event as bytes, for a disk that only its owner reads and writes.

use super::{Address, Event, Origin, Proven, binding};
use bytes::Bytes;

/// The first byte of each record: the layout, so that a later one can be told from it.
///
/// After it come one byte for the [`Origin`], the subject on the bus, the number of attributes, each attribute's name and value
/// ([`Event::attributes`]), and then the data up to the end. A text is its length and its UTF-8; lengths and numbers are four
/// bytes, the lowest first.
const LAYOUT: u8 = 1;

/// Why bytes are not the record of an event.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// They are of a layout that this version does not know.
    #[error(
        "the record has layout {0}, and only layout {LAYOUT} can be read; read it with the version that wrote it"
    )]
    Layout(u8),
    /// They end too early.
    #[error("the record ends before its {0}")]
    Cut(&'static str),
    /// A part of them is not what it must be.
    #[error("the record has an unusable {0}")]
    Unusable(&'static str),
    /// The attributes do not make an event.
    #[error(transparent)]
    Attributes(#[from] binding::Malformed),
}

impl Proven {
    /// Appends the event and how it proved its origin to `record`, so that [`Proven::from_record`] makes the same of it.
    pub fn to_record(&self, record: &mut Vec<u8>) {
        let event = self.event();
        let attributes = event.attributes();
        record.reserve(1024 + event.data.len());
        record.push(LAYOUT);
        record.push(match self.origin() {
            Origin::Verified => b'v',
            Origin::Operator => b'o',
            Origin::Replay => b'r',
        });
        put_text(record, &event.address.subject());
        put_number(record, attributes.len());
        for (name, value) in &attributes {
            put_text(record, name);
            put_text(record, value);
        }
        record.extend_from_slice(&event.data);
    }

    /// The event that [`Proven::to_record`] wrote.
    ///
    /// This is the one way from bytes to a proof without a new verification. The record is the proof that this very process, or
    /// the one before it, made and left to itself; so it may come only from a place that nobody else writes to: files of the
    /// role's own, readable and writable by its user alone, guarded by a checksum. Never call it on what came over a network.
    ///
    /// # Errors
    /// [`Malformed`] for anything else. No input panics.
    pub fn from_record(record: &[u8]) -> Result<Self, Malformed> {
        let mut rest = record;
        let layout = take_byte(&mut rest, "layout")?;
        if layout != LAYOUT {
            return Err(Malformed::Layout(layout));
        }
        let origin = match take_byte(&mut rest, "origin")? {
            b'v' => Origin::Verified,
            b'o' => Origin::Operator,
            b'r' => Origin::Replay,
            _ => return Err(Malformed::Unusable("origin")),
        };
        let address = Address::parse(take_text(&mut rest, "subject")?)
            .ok_or(Malformed::Unusable("subject"))?;
        let count = take_number(&mut rest, "number of attributes")?;
        let mut attributes = Vec::new();
        for _ in 0..count {
            let name = take_text(&mut rest, "attributes")?;
            attributes.push((name, take_text(&mut rest, "attributes")?));
        }
        let event = Event::from_attributes(address, attributes, Bytes::copy_from_slice(rest))?;
        Ok(Self::recorded(event, origin))
    }
}

fn put_number(record: &mut Vec<u8>, number: usize) {
    let number = u32::try_from(number).expect("a text of an event is far below 4 GiB");
    record.extend_from_slice(&number.to_le_bytes());
}

fn put_text(record: &mut Vec<u8>, text: &str) {
    put_number(record, text.len());
    record.extend_from_slice(text.as_bytes());
}

fn take_byte(rest: &mut &[u8], what: &'static str) -> Result<u8, Malformed> {
    let (byte, left) = rest.split_first().ok_or(Malformed::Cut(what))?;
    *rest = left;
    Ok(*byte)
}

fn take_number(rest: &mut &[u8], what: &'static str) -> Result<usize, Malformed> {
    let (number, left) = rest.split_first_chunk().ok_or(Malformed::Cut(what))?;
    *rest = left;
    usize::try_from(u32::from_le_bytes(*number)).map_err(|_| Malformed::Cut(what))
}

fn take_text<'a>(rest: &mut &'a [u8], what: &'static str) -> Result<&'a str, Malformed> {
    let length = take_number(rest, what)?;
    let (text, left) = rest.split_at_checked(length).ok_or(Malformed::Cut(what))?;
    *rest = left;
    std::str::from_utf8(text).map_err(|_| Malformed::Unusable(what))
}

#[cfg(test)]
mod tests;
