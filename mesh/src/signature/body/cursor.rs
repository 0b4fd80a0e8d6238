//! The reading itself, as the parser goes through the document.

use super::{Fields, Scalar, Wanted, Way};
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::borrow::Cow;
use std::fmt;

/// Where the reading is: `depth` steps into the document, on the way to those wanted fields whose bit is set in `live`.
pub(super) struct Cursor<'w, 'f, 'b> {
    pub(super) wanted: &'w Wanted,
    pub(super) live: u16,
    pub(super) depth: usize,
    pub(super) found: &'f mut Fields<'b>,
}

impl<'w, 'b> Cursor<'w, '_, 'b> {
    /// The wanted fields that go on with this key. What was found on their ways before is forgotten: this is a later value of the
    /// same key.
    fn key(&mut self, key: &str) -> u16 {
        let depth = self.depth;
        self.step(|way| way.every != Some(depth) && way.steps[depth] == key)
    }

    /// The wanted fields that go on with the item at this index.
    fn item(&mut self, index: usize) -> u16 {
        let depth = self.depth;
        self.step(|way| way.every == Some(depth) || is_index(&way.steps[depth], index))
    }

    fn step(&mut self, taken: impl Fn(&Way) -> bool) -> u16 {
        let mut next = 0;
        for (i, way) in self.wanted.0.iter().enumerate() {
            if self.live & (1 << i) == 0 || self.depth >= way.steps.len() || !taken(way) {
                continue;
            }
            next |= 1 << i;
            match way.every {
                None => self.found.found[i] = None,
                Some(at) if self.depth < at => self.found.every.clear(),
                Some(at) if self.depth == at => self.found.every.push(None),
                Some(_) => self.keep_in(i, None),
            }
        }
        next
    }

    fn deeper(&mut self, live: u16) -> Cursor<'w, '_, 'b> {
        Cursor {
            wanted: self.wanted,
            live,
            depth: self.depth + 1,
            found: self.found,
        }
    }

    /// Keeps a value for those wanted fields whose way ends here.
    fn keep(mut self, value: Scalar<'b>) {
        for (i, way) in self.wanted.0.iter().enumerate() {
            if self.live & (1 << i) != 0 && way.steps.len() == self.depth {
                self.keep_in(i, Some(value.clone()));
            }
        }
    }

    fn keep_in(&mut self, slot: usize, value: Option<Scalar<'b>>) {
        if self.wanted.0[slot].every.is_none() {
            self.found.found[slot] = value;
        } else if let Some(last) = self.found.every.last_mut() {
            *last = value;
        }
    }
}

impl<'b> DeserializeSeed<'b> for Cursor<'_, '_, 'b> {
    type Value = ();

    fn deserialize<D: Deserializer<'b>>(self, reader: D) -> Result<(), D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'b> Visitor<'b> for Cursor<'_, '_, 'b> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON document")
    }

    fn visit_map<A: MapAccess<'b>>(mut self, mut map: A) -> Result<(), A::Error> {
        while let Some(live) = map.next_key_seed(Key(&mut self))? {
            match live {
                0 => drop(map.next_value::<IgnoredAny>()?),
                live => map.next_value_seed(self.deeper(live))?,
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'b>>(mut self, mut list: A) -> Result<(), A::Error> {
        for index in 0usize.. {
            let before = self.found.every.len();
            let more = match self.item(index) {
                0 => list.next_element::<IgnoredAny>()?.is_some(),
                live => list.next_element_seed(self.deeper(live))?.is_some(),
            };
            if !more {
                // There was no such item after all.
                self.found.every.truncate(before);
                break;
            }
        }
        Ok(())
    }

    fn visit_borrowed_str<E: Error>(self, text: &'b str) -> Result<(), E> {
        self.keep(Scalar::Text(Cow::Borrowed(text)));
        Ok(())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        self.keep(Scalar::Text(Cow::Owned(text.to_owned())));
        Ok(())
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<(), E> {
        self.keep(Scalar::Whole(number.into()));
        Ok(())
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<(), E> {
        self.keep(Scalar::Whole(number.into()));
        Ok(())
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }
}

/// Reads a key and says which wanted fields lie behind it.
struct Key<'c, 'w, 'f, 'b>(&'c mut Cursor<'w, 'f, 'b>);

impl<'b> DeserializeSeed<'b> for Key<'_, '_, '_, 'b> {
    type Value = u16;

    fn deserialize<D: Deserializer<'b>>(self, reader: D) -> Result<u16, D::Error> {
        reader.deserialize_str(self)
    }
}

impl Visitor<'_> for Key<'_, '_, '_, '_> {
    type Value = u16;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<u16, E> {
        Ok(self.0.key(key))
    }
}

fn is_index(step: &str, index: usize) -> bool {
    step.bytes().all(|b| b.is_ascii_digit()) && step.parse() == Ok(index)
}
