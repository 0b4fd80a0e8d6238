//! Reading a few fields of a body without building the rest of it.
//!
//! What is read is what a reader of the whole document finds: of a key that is there twice, the last one.

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::borrow::Cow;
use std::fmt;

/// What a scheme may want to know of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Want {
    Secret,
    Timestamp,
    DeliveryId,
    Kind,
    Action,
}

/// The fields that are wanted, and where they are. At most one place for each.
#[derive(Debug, Clone, Default)]
pub(super) struct Wanted(Vec<(Want, Box<[String]>)>);

/// The values that were found.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Fields<'b>([Option<Scalar<'b>>; 5]);

/// A value that can name something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Scalar<'b> {
    Text(Cow<'b, str>),
    Whole(i128),
}

impl Wanted {
    pub(super) fn add(&mut self, want: Want, path: &str) {
        self.0
            .push((want, path.split('.').map(str::to_owned).collect()));
    }

    /// Reads the wanted fields. `None` if the body is not a JSON document; where nothing is wanted, it is not looked at.
    pub(super) fn read<'b>(&self, body: &'b str) -> Option<Fields<'b>> {
        let mut found = Fields::default();
        if self.0.is_empty() {
            return Some(found);
        }
        let mut reader = serde_json::Deserializer::from_str(body);
        let live = (1u8 << self.0.len()) - 1;
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
    pub(super) fn take(&mut self, want: Want) -> Option<Scalar<'b>> {
        self.0[want as usize].take()
    }

    fn owned(self) -> Fields<'static> {
        Fields(self.0.map(|value| {
            value.map(|scalar| match scalar {
                Scalar::Text(text) => Scalar::Text(Cow::Owned(text.into_owned())),
                Scalar::Whole(number) => Scalar::Whole(number),
            })
        }))
    }
}

impl<'b> Scalar<'b> {
    pub(super) fn into_text(self) -> Cow<'b, str> {
        match self {
            Self::Text(text) => text,
            Self::Whole(number) => Cow::Owned(number.to_string()),
        }
    }
}

/// Where the reading is: `depth` steps into the document, on the way to those wanted fields whose bit is set in `live`.
struct Cursor<'w, 'f, 'b> {
    wanted: &'w Wanted,
    live: u8,
    depth: usize,
    found: &'f mut Fields<'b>,
}

impl<'w, 'b> Cursor<'w, '_, 'b> {
    /// The wanted fields that go on with a step that is `taken`. What was found on their ways before is forgotten: this is a
    /// later value of the same key.
    fn step(&mut self, taken: impl Fn(&str) -> bool) -> u8 {
        let mut next = 0;
        for (i, (want, path)) in self.wanted.0.iter().enumerate() {
            if self.live & (1 << i) != 0 && path.get(self.depth).is_some_and(|step| taken(step)) {
                next |= 1 << i;
                self.found.0[*want as usize] = None;
            }
        }
        next
    }

    fn deeper(&mut self, live: u8) -> Cursor<'w, '_, 'b> {
        Cursor {
            wanted: self.wanted,
            live,
            depth: self.depth + 1,
            found: self.found,
        }
    }

    /// Keeps a value for those wanted fields whose way ends here.
    fn keep(self, value: Scalar<'b>) {
        for (i, (want, path)) in self.wanted.0.iter().enumerate() {
            if self.live & (1 << i) != 0 && path.len() == self.depth {
                self.found.0[*want as usize] = Some(value.clone());
            }
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
            let more = match self.step(|step| is_index(step, index)) {
                0 => list.next_element::<IgnoredAny>()?.is_some(),
                live => list.next_element_seed(self.deeper(live))?.is_some(),
            };
            if !more {
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
    type Value = u8;

    fn deserialize<D: Deserializer<'b>>(self, reader: D) -> Result<u8, D::Error> {
        reader.deserialize_str(self)
    }
}

impl Visitor<'_> for Key<'_, '_, '_, '_> {
    type Value = u8;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<u8, E> {
        Ok(self.0.step(|step| step == key))
    }
}

/// Reads the wanted fields of a delivery's body: of the JSON document that it is, or, where the provider may send forms, of the
/// one in its form field. `None` if there is no such document.
pub(super) fn fields<'b>(
    wanted: &Wanted,
    form_field: Option<&str>,
    body: &'b [u8],
) -> Option<Fields<'b>> {
    let body = str::from_utf8(body).ok()?;
    match form_field.and_then(|field| form_value(body, field)) {
        Some(document) => wanted.read(&document).map(Fields::owned),
        None => wanted.read(body),
    }
}

fn is_index(step: &str, index: usize) -> bool {
    step.bytes().all(|b| b.is_ascii_digit()) && step.parse() == Ok(index)
}

/// The value of the first field of an `application/x-www-form-urlencoded` body, if that is its name
/// (<https://url.spec.whatwg.org/#urlencoded-parsing>). A field that is there twice has none, because readers differ in which
/// one they take.
fn form_value(body: &str, field: &str) -> Option<String> {
    let named = |pair: &'_ str| {
        pair.strip_prefix(field)
            .is_some_and(|rest| rest.starts_with('='))
    };
    if !named(body) {
        return None;
    }
    let mut pairs = body[field.len() + 1..].split('&');
    let value = pairs.next()?;
    if pairs.any(named) {
        None
    } else {
        percent_decode(value)
    }
}

fn percent_decode(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let mut plain = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let escape = bytes
            .get(at..at + 3)
            .filter(|_| byte == b'%')
            .and_then(|escape| hex_pair(escape[1], escape[2]));
        plain.push(escape.unwrap_or(if byte == b'+' { b' ' } else { byte }));
        at += if escape.is_some() { 3 } else { 1 };
    }
    String::from_utf8(plain).ok()
}

fn hex_pair(high: u8, low: u8) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    u8::try_from(digit(high)? * 16 + digit(low)?).ok()
}
