//! Reading a few fields of a body without building the rest of it.
//!
//! What is read is what a reader of the whole document finds: of a key that is there twice, the last one.

use super::form;
use super::recipe::Form;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::borrow::Cow;
use std::fmt;

/// How many different fields of a body a scheme may want.
const MAX_WANTED: usize = 16;

/// Which of the wanted fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Slot(usize);

/// The fields that are wanted, and where they are.
#[derive(Debug, Clone, Default)]
pub(super) struct Wanted(Vec<Way>);

/// The way to a field, or to a field of every item of an array.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Way {
    steps: Box<[String]>,
    /// The step that leads to every item.
    every: Option<usize>,
}

/// The values that were found.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Fields<'b> {
    found: [Option<Scalar<'b>>; MAX_WANTED],
    /// Of the field that is one of every item: what each of the items has there.
    every: Vec<Option<Scalar<'b>>>,
}

/// A value that can name something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Scalar<'b> {
    Text(Cow<'b, str>),
    Whole(i128),
}

/// What a body turned out to be.
#[derive(Debug, Default)]
pub(super) struct Read<'b> {
    /// The wanted fields, if it is, or holds, a JSON document.
    pub(super) fields: Option<Fields<'b>>,
    /// Itself, if it is a form.
    pub(super) form: Option<&'b str>,
    /// Whether all of it has been read, and is a JSON document.
    pub(super) is_json: bool,
}

impl Wanted {
    /// Adds the field at the end of a way of keys and indices, joined by dots.
    pub(super) fn add(&mut self, path: &str) -> Slot {
        self.insert(path, None)
    }

    /// Adds a field of every item: `*` stands for the items.
    pub(super) fn add_each(&mut self, path: &str) -> Slot {
        self.insert(path, path.split('.').position(|step| step == "*"))
    }

    fn insert(&mut self, path: &str, every: Option<usize>) -> Slot {
        let steps = path.split('.').map(str::to_owned).collect();
        let way = Way { steps, every };
        let known = self.0.iter().position(|known| *known == way);
        let slot = known.unwrap_or_else(|| {
            self.0.push(way);
            self.0.len() - 1
        });
        let lists = self.0.iter().filter(|way| way.every.is_some()).count();
        assert!(slot < MAX_WANTED && lists < 2, "a scheme wants too much");
        Slot(slot)
    }

    /// Reads a body, which may be a form where the provider sends forms.
    pub(super) fn read<'b>(&self, form: Form, body: &'b [u8]) -> Read<'b> {
        let Ok(text) = str::from_utf8(body) else {
            return Read::default();
        };
        let is_document = text.trim_ascii_start().starts_with(['{', '[']);
        match form {
            Form::Fields | Form::Document(_) if !is_document => Read {
                fields: match form {
                    Form::Document(field) => form::value(text, field)
                        .and_then(|document| self.find(&document).map(Fields::owned)),
                    _ => None,
                },
                form: Some(text),
                is_json: false,
            },
            _ => {
                let fields = self.find(text);
                Read {
                    is_json: fields.is_some() && !self.0.is_empty(),
                    fields,
                    form: None,
                }
            }
        }
    }

    /// Reads the wanted fields. `None` if the text is not a JSON document; where nothing is wanted, it is not looked at.
    pub(super) fn find<'b>(&self, text: &'b str) -> Option<Fields<'b>> {
        let mut found = Fields::default();
        if self.0.is_empty() {
            return Some(found);
        }
        let mut reader = serde_json::Deserializer::from_str(text);
        let live = u16::MAX >> (MAX_WANTED - self.0.len());
        Cursor {
            wanted: self,
            live,
            depth: 0,
            found: &mut found,
        }
        .deserialize(&mut reader)
        .ok()?;
        reader.end().ok()?;
        Some(found)
    }
}

impl<'b> Fields<'b> {
    pub(super) fn get(&self, slot: Slot) -> Option<&Scalar<'b>> {
        self.found[slot.0].as_ref()
    }

    /// What each of the items has, where a field of every item is wanted.
    pub(super) fn each(&self) -> &[Option<Scalar<'b>>] {
        &self.every
    }

    fn owned(self) -> Fields<'static> {
        Fields {
            found: self.found.map(|value| value.map(Scalar::owned)),
            every: self
                .every
                .into_iter()
                .map(|value| value.map(Scalar::owned))
                .collect(),
        }
    }
}

impl Scalar<'_> {
    fn owned(self) -> Scalar<'static> {
        match self {
            Self::Text(text) => Scalar::Text(Cow::Owned(text.into_owned())),
            Self::Whole(number) => Scalar::Whole(number),
        }
    }

    /// The text that it is.
    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Whole(_) => None,
        }
    }

    /// As text, also a number.
    pub(super) fn as_text(&self) -> Cow<'_, str> {
        match self {
            Self::Text(text) => Cow::Borrowed(text),
            Self::Whole(number) => Cow::Owned(number.to_string()),
        }
    }
}

/// Where the reading is: `depth` steps into the document, on the way to those wanted fields whose bit is set in `live`.
struct Cursor<'w, 'f, 'b> {
    wanted: &'w Wanted,
    live: u16,
    depth: usize,
    found: &'f mut Fields<'b>,
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
