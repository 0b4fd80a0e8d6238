//! Reading a few fields of a body without building the rest of it.
//!
//! What is read is what a reader of the whole document finds: of a key that is there twice, the last one.

mod cursor;

use super::form;
use super::recipe::Form;
use cursor::Cursor;
use serde::de::DeserializeSeed;
use std::borrow::Cow;

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
